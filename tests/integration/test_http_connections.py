"""Connections of the HTTP receiver: pieces, pipelines, senders that are slow or gone, and troubles of its own."""

import contextlib
import socket
import threading
import time
from collections.abc import Iterator

import pytest
from tests.receiving import (
    ALL_ACCEPTED,
    AN_EVENT,
    BEARER,
    WAIT_S,
    Keys,
    Running,
    Start,
    chunked,
    get,
    post,
    receivers,
    wait_until,
)

from logkeep.errors import BackendUnavailable


@pytest.fixture
def start() -> Iterator[Start]:
    with receivers() as start_one:
        yield start_one


@pytest.fixture(scope="module")
def shared() -> Iterator[Running]:
    """One with the usual settings, for tests that leave nothing behind but frames."""
    with receivers() as start_one:
        yield start_one()


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
