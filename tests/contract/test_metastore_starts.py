"""Where people begin, on SQLite and on real MariaDB and PostgreSQL servers."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.contract.metastores import KINDS, There, shared

from logkeep.errors import InputError
from logkeep.metastore import moving
from logkeep.metastore.audit import CONSOLE
from logkeep.metastore.people import Person
from logkeep.metastore.sqlite import SqliteDatabase
from logkeep.metastore.starts import SEARCH_CHARS_MAX

SEARCH = "q=level%3Aerror&from=-1h"


@pytest.fixture(params=KINDS)
def it(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[There]:
    with shared(request.param, tmp_path / "data", request, tables=True) as found:
        found.folder.mkdir()
        there = There(found)
        there.directory.apps.create(CONSOLE, team="main", name="shop", title_="")
        yield there


def apps(it: There, person: Person) -> list[str]:
    caller = it.accounts.person(person.id, 1 << 60)
    return list(caller.apps) if caller is not None else []


def starts(it: There, person: Person) -> dict[str, str]:
    return it.directory.people.with_starts(person.id)[1]


def default(it: There, person: Person, app: str) -> None:
    it.directory.people.set(CONSOLE, person.id, default_app=app)


def test_a_person_begins_in_each_app_with_the_search_chosen_last(it: There) -> None:
    ann, bob = it.person("ann@example.org", "member"), it.person("bob@example.org", "member")
    kept, longest = it.directory.starts, "q=" + "a" * (SEARCH_CHARS_MAX - 2)
    kept.set(ann.id, "shop", "q=x")
    kept.set(ann.id, "shop", SEARCH)
    kept.set(ann.id, "default", longest)
    assert starts(it, ann) == {"shop": SEARCH, "default": longest}
    assert (kept.find(ann.id, "shop"), kept.find(ann.id, "Shop"), kept.find(bob.id, "shop")) == (SEARCH, "", "")
    kept.set(ann.id, "shop", "")
    kept.set(ann.id, "shop", "")
    assert (starts(it, ann), starts(it, bob)) == ({"default": longest}, {})


def test_every_change_of_a_start_is_told_to_who_remembers_it(it: There) -> None:
    before = it.accounts.change()
    it.directory.starts.set(it.owner.id, "shop", SEARCH)
    assert it.accounts.change() != before


def test_the_default_app_of_a_person_is_the_first_of_theirs_and_of_no_token(it: There) -> None:
    ann, bob = it.person("ann@example.org", "member"), it.person("bob@example.org", "member")
    _, secret = it.directory.tokens.create(
        CONSOLE, team="main", app="", person=ann.id, name="script", scopes=["read"], expires_s=None
    )
    default(it, ann, "shop")
    assert (apps(it, ann), apps(it, bob)) == (["shop", "default"], ["default", "shop"])
    token = it.accounts.caller(secret)
    assert token is not None and (list(token.apps), token.default_app) == (["default", "shop"], "")
    default(it, ann, "")
    assert apps(it, ann) == ["default", "shop"]


def test_nobody_begins_in_an_app_that_they_may_not_read(it: There) -> None:
    it.directory.teams.create(CONSOLE, name="other", title_="")
    it.directory.apps.create(CONSOLE, team="other", name="theirs", title_="")
    ann = it.person("ann@example.org", "member")
    it.directory.teams.change_member(
        CONSOLE, "main", ann.id, role=None, app_roles={"shop": "none"}, revision=None, is_owner=True
    )
    for app in ("theirs", "shop", "unknown"):
        with pytest.raises(InputError, match=f"there is no app '{app}'") as caught:
            it.directory.starts.set(ann.id, app, SEARCH)
        assert caught.value.status == 404
        with pytest.raises(InputError, match=f"there is no app '{app}'"):
            default(it, ann, app)
    assert (starts(it, ann), it.directory.people.get(ann.id).default_app) == ({}, "")


def test_where_one_begins_goes_with_the_role_in_the_app(it: There) -> None:
    ann = it.person("ann@example.org", "member")
    for app in ("default", "shop"):
        it.directory.starts.set(ann.id, app, SEARCH)
    default(it, ann, "shop")

    def role(role: str) -> None:
        it.directory.teams.change_member(
            CONSOLE, "main", ann.id, role=None, app_roles={"shop": role}, revision=None, is_owner=True
        )

    role("read_only")
    assert (apps(it, ann), set(starts(it, ann))) == (["shop", "default"], {"default", "shop"})
    role("none")
    role("member")
    assert (apps(it, ann), set(starts(it, ann))) == (["default", "shop"], {"default"})


def test_where_one_begins_goes_with_the_membership_and_stays_in_other_teams(it: There) -> None:
    it.directory.teams.create(CONSOLE, name="other", title_="")
    it.directory.apps.create(CONSOLE, team="other", name="theirs", title_="")
    ann = it.person("ann@example.org", "member")
    it.directory.teams.add(CONSOLE, "other", ann.id, "member")
    for app in ("shop", "theirs"):
        it.directory.starts.set(ann.id, app, SEARCH)
    default(it, ann, "shop")
    it.directory.teams.remove(CONSOLE, "main", ann.id, is_owner=True)
    it.directory.teams.add(CONSOLE, "main", ann.id, "member")
    assert starts(it, ann) == {"theirs": SEARCH}
    assert apps(it, ann) == ["default", "shop", "theirs"]


def test_what_one_begins_with_is_a_matter_of_ones_own_and_in_no_audit_log(it: There) -> None:
    def entries() -> int:
        return int(it.shared.open().read(lambda transaction: transaction.rows("SELECT COUNT(*) FROM audit")[0][0]))

    before = entries()
    it.directory.starts.set(it.owner.id, "shop", SEARCH)
    default(it, it.owner, "shop")
    assert entries() == before


def test_where_people_begin_moves_to_another_database(it: There, tmp_path: Path) -> None:
    it.directory.starts.set(it.owner.id, "shop", SEARCH)
    default(it, it.owner, "shop")
    there = SqliteDatabase(tmp_path / "moved.db", timeout_s=5.0)
    there.upgrade()
    there.write(lambda transaction: moving.copy(it.shared.open(), transaction))
    assert there.read(lambda t: [*t.rows("SELECT person, app, search FROM starts")]) == [(it.owner.id, "shop", SEARCH)]
    assert there.read(lambda t: t.rows("SELECT default_app FROM people")[0][0]) == "shop"
    there.close()
