"""What admins set for apps: who may, what the audit log says, and two of them at once."""

from collections.abc import Iterator
from typing import Any

import pytest
from tests.accounts import House, house


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
