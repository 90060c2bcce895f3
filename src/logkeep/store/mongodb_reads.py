"""Reading events of many days as if they were in one place: day by day, from the end that was asked for first."""

from collections.abc import Iterator, Sequence
from itertools import islice

import msgspec

from logkeep.clock import NS_PER_DAY
from logkeep.event import Event
from logkeep.query import ast
from logkeep.query.match import matcher
from logkeep.store.mongodb_client import Find, Server
from logkeep.store.mongodb_documents import EVENT_FIELDS, Document, day_start_ns, event_of
from logkeep.store.mongodb_filter import compile_filter
from logkeep.store.mongodb_groups import Groups, Key, Seen, Total, check_memory, join_events, join_rows, pipeline
from logkeep.store.reading import Reading

# No stored time lies outside; the lower one leaves room to subtract it from any of them.
TIME_MIN_NS, TIME_MAX_NS = -(1 << 62), (1 << 63) - 1
_ALL = ast.All()


class Asked(msgspec.Struct, frozen=True):
    """from_ns <= time < to_ns, within what a document holds. hidden: superseded events too. also: more conditions."""

    app: str
    query: ast.Query = _ALL
    from_ns: int = TIME_MIN_NS
    to_ns: int = TIME_MAX_NS
    hidden: bool = False
    also: tuple[Document, ...] = ()


def clamped(time_ns: int) -> int:
    return min(TIME_MAX_NS, max(TIME_MIN_NS, time_ns))


class Reads:
    def __init__(self, server: Server) -> None:
        self._server = server

    def days(self, asked: Asked) -> list[str]:
        """Those that may have what is asked for, oldest first."""
        if asked.from_ns >= asked.to_ns:
            return []
        starts = ((day, day_start_ns(day)) for day in self._server.days())
        return [day for day, start_ns in starts if asked.from_ns - NS_PER_DAY < start_ns < asked.to_ns]

    def seen(
        self,
        reading: Reading,
        asked: Asked,
        *,
        newest_first: bool = False,
        limit: int | None = None,
        fields: Document | None = None,
    ) -> Iterator[Seen]:
        """The events in order of (time, id), and whether readers see them.

        fields: the only ones that are needed, where MongoDB decides alone what matches. Raises LimitReached.
        """
        compiled, matches = compile_filter(asked.query), matcher(asked.query)
        order = (("time", -1), ("id", -1)) if newest_first else (("time", 1), ("id", 1))
        find = Find(
            spec_of(asked, compiled.spec),
            order,
            limit if compiled.exact else None,
            fields if fields and compiled.exact else EVENT_FIELDS,
        )
        days = self.days(asked)
        found = self._on_days(reading, reversed(days) if newest_first else iter(days), find)
        events = ((event_of(document), not document.get("hidden")) for document in found)
        matching = events if compiled.exact else (seen for seen in events if matches(seen[0]))
        yield from islice(matching, limit)

    def _on_days(self, reading: Reading, days: Iterator[str], find: Find) -> Iterator[Document]:
        left = find.limit
        for day in days:
            for rows in self._server.find(reading, day, msgspec.structs.replace(find, limit=left)):
                left = None if left is None else left - len(rows)
                yield from rows
            if left is not None and left <= 0:
                return

    def events(self, reading: Reading, asked: Asked, *, newest_first: bool = False, limit: int | None) -> list[Event]:
        """Raises LimitReached."""
        return [event for event, _ in self.seen(reading, asked, newest_first=newest_first, limit=limit)]

    def groups(self, reading: Reading, asked: Asked, keys: Sequence[Key], totals: Sequence[Total] = ()) -> Groups:
        """Totals by keys of all that matches; the last total is how many there are. Raises LimitReached."""
        compiled, found = compile_filter(asked.query), Groups()
        if not compiled.exact:
            for seen in self._bounded(reading, asked, found):
                join_events(found, (seen,), keys, totals)
            return found
        for day in reversed(self.days(asked)):
            left, start_ns = reading.left(), day_start_ns(day)
            wanted = pipeline(spec_of(asked, compiled.spec), keys, totals, day_ns=start_ns, rows=left.rows_max)
            join_rows(found, self._server.aggregate(reading, day, wanted, rows="n"), keys, totals, day_ns=start_ns)
            check_memory(found, left.memory_bytes_max)
        return found

    def _bounded(self, reading: Reading, asked: Asked, found: Groups) -> Iterator[Seen]:
        for number, seen in enumerate(self.seen(reading, asked)):
            if number % 1000 == 0:
                check_memory(found, reading.left().memory_bytes_max)
            yield seen

    def count(self, reading: Reading, asked: Asked) -> int:
        """Raises LimitReached."""
        compiled = compile_filter(asked.query)
        if not compiled.exact:
            return sum(1 for _ in self.seen(reading, asked))
        spec = spec_of(asked, compiled.spec)
        return sum(self._server.count(reading, day, spec) for day in self.days(asked))

    def newest_ns(self, reading: Reading, asked: Asked) -> int | None:
        """The time of the newest event, None when there is none."""
        return next((event.time_ns for event, _ in self.seen(reading, asked, newest_first=True, limit=1)), None)


def spec_of(asked: Asked, matching: Document) -> Document:
    """The whole filter: the app first, as in every index."""
    spec: Document = {"app": asked.app}
    if asked.from_ns > TIME_MIN_NS or asked.to_ns < TIME_MAX_NS:
        spec["time"] = {"$gte": asked.from_ns, "$lt": asked.to_ns}
    if not asked.hidden:
        spec["hidden"] = None
    rest = [*([matching] if matching else []), *asked.also]
    return {**spec, "$and": rest} if rest else spec
