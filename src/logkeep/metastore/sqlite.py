"""The metastore's database as one SQLite file, shared by the processes of one machine."""

import sqlite3
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from logkeep.clock import Clock, SystemClock
from logkeep.errors import CorruptData, InputError, LogkeepError
from logkeep.metastore.database import HEAD, Again, Changes, Refused, Value, Work, tried_again, unavailable

SCHEMA = Path(__file__).with_name("sqlite_schema.sql")
CONNECTIONS_MAX = 8  # kept open between transactions
SCRUB_TRIES = 50  # readers are through in ms; 0.1 s between two
SCRUB_WAIT_S = 0.1

T = TypeVar("T")


class _Transaction:
    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def rows(self, sql: str, **values: Value) -> list[Sequence[Any]]:
        return self._connection.execute(sql, values).fetchall()

    def rows_in(
        self, select: str, wanted: Sequence[str] | Sequence[int], after: str = "", **values: Value
    ) -> list[Sequence[Any]]:
        """As one value: half the time of a value each, and one statement however many there are."""
        if not wanted:
            return []
        listed = msgspec.json.encode(wanted).decode()
        sql = f"{select} (SELECT value FROM json_each(:wanted)) {after}"  # noqa: S608
        return self.rows(sql, wanted=listed, **values)

    def change(self, sql: str, **values: Value) -> int:
        return self._connection.execute(sql, values).rowcount

    def change_many(self, sql: str, values: Sequence[Mapping[str, Value]]) -> None:
        self._connection.executemany(sql, values)


class SqliteDatabase:
    """The Database port. The file is made by `upgrade`.

    Write-ahead logging, so that receivers look while the keeper writes; an fsync a commit; what is deleted is
    overwritten with zeros.
    """

    def __init__(self, path: Path, *, timeout_s: float, clock: Clock | None = None) -> None:
        self._path, self._timeout_s, self._clock = path, timeout_s, clock or SystemClock()
        self._changes = Changes(self._clock)
        self._lock = threading.Lock()
        self._idle: list[sqlite3.Connection] = []

    def read(self, work: Work[T]) -> T:
        return self._tried("BEGIN", work)

    def write(self, work: Work[T]) -> T:
        return self._changes.made(lambda: self._tried("BEGIN IMMEDIATE", work))

    def problem(self) -> str | None:
        return self._changes.problem()

    def _tried(self, begin: str, work: Work[T]) -> T:
        return tried_again(lambda: self._in_transaction(begin, work), self._clock, within_s=self._timeout_s)

    def _in_transaction(self, begin: str, work: Work[T]) -> T:
        with self._named_errors(), self._connection() as connection:
            connection.execute(begin)
            try:
                result = work(_Transaction(connection))
                connection.execute("COMMIT")
                return result
            finally:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            connection = self._idle.pop() if self._idle else None
        connection = connection or self._opened()
        try:
            yield connection
        except BaseException:
            connection.close()
            raise
        with self._lock:
            keep = len(self._idle) < CONNECTIONS_MAX
            if keep:
                self._idle.append(connection)
        if not keep:
            connection.close()

    def _opened(self) -> sqlite3.Connection:
        if not self._path.exists():
            self._path.touch(mode=0o600)
        connection = sqlite3.connect(self._path, timeout=self._timeout_s, isolation_level=None, check_same_thread=False)
        for pragma in ("journal_mode = WAL", "synchronous = FULL", "secure_delete = ON", "cache_size = -1000"):
            connection.execute(f"PRAGMA {pragma}")
        return connection

    @contextmanager
    def _named_errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.IntegrityError as error:  # another one inserted the same between our look and our insert
            raise Again(unavailable("has this already", error)) from error
        except sqlite3.OperationalError as error:
            what = f"{self._path} cannot be used"
            if error.sqlite_errorcode & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
                raise Again(unavailable(what, error)) from error
            raise unavailable(what, error, Refused) from error
        except sqlite3.DatabaseError as error:
            raise self._corrupt(error) from error

    def _corrupt(self, error: Exception) -> LogkeepError:
        return CorruptData(f"{self._path} cannot be read: {error}; restore it from a backup")

    # ── tables ────────────────────────────────────────────────────────────────────────────────────────────────────

    def revision(self) -> str | None:
        """Of its tables, None when there are none yet. Makes no file."""
        if not self._path.exists():
            return None

        def look(transaction: Any) -> str | None:
            if not transaction.rows("SELECT 1 FROM sqlite_master WHERE name = 'alembic_version'"):
                return None
            return str(transaction.rows("SELECT version_num FROM alembic_version")[0][0])

        return self.read(look)

    def upgrade(self) -> None:
        found = self.revision()
        if found == HEAD:
            return
        if found is None:
            self.write(self._make_tables)
            return
        self._migrate()

    def _make_tables(self, transaction: Any) -> None:
        """What all migrations together make, at once: Alembic takes 0.7 s to load. A test compares the two."""
        if transaction.rows("SELECT 1 FROM sqlite_master WHERE name = 'alembic_version'"):
            return  # another process was first
        for statement in SCHEMA.read_text().split(";\n"):
            if statement.strip():
                transaction.change(statement)

    def _migrate(self) -> None:
        from logkeep.metastore.migrate import migrate_sqlite

        migrate_sqlite(self._path, timeout_s=self._timeout_s)

    def scrub(self) -> None:
        with self._named_errors(), self._connection() as connection:
            for _ in range(SCRUB_TRIES):
                busy = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
                if not busy:
                    return
                self._clock.sleep(SCRUB_WAIT_S)
        raise unavailable("is being read", InputError("what was deleted is still in its log"))

    def close(self) -> None:
        with self._lock:
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()
