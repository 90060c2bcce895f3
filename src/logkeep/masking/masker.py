r"""Applies rules to a batch: all texts of an app at once, by RE2, whose time grows with their length and nothing else.

The texts are joined by line breaks and searched as one: the call, not the search, is what costs. A match that would
reach over a text's end is looked for again in each text alone.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate
from typing import Any

import msgspec
import re2

from logkeep.event import Event, Scalar, attributes_json, attributes_of
from logkeep.masking.rules import MASK, Rules

_BEARER = r"(?i:\b(?:bearer|basic|digest|token)[ \t]+)(?P<bearer>[A-Za-z0-9._~+/=-]{12,})"
_EMAIL = r"(?P<email>[A-Za-z0-9._%+-]{1,64}@(?:[A-Za-z0-9-]{1,63}\.){1,8}[A-Za-z]{2,24})"
_CARD = r"\b(?P<card>[0-9](?:[ -]?[0-9]){12,18})\b"
# NAME="VALUE", NAME=VALUE, NAME: VALUE, "NAME":"VALUE", "NAME":VALUE; also NAME=Bearer VALUE
_FIELD = (
    r'(?i:(?:^|[^A-Za-z0-9_.-])["\']?(?:%s)["\']?[ \t]*[=:][ \t]*)'
    r'(?P<field>"(?:[^"\\\r\n]|\\.)*"|\'[^\'\r\n]*\'|(?i:(?:bearer|basic|digest|token)[ \t]+)?[^\s,;&"\'{}\[\]]+)'
)
_ANCHORS = re2.compile(r"\\.|\[\^?(?:\\.|[^\]\\])*\]")

_OWN_SECRETS = re2.compile(r"\b(lk[rw])_[A-Za-z0-9_-]+")  # keys and tokens as metastore/accounts.py makes them

Replacing = tuple[str, Callable[[str, bytes], bytes | None]]


def without_keys(text: str) -> str:
    """`text` without write keys and tokens of this service, whatever rules there are; also of one that is cut off."""
    return str(_OWN_SECRETS.sub(rf"\1_{MASK}", text)) if "lk" in text else text


class Masker:
    """Of one app's rules. Safe from one thread at a time."""

    def __init__(self, rules: Rules) -> None:
        self._fields = frozenset(name.lower() for name in rules.fields)
        options = re2.Options()
        options.log_errors = False
        parts = []
        json_parts = []
        if rules.fields:
            # The longest first: of `token` and `token_id` the whole name is what stands there.
            names = "|".join(sorted(map(re2.escape, rules.fields), key=len, reverse=True))
            parts.append(_FIELD % names)
            json_parts.append(rf'"(?i:{names})"[ \t\r\n]*:')
        builtin = (("bearer", _BEARER), ("email", _EMAIL), ("card", _CARD))
        parts += [part for name, part in builtin if name in rules.builtin]
        json_parts += parts + [own.pattern for own in rules.patterns]
        self._json = re2.compile("|".join(f"(?:{part})" for part in json_parts), options) if json_parts else None
        self._searches: list[tuple[Any, bool]] = []
        if parts:
            self._searches.append((re2.compile("|".join(parts), options), False))
        self._own: dict[int, bytes] = {}
        for own in rules.patterns:
            anchored = any(char in _ANCHORS.sub("", own.pattern) for char in "^$")
            self._own[len(self._searches)] = b"[%s]" % own.name.encode()
            self._searches.append((re2.compile(own.pattern, options), anchored))

    # ── events ────────────────────────────────────────────────────────────────────────────────────────────────────

    def mask(self, events: Sequence[Event]) -> int:
        """How many texts of `events` were changed; what the rules name is not in them any more."""
        if not self._fields and not self._searches:
            return 0
        members = [attributes_of(event) for event in events]
        changed = self._mask_fields(events, members)
        holders = [event for event in events if event.kind == "text" or event.kind == "number"]
        for event, text in self._changed(holders, [event.value for event in holders]):
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

    def _mask_attributes(self, members: Sequence[dict[str, Scalar]]) -> int:
        """Their texts repeat a lot: each is looked at once."""
        values: set[Any] = set()
        for attributes in members:
            values.update(attributes.values())
        texts = [value for value in values if value.__class__ is str]
        masked = dict(self._changed(texts, texts))
        if not masked:
            return 0
        changed = 0
        for attributes in members:
            for name, value in attributes.items():
                if value.__class__ is str and value in masked:
                    attributes[name] = masked[value]
                    changed += 1
        return changed

    def _mask_fields(self, events: Sequence[Event], members: Sequence[dict[str, Scalar]]) -> int:
        fields, changed = self._fields, 0
        hidden = {key for key in {event.key for event in events} if key.lower() in fields}
        for event in events if hidden else ():
            if event.key in hidden:
                event.value, event.kind, event.number = MASK, "text", None
                changed += 1
        names: set[str] = set()
        for attributes in members:
            names.update(attributes)
        hidden = {name for name in names if name.lower() in fields}
        for attributes in members if hidden else ():
            for name in hidden.intersection(attributes):
                attributes[name] = MASK
                changed += 1
        return changed

    def _mask_json(self, events: Sequence[Event]) -> int:
        """Members by their names, all texts in them as texts are: JSON stays JSON."""
        if not events or self._json is None:
            return 0
        changed = 0
        for index in touched(self._json, [event.value.encode() for event in events]):
            event = events[index]
            try:
                value = msgspec.json.encode(self._in_json(msgspec.json.decode(event.value))).decode()
            except (msgspec.MsgspecError, RecursionError):  # too deep to look into
                event.kind, value = "text", MASK
            changed += value != event.value
            event.value = value
        return changed

    def _in_json(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {n: MASK if n.lower() in self._fields else self._in_json(v) for n, v in value.items()}
        if isinstance(value, list):
            return [self._in_json(item) for item in value]
        if isinstance(value, int | float) and not isinstance(value, bool):
            text = str(value)
            return value if (masked := self.mask_text(text)) == text else masked
        return self.mask_text(value) if isinstance(value, str) else value

    def mask_text(self, text: str) -> str:
        for _, changed in self._changed([None], [text]):
            return changed
        return text

    # ── texts ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def _changed(self, holders: Sequence[Any], texts: Sequence[str]) -> Iterator[tuple[Any, str]]:
        """Each holder whose text is another one now, with that."""
        if not texts or not self._searches:
            return
        pieces = list(map(str.encode, texts))
        changed: set[int] = set()
        for number, (search, anchored) in enumerate(self._searches):
            own = self._own.get(number)
            found = range(len(pieces)) if anchored else touched(search, pieces)
            for index in found:
                before = pieces[index]
                pieces[index] = _replaced(search, before, own)
                if pieces[index] != before:
                    changed.add(index)
        for index in sorted(changed):
            yield holders[index], pieces[index].decode("utf-8", "replace")


def touched(search: Any, pieces: Sequence[bytes]) -> set[int]:
    """Indexes of the `pieces`, joined by line breaks, that a match touches."""
    return touched_between(search, b"\n".join(pieces), list(accumulate(len(piece) + 1 for piece in pieces)))


def touched_between(search: Any, text: bytes, ends: Sequence[int]) -> set[int]:
    """Indexes of the stretches of `text` that a match touches. ends: where the one behind each begins, ascending."""
    found: set[int] = set()
    for match in search.finditer(text):
        start, end = match.span()
        first = bisect_right(ends, start)
        found.add(first)
        if end > ends[first]:
            found.update(range(first, min(bisect_right(ends, end - 1) + 1, len(ends))))
    return found


def _replaced(search: Any, text: bytes, own: bytes | None) -> bytes:
    parts: list[bytes] = []
    at = 0
    for match in search.finditer(text):
        name = match.lastgroup if own is None else None
        start, end = match.span(search.groupindex[name]) if name else match.span()
        if start == end or (name == "card" and not _is_card(text[start:end])):
            continue
        mask = own if own is not None else _mask_like(text[start:end])
        parts += (text[at:start], mask)
        at = end
    return b"".join((*parts, text[at:])) if parts else text


def _mask_like(hidden: bytes) -> bytes:
    """In the same quotes, so that JSON stays JSON; a bare number or word in JSON becomes text without them."""
    quote = hidden[:1]
    return quote + MASK.encode() + quote if quote in (b'"', b"'") and hidden[-1:] == quote else MASK.encode()


def _is_card(text: bytes) -> bool:
    """Luhn's check, ISO/IEC 7812-1."""
    digits = [byte - 48 for byte in text if 48 <= byte <= 57]
    doubled = [digit * 2 - 9 * (digit > 4) for digit in digits[-2::-2]]
    return (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0 and len(set(digits)) > 1
