"""What the rules name is not in what is stored."""

import pytest

from logkeep.errors import InputError
from logkeep.event import Event, ValueKind, attributes_json, attributes_of
from logkeep.masking.masker import Masker
from logkeep.masking.rules import DEFAULT, OwnPattern, Rules, checked

ALL = Rules(builtin=("bearer", "email", "card"))


def event(value: str, kind: ValueKind = "text", key: str = "k", **attributes: str) -> Event:
    return Event(
        "shop",
        "s",
        key,
        value,
        kind,
        5.0 if kind == "number" else None,
        0,
        0,
        "i",
        attributes=attributes_json(attributes),
    )


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("login password=hunter2 ok", "login password=[masked] ok"),
        ("PASSWORD: hunter2, user: anna", "PASSWORD: [masked], user: anna"),
        ('pwd="a b \\" c" next', 'pwd="[masked]" next'),
        ("url?token=abc&x=1", "url?token=[masked]&x=1"),
        ("Authorization: Bearer abc.def-123 end", "Authorization: [masked] end"),
        ("sent bearer abcdefgh12345 to", "sent bearer [masked] to"),
        ('{"user":"anna","Password":"x\\"y","n":1}', '{"user":"anna","Password":"[masked]","n":1}'),
        ("mail to anna.b+c@mail.example.org.", "mail to [masked]."),
        ("card 4111 1111 1111 1111 declined", "card [masked] declined"),
        ("card 4111 1111 1111 1112 is none", "card 4111 1111 1111 1112 is none"),
        ("order 0000000000000000", "order 0000000000000000"),
        ("my_password=kept passwords=kept", "my_password=kept passwords=kept"),
        ("ünïcödé password=gehëim ü", "ünïcödé password=[masked] ü"),
        ("password=", "password="),
        ("nothing here", "nothing here"),
    ],
)
def test_a_text_is_masked_and_all_else_in_it_stays(text: str, masked: str) -> None:
    assert Masker(ALL).mask_text(text) == masked
    around = [event("before password"), event(text), event("=after")]
    Masker(ALL).mask(around)
    assert [found.value for found in around] == ["before password", masked, "=after"]


def test_keys_attributes_and_numbers_of_a_field_are_masked_whole() -> None:
    events = [event("5", "number", key="Token"), event("x", **{"Set-Cookie": "a=b", "note": "pwd=1", "os": "x"})]
    assert Masker(DEFAULT).mask(events) == 3
    assert (events[0].value, events[0].kind, events[0].number) == ("[masked]", "text", None)
    assert attributes_of(events[1]) == {"Set-Cookie": "[masked]", "note": "pwd=[masked]", "os": "x"}
    card = event("4111111111111111", "number")
    Masker(ALL).mask([card])
    assert (card.value, card.kind, card.number) == ("[masked]", "text", None)


def test_json_stays_json() -> None:
    value = '{"Token":{"a":[1]},"n":5,"list":["pwd=1",{"cvv":123}],"card":4111111111111111,"ok":true}'
    found = event(value, "object")
    assert Masker(ALL).mask([found, event('[1,"x"]', "array")]) == 1
    assert found.value == (
        '{"Token":"[masked]","n":5,"list":["pwd=[masked]",{"cvv":"[masked]"}],"card":"[masked]","ok":true}'
    )


def test_own_patterns_are_named_in_their_place_and_stay_within_their_text() -> None:
    rules = checked(Rules((), (), (OwnPattern("iban", "DE[0-9]{20}"), OwnPattern("first", "^x[^y]*"))))
    events = [event("to DE12345678901234567890 and x"), event("x and\nmore"), event("y")]
    Masker(rules).mask(events)
    assert [found.value for found in events] == ["to [iban] and x", "[first]", "y"]
    assert (
        Masker(Rules((), (), (OwnPattern("gap", "a[^b]*b"),))).mask(crossing := [event("ca"), event("b"), event("ab")])
        == 1
    )
    assert [found.value for found in crossing] == ["ca", "b", "[gap]"]


@pytest.mark.parametrize("pattern", ["(?=x)", "(a", r"\1", "x{1001}"])
def test_a_pattern_outside_of_the_subset_is_refused(pattern: str) -> None:
    with pytest.raises(InputError) as refused:
        checked(Rules(patterns=(OwnPattern("own", pattern),)))
    assert refused.value.code == "bad_regex" and "own" in refused.value.message


def test_hostile_texts_are_done_in_one_pass() -> None:
    rules = Rules(("bearer", "email", "card"), DEFAULT.fields, (OwnPattern("evil", "(a*)*(a|b)*c"),))
    for text in ("a" * 200_000, "password" * 30_000, "1 " * 100_000, 'password="' + "\\" * 100_000, "a@" * 100_000):
        assert len(Masker(rules).mask_text(text)) > 0
