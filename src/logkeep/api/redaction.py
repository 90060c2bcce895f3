"""Events without what tells who somebody is: for people who are shown a session and have no account.

Users and devices have pseudonyms, wherever their names stand; addresses, bearer tokens, e-mail addresses, card numbers
and what the app's own rules name are masked. Names of attributes stay, and so does whatever no rule knows: a person's
name in a text is a word like others.
"""

import hmac
import ipaddress
import re
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from logkeep.api.rows import StoredEvent
from logkeep.event import Event, ValueKind, attributes_json, attributes_of
from logkeep.masking.masker import Masker
from logkeep.masking.names import Names
from logkeep.masking.rules import FIELDS_DEFAULT, MASK, Rules

ADDRESS = "[address]"
_IPV4 = re.compile(r"(?<![0-9.])(?:[0-9]{1,3}\.){3}[0-9]{1,3}(?![0-9]|\.[0-9])")
_IPV6 = re.compile(r"(?<![0-9A-Za-z_:.])[0-9A-Fa-f:.]{3,45}(?![0-9A-Za-z_:])")
Name = tuple[str, str]  # "user" or "device", and its text
_KINDS: dict[int, ValueKind] = {
    ord('"'): "text", ord("{"): "object", ord("["): "array", ord("t"): "bool", ord("f"): "bool", ord("n"): "null",
}  # fmt: skip


def redaction_rules(rules: Rules) -> Rules:
    """All that is built in, and what the app has masked anyway."""
    fields = tuple(dict.fromkeys((*FIELDS_DEFAULT, *rules.fields)))
    return Rules(("bearer", "email", "card"), fields, rules.patterns)


class Redaction:
    """Of one share. salt: in hex; without it nobody makes the pseudonym of a name. For one thread."""

    def __init__(self, rules: Rules, salt: str) -> None:
        self._masker, self._salt = Masker(redaction_rules(rules)), bytes.fromhex(salt)
        self._names: dict[str, str] = {}
        self._written: list[str] = []  # the names as they were written
        self._found = Names((), self.name)

    def redact(self, events: Sequence[StoredEvent], names: Iterable[Name]) -> list[StoredEvent]:
        """The same events, numbered where they had ids. names: whose they are besides those they name."""
        self._learn(names)
        self._learn(("user", event.user or "") for event in events)
        self._learn(("device", event.device or "") for event in events)
        self._found = Names(self._written, self.name)
        masked = [_as_event(event) for event in events]
        self._masker.mask(masked)
        return [self._event(f"e{number}", *pair) for number, pair in enumerate(zip(events, masked, strict=True), 1)]

    def name(self, name: str | None) -> str:
        """The pseudonym of a user or device of these events."""
        return self._names.get(name.casefold(), "") if name else ""

    def text(self, text: str) -> str:
        text = self._found.replaced(self._masker.mask_text(text))
        return _IPV6.sub(_without_ipv6, _IPV4.sub(ADDRESS, text))

    def _learn(self, found: Iterable[Name]) -> None:
        for of, name in dict.fromkeys(found):
            if name and name.casefold() not in self._names:
                digest = hmac.new(self._salt, f"{of}\0{name.casefold()}".encode("utf-8", "replace"), "sha256")
                self._names[name.casefold()] = f"{of}-{digest.hexdigest()[:6]}"
                self._written.append(name)

    def _event(self, id: str, event: StoredEvent, masked: Event) -> StoredEvent:
        return msgspec.structs.replace(
            event, id=id, session=self.text(event.session), key=self.text(masked.key), value=self._value(masked),
            user=self.name(event.user), device=self.name(event.device),
            component=self.text(event.component) if event.component else event.component,
            attributes={name: self._in_json(value) for name, value in attributes_of(masked).items()},
        )  # fmt: skip

    def _value(self, masked: Event) -> msgspec.Raw:
        if masked.kind == "text":
            return msgspec.Raw(msgspec.json.encode(self.text(masked.value)))
        if masked.kind not in ("object", "array"):
            changed = self.text(masked.value)  # a number may be a name
            return msgspec.Raw(masked.value.encode() if changed == masked.value else msgspec.json.encode(changed))
        try:
            return msgspec.Raw(msgspec.json.encode(self._in_json(msgspec.json.decode(masked.value))))
        except (msgspec.MsgspecError, RecursionError):  # too deep to look into
            return msgspec.Raw(msgspec.json.encode(MASK))

    def _in_json(self, value: Any) -> Any:
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, int) and not isinstance(value, bool):
            changed_text = self.text(str(value))
            return value if changed_text == str(value) else changed_text
        if isinstance(value, list):
            return [self._in_json(item) for item in value]
        if isinstance(value, dict):
            changed: dict[str, Any] = {}
            for name, item in value.items():
                shown = self.text(name)  # an address can be a member's name
                changed[f"{shown} ({len(changed)})" if shown in changed else shown] = self._in_json(item)
            return changed
        return value


def _without_ipv6(match: re.Match[str]) -> str:
    text = match.group()
    bare = text.rstrip(".")
    if bare.count(":") > 1 and bare.endswith(":") and not bare.endswith("::"):
        bare = bare[:-1]  # the end of `from 2001:db8::1: refused`
    try:
        ipaddress.IPv6Address(bare)
    except ValueError:
        return text
    return ADDRESS + text[len(bare) :]


def _as_event(event: StoredEvent) -> Event:
    """As the masker takes it; what is no name, value or attribute is left out."""
    raw = bytes(event.value)
    kind = _KINDS.get(raw[0], "number")
    value = msgspec.json.decode(raw, type=str) if kind == "text" else raw.decode("utf-8", "replace")
    return Event("", "", event.key, value, kind, None, 0, 0, "", attributes=attributes_json(event.attributes or {}))
