"""The indexes of the OpenSearch and Elasticsearch store: names, mappings, and an event as a document. Pure.

    PREFIX-events-2025.10.10   the events of a day of their time
    PREFIX-memory-2025.10.10   what is known for 24 h: ids that senders gave, ids of batches; by the day of writing
    PREFIX-updates             a document for each (app, session, key) that an update replaced: what stands
    PREFIX-patterns            templates of messages
    PREFIX-erasing             events that an erasure is removing; absent otherwise

Each field of an event is in its document once, as it was; an attribute among all of them, as their JSON text. These the
engine keeps; what is `DERIVED` from them it only indexes. Words are our own tokens (query/text.py) with spaces between
them, for an analyser that splits at white space and does nothing else. What it would split, Unicode's white space and
more than 255 characters, is written in other words: no tokeniser of the engine can disagree with the language.
Attributes are terms in one field, the key, U+001F and the text: none makes a field of its own, and an event has an
attribute if it has a term that begins so. Numbers of theirs are terms whose order is that of the numbers.

A term has at most 32,766 bytes in the engine. A longer text is the term of its beginning and a digest; `cut` says so,
for regexes and long prefixes cannot be answered from such a term. `long_value` is a value of which that is so.
"""

import hashlib
import re
import struct
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import msgspec

from logkeep.clock import NS_PER_DAY, NS_PER_MS
from logkeep.event import LEVELS, NO_ATTRIBUTES, Event, ValueKind, attributes_of
from logkeep.query.match import attribute_text
from logkeep.query.text import fold, tokens
from logkeep.store.page import rfc3339

SCHEMA_VERSION = 2
TERM_CHARS_MAX = 8000  # of a text that is one term: 32,000 bytes at most
CUT_MARK = "\U0010ffff"
ATTRIBUTE_CHARS_MAX = 5000  # of a text that is a term with any name before it
NAMES_KEPT = 10_000  # of attributes, components and keys, what is made of them: a MB each
WORD_CHARS_MAX = 100  # of a token that is kept whole; 200 of the engine's units, of 255
WORD_CHARS_CUT = 60  # of a longer one, then a digest
LEVEL_RANKS = {level: rank for rank, level in enumerate(LEVELS)}


class Document(msgspec.Struct, omit_defaults=True, gc=False):
    """An event as it is indexed; a field that is unset is not there. Times are ns, time_ms rounded down."""

    app: str
    session: str
    key: str
    value: str
    id: str
    time: int
    time_ms: int
    received: int
    arrival: int = 0
    words: str = ""
    level: str = ""
    level_rank: int = -1
    user: str = ""
    device: str = ""
    component: str = ""
    pattern: str = ""
    key_folded: str = ""
    component_folded: str = ""
    attributes_json: str = ""
    attributes: list[str] = []
    attributes_folded: list[str] = []
    attribute_numbers: list[str] = []
    kind: ValueKind = "text"
    number: float | None = None
    long_value: str = ""
    cut: list[str] = []
    update: bool = False
    own_id: bool = False
    hidden: bool = False


class Source(msgspec.Struct):
    """What is kept of a document, as the engine gives it back."""

    app: str = ""
    session: str = ""
    key: str = ""
    value: str = ""
    kind: ValueKind = "text"
    number: float | None = None
    time: int = 0
    received: int = 0
    id: str = ""
    level: str = ""
    user: str = ""
    device: str = ""
    component: str = ""
    attributes_json: str = ""
    update: bool = False
    own_id: bool = False
    pattern: str = ""
    arrival: int = 0
    long_value: str = ""

    def event(self) -> Event:
        return Event(
            self.app,
            self.session,
            self.key,
            self.long_value or self.value,
            self.kind,
            self.number,
            self.time,
            self.received,
            self.id,
            self.level,
            self.user,
            self.device,
            self.component,
            msgspec.Raw(self.attributes_json) if self.attributes_json else NO_ATTRIBUTES,
            self.update,
            self.own_id,
            self.pattern,
            self.arrival,
        )


_KEYWORD = {"type": "keyword"}
_UNSORTED = {"type": "keyword", "doc_values": False}  # found by, never grouped by
_KEPT = {"type": "keyword", "index": False, "doc_values": False}  # neither; only there
_NOTED = {"type": "boolean", "index": False, "doc_values": False}
_LONG = {"type": "long"}
_FLAG = {"type": "boolean"}

