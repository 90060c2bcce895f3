"""Devices, remote control and issues over the API: found, changed, judged; and by nobody else."""

import base64
import json
from collections.abc import Iterator
from typing import Any

import httpx
import msgspec
import pytest
from litestar.testing import TestClient
from tests.reading import ADMIN_EMAIL, ADMIN_PASSWORD, ADMIN_TOKEN, NOW_NS, READ, WRITE_KEY, Reading, make_event

from logkeep.clock import NS_PER_S
from logkeep.decode.devices import DeviceNotice
from logkeep.decode.issues import IssueNotice
from logkeep.errors import BackendUnavailable
from logkeep.metastore import devices, issues, remote
from logkeep.metastore.configuration import Question
from logkeep.metastore.database import bump

HOSTILE = "<script>alert(1)</script>\x00\x1b[31m\u202e\"'"


class World:
    """A reading side with devices and issues told to it."""

    def __init__(self) -> None:
        self.reading, self.told = Reading(), 0

    def register(self, *notices: dict[str, Any], app: str = "shop") -> None:
        now_ns = self.reading.clock.now_ns()
        told = [devices.DeviceReport(app, now_ns, DeviceNotice(**one)) for one in notices]

        def apply(transaction: Any) -> None:
            bump(transaction, devices.TOPIC)
            remote.rematch(transaction, devices.register(transaction, told), now_ns)

        self.reading.database.write(apply)

    def tell(self, *notices: dict[str, Any], app: str = "shop") -> list[issues.Occurrence]:
        now_ns = self.reading.clock.now_ns()
        told = []
        for one in notices:
            self.told += 1
            told.append(
                issues.IssueReport(app, f"{self.told:028x}", now_ns, now_ns, IssueNotice(**{"session": "s", **one}))
            )

        def apply(transaction: Any) -> list[issues.Occurrence]:
            bump(transaction, devices.TOPIC)
            return issues.apply(transaction, told)

        return self.reading.database.write(apply)


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def client(world: World) -> Iterator[TestClient[Any]]:
    with TestClient(world.reading.app, base_url="http://logkeep.test", raise_server_exceptions=False) as made:
        yield made


ADMIN = {"Authorization": f"Bearer {ADMIN_TOKEN}"}


def get(client: TestClient[Any], path: str, headers: dict[str, str] = READ, **parameters: Any) -> httpx.Response:
    return client.get(path, params=parameters or None, headers=headers, follow_redirects=False)


def send(client: TestClient[Any], method: str, path: str, body: Any = None, **headers: str) -> httpx.Response:
    content = json.dumps(body) if body is not None else None
    asked = {"Content-Type": "application/json"} | ADMIN | headers
    return client.request(method, path, content=content, headers=asked, follow_redirects=False)


def listed(client: TestClient[Any], **parameters: Any) -> list[dict[str, Any]]:
    answer = get(client, "/api/v1/devices", **parameters)
    assert answer.status_code == 200, answer.text
    return answer.json()["devices"]


# ── devices ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_device_is_listed_with_what_it_told_and_what_it_did(world: World, client: TestClient[Any]) -> None:
    world.register({"device": "d1", "model": "Pixel 8", "user": "anna", "keys": {"plan": "gold"}})
    world.reading.write([make_event(90, device="d1", level="error"), make_event(60, device="d2")])
    one, two = listed(client, **{"from": "-1h"})
    assert (two["device"], two["registered"]["model"], two["registered"]["keys"]) == ("d1", "Pixel 8", {"plan": "gold"})
    assert (two["events"], two["errors"], two["remote"]) == (1, 1, None)
    assert (one["device"], one["registered"], one["remote"]) == ("d2", None, None)


def test_devices_are_found_by_what_they_told(world: World, client: TestClient[Any]) -> None:
    world.register({"device": "d1", "model": "Pixel 8", "os": "Android", "keys": {"plan": "gold"}})
    world.reading.clock.advance(1)
    world.register({"device": "d2", "model": "Pixel 9", "os": "Android"}, {"device": "d3", "os": "iOS"})
    world.reading.write([make_event(90, device="d1")])
    found = listed(client, where="model:pixel*")
    assert [(one["device"], one["events"], one["first"] is None) for one in found] == [
        ("d2", 0, True),
        ("d1", 1, False),
    ]
    assert [one["device"] for one in listed(client, where="keys.plan=gold")] == ["d1"]
    assert [one["device"] for one in listed(client, where="os:android", query="level:* or key:*")] == ["d1"]
    assert {one["device"] for one in listed(client, where="")} == {"d1", "d2", "d3"}
    answer = get(client, "/api/v1/devices", where="level:error")
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "query_syntax")
    assert answer.json()["error"]["column"] == 1


