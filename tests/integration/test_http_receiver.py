"""The HTTP receiver on a real socket: what it answers, what it appends, and what it does not put up with."""

import asyncio
import contextlib
import gzip
import json
import socket
import threading
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from typing import Any

import pytest
import uvloop
import zstandard

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


@pytest.fixture
def start() -> Iterator[Start]:
    running: list[Running] = []

    def start_one(**settings: Any) -> Running:
        running.append(Running(IntakeSettings(**settings)))
        return running[-1]

    yield start_one
    for one in running:
        one.stop()


@pytest.fixture(scope="module")
def shared() -> Iterator[Running]:
    """One with the usual settings, for tests that leave nothing behind but frames."""
    one = Running(IntakeSettings())
    yield one
    one.stop()


# --- events ---


@pytest.mark.parametrize(
    ("body", "values"),
    [
        (AN_EVENT, [1]),
        (b'{"session":"s","key":"k","value":{"a": [1, null]}}\n', [{"a": [1, None]}]),
        (b"[" + AN_EVENT + b"," + AN_EVENT + b"]", [1, 1]),
        (AN_EVENT + b"\n" + AN_EVENT + b"\n", [1, 1]),
        (b'{\n "session": "s",\n "key": "k",\n "value": "pretty"\n}\n', ["pretty"]),
        (b'{"session":"s","key":"k","value":"\\ud800!"}', ["\ufffd!"]),
        (b"[" + b",".join([AN_EVENT] * 5000) + b"]", [1] * 5000),
    ],
)
@pytest.mark.parametrize("encoding", ["", "gzip", "deflate", "zstd"])
def test_every_form_of_body_is_accepted_and_appended(
    shared: Running, body: bytes, values: list[Any], encoding: str
) -> None:
    before = len(shared.values())
    if encoding:
        compress = {"gzip": gzip.compress, "deflate": zlib.compress, "zstd": zstandard.compress}[encoding]
        answer = shared.post(compress(body), f"Content-Encoding: {encoding}")
    else:
        answer = shared.post(body)
    assert (answer.status, answer.json) == (202, {"accepted": len(values), "rejected": [], "durable": "disk"})
    assert shared.values()[before:] == values


def test_a_large_zstd_body_is_kept_compressed(start: Start) -> None:
    receiver = start()
    body = b"\n".join([AN_EVENT] * 4000)
    assert receiver.post(zstandard.compress(body), "Content-Encoding: zstd").status == 202
    (header,) = receiver.headers()
    assert (header.encoding, header.count, header.app) == ("zstd", 4000, "shop")
    assert receiver.values() == [1] * 4000


def test_a_body_read_in_a_thread_is_answered_too(start: Start) -> None:
    receiver = start()
    body = b"[" + b",".join([b'{"session":"s","key":"k","value":"' + b"x" * 400 + b'"}'] * 9000) + b"]"
    assert len(body) > 3 << 20
    assert receiver.post(body).json["accepted"] == 9000
    assert receiver.post(gzip.compress(body), "Content-Encoding: gzip").json["accepted"] == 9000
    assert receiver.post(body[:-1]).json["error"]["code"] == "invalid_json"


def test_rejected_events_are_told_and_written_down_with_samples(start: Start) -> None:
    receiver = start()
    body = AN_EVENT + b'\n{"key":"k","value":1}\nnope\n'
    answer = receiver.post(body)
    assert (answer.status, answer.json["accepted"], answer.json["durable"]) == (202, 1, "disk")
    assert [(one["index"], one["reason"], sorted(one)) for one in answer.json["rejected"]] == [
        (1, "missing_session", ["index", "message", "reason"]),
        (2, "invalid_json", ["index", "message", "reason"]),
    ]
    (header,) = receiver.headers()
    assert (header.count, header.rejected, header.skip) == (1, {"missing_session": 1, "invalid_json": 1}, ())
    assert [sample.text for sample in header.samples] == ['{"key":"k","value":1}', "nope"]
    assert receiver.values() == [1]


def test_when_nothing_is_accepted_the_answer_is_400_and_the_owner_sees_why(start: Start) -> None:
    receiver = start()
    answer = receiver.post(b'[{"session":"s"}]')
    assert (answer.status, answer.json["accepted"], answer.code) == (400, 0, "missing_key")
    assert [one["reason"] for one in answer.json["rejected"]] == ["missing_key"]
    (header,) = receiver.headers()
    assert (header.count, header.rejected) == (0, {"missing_key": 1})


