"""Pages: times, cursors, buckets and the JSON of an event."""

import pytest

from logkeep.errors import InputError
from logkeep.event import Event
from logkeep.store.page import bucket_width_ns, decode_cursor, encode_cursor, event_json, rfc3339, time_ns_of


@pytest.mark.parametrize(
    ("time_ns", "text"),
    [
        (0, "1970-01-01T00:00:00.000000000Z"),
        (1_760_054_400_123_456_789, "2025-10-10T00:00:00.123456789Z"),
        ((1 << 63) - 1, "2262-04-11T23:47:16.854775807Z"),
        (-1, "1969-12-31T23:59:59.999999999Z"),
    ],
)
def test_a_time_is_written_with_nine_digits_and_read_back(time_ns: int, text: str) -> None:
    assert (rfc3339(time_ns), time_ns_of(text)) == (text, time_ns)


@pytest.mark.parametrize("place", [(0, "a"), (-5, "é𝄞"), ((1 << 63) - 1, "x" * 512), (1, "a\x00=+/")])
def test_a_cursor_is_safe_in_a_url_and_comes_back(place: tuple[int, str]) -> None:
    cursor = encode_cursor(*place)
    assert cursor.replace("-", "").replace("_", "").isalnum()
    assert decode_cursor(cursor) == place


@pytest.mark.parametrize("cursor", ["", "AAAA", "a b", "_" * 1100, "AAAAAAAAAAD_", "ünï"])
def test_what_is_no_cursor_is_the_callers_fault(cursor: str) -> None:
    with pytest.raises(InputError) as caught:
        decode_cursor(cursor)
    assert (caught.value.code, caught.value.status) == ("bad_cursor", 400)


@pytest.mark.parametrize(("span", "buckets", "width"), [((0, 100), 10, 10), ((0, 101), 10, 11), ((5, 6), 60, 1)])
def test_buckets_cover_the_range(span: tuple[int, int], buckets: int, width: int) -> None:
    assert bucket_width_ns(*span, buckets) == width


def test_a_range_without_length_has_no_buckets() -> None:
    with pytest.raises(InputError, match="empty range"):
        bucket_width_ns(7, 7, 10)


def test_the_json_of_an_event_holds_what_is_set() -> None:
    event = Event("shop", "s", "k", "5.0", "number", 5.0, 1, 2, "e", attributes={"a": "1", "b": 1})
    assert event_json(event) == (
        b'{"id":"e","app":"shop","time":"1970-01-01T00:00:00.000000001Z","received":"1970-01-01T00:00:00.000000002Z",'
        b'"session":"s","key":"k","value":5.0,"attributes":{"a":"1","b":1}}'
    )
