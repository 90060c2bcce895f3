"""What limits look at in events: component and level, of a whole body in one C call. And leaving some events out."""

from collections.abc import Collection

import msgspec

from logkeep.decode.issues import LEVEL_OF_KIND
from logkeep.decode.split import Form, raw_lines, raw_list
from logkeep.event import LEVEL_ALIASES, LEVELS

COMPONENT_CHARS_MAX = 512

_LEVELS = {name: name for name in LEVELS} | LEVEL_ALIASES | {"": ""}
_REFUSED = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)


class _Marked(msgspec.Struct, gc=False):
    component: str | None = None
    level: str | None = None


class _Odd(msgspec.Struct, gc=False):
    """Where one of them is no text: it becomes one later."""

    component: msgspec.Raw = msgspec.Raw()
    level: msgspec.Raw = msgspec.Raw()


class _Issue(msgspec.Struct, gc=False):
    component: str | None = None
    kind: str = "issue"


_lines = msgspec.json.Decoder(_Marked).decode_lines
_issue_lines = msgspec.json.Decoder(_Issue).decode_lines
_list = msgspec.json.Decoder(list[_Marked]).decode
_odd_lines = msgspec.json.Decoder(_Odd).decode_lines
_odd_list = msgspec.json.Decoder(list[_Odd]).decode

Mark = tuple[str | None, str | None]  # component and level, as they were sent


def marks_of(body: bytes, form: Form, kind: str = "") -> list[Mark]:
    """One for each event of a body that is in order; None where an event does not say. kind: of notices: an issue is of
    the level of the event that it becomes."""
    if kind == "issues":
        return [(one.component, LEVEL_OF_KIND[one.kind]) for one in _issue_lines(body)]
    try:
        events = _list(body) if form == "json" else _lines(body)
        return [(event.component, event.level) for event in events]
    except _REFUSED:
        odd = _odd_list(body) if form == "json" else _odd_lines(body)
        return [(text_of(event.component), text_of(event.level)) for event in odd]


def text_of(raw: msgspec.Raw) -> str | None:
    """What a name becomes that is no text, or holds half a character; None: there is none."""
    text = bytes(raw)
    if not text or text == b"null":
        return None
    try:
        return msgspec.json.decode(text, type=str)
    except _REFUSED:
        return text[:COMPONENT_CHARS_MAX].decode("utf-8", "replace")


def sizes_of(body: bytes, form: Form) -> list[int]:
    """Bytes of each event of such a body."""
    return list(map(len, raw_list(body) if form == "json" else raw_lines(body)))


def component_of(mark: Mark) -> str:
    return (mark[0] or "")[:COMPONENT_CHARS_MAX]


def level_of(mark: Mark) -> str:
    """One of LEVELS; "" for none, and for what is no level."""
    sent = mark[1] or ""
    known = _LEVELS.get(sent)
    return known if known is not None else _LEVELS.get(sent[:32].strip().lower(), "")


def without(body: bytes, form: Form, left_out: Collection[int]) -> tuple[bytes, list[bytes]]:
    """The body without the events of these indexes, as ndjson, and those events. `body` is in order."""
    # In one C call whatever its size: it was counted, so its events are few.
    items = list(map(bytes, raw_list(body) if form == "json" else raw_lines(body)))
    kept = [item.replace(b"\n", b" ") for index, item in enumerate(items) if index not in left_out]
    return b"\n".join(kept), [items[index] for index in sorted(left_out)]


def spread(count: int, kept: int) -> list[int]:
    """Which of `count` places are kept, evenly over them."""
    return [place * count // kept for place in range(kept)] if kept else []
