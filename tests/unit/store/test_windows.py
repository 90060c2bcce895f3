"""A range in windows: they join to the whole, in order, and a limit leaves what was answered right."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logkeep.clock import NS_PER_DAY, NS_PER_S, ManualClock
from logkeep.store.reading import LimitReached, Limits, Reading
from logkeep.store.windows import WINDOW_NS_MIN, Window, in_windows, newest_part

DAY = Window(0, NS_PER_DAY)
WEEK = Window(5 * NS_PER_DAY, 12 * NS_PER_DAY)


class Engine:
    """Answers windows with themselves; each costs rows by its width, and a fixed time."""

    def __init__(self, limits: Limits, *, rows_a_day: int, seconds_a_read: float = 0.0) -> None:
        self.clock = ManualClock(NS_PER_S)
        self.reading = Reading(limits, clock=self.clock)
        self.rows_a_day, self.seconds_a_read = rows_a_day, seconds_a_read

    def read(self, window: Window) -> Window:
        left = self.reading.left()
        rows = (window.to_ns - window.from_ns) * self.rows_a_day // NS_PER_DAY
        self.clock.advance(min(self.seconds_a_read, left.timeout_s))
        self.reading.add(min(rows, left.rows_max), 0)
        if rows >= left.rows_max:
            raise LimitReached("rows")
        if self.seconds_a_read >= left.timeout_s:
            raise LimitReached("time")
        return window

    def windows(self, whole: Window, *, newest_first: bool = True, glance: bool = False) -> list[Window]:
        glancing = self.read if glance else None
        return list(in_windows(self.reading, whole, self.read, newest_first=newest_first, glance=glancing))


def test_a_cheap_range_is_read_at_once() -> None:
    engine = Engine(Limits(), rows_a_day=1000)
    assert engine.windows(WEEK) == [WEEK]
    assert (engine.reading.rows_read, engine.reading.partial) == (7000, None)


def test_a_search_glances_at_the_end_asked_for_before_it_reads_the_rest() -> None:
    cut_ns = WEEK.to_ns - 7 * NS_PER_DAY // 64
    newest = [Window(cut_ns, WEEK.to_ns), Window(WEEK.from_ns, cut_ns)]
    assert Engine(Limits(), rows_a_day=1000).windows(WEEK, glance=True) == newest
    assert Engine(Limits(), rows_a_day=1000).windows(DAY, glance=True) == [DAY]


def test_a_glance_looks_further_back_while_nothing_is_there() -> None:
    engine = Engine(Limits(), rows_a_day=1000)
    newest_ns = WEEK.to_ns - NS_PER_DAY

    def read(window: Window) -> Window:
        if window.from_ns < newest_ns:
            engine.read(Window(window.from_ns, min(window.to_ns, newest_ns)))
        return window

    windows = list(in_windows(engine.reading, WEEK, read, newest_first=True, glance=read))
    part_ns = 7 * NS_PER_DAY // 64
    assert [window.to_ns - window.from_ns for window in windows[:3]] == [part_ns, 4 * part_ns, 16 * part_ns]
    assert (len(windows), windows[-1].from_ns) == (4, WEEK.from_ns)


def test_all_at_once_is_not_tried_where_the_glance_tells_it_would_be_in_vain() -> None:
    engine = Engine(Limits(), rows_a_day=3_000_000, seconds_a_read=0.02)
    part_ns = 7 * NS_PER_DAY // 64
    first, second, *_, last = engine.windows(WEEK, glance=True)
    assert first == Window(WEEK.to_ns - part_ns, WEEK.to_ns)
    assert second == Window(first.from_ns - 4 * part_ns, first.from_ns)
    assert (last.from_ns, engine.reading.rows_read, engine.reading.partial) == (WEEK.from_ns, 21_000_000, None)
    quick = Engine(Limits(), rows_a_day=3_000_000, seconds_a_read=0.001)  # an index, for instance
    assert len(quick.windows(WEEK, glance=True)) == 2


@given(
    rows_a_day=st.integers(0, 2_000_000),
    rows_max=st.integers(1, 2_000_000),
    seconds_a_read=st.floats(0, 10),
    newest_first=st.booleans(),
    glance=st.booleans(),
)
def test_windows_join_to_the_whole_or_to_a_part_that_is_told(
    rows_a_day: int, rows_max: int, seconds_a_read: float, newest_first: bool, glance: bool
) -> None:
    engine = Engine(Limits(rows_max=rows_max), rows_a_day=rows_a_day, seconds_a_read=seconds_a_read)
    try:
        windows = engine.windows(WEEK, newest_first=newest_first, glance=glance)
    except LimitReached:
        return
    ordered = windows[::-1] if newest_first else windows
    assert [window.to_ns for window in ordered[:-1]] == [window.from_ns for window in ordered[1:]]
    reached_ns = engine.reading.reached_ns
    if engine.reading.partial is None:
        assert (ordered[0].from_ns, ordered[-1].to_ns, reached_ns) == (WEEK.from_ns, WEEK.to_ns, None)
    elif newest_first:
        assert (ordered[0].from_ns, ordered[-1].to_ns) == (reached_ns, WEEK.to_ns)
    else:
        assert (ordered[0].from_ns, ordered[-1].to_ns) == (WEEK.from_ns, reached_ns)
    assert engine.reading.rows_read <= rows_max


def test_a_limit_leaves_the_newest_part_answered() -> None:
    engine = Engine(Limits(rows_max=100_000), rows_a_day=1_000_000)
    windows = engine.windows(DAY)
    assert (windows[0].to_ns, engine.reading.partial) == (NS_PER_DAY, "rows")
    assert windows[-1].from_ns == engine.reading.reached_ns


def test_a_reading_that_answers_nothing_says_so() -> None:
    engine = Engine(Limits(timeout_s=1), rows_a_day=0, seconds_a_read=5)
    with pytest.raises(LimitReached) as caught:
        engine.windows(DAY)
    assert (caught.value.limit, engine.reading.partial) == ("time", None)


def test_memory_too_small_for_the_whole_is_enough_for_its_parts() -> None:
    def read(window: Window) -> Window:
        if window.to_ns - window.from_ns > NS_PER_DAY // 1000:
            raise LimitReached("memory")
        return window

    reading = Reading()
    windows = list(in_windows(reading, DAY, read, newest_first=False))
    assert (windows[0].from_ns, windows[-1].to_ns, reading.partial) == (0, NS_PER_DAY, None)


def test_a_range_that_can_not_be_made_narrow_enough_ends_it() -> None:
    def read(window: Window) -> Window:
        if window.from_ns < 0:
            raise LimitReached("memory")
        return window

    reading = Reading()
    windows = list(in_windows(reading, Window(-NS_PER_S, NS_PER_S), read, newest_first=True))
    assert (windows[0].to_ns, windows[-1].from_ns) == (NS_PER_S, reading.reached_ns)
    assert reading.reached_ns is not None and 0 <= reading.reached_ns < WINDOW_NS_MIN
    assert reading.partial == "memory"


def test_an_answer_that_can_not_be_joined_is_of_the_whole_where_it_is_cheap() -> None:
    engine = Engine(Limits(rows_max=100_000), rows_a_day=1000)
    assert newest_part(engine.reading, WEEK, engine.read, lambda: WEEK.to_ns - 1) == WEEK
    assert (engine.reading.partial, engine.reading.reached_ns) == (None, None)


@given(rows_a_day=st.integers(0, 2_000_000), rows_max=st.integers(1, 2_000_000), seconds_a_read=st.floats(0, 10))
def test_and_of_its_newest_part_where_it_is_not(rows_a_day: int, rows_max: int, seconds_a_read: float) -> None:
    engine = Engine(Limits(rows_max=rows_max), rows_a_day=rows_a_day, seconds_a_read=seconds_a_read)
    try:
        window = newest_part(engine.reading, WEEK, engine.read, lambda: WEEK.to_ns - 1)
    except LimitReached:
        assert engine.reading.partial is None
        return
    assert window.to_ns == WEEK.to_ns
    assert engine.reading.reached_ns == (None if window == WEEK else window.from_ns)
    assert engine.reading.rows_read <= rows_max


def test_the_part_ends_with_the_newest_event_there_is() -> None:
    engine = Engine(Limits(rows_max=100_000), rows_a_day=50_000)
    window = newest_part(engine.reading, WEEK, engine.read, lambda: 7 * NS_PER_DAY)
    assert (window.to_ns, engine.reading.partial) == (7 * NS_PER_DAY + 1, "rows")
