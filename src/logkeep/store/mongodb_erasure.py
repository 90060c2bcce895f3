"""Erasing in MongoDB: marked, then deleted in every collection.

mark    the places of what matches go into `erasing`: the set is fixed, whatever is written later
erase   they are deleted on a majority, then what stood for them: ids, updates, patterns; the marks go last, so
        that a crash in between only has it done again
purge   nothing to wait for: a deleted document is no document of any file's pages that a read could reach. The
        bytes themselves stay in free space of data files and in the operations log until they are written over;
        docs/how-to/use-mongodb.md says how an operator ends that
"""

from collections import Counter
from collections.abc import Iterator

from logkeep.event import Event
from logkeep.store.erasing import ErasureRequest
from logkeep.store.mongodb_client import NAMES_A_QUERY_MAX, Find, Server
from logkeep.store.mongodb_documents import Document, day_of, document_id
from logkeep.store.mongodb_reads import Asked, Reads, clamped
from logkeep.store.mongodb_updates import Updates
from logkeep.store.reading import Limits, Reading

_WITHOUT_LIMIT = Limits(timeout_s=3600.0, rows_max=1 << 60, bytes_max=1 << 60)
_MARK_FIELDS = {"app": 1, "id": 1, "time": 1, "session": 1, "key": 1, "received": 1, "update": 1, "pattern": 1}


class MongoErasing:
    def __init__(self, server: Server, reads: Reads, updates: Updates) -> None:
        self._server, self._reads, self._updates = server, reads, updates

    def count(self, reading: Reading, request: ErasureRequest) -> int:
        return self._reads.count(reading, _asked(request))

    def mark(self, request: ErasureRequest) -> int:
        self._server.delete(None, "erasing", {})
        count, marks = 0, list[Document]()
        for event, _ in self._reads.seen(Reading(_WITHOUT_LIMIT), _asked(request), fields=_MARK_FIELDS):
            marks.append(_mark(event))
            if len(marks) == NAMES_A_QUERY_MAX:
                self._server.insert(None, "erasing", marks)
                count, marks = count + len(marks), []
        self._server.insert(None, "erasing", marks)
        return count + len(marks)

    def erase(self) -> list[str]:
        patterns: Counter[tuple[str, str]] = Counter()
        for marks in self._marks():
            self._erase(marks)
            patterns.update((mark["app"], mark["pattern"]) for mark in marks if mark.get("pattern"))
        forgotten = self._forget_patterns(sorted(patterns))
        self._server.delete(None, "erasing", {})
        return forgotten

    def purge(self) -> bool:
        return True

    def _marks(self) -> Iterator[list[Document]]:
        after = ""
        while True:
            find = Find({"_id": {"$gt": after}}, (("_id", 1),), NAMES_A_QUERY_MAX)
            if not (marks := self._server.own(None, "erasing", find)):
                return
            yield marks
            after = marks[-1]["_id"]

    def _erase(self, marks: list[Document]) -> None:
        """Events first: what hides one of them goes after it."""
        days: dict[str, list[str]] = {}
        for mark in marks:
            days.setdefault(day_of(mark["time"]), []).append(mark["_id"])
        for day, names in days.items():
            self._server.delete(day, "events", {"_id": {"$in": names}})
        ids = [f"{mark['app']}\0{mark['id']}" for mark in marks]
        self._server.delete(None, "recent_ids", {"_id": {"$in": ids}})
        self._updates.forget(_event(mark) for mark in marks)

    def _forget_patterns(self, named: list[tuple[str, str]]) -> list[str]:
        unused = [(app, pattern) for app, pattern in named if not self._is_used(app, pattern)]
        if unused:
            self._server.delete(None, "patterns", {"_id": {"$in": [f"{app}\0{pattern}" for app, pattern in unused]}})
        return sorted(pattern for _, pattern in unused)

    def _is_used(self, app: str, pattern: str) -> bool:
        """No index leads to it: a pattern that is used is mostly found at once, one that is not costs a scan."""
        find = Find({"app": app, "pattern": pattern}, limit=1, fields={"_id": 1})
        return any(self._server.own(day, "events", find) for day in reversed(self._server.days()))


def _asked(request: ErasureRequest) -> Asked:
    return Asked(request.app, request.query, clamped(request.from_ns), clamped(request.to_ns), hidden=True)


def _mark(event: Event) -> Document:
    mark: Document = {
        "_id": document_id(event.app, event.id, event.time_ns),
        "app": event.app,
        "id": event.id,
        "time": event.time_ns,
    }
    if event.pattern:
        mark["pattern"] = event.pattern
    if event.update:
        mark |= {"session": event.session, "key": event.key, "received": event.received_ns, "update": True}
    return mark


def _event(mark: Document) -> Event:
    update = mark.get("update", False)
    session, key = mark.get("session", ""), mark.get("key", "")
    return Event(mark["app"], session, key, "", "text", None, mark["time"], 0, mark["id"], update=update)