def test_devices_that_are_switched_off_are_found(world: World, client: TestClient[Any]) -> None:
    world.register({"device": "d1", "user": "anna"}, {"device": "d2"})
    made = send(client, "POST", "/api/v1/remote", {"user": "anna", "enabled": False, "for_s": 600})
    assert made.status_code == 201
    assert [one["device"] for one in listed(client, where="enabled:false")] == ["d1"]
    assert [one["device"] for one in listed(client, where="enabled:true")] == ["d2"]


def test_what_is_shown_of_a_device_is_what_it_is_told_without_repeating_its_version(
    world: World, client: TestClient[Any]
) -> None:
    world.register({"device": "d1", "app_version": "3.1.0"}, {"device": "d2", "app_version": "3.2"})
    for query, off in (("app_version:3.1*", "d1"), ("-app_version:3.1*", "d2")):
        made = send(client, "POST", "/api/v1/remote", {"query": query, "enabled": False, "for_s": 600}).json()
        assert made["matched"] == 1
        assert [one["device"] for one in listed(client, where="enabled:false")] == [off]
        told = world.reading.device_directory.remote.look()
        for device in ("d1", "d2"):
            shown = get(client, "/api/v1/remote", device=device).json()["configuration"]["enabled"]
            asked = told.of("shop", Question(device), world.reading.clock.now_ns()).settings.enabled
            assert (shown, asked) == ((False, False) if device == off else (None, None))
        assert send(client, "DELETE", f"/api/v1/remote/{made['rule']}").status_code == 200


def test_pages_of_devices_go_on_where_they_ended(world: World, client: TestClient[Any]) -> None:
    world.register(*({"device": f"d{index}", "os": "x"} for index in range(5)))
    names, cursor = [], None
    for _ in range(4):
        answer = get(client, "/api/v1/devices", where="os:x", limit=2, **({"cursor": cursor} if cursor else {})).json()
        names += [one["device"] for one in answer["devices"]]
        cursor = answer["next"]
        if cursor is None:
            break
    assert sorted(names) == [f"d{index}" for index in range(5)]
    first = get(client, "/api/v1/devices", where="os:x", limit=2).json()["next"]
    for bad, where in (("x", "os:x"), (first, "os:y"), ("", "os:x"), ("\u00fc", "os:x"), ("AAAA", "os:x")):
        status = get(client, "/api/v1/devices", where=where, cursor=bad).status_code
        assert status == (200 if bad == "" else 400), bad


def test_a_device_is_shown_named_and_forgotten(world: World, client: TestClient[Any]) -> None:
    world.register({"device": "a/b ü", "name": "sdk_gphone"})
    path = "/api/v1/devices/a%2Fb%20%C3%BC"
    shown = get(client, path).json()
    assert (shown["device"], shown["registered"]["name"], shown["remote"]) == ("a/b ü", "sdk_gphone", None)
    named = send(client, "PATCH", path, {"label": "Anna's"})
    assert named.json()["registered"]["label"] == "Anna's"
    assert [one["device"] for one in listed(client, where='name:"anna\'s"')] == ["a/b ü"]
    for body in ({"label": "x" * 201}, {"label": "a\nb"}, {"label": 7}, {}, {"label": "x", "user": "eve"}, []):
        assert send(client, "PATCH", path, body).status_code == 400, body
    assert send(client, "DELETE", path).status_code == 200
    assert send(client, "DELETE", path).status_code == 404
    assert get(client, path).status_code == 404


def test_the_list_by_activity_goes_on_while_the_metastore_is_away(world: World, client: TestClient[Any]) -> None:
    world.reading.write([make_event(90, device="d1")])

    def away(*_: Any) -> Any:
        raise BackendUnavailable("away")

    world.reading.device_directory.devices._database.read = away  # type: ignore[method-assign]
    assert [one["registered"] for one in listed(client)] == [None]
    assert get(client, "/api/v1/devices", where="os:x").status_code == 503


