"""What a group has committed, in one small file each, replaced as a whole.

bytes 0–3   "LKG2"
bytes 4–7   CRC-32 of the rest, little-endian
then        msgpack of its marks: partition → `Mark`

Files that begin with "LKG1" are from before marks: offsets by partition, and the bytes kept with all of them, which
are the leader's now.
"""

import contextlib
import re
import threading
from collections.abc import Mapping
from pathlib import Path

import msgspec
from isal.isal_zlib import crc32

from logkeep.disk import Disk
from logkeep.errors import BackendUnavailable, CorruptData, InputError
from logkeep.queue.port import LEADER, MARK_BYTES_MAX, Mark, Offset, Partition

MAGIC, MAGIC_BEFORE_MARKS = b"LKG2", b"LKG1"
_FILE_BYTES_MAX = 64 << 20
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")


class _CommitBeforeMarks(msgspec.Struct, frozen=True):
    offsets: dict[Partition, Offset]
    metadata: bytes


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(dict[Partition, Mark]).decode
_decode_before_marks = msgspec.msgpack.Decoder(_CommitBeforeMarks).decode


def checked_name(name: str) -> str:
    """`name`, fit to be a file's. Raises InputError."""
    if not _NAME.fullmatch(name):
        raise InputError(f"{name!r} is no name of a partition or group; use 1 to 64 of a-z, 0-9, - and _")
    return name


def merged(old: Mapping[Partition, Mark], new: Mapping[Partition, Mark]) -> dict[Partition, Mark]:
    """`old` with `new` over it; no offset goes back. Raises InputError."""
    marks = dict(old)
    for partition, mark in new.items():
        if len(mark.data) > MARK_BYTES_MAX:
            raise InputError(f"{len(mark.data):,} bytes to keep with an offset exceed {MARK_BYTES_MAX:,}; keep less")
        before = marks.get(checked_name(partition), Mark(0)).offset
        marks[partition] = mark if mark.offset >= before else Mark(before, mark.data)
    return marks


class Groups:
    """The commits of all groups in `folder`. Read from disk each time: another process may have written them."""

    def __init__(self, folder: Path, disk: Disk) -> None:
        self._folder = folder
        self._disk = disk
        self._lock = threading.Lock()
        self._doubtful: set[str] = set()  # their last commit failed: what is read is perhaps not durable
        disk.make_folder(folder)
        disk.sync_names(folder)  # a commit that is seen after kill -9 may not be durable yet

    def names(self) -> list[str]:
        return [name for name in self._disk.list(self._folder) if _NAME.fullmatch(name)]

    def read(self, group: str) -> dict[Partition, Mark]:
        """What `group` has committed; nothing when it is new. Raises CorruptData."""
        try:
            data = self._disk.read(self._folder / checked_name(group), 0, _FILE_BYTES_MAX)
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise BackendUnavailable(f"cannot read the commits of group {group}: {error}") from error
        magic = data[:4]
        if magic not in (MAGIC, MAGIC_BEFORE_MARKS) or data[4:8] != crc32(data[8:]).to_bytes(4, "little"):
            raise CorruptData(f"the commits of group {group} are damaged; {self._remedy(group)}")
        try:
            return _decode(data[8:]) if magic == MAGIC else _upgraded(data[8:])
        except msgspec.MsgspecError as error:
            raise CorruptData(f"the commits of group {group} cannot be read: {error}; {self._remedy(group)}") from error

    def offset(self, group: str, partition: Partition) -> Offset:
        """0 when it has no mark there."""
        return self.read(group).get(partition, Mark(0)).offset

    def _remedy(self, group: str) -> str:
        return f"remove {self._folder / group} to process again what the queue still holds"

    def advance(self, group: str, marks: Mapping[Partition, Mark]) -> None:
        """`marks` are durable as one, over those there are; see `merged`."""
        with self._lock:
            body = _encode(merged(self.read(group), marks))
            self._doubtful.add(group)
            try:
                self._disk.write_atomically(self._folder / group, MAGIC + crc32(body).to_bytes(4, "little") + body)
            except OSError as error:
                # Old or new stands on disk, both true: the caller's work is done, and doing it twice is allowed.
                raise BackendUnavailable(f"cannot write the commits of group {group}: {error}; try later") from error
            self._doubtful.discard(group)

    def least(self, partition: Partition) -> Offset | None:
        """The offset that every group has durably committed; None when there is no group, or one is in doubt."""
        if self._doubtful:
            return None
        offsets = [self.offset(name, partition) for name in self.names()]
        return min(offsets, default=None)

    def greatest(self, partition: Partition) -> Offset:
        """The largest offset any group has committed; 0 when none has. A damaged group is left out: intake goes on."""
        largest = 0
        for name in self.names():
            with contextlib.suppress(CorruptData, BackendUnavailable):
                largest = max(largest, self.offset(name, partition))
        return largest


def _upgraded(body: bytes) -> dict[Partition, Mark]:
    before = _decode_before_marks(body)
    marks = {partition: Mark(offset) for partition, offset in before.offsets.items()}
    return marks | ({LEADER: Mark(0, before.metadata)} if before.metadata else {})
