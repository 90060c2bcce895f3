"""What a sender wrote becomes what is stored: ids, times, levels, lengths, values.

Nothing acknowledged is refused here for a wrong optional member: it is repaired, the sender's own text kept as an
attribute, and the repair counted under a name of `Correction`.
"""

import re
from collections.abc import Iterable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from itertools import repeat
from math import isfinite
from operator import attrgetter, is_
from typing import Any, Literal

import msgspec

from logkeep.clock import NS_PER_DAY, NS_PER_S
from logkeep.event import (
    LEVEL_ALIASES,
    LEVELS,
    NAME_BYTES_MAX,
    Event,
    Scalar,
    WireEvent,
    all_told,
    attributes_json,
)

Correction = Literal[
    "time",  # unreadable, older than the retention or too far ahead: received is used, `sent_time` keeps the text
    "level",  # not a level: the attribute `sent_level` keeps it
    "name_cut",  # user, device, component or id longer than NAME_BYTES_MAX: cut
]

_LEVELS: dict[str | None, str] = {None: "", "": ""}
for _name, _level in [*zip(LEVELS, LEVELS, strict=True), *LEVEL_ALIASES.items()]:
    _LEVELS[_name] = _LEVELS[_name.upper()] = _level

Kind = Literal["text", "number", "bool", "null", "object", "array"]
_QUOTE = ord('"')
_NAME_CHARS = NAME_BYTES_MAX // 4  # cannot be more than NAME_BYTES_MAX bytes
# Decoded at once, values that are no text become objects for a moment, of up to 20 times their bytes.
_AT_ONCE_BYTES_MAX = 1 << 20
_NEVER = -(1 << 62)  # ns; before the oldest day of any retention

_decode_list = msgspec.json.Decoder(list[Any]).decode
_ONLY_TEXT = {str}
_decode_text = msgspec.json.Decoder(str).decode
_KINDS: dict[int, Kind] = {ord("{"): "object", ord("["): "array", ord("t"): "bool", ord("f"): "bool", ord("n"): "null"}


class TimeLimits(msgspec.Struct, frozen=True):
    """A sender's time is believed in oldest_ns <= time <= newest_ns."""

    oldest_ns: int
    newest_ns: int

    @classmethod
    def around(cls, now_ns: int, *, retention_days: int, future_s: float) -> "TimeLimits":
        """From the start of the oldest day kept (today counts as one) to `future_s` ahead."""
        oldest_day = now_ns // NS_PER_DAY - (retention_days - 1)
        return cls(oldest_day * NS_PER_DAY, now_ns + int(future_s * NS_PER_S))


_columns = attrgetter(
    "session", "key", "value", "time", "timestamp", "user", "device", "terminal", "component", "level", "attributes",
    "id", "update", "seq",
)  # fmt: skip


def normalise_all(
    wires: Sequence[WireEvent],
    app: str,
    made_ids: Sequence[str],
    received_ns: int,
    limits: TimeLimits,
    corrected: dict[str, int],
) -> list[Event]:
    """As `normalise` for each, a column at a time, in half the CPU. made_ids: as many as `wires`, 1 or more.

    What only few events have – numbers, levels of other systems, names that are too long – is left to `normalise`.
    """
    columns = zip(*map(_columns, wires), strict=True)
    sessions, keys, raws, times, stamps, users, devices, terminals, components, levels, attributes, *rest = columns
    ids, updates, seqs = rest
    n = len(wires)
    odd: set[int] = set()
    if seqs.count(None) != n:
        odd.update(row for row, seq in enumerate(seqs) if seq is not None)
    if stamps.count(None) != n:
        times = tuple(stamp if time is None else time for time, stamp in zip(times, stamps, strict=True))
    if terminals.count(None) != n:
        devices = tuple(map(_or, devices, terminals))
    sessions, *names = (
        column if all_told(column) else tuple(map(_or_nothing, column))
        for column in (sessions, users, devices, components)
    )
    for column in names:
        if max(map(len, column)) > _NAME_CHARS:
            odd.update(row for row, name in enumerate(column) if len(name) > _NAME_CHARS)
    if ids.count(None) != n:
        odd.update(row for row, name in enumerate(ids) if name and len(name) > _NAME_CHARS)
        made_ids = tuple(map(_or, ids, made_ids))
        own_ids: Iterable[bool] = map(bool, ids)
    else:
        own_ids = repeat(False)
    known_levels = tuple(map(_LEVELS.get, levels))
    if not all_told(known_levels):
        odd.update(row for row, level in enumerate(known_levels) if level is None)
    times_ns = _times_ns(times, received_ns)
    if min(times_ns) < limits.oldest_ns or max(times_ns) > limits.newest_ns:
        odd.update(row for row, ns in enumerate(times_ns) if not limits.oldest_ns <= ns <= limits.newest_ns)
    values, kinds, numbers = _values(raws)
    events = list(
        map(
            Event, repeat(app), sessions, keys, values, kinds, numbers, times_ns, repeat(received_ns), made_ids,
            known_levels, *names, attributes, map(is_, updates, repeat(True)), own_ids,
        )
    )  # fmt: skip
    for row in odd:
        events[row] = normalise(wires[row], app, made_ids[row], received_ns, limits, corrected)
    return events