# ── remote control ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_rule_is_made_seen_and_ended(world: World, client: TestClient[Any]) -> None:
    world.register({"device": "d1", "app_version": "3.1"})
    asked = {"device": "d1", "min_level": "trace", "send_all_now": True, "until": "+1h", "why": "ticket 17"}
    made = send(client, "POST", "/api/v1/remote", asked)
    assert made.status_code == 201
    rule = made.json()
    until = "2026-08-01T11:00:00.000000000Z"
    assert rule == {
        "rule": rule["rule"], "device": "d1", "user": None, "query": None, "enabled": None, "min_level": "trace",
        "sample_rate": None, "send_all_now": NOW_NS // 1_000_000, "until": until, "active": True,
        "made": "2026-08-01T10:00:00.000000000Z", "by": rule["by"], "why": "ticket 17", "matched": 0, "more": False,
    }  # fmt: skip
    assert rule["by"]
    said = {k: rule[k] for k in ("enabled", "min_level", "sample_rate", "send_all_now", "until")}
    assert get(client, "/api/v1/devices/d1").json()["remote"] == said
    assert get(client, f"/api/v1/remote/{rule['rule']}").json() == rule
    for path, more in (("/api/v1/devices/d1/remote", {}), ("/api/v1/remote", {"device": "d1"})):
        assert get(client, path, **more).json() == {"rules": [rule], "configuration": said, "next": None}
    assert get(client, "/api/v1/remote", device="d2").json()["rules"] == []
    assert get(client, "/api/v1/remote").json() == {"rules": [rule], "configuration": None, "next": None}
    world.reading.clock.advance(3601)
    assert get(client, "/api/v1/remote").json()["rules"][0]["active"] is False
    assert get(client, "/api/v1/devices/d1").json()["remote"] is None
    assert send(client, "DELETE", f"/api/v1/remote/{rule['rule']}").status_code == 200
    assert get(client, f"/api/v1/remote/{rule['rule']}").status_code == 404


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"device": "d1", "for_s": 600},
        {"device": "d1", "enabled": True},
        {"device": "d1", "enabled": True, "for_s": 600, "until": "+1h"},
        {"device": "d1", "user": "u", "enabled": True, "for_s": 600},
        {"enabled": True, "for_s": 600},
        {"device": "d1", "enabled": True, "for_s": 59},
        {"device": "d1", "enabled": True, "until": "-1h"},
        {"device": "d1", "enabled": True, "until": "+31d"},
        {"device": "d1", "enabled": True, "until": "soon"},
        {"device": "d1", "enabled": True, "for_s": 1e300},
        {"device": "d1", "enabled": "yes", "for_s": 600},
        {"device": "d1", "min_level": "loud", "for_s": 600},
        {"device": "d1", "sample_rate": 2, "for_s": 600},
        {"device": "", "enabled": True, "for_s": 600},
        {"query": "level:error", "enabled": True, "for_s": 600},
        {"query": "enabled:false", "enabled": True, "for_s": 600},
        {"device": "d1", "enabled": True, "for_s": 600, "by": "somebody else", "app": "other"},
        {"device": "d1", "enabled": True, "for_s": 600, "why": "w" * 501},
        [],
        "x",
    ],
    ids=lambda body: json.dumps(body)[:60],
)
def test_a_rule_that_cannot_be_is_refused(client: TestClient[Any], body: Any) -> None:
    answer = send(client, "POST", "/api/v1/remote", body)
    assert answer.status_code == 400 and 0 < len(answer.json()["error"]["message"]) < 300
    assert get(client, "/api/v1/remote").json()["rules"] == []


# ── issues ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_issues_are_listed_with_counts_by_day(world: World, client: TestClient[Any]) -> None:
    world.tell({"kind": "crash", "title": "boom", "device": "d1", "user": "anna", "app_version": "3.1"})
    world.reading.clock.advance(86_400)
    world.reading.accounts.look()  # as it does every few seconds
    world.tell({"kind": "crash", "title": "boom", "device": "d2", "user": "anna"}, {"title": "slow"})
    found = get(client, "/api/v1/issues", sort="count", days=3).json()
    boom, slow = found["issues"]
    assert found["next"] is None
    assert boom == boom | {
        "kind": "crash", "status": "open", "title": "boom", "count": 2, "users": 1, "devices": 2, "more": False,
        "first": "2026-08-01T10:00:00.000000000Z", "last": "2026-08-02T10:00:00.000000000Z", "first_version": "3.1",
        "days": [0, 1, 1], "revision": 1, "changed": None, "url": f"/issues/{boom['issue']}",
    }  # fmt: skip
    assert (slow["title"], slow["days"]) == ("slow", [0, 0, 1])
    for asked, titles in (
        ({"kind": "issue,feedback"}, ["slow"]),
        ({"status": "open, regressed", "text": "BOO"}, ["boom"]),
        ({"status": "muted"}, []),
        ({"version": "3.1"}, ["boom"]),
        ({"device": "d2"}, ["boom"]),
        ({"user": "bob"}, []),
        ({"session": "s"}, ["boom", "slow"]),
    ):
        assert sorted(one["title"] for one in get(client, "/api/v1/issues", **asked).json()["issues"]) == titles
    page = get(client, "/api/v1/issues", limit=1).json()
    rest = get(client, "/api/v1/issues", limit=1, cursor=page["next"]).json()
    assert len({page["issues"][0]["issue"], rest["issues"][0]["issue"]}) == 2 and rest["next"] is None


