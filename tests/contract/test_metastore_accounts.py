"""Teams, people, keys, tokens, links and the audit log, on SQLite and on real MariaDB and PostgreSQL servers."""

import contextlib
import hashlib
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pyotp
import pytest
from tests.contract.metastores import KINDS, Shared, shared
from tests.contract.test_metastore import at_once

from logkeep.api import audit_rows
from logkeep.clock import NS_PER_DAY, NS_PER_S, ManualClock
from logkeep.errors import InputError, QuotaExceeded
from logkeep.metastore import steps as steps_module
from logkeep.metastore.accounts import Accounts
from logkeep.metastore.attempts import WAIT_MAX_S
from logkeep.metastore.audit import CONSOLE, Actor, Entry, Verified, Wanted
from logkeep.metastore.directory import Directory
from logkeep.metastore.key_use import KeyUse
from logkeep.metastore.links import INVITATION_S, MAIL_S, RESET_S, Link, mail_state
from logkeep.metastore.migrate import migrate, migrate_sqlite
from logkeep.metastore.people import Person
from logkeep.metastore.server import ServerDatabase
from logkeep.metastore.sqlite import SqliteDatabase
from logkeep.metastore.steps import STEP_S, TRIES_MAX
from logkeep.metastore.tokens import Token

PASSWORD = "a password of änna"
HASH = "$argon2id$v=19$m=47104,t=1,p=1$yn53CnT/u2sQb+wwXK6LAw$lCulmXPLcnBxSgamCoioy/hntVrzeotF6QoXOINSPec"


class There:
    """A metastore after its first start, and a clock that moves when told to."""

    def __init__(self, shared: Shared) -> None:
        self.shared, self.clock = shared, ManualClock(1_785_578_400 * NS_PER_S)
        first = shared.prepare()
        assert first is not None
        self.first = first
        self.accounts: Accounts = shared.accounts(self.clock)
        self.directory: Directory = shared.directory(self.accounts, self.clock)
        self.accounts.look()

    @property
    def owner(self) -> Person:
        found = self.directory.people.by_email(self.first.admin_email)
        assert found is not None
        return found

    def person(self, email: str, role: str = "") -> Person:
        person = self.directory.people.create(CONSOLE, email=email)
        if role:
            self.directory.teams.add(CONSOLE, "main", person.id, role)
        return person

    def scopes(self, person: str, app: str = "default") -> set[str]:
        caller = self.accounts.person(person, 1 << 60)
        return set(caller.scopes_in(app)) if caller is not None else set()


class CountingWrites:
    """A database whose writes are counted."""

    def __init__(self, database: Any, writes: list[str]) -> None:
        self._database, self._writes = database, writes

    def write(self, work: Any) -> Any:
        self._writes.append("write")
        return self._database.write(work)


