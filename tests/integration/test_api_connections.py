"""The API's socket, and what comes to it that is no request, or not in time."""

import json
import socket
from collections.abc import Iterator

import pytest
from tests.reading import READ_TOKEN, Reading, served
from tests.service import wait_for

from logkeep.api import serving

LEDGER = f"GET /api/v1/ledger HTTP/1.1\r\nHost: logs\r\nAuthorization: Bearer {READ_TOKEN}\r\n".encode()
WAIT_S = 20.0


@pytest.fixture(scope="module")
def address() -> Iterator[tuple[str, int]]:
    with served(Reading().app) as url:
        host, _, port = url.removeprefix("http://").partition(":")
        yield host, int(port)


def exchange(address: tuple[str, int], *parts: bytes) -> tuple[bytes, bytes]:
    """Head and body of all that comes until the other side closes; writing may end before all of it is taken."""
    with socket.create_connection(address, WAIT_S) as connection:
        try:
            for part in parts:
                connection.sendall(part)
        except OSError:
            pass  # it was refused before its end
        received = bytearray()
        try:
            while piece := connection.recv(1 << 16):
                received += piece
        except ConnectionResetError:
            pass
    head, _, body = bytes(received).partition(b"\r\n\r\n")
    return head, body


@pytest.mark.parametrize(
    ("sent", "status", "code"),
    [
        (b"garbage\r\n\r\n", b"400", "bad_request"),
        (b"GET /api/v1/ledger\xff HTTP/1.1\r\n\r\n", b"400", "bad_request"),
        (b"FOO /api/v1/ledger HTTP/1.1\r\n\r\n", b"400", "bad_request"),
        (LEDGER + b"A: b\0c\r\n\r\n", b"400", "bad_request"),
        (LEDGER + b"X: " + b"a" * serving.HEAD_BYTES_MAX + b"\r\n\r\n", b"431", "head_too_large"),
        (LEDGER + b"X: " + b"a" * (1 << 20), b"431", "head_too_large"),
        (LEDGER + b"".join(b"X-%d: a\r\n" % n for n in range(20_000)), b"431", "head_too_large"),
        (b"GET /api/v1/search?query=" + b"a" * 70_000 + b" HTTP/1.1\r\n\r\n", b"431", "head_too_large"),
    ],
    ids=["garbage", "path", "method", "nul", "long head", "head without end", "many headers", "long address"],
)
def test_what_is_no_request_is_refused_in_the_shape_of_all_errors(
    address: tuple[str, int], sent: bytes, status: bytes, code: str
) -> None:
    head, body = exchange(address, sent)
    assert head.split(b" ")[1] == status and b"content-type: application/json" in head
    assert json.loads(body)["error"]["code"] == code


@pytest.mark.parametrize("path", ["/api/v1/ledger", "/health/ready", "/api/v1/search?query=", "/none"])
def test_head_is_answered_as_get_without_its_body(address: tuple[str, int], path: str) -> None:
    """Only values may differ, such as times and lengths."""
    asked = LEDGER.replace(b"/api/v1/ledger", path.encode()) + b"Connection: close\r\n\r\n"
    head, body = exchange(address, asked.replace(b"GET", b"HEAD", 1))
    assert body == b""
    got, _ = exchange(address, asked)
    assert [line.partition(b":")[0] for line in head.splitlines()] == [
        line.partition(b":")[0] for line in got.splitlines()
    ]


def test_the_head_of_a_tail_leaves_no_reader_behind(address: tuple[str, int]) -> None:
    asked = LEDGER.replace(b"GET /api/v1/ledger", b"HEAD /api/v1/tail") + b"\r\n"
    with socket.create_connection(address, WAIT_S) as connection:  # it stays open: only the answer has ended
        connection.sendall(asked)
        told = connection.recv(1 << 16)
        assert told.startswith(b"HTTP/1.1 200") and b"text/event-stream" in told

        def readers() -> bytes:
            _, body = exchange(address, b"GET /metrics HTTP/1.1\r\nHost: logs\r\nConnection: close\r\n\r\n")
            return next(line for line in body.splitlines() if line.startswith(b"logkeep_tail_readers"))

        wait_for(lambda: readers().split()[-1] in (b"0", b"0.0"), WAIT_S, "the tail to end")


def test_a_head_in_pieces_and_requests_one_after_another_are_answered(address: tuple[str, int]) -> None:
    """A body is no head: what was counted of one request is not of the next."""
    form = b"X: " + b"a" * 40_000 + b"\r\n"
    posted = LEDGER.replace(b"GET", b"POST") + form + b"Content-Length: 60000\r\n\r\n" + b" " * 60_000
    head, body = exchange(
        address, LEDGER, form[:7], form[7:], b"\r\n", posted, LEDGER + form, b"Connection: close\r\n\r\n"
    )
    assert head.startswith(b"HTTP/1.1 200")
    assert (body.count(b"HTTP/1.1 405"), body.count(b"HTTP/1.1 200"), body.count(b'"received":12')) == (1, 1, 2)


@pytest.mark.parametrize(
    ("sent", "told"),
    [
        (b"", b""),
        (LEDGER, b"HTTP/1.1 408"),
        (b"POST /api/v1/sign-in HTTP/1.1\r\nHost: logs\r\nContent-Length: 9\r\n\r\n{", b"HTTP/1.1 408"),
        (LEDGER + b"\r\n" + b"GET", b"HTTP/1.1 200"),
    ],
    ids=["nothing", "half a head", "half a body", "half a second request"],
)
def test_who_does_not_send_a_whole_request_is_cut_off(
    address: tuple[str, int], monkeypatch: pytest.MonkeyPatch, sent: bytes, told: bytes
) -> None:
    monkeypatch.setattr(serving, "REQUEST_TIMEOUT_S", 0.2)
    head, _ = exchange(address, sent)
    assert head[:12] == told


def test_one_connection_too_many_is_told_when_to_come_back(
    address: tuple[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serving, "CONNECTIONS_MAX", 0)
    head, body = exchange(address, LEDGER + b"\r\n")
    assert head.startswith(b"HTTP/1.1 503") and b"retry-after: 1" in head
    assert json.loads(body)["error"]["code"] == "unavailable"
