"""Logkeep's own format: JSON objects with session, key and value, as an array or one after another.

Two readers of the same bytes. `check_body` is the receiver's: cheap, strict in what makes an event at all, and blind
to optional members. `decode_events` is the processor's: everything decoded, and what is odd about an optional member
repaired, for an acknowledged event is never refused later. Both take well-formed bodies in one C call; only what that
call refuses is looked at event by event.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from logkeep.decode.attributes import INT_MAX, REFUSED, Int, kept, not_plain, read, scalar_or_json, written
from logkeep.decode.frame import NAMED_MAX, SAMPLE_BYTES_MAX, SAMPLES_MAX, RejectedSample
from logkeep.decode.named import UNREAD, Named, count_named, named_in, names_in
from logkeep.decode.split import (
    WHITESPACE,
    Form,
    SplitError,
    form_of,
    lines_of,
    raw_lines,
    raw_list,
    replace_lone_surrogates,
    values_of,
)
from logkeep.errors import InputError
from logkeep.event import NAME_BYTES_MAX, NO_ATTRIBUTES, RejectReason, WireEvent, all_told

# One C call holds the interpreter's lock, about 1 ms a MiB, and other connections wait: large bodies go in pieces.
# Small enough, too, that a piece is rarely larger than one event may be, and then no event needs to be measured.
PIECE_BYTES = 128 << 10
DECODED_BYTES = 64 << 10  # of a body at once: with what is made of it, half of a core's own cache
FRAME_ITEMS_MAX = 1 << 16  # ids number the events of a frame with 16 bits
_BOM = b"\xef\xbb\xbf"

# As many characters cannot be more than NAME_BYTES_MAX bytes; longer names are measured on the slow path.
_Name = Annotated[str, Meta(min_length=1, max_length=NAME_BYTES_MAX // 4)]


class _Narrow(msgspec.Struct, gc=False):
    """What makes an event; all else is skipped, its syntax checked."""

    session: _Name
    key: _Name
    value: msgspec.Raw


class _Sessionless(msgspec.Struct, gc=False):
    """What may make an event whose session is found by the processor."""

    key: _Name
    value: msgspec.Raw
    session: _Name | None = None
    user: str | None = None
    device: str | None = None
    terminal: str | None = None


class _StrictEvent(WireEvent, gc=False, kw_only=True, forbid_unknown_fields=True):
    """A WireEvent that has what makes an event, and nothing an encoder behind us could stumble over."""

    session: _Name | None = None
    key: _Name
    value: msgspec.Raw
    seq: Annotated[int, Meta(ge=0, le=INT_MAX)] | None = None


class _LenientEvent(_StrictEvent, gc=False, kw_only=True, forbid_unknown_fields=False):
    """The same, blind to members it does not know."""


_narrow_lines = msgspec.json.Decoder(_Narrow).decode_lines
_narrow_list = msgspec.json.Decoder(list[_Narrow]).decode
_narrow_one = msgspec.json.Decoder(_Narrow).decode
_sessionless_lines = msgspec.json.Decoder(_Sessionless).decode_lines
_sessionless_list = msgspec.json.Decoder(list[_Sessionless]).decode
_strict_lines = msgspec.json.Decoder(_StrictEvent).decode_lines
_strict_list = msgspec.json.Decoder(list[_StrictEvent]).decode
_lenient_one = msgspec.json.Decoder(_LenientEvent).decode
_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_text = msgspec.json.Decoder(str).decode
_bool = msgspec.json.Decoder(bool).decode
_time = msgspec.json.Decoder(str | Int | float | None).decode
_sequence_number = msgspec.json.Decoder(Annotated[int, Meta(ge=0, le=INT_MAX)]).decode

_KNOWN = frozenset(WireEvent.__struct_fields__)
_TEXT_MEMBERS = frozenset(("user", "device", "terminal", "component", "level", "id", "client", "app"))
_is_exported_time = re.compile(rb'"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{9}Z"').fullmatch
_BETWEEN_OBJECTS = re.compile(rb"\}[ \t\r\n]*\{")
_BETWEEN_ITEMS = re.compile(rb"\}[ \t\r\n]*,[ \t\r\n]*\{")


class Rejected(msgspec.Struct, frozen=True, gc=False):
    """One event that is not taken, as the sender is told: index counts the events of the body from 0."""

    index: int
    reason: RejectReason
    message: str


class Refused(msgspec.Struct, frozen=True, gc=False):
    """What is no event, as its owner is told. text: how it begins. key: the write key that it names, "" where none can
    be read. named: component and key of an event that it names."""

    reason: RejectReason
    message: str
    text: str
    key: str = ""
    named: Named = UNREAD


class Checked(msgspec.Struct, frozen=True):
    """What a body holds.

    count: events accepted. body: exactly those, for a frame of `form`; b"" when count is 0. as_sent: nothing was left
    out or rewritten but white space around it, so that the sender's compressed body may stand for `body` (a byte order
    mark in front is rewritten). samples: at most SAMPLES_MAX. named: how many of the rejected name which component and
    key, at most NAMED_MAX of these and OTHERS.
    """

    count: int
    form: Form
    body: bytes
    as_sent: bool = True
    rejected: tuple[Rejected, ...] = ()
    samples: tuple[RejectedSample, ...] = ()
    named: dict[Named, int] = {}


class Decoded(msgspec.Struct, frozen=True):
    """The events of a body. indexes[i] is the place of events[i] in it, from 0, rejected ones and skipped ones counted.

    Each event has session, key (1 to NAME_BYTES_MAX bytes) and value (valid JSON), all text is valid UTF-8.
    corrected: number of repairs by what was repaired. sessionless: some have no session, but a user or device.
    in_one_call: nothing was rejected or skipped, and nothing repaired but the attributes of `repaired`, places in
    `events`.
    """

    indexes: Sequence[int]
    events: Sequence[WireEvent]
    rejected: Sequence[Refused] = ()
    corrected: dict[str, int] = {}
    sessionless: bool = False
    in_one_call: bool = False
    repaired: Sequence[int] = ()


class _Refusal(Exception):
    """This event is not taken."""

    def __init__(self, reason: RejectReason, message: str) -> None:
        super().__init__(message)
        self.reason: RejectReason = reason
        self.message = message


# --- the receiver's reading ---------------------------------------------------------------------------------------


def check_body(body: bytes, *, event_bytes_max: int, events_max: int) -> Checked:
    """What of `body` is accepted and what is not, by content: an array, or objects one after another.

    Holds the interpreter's lock for about 0.2 ms at a time while all is well-formed.
    Raises InputError: empty_body (400), too_many_events (413).
    """
    text = body.strip(WHITESPACE)
    if marked := text.startswith(_BOM):
        text = text[3:].strip(WHITESPACE)
    if not text:
        raise InputError("the body is empty; send a JSON object, an array of them, or NDJSON", code="empty_body")
    form = form_of(text)
    count = 0
    for piece, _ in _pieces(text, form) if len(text) > event_bytes_max else ((text, 0),):
        in_piece = count_flawless(piece, form)
        count += in_piece
        if count > events_max:
            raise _too_many(events_max)
        if not in_piece or (len(piece) > event_bytes_max and not _all_within(piece, form, event_bytes_max)):
            return _check_each(text, form, event_bytes_max, events_max)
    return Checked(count, form, text, not marked)


def count_flawless(text: bytes, form: Form) -> int:
    """The number of events when all of them are in order, whatever their size and number; else 0."""
    try:
        count = len(_narrow_list(text) if form == "json" else _narrow_lines(text))
    except REFUSED:
        count = _count_with_sessionless(text, form)
    try:
        if count and not text.isascii():
            str(text, "utf-8")  # what the decoder skips, it does not check
    except UnicodeDecodeError:
        return 0
    return count


def _count_with_sessionless(text: bytes, form: Form) -> int:
    """The same when some have no session, but a user or device: a second decoding, for their bodies alone."""
    try:
        events: list[_Sessionless] = _sessionless_list(text) if form == "json" else _sessionless_lines(text)
    except REFUSED:
        return 0
    return len(events) if all(e.session or e.user or e.device or e.terminal for e in events) else 0


def _too_many(events_max: int) -> InputError:
    return InputError(
        f"the body holds more than events_max {events_max:,} events; send it in parts",
        code="too_many_events",
        status=413,
    )


def _pieces(text: bytes, form: Form, size: int = PIECE_BYTES) -> Iterator[tuple[bytes, int]]:
    """`text` in bodies of the same form, each `size` and up to the end of an event, with where each begins in it.

    Cutting at a `} {`, or at a `}, {` of an array, is right wherever the part before decodes: inside of a text or
    a bracket it is cut off, and whoever decodes the piece sees that.
    """
    between, opening, closing = (_BETWEEN_ITEMS, b"[", b"]") if form == "json" else (_BETWEEN_OBJECTS, b"", b"")
    start = 0
    while (cut := between.search(text, start + size)) is not None:
        yield b"".join((opening if start else b"", text[start : cut.start() + 1], closing)), start
        start = cut.end() - 1
    yield _from(text, form, start), start


def _from(text: bytes, form: Form, start: int) -> bytes:
    """The body from a piece's start on."""
    if not start:
        return text
    return b"[" + text[start:] if form == "json" else text[start:]


