"""The disk as a seam: every byte of the queue goes through a `Disk`, so power loss is a unit test.

The rules of POSIX that the queue relies on, and that the simulated disk in tests/simulation breaks on purpose:
appended bytes are durable only after `sync`; a new or renamed name only after `sync_names` of its folder.
"""

import contextlib
import fcntl
import mmap
import os
from pathlib import Path
from typing import Protocol

MARK_BYTES = 16  # a value and its complement, 8 bytes each: whoever reads in the middle of a store can tell
MARK_STEP_MAX = 1 << 40  # between two values of a mark; more is damage
_MARK_COMPLEMENT = (1 << 64) - 1


class DiskFile(Protocol):
    """A file open for appending. Not safe for two threads at once."""

    def append(self, data: bytes) -> None:
        """Write all of `data` at the end; in the page cache, not durable. Raises OSError (ENOSPC, EIO …)."""
        ...

    def sync(self) -> None:
        """All that was appended is durable. Raises OSError: what is on disk is then unknown, never retry."""
        ...

    def rewrite(self, offset: int, data: bytes) -> None:
        """Write `data` over what stands at `offset`, all of it before the end; durable after the next `sync`.

        After a failed fsync the kernel may hold bytes as clean that never reached the disk: a later fsync succeeds and
        saves nothing. Writing the same bytes again makes it save them.
        """
        ...

    def size(self) -> int: ...

    def truncate(self, size: int) -> None:
        """Cut to `size` bytes; durable after the next `sync`."""
        ...

    def close(self) -> None: ...


class DiskMark(Protocol):
    """One number shared by processes on one machine, as cheap as memory. Never durable: a crash may bring back any
    value it had before, or none."""

    def load(self) -> int | None:
        """The number, 0 to 2**64 - 1, of the last store that is complete: those of one mark grow. None when there is
        none yet, or a store began and ended meanwhile."""
        ...

    def store(self, value: int) -> None: ...

    def close(self) -> None: ...


class DiskLock(Protocol):
    def release(self) -> None: ...


class Disk(Protocol):
    def open_append(self, path: Path) -> DiskFile:
        """The file, made if it is not there (the name is durable after `sync_names`)."""
        ...

    def read(self, path: Path, offset: int, length: int) -> bytes:
        """Up to `length` bytes from `offset`; fewer at the end of the file. Raises FileNotFoundError."""
        ...

    def size(self, path: Path) -> int: ...

    def write_atomically(self, path: Path, data: bytes) -> None:
        """`path` holds exactly `data`, durable on return; a reader or a crash sees the old or the new, never a mix."""
        ...

    def make_folder(self, path: Path) -> None:
        """The folder and its parents are there, their names durable."""
        ...

    def list(self, folder: Path) -> list[str]:
        """Names in `folder`, sorted; empty when it is not there."""
        ...

    def remove(self, path: Path) -> None: ...

    def sync_names(self, folder: Path) -> None:
        """Names made, renamed or removed in `folder` are durable."""
        ...

    def free_bytes(self, folder: Path) -> int: ...

    def open_mark(self, path: Path, *, write: bool) -> DiskMark:
        """The number in `path`. write: made if it is not there, and `store` is allowed.

        Raises OSError: FileNotFoundError when it is not there (or not whole yet) and `write` is False.
        """
        ...

    def try_lock(self, path: Path) -> DiskLock | None:
        """The lock of `path` until released or the process is gone, however it dies; None when another holds it."""
        ...


class _SystemFile:
    def __init__(self, path: Path) -> None:
        # No O_APPEND: Linux would turn the pwrite of `rewrite` into an append.
        self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._size = os.fstat(self._fd).st_size

    def append(self, data: bytes) -> None:
        view = memoryview(data)
        while view:  # a short write is legal: near ENOSPC it happens
            written = os.pwrite(self._fd, view, self._size)
            self._size += written
            view = view[written:]

    def rewrite(self, offset: int, data: bytes) -> None:
        assert offset + len(data) <= self._size, "rewrite stays inside the file"
        view = memoryview(data)
        while view:
            written = os.pwrite(self._fd, view, offset)
            offset += written
            view = view[written:]

    def sync(self) -> None:
        os.fdatasync(self._fd)

    def size(self) -> int:
        return self._size

    def truncate(self, size: int) -> None:
        os.ftruncate(self._fd, size)
        self._size = size

    def close(self) -> None:
        os.close(self._fd)


