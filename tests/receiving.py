"""An HTTP receiver in a thread of this process, on a queue in memory, and a client that reads its answers."""

import asyncio
import contextlib
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from typing import Any

import uvloop

from logkeep.clock import Clock, SystemClock
from logkeep.decode.body import inflate
from logkeep.decode.frame import FrameHeader, unpack_frame
from logkeep.decode.native import decode_events
from logkeep.errors import BackendUnavailable
from logkeep.metastore.configuration import Configurations
from logkeep.metastore.port import Credential
from logkeep.queue.memory import MemoryQueue
from logkeep.queue.port import Offset, Partition
from logkeep.receiver.admission import Admission
from logkeep.receiver.configured import Configured
from logkeep.receiver.http import Connection
from logkeep.receiver.intake import Intake
from logkeep.receiver.process import drain, open_tcp_socket
from logkeep.settings import Intake as IntakeSettings
from logkeep.telemetry import Telemetry

KEY, TOKEN = "write-key", "read-token"
WAIT_S = 10.0
AN_EVENT = b'{"session":"s","key":"k","value":1}'
ALL_ACCEPTED = {"accepted": 1, "rejected": [], "durable": "disk"}
BEARER = f"Authorization: Bearer {KEY}"


class Keys:
    """A metastore of two secrets. too_old: why no key counts any more."""

    too_old: str | None = None

    def credential(self, secret: str) -> Credential | None:
        return {KEY: Credential("shop", "write"), TOKEN: Credential("shop", "read")}.get(secret)

    def outdated(self) -> str | None:
        return self.too_old

    def app_names(self) -> list[str]:
        return ["shop"]

    def default_app(self) -> str:
        return "shop"


class GatedQueue(MemoryQueue):
    """A queue whose disk can be stopped and broken."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = threading.Event()
        self.gate.set()
        self.error: BackendUnavailable | None = None
        self.frames: list[bytes] = []
        self.appends = 0

    def append(self, partition: Partition, payloads: Sequence[bytes]) -> Offset:
        self.appends += 1
        assert self.gate.wait(WAIT_S)
        if self.error is not None:
            raise self.error
        self.frames += payloads
        return super().append(partition, payloads)


class Running:
    """A receiver in a thread of its own."""

    def __init__(self, settings: IntakeSettings, clock: Clock | None = None) -> None:
        self.queue = GatedQueue()
        self.clock = clock or SystemClock()
        self.configurations: Configurations | None = None
        self.settings = settings
        self.telemetry = Telemetry()
        self.loop = uvloop.new_event_loop()
        listening = open_tcp_socket("127.0.0.1", 0)
        self.port = listening.getsockname()[1]
        self._thread = threading.Thread(target=self._run, args=(listening,), daemon=True)
        started: Future[None] = Future()
        self._started = started
        self._thread.start()
        started.result(WAIT_S)

    def _run(self, listening: socket.socket) -> None:
        asyncio.set_event_loop(self.loop)
        self.loop.run_until_complete(self._serve(listening))
        self.loop.close()

    async def _serve(self, listening: socket.socket) -> None:
        self._stopping = asyncio.Event()
        self.intake = Intake(
            self.settings, self.queue, "http-0", Admission(Keys()), self.telemetry, self.clock,
            configured=Configured(lambda: self.configurations, self.clock), public_url="https://logs.example",
        )  # fmt: skip
        server = await asyncio.get_running_loop().create_server(lambda: Connection(self.intake), sock=listening)
        self._started.set_result(None)
        await self._stopping.wait()
        server.close()
        await drain(self.intake, timeout_s=5.0)

    def begin_stop(self) -> None:
        self.loop.call_soon_threadsafe(self._stopping.set)

    def stop(self) -> None:
        self.queue.gate.set()
        with contextlib.suppress(RuntimeError):
            self.begin_stop()
        self._thread.join(WAIT_S)
        assert not self._thread.is_alive()

    def on_loop(self, work: Callable[[], Any]) -> Any:
        """`work` done on the receiver's loop."""
        result: Future[Any] = Future()
        self.loop.call_soon_threadsafe(lambda: result.set_result(work()))
        return result.result(WAIT_S)

    def connect(self) -> "Client":
        return Client(self.port)

    def ask(self, request: bytes) -> "Answer":
        with self.connect() as client:
            client.send(request)
            return client.answer()

    def post(self, body: bytes, *headers: str, path: str = "/v1/events") -> "Answer":
        return self.ask(post(body, BEARER, *headers, path=path))

    def headers(self) -> list[FrameHeader]:
        return [unpack_frame(frame)[0] for frame in self.queue.frames]

    def values(self) -> list[Any]:
        """Values of all events appended, as the processor will read them."""
        found = []
        for frame in self.queue.frames:
            header, body = unpack_frame(frame)
            plain = inflate(body, "zstd", bytes_max=1 << 30) if header.encoding == "zstd" else body
            decoded = decode_events(plain, header.form, header.skip)
            assert (len(decoded.events), list(decoded.rejected)) == (header.count, [])
            found += [json.loads(bytes(event.value)) for event in decoded.events]
        return found


class Answer:
    def __init__(self, head: bytes, body: bytes) -> None:
        status_line, *lines = head.decode().split("\r\n")
        self.status = int(status_line.split(" ")[1])
        self.headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
        self.body = body

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def code(self) -> str:
        error: dict[str, str] = self.json["error"]
        assert sorted(error) == ["code", "message"]
        return error["code"]


class Client:
    """A socket that reads answers."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=WAIT_S)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._data = b""

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *exception: object) -> None:
        self.socket.close()

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def answer(self, *, head_only: bool = False) -> Answer:
        while b"\r\n\r\n" not in self._data:
            self._more()
        head, _, self._data = self._data.partition(b"\r\n\r\n")
        answer = Answer(head, b"")
        size = 0 if head_only else int(answer.headers.get("content-length", 0))
        while len(self._data) < size:
            self._more()
        answer.body, self._data = self._data[:size], self._data[size:]
        return answer

    def _more(self) -> None:
        data = self.socket.recv(1 << 16)
        if not data:
            raise ConnectionError("closed")
        self._data += data

    def is_closed_by_peer(self) -> bool:
        """Whether the receiver ends the connection, within the time a test may take."""
        try:
            return self._data == b"" and self.socket.recv(1) == b""
        except ConnectionError:
            return True


def post(body: bytes, *headers: str, path: str = "/v1/events", method: str = "POST") -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "Host: test", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


def chunked(chunks: Sequence[bytes], *headers: str) -> bytes:
    lines = ["POST /v1/events HTTP/1.1", "Host: test", BEARER, "Transfer-Encoding: chunked", *headers]
    parts = [b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + b"".join(parts) + b"0\r\n\r\n"


def get(path: str, *headers: str, method: str = "GET") -> bytes:
    return "\r\n".join([f"{method} {path} HTTP/1.1", "Host: test", *headers]).encode() + b"\r\n\r\n"


def wait_until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WAIT_S
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.002)


Start = Callable[..., Running]


@contextlib.contextmanager
def receivers() -> Iterator[Start]:
    """Starts some, by their settings; those that were started are stopped at the end."""
    running: list[Running] = []

    def start_one(**settings: Any) -> Running:
        running.append(Running(IntakeSettings(**settings)))
        return running[-1]

    try:
        yield start_one
    finally:
        for one in running:
            one.stop()
