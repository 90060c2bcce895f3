"""The audit log, on SQLite and on real MariaDB and PostgreSQL servers."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.contract.metastores import PASSWORD, Shared, There, at_once, entry, rows

from logkeep.api import audit_rows
from logkeep.errors import InputError
from logkeep.metastore.audit import CONSOLE, Actor, Verified, Wanted
from logkeep.metastore.migrate import migrate_sqlite
from logkeep.metastore.sqlite import SqliteDatabase


@pytest.fixture
def it(it: Shared) -> There:
    return There(it)


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
