"""What somebody would try who wants more than is theirs."""

import statistics
import time
from collections.abc import Iterator
from typing import Any

import pyotp
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.accounts import BASE, House, house
from tests.reading import ADMIN_EMAIL, ADMIN_PASSWORD, make_event

from logkeep.api.routes import ROUTES
from logkeep.api.sign_ins import COOKIE
from logkeep.clock import NS_PER_S
from logkeep.metastore import passwords
from logkeep.metastore.audit import CONSOLE

FOREIGN = ({"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}, {"Origin": "null"})
HOSTILE = (
    "' OR '1'='1", "'; DROP TABLE people; --", '" OR ""="', "\\'; --", "%' --", "a\0b", "\ud800", "x" * 3000,
    "🦊" * 300, "{{7*7}}", "<script>", "../../etc/passwd", "a\r\nBcc: eve@evil.example", "-1", "NULL",
    ":name", "%(name)s", "${x}",
)  # fmt: skip


@pytest.fixture(scope="module")
def it() -> Iterator[House]:
    with house() as made:
        made.reading.write([make_event(index, "a secret of the shop") for index in range(3)])
        yield made


@pytest.fixture(autouse=True)
def nobody_waits(it: House) -> None:
    it.reading.database.write(lambda transaction: transaction.change("DELETE FROM attempts"))


def sign_in(it: House, email: str, password: str) -> Any:
    it.client.cookies.clear()
    return it.client.post("/api/v1/sign-in", json={"email": email, "password": password})


# ── guessing ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_passwords_cannot_be_tried_one_after_another(it: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passwords, "is_password", lambda password, kept: password == ADMIN_PASSWORD)  # not its time
    statuses = [sign_in(it, ADMIN_EMAIL, f"guess {number}").status_code for number in range(8)]
    assert statuses == [401] * 5 + [429] * 3
    blocked = sign_in(it, ADMIN_EMAIL, ADMIN_PASSWORD)  # also with the right one: nobody learns that it was
    assert blocked.status_code == 429 and 1 <= int(blocked.headers["retry-after"]) <= 900
    it.reading.clock.advance(int(blocked.headers["retry-after"]))
    assert sign_in(it, ADMIN_EMAIL, ADMIN_PASSWORD).status_code == 200


def test_many_accounts_cannot_be_tried_from_one_address(it: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passwords, "is_password", lambda password, kept: False)
    statuses = [sign_in(it, f"person-{number}@example.org", "123456").status_code for number in range(30)]
    assert statuses.index(429) == 10 and set(statuses[10:]) == {429}


def test_codes_of_the_second_step_cannot_be_tried_one_after_another(it: House) -> None:
    person = it.people["member"]
    it.directory.totp.enrol(CONSOLE, person)
    it.reading.database.write(lambda t: t.change("UPDATE people SET totp = totp_pending WHERE id = :id", id=person))
    assert sign_in(it, it.emails["member"], ADMIN_PASSWORD).json() == {"step": "totp"}
    answers = [it.client.post("/api/v1/sign-in/totp", json={"code": f"{number:06}"}) for number in range(8)]
    secret = it.directory.people.get(person).totp
    right = pyotp.TOTP(secret).at(it.reading.clock.now_ns() // NS_PER_S)
    if right not in {f"{number:06}" for number in range(8)}:
        assert {answer.status_code for answer in answers} <= {401, 429}
        assert it.client.post("/api/v1/sign-in/totp", json={"code": right}).status_code in (401, 429)
    it.directory.totp.remove(CONSOLE, person)


def test_the_time_of_an_answer_does_not_tell_who_exists(it: House) -> None:
    """The work is the same: a hash is looked at for those who do not exist too."""
    seen: list[str] = []
    real = passwords.is_password

    def watch(password: str, kept: str) -> bool:
        seen.append(kept)
        return real(password, kept)

    passwords.is_password = watch  # type: ignore[assignment]
    try:
        took: dict[str, list[float]] = {"known": [], "unknown": []}
        for number in range(3):
            for who, email in (("known", ADMIN_EMAIL), ("unknown", f"nobody-{number}@example.org")):
                began = time.process_time()
                assert sign_in(it, email, "wrong").status_code == 401
                took[who].append(time.process_time() - began)
    finally:
        passwords.is_password = real  # type: ignore[assignment]
    assert len(seen) == 6 and seen.count("") == 3
    assert statistics.median(took["unknown"]) > 0  # what they took is not asserted: the machine is not quiet


def test_secrets_are_looked_up_by_hash_and_compared_without_telling_how_far(it: House) -> None:
    with open(it.reading.database_file.with_name("metastore.db"), "rb") as file:
        content = file.read() + it.reading.database_file.read_bytes()
    for secret in it.tokens.values():
        assert secret.encode() not in content
    assert it.cookie("owner").encode() not in content and ADMIN_PASSWORD.encode() not in content


# ── sessions and forms ────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_cookie_that_was_put_there_before_is_worth_nothing_after_signing_in(it: House) -> None:
    fixed, of_eve = "A" * 43, it.cookie("stranger")
    for planted in (fixed, of_eve):
        it.client.cookies.clear()
        answer = it.client.post(
            "/api/v1/sign-in", json={"email": ADMIN_EMAIL, "password": ADMIN_PASSWORD},
            headers={"Cookie": f"{COOKIE}={planted}"},
        )  # fmt: skip
        assert answer.status_code == 200 and answer.cookies[COOKIE] != planted
        it.client.cookies.clear()
        assert it.client.get("/api/v1/me", headers={"Cookie": f"{COOKIE}={planted}"}).status_code == 401


def test_nothing_is_changed_by_a_page_of_another_site(it: House) -> None:
    changing = [route for route in ROUTES if route.method not in ("GET", "HEAD")]
    assert len(changing) > 30
    let_in = []
    for route in changing:
        path = route.path.replace("{app}", "shop").replace("{team}", "main")
        for name in ("key", "token", "person", "invitation", "sign_in", "job"):
            path = path.replace(f"{{{name}}}", "none")
        for headers in FOREIGN:
            answer = it.ask("owner", route.method, path, {}, **headers)
            if (answer.status_code, answer.json()["error"]["code"]) != (403, "foreign_origin"):
                let_in.append((route.method, route.path, headers, answer.status_code))
    assert let_in == []
    own = it.ask("owner", "PATCH", "/api/v1/me", {"name": "The owner"}, Origin=BASE)
    assert own.status_code == 200
    token = it.ask("admin token", "PATCH", "/api/v1/apps/shop", {"title": "shop"}, Origin="https://elsewhere.example")
    assert token.status_code == 200  # no browser adds that header by itself


def test_json_that_a_form_could_send_is_refused_from_another_site(it: House) -> None:
    headers = {"Content-Type": "text/plain", "Origin": "https://evil.example", **it.as_("owner")}
    answer = it.client.post("/api/v1/tokens", content=b'{"name":"x","scopes":["admin"]}', headers=headers)
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "foreign_origin")


def test_links_in_mails_lead_here_whatever_the_request_says(it: House) -> None:
    host = {"Host": "evil.example", "X-Forwarded-Host": "evil.example", "Forwarded": "host=evil.example"}
    answer = it.ask("owner", "POST", "/api/v1/invitations", {"email": "frida@example.org"}, **host)
    assert answer.status_code == 201 and answer.json()["link"].startswith("http://127.0.0.1:7301/invitation?secret=")


# ── bodies ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_members_that_a_call_does_not_know_are_refused(it: House) -> None:
    app, key = "/api/v1/apps/shop", "/api/v1/apps/shop/keys"
    for method, path, body in (
        ("PATCH", "/api/v1/me", {"name": "x", "id": "per_owner"}),
        ("PATCH", "/api/v1/me", {"email": "owner@logkeep.test"}),
        ("PATCH", "/api/v1/me", {"role": "owner"}),
        ("PATCH", "/api/v1/me", {"password": {"new": "a long enough one", "current": "", "totp": ""}}),
        ("PATCH", app, {"team": "other"}),
        ("PATCH", app, {"title": "x", "name": "other"}),
        ("POST", "/api/v1/apps", {"app": "mine", "team": "other"}),
        ("POST", key, {"name": "x", "app": "other"}),
        ("POST", key, {"name": "x", "secret": "lkw_chosen"}),
        ("POST", "/api/v1/tokens", {"name": "x", "scopes": ["read"], "person": "per_owner"}),
        ("POST", "/api/v1/tokens", {"name": "x", "scopes": ["read"], "team": "other"}),
        ("POST", "/api/v1/invitations", {"email": "x@example.org", "team": "other"}),
        ("PATCH", f"/api/v1/members/{it.people['member']}", {"person": "per_owner"}),
        ("POST", "/api/v1/password-resets", {"email": "x@example.org", "link": "https://evil.example"}),
    ):
        answer = it.ask("admin", method, path, body)
        assert answer.status_code == 400, (method, path, body, answer.text)


def test_somebody_with_a_role_cannot_give_themselves_more(it: House) -> None:
    for who, role in (("member", "owner"), ("read_only", "member"), ("admin", "owner"), ("widened", "admin")):
        answer = it.ask(who, "PATCH", f"/api/v1/members/{it.people[who]}", {"role": role})
        assert answer.status_code == 403, (who, answer.text)
    invited = it.ask("admin", "POST", "/api/v1/invitations", {"email": "me-again@example.org", "role": "owner"})
    assert invited.status_code == 403
    own = it.ask("admin", "PATCH", f"/api/v1/members/{it.people['admin']}", {"app_roles": {"other": "admin"}})
    assert own.status_code == 404  # an app of another team


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_no_field_reaches_the_database_as_more_than_a_text(it: House, text: str) -> None:
    """Whatever it is: an answer below 500, and afterwards all tables are as they were."""
    before = [len(it.directory.people.all()), len(it.directory.teams.some())]
    safe, member, password = text.encode("utf-8", "surrogatepass"), it.people["member"], "a long enough password"
    bodies = (
        ("POST", "/api/v1/sign-in", {"email": text, "password": text}),
        ("POST", "/api/v1/sign-in", {"token": text}),
        ("POST", "/api/v1/sign-in/totp", {"code": text[:100]}),
        ("POST", "/api/v1/password-resets", {"email": text[:254]}),
        ("POST", "/api/v1/password-resets/set", {"secret": text[:200], "password": password}),
        ("POST", "/api/v1/invitations/look", {"secret": text[:200]}),
        ("POST", "/api/v1/invitations", {"email": text[:254], "role": text[:40]}),
        ("POST", "/api/v1/invitations", {"email": f"{text[:40]}@example.org"}),
        ("POST", "/api/v1/apps", {"app": text[:200], "title": text[:200]}),
        ("POST", "/api/v1/teams", {"team": text[:200], "title": text[:200]}),
        ("POST", "/api/v1/apps/shop/keys", {"name": text[:200] + "\n", "origins": [text]}),
        ("POST", "/api/v1/tokens", {"name": "x", "scopes": [text]}),
        ("PATCH", f"/api/v1/members/{member}", {"role": text[:40]}),
        ("PATCH", f"/api/v1/members/{member}", {"app_roles": {text[:255]: "none"}}),
    )
    if "\ud800" not in text:
        for method, path, body in bodies:
            assert it.ask("owner", method, path, body).status_code < 500, (method, path)
    quoted = "".join(f"%{byte:02x}" for byte in safe[:600])
    for path in (
        f"/api/v1/apps/{quoted}", f"/api/v1/apps/shop/keys/{quoted}/rotate", f"/api/v1/members/{quoted}",
        f"/api/v1/tokens/{quoted}", f"/api/v1/invitations/{quoted}", f"/api/v1/me/sign-ins/{quoted}",
        f"/api/v1/audit?who={quoted}&what={quoted}&app={quoted}", f"/api/v1/search?app={quoted}",
        f"/api/v1/members?team={quoted}", f"/invitation?secret={quoted}", f"/sign-in/oidc/callback?state={quoted}",
    ):  # fmt: skip
        for method in ("GET", "DELETE", "PATCH", "POST"):
            answer = it.ask("owner", method, path, {} if method in ("PATCH", "POST") else None)
            assert answer.status_code < 500, (method, path, answer.text)
    for headers in ({"If-Match": "'; --"}, {"User-Agent": text[:200].encode("ascii", "replace").decode()}):
        headers = {name: "".join(c for c in value if c.isprintable()) for name, value in headers.items()}
        assert it.ask("owner", "PATCH", "/api/v1/apps/shop", {}, **headers).status_code < 500
    assert [len(it.directory.people.all()), len(it.directory.teams.some())] == before
    assert it.directory.audit.verify().broken == 0


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"null", b"{", b"\xff", b"[" * 5000, b'{"name":' + b"1" * 400 + b"}", b'"x"']
)
def test_a_body_that_is_none_is_a_400(it: House, body: bytes) -> None:
    for path in ("/api/v1/apps", "/api/v1/tokens", "/api/v1/sign-in", "/api/v1/invitations/accept"):
        answer = it.client.post(path, content=body, headers={"Content-Type": "application/json", **it.as_("owner")})
        assert answer.status_code == 400, (path, answer.text)
    large = b'{"name":"' + b"x" * 100_000 + b'"}'
    assert it.client.post("/api/v1/apps", content=large, headers=it.as_("owner")).status_code == 413


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b'{"title":"x","revision":"1"}', "revision: it takes a whole number or null, not a text"),
        (b'{"title":"x","archived":"true"}', "archived: it takes true or false or null, not a text"),
        (b'{"title":"x","revision":1e999}', "revision: number out of range"),
        (b'{"title":"x","id":1}', "body: object contains unknown field `id`"),
        (b'{"title":1}x', "title: it takes a text or null, not a whole number"),
        (b'{"title":"x"}x', "body: JSON is malformed: trailing characters (byte 14)"),
        (b'{"title"', "body: input data was truncated"),
        (b"[]", "body: it takes an object, not a list"),
    ],
)
def test_what_is_wrong_in_a_body_is_told_with_its_place(it: House, body: bytes, message: str) -> None:
    answer = it.client.patch("/api/v1/apps/shop", content=body, headers=it.as_("owner"))
    assert (answer.status_code, answer.json()["error"]) == (400, {"code": "bad_input", "message": message})


