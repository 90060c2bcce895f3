"""The store on MongoDB: one database a day, as many processes as write and read. Layout: mongodb_documents.py; what is
durable and who is asked: mongodb_client.py; what an update hides: mongodb_updates.py.

Once only: `_id` is made of app, id and time, and an event that is there already stays as it was. So a batch written
again, under whatever token, changes nothing, and no token need be kept.

Tested on the MongoDB wire protocol (tests/servers/mongodb.py). Only what that server and MongoDB both do is used.
"""

import threading
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence, Set
from itertools import islice
from typing import Any, Literal

import msgspec

from logkeep.clock import NS_PER_DAY, NS_PER_S, Clock, SystemClock
from logkeep.errors import BackendUnavailable, InputError
from logkeep.event import Event
from logkeep.patterns.template import KeptPattern
from logkeep.query.ast import Query
from logkeep.query.match import matcher
from logkeep.query.pipes import sorted_events, with_neighbours
from logkeep.query.table import Table
from logkeep.store.mongodb_client import Find, ReadPreference, Server
from logkeep.store.mongodb_documents import (
    EVENT_FIELDS,
    INDEXES,
    SCHEMA_VERSION,
    Document,
    by_day,
    day_named,
    day_of,
    day_start_ns,
    document_id,
    document_of,
    event_of,
)
from logkeep.store.mongodb_erasure import MongoErasing
from logkeep.store.mongodb_filter import compile_filter
from logkeep.store.mongodb_groups import part_key, text_key
from logkeep.store.mongodb_patterns import MongoPatterns
from logkeep.store.mongodb_people import read_activity, read_facets, read_session_neighbours
from logkeep.store.mongodb_plan import index_uses, shown
from logkeep.store.mongodb_reads import Asked, Reads, clamped, spec_of
from logkeep.store.mongodb_stats import read_table
from logkeep.store.mongodb_updates import Updates
from logkeep.store.page import bucket_width_ns, decode_cursor, event_json, page_of, with_matches_marked
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
    PatternRequest,
    Patterns,
    SearchRequest,
    SessionPlace,
    StatsRequest,
    filter_of,
)
from logkeep.store.reading import Reading
from logkeep.store.windows import Window, in_windows

HISTOGRAM_ROWS_MAX = 100_000  # buckets × groups; 1000 buckets of 100 groups is more than a picture can show
COUNT_AGAIN_EVENTS = 1_000_000  # a day with more, that still grows, is counted again only every COUNT_AGAIN_NS
COUNT_AGAIN_NS = 300 * NS_PER_S  # counting ten million takes the server seconds, and it is asked every ten
SORTED_AT_ONCE = 5_000  # events beside the best ones, while the best are looked for


class _Counted(msgspec.Struct, frozen=True):
    """documents: of the day, by the server's own count, when its events were counted by app."""

    documents: int
    at_ns: int
    apps: dict[str, int]


