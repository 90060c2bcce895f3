"""The event, in the two shapes it has on its way.

`WireEvent` is what a sender wrote, fields still raw; `Event` is what is stored and found again. Everything between
receiver and store moves lists of these; the rules that turn one into the other are in processor/normalise.py.
"""

from collections.abc import Iterable, Mapping
from typing import Literal

import msgspec

LEVELS = ("trace", "debug", "info", "warn", "error", "fatal")
Level = Literal["trace", "debug", "info", "warn", "error", "fatal"]
ValueKind = Literal["text", "number", "bool", "null", "object", "array"]
Scalar = str | int | float | bool | None  # what an attribute holds

LEVEL_ALIASES = {
    "verbose": "trace", "finest": "trace", "finer": "trace", "v": "trace", "t": "trace",
    "fine": "debug", "d": "debug", "dbg": "debug",
    "information": "info", "informational": "info", "notice": "info", "i": "info", "config": "info",
    "warning": "warn", "w": "warn",
    "err": "error", "e": "error", "severe": "error",
    "critical": "fatal", "crit": "fatal", "alert": "fatal", "emerg": "fatal", "emergency": "fatal", "panic": "fatal",
    "f": "fatal", "assert": "fatal", "a": "fatal",
}  # fmt: skip

# Limits of one event. Bytes are UTF-8. A name (session, key, …) longer than this is an identifier nobody types.
NAME_BYTES_MAX = 512
ATTRIBUTES_MAX = 256
ATTRIBUTE_KEY_BYTES_MAX = 256

RejectReason = Literal[
    "missing_session",  # no `session`, and no user or device that one could be found by, or none was told in time
    "missing_key",  # no `key`, or it is empty
    "missing_value",  # no `value` member at all (null is a value)
    "not_an_object",  # the array or line holds something that is not a JSON object
    "invalid_json",
    "invalid_utf8",
    "wrong_type",  # session or key is not text
    "too_large",  # the event is over event_bytes_max
    "too_deep",  # nested deeper than the decoder goes
    "name_too_long",  # session or key over NAME_BYTES_MAX
    "unknown_app",  # a datagram without a valid key
    "over_quota",  # left out because of a limit; of its own in the ledger, not among the rejected
    "blocked",  # its component, key or address is on the block list
    "duplicate",  # an event with this id is stored already
    "bad_notice",  # of a session, device or issue that was told: a member is missing, of a wrong type or too long
    "poison",  # the store refuses this one record; it is among the dead letters
]
REJECT_REASONS: tuple[str, ...] = RejectReason.__args__  # type: ignore[attr-defined]


NO_ATTRIBUTES = msgspec.Raw(b"{}")


class WireEvent(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    """One event as it was sent: with a session, or with a user, device or terminal that one is found by.

    Unset members are None or ""; `value` and `attributes` are the JSON text as it stands in the body, which they hold.
    """

    session: str | None = None
    key: str | None = None
    value: msgspec.Raw = msgspec.Raw()
    time: str | int | float | None = None
    timestamp: str | int | float | None = None
    user: str | None = ""
    device: str | None = ""
    terminal: str | None = None
    component: str | None = ""
    level: str | None = ""
    attributes: msgspec.Raw = NO_ATTRIBUTES
    id: str | None = None
    update: bool | None = None
    seq: int | None = None
    client: str | None = None
    app: str | None = None


class Event(msgspec.Struct, gc=False, array_like=True):
    """One event as it is stored. Encoded it is an array: names would be a quarter of what the store has to read.

    time_ns, received_ns: ns UTC. value: for kind "text" the text itself; else compact JSON text (`5`, `{"a":1}`,
    `true`, `null`). number: the value as a float where it is a finite JSON number, else None. level: one of LEVELS or
    "" when the sender gave none. user, device, component: "" when unset. attributes: a JSON object, read by
    `attributes_of`, in the sender's order and types: integers within 64 bits and floats finite; what a sender nested is
    its JSON text; where a name stands twice, the last counts. No escapes but those an encoder must write.
    own_id: the sender gave the id. update: replaces what this key of this session had before. pattern: id of the
    message's template (patterns/); "" for what is no text, and where there was no time to find one.
    arrival: its place in the order in which events were stored, 0 while it has none; grows by at least one an event,
    also across restarts, and is near the ns UTC when it was stored.
    """

    app: str
    session: str
    key: str
    value: str
    kind: ValueKind
    number: float | None
    time_ns: int
    received_ns: int
    id: str
    level: str = ""
    user: str = ""
    device: str = ""
    component: str = ""
    attributes: msgspec.Raw = NO_ATTRIBUTES
    update: bool = False
    own_id: bool = False
    pattern: str = ""
    arrival: int = 0


_encode = msgspec.json.Encoder().encode
_decode_attributes = msgspec.json.Decoder(dict[str, str | int | float | bool | None]).decode


def attributes_json(attributes: Mapping[str, Scalar]) -> msgspec.Raw:
    """As they stand in an event."""
    return msgspec.Raw(_encode(attributes)) if attributes else NO_ATTRIBUTES


def attributes_of(event: Event) -> dict[str, Scalar]:
    """A new map, to do with as one likes. Raises msgspec.MsgspecError for what `attributes_json` did not make."""
    raw = event.attributes
    return _decode_attributes(raw) if len(raw) > 2 else {}


def all_told(column: Iterable[str | None]) -> bool:
    """Whether None is not in it: joining the texts costs a third of comparing each with it."""
    try:
        "".join(column)  # type: ignore[arg-type]
    except TypeError:
        return False
    return True