@pytest.mark.parametrize(
    "asked",
    [{"kind": "panic"}, {"status": "new"}, {"sort": "title"}, {"limit": 0}, {"limit": 201}, {"days": 91},
     {"cursor": "x"}, {"cursor": "\u00fc"}, {"text": "x" * 2049}, {"colour": "red"}],
    ids=str,
)  # fmt: skip
def test_a_list_of_issues_that_cannot_be_asked_for_is_refused(client: TestClient[Any], asked: dict[str, Any]) -> None:
    assert get(client, "/api/v1/issues", **asked).status_code == 400


def test_an_issue_is_judged_and_of_two_people_the_second_is_told(world: World, client: TestClient[Any]) -> None:
    world.tell({"kind": "crash", "title": "boom", "app_version": "3.1"})
    name = get(client, "/api/v1/issues").json()["issues"][0]["issue"]
    path = f"/api/v1/issues/{name}"
    judged = send(client, "PATCH", path, {"revision": 1, "status": "resolved", "resolved_in": "3.2"}).json()
    assert (judged["status"], judged["resolved_in"], judged["revision"]) == ("resolved", "3.2", 2)
    assert judged["changed_by"] and judged["changed"] == "2026-08-01T10:00:00.000000000Z"
    late = send(client, "PATCH", path, {"revision": 1, "status": "muted"})
    assert (late.status_code, late.json()["error"]["code"]) == (409, "conflict")
    world.tell({"kind": "crash", "title": "boom", "app_version": "3.1.9"})
    assert get(client, path).json()["status"] == "resolved"
    world.tell({"kind": "crash", "title": "boom", "app_version": "3.2.0"})
    back = get(client, path).json()
    assert (back["status"], back["changed_by"], back["revision"], back["count"]) == ("regressed", None, 3, 3)
    for body in (
        {"status": "muted"},
        {"revision": 3},
        {"revision": 3, "status": "regressed"},
        {"revision": 3, "status": "muted", "resolved_in": "3"},
        {"revision": 3, "status": "resolved", "resolved_in": "v" * 200},
        {"revision": 3, "status": "muted", "events": 0},
    ):
        assert send(client, "PATCH", path, body).status_code == 400, body


def test_occurrences_and_whom_it_met_are_listed(world: World, client: TestClient[Any]) -> None:
    world.tell(*({"title": "slow", "user": f"u{index}", "device": "d/1", "text": HOSTILE} for index in range(3)))
    name = get(client, "/api/v1/issues").json()["issues"][0]["issue"]
    page = get(client, f"/api/v1/issues/{name}/occurrences", limit=2).json()
    assert [one["user"] for one in page["occurrences"]] == ["u2", "u1"]
    assert page["occurrences"][0]["text"] == HOSTILE
    assert page["occurrences"][0]["links"] == {
        "session": "/sessions/s",
        "device": "/devices/d%2F1",
        "user": "/users/u2",
    }
    rest = get(client, f"/api/v1/issues/{name}/occurrences", limit=2, cursor=page["next"]).json()
    assert ([one["user"] for one in rest["occurrences"]], rest["next"]) == (["u0"], None)
    people = get(client, f"/api/v1/issues/{name}/affected", of="device").json()["people"]
    assert [(one["name"], one["count"], one["url"]) for one in people] == [("d/1", 3, "/devices/d%2F1")]
    assert get(client, f"/api/v1/issues/{name}/affected", of="day").status_code == 400
    assert get(client, f"/api/v1/issues/{name}/occurrences", cursor="-1").status_code == 400


# ── whose business it is ──────────────────────────────────────────────────────────────────────────────────────────────