@pytest.mark.parametrize("body", [b"", b"  \n", b"[]"])
def test_an_empty_body_is_400(shared: Running, body: bytes) -> None:
    answer = shared.post(body)
    assert (answer.status, answer.code) == (400, "empty_body")


@pytest.mark.parametrize("form", [b"[%s]", b"%s"])
@pytest.mark.parametrize(
    "value",
    [b"1e999", b"[" * 10_000 + b"]" * 10_000, b'"\xff"', b'"\x00"', b'"\\ud800"', b'{"a":1,"a":2}', b"9" * 3000,
     b"{" * 500, b"{" + b",".join(b'"%d":0' % n for n in range(20_000)) + b"}"],
)  # fmt: skip
def test_hostile_events_end_in_202_or_400(shared: Running, form: bytes, value: bytes) -> None:
    answer = shared.post(form % (b'{"session":"s","key":"k","value":' + value + b"}"))
    assert answer.status in (202, 400)
    assert answer.json["accepted"] + len(answer.json["rejected"]) == 1
    shared.values()


def test_one_million_tiny_fields_are_refused(shared: Running) -> None:
    body = b'{"session":"s","key":"k","value":1,' + b",".join(b'"%d":0' % n for n in range(800_000)) + b"}"
    answer = shared.post(body)
    assert (answer.status, answer.json["rejected"][0]["reason"]) == (400, "too_large")


def test_put_replaces_the_value_of_a_key(start: Start) -> None:
    receiver = start()
    path = "/v1/sessions/s%2F1%20%C3%A4/events/cart+x"
    answer = receiver.ask(post(b'{"value":{"n": 2},\n"user":"u"}', BEARER, path=path, method="PUT"))
    assert (answer.status, answer.json) == (202, ALL_ACCEPTED)
    header, body = unpack_frame(receiver.queue.frames[0])
    (event,) = decode_events(body, header.form).events
    assert (event.session, event.key, bytes(event.value), event.user, event.update) == (
        "s/1 ä",
        "cart+x",
        b'{"n": 2}',
        "u",
        True,
    )


@pytest.mark.parametrize(
    ("path", "body", "status", "code"),
    [
        ("/v1/sessions/s/events/k", b"{}", 400, "missing_value"),
        ("/v1/sessions/s/events/k", b"[1]", 400, "invalid_json"),
        ("/v1/sessions/s/events/k", b"", 400, "invalid_json"),
        ("/v1/sessions/s/events/k", b'{"value":1,"session":"other"}', 400, "name_conflict"),
        ("/v1/sessions/%FF/events/k", b'{"value":1}', 400, "invalid_utf8"),
        ("/v1/sessions//events/k", b'{"value":1}', 400, "missing_session"),
        ("/v1/sessions/" + "s" * 600 + "/events/k", b'{"value":1}', 400, "name_too_long"),
        ("/v1/sessions/s/events/k/more", b'{"value":1}', 404, "not_found"),
    ],
)
def test_a_bad_put_is_refused(shared: Running, path: str, body: bytes, status: int, code: str) -> None:
    answer = shared.ask(post(body, BEARER, path=path, method="PUT"))
    assert (answer.status, answer.code) == (status, code)


def test_the_same_idempotency_key_gives_the_same_batch(start: Start) -> None:
    receiver = start()
    for key, body in (("a", AN_EVENT), ("a", AN_EVENT), ("b", AN_EVENT), ("a", AN_EVENT + b" ")):
        assert receiver.post(body, f"Idempotency-Key: {key}").json == ALL_ACCEPTED
    assert receiver.post(gzip.compress(AN_EVENT), "Content-Encoding: gzip", "Idempotency-Key: a").status == 202
    headers = receiver.headers()
    assert [header.repeatable for header in headers] == [True] * 5
    first, again, other_key, other_body, compressed = (header.batch_id for header in headers)
    assert first == again == compressed
    assert len({first, other_key, other_body}) == 3


