"""An event as a document of MongoDB and back, and what the databases hold. Pure.

    PREFIX                 version, remembered ids, updates, patterns, marks of erasures: what is of no one day
    PREFIX_2025_10_10      `events`: the events of that day, so that a day is dropped whole

A field that is unset is not in the document: unset is what most events have most fields, and an index with a partial
filter then leaves them out. Attributes are a document in it, in the types they came in, which costs nothing here and
can be read by anyone; names that MongoDB could not address (dots, dollars, NUL, none) are spelt with percent signs.
Pairs of name and text in an array, which an index could stand on, took more of our time than all the rest of an event.

`hidden` is true in what an update has superseded; it is set and never taken away, so a replay does no harm.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Any, TypeAlias

import msgspec

from logkeep.clock import NS_PER_DAY, NS_PER_S
from logkeep.errors import InputError
from logkeep.event import Event, Scalar, attributes_json, attributes_of
from logkeep.query.match import attribute_key
from logkeep.query.text import tokens

SCHEMA_VERSION = 1
Document: TypeAlias = dict[str, Any]

# Fields that are left out when they are the empty text.
OPTIONAL_FIELDS = ("level", "user", "device", "component", "pattern")
# Everything but the words, which are made from the value: a third of a document.
EVENT_FIELDS = {"words": 0}


class Index(msgspec.Struct, frozen=True):
    """only: the field that a document must have to be in the index, "" for all."""

    name: str
    fields: tuple[str, ...]
    only: str = ""


# Beside `_id`, which is app, id and time: an event by its id, and what a replay runs into.
# Every query is inside one app, so each begins with it; WiredTiger's prefix compression makes that nearly free.
INDEXES = (
    Index("app_time", ("app", "time", "id")),  # the newest, ranges and pages: their order is the index's
    Index("app_session", ("app", "session", "time")),
    Index("app_user", ("app", "user", "time"), only="user"),
    Index("app_device", ("app", "device", "time"), only="device"),
    # An entry a different word: by far the largest. `time` makes a word in a short range cheap, `id` would double it.
    Index("app_words", ("app", "words", "time")),
    Index("app_arrival", ("app", "arrival")),  # where a live tail goes on
)

_ELEMENT_BYTES = 16  # of a document in a message beside itself: a type, its place as a text
WORDS_TOLD_APART = 64  # up to so many stand in `words` as often as in the value: to leave some out costs more
_ESCAPES = {"%": "%25", ".": "%2E", "$": "%24", "\0": "%00"}
NAMES_KEPT = 10_000  # attribute names whose spelling is remembered, about 2 MB
_plain: set[str] = set()  # names that are stored as they are


def document_id(app: str, event_id: str, time_ns: int) -> str:
    """The same for the same event only: app names hold no NUL, and the last one is before the time."""
    return f"{app}\0{event_id}\0{time_ns:x}"


def document_of(event: Event) -> Document:
    words = tokens(event.value)
    document = {
        "_id": f"{event.app}\0{event.id}\0{event.time_ns:x}",
        "app": event.app,
        "time": event.time_ns,
        "id": event.id,
        "session": event.session,
        "key": event.key,
        "value": event.value,
        "received": event.received_ns,
        "arrival": event.arrival,
        "words": words if len(words) <= WORDS_TOLD_APART else list(dict.fromkeys(words)),
    }
    if event.kind != "text":
        document["kind"] = event.kind
        if event.number is not None:
            document["number"] = event.number
    if event.level:
        document["level"] = event.level
    if event.user:
        document["user"] = event.user
    if event.device:
        document["device"] = event.device
    if event.component:
        document["component"] = event.component
    if event.pattern:
        document["pattern"] = event.pattern
    if event.update:
        document["update"] = True
    if attributes := attributes_of(event):
        document["attributes"] = _stored_attributes(attributes)
    return document


def _stored_attributes(attributes: Mapping[str, Scalar]) -> Mapping[str, Any]:
    """null is an empty document: MongoDB's own is in most places the same as a member that is not there."""
    if attributes.keys() <= _plain and None not in attributes.values():
        return attributes
    return {stored_name(key): {} if value is None else value for key, value in attributes.items()}


