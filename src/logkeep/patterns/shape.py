"""A message's shape: its words at their places, whatever separates them and whatever numbers are in it.

Separators become spaces one for one, so that a shape and its text split into the same pieces; digits vanish, and `.`,
`-` and `+` with them, so that an address, a version or a fraction is one number: an empty piece. All texts of a batch
go through `bytes.translate` as one: 0.5 µs of CPU a text of 120 characters.
"""

import re
from collections.abc import Sequence

TEXT_CHARS_MAX = 400  # of a message that are looked at; what templates differ in stands before
_SEPARATORS = ",;:=()[]{}<>\"'`|&?!"
_JOINT = "\x1e"  # between the texts of a batch while they are one; in a text it separates like any control character
_DELETED = b"0123456789.-+"

_MAPPED = {
    **dict.fromkeys(range(0x21), ord(" ")),
    **dict.fromkeys(_SEPARATORS.encode(), ord(" ")),
    ord(_JOINT): ord(_JOINT),
}
_TABLE = bytes(_MAPPED.get(byte, byte) for byte in range(256))
_is_separator = re.compile(f"[\x00-\x20{re.escape(_SEPARATORS)}]")


def shapes(texts: Sequence[str]) -> list[bytes]:
    """The shape of each text; of a longer one, of its start."""
    if not texts:
        return []
    short = [text if len(text) <= TEXT_CHARS_MAX else bounded(text) for text in texts]
    joined = _JOINT.join(short)
    if joined.count(_JOINT) != len(texts) - 1:
        joined = _JOINT.join([text.replace(_JOINT, "\x1f") for text in short])
    return joined.encode("utf-8", "surrogatepass").translate(_TABLE, _DELETED).split(_JOINT.encode())


def bounded(text: str) -> str:
    """The start of a long text, cut between words, with … for the rest; a run of spaces is one space.

    Columns and one-digit days are padded with spaces: what stands behind them keeps its place.
    """
    if len(text) > TEXT_CHARS_MAX:
        start = text[: TEXT_CHARS_MAX - 2]
        text = (start.rpartition(" ")[0] or start) + " …"
    while "  " in text:
        text = text.replace("  ", " ")
    return text


def pieces(text: str) -> tuple[list[str], list[str]]:
    """What stands between the separators of a bounded text, empty pieces too, and the separators: one fewer."""
    return _is_separator.split(text), _is_separator.findall(text)


def letters(piece: str) -> bytes:
    """What is left of a piece in a shape."""
    return piece.encode("utf-8", "surrogatepass").translate(None, _DELETED)
