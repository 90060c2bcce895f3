"""The metastore's database on a server: MariaDB, alone or as a Galera cluster, or PostgreSQL, through SQLAlchemy."""

import os
import socket
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import sqlalchemy as sa

from logkeep.clock import NS_PER_S, Clock, SystemClock
from logkeep.errors import BackendUnavailable, InputError
from logkeep.metastore.breaker import Breaker
from logkeep.metastore.database import HEAD, Again, Changes, NoAnswer, Refused, Value, Work, tried_again, unavailable
from logkeep.metastore.hosts import Place, Places, urls_of
from logkeep.tls import TlsFiles

GRACE_S = 1.0  # after the server's own limit of a statement, whose error says more
CONNECTIONS_MAX = 8  # of one process: its threads that ask are fewer
IN_LIST_MAX = 500  # values of an IN list, each with a name of its own
RECYCLE_S = 600  # a connection's age: what stands between may drop quiet ones without telling
UPGRADE_WAIT_S = 60.0  # for another instance that brings the tables up to date
UPGRADE_LOOK_S = 0.1
UPGRADE_LOCK = 0x6C6F676B65657000  # "logkeep": of PostgreSQL's advisory locks, which are numbers
DRIVERS = {
    "mysql": "mysql+pymysql",
    "mariadb": "mariadb+pymysql",
    "postgresql": "postgresql+psycopg",
    "postgres": "postgresql+psycopg",
}
# Of the server's errors: another transaction was in the way, and this one had no effect.
# On a Galera cluster 1213 also says that a transaction was not certified: another node has changed the same row.
_MYSQL_AGAIN = {1205, 1213, 1020, 1062}  # lock wait timeout, deadlock, row changed, duplicate key
_MYSQL_ELSEWHERE = {1047}  # a node that has left its cluster takes connections, and refuses statements
_MYSQL_TOO_LONG, _POSTGRESQL_TOO_LONG = {1969}, {"57014"}  # the statement, which may have waited for a lock
_POSTGRESQL_AGAIN = {"40001", "40P01", "55P03", "23505"}  # serialization, deadlock, lock timeout, duplicate key

T = TypeVar("T")


class _Transaction:
    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def rows(self, sql: str, **values: Value) -> list[Sequence[Any]]:
        return list(self._connection.execute(sa.text(sql), values))

    def rows_in(
        self, select: str, wanted: Sequence[str] | Sequence[int], after: str = "", **values: Value
    ) -> list[Sequence[Any]]:
        """In pieces of IN_LIST_MAX."""
        rows: list[Sequence[Any]] = []
        for start in range(0, len(wanted), IN_LIST_MAX):
            piece: Sequence[Value] = wanted[start : start + IN_LIST_MAX]
            named: dict[str, Value] = {f"wanted{index}": value for index, value in enumerate(piece)}
            names = ", ".join(f":{name}" for name in named)
            rows += self.rows(f"{select} ({names}) {after}", **values, **named)
        return rows

    def change(self, sql: str, **values: Value) -> int:
        return self._connection.execute(sa.text(sql), values).rowcount

    def change_many(self, sql: str, values: Sequence[Mapping[str, Value]]) -> None:
        if values:
            self._connection.execute(sa.text(sql), values)


