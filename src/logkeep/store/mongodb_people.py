"""Lists of sessions, devices and users, their neighbours, and facets in MongoDB.

The names of a page come first: the newest minutes are grouped before hours and days, for those who were active in them
are the first of the list whoever else there is. Then what is told of these names is grouped over the whole range, by
everything that is told of them at once: few combinations a name.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, Literal

import msgspec

from logkeep.clock import NS_PER_DAY, NS_PER_S
from logkeep.query import ast
from logkeep.query.match import text_reader
from logkeep.store.mongodb_client import NAMES_A_QUERY_MAX
from logkeep.store.mongodb_documents import Document, attribute_path
from logkeep.store.mongodb_groups import events_total, text_key, time_total
from logkeep.store.mongodb_reads import Asked, Reads, clamped
from logkeep.store.page import decode_cursor, encode_cursor
from logkeep.store.port import (
    COMPONENTS_MAX,
    COMPONENTS_NS,
    FACET_CHARS_MAX,
    Activity,
    ActivityPage,
    ActivityRequest,
    Facets,
    FieldCount,
    FieldFacet,
    SessionPlace,
)
from logkeep.store.reading import Reading

# Looked at one after the other, back from the newest event, until a page is full; then a day at a time.
WINDOWS_NS = (60 * NS_PER_S, 20 * 60 * NS_PER_S, 6 * 3600 * NS_PER_S)
FACET_EVENTS_MAX = 100_000  # counted here, 5 µs each; of more, a share
_TOLD = ("session", "user", "device", "component")


class _Told(msgspec.Struct):
    events: int = 0
    errors: int = 0
    first_ns: int = 1 << 62
    last_ns: int = -(1 << 62)
    sessions: set[str] = set()
    named: dict[str, tuple[int, bytes, str]] = {}  # user, device: the last one
    components: dict[str, int] = {}  # when each was named last


def read_activity(reads: Reads, reading: Reading, request: ActivityRequest) -> ActivityPage:
    asked = Asked(request.app, request.query, clamped(request.from_ns), clamped(request.to_ns), hidden=True)
    last_ns, last_name = asked.to_ns, ""
    if request.cursor is not None:
        last_ns, last_name = decode_cursor(request.cursor)
    newest = msgspec.structs.replace(asked, to_ns=min(asked.to_ns, clamped(last_ns + 1)))
    rows: list[Activity] = []
    tried: set[str] = set()
    for names in _names(reads, reading, newest, request.of):
        fresh = [name for name in names if name not in tried]
        tried.update(fresh)
        for row in _activities(reads, reading, asked, request.of, fresh):
            after_cursor = request.cursor is None or _place(row) > (-last_ns, last_name.encode())
            if row.events and after_cursor:
                rows.append(row)
        if len(rows) > request.limit:
            break
    rows.sort(key=_place)
    shown = rows[: request.limit]
    return ActivityPage(shown, encode_cursor(shown[-1].last_ns, shown[-1].name) if len(rows) > request.limit else None)


def _names(reads: Reads, reading: Reading, asked: Asked, of: str) -> Iterator[list[str]]:
    """Names that were active, those of the newest stretch of time first; a name may come again."""
    newest_ns = reads.newest_ns(reading, asked)
    if newest_ns is None:
        return
    oldest_ns = asked.from_ns
    named: Document = {of: {"$exists": True}}
    end_ns = newest_ns + 1
    for window_ns in _widening():
        start_ns = max(oldest_ns, newest_ns - window_ns)
        if start_ns < end_ns:
            window = msgspec.structs.replace(asked, from_ns=start_ns, to_ns=end_ns, also=(*asked.also, named))
            yield [name for (name,) in reads.groups(reading, window, [text_key(of)]) if name]
        end_ns = start_ns
        if end_ns <= oldest_ns or not reads.days(msgspec.structs.replace(asked, to_ns=end_ns)):
            return


def _widening() -> Iterator[int]:
    yield from WINDOWS_NS
    days = 1
    while True:
        yield days * NS_PER_DAY
        days += 1 + days // 8


def _activities(reads: Reads, reading: Reading, asked: Asked, of: str, names: Sequence[str]) -> list[Activity]:
    told: dict[str, _Told] = {}
    keys = [text_key(of), *map(text_key, _TOLD)]
    totals = [events_total("visible"), events_total("visible errors"), time_total("min"), time_total("max")]
    for start in range(0, len(names), NAMES_A_QUERY_MAX):
        chosen: Document = {of: {"$in": list(names[start : start + NAMES_A_QUERY_MAX])}}
        wanted = msgspec.structs.replace(asked, also=(*asked.also, chosen))
        for (name, *texts), (events, errors, first_ns, last_ns, _) in reads.groups(
            reading, wanted, keys, totals
        ).items():
            one = told.setdefault(name, _Told())
            one.events, one.errors = one.events + events, one.errors + errors
            one.first_ns, one.last_ns = min(one.first_ns, first_ns), max(one.last_ns, last_ns)
            _tell(one, texts, last_ns)
    return [_activity(name, one) for name, one in told.items()]


def _tell(one: _Told, texts: Sequence[str], last_ns: int) -> None:
    session, user, device, component = texts
    one.sessions.add(session)
    for field, text in (("user", user), ("device", device)):
        if text:
            place = (last_ns, text.encode(), text)
            one.named[field] = max(one.named.get(field, place), place)
    if component:
        one.components[component] = max(one.components.get(component, last_ns), last_ns)


def _activity(name: str, one: _Told) -> Activity:
    latest = {text for text, at_ns in one.components.items() if at_ns > one.last_ns - COMPONENTS_NS}
    return Activity(
        name=name,
        events=one.events,
        errors=one.errors,
        first_ns=one.first_ns,
        last_ns=one.last_ns,
        user=one.named["user"][2] if "user" in one.named else "",
        device=one.named["device"][2] if "device" in one.named else "",
        sessions=len(one.sessions),
        components=sorted(latest, key=str.encode)[:COMPONENTS_MAX],
    )


def _place(row: Activity) -> tuple[int, bytes]:
    return (-row.last_ns, row.name.encode())


def read_session_neighbours(
    reads: Reads, reading: Reading, app: str, session: str, *, field: Literal["user", "device"], name: str
) -> tuple[SessionPlace | None, SessionPlace | None]:
    asked = Asked(app, hidden=True, also=({field: name},))
    groups = reads.groups(reading, asked, [text_key("session")], [time_total("min")])
    starts = {names[0]: totals[0] for names, totals in groups.items()}
    if session not in starts:
        return None, None
    ordered = sorted(starts, key=lambda each: (starts[each], each.encode()))
    here = ordered.index(session)
    before, after = ordered[max(0, here - 1) : here], ordered[here + 1 : here + 2]
    return _session_place(before, starts), _session_place(after, starts)


def _session_place(names: Sequence[str], starts: dict[str, int]) -> SessionPlace | None:
    return SessionPlace(names[0], starts[names[0]]) if names else None


# ── facets ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def read_facets(reads: Reads, reading: Reading, asked: Asked, fields: Sequence[str], limit: int) -> Facets:
    """One pass for all fields. Of more than FACET_EVENTS_MAX events, those whose place in the order of arrival is a
    multiple of a number: every so-manieth of each batch, so of each time and app alike."""
    events = reads.count(reading, asked)
    share = -(-events // FACET_EVENTS_MAX)
    counts: list[Counter[str]] = []
    counted = 0
    if share > 1:
        counts, counted = _counted(
            reads, reading, msgspec.structs.replace(asked, also=({"arrival": {"$mod": [share, 0]}},)), fields
        )
    if not counted:
        counts, counted = _counted(reads, reading, asked, fields)
        events = counted
    scale = events / counted if counted else 1.0
    found = [_facet(field, each, limit, events, scale) for field, each in zip(fields, counts, strict=True)]
    return Facets(events, counted / events if events else 1.0, found)


def _counted(reads: Reads, reading: Reading, asked: Asked, fields: Sequence[str]) -> tuple[list[Counter[str]], int]:
    readers = [(text_reader(field), _characters(field)) for field in fields]
    counts: list[Counter[str]] = [Counter() for _ in fields]
    needed: dict[str, Any] = {
        attribute_path(field) if field.startswith(ast.ATTRIBUTE_PREFIX) else field: 1 for field in fields
    }
    number = 0
    for event, _ in reads.seen(reading, asked, fields=needed):
        number += 1
        for (read, characters), counter in zip(readers, counts, strict=True):
            counter[(read(event) or "")[:characters]] += 1
    return counts, number


def _characters(field: str) -> int | None:
    return FACET_CHARS_MAX if field == "value" or field.startswith(ast.ATTRIBUTE_PREFIX) else None


def _facet(field: str, counts: Counter[str], limit: int, events: int, scale: float) -> FieldFacet:
    absent = round(counts.pop("", 0) * scale)
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0].encode()))
    values = [FieldCount(text, round(count * scale)) for text, count in ordered[:limit]]
    return FieldFacet(field, values, max(0, events - absent - sum(each.count for each in values)), absent)
