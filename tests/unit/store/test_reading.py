"""A reading: what is left of its limits, and that it ends when it is told to."""

import pytest

from logkeep.clock import NS_PER_S, ManualClock
from logkeep.errors import InputError
from logkeep.store.reading import LimitReached, Limits, Reading


def test_what_was_read_is_taken_from_what_is_left() -> None:
    clock = ManualClock(0)
    reading = Reading(Limits(timeout_s=5, rows_max=100, bytes_max=1000, memory_bytes_max=7), clock=clock)
    clock.advance(60)  # waiting in line does not count
    assert reading.left() == Limits(5, 100, 1000, 7)
    clock.advance(2)
    reading.add(30, 400)
    reading.add(20, 100)
    assert reading.left() == Limits(3, 50, 500, 7)
    assert (reading.rows_read, reading.bytes_read, reading.partial) == (50, 500, None)


@pytest.mark.parametrize(
    ("rows", "size", "passed_s", "limit", "code"),
    [
        (0, 0, 5, "time", "query_timeout"),
        (100, 0, 0, "rows", "query_too_expensive"),
        (0, 1000, 0, "bytes", "query_too_expensive"),
    ],
)
def test_a_limit_that_is_used_up_ends_it(rows: int, size: int, passed_s: int, limit: str, code: str) -> None:
    clock = ManualClock(NS_PER_S)
    reading = Reading(Limits(timeout_s=5, rows_max=100, bytes_max=1000), clock=clock)
    reading.left()
    reading.add(rows, size)
    clock.advance(passed_s)
    with pytest.raises(LimitReached) as caught:
        reading.left()
    assert (caught.value.limit, caught.value.code) == (limit, code)


def test_the_first_limit_that_ended_it_is_the_one_told() -> None:
    reading = Reading()
    reading.end_early("rows")
    reading.end_early("time")
    assert reading.partial == "rows"


def test_a_cancel_stops_what_runs_and_lets_nothing_begin() -> None:
    reading, stopped = Reading(), []
    with reading.stopped_by(lambda: stopped.append("first")):
        reading.cancel()
        reading.cancel()
    reading.cancel()  # over: nothing to stop
    assert stopped == ["first", "first"]
    with pytest.raises(InputError) as caught:
        reading.left()
    assert caught.value.code == "cancelled"
    with pytest.raises(InputError), reading.stopped_by(lambda: stopped.append("second")):
        stopped.append("began")
    assert stopped == ["first", "first"]
