"""Pages of events of the OpenSearch and Elasticsearch store: searches, sessions, neighbours, the order of arrival."""

from collections.abc import Sequence
from typing import Any

import msgspec

from logkeep.event import Event
from logkeep.query.fields import is_numeric
from logkeep.query.pipes import sorted_events
from logkeep.query.stages import TIME_FIELDS, SortKey
from logkeep.store.opensearch_dsl import VISIBLE, Condition, all_of, any_of
from logkeep.store.opensearch_reader import INT64_MAX, ORDERS, Asked, Reader, either
from logkeep.store.page import decode_cursor, event_json, page_of, with_matches_marked
from logkeep.store.port import Arrived, ArrivedRequest, Page, SearchRequest
from logkeep.store.reading import Reading
from logkeep.store.windows import Window, in_windows

ALL_TIME = Window(-INT64_MAX, INT64_MAX)
NEIGHBOURS_A_REQUEST = 50  # matches whose neighbours are asked for at once


def within(from_ns: int, to_ns: int) -> Window:
    """Within what the engine holds; no stored time lies outside."""
    start_ns, end_ns = (min(INT64_MAX, max(-INT64_MAX, time_ns)) for time_ns in (from_ns, to_ns))
    return Window(start_ns, max(start_ns, end_ns))


def search(reader: Reader, reading: Reading, request: SearchRequest) -> Page:
    page = _sorted(reader, reading, request) if request.sort else _in_time(reader, reading, request)
    return _with_neighbours(reader, reading, request, page) if request.context and page.count else page


def _in_time(reader: Reader, reading: Reading, request: SearchRequest) -> Page:
    whole, newest_first = within(request.from_ns, request.to_ns), request.order == "desc"
    more: list[Condition] = []
    if request.cursor is not None:
        time_ns, event_id = decode_cursor(request.cursor)
        more.append(_after(time_ns, event_id, newest_first=newest_first))
        whole = (
            within(whole.from_ns, min(whole.to_ns, time_ns + 1))
            if newest_first
            else within(max(whole.from_ns, time_ns), whole.to_ns)
        )
    found: list[bytes] = []

    def read(window: Window) -> list[bytes]:
        limit = request.limit + 1 - len(found)

        def read_as(asked: Asked) -> list[bytes]:
            events = reader.events(reading, asked, window, *more, order=request.order, limit=limit)
            return [event_json(event) for event in events]

        return either(
            lambda: read_as(reader.asked(reading, request.app, request.query, window)),
            lambda: read_as(reader.loosely(request.app, request.query)),
        )

    reading.left()
    if whole.from_ns < whole.to_ns:
        for events in in_windows(reading, whole, read, newest_first=newest_first, glance=read):
            found += events
            if len(found) > request.limit:
                break
    return page_of(found, request.limit, reading)


def _after(time_ns: int, event_id: str, *, newest_first: bool) -> Condition:
    way = "lt" if newest_first else "gt"
    same = all_of([{"term": {"time": time_ns}}, {"range": {"id": {way: event_id}}}])
    return any_of([{"range": {"time": {way: time_ns}}}, same])


# ── another order ─────────────────────────────────────────────────────────────────────────────────────────────────────


def _sorted(reader: Reader, reading: Reading, request: SearchRequest) -> Page:
    """One page of all the range: a part of it would not hold the first ones."""
    window = within(request.from_ns, request.to_ns)
    sort = _engine_sort(request.sort, request.order)

    def first_of_all() -> list[Event]:
        asked = reader.asked(reading, request.app, request.query, window)
        if sort is None or asked.left is not None:
            return sorted_here(asked)
        indexes = reader.indexes(window)
        hits = reader.hits(reading, indexes, asked.condition(window), sort, request.limit)
        return [hit.event for hit, _ in zip(hits, range(request.limit), strict=False)]

    def sorted_here(asked: Asked) -> list[Event]:
        events = list(reader.events(reading, asked, window, order=request.order))
        return sorted_events(events, request.sort)[: request.limit]

    found = either(first_of_all, lambda: sorted_here(reader.loosely(request.app, request.query)))
    return page_of([event_json(event) for event in found], request.limit, reading)


def _engine_sort(keys: Sequence[SortKey], order: str) -> list[dict[str, Any]] | None:
    """The order as the engine has it; None where it has none: `value` and attributes, numbers before texts."""
    sort: list[dict[str, Any]] = []
    for key in keys:
        field = key.column
        assert isinstance(field, str)
        if is_numeric(field):
            return None
        way = "desc" if key.descending else "asc"
        name = "level_rank" if field == "level" else field
        sort.append({name: way} if field in TIME_FIELDS else {name: {"order": way, "missing": "_last"}})
    return [*sort, *ORDERS[order]]


