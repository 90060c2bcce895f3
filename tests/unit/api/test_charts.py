"""Bars and lanes: every event is in the picture once, inside the drawing."""

from tests.unit.api.test_rows import stored

from logkeep.api.charts import BARS_HEIGHT, LANES_MAX, WIDTH, component_lanes, level_bars
from logkeep.api.rows import make_rows
from logkeep.api.times import TimeRange
from logkeep.store.port import Bucket

NS_PER_S = 1_000_000_000
SPAN = TimeRange(1_785_578_400 * NS_PER_S, 1_785_578_460 * NS_PER_S)


def test_bars_hold_every_count_and_stack_inside_the_drawing() -> None:
    start = SPAN.from_ns
    buckets = [Bucket(start, "error", 1), Bucket(start, "info", 999), Bucket(start + 30 * NS_PER_S, "odd", 5)]
    bars = level_bars(buckets, SPAN, 2, lambda from_ns, to_ns: f"{from_ns - start}..{to_ns - start}")
    assert (bars.peak, bars.total, bars.totals["error"], bars.totals[""]) == (1000, 1005, 1, 5)
    assert bars.labels == ("10:00:00", "10:00:30", "10:01:00")
    assert [(bar.title, bar.url) for bar in bars.bars] == [
        ("10:00:00 to 10:00:30: 1 error, 999 info", "0..30000000000"),
        ("10:00:30 to 10:01:00: 5 without level", "30000000000..60000000000"),
    ]
    parts = [part for bar in bars.bars for part in bar.parts]
    assert [part.level for part in parts] == ["error", "info", ""]
    assert all(1 <= part.height <= BARS_HEIGHT and part.y >= 0 and part.x + part.width <= WIDTH for part in parts)


def test_a_range_that_does_not_divide_loses_nothing() -> None:
    from logkeep.store.page import bucket_width_ns

    span = TimeRange(10, 1_000_010)
    width_ns = bucket_width_ns(span.from_ns, span.to_ns, 7)
    buckets = [Bucket(span.from_ns + index * width_ns, "info", 1) for index in range(7)]
    assert len(level_bars(buckets, span, 7, lambda *_: "").bars) == 7


def test_lanes_show_the_worst_of_what_falls_together() -> None:
    rows = make_rows(
        [stored(0, component="a"), stored(0, component="a", level="error"), stored(10, component="b")], deltas=True
    )
    lanes = component_lanes(rows)
    assert lanes is not None
    assert [(lane.component, lane.count) for lane in lanes.lanes] == [("a", 2), ("b", 1)]
    assert [(tick.x, tick.y, tick.level) for tick in lanes.ticks] == [(0.0, 0, "error"), (997.5, 18, "")]


def test_many_components_share_the_last_lane() -> None:
    rows = make_rows([stored(second, component=f"c{second}") for second in range(40)], deltas=True)
    lanes = component_lanes(rows)
    assert lanes is not None
    assert (len(lanes.lanes), lanes.lanes[-1].component, lanes.lanes[-1].count) == (LANES_MAX, "29 others", 29)


def test_one_moment_needs_no_lanes() -> None:
    assert component_lanes(make_rows([stored(0), stored(0)], deltas=True)) is None
