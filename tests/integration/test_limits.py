"""Limits on a running service: what a sender over them is told, what becomes of its events, what the owner sees."""

import json
import socket
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from tests.service import Service, running, wait_for

LEVELS = ("error", "info")
TRIES = 20  # connections, each to either receiver: that all meet the same one is 1 in 500,000


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Two receivers, so that what one of them lets in counts for the other."""
    settings = {
        "LOGKEEP_INTAKE_PROCESSES": "2",
        "LOGKEEP_LIMITS_GRACE_S": "0",
        "LOGKEEP_COUNTERS_EXCHANGE_S": "0.2",
        "LOGKEEP_METASTORE_REFRESH_S": "0.2",
    }
    with running(tmp_path_factory.mktemp("limits") / "data", **settings) as started:
        yield started


def event(number: int, level: str = "info", component: str = "cart") -> dict[str, Any]:
    return {"session": "s", "key": "k", "value": f"event {number}", "level": level, "component": component}


def set_limits(service: Service, **limits: Any) -> dict[str, Any]:
    """They are in force in every receiver."""
    path = f"{service.api_url}/api/v1/apps/{service.credentials['app']}/limits"
    response = httpx.put(path, json={"limits": limits}, headers=service.read_headers)
    assert response.status_code == 200, response.text
    found: dict[str, Any] = response.json()
    expected = {
        f'"{name}"': bool(limits.get(limit))
        for name, limit in (("events-day", "events_per_day"), ("second", "events_per_second"))
    }

    def all_know() -> bool:
        headers = [service.post(event(0)).headers.get("ratelimit-policy", "") for _ in range(TRIES)]
        return all((name in header) == told for header in headers for name, told in expected.items())

    wait_for(all_know, 20, "the limits to be known to every receiver")
    return found


def balanced(service: Service) -> dict[str, Any]:
    """The ledger, once nothing is queued; everything that was received is accounted for."""
    ledger = service.wait_until_drained()
    gone = ledger["stored"] + sum(ledger["rejected"].values()) + ledger["over_quota"] + ledger["expired"]
    assert ledger["received"] == gone + ledger["erased"]
    return ledger


def test_the_api_tells_what_is_used_of_each_limit_and_null_where_there_is_none(service: Service) -> None:
    set_limits(service, events_per_second=5000, components={"dbg": {"events_per_day": 60, "events_per_second": 9000}})
    assert service.post([event(n, component="dbg") for n in range(50)]).status_code == 202
    wait_for(
        lambda: use(service)["components"]["dbg"]["events_per_day"]["used"] == 50, 20, "the component to be counted"
    )
    found = use(service)
    own = found["components"]["dbg"]
    assert own["events_per_day"] == {"used": 50, "limit": 60, "left": 10}
    assert own["bytes_per_day"] == found["events_per_day"] == {"used": None, "limit": None, "left": None}
    assert (found["events_per_second"]["limit"], own["events_per_second"]["limit"]) == (5000, 9000)
    wait_for(lambda: use(service)["events_per_second"]["used"] > 0, 30, "the rate to be told")
    answers: list[httpx.Response] = []

    def is_left_out() -> bool:
        """False while the receiver that answers has not heard of what the other one took."""
        answers.append(service.post([event(n, component=("dbg", "ok")[n % 2]) for n in range(40)]))
        return bool(answers[-1].json()["rejected"])

    wait_for(is_left_out, 20, "what is over the component's limit to be left out")
    mixed = answers[-1]
    assert mixed.status_code == 202 and {one["index"] % 2 for one in mixed.json()["rejected"]} == {0}
    assert mixed.json()["rejected"][0]["message"] == "the component 'dbg' is over its events_per_day of 60"
    assert '"component-events-day"' in mixed.headers["ratelimit-policy"] and use(service)["over_since"] is None


def test_over_the_limit_of_a_day_errors_are_kept_and_the_rest_is_told_and_counted(service: Service) -> None:
    found = set_limits(service, events_per_day=1000)
    assert (found["in_force"]["events_per_day"], found["version"]) == (1000, 2)
    before = balanced(service)
    started = use(service)["events_per_day"]["used"]
    answers: list[httpx.Response] = []
    # Until every receiver refuses; each knows what the other took, else a busy machine would let each have a thousand.
    while len(answers) < 90 and [one.status_code for one in answers[-TRIES:]] != [429] * TRIES:
        answers.append(service.post([event(n) for n in range(100)]))
        told_of = sum(one.json()["accepted"] for one in answers if one.status_code == 202)
        wait_for(
            lambda told_of=told_of: use(service)["events_per_day"]["used"] >= started + told_of,  # type: ignore[misc]
            20,
            "what was taken to be counted",
        )
    refused = answers[-1]
    assert (answers[0].status_code, refused.status_code) == (202, 429)
    assert refused.json()["error"]["code"] == "quota_exceeded"
    assert 1 <= int(refused.headers["retry-after"]) <= 3600
    assert 'events-day";q=1000;w=86400' in refused.headers["ratelimit-policy"]
    balanced(service)  # the samples of these refusals are kept: the next ones are the newest
    mixed = service.post([event(n, LEVELS[n % 2], "pay") for n in range(20)])
    assert mixed.status_code == 202, mixed.text
    answer = mixed.json()
    assert answer["accepted"] >= 10 and {one["reason"] for one in answer["rejected"]} <= {"over_quota"}
    assert {one["index"] % 2 for one in answer["rejected"]} == {1}
    after = balanced(service)
    told = [one.json() for one in answers if one.status_code == 202] + [answer]
    taken = sum(one["accepted"] for one in told)
    assert after["stored"] - before["stored"] == taken
    assert after["over_quota"] - before["over_quota"] == sum(len(one["rejected"]) for one in told)
    assert taken <= 1000 + 200 + 200  # errors' share, and what an exchange misses
    samples = service.get("/api/v1/rejected").json()["rejected"]
    assert {"over_quota"} == {one["reason"] for one in samples} and '"pay"' in samples[0]["text"]
    wait_for(lambda: use(service)["events_per_day"]["used"] >= taken, 20, "what was used to be counted")
    assert (use(service)["phase"], use(service)["events_per_day"]["limit"]) == ("over", 1000)
    set_limits(service)
    assert (use(service)["phase"], use(service)["over_since"]) == ("within", None)  # there is nothing to be over


def use(service: Service) -> dict[str, Any]:
    found: dict[str, Any] = service.get(f"/api/v1/apps/{service.credentials['app']}/limits").json()["use"]
    return found


def test_datagrams_over_the_limit_are_counted_and_the_ledger_balances(service: Service) -> None:
    set_limits(service, events_per_second=20, burst_events=200)

    def is_held_back() -> bool:
        """False while the receiver of datagrams does not know the limit: `set_limits` asks those of HTTP alone."""
        before = balanced(service)
        sent = send_datagrams(service, 1500)
        wait_for(lambda: service.ledger()["received"] - before["received"] >= sent, 20, "all datagrams to be received")
        after = balanced(service)
        stored, over = after["stored"] - before["stored"], after["over_quota"] - before["over_quota"]
        assert stored + over == sent == after["received"] - before["received"]
        assert stored > 0 and after["rejected"] == before["rejected"]
        return stored <= 600

    wait_for(is_held_back, 60, "datagrams over the limit to be left out")
    metrics = httpx.get(f"{service.intake_url}/metrics").text
    assert 'logkeep_intake_events_refused_total{source="component",why="second"}' in metrics


def send_datagrams(service: Service, count: int) -> int:
    with socket.socket(type=socket.SOCK_DGRAM) as sender:
        for number in range(count):
            body = event(number) | {"app": service.credentials["app_key"]}
            sender.sendto(json.dumps(body).encode(), ("127.0.0.1", service.intake_port))
            if number % 100 == 99:
                time.sleep(0.005)
    return count


def test_of_components_in_one_stream_only_the_one_that_floods_loses(service: Service) -> None:
    """Shares of 33 a second, with that of `set_limits`; four stay well under theirs, one sends sixty times as much."""
    set_limits(service, events_per_second=200, burst_events=200)
    time.sleep(0.5)
    before = balanced(service)
    quiet = ["mail", "web", "search", "stock"]
    sent = dict.fromkeys(quiet, 0)
    until = time.monotonic() + 3
    while time.monotonic() < until:
        service.post([event(n, component="flood") for n in range(200)])
        for name in quiet:
            response = service.post([event(n, component=name) for n in range(2)])
            assert (response.status_code, response.json().get("rejected")) == (202, []), response.text
            sent[name] += 2
        time.sleep(0.1)
    balanced(service)
    found = {name: len(service.search(f"component:{name}", **{"from": "-5m"})) for name in quiet}
    assert found == sent
    assert balanced(service)["stored"] - before["stored"] < 200 * 5 + sum(sent.values())


def test_what_people_block_is_refused_until_they_take_it_back(service: Service) -> None:
    set_limits(service)
    api = httpx.Client(base_url=service.api_url, headers=service.read_headers)
    block = {"kind": "component", "value": "noisy", "reason": "a loop", "expires_in_s": 3600}
    made = api.post("/api/v1/blocks", json=block)
    assert made.status_code == 201, made.text
    sent = [event(0, component="noisy"), event(1, component="calm")]

    def all_know() -> bool:
        return all(service.post(sent).json()["accepted"] == 1 for _ in range(TRIES))

    wait_for(all_know, 20, "the block to be known to every receiver")
    told = service.post(sent).json()["rejected"]
    assert [(one["index"], one["reason"]) for one in told] == [(0, "blocked")]
    before = balanced(service)
    network = {"kind": "address", "value": "198.51.100.0/24", "reason": "a scan"}
    assert api.post("/api/v1/blocks", json=network).status_code == 201
    from_there = {"X-Forwarded-For": "203.0.113.1, 198.51.100.9"}  # the nginx in front stands at a trusted address

    def is_blocked() -> bool:
        return all(service.post(event(0), **from_there).status_code == 403 for _ in range(TRIES))

    wait_for(is_blocked, 20, "the address to be blocked")
    refused = service.post(event(0), **from_there).json()["error"]
    assert (refused["code"], refused["message"]) == ("blocked", "this address is blocked: a scan")
    spoofed = {"X-Forwarded-For": "198.51.100.9, 203.0.113.1"}
    assert service.post(event(0), **spoofed).status_code == 202
    listed = api.get("/api/v1/blocks").json()["blocks"]
    assert [(one["kind"], one["value"], one["state"]) for one in listed] == [
        ("address", "198.51.100.0/24", "in_force"), ("component", "noisy", "in_force"),
    ]  # fmt: skip

    def sources() -> set[tuple[str, str, str]]:
        found = api.get("/api/v1/blocked").json()["blocked"]
        return {(one["kind"], one["source"], one["why"]) for one in found}

    expected = {("component", "noisy", "blocked"), ("address", "198.51.100.9", "blocked")}
    wait_for(lambda: expected <= sources(), 20, "those refused to be listed", lambda: str(sources()))
    for one in listed:
        assert api.delete(f"/api/v1/blocks/{one['block']}").status_code == 200
    assert api.delete(f"/api/v1/blocks/{listed[0]['block']}").status_code == 404
    wait_for(lambda: service.post(sent).json()["accepted"] == 2, 20, "the blocks to be gone")
    after = balanced(service)
    assert after["rejected"]["blocked"] >= before["rejected"]["blocked"] >= 3


def test_what_is_told_beside_events_has_the_same_limits(service: Service) -> None:
    """Not twice: an issue makes an event of its session, which costs nothing more."""
    set_limits(service, events_per_second=5, burst_events=50)
    balanced(service)
    requests: list[tuple[str, list[dict[str, str]]]] = [
        *[("sessions", [{"session": f"s{n}", "user": "u"} for n in range(10)])] * 20,
        *[("devices", [{"device": f"d{n}", "model": "m"} for n in range(10)])] * 5,
        *[("issues", [{"session": "s", "title": f"t{n}", "component": "cart"} for n in range(10)])] * 20,
    ]
    told = [
        httpx.post(f"{service.intake_url}/v1/{kind}", json=body, headers=service.write_headers)
        for kind, body in requests
    ]
    assert {one.status_code for one in told} == {202, 429}
    refused = next(one for one in told if one.status_code == 429)
    assert refused.json()["error"]["code"] == "quota_exceeded" and int(refused.headers["retry-after"]) >= 1
    assert '"second";q=50' in refused.headers["ratelimit-policy"]
    passed = [len(one.json().get("ids", [])) for one in told if one.status_code == 202]

    def applied() -> bool:
        kinds = service.ledger()["notices"].values()
        return sum(one["received"] for one in kinds) == 10 * len(passed) == sum(one["applied"] for one in kinds)

    wait_for(applied, 20, "what passed to be applied", lambda: f"{len(passed)} {service.ledger()['notices']}")
    # Two receivers with a burst of 50 each, less what was used before, errors' tenth, and what is filled up again.
    assert 1 <= len(passed) <= 30

    set_limits(service)
    api = httpx.Client(base_url=service.api_url, headers=service.read_headers)
    made = api.post("/api/v1/blocks", json={"kind": "component", "value": "noisy", "reason": "a loop"}).json()
    issues = [{"session": "s", "title": "t", "component": name} for name in ("noisy", "calm", "noisy", "calm")]

    def is_blocked() -> bool:
        found = httpx.post(f"{service.intake_url}/v1/issues", json=issues, headers=service.write_headers).json()
        places = [one["index"] for one in found.get("rejected", ())]
        return (
            places == [0, 2]
            and found["rejected"][0]["reason"] == "blocked"
            and (found["accepted"], len(found["ids"]), len(found["links"])) == (2, 2, 2)
        )

    wait_for(is_blocked, 20, "issues of the component to be left out")
    assert api.delete(f"/api/v1/blocks/{made['block']}").status_code == 200
    wait_for(
        lambda: service.ledger()["notices"]["issues"]["rejected"].get("blocked", 0) >= 2, 20, "them to be counted",
        lambda: str(service.ledger()["notices"]),
    )  # fmt: skip


def test_a_write_key_may_not_look_and_a_change_from_another_site_is_refused(service: Service) -> None:
    path = f"/api/v1/apps/{service.credentials['app']}/limits"
    for method, where in (("GET", path), ("PUT", path), ("GET", "/api/v1/blocks"), ("POST", "/api/v1/blocks")):
        response = httpx.request(method, service.api_url + where, headers=service.write_headers, json={})
        assert response.status_code == 403
    with httpx.Client(base_url=service.api_url, timeout=30) as browser:
        known = service.credentials
        signed_in = browser.post("/sign-in", data={"email": known["admin_email"], "password": known["admin_password"]})
        assert signed_in.status_code == 303
        for method, where in (("PUT", path), ("POST", "/api/v1/blocks"), ("DELETE", "/api/v1/blocks/blk_1")):
            response = browser.request(method, where, headers={"Origin": "https://evil.example"}, json={})
            assert (response.status_code, response.json()["error"]["code"]) == (403, "foreign_origin")
    other = httpx.get(f"{service.api_url}/api/v1/apps/other/limits", headers=service.read_headers)
    assert other.status_code == 404
    for body in (b"", b"[]", b'{"limits":{"events_per_day":-1}}', b'{"limits":{"odd":1}}', b'{"limits":{},"admin":1}'):
        response = httpx.put(service.api_url + path, headers=service.read_headers, content=body)
        assert (response.status_code, response.json()["error"]["code"]) == (400, "bad_input"), body
    empty = httpx.put(service.api_url + path, headers=service.read_headers, content=b"")
    assert empty.json()["error"]["message"] == "the body is empty; send a JSON object"
    stale = httpx.put(service.api_url + path, headers=service.read_headers, json={"limits": {}, "version": 10**6})
    assert (stale.status_code, stale.json()["error"]["code"]) == (409, "changed_meanwhile")