def test_a_session_is_told_and_travels_as_a_record(start: Start) -> None:
    receiver = start()
    told = b'{"session":"s","user":"u","device":"d","attributes":{"plan":"free"}}'
    assert receiver.ask(post(told, BEARER, path="/v1/sessions")).json == ALL_ACCEPTED
    mixed = receiver.ask(post(b'[{"session":"t","user":"u"},{"user":"u"}]', BEARER, path="/v1/sessions"))
    assert (mixed.status, mixed.json["accepted"], mixed.json["rejected"][0]["reason"]) == (202, 1, "bad_notice")
    assert receiver.post(AN_EVENT).json == ALL_ACCEPTED
    first, second, event = map(unpack_frame, receiver.queue.frames)
    assert (first[0].kind, first[0].app, first[0].count, first[1]) == ("sessions", "shop", 1, told)
    assert (second[0].kind, second[0].count, second[0].rejected) == ("sessions", 1, {"bad_notice": 1})
    assert (event[0].kind, event[1]) == ("", AN_EVENT)


@pytest.mark.parametrize(
    ("body", "head", "status", "code"),
    [
        (b"{}", BEARER, 400, "bad_notice"),
        (b"", BEARER, 400, "empty_body"),
        (b'{"session":"s"', BEARER, 400, "invalid_json"),
        (b'{"session":"s","user":"u"}', "X-Nothing: 1", 401, "key_missing"),
        (b'{"session":"s","user":"u"}', f"Authorization: Bearer {TOKEN}", 403, "key_cannot_write"),
        (b'{"session":"s","user":"u"}', BEARER + "\r\nContent-Encoding: br", 415, "unsupported_encoding"),
    ],
)
def test_a_session_that_cannot_be_taken_is_refused(
    shared: Running, body: bytes, head: str, status: int, code: str
) -> None:
    answer = shared.ask(post(body, head, path="/v1/sessions"))
    assert (answer.status, answer.code) == (status, code)


@pytest.mark.parametrize("key", ["", "x" * 256, "tab\tinside", "ä"])
def test_a_bad_idempotency_key_is_400(shared: Running, key: str) -> None:
    answer = shared.post(AN_EVENT, f"Idempotency-Key: {key}")
    assert (answer.status, answer.code) == (400, "bad_idempotency_key")


# --- who and where ---


@pytest.mark.parametrize(
    ("headers", "query"),
    [
        ((BEARER,), ""),
        ((f"authorization: bearer   {KEY}",), ""),
        ((f"X-Logkeep-Key: {KEY}",), ""),
        ((f"x-LOGKEEP-key: {KEY}", "Authorization: Basic eDp5"), ""),
        ((), f"?key={KEY}"),
        ((), f"?x=1&key={KEY.replace('-', '%2D')}"),
    ],
)
def test_the_key_is_found_in_three_places(shared: Running, headers: tuple[str, ...], query: str) -> None:
    answer = shared.ask(post(AN_EVENT, *headers, "Content-Type: text/plain", path="/v1/events" + query))
    assert (answer.status, answer.json) == (202, ALL_ACCEPTED)


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ((), 401, "key_missing"),
        (("Authorization: Basic eDp5",), 401, "key_missing"),
        (("Authorization: Bearer ",), 401, "key_missing"),
        (("Authorization: Bearer wrong",), 403, "key_unknown"),
        (("X-Logkeep-Key: \xff",), 403, "key_unknown"),
        ((f"Authorization: Bearer {TOKEN}",), 403, "key_cannot_write"),
        ((f"X-Logkeep-Key: {'x' * 5000}",), 403, "key_unknown"),
    ],
)
def test_without_a_write_key_nothing_is_taken(
    shared: Running, headers: tuple[str, ...], status: int, code: str
) -> None:
    before = len(shared.queue.frames)
    answer = shared.ask(post(AN_EVENT, *headers))
    assert (answer.status, answer.code) == (status, code)
    assert ("www-authenticate" in answer.headers) == (status == 401)
    assert len(shared.queue.frames) == before


@pytest.mark.parametrize(
    ("method", "path", "status", "allow"),
    [
        ("GET", "/v1/events", 405, "POST, OPTIONS"),
        ("DELETE", "/v1/sessions/s/events/k", 405, "PUT, OPTIONS"),
        ("POST", "/metrics", 405, "GET, HEAD, OPTIONS"),
        ("POST", "/", 404, None),
        ("GET", "/v1/events/", 404, None),
    ],
)
def test_wrong_methods_and_places_are_told(
    shared: Running, method: str, path: str, status: int, allow: str | None
) -> None:
    answer = shared.ask(post(b"", BEARER, path=path, method=method))
    assert (answer.status, answer.headers.get("allow")) == (status, allow)
    assert answer.code in ("method_not_allowed", "not_found")


