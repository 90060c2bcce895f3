"""Numbers of the OpenSearch and Elasticsearch store: histograms, tables, facets.

The engine's own percentiles and distinct counts are estimates, and its bounds of numbers are doubles, which hold times
only to 256 ns. So groups are counted one by one (`composite`), percentiles are found in the counts of their numbers,
and a part of the time whose end lies inside a millisecond is counted by itself. What the engine has no groups for –
texts of values, attributes – is counted here, from the events.
"""

from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from typing import Any

from logkeep.clock import NS_PER_MS, NS_PER_S
from logkeep.errors import InputError
from logkeep.event import Event
from logkeep.query import ast
from logkeep.query.ast import Query
from logkeep.query.match import attribute_key
from logkeep.query.pipes import Cell, Row, Span, rows_in_order, rows_of
from logkeep.query.stages import PERCENTILES, Aggregate, Bin, Function, Group, Making, Statement
from logkeep.query.table import Table
from logkeep.store.memory_activity import facet
from logkeep.store.opensearch_dsl import Condition, any_of, none_of
from logkeep.store.opensearch_reader import Asked, Reader, either
from logkeep.store.opensearch_regex import escaped
from logkeep.store.opensearch_schema import CUT_MARK, attribute_prefix
from logkeep.store.opensearch_search import within
from logkeep.store.page import bucket_width_ns, rows_wanted, stats_table
from logkeep.store.port import FACET_CHARS_MAX, Bucket, Facets, FieldCount, FieldFacet, StatsRequest
from logkeep.store.reading import LimitReached, Reading
from logkeep.store.windows import Window, in_windows

BUCKETS_MAX = 2_000  # parts of the time the engine counts at once; more are counted here
GROUPS_MAX = 1_000_000  # of one table; some 300 MB
TERMS_MAX = 50_000  # values of all fields of facets that one request asks for; the engines refuse 65,535
BY_VALUES_MAX = 1_000  # of the field a histogram is by, that one request asks for
EDGES_A_CONDITION = 1_000
GROUPED = (*ast.ID_FIELDS, *ast.NAME_FIELDS, "level")  # the engine has groups of these
FUNCTIONS = ("sum", "avg", "min", "max")


# ── histograms ────────────────────────────────────────────────────────────────────────────────────────────────────────


