"""How many events wait in the queue, by app: the last term of the ledger."""

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Mapping

import msgspec

from logkeep.clock import NS_PER_S, Clock
from logkeep.decode.frame import read_frame_header
from logkeep.errors import BackendUnavailable, CorruptData
from logkeep.processor.ledger import AppLedger
from logkeep.queue.port import Offset, Partition, Record

# More than a frame's header can take: 5 samples of 1 KiB, and the reasons. The bodies are not read.
HEAD_BYTES_MAX = 64 * 1024
AGE_S_MAX = 1.0  # of what `Recent` answers with

Uncommitted = Callable[[], Iterable[Record]]
Snapshot = Callable[[], tuple[dict[str, AppLedger], dict[Partition, Offset]]]


class Balance(msgspec.Struct, frozen=True):
    """The ledgers of all apps and what waits, of one moment. waiting: by app ("": not known yet) and kind of notices
    ("": events)."""

    apps: Mapping[str, AppLedger]
    waiting: Mapping[tuple[str, str], int]

    def of(self, app: str) -> tuple[AppLedger, int]:
        """The ledger of `app` and the number of its events still queued.

        Those that wait for a session are among them; queued notices are in `received` of the notices. Frames that
        name no app (datagrams: each event names its key) count for every app that asks: whose they are is known once
        they are processed.
        """
        queued, ledger = 0, self.apps.get(app, AppLedger()).copy()
        for (name, kind), count in self.waiting.items():
            if name not in ("", app):
                continue
            if kind:
                ledger.notices_of(kind).received += count
            else:
                queued += count
        ledger.received += queued
        return ledger, queued + ledger.waiting


def balance(uncommitted: Uncommitted, snapshot: Snapshot) -> Balance:
    """The queue is read first and the ledger after it, so that what was processed in between is told by its offset and
    not counted twice. The snapshot is therefore never older than the marks that `uncommitted` begins at. Raises
    BackendUnavailable, CorruptData."""
    found = [(record.partition, record.offset, *_count(record)) for record in uncommitted()]
    apps, offsets = snapshot()
    waiting: Counter[tuple[str, str]] = Counter()
    for partition, offset, app, kind, count in found:
        if count and offset >= offsets.get(partition, 0):
            waiting[app, kind] += count
    return Balance(apps, waiting)


def _count(record: Record) -> tuple[str, str, int]:
    """App, kind of notices and number of what a frame holds."""
    try:
        header = read_frame_header(record.payload)
    except CorruptData:
        return "", "", 0
    return header.app, header.kind, header.count + sum(header.rejected.values())


class Recent:
    """Looks at most once in AGE_S_MAX, however many ask: a queue of others costs its servers something each time.

    Safe from many threads; who asks while one looks waits for that answer. That the queue cannot be read is told as
    long, so that those who wait for a server that is away do not wait in line.
    """

    def __init__(self, look: Callable[[], Balance], clock: Clock) -> None:
        self._look, self._clock = look, clock
        self._lock = threading.Lock()
        self._found: Balance | BackendUnavailable | None = None
        self._until_ns = 0

    def __call__(self) -> Balance:
        """Of AGE_S_MAX ago at most. Raises BackendUnavailable, CorruptData."""
        with self._lock:
            if self._found is None or self._clock.monotonic_ns() >= self._until_ns:
                begun_ns = self._clock.monotonic_ns()
                try:
                    self._found = self._look()
                except BackendUnavailable as error:
                    self._found, begun_ns = error, self._clock.monotonic_ns()
                self._until_ns = begun_ns + int(AGE_S_MAX * NS_PER_S)
            found = self._found
        if isinstance(found, BackendUnavailable):
            raise BackendUnavailable(found.message, code=found.code, retry_after_s=found.retry_after_s)
        return found