# ── neighbours ────────────────────────────────────────────────────────────────────────────────────────────────────────


class _Match(msgspec.Struct):
    id: str
    session: str
    time: str


_decode_matches = msgspec.json.Decoder(list[_Match]).decode


def _with_neighbours(reader: Reader, reading: Reading, request: SearchRequest, page: Page) -> Page:
    """Each match asks for its own: the nearest before and after it, whatever else its session holds."""
    ids = [match.id for match in _decode_matches(page.events)]
    near: dict[str, Event] = {}
    for start in range(0, len(ids), NEIGHBOURS_A_REQUEST):
        some = [{"terms": {"id": ids[start : start + NEIGHBOURS_A_REQUEST]}}]
        asked = Asked(request.app, (all_of(some), VISIBLE), None)
        for match in list(reader.events(reading, asked, ALL_TIME)):
            near[match.id] = match
            for order in ("asc", "desc"):
                beside = Asked(request.app, ({"term": {"session": match.session}}, VISIBLE), None)
                after = _after(match.time_ns, match.id, newest_first=order == "desc")
                found = reader.events(reading, beside, ALL_TIME, after, order=order, limit=request.context)
                near |= {event.id: event for event in found}
    events = sorted(near.values(), key=lambda event: (event.time_ns, event.id.encode()))
    text = b"[" + b",".join(map(event_json, events)) + b"]"
    return Page(with_matches_marked(text, page.events), page.count, page.next)


# ── one session, one event, arrivals ──────────────────────────────────────────────────────────────────────────────────


def session(reader: Reader, reading: Reading, app: str, name: str, *, limit: int) -> Page:
    asked = Asked(app, ({"term": {"session": name}}, VISIBLE), None)
    found = reader.events(reading, asked, ALL_TIME, order="asc", limit=limit + 1)
    return page_of([event_json(event) for event in found], limit, reading)


def event(reader: Reader, reading: Reading, app: str, event_id: str) -> bytes | None:
    asked = Asked(app, ({"term": {"id": event_id}}, VISIBLE), None)
    found = next(reader.events(reading, asked, ALL_TIME, order="asc", limit=1), None)
    return None if found is None else event_json(found)


def arrived(reader: Reader, reading: Reading, request: ArrivedRequest) -> list[Arrived]:
    def read(asked: Asked) -> list[Arrived]:
        found: list[Arrived] = []
        for hit in _arrivals(reader, reading, asked, request, "asc", request.limit):
            event = hit.event
            if len(found) < request.limit and (asked.left is None or asked.left(event)):
                found.append(Arrived(event.arrival, event_json(event), event.pattern))
            if len(found) == request.limit:
                break
        return found

    return either(
        lambda: read(reader.asked(reading, request.app, request.query, ALL_TIME, superseded=True)),
        lambda: read(reader.loosely(request.app, request.query, superseded=True)),
    )


def newest_arrived(reader: Reader, reading: Reading, request: ArrivedRequest) -> tuple[int, int]:
    def exactly() -> tuple[int, int]:
        asked = reader.asked(reading, request.app, request.query, ALL_TIME, superseded=True)
        if asked.left is not None:
            return one_by_one(asked)
        indexes = reader.indexes(ALL_TIME)
        count = reader.count(reading, indexes, asked.condition(ALL_TIME, _arrival(request)))
        if count <= request.limit:
            return 0, request.after
        hits = _arrivals(reader, reading, asked, request, "desc", request.limit + 1, source=False)
        cut = next(hit for place, hit in enumerate(hits) if place == request.limit)
        return count - request.limit, int(cut.sort[0])

    def one_by_one(asked: Asked) -> tuple[int, int]:
        found = []
        for hit in _arrivals(reader, reading, asked, request, "asc", request.limit):
            event = hit.event
            if asked.left is None or asked.left(event):
                found.append(event.arrival)
        older = found[: max(0, len(found) - request.limit)]
        return (len(older), older[-1]) if older else (0, request.after)

    return either(exactly, lambda: one_by_one(reader.loosely(request.app, request.query, superseded=True)))


def _arrivals(
    reader: Reader,
    reading: Reading,
    asked: Asked,
    request: ArrivedRequest,
    order: str,
    wanted: int,
    source: bool = True,
) -> Any:
    condition = asked.condition(ALL_TIME, _arrival(request))
    sort = [{"arrival": order}, {"id": order}]
    return reader.hits(reading, reader.indexes(ALL_TIME), condition, sort, wanted, source)


def _arrival(request: ArrivedRequest) -> Condition:
    span = {"gt": request.after, "lte": request.until}
    return (
        {"range": {"arrival": span}}
        if request.after >= 0
        else any_of([{"range": {"arrival": span}}, {"bool": {"must_not": [{"exists": {"field": "arrival"}}]}}])
    )