# ── ids of others ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_ids_of_another_team_lead_nowhere(it: House) -> None:
    key, _ = it.directory.keys.create(CONSOLE, "shop", name="a sender")
    token, _ = it.directory.tokens.create(
        CONSOLE, team="main", app="", person="", name="t", scopes=["read"], expires_s=None
    )
    invitation, _ = it.directory.links.invite(CONSOLE, team="main", email="gerd@example.org", role="member")
    sign_in = it.directory.sign_ins.of_person(it.people["owner"]) or pytest.fail("no sign-in")
    person = it.people["member"]
    tries = [
        ("DELETE", f"/api/v1/apps/other/keys/{key.id}", None),
        ("PATCH", f"/api/v1/apps/other/keys/{key.id}", {"name": "x"}),
        ("POST", f"/api/v1/apps/other/keys/{key.id}/rotate", {}), ("DELETE", f"/api/v1/apps/shop/keys/{key.id}", None),
        ("DELETE", f"/api/v1/tokens/{token.id}", None), ("DELETE", f"/api/v1/tokens/{token.id}?team=main", None),
        ("DELETE", f"/api/v1/invitations/{invitation.id}", None),
        ("DELETE", f"/api/v1/invitations/{invitation.id}?team=main", None),
        ("PATCH", f"/api/v1/members/{person}", {"role": "owner"}), ("DELETE", f"/api/v1/members/{person}", None),
        ("PATCH", f"/api/v1/members/{person}?team=main", {"role": "owner"}),
        ("DELETE", f"/api/v1/me/sign-ins/{sign_in[0].id}", None), ("PATCH", "/api/v1/apps/shop", {"archived": True}),
        ("GET", "/api/v1/apps/shop/keys", None), ("GET", "/api/v1/members?team=main", None),
        ("GET", "/api/v1/audit?team=main", None), ("PATCH", "/api/v1/teams/main", {"title": "mine"}),
    ]  # fmt: skip
    for method, path, body in tries:
        answer = it.ask("stranger", method, path, body)
        assert answer.status_code == 404, (method, path, answer.text)
    assert [one.id for one in it.directory.keys.list("shop") if one.id == key.id] == [key.id]
    assert token.id in {one.id for one in it.directory.tokens.list("main")}


