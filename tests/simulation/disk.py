"""A disk that keeps only what POSIX promises: what was not synced may be there after a power cut, in part, or not.

A seeded `Random` decides what of it survives, so a run is repeated by its seed.
"""

import errno
from pathlib import Path
from random import Random

SECTOR = 64  # bytes written whole or not at all; far under a real disk's, so that small records tear too


class PowerLoss(BaseException):
    """The machine is gone in the middle of an operation; not an Exception, so that nothing handles it."""


class Inode:
    """A file's bytes as programs see them, as they are on the disk, and the changes since, in order."""

    def __init__(self) -> None:
        self.cache = bytearray()
        self.durable = bytearray()
        self.pending: list[tuple[str, int, bytes]] = []

    def write(self, offset: int, data: bytes) -> None:
        self.cache[offset : offset + len(data)] = data
        self.pending.append(("write", offset, data))

    def truncate(self, size: int) -> None:
        del self.cache[size:]
        self.pending.append(("truncate", size, b""))

    def sync(self) -> None:
        self.durable = bytearray(self.cache) if not self.lost_writes else self._with_pending()
        self.pending.clear()

    # Set by a failed fsync: what programs see is no longer what a sync would save.
    lost_writes = False

    def _with_pending(self) -> bytearray:
        durable = bytearray(self.durable)
        for kind, offset, data in self.pending:
            if kind == "truncate":
                del durable[offset:]
            else:
                durable.extend(bytes(max(0, offset - len(durable))))
                durable[offset : offset + len(data)] = data
        return durable

    def fail_sync(self, random: Random) -> None:
        """Some of what was pending is saved; the rest is held for clean and never will be."""
        self.durable = self.after_power_loss(random, keep_truncates=True)
        self.pending.clear()
        self.lost_writes = True

    def after_power_loss(self, random: Random, *, keep_truncates: bool = False) -> bytearray:
        survivor = bytearray(self.durable)
        for kind, offset, data in self.pending:
            if kind == "truncate":
                if keep_truncates or random.random() < 0.5:
                    del survivor[offset:]
            else:
                self._tear(survivor, offset, data, random)
        return survivor

    @staticmethod
    def _tear(survivor: bytearray, offset: int, data: bytes, random: Random) -> None:
        fate = random.choice(("none", "all", "prefix", "sectors", "size only"))
        if fate == "none":
            return
        end = offset + len(data) if fate != "prefix" else offset + random.randrange(len(data) + 1)
        old = len(survivor)
        survivor.extend(bytes(max(0, end - old)))
        for start in range(offset, end, SECTOR):
            stop = min(start + SECTOR, end)
            if fate in ("all", "prefix") or (fate == "sectors" and random.random() < 0.5):
                survivor[start:stop] = data[start - offset : stop - offset]
            elif start >= old and random.random() < 0.3:  # never-written blocks: zeros, or what was there before
                survivor[start:stop] = random.randbytes(stop - start)


