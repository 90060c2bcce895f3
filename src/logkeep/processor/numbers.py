"""The numbers of events, judged where one processor sees them all in their order, and kept apart from the ledger.

A snapshot of them may be large, so it is committed seldom, with offsets of its own; what came after it is looked at
again when its owner ends. Alone a processor judges every event's number; among several the leader judges those of
datagrams, which come through one partition.
"""

import threading
from collections.abc import Callable

from logkeep.clock import NS_PER_S, Clock
from logkeep.processor.marks import Marks
from logkeep.processor.prepare import Prepared
from logkeep.processor.udp_loss import UdpLoss
from logkeep.queue.port import LEADER, Mark, Offset, Partition, Queue, Record

LOSS_GROUP = "udp-loss"
LOSS_COMMIT_EVERY_S = 2.0
REPLAY_RECORDS = 1_000

Prepare = Callable[[list[Record]], Prepared]


class Numbers:
    """`rows` is for any thread, the rest for the one that writes the store."""

    def __init__(self, queue: Queue, marks: Marks, clock: Clock) -> None:
        self._queue, self._marks, self._clock = queue, marks, clock
        self._lock = threading.Lock()
        self._loss, self._done = UdpLoss(), dict[Partition, Offset]()
        self._committed_ns, self._changed = clock.monotonic_ns(), False

    def load(self, prepare: Prepare) -> None:
        """As they were left, with what was processed since. Raises BackendUnavailable, CorruptData."""
        if not self._marks.owner.leads:
            with self._lock:
                self._loss, self._done = UdpLoss(), {}
            self._changed = False
            return
        marks = self._queue.marks(LOSS_GROUP)
        loss = UdpLoss.from_bytes(marks[LEADER].data if LEADER in marks else b"")
        done = {name: mark.offset for name, mark in marks.items() if name != LEADER}
        for name, end in self._marks.offsets().items():
            if self._judges(name):
                self._catch_up(loss, prepare, name, done.get(name, 0), end)
                done[name] = end
        with self._lock:
            self._loss, self._done = loss, done
        self._changed = True  # by what was looked at again

    def _judges(self, partition: Partition) -> bool:
        owner = self._marks.owner
        return owner.leads and (owner.partitions is None or partition == self._queue.datagrams)

    def _catch_up(self, loss: UdpLoss, prepare: Prepare, partition: Partition, start: Offset, end: Offset) -> None:
        records: list[Record] = []
        for record in self._queue.replay(partition, start, end) if start < end else ():
            records.append(record)
            if len(records) >= REPLAY_RECORDS:
                _observe(loss, prepare(records))
                records = []
        if records:
            _observe(loss, prepare(records))

    def observe(self, prepared: Prepared) -> None:
        """Call once the batch is committed."""
        ends = {name: end for name, (_, end) in prepared.ranges.items() if self._judges(name)}
        if not ends:
            return
        with self._lock:
            _observe(self._loss, prepared)
        self._done.update(ends)
        self._changed = True

    def commit_if_due(self) -> None:
        """Call often, with or without a batch: other processes read what is committed."""
        if self._changed and self._clock.monotonic_ns() - self._committed_ns > LOSS_COMMIT_EVERY_S * NS_PER_S:
            self.commit()

    def commit(self) -> None:
        """Raises NotOwner, BackendUnavailable."""
        if not self._marks.owner.leads:
            return
        self._committed_ns = self._clock.monotonic_ns()
        with self._lock:
            snapshot = self._loss.to_bytes()
        marks = {name: Mark(end) for name, end in self._done.items()} | {LEADER: Mark(0, snapshot)}
        self._queue.commit(LOSS_GROUP, marks, owner=self._marks.owner)
        self._changed = False

    def rows(self, app: str) -> list[dict[str, object]]:
        with self._lock:
            return self._loss.rows(app)


def _observe(loss: UdpLoss, prepared: Prepared) -> None:
    for (app, component, client), numbers in prepared.sequences.items():
        loss.observe(app, component, client, numbers)
