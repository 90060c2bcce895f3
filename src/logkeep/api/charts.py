"""Pictures as numbers: bars of a histogram and ticks on lanes, for the templates to draw as SVG."""

from collections.abc import Callable, Sequence

import msgspec

from logkeep.api.rows import Row, format_span
from logkeep.api.times import TimeRange, format_time
from logkeep.event import LEVELS
from logkeep.store.page import bucket_width_ns
from logkeep.store.port import Bucket

WIDTH = 1000  # of the drawing; the browser stretches it
BARS_HEIGHT = 100
LANE_HEIGHT = 18
LANES_MAX = 12  # more components share the last lane
COLUMNS = 400  # ticks a lane at most

_STACK = ("fatal", "error", "warn", "info", "debug", "trace", "")  # from the bottom: what matters stays visible


class Rectangle(msgspec.Struct, frozen=True):
    x: float
    y: float
    width: float
    height: float
    level: str


class Bar(msgspec.Struct, frozen=True):
    """One bucket. title: what it holds, in words. url: the same search in this bucket's time."""

    x: float
    width: float
    title: str
    url: str
    parts: list[Rectangle]


class Bars(msgspec.Struct, frozen=True):
    """peak: the highest bucket's count, the top of the drawing. labels: times at left, middle and right."""

    bars: list[Bar]
    peak: int
    total: int
    totals: dict[str, int]
    labels: tuple[str, str, str]
    bucket_span: str


class Tick(msgspec.Struct, frozen=True):
    x: float
    y: int
    level: str
    title: str
    anchor: str


class Lane(msgspec.Struct, frozen=True):
    component: str
    colour: int
    count: int


class Lanes(msgspec.Struct, frozen=True):
    lanes: list[Lane]
    ticks: list[Tick]
    height: int
    labels: tuple[str, str, str]


def level_bars(buckets: Sequence[Bucket], span: TimeRange, count: int, link: Callable[[int, int], str]) -> Bars:
    """Stacked bars of a histogram by level with `count` buckets over `span`. link(from_ns, to_ns): a bar's address."""
    width_ns = bucket_width_ns(span.from_ns, span.to_ns, count)
    by_index: dict[int, dict[str, int]] = {}
    for bucket in buckets:
        levels = by_index.setdefault((bucket.start_ns - span.from_ns) // width_ns, {})
        level = bucket.group if bucket.group in LEVELS else ""
        levels[level] = levels.get(level, 0) + bucket.count
    peak = max((sum(levels.values()) for levels in by_index.values()), default=0)
    totals = {level: sum(levels.get(level, 0) for levels in by_index.values()) for level in _STACK}
    edges = [span.from_ns + index * width_ns for index in range(count + 1)]
    bars = [
        _bar(index, levels, peak, count, (edges[index], edges[index + 1]), link)
        for index, levels in sorted(by_index.items())
    ]
    return Bars(bars, peak, sum(totals.values()), totals, axis(span), format_span(width_ns))


def component_lanes(rows: Sequence[Row]) -> Lanes | None:
    """A lane a component, a tick where it had events, coloured by the worst level; None for fewer than two moments."""
    if len(rows) < 2 or rows[0].time_ns == rows[-1].time_ns:
        return None
    counts: dict[str, int] = {}
    for row in rows:
        counts[row.component] = counts.get(row.component, 0) + 1
    names = list(counts)
    colours = {row.component: row.colour for row in rows}
    place = {name: min(index, LANES_MAX - 1) for index, name in enumerate(names)}
    from_ns, span_ns = rows[0].time_ns, rows[-1].time_ns - rows[0].time_ns
    worst: dict[tuple[int, int], Row] = {}
    for row in rows:
        cell = (place[row.component], (row.time_ns - from_ns) * (COLUMNS - 1) // span_ns)
        if cell not in worst or _severity(row.level) > _severity(worst[cell].level):
            worst[cell] = row
    ticks = [
        Tick(column * WIDTH / COLUMNS, lane * LANE_HEIGHT, row.level, f"{row.clock} {row.level}", row.id)
        for (lane, column), row in worst.items()
    ]
    lanes = [Lane(name or "no component", colours[name], counts[name]) for name in names[:LANES_MAX]]
    if len(names) > LANES_MAX:
        rest = names[LANES_MAX - 1 :]
        lanes[-1] = Lane(f"{len(rest)} others", 0, sum(counts[name] for name in rest))
    return Lanes(lanes, ticks, LANE_HEIGHT * len(lanes), axis(TimeRange(from_ns, from_ns + span_ns)))


def axis(span: TimeRange) -> tuple[str, str, str]:
    """Times for left, middle and right; the date where the range is over a day, seconds where it is short."""
    moments = (span.from_ns, (span.from_ns + span.to_ns) // 2, span.to_ns)
    texts = [format_time(moment) for moment in moments]
    if texts[0][:10] != texts[2][:10]:
        return texts[0][:16].replace("T", " "), texts[1][:16].replace("T", " "), texts[2][:16].replace("T", " ")
    end = 19 if span.to_ns - span.from_ns >= 60_000_000_000 else 23
    return texts[0][11:end], texts[1][11:end], texts[2][11:end]


def _bar(
    index: int, levels: dict[str, int], peak: int, count: int, edges: tuple[int, int], link: Callable[[int, int], str]
) -> Bar:
    step = WIDTH / count
    x, width = index * step + step * 0.08, step * 0.84
    parts: list[Rectangle] = []
    y = float(BARS_HEIGHT)
    for level in _STACK:
        if number := levels.get(level, 0):
            height = max(number * BARS_HEIGHT / peak, 1.0)  # one error among thousands still shows
            y = max(0.0, y - height)
            parts.append(Rectangle(round(x, 2), round(y, 2), round(width, 2), round(height, 2), level))
    listing = ", ".join(f"{levels[level]:,} {level or 'without level'}" for level in _STACK if levels.get(level))
    title = f"{format_time(edges[0])[11:19]} to {format_time(edges[1])[11:19]}: {listing}"
    return Bar(round(index * step, 2), round(step, 2), title, link(*edges), parts)


def _severity(level: str) -> int:
    return LEVELS.index(level) if level else -1
