"""Found events on the screen or in a pipe. What an event says never steers the terminal or a spreadsheet."""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Literal, TextIO, TypeAlias

import msgspec

from logkeep import event_csv
from logkeep.cli.client import printable

Found: TypeAlias = bytes  # one event, JSON text as the API sent it
Write: TypeAlias = Callable[[list[Found]], None]

_COLUMNS_MAX = {"time": 23, "level": 5, "component": 28, "session": 32, "key": 20}  # the value takes the rest
_STEADY_WIDTHS = {"time": 23, "level": 5, "component": 14, "session": 18, "key": 16}
_TIME_CHARS = 23  # to the millisecond, without the Z: it is always UTC
_COLOURS = {"fatal": "1;31", "error": "31", "warn": "33", "info": "", "debug": "2", "trace": "2"}


class Shown(msgspec.Struct):
    """An event as far as it is shown."""

    time: str = ""
    received: str = ""
    level: str | None = ""
    component: str | None = ""
    session: str = ""
    user: str | None = ""
    device: str | None = ""
    key: str = ""
    value: Any = None
    attributes: dict[str, Any] | None = None
    id: str = ""


_decode = msgspec.json.Decoder(Shown).decode
_encode = msgspec.json.encode


@contextmanager
def writer(format: Literal["table", "json", "ndjson", "csv"], out: TextIO, *, steady: bool = False) -> Iterator[Write]:
    """Writes pages of events to `out`; a JSON array is closed at the end.

    steady: the widths of a table's columns do not follow the first page, which may be a single event.
    """
    if format == "table":
        yield _Table(out, _STEADY_WIDTHS if steady else None)
    elif format == "csv":
        yield _csv(out)
    elif format == "ndjson":
        yield lambda page: _write_text(out, "".join(f"{json_text(event, out)}\n" for event in page))
    else:
        begun = False

        def write(page: list[Found]) -> None:
            nonlocal begun
            for event in page:
                _write_text(out, (",\n " if begun else "[\n ") + json_text(event, out))
                begun = True

        yield write
        out.write("\n]\n" if begun else "[]\n")


def _write_text(out: TextIO, text: str) -> None:
    out.write(text)


def json_text(event: Found, out: TextIO) -> str:
    """JSON text; on a terminal, what would steer it (C1 controls, direction marks) as JSON's own escapes."""
    text = event.decode("utf-8", "replace")
    if not out.isatty() or text.isprintable():
        return text
    return "".join(c if c.isprintable() else _json_escape(c) for c in text)


def _json_escape(char: str) -> str:
    units = char.encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{units[place : place + 4]}" for place in range(0, len(units), 4))


def value_text(value: Any) -> str:
    return value if isinstance(value, str) else _encode(value).decode()


class _Table:
    """One line an event: time, level, component, session, key, value. Widths are those of the first page."""

    def __init__(self, out: TextIO, widths: dict[str, int] | None = None) -> None:
        self._out = out
        self._terminal = out.isatty()
        self._colour = self._terminal and not os.environ.get("NO_COLOR")
        self._widths: dict[str, int] = {}
        self._given = widths

    def __call__(self, page: list[Found]) -> None:
        events = [_decode(event) for event in page]
        rows = [{name: printable(getattr(event, name) or "") for name in _COLUMNS_MAX} for event in events]
        for row in rows:
            row["time"] = row["time"][:_TIME_CHARS]
        if not self._widths:
            self._begin(rows)
        for event, row in zip(events, rows, strict=True):
            self._out.write(self._line(event, row))

    def _begin(self, rows: list[dict[str, str]]) -> None:
        for name, most in _COLUMNS_MAX.items():
            fitting = min(most, max([len(name), *(len(row[name]) for row in rows)]))
            self._widths[name] = self._given[name] if self._given else fitting
        head = "  ".join(name.upper().ljust(self._widths[name]) for name in _COLUMNS_MAX) + "  VALUE"
        self._out.write(f"\033[1m{head}\033[0m\n" if self._colour else f"{head}\n")

    def _line(self, event: Shown, row: dict[str, str]) -> str:
        cells = [_fitted(row[name], self._widths[name]) for name in _COLUMNS_MAX]
        value = printable(value_text(event.value))
        if self._terminal:  # a line an event: the whole value is a `--format ndjson` away
            left = max(20, shutil.get_terminal_size().columns - sum(map(len, cells)) - 2 * len(cells))
            value = _cut(value, left)
        line = "  ".join([*cells, value])
        colour = _COLOURS.get(event.level or "", "") if self._colour else ""
        return f"\033[{colour}m{line}\033[0m\n" if colour else f"{line}\n"


def _fitted(text: str, width: int) -> str:
    return _cut(text, width).ljust(width)


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 1] + "…"


def _csv(out: TextIO) -> Write:
    out.write(event_csv.head())
    return lambda page: _write_text(out, event_csv.lines(b"[" + b",".join(page) + b"]"))
