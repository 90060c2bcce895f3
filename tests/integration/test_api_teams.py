"""Teams, apps, keys and tokens over the API, which app a read is of, and what the audit log says of it."""

import json
from typing import Any

import pytest
from tests.accounts import House, ok
from tests.reading import OTHER_TOKEN, make_event

from logkeep.metastore.audit import CONSOLE

pytestmark = pytest.mark.usefixtures("nobody_waits")

# ── teams, apps, keys, tokens ─────────────────────────────────────────────────────────────────────────────────────────


def test_two_admins_who_edit_the_same_do_not_overwrite_each_other(it: House) -> None:
    path = "/api/v1/apps/shop"
    seen = it.ask("owner", "GET", path)
    etag = seen.headers["etag"]
    assert etag == f'"{ok(seen)["revision"]}"'
    changed = it.ask("owner", "PATCH", path, {"title": "The shop"}, **{"If-Match": etag})
    assert ok(changed)["title"] == "The shop" and changed.headers["etag"] != etag
    for headers, body in (({"If-Match": etag}, {}), ({}, {"revision": ok(seen)["revision"]})):
        late = it.ask("admin token", "PATCH", path, {"title": "Another", **body}, **headers)
        assert (late.status_code, late.json()["error"]["code"]) == (409, "conflict")
    assert it.ask("owner", "PATCH", path, {"title": "x"}, **{"If-Match": "rubbish"}).status_code == 400
    assert ok(it.ask("owner", "GET", path))["title"] == "The shop"
    member = f"/api/v1/members/{it.people['widened']}"
    assert it.ask("owner", "PATCH", member, {"role": "member", "revision": 99}).status_code == 409


def test_an_app_gets_keys_that_are_rotated_and_revoked(it: House) -> None:
    assert ok(it.ask("owner", "POST", "/api/v1/apps", {"app": "phone", "title": "Phones"}), 201)["team"] == "main"
    assert it.ask("owner", "POST", "/api/v1/apps", {"app": "phone"}).status_code == 409
    made = ok(it.ask("keys token of the team", "POST", "/api/v1/apps/phone/keys", {"name": "ios"}), 201)
    credential = it.reading.accounts.credential(made["secret"])
    assert credential is not None and (credential.app, credential.scope) == ("phone", "write")
    rotated = ok(it.ask("owner", "POST", f"/api/v1/apps/phone/keys/{made['key']}/rotate", {"keep_s": 60}), 201)
    listed = ok(it.ask("owner", "GET", "/api/v1/apps/phone/keys"))["keys"]
    assert {key["key"]: key["expires"] is None for key in listed} == {made["key"]: False, rotated["key"]: True}
    assert made["secret"] not in str(listed) and rotated["secret"][:8] == rotated["prefix"]
    origins = ["https://shop.example"]
    assert (
        ok(it.ask("owner", "PATCH", f"/api/v1/apps/phone/keys/{rotated['key']}", {"origins": origins}))["origins"]
        == origins
    )
    ok(it.ask("owner", "DELETE", f"/api/v1/apps/phone/keys/{rotated['key']}"), 204)
    assert it.reading.accounts.credential(rotated["secret"]) is None
    assert ok(it.ask("owner", "PATCH", "/api/v1/apps/phone", {"archived": True}))["archived"] is not None
    assert it.reading.accounts.credential(made["secret"]) is None
    assert {entry["what"] for entry in it.audit() if entry["app"] == "phone"} >= {
        "app.created", "key.created", "key.rotated", "key.changed", "key.revoked", "app.changed",
    }  # fmt: skip