def _all_within(text: bytes, form: Form, bytes_max: int) -> bool:
    """Whether no event is larger. `text` is flawless, so its values are few."""
    raws = raw_list(text) if form == "json" else raw_lines(text)
    return max(map(len, raws)) <= bytes_max


def _check_each(text: bytes, form: Form, event_bytes_max: int, events_max: int) -> Checked:
    """Event by event: the good ones make a new ndjson body."""
    try:
        items: Iterable[bytes] = values_of(text, form, items_max=events_max)
    except SplitError as error:
        whole = replace_lone_surrogates(text)
        if whole is not text:
            return _check_each(whole, form, event_bytes_max, events_max)
        if form == "json" or not _is_lines(text):
            return _check_items([text], event_bytes_max, events_max, malformed=str(error))
        items = lines_of(text)
    return _check_items(items, event_bytes_max, events_max)


def _is_lines(text: bytes) -> bool:
    """Whether broken ndjson is a line an event, not one object over many lines: every line starts as an object, or
    some line is one."""
    all_start, one_is = True, False
    for number, line in enumerate(lines_of(text)):
        all_start = all_start and line.startswith(b"{")
        if not all_start and number > 100:
            break
        if not one_is and line.startswith(b"{") and line.endswith(b"}"):
            try:
                _members(line)
                one_is = True
            except REFUSED:
                pass
        if one_is:
            return True
    return all_start