def histogram(
    reader: Reader, reading: Reading, app: str, query: Query, from_ns: int, to_ns: int, *, buckets: int, by: str | None
) -> list[Bucket]:
    width_ns, whole = bucket_width_ns(from_ns, to_ns, buckets), within(from_ns, to_ns)
    start_ns = whole.from_ns

    def read(window: Window) -> Counter[tuple[int, str]]:
        def counted() -> Counter[tuple[int, str]]:
            asked = reader.asked(reading, app, query, window)
            first, last = (window.from_ns - start_ns) // width_ns, (window.to_ns - 1 - start_ns) // width_ns
            if asked.left is not None or last - first >= BUCKETS_MAX:
                return one_by_one(asked)
            edges = [start_ns + bucket * width_ns for bucket in range(first, last + 2)]
            edges[0], edges[-1] = window.from_ns, window.to_ns
            found = _by_edges(reader, reading, asked, window, edges, by)
            return Counter({(first + place, group): count for (place, group), count in found.items()})

        def one_by_one(asked: Asked) -> Counter[tuple[int, str]]:
            events = reader.events(reading, asked, window)
            return Counter(
                ((event.time_ns - start_ns) // width_ns, str(getattr(event, by)) if by else "") for event in events
            )

        return either(counted, lambda: one_by_one(reader.loosely(app, query)))

    counts: Counter[tuple[int, str]] = Counter()
    for found in in_windows(reading, whole, read, newest_first=True):
        counts.update(found)
    ordered = sorted(counts.items(), key=lambda item: (item[0][0], item[0][1].encode()))
    return [Bucket(start_ns + bucket * width_ns, group, count) for (bucket, group), count in ordered]


def _by_edges(
    reader: Reader, reading: Reading, asked: Asked, window: Window, edges: Sequence[int], by: str | None
) -> Counter[tuple[int, str]]:
    """Events between each edge and the next, by place and group. edges: ns, ascending, of all of `window`.

    Whole milliseconds are counted by the engine; those that an edge cuts are few events, which come here.
    """
    cut = cut_milliseconds(edges)
    counts: Counter[tuple[int, str]] = Counter()
    if cut:
        for event in reader.events(reading, asked, window, any_of(cut)):
            counts[bisect_right(edges, event.time_ns) - 1, str(getattr(event, by)) if by else ""] += 1
    parts = whole_milliseconds(edges)
    if by:
        parts["aggs"] = {"by": {"terms": {"field": by, "size": BY_VALUES_MAX, "missing": ""}}}
    if not parts["range"]["ranges"]:
        return counts
    condition = asked.condition(window, *([none_of(cut)] if cut else []))
    _, answer = reader.aggregate(reading, reader.indexes(window), condition, {"parts": parts})
    for bucket in answer["parts"]["buckets"] if answer else ():
        place = int(bucket["key"])
        if by and bucket["by"]["sum_other_doc_count"]:
            raise InputError(
                f"a histogram of more than {BY_VALUES_MAX:,} values of {by}; take a field of few values",
                code="query_too_expensive",
            )
        groups = bucket["by"]["buckets"] if by else [{"key": "", "doc_count": bucket["doc_count"]}]
        for group in groups:
            if group["doc_count"]:
                counts[place, group["key"]] += group["doc_count"]
    return counts


def cut_milliseconds(edges: Sequence[int]) -> list[Condition]:
    """Conditions of events in a millisecond that an edge divides; any of them."""
    inside = sorted({edge // NS_PER_MS for edge in edges if edge % NS_PER_MS})
    spans = (inside[at : at + EDGES_A_CONDITION] for at in range(0, len(inside), EDGES_A_CONDITION))
    return [{"terms": {"time_ms": span}} for span in spans]


def whole_milliseconds(edges: Sequence[int]) -> dict[str, Any]:
    """Of all other events, how many lie between each edge and the next; keyed by place."""
    ranges: list[dict[str, Any]] = [
        {"key": str(place), "from": -(-low // NS_PER_MS), "to": -(-high // NS_PER_MS)}
        for place, (low, high) in enumerate(pairwise(edges))
    ]
    return {"range": {"field": "time_ms", "ranges": [each for each in ranges if each["from"] < each["to"]]}}


# ── tables ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def stats(reader: Reader, reading: Reading, request: StatsRequest) -> Table:
    statement = request.statement
    making = statement.making
    assert making is not None
    window = within(request.from_ns, request.to_ns)
    span = Span(request.from_ns, request.to_ns, request.passed_ns)
    wanted = rows_wanted(statement)
    aggregate = _aggregate_of(making)

    def counted() -> list[Row]:
        asked = reader.asked(reading, request.app, statement.filter, window)
        if asked.left is not None or not _has_groups(aggregate):
            return one_by_one(asked)
        rows = _Groups(reader, reading, asked, window, aggregate, span).rows()
        return rows_in_order(making, statement.sort, wanted, rows)

    def one_by_one(asked: Asked) -> list[Row]:
        return rows_of(making, statement.sort, wanted, reader.events(reading, asked, window), span)

    rows = either(counted, lambda: one_by_one(reader.loosely(request.app, statement.filter)))
    return stats_table(statement, rows)


def table_groups(
    statement: Statement,
) -> list[tuple[list[dict[str, Any]], dict[str, Any], Condition | None]]:
    """What the engine groups for a table: sources, numbers of each group, and a condition more. Nothing where it
    cannot count it.
    """
    assert statement.making is not None
    aggregate = _aggregate_of(statement.making)
    if not _has_groups(aggregate):
        return []
    sources = _sources(aggregate)
    found: list[tuple[list[dict[str, Any]], dict[str, Any], Condition | None]] = [(sources, _numbers(aggregate), None)]
    for field in dict.fromkeys(function.field for function in aggregate.functions if function.name == "uniq"):
        found.append(([*sources, _source("value", field)], {}, {"exists": {"field": field}}))
    if any(function.name in PERCENTILES for function in aggregate.functions):
        found.append(([*sources, _NUMBER], {}, {"exists": {"field": "number"}}))
    return found


def _aggregate_of(making: Making) -> Aggregate:
    return making if isinstance(making, Aggregate) else Aggregate((Function("count"),), (making.field,))


def _sources(aggregate: Aggregate) -> list[dict[str, Any]]:
    return [_source(f"g{place}", group) for place, group in enumerate(aggregate.by)]


def _numbers(aggregate: Aggregate) -> dict[str, Any]:
    """What is reckoned of the numbers of each group."""
    wanted = {function.name for function in aggregate.functions} & set(FUNCTIONS)
    numbers: dict[str, Any] = {name: {name: {"field": "number"}} for name in sorted(wanted)}
    return numbers | ({"numbers": {"value_count": {"field": "number"}}} if wanted else {})


_NUMBER: dict[str, Any] = {"number": {"terms": {"field": "number"}}}


def _has_groups(aggregate: Aggregate) -> bool:
    """Whether the engine can count it."""
    fields = [group for group in aggregate.by if not isinstance(group, Bin)]
    fields += [function.field for function in aggregate.functions if function.name == "uniq"]
    numbers = [function.field for function in aggregate.functions if function.name not in ("count", "rate", "uniq")]
    return all(field in GROUPED for field in fields) and all(field == "value" for field in numbers)


class _Groups:
    """One table from the engine's groups. A group's name is the tuple of its cells."""

    def __init__(
        self, reader: Reader, reading: Reading, asked: Asked, window: Window, aggregate: Aggregate, span: Span
    ) -> None:
        self.reader, self.reading, self.asked, self.window = reader, reading, asked, window
        self.aggregate, self.span = aggregate, span
        self.indexes = reader.indexes(window)
        self._numbers: dict[Row, list[tuple[float, int]]] | None = None
        self.sources = _sources(aggregate)

    def rows(self) -> list[Row]:
        functions = self.aggregate.functions
        totals = self.totals()
        columns: list[Callable[[Row], Cell]] = []
        for function in functions:
            columns.append(self.column(function, totals))
        return [(*name, *(column(name) for column in columns)) for name in totals]

    def column(self, function: Function, totals: dict[Row, dict[str, Any]]) -> Callable[[Row], Cell]:
        match function.name:
            case "count":
                return lambda name: int(totals[name]["doc_count"])
            case "rate":
                return lambda name: totals[name]["doc_count"] * float(NS_PER_S) / self.lasting_ns(name)
            case "uniq":
                found = self.distinct(function.field)
                return lambda name: found.get(name, 0)
            case "sum" | "avg" | "min" | "max":
                return lambda name: _number(totals[name], function.name)
            case _:
                above, numbers = PERCENTILES[function.name], self.numbers()
                return lambda name: _nth_from_top(numbers[name], above) if name in numbers else None

    def totals(self) -> dict[Row, dict[str, Any]]:
        numbers = _numbers(self.aggregate)
        condition = self.asked.condition(self.window)
        if not self.sources:
            count, found = self.reader.aggregate(self.reading, self.indexes, condition, numbers)
            return {(): {**found, "doc_count": count}}
        found_groups: dict[Row, dict[str, Any]] = {}
        for bucket in self.reader.groups(self.reading, self.indexes, condition, self.sources, numbers):
            found_groups[self.name(bucket["key"])] = bucket
            if len(found_groups) > GROUPS_MAX:
                raise LimitReached("memory")
        return found_groups

    def distinct(self, field: str) -> Counter[Row]:
        """How many values each group has."""
        more = {"exists": {"field": field}}
        counts: Counter[Row] = Counter()
        for bucket in self.groups([*self.sources, _source("value", field)], more):
            counts[self.name(bucket["key"])] += 1
        return counts

    def numbers(self) -> dict[Row, list[tuple[float, int]]]:
        """The numbers of each group, and how often each occurs."""
        if self._numbers is None:
            self._numbers = {}
            sources = [*self.sources, _NUMBER]
            for place, bucket in enumerate(self.groups(sources, {"exists": {"field": "number"}})):
                if place > GROUPS_MAX:
                    raise LimitReached("memory")
                counts = self._numbers.setdefault(self.name(bucket["key"]), [])
                counts.append((float(bucket["key"]["number"]), int(bucket["doc_count"])))
        return self._numbers

    def groups(self, sources: Sequence[dict[str, Any]], more: Condition) -> Iterable[dict[str, Any]]:
        return self.reader.groups(self.reading, self.indexes, self.asked.condition(self.window, more), sources)

    def name(self, key: dict[str, Any]) -> Row:
        return tuple(_cell(key[f"g{place}"], group) for place, group in enumerate(self.aggregate.by))

    def lasting_ns(self, name: Row) -> int:
        for cell, group in zip(name, self.aggregate.by, strict=True):
            if isinstance(group, Bin):
                assert isinstance(cell, int)
                return self.span.seconds_ns(cell, cell + group.width_ns)
        return self.span.seconds_ns(self.span.from_ns, self.span.to_ns)


def _source(name: str, group: Group) -> dict[str, Any]:
    if isinstance(group, Bin):  # widths are whole milliseconds
        return {name: {"histogram": {"field": "time_ms", "interval": group.width_ns // NS_PER_MS}}}
    return {name: {"terms": {"field": group, "missing_bucket": True}}}


def _cell(found: Any, group: Group) -> Cell:
    if isinstance(group, Bin):
        return int(found) * NS_PER_MS
    return "" if found is None else str(found)


def _number(bucket: dict[str, Any], name: str) -> float | None:
    value = bucket[name]["value"]
    if not bucket["numbers"]["value"] or not isinstance(value, int | float):
        return None  # none, or beyond what a double holds, which the engine says in words
    return float(value)


def _nth_from_top(counts: list[tuple[float, int]], above: float) -> float:
    left = int(above * sum(count for _, count in counts))
    for number, count in sorted(counts, reverse=True):
        if left < count:
            return number
        left -= count
    raise AssertionError("a part of all is less than all")


# ── facets ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def facets(
    reader: Reader,
    reading: Reading,
    app: str,
    query: Query,
    from_ns: int,
    to_ns: int,
    *,
    fields: Sequence[str],
    limit: int,
) -> Facets:
    window = within(from_ns, to_ns)
    reading.left()
    if window.from_ns >= window.to_ns:
        return Facets(0, 1.0, [FieldFacet(field, [], 0, 0) for field in fields])

    def counted() -> Facets:
        asked = reader.asked(reading, app, query, window)
        if asked.left is not None:
            return one_by_one(asked, fields)
        condition, indexes = asked.condition(window), reader.indexes(window)
        size = TERMS_MAX // len(fields)
        aggregations = {f"f{place}": _terms(field, size) for place, field in enumerate(fields) if field != "value"}
        events, answer = reader.aggregate(reading, indexes, condition, aggregations)
        found: dict[str, FieldFacet] = {}
        for place, field in enumerate(fields):
            values = _values(answer[f"f{place}"], field) if field != "value" and answer else None
            if values is not None:
                found[field] = _facet(field, values, events, limit)
        rest = [field for field in fields if field not in found] if events else []
        if rest:
            found |= {each.field: each for each in one_by_one(asked, rest).fields}
        return Facets(events, 1.0, [found.get(field, FieldFacet(field, [], 0, 0)) for field in fields])

    def one_by_one(asked: Asked, wanted: Sequence[str]) -> Facets:
        events: list[Event] = list(reader.events(reading, asked, window))
        return Facets(len(events), 1.0, [facet(field, events, limit) for field in wanted])

    return either(counted, lambda: one_by_one(reader.loosely(app, query), fields))


def _terms(field: str, size: int) -> dict[str, Any]:
    terms: dict[str, Any] = {"field": field, "size": size, "shard_size": size}
    if field.startswith(ast.ATTRIBUTE_PREFIX):
        before = attribute_prefix(attribute_key(field))
        terms |= {"field": "attributes", "include": escaped(before) + "[\0-\U0010ffff]*"}
    return {"terms": terms}


def _values(answer: dict[str, Any], field: str) -> Counter[str] | None:
    """Events by value; None: there are too many values, or one that is not there as it was."""
    if answer["sum_other_doc_count"] or answer["doc_count_error_upper_bound"]:
        return None
    counts: Counter[str] = Counter()
    before = attribute_prefix(attribute_key(field)) if field.startswith(ast.ATTRIBUTE_PREFIX) else ""
    for bucket in answer["buckets"]:
        value = bucket["key"][len(before) :]
        if before and CUT_MARK in value:
            return None
        counts[value[:FACET_CHARS_MAX] if before else value] += bucket["doc_count"]
    return counts


def _facet(field: str, counts: Counter[str], events: int, limit: int) -> FieldFacet:
    counts.pop("", None)
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0].encode()))
    values = [FieldCount(value, count) for value, count in ordered[:limit]]
    named = counts.total()
    return FieldFacet(field, values, named - sum(value.count for value in values), events - named)