@lru_cache(maxsize=NAMES_KEPT)
def stored_name(key: str) -> str:
    """The member of `attributes` that holds the attribute `key`."""
    name = "".join(_ESCAPES.get(char, char) for char in key) or "%"
    if name == key and len(_plain) < NAMES_KEPT:
        _plain.add(key)
    return name


@lru_cache(maxsize=NAMES_KEPT)
def _key_of(name: str) -> str:
    """The inverse of `stored_name`."""
    if name == "%":
        return ""
    for char, escape in reversed(_ESCAPES.items()):
        name = name.replace(escape, char)
    return name


def attribute_path(field: str) -> str:
    """Of a field such as "attributes.latency", as MongoDB addresses it."""
    return "attributes." + stored_name(attribute_key(field))


def event_of(document: Mapping[str, Any]) -> Event:
    """The event; of a document with some fields only, what they tell."""
    get = document.get
    return Event(
        get("app", ""),
        get("session", ""),
        get("key", ""),
        get("value", ""),
        get("kind", "text"),
        get("number"),
        get("time", 0),
        get("received", 0),
        get("id", ""),
        get("level", ""),
        get("user", ""),
        get("device", ""),
        get("component", ""),
        attributes_json({_key_of(name): _scalar(value) for name, value in get("attributes", {}).items()}),
        get("update", False),
        False,
        get("pattern", ""),
        get("arrival", 0),
    )


def _scalar(value: Any) -> Scalar:
    """The inverse of `_stored_attributes`. The client has a class of its own for integers of 64 bits."""
    if isinstance(value, int):
        return value if value.__class__ is bool else int(value)
    return None if isinstance(value, dict) else value


def in_messages(encoded: Iterable[bytes], *, documents_max: int, bytes_max: int) -> Iterator[list[bytes]]:
    """Encoded documents in pieces of which each is one message; a larger document is one alone."""
    piece: list[bytes] = []
    size = 0
    for document in encoded:
        more = len(document) + _ELEMENT_BYTES
        if piece and (size + more > bytes_max or len(piece) >= documents_max):
            yield piece
            piece, size = [], 0
        piece.append(document)
        size += more
    if piece:
        yield piece


# ── days ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


def day_of(time_ns: int) -> str:
    """`YYYY-MM-DD`, UTC."""
    return datetime.fromtimestamp(time_ns // NS_PER_S, UTC).strftime("%Y-%m-%d")


def day_start_ns(day: str) -> int:
    return (date.fromisoformat(day) - date(1970, 1, 1)) // timedelta(days=1) * NS_PER_DAY


def day_named(text: str) -> str:
    """`text` as the day it names. Raises InputError."""
    try:
        return date.fromisoformat(text).isoformat()
    except ValueError as error:
        raise InputError(f"{text[:40]!r} is no day; write YYYY-MM-DD", code="bad_day") from error


def database_of(prefix: str, day: str) -> str:
    return f"{prefix}_{day.replace('-', '_')}"


def day_of_database(prefix: str, name: str) -> str | None:
    """None for a database that is no day's."""
    rest = name.removeprefix(prefix + "_")
    try:
        day = date.fromisoformat(rest.replace("_", "-")).isoformat()
    except ValueError:
        return None
    return day if database_of(prefix, day) == name else None


def by_day(events: Sequence[Event]) -> dict[str, list[Event]]:
    """In order of day."""
    found: dict[int, list[Event]] = {}
    for event in events:
        found.setdefault(event.time_ns // NS_PER_DAY, []).append(event)
    return {day_of(number * NS_PER_DAY): members for number, members in sorted(found.items())}
