"""A real MariaDB on loopback."""

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
            query(port, f"CREATE USER {USER}@'127.0.0.1' IDENTIFIED BY '{PASSWORD}'{needs}")
            yield DatabaseServer(server, lambda name: _create(port, name))


def _create(port: int, name: str) -> None:
    query(port, f"CREATE DATABASE {name}")
    query(port, f"GRANT ALL ON {name}.* TO {USER}@'127.0.0.1'")


def _answers(port: int) -> bool:
    import pymysql

    try:
        query(port, "SELECT 1")
    except pymysql.MySQLError:
        return False
    return True


def query(port: int, statement: str) -> Sequence[Any]:
    """The rows that root gets."""
    import pymysql

    connection = pymysql.connect(host="127.0.0.1", port=port, user="root", autocommit=True)
    with connection, connection.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchall()


shared = process.shared(running)