def test_browsers_may_send_from_anywhere(shared: Running) -> None:
    answer = shared.ask(get("/v1/events", "Origin: https://shop.example", method="OPTIONS"))
    assert (answer.status, answer.body) == (204, b"")
    assert answer.headers["access-control-allow-origin"] == "*"
    assert answer.headers["access-control-allow-methods"] == "GET, POST, PUT, OPTIONS"
    allowed = set(answer.headers["access-control-allow-headers"].split(", "))
    assert allowed == {
        "authorization", "content-type", "content-encoding", "idempotency-key", "if-none-match", "x-logkeep-config",
        "x-logkeep-device", "x-logkeep-key", "x-logkeep-user", "x-logkeep-version",
    }  # fmt: skip
    assert int(answer.headers["access-control-max-age"]) > 0
    for other in (shared.post(AN_EVENT), shared.post(b""), shared.ask(post(AN_EVENT))):
        assert other.headers["access-control-allow-origin"] == "*"


def test_health_and_metrics_need_no_key(start: Start) -> None:
    receiver = start()
    assert receiver.ask(get("/health/live")).status == 200
    assert receiver.ask(get("/health/ready")).status == 200
    assert receiver.post(AN_EVENT).status == 202
    metrics = receiver.ask(get("/metrics"))
    assert (metrics.status, metrics.headers["content-type"].split(";")[0]) == (200, "text/plain")
    wait_until(lambda: b'intake_events_accepted_total{source="http"} 1.0' in receiver.ask(get("/metrics")).body)
    assert b'intake_requests_total{status="202"} 1.0' in receiver.ask(get("/metrics")).body
    with receiver.connect() as client:
        client.send(get("/health/live", method="HEAD") + get("/health/live"))
        assert (client.answer(head_only=True).headers["content-length"], client.answer().status) == ("17", 200)


def test_an_address_with_a_host_in_it_is_understood(shared: Running) -> None:
    assert shared.post(AN_EVENT, path="http://logs.example/v1/events").status == 202


# --- limits ---


@pytest.mark.parametrize("encoding", ["br", "gzip, gzip", "compress"])
def test_an_unknown_encoding_is_415(shared: Running, encoding: str) -> None:
    answer = shared.post(AN_EVENT, f"Content-Encoding: {encoding}")
    assert (answer.status, answer.code) == (415, "unsupported_encoding")


def test_a_body_that_is_not_what_it_says_is_400(shared: Running) -> None:
    answer = shared.post(AN_EVENT, "Content-Encoding: gzip")
    assert (answer.status, answer.code) == (400, "bad_compression")


def test_a_body_over_the_limit_is_refused_before_it_is_sent(start: Start) -> None:
    receiver = start(body_bytes_max=2048)
    with receiver.connect() as client:
        client.send(post(b"", BEARER).replace(b"Content-Length: 0", b"Content-Length: 100000"))
        answer = client.answer()
        assert (answer.status, answer.code, answer.headers["connection"]) == (413, "body_too_large", "close")
        assert client.is_closed_by_peer()


def test_the_answer_to_a_body_over_the_limit_reaches_a_sender_that_goes_on(start: Start) -> None:
    receiver = start(body_bytes_max=2048)
    with receiver.connect() as client:
        client.send(post(b"x" * 3_000_000, BEARER))
        assert client.answer().status == 413


def test_a_chunked_body_over_the_limit_is_refused(start: Start) -> None:
    receiver = start(body_bytes_max=2048)
    answer = receiver.ask(chunked([b"x" * 1000] * 3))
    assert (answer.status, answer.code, answer.headers["connection"]) == (413, "body_too_large", "close")
    wait_until(lambda: receiver.on_loop(lambda: receiver.intake.pending_bytes) == 0)


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "zstd"])
def test_a_zip_bomb_is_413(start: Start, encoding: str) -> None:
    receiver = start(inflated_bytes_max=1 << 20)
    compress = {"gzip": gzip.compress, "deflate": zlib.compress, "zstd": zstandard.compress}[encoding]
    answer = receiver.post(compress(b" " * (32 << 20)), f"Content-Encoding: {encoding}")
    assert (answer.status, answer.code) == (413, "body_too_large")


