"""The HTTP receiver on a real socket: what it answers, what it appends, and what it does not take."""

import contextlib
import gzip
import zlib
from collections.abc import Iterator
from typing import Any

import pytest
import zstandard
from tests.receiving import (
    ALL_ACCEPTED,
    AN_EVENT,
    BEARER,
    KEY,
    TOKEN,
    Running,
    Start,
    chunked,
    get,
    post,
    receivers,
    wait_until,
)

from logkeep.decode.frame import unpack_frame
from logkeep.decode.native import decode_events


@pytest.fixture
def start() -> Iterator[Start]:
    with receivers() as start_one:
        yield start_one


@pytest.fixture(scope="module")
def shared() -> Iterator[Running]:
    """One with the usual settings, for tests that leave nothing behind but frames."""
    with receivers() as start_one:
        yield start_one()


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


@pytest.mark.parametrize(("path", "status"), [("/v1/events", 405), ("/nowhere", 404), ("/v1/config?device=d", 401)])
def test_what_head_is_refused_has_no_body_either(shared: Running, path: str, status: int) -> None:
    with shared.connect() as client:
        client.send(get(path, method="HEAD") + get("/health/live"))
        assert (client.answer(head_only=True).status, client.answer().status) == (status, 200)


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
