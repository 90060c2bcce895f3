"""Reads of the OpenSearch and Elasticsearch store within the limits of a `Reading`: pages of events, aggregations.

rows are events that came back or were counted, bytes those of the answers. A search says itself when its time was over;
what it had by then is not used, for nothing tells which part of the whole it is.

Pages follow each other by (time, id), which no event shares with another of its app; those after the first are read
from a point in time, so that what is written meanwhile is in none of them.
"""

import threading
import uuid
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar
from urllib.parse import quote

import msgspec

from logkeep.clock import NS_PER_DAY
from logkeep.errors import BackendUnavailable
from logkeep.event import Event
from logkeep.query.ast import Query
from logkeep.query.match import Matcher, matcher
from logkeep.store.opensearch_client import PIT_KEEP_S, EngineRefused, SearchClient, listed
from logkeep.store.opensearch_dsl import (
    VISIBLE,
    Compiled,
    Condition,
    all_of,
    any_of,
    compile_query,
    everything,
    in_time,
)
from logkeep.store.opensearch_schema import Layout, Source, day_of
from logkeep.store.reading import LimitReached, Limits, Reading
from logkeep.store.windows import Window

Found = TypeVar("Found")

PAGE_MAX = 5_000  # events a request; the engine's window is 10,000
PAGE_BYTES = 16 << 20  # of an answer, by the size of the events before
DAYS_NAMED_MAX = 40  # of a range; a longer one asks all days, and the engine passes over those outside it
ANSWER_S = 5.0  # beyond the time a search may take, until its answer is here
COMPOSITE_PAGE = 5_000
INT64_MAX = (1 << 63) - 1

ORDERS: dict[str, list[dict[str, str]]] = {
    order: [{"time": order}, {"id": order}] for order in ("asc", "desc")
}  # of code points, as the language says


class Hit(msgspec.Struct):
    index: str = msgspec.field(name="_index", default="")
    id: str = msgspec.field(name="_id", default="")
    source: msgspec.Raw = msgspec.field(name="_source", default=msgspec.Raw(b"{}"))
    sort: list[Any] = []

    @property
    def event(self) -> Event:
        return _decode_source(self.source).event()


class _Total(msgspec.Struct):
    value: int = 0


class _Hits(msgspec.Struct):
    total: _Total = msgspec.field(default_factory=_Total)
    hits: list[Hit] = []


class Answer(msgspec.Struct):
    timed_out: bool = False
    hits: _Hits = msgspec.field(default_factory=_Hits)
    aggregations: dict[str, Any] = {}
    pit_id: str = ""


_decode_names = msgspec.json.Decoder(list[dict[str, str]]).decode
_decode_source = msgspec.json.Decoder(Source).decode
_encode = msgspec.json.Encoder().encode
_decode_answer = msgspec.json.Decoder(Answer).decode


class Asked(msgspec.Struct, frozen=True):
    """Events of an app. left: what the engine could not decide, for every event it finds; None: nothing."""

    app: str
    conditions: tuple[Condition, ...]
    left: Matcher | None

    def condition(self, window: Window, *more: Condition) -> Condition:
        return all_of([{"term": {"app": self.app}}, in_time(window.from_ns, window.to_ns), *self.conditions, *more])


def groups_body(
    condition: Condition,
    sources: Sequence[dict[str, Any]],
    aggregations: dict[str, Any] | None = None,
    page: int = COMPOSITE_PAGE,
) -> dict[str, Any]:
    """The first search of `Reader.groups`; without `sources` the aggregations over all that is found."""
    body: dict[str, Any] = {"size": 0, "query": condition, "track_total_hits": True}
    if not sources:
        return body | ({"aggs": aggregations} if aggregations else {})
    made: dict[str, Any] = {"composite": {"size": page, "sources": list(sources)}}
    if aggregations:
        made["aggs"] = aggregations
    return body | {"aggs": {"groups": made}}


