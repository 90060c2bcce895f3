"""Lines → records: what starts no record is joined to the one before, so a stack trace stays in one piece."""

from collections.abc import Iterable

import msgspec

from logkeep.decode.lines.record import Continuation, LogLine, Parse

RECORD_CHARS_MAX = 256 * 1024  # a record that grows beyond goes on as another one, `continued`
_WHITE = (" ", "\t")


class TextLine(msgspec.Struct, gc=False, array_like=True):
    """number: of the line in its file, from 1. offset: of its first byte. cut: the rest of a line too long to hold."""

    number: int
    offset: int
    text: str
    cut: bool = False


class Record(msgspec.Struct, gc=False):
    """A parsed record and the line it starts with."""

    start: TextLine
    line: LogLine


class BadLine(msgspec.Struct, frozen=True):
    number: int
    text: str


class Joiner:
    """Takes the lines of one file in order. A record is held back until the next one starts, or `flush`."""

    def __init__(self, parse: Parse, continuation: Continuation, ignored_prefix: str = "") -> None:
        """ignored_prefix: of lines that are neither records nor part of one ("" when there are none)."""
        self._parse = parse
        self._ignored_prefix = ignored_prefix
        self._continuation = continuation
        self._open: Record | None = None
        self._more: list[str] = []
        self._chars = 0
        self._bad: list[BadLine] = []

    def feed(self, lines: Iterable[TextLine]) -> list[Record]:
        """The records that `lines` complete."""
        done: list[Record] = []
        parse = self._parse
        for text_line in lines:
            line = None if text_line.cut else parse(text_line.text)
            if line is None:
                self._continue(text_line, done)
                continue
            if self._open is not None:
                done.append(self._closed(self._open))
            self._open = Record(text_line, line)
            self._chars = len(text_line.text)
        return done

    def flush(self) -> list[Record]:
        """The record that was held back, if any."""
        if self._open is None:
            return []
        done, self._open = [self._closed(self._open)], None
        return done

    def bad_lines(self) -> list[BadLine]:
        """Lines since the last call that could not be read."""
        bad, self._bad = self._bad, []
        return bad

    def _continue(self, text_line: TextLine, done: list[Record]) -> None:
        text = text_line.text
        belongs = self._continuation == "any" or (self._continuation == "indented" and text.startswith(_WHITE))
        if self._open is None or not (belongs or text_line.cut):
            if self._ignored_prefix and text.startswith(self._ignored_prefix):
                return
            if text.strip():
                self._bad.append(BadLine(text_line.number, text))
            elif self._open is not None and self._continuation != "bad":
                self._more.append(text)
            return
        if self._chars + len(text) > RECORD_CHARS_MAX or not isinstance(self._open.line.value, str):
            self._start_another(text_line, done)
            return
        self._more.append(text)
        self._chars += len(text) + 1

    def _start_another(self, text_line: TextLine, done: list[Record]) -> None:
        """The record goes on as a second one with the first one's time, level and component."""
        assert self._open is not None
        before = self._closed(self._open)
        done.append(before)
        line = before.line
        attributes = {**line.attributes, "continued": True}
        again = msgspec.structs.replace(line, value=text_line.text, attributes=attributes)
        self._open = Record(text_line, again)
        self._chars = len(text_line.text)

    def _closed(self, record: Record) -> Record:
        if self._more:
            joined = "\n".join([record.line.value, *self._more])
            record.line.value = joined.rstrip()
            self._more = []
        return record
