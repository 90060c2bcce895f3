"""Devices through the real service: told, found, told what to send, asked for all they have, erased."""

import os
import signal
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from tests.service import Service, wait_for

DEVICE = {"device": "d 1", "model": "Pixel 8", "os": "Android", "user": "anna", "keys": {"plan": "gold"}}
STACK = "java.lang.IllegalStateException: no amount\n\tat com.shop.Cart.pay(Cart.java:88)\n"
TELLS = {"X-Logkeep-Device": "d%201", "X-Logkeep-User": "anna"}


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    settings = {"LOGKEEP_API_PUBLIC_URL": "https://logs.example/", "LOGKEEP_INTAKE_PROCESSES": "1"}
    running = Service.start(tmp_path_factory.mktemp("devices") / "data", settings=settings)
    yield running
    running.kill_all()


def tell(service: Service, path: str, body: Any, **headers: str) -> dict[str, Any]:
    answer = httpx.post(f"{service.intake_url}{path}", json=body, headers=service.write_headers | headers, timeout=30)
    assert answer.status_code == 202, answer.text
    return dict(answer.json())


def change(service: Service, method: str, path: str, body: Any = None) -> httpx.Response:
    return httpx.request(method, service.api_url + path, json=body, headers=service.read_headers, timeout=30)


def devices(service: Service, where: str) -> list[dict[str, Any]]:
    return list(service.get("/api/v1/devices", where=where).json()["devices"])


def test_a_device_is_found_by_what_it_told_and_told_what_to_send(service: Service) -> None:
    tell(service, "/v1/devices", DEVICE)
    wait_for(lambda: len(devices(service, "keys.plan=gold")) == 1, 20, "the device to be known")
    assert devices(service, "model:pixel* os:android")[0]["registered"]["user"] == "anna"
    assert "config" not in tell(service, "/v1/events", {"session": "s", "key": "k", "value": 1}, **TELLS)
    asked = {"query": "keys.plan:gold", "min_level": "trace", "for_s": 600, "why": "a ticket"}
    rule = change(service, "POST", "/api/v1/remote", asked).json()
    assert rule["matched"] == 1
    event = {"session": "s", "key": "k", "value": 1, "device": "d 1"}
    told: dict[str, Any] = {}

    def is_told() -> bool:
        told.update(tell(service, "/v1/events", event, **TELLS).get("config", {}))
        return bool(told)

    wait_for(is_told, 20, "the receiver to tell it")
    assert (told["min_level"], told["enabled"]) == ("trace", None)
    knows = {"X-Logkeep-Config": told["etag"]}
    assert "config" not in tell(service, "/v1/events", event, **TELLS, **knows)
    asks = {"params": {"device": "d 1", "user": "anna"}, "headers": service.write_headers, "timeout": 30}
    answer = httpx.get(f"{service.intake_url}/v1/config", **asks)  # type: ignore[arg-type]
    assert (answer.status_code, answer.json()["etag"], answer.headers["etag"]) == (200, told["etag"], told["etag"])
    assert change(service, "DELETE", f"/api/v1/remote/{rule['rule']}").status_code == 200
    ended: dict[str, Any] = {}

    def is_over() -> bool:
        ended.update(tell(service, "/v1/events", event, **TELLS, **knows).get("config", {}))
        return bool(ended)

    wait_for(is_over, 20, "the receiver to tell it that it is over")
    assert (ended["min_level"], ended["until"]) == (None, None)


def test_a_crash_is_an_issue_an_event_and_a_question_to_its_device(service: Service) -> None:
    told = {"session": "s 9", "kind": "crash", "stack": STACK, "device": "d 1", "user": "anna", "app_version": "3.1"}
    answer = tell(service, "/v1/issues", [told | {"id": "crash-1"}, told | {"session": "s 8"}])
    assert answer["links"][0] == {
        "issue": "https://logs.example/issues/of/crash-1?app=default",
        "session": "https://logs.example/sessions/s%209?app=default",
    }  # fmt: skip
    (event,) = service.wait_for_events('session="s 9" key:crash', 1)
    assert (event["level"], event["attributes"]["where"]) == ("fatal", "com.shop.Cart.pay (Cart.java)")
    (issue,) = service.get("/api/v1/issues", kind="crash").json()["issues"]
    assert (issue["count"], issue["users"], issue["title"]) == (2, 1, "java.lang.IllegalStateException: no amount")
    page = httpx.get(
        f"{service.api_url}/issues/of/crash-1", headers=service.read_headers, follow_redirects=True, timeout=30
    )
    assert page.status_code == 200 and str(page.url).endswith(issue["url"]) and "Cart.java:88" in page.text
    wait_for(lambda: service.get("/api/v1/devices/d%201").json()["remote"] is not None, 20, "the API to know the rule")
    asked = service.get("/api/v1/devices/d%201").json()["remote"]["send_all_now"]
    assert asked > 0
    wait_for(
        lambda: tell(service, "/v1/devices", DEVICE, **TELLS).get("config", {}).get("send_all_now") == asked,
        20,
        "the device to be asked",
    )
    ledger = service.wait_until_drained()
    assert ledger["notices"]["issues"] == {"received": 2, "applied": 2, "rejected": {}, "queued": 0}
    assert ledger["received"] == ledger["stored"]


def test_an_erasure_of_the_user_leaves_nothing_of_device_and_crash(service: Service) -> None:
    found = change(service, "DELETE", "/api/v1/events?query=user=anna").json()
    assert found["matches"] == 2
    job = f"/api/v1/erasures/{found['job']}"
    assert change(service, "POST", job, {"confirm": found["confirm"]}).status_code == 200
    wait_for(lambda: service.get(job).json()["not_found_since"] is not None, 60, "it to be erased")
    erased = service.get(job).json()["erased"]
    assert (erased["events"], erased["devices"], erased["occurrences"]) == (2, 1, 2)
    assert devices(service, "") == [] and service.get("/api/v1/issues", status="open").json()["issues"] == []
    wait_for(lambda: service.get("/api/v1/devices/d%201").status_code == 404, 20, "the API to know that rules are gone")


def test_what_was_acknowledged_is_known_after_a_kill(service: Service) -> None:
    tell(service, "/v1/devices", {"device": "survivor", "os": "x"})
    for pid in service.pids("keeper"):
        os.kill(pid, signal.SIGKILL)
    wait_for(lambda: _found(service), 60, "the device to be known after the restart")


def _found(service: Service) -> bool:
    try:
        return [one["device"] for one in devices(service, "os:x")] == ["survivor"]
    except (httpx.HTTPError, KeyError, ValueError):
        return False