def _or(one: Any, other: Any) -> Any:
    return one or other


def _or_nothing(name: str | None) -> str:
    return name or ""


def _times_ns(times: Sequence[str | int | float | None], received_ns: int) -> list[int]:
    """Of times that cannot be read, one that no sender is believed."""
    found = list(map(_known_times.get, times))
    with suppress(TypeError):
        sum(found)  # type: ignore[arg-type]
        return found  # type: ignore[return-value]  # None is not among them
    if len(_known_times) > _TIMES_MAX:
        _known_times.clear()
    for row, sent in enumerate(times):
        if found[row] is None:
            ns = received_ns if sent is None else time_from(sent)
            found[row] = ns if ns is not None else _NEVER
            if sent.__class__ is str and len(sent) <= _TIME_CHARS_MAX:
                _known_times[sent] = found[row]  # type: ignore[assignment]
    return found  # type: ignore[return-value]


def _values(raws: Sequence[msgspec.Raw]) -> tuple[list[str], Iterable[Kind], Iterable[float | None]]:
    """Values, kinds and numbers."""
    values = None
    if sum(map(len, raws)) <= _AT_ONCE_BYTES_MAX:
        with suppress(msgspec.MsgspecError, RecursionError):  # a number no float can hold, or nested too deep
            values = _decode_list(b"[" + b",".join(raws) + b"]")
    if values is None:
        values = [_decode_text(raw) if raw[:1] == b'"' else None for raw in map(bytes, raws)]
    if set(map(type, values)) == _ONLY_TEXT:
        return values, repeat("text"), repeat(None)
    kinds: list[Kind] = ["text"] * len(values)
    numbers: list[float | None] = [None] * len(values)
    for row, value in enumerate(values):
        if value.__class__ is not str:
            values[row], kinds[row], numbers[row] = _value(bytes(raws[row]))
    return values, kinds, numbers


def normalise(
    wire: WireEvent, app: str, made_id: str, received_ns: int, limits: TimeLimits, corrected: dict[str, int]
) -> Event:
    """The event as it is stored. `wire` has session, key and value; `corrected` counts what was repaired."""
    value: str
    kind: Kind = "text"
    number: float | None = None
    raw = bytes(wire.value)
    if raw[0] == _QUOTE:
        value = _decode_text(raw)
    else:
        value, kind, number = _value(raw)
    more: dict[str, Scalar] = {}
    if wire.seq is not None:
        # The sender's number stands among the attributes, so that a person can find the gap.
        more["seq"] = wire.seq
        if wire.client is not None:
            more["client"] = wire.client
    level = _LEVELS.get(wire.level)
    if level is None:
        level = _unusual_level(wire.level or "", more, corrected)
    sent = wire.time if wire.time is not None else wire.timestamp
    time_ns = received_ns
    if sent is not None:
        sent_ns = time_from(sent)
        if sent_ns is not None and limits.oldest_ns <= sent_ns <= limits.newest_ns:
            time_ns = sent_ns
        else:
            corrected["time"] = corrected.get("time", 0) + 1
            more["sent_time"] = str(sent)
    device = wire.device or wire.terminal or ""
    user = wire.user or ""
    component = wire.component or ""
    event_id = wire.id
    # Characters first: four bytes each is the most, so only long names are measured in bytes.
    if max(len(user), len(device), len(component), len(event_id or "")) > _NAME_CHARS:
        user, device, component = _cut(user, corrected), _cut(device, corrected), _cut(component, corrected)
        event_id = _cut(event_id, corrected) if event_id else None
    return Event(
        app,
        wire.session or "",
        wire.key or "",
        value,
        kind,
        number,
        time_ns,
        received_ns,
        event_id or made_id,
        level,
        user,
        device,
        component,
        _with(wire.attributes, more) if more else wire.attributes,
        wire.update is True,
        bool(event_id),
    )


def _with(attributes: msgspec.Raw, more: dict[str, Scalar]) -> msgspec.Raw:
    """`more` behind what the sender wrote, in place of what has the same name there."""
    added = bytes(attributes_json(more))
    if len(attributes) <= 2:
        return msgspec.Raw(added)
    return msgspec.Raw(bytes(attributes)[:-1] + b"," + added[1:])


