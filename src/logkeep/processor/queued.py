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

    Those that wait for a session are among them; queued notices are in `received` of the notices.

    The queue is read first and the ledger after it, so that what was processed in between is told by its offset and
    not counted twice. Frames that name no app (datagrams: each event names its key) count for every app that asks:
    whose they are is known once they are processed.
    """
    waiting = [(record.partition, record.offset, *_count(record, app)) for record in uncommitted()]
    apps, offsets = snapshot()
    queued = 0
    ledger = apps.get(app, AppLedger()).copy()
    for partition, offset, kind, count in waiting:
        if not count or offset < offsets.get(partition, 0):
            continue
        if kind:
            ledger.notices_of(kind).received += count
        else:
            queued += count
    ledger.received += queued
    return ledger, queued + ledger.waiting


def _count(record: Record, app: str) -> tuple[str, int]:
    """The kind of notices, "" for events, and how many of them are the app's."""
    try:
        header = read_frame_header(record.payload)
    except CorruptData:
        return "", 0
    return header.kind, header.count + sum(header.rejected.values()) if header.app in ("", app) else 0
