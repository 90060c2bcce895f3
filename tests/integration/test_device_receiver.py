"""What devices tell and ask at the receiver: durable on 202, configurations by entity tag, never anything to read."""

import json
from collections.abc import Callable, Iterator
from typing import Any, cast

import pytest
from tests.limiting import Alone, Blocks, Given
from tests.receiving import AN_EVENT, BEARER, KEY, TOKEN, Answer, Running, get, post

from logkeep.clock import NS_PER_S, ManualClock
from logkeep.decode.frame import unpack_frame
from logkeep.errors import BackendUnavailable
from logkeep.metastore.blocks import Blocked
from logkeep.metastore.configuration import NOTHING_SAID, Configurations, Question, Rule, Settings, Target
from logkeep.metastore.limits import Limits
from logkeep.receiver.admission import key_id
from logkeep.receiver.limiter import Limiter
from logkeep.receiver.refused import Refusals
from logkeep.settings import Intake as IntakeSettings
from logkeep.settings import LimitSettings

NOTHING = {
    "enabled": None, "min_level": None, "sample_rate": None, "send_all_now": 0, "until": None, "for_s": None,
    "etag": NOTHING_SAID.etag,
}  # fmt: skip
DEVICE = "X-Logkeep-Device: d1"


@pytest.fixture(scope="module")
def it() -> Iterator[Running]:
    one = Running(IntakeSettings(), ManualClock())
    yield one
    one.stop()


def rule(it: Running, kind: Target, target: str, *matched: str, lasts_s: float = 60, **said: Any) -> tuple[Rule, Any]:
    now_ns = it.clock.now_ns()
    made = Rule(
        rule=f"{kind} {target}", app="shop", kind=kind, target=target, settings=Settings(**said), made_ns=now_ns,
        until_ns=now_ns + int(lasts_s * NS_PER_S), by="eve",
    )  # fmt: skip
    return made, matched


def know(it: Running, *rules: tuple[Rule, Any]) -> None:
    """The receiver has looked, and heads it remembered are forgotten as its sweep does."""
    it.configurations = Configurations(rules)
    it.on_loop(it.intake.heads.clear)


def config(it: Running, query: str = "device=d1", *headers: str, method: str = "GET") -> Answer:
    with it.connect() as client:
        client.send(get(f"/v1/config?{query}", BEARER, *headers, method=method))
        return client.answer(head_only=method == "HEAD")


def test_a_device_that_nothing_is_said_about_keeps_its_own_settings(it: Running) -> None:
    know(it)
    answer = config(it)
    assert (answer.status, answer.json) == (200, NOTHING)
    assert answer.headers["etag"] == NOTHING_SAID.etag
    assert answer.headers["cache-control"] == "private, no-cache"
    assert "ETag" in answer.headers["access-control-expose-headers"]


def test_a_configuration_is_sent_once_and_again_when_it_is_another_one(it: Running) -> None:
    know(it, rule(it, "device", "d1", min_level="trace", enabled=True))
    first = config(it)
    assert first.json == NOTHING | {
        "enabled": True, "min_level": "trace", "until": "2023-11-14T22:14:20Z", "for_s": 60,
        "etag": first.headers["etag"],
    }  # fmt: skip
    for tag in (first.headers["etag"], f"W/{first.headers['etag']}", f'"x", {first.headers["etag"]}', "*"):
        same = config(it, "device=d1", f"If-None-Match: {tag}")
        assert (same.status, same.body, same.headers["etag"]) == (304, b"", first.headers["etag"])
    know(it, rule(it, "device", "d1", min_level="debug", enabled=True))
    again = config(it, "device=d1", f"If-None-Match: {first.headers['etag']}")
    assert (again.status, again.json["min_level"]) == (200, "debug")
    assert config(it, "device=d2").json == NOTHING
    assert config(it, method="HEAD").status == 200


