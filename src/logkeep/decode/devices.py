"""What a device tells of itself, and what is kept of it. Pure."""

from typing import Annotated

import msgspec
from msgspec import Meta

from logkeep.event import NAME_BYTES_MAX, Scalar

TEXT_BYTES_MAX = 192  # of a name, a model, a version, the text of a custom key
KEYS_MAX = 64  # custom keys of a device
KEY_BYTES_MAX = 64
INTEGER_MAX = 2**63

Text = Annotated[str, Meta(max_length=TEXT_BYTES_MAX)]
TEXTS = ("name", "model", "os", "os_version", "app_version", "language", "sdk")


class DeviceNotice(msgspec.Struct, frozen=True, kw_only=True):
    """A device, or what has changed of it: members that are left out stay as they were, a custom key of null goes."""

    device: Annotated[str, Meta(max_length=NAME_BYTES_MAX)]
    user: Annotated[str, Meta(max_length=NAME_BYTES_MAX)] | None = None
    name: Text | None = None
    model: Text | None = None
    os: Text | None = None
    os_version: Text | None = None
    app_version: Text | None = None
    language: Text | None = None
    sdk: Text | None = None
    keys: dict[Annotated[str, Meta(min_length=1)], Scalar] | None = None  # of more than KEYS_MAX the rest is left out

    def __post_init__(self) -> None:
        """Raises ValueError."""
        if not self.device:
            raise ValueError("`device` is empty")
        _refuse_longer("device", self.device, NAME_BYTES_MAX)
        _refuse_longer("user", self.user or "", NAME_BYTES_MAX)
        for name in TEXTS:
            _refuse_longer(name, getattr(self, name) or "", TEXT_BYTES_MAX)
        for key, value in (self.keys or {}).items():
            _refuse_longer("keys", key, KEY_BYTES_MAX)
            if isinstance(value, str):
                _refuse_longer(f"keys.{key}", value, TEXT_BYTES_MAX)
            elif isinstance(value, int) and not -INTEGER_MAX <= value < INTEGER_MAX:
                raise ValueError(f"`keys.{key}` is an integer of more than 64 bits; send it as text")


def _refuse_longer(name: str, text: str, bytes_max: int) -> None:
    size = len(text.encode("utf-8", "surrogatepass"))
    if size > bytes_max:
        raise ValueError(f"`{name}` of {size:,} bytes exceeds {bytes_max}; shorten it")


class Device(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is known of a device. label: what people call it. first_ns, last_ns: when it told something, ns UTC.

    user: the last one it told.
    """

    app: str
    device: str
    first_ns: int
    last_ns: int
    user: str = ""
    label: str = ""
    name: str = ""
    model: str = ""
    os: str = ""
    os_version: str = ""
    app_version: str = ""
    language: str = ""
    sdk: str = ""
    keys: dict[str, Scalar] = {}


def joined(known: Device | None, told: DeviceNotice, app: str, received_ns: int) -> Device:
    """`known` with what is told. Of what comes late, behind something newer, only what is not known yet counts.

    The receiver's clock decides: a device's own may be wrong.
    """
    if known is None:
        known = Device(app=app, device=told.device, first_ns=received_ns, last_ns=received_ns)
    late = received_ns < known.last_ns
    changes: dict[str, object] = {}
    for name in ("user", *TEXTS):
        text = getattr(told, name)
        if text is not None and not (late and getattr(known, name)):
            changes[name] = text
    if told.keys:
        changes["keys"] = _joined_keys(known.keys, told.keys, late)
    changes["first_ns"] = min(known.first_ns, received_ns)
    changes["last_ns"] = max(known.last_ns, received_ns)
    return msgspec.structs.replace(known, **changes)


def _joined_keys(known: dict[str, Scalar], told: dict[str, Scalar], late: bool) -> dict[str, Scalar]:
    """KEYS_MAX at most: those that were there first stay."""
    keys = dict(known)
    for name, value in told.items():
        if late and name in keys:
            continue
        if value is None:
            keys.pop(name, None)
        elif name in keys or len(keys) < KEYS_MAX:
            keys[name] = value
    return keys
