"""The attributes of events: JSON text that is kept as it was sent wherever it is plain, and made so where it is not.

Plain: an object of texts, numbers, bools and nulls within the bounds of event.py, without escapes, its numbers spelt as
an encoder would spell them, white space at most one blank after `:` and `,`. What most senders write is, so that a
frame's attributes are looked at in one native call, 0.5 µs of CPU an event of twelve, where reading and writing them
takes four. A name that stands twice is plain too: no automaton can tell. Whoever reads takes the last.
"""

import sys
from collections.abc import Mapping, Sequence
from typing import Annotated

import msgspec
import re2
from msgspec import Meta

from logkeep.event import ATTRIBUTE_KEY_BYTES_MAX, ATTRIBUTES_MAX, NO_ATTRIBUTES, Scalar, attributes_json

INT_MAX = (1 << 63) - 1
# What every encoder behind us can write again; larger numbers become text.
Int = Annotated[int, Meta(ge=-INT_MAX, le=INT_MAX)]
Float = Annotated[float, Meta(ge=-sys.float_info.max, le=sys.float_info.max)]
# As many characters cannot be more bytes than a key may have; longer ones are measured on the slow path.
_Attributes = Annotated[
    dict[Annotated[str, Meta(max_length=ATTRIBUTE_KEY_BYTES_MAX // 4)], str | Int | Float | bool | None],
    Meta(max_length=ATTRIBUTES_MAX),
]

# 1,024 bytes cannot hold more attributes than are allowed: the shortest, `"":0,`, has five.
PLAIN_BYTES_MAX = 1024
_NAME = rf'"[^"\\\x00-\x1f]{{0,{ATTRIBUTE_KEY_BYTES_MAX}}}"'
_NUMBER = r"0|-?[1-9][0-9]{0,17}|-?(?:0|[1-9][0-9]{0,9})\.(?:0|[0-9]{0,3}[1-9])"
_PAIR = rf'{_NAME}: ?(?:"[^"\\\x00-\x1f]*"|{_NUMBER}|true|false|null)'
_OPTIONS = re2.Options()
_OPTIONS.encoding = re2.Options.Encoding.LATIN1  # bytes: that they are UTF-8 is known
_plain_lines = re2.compile(rf"(?:\{{(?:{_PAIR}(?:, ?{_PAIR})*)?\}}\n)*".encode(), _OPTIONS).match

# What a decoder raises over hostile bytes: malformed or of a wrong type, not UTF-8, deeper than the C stack may go.
REFUSED = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
_strict = msgspec.json.Decoder(_Attributes | None).decode
_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_scalar = msgspec.json.Decoder(str | Int | Float | bool | None).decode


def not_plain(raws: Sequence[msgspec.Raw]) -> list[int]:
    """Indexes of those that are not plain, ascending. raws: well-formed JSON, valid UTF-8, no white space around."""
    text = b"\n".join((*raws, b""))
    found: list[int] = []
    at, row = 0, 0
    while (end := _plain_lines(text, at).end()) < len(text):
        row += text.count(b"\n", at, end)
        found.append(row)
        at = end + len(raws[row]) + 1  # white space inside may be line breaks
        row += 1
    if len(text) > PLAIN_BYTES_MAX and max(map(len, raws)) > PLAIN_BYTES_MAX:
        return sorted({*found, *(row for row, raw in enumerate(raws) if len(raw) > PLAIN_BYTES_MAX)})
    return found


def kept(raw: msgspec.Raw, corrected: dict[str, int]) -> msgspec.Raw:
    """Well-formed attributes as they are stored; corrections as `decode_events` counts them."""
    try:
        return attributes_json(_strict(raw) or {})
    except REFUSED:
        return written(read(raw, corrected), corrected)


def read(raw: msgspec.Raw, corrected: dict[str, int]) -> dict[str, Scalar]:
    """The map of attributes; anything else becomes one attribute `attributes`."""
    if raw is NO_ATTRIBUTES or bytes(raw) == b"null":
        return {}
    try:
        members = _members(raw)
    except REFUSED:
        corrected["attribute_type"] = corrected.get("attribute_type", 0) + 1
        return {"attributes": scalar_or_json(raw)}
    attributes = {name: scalar_or_json(value) for name, value in members.items()}
    for name, value in members.items():
        # Text that is not in quotes where it stood: nested JSON, or a number no encoder could write again.
        if attributes[name].__class__ is str and bytes(value)[:1] != b'"':
            corrected["attribute_type"] = corrected.get("attribute_type", 0) + 1
    return attributes


def written(attributes: Mapping[str, Scalar], corrected: dict[str, int]) -> msgspec.Raw:
    """As many as are allowed, in the sender's order."""
    names = [key for key in attributes if len(key.encode()) <= ATTRIBUTE_KEY_BYTES_MAX][:ATTRIBUTES_MAX]
    if cut := len(attributes) - len(names):
        corrected["attributes_cut"] = corrected.get("attributes_cut", 0) + cut
        return attributes_json({key: attributes[key] for key in names})
    return attributes_json(attributes)


def scalar_or_json(raw: msgspec.Raw) -> Scalar:
    """A text, number or bool; the JSON text of anything else."""
    try:
        scalar: Scalar = _scalar(raw)
        return scalar
    except REFUSED:
        return bytes(raw).decode()
