"""Where people begin: with which search in an app and with which app, in every browser in which they sign in."""

import re
from collections.abc import Iterator
from html import unescape
from typing import Any

import httpx
import msgspec
import pytest
from tests.accounts import House, house
from tests.reading import make_event

from logkeep.api.viewer_files import Viewer, ViewerConfig
from logkeep.errors import BackendUnavailable
from logkeep.metastore.audit import CONSOLE
from logkeep.metastore.starts import SEARCH_CHARS_MAX, Starts

SHOP = "/api/v1/me/starts/shop"
SEARCH = "q=level%3Aerror&from=-1h&cols=*component,key&wrap=1"


@pytest.fixture(scope="module")
def it() -> Iterator[House]:
    def make(self: Viewer) -> None:
        self._index, self._assets = '<meta name="logkeep" content="__LOGKEEP__">', {}

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Viewer, "__init__", make)
        with house() as made:
            made.directory.apps.create(CONSOLE, team="main", name="wiki", title_="")
            yield made


@pytest.fixture(autouse=True)
def nobody_begins_anywhere(it: House) -> None:
    it.directory.people.set(CONSOLE, it.people["owner"], default_app="")
    it.directory.starts.set(it.people["member"], "shop", "")


def ok(answer: httpx.Response, status: int = 200) -> Any:
    assert answer.status_code == status, answer.text
    return answer.json() if answer.content else None


def page(it: House, who: str, **headers: str) -> ViewerConfig:
    """What the viewer's page is told, in a browser that has just signed in."""
    answer = it.ask(who, "GET", "/app/", **headers)
    found = re.search('content="([^"]*)"', answer.text)
    assert found is not None, answer.text
    return msgspec.json.decode(unescape(found[1]), type=ViewerConfig)


def apps(it: House, who: str) -> list[str]:
    return [app["app"] for app in ok(it.ask(who, "GET", "/api/v1/me"))["apps"]]


def test_a_person_begins_with_the_same_search_in_every_browser(it: House) -> None:
    assert page(it, "member").start == ""
    for search in ("q=x", SEARCH):
        assert ok(it.ask("member", "PUT", SHOP, {"search": search})) == {"app": "shop", "search": search}
        assert (page(it, "member").app, page(it, "member").start) == ("shop", search)
    mine = ok(it.ask("member", "GET", "/api/v1/me"))["apps"]
    assert {app["app"]: app["start"] for app in mine} == {"shop": SEARCH, "wiki": ""}
    assert page(it, "owner").start == ""
    for _ in range(2):
        ok(it.ask("member", "DELETE", SHOP), 204)
    assert page(it, "member").start == ""


def test_who_signs_in_with_a_token_keeps_it_in_the_browser(it: House) -> None:
    for who in ("read token", "admin token", "token of the member"):
        for method, body in (("PUT", {"search": SEARCH}), ("DELETE", None)):
            refused = it.ask(who, method, SHOP, body)
            assert (refused.status_code, refused.json()["error"]["code"]) == (403, "forbidden")
        assert page(it, who).start is None
    me = ok(it.ask("token of the member", "GET", "/api/v1/me"))
    assert (me["default_app"], {app["start"] for app in me["apps"]}) == (None, {""})


def test_an_app_that_one_may_not_read_is_none(it: House) -> None:
    for who, app in (("narrowed", "shop"), ("stranger", "shop"), ("member", "unknown"), ("nobody", "shop")):
        for method, body in (("PUT", {"search": SEARCH}), ("DELETE", None)):
            refused = it.ask(who, method, f"/api/v1/me/starts/{app}", body)
            assert (refused.status_code, refused.json()["error"]["message"]) == (404, f"there is no app '{app}'")
        refused = it.ask(who, "PATCH", "/api/v1/me", {"default_app": app, "name": "somebody else"})
        assert (refused.status_code, refused.json()["error"]["message"]) == (404, f"there is no app '{app}'")
        assert ok(it.ask(who, "GET", "/api/v1/me"))["name"] == who