def _check_items(
    items: Iterable[bytes], event_bytes_max: int, events_max: int, *, malformed: str | None = None
) -> Checked:
    good: list[bytes] = []
    rejected: list[Rejected] = []
    samples: list[RejectedSample] = []
    named: dict[Named, int] = {}
    index = -1
    for index, item in enumerate(items):
        if index >= events_max:
            raise _too_many(events_max)
        try:
            good.append(_checked_event(item, event_bytes_max, malformed))
        except _Refusal as refusal:
            rejected.append(Rejected(index, refusal.reason, refusal.message))
            count_named(named, named_in(item), names_max=NAMED_MAX)
            if len(samples) < SAMPLES_MAX:
                samples.append(RejectedSample(refusal.reason, refusal.message, _sample(item)))
    if index < 0:
        raise InputError("the array is empty; send at least one event", code="empty_body")
    return Checked(len(good), "ndjson", b"\n".join(good), False, tuple(rejected), tuple(samples), named)


def _checked_event(item: bytes, event_bytes_max: int, malformed: str | None) -> bytes:
    """The event on one line. Raises _Refusal."""
    if malformed is not None and not item.startswith(b"{"):
        raise _Refusal("too_deep" if "recursion" in malformed else "invalid_json", malformed)
    if len(item) > event_bytes_max:
        raise _Refusal(
            "too_large", f"event of {len(item):,} bytes exceeds event_bytes_max {event_bytes_max:,}; split it"
        )
    try:
        str(item, "utf-8")
        _narrow_one(item)
    except UnicodeDecodeError as error:
        raise _Refusal("invalid_utf8", f"invalid UTF-8 at byte {error.start} of the event") from error
    except REFUSED:
        item, members = _members_of(item)
        session_member(members)
        name_member(members, "key")
        if "value" not in members:
            raise _Refusal("missing_value", "no member `value`; null is a value, none is not") from None
    return item.replace(b"\n", b" ")  # inside a value a line's end can only be white space


def _sample(item: bytes) -> str:
    return item[:SAMPLE_BYTES_MAX].decode("utf-8", "replace")


def _members_of(item: bytes) -> tuple[bytes, dict[str, msgspec.Raw]]:
    """The object's members, the last of a name, and its text, repaired where that was needed. Raises _Refusal."""
    try:
        return item, _members(item)
    except msgspec.ValidationError as error:
        raise _Refusal("not_an_object", f"an event is a JSON object: {error}") from error
    except RecursionError as error:
        raise _Refusal("too_deep", "the event nests deeper than the decoder goes; flatten it") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        repaired = replace_lone_surrogates(item)
        if repaired is not item:
            return _members_of(repaired)
        raise _Refusal("invalid_json", str(error)) from error


def session_member(members: dict[str, msgspec.Raw]) -> str:
    """`session`, or "" where a user or device is named that it can be found by. Raises _Refusal."""
    raw = bytes(members.get("session", b"null"))
    if raw in (b"null", b'""') and any(_is_named(members.get(name)) for name in ("user", "device", "terminal")):
        return ""
    return name_member(members, "session")


