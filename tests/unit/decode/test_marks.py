"""Component and level of events, and bodies without some of their events."""

import json

import pytest

from logkeep.decode.marks import component_of, level_of, marks_of, sizes_of, spread, without

EVENTS = [
    {"component": "cart", "level": "ERROR", "value": 1},
    {"value": {"a": [1, 2]}},
    {"level": 5, "component": ["x"]},
]


def test_marks_are_read_from_lines_and_arrays_alike() -> None:
    ndjson = "\n".join(json.dumps(event, indent=1) for event in EVENTS[:2]).encode()
    assert marks_of(ndjson, "ndjson") == [("cart", "ERROR"), (None, None)]
    odd = marks_of(json.dumps(EVENTS).encode(), "json")
    assert odd == [("cart", "ERROR"), (None, None), ('["x"]', "5")]
    assert [(component_of(mark), level_of(mark)) for mark in odd] == [("cart", "error"), ("", ""), ('["x"]', "")]


def test_issues_are_of_the_level_of_the_event_that_they_become() -> None:
    told = [{"kind": "crash", "component": "cart"}, {"kind": "feedback"}, {"title": "a"}, {"kind": "issue"}]
    body = "\n".join(map(json.dumps, told)).encode()
    assert marks_of(body, "ndjson", "issues") == [("cart", "fatal"), (None, "info"), (None, "error"), (None, "error")]


def test_sizes_are_of_each_event() -> None:
    assert sizes_of(b'[{"a":1}, {} ,\n{"value":"\xc3\xa9"}]', "json") == [7, 2, 14]
    assert sizes_of(b'{"a":1}\n{}', "ndjson") == [7, 2]


@pytest.mark.parametrize("level", ["Warning", " WARN ", "w", "warn"])
def test_levels_have_other_names(level: str) -> None:
    assert level_of((None, level)) == "warn"


def test_what_is_left_out_is_given_back_and_the_rest_stands_a_line_each() -> None:
    array = json.dumps(EVENTS, indent=1).encode()
    kept, gone = without(array, "json", {0, 2})
    assert [json.loads(line) for line in kept.split(b"\n")] == [EVENTS[1]]
    assert list(map(json.loads, gone)) == [EVENTS[0], EVENTS[2]]
    large = b"\n".join(b'{"value":"%s"}' % (b"x" * 300_000) for _ in range(9))
    kept, gone = without(large, "ndjson", set(range(8)))
    assert (len(kept), len(gone)) == (300_012, 8)


def test_what_is_kept_of_many_is_spread_over_them() -> None:
    assert (spread(10, 3), spread(3, 3), spread(3, 0), spread(5, 1)) == ([0, 3, 6], [0, 1, 2], [], [0])
