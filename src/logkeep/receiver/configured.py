"""What devices are told of remote control: asked for, or with the answer to what they send.

All of it is answered from memory; while the metastore is away it goes on as it was known. A sender that names itself
(`X-Logkeep-Device`) gets its configuration with the answer, also one that refuses what it sent, where that is not the
one it knows (`X-Logkeep-Config`).
"""

from collections.abc import Callable, Mapping
from urllib.parse import parse_qsl, unquote_to_bytes

import msgspec

from logkeep.clock import Clock
from logkeep.errors import BackendUnavailable, InputError
from logkeep.event import NAME_BYTES_MAX
from logkeep.metastore.configuration import NOTHING_SAID, Configurations, Question

DEVICE, CONFIG, USER, VERSION = b"x-logkeep-device", b"x-logkeep-config", b"x-logkeep-user", b"x-logkeep-version"
PARAMETERS_MAX = 16
_NOTHING_SAID = NOTHING_SAID.etag.encode()


class ConfigAnswer(msgspec.Struct, frozen=True):
    """body: None when the sender has it already (304). etag: quoted."""

    body: bytes | None
    etag: str


class Configured:
    """For the loop's thread."""

    def __init__(self, known: Callable[[], Configurations | None], clock: Clock) -> None:
        """known: never raises and never waits; None: not known yet."""
        self._known, self._clock = known, clock

    def changed(self, app: str, head: Mapping[bytes, bytes]) -> bytes | None:
        """The configuration of whoever sent this head, as JSON; None when it knows it. head: has DEVICE."""
        configurations = self._known()
        if configurations is None:
            return None
        if not configurations.has_rules(app) and head.get(CONFIG, _NOTHING_SAID) == _NOTHING_SAID:
            return None  # as nearly always: 1 µs
        question = Question(_decoded(head[DEVICE]), _decoded(head.get(USER, b"")), _decoded(head.get(VERSION, b"")))
        now_ns = self._clock.now_ns()
        found = configurations.of(app, question, now_ns)
        sent = head.get(CONFIG)
        same = _same(sent, found.etag) if sent else found is NOTHING_SAID  # who never had one misses nothing
        return None if same else found.body(now_ns)

    def asked(self, app: str, query: bytes, none_match: bytes | None) -> ConfigAnswer:
        """For `GET /v1/config`. Raises InputError, BackendUnavailable."""
        question = _question(query)
        configurations = self._known()
        if configurations is None:
            raise BackendUnavailable("remote control is not known yet", code="metastore_unavailable")
        now_ns = self._clock.now_ns()
        found = configurations.of(app, question, now_ns)
        if none_match is not None and _same(none_match, found.etag):
            return ConfigAnswer(None, found.etag)
        return ConfigAnswer(found.body(now_ns), found.etag)


def device_of(head: Mapping[bytes, bytes]) -> str:
    """How the sender of this head names its device; "" when it does not, or not so that any device can be named."""
    name = _decoded(head.get(DEVICE, b""))
    return name if len(name.encode()) <= NAME_BYTES_MAX else ""


def _question(query: bytes) -> Question:
    try:
        given = dict(parse_qsl(query.decode("ascii"), errors="strict", max_num_fields=PARAMETERS_MAX))
    except ValueError as error:  # UnicodeDecodeError too
        raise InputError("the parameters are not percent-encoded UTF-8, or too many", code="invalid_utf8") from error
    names = {name: given.get(name, "") for name in ("device", "user", "version")}
    if not names["device"]:
        raise InputError("name the device: GET /v1/config?device=…", code="device_missing")
    for name, text in names.items():
        if len(text.encode()) > NAME_BYTES_MAX:
            raise InputError(f"`{name}` exceeds {NAME_BYTES_MAX} bytes; shorten it", code="name_too_long")
    return Question(**names)


def _decoded(value: bytes) -> str:
    """Of a header: percent-encoded where it is not ASCII."""
    value = value.strip()[: 3 * NAME_BYTES_MAX]
    return (unquote_to_bytes(value) if b"%" in value else value).decode("utf-8", "replace")


def _same(sent: bytes, etag: str) -> bool:
    """Whether a list of entity tags has this one; weak ones count (a proxy that compresses makes them so)."""
    wanted = etag.encode()
    return any(tag.strip().removeprefix(b"W/") in (wanted, b"*") for tag in sent.split(b",", 16))
