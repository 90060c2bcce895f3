"""What a sender wrote becomes what is stored."""

from datetime import UTC, datetime

import msgspec
import pytest

from logkeep.clock import NS_PER_DAY, NS_PER_S
from logkeep.event import Event, WireEvent, attributes_json, attributes_of
from logkeep.processor.normalise import TimeLimits, normalise, normalise_all, time_from

PLAIN = WireEvent(session="p", key="k", value=msgspec.Raw(b'"v"'))
RECEIVED_NS = int(datetime(2026, 11, 22, 12, 0, tzinfo=UTC).timestamp()) * NS_PER_S
LIMITS = TimeLimits.around(RECEIVED_NS, retention_days=15, future_s=600)


def stored(**members: object) -> tuple[Event, dict[str, int]]:
    """The stored event of a sent one, and what was corrected."""
    sent = {"session": "s", "key": "k", "value": "v", **members}
    corrected: dict[str, int] = {}
    wire = msgspec.json.decode(msgspec.json.encode(sent), type=WireEvent)
    event = normalise(wire, "app", "made", RECEIVED_NS, LIMITS, corrected)
    again: dict[str, int] = {}
    assert normalise_all([PLAIN, wire], "app", ["m", "made"], RECEIVED_NS, LIMITS, again)[1] == event
    assert again == corrected
    return event, corrected


def test_an_event_with_every_member_keeps_all_of_them() -> None:
    event, corrected = stored(
        time="2026-11-22T11:59:59.123456789Z",
        user="u",
        terminal="d",
        component="c",
        level="WARNING",
        attributes={"os": "ios", "n": 1.5, "ok": True, "none": None},
        id="mine",
        update=True,
        seq=7,
        client="x",
    )
    assert corrected == {}
    assert event == Event(
        app="app",
        session="s",
        key="k",
        value="v",
        kind="text",
        number=None,
        time_ns=RECEIVED_NS - NS_PER_S + 123_456_789,
        received_ns=RECEIVED_NS,
        id="mine",
        level="warn",
        user="u",
        device="d",
        component="c",
        attributes=attributes_json({"os": "ios", "n": 1.5, "ok": True, "none": None, "seq": 7, "client": "x"}),
        update=True,
        own_id=True,
    )


@pytest.mark.parametrize(
    ("json_text", "value", "kind", "number"),
    [
        (b'"a\\nb\\u00e4"', "a\nbä", "text", None),
        (b"5", "5", "number", 5.0),
        (b"-1.50e3", "-1.50e3", "number", -1500.0),
        (b"1e999", "1e999", "number", None),
        (b"true", "true", "bool", None),
        (b"null", "null", "null", None),
        (b'{ "a" : [1,\n 2] }', '{"a":[1,2]}', "object", None),
        (b"[]", "[]", "array", None),
    ],
)
def test_a_value_keeps_its_type_and_a_number_is_also_a_number(
    json_text: bytes, value: str, kind: str, number: float | None
) -> None:
    wire = WireEvent(session="s", key="k", value=msgspec.Raw(json_text))
    event = normalise(wire, "app", "made", RECEIVED_NS, LIMITS, {})
    assert (event.value, event.kind, event.number) == (value, kind, number)