def test_too_many_events_are_413(start: Start) -> None:
    receiver = start(events_max=3)
    assert receiver.post(b"\n".join([AN_EVENT] * 3)).status == 202
    answer = receiver.post(b"\n".join([AN_EVENT] * 4))
    assert (answer.status, answer.code) == (413, "too_many_events")


@pytest.mark.parametrize("piece", [1024, 300, 1 << 20])
@pytest.mark.parametrize("what", ["one header", "many headers", "address"])
def test_a_head_over_the_limit_is_431(start: Start, what: str, piece: int) -> None:
    receiver = start(header_bytes_max=2048)
    request = {
        "one header": get("/health/live", "X: " + "x" * 2100),
        "many headers": get("/health/live", *["X: y"] * 1100),
        "address": get("/health/live?" + "x" * 2100),
    }[what]
    with receiver.connect() as client:
        with contextlib.suppress(ConnectionError):
            for start_at in range(0, len(request), piece):
                client.send(request[start_at : start_at + piece])
        answer = client.answer()
        assert (answer.status, answer.code, answer.headers["connection"]) == (431, "head_too_large", "close")


def test_a_head_within_the_limit_is_fine_on_a_connection_with_much_traffic(start: Start) -> None:
    receiver = start(header_bytes_max=2048)
    with receiver.connect() as client:
        for _ in range(5):
            client.send(post(AN_EVENT.replace(b"1", b"1" * 3000), BEARER, "X: " + "x" * 1500))
            assert client.answer().status == 202


def test_more_connections_than_allowed_are_closed_at_once(start: Start) -> None:
    receiver = start(connections_max=2)
    with receiver.connect() as first, receiver.connect() as second:
        for client in (first, second):
            client.send(get("/health/live"))
            assert client.answer().status == 200
        with receiver.connect() as third:
            assert third.is_closed_by_peer()
        first.send(get("/health/live"))
        assert first.answer().status == 200


@pytest.mark.parametrize(
    "request_bytes",
    [b"nonsense\r\n\r\n", b"\x16\x03\x01\x02\x00", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
     b"POST /v1/events HTTP/9.9\r\n\r\n",
     b"POST /v1/events HTTP/1.1\r\nContent-Length: -5\r\n\r\n",
     b"POST /v1/events HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
     b"POST /v1/events HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
     b"POST /v1/events HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"],
)  # fmt: skip
def test_what_is_no_http_is_answered_and_closed(shared: Running, request_bytes: bytes) -> None:
    with shared.connect() as client:
        client.send(request_bytes)
        answer = client.answer()
        assert answer.status in (400, 401)
        assert "error" in answer.json
        assert client.is_closed_by_peer()


# --- connections ---


def test_a_request_may_come_in_any_pieces(shared: Running) -> None:
    for request in (post(AN_EVENT, BEARER), chunked([AN_EVENT[:7], AN_EVENT[7:8], AN_EVENT[8:]])):
        with shared.connect() as client:
            for cut in range(1, len(request)):
                client.send(request[:cut])
                client.send(request[cut:])
                assert client.answer().json == ALL_ACCEPTED
            for byte in request:
                client.send(bytes((byte,)))
            assert client.answer().json == ALL_ACCEPTED


def test_a_head_that_comes_again_means_the_same_whatever_follows_it(start: Start) -> None:
    receiver = start()
    good, bad = post(AN_EVENT, BEARER), post(AN_EVENT.replace(b'"session"', b'"sessiom"'), BEARER)
    assert len(good) == len(bad)
    with receiver.connect() as client:
        for request, status in ((good, 202), (good, 202), (bad, 400), (good, 202)):
            client.send(request)
            assert client.answer().status == status
        client.send(good[:50])
        client.send(good[50:])
        assert client.answer().status == 202
        client.send(good * 3)
        assert [client.answer().status for _ in range(3)] == [202, 202, 202]
        client.send(good + get("/health/live"))
        assert [client.answer().status for _ in range(2)] == [202, 200]
    assert len(receiver.values()) == 8
    assert receiver.on_loop(lambda: receiver.intake.pending_bytes) == 0


def test_heads_are_remembered_only_until_keys_are_asked_for_again(start: Start) -> None:
    receiver = start()
    with receiver.connect() as client:
        client.send(post(AN_EVENT, BEARER))
        assert client.answer().status == 202
    receiver.on_loop(receiver.intake.sweep)
    assert receiver.on_loop(lambda: dict(receiver.intake.heads)) == {}


