"""What stages make of events, by example: the rules that query/pipes.py decides."""

from typing import Any

import pytest
from tests.events import made_event

from logkeep.event import Event
from logkeep.query.match import matcher
from logkeep.query.parser import parse_statement
from logkeep.query.pipes import Span, rows_of, sorted_events, with_neighbours
from logkeep.store.page import rows_wanted, stats_table

MINUTE_NS = 60 * 10**9
T0 = 1_760_000_400 * 10**9  # 2025-10-09T09:00:00Z
HOUR = Span(T0, T0 + 60 * MINUTE_NS, T0 + 60 * MINUTE_NS)


def event(number: int, value: Any = "x", minute: float = 0, **fields: Any) -> Event:
    given: dict[str, Any] = {
        "app": "shop", "session": "s", "key": "k", "value": str(value),
        "kind": "text" if isinstance(value, str) else "number",
        "number": None if isinstance(value, str) else float(value),
        "time_ns": T0 + int(minute * MINUTE_NS), "received_ns": T0, "id": f"e{number}",
    }  # fmt: skip
    return made_event(**(given | fields))


def rows(query: str, events: list[Event], span: Span = HOUR) -> list[list[Any]]:
    statement = parse_statement(query)
    assert statement.making is not None
    found = filter(matcher(statement.filter), events)
    made = rows_of(statement.making, statement.sort, rows_wanted(statement), found, span)
    return stats_table(statement, made).rows


def test_without_groups_there_is_one_row_also_for_nothing() -> None:
    functions = "count, rate, uniq(user), sum(value), avg(value), min(value), max(value), p50(value)"
    assert rows(f"| {functions}", []) == [[0, 0, 0, None, None, None, None, None]]
    assert rows(f"| {functions} by level", []) == []


def test_functions_pass_over_what_is_no_number() -> None:
    events = [event(0, 4), event(1, "7"), event(2, 1), event(3, 1)]
    assert rows("| count, sum(value), avg(value), min(value), max(value)", events) == [[4, 6, 2, 1, 4]]


def test_attributes_are_numbers_where_they_were_sent_as_numbers() -> None:
    events = [event(n, attributes={"ms": value}) for n, value in enumerate([5, "5", 2.5, True, None])]
    assert rows("| count, sum(attributes.ms)", [*events, event(9)]) == [[6, 7.5]]


@pytest.mark.parametrize(
    ("count", "found"),
    [
        (1, [1, 1, 1, 1, 1]),
        (2, [1, 2, 2, 2, 2]),
        (4, [2, 3, 4, 4, 4]),
        (20, [10, 15, 18, 19, 20]),
        (100, [50, 75, 90, 95, 99]),
        (101, [51, 76, 91, 96, 100]),
    ],
)
def test_a_percentile_is_the_least_number_that_so_many_do_not_exceed(count: int, found: list[int]) -> None:
    events = [event(n, count - n) for n in range(count)]
    query = "| p50(value), p75(value), p90(value), p95(value), p99(value)"
    assert rows(query, events) == [found]


def test_a_result_beyond_a_double_is_null() -> None:
    events = [event(0, 1.5e308), event(1, 1.5e308)]
    assert rows("| sum(value), avg(value), max(value)", events) == [[None, None, 1.5e308]]


def test_unset_is_a_group_of_its_own_and_no_value() -> None:
    events = [event(0, user="b"), event(1), event(2), event(3, user="a"), event(4, user="b")]
    assert rows("| count by user", events) == [["a", 1], ["b", 2], ["", 2]]
    assert rows("| uniq(user)", events) == [[2]]
    assert rows("| top 5 user", events) == [["b", 2], ["a", 1]]


def test_groups_compare_exactly_and_by_text() -> None:
    events = [event(n, attributes={"a": value}) for n, value in enumerate(["x", "X", 5, "5", 5.0])]
    assert rows("| count by attributes.a", events) == [["5", 3], ["X", 1], ["x", 1]]


def test_levels_stand_in_their_order_and_unset_last() -> None:
    events = [event(n, level=level) for n, level in enumerate(["warn", "", "fatal", "trace", "error"])]
    assert [row[0] for row in rows("| count by level", events)] == ["trace", "warn", "error", "fatal", ""]
    assert [row[0] for row in rows("| count by level | sort level desc", events)] == [
        "fatal", "error", "warn", "trace", "",
    ]  # fmt: skip


def test_parts_of_the_time_are_aligned_and_those_without_events_absent() -> None:
    events = [event(0, minute=4.9), event(1, minute=5), event(2, minute=17), event(3, minute=5.5)]
    assert rows("| count by bin(5m)", events) == [
        ["2025-10-09T09:00:00.000000000Z", 1],
        ["2025-10-09T09:05:00.000000000Z", 2],
        ["2025-10-09T09:15:00.000000000Z", 1],
    ]


def test_a_rate_is_by_the_seconds_in_the_range_that_have_passed() -> None:
    events = [event(n, minute=minute) for n, minute in enumerate([3, 3, 3, 6, 11])]
    span = Span(T0 + 2 * MINUTE_NS, T0 + 20 * MINUTE_NS, T0 + 7 * MINUTE_NS)
    assert rows("| rate", events, span) == [[5 / 300]]
    # 09:00 has 3 minutes in the range, of 09:05 2 have passed, of 09:10 none yet: all of it
    assert [row[1] for row in rows("| rate by bin(5m)", events, span)] == [3 / 180, 1 / 120, 1 / 300]


def test_ties_keep_the_order_of_the_groups_and_null_stands_last() -> None:
    events = [event(0, 5, user="c"), event(1, 5, user="a"), event(2, user="b"), event(3, 9, user="d")]
    assert rows("| avg(value) by user | sort avg(value)", events) == [["a", 5], ["c", 5], ["d", 9], ["b", None]]
    assert rows("| avg(value) by user | sort avg(value) desc", events) == [["d", 9], ["a", 5], ["c", 5], ["b", None]]
    assert rows("| count, avg(value) by user | sort count, user desc | limit 2 | fields user", events) == [["d"], ["c"]]


def test_top_is_by_count_then_by_value_and_may_be_sorted_again() -> None:
    events = [event(n, user=user) for n, user in enumerate("ccbbad")]
    assert rows("| top 3 user", events) == [["b", 2], ["c", 2], ["a", 1]]
    assert rows("| top 3 user | sort user desc | limit 2", events) == [["c", 2], ["b", 2]]


def ids(events: list[Event]) -> list[str]:
    return [one.id for one in events]


def test_events_sort_numbers_before_texts_and_unset_last() -> None:
    events = [event(0, "b"), event(1, 10), event(2, ""), event(3, 9), event(4, "a"), event(5, 9)]
    assert ids(sorted_events(events, parse_statement("| sort value").sort)) == ["e3", "e5", "e1", "e4", "e0", "e2"]
    assert ids(sorted_events(events, parse_statement("| sort value desc").sort)) == ["e1", "e3", "e5", "e0", "e4", "e2"]


def test_neighbours_come_by_session_once_and_in_order() -> None:
    events = [event(n, minute=n, session="ab"[n % 2]) for n in range(10)]  # a: 0 2 4 6 8, b: 1 3 5 7 9
    assert ids(with_neighbours([events[7], events[4]], events, 1)) == ["e5", "e7", "e9", "e2", "e4", "e6"]
    assert ids(with_neighbours([events[2], events[4]], events, 1)) == ["e0", "e2", "e4", "e6"]
    assert ids(with_neighbours([events[0]], events, 9)) == ["e0", "e2", "e4", "e6", "e8"]