EVENT_PROPERTIES: dict[str, Any] = {
    **dict.fromkeys(
        ("app", "session", "key", "id", "level", "user", "device", "component", "pattern", "attributes"), _KEYWORD
    ),
    **dict.fromkeys(("key_folded", "component_folded", "attributes_folded", "attribute_numbers"), _UNSORTED),
    **dict.fromkeys(("cut", "kind", "value"), _UNSORTED),
    **dict.fromkeys(("time", "time_ms", "received", "arrival"), _LONG),
    "level_rank": {"type": "byte"},
    "number": {"type": "double"},
    "update": _FLAG,
    "hidden": _FLAG,
    "words": {"type": "text", "analyzer": "whitespace", "norms": False},
    "attributes_json": _KEPT,
    "long_value": _KEPT,
    "own_id": _NOTED,
}
DERIVED = tuple(sorted(EVENT_PROPERTIES.keys() - set(Source.__struct_fields__)))
UPDATE_PROPERTIES: dict[str, Any] = {
    **dict.fromkeys(("app", "day", "id"), _KEYWORD),
    **dict.fromkeys(("time", "received", "until"), _LONG),
}
MEMORY_PROPERTIES: dict[str, Any] = {"at": _LONG}
PATTERN_PROPERTIES: dict[str, Any] = {
    **dict.fromkeys(("app", "id"), _KEYWORD),
    **dict.fromkeys(("first", "kept"), _LONG),
    **dict.fromkeys(("template", "form"), _KEPT),
}
ERASING_PROPERTIES: dict[str, Any] = {
    "place": _LONG,
    **dict.fromkeys(("index", "doc", "event"), _KEPT),
}


class Layout(msgspec.Struct, frozen=True):
    """What the settings say about indexes. prefix: of all names."""

    prefix: str = "logkeep"
    shards: int = 1
    replicas: int = 1

    @property
    def events(self) -> str:
        return f"{self.prefix}-events-*"

    @property
    def memory(self) -> str:
        return f"{self.prefix}-memory-*"

    @property
    def updates(self) -> str:
        return f"{self.prefix}-updates"

    @property
    def patterns(self) -> str:
        return f"{self.prefix}-patterns"

    @property
    def erasing(self) -> str:
        return f"{self.prefix}-erasing"

    def events_of(self, day: str) -> str:
        """day: YYYY-MM-DD."""
        return f"{self.prefix}-events-{day.replace('-', '.')}"

    def memory_of(self, day: str) -> str:
        return f"{self.prefix}-memory-{day.replace('-', '.')}"

    def day_of(self, index: str) -> str:
        return index[-10:].replace(".", "-")

    def templates(self) -> dict[str, bytes]:
        """Bodies of the index templates by their names."""
        patterns = {
            "events": (self.events, EVENT_PROPERTIES),
            "memory": (self.memory, MEMORY_PROPERTIES),
            "updates": (self.updates, UPDATE_PROPERTIES),
            "patterns": (self.patterns, PATTERN_PROPERTIES),
            "erasing": (self.erasing, ERASING_PROPERTIES),
        }
        return {f"{self.prefix}-{name}": self._template(name, *each) for name, each in patterns.items()}

    def _template(self, name: str, pattern: str, properties: dict[str, Any]) -> bytes:
        mappings: dict[str, Any] = {
            "dynamic": "strict",
            "_meta": {"logkeep": SCHEMA_VERSION},
            "properties": properties,
        }
        if name == "events":
            mappings["_source"] = {"excludes": DERIVED}
        index = {
            "number_of_shards": self.shards if name == "events" else 1,
            "number_of_replicas": self.replicas,
            "refresh_interval": "30s",  # what is written is refreshed by who wrote it; this is for what it left
            "translog.durability": "request",  # an acknowledged request is on disk
            "merge.policy.expunge_deletes_allowed": 0,  # erased is erased
            "max_regex_length": 20_000,
            "codec": "best_compression",
        }
        return msgspec.json.encode(
            {
                "index_patterns": [pattern],
                "priority": 500,
                "template": {"settings": {"index": index}, "mappings": mappings},
                "_meta": {"logkeep": SCHEMA_VERSION},
            }
        )


@lru_cache(maxsize=4096)
def _day_text(day: int) -> str:
    return rfc3339(day * NS_PER_DAY)[:10]


