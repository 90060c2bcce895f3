"""Whether the queue may grow: its share of the disk, looked at seldom enough to cost nothing."""

import threading
from pathlib import Path

from logkeep.clock import NS_PER_MS, Clock
from logkeep.disk import Disk
from logkeep.errors import BackendUnavailable
from logkeep.queue.port import Offset, Partition
from logkeep.queue.segment import SEGMENT_HEADER_BYTES, segment_bases, segment_name
from logkeep.settings import QueueSettings

CHECK_EVERY_NS = 50 * NS_PER_MS  # what other processes may add unseen in between is small against any cap
RETRY_AFTER_S = 5


def queue_full(why: str) -> BackendUnavailable:
    return BackendUnavailable(
        f"the queue is full: {why}; nothing was stored, try later", code="queue_full", retry_after_s=RETRY_AFTER_S
    )


class Room:
    """The cap on the queue folder, all partitions and processes together. Safe from many threads."""

    def __init__(self, folder: Path, settings: QueueSettings, disk: Disk, clock: Clock) -> None:
        self._folder = folder
        self._settings = settings
        self._disk = disk
        self._clock = clock
        self._lock = threading.Lock()
        self._checked_ns: int | None = None
        self._used_bytes = 0
        self._free_bytes = 0

    def take(self, size: int) -> None:
        """`size` bytes are about to be written. Raises BackendUnavailable (queue_full), then they are not counted."""
        with self._lock:
            now_ns = self._clock.monotonic_ns()
            if self._checked_ns is None or now_ns - self._checked_ns >= CHECK_EVERY_NS:
                self._look(now_ns)
            if self._used_bytes + size > self._settings.bytes_max:
                raise queue_full(f"{self._used_bytes:,} bytes and {size:,} more exceed {self._settings.bytes_max:,}")
            if self._free_bytes - size < self._settings.free_bytes_min:
                raise queue_full(
                    f"the disk has {self._free_bytes:,} bytes free and must keep {self._settings.free_bytes_min:,}"
                )
            self._used_bytes += size
            self._free_bytes -= size

    def look_again(self) -> None:
        """Something was removed: the next `take` looks at the disk."""
        self._checked_ns = None

    def _look(self, now_ns: int) -> None:
        try:
            self._used_bytes = self.used_bytes()
            self._free_bytes = self._disk.free_bytes(self._folder)
        except OSError as error:
            raise BackendUnavailable(f"cannot look at {self._folder}: {error}; try later") from error
        self._checked_ns = now_ns

    def used_bytes(self) -> int:
        """Bytes of all segments of all partitions."""
        return sum(self._partition_bytes(name) for name in self._disk.list(self._folder))

    def _partition_bytes(self, partition: Partition) -> int:
        folder = self._folder / partition
        bases: list[Offset] = segment_bases(self._disk.list(folder))
        if not bases:
            return 0
        try:
            last_bytes = self._disk.size(folder / segment_name(bases[-1]))
        except FileNotFoundError:
            last_bytes = 0
        # All but the last end where the next one starts: no look at each of hundreds of files.
        return bases[-1] - bases[0] + SEGMENT_HEADER_BYTES * (len(bases) - 1) + last_bytes
