"""Queries as conditions of a search cluster: what it can say exactly, what too widely, and never too narrowly."""

import pytest

from logkeep.query.parser import parse
from logkeep.store.opensearch_dsl import EVERYTHING, compile_query
from logkeep.store.opensearch_regex import literal, translated


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("a", "[\0-\U0010ffff]*a[\0-\U0010ffff]*"),
        ("^a", "a[\0-\U0010ffff]*"),
        ("^a$", "a"),
        ("^(a|b)$", "((a)|(b))"),
        ("^a|b$", "(a[\0-\U0010ffff]*|[\0-\U0010ffff]*b)"),
        ("^a{2,}\\.$", "(a){2,}\\."),
        ("^[a-c]$", "[a-c]"),
        ("\\bword", None),
        ("a(^b|c)", None),
    ],
)
def test_a_regex_of_whole_terms(pattern: str, expected: str | None) -> None:
    assert translated(pattern) == expected


def test_without_a_translation_its_literal_narrows() -> None:
    assert literal("\\btime.out") == "[\0-\U0010ffff]*time[\0-\U0010ffff]*"
    assert literal("\\b\\d") is None


def test_what_the_engine_cannot_say_is_too_wide_and_under_not_too_wide_as_well() -> None:
    wide = compile_query(parse("value:/\\btime/"))
    assert not wide.exact and "regexp" in str(wide.condition)
    denied = compile_query(parse("not value:/\\btime/"))
    assert not denied.exact and denied.condition == {"bool": {"must_not": [{"match_none": {}}]}}


def test_a_regex_names_the_field_whose_cut_texts_it_may_misjudge() -> None:
    assert compile_query(parse("value:/time/")).cuts == {"value"}
    assert compile_query(parse("user:/time/")).cuts == frozenset()
    assert compile_query(parse("attributes.os:/x/")).cuts == {"attributes"}


def test_a_query_deeper_than_the_engine_takes_is_left_to_the_evaluator() -> None:
    found = compile_query(parse("(a or (b " * 12 + "c" + "))" * 12))
    assert (found.exact, found.condition) == (False, EVERYTHING)
