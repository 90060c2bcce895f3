"""Accounts over the API: how people sign in, join and are managed, each with what the audit log says of it."""

import re
from typing import Any

import pyotp
import pytest
from tests.accounts import NEW_PASSWORD, House, mails, ok, secret_in_mail
from tests.reading import ADMIN_EMAIL, ADMIN_PASSWORD, OTHER_TOKEN, WRITE_KEY
from tests.service import wait_for

from logkeep.clock import NS_PER_S
from logkeep.errors import InputError
from logkeep.metastore.audit import CONSOLE, Actor, Wanted

pytestmark = pytest.mark.usefixtures("nobody_waits")


def test_everybody_is_told_who_they_are_and_what_they_may_do(it: House) -> None:
    me = ok(it.ask("widened", "GET", "/api/v1/me"))
    assert (me["kind"], me["email"], me["password"], me["totp"]) == ("person", it.emails["widened"], True, False)
    assert me["teams"] == [{"team": "main", "scopes": ["read"]}]
    assert me["apps"] == [
        {
            "app": "shop", "title": "shop", "team": "main", "start": "",
            "scopes": ["admin", "audit", "edit", "erase", "keys", "read"],
        }
    ]  # fmt: skip
    token = ok(it.ask("other token", "GET", "/api/v1/me"))
    assert (token["kind"], token["email"], token["teams"], [app["app"] for app in token["apps"]]) == (
        "token", None, [], ["other"],
    )  # fmt: skip


# ── signing in ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_program_in_a_browser_signs_in_and_out_by_json(it: House) -> None:
    it.client.cookies.clear()
    assert ok(it.client.get("/api/v1/sign-in")) == {"password": True, "token": True, "oidc": None}
    wrong = it.client.post("/api/v1/sign-in", json={"email": ADMIN_EMAIL, "password": "wrong"})
    assert (wrong.status_code, wrong.json()["error"]["code"]) == (401, "wrong_sign_in")
    answer = it.client.post("/api/v1/sign-in", json={"email": ADMIN_EMAIL, "password": ADMIN_PASSWORD})
    assert ok(answer) == {"step": None}
    cookie = answer.headers.get_list("set-cookie")[0]
    assert {"HttpOnly", "SameSite=lax", "Path=/"} <= set(cookie.split("; "))
    assert ok(it.client.get("/api/v1/me"))["email"] == ADMIN_EMAIL
    stolen = it.client.cookies["logkeep"]
    ok(it.client.post("/api/v1/sign-out"), 204)
    assert it.client.get("/api/v1/me", headers={"Cookie": f"logkeep={stolen}"}).status_code == 401
    entries = [entry for entry in it.audit() if entry["what"].startswith("sign_in")]
    assert {(entry["what"], entry["who_name"], entry["team"]) for entry in entries} == {
        ("sign_in.done", ADMIN_EMAIL, ""), ("sign_in.ended", ADMIN_EMAIL, ""), ("sign_in.failed", ADMIN_EMAIL, ""),
    }  # fmt: skip
    both = it.client.post("/api/v1/sign-in", json={"email": "a@b", "token": "x"})
    assert both.status_code == it.client.post("/api/v1/sign-in", json={}).status_code == 400
    assert it.client.post("/api/v1/sign-in", json={"token": WRITE_KEY}).status_code == 403
    assert ok(it.client.post("/api/v1/sign-in", json={"token": OTHER_TOKEN})) == {"step": None}
    assert ok(it.client.get("/api/v1/me"))["id"] == "tok_other"


def test_a_sign_in_ends_the_one_that_the_browser_had(it: House) -> None:
    for body in ({"token": OTHER_TOKEN}, {"email": ADMIN_EMAIL, "password": ADMIN_PASSWORD}):
        before = {"Cookie": f"logkeep={it.cookie('member')}"}
        it.client.cookies.clear()
        assert ok(it.client.get("/api/v1/me", headers=before))["kind"] == "person"
        ok(it.client.post("/api/v1/sign-in", json=body, headers=before))
        it.client.cookies.clear()
        assert it.client.get("/api/v1/me", headers=before).status_code == 401, body


