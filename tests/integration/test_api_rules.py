"""What admins set for apps: who may, what the audit log says, and two of them at once."""

from collections.abc import Iterator
from typing import Any

import pytest
from tests.accounts import House, house

from logkeep.decode.devices import DeviceNotice
from logkeep.decode.issues import IssueNotice
from logkeep.metastore import devices, issues


@pytest.fixture(scope="module")
def it() -> Iterator[House]:
    with house() as made:
        yield made


def ok(answer: Any, status: int = 200) -> Any:
    assert answer.status_code == status, answer.text
    return answer.json()


def refused(answer: Any, status: int) -> str:
    assert answer.status_code == status, answer.text
    code: str = answer.json()["error"]["code"]
    return code


def test_nobody_blocks_for_apps_that_are_not_theirs(it: House) -> None:
    """widened is an admin of the app shop alone, stranger the owner of another team, admin one of the first team."""

    def block(who: str, scope: str, value: str) -> Any:
        wanted = {"kind": "address", "value": value, "reason": "a scan", "scope": scope}
        return it.ask(who, "POST", "/api/v1/blocks", wanted)

    def seen(who: str) -> list[tuple[str, str]]:
        return [(one["scope"], one["value"]) for one in ok(it.ask(who, "GET", "/api/v1/blocks"))["blocks"]]

    own = ok(block("widened", "app", "192.0.2.1"), 201)
    assert own["scope"] == "app"
    for who, scope in (("widened", "team"), ("widened", "installation"), ("stranger", "installation")):
        assert refused(block(who, scope, "192.0.2.2"), 403) == "forbidden"
    assert refused(block("member", "app", "192.0.2.2"), 403) == "forbidden"
    ok(block("stranger", "team", "192.0.2.3"), 201)
    team = ok(block("admin", "team", "192.0.2.4"), 201)
    everyone = ok(block("admin", "installation", "192.0.2.5"), 201)
    ours = [("installation", "192.0.2.5/32"), ("team", "192.0.2.4/32"), ("app", "192.0.2.1/32")]
    assert seen("owner") == ours
    assert seen("stranger") == [("installation", "192.0.2.5/32"), ("team", "192.0.2.3/32")]
    shown = [ok(it.ask(who, "GET", "/api/v1/blocks"))["blocks"][0]["made_by"] for who in ("owner", "stranger")]
    assert shown == ["admin@logkeep.test", ""]
    blocks = it.reading.app.state.context.backend.blocks
    assert blocks.apps["shop"].of_address("192.0.2.4") and not blocks.apps["other"].of_address("192.0.2.4")

    for who, made in (("widened", team), ("widened", everyone), ("stranger", everyone)):
        assert refused(it.ask(who, "DELETE", f"/api/v1/blocks/{made['block']}"), 403) == "forbidden"
    assert refused(it.ask("stranger", "DELETE", f"/api/v1/blocks/{team['block']}"), 404) == "not_found"
    for made in (own, team, everyone):
        ok(it.ask("admin", "DELETE", f"/api/v1/blocks/{made['block']}"))
    assert seen("owner") == []
    told = it.audit("block.removed")
    assert [(one["target"], one["detail"]["scope"]) for one in told] == [
        (everyone["block"], "installation"), (team["block"], "team"), (own["block"], "app"),
    ]  # fmt: skip
    assert [one["detail"]["value"] for one in it.audit("block.made")] == ["192.0.2.5", "192.0.2.4", "192.0.2.1"]


@pytest.mark.parametrize(
    ("path", "member", "given"),
    [
        ("/api/v1/apps/shop/limits", "limits", [{"events_per_day": 7}, {"events_per_day": 8}]),
        ("/api/v1/apps/shop/masking", "rules", [{"builtin": ["email"]}, {"fields": ["pin"]}]),
    ],
)
def test_of_two_admins_who_edit_at_once_the_second_is_told(
    it: House, path: str, member: str, given: list[dict[str, Any]]
) -> None:
    seen = it.ask("owner", "GET", path)
    etag = seen.headers["etag"]
    assert etag == f'"{ok(seen)["version"]}"'
    changed = it.ask("admin", "PUT", path, {member: given[0]}, **{"If-Match": etag})
    kept = ok(changed)
    assert kept["version"] == ok(seen)["version"] + 1 and changed.headers["etag"] == f'"{kept["version"]}"'
    late = it.ask("owner", "PUT", path, {member: given[1]}, **{"If-Match": etag})
    assert refused(late, 412) == "precondition_failed" and "look at them again" in late.json()["error"]["message"]
    by_body = it.ask("owner", "PUT", path, {member: given[1], "version": ok(seen)["version"]})
    assert refused(by_body, 409) == "changed_meanwhile"
    assert refused(it.ask("owner", "PUT", path, {member: given[1]}, **{"If-Match": "rubbish"}), 400) == "bad_input"
    assert ok(it.ask("owner", "GET", path))[member] == kept[member]
    again = it.ask("owner", "PUT", path, {member: given[1]}, **{"If-Match": changed.headers["etag"]})
    assert ok(again)["version"] == kept["version"] + 1
    assert ok(it.ask("owner", "PUT", path, {member: {}}))["version"] == kept["version"] + 2  # whatever it is
    told = it.audit(f"{path.rpartition('/')[2]}.changed")
    assert [(one["who"], one["app"], one["target"]) for one in told] == [
        (it.people[who], "shop", "shop") for who in ("owner", "owner", "admin")
    ]


