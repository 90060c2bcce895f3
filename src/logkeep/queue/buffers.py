"""Records that were fetched from a server and not read yet, by partition; partitions take turns."""

from collections import deque
from collections.abc import Collection

from logkeep.queue.port import Partition, Record


class Buffers:
    """Not safe for two threads at once."""

    def __init__(self) -> None:
        self._records: dict[Partition, deque[Record]] = {}
        self._turn = 0
        self.size = 0  # bytes of payloads

    def add(self, record: Record) -> None:
        self._records.setdefault(record.partition, deque()).append(record)
        self.size += len(record.payload)

    def drop(self, partition: Partition) -> None:
        self.size -= sum(len(record.payload) for record in self._records.pop(partition, ()))

    def give(self, records_max: int, bytes_max: int, without: Collection[Partition] = ()) -> list[Record]:
        """As `Queue.read`; of `without` nothing."""
        waiting = [name for name, kept in sorted(self._records.items()) if kept and name not in without]
        self._turn += 1
        start = self._turn % max(1, len(waiting))
        found: list[Record] = []
        for place, name in enumerate(waiting[start:] + waiting[:start]):
            shares = len(waiting) - place
            taken = self._take(name, -(-records_max // shares), -(-bytes_max // shares), not found)
            found += taken
            records_max -= len(taken)
            bytes_max -= sum(len(record.payload) for record in taken)
            if records_max <= 0 or bytes_max <= 0:
                break
        return found

    def _take(self, name: Partition, records_max: int, bytes_max: int, at_least_one: bool) -> list[Record]:
        buffer, taken = self._records[name], list[Record]()
        while buffer and len(taken) < records_max:
            size = len(buffer[0].payload)
            if size > bytes_max and (taken or not at_least_one):
                break
            bytes_max -= size
            self.size -= size
            taken.append(buffer.popleft())
        return taken
