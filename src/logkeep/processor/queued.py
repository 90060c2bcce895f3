"""How many events wait in the queue, by app: the last term of the ledger."""

from collections.abc import Callable, Iterable

from logkeep.decode.frame import read_frame_header
from logkeep.errors import CorruptData
from logkeep.processor.ledger import AppLedger
from logkeep.queue.port import Offset, Partition, Record

# More than a frame's header can take: 5 samples of 1 KiB, and the reasons. The bodies are not read.
HEAD_BYTES_MAX = 64 * 1024


def balance(
    app: str,
    uncommitted: Callable[[], Iterable[Record]],
    snapshot: Callable[[], tuple[dict[str, AppLedger], dict[Partition, Offset]]],
) -> tuple[AppLedger, int]:
    """The ledger of `app` and the number of its events still queued, of one moment.

    The queue is read first and the ledger after it, so that what was processed in between is told by its offset and
    not counted twice. Frames that name no app (datagrams: each event names its key) count for every app that asks:
    whose they are is known once they are processed.
    """
    waiting = [(record.partition, record.offset, count) for record in uncommitted() if (count := _count(record, app))]
    apps, offsets = snapshot()
    queued = sum(count for partition, offset, count in waiting if offset >= offsets.get(partition, 0))
    ledger = apps.get(app, AppLedger()).copy()
    ledger.received += queued
    return ledger, queued


def _count(record: Record, app: str) -> int:
    try:
        header = read_frame_header(record.payload)
    except CorruptData:
        return 0
    return header.count + sum(header.rejected.values()) if header.app in ("", app) else 0
