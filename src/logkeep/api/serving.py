"""The API on a socket: uvicorn, with bounds of its own for who sends a request, and told to end live tails as it stops.

What is refused before there is a request, such as what is no HTTP, has the one shape of all errors too.
"""

import asyncio
import socket
from http import HTTPStatus
from typing import Any

import msgspec
import uvicorn
from litestar import Litestar
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from logkeep.api.backend import Context
from logkeep.api.errors import ErrorAnswer, ErrorDetail

HEAD_BYTES_MAX = 64 << 10  # a query of 4,096 characters is 48 KiB, where each is percent-encoded from four bytes
REQUEST_TIMEOUT_S = 30.0  # from connecting, or a request's first byte, to its last one
CONNECTIONS_MAX = 1000
RETRY_AFTER_S = 1

_BAD_REQUEST = (400, ErrorDetail("bad_request", "this is no HTTP/1.1 request"))
_HEAD_TOO_LARGE = (431, ErrorDetail("head_too_large", f"request line and headers exceed {HEAD_BYTES_MAX:,} bytes"))
_TOO_SLOW = (408, ErrorDetail("request_timeout", f"the request is not complete after {REQUEST_TIMEOUT_S:g} s"))
_BUSY = (503, ErrorDetail("unavailable", f"{CONNECTIONS_MAX:,} connections are open; try again"))

Refusal = tuple[int, ErrorDetail]


def connection_config(app: Litestar, *, host: str, port: int, **options: Any) -> uvicorn.Config:
    """Of a `Server`. options: others of uvicorn's."""
    return uvicorn.Config(
        head_as_get(app), host=host, port=port, http=Connection, ws="none", log_config=None, **options
    )


def head_as_get(app: Any) -> Any:
    """HEAD is answered with the head of what GET would be (RFC 9110, 9.3.2): monitors and load balancers ask so.

    Once the head is sent the answer is complete, and uvicorn tells a live tail that its reader has gone.
    """

    async def answering(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await app(scope, receive, send)
            return

        async def send_head(message: Any) -> None:
            if message["type"] == "http.response.start":
                await send(message)
                await send({"type": "http.response.body", "body": b"", "more_body": False})

        await app({**scope, "method": "GET"}, receive, send_head)

    return answering


class Server(uvicorn.Server):
    """Open tails would keep a stop waiting for as long as their readers stay; they are ended and come back later."""

    def __init__(self, app: Litestar, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._context: Context = app.state.context

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._context.tails.close()
        await super().shutdown(sockets)


class _HeadTooLarge(Exception):
    """Leaves the parser."""


class Connection(HttpToolsProtocol):
    """One connection. uvicorn keeps a head of any size in memory and waits for its end for ever; here both end."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._answering = self.app
        self._head_bytes = 0  # of a head that is not complete
        self._in_body = False
        self._refusal = _BAD_REQUEST
        self._deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._await_request()

    def connection_lost(self, exc: Exception | None) -> None:
        self._complete()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if not self._in_body:
            self._head_bytes += len(data)
        super().data_received(data)
        if self._head_bytes > HEAD_BYTES_MAX and not self.transport.is_closing():
            self._refuse(_HEAD_TOO_LARGE)

    # ── the parser's calls ────────────────────────────────────────────────────────────────────────────────────────

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._await_request()

    def on_headers_complete(self) -> None:
        size = len(self.url) + sum(len(name) + len(value) for name, value in self.headers)
        if size > HEAD_BYTES_MAX:
            self._refusal = _HEAD_TOO_LARGE
            raise _HeadTooLarge
        self._head_bytes, self._in_body = 0, True
        self.app = _answer_busy if len(self.connections) > CONNECTIONS_MAX else self._answering
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._complete()
        self._head_bytes, self._in_body = 0, False
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        self._refuse(self._refusal)

    # ── refusing ──────────────────────────────────────────────────────────────────────────────────────────────────

    def _await_request(self) -> None:
        self._complete()
        self._deadline = self.loop.call_later(REQUEST_TIMEOUT_S, self._give_up)

    def _complete(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _give_up(self) -> None:
        if self.flow.read_paused:  # it waits for us
            self._await_request()
        elif self._head_bytes or self._in_body:
            self._refuse(_TOO_SLOW)
        else:
            self.transport.close()

    def _refuse(self, refusal: Refusal) -> None:
        """The last thing on this connection; where an answer is being sent it ends instead, cut off."""
        self._complete()
        if self.cycle is None or self.cycle.response_complete or not self.cycle.response_started:
            status, headers, body = _refused(refusal)
            lines = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}".encode()]
            lines += [name + b": " + value for name, value in headers]
            self.transport.write(b"\r\n".join([*lines, b"", body]))
        self.transport.close()


def _refused(refusal: Refusal) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
    status, detail = refusal
    body = msgspec.json.encode(ErrorAnswer(detail))
    length = str(len(body)).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", length), (b"connection", b"close")]
    if status == 503:
        headers.append((b"retry-after", str(RETRY_AFTER_S).encode()))
    return status, headers, body


async def _answer_busy(scope: Any, receive: Any, send: Any) -> None:
    status, headers, body = _refused(_BUSY)
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})