def _is_named(raw: msgspec.Raw | None) -> bool:
    """Whether the member is text that is not empty, or becomes such: a number or bool."""
    text = b"null" if raw is None else bytes(raw)
    return text not in (b"null", b'""') and text[:1] not in b"[{"


def name_member(members: dict[str, msgspec.Raw], name: str) -> str:
    """`session` or `key`, 1 to NAME_BYTES_MAX bytes. Raises _Refusal."""
    raw = members.get(name)
    missing: RejectReason = "missing_session" if name == "session" else "missing_key"
    if raw is None or bytes(raw) == b"null":
        more = ", and no `user` or `device` that it could be found by" if name == "session" else ""
        raise _Refusal(missing, f"no member `{name}`{more}")
    try:
        text = _text(raw)
    except REFUSED as error:
        raise _Refusal("wrong_type", f"`{name}` must be text: {error}") from error
    if not text:
        raise _Refusal(missing, f"`{name}` is empty")
    size = len(text.encode())
    if size > NAME_BYTES_MAX:
        raise _Refusal("name_too_long", f"`{name}` of {size:,} bytes exceeds {NAME_BYTES_MAX}; shorten it")
    return text


# --- the processor's reading --------------------------------------------------------------------------------------


def decode_in_pieces(body: bytes, form: Form, skip: Sequence[int] = ()) -> Iterator[tuple[bytes, Decoded]]:
    """As `decode_events`, in bodies of about DECODED_BYTES one after another: to make something of a piece while it is
    still in the core's cache takes a quarter less. indexes: of the whole body.
    """
    if skip or len(body) < 2 * DECODED_BYTES:
        yield body, decode_events(body, form, skip)
        return
    first = 0
    for piece, start in _pieces(body, form, DECODED_BYTES):
        decoded = _decode_at_once(piece, form)
        if decoded is None and not _is_well_formed(piece, form):  # then it may have been cut where no event ends
            piece = _from(body, form, start)
            yield piece, _moved(_decode_each(piece, form, frozenset()), first)
            return
        decoded = decoded or _decode_each(piece, form, frozenset())
        yield piece, _moved(decoded, first)
        first += len(decoded.events) + len(decoded.rejected)


def _is_well_formed(piece: bytes, form: Form) -> bool:
    try:
        _ = raw_list(piece) if form == "json" else raw_lines(piece)
    except REFUSED:
        return False
    return True


def _moved(decoded: Decoded, first: int) -> Decoded:
    indexes = decoded.indexes
    moved = range(first, first + len(indexes)) if isinstance(indexes, range) else [first + index for index in indexes]
    return msgspec.structs.replace(decoded, indexes=moved)


def decode_events(body: bytes, form: Form, skip: Sequence[int] = ()) -> Decoded:
    """All events of a frame's body but those whose index is in `skip`. Never raises for what stands in `body`.

    `received` of an event that the API gave out is passed over: this service has its own.

    Corrections, by name: unknown_member (it became an attribute; `event.NAME` when the sender has one of that name),
    member_type (a number or bool where text belongs became text; what cannot became an attribute of the same name),
    attribute_type (a nested or huge attribute became its JSON text), attributes_cut (more than ATTRIBUTES_MAX of them,
    or a longer key than allowed: the rest is left out), lone_surrogate (replaced by U+FFFD).
    """
    decoded = None if skip else _decode_at_once(body, form)
    return decoded or _decode_each(body, form, frozenset(skip))


def _decode_at_once(body: bytes, form: Form) -> Decoded | None:
    """None where one of the events must be looked at by itself."""
    try:
        events = _strict_list(body) if form == "json" else _strict_lines(body)
        if not body.isascii():
            str(body, "utf-8")
    except REFUSED:
        return None
    sessionless = not all_told([event.session for event in events])
    if sessionless and not all(event.session or _names(event) for event in events):
        return None
    corrected: dict[str, int] = {}
    repaired = _keep_attributes(events, corrected)
    return Decoded(range(len(events)), events, (), corrected, sessionless, True, repaired)


def _keep_attributes(events: Sequence[WireEvent], corrected: dict[str, int]) -> list[int]:
    """Those that are not plain are made so; indexes of the events where that was a repair."""
    repaired: list[int] = []
    for index in not_plain([event.attributes for event in events]) if events else ():
        before = sum(corrected.values())
        events[index].attributes = kept(events[index].attributes, corrected)
        if sum(corrected.values()) != before:
            repaired.append(index)
    return repaired


def _names(event: WireEvent) -> str | None:
    return event.user or event.device or event.terminal


