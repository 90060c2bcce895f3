"""The load generator against servers that answer as told."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import msgspec
import pytest

from logkeep.errors import BackendUnavailable
from logkeep.loadgen.http import run_http
from logkeep.loadgen.report import LoadPlan, LoadReport
from logkeep.loadgen.target import resolve_target
from logkeep.loadgen.udp import run_udp

WAIT_S = 10.0

Answer = Callable[[int, bytes], bytes | None]  # number of the request and its body → the answer; None: hang up


def response(status: int, body: bytes = b"", headers: str = "") -> bytes:
    return f"HTTP/1.1 {status} Told\r\n{headers}Content-Length: {len(body)}\r\n\r\n".encode() + body


def accepted(number: int, body: bytes) -> bytes:
    return response(202, b'{"accepted":%d,"rejected":[],"durable":"disk"}' % (body.count(b"\n") + 1))


class _Server:
    """Answers requests one by one; `bodies` holds what came."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._lock = threading.Lock()
        self.heads: list[bytes] = []
        self.bodies: list[bytes] = []
        self.url = f"http://127.0.0.1:{self._listening.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, connection.makefile("rb") as stream:
            while head := b"".join(iter(stream.readline, b"\r\n")) if stream.peek(1) else b"":
                length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
                body = stream.read(length)
                with self._lock:
                    self.heads.append(head)
                    self.bodies.append(body)
                    number = len(self.bodies)
                answer = self._answer(number, body)
                if answer is None:
                    return
                connection.sendall(answer)


@contextmanager
def serving(answer: Answer) -> Iterator[_Server]:
    server = _Server(answer)
    try:
        yield server
    finally:
        server.close()


def loaded(server: _Server, **plan: object) -> LoadReport:
    made = LoadPlan(url=server.url, key="KEY", **{"connections": 2, "events": 50, **plan})  # type: ignore[arg-type]
    return run_http(made, resolve_target(server.url, allow_remote=False))


def told(report: LoadReport) -> LoadReport:
    """The report without what differs from run to run."""
    return msgspec.structs.replace(report, seconds=0, events_per_s=0, latency_ms={}, sent_bytes=0)


def test_every_event_is_sent_once_and_acknowledged() -> None:
    with serving(accepted) as server:
        report = loaded(server, events=103, batch=10)

    lines = [line for body in server.bodies for line in body.split(b"\n")]
    assert told(report) == LoadReport(protocol="http", sent=103, acknowledged=103, requests=11)
    assert [len(lines), report.sent_bytes] == [103, sum(map(len, server.bodies))]
    assert set(report.latency_ms) == {"p50", "p90", "p99", "max"}
    assert report.complete
    assert {b"Authorization: Bearer KEY" in head for head in server.heads} == {True}


def test_a_run_goes_on_until_its_time_is_over() -> None:
    with serving(accepted) as server:
        report = loaded(server, events=None, seconds=0.2, rate=200)

    assert report.acknowledged == report.sent == len(server.bodies)
    assert 1 <= report.sent <= 41


def test_a_refusal_that_names_a_wait_is_sent_again() -> None:
    def busy_twice(number: int, body: bytes) -> bytes:
        return response(503 if number == 1 else 429, b"{}", "Retry-After: 0\r\n") if number < 3 else accepted(3, body)

    with serving(busy_twice) as server:
        report = loaded(server, connections=1, events=2)

    assert told(report) == LoadReport(protocol="http", sent=2, acknowledged=2, requests=4, retries=2)
    assert server.bodies[0] == server.bodies[1] == server.bodies[2]


def test_a_refusal_without_end_is_given_up_and_told() -> None:
    with serving(lambda number, body: response(429, b"{}", "Retry-After: 0\r\n")) as server:
        report = loaded(server, connections=1, events=5, batch=5)

    assert told(report) == LoadReport(protocol="http", sent=5, refused={"429": 5}, requests=8, retries=7)
    assert not report.complete


