"""A real PostgreSQL on loopback, empty."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.servers.database_process import Server, folder_of, run, unprivileged
from tests.service import free_port, wait_for

START_S = 60.0
PASSWORD = "se/cret@1"


class PostgreSql:
    def __init__(self, server: Server, port: int) -> None:
        self.server, self._port = server, port
        self._databases = 0

    def new_database(self) -> str:
        """The URL of an empty database."""
        self._databases += 1
        name = f"lk{self._databases}"
        _query(self._port, f"CREATE DATABASE {name} OWNER lk")
        return f"postgresql://lk:{PASSWORD.replace('/', '%2F').replace('@', '%40')}@127.0.0.1:{self._port}/{name}"

    def start_again(self) -> None:
        self.server.start()
        wait_for(lambda: _answers(self._port), START_S, "PostgreSQL to answer", self.server.log_tail)


@contextmanager
def postgresql(program: str) -> Iterator[PostgreSql]:
    """program: the path of postgres, with initdb beside it."""
    user = unprivileged("postgres")  # it refuses to run as root
    with folder_of("postgresql", user) as folder:
        initdb = str(Path(program).resolve().with_name("initdb"))
        run([initdb, "-D", f"{folder}/data", "-U", "root", "-A", "trust", "-E", "UTF8", "--no-sync"], user)
        (folder / "data" / "pg_hba.conf").write_text(
            "host all root 127.0.0.1/32 trust\nhost all all 127.0.0.1/32 scram-sha-256\n"
        )
        port = free_port()
        options = {
            "listen_addresses": "127.0.0.1", "port": port, "unix_socket_directories": folder, "shared_buffers": "16MB",
            "fsync": "off",
        }  # fmt: skip
        command = [program, "-D", f"{folder}/data", *(f"--{name}={value}" for name, value in options.items())]
        server = Server(command, folder / "log", user)
        found = PostgreSql(server, port)
        try:
            found.start_again()
            _query(port, f"CREATE ROLE lk LOGIN PASSWORD '{PASSWORD}'")
            yield found
        finally:
            server.stop()


def _answers(port: int) -> bool:
    import psycopg

    try:
        _query(port, "SELECT 1")
    except psycopg.Error:
        return False
    return True


def _query(port: int, statement: str) -> None:
    import psycopg

    with psycopg.connect(host="127.0.0.1", port=port, user="root", dbname="postgres", autocommit=True) as connection:
        connection.execute(statement)