class _SystemMark:
    """Two aligned 8-byte words of a mapped file: a store is two plain memory writes, and never lets go of the GIL.

    Between the two its process may be put to sleep by others, or die. The second word then tells the value before.
    """

    def __init__(self, path: Path, write: bool) -> None:
        fd = os.open(path, (os.O_RDWR | os.O_CREAT if write else os.O_RDONLY) | os.O_CLOEXEC, 0o600)
        try:
            if os.fstat(fd).st_size < MARK_BYTES:
                if not write:
                    raise FileNotFoundError(f"{path} is not whole yet")
                # Its block is allocated before it is mapped: a store into a hole of a full disk kills with SIGBUS.
                os.pwrite(fd, bytes(MARK_BYTES), 0)
                os.fsync(fd)
            self._map = mmap.mmap(fd, MARK_BYTES, access=mmap.ACCESS_WRITE if write else mmap.ACCESS_READ)
        finally:
            os.close(fd)
        self._view = memoryview(self._map)
        self._words = self._view.cast("Q")

    def load(self) -> int | None:
        begun = self._words[0]
        complete = self._words[1] ^ _MARK_COMPLEMENT
        return complete if 0 <= begun - complete <= MARK_STEP_MAX else None

    def store(self, value: int) -> None:
        self._words[0] = value
        self._words[1] = value ^ _MARK_COMPLEMENT

    def close(self) -> None:
        self._words.release()
        self._view.release()
        self._map.close()


class _SystemLock:
    def __init__(self, fd: int) -> None:
        self._fd = fd

    def release(self) -> None:
        os.close(self._fd)


class SystemDisk:
    """The machine's own file system."""

    def open_append(self, path: Path) -> DiskFile:
        return _SystemFile(path)

    def read(self, path: Path, offset: int, length: int) -> bytes:
        with open(path, "rb", buffering=0) as file:
            file.seek(offset)
            chunks = []
            while length > 0 and (chunk := file.read(length)):
                chunks.append(chunk)
                length -= len(chunk)
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)

    def size(self, path: Path) -> int:
        return path.stat().st_size

    def write_atomically(self, path: Path, data: bytes) -> None:
        temporary = path.with_name(path.name + ".tmp")
        try:
            self._write_synced(temporary, data)
            os.replace(temporary, path)
        except OSError:
            with contextlib.suppress(OSError):  # half a file on a full disk would only make it fuller
                temporary.unlink()
            raise
        self.sync_names(path.parent)

    @staticmethod
    def _write_synced(path: Path, data: bytes) -> None:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            view = memoryview(data)
            while view:
                view = view[os.write(fd, view) :]
            os.fsync(fd)
        finally:
            os.close(fd)

    def make_folder(self, path: Path) -> None:
        missing = [p for p in (path, *path.parents) if not p.exists()]
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
        for made in missing:
            self.sync_names(made.parent)

    def list(self, folder: Path) -> list[str]:
        try:
            return sorted(os.listdir(folder))
        except FileNotFoundError:
            return []

    def remove(self, path: Path) -> None:
        path.unlink(missing_ok=True)

    def sync_names(self, folder: Path) -> None:
        fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)

    def free_bytes(self, folder: Path) -> int:
        status = os.statvfs(folder)
        return status.f_bavail * status.f_frsize

    def open_mark(self, path: Path, *, write: bool) -> DiskMark:
        return _SystemMark(path, write)

    def try_lock(self, path: Path) -> DiskLock | None:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(fd)
            return None
        except OSError:
            os.close(fd)
            raise
        return _SystemLock(fd)
