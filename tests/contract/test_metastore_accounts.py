"""Teams, apps and roles, on SQLite and on real MariaDB and PostgreSQL servers."""

import hashlib
from pathlib import Path
from typing import Any

import pytest
from tests.contract.metastores import KINDS, Shared, There, at_once, shared

from logkeep.errors import InputError
from logkeep.metastore.audit import CONSOLE, Wanted
from logkeep.metastore.migrate import migrate, migrate_sqlite
from logkeep.metastore.server import ServerDatabase


@pytest.fixture
def it(it: Shared) -> There:
    return There(it)


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
