r"""Applies rules to a batch: all texts of an app at once, by RE2, whose time grows with their length and nothing else.

The texts are joined by line breaks and searched as one: the call, not the search, is what costs. A match that would
reach over a text's end is looked for again in each text alone. Every search sees the text as it came, so what one puts
in its place is not searched by the next.
"""

import json
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import msgspec
import re2

from logkeep.event import Event, Scalar, attributes_json, attributes_of
from logkeep.masking.fields import Fields
from logkeep.masking.rules import MASK, Rules
from logkeep.masking.search import (
    STEPS_A_BATCH,
    STEPS_AN_EVENT,
    Span,
    Steps,
    alternatives,
    compiled,
    hidden,
    mask_like,
    plain_of,
    replaced,
    touched,
    value_of,
)  # fmt: skip

TEXT_GROWS_BY_MAX = 1024  # bytes, beside as much again as the text has: masks may be longer than what they hide
DEPTH_MAX = 200  # of JSON: well below what Python's recursion takes; what is deeper is masked whole
OWN_CPU_S_MAX = 1.0  # of own patterns in one batch …
OWN_CPU_S_AN_EVENT = 200e-6  # … and so much for each of its events, ten times what twenty patterns take

_ANCHORS = re2.compile(r"\\.|\[\^?(?:\\.|[^\]\\])*\]")
_OWN_SECRETS = re2.compile(r"\b(lk[rw])_[A-Za-z0-9_-]+")  # keys and tokens as metastore/accounts.py makes them
_ASCII_ESCAPE = re.compile(r"\\u00([2-7][0-9a-fA-F])")
_ESCAPES = r"\\|%[2-7][0-9a-fA-F]"  # in JSON: of a text, or of a member's name; in an address
_FLOAT = r"[0-9][eE]\+?1[0-9]"  # of as many digits as a card has

CpuClock = Callable[[], float]


def without_keys(text: str) -> str:
    """`text` without write keys and tokens of this service, whatever rules there are; also of one that is cut off."""
    return str(_OWN_SECRETS.sub(rf"\1_{MASK}", text)) if "lk" in text else text


class _OwnPattern(msgspec.Struct, frozen=True):
    search: Any
    mask: bytes
    anchored: bool