class ServerDatabase:
    """The Database port. Statements, waits for locks and for connections end after `timeout_s`; once nobody has
    answered, calls fail at once until somebody does."""

    def __init__(self, url: str, *, timeout_s: float, tls: TlsFiles | None = None, clock: Clock | None = None) -> None:
        """url: `mariadb://…` or `postgresql://…`. Raises InputError, which does not tell it: it holds a password.

        tls: nothing but TLS is spoken, certificate and name are checked; None: as the URL says.
        """
        self._clock, self._timeout_s = clock or SystemClock(), timeout_s
        self._engine = _engine(url, timeout_s, tls, self._clock)
        self._changes = Changes(self._clock)
        self._breaker = Breaker(lambda: self._tried(lambda: self._in_transaction(_anything)))

    def read(self, work: Work[T]) -> T:
        return self._asked(lambda: self._in_transaction(work))

    def write(self, work: Work[T]) -> T:
        return self._changes.made(lambda: self._asked(lambda: self._in_transaction(work)))

    def problem(self) -> str | None:
        return self._changes.problem()

    def _asked(self, attempt: Callable[[], T]) -> T:
        return self._breaker.passed(lambda: self._tried(attempt))

    def _tried(self, attempt: Callable[[], T]) -> T:
        return tried_again(attempt, self._clock, within_s=self._timeout_s)

    def _in_transaction(self, work: Work[T]) -> T:
        with self._named_errors(), self._connected() as connection, self._bounded(connection), connection.begin():
            return work(_Transaction(connection))

    def _connected(self) -> sa.Connection:
        """Raises NoAnswer, and what `_named_errors` knows."""
        try:
            return self._engine.connect()
        except sa.exc.DBAPIError as error:
            if error.connection_invalidated:
                raise
            raise _away(error) from error

    @contextmanager
    def _bounded(self, connection: sa.Connection) -> Iterator[None]:
        """Inside, a server that holds the connection and answers nothing is cut off; psycopg itself waits for ever."""
        if self._engine.dialect.name != "postgresql":
            yield
            return
        descriptor = os.dup(connection.connection.dbapi_connection.fileno())  # type: ignore[union-attr]
        opened = socket.socket(fileno=descriptor)
        timer = threading.Timer(self._timeout_s + GRACE_S, opened.shutdown, (socket.SHUT_RDWR,))
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()
            opened.close()

    @contextmanager
    def _named_errors(self) -> Iterator[None]:
        try:
            yield
        except sa.exc.TimeoutError as error:  # of the pool
            raise unavailable("has no connection free", error) from error
        except sa.exc.DBAPIError as error:
            # Of a server that was restarted all connections are lost, and new ones are had at once.
            if error.connection_invalidated:
                raise Again(_away(error)) from error
            cause = error.orig or error
            if _is_one_of(cause, _MYSQL_AGAIN, _POSTGRESQL_AGAIN):
                raise Again(unavailable("does not answer", cause)) from error
            took_too_long = _is_one_of(cause, _MYSQL_TOO_LONG, _POSTGRESQL_TOO_LONG)
            raise unavailable("does not answer", cause, BackendUnavailable if took_too_long else Refused) from error

    # ── tables ────────────────────────────────────────────────────────────────────────────────────────────────────

    def revision(self) -> str | None:
        """Of its tables, None when there are none yet."""
        return self._asked(self._looked_up)

    def _looked_up(self) -> str | None:
        with self._named_errors(), self._connected() as connection, self._bounded(connection):
            return _revision(connection)

    def upgrade(self) -> None:
        if self.revision() != HEAD:
            tried_again(self._upgrade, self._clock, within_s=UPGRADE_WAIT_S)

    def _upgrade(self) -> None:
        from logkeep.metastore.migrate import migrate  # 0.7 s: before anything is locked

        # Each statement of the holder by itself: a server ends a connection that does nothing within a transaction.
        with self._named_errors(), self._connected() as holder:
            holder = holder.execution_options(isolation_level="AUTOCOMMIT")
            with self._alone(holder), self._engine.begin() as connection:
                if self._engine.dialect.name == "postgresql":  # large tables take their time
                    connection.execute(sa.text("SET LOCAL statement_timeout = 0"))
                    connection.execute(sa.text("SET LOCAL idle_in_transaction_session_timeout = 0"))
                migrate(connection)

    @contextmanager
    def _alone(self, holder: sa.Connection) -> Iterator[None]:
        """Inside, no other instance is here. The lock belongs to the connection: it ends with this process."""
        until_ns = self._clock.monotonic_ns() + int(UPGRADE_WAIT_S * NS_PER_S)
        take, release = (
            (f"SELECT pg_try_advisory_lock({UPGRADE_LOCK})", f"SELECT pg_advisory_unlock({UPGRADE_LOCK})")
            if self._engine.dialect.name == "postgresql"
            else ("SELECT GET_LOCK('logkeep', 0)", "SELECT RELEASE_LOCK('logkeep')")
        )
        while not holder.execute(sa.text(take)).scalar():
            if self._clock.monotonic_ns() > until_ns:
                raise unavailable(
                    "is being upgraded by another instance", InputError(f"still after {UPGRADE_WAIT_S:g} s")
                )
            self._clock.sleep(UPGRADE_LOOK_S)
        try:
            yield
        finally:
            holder.execute(sa.text(release))

    def scrub(self) -> None:
        """Files of a server are its own: it reuses them when it cleans up."""

    def close(self) -> None:
        self._breaker.close()
        self._engine.dispose()


def _anything(transaction: Any) -> None:
    transaction.rows("SELECT 1")


def _away(error: sa.exc.DBAPIError) -> BackendUnavailable:
    return unavailable("does not answer", error.orig or error, NoAnswer)


