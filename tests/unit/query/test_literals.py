"""The text that a regular expression cannot do without."""

import pytest

from logkeep.query.literals import longest_literal


@pytest.mark.parametrize(
    ("pattern", "literal"),
    [
        ("timeout", "timeout"),
        ("^time.*outs?$", "time"),
        ("a.bcd", "bcd"),
        ("(?:abc)+d", "abc"),
        ("(abc)?d", "d"),
        ("abc|abd", ""),
        ("[0-9]+ms", "ms"),
        ("x{0,2}", ""),
        ("\\bword\\b", "word"),
        ("[a]b", "ab"),
    ],
)
def test_the_longest_run_that_every_match_holds(pattern: str, literal: str) -> None:
    assert longest_literal(pattern) == literal