def test_rejected_events_are_told_by_reason() -> None:
    answer = response(202, b'{"accepted":1,"rejected":[{"index":1,"reason":"too_large"}],"durable":"disk"}')
    with serving(lambda number, body: answer) as server:
        report = loaded(server, events=6, batch=2)

    assert told(report) == LoadReport(protocol="http", sent=6, acknowledged=3, rejected={"too_large": 3}, requests=3)


def test_a_lost_connection_fails_what_was_on_it_and_the_rest_goes_on() -> None:
    with serving(lambda number, body: None if number == 2 else accepted(number, body)) as server:
        report = loaded(server, connections=1, events=4)

    assert told(report) == LoadReport(
        protocol="http", sent=4, acknowledged=3, failed={"connection lost": 1}, requests=3
    )


def test_events_with_ids_are_sent_again_after_a_lost_connection() -> None:
    with serving(lambda number, body: None if number == 2 else accepted(number, body)) as server:
        report = loaded(server, connections=1, events=4, with_ids=True)

    assert told(report) == LoadReport(protocol="http", sent=4, acknowledged=4, requests=4, retries=1)
    assert server.bodies[1] == server.bodies[2]


def test_an_answer_in_pieces_and_one_that_closes_are_understood() -> None:
    def closing(number: int, body: bytes) -> bytes:
        return accepted(number, body).replace(b"\r\n", b"\r\nConnection: close\r\n", 1)

    with serving(lambda number, body: b"HTTP/1.1 100 Continue\r\n\r\n" + closing(number, body)) as server:
        report = loaded(server, connections=1, events=3)

    assert told(report) == LoadReport(protocol="http", sent=3, acknowledged=3, requests=3)


def test_bytes_that_are_no_answer_end_the_run_with_failures() -> None:
    with serving(lambda number, body: b"\x00nonsense\r\n\r\n") as server:
        report = loaded(server, connections=1, events=1)

    assert told(report) == LoadReport(protocol="http", sent=1, failed={"connection lost": 1})


@pytest.mark.parametrize(("encoding", "magic"), [("gzip", b"\x1f\x8b"), ("zstd", b"\x28\xb5\x2f\xfd")])
def test_bodies_are_packed_as_asked(encoding: str, magic: bytes) -> None:
    answer = response(202, b'{"accepted":10,"rejected":[]}')
    with serving(lambda number, body: answer) as server:
        report = loaded(server, events=20, batch=10, encoding=encoding)

    assert report.complete
    assert {body[: len(magic)] for body in server.bodies} == {magic}
    assert {f"Content-Encoding: {encoding}".encode() in head for head in server.heads} == {True}


def free_port(kind: socket.SocketKind) -> int:
    with socket.socket(type=kind) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_an_address_where_nothing_answers_is_told_at_once() -> None:
    url = f"http://127.0.0.1:{free_port(socket.SOCK_STREAM)}"
    with pytest.raises(BackendUnavailable, match="nothing answers at"):
        run_http(LoadPlan(url=url, key="KEY", events=1), resolve_target(url, allow_remote=False))
    url = f"http://127.0.0.1:{free_port(socket.SOCK_DGRAM)}"
    with pytest.raises(BackendUnavailable, match="nobody takes datagrams at"):
        run_udp(LoadPlan(url=url, key="KEY", events=100_000), resolve_target(url, allow_remote=False))


@pytest.mark.parametrize("rate", [None, 50_000.0])
def test_datagrams_are_numbered_and_all_of_them_are_sent(rate: float | None) -> None:
    with socket.socket(type=socket.SOCK_DGRAM) as receiver:
        receiver.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        receiver.bind(("127.0.0.1", 0))
        receiver.settimeout(WAIT_S)
        url = f"http://127.0.0.1:{receiver.getsockname()[1]}"
        plan = LoadPlan(url=url, key="KEY", events=700, rate=rate, run="r")
        report = run_udp(plan, resolve_target(url, allow_remote=False))
        events = [msgspec.json.decode(receiver.recv(65_535)) for _ in range(700)]

    assert [report.sent, report.failed, report.complete] == [700, {}, True]
    checkout = [event["seq"] for event in events if event["client"] == "load-r-checkout"]
    assert checkout == list(range(1, len(checkout) + 1))
    assert {event["app"] for event in events} == {"KEY"}