def test_nothing_of_another_app_is_found_or_changed(world: World, client: TestClient[Any]) -> None:
    world.register({"device": "theirs", "os": "x"}, app="other")
    (occurrence,) = world.tell({"title": "theirs"}, app="other")
    rule = world.reading.device_directory.remote.make(
        "other", remote.Wanted("device", "theirs", 600, enabled=False), "eve"
    ).rule
    assert listed(client, where="") == [] and get(client, "/api/v1/issues").json()["issues"] == []
    assert get(client, "/api/v1/remote").json()["rules"] == []
    name = occurrence.issue
    for method, path, body in (
        ("GET", "/api/v1/devices/theirs", None),
        ("PATCH", "/api/v1/devices/theirs", {"label": "mine"}),
        ("DELETE", "/api/v1/devices/theirs", None),
        ("GET", f"/api/v1/remote/{rule}", None),
        ("DELETE", f"/api/v1/remote/{rule}", None),
        ("GET", f"/api/v1/issues/{name}", None),
        ("PATCH", f"/api/v1/issues/{name}", {"revision": 1, "status": "muted"}),
        ("GET", f"/api/v1/issues/{name}/occurrences", None),
        ("GET", f"/api/v1/issues/{name}/affected", None),
    ):
        assert send(client, method, path, body).status_code == 404, (method, path)
    assert get(client, "/api/v1/issues", app="other").status_code == 403
    assert world.reading.device_directory.issues.issue("other", name).status == "open"


CHANGES = (
    ("PATCH", "/api/v1/devices/d1", {"label": "x"}),
    ("DELETE", "/api/v1/devices/d1", None),
    ("POST", "/api/v1/remote", {"device": "d1", "enabled": False, "for_s": 600}),
    ("DELETE", "/api/v1/remote/rul_x", None),
    ("PATCH", "/api/v1/issues/iss_x", {"revision": 1, "status": "muted"}),
)


@pytest.mark.parametrize(("method", "path", "body"), CHANGES, ids=lambda value: str(value)[:30])
def test_who_may_only_read_or_write_changes_nothing(client: TestClient[Any], method: str, path: str, body: Any) -> None:
    assert send(client, method, path, body, **READ).status_code == 403
    assert send(client, method, path, body, Authorization=f"Bearer {WRITE_KEY}").status_code == 403
    assert send(client, method, path, body, Authorization="Bearer nobody").status_code == 401
    client.post("/sign-in", data={"email": ADMIN_EMAIL, "password": ADMIN_PASSWORD}, follow_redirects=False)
    foreign = client.request(method, path, json=body, headers={"Sec-Fetch-Site": "cross-site"})
    assert foreign.status_code == 403  # a browser adds its cookie by itself


@pytest.mark.parametrize("path", ["/api/v1/devices", "/api/v1/issues"])
def test_a_cursor_with_a_number_no_database_takes_is_refused(world: World, client: TestClient[Any], path: str) -> None:
    world.register({"device": "d1", "os": "x"}, {"device": "d2", "os": "x"})
    world.tell({"title": "boom"}, {"title": "slow"})
    asked: dict[str, Any] = {"limit": 1} | ({"where": "os:x"} if path.endswith("devices") else {})
    found = get(client, path, **asked).json()["next"]
    packed = msgspec.msgpack.decode(base64.urlsafe_b64decode(found + "=" * (-len(found) % 4)))
    packed[1][0] = 1 << 63
    changed = base64.urlsafe_b64encode(msgspec.msgpack.encode(packed)).rstrip(b"=").decode()
    refused = get(client, path, cursor=changed, **asked)
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, "bad_cursor")


@pytest.mark.parametrize(
    "path",
    ["/api/v1/devices", "/api/v1/devices/d1", "/api/v1/remote", "/api/v1/issues", "/api/v1/issues/x/occurrences"],
)
def test_a_write_key_reads_nothing(client: TestClient[Any], path: str) -> None:
    assert get(client, path, {"Authorization": f"Bearer {WRITE_KEY}"}).status_code == 403


def test_time_goes_by_the_clock_that_is_given(world: World, client: TestClient[Any]) -> None:
    made = send(client, "POST", "/api/v1/remote", {"query": "", "enabled": False, "for_s": 60}).json()
    assert (made["query"], made["until"]) == ("", "2026-08-01T10:01:00.000000000Z")
    world.register({"device": "d1"})
    assert get(client, "/api/v1/devices/d1").json()["remote"]["enabled"] is False
    world.reading.clock.advance(60)
    assert world.reading.clock.now_ns() == NOW_NS + 60 * NS_PER_S
    assert get(client, "/api/v1/devices/d1").json()["remote"] is None
