"""Queries over devices read as those over events do, with a device's fields."""

import pytest

from logkeep.errors import QuerySyntaxError
from logkeep.query import ast
from logkeep.query.device_parser import described, fields_of, granting, is_by_name, parse_device_query, required
from logkeep.query.match import matches

PHONE = described(
    device="d1", user="anna", texts={"name": "Anna's phone", "model": "Pixel 8", "os": "Android", "language": ""},
    keys={"plan": "gold", "level": 5, "a b": True}, enabled=False,
)  # fmt: skip


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", True),
        ("model:pixel*", True),
        ("MODEL:pixel*", True),
        ("os=android", False),
        ("os:android", True),
        ("keys.plan=gold keys.level>=5", True),
        ('keys."a b":true', True),
        ("keys.Plan:*", False),
        ("language:*", False),
        ("enabled:false", True),
        ("not enabled:true (os:ios or model:/8$/)", True),
        ("phone", True),
        ("d1 pho*", True),
        ('"pixel 8"', True),
        ("terminal:d1 user=anna", True),
    ],
)
def test_a_device_is_matched_by_its_own_fields(text: str, found: bool) -> None:
    assert matches(parse_device_query(text), PHONE) is found


@pytest.mark.parametrize(
    ("text", "column"), [("level:error", 1), ("os:android value>3", 12), ("attributes.os:x", 1), ("os:", 4)]
)
def test_fields_of_events_are_refused_where_they_stand(text: str, column: int) -> None:
    with pytest.raises(QuerySyntaxError) as refused:
        parse_device_query(text)
    assert refused.value.column == column


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "keys.level:[1 TO 5]",
            "a range is keys.level:1..5 (both ends included), or use `>` and `<`; else quote the text",
        ),
        ("os:=x", "write os= for exact text, or quote a text that begins with `=`"),
        ('keys."a b"=', 'keys."a b"= is followed by nothing; write a text, or keys."a b":* for `is set`'),
        ("user>5", "user is text, and `>` compares numbers (keys.NAME)"),
        (
            "foo-bar*",
            '`*` completes one word, and foo-bar is not one; write "foo bar", or name:/foo-bar/ for these characters',
        ),
        (
            "attributes.os:x",
            "devices have no field attributes.os; they have device, user, name, model, os, os_version, app_version, "
            "language, enabled, keys.NAME; to search for the text, quote it",
        ),
    ],
)  # fmt: skip
def test_a_slip_is_told_in_fields_that_devices_have(text: str, message: str) -> None:
    with pytest.raises(QuerySyntaxError) as refused:
        parse_device_query(text)
    assert refused.value.message == message


def test_what_a_query_looks_at_tells_who_can_answer_it() -> None:
    assert fields_of(parse_device_query("user:x or not (app_version:3* word)")) == {
        "user", "attributes.app_version", "value",
    }  # fmt: skip
    assert all(is_by_name(parse_device_query(text)) for text in ["", "device=d1", "-device:d*"])
    assert not any(is_by_name(parse_device_query(text)) for text in ["os:x", "word", "device:x user:x"])


@pytest.mark.parametrize(
    ("text", "fields", "found"),
    [
        ("os:ios", set(), False),
        ("os:ios", {"attributes.os"}, True),
        ("-os:android", {"attributes.os"}, True),
        ("-os:android user:bob", {"attributes.os"}, False),
        ("-(-os:ios or user:bob)", {"attributes.os"}, True),
        ("-(os:ios or user:anna)", {"attributes.os"}, False),
        ("word", {"value"}, True),
    ],
)
def test_what_is_granted_speaks_against_nothing(text: str, fields: set[str], found: bool) -> None:
    assert matches(granting(parse_device_query(text), fields), PHONE) is found


def test_what_each_match_fulfils_is_found_in_rows_of_and() -> None:
    query = parse_device_query("os:ios (model:pixel* keys.plan=gold) (a or os:x) -os:y")
    assert required(query) == [
        ast.Equals("attributes.os", "ios", True),
        ast.Prefix("attributes.model", "pixel", True),
        ast.Equals("attributes.keys.plan", "gold"),
    ]
