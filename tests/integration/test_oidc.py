"""Signing in with an OpenID provider: a real one, asked as a browser does it."""

import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import msgspec
import pytest
import tests.servers.oidc
from litestar.testing import TestClient
from tests.reading import ADMIN_EMAIL, NOW_NS, OWNER, Reading
from tests.servers.oidc import CLIENT_ID, CLIENT_SECRET
from tests.servers.process import ServerProcess

from logkeep.clock import NS_PER_S
from logkeep.metastore.audit import CONSOLE, Wanted
from logkeep.settings import Api, OidcSettings, Settings

BASE = "http://logkeep.test"
CALLBACK = f"{BASE}/sign-in/oidc/callback"
CLAIMS: dict[str, dict[str, Any]] = {
    "owner": {"email": ADMIN_EMAIL.replace("localhost", "example.org"), "email_verified": True, "name": "The owner"},
    "anna": {"email": "Anna@Example.org", "email_verified": True, "name": "Änna", "groups": ["logs", "all"]},
    "bert": {"email": "bert@example.org", "email_verified": True, "groups": ["all"]},
    "eve": {"email": "anna@example.org", "email_verified": False, "groups": ["logs"]},
    "mallory": {"email": "mallory@evil.example", "email_verified": True, "groups": ["logs"]},
    "second": {"email": "anna@example.org", "email_verified": True, "groups": ["logs"]},
}


@pytest.fixture(scope="module")
def provider() -> Iterator[ServerProcess]:
    with tests.servers.oidc.running(CALLBACK, CLAIMS) as started:
        yield started


class There:
    """An API that knows the provider, and one browser."""

    def __init__(self, client: TestClient[Any], reading: Reading) -> None:
        self.client, self.reading = client, reading
        self.outside = httpx.Client(follow_redirects=False, timeout=30)

    def leave(self, next: str = "/search") -> str:
        """The address at the provider to which the browser is sent."""
        answer = self.client.get("/sign-in/oidc", params={"next": next}, follow_redirects=False)
        assert answer.status_code == 303, answer.text
        return answer.headers["location"]

    def return_of(self, address: str, login: str) -> str:
        """Path and query with which the provider sends back whoever signs in there as `login`."""
        answer = self.outside.get(address)
        while not (location := answer.headers["location"]).startswith(CALLBACK):
            if "/interaction/" in location:
                location += f"?login={login}"
            answer = self.outside.get(httpx.URL(address).join(location))
            assert answer.status_code in (302, 303), answer.text
        return location.removeprefix(BASE)

    def sign_in(self, login: str) -> httpx.Response:
        self.outside.cookies.clear()
        self.client.cookies.clear()
        return self.back(self.return_of(self.leave(), login))

    def back(self, path: str) -> httpx.Response:
        return self.client.get(path, headers={"Accept": "text/html"}, follow_redirects=False)

    def me(self) -> dict[str, Any]:
        found: dict[str, Any] = self.client.get("/api/v1/me").json()
        return found

    def refused(self) -> list[str]:
        """With which addresses, as the audit log tells."""
        self.reading.app.state.context.auditing.flush()
        rows = self.reading.directory.audit.list(Wanted(teams=("",), what="sign_in.failed"))
        told = [msgspec.json.decode(row.detail) for row in rows]
        assert all(one["how"] == "oidc" for one in told)
        return [one["email"] for one in told]


