"""The store on OpenSearch or Elasticsearch, shared by any number of processors and readers.

What is written where stands in opensearch_schema.py, how a query becomes conditions in opensearch_dsl.py, and what a
batch does in opensearch_writer.py. Readers may be sent to replicas by a `preference`. Nothing here needs scripts or
plugins of the engine.
"""

import threading
from collections.abc import Iterable, Sequence
from datetime import date
from typing import Any, Literal

import msgspec

from logkeep.clock import NS_PER_DAY, Clock, SystemClock
from logkeep.errors import BackendUnavailable, InputError, LogkeepError
from logkeep.event import Event
from logkeep.patterns.template import KeptPattern
from logkeep.query.ast import Query
from logkeep.query.table import Table
from logkeep.store import opensearch_activity as lists
from logkeep.store import opensearch_counts as counts
from logkeep.store import opensearch_patterns
from logkeep.store import opensearch_search as pages
from logkeep.store.opensearch_client import Access, SearchClient, listed
from logkeep.store.opensearch_dsl import EVERYTHING, VISIBLE
from logkeep.store.opensearch_erasure import OpenSearchErasing
from logkeep.store.opensearch_plan import explained
from logkeep.store.opensearch_reader import ORDERS, Asked, Reader, unlimited
from logkeep.store.opensearch_schema import SCHEMA_VERSION, Layout
from logkeep.store.opensearch_search import ALL_TIME
from logkeep.store.opensearch_writer import Bulk, Slot, Writer
from logkeep.store.port import (
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
)
from logkeep.store.reading import Reading

DAYS_MAX = 4_000  # indexes that are counted
APPS_MAX = 10_000  # of a day
SLOTS_A_READ = 500  # sessions whose events are looked through for what updates supersede
READY_S = 2.0


class _Meta(msgspec.Struct):
    logkeep: int = 0


class _Mappings(msgspec.Struct):
    meta: _Meta = msgspec.field(name="_meta", default_factory=_Meta)


class _Index(msgspec.Struct):
    mappings: _Mappings = msgspec.field(default_factory=_Mappings)


class _Template(msgspec.Struct):
    meta: _Meta = msgspec.field(name="_meta", default_factory=_Meta)


class _TemplateOf(msgspec.Struct):
    index_template: _Template


class _Templates(msgspec.Struct):
    index_templates: list[_TemplateOf] = []


class _Store(msgspec.Struct):
    size_in_bytes: int = 0


class _Part(msgspec.Struct):
    store: _Store = msgspec.field(default_factory=_Store)


class _IndexStats(msgspec.Struct):
    primaries: _Part = msgspec.field(default_factory=_Part)


class _AllStats(msgspec.Struct):
    indices: dict[str, _IndexStats] = {}


_decode_indexes = msgspec.json.Decoder(dict[str, _Index]).decode
_decode_templates = msgspec.json.Decoder(_Templates).decode
_decode_stats = msgspec.json.Decoder(_AllStats).decode


