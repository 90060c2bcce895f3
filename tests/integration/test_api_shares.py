"""Shared links over the API and the page behind them: who makes them, how they end, what is not on the page."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from litestar import Litestar
from litestar.testing import TestClient
from tests.reading import ADMIN, NOW_NS, OTHER_TOKEN, READ, Reading, make_event

from logkeep.clock import ManualClock
from logkeep.errors import BackendUnavailable
from logkeep.masking.rules import OwnPattern, Rules
from logkeep.metastore.audit import CONSOLE, Wanted
from logkeep.metastore.masking import MaskingRules

HOSTILE = '<script>alert("x")</script>'
PEERS = "203.0.113.9 and 2001:db8::1"
SECRETS = (
    "ann@shop.test", "Ann Bell", "phone-77", "4242 4242 4242 4242", "4242424242424242", "abcdef0123456789",
    "203.0.113.9", "2001:db8::1", "2001:db8::2", "hunter2", "order-1234", "id-0000",
)  # fmt: skip


@pytest.fixture
def it() -> Reading:
    reading = Reading()
    told = {
        "who": "phoned by Ann Bell", "password": "hunter2", "peer": "203.0.113.9:443", "card": "4242 4242 4242 4242",
        HOSTILE: HOSTILE,
    }  # fmt: skip
    reading.write(
        [
            make_event(0, f"mail ann@shop.test from {PEERS}: refused", user="Ann Bell", device="phone-77"),
            make_event(1, "Authorization=Bearer abcdef0123456789 for ANN BELL on phone-77.", attributes=told),
            make_event(2, {"ann@shop.test": ["2001:db8::2", 4242424242424242], "note": "order-1234"}),
            make_event(3, HOSTILE, session="s-1", key=HOSTILE, component="channel"),
            make_event(4, "of another session", session="s-2"),
        ]
    )  # fmt: skip
    rules = Rules(patterns=(OwnPattern("order", "order-[0-9]+"),))
    MaskingRules(reading.database, reading.clock, refresh_s=3600).put("shop", rules)
    return reading


@pytest.fixture
def client(it: Reading) -> Iterator[TestClient[Litestar]]:
    with TestClient(it.app) as made:
        yield made


def make(client: TestClient[Litestar], **wanted: Any) -> Any:
    answer = client.post("/api/v1/shares", json={"session": "s-1"} | wanted, headers=ADMIN)
    assert answer.status_code == 201, answer.text
    return answer.json()


def opened(client: TestClient[Litestar], share: Any) -> Any:
    client.cookies.clear()
    return client.get("/shared/" + share["url"].rpartition("/")[2])


def test_the_page_of_a_link_tells_nobody_who_it_was(client: TestClient[Litestar], it: Reading) -> None:
    answer = opened(client, make(client))
    page = answer.text
    assert answer.status_code == 200
    assert {name: page.count(name) for name in SECRETS if name in page} == {}
    assert "mail [masked] from [address] and [address]: refused" in page
    (user,) = set(re.findall("user-[0-9a-f]{6}", page))
    (device,) = set(re.findall("device-[0-9a-f]{6}", page))
    assert f"for {user} on {device}." in page and f"phoned by {user}" in page and "channel" in page
    assert "<script" not in page and "&lt;script&gt;" in page and "[order]" in page and "of another" not in page
    assert not re.findall(r"<a\b|<form|href=\"/(?!static/)", page)
    headers = answer.headers
    assert (headers["referrer-policy"], headers["cache-control"]) == ("no-referrer", "no-store")
    assert "noindex" in headers["x-robots-tag"] and 'content="noindex' in page and "set-cookie" not in headers
    assert "script-src" not in headers["content-security-policy"] and "this link ends" in page
    other = opened(client, make(client)).text
    assert re.findall("user-[0-9a-f]{6}", other)[0] != user  # no two links can be put together by their names
    it.write([make_event(-5, "of later")])
    assert "of later" not in opened(client, make(client, event="id-0000", session=None)).text


def test_what_comes_after_a_link_was_made_is_not_shown_whatever_its_time(
    client: TestClient[Litestar], it: Reading
) -> None:
    it.write([make_event(6, "replaced later", key="status")])
    session, one = make(client), make(client, session=None, event="id-0001")
    assert "replaced later" in opened(client, session).text
    assert isinstance(it.clock, ManualClock)
    it.clock.advance(1)
    later = it.clock.now_ns()
    late = make_event(2, "kept offline", id="late", key="late", received_ns=later)
    update = make_event(5, "by an update", id="update", key="status", update=True, received_ns=later)
    it.write([late, update])
    page = opened(client, session).text
    assert [text for text in ("kept offline", "by an update", "replaced later") if text in page] == []
    assert "refused" in page and "Authorization" in opened(client, one).text
    newer = opened(client, make(client)).text
    assert "kept offline" in newer and "by an update" in newer


def test_late_events_take_nothing_from_what_a_link_shows(
    client: TestClient[Litestar], it: Reading, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("shares", "shared_page"):
        monkeypatch.setattr(f"logkeep.api.{module}.EVENTS_MAX", 4)
    share = make(client)
    it.write([make_event(1, "late", id=f"late-{n}", key=f"late-{n}", received_ns=NOW_NS + 1) for n in range(5)])
    assert "mail [masked]" in opened(client, share).text


@pytest.mark.parametrize("fields", [{"user": "anna-77", "device": "pixel-9"}, {"device": "pixel-9"}, {}])
def test_a_name_stays_out_when_the_event_that_named_it_was_replaced(
    client: TestClient[Litestar], it: Reading, fields: dict[str, str]
) -> None:
    named = [make_event(9, "who", key="who", session="s-3", user="anna-77", device="pixel-9")]
    named += [make_event(8, str(n), key="n", id=f"n{n}", session="s-3", user=f"user-no-{n}") for n in range(3)]
    it.write([*named, make_event(7, {"anna-77": "uid anna-77 on pixel-9"}, session="s-3", key="anna-77")])
    it.write([make_event(6, "nobody", key="who", session="s-3", update=True, **fields)])
    for wanted in ({"session": "s-3"}, {"session": None, "event": "id-0007"}):
        page = opened(client, make(client, **wanted)).text
        assert "anna-77" not in page and "pixel-9" not in page and "uid user-" in page


def test_while_the_metastore_does_not_tell_whose_a_session_is_its_page_is_not_shown(
    client: TestClient[Litestar], monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: Any) -> Any:
        raise BackendUnavailable("away")

    share = make(client)
    monkeypatch.setattr("tests.reading.known_sessions", away)
    assert opened(client, share).status_code == 503


def test_without_redaction_it_is_as_it_is_and_still_leads_nowhere(client: TestClient[Litestar]) -> None:
    page = opened(client, share := make(client, session=None, event="id-0001", redact=False)).text
    assert "Ann Bell" in page and "hunter2" in page and "2001:db8" not in page and "<script" not in page
    assert not re.findall(r"<a\b|<form", page)
    assert (share["session"], share["event"], share["redact"]) == (None, "id-0001", False)


def test_a_link_ends_with_its_time_or_before_and_all_that_are_no_good_look_alike(
    client: TestClient[Litestar], it: Reading
) -> None:
    first, second, third = make(client, expires_in_s=60), make(client), make(client, session="s-2")
    listed = client.get("/api/v1/shares", headers=ADMIN).json()["shares"]
    assert sorted(one["share"] for one in listed) == sorted(one["share"] for one in (first, second, third))
    assert {key: value for key, value in second.items() if key != "url"} in listed and "url" not in listed[0]
    left = client.delete(f"/api/v1/shares/{second['share']}", headers=ADMIN).json()["shares"]
    assert len(left) == 2
    assert client.delete(f"/api/v1/shares/{second['share']}", headers=ADMIN).status_code == 404
    assert opened(client, first).status_code == 200
    assert isinstance(it.clock, ManualClock)
    it.clock.advance(60)
    gone = [opened(client, one) for one in (first, second, {"url": "/x"}, {"url": "/" + "y" * 3000})]
    assert {(one.status_code, one.text) for one in gone} == {(404, gone[0].text)} and "Ask who" in gone[0].text
    for _ in range(8):
        last = opened(client, {"url": "/guessed"})
    assert last.status_code == 429 and int(last.headers["retry-after"]) > 0
    assert f"Wait {last.headers['retry-after']} s" in last.text and "sign-in" not in last.text.partition("<h1>")[2]
    assert "noindex" in last.headers["x-robots-tag"] and not re.findall(r"<a\b|<form", last.text)


def test_who_only_reads_shares_nothing_and_nobody_what_is_not_theirs(client: TestClient[Litestar]) -> None:
    share = make(client)
    for who in (READ, {"Authorization": f"Bearer {OTHER_TOKEN}"}):
        assert client.post("/api/v1/shares", json={"session": "s-1"}, headers=who).status_code == 403
        assert client.get("/api/v1/shares", headers=who).status_code == 403
        assert client.delete(f"/api/v1/shares/{share['share']}", headers=who).status_code == 403
    assert opened(client, share).status_code == 200
    for body, status in (
        ({}, 400), ({"session": "s-1", "event": "id-0000"}, 400), ({"session": "s-1", "expires_in_s": 59}, 400),
        ({"session": "s-1", "expires_in_s": 30 * 86_400 + 1}, 400), ({"session": "s-1", "app": "shop"}, 400),
        ({"session": "nothing"}, 404), ({"event": "nothing"}, 404),
    ):  # fmt: skip
        answer = client.post("/api/v1/shares", json=body, headers=ADMIN)
        assert (answer.status_code, bool(answer.json()["error"]["message"])) == (status, True), body


def test_a_link_goes_with_the_person_whose_token_made_it(client: TestClient[Litestar], it: Reading) -> None:
    people, teams, tokens = it.directory.people, it.directory.teams, it.directory.tokens
    ann = people.create(CONSOLE, email="ann.b@shop.test", name="Ann").id
    teams.add(CONSOLE, "main", ann, "member")
    scopes = ("read", "edit")
    secret = tokens.create(CONSOLE, team="main", app="", person=ann, name="t", scopes=scopes, expires_s=None)[1]
    answer = client.post("/api/v1/shares", json={"session": "s-1"}, headers={"Authorization": f"Bearer {secret}"})
    hers, ours = answer.json(), make(client)
    assert [opened(client, share).status_code for share in (hers, ours)] == [200, 200]
    people.set_disabled(CONSOLE, ann, True)
    paused = {one["share"]: one["paused"] for one in client.get("/api/v1/shares", headers=ADMIN).json()["shares"]}
    assert paused == {hers["share"]: True, ours["share"]: False}
    assert {opened(client, hers).status_code for _ in range(12)} == {404}  # whoever has it does not guess
    teams.remove(CONSOLE, "main", ann, is_owner=True)
    assert [opened(client, share).status_code for share in (hers, ours)] == [404, 200]
    listed = client.get("/api/v1/shares", headers=ADMIN).json()["shares"]
    assert [one["share"] for one in listed] == [ours["share"]]


def test_the_audit_log_tells_of_links_and_never_their_secret(
    client: TestClient[Litestar], it: Reading, capfd: pytest.CaptureFixture[str]
) -> None:
    share = make(client)
    opened(client, share)
    client.delete(f"/api/v1/shares/{share['share']}", headers=ADMIN)
    client.app.state.context.auditing.flush()
    rows = it.directory.audit.list(Wanted(teams=("main",)))
    told = {row.what: row for row in rows if row.what.startswith("share.")}
    assert {what: (row.app, row.target) for what, row in told.items()} == {
        f"share.{what}": ("shop", share["share"]) for what in ("made", "opened", "revoked")
    }
    assert (told["share.opened"].ip, told["share.opened"].who) == ("", "")
    secret = share["url"].rpartition("/")[2]
    streams = capfd.readouterr()
    assert len(secret) >= 32 and secret not in repr(rows) + streams.out + streams.err