def names(found: Any) -> str:
    return found.text.lower()


OURS = (
    "a secret of the shop",
    "shop",
    "main",
    "per_owner",
    "tok_admin",
    "key_shop",
    "admin@localhost",
    "@logkeep.test",
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    who=st.sampled_from(["stranger", "other token"]),
    route=st.sampled_from(
        [r for r in ROUTES if r.method == "GET" and r.path != "/api/v1/tail" and "static" not in r.path]
    ),
    query=st.sampled_from(
        ["", "shop", "secret", "app:shop", "app=shop", "*", "level:error", "user:u-1 or not user:u-1"]
    ),
    extra=st.dictionaries(
        st.sampled_from(["app", "team", "who", "q", "fields", "by"]), st.sampled_from(["other", "level"])
    ),
    place=st.sampled_from(["id-0001", "s-1", "other", "u-1"]),
)
def test_nobody_sees_rows_counts_keys_or_names_of_another_team(
    it: House, who: str, route: Any, query: str, extra: dict[str, str], place: str
) -> None:
    path = "/".join(place if part.startswith("{") else part for part in route.path.split("/"))
    known = route.parameters
    asked = (
        {"query": query, **extra}
        if known is None
        else {n: v for n, v in {"query": query, **extra}.items() if n in known}
    )
    answer = it.client.get(path, params=asked, headers={"Accept": "*/*", **it.as_(who)}, follow_redirects=False)
    assert answer.status_code < 500, answer.text
    text = names(answer)
    for own in (query, place, *extra.values(), it.emails["stranger"]):  # the asker's own words
        text = text.replace(own.lower(), "") if own else text
    if route.path in ("/metrics", "/api/openapi.json", "/sign-in") or route.path.startswith("/health"):
        return  # open to everybody, and of no team
    # The first team of every installation has this name, and runs it: who may not is told so.
    is_word = "<main" in text or "domain" in text or route.of == "installation"
    found = [ours for ours in OURS if ours in text and not (ours == "main" and is_word)]
    assert found == [], (who, path, asked, answer.text[:500])
    if answer.headers["content-type"] == "application/json" and answer.status_code == 200:
        for name, value in answer.json().items():
            if name in ("events", "sessions", "devices", "users", "patterns", "rows", "rejected", "senders"):
                assert value in ([], {}, 0), (path, asked)  # of patterns it is their number
        if route.path == "/api/v1/ledger":
            assert not any(answer.json().values())