@pytest.fixture
def it(provider: ServerProcess, request: pytest.FixtureRequest) -> Iterator[There]:
    given = {"issuer": provider.url, "client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}
    given |= {"domains": "example.org", "claim": "groups=logs", "team": "main", "role": "member"}
    oidc = msgspec.convert(given | getattr(request, "param", {}), OidcSettings)
    reading = Reading(Settings(api=Api(public_url=BASE), oidc=oidc))
    reading.clock.jump((time.time_ns() - NOW_NS) / NS_PER_S)  # the provider's tokens are of now
    with TestClient(reading.app, base_url=BASE) as client:
        yield There(client, reading)


def test_somebody_new_of_the_right_domain_and_group_joins_the_team(it: There) -> None:
    answer = it.sign_in("anna")
    assert (answer.status_code, answer.headers["location"]) == (303, "/search")
    me = it.me()
    assert (me["email"], me["name"], me["password"]) == ("anna@example.org", "Änna", False)
    assert [(team["team"], team["scopes"]) for team in me["teams"]] == [("main", ["edit", "read"])]
    again = it.sign_in("anna")
    assert again.status_code == 303 and it.me()["id"] == me["id"]


def test_who_begins_often_and_never_comes_back_waits(it: There) -> None:
    for _ in range(60):
        it.leave()
    answer = it.client.get("/sign-in/oidc", follow_redirects=False)
    assert answer.status_code == 429 and int(answer.headers["retry-after"]) >= 1 and "wait" in answer.text
    it.reading.clock.advance(2)
    assert it.sign_in("anna").status_code == 303


def test_what_is_asked_of_the_provider_cannot_be_used_by_others(it: There) -> None:
    address = it.leave()
    asked = {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}
    assert (asked["response_type"], asked["code_challenge_method"], asked["redirect_uri"]) == ("code", "S256", CALLBACK)
    assert len(asked["state"]) >= 32 and len(asked["nonce"]) >= 32 and asked["state"] != asked["nonce"]
    assert CLIENT_SECRET not in address
    path = it.return_of(address, "anna")
    forged = path.replace(f"state={asked['state']}", "state=forged")
    assert it.back(forged).status_code == 401  # begun by somebody else
    cookies = dict(it.client.cookies)
    it.client.cookies.clear()
    assert it.back(path).status_code == 401  # in another browser: nobody signs others in as themselves
    it.client.cookies.update(cookies)
    assert it.back(path).status_code == 303
    it.client.cookies.update(cookies)
    assert it.back(path).status_code == 401  # and once


@pytest.mark.parametrize(
    ("login", "why"),
    [
        ("bert", "does not say groups=logs"),
        ("mallory", "evil.example do not sign in here"),
        ("eve", "does not say that your e-mail address is yours"),
    ],
)
def test_who_is_not_as_the_settings_want_is_told_why(it: There, login: str, why: str) -> None:
    answer = it.sign_in(login)
    assert (answer.status_code, why in answer.text) == (403, True) and "logkeep" not in it.client.cookies
    assert it.client.get("/api/v1/me").status_code == 401
    assert it.refused() == [CLAIMS[login]["email"]]


@pytest.mark.parametrize("it", [{"team": "nosuch"}], indirect=True)
def test_without_the_team_of_newcomers_nobody_is_made(it: There) -> None:
    for _ in range(2):
        answer = it.sign_in("anna")
        assert answer.status_code == 404 and "no team &#39;nosuch&#39;" in answer.text
    assert it.reading.directory.people.by_email("anna@example.org") is None


@pytest.mark.parametrize("it", [{"team": "", "domains": "", "claim": ""}], indirect=True)
def test_without_a_team_only_people_who_are_known_are_let_in(it: There) -> None:
    refused = it.sign_in("anna")
    assert refused.status_code == 403 and "ask an admin to invite you" in refused.text
    change = "UPDATE people SET email = 'admin@example.org' WHERE id = :id"
    it.reading.database.write(lambda transaction: transaction.change(change, id=OWNER))
    assert it.sign_in("owner").status_code == 303 and it.me()["id"] == OWNER


@pytest.mark.parametrize("it", [{"claim": ""}], indirect=True)
def test_an_address_that_moved_to_somebody_else_at_the_provider_gives_them_nothing(it: There) -> None:
    assert it.sign_in("anna").status_code == 303
    assert it.sign_in("second").status_code == 403


def test_a_person_who_is_disabled_is_not_let_in_by_the_provider_either(it: There) -> None:
    assert it.sign_in("anna").status_code == 303
    by, anna = it.reading.directory.people, it.me()["id"]
    by.set_disabled(CONSOLE, anna, True)
    assert it.sign_in("anna").status_code == 403 and it.refused() == ["anna@example.org"]
    by.set_disabled(CONSOLE, anna, False)
    it.reading.directory.totp.enrol(CONSOLE, anna)
    it.reading.database.write(
        lambda transaction: transaction.change("UPDATE people SET totp = totp_pending WHERE id = :id", id=anna)
    )
    step = it.sign_in("anna")  # our own second factor is asked for as well
    assert step.status_code == 200 and "code" in step.text and it.client.get("/api/v1/me").status_code == 401


def test_a_provider_that_says_no_or_does_not_answer_is_told(it: There) -> None:
    state = parse_qs(urlsplit(it.leave()).query)["state"][0]
    refused = it.back(f"/sign-in/oidc/callback?error=access_denied&state={state}")
    assert refused.status_code == 403 and "access_denied" in refused.text
    state = parse_qs(urlsplit(it.leave()).query)["state"][0]
    assert it.back(f"/sign-in/oidc/callback?code=guessed&state={state}").status_code == 403
    assert set(it.refused()) == {""}  # of one moment they may be one entry
    away = OidcSettings(issuer="http://127.0.0.1:1", client_id="x", timeout_s=1)
    reading = Reading(Settings(api=Api(public_url=BASE), oidc=away))
    with TestClient(reading.app, base_url=BASE) as client:
        answer = client.get("/sign-in/oidc", follow_redirects=False)
        assert answer.status_code == 503 and "provider_unavailable" in answer.text
        assert client.get("/api/v1/sign-in").json()["oidc"] == {"name": "single sign-on", "url": "/sign-in/oidc"}
    plain = Reading()
    with TestClient(plain.app, base_url=BASE) as client:
        assert client.get("/sign-in/oidc").status_code == client.get("/sign-in/oidc/callback").status_code == 404
