"""Which requests with an Idempotency-Key were taken already: one sent again is neither refused by limits nor counted
twice, and is answered as it was then.

A file that the receivers of a machine have mapped into their memory, little-endian: SLOTS slots of 16 bytes, 4 MiB – 12
of the batch's id, u32 when it is forgotten (s UTC, 0: free; odd: part of it was left out). A batch has one of the WAYS
slots that its id names; where others have taken all of these, the one that is forgotten first makes room. Behind them
CUTS slots of CUT_BYTES, 1.25 MiB, for what was left out of the last of these batches, at the place that its id names –
12 of the id, u32 CRC-32 of the rest, and a bit for each of the events, lowest first. Nothing is locked and nothing is
synced: a slot that two write at once names neither batch, and what is not found costs its sender its quota once more,
nothing else. What is stored once is the processor's to say.
"""

import mmap
import os
import struct
import zlib
from collections.abc import Collection
from pathlib import Path

from logkeep.clock import NS_PER_S, Clock
from logkeep.errors import BackendUnavailable

SLOTS = 1 << 18
WAYS = 16
KEPT_S = 86_400  # from when it was taken: not longer than the store remembers it
CUTS = 1 << 10
CUT_BYTES = 1 << 10 | 1 << 8
CUT_EVENTS_MAX = (CUT_BYTES - 16) * 8  # 10,112: of larger requests it is not kept
_SLOT = struct.Struct("<12sI")
_SLOT_BYTES = _SLOT.size
_GROUPS = SLOTS // WAYS
_CUTS_START = SLOTS * _SLOT_BYTES
_BYTES = _CUTS_START + CUTS * CUT_BYTES


class Replays:
    """For one thread of each process. A look takes 1 us."""

    def __init__(self, path: Path | None, clock: Clock) -> None:
        """path: None: of this process alone. Raises BackendUnavailable (the disk has no room, or no right to write)."""
        self._clock = clock
        try:
            if path is None:
                self._file = os.memfd_create("logkeep-replays")
            else:
                path.parent.mkdir(parents=True, exist_ok=True)
                self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            os.posix_fallocate(self._file, 0, _BYTES)
            self._slots = mmap.mmap(self._file, _BYTES)
        except OSError as error:
            raise BackendUnavailable(f"cannot use {path} for replays: {error.strerror or error}") from error

    def taken(self, batch_id: str, left_out: Collection[int] = ()) -> None:
        """It is durable, but for these of its events, by index. batch_id: 24 hex digits. One that is known already
        stays so from its first time."""
        if self.knows(batch_id):
            return
        name, now_s = bytes.fromhex(batch_id), self._now_s()
        if left_out:
            self._keep_cut(name, left_out)
        start = self._group(name)
        ends = [end for _, end in _SLOT.iter_unpack(self._slots[start : start + WAYS * _SLOT_BYTES])]
        at = start + ends.index(min(ends)) * _SLOT_BYTES
        self._slots[at : at + _SLOT_BYTES] = _SLOT.pack(name, (now_s + KEPT_S - 1) & ~1 | bool(left_out))

    def knows(self, batch_id: str) -> bool:
        """Whether it was taken by a receiver of this machine in the last KEPT_S, a second more or less."""
        return self._end(batch_id) is not None

    def left_out(self, batch_id: str) -> frozenset[int] | None:
        """Of a batch that it knows: which events were left out, by index. None: some were, but not which."""
        if not (self._end(batch_id) or 0) & 1:
            return frozenset()
        name = bytes.fromhex(batch_id)
        start = _cut(name)
        found, check = _SLOT.unpack_from(self._slots, start)
        bits = self._slots[start + _SLOT_BYTES : start + CUT_BYTES]
        if found != name or zlib.crc32(bits) != check:
            return None
        return frozenset(
            place * 8 + bit for place, byte in enumerate(bits) if byte for bit in range(8) if byte >> bit & 1
        )

    def _keep_cut(self, name: bytes, left_out: Collection[int]) -> None:
        if max(left_out) >= CUT_EVENTS_MAX:
            return
        bits = bytearray(CUT_BYTES - _SLOT_BYTES)
        for index in left_out:
            bits[index // 8] |= 1 << index % 8
        start = _cut(name)
        self._slots[start : start + CUT_BYTES] = _SLOT.pack(name, zlib.crc32(bits)) + bits

    def _end(self, batch_id: str) -> int | None:
        """Of its slot; None: it has none."""
        name, now_s = bytes.fromhex(batch_id), self._now_s()
        start = self._group(name)
        slots = _SLOT.iter_unpack(self._slots[start : start + WAYS * _SLOT_BYTES])
        return next((end for found, end in slots if found == name and now_s < end <= now_s + KEPT_S), None)

    def close(self) -> None:
        self._slots.close()
        os.close(self._file)

    def _group(self, name: bytes) -> int:
        return int.from_bytes(name[:4], "little") % _GROUPS * WAYS * _SLOT_BYTES

    def _now_s(self) -> int:
        return self._clock.now_ns() // NS_PER_S


def _cut(name: bytes) -> int:
    return _CUTS_START + int.from_bytes(name[-4:], "little") % CUTS * CUT_BYTES