def test_a_rule_ends_by_the_receivers_clock(it: Running) -> None:
    know(it, rule(it, "device", "d1", lasts_s=10, min_level="trace"))
    assert config(it).json["for_s"] == 10
    it.clock.advance(9.5)  # type: ignore[attr-defined]
    assert config(it).json["for_s"] == 1
    it.clock.advance(0.5)  # type: ignore[attr-defined]
    assert config(it).json == NOTHING


def test_who_asks_is_told_apart_by_device_user_and_version(it: Running) -> None:
    know(
        it,
        rule(it, "user", "anna & bob", "d2", sample_rate=0.5),
        rule(it, "query", "app_version:3.1*", "d4", send_all_now=7),
        rule(it, "query", "os:android", "d3", "gerät", enabled=False),
    )
    assert config(it, "device=d1&user=anna+%26+bob").json["sample_rate"] == 0.5
    assert config(it, "device=d2").json["sample_rate"] == 0.5
    assert config(it, "device=d2&user=eve").json["sample_rate"] is None
    assert config(it, "device=d9&version=3.1.4").json["send_all_now"] == 7
    assert [config(it, f"device={name}").json["send_all_now"] for name in ("d4", "d9")] == [7, 0]  # d4 told it before
    assert config(it, "device=d4&version=3.2").json["send_all_now"] == 0
    assert config(it, "device=d3&version=3.2").json["enabled"] is False
    assert config(it, "device=ger%C3%A4t").json["enabled"] is False


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("", "device_missing"),
        ("device=", "device_missing"),
        ("user=anna", "device_missing"),
        ("device=" + "d" * 513, "name_too_long"),
        ("device=d&user=" + "%C3%BC" * 257, "name_too_long"),
        ("device=%FF", "invalid_utf8"),
        ("&".join(["device=d"] * 20), "invalid_utf8"),
    ],
    ids=lambda text: text[:20],
)
def test_a_question_that_cannot_be_read_is_refused(it: Running, query: str, code: str) -> None:
    know(it)
    answer = config(it, query)
    assert (answer.status, answer.code) == (400, code)


def test_a_configuration_needs_a_write_key_and_a_read_token_gets_none(it: Running) -> None:
    know(it)
    assert it.ask(get("/v1/config?device=d1")).status == 401
    assert it.ask(get("/v1/config?device=d1", f"Authorization: Bearer {TOKEN}")).status == 403
    assert it.ask(get(f"/v1/config?device=d1&key={KEY}")).status == 200
    assert it.post(b"", path="/v1/config?device=d1").status == 405


def test_before_rules_were_ever_read_a_device_is_asked_to_come_again(it: Running) -> None:
    it.configurations = None
    answer = config(it)
    assert (answer.status, answer.code) == (503, "metastore_unavailable")
    assert "retry-after" in answer.headers
    assert it.post(AN_EVENT, DEVICE).json == {"accepted": 1, "rejected": [], "durable": "disk"}


def test_the_reply_to_every_intake_request_carries_a_configuration_that_has_changed(it: Running) -> None:
    know(it, rule(it, "device", "d1", min_level="trace"))
    told = it.post(AN_EVENT, DEVICE).json
    assert told == {
        "accepted": 1, "rejected": [], "durable": "disk",
        "config": NOTHING | {
            "min_level": "trace", "until": told["config"]["until"], "for_s": 60, "etag": told["config"]["etag"],
        },
    }  # fmt: skip
    assert told["config"]["etag"] == config(it).headers["etag"]
    knows = f"X-Logkeep-Config: {told['config']['etag']}"
    assert "config" not in it.post(AN_EVENT, DEVICE, knows).json
    assert "config" not in it.post(AN_EVENT).json
    assert "config" not in it.post(AN_EVENT, "X-Logkeep-Device: d2").json
    some = it.post(b"[" + AN_EVENT + b",{}]", DEVICE).json
    assert (some["accepted"], some["config"]["min_level"]) == (1, "trace")
    device = it.post(b'{"device":"d1"}', DEVICE, path="/v1/devices").json
    assert device["config"]["min_level"] == "trace"
    know(it)
    assert it.post(AN_EVENT, DEVICE, knows).json["config"] == NOTHING
    assert "config" not in it.post(AN_EVENT, DEVICE, f"X-Logkeep-Config: {NOTHING_SAID.etag}").json


