"""Statistics: counted a batch at a time, in native code; written every few seconds, once for each batch.

What is counted and not yet written is lost with the process, and counted again by whoever owns the partition next: the
place up to which each partition is counted moves in the transaction that adds, and from there to its mark the queue is
read again. What of a batch was not stored (duplicates, events that wait) stands in the mark until then. Events that
leave the waiting room are counted with their release.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice

from logkeep.clock import NS_PER_DAY, NS_PER_S, Clock
from logkeep.decode.named import UNREAD
from logkeep.errors import BackendUnavailable
from logkeep.event import Event
from logkeep.metastore import statistics as rows_of
from logkeep.metastore.applied import Applied
from logkeep.metastore.database import Database, Transaction
from logkeep.metastore.statistics import Place
from logkeep.processor.counting import Book, Cells
from logkeep.processor.ledger import LeftOut
from logkeep.processor.marks import Marks
from logkeep.processor.prepare import Owners, Prepared, picked
from logkeep.queue.port import Mark, NotOwner, Offset, Partition, Queue, Record
from logkeep.telemetry import get_logger

FLUSH_EVERY_S = 10.0
PAUSE_S = 30.0  # after the metastore did not answer: batches must not wait for it
CELLS_MAX, EVENTS_MAX = 20_000, 300_000  # counted and not written: then it is time; some 30 MB of names
REPLAY_RECORDS = 1_000
KEEP_DAYS = 400
STATISTICS_GROUP = "statistics"  # its marks keep the queue from trimming what is not counted yet
RELEASES = "waiting"  # whose place is the order of arrival

Prepare = Callable[[list[Record]], Prepared]

log = get_logger("statistics")


def _count(prepared: Prepared, indexes: Sequence[int], cells: Cells) -> None:
    cells.count(picked(prepared.events, indexes), prepared.owners, picked(prepared.owner_of, indexes))


def count_rejected(prepared: Prepared, partition: Partition, cells: Cells) -> None:
    day = next((frame.header.received_ns for frame in prepared.frames_of(partition)), 0) // NS_PER_DAY
    for (name, app), tally in prepared.tallies.items():
        if name == partition and app:
            for named, count in tally.named.items():
                cells.reject(Place(app, day, *named), count)


def count_left_out(prepared: Prepared, out: LeftOut, cells: Cells) -> None:
    """What of a batch was rejected after it was decoded. prepared: of its records, again."""
    day = prepared.frames[0].header.received_ns // NS_PER_DAY
    for event in picked(prepared.events, [index for index in out.refused if index < len(prepared.events)]):
        cells.reject(Place(event.app, day, event.component, event.key))
    for app, count in out.rejected.items():
        cells.reject(Place(app, day, *UNREAD), count)


class Statistics:
    """For the thread that writes the store."""

    def __init__(self, queue: Queue, marks: Marks, database: Database, clock: Clock) -> None:
        self._queue, self._marks, self._database, self._clock = queue, marks, database, clock
        self._applied, self._released = Applied(database, "statistics"), Applied(database, "statistics-released")
        self._book = Book()  # of all `_cells`
        self._cells: dict[Partition, Cells] = {}
        self._ends: dict[Partition, Offset] = {}
        self._counted_events = 0  # in `_cells`
        self._begun: dict[Partition, Offset] | None = {}  # where the marks were, until what is behind is counted
        self._flush_ns = 0
        self._trimmed_day = 0
        self._placed: set[Partition] = set()

    def begin(self) -> None:
        """Other partitions may be owned now; what is not counted of them is, before anything else is written."""
        self._forget()
        self._begun = self._marks.offsets()
        self._flush_ns = 0

    def _forget(self) -> None:
        """Nothing is counted that is not written."""
        self._cells, self._ends, self._book, self._counted_events = {}, {}, Book(), 0

    def expect(self, ranges: Mapping[Partition, tuple[Offset, Offset]]) -> None:
        """Call before a batch is begun: from its start on everything is counted, also of a partition that is new, and
        the queue keeps it until then. Raises NotOwner, BackendUnavailable (of the queue)."""
        fresh = {name: start for name, (start, _) in ranges.items() if name not in self._placed}
        if not fresh:
            return
        try:
            self._placed |= fresh.keys()  # tried once: a batch does not wait for this
            self._applied.begin_at(fresh)
        except BackendUnavailable as error:
            log.warning("statistics of new partitions may begin late", error=error.message)
        marks = {name: Mark(start) for name, start in fresh.items()}
        self._queue.commit(STATISTICS_GROUP, marks, owner=self._marks.owner)

    def observe(self, prepared: Prepared, stored: Mapping[Partition, Sequence[int]]) -> None:
        """Call once the batch is committed. stored: indexes of its events that the store has."""
        for name, (_, end) in prepared.ranges.items():
            if name not in self._cells:
                self._cells[name] = Cells(self._book)
            cells = self._cells[name]
            self._counted_events += len(prepared.events_of(name))
            _count(prepared, stored[name], cells)
            count_rejected(prepared, name, cells)
            self._ends[name] = end

    def released(self, events: Sequence[Event], expired: Sequence[Event], arrival: int) -> None:
        """Events that leave the waiting room are counted, once. Raises BackendUnavailable."""
        cells = Cells()
        owners = Owners()
        cells.count(events, owners, owners.of(events))
        for event in expired:
            cells.reject(Place(event.app, event.received_ns // NS_PER_DAY, event.component, event.key))
        self._released.once({RELEASES: arrival}, lambda transaction, fresh: rows_of.add(transaction, cells.written()))

    def flush_if_due(self, prepare: Prepare) -> None:
        due_ns = self._flush_ns + int(FLUSH_EVERY_S * NS_PER_S)
        full = self._counted_events > EVENTS_MAX or sum(map(len, self._cells.values())) > CELLS_MAX
        if full or self._clock.monotonic_ns() >= due_ns:
            self.flush(prepare)

    def flush(self, prepare: Prepare) -> None:
        """What is counted is written, if metastore and queue answer. Raises NotOwner."""
        self._flush_ns = self._clock.monotonic_ns()
        try:
            if self._begun is not None:
                self._catch_up(prepare, self._begun)
                self._begun = None
            if self._ends:
                self._write()
        except NotOwner:
            raise
        except BackendUnavailable as error:
            self._flush_ns += int(PAUSE_S * NS_PER_S)
            log.warning("statistics are not written yet", error=error.message)

    def _catch_up(self, prepare: Prepare, begun: dict[Partition, Offset]) -> None:
        places = self._applied.places()
        owned = {name for name in places if self._marks.owner.has(name)}
        for name in sorted(owned | begun.keys()):
            end = begun.get(name, 0)
            start = places.get(name, end)  # what was processed before there were statistics is not counted
            if start > end:
                log.warning("the queue is another one than before: statistics count anew", partition=name)
                self._applied.rewind({name: end})
            elif start < end:
                whole = self._counted_again(prepare, name, start, end).written()
                self._applied.once({name: end}, lambda transaction, fresh, whole=whole: rows_of.add(transaction, whole))  # type: ignore[misc]
            self._marks.counted[name] = end
        self._let_go(begun)

    def _let_go(self, counted: Mapping[Partition, Offset]) -> None:
        """The queue keeps nothing for the sake of statistics that are written: who wrote them may have died here."""
        kept = self._queue.marks(STATISTICS_GROUP)
        behind = {n: Mark(end) for n, end in counted.items() if n in kept and kept[n].offset < end}
        if behind:
            self._queue.commit(STATISTICS_GROUP, behind, owner=self._marks.owner)

    def _counted_again(self, prepare: Prepare, name: Partition, start: Offset, end: Offset) -> Cells:
        cells = Cells()
        at = start
        for out in [out for out in self._marks.state(name).left_out if start <= out.start < end]:
            self._count_records(prepare, self._queue.replay(name, at, out.start), None, cells)
            self._count_records(prepare, self._queue.replay(name, out.start, out.end), out, cells)
            at = out.end
        self._count_records(prepare, self._queue.replay(name, at, end), None, cells)
        return cells

    @staticmethod
    def _count_records(prepare: Prepare, records: Iterator[Record], out: LeftOut | None, cells: Cells) -> None:
        """out: what was not stored of all `records`."""
        left_out = frozenset(out.indexes if out is not None else ())
        while piece := list(islice(records, REPLAY_RECORDS if out is None else None)):
            prepared = prepare(piece)
            if prepared.frames:
                name = prepared.frames[0].partition
                _count(prepared, [i for i in range(len(prepared.events)) if i not in left_out], cells)
                count_rejected(prepared, name, cells)
                if out is not None:
                    count_left_out(prepared, out, cells)

    def _write(self) -> None:
        def add(transaction: Transaction, fresh: set[Partition]) -> None:
            whole = Cells(self._book)
            for name in fresh:
                whole.join(self._cells[name])
            rows_of.add(transaction, whole.written())

        self._applied.once(dict(self._ends), add)
        self._marks.counted.update(self._ends)
        self._queue.commit(STATISTICS_GROUP, {n: Mark(end) for n, end in self._ends.items()}, owner=self._marks.owner)
        self._forget()

    def trim(self) -> None:
        """Days that are too old are gone; if that fails, later. The leader's."""
        oldest = self._clock.now_ns() // NS_PER_DAY - KEEP_DAYS
        if not self._marks.owner.leads or oldest <= self._trimmed_day:
            return
        try:
            self._database.write(lambda transaction: rows_of.drop_before(transaction, oldest))
            self._trimmed_day = oldest
        except BackendUnavailable as error:
            log.warning("old statistics are not removed yet", error=error.message)