class SimulatedDisk:
    """A `Disk`. `crash_at` counts operations that change something; at that one power is lost, part of it done.

    fail: operation number → errno, for a failing write, fsync or rename. capacity_bytes: of all files.
    """

    def __init__(self, random: Random) -> None:
        self.random = random
        self.names: dict[Path, Inode] = {}
        self.durable_names: dict[Path, Inode] = {}
        self.pending_names: list[tuple[Path, str, Inode | None]] = []
        self.folders: set[Path] = set()
        self.marks: dict[Path, list[int]] = {}
        self.locks: set[Path] = set()
        self.operations = 0
        self.crash_at: int | None = None
        self.fail: dict[int, int] = {}
        self.capacity_bytes = 1 << 40
        self.dead = False
        self.syncs = 0

    # Crashes

    def _operation(self) -> int | None:
        """Counts one; the errno it shall fail with. Raises PowerLoss before it happens (see `_crashes_within`)."""
        self._alive()
        self.operations += 1
        if self.operations == self.crash_at and self.random.random() < 0.5:
            self.dead = True
            raise PowerLoss
        return self.fail.get(self.operations)

    def _after(self) -> None:
        """Raises PowerLoss when it strikes at the end of this operation: it is done, and nobody was told."""
        if self.operations == self.crash_at:
            self.dead = True
            raise PowerLoss

    def _alive(self) -> None:
        if self.dead:
            raise PowerLoss

    def after_power_loss(self) -> "SimulatedDisk":
        """The same disk when the machine is on again."""
        other = self._successor()
        names = dict(self.durable_names)
        for path, kind, inode in self.pending_names:
            if self.random.random() < 0.5:
                _apply_name(names, path, kind, inode)
        for path, inode in names.items():
            survivor = Inode()
            survivor.cache = inode.after_power_loss(self.random)
            survivor.durable = bytearray(survivor.cache)
            other.names[path] = survivor
        other.durable_names = dict(other.names)
        for path, values in self.marks.items():
            if self.random.random() < 0.7:
                other.marks[path] = [self.random.choice(values)]
        return other

    def after_kill(self) -> "SimulatedDisk":
        """The same disk when only the process died: what it had written is there, synced or not."""
        other = self._successor()
        other.names, other.durable_names = self.names, self.durable_names
        other.pending_names, other.marks = self.pending_names, self.marks
        return other

    def _successor(self) -> "SimulatedDisk":
        other = SimulatedDisk(self.random)
        other.folders = set(self.folders)
        return other

    # Disk

    def open_append(self, path: Path) -> "SimulatedFile":
        self._operation()
        inode = self.names.get(path)
        if inode is None:
            inode = self.names[path] = Inode()
            self.pending_names.append((path, "link", inode))
        self._after()
        return SimulatedFile(self, inode)

    def read(self, path: Path, offset: int, length: int) -> bytes:
        self._alive()
        return bytes(self._inode(path).cache[offset : offset + length])

    def size(self, path: Path) -> int:
        self._alive()
        return len(self._inode(path).cache)

    def write_atomically(self, path: Path, data: bytes) -> None:
        failure = self._operation()
        inode = Inode()
        inode.write(0, data)
        if failure == errno.ENOSPC:
            raise OSError(failure, "simulated")
        inode.sync()
        self.names[path] = inode
        self.pending_names.append((path, "link", inode))
        if failure:
            raise OSError(failure, "simulated")
        self._after_unsynced_rename()
        self._sync_names(path.parent)
        self._after()

    def _after_unsynced_rename(self) -> None:
        if self.operations == self.crash_at and self.random.random() < 0.5:
            self.dead = True
            raise PowerLoss

    def make_folder(self, path: Path) -> None:
        self._alive()
        self.folders.update((path, *path.parents))

    def list(self, folder: Path) -> list[str]:
        self._alive()
        names = {path.name for path in self.names if path.parent == folder}
        return sorted(names | {path.name for path in self.folders if path.parent == folder and path != folder})

    def remove(self, path: Path) -> None:
        self._operation()
        if self.names.pop(path, None) is not None:
            self.pending_names.append((path, "unlink", None))
        self._after()

    def sync_names(self, folder: Path) -> None:
        failure = self._operation()
        if failure:
            raise OSError(failure, "simulated")
        self._sync_names(folder)
        self._after()

    def _sync_names(self, folder: Path) -> None:
        left = []
        for path, kind, inode in self.pending_names:
            if path.parent == folder:
                _apply_name(self.durable_names, path, kind, inode)
            else:
                left.append((path, kind, inode))
        self.pending_names = left

    def free_bytes(self, folder: Path) -> int:
        """More than there is: another program may take it before our write comes, so ENOSPC still strikes."""
        self._alive()
        return 1 << 40

    def open_mark(self, path: Path, *, write: bool) -> "SimulatedMark":
        self._alive()
        if path not in self.marks and not write:
            raise FileNotFoundError(path)
        return SimulatedMark(self, path)

    def try_lock(self, path: Path) -> "SimulatedLock | None":
        self._alive()
        if path in self.locks:
            return None
        self.locks.add(path)
        return SimulatedLock(self, path)

    def used_bytes(self) -> int:
        return sum(len(inode.cache) for inode in self.names.values())

    def _inode(self, path: Path) -> Inode:
        if path not in self.names:
            raise FileNotFoundError(path)
        return self.names[path]


def _apply_name(names: dict[Path, Inode], path: Path, kind: str, inode: Inode | None) -> None:
    if kind == "link":
        assert inode is not None
        names[path] = inode
    else:
        names.pop(path, None)


class SimulatedFile:
    def __init__(self, disk: SimulatedDisk, inode: Inode) -> None:
        self._disk = disk
        self._inode = inode

    def append(self, data: bytes) -> None:
        disk, inode = self._disk, self._inode
        failure = disk._operation()
        room = max(0, disk.capacity_bytes - disk.used_bytes())
        short = failure is not None or room < len(data)
        written = data[: disk.random.randrange(min(room, len(data)) + 1)] if short else data
        if disk.operations == disk.crash_at:
            written = data[: disk.random.randrange(len(data) + 1)]
        inode.write(len(inode.cache), bytes(written))
        disk._after()
        if short:
            raise OSError(failure or errno.ENOSPC, "simulated")

    def rewrite(self, offset: int, data: bytes) -> None:
        self._disk._operation()
        assert offset + len(data) <= len(self._inode.cache)
        self._inode.write(offset, data)
        self._disk._after()

    def sync(self) -> None:
        failure = self._disk._operation()
        self._disk.syncs += 1
        if failure:
            self._inode.fail_sync(self._disk.random)
            raise OSError(failure, "simulated")
        self._inode.sync()
        self._disk._after()

    def size(self) -> int:
        return len(self._inode.cache)

    def truncate(self, size: int) -> None:
        self._disk._operation()
        self._inode.truncate(size)
        self._disk._after()

    def close(self) -> None:
        pass


class SimulatedMark:
    """Any value it ever had may come back after a power cut, or none."""

    def __init__(self, disk: SimulatedDisk, path: Path) -> None:
        self._disk = disk
        self._path = path

    def load(self) -> int | None:
        self._disk._alive()
        values = self._disk.marks.get(self._path)
        return values[-1] if values else None

    def store(self, value: int) -> None:
        self._disk._operation()
        self._disk.marks.setdefault(self._path, []).append(value)
        self._disk._after()

    def close(self) -> None:
        pass


class SimulatedLock:
    def __init__(self, disk: SimulatedDisk, path: Path) -> None:
        self._disk = disk
        self._path = path

    def release(self) -> None:
        self._disk.locks.discard(self._path)
