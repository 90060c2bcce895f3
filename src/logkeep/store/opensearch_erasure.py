"""Erasing in the OpenSearch and Elasticsearch store.

mark    what matches is listed in an index of its own: the set is fixed, whatever is written later
erase   listed events are deleted, and what stood for them; then the list
purge   the engine merges away what holds deleted documents, in the background; that it goes on after a crash needs
        no memory of ours: segments say themselves whether they hold any
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Protocol

import msgspec

from logkeep.event import Event
from logkeep.store.erasing import ErasureRequest
from logkeep.store.opensearch_client import SearchClient, listed
from logkeep.store.opensearch_dsl import all_of, any_of
from logkeep.store.opensearch_patterns import stored as stored_patterns
from logkeep.store.opensearch_reader import Asked, Hit, Reader, either, unlimited
from logkeep.store.opensearch_schema import document_id
from logkeep.store.opensearch_search import ALL_TIME, within
from logkeep.store.opensearch_writer import Bulk, Line, Slot, Standing, own_id_of, slot_id, slot_of
from logkeep.store.reading import LimitReached, Reading
from logkeep.store.windows import Window, in_windows

AT_ONCE = 2_000  # events erased as one


class _Marked(msgspec.Struct):
    """place: in the list. index, doc: where the event is. event: as it was."""

    place: int
    index: str
    doc: str
    event: str


class _Segment(msgspec.Struct):
    index: str
    segment: str
    deleted: str = msgspec.field(name="docs.deleted", default="0")


_decode_marked = msgspec.json.Decoder(_Marked).decode
_decode_event = msgspec.json.Decoder(Event).decode
_decode_segments = msgspec.json.Decoder(list[_Segment]).decode


class Locked(Protocol):
    """The lock of all that writes."""

    def __enter__(self) -> Any: ...
    def __exit__(self, *_: Any) -> Any: ...


class OpenSearchErasing:
    def __init__(self, client: SearchClient, reader: Reader, bulk: Bulk, writing: Locked) -> None:
        self._client, self._reader, self._bulk, self._writing = client, reader, bulk, writing
        self._layout = reader.layout
        self._doomed: set[tuple[str, str]] | None = None  # segments with deleted documents when `purge` first looked

    def count(self, reading: Reading, request: ErasureRequest) -> int:
        def read(window: Window) -> int:
            def exactly() -> int:
                asked = self._reader.asked(reading, request.app, request.query, window, superseded=True)
                if asked.left is not None:
                    return one_by_one(asked)
                return self._reader.count(reading, self._reader.indexes(window), asked.condition(window))

            def one_by_one(asked: Asked) -> int:
                return sum(1 for _ in self._reader.events(reading, asked, window))

            found: int = either(
                exactly, lambda: one_by_one(self._reader.loosely(request.app, request.query, superseded=True))
            )
            return found

        reading.left()
        found = sum(in_windows(reading, within(request.from_ns, request.to_ns), read, newest_first=True))
        if reading.partial is not None:  # a number to confirm is right, or none
            raise LimitReached(reading.partial)
        return found

    def mark(self, request: ErasureRequest) -> int:
        with self._writing:
            self._drop_marks()
            window = within(request.from_ns, request.to_ns)
            return either(
                lambda: self._list(self._exactly(request, window), window),
                lambda: self._list(self._reader.loosely(request.app, request.query, superseded=True), window),
            )

    def _exactly(self, request: ErasureRequest, window: Window) -> Asked:
        return self._reader.asked(unlimited(), request.app, request.query, window, superseded=True)

    def _list(self, asked: Asked, window: Window) -> int:
        sort = [{"time": "asc"}, {"id": "asc"}]
        hits = self._reader.hits(unlimited(), self._reader.indexes(window), asked.condition(window), sort, AT_ONCE)
        count = 0

        def lines() -> Iterator[Line]:
            nonlocal count
            for hit in hits:
                event = hit.event
                if asked.left is None or asked.left(event):
                    text = msgspec.json.encode(event).decode()
                    action = {"_index": self._layout.erasing, "_id": f"{hit.index}/{document_id(event.app, event.id)}"}
                    yield {"index": _short(action)}, _Marked(count, hit.index, hit.id, text)
                    count += 1

        self._bulk.send(lines())
        self._bulk.refresh([self._layout.erasing])
        return count

    def _drop_marks(self) -> None:
        self._client.request("DELETE", f"/{listed([self._layout.erasing])}?ignore_unavailable=true", missing_ok=True)

    def erase(self) -> list[str]:
        with self._writing:
            apps: set[tuple[str, str]] = set()
            for marked in self._marked():
                events = [_decode_event(each.event) for each in marked]
                self._bulk.send(({"delete": {"_index": each.index, "_id": each.doc}}, None) for each in marked)
                ids = [own_id_of(event.app, event.id) for event in events if event.own_id]
                self._forget_ids(ids)
                self._bulk.refresh(each.index for each in marked)
                self._stand_again({slot_of(event) for event in events if event.update})
                apps |= {(event.app, event.pattern) for event in events if event.pattern}
            forgotten = self._forget_patterns(sorted(apps))
            self._drop_marks()
            # Deletions that are not refreshed are in no segment yet, and `purge` would not see them.
            self._bulk.refresh([self._layout.updates, *self._reader.names(self._layout.memory)])
            self._doomed = None
            return forgotten

    def _marked(self) -> Iterator[list[_Marked]]:
        hits: Iterable[Hit] = self._reader.hits(
            unlimited(), listed([self._layout.erasing]), {"match_all": {}}, [{"place": "asc"}], AT_ONCE
        )
        some: list[_Marked] = []
        for hit in hits:
            some.append(_decode_marked(hit.source))
            if len(some) == AT_ONCE:
                yield some
                some = []
        if some:
            yield some

    def _forget_ids(self, names: Sequence[str]) -> None:
        if names:
            days = self._reader.names(self._layout.memory)
            self._bulk.send(({"delete": {"_index": day, "_id": name}}, None) for day in days for name in names)

    def _stand_again(self, slots: set[Slot]) -> None:
        """What stands for them is what the updates say that are left."""
        lines: list[Line] = []
        for slot in sorted(slots):
            app, session, key = slot
            same = all_of([{"term": {"session": session}}, {"term": {"key": key}}, {"term": {"update": True}}])
            standing: Standing | None = None
            for event in self._reader.events(unlimited(), Asked(app, (same,), None), ALL_TIME):
                standing = Standing.first(event) if standing is None else standing.joined(event)
            place = {"_index": self._layout.updates, "_id": slot_id(slot)}
            lines.append(({"delete": place}, None) if standing is None else ({"index": place}, standing))
        self._bulk.send(lines)

    def _forget_patterns(self, names: Sequence[tuple[str, str]]) -> list[str]:
        """Those no event has any more are gone."""
        gone = [name for name in stored_patterns(self._bulk, self._layout, names) if not self._is_used(*name)]
        if gone:
            self._bulk.send(
                ({"delete": {"_index": self._layout.patterns, "_id": document_id(*name)}}, None) for name in gone
            )
            self._bulk.refresh([self._layout.patterns])
        return sorted(name for _, name in gone)

    def _is_used(self, app: str, pattern: str) -> bool:
        asked = Asked(app, (any_of([{"term": {"pattern": pattern}}]),), None)
        return next(self._reader.events(unlimited(), asked, ALL_TIME, limit=1), None) is not None

    def purge(self) -> bool:
        with self._writing:
            holding = self._holding()
            if self._doomed is None:
                self._doomed = holding
            left = self._doomed & holding
            if not left:
                self._doomed = None
                return True
            self._client.merge_away_deleted(sorted({index for index, _ in left}))
            return False

    def _holding(self) -> set[tuple[str, str]]:
        """Segments that hold deleted documents, of all indexes of ours."""
        ours = listed([f"{self._layout.prefix}-*"])
        text = self._client.request("GET", f"/_cat/segments/{ours}?format=json&h=index,segment,docs.deleted")
        return {(each.index, each.segment) for each in _decode_segments(text) if int(each.deleted)}


def _short(action: dict[str, str]) -> dict[str, str]:
    """With an id the engine takes."""
    return action | {"_id": document_id("", action["_id"])}
