"""What was not stored, kept for its owner to look at: rejected samples and dead letters.

Both are NDJSON files of bounded size: at the bound a file is renamed to `….1`, replacing the one before. They are for
people; the counts that must be exact are in the ledger.
"""

import threading
from collections.abc import Callable, Iterable
from pathlib import Path

import msgspec

from logkeep.disk import SystemDisk

SAMPLES_BYTES_MAX = 1 << 20  # an app's newest thousand or so; a person reads the last twenty
DEAD_LETTER_BYTES_MAX = 64 << 20


class SampleFile:
    """NDJSON lines, oldest first, at most about twice `bytes_max`. Safe from many threads of one process."""

    def __init__(self, path: Path, bytes_max: int) -> None:
        self._path = path
        self._older = path.with_name(path.name + ".1")
        self._bytes_max = bytes_max
        self._lock = threading.Lock()
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)

    def append(self, items: Iterable[msgspec.Struct]) -> None:
        """The items are in the page cache: a power loss may take the last ones."""
        lines = msgspec.json.Encoder().encode_lines(list(items))
        with self._lock:
            if self._path.exists() and self._path.stat().st_size + len(lines) > self._bytes_max:
                self._path.replace(self._older)
            with open(self._path, "ab", opener=_private) as file:
                file.write(lines)

    def newest(self, limit: int) -> list[bytes]:
        """Up to `limit` lines, newest first."""
        lines: list[bytes] = []
        with self._lock:
            for path in (self._path, self._older):
                if len(lines) < limit and path.exists():
                    lines += path.read_bytes().splitlines()[::-1]
        return lines[:limit]

    def remove(self, unwanted: Callable[[bytes], bool], *, dry: bool = False) -> int:
        """How many lines are unwanted; the others alone are there, durably. dry: they are counted only."""
        removed = 0
        with self._lock:
            for path in (self._path, self._older):
                if path.exists():
                    lines = path.read_bytes().splitlines(keepends=True)
                    kept = [line for line in lines if not unwanted(line)]
                    removed += len(lines) - len(kept)
                    if len(kept) < len(lines) and not dry:
                        SystemDisk().write_atomically(path, b"".join(kept))
        return removed


def _private(path: str, flags: int) -> int:
    import os

    return os.open(path, flags, 0o600)


class Rejected(msgspec.Struct, frozen=True):
    """One rejected event: why, and how it began."""

    time: str
    reason: str
    message: str
    source: str
    text: str


class DeadLetter(msgspec.Struct, frozen=True):
    """One record the store refuses, whole, with where it came from."""

    time: str
    app: str
    partition: str
    offset: int
    message: str
    event: object


class Samples:
    """The folders of rejected samples (a file an app) and dead letters (one file)."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "rejected"
        self._files: dict[str, SampleFile] = {}
        self._dead_letters = SampleFile(folder / "dead-letters.ndjson", DEAD_LETTER_BYTES_MAX)
        self._lock = threading.Lock()

    def rejected(self, app: str) -> SampleFile:
        """The file of `app`; "" is for datagrams that no app can be named for."""
        with self._lock:
            if app not in self._files:
                name = app.encode().hex() or "unknown"
                self._files[app] = SampleFile(self._folder / f"{name}.ndjson", SAMPLES_BYTES_MAX)
            return self._files[app]

    @property
    def dead_letters(self) -> SampleFile:
        return self._dead_letters
