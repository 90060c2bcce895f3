"""What every store's answers have in common: an event as JSON, cursors, tables, buckets, patterns. Pure."""

import base64
import binascii
import math
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import msgspec

from logkeep.clock import NS_PER_S
from logkeep.errors import InputError
from logkeep.event import LEVELS, NO_ATTRIBUTES, Event, ValueKind
from logkeep.query.printer import column_name
from logkeep.query.stages import ROWS_DEFAULT, Aggregate, Bin, Function, Statement, Top, columns_of
from logkeep.query.table import Column, ColumnKind, Table, chosen
from logkeep.store.port import Page, PatternCount, PatternRequest
from logkeep.store.reading import Reading

CURSOR_CHARS_MAX = 1024  # 8 bytes of time and an id of NAME_BYTES_MAX, in base64, with room
_TIME_OFFSET = 1 << 63  # so that times before 1970 pack as unsigned

_encode = msgspec.json.Encoder().encode
_KINDS: dict[type, ColumnKind] = {Bin: "time", Function: "number"}


def rfc3339(time_ns: int) -> str:
    """`2026-01-02T03:04:05.123456789Z`: always nine digits, so that texts sort as times do."""
    seconds, fraction = divmod(time_ns, NS_PER_S)
    return f"{_second_text(seconds)}.{fraction:09d}Z"


@lru_cache(maxsize=4096)  # strftime is 5 µs; the events of a tail name the same few seconds thousands of times
def _second_text(seconds: int) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}"


def time_ns_of(text: str) -> int:
    """The inverse of `rfc3339`, for its own form only."""
    whole = datetime.fromisoformat(text[:19]).replace(tzinfo=UTC)
    return int(whole.timestamp()) * NS_PER_S + int(text[20:29])


def event_json(event: Event) -> bytes:
    """The event as the API sends it: fields that are unset are left out, `value` and attributes in their JSON types."""
    fields: dict[str, object] = {
        "id": event.id,
        "app": event.app,
        "time": rfc3339(event.time_ns),
        "received": rfc3339(event.received_ns),
        "session": event.session,
        "key": event.key,
        "value": event.value if event.kind == "text" else msgspec.Raw(event.value.encode()),
    }
    fields |= {name: text for name in ("level", "user", "device", "component") if (text := getattr(event, name))}
    if event.attributes != NO_ATTRIBUTES:
        fields["attributes"] = event.attributes
    if event.update:
        fields["update"] = True
    return _encode(fields)


class _EventJson(msgspec.Struct):
    id: str
    app: str
    time: str
    received: str
    session: str
    key: str
    value: msgspec.Raw
    level: str = ""
    user: str = ""
    device: str = ""
    component: str = ""
    attributes: msgspec.Raw = NO_ATTRIBUTES
    update: bool = False


_decode_event = msgspec.json.Decoder(_EventJson).decode
_decode_text = msgspec.json.Decoder(str).decode
_VALUE_KINDS: dict[int, ValueKind] = {
    ord("{"): "object", ord("["): "array", ord("t"): "bool", ord("f"): "bool", ord("n"): "null",
}  # fmt: skip


def event_of_json(data: bytes) -> Event:
    """The event that `event_json` made this of, but for what it leaves out: own_id, pattern, arrival."""
    found = _decode_event(data)
    raw = bytes(found.value)
    text = raw[:1] == b'"'
    kind: ValueKind = "text" if text else _VALUE_KINDS.get(raw[0], "number")
    number = float(raw) if kind == "number" else None
    return Event(
        found.app, found.session, found.key,
        _decode_text(raw) if text else raw.decode(),
        kind,
        number if number is not None and math.isfinite(number) else None,
        time_ns_of(found.time), time_ns_of(found.received), found.id, found.level, found.user, found.device,
        found.component, found.attributes, found.update,
    )  # fmt: skip


def rows_wanted(statement: Statement) -> int:
    """Rows to compute for `stats_table`: one more than it gives where the query sets no limit."""
    making = statement.making
    return statement.limit or (making.rows if isinstance(making, Top) else ROWS_DEFAULT + 1)


def stats_table(statement: Statement, rows: Sequence[Sequence[Any]]) -> Table:
    """The answer to a statement with a stage that makes a table. rows: up to `rows_wanted`, parts of the time in ns."""
    making = statement.making
    assert making is not None
    refs = columns_of(making)
    kinds: list[ColumnKind] = [_KINDS.get(type(ref), "text") for ref in refs]
    columns = tuple(Column(column_name(ref), kind) for ref, kind in zip(refs, kinds, strict=True))
    cut = isinstance(making, Aggregate) and statement.limit is None and len(rows) > ROWS_DEFAULT
    cells = [[_cell(cell, kind) for cell, kind in zip(row, kinds, strict=True)] for row in rows]
    table = Table(columns, cells[:ROWS_DEFAULT] if cut else cells, cut)
    return chosen(table, [refs.index(ref) for ref in statement.fields]) if statement.fields else table


