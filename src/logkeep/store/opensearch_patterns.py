"""Patterns in the OpenSearch and Elasticsearch store: a document a pattern, changed each time it is kept."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from logkeep.clock import NS_PER_DAY
from logkeep.event import Event
from logkeep.patterns.template import KeptPattern
from logkeep.store.opensearch_counts import cut_milliseconds, whole_milliseconds
from logkeep.store.opensearch_dsl import EVERYTHING, any_of, none_of
from logkeep.store.opensearch_reader import Asked, Reader, either, top_event, unlimited
from logkeep.store.opensearch_schema import Layout, document_id
from logkeep.store.opensearch_search import within
from logkeep.store.opensearch_writer import Bulk
from logkeep.store.page import bucket_width_ns, event_json, pattern_count
from logkeep.store.port import PatternCount, PatternRequest, Patterns
from logkeep.store.reading import LimitReached, Reading
from logkeep.store.windows import Window

BUCKETS_A_REQUEST = 50_000  # the engines refuse 65,535
PATTERNS_MAX = 200_000  # of one answer before they are joined by template
EXAMPLES_A_REQUEST = 100
APPS_A_PAGE = 1_000

_SOURCES: list[dict[str, Any]] = [
    {name: {"terms": {"field": name, "missing_bucket": True}}} for name in ("pattern", "level")
]

Counts = Counter[tuple[str, str, int]]  # by pattern, level and bucket; -1: the range before


class Kept(msgspec.Struct):
    """A pattern as it is stored. kept, first: ns."""

    app: str
    id: str
    template: str
    form: str
    first: int
    kept: int

    @property
    def pattern(self) -> KeptPattern:
        return KeptPattern(self.app, self.id, self.template, self.form, self.first)


def keep(bulk: Bulk, layout: Layout, patterns: Sequence[KeptPattern], now_ns: int) -> None:
    """By one thread at a time."""
    before = stored(bulk, layout, [(each.app, each.id) for each in patterns])
    lines = []
    for each in patterns:
        name = (each.app, each.id)
        first_ns = min(each.first_ns, before[name].first) if name in before else each.first_ns
        kept = Kept(each.app, each.id, each.template, each.form, first_ns, now_ns)
        lines.append(({"index": {"_index": layout.patterns, "_id": document_id(*name)}}, kept))
    bulk.send(lines)
    bulk.refresh([layout.patterns])


def stored(bulk: Bulk, layout: Layout, names: Sequence[tuple[str, str]]) -> dict[tuple[str, str], Kept]:
    """names: app and id."""
    places = [(layout.patterns, document_id(*name)) for name in names]
    found = (msgspec.convert(each.source, Kept) for each in bulk.look_up(places, "*") if each.found)
    return {(kept.app, kept.id): kept for kept in found}


def known(reader: Reader, patterns_max: int) -> list[KeptPattern]:
    """Of each app those kept last."""
    reading, layout = unlimited(), reader.layout
    sources = [{"app": {"terms": {"field": "app"}}}]
    groups = reader.groups(reading, layout.patterns, EVERYTHING, sources, page=APPS_A_PAGE)
    found: list[KeptPattern] = []
    for app in sorted((bucket["key"]["app"] for bucket in groups), key=str.encode):
        sort = [{"kept": "desc"}, {"id": "asc"}]
        hits = reader.raw_hits(reading, layout.patterns, {"term": {"app": app}}, sort, patterns_max)
        found += [msgspec.convert(source, Kept).pattern for source in hits]
    return found


def forget_before(reader: Reader, bulk: Bulk, day_ns: int) -> None:
    """What was kept before that day is gone."""
    old: dict[str, Any] = {"range": {"kept": {"lt": day_ns - day_ns % NS_PER_DAY}}}
    layout = reader.layout
    hits = reader.hits(unlimited(), layout.patterns, old, [{"kept": "asc"}, {"id": "asc"}], 5_000, False)
    names = [hit.id for hit in hits]
    if names:
        bulk.send(({"delete": {"_index": layout.patterns, "_id": name}}, None) for name in names)
        bulk.refresh([layout.patterns])


# ── counting ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def patterns(reader: Reader, bulk: Bulk, reading: Reading, request: PatternRequest) -> Patterns:
    width_ns = bucket_width_ns(request.from_ns, request.to_ns, request.buckets)
    window = within(request.start_ns, request.to_ns)

    def counted() -> tuple[Asked, Counts, dict[str, Event]]:
        asked = texts(reader.asked(reading, request.app, request.query, window))
        if asked.left is not None:
            return one_by_one(asked)
        counts = _counts(reader, reading, asked, window, _edges(request, window, width_ns), request)
        return asked, counts, {}

    def one_by_one(asked: Asked) -> tuple[Asked, Counts, dict[str, Event]]:
        counts: Counts = Counter()
        newest: dict[str, Event] = {}
        for event in reader.events(reading, asked, window):
            bucket = max(-1, (event.time_ns - request.from_ns) // width_ns)
            counts[event.pattern, event.level, bucket] += 1
            if bucket >= 0:
                newest[event.pattern] = event
        return asked, counts, newest

    asked, counts, newest = either(counted, lambda: one_by_one(texts(reader.loosely(request.app, request.query))))
    return _answer(reader, bulk, reading, request, asked, counts, newest)


def texts(asked: Asked) -> Asked:
    """Of these, the events whose values are texts."""
    return msgspec.structs.replace(asked, conditions=(*asked.conditions, none_of([{"exists": {"field": "kind"}}])))


def pattern_groups(request: PatternRequest) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """The sources of the groups, and what is counted in each."""
    width_ns = bucket_width_ns(request.from_ns, request.to_ns, request.buckets)
    edges = _edges(request, within(request.start_ns, request.to_ns), width_ns)
    return _SOURCES, {"parts": whole_milliseconds(edges)}


def _edges(request: PatternRequest, window: Window, width_ns: int) -> list[int]:
    """Of the range before, where it is counted, and of each bucket."""
    starts = [request.from_ns + bucket * width_ns for bucket in range(request.buckets)]
    inside = [min(max(start, window.from_ns), window.to_ns) for start in starts]
    return [window.from_ns, *inside, window.to_ns]  # the first part is empty without the range before


def _counts(
    reader: Reader, reading: Reading, asked: Asked, window: Window, edges: Sequence[int], request: PatternRequest
) -> Counts:
    counts: Counts = Counter()
    indexes, cut = reader.indexes(window), cut_milliseconds(edges)
    parts = whole_milliseconds(edges)
    if parts["range"]["ranges"]:
        condition = asked.condition(window, *([none_of(cut)] if cut else []))
        page = max(1, BUCKETS_A_REQUEST // (len(edges) + 1))
        found = reader.groups(reading, indexes, condition, _SOURCES, {"parts": parts}, page=page)
        for place, group in enumerate(found):
            if place > PATTERNS_MAX:
                raise LimitReached("memory")
            for part in group["parts"]["buckets"]:
                if part["doc_count"]:
                    name, level = group["key"]["pattern"] or "", group["key"]["level"] or ""
                    counts[name, level, int(part["key"]) - 1] += part["doc_count"]
    if cut:
        width_ns = bucket_width_ns(request.from_ns, request.to_ns, request.buckets)
        for event in reader.events(reading, asked, window, any_of(cut)):
            counts[event.pattern, event.level, max(-1, (event.time_ns - request.from_ns) // width_ns)] += 1
    return counts


def _answer(
    reader: Reader,
    bulk: Bulk,
    reading: Reading,
    request: PatternRequest,
    asked: Asked,
    counts: Counts,
    newest: dict[str, Event],
) -> Patterns:
    named = {name for name, _, _ in counts if name}
    kept = stored(bulk, reader.layout, [(request.app, name) for name in sorted(named)])
    kept_of = {name: each for (_, name), each in kept.items()}
    ungrouped = sum(count for (name, _, bucket), count in counts.items() if bucket >= 0 and not name)
    totals: Counter[str] = Counter()
    ids: dict[str, set[str]] = {}
    for (name, _, bucket), count in counts.items():
        if name:
            template = kept_of[name].template if name in kept_of else name
            ids.setdefault(template, set()).add(name)
            totals[template] += count if bucket >= 0 else 0
    found = [(template, count) for template, count in totals.items() if count]
    found.sort(key=lambda row: (-row[1], row[0].encode()))
    shown = [(template, sorted(ids[template])) for template, _ in found[: request.limit]]
    examples = _examples(reader, reading, request, asked, shown, newest)
    by_name: dict[str, list[tuple[int, str, int]]] = {}
    for (name, level, bucket), count in counts.items():
        by_name.setdefault(name, []).append((bucket, level, count))
    rows = [_row(request, template, names, by_name, kept_of, examples[template]) for template, names in shown]
    return Patterns(rows, len(found), sum(count for _, count in found) + ungrouped, ungrouped)


def _row(
    request: PatternRequest,
    template: str,
    ids: list[str],
    counts: dict[str, list[tuple[int, str, int]]],
    kept: dict[str, Kept],
    example: Event,
) -> PatternCount:
    firsts = [kept[name].first for name in ids if name in kept]
    return pattern_count(
        request,
        template,
        ids,
        (each for name in ids for each in counts[name]),
        first_ns=min(firsts, default=example.time_ns),
        last_ns=example.time_ns,
        example=event_json(example),
    )


def _examples(
    reader: Reader,
    reading: Reading,
    request: PatternRequest,
    asked: Asked,
    shown: Sequence[tuple[str, list[str]]],
    newest: dict[str, Event],
) -> dict[str, Event]:
    """By template: its last event in the range."""
    if newest:
        return {template: _last([newest[name] for name in ids if name in newest]) for template, ids in shown}
    window = within(request.from_ns, request.to_ns)
    found: dict[str, Event] = {}
    for start in range(0, len(shown), EXAMPLES_A_REQUEST):
        some = shown[start : start + EXAMPLES_A_REQUEST]
        found |= _newest(reader, reading, asked, window, some)
    return found


def _newest(
    reader: Reader, reading: Reading, asked: Asked, window: Window, shown: Sequence[tuple[str, list[str]]]
) -> dict[str, Event]:
    top = {"top_hits": {"size": 1, "sort": [{"time": "desc"}, {"id": "desc"}]}}
    parts = {
        str(n): {"filter": {"terms": {"pattern": ids}}, "aggs": {"newest": top}} for n, (_, ids) in enumerate(shown)
    }
    every = sorted({name for _, ids in shown for name in ids})
    _, answer = reader.aggregate(
        reading, reader.indexes(window), asked.condition(window, {"terms": {"pattern": every}}), parts
    )
    return {template: top_event(answer[str(n)]["newest"]) for n, (template, _) in enumerate(shown)}


def _last(events: Iterable[Event]) -> Event:
    return max(events, key=lambda event: (event.time_ns, event.id.encode()))
