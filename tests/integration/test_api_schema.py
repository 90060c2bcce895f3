"""The API against its own description: requests generated from it, valid ones and others, find no fault of ours.

Each id in a path is mostly one of something that is there, made for that very request, and the app is one that may be
read: so what is generated meets data, not a 404. What is answered is as the description says.
"""

import os
from collections.abc import Callable, Iterator
from itertools import count
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, seed, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from tests.accounts import BASE, House, house
from tests.reading import make_event

from logkeep.api.app import openapi_document
from logkeep.api.sign_ins import COOKIE
from logkeep.decode.devices import DeviceNotice
from logkeep.decode.issues import IssueNotice
from logkeep.metastore import devices, issues, remote
from logkeep.metastore.audit import CONSOLE
from logkeep.metastore.database import bump

EXAMPLES = int(os.environ.get("LOGKEEP_TEST_SCHEMA_CASES", "4"))  # of each call: some seconds in all
UNKNOWN_EVERY = 5  # one id in so many is left as it was generated
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
DOCUMENT = schemathesis.openapi.from_file(openapi_document().decode())
# Endless.
SCHEMA = DOCUMENT.exclude(path="/api/v1/tail")


class Filled:
    """A house with something of every kind; `some[PARAMETER]()` makes one more and tells its id."""

    def __init__(self, house: House) -> None:
        self.house, self._numbers = house, count(1)
        house.reading.write([make_event(index, user="u-1", device="d-1", level="error") for index in range(30)])
        house.reading.rejected = [
            {"time": "2026-08-01T10:00:00Z", "reason": "missing_key", "message": "m", "text": "t"}
        ]
        self.some: dict[str, Callable[[], str]] = {
            "event_id": lambda: "id-0001", "session": lambda: "s-1", "user": lambda: "u-1", "device": self._device,
            "issue": self._issue, "app": self._app, "team": self._team, "person": self._person, "key": self._key,
            "sign_in": self._sign_in,
            "rule": lambda: self._made("/api/v1/remote", "rule", {"device": "d-1", "min_level": "debug", "for_s": 600}),
            "search": self._search,
            "share": lambda: self._made("/api/v1/shares", "share", {"session": "s-1"}),
            "block": lambda: self._made(
                "/api/v1/blocks", "block", {"kind": "component", "value": f"c{next(self._numbers)}", "reason": "loud"}
            ),
            "token": lambda: self._made("/api/v1/tokens", "token", {"name": "t", "scopes": ["read"]}),
            "invitation": lambda: self._made(
                "/api/v1/invitations", "invitation", {"email": f"p{next(self._numbers)}@logkeep.test"}
            ),
            "job": self._job,
        }  # fmt: skip
        self._key_app = ""

    def _made(self, path: str, name: str, body: dict[str, Any]) -> str:
        answer = self.house.ask("owner", "POST", path, body)
        assert answer.status_code == 201, (path, answer.text)
        return str(answer.json()[name])

    def _search(self) -> str:
        name = f"search {next(self._numbers)}"
        return self._made("/api/v1/searches", "id", {"name": name, "search": {"query": "level:error"}})

    def _device(self) -> str:
        device, now_ns = f"d-{next(self._numbers)}", self.house.reading.clock.now_ns()
        told = [
            devices.DeviceReport("shop", now_ns, DeviceNotice(device=device, model="Pixel 8", keys={"plan": "gold"}))
        ]

        def apply(transaction: Any) -> None:
            bump(transaction, devices.TOPIC)
            remote.rematch(transaction, devices.register(transaction, told), now_ns)

        self.house.reading.database.write(apply)
        return device

    def _issue(self) -> str:
        number, now_ns = next(self._numbers), self.house.reading.clock.now_ns()
        notice = IssueNotice(
            session="s-1", title=f"broken {chr(97 + number % 26)}", kind="crash", user="u-1", device="d-1"
        )
        told = [issues.IssueReport("shop", f"{number:028x}", now_ns, now_ns, notice)]

        def apply(transaction: Any) -> list[issues.Occurrence]:
            bump(transaction, devices.TOPIC)
            return issues.apply(transaction, told)

        return str(self.house.reading.database.write(apply)[0].issue)

    def _app(self) -> str:
        self._key_app = f"app-{next(self._numbers)}"
        return self._made("/api/v1/apps", "app", {"app": self._key_app})

    def _key(self) -> str:
        return self._made(f"/api/v1/apps/{self._key_app}/keys", "key", {"name": "k"})

    def _team(self) -> str:
        return self._made("/api/v1/teams", "team", {"team": f"team-{next(self._numbers)}"})

    def _person(self) -> str:
        person = self.house.directory.people.create(CONSOLE, email=f"q{next(self._numbers)}@logkeep.test", name="q")
        self.house.directory.teams.add(CONSOLE, "main", person.id, "member")
        return person.id

    def _sign_in(self) -> str:
        self.house.cookie("owner")
        return self.house.directory.sign_ins.of_person(self.house.people["owner"])[0].id

    def _job(self) -> str:
        answer = self.house.ask("owner", "DELETE", "/api/v1/events?query=level:error")
        if answer.status_code != 202:  # so many wait for a yes already
            answer = self.house.ask("owner", "GET", "/api/v1/erasures")
            return str(answer.json()["erasures"][0]["job"])
        return str(answer.json()["job"])


@pytest.fixture(scope="module")
def it() -> Iterator[Filled]:
    with house() as made:
        yield Filled(made)


@SCHEMA.parametrize()
@seed(int(os.environ.get("LOGKEEP_TEST_SEED", "6")))
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
def test_no_request_of_the_description_is_a_fault_of_ours(it: Filled, case: schemathesis.Case[Any]) -> None:
    number = next(it._numbers)
    if number % UNKNOWN_EVERY:
        case.path_parameters = {name: it.some[name]() for name in case.path_parameters}
        case.query = {name: value for name, value in case.query.items() if name not in ("app", "team")}
    it.house.client.cookies.clear()
    asked = case.as_transport_kwargs(base_url=BASE)
    given = {name: value for name, value in asked["headers"].items() if name.lower() != "authorization"}
    known = {name: asked[name] for name in ("method", "url", "params", "json") if asked.get(name) is not None}
    body = asked.get("data")
    response = it.house.client.request(
        **known,
        content=body if isinstance(body, bytes) else None,
        headers=given | {"Cookie": f"{COOKIE}={it.house.cookie('owner')}"},
        follow_redirects=False,
    )
    case.validate_response(response, checks=CHECKS)
