"""Pages of issues and devices: whoever's text they show, and the forms on them."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from litestar.testing import TestClient
from tests.integration.test_devices_api import ADMIN, HOSTILE, World
from tests.reading import ADMIN_EMAIL, ADMIN_PASSWORD, READ, WRITE_KEY, make_event

from logkeep.api.links import session_url
from logkeep.errors import BackendUnavailable
from logkeep.metastore.issue_rows import Wanted

HTML = {"Accept": "text/html"}


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def client(world: World) -> Iterator[TestClient[Any]]:
    with TestClient(world.reading.app, base_url="http://logkeep.test", raise_server_exceptions=False) as made:
        yield made


def page(client: TestClient[Any], path: str, **parameters: Any) -> httpx.Response:
    return client.get(path, params=parameters or None, headers=READ | HTML, follow_redirects=False)


def form(client: TestClient[Any], path: str, headers: dict[str, str] = ADMIN, **fields: Any) -> httpx.Response:
    return client.post(path, data=fields, headers=headers | HTML, follow_redirects=False)


def issue_of(world: World, title: str = "") -> Any:
    return world.reading.device_directory.issues.find("shop", Wanted(text=title)).issues[0]


def harmless(response: httpx.Response) -> str:
    text = response.text
    assert response.status_code == 200, text[:500]
    assert "<script>alert" not in text and "\x00" not in text and "\u202e" not in text and "\x1b" not in text
    return text


def test_a_hostile_issue_is_shown_as_the_text_it_is(world: World, client: TestClient[Any]) -> None:
    told = dict.fromkeys(("title", "text", "stack", "device", "user", "component", "app_version", "session"), HOSTILE)
    world.tell({"kind": "crash", **told})
    name = issue_of(world).issue
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in harmless(page(client, "/issues"))
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in harmless(page(client, f"/issues/{name}"))
    for field in ("text", "version", "user", "device", "session"):
        asked = page(client, "/issues", status="", **{field: HOSTILE})  # the form has the asker's own words
        assert (asked.status_code, "<script>alert" in asked.text) == (200, False)
    world.reading.write([make_event(10, session=HOSTILE, device=HOSTILE)])
    assert "1 issue in this session" in harmless(page(client, session_url(HOSTILE)))


def test_a_hostile_device_is_shown_as_the_text_it_is(world: World, client: TestClient[Any]) -> None:
    texts = ("name", "model", "os", "os_version", "app_version", "language", "sdk", "user")
    world.register({"device": "d1", "keys": {HOSTILE: HOSTILE}, **dict.fromkeys(texts, HOSTILE)})
    form(client, "/remote", device="d1", what="trace", **{"for": "3600"}, why=HOSTILE)
    text = harmless(page(client, "/devices/d1"))
    assert text.count("&lt;script&gt;") > 9 and "send, trace and up, 1 of all sessions" in text


def test_the_list_shows_open_issues_first_and_all_when_asked(world: World, client: TestClient[Any]) -> None:
    assert "No issue like that" in page(client, "/issues").text
    assert "curl http://127.0.0.1:7300/v1/issues" in page(client, "/issues", status="").text
    world.tell({"title": "broken"}, {"title": "hushed"})
    hushed = issue_of(world, "hushed")
    world.reading.device_directory.issues.judge(
        "shop", hushed.issue, revision=1, status="muted", resolved_in="", by="eve"
    )
    shown = page(client, "/issues").text
    assert "broken" in shown and "hushed" not in shown
    assert "hushed" in page(client, "/issues", status="muted").text
    assert "hushed" in page(client, "/issues", status="").text
    bad = page(client, "/issues", kind="panic")
    assert bad.status_code == 400 and "kind is one of" in bad.text


def test_lists_and_occurrences_have_pages(world: World, client: TestClient[Any]) -> None:
    world.tell(*({"title": "one", "fingerprint": f"f{index}"} for index in range(60)))
    world.tell(*({"title": "many", "fingerprint": "f"} for _ in range(25)))
    first = page(client, "/issues")
    assert 'rel="next"' in first.text
    href = first.text.split('rel="next" href="')[1].split('"')[0].replace("&amp;", "&")
    assert "first page" in page(client, href).text
    path = f"/issues/{issue_of(world, 'many').issue}"
    shown = page(client, path).text
    assert shown.count('<details class="errors"') == 20
    href = shown.split('rel="next" href="')[1].split('"')[0]
    assert page(client, href).text.count('<details class="errors"') == 5


def test_an_issue_is_judged_by_its_form_and_who_comes_second_is_told(world: World, client: TestClient[Any]) -> None:
    world.tell({"title": "broken"})
    name = issue_of(world).issue
    done = form(client, f"/issues/{name}", revision="1", status="resolved", resolved_in="3.2")
    assert (done.status_code, done.headers["location"]) == (303, f"/issues/{name}")
    late = form(client, f"/issues/{name}", revision="1", status="muted")
    assert late.status_code == 409 and "was changed since" in late.text and "resolved" in late.text
    assert issue_of(world).status == "resolved"
    for fields in ({}, {"revision": "x", "status": "open"}, {"revision": "2", "status": "new"}):
        assert form(client, f"/issues/{name}", **fields).status_code == 400
    assert form(client, "/issues/iss_0", revision="1", status="open").status_code == 404


def test_the_link_of_an_answer_leads_to_the_issue(world: World, client: TestClient[Any]) -> None:
    (told, mine) = world.tell({"title": "a"}, {"title": "b", "id": "my id/1"})
    for link, issue in ((told.id, told.issue), ("my%20id%2F1", mine.issue), (mine.id, mine.issue)):
        answer = page(client, f"/issues/of/{link}")
        assert (answer.status_code, answer.headers["location"]) == (303, f"/issues/{issue}"), link
    named = page(client, f"/issues/of/{told.id}", app="shop")
    assert named.headers["location"] == f"/issues/{told.issue}?app=shop"
    (theirs,) = world.tell({"title": "c"}, app="other")
    for absent in (theirs.id, "nothing", "%00", "x" * 3000):
        assert page(client, f"/issues/of/{absent}").status_code == 404


def test_a_device_is_told_what_to_send_by_a_form_and_it_is_ended_by_another(
    world: World, client: TestClient[Any]
) -> None:
    made = form(client, "/remote", device="a%2Fb", what="all", **{"for": "3600"}, why="ticket")
    assert (made.status_code, made.headers["location"]) == (303, "/devices/a%2Fb")
    (rule,) = world.reading.device_directory.remote.rules("shop")
    assert (rule.target, rule.why, rule.settings.send_all_now > 0) == ("a/b", "ticket", True)
    assert "all it has, once" in page(client, "/devices/a%2Fb").text
    ended = form(client, f"/remote/{rule.rule}/end", device="a/b")
    assert (ended.status_code, ended.headers["location"]) == (303, "/devices/a%2Fb")
    assert world.reading.device_directory.remote.rules("shop") == []
    for fields in ({}, {"device": "d", "what": "all", "for": "9"}, {"device": "", "what": "all", "for": "3600"}):
        assert form(client, "/remote", **fields).status_code == 400
    assert form(client, f"/remote/{rule.rule}/end").status_code == 404


def test_forms_of_other_sites_and_of_readers_change_nothing(world: World, client: TestClient[Any]) -> None:
    world.tell({"title": "broken"})
    fields = {"revision": "1", "status": "muted", "device": "d", "what": "all", "for": "3600"}
    for path in (f"/issues/{issue_of(world).issue}", "/remote"):
        for headers in (READ, {"Authorization": f"Bearer {WRITE_KEY}"}):
            assert form(client, path, headers, **fields).status_code == 403
        assert form(client, path, {}, **fields).status_code == 303  # to the sign-in
        client.post("/sign-in", data={"email": ADMIN_EMAIL, "password": ADMIN_PASSWORD}, follow_redirects=False)
        assert form(client, path, {"Sec-Fetch-Site": "cross-site"}, **fields).status_code == 403
        client.cookies.clear()
    assert issue_of(world).status == "open" and world.reading.device_directory.remote.rules("shop") == []


def test_forms_are_shown_to_who_may_send_them(world: World, client: TestClient[Any]) -> None:
    world.tell({"title": "broken"})
    world.register({"device": "d1"})
    for path in (f"/issues/{issue_of(world).issue}", "/devices/d1"):
        shown = {who: client.get(path, headers=headers | HTML).text for who, headers in (("r", READ), ("a", ADMIN))}
        counts = {who: text.count('<form class="narrow"') for who, text in shown.items()}
        assert counts == {"r": 0, "a": 1}, path


def test_a_device_without_events_has_a_page_and_an_unknown_one_has_none(world: World, client: TestClient[Any]) -> None:
    world.register({"device": "d1", "model": "Pixel"})
    assert "Pixel" in page(client, "/devices/d1").text
    assert page(client, "/devices/d2").status_code == 404


def test_sessions_and_devices_are_shown_while_the_metastore_is_away(world: World, client: TestClient[Any]) -> None:
    world.reading.write([make_event(10, session="s", device="d1")])
    world.register({"device": "d1", "model": "Pixel"})

    def away(*_: Any) -> Any:
        raise BackendUnavailable("away")

    world.reading.device_directory.devices._database.read = away  # type: ignore[method-assign]
    assert page(client, "/sessions/s").status_code == 200
    assert page(client, "/devices/d1").status_code == 200
