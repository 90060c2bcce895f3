"""Counters of one machine: a file that its processes have mapped into their memory, and a cache in each process.

The file, little-endian, 2 MiB: SLOTS slots of 32 bytes – 16 of the key's BLAKE2b, i64 when it expires (ns UTC, 0:
free), i64 its total. A key's slot is one of the WAYS that its digest names. Where others have taken all of these, the
one that expires first makes room: the file never grows, whatever is sent. Nothing is synced: the file outlives
processes, and a crash of the machine costs what was counted in the last seconds before it.
"""

import fcntl
import mmap
import os
import struct
import threading
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from hashlib import blake2b
from pathlib import Path

from logkeep.clock import NS_PER_S, Clock
from logkeep.counters.port import VALUE_BYTES_MAX, Addition
from logkeep.errors import BackendUnavailable

SLOTS = 1 << 16
WAYS = 16
TOTAL_MAX = (1 << 63) - 1
VALUES_MAX = 100_000
VALUES_BYTES_MAX = 64 << 20
_SLOT = struct.Struct("<16sqq")
_GROUPS = SLOTS // WAYS


class LocalCounters:
    """The Counters port. The file is made when it is not there; what is in it is shared with all who opened it."""

    def __init__(self, path: Path | None, clock: Clock) -> None:
        """path: None: of this process alone. Raises BackendUnavailable (the disk has no room, or no right to write)."""
        self._clock = clock
        self._lock = threading.Lock()
        self._values: OrderedDict[str, tuple[int, bytes]] = OrderedDict()
        self._values_bytes = 0
        try:
            if path is None:
                self._file = os.memfd_create("logkeep-counters")
            else:
                path.parent.mkdir(parents=True, exist_ok=True)
                self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            os.posix_fallocate(self._file, 0, SLOTS * _SLOT.size)  # a full disk is told here, not by a signal later
            self._slots = mmap.mmap(self._file, SLOTS * _SLOT.size)
        except OSError as error:
            raise BackendUnavailable(f"cannot use {path} for counters: {error.strerror or error}") from error

    def add(self, additions: Sequence[Addition]) -> list[int]:
        now_ns = self._clock.now_ns()
        with self._alone():
            return [self._add(addition, now_ns) for addition in additions]

    def _add(self, addition: Addition, now_ns: int) -> int:
        digest = _digest(addition.key)
        at, total, expires_ns = self._find(digest, now_ns)
        if not expires_ns:
            expires_ns = now_ns + int(addition.window_s * NS_PER_S)
        total = min(total + addition.amount, TOTAL_MAX)
        _SLOT.pack_into(self._slots, at, digest, expires_ns, total)
        return total

    def read(self, keys: Sequence[str]) -> list[int]:
        now_ns = self._clock.now_ns()
        with self._alone():
            return [self._find(_digest(key), now_ns)[1] for key in keys]

    def _find(self, digest: bytes, now_ns: int) -> tuple[int, int, int]:
        """Where the key's slot is or may be made, its total, and when it expires: 0 and 0 for a new one."""
        start = int.from_bytes(digest[:4], "little") % _GROUPS * WAYS * _SLOT.size
        ways = self._slots[start : start + WAYS * _SLOT.size]
        place = ways.find(digest)
        if place >= 0 and place % _SLOT.size == 0:
            _, expires_ns, total = _SLOT.unpack_from(ways, place)
            if expires_ns > now_ns:
                return start + place, total, expires_ns
        ends = [ends_ns if ends_ns > now_ns else 0 for _, ends_ns, _ in _SLOT.iter_unpack(ways)]
        return start + ends.index(min(ends)) * _SLOT.size, 0, 0

    def put(self, values: Mapping[str, bytes], ttl_s: float) -> None:
        until_ns = self._clock.monotonic_ns() + int(ttl_s * NS_PER_S)
        with self._lock:
            for key, value in values.items():
                assert len(value) <= VALUE_BYTES_MAX
                self._forget(key)
                self._values[key] = (until_ns, value)
                self._values_bytes += len(value)
            while len(self._values) > VALUES_MAX or self._values_bytes > VALUES_BYTES_MAX:
                self._forget(next(iter(self._values)))

    def get(self, keys: Sequence[str]) -> list[bytes | None]:
        now_ns = self._clock.monotonic_ns()
        with self._lock:
            found = [self._values.get(key) for key in keys]
        return [kept[1] if kept is not None and kept[0] > now_ns else None for kept in found]

    def _forget(self, key: str) -> None:
        kept = self._values.pop(key, None)
        if kept is not None:
            self._values_bytes -= len(kept[1])

    def close(self) -> None:
        with self._lock:
            self._slots.close()
            os.close(self._file)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Inside, no other thread or process is here; the kernel lets go of the lock of one that dies."""
        with self._lock:
            fcntl.flock(self._file, fcntl.LOCK_EX)
            try:
                yield
            finally:
                fcntl.flock(self._file, fcntl.LOCK_UN)


def _digest(key: str) -> bytes:
    return blake2b(key.encode("utf-8", "surrogatepass"), digest_size=16).digest()
