"""A real MariaDB on loopback, empty."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from tests.servers.database_process import Server, folder_of, run, unprivileged
from tests.service import free_port, wait_for

START_S = 60.0
PASSWORD = "se/cret@1"


class MariaDb:
    def __init__(self, server: Server, port: int) -> None:
        self.server, self._port = server, port
        self._databases = 0

    def new_database(self) -> str:
        """The URL of an empty database."""
        self._databases += 1
        name = f"lk{self._databases}"
        _query(self._port, "root", "", f"CREATE DATABASE {name}; GRANT ALL ON {name}.* TO lk@'127.0.0.1'")
        return f"mariadb://lk:{PASSWORD.replace('/', '%2F').replace('@', '%40')}@127.0.0.1:{self._port}/{name}"

    def start_again(self) -> None:
        self.server.start()
        wait_for(lambda: _answers(self._port), START_S, "MariaDB to answer", self.server.log_tail)


@contextmanager
def mariadb(program: str) -> Iterator[MariaDb]:
    """program: the path of mariadbd."""
    user = unprivileged("mysql")
    with folder_of("mariadb", user) as folder:
        install = shutil.which("mariadb-install-db") or "mariadb-install-db"
        run(
            [
                install, "--no-defaults", f"--datadir={folder}/data", "--skip-test-db", "--innodb-log-file-size=16M",
                "--auth-root-authentication-method=normal", *([f"--user={user}"] if user else []),
            ]
        )  # fmt: skip
        port = free_port()
        command = [
            program, "--no-defaults", f"--datadir={folder}/data", f"--socket={folder}/s", f"--pid-file={folder}/pid",
            "--bind-address=127.0.0.1", f"--port={port}", "--skip-name-resolve", "--performance-schema=OFF",
            "--innodb-buffer-pool-size=32M", "--innodb-log-file-size=16M", "--innodb-flush-log-at-trx-commit=2",
        ]  # fmt: skip
        server = Server(command, folder / "log", user)
        found = MariaDb(server, port)
        try:
            found.start_again()
            _query(port, "root", "", f"CREATE USER lk@'127.0.0.1' IDENTIFIED BY '{PASSWORD}'")
            yield found
        finally:
            server.stop()


def _answers(port: int) -> bool:
    import pymysql

    try:
        _query(port, "root", "", "SELECT 1")
    except pymysql.MySQLError:
        return False
    return True


def _query(port: int, user: str, password: str, statements: str) -> None:
    import pymysql

    connection = pymysql.connect(host="127.0.0.1", port=port, user=user, password=password, autocommit=True)
    with connection, connection.cursor() as cursor:
        for statement in statements.split("; "):
            cursor.execute(statement)
