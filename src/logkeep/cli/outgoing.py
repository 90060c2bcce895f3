"""Records of log files → Logkeep events, encoded: sessions, ids, times, and what the person asked to override."""

import hashlib
import re
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from logkeep.clock import NS_PER_DAY
from logkeep.decode.lines import LogLine, Record, TextLine, iso_text
from logkeep.decode.lines.times import Calendar, any_time_ns
from logkeep.errors import InputError

EVENT_BYTES_MAX = 250_000  # under the receiver's 262,144 of intake.event_bytes_max; a longer text goes in parts
_PARTS_MAX = 64
_FIELD = re.compile(r"\{([^{}]+)\}")
_TIME_CHARS = {"day": 10, "hour": 13, "minute": 16}  # of an RFC 3339 text
_encode = msgspec.json.Encoder().encode


class Shift(msgspec.Struct, frozen=True):
    """Moves times so that `last_ns` becomes `now_ns`; `scale` below 1 squeezes the time before it."""

    last_ns: int
    now_ns: int
    scale: float = 1.0

    def __call__(self, time_ns: int) -> int:
        if self.scale == 1.0:
            return self.now_ns - (self.last_ns - time_ns)
        return self.now_ns - int((self.last_ns - time_ns) * self.scale)

    @classmethod
    def of(cls, first_ns: int, last_ns: int, now_ns: int, within_days: float | None) -> "Shift":
        """within_days: the whole may span this long at most; None: as long as it does."""
        span_ns = last_ns - first_ns
        if within_days is None or span_ns <= within_days * NS_PER_DAY:
            return cls(last_ns, now_ns)
        return cls(last_ns, now_ns, within_days * NS_PER_DAY / span_ns)


class Overrides(msgspec.Struct, frozen=True):
    """What the person said about the events. session, session_default: templates; session_regex: its pattern."""

    component: str = ""
    key: str = ""
    session: str = ""
    session_regex: str = ""
    session_default: str = "{file}"
    ids: bool = True


class Sessions:
    """Finds the session of a record: the template's, else the line's own, else the default's."""

    def __init__(self, overrides: Overrides, file_name: str) -> None:
        """Raises InputError when a template or the pattern cannot be read."""
        self._file = file_name
        self._default = _template(overrides.session_default)
        try:
            self._search = re.compile(overrides.session_regex).search if overrides.session_regex else None
        except re.error as error:
            raise InputError(f"--session-regex {overrides.session_regex!r} is not one: {error}") from error
        self._template = _template(overrides.session or ("{match}" if overrides.session_regex else ""))
        self._run = 0  # number of the first line of the run of lines without a session of their own

    def of(self, start: TextLine, line: LogLine) -> str:
        found = self._own(start, line)
        if found:
            self._run = 0
            return found
        self._run = self._run or start.number
        return self._default(self._lookup(start, line, "")) or self._file

    def _own(self, start: TextLine, line: LogLine) -> str:
        if self._template.fields == () and not self._template.text:
            return line.session
        if self._template.fields == ():
            return self._template.text
        matched = ""
        if self._search is not None:
            found = self._search(start.text)
            if found is None:
                return ""
            matched = next((group for group in found.groups() if group), found[0])
        return self._template(self._lookup(start, line, matched))

    def _lookup(self, start: TextLine, line: LogLine, matched: str) -> Callable[[str], str]:
        def lookup(name: str) -> str:
            if name == "match":
                return matched
            if name in line.attributes:
                return str(line.attributes[name])
            if name in ("component", "level", "user", "device", "session", "key"):
                return str(getattr(line, name))
            if name in _TIME_CHARS:
                return iso_text(line.time_ns)[: _TIME_CHARS[name]] if line.time_ns is not None else ""
            if name == "file":
                return self._file
            return str({"line": start.number, "run": self._run}.get(name, ""))

        return lookup


class _Template(msgspec.Struct, frozen=True):
    """`text` with `{name}`s; empty as a whole when one of them is empty."""

    text: str
    fields: tuple[str, ...]

    def __call__(self, lookup: Callable[[str], str]) -> str:
        values = {name: lookup(name) for name in self.fields}
        if not all(values.values()):
            return ""
        return _FIELD.sub(lambda found: values[found[1]], self.text)


def _template(text: str) -> _Template:
    if text.replace("{", "").replace("}", "") != _FIELD.sub(lambda found: found[1], text):
        raise InputError(f"the session {text!r} has a brace without its partner; write fields as {{name}}")
    return _Template(text, tuple(dict.fromkeys(_FIELD.findall(text))))


class _Wire(msgspec.Struct, omit_defaults=True):
    """What goes out; the fields of CONTRACT.md's event."""

    session: str
    key: str
    value: Any
    time: int | None = None
    level: str = ""
    component: str = ""
    user: str = ""
    device: str = ""
    attributes: dict[str, Any] = {}
    id: str = ""


