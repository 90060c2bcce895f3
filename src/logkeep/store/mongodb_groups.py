"""Counting by groups: one description, run by MongoDB where a filter is exact and here where it is not. Pure.

A `Key` is what events are grouped by, a `Total` what is summed up in a group; each knows its expression and its
reading of an event, which mean the same. Days are grouped one by one and joined here, so a total must be one that can
be: a sum, a least, a greatest. Different values and percentiles are groups of their own (mongodb_stats.py).

Parts of the time count from the day's first part on: the numbers stay small, so that they are exact also on servers
that reckon in doubles.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal, TypeAlias

import msgspec

from logkeep.clock import NS_PER_DAY
from logkeep.event import Event
from logkeep.query import ast
from logkeep.query.match import attribute_text, number_reader, text_reader
from logkeep.store.mongodb_documents import Document, attribute_path
from logkeep.store.reading import LimitReached

GROUP_BYTES = 400  # of a group while it is joined: its key, its totals, and Python's own

Seen: TypeAlias = tuple[Event, bool]  # an event, and whether readers see it
Groups: TypeAlias = dict[tuple[Any, ...], list[Any]]  # totals by keys
COUNT = "n"  # of the events in a group; every pipeline has it


class Key(msgspec.Struct, frozen=True):
    """expression: for the day that begins at this ns. value: of what the server gives. fields: what it reads."""

    expression: Callable[[int], Any]
    read: Callable[[Seen], Any]
    value: Callable[[Any, int], Any] = lambda raw, day_ns: raw


class Total(msgspec.Struct, frozen=True):
    """None is passed over; of nothing else a sum is 0, a least and a greatest None."""

    how: Literal["sum", "min", "max"]
    expression: Any
    read: Callable[[Seen], Any]


def text_key(field: str) -> Key:
    """The field's text, "" where it is unset or absent."""
    read = text_reader(field)
    is_attribute = field.startswith(ast.ATTRIBUTE_PREFIX)
    return Key(
        lambda _: _text(field),
        lambda seen: read(seen[0]) or "",
        lambda raw, _: (raw if raw.__class__ is str else _spelt(raw)) if is_attribute else raw,
    )


def _spelt(raw: Any) -> str:
    """As query/match.py spells an attribute, but that 0 and -0 are one value to MongoDB, and so one group."""
    return "null" if isinstance(raw, dict) else attribute_text(raw)


def number_key(field: str) -> Key:
    """The field's number, None where it is none."""
    read = number_reader(field)
    return Key(
        lambda _: number_expression(field),
        lambda seen: read(seen[0]),
        lambda raw, _: None if raw is None else float(raw),
    )


def part_key(start_ns: int, width_ns: int) -> Key:
    """Which part of the time: the one that begins at start_ns + part * width_ns."""

    def first_part(day_ns: int) -> int:
        return (day_ns - start_ns) // width_ns

    def expression(day_ns: int) -> Any:
        begins_ns = start_ns + first_part(day_ns) * width_ns
        if begins_ns + width_ns >= day_ns + NS_PER_DAY:
            return 0
        if width_ns >= NS_PER_DAY:
            return {"$cond": [{"$gte": ["$time", begins_ns + width_ns]}, width_ns, 0]}
        passed = {"$subtract": ["$time", begins_ns]}
        return {"$subtract": [passed, {"$mod": [passed, width_ns]}]}

    return Key(
        expression,
        lambda seen: (seen[0].time_ns - start_ns) // width_ns,
        lambda raw, day_ns: first_part(day_ns) + int(raw) // width_ns,
    )


def events_total(only: Literal["visible", "visible errors"]) -> Total:
    seen: list[Any] = [{"$ne": ["$hidden", True]}]
    if only == "visible":
        return Total("sum", {"$cond": [seen[0], 1, 0]}, lambda event: int(event[1]))
    is_error = {"$or": [{"$eq": ["$level", "error"]}, {"$eq": ["$level", "fatal"]}]}
    return Total(
        "sum",
        {"$cond": [{"$and": [*seen, is_error]}, 1, 0]},
        lambda event: int(event[1] and event[0].level in ("error", "fatal")),
    )