def _decode_each(body: bytes, form: Form, skip: frozenset[int]) -> Decoded:
    indexes: list[int] = []
    events: list[WireEvent] = []
    rejected: list[Refused] = []
    corrected: dict[str, int] = {}
    for index, item in enumerate(_items(body, form)):
        if index in skip:
            continue
        try:
            events.append(_decoded_event(item, corrected))
            indexes.append(index)
        except _Refusal as refusal:
            rejected.append(Refused(refusal.reason, refusal.message, _sample(item), *names_in(item)))
    sessionless = not all(event.session for event in events)
    return Decoded(indexes, events, rejected, corrected, sessionless)


def _items(body: bytes, form: Form) -> Iterable[bytes]:
    text = body.strip(WHITESPACE)
    try:
        return values_of(text, form, items_max=FRAME_ITEMS_MAX)
    except SplitError:
        repaired = replace_lone_surrogates(text)
        if repaired is not text:
            return _items(repaired, form)
    return lines_of(text) if form == "ndjson" else [text]


def _decoded_event(item: bytes, corrected: dict[str, int]) -> WireEvent:
    try:
        str(item, "utf-8")
        return _lenient_event(item, corrected)
    except UnicodeDecodeError as error:
        raise _Refusal("invalid_utf8", f"invalid UTF-8 at byte {error.start} of the event") from error
    except REFUSED:
        return _repaired_event(item, corrected)


def _lenient_event(item: bytes, corrected: dict[str, int]) -> WireEvent:
    """The event when nothing is odd but members of unknown names, the commonest oddity by far."""
    event: WireEvent = _lenient_one(item)
    members = _members(item)
    if not event.session and not _names(event):
        raise _Refusal("missing_session", "no member `session`, and no `user` or `device` that it could be found by")
    if unknown := members.keys() - _KNOWN:
        if _is_exported(members):
            unknown -= {"received"}
        attributes = read(event.attributes, corrected)
        for name in members:  # in the sender's order
            if name in unknown:
                _count(corrected, "unknown_member")
                attributes[name if name not in attributes else f"event.{name}"] = scalar_or_json(members[name])
        event.attributes = written(attributes, corrected)
    else:
        event.attributes = kept(event.attributes, corrected)
    return event


def _is_exported(members: dict[str, msgspec.Raw]) -> bool:
    """Whether this is an event as the API gives it. Then `received` is about the service it was exported from.

    All of the API's own members, and a time to nine digits in UTC, are needed: a sender's own `received` is kept.
    """
    return {"id", "app", "time", "received"} <= members.keys() and bool(_is_exported_time(members["received"]))


def _repaired_event(item: bytes, corrected: dict[str, int]) -> WireEvent:
    """The event with every odd optional member made text of its own or an attribute. Raises _Refusal."""
    repaired, members = _members_of(item)
    if repaired is not item:
        _count(corrected, "lone_surrogate")
    event = WireEvent(session=session_member(members) or None, key=name_member(members, "key"))
    if "value" not in members:
        raise _Refusal("missing_value", "no member `value`; null is a value, none is not")
    event.value = members["value"]
    attributes = read(members.get("attributes", NO_ATTRIBUTES), corrected)
    for name, raw in members.items():
        if name in ("session", "key", "value", "attributes"):
            continue
        if name not in _READERS:
            _count(corrected, "unknown_member")
        elif _set_member(event, name, raw, corrected):
            continue
        attributes[name if name not in attributes else f"event.{name}"] = scalar_or_json(raw)
    event.attributes = written(attributes, corrected)
    return event


def _set_member(event: WireEvent, name: str, raw: msgspec.Raw, corrected: dict[str, int]) -> bool:
    """Whether the member could be set; else it is to become an attribute. Counts what was not as it should be."""
    if bytes(raw) == b"null":
        return True
    try:
        setattr(event, name, _READERS[name](raw))
        return True
    except REFUSED:
        _count(corrected, "member_type")
    if name in _TEXT_MEMBERS and bytes(raw)[:1] not in b"[{":
        setattr(event, name, bytes(raw).decode())
        return True
    if name == "update" and bytes(raw) in _BOOLS:
        event.update = _BOOLS[bytes(raw)]
        return True
    return False


_READERS: dict[str, Any] = {name: _text for name in _TEXT_MEMBERS}
_READERS.update(time=_time, timestamp=_time, update=_bool, seq=_sequence_number)
_BOOLS = {b"1": True, b"0": False, b'"true"': True, b'"false"': False, b'"1"': True, b'"0"': False}


def _count(corrected: dict[str, int], what: str) -> None:
    corrected[what] = corrected.get(what, 0) + 1
