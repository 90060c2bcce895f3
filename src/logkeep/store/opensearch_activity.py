"""Lists of sessions, devices and users in the OpenSearch and Elasticsearch store, by last activity.

The engine gives each name's newest event, newest first (`collapse`). It cannot go on from a place in that list; so a
later page asks below its cursor, and leaves out who has an event above it.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from logkeep.event import Event
from logkeep.store.memory_activity import activity_page
from logkeep.store.opensearch_dsl import VISIBLE, Condition, all_of, any_of, none_of
from logkeep.store.opensearch_reader import Asked, Reader, count_rows, either
from logkeep.store.opensearch_search import ALL_TIME, within
from logkeep.store.page import decode_cursor, encode_cursor
from logkeep.store.port import (
    COMPONENTS_MAX,
    COMPONENTS_NS,
    Activity,
    ActivityOf,
    ActivityPage,
    ActivityRequest,
    SessionPlace,
)
from logkeep.store.reading import LimitReached, Reading
from logkeep.store.windows import Window

NAMES_A_LOOK = 1_000  # that one request gives
LOOKS_MAX = 60  # of one page; so many names are left out at most, below the 65,536 of a request
TOLD_A_REQUEST = 100  # names whose details one request asks for
_ERRORS = {"terms": {"level": ["error", "fatal"]}}

Named = tuple[str, int]  # a name and its last activity, ns


def activity(reader: Reader, reading: Reading, request: ActivityRequest) -> ActivityPage:
    """A page of the list. Raises InputError (a cursor that is none), and what a read raises."""
    after = decode_cursor(request.cursor) if request.cursor is not None else None
    window = within(request.from_ns, request.to_ns)
    reading.left()
    if window.from_ns >= window.to_ns:
        return ActivityPage([], None)

    def from_engine() -> ActivityPage:
        asked = reader.asked(reading, request.app, request.query, window, superseded=True)
        if asked.left is not None:
            return one_by_one()
        named, more = _named(reader, reading, asked, window, request.of, after, request.limit)
        rows: list[Activity] = []
        for start in range(0, len(named), TOLD_A_REQUEST):
            rows += _told(reader, reading, asked, window, request.of, named[start : start + TOLD_A_REQUEST])
        rows.sort(key=lambda row: (-row.last_ns, row.name.encode()))
        return ActivityPage(rows, encode_cursor(named[-1][1], named[-1][0]) if more else None)

    def one_by_one() -> ActivityPage:
        events = _all(reader, reading, request, window, superseded=True)
        seen = {event.id for event in _all(reader, reading, request, window, superseded=False)}
        return activity_page([(event, event.id in seen) for event in events], request.of, request.limit, request.cursor)

    return either(from_engine, one_by_one)


def _all(
    reader: Reader, reading: Reading, request: ActivityRequest, window: Window, *, superseded: bool
) -> list[Event]:
    def read(asked: Asked) -> list[Event]:
        return list(reader.events(reading, asked, window))

    return either(
        lambda: read(reader.asked(reading, request.app, request.query, window, superseded=superseded)),
        lambda: read(reader.loosely(request.app, request.query, superseded=superseded)),
    )


def _named(
    reader: Reader,
    reading: Reading,
    asked: Asked,
    window: Window,
    of: ActivityOf,
    after: tuple[int, str] | None,
    limit: int,
) -> tuple[list[Named], bool]:
    """Up to `limit` names of the page, in order; whether more follow."""
    found: list[Named] = []
    passed: list[str] = []  # names that stand elsewhere, or here already
    below = [] if after is None else [_below(of, *after)]
    for _ in range(LOOKS_MAX):
        size = max(limit + 1, NAMES_A_LOOK) if after is not None else limit + 1
        size = min(size, 9_000)
        more = [{"exists": {"field": of}}, *below, *([none_of([{"terms": {of: passed}}])] if passed else [])]
        names = _newest_of_each(reader, reading, asked.condition(window, *more), window, of, size)
        above = _with_events(reader, reading, asked, window, of, [name for name, _ in names], after)
        found += [each for each in names if each[0] not in above]
        if len(found) > limit or len(names) < size:
            return found[:limit], len(found) > limit
        passed += [name for name, _ in names]
    raise LimitReached("rows")


def _newest_of_each(
    reader: Reader, reading: Reading, condition: Condition, window: Window, of: ActivityOf, size: int
) -> list[Named]:
    rows_max = reading.left().rows_max
    answer = reader.search(reading, reader.indexes(window), names_body(condition, of, size))
    count_rows(reading, len(answer.hits.hits), rows_max)
    return [(str(hit.sort[1]), int(hit.sort[0])) for hit in answer.hits.hits]


def names_body(condition: Condition, of: ActivityOf, size: int) -> dict[str, Any]:
    """The search for the names that were active last."""
    return {
        "size": size, "query": condition, "collapse": {"field": of}, "sort": [{"time": "desc"}, {of: "asc"}],
        "_source": False, "track_total_hits": False,
    }  # fmt: skip


def _below(of: ActivityOf, time_ns: int, name: str) -> Condition:
    """Events that stand after the cursor in the order of the list."""
    same = all_of([{"term": {"time": time_ns}}, {"range": {of: {"gt": name}}}])
    return any_of([{"range": {"time": {"lt": time_ns}}}, same])


def _with_events(
    reader: Reader,
    reading: Reading,
    asked: Asked,
    window: Window,
    of: ActivityOf,
    names: Sequence[str],
    after: tuple[int, str] | None,
) -> set[str]:
    """Those of `names` that have an event before the cursor: they stand on an earlier page."""
    if after is None or not names:
        return set()
    condition = asked.condition(window, {"terms": {of: list(names)}}, none_of([_below(of, *after)]))
    terms = {"names": {"terms": {"field": of, "size": len(names), "include": list(names)}}}
    _, found = reader.aggregate(reading, reader.indexes(window), condition, terms)
    return {bucket["key"] for bucket in found["names"]["buckets"]} if found else set()


# ── what is told of a name ────────────────────────────────────────────────────────────────────────────────────────────


def _told(
    reader: Reader, reading: Reading, asked: Asked, window: Window, of: ActivityOf, named: Sequence[Named]
) -> list[Activity]:
    names = [name for name, _ in named]
    condition, indexes = asked.condition(window, {"terms": {of: names}}), reader.indexes(window)
    _, found = reader.aggregate(reading, indexes, condition, {str(n): _about(of, name) for n, name in enumerate(names)})
    told = {n: bucket for n in range(len(names)) if (bucket := found[str(n)])["visible"]["doc_count"]} if found else {}
    lasts = {n: _sorted_by(bucket["last"])[0] for n, bucket in told.items()}
    components = _components(reader, reading, asked, window, of, {names[n]: last for n, last in lasts.items()})
    sessions = _sessions(reader, reading, condition, indexes, of)
    return [
        Activity(
            name=names[n],
            events=bucket["visible"]["doc_count"],
            errors=bucket["visible"]["errors"]["doc_count"],
            first_ns=_sorted_by(bucket["first"])[0],
            last_ns=lasts[n],
            user=_last_name(bucket["user"]),
            device=_last_name(bucket["device"]),
            sessions=1 if of == "session" else sessions[names[n]],
            components=components.get(names[n], []),
        )
        for n, bucket in told.items()
    ]


def _about(of: ActivityOf, name: str) -> dict[str, Any]:
    parts: dict[str, Any] = {
        "visible": {"filter": VISIBLE, "aggs": {"errors": {"filter": _ERRORS}}},
        "first": _top([{"time": "asc"}]),
        "last": _top([{"time": "desc"}]),
    }
    for field in ("user", "device"):
        last = _top([{"time": "desc"}, {field: "desc"}])
        parts[field] = {"filter": {"exists": {"field": field}}, "aggs": {"last": last}}
    return {"filter": {"term": {of: name}}, "aggs": parts}


def _top(sort: list[dict[str, str]]) -> dict[str, Any]:
    """The first event in this order: only how it is sorted, for sorts are exact where least and greatest are not."""
    return {"top_hits": {"size": 1, "sort": sort, "_source": False}}


def _sorted_by(top: dict[str, Any]) -> list[Any]:
    found: list[Any] = top["hits"]["hits"][0]["sort"]
    return found


def _last_name(bucket: dict[str, Any]) -> str:
    return str(_sorted_by(bucket["last"])[1]) if bucket["doc_count"] else ""


def _sessions(reader: Reader, reading: Reading, condition: Condition, indexes: str, of: ActivityOf) -> Counter[str]:
    """How many sessions each name has; of sessions themselves nothing is asked."""
    if of == "session":
        return Counter()
    sources: list[dict[str, Any]] = [{"name": {"terms": {"field": of}}}, {"session": {"terms": {"field": "session"}}}]
    return Counter(bucket["key"]["name"] for bucket in reader.groups(reading, indexes, condition, sources))


def _components(
    reader: Reader, reading: Reading, asked: Asked, window: Window, of: ActivityOf, last_ns: dict[str, int]
) -> dict[str, list[str]]:
    """What each name's events named within COMPONENTS_NS up to its last."""
    if not last_ns:
        return {}
    listed = {"terms": {"field": "component", "size": COMPONENTS_MAX, "order": {"_key": "asc"}}}
    parts = {
        str(n): {
            "filter": all_of([{"term": {of: name}}, {"range": {"time": {"gt": last - COMPONENTS_NS, "lte": last}}}]),
            "aggs": {"components": listed},
        }
        for n, (name, last) in enumerate(last_ns.items())
    }
    condition = asked.condition(window, {"terms": {of: list(last_ns)}}, {"exists": {"field": "component"}})
    _, found = reader.aggregate(reading, reader.indexes(window), condition, parts)
    if not found:
        return {}
    return {
        name: [bucket["key"] for bucket in found[str(n)]["components"]["buckets"]] for n, name in enumerate(last_ns)
    }


def session_neighbours(
    reader: Reader, reading: Reading, app: str, session: str, *, field: str, name: str
) -> tuple[SessionPlace | None, SessionPlace | None]:
    asked = Asked(app, ({"term": {field: name}},), None)
    sources = [{"session": {"terms": {"field": "session"}}}]
    first = {"first": _top([{"time": "asc"}])}
    groups = reader.groups(
        reading, reader.indexes(ALL_TIME), asked.condition(ALL_TIME), sources, first, page=NAMES_A_LOOK
    )
    places = [SessionPlace(bucket["key"]["session"], _sorted_by(bucket["first"])[0]) for bucket in groups]
    places.sort(key=lambda place: (place.start_ns, place.session.encode()))
    here = next((at for at, place in enumerate(places) if place.session == session), None)
    if here is None:
        return None, None
    return places[here - 1] if here else None, places[here + 1] if here + 1 < len(places) else None