@pytest.mark.parametrize(
    ("sent", "expected_ns"),
    [
        (1_790_000_000, 1_790_000_000 * NS_PER_S),
        (1_790_000_000_123, 1_790_000_000_123 * 1_000_000),
        (1_790_000_000_123_456, 1_790_000_000_123_456 * 1_000),
        (1_790_000_000_123_456_789, 1_790_000_000_123_456_789),
        (1_790_000_000.25, 1_790_000_000_250_000_000),
        ("1790000000", 1_790_000_000 * NS_PER_S),
        ("2026-11-22T12:00:00Z", RECEIVED_NS),
        ("2026-11-22T13:00:00+01:00", RECEIVED_NS),
        ("2026-11-22 12:00:00", RECEIVED_NS),
        ("2026-11-22T12:00:00.000000001Z", RECEIVED_NS + 1),
        ("2026-11-22T12:00:00.1234567Z", RECEIVED_NS + 123_456_700),
        ("2026-11-22T12:00:00.123456789+00:00", RECEIVED_NS + 123_456_789),
        ("2026-11-22t12:00:00z", RECEIVED_NS),
        ("2026-11-22t12:00:00.123z", RECEIVED_NS + 123_000_000),
        ("2026-11-22T12:00:00.123456789z", RECEIVED_NS + 123_456_789),
        ("2026-11-22t13:00:00+01:00", RECEIVED_NS),
        ("2026-11-22T11:59:60Z", RECEIVED_NS - 1),
        ("2026-11-22T11:59:60.123Z", RECEIVED_NS - 1),
        ("2026-11-22T11:59:60.456Z", RECEIVED_NS - 1),
        ("2026-11-22t11:59:60.5z", RECEIVED_NS - 1),
        ("2026-11-22T12:59:60+01:00", RECEIVED_NS - 1),
        ("2026-11-22 11:59:60", RECEIVED_NS - 1),
        ("2026-11-22T11:59:61Z", None),
        ("2026-11-22T11:60:00z", None),
        ("2026-02-30t00:00:60z", None),
        ("2026-11-22t12:00:00x", None),
        ("yesterday", None),
        ("", None),
        ("9" * 40, None),
        (float("nan"), None),
        (float("inf"), None),
        (10**30, None),
    ],
)
def test_times_are_read_in_every_allowed_form(sent: str | int | float, expected_ns: int | None) -> None:
    assert time_from(sent) == expected_ns


@pytest.mark.parametrize(
    "sent", ["nonsense", "2026-11-22T12:10:01Z", "2026-11-07T23:59:59Z", 0, -5, "0001-01-01T00:00:00+14:00"]
)
def test_a_time_that_cannot_be_believed_is_replaced_and_kept_as_an_attribute(sent: str | int) -> None:
    event, corrected = stored(time=sent)
    assert (event.time_ns, attributes_of(event), corrected) == (RECEIVED_NS, {"sent_time": str(sent)}, {"time": 1})


@pytest.mark.parametrize("sent", ["2026-11-22T12:10:00Z", "2026-11-08T00:00:00Z"])
def test_a_time_on_the_edge_of_what_is_believed_stands(sent: str) -> None:
    event, corrected = stored(time=sent)
    assert corrected == {}
    assert datetime.fromtimestamp(event.time_ns / NS_PER_S, UTC) == datetime.fromisoformat(sent)


def test_the_oldest_believed_time_is_the_start_of_the_oldest_day_kept() -> None:
    limits = TimeLimits.around(RECEIVED_NS, retention_days=1, future_s=0)
    assert limits == TimeLimits(RECEIVED_NS // NS_PER_DAY * NS_PER_DAY, RECEIVED_NS)


@pytest.mark.parametrize(
    ("sent", "level", "attributes"),
    [
        ("error", "error", {}),
        ("Error", "error", {}),
        ("ERR", "error", {}),
        (" Notice ", "info", {}),
        ("", "", {}),
        ("loud", "", {"sent_level": "loud"}),
    ],
)
def test_levels_are_one_of_six_whatever_they_are_called(sent: str, level: str, attributes: dict[str, str]) -> None:
    event, _ = stored(level=sent)
    assert (event.level, attributes_of(event)) == (level, attributes)


def test_names_longer_than_allowed_are_cut_at_a_character() -> None:
    event, corrected = stored(user="ä" * 300, id="x" * 513)
    assert (event.user, event.id, corrected) == ("ä" * 256, "x" * 512, {"name_cut": 2})


def test_a_value_nested_too_deep_to_be_compacted_still_stands_on_one_line() -> None:
    wire = WireEvent(session="s", key="k", value=msgspec.Raw(b"[\n" * 990 + b"]" * 990))
    event = normalise(wire, "app", "made", RECEIVED_NS, LIMITS, {})
    assert event.value.replace(" ", "") == "[" * 990 + "]" * 990
    assert "\n" not in event.value
