"""What the stages of a query make of events, in plain Python: the oracle every store agrees with.

Decided once, and the same in every store:

* A group is a combination of field values that at least one event has. A group or part of the time without events has
  no row. Without `by` there is one row always: counts are 0, numbers null.
* A field that is unset, and an attribute that is absent, is the group "". `top` and `uniq` leave it out.
* `by` compares texts as they are: case counts, and an attribute 5 and an attribute "5" are one group.
* Numbers are JSON numbers only, of `value` or an attribute, as in match.py; events without one are passed over. A
  result that is none (no numbers, or beyond what a double holds) is null. Sums are of doubles, in any order.
* p95 of n numbers is the one of which floor(0.05 n) are greater: nearest rank, a number that occurred.
* A part of the time begins at a multiple of its width since 1970, UTC. `rate` divides by the seconds of it, or of the
  whole range, that lie in the range and have passed.
* Order of a table: by its groups, left to right, ascending; of `top`: by count, descending, then by value. `sort` comes
  before that; ties keep it. Text is in order of code points, levels in theirs, parts of the time in time. What is unset
  or null stands last, ascending and descending.
* Order of events: as asked for (newest first), after `sort`. There, numbers come before texts in `value` and
  attributes.
* `context` lists the sessions in order of their first match; in each, every match and its neighbours once, oldest
  first. Neighbours need not match and may lie outside the range.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from typing import TypeAlias

import msgspec

from logkeep.clock import NS_PER_S
from logkeep.event import LEVELS, Event
from logkeep.query.fields import is_numeric
from logkeep.query.match import null_reader, number_reader, text_reader
from logkeep.query.stages import (
    PERCENTILES,
    TIME_FIELDS,
    Aggregate,
    Bin,
    ColumnRef,
    Function,
    Group,
    Making,
    SortKey,
    Top,
    columns_of,
)

Cell: TypeAlias = str | int | float | None  # as it is computed: parts of the time in ns
Row: TypeAlias = tuple[Cell, ...]

_LEVEL_RANK: dict[Cell, int] = {level: rank for rank, level in enumerate(LEVELS)}


class Span(msgspec.Struct, frozen=True):
    """The range asked about, ns: from_ns <= time < to_ns. passed_ns: up to where its time has passed, for `rate`."""

    from_ns: int
    to_ns: int
    passed_ns: int

    def seconds_ns(self, start_ns: int, end_ns: int) -> int:
        """ns of start_ns … end_ns that are in the range and have passed; all in the range where none have."""
        until_ns = self.to_ns if start_ns >= self.passed_ns else self.passed_ns
        return max(1, min(end_ns, until_ns) - max(start_ns, self.from_ns))


def rows_of(making: Making, sort: Sequence[SortKey], limit: int, events: Iterable[Event], span: Span) -> list[Row]:
    """The table's rows, sorted; at most `limit`. events: those that match, in the range."""
    if isinstance(making, Top):
        rows = _aggregated(Aggregate((Function("count"),), (making.field,)), events, Span(0, 1, 1))
    else:
        rows = _aggregated(making, events, span)
    return rows_in_order(making, sort, limit, rows)


def rows_in_order(making: Making, sort: Sequence[SortKey], limit: int, rows: list[Row]) -> list[Row]:
    """`rows` sorted, at most `limit`. rows: one a group, in any order, of `top` one a value and of "" perhaps too."""
    if isinstance(making, Top):
        rows = _most_frequent(making, rows)
    refs = columns_of(making)
    for key in reversed((*sort, *_own_order(making))):
        place, rank = refs.index(key.column), _rank(key.column)
        rows.sort(key=lambda row, place=place, rank=rank: rank(row[place]), reverse=key.descending)  # type: ignore[misc]
        rows.sort(key=lambda row, place=place: row[place] in (None, ""))  # type: ignore[misc]
    return rows[:limit]


def _own_order(making: Making) -> list[SortKey]:
    if isinstance(making, Top):
        return [SortKey(Function("count"), True), SortKey(making.field)]
    return [SortKey(group) for group in making.by]


def _rank(column: ColumnRef) -> Callable[[Cell], tuple[int, Cell]]:
    """What a column's cells are compared by; None and "" are sorted last whatever this says."""
    if column == "level":
        return lambda cell: (_LEVEL_RANK.get(cell, -1), "")
    return lambda cell: (0, cell or (0 if isinstance(column, Function | Bin) else ""))


