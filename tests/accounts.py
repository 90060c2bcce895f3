"""People, keys and tokens of every kind over one API, and a client that asks as any of them."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from email import message_from_bytes, policy
from typing import Any

import httpx
from litestar.testing import TestClient
from tests.reading import (
    ADMIN_EMAIL,
    ADMIN_PASSWORD_HASH,
    ADMIN_TOKEN,
    OTHER_TOKEN,
    OWNER,
    READ_TOKEN,
    WRITE_KEY,
    Reading,
)
from tests.service import wait_for

from logkeep.api.sign_ins import COOKIE
from logkeep.metastore.audit import CONSOLE

BASE = "http://logkeep.test"
NEW_PASSWORD = "a sentence nobody guesses"
PEOPLE = {  # name → team and role; the owner of the first team is there already
    "admin": ("main", "admin"),
    "member": ("main", "member"),
    "read_only": ("main", "read_only"),
    "narrowed": ("main", "member"),  # and in the app shop nothing
    "widened": ("main", "read_only"),  # and in the app shop an admin
    "disabled": ("main", "admin"),
    "stranger": ("other", "owner"),
    "nobody": ("", ""),
}


class House:
    """`as_(who)` gives headers: of a person by name, of a token or key by kind."""

    def __init__(self, reading: Reading, client: TestClient[Any]) -> None:
        self.reading, self.client, self.directory = reading, client, reading.directory
        self.people: dict[str, str] = {"owner": OWNER}
        self.emails: dict[str, str] = {"owner": ADMIN_EMAIL}
        self.tokens: dict[str, str] = {"read token": READ_TOKEN, "admin token": ADMIN_TOKEN, "other token": OTHER_TOKEN}
        for name, (team, role) in PEOPLE.items():
            self._add_person(name, team, role)
        for scope in ("read", "edit", "erase", "keys", "audit"):
            self.tokens[f"{scope} token of the team"] = self.make_token("main", scope)
        self.tokens["expired token"] = self.make_token("main", "admin", expires_s=60)
        reading.clock.advance(61)
        self.tokens["revoked token"] = self.make_token("main", "admin")
        reading.accounts.revoke(self.tokens["revoked token"])
        self.tokens["token of the member"] = self.make_token("main", "read", "edit", person=self.people["member"])
        self.tokens["token of a demoted admin"] = self.make_token("main", "admin", person=self.people["read_only"])
        self.tokens["token of the disabled"] = self.make_token("main", "admin", person=self.people["disabled"])
        self.directory.people.set_disabled(CONSOLE, self.people["disabled"], True)

    def _add_person(self, name: str, team: str, role: str) -> None:
        email = f"{name}@logkeep.test"
        person = self.directory.people.create(CONSOLE, email=email, name=name)
        self.people[name], self.emails[name] = person.id, email
        # The hash that is there: making one takes 0.1 s.
        set_hash = "UPDATE people SET password = :hash WHERE id = :id"
        self.reading.database.write(lambda t: t.change(set_hash, hash=ADMIN_PASSWORD_HASH, id=person.id))
        if team:
            self.directory.teams.add(CONSOLE, team, person.id, role)
        own = {"narrowed": "none", "widened": "admin"}.get(name)
        if own is not None:
            self.directory.teams.change_member(
                CONSOLE, team, person.id, role=None, app_roles={"shop": own}, revision=None, is_owner=True
            )

    def make_token(self, team: str, *scopes: str, person: str = "", expires_s: int | None = None, app: str = "") -> str:
        return self.directory.tokens.create(
            CONSOLE, team=team, app=app, person=person, name="of a test", scopes=scopes, expires_s=expires_s
        )[1]

    def cookie(self, name: str) -> str:
        """A new sign-in of this person."""
        person = self.directory.people.get(self.people[name])
        made: str = self.reading.app.state.context.sign_ins.open(
            name=person.email, person=person.id, epoch=person.epoch
        )
        return made

    def as_(self, who: str) -> dict[str, str]:
        if who == "no key":
            return {}
        if who in self.people:
            return {"Cookie": f"{COOKIE}={self.cookie(who)}"}
        secrets = {"write key": WRITE_KEY, "unknown token": "lkr_unknown", **self.tokens}
        return {"Authorization": f"Bearer {secrets[who]}"}

    def ask(self, who: str, method: str, path: str, body: Any = None, **headers: str) -> httpx.Response:
        self.client.cookies.clear()
        return self.client.request(
            method, path, headers={**self.as_(who), **headers}, json=body, follow_redirects=False
        )

    def audit(self, what: str = "") -> list[dict[str, Any]]:
        """Newest first, with what was read until now."""
        self.reading.app.state.context.auditing.flush()
        parameters: Mapping[str, str] = {"what": what} if what else {}
        answer = self.client.get("/api/v1/audit", params=parameters, headers={"Authorization": f"Bearer {ADMIN_TOKEN}"})
        found: list[dict[str, Any]] = answer.json()["audit"]
        return found


@contextmanager
def house() -> Iterator[House]:
    reading = Reading()
    with TestClient(reading.app, base_url=BASE, raise_server_exceptions=False) as client:
        yield House(reading, client)


def ok(answer: Any, status: int = 200) -> Any:
    """The body of an answer that has this status."""
    assert answer.status_code == status, answer.text
    return answer.json() if answer.content else None


def mails(it: House, to: str) -> list[Any]:
    """Sent to this address, oldest first."""
    found = [
        message_from_bytes(path.read_bytes(), policy=policy.default) for path in sorted(it.reading.mails.glob("*.eml"))
    ]
    return [mail for mail in found if mail["To"] == to]


def secret_in_mail(it: House, to: str, kind: str) -> str:
    """Of the link in the mail of this kind, as its text has it."""

    def found() -> list[str]:
        texts = [mail.get_body(("plain",)).get_content() for mail in mails(it, to)]
        pattern = rf"http://127\.0\.0\.1:7301/{kind}\?secret=([A-Za-z0-9_-]{{43}})"
        return [match[1] for text in texts if (match := re.search(pattern, text))]

    wait_for(lambda: bool(found()), 20, f"a mail to {to}")
    return found()[-1]