def test_a_token_is_made_with_no_more_than_one_has(it: House) -> None:
    def make(who: str, **body: Any) -> Any:
        return it.ask(who, "POST", "/api/v1/tokens", {"name": "ci", "scopes": ["read"], **body})

    mine = ok(make("read_only"), 201)
    assert mine["person"] == it.people["read_only"] and mine["expires"] is None
    for who, body in (
        ("read_only", {"scopes": ["edit"]}),
        ("read_only", {"of_team": True}),
        ("keys token of the team", {"of_team": True}),
        ("keys token of the team", {"scopes": ["admin"]}),
        ("widened", {"scopes": ["keys"]}),
    ):
        assert make(who, **body).status_code == 403, (who, body)
    assert make("owner", scopes=["owner"]).status_code == make("owner", scopes=[]).status_code == 400
    assert make("owner", app="other").status_code == 404
    ok(make("widened", scopes=["keys"], app="shop"), 201)
    team_s = ok(make("admin token", scopes=["erase"], of_team=True, expires_s=3600), 201)
    assert team_s["person"] is None and team_s["expires"] is not None
    used = it.client.get("/api/v1/ledger", headers={"Authorization": f"Bearer {team_s['secret']}"})
    assert used.status_code == 200
    it.reading.app.state.context.auditing.flush()
    seen = {token["token"]: token["used"] for token in ok(it.ask("owner", "GET", "/api/v1/tokens"))["tokens"]}
    assert seen[team_s["token"]] == "2026-08-01" and seen[mine["token"]] is None
    visible = {token["token"] for token in ok(it.ask("read_only", "GET", "/api/v1/tokens"))["tokens"]}
    assert mine["token"] in visible and team_s["token"] not in visible
    assert it.ask("read_only", "DELETE", f"/api/v1/tokens/{team_s['token']}").status_code == 404
    ok(it.ask("read_only", "DELETE", f"/api/v1/tokens/{mine['token']}"), 204)
    ok(it.ask("owner", "DELETE", f"/api/v1/tokens/{team_s['token']}"), 204)
    assert it.client.get("/api/v1/ledger", headers={"Authorization": f"Bearer {team_s['secret']}"}).status_code == 401


def test_a_token_of_the_team_may_do_nothing_in_an_app_that_its_maker_may_not(it: House) -> None:
    def make(**body: Any) -> Any:
        return it.ask("admin", "POST", "/api/v1/tokens", {"name": "ci", "of_team": True, **body})

    def role_in_shop(role: str | None) -> None:
        it.directory.teams.change_member(
            CONSOLE, "main", it.people["admin"], role=None, app_roles={"shop": role}, revision=None, is_owner=True
        )
        it.reading.accounts.look()

    role_in_shop("read_only")
    try:
        refused = make(scopes=["read", "keys"])
        assert (refused.status_code, refused.json()["error"]["code"]) == (403, "forbidden")
        assert make(scopes=["keys"], app="shop").status_code == 403
        assert ok(make(scopes=["read"]), 201)["person"] is None
        role_in_shop("none")
        hidden = make(scopes=["read"])
        assert hidden.status_code == 403 and "shop" not in hidden.json()["error"]["message"]
    finally:
        role_in_shop(None)
    assert ok(make(scopes=["keys"]), 201)["app"] is None


def test_a_token_makes_none_that_lasts_longer_than_itself(it: House) -> None:
    def make(secret: str, **body: Any) -> Any:
        headers = {"Authorization": f"Bearer {secret}"}
        it.client.cookies.clear()
        return it.client.post("/api/v1/tokens", json={"name": "ci", "scopes": ["read"], **body}, headers=headers)

    short = ok(it.ask("admin", "POST", "/api/v1/tokens", {"name": "ci", "scopes": ["admin"], "expires_s": 60}), 201)
    found = ok(make(short["secret"]), 201)
    assert (found["person"], found["expires"]) == (it.people["admin"], short["expires"])
    refused = make(short["secret"], of_team=True)
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "forbidden")
    ok(it.ask("admin", "DELETE", f"/api/v1/tokens/{short['token']}"), 204)
    assert make(found["secret"]).status_code == 401


def test_owners_of_the_first_team_make_teams_and_own_them(it: House) -> None:
    ok(it.ask("owner", "POST", "/api/v1/teams", {"team": "third", "title": "The third"}), 201)
    assert [team["team"] for team in ok(it.ask("owner", "GET", "/api/v1/teams"))["teams"]] == ["main", "third"]
    renamed = it.ask("owner", "PATCH", "/api/v1/teams/third", {"title": "Third", "revision": 1})
    assert ok(renamed)["title"] == "Third" and renamed.headers["etag"] == '"2"'
    assert ok(it.ask("owner", "GET", "/api/v1/members", None))["members"][0]["totp"] is False
    third = it.client.get("/api/v1/members?team=third", headers=it.as_("owner"))
    assert [member["role"] for member in ok(third)["members"]] == ["owner"]
    last = it.client.delete(f"/api/v1/members/{it.people['owner']}?team=third", headers=it.as_("owner"))
    assert (last.status_code, last.json()["error"]["code"]) == (409, "last_owner")
    assert it.ask("admin", "PATCH", f"/api/v1/members/{it.people['owner']}", {"role": "member"}).status_code in (
        401,
        403,
    )


