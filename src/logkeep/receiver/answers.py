"""What the receiver says, as bytes ready for the socket."""

from collections.abc import Sequence
from email.utils import formatdate
from http import HTTPStatus

import msgspec

from logkeep.decode.native import Rejected

JSON = "application/json"
ALLOWED_METHODS = "GET, POST, PUT, OPTIONS"
_CORS_HEADERS = (
    ("Access-Control-Allow-Methods", ALLOWED_METHODS),
    (
        "Access-Control-Allow-Headers",
        "authorization, content-type, content-encoding, idempotency-key, if-none-match, x-logkeep-config, "
        "x-logkeep-device, x-logkeep-key, x-logkeep-user, x-logkeep-version",
    ),
    ("Access-Control-Max-Age", "86400"),
)
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"

_reasons = {status.value: status.phrase for status in HTTPStatus}
_encode = msgspec.json.Encoder().encode


class Outcome(msgspec.Struct, frozen=True, omit_defaults=True):
    """The body of an answer to events or notices. ids, links: of what was accepted, where its sender needs them.

    config: of the sender's device, where it is another one than it knows.
    """

    accepted: int
    rejected: Sequence[Rejected]
    durable: str
    ids: Sequence[str] = ()
    links: Sequence[dict[str, str]] = ()
    config: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


class Refused(msgspec.Struct, frozen=True):
    """The same when nothing was accepted."""

    accepted: int
    rejected: Sequence[Rejected]
    durable: str
    error: dict[str, str]
    config: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


class Failed(msgspec.Struct, frozen=True):
    """The body of an answer to what was not looked at event by event."""

    error: dict[str, str]
    config: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


class Answers:
    """Makes answers. `tick` sets the Date they carry; the commonest are kept ready until the next."""

    def __init__(self, epoch_s: float) -> None:
        self.accepted: dict[int, bytes] = {}
        self.tick(epoch_s)

    def tick(self, epoch_s: float) -> None:
        self._date = formatdate(epoch_s, usegmt=True)
        self.accepted.clear()

    def all_accepted(self, count: int) -> bytes:
        answer = self.accepted.get(count)
        if answer is None:
            answer = self.accepted[count] = self.make(202, b'{"accepted":%d,"rejected":[],"durable":"disk"}' % count)
        return answer

    def accepted_with(self, count: int, config: bytes) -> bytes:
        """All are accepted, and the sender's device is told what it does not know yet. config: JSON."""
        return self.make(202, b'{"accepted":%d,"rejected":[],"durable":"disk","config":%b}' % (count, config))

    def some_rejected(
        self,
        count: int,
        rejected: Sequence[Rejected],
        *,
        ids: Sequence[str] = (),
        links: Sequence[dict[str, str]] = (),
        config: bytes | None = None,
    ) -> bytes:
        """202 when at least one was accepted, else 400 with the first reason as its error."""
        told = _raw(config)
        if count:
            return self.make(202, _encode(Outcome(count, rejected, "disk", ids, links, told)))
        error = {"code": rejected[0].reason, "message": f"nothing was accepted; the first: {rejected[0].message}"}
        return self.make(400, _encode(Refused(0, rejected, "disk", error, told)))

    def error(
        self, status: int, code: str, message: str, *, retry_after_s: int | None = None, allow: str | None = None,
        config: bytes | None = None,
    ) -> bytes:  # fmt: skip
        """config: JSON, of the sender's device."""
        headers: list[tuple[str, str]] = []
        if retry_after_s is not None:
            headers.append(("Retry-After", str(max(1, retry_after_s))))
        if allow is not None:
            headers.append(("Allow", allow))
        if status == 401:
            headers.append(("WWW-Authenticate", "Bearer"))
        body = _encode(Failed({"code": code, "message": message}, _raw(config)))
        return self.make(status, body, headers=headers)

    def ready(self, degraded: str | None) -> bytes:
        """degraded: what is wrong and hinders nothing."""
        if degraded is None:
            return self.make(200, b'{"status":"ready"}')
        return self.make(200, _encode({"status": "ready", "degraded": [degraded]}))

    def preflight(self) -> bytes:
        return self.make(204, b"", headers=_CORS_HEADERS)

    def make(
        self, status: int, body: bytes, *, content_type: str = JSON, headers: Sequence[tuple[str, str]] = ()
    ) -> bytes:
        lines = [
            f"HTTP/1.1 {status} {_reasons.get(status, 'Unknown')}",
            f"Date: {self._date}",
            "Access-Control-Allow-Origin: *",
            "Access-Control-Expose-Headers: ETag, Retry-After, RateLimit, RateLimit-Policy",
            *(f"{name}: {value}" for name, value in headers),
        ]
        if status not in (204, 304):
            lines += [f"Content-Type: {content_type}", f"Content-Length: {len(body)}"]
        return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def _raw(config: bytes | None) -> msgspec.Raw | msgspec.UnsetType:
    return msgspec.UNSET if config is None else msgspec.Raw(config)


def with_headers(answer: bytes, lines: bytes) -> bytes:
    """lines: each with its end."""
    return answer.replace(b"\r\n", b"\r\n" + lines, 1) if lines else answer


def without_body(answer: bytes) -> bytes:
    """What HEAD gets."""
    return answer[: answer.index(b"\r\n\r\n") + 4]


def status_of(answer: bytes) -> str:
    return answer[9:12].decode()
