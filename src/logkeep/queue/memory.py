"""The queue in memory, for tests of what stands on either side of it. Nothing survives the process."""

import threading
from collections.abc import Iterator, Mapping, Sequence

from logkeep.errors import InputError
from logkeep.queue.group import METADATA_BYTES_MAX, checked_name
from logkeep.queue.partition_writer import PAYLOADS_MAX
from logkeep.queue.port import Commit, Offset, Partition, Record
from logkeep.queue.room import queue_full
from logkeep.settings import QueueSettings


class MemoryQueue:
    """A `Queue` whose offsets count records. Takes any partition; what every group has committed is trimmed."""

    def __init__(self, settings: QueueSettings | None = None) -> None:
        self._settings = settings or QueueSettings()
        self._lock = threading.RLock()
        self._records: dict[Partition, list[bytes]] = {}
        self._bases: dict[Partition, Offset] = {}
        self._commits: dict[str, Commit] = {}
        self._positions: dict[str, dict[Partition, Offset]] = {}
        self._used_bytes = 0
        self._turn = 0

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
        with self._lock:
            if self._used_bytes + size > self._settings.bytes_max:
                raise queue_full(f"{self._used_bytes:,} bytes and {size:,} more exceed {self._settings.bytes_max:,}")
            records = self._records.setdefault(checked_name(partition), [])
            self._used_bytes += size
            offset = self._bases.setdefault(partition, 0) + len(records)
            records.extend(payloads)
            return offset

    def read(self, group: str, *, records_max: int, bytes_max: int) -> list[Record]:
        with self._lock:
            positions = self._positions.setdefault(group, dict(self.committed(group).offsets))
            waiting = [name for name in self._records if self._end(name) > positions.get(name, 0)]
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

    def _take(self, name: Partition, start: Offset, count: int, size: int, at_least_one: bool) -> list[Record]:
        taken: list[Record] = []
        for record in self._from(name, start):
            size -= len(record.payload)
            if len(taken) == count or (size < 0 and (taken or not at_least_one)):
                break
            taken.append(record)
        return taken

    def _from(self, name: Partition, start: Offset) -> Iterator[Record]:
        base = self._bases[name]
        for offset in range(max(start, base), self._end(name)):
            yield Record(name, offset, offset + 1, self._records[name][offset - base])

    def _end(self, name: Partition) -> Offset:
        return self._bases[name] + len(self._records[name])

    def rewind(self, group: str) -> None:
        with self._lock:
            self._positions.pop(group, None)

    def uncommitted(self, group: str, *, payload_bytes_max: int | None = None) -> Iterator[Record]:
        """As `LocalQueue.uncommitted`."""
        with self._lock:
            committed = self.committed(group).offsets
            found = [r for name in self._records for r in self._from(name, committed.get(name, 0))]
        for record in found:
            yield Record(record.partition, record.offset, record.next_offset, record.payload[:payload_bytes_max])

    def commit(self, group: str, offsets: Mapping[Partition, Offset], metadata: bytes = b"") -> None:
        if len(metadata) > METADATA_BYTES_MAX:
            raise InputError(f"metadata of {len(metadata):,} bytes exceeds {METADATA_BYTES_MAX:,}; keep less of it")
        with self._lock:
            merged = dict(self.committed(checked_name(group)).offsets)
            for partition, offset in offsets.items():
                merged[partition] = max(offset, merged.get(partition, 0))
            self._commits[group] = Commit(merged, metadata)

    def committed(self, group: str) -> Commit:
        return self._commits.get(group, Commit({}, b""))

    def lag(self, group: str) -> dict[Partition, int]:
        with self._lock:
            committed = self.committed(group).offsets
            return {
                name: sum(len(record.payload) for record in self._from(name, committed.get(name, 0)))
                for name in self._records
            }

    def trim(self) -> int:
        with self._lock:
            freed = 0
            for name, records in self._records.items():
                least = min((c.offsets.get(name, 0) for c in self._commits.values()), default=0)
                count = max(0, least - self._bases[name])
                freed += sum(map(len, records[:count]))
                del records[:count]
                self._bases[name] += count
            self._used_bytes -= freed
            return freed

    def ends(self) -> dict[Partition, Offset]:
        with self._lock:
            return {name: self._end(name) for name in self._records}

    def forget(self, offsets: Mapping[Partition, Offset]) -> bool:
        with self._lock:
            self.trim()
            return all(self._bases.get(name, end) >= end for name, end in offsets.items())

    def close(self) -> None:
        pass
