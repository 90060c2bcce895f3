"""Every route with every kind of credential: the whole matrix, against a table of its own."""

from collections.abc import Iterator

import httpx
import pytest
from tests.accounts import House, house
from tests.reading import make_event

from logkeep.api.routes import ROUTES, Route

ENDLESS = "/api/v1/tail"  # its answer has no end; tests/integration/test_tail.py asks it the same over a socket
# No id here is one that exists in a team, so that nothing is changed on the way.
PLACES = {
    "{event_id}": "id-0001", "{session}": "s-1", "{device}": "d-1", "{user}": "u-1", "{name}": "logkeep.css",
    "{app}": "shop", "{team}": "main", "{key}": "key_none", "{token}": "tok_none", "{person}": "per_none",
    "{invitation}": "inv_none", "{sign_in}": "sig_none", "{job}": "era_none",
}  # fmt: skip

ALL = frozenset({"read", "edit", "erase", "keys", "audit", "admin"})
# Who → scopes in the app shop, scopes in the team main, whether it is a person.
ABLE: dict[str, tuple[frozenset[str], frozenset[str], bool]] = {
    "owner": (ALL | {"owner"}, ALL | {"owner"}, True),
    "admin": (ALL, ALL, True),
    "member": (frozenset({"read", "edit"}), frozenset({"read", "edit"}), True),
    "read_only": (frozenset({"read"}), frozenset({"read"}), True),
    "widened": (ALL, frozenset({"read"}), True),
    "narrowed": (frozenset(), frozenset({"read", "edit"}), True),
    "nobody": (frozenset(), frozenset(), True),
    "read token": (frozenset({"read"}), frozenset(), False),
    "admin token": (ALL, ALL, False),
    "token of the member": (frozenset({"read", "edit"}), frozenset({"read", "edit"}), False),
    "token of a demoted admin": (frozenset({"read"}), frozenset({"read"}), False),
    **{
        f"{scope} token of the team": (frozenset({"read", scope}), frozenset({"read", scope}), False)
        for scope in ("read", "edit", "erase", "keys", "audit")
    },
}
UNKNOWN = ("no key", "unknown token", "expired token", "revoked token", "disabled")


@pytest.fixture(scope="module")
def it() -> Iterator[House]:
    with house() as made:
        made.reading.write([make_event(index, user="u-1", device="d-1") for index in range(3)])
        yield made


def ask(it: House, who: str, route: Route, query: str = "") -> httpx.Response:
    path = route.path
    for name, value in PLACES.items():
        path = path.replace(name, value)
    body = {} if route.method in ("POST", "PATCH") and route.path.startswith("/api/") else None
    return it.ask(who, route.method, path + query, body)


def verdict(answer: httpx.Response, route: Route) -> str:
    """What the guard decided: `ok` when the handler was reached, whatever it said then."""
    if answer.status_code < 400:
        return "ok"
    error = answer.json()["error"] if "json" in answer.headers["content-type"] else {"code": "", "message": ""}
    if answer.status_code == 401 and error["code"] == "unauthorized":
        return "401"
    if answer.status_code == 403 and error["code"] in ("forbidden", "no_app"):
        return "403"
    hidden = ("there is no app 'shop'", "there is no team 'main'")
    return "404" if answer.status_code == 404 and error["message"] in hidden else "ok"


def expected(who: str, route: Route) -> str:
    if route.scope == "open":
        return "ok"
    if who in UNKNOWN or who == "token of the disabled":
        return "401" if who in UNKNOWN else "ok" if route.scope == "known" else expected_of(NOTHING, route)
    if who == "write key":
        return "403"
    if who.endswith(" of the team") and route.path.startswith("/api/v1/tokens") and route.method != "POST":
        return "403"  # it belongs to nobody, so it has no tokens of its own; and it is no admin
    return expected_of(ABLE[who], route)


NOTHING: tuple[frozenset[str], frozenset[str], bool] = (frozenset(), frozenset(), False)


def expected_of(able: tuple[frozenset[str], frozenset[str], bool], route: Route) -> str:
    in_app, in_team, is_person = able
    if route.scope == "known":
        return "ok"
    if route.scope == "person":
        hidden = "{app}" in route.path and not in_app
        return "403" if not is_person else "404" if hidden else "ok"
    if route.of == "app":
        hidden = "{app}" in route.path and not in_app
        return "404" if hidden else "ok" if route.scope in in_app else "403"
    if route.of == "team or app":
        return "ok" if route.scope in in_team | in_app else "403"
    hidden = "{team}" in route.path and not in_team
    return "404" if hidden else "ok" if route.scope in in_team else "403"


@pytest.mark.parametrize("who", [*UNKNOWN, "write key", "token of the disabled", *ABLE])
def test_every_route_lets_in_whom_the_table_says_and_nobody_else(it: House, who: str) -> None:
    asked = {(route.method, route.path): route for route in ROUTES if route.path != ENDLESS}
    answers = {place: ask(it, who, route) for place, route in asked.items()}
    found = {place: verdict(answer, asked[place]) for place, answer in answers.items()}
    wanted = {place: expected(who, route) for place, route in asked.items()}
    assert {place: one for place, one in found.items() if one != wanted[place]} == {}
    assert {place: answer.status_code for place, answer in answers.items() if answer.status_code >= 500} == {}


@pytest.mark.parametrize("who", ["stranger", "other token", "nobody"])
def test_whoever_is_of_another_team_reaches_nothing_of_this_one(it: House, who: str) -> None:
    found = {}
    for route in ROUTES:
        if route.scope in ("open", "known", "person") or route.path == ENDLESS or route.of == "installation":
            continue
        query = "?team=main" if route.of in ("team", "team or app") else "?app=shop"
        answer = ask(it, who, route, "" if "{app}" in route.path or "{team}" in route.path else query)
        if answer.status_code not in (403, 404) and not (route.for_people and answer.status_code == 200):
            found[(route.method, route.path)] = answer.status_code
        if route.for_people:  # pages pass over parameters: they show the asker's own app, or none
            assert "hello" not in answer.text and "u-1 " not in answer.text, route.path
    assert found == {}


def test_a_token_in_another_place_than_its_header_is_none(it: House) -> None:
    secret = it.tokens["admin token"]
    for headers in (
        {"Authorization": f"Basic {secret}"},
        {"Authorization": secret},
        {"Authorization": "\x01\x02"},
        {"X-Logkeep-Key": secret},
        {"Cookie": f"logkeep={secret}"},
        {"Cookie": "logkeep=forged"},
    ):
        assert it.ask("no key", "GET", "/api/v1/search", **headers).status_code == 401, headers
    refused = it.ask("no key", "GET", "/api/v1/search")
    assert refused.headers["www-authenticate"] == "Bearer"


def test_a_role_that_is_taken_away_counts_with_the_next_request(it: House) -> None:
    cookie = {"Cookie": f"logkeep={it.cookie('admin')}"}

    def status() -> int:
        it.client.cookies.clear()
        return it.client.get("/api/v1/apps/shop/keys", headers=cookie).status_code

    path = f"/api/v1/members/{it.people['admin']}"
    assert status() == 200
    assert it.ask("owner", "PATCH", path, {"role": "read_only"}).status_code == 200
    assert status() == 403
    assert it.ask("owner", "PATCH", path, {"role": "admin"}).status_code == 200
    assert status() == 200