def test_a_member_who_was_changed_meanwhile_is_not_removed(it: House) -> None:
    person = it.directory.people.create(CONSOLE, email="leaves@example.org").id
    it.directory.teams.add(CONSOLE, "main", person, "member")
    path = f"/api/v1/members/{person}"
    seen = it.ask("owner", "PATCH", path, {"role": "read_only"}).headers["etag"]
    ok(it.ask("owner", "PATCH", path, {"role": "admin"}))
    stale = it.ask("owner", "DELETE", path, **{"If-Match": seen})
    assert (stale.status_code, stale.json()["error"]["code"]) == (409, "conflict")
    now = it.ask("owner", "PATCH", path, {"role": "member"}).headers["etag"]
    ok(it.ask("owner", "DELETE", path, **{"If-Match": now}), 204)


def test_what_owners_of_the_first_team_alone_may_do_is_refused_in_so_many_words(it: House) -> None:
    for who, advice in (("admin token", "no token can do this; sign in as one"), ("admin", "ask one")):
        error = it.ask(who, "GET", "/api/v1/people").json()["error"]
        assert error["code"] == "forbidden"
        assert error["message"] == f"only owners of the team 'main' may do this; {advice}"
    message = it.ask("read token of the team", "GET", "/api/v1/audit").json()["error"]["message"]
    assert message.endswith("which you have not; ask its admins for a token with this scope or with `admin`")


def test_a_hidden_app_is_named_to_admins_alone(it: House) -> None:
    def roles(who: str) -> dict[str, dict[str, str]]:
        members = ok(it.ask(who, "GET", "/api/v1/members?team=main"))["members"]
        return {member["person"]: member["app_roles"] for member in members if member["app_roles"]}

    narrowed, widened = it.people["narrowed"], it.people["widened"]
    assert roles("narrowed") == {}
    assert roles("admin") == roles("member") == {narrowed: {"shop": "none"}, widened: {"shop": "admin"}}
    it.directory.apps.create(CONSOLE, team="main", name="secret", title_="")
    it.directory.teams.change_member(
        CONSOLE, "main", it.people["admin"], role=None, app_roles={"secret": "none"}, revision=None, is_owner=True
    )
    assert roles("admin")[it.people["admin"]] == {"secret": "none"}
    assert roles("narrowed") == {it.people["admin"]: {"secret": "none"}}


# ── which app, and what is written down ───────────────────────────────────────────────────────────────────────────────


def test_app_chooses_among_those_one_may_read(it: House) -> None:
    ok(it.ask("owner", "POST", "/api/v1/apps", {"app": "web"}), 201)
    it.reading.write([make_event(7, "of the web", app="web")])

    def found(who: str, query: str) -> Any:
        return it.client.get(f"/api/v1/search{query}", headers=it.as_(who))

    assert [event["app"] for event in ok(found("owner", "?app=web"))["events"]] == ["web"]
    assert {event["app"] for event in ok(found("owner", ""))["events"]} == {"shop"}
    assert found("narrowed", "?app=shop").status_code == 403
    assert [event["app"] for event in ok(found("narrowed", "?app=web"))["events"]] == ["web"]
    assert "shop" not in {event["app"] for event in ok(found("narrowed", ""))["events"]}
    it.client.cookies.clear()
    it.client.cookies.set("logkeep", it.cookie("owner"))
    page = {"Accept": "text/html"}
    assert it.client.post("/app", data={"app": "other"}, headers=page).status_code == 404
    assert it.client.post("/app", data={"app": "web"}, headers=page, follow_redirects=False).status_code == 303
    assert "of the web" in it.client.get("/search", headers=page).text
    it.client.cookies.clear()


def test_what_is_read_is_in_the_log_with_what_was_asked(it: House) -> None:
    it.client.get("/api/v1/search?query=user:4711&from=-1h&app=shop", headers=it.as_("member"))
    it.client.get("/api/v1/search?query=((", headers=it.as_("member"))  # refused: nothing was read
    assert it.ask("admin token", "GET", "/api/v1/export").status_code == 200
    it.client.get("/sessions/s-1.json", headers=it.as_("admin token"))
    session, export, search = it.audit()[:3]
    assert (search["what"], search["app"], search["who"], search["who_name"]) == (
        "read.search", "shop", it.people["member"], it.emails["member"],
    )  # fmt: skip
    assert search["detail"] == {"query": "user:4711", "from": "-1h"} and search["ip"] == "testclient"
    assert (export["what"], export["who"], export["who_name"]) == ("read.export", "tok_admin", "token admin")
    assert (session["what"], session["target"]) == ("read.session", "s-1.json")
    page = ok(it.client.get("/api/v1/audit?limit=2&what=read.search", headers=it.as_("owner")))
    following = ok(
        it.client.get(f"/api/v1/audit?limit=2&what=read.search&cursor={page['next']}", headers=it.as_("owner"))
    )
    numbers = [entry["number"] for entry in [*page["audit"], *following["audit"]]]
    assert numbers == sorted(set(numbers), reverse=True) and page["audit"][0]["id"] == search["id"]
    assert it.client.get("/api/v1/audit?cursor=x", headers=it.as_("owner")).status_code == 400
    assert ok(it.client.get("/api/v1/audit?app=other", headers=it.as_("owner")))["audit"] == []
    assert it.directory.audit.verify().broken == 0


