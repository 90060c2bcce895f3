"""Which requests with an Idempotency-Key were taken already: one sent again is neither refused by limits nor counted
twice.

A file that the receivers of a machine have mapped into their memory, little-endian, 4 MiB: SLOTS slots of 16 bytes – 12
of the batch's id, u32 when it is forgotten (s UTC, 0: free). A batch has one of the WAYS slots that its id names; where
others have taken all of these, the one that is forgotten first makes room. Nothing is locked and nothing is synced: a
slot that two write at once names neither batch, and what is not found costs its sender its quota once more, nothing
else. What is stored once is the processor's to say.
"""

import mmap
import os
import struct
from pathlib import Path

from logkeep.clock import NS_PER_S, Clock
from logkeep.errors import BackendUnavailable

SLOTS = 1 << 18
WAYS = 16
KEPT_S = 86_400  # from when it was taken: not longer than the store remembers it
_SLOT = struct.Struct("<12sI")
_SLOT_BYTES = _SLOT.size
_GROUPS = SLOTS // WAYS


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
            os.posix_fallocate(self._file, 0, SLOTS * _SLOT_BYTES)
            self._slots = mmap.mmap(self._file, SLOTS * _SLOT_BYTES)
        except OSError as error:
            raise BackendUnavailable(f"cannot use {path} for replays: {error.strerror or error}") from error

    def taken(self, batch_id: str) -> None:
        """It is durable. batch_id: 24 hex digits. One that is known already stays so from its first time."""
        if self.knows(batch_id):
            return
        name, now_s = bytes.fromhex(batch_id), self._now_s()
        start = self._group(name)
        ends = [end for _, end in _SLOT.iter_unpack(self._slots[start : start + WAYS * _SLOT_BYTES])]
        at = start + ends.index(min(ends)) * _SLOT_BYTES
        self._slots[at : at + _SLOT_BYTES] = _SLOT.pack(name, now_s + KEPT_S)

    def knows(self, batch_id: str) -> bool:
        """Whether it was taken by a receiver of this machine in the last KEPT_S."""
        name, now_s = bytes.fromhex(batch_id), self._now_s()
        start = self._group(name)
        slots = _SLOT.iter_unpack(self._slots[start : start + WAYS * _SLOT_BYTES])
        return any(found == name and now_s < end <= now_s + KEPT_S for found, end in slots)

    def close(self) -> None:
        self._slots.close()
        os.close(self._file)

    def _group(self, name: bytes) -> int:
        return int.from_bytes(name[:4], "little") % _GROUPS * WAYS * _SLOT_BYTES

    def _now_s(self) -> int:
        return self._clock.now_ns() // NS_PER_S