class OpenSearchStore:
    """The Store port on a cluster. Opening makes the index templates, and an index when its first event comes.

    preference: which copies answer reads, in the engine's words. bulk_requests: sent at once.
    Raises BackendUnavailable (not reached; what is there was written by a newer version, or by something else).
    """

    def __init__(
        self,
        access: Access,
        layout: Layout,
        *,
        preference: str = "",
        bulk_requests: int = 2,
        clock: Clock | None = None,
    ) -> None:
        self._clock = clock or SystemClock()
        self._layout = layout
        self._writing = threading.Lock()
        self._remembered_from = ""  # the oldest index of the memory that is kept
        self._client = SearchClient(access, self._clock)
        self._bulk = Bulk(self._client, self._clock, bulk_requests)
        self._reader = Reader(self._client, layout, preference)
        # What an update supersedes must be seen by who marks it, so it is asked where it is written.
        self._primaries = Reader(self._client, layout, "_primary" if access.product == "opensearch" else "")
        self._writer = Writer(self._bulk, layout, self._clock, self._stored_of)
        self.erasing = OpenSearchErasing(self._client, self._primaries, self._bulk, self._writing)
        try:
            self._make_templates()
        except BaseException:
            self.close()
            raise

    def _make_templates(self) -> None:
        ours = listed([f"{self._layout.prefix}-*"])
        found = self._client.request("GET", f"/{ours}/_mapping?ignore_unavailable=true", missing_ok=True)
        versions = {name: index.mappings.meta.logkeep for name, index in _decode_indexes(found or b"{}").items()}
        for name in self._layout.templates():
            text = self._client.request("GET", f"/_index_template/{listed([name])}", missing_ok=True)
            for each in _decode_templates(text or b"{}").index_templates:
                versions[name] = each.index_template.meta.logkeep
        for name, version in sorted(versions.items()):
            _refuse(name, version)
        for name, body in self._layout.templates().items():
            self._client.request("PUT", f"/_index_template/{listed([name])}", body)

    # ── writing ───────────────────────────────────────────────────────────────────────────────────────────────────

    def known(self, events: Sequence[Event]) -> set[int]:
        return self._writer.known(events)

    def write(self, batch: Batch) -> None:
        assert 1 <= len(batch.events) <= ROWS_MAX, len(batch.events)
        with self._writing:
            self._writer.write(batch.events)
        self._forget_old()

    def _stored_of(self, app: str, slots: Sequence[Slot]) -> Iterable[tuple[str, str, Event]]:
        for start in range(0, len(slots), SLOTS_A_READ):
            some = slots[start : start + SLOTS_A_READ]
            sessions, keys = sorted({slot[1] for slot in some}), sorted({slot[2] for slot in some})
            asked = Asked(app, ({"terms": {"session": sessions}}, {"terms": {"key": keys}}, VISIBLE), None)
            reader = self._primaries
            condition = asked.condition(ALL_TIME)
            for hit in reader.hits(unlimited(), reader.indexes(ALL_TIME), condition, ORDERS["asc"], ROWS_MAX):
                yield hit.index, hit.id, hit.event

    def remember(self, keys: Sequence[str], token: str) -> None:
        assert keys
        self._writer.remember(keys)
        self._forget_old()

    def remembered(self, keys: Sequence[str]) -> set[str]:
        return self._writer.remembered(keys) if keys else set()

    def keep_patterns(self, patterns: Sequence[KeptPattern]) -> None:
        assert patterns
        with self._writing:
            opensearch_patterns.keep(self._bulk, self._layout, patterns, self._clock.now_ns())

    def known_patterns(self, *, patterns_max: int) -> list[KeptPattern]:
        return opensearch_patterns.known(self._primaries, patterns_max)

    def drop_day(self, day: str) -> None:
        try:
            name = date.fromisoformat(day).isoformat()
        except ValueError as error:
            raise InputError(f"{day[:40]!r} is no day; write YYYY-MM-DD", code="bad_day") from error
        with self._writing:
            self._delete([self._layout.events_of(name)])
            day_ns = (date.fromisoformat(name) - date(1970, 1, 1)).days * NS_PER_DAY
            opensearch_patterns.forget_before(self._primaries, self._bulk, day_ns)
            self._forget_updates(name)

    def _forget_updates(self, day: str) -> None:
        """What stands for slots whose newest update was of that day or before."""
        old: dict[str, Any] = {"range": {"day": {"gt": "", "lte": day}}}
        self._bulk.refresh([self._layout.updates])
        hits = self._primaries.hits(unlimited(), self._layout.updates, old, [{"_doc": "asc"}], 5_000, False)
        self._bulk.send(({"delete": {"_index": self._layout.updates, "_id": hit.id}}, None) for hit in list(hits))

    def _forget_old(self) -> None:
        """Days of the 24 h memory that are over are gone; looked at once a day."""
        until = self._writer.memory_until()
        if until != self._remembered_from:
            self._delete([name for name in self._reader.names(self._layout.memory) if name < until])
            self._remembered_from = until

    def _delete(self, names: Sequence[str]) -> None:
        for name in names:
            self._client.request("DELETE", f"/{listed([name])}?ignore_unavailable=true", missing_ok=True)

    # ── reading ───────────────────────────────────────────────────────────────────────────────────────────────────

    def search(self, reading: Reading, request: SearchRequest) -> Page:
        return pages.search(self._reader, reading, request)

    def explain(self, reading: Reading, request: Explained) -> Explanation:
        reading.left()
        return explained(request)

    def session(self, reading: Reading, app: str, session: str, *, limit: int) -> Page:
        return pages.session(self._reader, reading, app, session, limit=limit)

    def event(self, reading: Reading, app: str, event_id: str) -> bytes | None:
        return pages.event(self._reader, reading, app, event_id)

    def arrived(self, reading: Reading, request: ArrivedRequest) -> list[Arrived]:
        return pages.arrived(self._reader, reading, request)

    def newest_arrived(self, reading: Reading, request: ArrivedRequest) -> tuple[int, int]:
        return pages.newest_arrived(self._reader, reading, request)

    def histogram(
        self, reading: Reading, app: str, query: Query, from_ns: int, to_ns: int, *, buckets: int, by: str | None
    ) -> list[Bucket]:
        return counts.histogram(self._reader, reading, app, query, from_ns, to_ns, buckets=buckets, by=by)

    def stats(self, reading: Reading, request: StatsRequest) -> Table:
        return counts.stats(self._reader, reading, request)

    def facets(
        self, reading: Reading, app: str, query: Query, from_ns: int, to_ns: int, *, fields: Sequence[str], limit: int
    ) -> Facets:
        return counts.facets(self._reader, reading, app, query, from_ns, to_ns, fields=fields, limit=limit)

    def activity(self, reading: Reading, request: ActivityRequest) -> ActivityPage:
        return lists.activity(self._reader, reading, request)

    def session_neighbours(
        self, reading: Reading, app: str, session: str, *, field: Literal["user", "device"], name: str
    ) -> tuple[SessionPlace | None, SessionPlace | None]:
        return lists.session_neighbours(self._reader, reading, app, session, field=field, name=name)

    def patterns(self, reading: Reading, request: PatternRequest) -> Patterns:
        return opensearch_patterns.patterns(self._reader, self._bulk, reading, request)

    def days(self) -> list[DayCount]:
        apps = {"terms": {"field": "app", "size": APPS_MAX}}
        parts = {"days": {"terms": {"field": "_index", "size": DAYS_MAX}, "aggs": {"apps": apps}}}
        _, found = self._reader.aggregate(unlimited(), listed([self._layout.events]), EVERYTHING, parts)
        stats = self._client.request("GET", f"/{listed([self._layout.events])}/_stats/store?level=indices")
        sizes = {name: each.primaries.store.size_in_bytes for name, each in _decode_stats(stats).indices.items()}
        return sorted(
            (
                DayCount(
                    self._layout.day_of(day["key"]),
                    app["key"],
                    app["doc_count"],
                    max(1, sizes.get(day["key"], 0) * app["doc_count"] // day["doc_count"]),
                )
                for day in found["days"]["buckets"]
                for app in day["apps"]["buckets"]
            )
            if found
            else (),
            key=lambda count: (count.day, count.app),
        )

    def ready(self) -> bool:
        """Whether the cluster has all that it should answer with."""
        try:
            path = f"/_cluster/health/{listed([self._layout.events])}?level=cluster"
            health = msgspec.json.decode(self._client.request("GET", path, timeout_s=READY_S))
        except (LogkeepError, msgspec.DecodeError):
            return False
        return bool(health.get("status") != "red")

    def close(self) -> None:
        """The write in hand is finished first. Safe again."""
        with self._writing:
            self._bulk.close()
            self._client.close()


def _refuse(name: str, version: int) -> None:
    """Raises BackendUnavailable where this program must not touch what is there."""
    if version > SCHEMA_VERSION:
        raise BackendUnavailable(
            f"{name} has layout version {version}, this program knows up to {SCHEMA_VERSION}; "
            "start the newer program that wrote it",
            code="store_too_new",
        )
    if version < SCHEMA_VERSION:
        raise BackendUnavailable(
            f"{name} was not written by this program, or by one of before the first release; take another index_prefix",
            code="store_too_old",
        )
