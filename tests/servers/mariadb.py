"""A real MariaDB on loopback."""

import functools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from tests.programs import require_program
from tests.servers import process
from tests.servers.authority import Authority
from tests.servers.databases import PASSWORD, USER, DatabaseServer, run
from tests.servers.process import ServerProcess, folder_of, unprivileged
from tests.service import free_port


@contextmanager
def running(authority: Authority | None = None) -> Iterator[DatabaseServer]:
    """authority: USER has to come with TLS and a certificate of its."""
    program, install = require_program("mariadbd"), require_program("mariadb-install-db")
    user, port = unprivileged("mysql"), free_port()
    with folder_of("mariadb", user=user) as folder:
        options = ["--no-defaults", f"--datadir={folder}/data", "--innodb-log-file-size=16M"]
        made = ["--skip-test-db", "--auth-root-authentication-method=normal", *([f"--user={user}"] if user else [])]
        run([install, *options, *made])
        command = [
            program, *options, f"--socket={folder}/s", f"--pid-file={folder}/pid", "--bind-address=127.0.0.1",
            f"--port={port}", "--skip-name-resolve", "--performance-schema=OFF", "--innodb-buffer-pool-size=32M",
            "--innodb-flush-log-at-trx-commit=2",
        ]  # fmt: skip
        if authority is not None:
            files = authority.issue(folder, user)
            command += [f"--ssl-ca={files.ca}", f"--ssl-cert={files.certificate}", f"--ssl-key={files.key}"]
        needs = " REQUIRE X509" if authority else ""
        url = f"mariadb://127.0.0.1:{port}"
        with ServerProcess(
            command, folder / "mariadb.log", ready=lambda said: _answers(port), url=url, user=user
        ) as server:
            queries(port, f"CREATE USER {USER}@'127.0.0.1' IDENTIFIED BY '{PASSWORD}'{needs}")
            yield DatabaseServer(server, lambda name, copied: _create(port, name, copied))


def _create(port: int, name: str, copied: str) -> None:
    made = [f"CREATE DATABASE {name}", f"GRANT ALL ON {name}.* TO {USER}@'127.0.0.1'"]
    if copied:
        # Tables name each other in no order.
        made += ["SET foreign_key_checks = 0", f"USE {name}", *_tables(port, copied)]
    queries(port, *made)


@functools.cache
def _tables(port: int, database: str) -> list[str]:
    """The statements that make its tables and what is in them."""
    names = [str(row[0]) for row in queries(port, f"SHOW TABLES FROM {database}")[0]]
    made = queries(port, *(f"SHOW CREATE TABLE {database}.{name}" for name in names))
    filled = [f"INSERT INTO {name} SELECT * FROM {database}.{name}" for name in names]  # noqa: S608
    return [*(str(rows[0][1]) for rows in made), *filled]


def _answers(port: int) -> bool:
    import pymysql

    try:
        query(port, "SELECT 1")
    except pymysql.MySQLError:
        return False
    return True


def query(port: int, statement: str) -> Sequence[Any]:
    """The rows that root gets."""
    return queries(port, statement)[0]


def queries(port: int, *statements: str) -> list[Sequence[Any]]:
    """The rows that root gets of each."""
    import pymysql

    connection = pymysql.connect(host="127.0.0.1", port=port, user="root", autocommit=True)
    found = []
    with connection, connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)
            found.append(cursor.fetchall())
    return found


shared = process.shared(running)
