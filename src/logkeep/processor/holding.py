"""Partitions that stand still because their next record was written by a newer Logkeep.

A newer receiver may be upgraded before a processor, or a processor be put back: what it cannot read it must not judge.
The partition waits at that record with all that is behind it, nothing of it is committed, and the others go on. A
processor that can read it, of whatever version, goes on at the mark.
"""

import threading
from collections.abc import Iterable, Mapping, Sequence

from logkeep.decode.frame import EVENTS_VERSION, NewerFrame, read_frame_header
from logkeep.decode.notices import KINDS
from logkeep.errors import CorruptData
from logkeep.queue.port import Offset, Partition, Record
from logkeep.telemetry import Telemetry, get_logger

_EVENTS = bytes((EVENTS_VERSION,))

log = get_logger("processor")


class Holding:
    """`problems` and `offsets` are for any thread."""

    def __init__(self, telemetry: Telemetry) -> None:
        self._telemetry, self._lock = telemetry, threading.Lock()
        self._held: dict[Partition, tuple[Offset, str]] = {}
        self._told: dict[Partition, tuple[Offset, str]] = {}  # in the log, once for each place

    def begin(self) -> None:
        """Call before anything is read again from the marks: what is to be held is found again."""
        with self._lock:
            self._held = {}
        self._telemetry["processor_partitions_stopped"].set(0)

    def passed(self, records: Sequence[Record]) -> list[Record]:
        """Those that come before everything that is held, in their order. A partition's records: as they stand there.

        What is behind a held record is read, and left out, for as long as its partition is held.
        """
        if not self._held and all(record.payload[:1] == _EVENTS for record in records):
            return list(records)
        found: list[Record] = []
        for record in records:
            if record.partition in self._held:
                continue
            reason = _too_new(record)
            if reason is None:
                found.append(record)
            else:
                self.hold({record.partition: record.offset}, reason)
        return found

    def hold(self, offsets: Mapping[Partition, Offset], reason: str) -> None:
        """These partitions stand still at these records."""
        with self._lock:
            self._held |= {partition: (offset, reason) for partition, offset in offsets.items()}
            count = len(self._held)
        self._telemetry["processor_partitions_stopped"].set(count)
        for partition, offset in offsets.items():
            if self._told.get(partition) != (offset, reason):
                self._told[partition] = (offset, reason)
                log.error("a partition is stopped: a newer Logkeep wrote into it", partition=partition, offset=offset,
                          reason=reason)  # fmt: skip

    def offsets(self) -> dict[Partition, Offset]:
        """Where the partitions stand that are held."""
        with self._lock:
            return {partition: offset for partition, (offset, _) in self._held.items()}

    def problems(self) -> list[str]:
        """In words, a line a partition."""
        with self._lock:
            held = sorted(self._held.items())
        return [f"partition {name} is stopped at record {offset}: {reason}" for name, (offset, reason) in held]


def check_known(records: Iterable[Record]) -> None:
    """Raises NewerFrame when one of these cannot be judged by this version."""
    for record in records:
        if (reason := _too_new(record)) is not None:
            raise NewerFrame(reason)


def _too_new(record: Record) -> str | None:
    if record.payload[:1] == _EVENTS:
        return None
    try:
        header = read_frame_header(record.payload)
    except NewerFrame as error:
        return error.message
    except CorruptData:
        return None  # judged with the batch: it goes to the dead letters
    if header.kind and header.kind not in KINDS:
        return f"this version knows no notices of the kind {header.kind[:80]!r}; upgrade the processors"
    return None
