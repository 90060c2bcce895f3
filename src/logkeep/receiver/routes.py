"""Which request is which: the intake's few addresses."""

from typing import Literal
from urllib.parse import unquote_to_bytes

import msgspec

from logkeep.decode.notices import KINDS
from logkeep.errors import InputError

Name = Literal["events", "replace", "notices", "config", "live", "ready", "metrics", "preflight"]


class Route(msgspec.Struct, frozen=True):
    """session, key: of `replace`, decoded. kind: of `notices`. head_only: HEAD, so the answer has no body."""

    name: Name
    session: str = ""
    key: str = ""
    head_only: bool = False
    kind: str = ""

    @property
    def takes_body(self) -> bool:
        return self.name in ("events", "replace", "notices")


class MethodNotAllowed(InputError):
    """405; `allow` is what the Allow header says."""

    code = "method_not_allowed"

    def __init__(self, message: str, *, allow: str) -> None:
        super().__init__(message, status=405)
        self.allow = allow


EVENTS = Route("events")
EVENTS_URL = b"/v1/events"
CONFIG_PATH = b"/v1/config"
_NOTICES = {kind.path: Route("notices", kind=name) for name, kind in KINDS.items()}
_READ_ONLY: dict[bytes, Name] = {b"/health/live": "live", b"/health/ready": "ready", b"/metrics": "metrics"}


def route_of(method: bytes, url: bytes) -> tuple[Route, bytes]:
    """The route and the query string. Raises InputError 404 and 400, MethodNotAllowed."""
    path, _, query = _without_authority(url).partition(b"?")
    if method == b"OPTIONS":
        return Route("preflight"), query
    if path == EVENTS_URL:
        _expect_method(method, path, b"POST")
        return EVENTS, query
    if path in _NOTICES:
        _expect_method(method, path, b"POST")
        return _NOTICES[path], query
    if path == CONFIG_PATH:
        _expect_method(method, path, b"GET", b"HEAD")
        return Route("config", head_only=method == b"HEAD"), query
    if path in _READ_ONLY:
        _expect_method(method, path, b"GET", b"HEAD")
        return Route(_READ_ONLY[path], head_only=method == b"HEAD"), query
    parts = path.split(b"/")
    if len(parts) == 6 and parts[:3] == [b"", b"v1", b"sessions"] and parts[4] == b"events":
        _expect_method(method, path, b"PUT")
        return Route("replace", _decoded(parts[3]), _decoded(parts[5])), query
    raise InputError(f"nothing is at {_shown(path)}; events go to POST /v1/events", code="not_found", status=404)


def _without_authority(url: bytes) -> bytes:
    """The path of `http://host/path`, which a client behind a proxy may send."""
    scheme, separator, rest = url.partition(b"://")
    if not separator or scheme.lower() not in (b"http", b"https"):
        return url.partition(b"#")[0]
    slash = rest.find(b"/")
    return rest[slash:] if slash >= 0 else b"/"


def _expect_method(method: bytes, path: bytes, *allowed: bytes) -> None:
    if method not in allowed:
        allow = b", ".join((*allowed, b"OPTIONS")).decode()
        raise MethodNotAllowed(f"{_shown(method)} is not possible at {_shown(path)}; use {allow}", allow=allow)


def _decoded(part: bytes) -> str:
    try:
        return unquote_to_bytes(part).decode()
    except UnicodeDecodeError as error:
        raise InputError(f"{_shown(part)} in the address is no UTF-8", code="invalid_utf8") from error


def _shown(part: bytes) -> str:
    return part[:128].decode("utf-8", "replace")
