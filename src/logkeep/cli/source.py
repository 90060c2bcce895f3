"""Log files and standard input as lines with their place, read in bounded pieces.

A followed file is read on when it grows. When its name stands for another file (rotation) the old one is read to its
end first; when it got shorter than what was read (truncation) it is read again from its start.
"""

import gzip
import os
import select
import stat
import sys
from pathlib import Path
from typing import BinaryIO, cast

from logkeep.decode.lines import RECORD_CHARS_MAX, TextLine
from logkeep.errors import InputError

CHUNK_BYTES = 256 * 1024
LINE_BYTES_MAX = RECORD_CHARS_MAX  # a longer line comes in pieces; all but the first are marked `cut`
STDIN = "-"


class Source:
    """One input. `name` is what people know it by; `size` its bytes, 0 when nobody knows; `read_bytes` so far."""

    def __init__(self, path: str, *, follow: bool = False) -> None:
        """Raises InputError when it cannot be read."""
        self.path = path
        self.name = "stdin" if path == STDIN else Path(path).name
        self.follow = follow and path != STDIN
        self.ended = False
        self.generation = 0  # counts rotations and truncations
        self.read_bytes = 0
        self._splitter = Splitter()
        self._position = 0
        self._file = self._open()
        status = os.fstat(self._file.fileno())
        self._inode = (status.st_dev, status.st_ino)
        self.live = path == STDIN and not stat.S_ISREG(status.st_mode)
        self.size = 0 if self.live or self._is_packed() else status.st_size
        self.changed_ns = status.st_mtime_ns

    def read(self, wait_s: float) -> list[TextLine]:
        """The lines of the next piece; [] when nothing came for now (`ended` tells whether for good)."""
        if self.ended:
            return []
        if self.live and not select.select([self._file], [], [], wait_s)[0]:
            return []
        try:
            chunk = os.read(self._file.fileno(), CHUNK_BYTES) if self.live else self._file.read(CHUNK_BYTES)
        except (OSError, EOFError) as error:
            raise InputError(f"cannot read {self.path}: {error}") from error
        if chunk:
            self.read_bytes += len(chunk)
            self._position += len(chunk)
            return self._splitter.split(chunk)
        if self.follow:
            return self._turn_over()
        self.ended = True
        return self._splitter.rest()

    def close(self) -> None:
        if self.path != STDIN:
            self._file.close()

    def _open(self) -> BinaryIO:
        if self.path == STDIN:
            return sys.stdin.buffer
        try:
            if self.path.endswith(".gz") and not self.follow:
                return cast(BinaryIO, gzip.open(self.path, "rb"))
            return open(self.path, "rb", buffering=0)  # closed by `close`
        except OSError as error:
            raise InputError(f"cannot read {self.path}: {error.strerror or error}") from error

    def _is_packed(self) -> bool:
        return isinstance(self._file, gzip.GzipFile)

    def _turn_over(self) -> list[TextLine]:
        """At the end of a followed file: go on with the one that took its name, or from its start after truncation."""
        try:
            status = os.stat(self.path)
        except OSError:
            return []  # between rename and creation: it comes back
        if (status.st_dev, status.st_ino) == self._inode and status.st_size >= self._position:
            return []
        rest = self._splitter.rest()
        self._file.close()
        self._file = self._open()
        status = os.fstat(self._file.fileno())
        self._inode = (status.st_dev, status.st_ino)
        self._position = 0
        self.generation += 1
        self._splitter = Splitter()
        return rest


class Splitter:
    """Bytes → lines with number and offset; undecodable bytes are replaced; a line without its end is held back."""

    def __init__(self) -> None:
        self._held = b""
        self._offset = 0
        self._number = 1
        self._cutting = False  # inside a line too long to hold

    def split(self, chunk: bytes) -> list[TextLine]:
        pieces = (self._held + chunk).split(b"\n")
        self._held = pieces.pop()
        lines = [self._line(piece) for piece in pieces]
        while len(self._held) > LINE_BYTES_MAX:
            lines.append(self._piece())
        return lines

    def rest(self) -> list[TextLine]:
        """The last line, when no line end follows it."""
        if not self._held:
            return []
        last, self._held = self._held, b""
        return [self._line(last)]

    def _line(self, piece: bytes) -> TextLine:
        line = TextLine(self._number, self._offset, self._text(piece), self._cutting)
        self._offset += len(piece) + 1
        self._number += 1
        self._cutting = False
        return line

    def _piece(self) -> TextLine:
        end = LINE_BYTES_MAX
        while end > LINE_BYTES_MAX - 4 and self._held[end] & 0xC0 == 0x80:
            end -= 1  # not within a character
        line = TextLine(self._number, self._offset, self._text(self._held[:end]), self._cutting)
        self._held = self._held[end:]
        self._offset += end
        self._cutting = True
        return line

    def _text(self, piece: bytes) -> str:
        if piece.endswith(b"\r"):
            piece = piece.rstrip(b"\r")
        if self._offset == 0 and piece[:3] == b"\xef\xbb\xbf":
            piece = piece[3:]
        return piece.decode("utf-8", "replace")
