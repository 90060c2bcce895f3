"""The disk as a seam: every byte of the queue goes through a `Disk`, so power loss is a unit test.

The rules of POSIX that the queue relies on, and that the simulated disk in tests/simulation breaks on purpose:
appended bytes are durable only after `sync`; a new or renamed name only after `sync_names` of its folder.
"""

import os
from pathlib import Path
from typing import Protocol


class DiskFile(Protocol):
    """A file open for appending. Not safe for two threads at once."""

    def append(self, data: bytes) -> None:
        """Write all of `data` at the end; in the page cache, not durable. Raises OSError (ENOSPC, EIO …)."""
        ...

    def sync(self) -> None:
        """All that was appended is durable. Raises OSError: what is on disk is then unknown, never retry."""
        ...

    def size(self) -> int: ...

    def truncate(self, size: int) -> None:
        """Cut to `size` bytes; durable after the next `sync`."""
        ...

    def close(self) -> None: ...


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


class _SystemFile:
    def __init__(self, path: Path) -> None:
        self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self._size = os.fstat(self._fd).st_size

    def append(self, data: bytes) -> None:
        view = memoryview(data)
        while view:  # a short write is legal: near ENOSPC it happens
            written = os.write(self._fd, view)
            self._size += written
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
        fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            view = memoryview(data)
            while view:
                view = view[os.write(fd, view) :]
            os.fsync(fd)
        finally:
            os.close(fd)
        os.replace(temporary, path)
        self.sync_names(path.parent)

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