@pytest.mark.parametrize(
    "header", ["Content-Encoding: identity", "Idempotency-Key: once", "Connection: close", "Expect: 100-continue"]
)
def test_a_head_that_says_more_is_always_parsed(start: Start, header: str) -> None:
    receiver = start()
    with receiver.connect() as client:
        client.send(post(AN_EVENT, BEARER, header))
        assert client.answer().status in (100, 202)
    assert receiver.on_loop(lambda: dict(receiver.intake.heads)) == {}


def test_pipelined_requests_are_answered_in_order(start: Start) -> None:
    receiver = start()
    large = b"[" + b",".join([AN_EVENT] * 9000) + b"]"
    requests = [post(b"\n".join([AN_EVENT] * count), BEARER) for count in range(1, 200)]
    requests[50:50] = [get("/health/live"), post(b"", BEARER), post(AN_EVENT), get("/metrics"), post(large * 4, BEARER)]
    with receiver.connect() as client:
        sending = threading.Thread(target=client.send, args=(b"".join(requests),))
        sending.start()
        answers = [client.answer() for _ in requests]
        sending.join()
    assert [answer.status for answer in answers[50:55]] == [200, 400, 401, 200, 400]
    counts = [answer.json["accepted"] for answer in answers[:50] + answers[55:]]
    assert counts == list(range(1, 200))
    assert len(receiver.values()) == sum(counts)
    assert receiver.on_loop(lambda: receiver.intake.pending_bytes) == 0


def test_nothing_is_answered_before_it_is_durable(start: Start) -> None:
    receiver = start()
    receiver.queue.gate.clear()
    with receiver.connect() as first, receiver.connect() as second:
        first.send(post(AN_EVENT, BEARER))
        wait_until(lambda: receiver.queue.appends == 1)
        second.send(get("/health/live") + post(AN_EVENT, BEARER))
        assert second.answer().status == 200
        first.socket.setblocking(False)
        with pytest.raises(BlockingIOError):
            first.socket.recv(1)
        first.socket.settimeout(WAIT_S)
        receiver.queue.gate.set()
        assert (first.answer().status, second.answer().status) == (202, 202)
    assert receiver.queue.appends == 2


def test_requests_that_wait_share_one_commit_and_one_frame(start: Start) -> None:
    receiver = start()
    receiver.queue.gate.clear()
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(receiver.connect()) for _ in range(20)]
        clients[0].send(post(AN_EVENT, BEARER))
        wait_until(lambda: receiver.queue.appends == 1)
        for client in clients[1:]:
            client.send(post(AN_EVENT, BEARER))
        wait_until(lambda: receiver.on_loop(lambda: receiver.intake.pending_bytes) == 20 * len(AN_EVENT))
        receiver.queue.gate.set()
        assert [client.answer().status for client in clients] == [202] * 20
    assert [header.count for header in receiver.headers()] == [1, 19]


def test_a_sender_that_waits_for_continue_gets_it(shared: Running) -> None:
    with shared.connect() as client:
        head, _, body = post(AN_EVENT, BEARER, "Expect: 100-continue").partition(b"\r\n\r\n")
        client.send(head + b"\r\n\r\n")
        assert client.answer().status == 100
        client.send(body)
        assert client.answer().status == 202


def test_a_sender_that_waits_for_continue_and_may_not_send_is_told(shared: Running) -> None:
    for headers, status in (((), 401), ((BEARER, "Content-Encoding: br"), 415)):
        with shared.connect() as client:
            client.send(post(AN_EVENT, *headers, "Expect: 100-continue").partition(b"\r\n\r\n")[0] + b"\r\n\r\n")
            answer = client.answer()
            assert (answer.status, answer.headers["connection"]) == (status, "close")
            assert client.is_closed_by_peer()
    assert shared.post(AN_EVENT, "Expect: miracles").status == 417


def test_a_refused_small_body_does_not_end_the_connection(shared: Running) -> None:
    with shared.connect() as client:
        client.send(post(AN_EVENT) + post(AN_EVENT, BEARER))
        assert (client.answer().status, client.answer().status) == (401, 202)


