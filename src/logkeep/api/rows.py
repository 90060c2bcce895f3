"""Events as the pages show them: one row each, every value safe, short at first sight and whole on a click."""

import zlib
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any

import msgspec
from markupsafe import Markup

from logkeep.api.links import event_url, named_url, session_url
from logkeep.api.text import marked_up, plain
from logkeep.api.timeline import gap_over_ns
from logkeep.api.times import format_time, parse_time
from logkeep.clock import NS_PER_MS, NS_PER_S
from logkeep.event import LEVELS

SHORT_CHARS = 400  # about three lines on a wide screen; longer values fold
SHORT_LINES = 6
SUMMARY_CHARS = 180
FULL_CHARS_MAX = 64 * 1024  # of one value on a page; the rest is on the event's own address
PAGE_CHARS_MAX = 8 << 20  # of all unfolded values on a page: what a phone's browser still scrolls
COLOURS = 8


class StoredEvent(msgspec.Struct):
    """An event as the store gives it; what is unset may be absent, null or ""."""

    id: str = ""
    session: str = ""
    key: str = ""
    value: msgspec.Raw = msgspec.Raw(b"null")
    time: str | int | float = 0
    received: str | int | float | None = None
    level: str | None = None
    user: str | None = None
    device: str | None = None
    component: str | None = None
    attributes: dict[str, Any] | None = None
    update: bool = False

    @property
    def time_ns(self) -> int:
        return parse_time(str(self.time), 0)

    @property
    def received_ns(self) -> int:
        return parse_time(str(self.received), 0) if self.received is not None else 0


class Value(msgspec.Struct, frozen=True):
    """short: what is seen at once. full: what a click unfolds, None when `short` is all. note: how long it is.

    rest: the page cut even `full`; the event's own address has it.
    """

    short: Markup
    kind: str
    full: Markup | None = None
    note: str = ""
    rest: bool = False


class Row(msgspec.Struct, frozen=True):
    """date: set on the first row and where the day changes. delta: since the row before. gap: a long one, to mark."""

    id: str
    url: str
    time_ns: int
    time: str
    date: str
    clock: str
    delta: str
    gap: str
    level: str
    component: str
    colour: int
    key: Markup
    value: Value
    session: str
    session_url: str
    user: str
    user_url: str
    device: str
    device_url: str
    attributes: list[tuple[Markup, Markup]]
    update: bool


# A session's events name the same few users and devices thousands of times.
_session_url = lru_cache(1024)(session_url)
_named_url = lru_cache(1024)(named_url)


_decoder = msgspec.json.Decoder(list[StoredEvent])


def decode_events(events: bytes) -> list[StoredEvent]:
    """The events of a store's page. Only pages and single events are decoded; search answers pass as bytes."""
    return _decoder.decode(events)


def make_rows(events: Sequence[StoredEvent], *, deltas: bool) -> list[Row]:
    """A row an event, in the order given. deltas: tell the time between neighbours (for events in order of time)."""
    rows: list[Row] = []
    left_chars = PAGE_CHARS_MAX
    colours = colours_of(event.component or "" for event in events)
    gap_ns = gap_over_ns([event.time_ns for event in events]) if deltas else 0
    date_before, time_before_ns = "", 0
    for event in events:
        value = make_value(bytes(event.value), min(FULL_CHARS_MAX, max(0, left_chars)))
        left_chars -= len(value.short) + len(value.full or "")
        time_ns = event.time_ns
        time = format_time(time_ns)
        passed_ns = time_ns - time_before_ns if deltas and rows else 0
        rows.append(
            _row(
                event, value, time_ns, time, date_before, passed_ns, deltas and bool(rows), passed_ns > gap_ns, colours
            )
        )
        date_before, time_before_ns = time[:10], time_ns
    return rows


