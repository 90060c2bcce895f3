"""Files around the embedded engine: the lock that keeps others off a folder, and how a batch is handed over."""

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from logkeep.errors import BackendUnavailable
from logkeep.store.clickhouse_sql import text_literal


def lock_folder(folder: Path) -> IO[bytes]:
    """The open lock file of `folder`, made if need be; closing it lets go. Raises BackendUnavailable."""
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        file = open(folder / "lock", "ab")  # noqa: SIM115 - open for as long as the store is
    except OSError as error:
        raise BackendUnavailable(f"the store's folder {folder} cannot be written: {error}") from error
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        file.close()
        raise BackendUnavailable(
            f"the store in {folder} is in use by another process; stop that one first", code="store_in_use"
        ) from error
    return file


def file_source(path: str, form: str, structure: str) -> str:
    return f"file({text_literal(path)}, '{form}', {text_literal(structure)})"


@contextmanager
def memory_file(content: bytes) -> Iterator[str]:
    """A path the engine can read `content` from, gone afterwards. In memory where the system can do that."""
    if hasattr(os, "memfd_create"):
        with open(os.memfd_create("logkeep", os.MFD_CLOEXEC), "wb", buffering=0) as file:
            _write_all(file.fileno(), content)
            yield f"/proc/self/fd/{file.fileno()}"
        return
    with tempfile.NamedTemporaryFile() as named:
        _write_all(named.fileno(), content)
        yield named.name


def _write_all(fd: int, content: bytes) -> None:
    view = memoryview(content)
    while view:
        view = view[os.write(fd, view) :]