@pytest.mark.parametrize(
    ("version", "header", "said"),
    [("1.1", "Connection: close", "close"), ("1.0", "X: y", "close"), ("1.1", "Connection: keep-alive", "keep-alive"),
     ("1.0", "Connection: keep-alive", "keep-alive")],
)  # fmt: skip
def test_the_connection_ends_when_the_sender_wants_it(shared: Running, version: str, header: str, said: str) -> None:
    request = post(AN_EVENT, BEARER, header).replace(b"HTTP/1.1", b"HTTP/" + version.encode())
    with shared.connect() as client:
        client.send(request)
        assert client.answer().headers["connection"] == said
        if said == "close":
            assert client.is_closed_by_peer()
        else:
            client.send(request)
            assert client.answer().status == 202


def test_a_sender_that_has_shut_its_side_still_gets_its_answer(start: Start) -> None:
    receiver = start()
    receiver.queue.gate.clear()
    with receiver.connect() as client:
        client.send(post(AN_EVENT, BEARER))
        client.socket.shutdown(socket.SHUT_WR)
        wait_until(lambda: receiver.queue.appends == 1)
        receiver.queue.gate.set()
        assert client.answer().status == 202
        assert client.is_closed_by_peer()


def test_an_offer_to_change_the_protocol_is_not_taken_up(shared: Running) -> None:
    with shared.connect() as client:
        offer = ("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABk")
        client.send(post(AN_EVENT, BEARER, *offer) + get("/health/live", *offer) + get("/health/live"))
        assert [client.answer().status for _ in range(3)] == [202, 200, 200]


