"""Every database under the metastore, on real servers: the one list that its contract suite runs over."""

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.servers.databases import DatabaseServer

from logkeep.clock import Clock, SystemClock
from logkeep.disk import SystemDisk
from logkeep.metastore.accounts import Accounts
from logkeep.metastore.database import Database
from logkeep.metastore.directory import Directory, make_directory
from logkeep.metastore.server import ServerDatabase
from logkeep.metastore.sqlite import SqliteDatabase
from logkeep.metastore.start import FirstRun, prepare

KINDS = ("sqlite", "mariadb", "postgresql")


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
