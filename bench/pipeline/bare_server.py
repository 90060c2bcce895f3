"""The least an HTTP intake can be: reads, appends and fsyncs in groups, answers.

`bare_server.py FILE` prints its port. No key, no limits, no checks: not a service, a yardstick for the machine.
"""

import asyncio
import os
import queue
import sys
import threading

import httptools
import uvloop

ANSWER = b'HTTP/1.1 202 Accepted\r\nContent-Length: 45\r\n\r\n{"accepted":1,"rejected":[],"durable":"disk"}'
waiting: list[tuple[asyncio.Transport, bytes]] = []
batches: "queue.SimpleQueue[list[tuple[asyncio.Transport, bytes]]]" = queue.SimpleQueue()
busy = False


class Bare(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.parser = httptools.HttpRequestParser(self)
        self.body = b""

    def data_received(self, data: bytes) -> None:
        self.parser.feed_data(data)

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_complete(self) -> None:
        waiting.append((self.transport, self.body))  # type: ignore[arg-type]
        self.body = b""
        if not busy:
            asyncio.get_running_loop().call_soon(hand_over)


def hand_over() -> None:
    global busy
    if waiting and not busy:
        busy = True
        batches.put(waiting[:])
        waiting.clear()


def done(batch: list[tuple[asyncio.Transport, bytes]]) -> None:
    global busy
    busy = False
    hand_over()
    for transport, _ in batch:
        transport.write(ANSWER)


def commit(path: str, loop: asyncio.AbstractEventLoop) -> None:
    file = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_TRUNC)
    while True:
        batch = batches.get()
        os.write(file, b"".join(body for _, body in batch))
        os.fdatasync(file)
        loop.call_soon_threadsafe(done, batch)


async def main() -> None:
    loop = asyncio.get_running_loop()
    threading.Thread(target=commit, args=(sys.argv[1], loop), daemon=True).start()
    server = await loop.create_server(Bare, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main())
