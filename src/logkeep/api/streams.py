"""Answers without a known end: sent as they are made, ended when the client goes or takes nothing for too long."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any

import structlog
from anyio import CancelScope, create_task_group
from litestar import Request
from litestar.response.base import ASGIResponse, Response
from litestar.types import HTTPResponseBodyEvent, Receive, Send

from logkeep.errors import BackendUnavailable

RETRY_AFTER_S = 10

Parts = AsyncGenerator[bytes, None]

_log = structlog.get_logger("api")


class Broken(Exception):
    """The stream cannot go on; what was sent is all. The connection is cut, so that the client sees it is not whole."""


class StreamAnswer(Response[bytes]):
    """A 200 whose body is `parts`. on_end: called once, however it ends; also when nothing of it was sent.

    The next part is asked for when the connection has taken the one before: a slow client makes a slow stream, not a
    large one. One that takes nothing for `stalled_s` is cut off, and so is one for whom `over` returns: it waits until
    the reader may not have the answer any more.
    """

    def __init__(
        self,
        parts: Parts,
        *,
        media_type: str,
        headers: dict[str, str],
        stalled_s: float,
        over: Callable[[], Awaitable[None]],
        on_end: Callable[[], None],
    ) -> None:
        super().__init__(b"", media_type=media_type, headers=headers, status_code=200)
        self._parts, self._stalled_s, self._over, self._on_end = parts, stalled_s, over, on_end

    def to_asgi_response(self, request: Request[Any, Any, Any], **options: Any) -> ASGIResponse:  # type: ignore[override]
        options["headers"] = {**(options.get("headers") or {}), **self.headers}
        options["media_type"] = self.media_type
        options["status_code"] = self.status_code
        return _Streaming(self._parts, self._stalled_s, self._over, self._on_end, options)


class _Streaming(ASGIResponse):
    __slots__ = ("_on_end", "_over", "_parts", "_stalled_s")
    _should_set_content_length = False

    def __init__(
        self,
        parts: Parts,
        stalled_s: float,
        over: Callable[[], Awaitable[None]],
        on_end: Callable[[], None],
        options: dict[str, Any],
    ) -> None:
        known = ("background", "cookies", "encoded_headers", "headers", "is_head_response", "media_type", "status_code")
        super().__init__(**{name: options[name] for name in known if name in options})
        self._parts, self._stalled_s, self._over, self._on_end = parts, stalled_s, over, on_end

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            await self._parts.aclose()
            self._on_end()

    async def send_body(self, send: Send, receive: Receive) -> None:
        async with create_task_group() as tasks:
            tasks.start_soon(_cancel_when_gone, tasks.cancel_scope, receive)
            tasks.start_soon(self._cancel_when_over, tasks.cancel_scope)
            try:
                await self._send_parts(send)
            except Broken:
                pass  # the answer is left unfinished, and the server closes the connection without its last chunk
            except TimeoutError:
                _log.info("a reader took nothing for too long and was cut off", stalled_s=self._stalled_s)
            tasks.cancel_scope.cancel()

    async def _cancel_when_over(self, scope: CancelScope) -> None:
        await self._over()
        _log.info("a reader may not have the answer any more and was cut off")
        scope.cancel()

    async def _send_parts(self, send: Send) -> None:
        async for part in self._parts:
            async with asyncio.timeout(self._stalled_s):
                await send(_body(part, more=True))
        await send(_body(b"", more=False))


async def _cancel_when_gone(scope: CancelScope, receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    scope.cancel()


def _body(content: bytes, *, more: bool) -> HTTPResponseBodyEvent:
    return {"type": "http.response.body", "body": content, "more_body": more}


class Places:
    """At most `count` at a time. Used by the event loop's thread alone."""

    def __init__(self, count: int, what: str) -> None:
        self._left, self._count, self._what = count, count, what

    def enter(self) -> Callable[[], None]:
        """What gives the place back, once however often it is called. Raises BackendUnavailable when none is left."""
        if self._left == 0:
            raise BackendUnavailable(
                f"{self._count} {self._what} are running, which is the limit; try again", retry_after_s=RETRY_AFTER_S
            )
        self._left -= 1
        is_in = True

        def leave() -> None:
            nonlocal is_in
            self._left += is_in
            is_in = False

        return leave