def test_how_issues_are_judged_and_what_is_saved_to_be_searched_for_is_in_the_log(it: House) -> None:
    now_ns = it.reading.clock.now_ns()
    report = issues.IssueReport("shop", "0" * 28, now_ns, now_ns, IssueNotice(session="s", title="boom"))
    it.reading.database.write(lambda transaction: issues.apply(transaction, [report]))
    issue = ok(it.ask("owner", "GET", "/api/v1/issues"))["issues"][0]["issue"]
    judged = {"revision": 1, "status": "resolved", "resolved_in": "3.2"}
    ok(it.ask("member", "PATCH", f"/api/v1/issues/{issue}", judged))
    assert refused(it.ask("admin", "PATCH", f"/api/v1/issues/{issue}", judged), 409) == "conflict"
    ok(it.ask("admin", "PATCH", f"/api/v1/issues/{issue}", {"revision": 2, "status": "open"}))
    saved = ok(it.ask("member", "POST", "/api/v1/searches", {"name": "bad", "search": {"query": "level:error"}}), 201)
    path = f"/api/v1/searches/{saved['id']}"
    ok(it.ask("owner", "PATCH", path, {"version": 1, "name": "worse"}))
    assert refused(it.ask("admin", "PATCH", path, {"version": 1, "name": "worst"}), 409) == "conflict"
    ok(it.ask("owner", "PATCH", path, {"version": 2, "search": {"query": "level:fatal"}}))
    ok(it.ask("admin", "DELETE", path))
    assert refused(it.ask("admin", "DELETE", path), 404) == "not_found"
    found = [one for one in it.audit() if one["what"].startswith(("issue.", "search."))]
    assert [(one["what"], one["who"], one["app"], one["target"], one["detail"]) for one in reversed(found)] == [
        (what, it.people[who], "shop", target, detail)
        for what, who, target, detail in (
            ("issue.judged", "member", issue, {"before": "open", "resolved_in": "3.2", "status": "resolved"}),
            ("issue.judged", "admin", issue, {"before": "resolved", "status": "open"}),
            ("search.saved", "member", saved["id"], {"name": "bad", "query": "level:error"}),
            ("search.changed", "owner", saved["id"], {"name": "worse"}),
            ("search.changed", "owner", saved["id"], {"query": "level:fatal"}),
            ("search.deleted", "admin", saved["id"], {"name": "worse"}),
        )
    ]


def test_what_devices_are_told_and_called_is_in_the_log(it: House) -> None:
    directory, now_ns = it.reading.device_directory, it.reading.clock.now_ns()
    report = devices.DeviceReport("shop", now_ns, DeviceNotice(device="d1", model="Pixel 8"))
    it.reading.database.write(lambda transaction: devices.register(transaction, [report]))
    wanted = {"device": "d1", "min_level": "trace", "for_s": 600, "why": "17"}
    made = ok(it.ask("admin", "POST", "/api/v1/remote", wanted), 201)
    ok(it.ask("owner", "DELETE", f"/api/v1/remote/{made['rule']}"))
    silent = {"query": "", "enabled": False, "sample_rate": 0, "send_all_now": True, "for_s": 600}
    quiet = ok(it.ask("admin", "POST", "/api/v1/remote", silent), 201)["rule"]
    ok(it.ask("owner", "PATCH", "/api/v1/devices/d1", {"label": "Anna's phone"}))
    ok(it.ask("owner", "DELETE", "/api/v1/devices/d1"))
    assert refused(it.ask("owner", "DELETE", "/api/v1/devices/d1"), 404) == "not_found"
    assert directory.devices.named("shop", ["d1"]) == {}
    found = [one for one in it.audit() if one["what"].startswith(("remote.", "device."))]
    assert [(one["what"], one["target"], one["detail"]) for one in found] == [
        ("device.forgotten", "d1", {}),
        ("device.labelled", "d1", {"label": "Anna's phone"}),
        ("remote.made", quiet, {"query": "", "lasts_s": 600, "enabled": False, "sample_rate": 0, "send_all_now": True}),
        ("remote.ended", made["rule"], {"device": "d1"}),
        ("remote.made", made["rule"], {
            "device": "d1", "lasts_s": 600, "min_level": "trace", "why": "17",
        }),
    ]  # fmt: skip
