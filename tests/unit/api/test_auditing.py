"""What was read reaches the audit log: in batches, later when it must be, and never lost without a word."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from tests.metastore import new_metastore
from tests.reading import NOW_NS, READ_TOKEN, Accounts

from logkeep.api import auditing
from logkeep.api.auditing import Auditing
from logkeep.clock import ManualClock
from logkeep.errors import BackendUnavailable
from logkeep.metastore.audit import Actor, Audit, AuditRow, Entry, Wanted
from logkeep.telemetry import Telemetry

ANNA = Actor("per_1", "anna", "192.0.2.1")


class There:
    """`away` makes the log refuse to be written."""

    def __init__(self, folder: Path) -> None:
        self.clock, self.away = ManualClock(NOW_NS), False
        self.accounts = Accounts(new_metastore(folder), self.clock)
        directory, there = self.accounts.directory, self

        class Log(Audit):
            def add(self, entries: Sequence[Entry]) -> None:
                if there.away:
                    raise BackendUnavailable("away")
                super().add(entries)

        self.audit = Log(directory.audit._database, self.clock)
        self.auditing = Auditing(self.audit, directory.tokens, self.clock, Telemetry(), days=30)

    def read(self, number: int = 0) -> None:
        detail = {"query": f"n:{number}"}
        self.auditing.note(Entry(by=ANNA, what="read.search", made_ns=NOW_NS, team="main", app="shop", detail=detail))

    def rows(self, team: str = "main") -> list[AuditRow]:
        return self.audit.list(Wanted(teams=(team,)))[::-1]


@pytest.fixture
def it(tmp_path: Path) -> There:
    return There(tmp_path)


def details(rows: list[AuditRow]) -> list[bytes]:
    return [row.detail for row in rows]


def test_the_same_read_again_is_one_entry_that_says_how_often(it: There) -> None:
    for number in (1, 2, 1, 1):
        it.read(number)
    it.auditing.flush()
    assert details(it.rows()) == [b'{"query":"n:1","times":3}', b'{"query":"n:2"}']
    it.read(1)
    it.auditing.flush()
    assert len(it.rows()) == 3 and it.audit.verify().broken == 0


def test_while_the_metastore_is_away_what_was_read_waits(it: There) -> None:
    it.away = True
    it.read(1)
    it.auditing.flush()
    it.read(2)
    it.auditing.flush()
    assert it.rows() == []
    it.away = False
    it.auditing.flush()
    it.read(3)
    it.auditing.close()  # as at the end of the process: what waits is written
    assert details(it.rows()) == [b'{"query":"n:1"}', b'{"query":"n:2"}', b'{"query":"n:3"}']


def test_at_the_end_what_cannot_be_written_is_counted_as_missing(it: There) -> None:
    it.away = True
    it.read(1)
    it.auditing.flush()
    it.read(2)
    it.auditing.close()
    assert it.rows() == [] and "logkeep_audit_dropped_total 2.0" in it.auditing._telemetry.exposition().decode()


def test_what_finds_no_place_is_counted_and_told_in_the_log(it: There, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(auditing, "WAITING_MAX", 2)
    for number in range(5):
        it.read(number)
    it.auditing.flush()
    assert details(it.rows()) == [b'{"query":"n:0"}', b'{"query":"n:1"}']
    (told,) = it.rows("")
    assert (told.what, told.detail) == ("audit.dropped", b'{"count":3}')
    text = it.auditing._telemetry.exposition().decode()
    assert "logkeep_audit_dropped_total 3.0" in text
    it.auditing.flush()
    assert len(it.rows("")) == 1


def test_a_fault_of_the_log_ends_no_thread(it: There, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> None:
        raise ValueError("a bug")

    monkeypatch.setattr(it.audit, "add", fail)
    it.read(1)
    it.auditing.flush()
    monkeypatch.undo()
    it.auditing.flush()
    assert len(it.rows()) == 1


def test_the_use_of_a_token_is_written_once_a_day(it: There) -> None:
    def used() -> int:
        (token,) = (one for one in it.accounts.directory.tokens.list("main") if one.id == "tok_reader")
        return token.used_day

    assert it.accounts.caller(READ_TOKEN) is not None and used() == 0
    for _ in range(3):
        it.auditing.token_used("tok_reader")
    it.auditing.flush()
    today = used()
    assert today == NOW_NS // (86_400 * 10**9) and it.auditing._used == {}
    it.auditing.token_used("tok_reader")
    assert it.auditing._used == {}
    it.clock.advance(86_400)
    it.auditing.token_used("tok_reader")
    it.auditing.flush()
    assert used() == today + 1