class Ids:
    """Ids that come out the same when the same file of the same machine is sent again, in order of its lines.

    12 hex digits each of machine and path, of the byte offset, and of the first line, so that a file that begins anew
    with other lines gets other ids. Readers order events of one time by id: with the offset in front of the line, the
    lines of one second stay in their order. `generation` tells apart what has the same name and place but is another
    thing: rotations seen, and each run on standard input, since two runs are two even when they print the same.
    """

    def __init__(self, path: str, generation: str) -> None:
        name = f"{socket.gethostname()}\0{Path(path).absolute()}\0{generation}"
        self._file = _digest(name.encode("utf-8", "surrogateescape"))

    def of(self, start: TextLine) -> str:
        return f"{self._file}{start.offset:012x}{_digest(start.text.encode('utf-8', 'surrogatepass'))}"


def _digest(data: bytes) -> str:
    return hashlib.blake2b(data, digest_size=6).hexdigest()


class EventMaker:
    """Turns the records of one file into encoded events."""

    def __init__(
        self, overrides: Overrides, file_name: str, default_key: str, ids: Ids | None, shift: Shift | None
    ) -> None:
        self._sessions = Sessions(overrides, file_name)
        self._overrides = overrides
        self._component = overrides.component
        self._fallback_component = Path(file_name).name.split(".")[0] or file_name
        self._key = overrides.key or default_key
        self._ids = ids
        self._shift = shift

    def events(self, record: Record) -> list[bytes]:
        """One event; several when its text is longer than an event may be."""
        start, line = record.start, record.line
        if line.time_ns is not None and self._shift is not None:
            line.time_ns = self._shift(line.time_ns)
        wire = _Wire(
            self._sessions.of(start, line),
            self._overrides.key or line.key or self._key,
            line.value,
            line.time_ns,
            line.level,
            self._component or line.component or self._fallback_component,
            line.user,
            line.device,
            line.attributes,
            self._ids.of(start) if self._ids is not None else "",
        )
        encoded = _encode(wire)
        if len(encoded) <= EVENT_BYTES_MAX or not isinstance(wire.value, str):
            return [encoded]
        return _in_parts(wire)


def _in_parts(wire: _Wire) -> list[bytes]:
    """Events of one record whose text is cut into pieces that fit; `part` counts them from 1."""
    assert isinstance(wire.value, str)
    chars = len(wire.value)
    for parts in (2**n for n in range(1, _PARTS_MAX.bit_length())):
        step = -(-chars // parts)
        made = [
            _encode(
                msgspec.structs.replace(
                    wire,
                    value=wire.value[place * step : (place + 1) * step],
                    attributes={**wire.attributes, "part": place + 1},
                    id=f"{wire.id}-{place + 1:02}" if wire.id else "",
                )
            )
            for place in range(parts)
        ]
        if max(map(len, made)) <= EVENT_BYTES_MAX:
            return made
    return [_encode(wire)]  # its attributes alone are too large; the service says so


class _Named(msgspec.Struct):
    """Just enough of an event to see whether it has an id; everything else is skipped by the decoder."""

    id: Any = None


_decode_named = msgspec.json.Decoder(_Named).decode
_decode_object = msgspec.json.Decoder(dict[str, Any]).decode


class NativeEvents:
    """Logkeep's own events, one JSON object a line, sent as they are but for an id when they have none.

    Session, key and component the person gave fill in what an event lacks.
    """

    def __init__(self, overrides: Overrides, file_name: str, ids: Ids | None, shift: Shift | None) -> None:
        self._fill = {
            name: value
            for name, value in (
                ("session", overrides.session),
                ("key", overrides.key),
                ("component", overrides.component),
            )
            if value
        }
        self._ids = ids
        self._shift = shift

    def event(self, start: TextLine) -> bytes | None:
        """None when the line is no JSON object."""
        text = start.text.strip()
        try:
            if self._fill or self._shift is not None:
                return self._changed(start, _decode_object(text))
            named = _decode_named(text)
        except (msgspec.DecodeError, RecursionError, UnicodeEncodeError):
            return None
        encoded = text.encode("utf-8", "surrogatepass")
        if named.id is not None or self._ids is None or text[1:].lstrip().startswith("}"):
            return encoded
        return b'{"id":"%s",' % self._ids.of(start).encode() + encoded[1:]

    def _changed(self, start: TextLine, event: dict[str, Any]) -> bytes:
        event = {**self._fill, **event}
        if self._ids is not None and event.get("id") is None:
            event["id"] = self._ids.of(start)
        if self._shift is not None and (time_ns := time_of(event)) is not None:
            event.pop("timestamp", None)
            event["time"] = self._shift(time_ns)
        return _encode(event)


def time_of(event: dict[str, Any]) -> int | None:
    """ns UTC of an event's `time` or `timestamp`."""
    calendar = Calendar(not_after_ns=0)
    return any_time_ns(event["time"] if event.get("time") is not None else event.get("timestamp"), calendar)


def native_time(text: str) -> int | None:
    try:
        return time_of(_decode_object(text))
    except (msgspec.DecodeError, RecursionError, UnicodeEncodeError):
        return None