def _cell(cell: Any, kind: ColumnKind) -> Any:
    """A number that is whole stands without a fraction, as a sender would write it, where a double holds it exactly."""
    if kind == "time":
        return rfc3339(int(cell))
    if kind != "number" or cell is None:
        return cell
    number = float(cell)
    return int(number) if number.is_integer() and abs(number) < 1 << 53 else number


def with_matches_marked(events: bytes, matches: bytes) -> bytes:
    """`events`, sessions in order of their first in `matches`, with a member `"match":true` in each that is there.

    Both: JSON arrays of events; of `events`, those of one session are in order.
    """
    marked = {_decode_place(raw).id for raw in _decode_raws(matches)}
    sessions: dict[str, list[bytes]] = {_decode_place(raw).session: [] for raw in _decode_raws(matches)}
    for raw in _decode_raws(events):
        place = _decode_place(raw)
        text = bytes(raw)
        sessions[place.session].append(text[:-1] + b',"match":true}' if place.id in marked else text)
    return b"[" + b",".join(text for texts in sessions.values() for text in texts) + b"]"


class _Place(msgspec.Struct):
    id: str
    session: str


_decode_place = msgspec.json.Decoder(_Place).decode
_decode_raws = msgspec.json.Decoder(list[msgspec.Raw]).decode


def encode_cursor(time_ns: int, event_id: str) -> str:
    """The place just after this event, as an opaque word that is safe in a URL. id "": before all of that time."""
    packed = (time_ns + _TIME_OFFSET).to_bytes(8, "big") + event_id.encode()
    return base64.urlsafe_b64encode(packed).decode().rstrip("=")


def decode_cursor(cursor: str) -> tuple[int, str]:
    """(time_ns, id) of the event the cursor stands after. Raises InputError with code `bad_cursor`."""
    try:
        if len(cursor) > CURSOR_CHARS_MAX:
            raise ValueError
        packed = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        if len(packed) < 8:
            raise ValueError
        return int.from_bytes(packed[:8], "big") - _TIME_OFFSET, packed[8:].decode()
    except (ValueError, binascii.Error) as error:
        raise InputError(
            f"cursor {cursor[:40]!r} is none of ours; use `next` of the page before as it was given", code="bad_cursor"
        ) from error


def pattern_count(
    request: PatternRequest,
    template: str,
    ids: list[str],
    counted: Iterable[tuple[int, str, int]],
    *,
    first_ns: int,
    last_ns: int,
    example: bytes,
) -> PatternCount:
    """counted: bucket, level, events; bucket -1 is the range before."""
    counts, levels, before = [0] * request.buckets, dict.fromkeys(LEVELS, 0), 0
    for bucket, level, events in counted:
        if bucket < 0:
            before += events
            continue
        counts[bucket] += events
        levels[level] = levels.get(level, 0) + events
    return PatternCount(
        template=template,
        ids=ids,
        count=sum(counts),
        before=before if request.before else None,
        counts=counts,
        levels={level: events for level, events in levels.items() if events},
        first_ns=first_ns,
        last_ns=last_ns,
        example=example,
    )


def bucket_width_ns(from_ns: int, to_ns: int, buckets: int) -> int:
    """ns of one of `buckets` equal parts of the range, rounded up so that the last one ends at `to_ns` or after."""
    if to_ns <= from_ns:
        raise InputError(f"an empty range: from {from_ns} to {to_ns} ns; `from` must be before `to`", code="bad_range")
    return max(1, -((from_ns - to_ns) // buckets))


class _Ends(msgspec.Struct):
    """Of an event's JSON, what a cursor needs."""

    id: str
    time: str


_decode_ends = msgspec.json.Decoder(_Ends).decode


def page_of(found: list[bytes], limit: int, reading: Reading) -> Page:
    """The page of `found`: JSON of events in order, one more than `limit` where there are more."""
    shown, following = found[:limit], None
    if len(found) > limit:
        last = _decode_ends(shown[-1])
        following = encode_cursor(time_ns_of(last.time), last.id)
    elif reading.reached_ns is not None:
        following = encode_cursor(reading.reached_ns, "")
    return Page(b"[" + b",".join(shown) + b"]", len(shown), following)