def test_erasing_is_in_the_log(it: House) -> None:
    asked = ok(it.client.request("DELETE", "/api/v1/events?query=user:x", headers=it.as_("owner")), 202)
    ok(it.ask("owner", "POST", f"/api/v1/erasures/{asked['job']}", {"confirm": asked["confirm"]}))
    confirmed, begun = it.audit()[:2]
    assert (confirmed["what"], begun["what"], begun["target"]) == ("erase.confirmed", "erase.asked", asked["job"])
    assert (begun["app"], begun["detail"]["query"]) == ("shop", 'user="x"') and asked["confirm"] not in str(begun)


def test_sign_ins_are_told_to_the_first_team_and_to_teams_of_their_members(it: House) -> None:
    people, stranger = it.directory.people, it.people["stranger"]

    def told(who: str, query: str) -> list[str]:
        it.reading.app.state.context.auditing.flush()
        entries = ok(it.ask(who, "GET", f"/api/v1/audit?limit=1000&{query}"))["audit"]
        exported = it.ask(who, "GET", f"/api/v1/audit/export?{query}").text.splitlines()
        assert [json.loads(line)["number"] for line in exported] == [entry["number"] for entry in entries]
        assert {entry["team"] for entry in entries} <= {""}
        return [entry["detail"]["email"] for entry in entries]

    people.set(CONSOLE, it.people["member"], name="Member")
    people.set(CONSOLE, stranger, name="Stranger")
    it.client.cookies.clear()
    for email in (" Stranger@logkeep.test", "member@logkeep.test", "unknown@logkeep.test"):
        it.client.post("/api/v1/sign-in", json={"email": email, "password": "wrong"})
    everybody = ["unknown@logkeep.test", it.emails["member"], it.emails["stranger"]]
    assert told("admin", "team=main&what=sign_in.failed")[:3] == everybody
    assert told("audit token of the team", "what=person.changed")[:2] == everybody[2:0:-1]
    assert told("stranger", "team=other&what=person.changed") == [it.emails["stranger"]]
    assert told("stranger", "team=other&what=sign_in.failed") == [it.emails["stranger"]]
    assert told("stranger", "team=other&what=person.created") == [it.emails["stranger"]]
    assert told("stranger", f"team=other&who={it.people['member']}") == []
    assert told("stranger", "team=other&app=other&what=person.changed") == []
    it.client.post("/api/v1/sign-in", json={"token": OTHER_TOKEN})
    entries = ok(it.ask("stranger", "GET", "/api/v1/audit?what=sign_in.done&who=tok_other"))["audit"]
    assert {entry["team"] for entry in entries} == {"other"}


def test_the_scope_audit_in_an_app_lets_read_what_is_of_that_app(it: House) -> None:
    made = ok(it.ask("owner", "POST", "/api/v1/tokens", {"name": "a", "scopes": ["audit"], "app": "shop"}), 201)
    it.tokens["audit token of the app"] = made["secret"]
    it.directory.apps.create(CONSOLE, team="main", name="watch", title_="")
    by_app = {app: ok(it.ask("owner", "GET", f"/api/v1/audit?app={app}&limit=1000")) for app in ("shop", "watch")}
    assert all(found["audit"] for found in by_app.values())
    for who in ("audit token of the app", "widened"):
        for query in ("app=shop", "team=main", "team=main&app=shop", ""):
            assert ok(it.ask(who, "GET", f"/api/v1/audit?limit=1000&{query}")) == by_app["shop"], (who, query)
        for query, status in (
            ("app=watch", 403),
            ("app=other", 403),
            ("team=other", 404),
            ("team=other&app=shop", 404),
        ):
            assert it.ask(who, "GET", f"/api/v1/audit?{query}").status_code == status, (who, query)
    exported = it.ask("audit token of the app", "GET", "/api/v1/audit/export").text
    assert {json.loads(line)["app"] for line in exported.splitlines()} == {"shop"}
    assert it.ask("read token", "GET", "/api/v1/audit?app=shop").status_code == 403
    in_team = it.ask("member", "GET", "/api/v1/audit?team=main")
    assert in_team.status_code == 403 and "in the team 'main'" in in_team.json()["error"]["message"]
