"""The API on a socket: uvicorn, told to end the live tails first when it stops."""

import socket

import uvicorn
from litestar import Litestar

from logkeep.api.backend import Context


class Server(uvicorn.Server):
    """Open tails would keep a stop waiting for as long as their readers stay; they are ended and come back later."""

    def __init__(self, app: Litestar, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._context: Context = app.state.context

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._context.tails.close()
        await super().shutdown(sockets)
