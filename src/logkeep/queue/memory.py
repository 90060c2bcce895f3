"""The queue in memory, for tests of what stands on either side of it. Nothing survives the process."""

import threading
from collections.abc import Iterator, Mapping, Sequence

from logkeep.errors import InputError
from logkeep.queue.group import checked_name, merged
from logkeep.queue.partition_writer import PAYLOADS_MAX
from logkeep.queue.port import LEADER, SOLE, Mark, NotOwner, Offset, Ownership, Partition, Record
from logkeep.queue.room import queue_full
from logkeep.settings import QueueSettings


class _Log:
    """What all processors of a queue share."""

    def __init__(self, settings: QueueSettings) -> None:
        self.settings = settings
        self.lock = threading.RLock()
        self.records: dict[Partition, list[bytes]] = {}
        self.bases: dict[Partition, Offset] = {}
        self.marks: dict[str, dict[Partition, Mark]] = {}
        self.used_bytes = 0

    def end(self, name: Partition) -> Offset:
        return self.bases[name] + len(self.records[name])

    def between(self, name: Partition, start: Offset, end: Offset | None = None) -> Iterator[Record]:
        base, last = self.bases[name], self.end(name)
        for offset in range(max(start, base), last if end is None else min(end, last)):
            yield Record(name, offset, offset + 1, self.records[name][offset - base])

    def committed(self, group: str, name: Partition) -> Offset:
        return self.marks.get(group, {}).get(name, Mark(0)).offset


class MemoryQueue:
    """A `Queue` whose offsets count records. Takes any partition; what every group has committed is trimmed.

    Alone it owns everything. `joined` makes another processor's queue on the same records, and `own` says what this one
    has from now on.
    """

    datagrams: Partition = "udp-0"

    def __init__(self, settings: QueueSettings | None = None, *, log: _Log | None = None) -> None:
        self._log = log or _Log(settings or QueueSettings())
        self._settings, self._lock = self._log.settings, self._log.lock
        self._positions: dict[str, dict[Partition, Offset]] = {}
        self._owned = SOLE
        self._turn = 0

    def joined(self) -> "MemoryQueue":
        """It owns nothing at first."""
        other = MemoryQueue(log=self._log)
        other.own()
        return other

    def own(self, *partitions: Partition, leads: bool = False) -> None:
        """These and no others are this processor's. Take them from the one that had them first."""
        with self._lock:
            self._owned = Ownership(self._owned.epoch + 1, frozenset(partitions), leads)
            self._positions.clear()

    def append(self, partition: Partition, payloads: Sequence[bytes]) -> Offset:
        if not 1 <= len(payloads) <= PAYLOADS_MAX:
            raise InputError(f"{len(payloads):,} payloads in one append; give 1 to {PAYLOADS_MAX:,}")
        limit = self._settings.record_bytes_max
        if (largest := max(map(len, payloads))) > limit:
            raise InputError(
                f"record of {largest:,} bytes exceeds record_bytes_max {limit:,}; split it",
                code="too_large",
                status=413,
            )
        size = sum(map(len, payloads))
        log = self._log
        with self._lock:
            if log.used_bytes + size > self._settings.bytes_max:
                raise queue_full(f"{log.used_bytes:,} bytes and {size:,} more exceed {self._settings.bytes_max:,}")
            records = log.records.setdefault(checked_name(partition), [])
            log.used_bytes += size
            offset = log.bases.setdefault(partition, 0) + len(records)
            records.extend(payloads)
            return offset

    def read(self, group: str, *, records_max: int, bytes_max: int) -> list[Record]:
        with self._lock:
            positions = self._positions_of(group)
            waiting = [n for n in self._log.records if self._owned.has(n) and self._log.end(n) > positions.get(n, 0)]
            self._turn += 1
            start = self._turn % max(1, len(waiting))
            found: list[Record] = []
            for index, name in enumerate(waiting[start:] + waiting[:start]):
                shares = len(waiting) - index
                used = sum(len(record.payload) for record in found)
                count, size = -(-(records_max - len(found)) // shares), -(-(bytes_max - used) // shares)
                taken = self._take(name, positions.get(name, 0), count, size, not found)
                if taken:
                    positions[name] = taken[-1].next_offset
                    found += taken
            return found

    def _positions_of(self, group: str) -> dict[Partition, Offset]:
        if group not in self._positions:
            self._positions[group] = {n: m.offset for n, m in self.marks(group).items() if n != LEADER}
        return self._positions[group]

    def _take(self, name: Partition, start: Offset, count: int, size: int, at_least_one: bool) -> list[Record]:
        taken: list[Record] = []
        for record in self._log.between(name, start):
            size -= len(record.payload)
            if len(taken) == count or (size < 0 and (taken or not at_least_one)):
                break
            taken.append(record)
        return taken

    def owned(self, group: str) -> Ownership:
        return self._owned

    def positions(self, group: str) -> dict[Partition, Offset]:
        with self._lock:
            return {n: offset for n, offset in self._positions_of(group).items() if self._owned.has(n)}

    def rewind(self, group: str) -> None:
        with self._lock:
            self._positions.pop(group, None)

    def replay(
        self, partition: Partition, start: Offset, end: Offset, *, payload_bytes_max: int | None = None
    ) -> Iterator[Record]:
        with self._lock:
            found = list(self._log.between(partition, start, end)) if partition in self._log.records else []
        for record in found:
            yield Record(record.partition, record.offset, record.next_offset, record.payload[:payload_bytes_max])

    def uncommitted(self, group: str, *, payload_bytes_max: int | None = None) -> Iterator[Record]:
        with self._lock:
            places = [(name, self._log.committed(group, name), self._log.end(name)) for name in self._log.records]
        for name, start, end in places:
            yield from self.replay(name, start, end, payload_bytes_max=payload_bytes_max)

    def commit(self, group: str, marks: Mapping[Partition, Mark], *, owner: Ownership | None = None) -> None:
        with self._lock:
            if owner is not None and owner != self._owned:
                raise NotOwner(f"{', '.join(marks)} is another processor's now; begin again")
            self._log.marks[group] = merged(self.marks(checked_name(group)), marks)

    def marks(self, group: str) -> dict[Partition, Mark]:
        with self._lock:
            return dict(self._log.marks.get(group, {}))

    def lag(self, group: str) -> dict[Partition, int]:
        with self._lock:
            return {
                name: sum(len(record.payload) for record in self._log.between(name, self._log.committed(group, name)))
                for name in self._log.records
            }

    def trim(self) -> int:
        with self._lock:
            log, freed = self._log, 0
            for name, records in log.records.items():
                least = min((log.committed(group, name) for group in log.marks), default=0)
                count = max(0, least - log.bases[name])
                freed += sum(map(len, records[:count]))
                del records[:count]
                log.bases[name] += count
            log.used_bytes -= freed
            return freed

    def ends(self) -> dict[Partition, Offset]:
        with self._lock:
            return {name: self._log.end(name) for name in self._log.records}

    def forget(self, offsets: Mapping[Partition, Offset]) -> bool:
        with self._lock:
            self.trim()
            return all(self._log.bases.get(name, end) >= end for name, end in offsets.items())

    def check(self) -> None:
        pass

    def close(self) -> None:
        self.own()