def test_connections_that_break_off_leave_nothing_behind(start: Start) -> None:
    receiver = start()
    request = post(AN_EVENT * 100, BEARER)
    for cut in (1, 20, len(request) // 2, len(request) - 1):
        with receiver.connect() as client:
            client.send(request[:cut])
    receiver.queue.gate.clear()
    with receiver.connect() as client:
        client.send(request + request[: len(request) // 2])
        wait_until(lambda: receiver.queue.appends == 1)
    receiver.queue.gate.set()
    wait_until(
        lambda: receiver.on_loop(lambda: (len(receiver.intake.connections), receiver.intake.pending_bytes)) == (0, 0)
    )


# --- time ---


@pytest.mark.parametrize("cut", [5, 40, 150])
def test_a_slow_sender_is_cut_off(start: Start, cut: int) -> None:
    receiver = start(request_timeout_s=0.2)
    with receiver.connect() as client:
        client.send(post(AN_EVENT, BEARER, "X: " + "x" * 20)[:cut])
        answer = client.answer()
        assert (answer.status, answer.code, answer.headers["connection"]) == (408, "request_timeout", "close")
        assert client.is_closed_by_peer()


def test_bytes_that_drip_do_not_keep_a_request_alive(start: Start) -> None:
    receiver = start(request_timeout_s=0.2)
    with receiver.connect() as client:
        client.send(post(b"", BEARER)[:-2])
        with contextlib.suppress(ConnectionError):
            for _ in range(200):
                client.send(b"X: y\r\n")
                time.sleep(0.005)
        assert client.answer().status == 408


def test_a_silent_connection_is_closed(start: Start) -> None:
    receiver = start(idle_timeout_s=1.0)
    with receiver.connect() as new, receiver.connect() as used:
        used.send(get("/health/live"))
        assert used.answer().status == 200
        receiver.on_loop(lambda: pass_time(receiver, 2.0))
        assert new.is_closed_by_peer()
        assert used.is_closed_by_peer()


def test_waiting_for_a_slow_disk_is_not_the_senders_fault(start: Start) -> None:
    receiver = start(request_timeout_s=0.2, idle_timeout_s=1.0)
    receiver.queue.gate.clear()
    with receiver.connect() as client:
        client.send(post(AN_EVENT, BEARER))
        wait_until(lambda: receiver.queue.appends == 1)
        receiver.on_loop(lambda: pass_time(receiver, 100.0))
        receiver.queue.gate.set()
        assert client.answer().status == 202


def pass_time(receiver: Running, seconds: float) -> None:
    """Every connection is looked at as if so much time had passed."""
    for connection in tuple(receiver.intake.connections):
        connection.check_time(receiver.intake.now_s + seconds)


def test_a_reader_that_does_not_take_its_answers_is_not_served_on(start: Start) -> None:
    receiver = start(request_timeout_s=0.3)
    request = post(b"{}\n" * 9000, BEARER)  # 27 KB that are answered with a megabyte
    with socket.socket() as reader:
        reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        reader.settimeout(WAIT_S)
        reader.connect(("127.0.0.1", receiver.port))
        with contextlib.suppress(ConnectionError, TimeoutError):
            for _ in range(500):
                reader.sendall(request)
        assert receiver.queue.appends < 300
        wait_until(lambda: receiver.on_loop(lambda: len(receiver.intake.connections)) == 0)


# --- our own trouble ---


def test_a_full_queue_is_503_for_all_who_wait_and_nothing_is_accepted(start: Start) -> None:
    receiver = start()
    receiver.queue.error = BackendUnavailable("the queue is full", code="queue_full", retry_after_s=7)
    for body in (AN_EVENT, b'{"key":1}', AN_EVENT + b"\n{}"):
        answer = receiver.post(body)
        assert (answer.status, answer.code, answer.headers["retry-after"]) == (503, "queue_full", "7")
    assert receiver.ask(get("/health/ready")).status == 503
    assert receiver.ask(get("/health/live")).status == 200
    receiver.queue.error = None
    assert receiver.post(AN_EVENT).status == 202
    assert receiver.ask(get("/health/ready")).status == 200
    wait_until(lambda: b'intake_events_accepted_total{source="http"} 1.0' in receiver.ask(get("/metrics")).body)


def test_a_receiver_that_lets_nobody_in_is_not_ready(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    receiver = start()
    monkeypatch.setattr(Keys, "too_old", "the metastore has not answered for 90,000 s")
    answer = receiver.ask(get("/health/ready"))
    assert (answer.status, answer.code) == (503, "metastore_unavailable") and b"90,000 s" in answer.body
    monkeypatch.undo()
    assert receiver.ask(get("/health/ready")).status == 200


def test_a_stopped_partition_is_not_ready_again(start: Start) -> None:
    receiver = start()
    receiver.queue.error = BackendUnavailable("fsync failed", code="partition_stopped", retry_after_s=0)
    assert receiver.post(AN_EVENT).status == 503
    answer = receiver.ask(get("/health/ready"))
    assert (answer.status, answer.code) == (503, "partition_stopped")


def test_a_bug_in_the_queue_is_503_and_not_silence(start: Start) -> None:
    receiver = start()
    receiver.queue.error = ZeroDivisionError()  # type: ignore[assignment]
    answer = receiver.post(AN_EVENT)
    assert (answer.status, answer.code) == (503, "commit_failed")


def test_more_bytes_than_may_wait_are_503(start: Start) -> None:
    receiver = start(pending_bytes_max=1 << 20)
    receiver.queue.gate.clear()
    body = AN_EVENT.replace(b"1", b'"' + b"x" * 600_000 + b'"')
    with receiver.connect() as first:
        first.send(post(body, BEARER))
        wait_until(lambda: receiver.queue.appends == 1)
        for request in (post(body, BEARER), chunked([body])):
            with receiver.connect() as second:
                second.send(request)
                answer = second.answer()
                assert (answer.status, answer.code, answer.headers["retry-after"]) == (503, "overloaded", "1")
        receiver.queue.gate.set()
        assert first.answer().status == 400
    assert receiver.on_loop(lambda: receiver.intake.pending_bytes) == 0


def test_a_stop_finishes_what_is_in_hand(start: Start) -> None:
    receiver = start()
    receiver.queue.gate.clear()
    with receiver.connect() as idle, receiver.connect() as waiting, receiver.connect() as sending:
        idle.send(get("/health/live"))
        assert idle.answer().status == 200
        waiting.send(post(AN_EVENT, BEARER))
        request = post(AN_EVENT, BEARER)
        sending.send(request[:-5])
        wait_until(lambda: receiver.on_loop(lambda: receiver.intake.pending_bytes) == 2 * len(AN_EVENT) - 5)
        receiver.begin_stop()
        assert idle.is_closed_by_peer()
        sending.send(request[-5:])
        receiver.queue.gate.set()
        assert waiting.answer().status == 202
        last = sending.answer()
        assert (last.status, last.headers["connection"]) == (202, "close")
        assert waiting.is_closed_by_peer()
        assert sending.is_closed_by_peer()
    receiver.stop()
    assert receiver.values() == [1, 1]
