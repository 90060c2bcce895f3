"""The Store port in plain Python: for tests of everything above the store. Nothing here survives the process.

Slow and simple on purpose: it evaluates queries with query/match.py, event by event.
"""

import threading
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from typing import Literal

import msgspec

from logkeep.clock import NS_PER_S, Clock, SystemClock
from logkeep.errors import InputError
from logkeep.event import Event
from logkeep.patterns.template import KeptPattern
from logkeep.query.ast import Query
from logkeep.query.match import matcher
from logkeep.query.pipes import Span, rows_of, sorted_events, with_neighbours
from logkeep.query.table import Table
from logkeep.store.erasing import ErasureRequest
from logkeep.store.memory_activity import activity_page, facet, neighbours
from logkeep.store.page import (
    bucket_width_ns,
    decode_cursor,
    encode_cursor,
    event_json,
    pattern_count,
    rows_wanted,
    stats_table,
    with_matches_marked,
)
from logkeep.store.port import (
    REMEMBER_S,
    ROWS_MAX,
    ActivityPage,
    ActivityRequest,
    Arrived,
    ArrivedRequest,
    Batch,
    Bucket,
    DayCount,
    Explained,
    Explanation,
    Facets,
    Page,
    PatternCount,
    PatternRequest,
    Patterns,
    SearchRequest,
    SessionPlace,
    StatsRequest,
    filter_of,
)
from logkeep.store.reading import LimitReached, Reading
from logkeep.store.windows import Window, in_windows