def _engine(url: str, timeout_s: float, tls: TlsFiles | None, clock: Clock) -> sa.Engine:
    try:
        urls = [sa.make_url(one) for one in urls_of(url)]
        driver = DRIVERS[urls[0].get_backend_name()]
    except (sa.exc.ArgumentError, KeyError, ValueError):
        # Not `from error`: a traceback would show the URL.
        raise InputError(
            "metastore.url is no URL of a database; it looks like mariadb://USER:PASSWORD@HOST/NAME or "
            "postgresql://USER:PASSWORD@HOST/NAME, with HOST,HOST,HOST for the nodes of a cluster"
        ) from None
    engine = sa.create_engine(
        urls[0].set(drivername=driver),
        connect_args=_postgresql(timeout_s, tls) if driver.startswith("postgresql") else _mysql(timeout_s, tls),
        isolation_level="READ COMMITTED",  # every change locks the rows it builds on first
        pool_size=CONNECTIONS_MAX,
        max_overflow=0,
        pool_timeout=timeout_s,
        pool_recycle=RECYCLE_S,
        hide_parameters=True,  # hashes and samples have no place in a log
    )
    if len(urls) > 1:
        _use_places(engine, Places([Place(one.host or "", one.port) for one in urls], clock))
    if engine.dialect.name != "postgresql":
        sa.event.listen(engine, "connect", lambda opened, _: _bound_statements(opened, timeout_s))
        sa.event.listen(engine, "handle_error", _leave_node)
    return engine


def _use_places(engine: sa.Engine, places: Places) -> None:
    """New connections go to the first place that takes statements, and for PostgreSQL changes."""
    dialect = engine.dialect
    mine = {"target_session_attrs": "read-write"} if dialect.name == "postgresql" else {}
    failures = dialect.loaded_dbapi.Error

    def connect(_: Any, __: Any, arguments: Any, options: dict[str, Any]) -> Any:
        def open_at(place: Place) -> Any:
            there = {"host": place.host} | ({"port": place.port} if place.port is not None else {})
            opened = dialect.loaded_dbapi.connect(*arguments, **(options | mine | there))
            if dialect.name != "postgresql":
                _ask(opened, failures)
            return opened

        return places.connected(open_at, failures)

    sa.event.listen(engine, "do_connect", connect)


def _ask(opened: Any, failures: type[Exception]) -> None:
    """It takes statements; else closed, and what it said is raised."""
    try:
        with opened.cursor() as cursor:
            cursor.execute("SELECT 1")
    except failures:
        opened.close()
        raise


def _leave_node(context: sa.engine.ExceptionContext) -> None:
    """All its connections are given up, so that the next ones go to another."""
    cause = context.original_exception
    if cause.args and cause.args[0] in _MYSQL_ELSEWHERE:
        context.is_disconnect = True


def _postgresql(timeout_s: float, tls: TlsFiles | None) -> dict[str, Any]:
    ms = int(timeout_s * 1000)
    return {
        "connect_timeout": max(2, round(timeout_s)),  # libpq takes 1 for 2
        "options": f"-c statement_timeout={ms} -c lock_timeout={ms} -c idle_in_transaction_session_timeout={4 * ms}",
        "tcp_user_timeout": ms,
        "application_name": "logkeep",
        **({} if tls is None else _libpq(tls)),
    }


def _libpq(tls: TlsFiles) -> dict[str, Any]:
    """Raises InputError: a file cannot be used."""
    tls.context()
    found = {"sslmode": "verify-full", "sslrootcert": tls.ca_file or "system"}
    own = {"sslcert": tls.certificate_file, "sslkey": tls.key_file} if tls.certificate_file else {}
    return found | own


def _mysql(timeout_s: float, tls: TlsFiles | None) -> dict[str, Any]:
    return {
        "charset": "utf8mb4",
        "connect_timeout": max(1, round(timeout_s)),
        "read_timeout": timeout_s + GRACE_S,
        "write_timeout": timeout_s + GRACE_S,
        "program_name": "logkeep",
        **({} if tls is None else {"ssl": tls.context()}),
    }


def _bound_statements(opened: Any, timeout_s: float) -> None:
    with opened.cursor() as cursor:
        cursor.execute(f"SET SESSION innodb_lock_wait_timeout = {max(1, round(timeout_s))}")
        cursor.execute(f"SET SESSION max_statement_time = {timeout_s}")


def _is_one_of(error: BaseException, mysql: set[int], postgresql: set[str]) -> bool:
    code = error.args[0] if error.args else None
    return code in mysql or getattr(error, "sqlstate", None) in postgresql


def _revision(connection: sa.Connection) -> str | None:
    """Without Alembic, which takes 0.3 s to load."""
    if not sa.inspect(connection).has_table("alembic_version"):
        return None
    # Empty while another instance makes the tables, where that is no transaction (MariaDB).
    return connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar_one_or_none()