@pytest.fixture
def limited(it: Running) -> Iterator[Callable[..., None]]:
    """Sets what the receiver is limited by, for one test."""

    def limit(blocked: Blocked | None = None, **limits: Any) -> None:
        settings, blocks, alone = LimitSettings(), Blocks(), cast(Any, Alone({}))
        if blocked is not None:
            blocks.set("shop", blocked)
        given = Given(settings, shop=Limits(**limits))
        it.intake.limiter = Limiter(given, settings, alone, it.clock, it.telemetry, Refusals(), blocks)
        it.on_loop(it.intake.limiter.tick)

    yield limit
    it.intake.limiter = None


@pytest.mark.parametrize(
    ("path", "body", "status", "code"),
    [
        ("/v1/events", b"{}", 400, "missing_session"),
        ("/v1/events", b"no json", 400, "invalid_json"),
        ("/v1/events", b"x" * (11 << 20), 413, "body_too_large"),
        ("/v1/devices", b"{}", 400, "bad_notice"),
        ("/v1/issues", b"", 400, "empty_body"),
        ("/v1/sessions", b"[]", 400, "empty_body"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_an_answer_that_refuses_carries_a_configuration_that_has_changed_too(
    it: Running, path: str, body: bytes, status: int, code: str
) -> None:
    know(it, rule(it, "device", "d1", min_level="error"))
    answer = it.post(body, DEVICE, path=path)
    assert (answer.status, answer.code, answer.json["config"]["min_level"]) == (status, code, "error")
    knows = f"X-Logkeep-Config: {answer.json['config']['etag']}"
    for headers in ([DEVICE, knows], ["X-Logkeep-Device: d2"], []):
        refused = it.post(body, *headers, path=path)
        assert (refused.status, "config" in refused.json) == (status, False)


def test_who_floods_is_told_to_send_less_with_the_answer_that_says_so(
    it: Running, limited: Callable[..., None]
) -> None:
    know(it, rule(it, "device", "d1", min_level="error"))
    limited(events_per_second=1)
    statuses = []
    request = post(AN_EVENT, BEARER, DEVICE)
    with it.connect() as client:  # the head is remembered after the first
        for _ in range(20):
            client.send(request)
            answer = client.answer()
            statuses.append(answer.status)
            assert answer.json["config"]["min_level"] == "error"
    assert {*statuses} == {202, 429} and "retry-after" in answer.headers
    limited(Blocked(keys=((key_id(KEY), "a loop"),)))
    blocked = it.post(AN_EVENT, DEVICE)
    assert (blocked.status, blocked.code, blocked.json["config"]["min_level"]) == (403, "blocked", "error")
    assert "config" not in it.ask(post(AN_EVENT, "Authorization: Bearer wrong", DEVICE)).json


def test_a_queue_that_takes_nothing_keeps_no_device_from_hearing(it: Running) -> None:
    know(it, rule(it, "device", "d1", min_level="error"))
    it.queue.error = BackendUnavailable("the disk is full", code="disk_full", retry_after_s=7)
    try:
        answer, other = it.post(AN_EVENT, DEVICE), it.post(AN_EVENT)
    finally:
        it.queue.error = None
    assert (answer.status, answer.code, answer.headers["retry-after"]) == (503, "disk_full", "7")
    assert answer.json["config"]["min_level"] == "error"
    assert (other.status, "config" in other.json) == (503, False)


def test_a_head_that_is_remembered_tells_the_same(it: Running) -> None:
    """Senders repeat their heads byte for byte: the second one is not parsed."""
    know(it, rule(it, "user", "anna", enabled=False))
    request = post(AN_EVENT, BEARER, DEVICE, "X-Logkeep-User: an%6Ea")
    with it.connect() as client:
        for _ in range(3):
            client.send(request)
            assert client.answer().json["config"]["enabled"] is False
        assert it.on_loop(lambda: [known.config is not None for known in it.intake.heads.values()]) == [True]
    know(it)
    assert "config" not in it.ask(request).json


def test_headers_of_any_kind_end_in_an_answer(it: Running) -> None:
    know(it, rule(it, "query", "", min_level="trace"))
    for value in ("%", "%zz", "\xff\xfe", "d" * 5000, "%00", "\u00fc", "", "'\"<b>"):
        answer = it.post(AN_EVENT, f"X-Logkeep-Device: {value}", "X-Logkeep-Version: %FF", f"X-Logkeep-Config: {value}")
        assert answer.status == 202, value


def test_an_issue_is_answered_with_where_it_will_be_seen(it: Running) -> None:
    know(it)
    issues = [{"session": "a/b", "title": "odd"}, {"session": "s", "title": "odd", "id": "my id"}, {"session": "s"}]
    answer = it.post(json.dumps(issues).encode(), path="/v1/issues")
    ids = answer.json["ids"]
    assert answer.status == 202 and len(ids) == 2
    at, app = "https://logs.example", "?app=shop"
    assert answer.json["links"] == [
        {"issue": f"{at}/issues/of/{ids[0]}{app}", "session": f"{at}/sessions/a%2Fb{app}"},
        {"issue": f"{at}/issues/of/my%20id{app}", "session": f"{at}/sessions/s{app}"},
    ]
    assert [one["reason"] for one in answer.json["rejected"]] == ["bad_notice"]
    header, body = unpack_frame(it.queue.frames[-1])
    assert (header.kind, header.count) == ("issues", 2)
    assert [json.loads(line)["session"] for line in body.split(b"\n")] == ["a/b", "s"]


def test_an_issue_travels_with_the_device_that_sends_it(it: Running) -> None:
    know(it)
    issue = json.dumps({"session": "s", "title": "odd"}).encode()
    for header, device in (("ger%C3%A4t", "gerät"), ("d" * 512, "d" * 512), ("d" * 513, ""), ("", "")):
        assert it.post(issue, f"X-Logkeep-Device: {header}", path="/v1/issues").status == 202
        assert unpack_frame(it.queue.frames[-1])[0].device == device
    assert it.post(b'{"session":"s","user":"u"}', DEVICE, path="/v1/sessions").status == 202
    assert unpack_frame(it.queue.frames[-1])[0].device == ""


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/devices", {"device": "d", "keys": {"k": "v" * 193}}),
        ("/v1/devices", {"device": "d", "keys": {"k" * 65: 1}}),
        ("/v1/devices", {"device": "d", "model": ["x"]}),
        ("/v1/devices", {"device": "d", "name": "n" * 40_000}),
        ("/v1/issues", {"session": "s", "title": "t", "kind": "<b>"}),
        ("/v1/issues", {"session": "s", "stack": "s" * (2 << 20)}),
        ("/v1/issues", {"title": "t"}),
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_tells_too_much_or_the_wrong_thing_is_refused_with_the_reason(
    it: Running, path: str, body: dict[str, Any]
) -> None:
    answer = it.post(json.dumps(body).encode(), path=path)
    assert answer.status == 400 and answer.code in ("bad_notice", "too_large")
    assert it.ask(post(json.dumps({"device": "d", "session": "s", "title": "t"}).encode(), path=path)).status == 401


def test_asking_costs_one_look_where_nothing_is_said() -> None:
    """The question is not even remembered for an app without rules."""
    configurations = Configurations()
    found = [configurations.of("shop", Question(f"d{index}"), 0) for index in range(3)]
    assert found == [NOTHING_SAID] * 3 and configurations._apps == {}
