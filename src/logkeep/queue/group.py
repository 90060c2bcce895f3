"""What a group has committed, in one small file each, replaced as a whole.

bytes 0–3   "LKG1"
bytes 4–7   CRC-32 of the rest, little-endian
then        msgpack of `Commit`
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
from logkeep.queue.port import Commit, Offset, Partition

MAGIC = b"LKG1"
METADATA_BYTES_MAX = 1 << 20
_FILE_BYTES_MAX = 4 << 20
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Commit).decode


def checked_name(name: str) -> str:
    """`name`, fit to be a file's. Raises InputError."""
    if not _NAME.fullmatch(name):
        raise InputError(f"{name!r} is no name of a partition or group; use 1 to 64 of a-z, 0-9, - and _")
    return name


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

    def read(self, group: str) -> Commit:
        """What `group` has committed; nothing when it is new. Raises CorruptData."""
        try:
            data = self._disk.read(self._folder / checked_name(group), 0, _FILE_BYTES_MAX)
        except FileNotFoundError:
            return Commit({}, b"")
        except OSError as error:
            raise BackendUnavailable(f"cannot read the commits of group {group}: {error}") from error
        if data[:4] != MAGIC or data[4:8] != crc32(data[8:]).to_bytes(4, "little"):
            raise CorruptData(f"the commits of group {group} are damaged; {self._remedy(group)}")
        try:
            return _decode(data[8:])
        except msgspec.MsgspecError as error:
            raise CorruptData(f"the commits of group {group} cannot be read: {error}; {self._remedy(group)}") from error

    def _remedy(self, group: str) -> str:
        return f"remove {self._folder / group} to process again what the queue still holds"

    def advance(self, group: str, offsets: Mapping[Partition, Offset], metadata: bytes) -> None:
        """The larger of old and new offsets, and `metadata`, are durable as one."""
        if len(metadata) > METADATA_BYTES_MAX:
            raise InputError(f"metadata of {len(metadata):,} bytes exceeds {METADATA_BYTES_MAX:,}; keep less of it")
        with self._lock:
            merged = dict(self.read(group).offsets)
            for partition, offset in offsets.items():
                merged[checked_name(partition)] = max(offset, merged.get(partition, 0))
            body = _encode(Commit(merged, metadata))
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
        offsets = [self.read(name).offsets.get(partition, 0) for name in self.names()]
        return min(offsets, default=None)

    def greatest(self, partition: Partition) -> Offset:
        """The largest offset any group has committed; 0 when none has. A damaged group is left out: intake goes on."""
        largest = 0
        for name in self.names():
            with contextlib.suppress(CorruptData, BackendUnavailable):
                largest = max(largest, self.read(name).offsets.get(partition, 0))
        return largest
