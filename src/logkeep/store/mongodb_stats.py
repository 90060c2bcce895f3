"""Tables of numbers from groups that days were joined to, as query/pipes.py says. Pure.

Counts, sums, least and greatest join over days as they are. Different values and percentiles do not: for them the
values themselves are grouped, each with how often it occurs, and looked at here. That is exact, and as much memory as
there are different values (bounded by the reading's).
"""

import math
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import msgspec

from logkeep.clock import NS_PER_S
from logkeep.query.pipes import Cell, Row, Span, rows_in_order
from logkeep.query.stages import PERCENTILES, Aggregate, Bin, Function, Group, Top
from logkeep.query.table import Table
from logkeep.store.mongodb_groups import Groups, Key, Total, number_key, number_totals, part_key, text_key
from logkeep.store.page import rows_wanted, stats_table
from logkeep.store.port import StatsRequest

ReadGroups: TypeAlias = Callable[[Sequence[Key], Sequence[Total]], Groups]
_TOTALS = ("numbers", "sum", "min", "max")  # as `number_totals` gives them


class _Group(msgspec.Struct):
    """What one row is made of. numbers: by field, as _TOTALS. counted: by field, numbers with how often. texts: by
    field, how many different ones."""

    events: int = 0
    numbers: dict[str, list[Any]] = {}
    counted: dict[str, dict[float, int]] = {}
    texts: dict[str, int] = {}


def read_table(request: StatsRequest, read: ReadGroups) -> Table:
    """The table of the request. read: groups all that matches."""
    statement = request.statement
    making = statement.making
    assert making is not None
    aggregate = Aggregate((Function("count"),), (making.field,)) if isinstance(making, Top) else making
    groups = _groups(aggregate, read)
    span = Span(request.from_ns, request.to_ns, request.passed_ns)
    rows = [_row(aggregate, names, group, span) for names, group in groups.items()]
    return stats_table(statement, rows_in_order(making, statement.sort, rows_wanted(statement), rows))


def _groups(making: Aggregate, read: ReadGroups) -> dict[tuple[Any, ...], _Group]:
    keys = [_key(group) for group in making.by]
    fields = dict.fromkeys(function.field for function in making.functions if function.field)
    summed = [field for field in fields if _asks(making, field, ("sum", "avg", "min", "max"))]
    found: dict[tuple[Any, ...], _Group] = {} if making.by else {(): _Group()}

    def group(names: tuple[Any, ...]) -> _Group:
        return found.setdefault(names, _Group())

    for names, totals in read(keys, [total for field in summed for total in number_totals(field)]).items():
        one = group(names)
        one.events = totals[-1]
        one.numbers = {field: totals[4 * place : 4 * place + 4] for place, field in enumerate(summed)}
    for field in fields:
        if _asks(making, field, tuple(PERCENTILES)):
            for (*key, number), totals in read([*keys, number_key(field)], []).items():
                if number is not None:
                    group(tuple(key)).counted.setdefault(field, {})[number] = totals[-1]
        if _asks(making, field, ("uniq",)):
            for *key, text in read([*keys, text_key(field)], []):
                one = group(tuple(key))
                one.texts[field] = one.texts.get(field, 0) + bool(text)
    return found


def _asks(making: Aggregate, field: str, names: Sequence[str]) -> bool:
    return any(function.field == field and function.name in names for function in making.functions)


def _key(group: Group) -> Key:
    return part_key(0, group.width_ns) if isinstance(group, Bin) else text_key(group)


def _row(making: Aggregate, names: tuple[Any, ...], group: _Group, span: Span) -> Row:
    lasting_ns = span.seconds_ns(span.from_ns, span.to_ns)
    cells: list[Cell] = []
    for name, by in zip(names, making.by, strict=True):
        if isinstance(by, Bin):
            start_ns = name * by.width_ns
            lasting_ns = span.seconds_ns(start_ns, start_ns + by.width_ns)
            cells.append(start_ns)
        else:
            cells.append(name)
    return (*cells, *(_value(function, group, lasting_ns) for function in making.functions))


def _value(function: Function, group: _Group, lasting_ns: int) -> Cell:
    field = function.field
    match function.name:
        case "count":
            return group.events
        case "rate":
            return group.events * float(NS_PER_S) / lasting_ns
        case "uniq":
            return group.texts.get(field, 0)
        case "sum" | "avg" | "min" | "max":
            found = _of_totals(function, group.numbers.get(field))
        case _:
            found = _percentile(group.counted.get(field, {}), PERCENTILES[function.name])
    return found if math.isfinite(found) else None


def _of_totals(function: Function, totals: list[Any] | None) -> float:
    if totals is None or not totals[0]:
        return math.nan
    if function.name == "avg":
        return float(totals[1]) / int(totals[0])
    return float(totals[_TOTALS.index(function.name)])


def _percentile(counted: dict[float, int], above: float) -> float:
    """The number of which floor(above * n) of all n are greater."""
    left = int(above * sum(counted.values()))
    for number in sorted(counted, reverse=True):
        left -= counted[number]
        if left < 0:
            return number
    return math.nan
