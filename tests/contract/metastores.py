"""Every database under the metastore, on real servers: the one list that its contract suite runs over; and what its
tests do with any of them."""

import functools
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.servers.databases import DatabaseServer

from logkeep.clock import NS_PER_S, Clock, ManualClock, SystemClock
from logkeep.disk import SystemDisk
from logkeep.metastore.accounts import Accounts
from logkeep.metastore.audit import CONSOLE, Entry, Wanted
from logkeep.metastore.database import Database
from logkeep.metastore.directory import Directory, make_directory
from logkeep.metastore.erasures import Erasures
from logkeep.metastore.people import Person
from logkeep.metastore.samples import Rejected
from logkeep.metastore.server import ServerDatabase
from logkeep.metastore.sqlite import SqliteDatabase
from logkeep.metastore.start import FirstRun, prepare

KINDS = ("sqlite", "mariadb", "postgresql")
PASSWORD = "a password of änna"


class Shared:
    """One empty database and any number of instances on it. `open` gives a connection pool of its own to each."""

    def __init__(self, kind: str, folder: Path, url: str) -> None:
        self.kind, self.folder, self.url = kind, folder, url
        self._opened: list[Database] = []

    def open(self, *, timeout_s: float = 5.0) -> Database:
        database: Database
        if self.kind == "sqlite":
            database = SqliteDatabase(self.folder / "metastore.db", timeout_s=timeout_s)
        else:
            database = ServerDatabase(self.url, timeout_s=timeout_s)
        self._opened.append(database)
        return database

    def prepare(self, folder: Path | None = None) -> FirstRun | None:
        folder = folder or self.folder
        folder.mkdir(parents=True, exist_ok=True)
        return prepare(self.open(), folder, SystemDisk(), SystemClock())

    def accounts(
        self, clock: Clock | None = None, *, cache: Path | None = None, timeout_s: float = 5.0,
        key_used: Callable[[str], None] = lambda id: None,
    ) -> Accounts:  # fmt: skip
        """Not looking by itself: `look` makes it look."""
        return Accounts(
            self.open(timeout_s=timeout_s),
            clock or SystemClock(),
            refresh_s=1.0,
            valid_s=3600.0,
            cache=cache,
            key_used=key_used,
        )

    def directory(
        self, accounts: Accounts | None = None, clock: Clock | None = None, *, timeout_s: float = 5.0
    ) -> Directory:
        """accounts: what knows its changes at once."""
        look = accounts.look if accounts is not None else lambda: None
        return make_directory(self.open(timeout_s=timeout_s), clock or SystemClock(), look)

    def close(self) -> None:
        for database in self._opened:
            database.close()


@functools.cache
def _with_tables(server: DatabaseServer) -> str:
    url = server.new_database()
    database = ServerDatabase(url, timeout_s=5.0)
    database.upgrade()
    database.close()
    return url


@contextmanager
def shared(kind: str, folder: Path, request: pytest.FixtureRequest, *, tables: bool = False) -> Iterator[Shared]:
    """tables: they are there, and nothing in them, as after all migrations: those take seconds on a server."""
    url = ""
    if kind != "sqlite":
        server: DatabaseServer = request.getfixturevalue(kind)
        url = server.new_database(copied=_with_tables(server) if tables else "")
    found = Shared(kind, folder, url)
    try:
        yield found
    finally:
        found.close()


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


def rows(it: There, **wanted: Any) -> list[Any]:
    """What the audit log has of the first team, newest first."""
    return it.directory.audit.list(Wanted(teams=("main",), **wanted))


def entry(it: There, number: int, **fields: Any) -> Entry:
    """For the audit log: somebody has searched, with a query that holds `number`."""
    values = {"by": CONSOLE, "what": "read.search", "team": "main", "app": "default", "made_ns": it.clock.now_ns()}
    return Entry(**(values | {"detail": {"query": f"n:{number}"}} | fields))


def at_once(*calls: Callable[[], Any]) -> list[Any]:
    """What each call returned, all of them begun at the same moment. Raises what one of them raised."""
    gate, results, failures = threading.Barrier(len(calls)), [None] * len(calls), []

    def run(index: int, call: Callable[[], Any]) -> None:
        gate.wait(30)
        try:
            results[index] = call()
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=run, args=pair) for pair in enumerate(calls)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    if failures:
        raise failures[0]
    return results


def ask(jobs: Erasures, app: str = "shop", query: str = "user=änna") -> tuple[str, str]:
    """The name of a new job, and the token that confirms it."""
    job, token = jobs.ask(app=app, query=query, from_ns=0, to_ns=1 << 62, matches=1, by="admin")
    return job.job, token


def sample(text: str) -> Rejected:
    """Of an event without a key, whose text this is."""
    return Rejected("2026-08-01T10:00:00", "missing_key", "no key", "intake", text)