class MongoStore:
    """The Store port on MongoDB. Any number of processes may open the same databases.

    prefix: of the databases' names, letters, digits and `_`. Raises BackendUnavailable (no primary answers within
    connect_timeout_s, or a newer version wrote the data).
    """

    def __init__(
        self,
        url: str,
        *,
        prefix: str = "logkeep",
        read_preference: ReadPreference = "primary",
        connect_timeout_s: float = 5.0,
        clock: Clock | None = None,
    ) -> None:
        if not prefix.replace("_", "").isalnum() or not prefix.isascii() or len(prefix) > 40:
            raise InputError(f"mongodb.database {prefix[:60]!r}: write up to 40 letters, digits and _")
        self._clock = clock or SystemClock()
        self._server = Server(url, prefix=prefix, read_preference=read_preference, connect_timeout_s=connect_timeout_s)
        try:
            self._versioned = self._check_version()
        except BaseException:
            self.close()
            raise
        self._reads, self._updates = Reads(self._server), Updates(self._server)
        self._patterns = MongoPatterns(self._server, self._reads)
        self.erasing = MongoErasing(self._server, self._reads, self._updates)
        self._lock = threading.Lock()  # over the three below
        self._indexed: set[str] = set()
        self._forgotten_hour = -1
        self._counted: dict[str, _Counted] = {}

    def _check_version(self) -> bool:
        """Whether the version stands in the shared database. Raises BackendUnavailable when it is not ours."""
        found = self._server.own(None, "meta", Find({"_id": "schema"}))
        if not found:
            return False
        version = found[0]["version"]
        if version > SCHEMA_VERSION:
            raise BackendUnavailable(
                f"the databases {self._server.prefix} have layout version {version}, this program knows up to "
                f"{SCHEMA_VERSION}; start the newer program that wrote them",
                code="store_too_new",
            )
        if version < SCHEMA_VERSION:
            raise BackendUnavailable(
                f"the databases {self._server.prefix} have layout version {version}, of before the first release; "
                f"this program writes {SCHEMA_VERSION}; take another mongodb.database",
                code="store_too_old",
            )
        return True

    def _begin_writing(self) -> None:
        """The version comes before anything else; another process may have begun with another one meanwhile."""
        if not self._versioned:
            self._server.insert(None, "meta", [{"_id": "schema", "version": SCHEMA_VERSION}])
            self._versioned = self._check_version()

    # ── writing ───────────────────────────────────────────────────────────────────────────────────────────────────

    def known(self, events: Sequence[Event]) -> set[int]:
        found: set[int] = set()
        first: dict[tuple[str, str], int] = {}
        for row, event in enumerate(events):
            if event.own_id and first.setdefault((event.app, event.id), row) != row:
                found.add(row)
        asked = [events[row] for row in first.values()]
        there: set[str] = set()
        for day, members in by_day(asked).items():
            names = [document_id(event.app, event.id, event.time_ns) for event in members]
            there.update(each["_id"] for each in self._server.own_of_names(day, "events", names, {"_id": 1}))
        claims = self._claims(list(map(_name, filter(_is_undated, asked))))
        for row, event in zip(first.values(), asked, strict=True):
            if document_id(event.app, event.id, event.time_ns) in there or (
                _is_undated(event) and claims.get(_name(event), event.time_ns) != event.time_ns
            ):
                found.add(row)
        return found

    def write(self, batch: Batch) -> None:
        assert 1 <= len(batch.events) <= ROWS_MAX, len(batch.events)
        self._begin_writing()
        batch_events = self._claimed(batch.events)
        marked = self._updates.begin(batch_events)
        for day, events in by_day(batch_events).items():
            self._make_indexes(day)
            self._server.insert(day, "events", _documents(events, marked))
        self._updates.finish(batch_events, marked)

    def _claimed(self, events: Sequence[Event]) -> Sequence[Event]:
        """Without those whose id another processor has claimed for a second try of the same event.

        Both tries are looked for before either is written when two processors have one each, and their times differ.
        So the time of the first claim is the event's, before it is written: a replay finds its own claim.
        """
        undated = {_name(event): event.time_ns for event in events if event.own_id and _is_undated(event)}
        if not undated:
            return events
        now_ns = self._clock.now_ns()
        over = {"_id": {"$in": list(undated)}, "at": {"$lte": now_ns - REMEMBER_S * NS_PER_S}}
        self._server.delete(None, "recent_ids", over)
        claims = [(name, {"$setOnInsert": {"time": time, "at": now_ns}}) for name, time in undated.items()]
        self._server.upsert("recent_ids", claims)
        self._forget_old()
        kept = self._claims(list(undated))
        return [event for event in events if kept.get(_name(event), event.time_ns) == event.time_ns or not event.own_id]

    def _claims(self, names: Sequence[str]) -> dict[str, int]:
        """Of undated events: the time of the try that counts."""
        since_ns = self._clock.now_ns() - REMEMBER_S * NS_PER_S
        found = self._server.own_of_names(None, "recent_ids", list(names), {"at": 1, "time": 1})
        return {each["_id"]: int(each["time"]) for each in found if each["at"] > since_ns}

    def _make_indexes(self, day: str) -> None:
        """Before the first event of a day: an index over nothing costs nothing."""
        with self._lock:
            if day in self._indexed:
                return
        self._server.make_indexes(day, "events", [_index(each) for each in INDEXES])
        with self._lock:
            self._indexed.add(day)

    def remember(self, keys: Sequence[str], token: str) -> None:
        assert keys
        self._remember("remembered", keys)

    def remembered(self, keys: Sequence[str]) -> set[str]:
        return self._fresh("remembered", keys)

    def _remember(self, collection: str, names: Sequence[str]) -> None:
        self._begin_writing()
        now_ns = self._clock.now_ns()
        self._server.upsert(collection, [(name, {"$max": {"at": now_ns}}) for name in dict.fromkeys(names)])
        self._forget_old()

    def _fresh(self, collection: str, names: Sequence[str]) -> set[str]:
        since_ns = self._clock.now_ns() - REMEMBER_S * NS_PER_S
        found = self._server.own_of_names(None, collection, list(names), {"at": 1})
        return {each["_id"] for each in found if each["at"] > since_ns}

    def _forget_old(self) -> None:
        """What was remembered for long enough is gone, once an hour. No TTL index: it goes by the server's clock."""
        since_ns = self._clock.now_ns() - REMEMBER_S * NS_PER_S
        hour = since_ns // (3600 * NS_PER_S)
        with self._lock:
            if hour == self._forgotten_hour:
                return
            self._forgotten_hour = hour
        for collection in ("recent_ids", "remembered"):
            self._server.delete(None, collection, {"at": {"$lte": since_ns}})

    def keep_patterns(self, patterns: Sequence[KeptPattern]) -> None:
        assert patterns
        self._begin_writing()
        self._patterns.keep(patterns, self._clock.now_ns())

    def known_patterns(self, *, patterns_max: int) -> list[KeptPattern]:
        return self._patterns.known(patterns_max=patterns_max)

    def drop_day(self, day: str) -> None:
        name = day_named(day)
        self._server.drop_day(name)
        with self._lock:
            self._indexed.discard(name)
            self._counted.pop(name, None)
        start_ns = day_start_ns(name)
        self._updates.forget_day(start_ns, start_ns + NS_PER_DAY)
        self._patterns.forget_before(name)

    # ── reading ───────────────────────────────────────────────────────────────────────────────────────────────────

    def search(self, reading: Reading, request: SearchRequest) -> Page:
        page = self._sorted(reading, request) if request.sort else self._in_time(reading, request)
        return self._with_neighbours(reading, request, page) if request.context and page.count else page

    def _in_time(self, reading: Reading, request: SearchRequest) -> Page:
        newest_first = request.order == "desc"
        from_ns, to_ns, also = clamped(request.from_ns), clamped(request.to_ns), tuple[Document, ...]()
        if request.cursor is not None:
            time_ns, event_id = decode_cursor(request.cursor)
            beyond = "$lt" if newest_first else "$gt"
            time_ns = clamped(time_ns)
            also = ({"$or": [{"time": {beyond: time_ns}}, {"time": time_ns, "id": {beyond: event_id}}]},)
            from_ns, to_ns = (from_ns, min(to_ns, time_ns + 1)) if newest_first else (max(from_ns, time_ns), to_ns)
        found: list[bytes] = []

        def read(window: Window) -> list[bytes]:
            asked = Asked(request.app, request.query, window.from_ns, window.to_ns, also=also)
            wanted = request.limit + 1 - len(found)
            return list(map(event_json, self._reads.events(reading, asked, newest_first=newest_first, limit=wanted)))

        if from_ns < to_ns:
            reading.left()
            for events in in_windows(reading, Window(from_ns, to_ns), read, newest_first=newest_first, glance=read):
                found += events
                if len(found) > request.limit:
                    break
        return page_of(found, request.limit, reading)

    def explain(self, reading: Reading, request: Explained) -> Explanation:
        asked = _asked(request.app, filter_of(request), request.from_ns, request.to_ns)
        compiled = compile_filter(asked.query)
        days = self._reads.days(asked)
        plan = self._server.plan(reading, days[-1], spec_of(asked, compiled.spec)) if days else {}
        reading.left()
        return Explanation(shown(request, compiled, day_start_ns(days[-1]) if days else 0), {}, index_uses(plan))

    def _sorted(self, reading: Reading, request: SearchRequest) -> Page:
        """One page of all the range. The best are kept while all are read: MongoDB could sort by expressions, but what
        is unset or a number stands elsewhere in its order, and not every server compares texts by code points."""
        asked = _asked(request.app, request.query, request.from_ns, request.to_ns)
        best: list[Event] = []
        for event, _ in self._reads.seen(reading, asked, newest_first=request.order == "desc"):
            best.append(event)
            if len(best) >= request.limit + SORTED_AT_ONCE:
                best = sorted_events(best, request.sort)[: request.limit]
        best = sorted_events(best, request.sort)[: request.limit]
        return page_of(list(map(event_json, best)), request.limit, reading)

    def _with_neighbours(self, reading: Reading, request: SearchRequest, page: Page) -> Page:
        """The places of all events of the sessions come first, then those that are shown."""
        places = {one.id: one for one in _decode_matches(page.events)}
        sessions = list(dict.fromkeys(one.session for one in places.values()))
        asked = Asked(request.app, also=({"session": {"$in": sessions}},))
        fields = {"session": 1, "id": 1, "time": 1}
        everything = [event for event, _ in self._reads.seen(reading, asked, fields=fields)]
        stored = {event.id: event for event in everything}
        matches = [stored[name] for name in places if name in stored]
        near = with_neighbours(matches, everything, request.context)
        shown = {event.id: event for event in self._of_places(reading, request.app, near)}
        events = [event_json(shown[event.id]) for event in near if event.id in shown]
        return Page(with_matches_marked(b"[" + b",".join(events) + b"]", page.events), page.count, page.next)

    def _of_places(self, reading: Reading, app: str, places: Sequence[Event]) -> list[Event]:
        found: list[Event] = []
        for day, members in by_day(places).items():
            names = [document_id(app, event.id, event.time_ns) for event in members]
            for rows in self._server.find(reading, day, Find({"_id": {"$in": names}}, fields=EVENT_FIELDS)):
                found += map(event_of, rows)
        return found

    def stats(self, reading: Reading, request: StatsRequest) -> Table:
        reading.left()
        asked = _asked(request.app, request.statement.filter, request.from_ns, request.to_ns)
        return read_table(request, lambda keys, totals: self._reads.groups(reading, asked, keys, totals))

    def session(self, reading: Reading, app: str, session: str, *, limit: int) -> Page:
        asked = Asked(app, also=({"session": session},))
        found = self._reads.events(reading, asked, limit=limit + 1)
        return page_of(list(map(event_json, found)), limit, reading)

    def event(self, reading: Reading, app: str, event_id: str) -> bytes | None:
        names = {"$gt": document_id(app, event_id, 0)[:-1], "$lt": f"{app}\0{event_id}\1"}
        asked = Asked(app, also=({"_id": names, "id": event_id},))
        found = self._reads.events(reading, asked, limit=1)
        return event_json(found[0]) if found else None

    def arrived(self, reading: Reading, request: ArrivedRequest) -> list[Arrived]:
        """Of the primary: a secondary may not have the last ones yet, and a tail that passed them never looks back."""
        found: list[Event] = []
        for day in self._server.days() if request.limit > 0 else ():
            found += self._arrived(reading, request, day, newest_first=False, limit=request.limit)
        found.sort(key=lambda event: event.arrival)
        return [Arrived(event.arrival, event_json(event), event.pattern) for event in found[: request.limit]]

    def newest_arrived(self, reading: Reading, request: ArrivedRequest) -> tuple[int, int]:
        compiled = compile_filter(request.query)
        count, newest = 0, list[int]()
        for day in self._server.days():
            if compiled.exact:
                count += self._server.count(reading, day, _arrived_spec(request, compiled.spec), certain=True)
            events = self._arrived(
                reading, request, day, newest_first=True, limit=request.limit + 1 if compiled.exact else None
            )
            count += 0 if compiled.exact else len(events)
            newest += [event.arrival for event in events]
        newest.sort(reverse=True)
        if count <= request.limit:
            return 0, request.after
        return count - request.limit, newest[request.limit]

    def _arrived(
        self, reading: Reading, request: ArrivedRequest, day: str, *, newest_first: bool, limit: int | None
    ) -> list[Event]:
        compiled, matches = compile_filter(request.query), matcher(request.query)
        find = Find(
            _arrived_spec(request, compiled.spec),
            (("arrival", -1 if newest_first else 1),),
            limit if compiled.exact else None,
            EVENT_FIELDS,
        )
        events = (event_of(each) for rows in self._server.find(reading, day, find, certain=True) for each in rows)
        return list(islice((event for event in events if compiled.exact or matches(event)), limit))

    def histogram(
        self, reading: Reading, app: str, query: Query, from_ns: int, to_ns: int, *, buckets: int, by: str | None
    ) -> list[Bucket]:
        start_ns, width_ns = clamped(from_ns), bucket_width_ns(from_ns, to_ns, buckets)
        keys = [part_key(start_ns, width_ns), *([text_key(by)] if by is not None else [])]
        counts: Counter[tuple[int, str]] = Counter()
        reading.left()

        def read(window: Window) -> dict[tuple[Any, ...], list[Any]]:
            return self._reads.groups(reading, Asked(app, query, window.from_ns, window.to_ns), keys)

        for groups in in_windows(reading, Window(start_ns, clamped(to_ns)), read, newest_first=True):
            for (bucket, *part), (count,) in groups.items():
                counts[bucket, part[0] if part else ""] += count
        if len(counts) > HISTOGRAM_ROWS_MAX:
            raise InputError(
                f"a histogram of more than {HISTOGRAM_ROWS_MAX:,} counts; take fewer buckets or a field of few values",
                code="query_too_expensive",
            )
        ordered = sorted(counts.items(), key=lambda item: (item[0][0], item[0][1].encode()))
        return [Bucket(start_ns + bucket * width_ns, part, count) for (bucket, part), count in ordered]

    def facets(
        self, reading: Reading, app: str, query: Query, from_ns: int, to_ns: int, *, fields: Sequence[str], limit: int
    ) -> Facets:
        reading.left()
        return read_facets(self._reads, reading, _asked(app, query, from_ns, to_ns), fields, limit)

    def activity(self, reading: Reading, request: ActivityRequest) -> ActivityPage:
        reading.left()
        return read_activity(self._reads, reading, request)

    def session_neighbours(
        self, reading: Reading, app: str, session: str, *, field: Literal["user", "device"], name: str
    ) -> tuple[SessionPlace | None, SessionPlace | None]:
        return read_session_neighbours(self._reads, reading, app, session, field=field, name=name)

    def patterns(self, reading: Reading, request: PatternRequest) -> Patterns:
        reading.left()
        return self._patterns.read(reading, request)

    def days(self) -> list[DayCount]:
        found: list[DayCount] = []
        for day in self._server.days():
            documents, size = self._server.size(day)
            counted = self._counted_day(day, documents)
            events = sum(counted.apps.values())
            for app, count in sorted(counted.apps.items()):
                found.append(DayCount(day, app, count, max(1, size * count // max(1, events))))
        return found

    def _counted_day(self, day: str, documents: int) -> _Counted:
        """Its events by app. A day that is over is exact: it is counted again whenever its documents have changed."""
        now_ns = self._clock.now_ns()
        with self._lock:
            known = self._counted.get(day)
        if known is not None:
            grows = day >= day_of(now_ns - NS_PER_DAY) and documents > COUNT_AGAIN_EVENTS
            if known.documents == documents or (grows and now_ns < known.at_ns + COUNT_AGAIN_NS):
                return known
        pipeline = [{"$group": {"_id": "$app", "n": {"$sum": 1}}}]
        rows = self._server.aggregate(Reading(), day, pipeline, rows="n")
        fresh = _Counted(documents, now_ns, {row["_id"]: int(row["n"]) for row in rows})
        with self._lock:
            self._counted[day] = fresh
        return fresh

    def ready(self) -> bool:
        return self._server.answers()

    def close(self) -> None:
        """Again: no harm."""
        self._server.close()


class _Match(msgspec.Struct):
    id: str
    session: str


_decode_matches = msgspec.json.Decoder(list[_Match]).decode


def _asked(app: str, query: Query, from_ns: int, to_ns: int) -> Asked:
    return Asked(app, query, clamped(from_ns), clamped(to_ns))


def _arrived_spec(request: ArrivedRequest, matching: Document) -> Document:
    spec: Document = {"app": request.app, "arrival": {"$gt": request.after, "$lte": request.until}}
    return {**spec, "$and": [matching]} if matching else spec


def _documents(events: Iterable[Event], marked: Set[str]) -> Iterator[Document]:
    """marked: `_id`s of those that are hidden."""
    for event in events:
        document = document_of(event)
        if marked and document["_id"] in marked:
            document["hidden"] = True
        yield document


def _name(event: Event) -> str:
    """Of `recent_ids`."""
    return f"{event.app}\0{event.id}"


def _is_undated(event: Event) -> bool:
    """The sender gave no time: a second try will have another one."""
    return event.time_ns == event.received_ns


def _index(index: Any) -> Document:
    made: Document = {"name": index.name, "key": {field: 1 for field in index.fields}}
    if index.only:
        made["partialFilterExpression"] = {index.only: {"$exists": True}}
    return made