class Masker:
    """Of one app's rules. Safe from one thread at a time."""

    def __init__(self, rules: Rules, *, cpu_s: CpuClock = lambda: 0.0) -> None:
        """cpu_s: seconds of CPU that the calling thread has had; without it own patterns take as long as they do."""
        self._fields = Fields(rules.fields)
        self._steps = Steps(STEPS_A_BATCH)
        self._cpu_s, self._until_s = cpu_s, 0.0
        self.gave_up = False  # own patterns took longer than they may, and whole texts were masked
        parts = alternatives(self._fields, rules.builtin)
        self._search = compiled("|".join(parts)) if parts else None
        self._groups = dict(self._search.groupindex) if self._search is not None else {}
        self._own = [
            _OwnPattern(compiled(own.pattern), b"[%s]" % own.name.encode(), _is_anchored(own.pattern))
            for own in rules.patterns
        ]
        self._own_masks = {own.mask for own in self._own}
        # What only a number says, and no text around it, is looked for by these alone.
        self._numbers = "card" in rules.builtin or bool(self._own)
        self._json = None
        if not any(own.anchored for own in self._own):
            named = [self._fields.pattern(before='"', behind="") + r'"[ \t\r\n]*:'] if rules.fields else []
            own_parts = [f"(?:{own.pattern})" for own in rules.patterns]
            self._json = compiled("|".join([_ESCAPES, _FLOAT, *named, *parts, *own_parts]))
        key = r"(?:^|[^A-Za-z0-9_])[\"']?(?i:key)[\"']?\s*[=:]\s*\[?\s*[\"']?"
        self._any_key, self._key = compiled(key), None
        if rules.fields:
            of_field = self._fields.pattern(before="", behind=r"(?:[^\"'&,\\]|\\.)*")
            self._key = compiled(rf"{key}{of_field}(?:[^A-Za-z0-9_.-]|$)")
        self._value = value_of("value")

    # ── events ────────────────────────────────────────────────────────────────────────────────────────────────────

    def mask(self, events: Sequence[Event]) -> int:
        """How many texts of `events` were changed; what the rules name is not in them any more."""
        if not self._fields.names and self._search is None and not self._own:
            return 0
        self._begin(len(events))
        members = [attributes_of(event) for event in events]
        changed = self._mask_fields(events, members)
        holders = [event for event in events if event.kind == "text" or event.kind == "number"]
        for event, text in self._changed(holders, [_digits(e) if e.kind == "number" else e.value for e in holders]):
            if event.kind == "number":  # it is none any more
                event.kind, event.number = "text", None
            event.value = text
            changed += 1
        changed += self._mask_json([event for event in events if event.kind == "object" or event.kind == "array"])
        changed += self._mask_attributes(members)
        for event, attributes in zip(events, members, strict=True):
            if attributes:  # also without a change: of a name that stands twice, only the last was looked at
                event.attributes = attributes_json(attributes)
        return changed

    def _begin(self, events: int) -> None:
        self._until_s = self._cpu_s() + OWN_CPU_S_MAX + events * OWN_CPU_S_AN_EVENT
        self._steps = Steps(STEPS_A_BATCH + events * STEPS_AN_EVENT)
        self.gave_up = False

    def _goes_on(self) -> None:
        if self._cpu_s() > self._until_s:
            raise _TakesTooLong

    def _mask_attributes(self, members: Sequence[dict[str, Scalar]]) -> int:
        """Their texts repeat a lot: each is looked at once."""
        values: set[Any] = set()
        for attributes in members:
            values.update(attributes.values())
        numbers = [int(value) if value.__class__ is bool else value for value in values]  # a set takes True for 1
        looked_at = [(value, text) for value in numbers if (text := self._text(value))]
        masked = dict(self._changed([value for value, _ in looked_at], [text for _, text in looked_at]))
        if not masked:
            return 0
        changed = 0
        for attributes in members:
            for name, value in attributes.items():
                if value in masked and value.__class__ is not bool:
                    attributes[name] = masked[value]
                    changed += 1
        return changed

    def _text(self, value: Any) -> str:
        """What is looked at of a scalar; "": nothing is."""
        if value.__class__ is str:
            return value
        if not self._numbers or not (value.__class__ is int or value.__class__ is float):
            return ""
        return f"{value:.0f}" if value.__class__ is float and value.is_integer() else str(value)

    def _mask_fields(self, events: Sequence[Event], members: Sequence[dict[str, Scalar]]) -> int:
        if not self._fields.names:
            return 0
        changed = 0
        named = set(filter(self._fields.has, {event.key for event in events}))
        for event in events if named else ():
            if event.key in named:
                event.value, event.kind, event.number = MASK, "text", None
                changed += 1
        names: set[str] = set()
        for attributes in members:
            names.update(attributes)
        named = set(filter(self._fields.has, names))
        for attributes in members if named else ():
            for name in named.intersection(attributes):
                attributes[name] = MASK
                changed += 1
        return changed

    def _mask_json(self, events: Sequence[Event]) -> int:
        """Members by their names, all texts in them as texts are: JSON stays JSON."""
        if not events:
            return 0
        pieces = range(len(events)) if self._json is None else touched(self._json, [e.value.encode() for e in events])
        decoded: list[tuple[Event, Any]] = []
        changed = 0
        for event in map(events.__getitem__, pieces):
            try:
                decoded.append((event, _decoded(event.value)))
            except (msgspec.MsgspecError, RecursionError):  # too deep to look into
                event.kind, event.value = "text", MASK
                changed += 1
        values = self._all_in_json([value for _, value in decoded])
        for (event, before), after in zip(decoded, values, strict=True):
            if after != before or _says_twice(event.value):
                event.value = msgspec.json.encode(after).decode()
                changed += 1
        return changed

    def _all_in_json(self, values: Sequence[Any]) -> list[Any]:
        """Decoded values without what is to be hidden, all their texts searched at once."""
        texts: set[str] = set()
        for value in values:
            self._gather(value, texts)
        listed = list(texts)
        masked = dict(self._changed(listed, listed))
        return [self._in_json(value, masked) for value in values]

    def _gather(self, value: Any, texts: set[str]) -> None:
        if isinstance(value, dict | list):
            for inner in value.values() if isinstance(value, dict) else value:
                self._gather(inner, texts)
        elif text := self._text(value):
            texts.add(text)

    def _in_json(self, value: Any, masked: Mapping[str, str]) -> Any:
        if isinstance(value, dict):
            return {n: MASK if self._fields.has(n) else self._in_json(v, masked) for n, v in value.items()}
        if isinstance(value, list):
            return [self._in_json(item, masked) for item in value]
        return masked.get(self._text(value), value)

    # ── texts ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def mask_text(self, text: str) -> str:
        self._begin(1)
        return self._masked(text)

    def mask_sent(self, text: str) -> str:
        """`text`, which is an event as it was sent, whole or cut off."""
        self._begin(1)
        try:
            decoded = _decoded(text)
            (masked,) = self._all_in_json([_with_hidden_value(decoded, self._fields)])
            as_sent = masked == decoded and not _says_twice(text) and not _ASCII_ESCAPE.search(text)
            return self._masked(text if as_sent else msgspec.json.encode(masked).decode())
        except (msgspec.MsgspecError, RecursionError, UnicodeError):
            plain = _ASCII_ESCAPE.sub(_unescaped, text)
        masked = self._masked(plain)
        # The key may be what was cut off: then nobody knows whether it is a secret's.
        if self._key is not None and (self._key.search(masked) or not self._any_key.search(masked)):
            masked = _hidden_by(self._value, masked)
        return text if masked == plain else masked

    def _masked(self, text: str) -> str:
        for _, changed in self._changed([None], [text]):
            return changed
        return text

    def _changed(self, holders: Sequence[Any], texts: Sequence[str]) -> Iterator[tuple[Any, str]]:
        """Each holder whose text is another one now, with that."""
        if not texts:
            return
        pieces = list(map(str.encode, texts))
        try:
            spans = self._spans(pieces)
        except _TakesTooLong:
            self.gave_up = True
            yield from ((holder, MASK) for holder in holders)
            return
        for index in sorted(spans):
            before = pieces[index]
            after = replaced(before, spans[index])
            if len(after) > 2 * len(before) + TEXT_GROWS_BY_MAX:
                after = MASK.encode()
            if after != before:
                yield holders[index], after.decode("utf-8", "replace")

    def _spans(self, pieces: Sequence[bytes]) -> dict[int, list[Span]]:
        """What is hidden in each of the pieces that has such; of the first rule first. Raises _TakesTooLong."""
        spans = self._found_in(pieces)
        # Escapes may hide a name, and they tell where a value ends: both ways of reading count.
        escaped = [(index, plain) for index, piece in enumerate(pieces) if (plain := plain_of(piece)) is not None]
        for place, found in self._found_in([plain.text for _, plain in escaped]).items():
            index, plain = escaped[place]
            for start, end, mask in found:
                first, last = plain.span(start, end)
                own = mask in self._own_masks
                spans.setdefault(index, []).append((first, last, mask if own else mask_like(pieces[index][first:last])))
        return spans

    def _found_in(self, pieces: Sequence[bytes]) -> dict[int, list[Span]]:
        spans: dict[int, list[Span]] = {}
        if self._search is not None:
            for index in sorted(touched(self._search, pieces)):
                self._steps.begin_text()
                spans.setdefault(index, []).extend(hidden(self._search, self._groups, pieces[index], self._steps))
        for own in self._own:
            for index in range(len(pieces)) if own.anchored else touched(own.search, pieces, self._goes_on):
                self._goes_on()
                for match in own.search.finditer(pieces[index]):
                    self._goes_on()
                    start, end = match.span()
                    if start < end:
                        spans.setdefault(index, []).append((start, end, own.mask))
        return spans