def _row(
    event: StoredEvent,
    value: Value,
    time_ns: int,
    time: str,
    date_before: str,
    passed_ns: int,
    follows: bool,
    after_gap: bool,
    colours: dict[str, int],
) -> Row:
    component, user, device = event.component or "", event.user or "", event.device or ""
    return Row(
        id=event.id,
        url=event_url(event.id),
        time_ns=time_ns,
        time=time,
        date=time[:10] if time[:10] != date_before else "",
        clock=time[11:23],
        delta="+" + format_span(passed_ns) if follows else "",
        gap=format_span(passed_ns) if follows and after_gap else "",
        level=event.level if event.level in LEVELS else "",
        component=component,
        colour=colours[component],
        key=marked_up(event.key),
        value=value,
        session=event.session,
        session_url=_session_url(event.session),
        user=user,
        user_url=_named_url("user", user) if user else "",
        device=device,
        device_url=_named_url("device", device) if device else "",
        attributes=[(marked_up(name), marked_up(_attribute(text))) for name, text in (event.attributes or {}).items()],
        update=event.update,
    )  # fmt: skip


def make_value(raw: bytes, chars_max: int) -> Value:
    """A JSON value for people. chars_max: of the unfolded text."""
    if raw[:1] == b'"':
        text = msgspec.json.decode(raw, type=str)
        lines = text.count("\n") + 1
        if len(text) <= SHORT_CHARS and lines <= SHORT_LINES:
            return Value(marked_up(text), "text")
        first = text.lstrip().split("\n", 1)[0][:SUMMARY_CHARS]
        note = f"{len(text):,} characters" + (f", {lines:,} lines" if lines > 1 else "")
        return Value(marked_up(first), "text", marked_up(text[:chars_max]), note, len(text) > chars_max)
    if raw[:1] in (b"{", b"["):
        return _structure(raw, chars_max)
    return Value(marked_up(raw.decode()), "literal")


def colours_of(components: Iterable[str]) -> dict[str, int]:
    """One of COLOURS for each: nearly always the same for a name, and different for those that are seen together."""
    colours: dict[str, int] = {}
    taken: set[int] = set()
    for name in sorted(set(components)):
        colour = zlib.crc32(name.encode("utf-8", "replace")) % COLOURS
        while colour in taken and len(taken) < COLOURS:
            colour = (colour + 1) % COLOURS
        taken.add(colour)
        colours[name] = colour
    return colours


def format_span(span_ns: int) -> str:
    """A duration in at most two units: `0 ms`, `12 ms`, `1.204 s`, `3 m 07 s`, `2 h 05 m`, `4 d 03 h`."""
    if span_ns < 0:
        return "-" + format_span(-span_ns)
    if span_ns < NS_PER_S:
        return f"{span_ns // NS_PER_MS} ms"
    seconds, rest_ns = divmod(span_ns, NS_PER_S)
    if seconds < 60:
        return f"{seconds}.{rest_ns // NS_PER_MS:03} s"
    if seconds < 3600:
        return f"{seconds // 60} m {seconds % 60:02} s"
    if seconds < 86_400:
        return f"{seconds // 3600} h {seconds % 3600 // 60:02} m"
    return f"{seconds // 86_400} d {seconds % 86_400 // 3600:02} h"


def format_ago(time_ns: int, now_ns: int) -> str:
    """How long ago that was, in whole seconds: `just now`, `3 m 07 s ago`."""
    passed_ns = max(0, now_ns - time_ns) // NS_PER_S * NS_PER_S
    return format_span(passed_ns).replace(".000", "") + " ago" if passed_ns else "just now"


def _structure(raw: bytes, chars_max: int) -> Value:
    compact = raw.decode("utf-8", "replace")
    if len(compact) <= SUMMARY_CHARS // 2:
        return Value(marked_up(compact), "json")
    pretty = msgspec.json.format(raw, indent=2).decode("utf-8", "replace") if len(raw) <= chars_max else compact
    short = plain(compact[:SUMMARY_CHARS])
    note = f"{len(compact):,} characters"
    return Value(marked_up(short), "json", marked_up(pretty[:chars_max]), note, len(pretty) > chars_max)


def _attribute(content: Any) -> str:
    text = content if isinstance(content, str) else msgspec.json.encode(content).decode()
    return text if len(text) <= FULL_CHARS_MAX else text[:FULL_CHARS_MAX] + "…"