def time_total(how: Literal["min", "max"]) -> Total:
    return Total(how, "$time", lambda seen: seen[0].time_ns)


def number_totals(field: str) -> list[Total]:
    """How many numbers there are, their sum, the least and the greatest."""
    read, expression = number_reader(field), number_expression(field)
    return [
        Total(
            "sum", {"$cond": [{"$gt": [expression, None]}, 1, 0]}, lambda seen: int(read(seen[0]) is not None)
        ),  # null is below every number
        *(Total(how, expression, lambda seen: read(seen[0])) for how in ("sum", "min", "max")),
    ]


def _text(field: str) -> Any:
    """The field's text, of an attribute itself in its type; "" where there is none.

    In an array, and out of it again: a server that evaluates what an expression gave once more (that of the tests does)
    would take a text such as `$user` for a field.
    """
    if field.startswith(ast.ATTRIBUTE_PREFIX):
        field = attribute_path(field)
    return {"$arrayElemAt": [[{"$ifNull": [f"${field}", ""]}], 0]}


def number_expression(field: str) -> Any:
    """The number, null where it is none. In MongoDB's order of types numbers stand between null and texts."""
    if field == "value":
        return {"$ifNull": ["$number", None]}
    value = "$" + attribute_path(field)
    is_number = {"$and": [{"$gte": [value, -math.inf]}, {"$lte": [value, math.inf]}]}
    return {"$cond": [is_number, value, None]}


def pipeline(spec: Document, keys: Sequence[Key], totals: Sequence[Total], *, day_ns: int, rows: int) -> list[Document]:
    """The groups of one day. rows: matches it counts at most; who gets so many knows that it was cut off."""
    return [{"$match": spec}, {"$limit": rows}, {"$group": group_of(keys, totals, day_ns=day_ns)}]


def group_of(keys: Sequence[Key], totals: Sequence[Total], *, day_ns: int) -> Document:
    """What `$group` is told."""
    group: Document = {"_id": {f"k{place}": key.expression(day_ns) for place, key in enumerate(keys)}}
    group |= {f"t{place}": {f"${total.how}": total.expression} for place, total in enumerate(totals)}
    return group | {COUNT: {"$sum": 1}}


def join_rows(
    groups: Groups, rows: Iterable[Mapping[str, Any]], keys: Sequence[Key], totals: Sequence[Total], *, day_ns: int
) -> None:
    """Adds what `pipeline` gave; the last total of a group is its COUNT."""
    for row in rows:
        names = row["_id"]
        group = tuple(key.value(names.get(f"k{place}"), day_ns) for place, key in enumerate(keys))
        _join(groups, group, [*(row[f"t{place}"] for place in range(len(totals))), row[COUNT]], totals)


def join_events(groups: Groups, events: Iterable[Seen], keys: Sequence[Key], totals: Sequence[Total]) -> None:
    for seen in events:
        group = tuple(key.read(seen) for key in keys)
        _join(groups, group, [*(total.read(seen) for total in totals), 1], totals)


def check_memory(groups: Groups, memory_bytes_max: int) -> None:
    """Raises LimitReached."""
    if len(groups) * GROUP_BYTES > memory_bytes_max:
        raise LimitReached("memory")


def _join(groups: Groups, group: tuple[Any, ...], values: list[Any], totals: Sequence[Total]) -> None:
    there = groups.get(group)
    if there is None:
        groups[group] = [
            0 if value is None and total.how == "sum" else value for value, total in zip(values, totals, strict=False)
        ] + [values[-1]]
        return
    for place, total in enumerate(totals):
        value = values[place]
        if value is None:
            continue
        if there[place] is None:
            there[place] = value
        elif total.how == "sum":
            there[place] += value
        else:
            there[place] = (min if total.how == "min" else max)(there[place], value)
    there[-1] += values[-1]