class Reader:
    """preference: which copies answer, in the engine's words; "" leaves it to the engine."""

    def __init__(self, client: SearchClient, layout: Layout, preference: str) -> None:
        self._client, self.layout = client, layout
        self._options = f"&preference={quote(preference, safe='')}" if preference else ""

    # ── what is asked ─────────────────────────────────────────────────────────────────────────────────────────────

    def asked(self, reading: Reading, app: str, query: Query, window: Window, *, superseded: bool = False) -> Asked:
        """Events that match; with `superseded` also those an update has superseded."""
        compiled = compile_query(query)
        if compiled.exact and self._is_cut(reading, app, compiled, window):
            compiled = msgspec.structs.replace(compiled, exact=False)
        return self._made(app, query, compiled, superseded)

    def loosely(self, app: str, query: Query, *, superseded: bool = False) -> Asked:
        """The same, all of it decided here: where the engine refuses a query."""
        return self._made(app, query, everything(), superseded)

    def _made(self, app: str, query: Query, compiled: Compiled, superseded: bool) -> Asked:
        seen = () if superseded else (VISIBLE,)
        return Asked(app, (compiled.condition, *seen), None if compiled.exact else matcher(query))

    def _is_cut(self, reading: Reading, app: str, compiled: Compiled, window: Window) -> bool:
        """Whether there may be an event the conditions misjudge."""
        if not compiled.cuts:
            return False
        one = Asked(app, (any_of([{"term": {"cut": field}} for field in sorted(compiled.cuts)]),), None)
        body = {"size": 1, "query": one.condition(window), "_source": False, "track_total_hits": False}
        return bool(self.search(reading, self.indexes(window), body).hits.hits)

    def indexes(self, window: Window) -> str:
        """Names of the indexes that the range meets, as a part of a path."""
        first, last = window.from_ns // NS_PER_DAY, (window.to_ns - 1) // NS_PER_DAY
        if last - first >= DAYS_NAMED_MAX or last < first:
            return listed([self.layout.events])
        return listed([self.layout.events_of(day_of(day * NS_PER_DAY)) for day in range(first, last + 1)])

    def names(self, pattern: str) -> list[str]:
        """Of the indexes there are, those of this pattern."""
        text = self._client.request("GET", f"/_cat/indices/{listed([pattern])}?format=json&h=index", missing_ok=True)
        return sorted(each["index"] for each in _decode_names(text or b"[]"))

    # ── events ────────────────────────────────────────────────────────────────────────────────────────────────────

    def events(
        self,
        reading: Reading,
        asked: Asked,
        window: Window,
        *more: Condition,
        order: str = "asc",
        limit: int | None = None,
    ) -> Iterator[Event]:
        """In order of (time, id); at most `limit`."""
        found = 0
        wanted = PAGE_MAX if limit is None or asked.left is not None else limit
        for hit in self.hits(reading, self.indexes(window), asked.condition(window, *more), ORDERS[order], wanted):
            event = hit.event
            if asked.left is None or asked.left(event):
                yield event
                found += 1
                if found == limit:
                    return

    def hits(
        self,
        reading: Reading,
        indexes: str,
        condition: Condition,
        sort: list[Any],
        wanted: int,
        source: bool = True,
        **more: Any,
    ) -> Iterator[Hit]:
        """All of them. wanted: how many are likely to be taken. source: whether what is kept of them is wanted."""
        size = max(1, min(wanted, PAGE_MAX))
        body = {"query": condition, "sort": sort, "_source": source, "track_total_hits": False, **more}
        answer, weight = self._page(reading, indexes, body, size)
        yield from answer.hits.hits
        if len(answer.hits.hits) < size:
            return
        pit = self._client.open_pit(indexes, self._options)
        try:
            while len(answer.hits.hits) == size:
                after = answer.hits.hits[-1].sort
                size = max(1, min(PAGE_MAX, PAGE_BYTES // max(1, weight)))
                place = {"pit": {"id": pit, "keep_alive": f"{PIT_KEEP_S}s"}, "search_after": after[: len(sort)]}
                answer, weight = self._page(reading, "", {**body, **place}, size)
                pit = answer.pit_id or pit
                yield from answer.hits.hits
        finally:
            self._client.close_pit(pit)

    def raw_hits(
        self, reading: Reading, indexes: str, condition: Condition, sort: list[Any], limit: int
    ) -> Iterator[dict[str, Any]]:
        """The first `limit` documents of an index that is not of events, as they are."""
        hits = self.hits(reading, indexes, condition, sort, limit)
        for _, hit in zip(range(limit), hits, strict=False):
            yield msgspec.json.decode(hit.source)

    def _page(self, reading: Reading, indexes: str, body: dict[str, Any], size: int) -> tuple[Answer, int]:
        """The answer, and about how many bytes of it an event takes."""
        before = reading.bytes_read
        rows_max = reading.left().rows_max
        answer = self.search(reading, indexes, {**body, "size": size})
        rows = len(answer.hits.hits)
        count_rows(reading, rows, rows_max)
        return answer, (reading.bytes_read - before) // max(1, rows)

    # ── numbers ───────────────────────────────────────────────────────────────────────────────────────────────────

    def count(self, reading: Reading, indexes: str, condition: Condition) -> int:
        return self.aggregate(reading, indexes, condition, {})[0]

    def aggregate(
        self, reading: Reading, indexes: str, condition: Condition, aggregations: dict[str, Any]
    ) -> tuple[int, dict[str, Any]]:
        """How many events there are, and what was asked about them."""
        rows_max = reading.left().rows_max
        body: dict[str, Any] = {"size": 0, "query": condition, "track_total_hits": True}
        if aggregations:
            body["aggs"] = aggregations
        answer = self.search(reading, indexes, body)
        count_rows(reading, answer.hits.total.value, rows_max)
        return answer.hits.total.value, answer.aggregations

    def groups(
        self,
        reading: Reading,
        indexes: str,
        condition: Condition,
        sources: Sequence[dict[str, Any]],
        aggregations: dict[str, Any] | None = None,
        page: int = COMPOSITE_PAGE,
    ) -> Iterator[dict[str, Any]]:
        """A bucket for each combination of `sources`, exact however many there are."""
        body = groups_body(condition, sources, aggregations, page)
        composite = body["aggs"]["groups"]["composite"]
        while True:
            rows_max = reading.left().rows_max
            answer = self.search(reading, indexes, body)
            count_rows(reading, answer.hits.total.value, rows_max)
            found = answer.aggregations.get("groups", {})
            yield from found.get("buckets", ())
            if "after_key" not in found or len(found["buckets"]) < page:
                return
            composite["after"], body["track_total_hits"] = found["after_key"], False

    # ── one request ───────────────────────────────────────────────────────────────────────────────────────────────

    def search(self, reading: Reading, indexes: str, body: dict[str, Any]) -> Answer:
        """indexes: "" where the body names a point in time. Raises LimitReached."""
        left = reading.left()
        path = f"/{indexes}/_search?ignore_unavailable=true{self._options}" if indexes else "/_search?"
        asked = _encode({**body, "timeout": f"{max(1, int(left.timeout_s * 1000))}ms"})
        answer = _decode_answer(self._timed(reading, path, asked))
        if answer.timed_out:
            raise LimitReached("time")
        return answer

    def _timed(self, reading: Reading, path: str, asked: bytes) -> bytes:
        left = reading.left()
        name = uuid.uuid4().hex
        with reading.stopped_by(lambda: self._cancel(name)):
            try:
                text = self._client.request(
                    "POST", path, asked, timeout_s=min(left.timeout_s, 86_400.0) + ANSWER_S, task=name
                )
            except BackendUnavailable:
                reading.left()  # over its time, or cancelled: that is why there is no answer
                raise
            except EngineRefused:
                reading.check()
                raise
        reading.add(0, min(len(text), left.bytes_max))
        if len(text) > left.bytes_max:
            raise LimitReached("bytes")
        return text

    def _cancel(self, name: str) -> None:
        """The engine stops working on what nobody waits for."""
        threading.Thread(target=self._client.cancel, args=(name,), daemon=True, name="cancel").start()


def unlimited() -> Reading:
    """For what the store reads on its own account, however much there is."""
    return Reading(Limits(timeout_s=3600.0, rows_max=1 << 60, bytes_max=1 << 60))


def count_rows(reading: Reading, rows: int, rows_max: int) -> None:
    """These were read; `rows_max` were left before. Raises LimitReached."""
    reading.add(min(rows, rows_max), 0)
    if rows > rows_max:
        raise LimitReached("rows")


def top_event(top_hits: dict[str, Any]) -> Event:
    """The event of such an aggregation of one."""
    return msgspec.convert(top_hits["hits"]["hits"][0]["_source"], Source).event()


def either(exact: Callable[[], Found], loose: Callable[[], Found]) -> Found:
    """What `exact` gives; where the engine refuses the query it makes, what `loose` gives."""
    try:
        return exact()
    except EngineRefused:
        return loose()