class MemoryStore:
    """All methods take one lock, so each sees whole batches."""

    def __init__(self, *, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        self._lock = threading.Lock()
        self._events: dict[tuple[str, str], Event] = {}  # by (app, id)
        self._tokens: set[str] = set()
        self._recent: dict[tuple[str, str], int] = {}  # (app, id) → ns when written
        self._remembered: dict[str, int] = {}
        self._updates: dict[tuple[str, str, str], Event] = {}  # by (app, session, key): the one that stands
        self._update_received: dict[tuple[str, str, str], int] = {}  # of the update received last, ns
        self._hidden: set[tuple[str, str]] = set()  # (app, id) of what an update has superseded; only grows
        self._patterns: list[tuple[int, KeptPattern]] = []  # ns when kept, in that order
        self.erasing = MemoryErasing(self)

    def known(self, events: Sequence[Event]) -> set[int]:
        found: set[int] = set()
        seen: set[tuple[str, str]] = set()
        with self._lock:
            for row, event in enumerate(events):
                name = (event.app, event.id)
                if event.own_id and (name in seen or self._is_known(event)):
                    found.add(row)
                if event.own_id:
                    seen.add(name)
        return found

    def _is_known(self, event: Event) -> bool:
        name = (event.app, event.id)
        stored = self._events.get(name)
        if stored is not None and stored.time_ns == event.time_ns:
            return True
        return event.time_ns == event.received_ns and self._is_fresh(self._recent.get(name))

    def _is_fresh(self, at_ns: int | None) -> bool:
        return at_ns is not None and at_ns > self._clock.now_ns() - REMEMBER_S * NS_PER_S

    def write(self, batch: Batch) -> None:
        assert 1 <= len(batch.events) <= ROWS_MAX, len(batch.events)
        with self._lock:
            if batch.token in self._tokens:
                return
            self._tokens.add(batch.token)
            for event in batch.events:
                self._events[event.app, event.id] = event
                if event.own_id and event.time_ns == event.received_ns:
                    self._recent[event.app, event.id] = self._clock.now_ns()
            self._hide_superseded(batch.events)

    def _hide_superseded(self, events: Sequence[Event]) -> None:
        self._note_updates(events)
        touched = self._updates.keys() & set(map(_slot, events))
        for event in self._events.values() if touched else ():
            if _slot(event) in touched and self._is_superseded(event):
                self._hidden.add((event.app, event.id))

    def _note_updates(self, events: Sequence[Event]) -> None:
        for event in events:
            if event.update:
                slot = _slot(event)
                self._updates[slot] = max(self._updates.get(slot, event), event, key=_recency)
                self._update_received[slot] = max(self._update_received.get(slot, event.received_ns), event.received_ns)

    def _is_superseded(self, event: Event) -> bool:
        if event.update:
            return self._updates[_slot(event)].id != event.id
        return event.received_ns <= self._update_received[_slot(event)]

    def remember(self, keys: Sequence[str], token: str) -> None:
        assert keys
        with self._lock:
            self._remembered.update(dict.fromkeys(keys, self._clock.now_ns()))

    def remembered(self, keys: Sequence[str]) -> set[str]:
        with self._lock:
            return {key for key in keys if self._is_fresh(self._remembered.get(key))}

    def search(self, reading: Reading, request: SearchRequest) -> Page:
        page = self._sorted(reading, request) if request.sort else self._in_time(reading, request)
        return self._with_neighbours(reading, request, page) if request.context and page.count else page

    def _in_time(self, reading: Reading, request: SearchRequest) -> Page:
        matches, newest_first = matcher(request.query), request.order == "desc"
        after = decode_cursor(request.cursor) if request.cursor is not None else None

        def read(window: Window) -> list[Event]:
            found = self._visible(reading, request.app, matches, window)
            return [event for event in found if after is None or event_is_after(event, after, request.order)]

        found: list[Event] = []
        from_ns, to_ns = request.from_ns, request.to_ns
        if after is not None:
            from_ns, to_ns = (from_ns, min(to_ns, after[0] + 1)) if newest_first else (max(from_ns, after[0]), to_ns)
        whole = Window(from_ns, max(from_ns, to_ns))
        for events in in_windows(reading, whole, read, newest_first=newest_first):
            found += reversed(events) if newest_first else events
        page = _page(found, request.limit)
        if page.next is None and reading.reached_ns is not None:
            return msgspec.structs.replace(page, next=encode_cursor(reading.reached_ns, ""))
        return page

    def explain(self, reading: Reading, request: Explained) -> Explanation:
        """Nothing is compiled here: the tree itself, and the stages."""
        reading.left()
        stages = repr(request.statement.stages) if isinstance(request, StatsRequest) else ""
        return Explanation(" | ".join(filter(None, (repr(filter_of(request)), stages))), {}, [])

    def _sorted(self, reading: Reading, request: SearchRequest) -> Page:
        matches, whole = matcher(request.query), Window(request.from_ns, request.to_ns)
        found = self._visible(reading, request.app, matches, whole)
        found = sorted_events(found[::-1] if request.order == "desc" else found, request.sort)
        return _page(found[: request.limit], request.limit)

    def _with_neighbours(self, reading: Reading, request: SearchRequest, page: Page) -> Page:
        everything = self._visible(reading, request.app, lambda _: True)
        places = {event["id"]: place for place, event in enumerate(msgspec.json.decode(page.events))}
        matches = sorted((event for event in everything if event.id in places), key=lambda event: places[event.id])
        near = with_neighbours(matches, everything, request.context)
        events = with_matches_marked(_page(near, len(near)).events, page.events)
        return Page(events, page.count, page.next)

    def stats(self, reading: Reading, request: StatsRequest) -> Table:
        statement = request.statement
        assert statement.making is not None
        whole = Window(request.from_ns, request.to_ns)
        found = self._visible(reading, request.app, matcher(statement.filter), whole)
        span = Span(request.from_ns, request.to_ns, request.passed_ns)
        rows = rows_of(statement.making, statement.sort, rows_wanted(statement), found, span)
        return stats_table(statement, rows)

    def session(self, reading: Reading, app: str, session: str, *, limit: int) -> Page:
        return _page(self._visible(reading, app, lambda event: event.session == session), limit)

    def event(self, reading: Reading, app: str, event_id: str) -> bytes | None:
        found = self._visible(reading, app, lambda event: event.id == event_id)
        return event_json(found[0]) if found else None

    def arrived(self, reading: Reading, request: ArrivedRequest) -> list[Arrived]:
        found = self._arrived(reading, request)[: request.limit]
        return [Arrived(event.arrival, event_json(event), event.pattern) for event in found]

    def newest_arrived(self, reading: Reading, request: ArrivedRequest) -> tuple[int, int]:
        found = self._arrived(reading, request)
        older = found[: max(0, len(found) - request.limit)]
        return (len(older), older[-1].arrival) if older else (0, request.after)

    def _arrived(self, reading: Reading, request: ArrivedRequest) -> list[Event]:
        reading.left()
        matches = matcher(request.query)
        with self._lock:
            mine = [event for event in self._events.values() if event.app == request.app]
        found = (event for event in mine if request.after < event.arrival <= request.until and matches(event))
        return sorted(found, key=lambda event: event.arrival)

    def histogram(
        self, reading: Reading, app: str, query: Query, from_ns: int, to_ns: int, *, buckets: int, by: str | None
    ) -> list[Bucket]:
        width_ns, matches = bucket_width_ns(from_ns, to_ns, buckets), matcher(query)
        counts: Counter[tuple[int, str]] = Counter()
        for found in in_windows(
            reading,
            Window(from_ns, to_ns),
            lambda window: self._visible(reading, app, matches, window),
            newest_first=True,
        ):
            counts.update(
                ((event.time_ns - from_ns) // width_ns, str(getattr(event, by)) if by else "") for event in found
            )
        return [Bucket(from_ns + bucket * width_ns, group, count) for (bucket, group), count in sorted(counts.items())]

    def facets(
        self, reading: Reading, app: str, query: Query, from_ns: int, to_ns: int, *, fields: Sequence[str], limit: int
    ) -> Facets:
        matches = matcher(query)
        found = self._visible(reading, app, lambda event: from_ns <= event.time_ns < to_ns and matches(event))
        return Facets(len(found), 1.0, [facet(field, found, limit) for field in fields])

    def activity(self, reading: Reading, request: ActivityRequest) -> ActivityPage:
        matches = matcher(request.query)
        seen = self._seen(
            reading, request.app, lambda event: request.from_ns <= event.time_ns < request.to_ns and matches(event)
        )
        return activity_page(seen, request.of, request.limit, request.cursor)

    def session_neighbours(
        self, reading: Reading, app: str, session: str, *, field: Literal["user", "device"], name: str
    ) -> tuple[SessionPlace | None, SessionPlace | None]:
        named = self._seen(reading, app, lambda event: getattr(event, field) == name)
        return neighbours([event for event, _ in named], session)

    def patterns(self, reading: Reading, request: PatternRequest) -> Patterns:
        matches = matcher(request.query)
        found = self._visible(
            reading,
            request.app,
            lambda event: event.kind == "text" and request.start_ns <= event.time_ns < request.to_ns and matches(event),
        )
        templates = {kept.id: kept.template for kept in self._kept(request.app)}
        by_template: dict[str, list[Event]] = {}
        for event in found:
            by_template.setdefault(templates.get(event.pattern, event.pattern), []).append(event)
        ungrouped = sum(event.time_ns >= request.from_ns for event in by_template.pop("", []))
        rows = [self._pattern_count(request, *named) for named in by_template.items()]
        rows = sorted((row for row in rows if row.count), key=lambda row: (-row.count, row.template.encode()))
        return Patterns(rows[: request.limit], len(rows), sum(row.count for row in rows) + ungrouped, ungrouped)

    def _pattern_count(self, request: PatternRequest, template: str, events: list[Event]) -> PatternCount:
        """events: of this template, oldest first."""
        width_ns = bucket_width_ns(request.from_ns, request.to_ns, request.buckets)
        ids = sorted({event.pattern for event in events})
        firsts = [kept.first_ns for kept in self._kept(request.app) if kept.id in ids]
        return pattern_count(
            request,
            template,
            ids,
            ((max(-1, (event.time_ns - request.from_ns) // width_ns), event.level, 1) for event in events),
            first_ns=min(firsts, default=events[-1].time_ns),
            last_ns=events[-1].time_ns,
            example=event_json(events[-1]),
        )

    def keep_patterns(self, patterns: Sequence[KeptPattern]) -> None:
        assert patterns
        with self._lock:
            self._patterns += [(self._clock.now_ns(), kept) for kept in patterns]

    def known_patterns(self, *, patterns_max: int) -> list[KeptPattern]:
        with self._lock:
            apps = sorted({kept.app for _, kept in self._patterns})
        return [kept for app in apps for kept in self._kept(app)[:patterns_max]]

    def _kept(self, app: str) -> list[KeptPattern]:
        """The app's patterns, the one kept last first."""
        newest: dict[str, tuple[int, KeptPattern]] = {}
        with self._lock:
            for now_ns, kept in self._patterns:
                if kept.app == app:
                    first_ns = min(kept.first_ns, newest.get(kept.id, (0, kept))[1].first_ns)
                    newest[kept.id] = (now_ns, msgspec.structs.replace(kept, first_ns=first_ns))
        return [kept for _, kept in sorted(newest.values(), key=lambda pair: (-pair[0], pair[1].id))]

    def days(self) -> list[DayCount]:
        with self._lock:
            sizes: dict[tuple[str, str], list[int]] = {}
            for event in self._events.values():
                sizes.setdefault((_day(event.time_ns), event.app), []).append(len(event_json(event)))
        return [DayCount(day, app, len(each), sum(each)) for (day, app), each in sorted(sizes.items())]

    def drop_day(self, day: str) -> None:
        try:
            name = date.fromisoformat(day).isoformat()
        except ValueError as error:
            raise InputError(f"{day[:40]!r} is no day; write YYYY-MM-DD", code="bad_day") from error
        with self._lock:
            self._events = {key: event for key, event in self._events.items() if _day(event.time_ns) != name}
            self._patterns = [(now_ns, kept) for now_ns, kept in self._patterns if _day(now_ns) >= name]

    def ready(self) -> bool:
        return True

    def close(self) -> None:
        pass

    def _visible(
        self, reading: Reading, app: str, wanted: Callable[[Event], bool], window: Window | None = None
    ) -> list[Event]:
        """The app's events in order of (time, id), without those that an update has superseded."""
        return [event for event, visible in self._seen(reading, app, wanted, window) if visible]

    def _seen(
        self, reading: Reading, app: str, wanted: Callable[[Event], bool], window: Window | None = None
    ) -> list[tuple[Event, bool]]:
        """The app's events in order of (time, id), and whether readers see them: an update has superseded the rest."""
        left = reading.left()
        with self._lock:
            mine = [(event, name not in self._hidden) for name, event in self._events.items() if event.app == app]
        if window is not None:
            mine = [seen for seen in mine if window.from_ns <= seen[0].time_ns < window.to_ns]
        rows, size = len(mine), sum(len(event.value) for event, _ in mine)
        reading.add(min(rows, left.rows_max), min(size, left.bytes_max))
        if rows >= left.rows_max:
            raise LimitReached("rows")
        if size >= left.bytes_max:
            raise LimitReached("bytes")
        return sorted((seen for seen in mine if wanted(seen[0])), key=lambda seen: _position(seen[0]))


class MemoryErasing:
    """The Erasing port on the store's own tables."""

    def __init__(self, store: MemoryStore) -> None:
        self._store = store
        self._marked: set[tuple[str, str]] = set()  # (app, id)

    def count(self, reading: Reading, request: ErasureRequest) -> int:
        reading.left()
        return len(self._matching(request))

    def mark(self, request: ErasureRequest) -> int:
        self._marked = self._matching(request)
        return len(self._marked)

    def _matching(self, request: ErasureRequest) -> set[tuple[str, str]]:
        matches = matcher(request.query)
        with self._store._lock:
            events = [event for event in self._store._events.values() if event.app == request.app]
        return {(e.app, e.id) for e in events if request.from_ns <= e.time_ns < request.to_ns and matches(e)}

    def erase(self) -> list[str]:
        store = self._store
        with store._lock:
            gone = [store._events.pop(name) for name in self._marked if name in store._events]
            self._marked = set()
            names = {(event.app, event.id) for event in gone}
            store._hidden -= names
            store._recent = {name: at_ns for name, at_ns in store._recent.items() if name not in names}
            slots = {_slot(event) for event in gone if event.update}
            for slot in slots:
                store._updates.pop(slot, None)
                store._update_received.pop(slot, None)
            store._note_updates([event for event in store._events.values() if _slot(event) in slots])
            return self._forget_patterns(gone)

    def _forget_patterns(self, gone: list[Event]) -> list[str]:
        store = self._store
        used = {(event.app, event.pattern) for event in store._events.values()}
        unused = {(event.app, event.pattern) for event in gone if event.pattern} - used
        store._patterns = [each for each in store._patterns if (each[1].app, each[1].id) not in unused]
        return sorted(name for _, name in unused)

    def purge(self) -> bool:
        return True


def _slot(event: Event) -> tuple[str, str, str]:
    return (event.app, event.session, event.key)


def _position(event: Event) -> tuple[int, bytes]:
    return (event.time_ns, event.id.encode())


def _recency(event: Event) -> tuple[int, int, bytes]:
    return (event.time_ns, event.received_ns, event.id.encode())


def event_is_after(event: Event, after: tuple[int, str], order: str) -> bool:
    place = (after[0], after[1].encode())
    return _position(event) > place if order == "asc" else _position(event) < place


def _page(found: list[Event], limit: int) -> Page:
    shown = found[:limit]
    last = shown[-1] if len(found) > limit else None
    cursor = encode_cursor(last.time_ns, last.id) if last is not None else None
    return Page(b"[" + b",".join(map(event_json, shown)) + b"]", len(shown), cursor)


def _day(time_ns: int) -> str:
    return datetime.fromtimestamp(time_ns // NS_PER_S, UTC).strftime("%Y-%m-%d")
