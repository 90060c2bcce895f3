"""Which component and key refused events name, as far as can be read: what statistics count them by."""

from collections.abc import Mapping

import msgspec

from logkeep.decode.attributes import REFUSED
from logkeep.decode.split import NATIVE_BYTES_MAX
from logkeep.event import NAME_BYTES_MAX

Named = tuple[str, str]  # component and key, each "" where an event names none

UNKNOWN = "(unknown)"  # what could not be read, or was not told
OTHER = "(other)"  # what is more than is told apart
UNREAD: Named = (UNKNOWN, UNKNOWN)
OTHERS: Named = (OTHER, OTHER)

_NAME_CHARS = NAME_BYTES_MAX // 4  # cannot be more than NAME_BYTES_MAX bytes


class _Names(msgspec.Struct, gc=False):
    app: str | None = None
    component: str | None = None
    key: str | None = None


_plain = msgspec.json.Decoder(_Names).decode
_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_text = msgspec.json.Decoder(str).decode


def named_in(item: bytes) -> Named:
    """Of what is no event. About 2 µs, and 1 ms a MiB of it: what is larger than splits in one call is not read."""
    return names_in(item)[1] if len(item) <= NATIVE_BYTES_MAX else UNREAD


def names_in(item: bytes) -> tuple[str, Named]:
    """The same with the write key that it names, "" where none can be read."""
    try:
        names = _plain(item)
        return names.app or "", (_cut(names.component or ""), _cut(names.key or ""))
    except REFUSED:
        pass
    try:
        members = _members(item)
    except REFUSED:
        return "", UNREAD
    app = members.get("app")
    return _read(app, "") if app is not None else "", (_name(members.get("component")), _name(members.get("key")))


def _name(raw: msgspec.Raw | None) -> str:
    """As it would be stored: a number becomes text, a long name is cut."""
    sent = b"null" if raw is None else bytes(raw)
    if sent[:1] in b"[{n":
        return ""
    return _cut(_read(sent, UNKNOWN) if sent[:1] == b'"' else sent.decode())


def _read(raw: msgspec.Raw | bytes, otherwise: str) -> str:
    try:
        return _text(raw)
    except REFUSED:
        return otherwise


def _cut(name: str) -> str:
    if len(name) <= _NAME_CHARS:
        return name
    return name[:NAME_BYTES_MAX].encode()[:NAME_BYTES_MAX].decode("utf-8", "ignore")


def count_named(counts: dict[Named, int], named: Named, count: int = 1, *, names_max: int) -> None:
    """Added to `counts`; from `names_max` on what is new is OTHERS."""
    if named not in counts and len(counts) >= names_max:
        named = OTHERS
    counts[named] = counts.get(named, 0) + count


def told_named(counts: Mapping[Named, int]) -> tuple[tuple[str, str, int], ...]:
    """As a frame's header has it."""
    return tuple((component, key, count) for (component, key), count in counts.items())