# ── tables ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _most_frequent(top: Top, counted: list[Row]) -> list[Row]:
    ranked = sorted(counted, key=lambda row: _rank(top.field)(row[0]))
    ranked.sort(key=lambda row: -int(row[1] or 0))
    return [row for row in ranked if row[0] != ""][: top.rows]


def _aggregated(making: Aggregate, events: Iterable[Event], span: Span) -> list[Row]:
    readers = [_group_reader(group) for group in making.by]
    groups: dict[Row, list[Event]] = {} if making.by else {(): []}
    for event in events:
        groups.setdefault(tuple(read(event) for read in readers), []).append(event)
    width = next((group.width_ns for group in making.by if isinstance(group, Bin)), None)
    place = next((place for place, group in enumerate(making.by) if isinstance(group, Bin)), None)
    rows: list[Row] = []
    for group, members in groups.items():
        start = group[place] if place is not None else None
        assert start is None or isinstance(start, int)
        lasting_ns = span.seconds_ns(span.from_ns, span.to_ns)
        if start is not None and width is not None:
            lasting_ns = span.seconds_ns(start, start + width)
        rows.append((*group, *(_value(function, members, lasting_ns) for function in making.functions)))
    return rows


def _group_reader(group: Group) -> Callable[[Event], Cell]:
    if isinstance(group, Bin):
        width_ns = group.width_ns
        return lambda event: event.time_ns // width_ns * width_ns
    read = text_reader(group)
    return lambda event: read(event) or ""


def _value(function: Function, events: Sequence[Event], lasting_ns: int) -> Cell:
    if function.name == "count":
        return len(events)
    if function.name == "rate":
        return len(events) * float(NS_PER_S) / lasting_ns
    if function.name == "uniq":
        read = text_reader(function.field)
        return len({text for event in events if (text := read(event))})
    read_number = number_reader(function.field)
    numbers = sorted(number for event in events if (number := read_number(event)) is not None)
    found = _of_numbers(function, numbers) if numbers else math.nan
    return found if math.isfinite(found) else None


def _of_numbers(function: Function, numbers: Sequence[float]) -> float:
    """numbers: one or more, ascending."""
    match function.name:
        case "sum":
            return sum(numbers)
        case "avg":
            return sum(numbers) / len(numbers)
        case "min":
            return numbers[0]
        case "max":
            return numbers[-1]
        case _:
            return numbers[-1 - int(PERCENTILES[function.name] * len(numbers))]


# ── events ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def sorted_events(events: Sequence[Event], keys: Sequence[SortKey]) -> list[Event]:
    """`events` by `keys`; ties keep their order."""
    found = list(events)
    for key in reversed(keys):
        assert isinstance(key.column, str)
        _sort(found, key.column, key.descending)
    return found


def _sort(events: list[Event], field: str, descending: bool) -> None:
    if field in TIME_FIELDS:
        events.sort(key=lambda event: event.time_ns if field == "time" else event.received_ns, reverse=descending)
        return
    read = text_reader(field)
    if field == "level":
        events.sort(key=lambda event: _LEVEL_RANK.get(event.level, -1), reverse=descending)
    else:
        events.sort(key=lambda event: read(event) or "", reverse=descending)
    if is_numeric(field):
        number = number_reader(field)
        events.sort(key=lambda event: number(event) or 0.0, reverse=descending)
        events.sort(key=lambda event: number(event) is None)
    nothing = null_reader(field)
    events.sort(key=lambda event: not read(event) or nothing(event))


def with_neighbours(matches: Sequence[Event], everything: Sequence[Event], count: int) -> list[Event]:
    """`matches` with `count` events before and after each in its session. everything: of the app, oldest first."""
    wanted = {event.id for event in matches}
    found: list[Event] = []
    for session in dict.fromkeys(event.session for event in matches):
        events = [event for event in everything if event.session == session]
        near = {
            place
            for hit, event in enumerate(events)
            if event.id in wanted
            for place in range(hit - count, hit + count + 1)
        }
        found += [event for place, event in enumerate(events) if place in near]
    return found