@pytest.mark.parametrize(
    ("search", "said"),
    [
        ("", "it is empty"),
        ("q=" + "a" * SEARCH_CHARS_MAX, "it takes 4000 characters at most"),
        ("q=%28level%3Aerror", "is not closed"),
        ("q=a b", "written as in an address"),
        ("q=é", "written as in an address"),
        ("q=x#y", "written as in an address"),
        ("q=%FF", "cannot be read"),
        ("q", "cannot be read"),
        ("q=a&q=b", "each once"),
        ("app=other", "each once"),
        ("context=id-1", "each once"),
        ("order=up", "order is"),
        ("from=" + "1" * 65, "a time has at most"),
    ],
)
def test_what_the_viewer_could_not_begin_with_is_not_kept(it: House, search: str, said: str) -> None:
    refused = it.ask("member", "PUT", SHOP, {"search": search})
    assert refused.status_code == 400 and said in refused.json()["error"]["message"], refused.text
    assert page(it, "member").start == ""


def test_the_default_app_is_the_first_and_opens_where_none_is_named(it: House) -> None:
    assert (apps(it, "owner"), page(it, "owner").app) == (["shop", "wiki"], "shop")
    changed = ok(it.ask("owner", "PATCH", "/api/v1/me", {"default_app": "wiki"}))
    assert (changed["default_app"], [app["app"] for app in changed["apps"]]) == ("wiki", ["wiki", "shop"])
    assert (apps(it, "owner"), page(it, "owner").app, apps(it, "member")) == (
        ["wiki", "shop"],
        "wiki",
        ["shop", "wiki"],
    )
    it.reading.write([make_event(1, app="wiki", value="of wiki alone")])
    assert [event["value"] for event in ok(it.ask("owner", "GET", "/api/v1/search"))["events"]] == ["of wiki alone"]
    changed = ok(it.ask("owner", "PATCH", "/api/v1/me", {"default_app": ""}))
    assert (changed["default_app"], page(it, "owner").app) == ("", "shop")


def test_the_app_that_was_opened_last_stays_until_the_browser_is_closed_or_another_default_is_chosen(it: House) -> None:
    def switched() -> str:
        kept = it.ask("owner", "GET", "/overview?app=shop").headers["set-cookie"]
        assert ("Max-Age" in kept) == (":" not in kept)
        return kept.partition(";")[0]

    def shown(cookie: str) -> str:
        signed = it.as_("owner")["Cookie"]
        return page(it, "owner", Cookie=f"{signed}; {cookie}").app

    plain = switched()
    assert shown(plain) == "shop"
    ok(it.ask("owner", "PATCH", "/api/v1/me", {"default_app": "wiki"}))
    assert shown(plain) == "wiki"
    since = switched()
    assert shown(since) == "shop"
    ok(it.ask("owner", "PATCH", "/api/v1/me", {"default_app": ""}))
    assert (shown(since), shown("logkeep_app=unknown"), shown(plain)) == ("shop", "shop", "shop")


def test_the_page_asks_the_metastore_once_and_comes_without_it_too(it: House, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    find = Starts.find

    def counted(self: Starts, person: str, app: str) -> str:
        asked.append(app)
        return find(self, person, app)

    def away(self: Starts, person: str, app: str) -> str:
        raise BackendUnavailable("away")

    ok(it.ask("member", "PUT", SHOP, {"search": SEARCH}))
    monkeypatch.setattr(Starts, "find", counted)
    assert [page(it, "member").start for _ in range(3)] == [SEARCH] * 3
    assert asked == ["shop"]
    monkeypatch.setattr(Starts, "find", away)
    ok(it.ask("owner", "PATCH", "/api/v1/me", {"default_app": ""}))  # whatever changes: it would be asked again
    assert (page(it, "member").start, page(it, "widened").start) == (SEARCH, "")