class _TakesTooLong(Exception):
    pass


def _is_anchored(pattern: str) -> bool:
    return any(char in _ANCHORS.sub("", pattern) for char in "^$")


def _digits(event: Event) -> str:
    """A number as a card's would be written."""
    has_exponent = event.number is not None and "e" in event.value.lower()
    return f"{event.number:.0f}" if has_exponent else event.value


def _decoded(text: str) -> Any:
    """Raises MsgspecError, RecursionError."""
    try:
        value = msgspec.json.decode(text)
    except msgspec.DecodeError:  # also of a number too large for a float, which is JSON
        value = _with_large_numbers(text)
    if text.count("[") + text.count("{") > DEPTH_MAX and _depth(value) > DEPTH_MAX:
        raise RecursionError
    return value


def _with_large_numbers(text: str) -> Any:
    """Numbers too large for a float stay as they are written. Raises DecodeError, RecursionError."""

    def read(number: str) -> Any:
        return value if math.isfinite(value := float(number)) else msgspec.Raw(number.encode())

    try:
        return json.loads(text, parse_float=read, parse_constant=_refuse)
    except ValueError as error:
        raise msgspec.DecodeError(str(error)) from error


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is no JSON")


def _depth(value: Any) -> int:
    """How many lists and objects are within each other."""
    depth, level = 0, [value]
    while level := [one for one in level if isinstance(one, dict | list)]:
        depth += 1
        level = [inner for one in level for inner in (one.values() if isinstance(one, dict) else one)]
    return depth


def _says_twice(text: str) -> bool:
    """Whether a member of JSON stands twice in its object: what is decoded has only the last."""
    twice = False

    def made(pairs: list[tuple[str, Any]]) -> None:
        nonlocal twice
        twice = twice or len(dict(pairs)) < len(pairs)

    json.loads(text, object_pairs_hook=made)
    return twice


def _with_hidden_value(sent: Any, fields: Fields) -> Any:
    """Of an event as it was sent, or several: what has a field's name for its key has its value hidden."""
    if isinstance(sent, list):
        return [_with_hidden_value(one, fields) for one in sent]
    if isinstance(sent, dict) and "value" in sent:
        keys = sent.get("key", "")
        if any(fields.has(str(key)) for key in (keys if isinstance(keys, list) else [keys])):
            return sent | {"value": MASK}
    return sent


def _unescaped(match: re.Match[str]) -> str:
    char = chr(int(match.group(1), 16))
    return match.group() if char in '"\\' else char


def _hidden_by(search: Any, text: str) -> str:
    data, steps = text.encode(), Steps(STEPS_A_BATCH)
    steps.begin_text()
    return replaced(data, list(hidden(search, search.groupindex, data, steps))).decode("utf-8", "replace")
