"""Whoever asked has gone: the handler of its request is cancelled, and with it what it reads."""

import asyncio
import contextlib

from litestar.enums import ScopeType
from litestar.types import ASGIApp, HTTPReceiveMessage, Message, Receive, Scope, Send

_NOTHING: HTTPReceiveMessage = {"type": "http.request", "body": b"", "more_body": False}


def cancel_when_gone(app: ASGIApp) -> ASGIApp:
    """Middleware. Only requests without a body: someone must read the connection to see it end, and a body is the
    handler's to read. A body that comes with a GET all the same is dropped.
    """

    async def watched(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != ScopeType.HTTP or scope["method"] not in ("GET", "HEAD"):
            await app(scope, receive, send)
            return
        gone, asked = asyncio.Event(), False

        async def receive_instead() -> HTTPReceiveMessage:
            nonlocal asked
            if not asked:
                asked = True
                return _NOTHING
            await gone.wait()
            return {"type": "http.disconnect"}

        async def send_last(message: Message) -> None:
            # Servers tell a disconnect after the last byte too; what the handler does then is not to be cut off.
            if message["type"] == "http.response.body" and not message.get("more_body", False):
                watcher.cancel()
            await send(message)

        async def watch(handler: asyncio.Task[None]) -> None:
            while (await receive())["type"] != "http.disconnect":
                pass
            gone.set()
            handler.cancel()

        handler: asyncio.Task[None] = asyncio.ensure_future(app(scope, receive_instead, send_last))
        watcher = asyncio.ensure_future(watch(handler))
        try:
            await handler
        except asyncio.CancelledError:
            handler.cancel()
            if not gone.is_set():  # it is the server that stops us
                raise
        finally:
            watcher.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await watcher

    return watched