def test_a_second_factor_is_asked_for_and_can_be_removed(it: House) -> None:
    cookie = {"Cookie": f"logkeep={it.cookie('member')}"}
    it.client.cookies.clear()

    def post(path: str, body: dict[str, str]) -> Any:
        it.client.cookies.clear()
        return it.client.post(path, json=body, headers=cookie)

    assert post("/api/v1/me/totp", {"password": "wrong"}).json()["error"]["code"] == "wrong_password"
    made = ok(post("/api/v1/me/totp", {"password": ADMIN_PASSWORD}))
    device = pyotp.parse_uri(made["uri"])
    assert isinstance(device, pyotp.TOTP) and device.secret == made["secret"]

    def code() -> str:
        it.reading.clock.advance(30)
        return device.at(it.reading.clock.now_ns() // NS_PER_S)

    assert post("/api/v1/me/totp/confirm", {"code": "abc"}).json()["error"]["code"] == "wrong_code"
    recovery = ok(post("/api/v1/me/totp/confirm", {"code": code()}))["recovery_codes"]
    it.client.cookies.clear()
    body = {"email": it.emails["member"], "password": ADMIN_PASSWORD}
    assert ok(it.client.post("/api/v1/sign-in", json=body)) == {"step": "totp"}
    assert it.client.get("/api/v1/me").status_code == 401
    now = device.at(it.reading.clock.now_ns() // NS_PER_S)  # it confirmed
    tries = [("/sign-in/totp", {"code": now}), ("/sign-in/totp", {"code": "no-such-code", "recovery": "1"})]
    used, unknown = (it.client.post(path, data=form).text for path, form in tries)
    assert "This code was used already; wait for the next one." in used and "<details>" in used
    assert "This is none of the recovery codes that are left" in unknown and "<details open>" in unknown
    wrong = it.client.post("/api/v1/sign-in/totp", json={"code": "000000"})
    assert (wrong.status_code, wrong.json()["error"]["code"]) == (401, "wrong_code")
    assert "not the code that the device shows now" in wrong.json()["error"]["message"]
    assert ok(it.client.post("/api/v1/sign-in/totp", json={"code": code()})) == {"step": None}
    assert ok(it.client.get("/api/v1/me"))["totp"] is True
    again = it.client.post("/api/v1/sign-in/totp", json={"code": recovery[0]})  # the step was used up
    assert (again.status_code, again.json()["error"]["code"]) == (401, "step_expired")
    page = it.client.post("/sign-in", data=body, headers={"Accept": "text/html"})
    assert page.status_code == 200 and 'action="/sign-in/totp"' in page.text
    back = it.client.post("/sign-in/totp", data={"code": recovery[0], "next": "/search"}, follow_redirects=False)
    assert (back.status_code, back.headers["location"]) == (303, "/search")
    ok(post("/api/v1/me/totp/remove", {"password": ADMIN_PASSWORD}), 204)
    assert ok(it.client.post("/api/v1/sign-in", json=body)) == {"step": None}


def test_what_ends_all_sign_ins_ends_one_that_waits_for_its_code(it: House) -> None:
    """Else whoever knew the old password, and sees the device, is in after the new one was set."""
    person, by = it.people["member"], Actor(it.people["member"], "member")
    device = pyotp.TOTP(it.directory.totp.enrol(by, person)[0])

    def code() -> str:
        it.reading.clock.advance(30)
        return device.at(it.reading.clock.now_ns() // NS_PER_S)

    def disabled_and_not() -> None:
        it.directory.people.set_disabled(by, person, True)
        it.directory.people.set_disabled(by, person, False)

    it.directory.totp.confirm(by, person, code())
    for end in (
        lambda: it.directory.people.set(by, person, password=ADMIN_PASSWORD),
        lambda: it.directory.people.sign_out_everywhere(by, person),
        disabled_and_not,
    ):
        it.client.cookies.clear()
        body = {"email": it.emails["member"], "password": ADMIN_PASSWORD}
        assert ok(it.client.post("/api/v1/sign-in", json=body)) == {"step": "totp"}
        end()
        late = it.client.post("/api/v1/sign-in/totp", json={"code": code()})
        assert (late.status_code, late.json()["error"]["code"]) == (401, "step_expired")
        assert it.client.get("/api/v1/me").status_code == 401
    it.directory.totp.remove(by, person)


def test_a_new_password_ends_all_other_sign_ins(it: House) -> None:
    here, there = it.cookie("admin"), it.cookie("admin")

    def ask(method: str, path: str, cookie: str, body: Any = None) -> Any:
        it.client.cookies.clear()
        return it.client.request(method, path, json=body, headers={"Cookie": f"logkeep={cookie}"})

    rows = ok(ask("GET", "/api/v1/me/sign-ins", here))["sign_ins"]
    assert sum(row["current"] for row in rows) == 1 and len(rows) >= 2
    for body, status, code in (
        ({"name": "Eve", "password": {"new": NEW_PASSWORD, "current": "wrong"}}, 403, "wrong_password"),
        ({"name": "Eve", "password": {"new": "short", "current": ADMIN_PASSWORD}}, 400, "weak_password"),
        ({"name": "a\nb", "password": {"new": NEW_PASSWORD, "current": ADMIN_PASSWORD}}, 400, "bad_name"),
    ):
        refused = ask("PATCH", "/api/v1/me", here, body)
        assert (refused.status_code, refused.json()["error"]["code"]) == (status, code)
    assert ok(ask("PATCH", "/api/v1/me", here, {}))["name"] == "admin"  # none of it was done
    body = {"name": "Ädmin", "password": {"new": NEW_PASSWORD, "current": ADMIN_PASSWORD}}
    changed = ask("PATCH", "/api/v1/me", here, body)
    assert ok(changed)["name"] == "Ädmin"
    fresh = changed.cookies["logkeep"]
    assert [ask("GET", "/api/v1/me", one).status_code for one in (here, there, fresh)] == [401, 401, 200]
    other = it.cookie("admin")
    (id_,) = (row["id"] for row in ok(ask("GET", "/api/v1/me/sign-ins", fresh))["sign_ins"] if not row["current"])
    ok(ask("DELETE", f"/api/v1/me/sign-ins/{id_}", fresh), 204)
    assert [ask("GET", "/api/v1/me", one).status_code for one in (other, fresh)] == [401, 200]
    assert ask("DELETE", f"/api/v1/me/sign-ins/{id_}", fresh).status_code == 404
    (told,) = (entry for entry in it.audit("sign_in.ended") if entry["detail"].get("sign_in") == id_)
    assert (told["who"], told["target"], told["team"]) == (it.people["admin"], it.people["admin"], "")
    ok(ask("DELETE", "/api/v1/me/sign-ins", fresh), 204)
    assert ask("GET", "/api/v1/me", fresh).status_code == 401


# ── links ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_somebody_invited_by_mail_joins_the_team(it: House) -> None:
    made = ok(it.ask("owner", "POST", "/api/v1/invitations", {"email": "Carla@Example.org", "role": "member"}), 201)
    secret = secret_in_mail(it, "carla@example.org", "invitation")
    assert made["link"].endswith(secret) and made["team"] == "main"
    mail = mails(it, "carla@example.org")[0]
    assert "You are invited to Main" in mail["Subject"] and secret in mail.get_body(("html",)).get_content()
    assert [one["email"] for one in ok(it.ask("owner", "GET", "/api/v1/invitations"))["invitations"]] == [
        "carla@example.org"
    ]
    it.client.cookies.clear()
    assert ok(it.client.post("/api/v1/invitations/look", json={"secret": secret})) == {
        "team": "main", "email": "carla@example.org", "role": "member",
    }  # fmt: skip
    page = it.client.get(f"/invitation?secret={secret}")
    assert page.status_code == 200 and "carla@example.org" in page.text
    body = {"secret": secret, "name": "Carla", "password": NEW_PASSWORD}
    joined = it.client.post("/api/v1/invitations/accept", json=body)
    told = ok(joined)
    assert told == {"person": told["person"], "email": "carla@example.org", "team": "main", "role": "member",
                    "before": None}  # fmt: skip
    assert ok(it.client.get("/api/v1/me"))["name"] == "Carla"
    it.client.cookies.clear()
    gone = it.client.get(f"/invitation?secret={secret}")
    assert gone.status_code == 404 and "Ask who invited you for another one" in gone.text
    again = it.client.post("/api/v1/invitations/accept", json=body)
    assert (again.status_code, again.json()["error"]["code"]) == (404, "link_not_good")
    what = [(entry["what"], entry["who_name"]) for entry in it.audit()][:3]
    assert ("invitation.accepted", "carla@example.org") in what and secret not in str(it.audit())


def test_a_member_who_accepts_is_told_what_became_of_their_role(it: House) -> None:
    ok(it.ask("owner", "POST", "/api/v1/invitations", {"email": "emil@example.org", "role": "read_only"}), 201)
    form = {"secret": secret_in_mail(it, "emil@example.org", "invitation"), "password": NEW_PASSWORD}
    it.client.cookies.clear()
    assert it.client.post("/invitation", data=form, follow_redirects=False).status_code == 303
    signed_in = dict(it.client.cookies)

    def invited(role: str) -> dict[str, str]:
        it.client.cookies.clear()
        made = ok(it.ask("owner", "POST", "/api/v1/invitations", {"email": "emil@example.org", "role": role}), 201)
        it.client.cookies.clear()
        it.client.cookies.update(signed_in)
        return {"secret": made["link"].partition("secret=")[2]}

    raised = it.client.post("/invitation", data=invited("member"))
    assert "Your role there was read only, and is member now." in raised.text
    kept = it.client.post("/invitation", data=invited("read_only"))
    assert kept.status_code == 200 and "Your role there is member, as it was" in kept.text
    told = ok(it.client.post("/api/v1/invitations/accept", json=invited("admin")))
    assert (told["before"], told["role"]) == ("member", "admin")


def test_somebody_joins_and_chooses_passwords_without_javascript(it: House) -> None:
    ok(it.ask("owner", "POST", "/api/v1/invitations", {"email": "dora@example.org", "role": "read_only"}), 201)
    secret = secret_in_mail(it, "dora@example.org", "invitation")
    it.client.cookies.clear()
    weak = it.client.post("/invitation", data={"secret": secret, "name": "Dora", "password": "short"})
    assert weak.status_code == 400 and 'role="alert"' in weak.text
    form = {"secret": secret, "name": "Dora", "password": NEW_PASSWORD}
    assert it.client.post("/invitation", data=form, follow_redirects=False).headers["location"] == "/"
    assert "Dora" in it.client.get("/account").text
    it.client.cookies.clear()
    asked = it.client.post("/password-reset", data={"email": "dora@example.org"})
    unknown = it.client.post("/password-reset", data={"email": "nobody@example.org"})
    assert asked.status_code == unknown.status_code == 200 and asked.text == unknown.text
    reset = secret_in_mail(it, "dora@example.org", "password-reset")
    assert 'name="secret"' in it.client.get(f"/password-reset?secret={reset}").text
    form = {"secret": reset, "password": NEW_PASSWORD + "!"}
    assert (
        it.client.post("/password-reset/set", data=form, follow_redirects=False).headers["location"]
        == "/sign-in?after=password"
    )
    again = it.client.post("/password-reset/set", data=form)
    assert again.status_code == 404 and "Send me another link" in again.text
    assert it.client.get(f"/password-reset?secret={reset}").status_code == 404
    for password, status in ((NEW_PASSWORD, 401), (NEW_PASSWORD + "!", 303)):
        form = {"email": "dora@example.org", "password": password}
        assert it.client.post("/sign-in", data=form, follow_redirects=False).status_code == status
    assert mails(it, "nobody@example.org") == []


def waits(answer: Any) -> str:
    """The page of who has to wait, which says how long."""
    assert answer.status_code == 429, answer.text
    seconds = int(answer.headers["retry-after"])
    assert f"have failed; wait {seconds} s, then try again." in answer.text
    return str(answer.text)


def test_who_has_to_wait_keeps_the_form_or_the_link_and_is_told_how_long(it: House) -> None:
    invitation = ok(it.ask("owner", "POST", "/api/v1/invitations", {"email": "w@example.org"}), 201)["link"]
    secret = invitation.partition("secret=")[2]
    it.client.cookies.clear()
    for number in range(10):
        it.client.get("/invitation", params={"secret": f"guess {number}"})
    asked = waits(it.client.post("/password-reset", data={"email": "w@example.org"}))
    assert '<form action="/password-reset" method="post">' in asked and 'value="w@example.org"' in asked
    assert '<form action="/sign-in" method="post">' in waits(it.client.post("/sign-in", data={"token": "guess"}))
    for path, form in (("invitation", "/invitation"), ("password-reset", "/password-reset/set")):
        again = f'href="/{path}?secret={secret}"'
        assert again in waits(it.client.get(f"/{path}", params={"secret": secret}))
        assert again in waits(it.client.post(form, data={"secret": secret, "password": NEW_PASSWORD}))
    it.reading.clock.advance(2)
    assert it.client.get("/invitation", params={"secret": secret}).status_code == 200


def test_a_wait_of_minutes_is_told_in_minutes(it: House) -> None:
    it.client.cookies.clear()
    pages = []
    for number in range(34):
        answer = it.client.get("/password-reset", params={"secret": f"guess {number}"})
        pages.append(answer.text)
        it.reading.clock.advance(int(answer.headers.get("retry-after", 0)))
    assert any("wait 5 minutes, then try again" in page for page in pages), pages[-1]


def test_who_has_no_app_is_told_what_to_do(it: House) -> None:
    for says in ("Ask an admin of your team", "logkeep admin app create NAME --team new"):
        answer = it.ask("nobody", "GET", "/app/", Accept="text/html")
        assert (answer.status_code, says in answer.text, "/sign-out" in answer.text) == (403, True, True), says
        if "Ask" in says:
            it.directory.teams.create(CONSOLE, name="new", title_="New", owner=it.people["nobody"])
    assert it.ask("nobody", "GET", "/account", Accept="text/html").status_code == 200


def test_the_account_page_does_what_the_api_does(it: House) -> None:
    it.client.cookies.clear()
    it.client.cookies.set("logkeep", it.cookie("read_only"))
    page = {"Accept": "text/html"}

    def do(**form: str) -> Any:
        return it.client.post("/account", data=form, headers=page, follow_redirects=False)

    assert "Your name was changed" in do(do="name", name="Rudi").text
    assert do(do="password", password="wrong", new=NEW_PASSWORD).status_code == 403
    shown = do(do="totp", password=ADMIN_PASSWORD).text
    secret = re.search(r"<code>([A-Z2-7]{32})</code>", shown)
    assert secret is not None
    code = pyotp.TOTP(secret[1]).at(it.reading.clock.now_ns() // NS_PER_S)
    confirmed = do(do="totp-confirm", code=code).text
    assert len(re.findall(r"[0-9a-f]{8}-[0-9a-f]{8}", confirmed)) == 10
    assert "No code is asked" in do(do="totp-remove", password=ADMIN_PASSWORD).text
    changed = do(do="password", password=ADMIN_PASSWORD, new=NEW_PASSWORD)
    assert "Your password was changed" in changed.text and it.client.get("/api/v1/me").status_code == 200
    assert do(do="nothing known").status_code == 400
    unknown = do(do="end", sign_in="sig_none")
    assert unknown.status_code == 404 and "That sign-in has ended" not in unknown.text
    it.cookie("read_only")
    other = next(one for one in it.client.get("/api/v1/me/sign-ins").json()["sign_ins"] if not one["current"])["id"]
    assert "That sign-in has ended" in do(do="end", sign_in=other).text
    assert it.audit("sign_in.ended")[0]["detail"] == {"email": it.emails["read_only"], "sign_in": other}
    assert do(do="end-all").headers["location"] == "/sign-in?after=everywhere"
    assert it.client.get("/account", headers=page, follow_redirects=False).status_code == 303


# ── people of the installation ────────────────────────────────────────────────────────────────────────────────────────


def test_an_owner_of_the_installation_disables_signs_out_and_removes_second_factors(it: House) -> None:
    people = {one["email"]: one for one in ok(it.ask("owner", "GET", "/api/v1/people"))["people"]}
    stranger = people[it.emails["stranger"]]
    assert (stranger["person"], stranger["disabled"], stranger["totp"]) == (it.people["stranger"], False, False)
    it.directory.teams.add(CONSOLE, "other", it.people["owner"], "owner")  # one must stay
    place, cookie = f"/api/v1/people/{stranger['person']}", it.as_("stranger")

    def is_in() -> bool:
        it.client.cookies.clear()
        return bool(it.client.get("/api/v1/me", headers=cookie).status_code == 200)

    assert is_in()
    ok(it.ask("owner", "DELETE", place + "/sign-ins"), 204)
    assert not is_in()
    assert ok(it.ask("owner", "PATCH", place, {"disabled": True}))["disabled"]
    assert it.ask("stranger", "GET", "/api/v1/me").status_code == 401
    assert not ok(it.ask("owner", "PATCH", place, {"disabled": False}))["disabled"]
    ok(it.ask("stranger", "GET", "/api/v1/me"))
    by, totp = Actor(stranger["person"], "stranger"), it.directory.totp
    device = pyotp.TOTP(totp.enrol(by, stranger["person"])[0])
    totp.confirm(by, stranger["person"], device.at(it.reading.clock.now_ns() // NS_PER_S))
    ok(it.ask("owner", "DELETE", place + "/totp"), 204)
    assert not it.directory.people.get(stranger["person"]).totp
    for what in ("person.disabled", "person.enabled", "person.signed_out_everywhere", "totp.removed"):
        (entry, *_) = it.directory.audit.list(Wanted(teams=("",), what=what))
        assert (entry.who, entry.target) == (it.people["owner"], stranger["person"]), what


def test_nobody_disables_themselves(it: House) -> None:
    me = f"/api/v1/people/{it.people['owner']}"
    assert it.ask("owner", "PATCH", me, {"disabled": True}).status_code == 403
    assert it.ask("owner", "DELETE", me + "/totp").status_code == 403
    assert it.ask("owner", "PATCH", "/api/v1/people/per_none", {"disabled": True}).status_code == 404


def test_a_mail_that_cannot_be_sent_is_told_to_whoever_invites(it: House, monkeypatch: pytest.MonkeyPatch) -> None:
    class Refusing:
        def send(self, message: Any) -> None:
            raise InputError("no such mailbox")

    def waiting(email: str) -> dict[str, Any]:
        listed = ok(it.ask("owner", "GET", "/api/v1/invitations"))["invitations"]
        found: dict[str, Any] = next(one for one in listed if one["email"] == email)
        return found

    def invite(email: str, state: str) -> dict[str, Any]:
        made = ok(it.ask("owner", "POST", "/api/v1/invitations", {"email": email}), 201)
        assert made["mail"] == "waiting"
        wait_for(lambda: waiting(email)["mail"] == state, 20, f"the mail to be {state}")
        return waiting(email)

    outbox = it.reading.app.state.context.outbox
    with monkeypatch.context() as patch:
        patch.setattr(outbox, "_mail", Refusing())
        assert invite("zoe@example.org", "failed")["mail_error"] == "no such mailbox"
        ok(it.ask("no key", "POST", "/api/v1/password-resets", {"email": " Stranger@logkeep.test"}), 202)
        place = "/api/v1/audit?team=other&what=mail.failed"  # as one who is in that team is known, in whatever letters
        wait_for(lambda: len(ok(it.ask("stranger", "GET", place))["audit"]) == 1, 20, "an entry")
    assert invite("zoe@example.org", "sent")["mail_error"] is None


def test_a_key_that_somebody_has_changed_is_neither_rotated_nor_revoked_unseen(it: House) -> None:
    made = ok(it.ask("owner", "POST", "/api/v1/apps/shop/keys", {"name": "seen"}), 201)
    place = f"/api/v1/apps/shop/keys/{made['key']}"
    ok(it.ask("owner", "PATCH", place, {"name": "changed"}))
    for method, path, body in (("POST", f"{place}/rotate", {}), ("DELETE", place, None)):
        answer = it.ask("owner", method, path, body, **{"If-Match": '"1"'})
        assert (answer.status_code, answer.json()["error"]["code"]) == (409, "conflict")
    ok(it.ask("owner", "POST", f"{place}/rotate", {}, **{"If-Match": '"2"'}), 201)
    ok(it.ask("owner", "DELETE", place, None, **{"If-Match": '"3"'}), 204)