def day_of(time_ns: int) -> str:
    """YYYY-MM-DD, UTC."""
    return _day_text(time_ns // NS_PER_DAY)


def document_id(app: str, name: str) -> str:
    """The same for the same two texts, everywhere and for ever; different for others."""
    if len(app) + len(name) <= 150:  # 512 bytes are the engine's limit; the length keeps ("ab", "c") from ("a", "bc")
        return f"{len(app)}:{app}{name}"
    digest = hashlib.blake2b(f"{len(app)}:{app}{name}".encode("utf-8", "surrogatepass"), digest_size=24)
    return "#" + digest.hexdigest()


def term(text: str) -> str:
    """What stands for `text` in the engine."""
    if len(text) <= TERM_CHARS_MAX:
        return text
    digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
    return f"{text[: TERM_CHARS_MAX - 600]}{CUT_MARK}{digest.ljust(600, '0')}"


# Where the engine's analyser splits and the language does not: Java's Character.isWhitespace above ASCII.
_SPACES = "\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2008\u2009\u200a\u2028\u2029\u205f\u3000"
WORDS_OF_SPACE = str.maketrans({space: f"\U0010fffe{ord(space):x}\U0010fffe" for space in _SPACES})
_has_space = re.compile(f"[{_SPACES}]").search
_TOKENS_OF_BYTES = bytes(ord(chr(code).lower()) if code < 128 and chr(code).isalnum() else 32 for code in range(256))


def word(token: str) -> str:
    """What stands for a token in `words`."""
    if _has_space(token):
        token = token.translate(WORDS_OF_SPACE)
    if len(token) <= WORD_CHARS_MAX:
        return token
    digest = hashlib.blake2b(token.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
    return f"{token[:WORD_CHARS_CUT]}{CUT_MARK}{digest.ljust(32, '0')}{CUT_MARK}"


def _words(value: str) -> tuple[str, bool]:
    """The tokens of `value`, and whether one of them is cut."""
    if value.isascii():  # the same, in a tenth of the time
        text = value.encode().translate(_TOKENS_OF_BYTES).decode()
        if not _has_long(text):
            return text, False
    found = tokens(value)
    words = [word(token) for token in found]
    return " ".join(words), any(CUT_MARK in each for each in words)


def _has_long(words: str) -> bool:
    """Whether one of them, with single spaces or more between them, is longer than WORD_CHARS_MAX."""
    start = 0  # of a word, or a space
    while len(words) - start > WORD_CHARS_MAX:
        space = words.rfind(" ", start, start + WORD_CHARS_MAX + 1)
        if space < 0:
            return True
        start = space + 1
    return False


def attribute_prefix(key: str) -> str:
    """What all terms of an attribute begin with, and those of no other."""
    if "\x1f" in key or "\x1e" in key:
        key = key.replace("\x1e", "\x1e0").replace("\x1f", "\x1e1")
    return key + "\x1f"


class _Made(dict[str, str]):
    """Of names, what a function makes of them. A look costs a seventh of that at a cached function."""

    def __init__(self, made: Callable[[str], str]) -> None:
        self._make = made

    def __missing__(self, name: str) -> str:
        if len(self) >= NAMES_KEPT:
            self.clear()
        made = self[name] = self._make(name)
        return made


_pack_double, _unpack_long = struct.Struct(">d").pack, struct.Struct(">Q").unpack


@lru_cache(maxsize=65536)
def number_term(number: float) -> str:
    """16 characters whose order is that of the numbers; -0.0 is 0.0."""
    (bits,) = _unpack_long(_pack_double(number + 0.0))
    return f"{bits ^ 0xFFFFFFFFFFFFFFFF if bits >> 63 else bits | 1 << 63:016x}"


_prefixes = _Made(attribute_prefix)
_folded = _Made(lambda name: "" if (folded := fold(name)) == name else folded)


def document(event: Event, *, hidden: bool = False) -> Document:
    """The event as it is indexed."""
    value = event.value
    words, has_cut_word = _words(value)
    made = Document(
        event.app,
        event.session,
        event.key,
        value,
        event.id,
        event.time_ns,
        event.time_ns // NS_PER_MS,
        event.received_ns,
        event.arrival,
        words,
        event.level,
        LEVEL_RANKS.get(event.level, -1),
        event.user,
        event.device,
        event.component,
        event.pattern,
        _folded[event.key],
        _folded[event.component],
    )
    if len(event.attributes) > 2:
        _add_attributes(made, event)
    if event.kind != "text":
        made.kind = event.kind
        if event.number is not None:
            made.number = event.number + 0.0
    if len(value) > TERM_CHARS_MAX:
        made.value, made.long_value = term(value), value
        made.cut = [*made.cut, "value"]
    if has_cut_word:
        made.cut = [*made.cut, "words"]
    if event.update:
        made.update = True
    if event.own_id:
        made.own_id = True
    if hidden:
        made.hidden = True
    return made


def _add_attributes(made: Document, event: Event) -> None:
    """Folded terms only of texts that folding changes: the others are found among the plain ones."""
    text = made.attributes_json = str(event.attributes, "utf-8")
    folding = str.lower if text.isascii() and "\\" not in text else fold  # the same of ASCII, in a fifth of the time
    terms: list[str] = []
    folded: list[str] = []
    numbers: list[str] = []
    for key, value in attributes_of(event).items():
        prefix = _prefixes[key]
        if value.__class__ is str:
            terms.append(prefix + value)
            if (low := folding(value)) != value:
                folded.append(prefix + low)
        elif value.__class__ is int:
            terms.append(f"{prefix}{value}")
            numbers.append(prefix + number_term(float(value)))
        else:
            terms.append(prefix + attribute_text(value))
            if value.__class__ is float:
                numbers.append(prefix + number_term(value))
    if len(text) > ATTRIBUTE_CHARS_MAX and max(map(len, terms)) > ATTRIBUTE_CHARS_MAX:
        terms, folded = [*map(term, terms)], [*map(term, folded)]
        made.cut = ["attributes"]
    made.attributes, made.attributes_folded, made.attribute_numbers = terms, folded, numbers