@pytest.fixture(params=KINDS)
def it(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[There]:
    with shared(request.param, tmp_path / "data", request, tables=True) as found:
        found.folder.mkdir()
        yield There(found)


@pytest.mark.parametrize("kind", KINDS)
def test_what_the_first_revision_had_is_kept(kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    with shared(kind, tmp_path / "data", request) as it:
        it.folder.mkdir()
        database = it.open()
        if isinstance(database, ServerDatabase):
            with database._engine.begin() as connection:
                migrate(connection, "0001")
        else:
            migrate_sqlite(it.folder / "metastore.db", timeout_s=5, to="0001")
        database.write(_fill_0001)
        assert it.prepare() is None
        accounts = it.accounts()
        accounts.look()
        directory = it.directory(accounts)
        key, token, reader = (accounts.caller(secret) for secret in ("lkw_old", "lkr_owner", "lkr_reader"))
        assert key is not None and (key.kind, list(key.apps)) == ("key", ["shöp"])
        assert token is not None and list(token.apps) == ["shöp", "other"] and "admin" in token.teams["main"]
        assert reader is not None and list(reader.apps) == ["other"] and reader.teams == {}
        (anna,) = directory.people.all()
        assert (anna.email, directory.people.verify("änna@localhost", "correct horse")) == ("änna@localhost", anna)
        assert "owner" in (accounts.person(anna.id, 1) or pytest.fail("unknown")).teams["main"]
        signed = [directory.sign_ins.find(letter * 64) for letter in "abc"]
        assert [row and (row.person, row.token_sha256, row.used_ns) for row in signed] == [
            (anna.id, "", 20), ("", "d" * 64, 20), None,
        ]  # fmt: skip
        with pytest.raises(InputError):
            it.directory(accounts).apps.create(CONSOLE, team="main", name="other", title_="")


def _fill_0001(transaction: Any) -> None:
    for app in ("shöp", "other"):
        transaction.change("INSERT INTO apps (name, made_ns) VALUES (:app, 5)", app=app)
    for secret, app, scope in (
        ("lkw_old", "shöp", "write"),
        ("lkr_owner", "shöp", "admin"),
        ("lkr_reader", "other", "read"),
    ):
        transaction.change(
            "INSERT INTO credentials (sha256, app, scope, made_ns) VALUES (:hash, :app, :scope, 5)",
            hash=hashlib.sha256(secret.encode()).hexdigest(), app=app, scope=scope,
        )  # fmt: skip
    salt = bytes(range(16))
    kept = f"scrypt${salt.hex()}${hashlib.scrypt(b'correct horse', salt=salt, n=2**14, r=8, p=1).hex()}"
    transaction.change(
        "INSERT INTO people (email, app, password, made_ns) VALUES (:email, 'shöp', :kept, 5)",
        email="änna@localhost", kept=kept,
    )  # fmt: skip
    for sha256, name, token in (
        ("a" * 64, "änna@localhost", ""),
        ("b" * 64, "token", "d" * 64),
        ("c" * 64, "gone", ""),
    ):
        transaction.change(
            "INSERT INTO sign_ins (sha256, app, scope, name, token_sha256, made_ns, used_ns) "
            "VALUES (:sha256, 'shöp', 'admin', :name, :token, 10, 20)",
            sha256=sha256, name=name, token=token,
        )  # fmt: skip


# ── teams and roles ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_role_counts_in_all_apps_of_the_team_and_one_of_an_app_instead_of_it(it: There) -> None:
    it.directory.apps.create(CONSOLE, team="main", name="shop", title_="Der Läden")
    anna = it.person("Änna@Example.org ", "member")
    assert anna.email == "änna@example.org"
    assert (it.scopes(anna.id), it.scopes(anna.id, "shop")) == ({"read", "edit"}, {"read", "edit"})
    change = it.directory.teams.change_member
    member = change(CONSOLE, "main", anna.id, role="read_only", app_roles={"shop": "admin"}, revision=1, is_owner=False)
    assert (member.role, member.app_roles, member.revision) == ("read_only", {"shop": "admin"}, 2)
    assert it.scopes(anna.id) == {"read"} and "keys" in it.scopes(anna.id, "shop")
    change(CONSOLE, "main", anna.id, role=None, app_roles={"shop": "none", "default": None}, revision=2, is_owner=False)
    assert (it.scopes(anna.id), it.scopes(anna.id, "shop")) == ({"read"}, set())
    it.directory.teams.remove(CONSOLE, "main", anna.id, is_owner=False)
    assert it.scopes(anna.id) == set()
    assert [one.email for one in it.directory.teams.members("main")] == [it.owner.email]


def test_owners_are_owners_matters_and_one_stays(it: There) -> None:
    owner, anna = it.owner, it.person("anna@example.org", "admin")

    def change(person: str, role: str, is_owner: bool) -> None:
        it.directory.teams.change_member(
            CONSOLE, "main", person, role=role, app_roles={}, revision=None, is_owner=is_owner
        )

    for person, role in ((anna.id, "owner"), (owner.id, "member")):
        with pytest.raises(InputError) as refused:
            change(person, role, False)
        assert (refused.value.status, refused.value.code) == (403, "forbidden")
    with pytest.raises(InputError) as last:
        change(owner.id, "member", True)
    assert (last.value.status, last.value.code) == (409, "last_owner")
    with pytest.raises(InputError):
        it.directory.teams.remove(CONSOLE, "main", owner.id, is_owner=True)
    change(anna.id, "owner", True)
    change(owner.id, "member", True)
    assert {one.email: one.role for one in it.directory.teams.members("main")} == {
        "anna@example.org": "owner", owner.email: "member",
    }  # fmt: skip


def test_a_team_keeps_an_owner_who_is_not_disabled(it: There) -> None:
    owner, anna, teams, people = (
        it.owner,
        it.person("anna@example.org", "owner"),
        it.directory.teams,
        it.directory.people,
    )
    teams.create(CONSOLE, name="hers", title_="", owner=anna.id)
    with pytest.raises(InputError) as refused:
        people.set_disabled(CONSOLE, anna.id, True)
    assert (refused.value.status, refused.value.code) == (409, "last_owner") and "'hers'" in refused.value.message
    teams.add(CONSOLE, "hers", owner.id, "owner")
    people.set_disabled(CONSOLE, anna.id, True)
    for leave in (
        lambda: people.set_disabled(CONSOLE, owner.id, True),
        lambda: teams.remove(CONSOLE, "main", owner.id, is_owner=True),
        lambda: teams.change_member(
            CONSOLE, "main", owner.id, role="member", app_roles={}, revision=None, is_owner=True
        ),
    ):
        with pytest.raises(InputError) as last:
            leave()
        assert (last.value.status, last.value.code) == (409, "last_owner")
    teams.remove(CONSOLE, "main", anna.id, is_owner=True)  # of who is disabled another one may be left
    people.set_disabled(CONSOLE, anna.id, False)
    assert it.scopes(owner.id)


def test_who_is_enabled_or_disabled_already_stays_as_they_are(it: There) -> None:
    anna, set_disabled = it.person("anna@example.org", "member"), it.directory.people.set_disabled
    assert set_disabled(CONSOLE, anna.id, False) == anna  # the epoch too: nothing is signed out
    disabled = set_disabled(CONSOLE, anna.id, True)
    it.clock.advance(1)
    assert set_disabled(CONSOLE, anna.id, True) == disabled
    told = it.directory.audit.list(Wanted(teams=("",)))
    assert [row.what for row in told if row.target == anna.id] == ["person.disabled", "person.created"]


def test_of_two_who_change_the_same_at_once_one_is_told(it: There) -> None:
    anna, teams = it.person("anna@example.org", "member"), [it.shared.directory().teams for _ in range(2)]

    def change(index: int, role: str) -> str:
        try:
            return (
                teams[index]
                .change_member(CONSOLE, "main", anna.id, role=role, app_roles={}, revision=1, is_owner=False)
                .role
            )
        except InputError as error:
            return error.code

    found = at_once(lambda: change(0, "admin"), lambda: change(1, "read_only"))
    assert sorted(found, key=lambda one: one != "conflict")[0] == "conflict" and found.count("conflict") == 1
    (kept,) = (one for one in it.directory.teams.members("main") if one.person == anna.id)
    assert kept.revision == 2 and kept.role in found


def test_odd_names_are_refused_and_taken_ones_too(it: There) -> None:
    for name in ("", "Main", "a b", "../x", "x" * 64, "a\0", "ä", "' OR 1=1 --", "main"):
        app = name if name != "main" else "default"
        for make in (
            lambda name=name: it.directory.teams.create(CONSOLE, name=name, title_=""),
            lambda app=app: it.directory.apps.create(CONSOLE, team="main", name=app, title_=""),
        ):
            with pytest.raises(InputError):
                make()
    with pytest.raises(InputError):
        it.directory.apps.change(CONSOLE, "default", title_="two\nlines", archived=None, revision=None)


def test_an_archived_app_takes_nothing_and_can_be_read(it: There) -> None:
    app = it.directory.apps.change(CONSOLE, "default", title_="Shop", archived=True, revision=1)
    assert (app.title, app.archived_ns, app.revision) == ("Shop", it.clock.now_ns(), 2)
    assert it.accounts.credential(it.first.app_key) is None and it.accounts.app_names() == ["default"]
    reader = it.accounts.caller(it.first.api_token)
    assert reader is not None and "read" in reader.scopes_in("default")
    with pytest.raises(InputError) as stale:
        it.directory.apps.change(CONSOLE, "default", title_=None, archived=False, revision=1)
    assert (stale.value.status, stale.value.code) == (409, "conflict")
    it.directory.apps.change(CONSOLE, "default", title_=None, archived=False, revision=2)
    assert it.accounts.credential(it.first.app_key) is not None


# ── keys and tokens ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_key_of_web_pages_brings_no_datagrams(it: There) -> None:
    _, pages = it.directory.keys.create(CONSOLE, "default", name="web", origins=("https://shop.example",))
    _, anyone = it.directory.keys.create(CONSOLE, "default", name="server", origins=())
    secrets = (pages, anyone, it.first.api_token, "nobody's")
    assert [it.accounts.app_of_datagrams(secret) for secret in secrets] == [None, "default", None, None]


def test_a_key_tells_its_last_day_written_once_a_day(it: There) -> None:
    written: list[str] = []
    database, use = it.shared.open(), KeyUse(it.shared.open(), it.clock)
    use._database = CountingWrites(database, written)
    used = it.shared.accounts(it.clock, key_used=use.note)
    used.look()

    def day() -> int:
        return it.directory.keys.list("default")[0].used_day

    today = it.clock.now_ns() // NS_PER_DAY
    assert (day(), used.credential(it.first.api_token) is not None, use._noted) == (0, True, {})
    for _ in range(3):
        assert used.credential(it.first.app_key) and used.app_of_datagrams(it.first.app_key)
        use.flush()
    assert (day(), len(written)) == (today, 1)
    it.clock.jump(-3 * 86_400)
    assert used.credential(it.first.app_key)
    use.flush()
    assert day() == today  # whatever a clock that is wrong says
    it.clock.jump(4 * 86_400)
    assert used.credential(it.first.app_key)
    use.flush()
    assert day() == today + 1


def test_a_key_that_ends_already_is_not_rotated_to_go_on_longer(it: There) -> None:
    keys = it.directory.keys
    key, _ = keys.create(CONSOLE, "default", name="web")
    new, _ = keys.rotate(CONSOLE, "default", key.id, keep_s=60)
    before = keys.list("default")
    with pytest.raises(InputError, match="ends in 60 s already") as refused:
        keys.rotate(CONSOLE, "default", key.id, keep_s=86_400)
    assert (refused.value.status, keys.list("default")) == (409, before)
    keys.rotate(CONSOLE, "default", key.id, keep_s=30)  # sooner it can end
    it.clock.advance(30)
    with pytest.raises(InputError, match="has ended already"):
        keys.rotate(CONSOLE, "default", key.id, keep_s=1)
    assert keys.rotate(CONSOLE, "default", new.id, keep_s=86_400)


def test_a_rotated_key_goes_on_for_as_long_as_it_was_told(it: There) -> None:
    key, secret = it.directory.keys.create(CONSOLE, "default", name="web", origins=("https://Shop.example/",))
    assert (key.origins, key.prefix, secret[:8]) == ("https://shop.example", secret[:8], key.prefix)
    new, other = it.directory.keys.rotate(CONSOLE, "default", key.id, keep_s=100)
    assert (new.name, new.origins) == ("web", "https://shop.example") and new.id != key.id
    (entry,) = rows(it, what="key.rotated")
    told = {"name": "web", "prefix": key.prefix, "origins": key.origins, "keep_s": 100, "successor": new.id}
    assert (entry.target, msgspec.json.decode(entry.detail)) == (key.id, told)
    it.clock.advance(99)
    it.accounts.look()
    assert it.accounts.credential(secret) is not None and it.accounts.credential(other) is not None
    it.clock.advance(1)
    it.accounts.look()
    assert it.accounts.credential(secret) is None and it.accounts.credential(other) is not None
    again, _ = it.directory.keys.rotate(CONSOLE, "default", new.id, keep_s=0)
    assert it.accounts.credential(other) is None
    changed = it.directory.keys.change(CONSOLE, "default", again.id, name="wöb", origins=(), revision=1)
    assert (changed.name, changed.origins, changed.revision) == ("wöb", "", 2)
    assert {one.name for one in it.directory.keys.list("default")} == {"first start", "web", "wöb"}
    with pytest.raises(InputError):
        it.directory.keys.change(CONSOLE, "other", again.id, name="x", origins=None, revision=None)


def test_a_token_of_a_person_is_worth_what_the_person_is(it: There) -> None:
    anna = it.person("anna@example.org", "admin")

    def make(person: str, app: str, *scopes: str, expires_s: int | None = None) -> str:
        return it.directory.tokens.create(
            CONSOLE, team="main", app=app, person=person, name="ci", scopes=scopes, expires_s=expires_s
        )[1]

    own, team_s, short = make(anna.id, "", "admin"), make("", "default", "erase"), make("", "", "read", expires_s=60)

    def scopes(secret: str) -> set[str]:
        caller = it.accounts.caller(secret)
        return set(caller.scopes_in("default")) if caller is not None else {"unknown"}

    assert "keys" in scopes(own) and scopes(team_s) == {"read", "erase"} and scopes(short) == {"read"}
    it.directory.teams.change_member(
        CONSOLE, "main", anna.id, role="read_only", app_roles={}, revision=None, is_owner=False
    )
    assert scopes(own) == {"read"}
    it.directory.people.set_disabled(CONSOLE, anna.id, True)
    assert scopes(own) == set()
    it.clock.advance(61)
    it.accounts.look()
    assert scopes(short) == {"unknown"} and it.accounts.credential(short) is None
    (token,) = it.directory.tokens.list("main", anna.id)
    assert (token.name, token.scopes, token.used_day) == ("ci", "admin", 0)
    it.directory.tokens.used([token.id], it.clock.now_ns())
    assert it.directory.tokens.list("main", anna.id)[0].used_day == it.clock.now_ns() // (86_400 * NS_PER_S)
    with pytest.raises(InputError):
        it.directory.tokens.revoke(CONSOLE, "main", token.id, "per_somebody")
    it.directory.tokens.revoke(CONSOLE, "main", token.id, anna.id)
    assert scopes(own) == {"unknown"}
    for bad in ((), ("write",), ("read", "owner")):
        with pytest.raises(InputError):
            make("", "", *bad)


def test_a_token_made_with_a_token_ends_with_it(it: There) -> None:
    anna = it.person("anna@example.org", "admin")

    def make(by: Actor, expires_s: int | None = None, person: str = anna.id) -> tuple[Token, str]:
        return it.directory.tokens.create(
            by, team="main", app="", person=person, name="ci", scopes=["read"], expires_s=expires_s
        )

    def by(token: Token) -> Actor:
        return Actor(token.id, token.name)

    def good(*secrets: str) -> list[bool]:
        it.accounts.look()
        return [it.accounts.caller(secret) is not None for secret in secrets]

    short, own = make(CONSOLE, 60)
    ever, second = make(by(short))
    _, third = make(by(ever), 3600)
    assert {token.expires_ns for token in it.directory.tokens.list("main", anna.id)} == {short.expires_ns}
    assert ever.expires_ns == short.expires_ns
    assert good(own, second, third) == [True] * 3
    with pytest.raises(InputError) as for_the_team:
        make(by(short), person="")
    assert (for_the_team.value.status, for_the_team.value.code) == (403, "forbidden")
    it.clock.advance(60)
    assert good(own, second, third) == [False] * 3
    with pytest.raises(InputError) as ended:
        make(by(short))
    assert (ended.value.status, ended.value.code) == (401, "unauthorized")
    maker, own = make(CONSOLE)
    ever, second = make(by(maker))
    _, third = make(by(ever))
    _, another = make(CONSOLE)
    other, _ = it.directory.tokens.create(
        CONSOLE, team="main", app="", person=maker.person, name="other", scopes=("read",), expires_s=None
    )
    with pytest.raises(InputError) as foreign:
        it.directory.tokens.revoke(Actor(maker.id, "maker"), "main", other.id, maker.person)
    assert foreign.value.status == 403
    it.directory.tokens.revoke(CONSOLE, "main", maker.id)
    assert good(own, second, third, another) == [False, False, False, True]
    assert len(rows(it, what="token.revoked")) == 3
    with pytest.raises(InputError) as revoked:
        make(by(maker))
    assert revoked.value.status == 401


# ── people ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_an_invitation_is_good_once_and_for_a_week(it: There) -> None:
    links = it.directory.links
    link, secret = links.invite(CONSOLE, team="main", email="Bert@example.org", role="member")
    assert links.invitation(secret) == link and [one.id for one in links.invitations("main")] == [link.id]
    bert = links.accept("192.0.2.1", secret, name="Bert", password=PASSWORD).person
    assert (bert.email, it.scopes(bert.id)) == ("bert@example.org", {"read", "edit"})
    for again in (secret, "guessed", "x" * 5000, ""):
        with pytest.raises(InputError) as refused:
            links.accept("192.0.2.1", again, name="Eve", password=PASSWORD)
        assert (refused.value.status, refused.value.code) == (404, "link_not_good")
    _, late = links.invite(CONSOLE, team="main", email="carla@example.org", role="admin")
    it.clock.advance(INVITATION_S)
    it.accounts.look()
    with pytest.raises(InputError):
        links.accept("192.0.2.1", late, name="Carla", password=PASSWORD)
    assert links.invitations("main") == []


def test_an_invitation_for_somebody_who_is_known_is_for_them_alone(it: There) -> None:
    links, anna, bert = it.directory.links, it.person("anna@example.org"), it.person("bert@example.org")
    _, secret = links.invite(CONSOLE, team="main", email="anna@example.org", role="read_only")
    with pytest.raises(InputError) as known:
        links.accept("", secret, name="Eve", password=PASSWORD)
    assert (known.value.status, known.value.code) == (409, "sign_in_first")
    with pytest.raises(InputError) as another:
        links.accept("", secret, signed_in=bert.id)
    assert another.value.status == 403
    assert links.accept("", secret, signed_in=anna.id).person == anna and it.scopes(anna.id) == {"read"}
    older, newer = (links.invite(CONSOLE, team="main", email="d@example.org", role="member") for _ in range(2))
    with pytest.raises(InputError):
        links.invitation(older[1])
    links.withdraw(CONSOLE, "main", newer[0].id)
    with pytest.raises(InputError):
        links.invitation(newer[1])


def test_an_invitation_grants_no_more_than_its_maker_may_at_that_time(it: There) -> None:
    links, teams = it.directory.links, it.directory.teams
    anna, owner = it.person("anna@example.org", "owner"), it.owner

    def invite(by: str, email: str, role: str) -> str:
        return links.invite(Actor(by, "anna"), team="main", email=email, role=role)[1]

    def token(*scopes: str, person: str = "", expires_s: int | None = None) -> Token:
        return it.directory.tokens.create(
            Actor(owner.id, "the owner"), team="main", app="", person=person, name="ci", scopes=scopes,
            expires_s=expires_s,
        )[0]  # fmt: skip

    def good() -> list[str]:
        """Who is invited still, as the links themselves and the list say."""
        found = []
        for secret in secrets.values():
            with contextlib.suppress(InputError):
                found.append(links.invitation(secret).email)
        assert {link.email for link in links.invitations("main")} == set(found)
        return [email.partition("@")[0] for email in secrets if email in found]

    def role(name: str) -> None:
        teams.change_member(CONSOLE, "main", anna.id, role=name, app_roles={}, revision=None, is_owner=True)

    short, hers = token("admin", expires_s=60), token("admin", person=anna.id)
    secrets = {
        f"{name}@example.org": invite(by, f"{name}@example.org", granted)
        for name, by, granted in (
            ("o", anna.id, "owner"), ("m", anna.id, "member"), ("t", hers.id, "admin"), ("s", short.id, "member"),
            ("c", CONSOLE.id, "owner"), ("x", owner.id, "owner"),
        )
    }  # fmt: skip
    assert good() == ["o", "m", "t", "s", "c", "x"]
    it.clock.advance(60)
    assert good() == ["o", "m", "t", "c", "x"]
    role("admin")
    assert good() == ["m", "t", "c", "x"]
    role("member")
    assert good() == ["c", "x"]
    for email in ("o@example.org", "m@example.org", "t@example.org"):
        with pytest.raises(InputError) as refused:
            links.accept("", secrets[email], name="Eve", password=PASSWORD)
        assert (refused.value.status, refused.value.code) == (404, "link_not_good")
    role("admin")
    it.directory.people.set_disabled(CONSOLE, anna.id, True)
    assert good() == ["c", "x"]
    it.directory.people.set_disabled(CONSOLE, anna.id, False)
    assert (
        links.accept("", secrets.pop("m@example.org"), name="Emma", password=PASSWORD).person.email == "m@example.org"
    )
    assert good() == ["t", "c", "x"]
    teams.remove(CONSOLE, "main", anna.id, is_owner=True)
    teams.add(CONSOLE, "main", anna.id, "owner")  # back, and what she left behind is not
    assert good() == ["c", "x"]
    assert msgspec.json.decode(rows(it, what="member.removed")[0].detail)["invitations_ended"] == 2


def test_an_invitation_raises_the_role_of_a_member_and_never_lowers_it(it: There) -> None:
    links, anna = it.directory.links, it.person("anna@example.org")
    it.directory.teams.add(CONSOLE, "main", anna.id, "read_only")
    found = []
    for role in ("read_only", "admin", "member", "owner", "admin"):
        _, secret = links.invite(CONSOLE, team="main", email="anna@example.org", role=role)
        joined = links.accept("", secret, signed_in=anna.id)
        found.append((joined.team, joined.before, joined.role))
    assert found == [
        ("main", "read_only", "read_only"), ("main", "read_only", "admin"), ("main", "admin", "admin"),
        ("main", "admin", "owner"), ("main", "owner", "owner"),
    ]  # fmt: skip
    (member,) = [one for one in it.directory.teams.members("main") if one.person == anna.id]
    assert (member.role, member.revision) == ("owner", 3) and "owner" in it.scopes(anna.id)
    told = [msgspec.json.decode(row.detail) for row in rows(it, what="member.changed")]
    assert [(one["before"], one["role"]) for one in told] == [("admin", "owner"), ("read_only", "admin")]


def test_two_who_accept_the_same_invitation_at_once_are_one_person(it: There) -> None:
    _, secret = it.directory.links.invite(CONSOLE, team="main", email="bert@example.org", role="member")
    instances = [it.shared.directory(clock=it.clock).links for _ in range(2)]

    def accept(index: int) -> str:
        try:
            return instances[index].accept("", secret, name="Bert", password=PASSWORD).person.id
        except InputError as error:
            return error.code

    found = at_once(lambda: accept(0), lambda: accept(1))
    assert sum(one.startswith("per_") for one in found) == 1 and len(it.directory.teams.members("main")) == 2


def test_a_link_for_a_new_password_is_good_once_and_for_an_hour(it: There) -> None:
    links, anna = it.directory.links, it.person("anna@example.org")
    first, second = links.ask_reset(Actor("", "anna"), anna), links.ask_reset(Actor("", "anna"), anna)
    with pytest.raises(InputError) as weak:
        links.reset("", first, "short")
    assert weak.value.code == "weak_password"
    changed = links.reset("", first, PASSWORD)
    assert changed.epoch == anna.epoch + 1 and it.accounts.person(anna.id, anna.epoch) is None
    assert it.directory.people.verify("anna@example.org", PASSWORD) is not None
    for used in (first, second):
        with pytest.raises(InputError):
            links.reset("", used, PASSWORD)
    late = links.ask_reset(Actor("", "anna"), anna)
    it.clock.advance(RESET_S)
    with pytest.raises(InputError):
        links.reset("", late, PASSWORD)
    it.clock.jump(-2 * RESET_S)  # a clock that is set back makes no used link good again
    with pytest.raises(InputError):
        links.reset("", first, PASSWORD)


def test_an_invitation_tells_what_became_of_its_mail(it: There) -> None:
    links, by = it.directory.links, CONSOLE  # who may invite for as long as there is a team

    def invited(email: str, mail: str = "waiting") -> Link:
        return links.invite(by, team="main", email=email, role="member", mail=mail)[0]

    sent, failed = invited("a@example.org"), invited("b@example.org")
    invited("c@example.org")
    invited("d@example.org", "")
    links.mailed(by, sent)
    links.mailed(by, failed, "no such mailbox " + "x" * 300)
    it.clock.advance(MAIL_S + 1)  # nobody is there any more who would send the third
    states = [mail_state(link, it.clock.now_ns()) for link in links.invitations("main")]
    assert sorted((state, why[:15]) for state, why in states) == [
        ("", ""), ("failed", "no such mailbox"), ("failed", "the service end"), ("sent", ""),
    ]  # fmt: skip
    (told,) = rows(it, what="mail.failed")
    assert (told.who, told.target, told.team) == (CONSOLE.id, failed.id, "main")


def test_passwords_are_argon2id_and_older_hashes_are_made_anew(it: There) -> None:
    people, anna = it.directory.people, it.person("anna@example.org")
    assert people.verify("anna@example.org", "") is None  # who has no password is let in by none
    salt = bytes(16)
    scrypt = f"scrypt${salt.hex()}${hashlib.scrypt(PASSWORD.encode(), salt=salt, n=2**14, r=8, p=1).hex()}"
    set_hash = "UPDATE people SET password = :kept WHERE id = :id"
    it.shared.open().write(lambda transaction: transaction.change(set_hash, kept=scrypt, id=anna.id))
    assert people.verify("anna@example.org", PASSWORD + "x") is None
    assert people.get(anna.id).password == scrypt
    assert people.verify("anna@example.org", PASSWORD) is not None
    assert people.get(anna.id).password.startswith("$argon2id$v=19$m=47104,t=1,p=1$")
    assert people.verify("anna@example.org", PASSWORD) is not None
    for weak in ("short", "a" * 20, "anna@example.org", "x" * 2000):
        with pytest.raises(InputError):
            people.set(CONSOLE, anna.id, password=weak)


def test_a_code_of_the_device_is_good_once_and_a_recovery_code_too(it: There) -> None:
    totp, anna, by = it.directory.totp, it.person("anna@example.org"), Actor("per_anna", "anna")
    secret, uri = totp.enrol(by, anna.id)
    device = pyotp.TOTP(secret)
    assert uri.startswith("otpauth://totp/Logkeep:anna%40example.org?secret=" + secret)
    assert not totp.check(by, anna.id, code_of(device, it.clock))  # not before it is confirmed
    with pytest.raises(InputError):
        totp.confirm(by, anna.id, "000000" if code_of(device, it.clock) != "000000" else "111111")
    codes = totp.confirm(by, anna.id, code_of(device, it.clock))
    assert len(codes) == 10 and it.directory.people.get(anna.id).totp == secret
    assert not totp.check(by, anna.id, code_of(device, it.clock))  # it confirmed, and is used up
    it.clock.advance(30)
    assert [totp.check(by, anna.id, code_of(device, it.clock)) for _ in range(2)] == [True, False]
    assert totp.check(by, anna.id, code_of(device, it.clock, steps=1))  # the device's clock is ahead
    assert not totp.check(by, anna.id, code_of(device, it.clock))  # what is older than one that was used
    it.clock.advance(90)
    assert not totp.check(by, anna.id, code_of(device, it.clock, steps=2))
    assert [totp.check(by, anna.id, one) for one in (codes[0], codes[0], codes[1].upper(), "0000")] == [
        True, False, True, False,
    ]  # fmt: skip
    totp.remove(by, anna.id)
    assert not totp.check(by, anna.id, codes[2])


def code_of(device: pyotp.TOTP, clock: ManualClock, steps: int = 0) -> str:
    return device.at(clock.now_ns() // NS_PER_S + 30 * steps)


# ── signing in ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_who_fails_waits_longer_each_time_whichever_instance_is_asked(it: There) -> None:
    instances = [it.shared.directory(clock=it.clock).attempts for _ in range(2)]
    waits = []
    for number in range(20):
        try:
            instances[number % 2].begin("192.0.2.1", "anna@example.org")
        except QuotaExceeded as refused:
            waits.append(refused.retry_after_s)
            it.clock.advance(refused.retry_after_s)
    assert waits[:4] == [2, 3, 5, 9] and waits == sorted(waits)
    instances[0].begin("192.0.2.2", "anna@example.org")  # from elsewhere it is let in: nobody locks anna out
    it.clock.advance(WAIT_MAX_S)
    instances[0].begin("192.0.2.1", "bert@example.org")
    instances[0].succeeded("192.0.2.1", "anna@example.org")
    it.clock.advance(WAIT_MAX_S)  # of the address, from which others have failed too
    instances[1].begin("192.0.2.1", "anna@example.org")
    it.clock.jump(-86_400)  # a clock that was wrong
    with pytest.raises(QuotaExceeded) as bounded:
        for _ in range(30):
            instances[0].begin("192.0.2.1", "anna@example.org")
    assert bounded.value.retry_after_s <= WAIT_MAX_S + 1


def test_a_guesser_with_an_account_of_his_own_wins_nothing_by_signing_in(it: There) -> None:
    attempts = it.directory.attempts
    with pytest.raises(QuotaExceeded):
        for number in range(60):
            attempts.begin("2001:db8::1", f"victim-{number}@example.org")
            attempts.begin("2001:db8::ffff", "eve@example.org")  # of the same household
            attempts.succeeded("2001:db8::ffff", "eve@example.org")


def test_tries_at_once_count_all(it: There) -> None:
    instances = [it.shared.directory(clock=it.clock).attempts for _ in range(4)]

    def tries(index: int) -> int:
        done = 0
        for _ in range(6):
            try:
                instances[index].begin("192.0.2.1", "anna@example.org")
                done += 1
            except QuotaExceeded:
                pass
        return done

    assert sum(at_once(*(lambda index=index: tries(index) for index in range(4)))) == 5


def test_steps_push_out_no_steps_of_another_kind_or_person(it: There, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(steps_module, "STEPS_MAX", 4)
    monkeypatch.setattr(steps_module, "PERSON_STEPS_MAX", 2)
    steps = it.directory.steps
    waiting = steps.begin("totp", person="per_1")
    for _ in range(5):
        steps.begin("oidc")
    assert steps.attempt("totp", waiting) is not None
    made = []
    for _ in range(3):
        made.append(steps.begin("totp", person="per_2"))
        it.clock.advance(1)
    assert [steps.attempt("totp", secret) is not None for secret in (waiting, *made)] == [True, False, True, True]


def test_a_step_of_a_sign_in_is_good_for_some_tries_and_minutes(it: There) -> None:
    steps = it.directory.steps
    secret, other = steps.begin("totp", person="per_1"), steps.begin("oidc", body="näxt")
    found = [steps.attempt("totp", secret) for _ in range(TRIES_MAX + 1)]
    assert [one and one.person for one in found] == ["per_1"] * TRIES_MAX + [None]
    assert steps.attempt("totp", other) is None and steps.attempt("totp", "guessed") is None
    step = steps.attempt("oidc", other)
    assert step is not None and step.body == "näxt"
    steps.end(other)
    assert steps.attempt("oidc", other) is None
    late = steps.begin("totp", person="per_1")
    it.clock.advance(STEP_S)
    assert steps.attempt("totp", late) is None


# ── the audit log ─────────────────────────────────────────────────────────────────────────────────────────────────────


def rows(it: There, **wanted: Any) -> list[Any]:
    return it.directory.audit.list(Wanted(teams=("main",), **wanted))


def test_every_change_is_in_the_log_and_no_secret(it: There) -> None:
    by = Actor("per_1", "änna", "192.0.2.1")
    key, secret = it.directory.keys.create(by, "default", name="a sender")
    _, token = it.directory.tokens.create(by, team="main", app="", person="", name="t", scopes=["read"], expires_s=None)
    link, invited = it.directory.links.invite(by, team="main", email="bert@example.org", role="member")
    it.directory.keys.revoke(by, "default", key.id)
    found = rows(it)
    assert [(row.what, row.target, row.app) for row in found[:4]] == [
        ("key.revoked", key.id, "default"), ("invitation.created", link.id, ""),
        ("token.created", found[2].target, ""), ("key.created", key.id, "default"),
    ]  # fmt: skip
    assert (found[0].who, found[0].who_name, found[0].ip) == ("per_1", "änna", "192.0.2.1")
    text = repr(found)
    assert all(one not in text for one in (secret, token, invited))
    assert it.directory.audit.verify().broken == 0


def test_a_change_that_fails_leaves_no_entry(it: There) -> None:
    before = rows(it)
    with pytest.raises(InputError):
        it.directory.keys.revoke(CONSOLE, "default", "key_none")
    assert rows(it) == before


@pytest.mark.parametrize(
    ("tamper", "broken"),
    [
        ("UPDATE audit SET what = 'nothing' WHERE number = 3", 3),
        ("UPDATE audit SET ip = '192.0.2.1', previous = hash WHERE number = 4", 4),
        ("DELETE FROM audit WHERE number = 3", 4),
        ("UPDATE audit SET hash = previous WHERE number = 5", 5),
        ("UPDATE audit SET team = 'other' WHERE number = 2", 2),
        ("DELETE FROM audit WHERE number <= 2", 3),
        ("INSERT INTO audit_begin (number, hash) VALUES (1, 'ff')", 1),
    ],
)
def test_an_entry_that_was_changed_or_taken_out_is_found(it: There, tamper: str, broken: int) -> None:
    it.directory.audit.add([entry(it, number) for number in range(6)])
    assert it.directory.audit.verify().broken == 0
    it.shared.open().write(lambda transaction: transaction.change(tamper))
    assert it.directory.audit.verify().broken == broken


@pytest.mark.parametrize("value", ["'{}'", "'no object'", "x'ff00'", "7"])
def test_whatever_was_put_into_an_entry_it_is_listed_and_found(it: There, value: str) -> None:
    if not isinstance(it.shared.open(), SqliteDatabase):
        pytest.skip("a server refuses values of another type")
    it.directory.audit.add([entry(it, number) for number in range(6)])
    columns = ("detail", "made_ns", "ip", "who_name")
    for number, column in enumerate(columns, 3):
        sql = f"UPDATE audit SET {column} = {value} WHERE number = {number}"  # noqa: S608
        it.shared.open().write(lambda transaction, sql=sql: transaction.change(sql))
    found = it.directory.audit.verify()
    assert (found.broken, found.count) == (3, len(columns))
    listed = {row.number: row.is_changed() for row in rows(it)}
    assert [number for number, changed in listed.items() if changed] == [6, 5, 4, 3]
    assert len(audit_rows.lines(rows(it), "ndjson").splitlines()) == len(audit_rows.lines(rows(it), "csv").splitlines())


def test_a_long_query_is_kept_whole(it: There) -> None:
    query = "ä" * 4096
    it.directory.audit.add([entry(it, 0, detail={"query": query})])
    assert msgspec.json.decode(rows(it)[0].detail) == {"query": query}


def entry(it: There, number: int, **fields: Any) -> Entry:
    values = {"by": CONSOLE, "what": "read.search", "team": "main", "app": "default", "made_ns": it.clock.now_ns()}
    return Entry(**(values | {"detail": {"query": f"n:{number}"}} | fields))


def test_the_log_is_listed_by_what_is_asked_for(it: There) -> None:
    first = [entry(it, 0, what="read.export"), entry(it, 1, team="other", app="theirs"), entry(it, 2, app="shop")]
    it.directory.audit.add(first)
    it.clock.advance(10)
    it.directory.audit.add([entry(it, 3, by=Actor("per_1", "anna")), entry(it, 4)])
    numbers = [row.number for row in rows(it)]
    assert numbers == sorted(numbers, reverse=True) and len(rows(it, limit=2)) == 2
    assert [msgspec.json.decode(row.detail)["query"] for row in rows(it, what="read.search")] == ["n:4", "n:3", "n:2"]
    assert [row.who for row in rows(it, who="per_1")] == ["per_1"]
    assert len(rows(it, apps=("shop",))) == 1 and rows(it, apps=()) == []
    assert [row.what for row in rows(it, apps=("default",), to_ns=it.clock.now_ns())] == ["read.export"]
    assert rows(it, before=numbers[-1]) == [] and len(rows(it, before=numbers[0])) == len(numbers) - 1
    assert it.directory.audit.list(Wanted(teams=())) == []


def test_what_is_of_no_team_is_listed_with_a_team_of_whom_it_is(it: There) -> None:
    anna, bert = it.person("anna@example.org", "member"), it.person("bert@example.org")
    by = [Actor(anna.id, anna.email), Actor("", anna.email), Actor(bert.id, bert.email), Actor("", bert.email), CONSOLE]
    it.directory.audit.add([entry(it, number, by=one, team="", app="", what="t") for number, one in enumerate(by)])
    it.directory.audit.add([entry(it, 5, what="t"), entry(it, 6, team="", app="", what="t", target=anna.id)])
    to_bert = entry(it, 7, by=by[0], team="", app="", what="t", target=bert.id)  # who is no member, by one
    it.directory.audit.add([to_bert])

    def listed(**wanted: Any) -> list[str]:
        found = it.directory.audit.list(Wanted(what="t", **wanted))
        return [msgspec.json.decode(row.detail)["query"] for row in found]

    assert listed(teams=("main",), members_of="main") == ["n:6", "n:5", "n:1", "n:0"]
    assert listed(teams=("main",), members_of="main", limit=3) == ["n:6", "n:5", "n:1"]
    assert listed(teams=("main",), members_of="main", apps=("default",)) == ["n:5"]
    assert listed(teams=("main",)) == ["n:5"] and listed(teams=("none",), members_of="none") == []
    assert listed(teams=("main", "")) == [f"n:{number}" for number in reversed(range(8))]


def test_a_new_password_that_somebody_else_asks_for_is_listed_with_the_teams_of_its_person(it: There) -> None:
    anna, bert = it.person("anna@example.org", "member"), it.person("bert@example.org")
    secret = it.directory.links.ask_reset(CONSOLE, anna)
    it.directory.links.ask_reset(CONSOLE, bert)
    it.directory.links.reset("192.0.2.1", secret, PASSWORD)
    found = it.directory.audit.list(Wanted(teams=("main",), members_of="main"))
    told = [(row.what, row.target) for row in found if row.what.startswith("password_reset")]
    assert told == [("password_reset.done", anna.id), ("password_reset.asked", anna.id)]


def test_entries_written_by_many_at_once_are_one_chain(it: There) -> None:
    logs = [it.shared.directory(clock=it.clock).audit for _ in range(3)]

    def write(index: int) -> None:
        for number in range(4):
            logs[index].add([entry(it, number), entry(it, number)])

    at_once(*(lambda index=index: write(index) for index in range(3)))
    verified = it.directory.audit.verify()
    assert verified.broken == 0 and len(rows(it, what="read.search")) == 24
    again = [entry(it, 1), entry(it, 2)]
    for _ in range(2):  # as after a commit whose answer was lost
        logs[0].add(again)
    assert len(rows(it, what="read.search")) == 26


def test_old_entries_go_and_the_rest_is_a_chain_still(it: There) -> None:
    it.directory.audit.add([entry(it, number) for number in range(3)])
    it.clock.jump(400 * 86_400)
    it.directory.audit.add([entry(it, 9)])
    before = len(rows(it))
    assert it.directory.audit.prune(1) == before - 1 > 3
    assert len(rows(it)) == 1 and it.directory.audit.verify().broken == 0
    assert it.directory.audit.prune(1) == 0
    it.clock.jump(400 * 86_400)
    assert it.directory.audit.prune(1) == 1 and it.directory.audit.verify() == Verified(0, 0, 0, "")
    it.directory.audit.add([entry(it, 10)])
    assert rows(it)[0].number == before + 1 and it.directory.audit.verify().broken == 0


def test_pruning_does_not_cover_that_the_oldest_were_taken_out(it: There) -> None:
    it.directory.audit.add([entry(it, number) for number in range(6)])
    it.clock.jump(400 * 86_400)
    it.directory.audit.add([entry(it, 9)])
    it.shared.open().write(lambda transaction: transaction.change("DELETE FROM audit WHERE number <= 3"))
    assert it.directory.audit.verify().broken == 4
    it.directory.audit.prune(1)
    (told,) = it.directory.audit.list(Wanted(teams=("",), what="audit.missing"))
    assert msgspec.json.decode(told.detail) == {"after": 0, "before": 4}
    assert it.directory.audit.verify().broken == told.number


def test_a_log_that_was_pruned_by_an_older_logkeep_begins_where_it_does(tmp_path: Path) -> None:
    path = tmp_path / "metastore.db"
    migrate_sqlite(path, timeout_s=5, to="0010")
    with closing(sqlite3.connect(path)) as connection, connection:
        columns = "number, id, made_ns, team, app, who, who_name, what, target, ip, detail, previous, hash"
        values = f"7, 'aud_1', 5, '', '', '', '', 'x', '', '', x'7b7d', '{'a' * 64}', '{'b' * 64}'"
        connection.execute(f"INSERT INTO audit ({columns}) VALUES ({values})")  # noqa: S608
    migrate_sqlite(path, timeout_s=5)
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT number, hash FROM audit_begin").fetchall() == [(6, "a" * 64)]