def _value(raw: bytes) -> tuple[str, Kind, float | None]:
    """Text, kind and number of the JSON text of anything but a string."""
    kind = _KINDS.get(raw[0])
    if kind is not None:
        return _compacted(raw).decode(), kind, None
    number = float(raw)
    return raw.decode(), "number", number if isfinite(number) else None


def _compacted(text: bytes) -> bytes:
    """JSON text without white space between its parts; on one line in any case, also when it is nested too deep."""
    if b"\n" not in text and b"\r" not in text and b" " not in text:
        return text
    try:
        return msgspec.json.format(text, indent=-1)
    except RecursionError:
        return text.replace(b"\n", b" ").replace(b"\r", b" ")  # a line break inside a string is always escaped


def _unusual_level(sent: str, attributes: dict[str, Scalar], corrected: dict[str, int]) -> str:
    """A level in an unusual case or with spaces; "" when it is none."""
    level = _LEVELS.get(sent.strip().lower())
    if level is None:
        corrected["level"] = corrected.get("level", 0) + 1
        attributes["sent_level"] = sent[:NAME_BYTES_MAX]
        return ""
    return level


def _cut(name: str, corrected: dict[str, int]) -> str:
    data = name.encode()
    if len(data) <= NAME_BYTES_MAX:
        return name
    corrected["name_cut"] = corrected.get("name_cut", 0) + 1
    return data[:NAME_BYTES_MAX].decode("utf-8", "ignore")


def time_from(sent: str | int | float) -> int | None:
    """ns UTC of RFC 3339 text or of an epoch in s, ms, µs or ns (told by its size); None when it is neither.

    A time without an offset is taken as UTC. In a leap second (`:60`), which no epoch counts, it is always the last ns
    of the minute: behind what came before it, and never in the next one.
    """
    return _time_from_text(sent) if isinstance(sent, str) else _time_from_number(sent)


def _time_from_number(number: int | float) -> int | None:
    size = abs(number)
    if not size < 1e19:  # also NaN and infinity
        return None
    if size < 1e11:
        scale = NS_PER_S
    elif size < 1e14:
        scale = 1_000_000
    elif size < 1e17:
        scale = 1_000
    else:
        scale = 1
    if number.__class__ is int:
        return int(number) * scale
    return round(number * (scale // 1000)) * 1000 if scale >= 1000 else int(number)


_known_times: dict[Any, int] = {}  # texts → ns; what senders write now repeats the same few
_TIMES_MAX, _TIME_CHARS_MAX = 16_384, 40  # 2 MB
_seconds: dict[str, int] = {}  # "2026-11-22T12:00:00" → ns
_SECONDS_MAX = 4096


_RARE = re.compile(r"(\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d):(\d\d)((?:\.\d+)?)((?:[Zz]|[+-]\d\d:?\d\d)?)", re.ASCII)


def _time_from_text(text: str) -> int | None:
    """Milliseconds in UTC is what most senders write: then only the second needs a parser, and once."""
    if len(text) == 24 and text[23] == "Z" and text[19] == "." and text[20:23].isdecimal() and text.isascii():
        second_ns = _seconds.get(text[:19])
        if second_ns is None:
            second_ns = _parsed_time(text[:19])
            if second_ns is None or text[10] != "T" or text[17:19] == "60":
                return _parsed_time(text)
            if len(_seconds) >= _SECONDS_MAX:
                _seconds.clear()
            _seconds[text[:19]] = second_ns
        return second_ns + int(text[20:23]) * 1_000_000
    return _parsed_time(text)


def _parsed_time(text: str) -> int | None:
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        seconds = moment.timestamp()
    except (ValueError, OverflowError):
        if (usual := _usual(text)) is not None:
            return _parsed_time(usual)
        try:
            return _time_from_number(float(text) if "." in text else int(text)) if len(text) <= 32 else None
        except ValueError:
            return None
    time_ns = round(seconds * 1_000_000) * 1000
    return time_ns + _below_microseconds(text) if len(text) > 26 else time_ns


def _usual(text: str) -> str | None:
    """What RFC 3339 allows and datetime does not read, as it does: `t` and `z`, leap seconds. None: it is not such."""
    found = _RARE.fullmatch(text)
    if found is None:
        return None
    minute, second, fraction, zone = found.groups()
    usual = f"{minute}:59.999999999{zone}" if second == "60" else f"{minute}:{second}{fraction}{zone}"
    return usual.upper() if usual.upper() != text else None


def _below_microseconds(text: str) -> int:
    """The ns that digits 7 to 9 of the fraction say (datetime drops them)."""
    _, dot, rest = text.partition(".")
    digits = rest[6:9]
    while digits and not digits.isdecimal():
        digits = digits[:-1]
    return int(digits.ljust(3, "0")) if dot and digits else 0
