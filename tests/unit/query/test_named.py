"""Whom a query is about."""

import pytest

from logkeep.query.named import named_in, named_whole, names_alone
from logkeep.query.parser import parse

ANNA, ANNA_ON_A1 = {"user": {"anna"}}, {"user": {"anna"}, "device": {"a1"}}


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("user=anna", ANNA),
        ("user:(anna or bert)", {"user": {"anna", "bert"}}),
        ('user=anna or device=a1 or "anna@example.org"', ANNA_ON_A1),
        ("user=anna or (timeout or device=a1)", ANNA_ON_A1),
        ("user=anna or level:error", ANNA),
        ("user=anna or not device=a1", ANNA),
        ("user=anna or user:be*", ANNA),
        ("*", {}),
        ("anna", {}),
        ("component=anna", {}),
        ("not user=anna", {}),
        ("(user=anna or level:error) timeout", {}),
        ("not (user=anna or device=a1)", {}),
    ],
)
def test_each_alternative_that_is_a_name_counts_whatever_the_others_are(text: str, names: dict[str, set[str]]) -> None:
    assert named_in(parse(text)) == named_whole(parse(text)) == names


@pytest.mark.parametrize(
    ("text", "names", "whole"),
    [
        ("user=anna level:error", ANNA, {}),
        ("user=anna timeout or device=a1", ANNA_ON_A1, {"device": {"a1"}}),
        ("(user=anna or device=a1) timeout", ANNA_ON_A1, {}),
        ("user=anna or (device=a1 or timeout) level:error", ANNA, ANNA),
    ],
)
def test_a_name_with_more_beside_it_is_named_and_not_whole(
    text: str, names: dict[str, set[str]], whole: dict[str, set[str]]
) -> None:
    assert (named_in(parse(text)), named_whole(parse(text))) == (names, whole)


def test_names_alone_are_a_query_that_asks_for_nothing_else() -> None:
    alone = ("user=anna", "user=anna or (device=a1 or session=s)", "user=anna or timeout", "user=anna level:error", "*")
    assert [names_alone(parse(text)) for text in alone] == [True, True, False, False, False]
