"""A real PostgreSQL on loopback."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.programs import require_program
from tests.servers import process
from tests.servers.authority import Authority
from tests.servers.databases import PASSWORD, USER, DatabaseServer, run
from tests.servers.process import ServerProcess, folder_of, unprivileged
from tests.service import free_port

HBA_TLS = "host all root 127.0.0.1/32 trust\nhostssl all all 127.0.0.1/32 scram-sha-256 clientcert=verify-ca\n"
HBA = "host all root 127.0.0.1/32 trust\nhost all all 127.0.0.1/32 scram-sha-256\n"


@contextmanager
def running(authority: Authority | None = None) -> Iterator[DatabaseServer]:
    """authority: USER has to come with TLS and a certificate of its."""
    program = _program()
    user, port = unprivileged("postgres"), free_port()
    with folder_of("postgresql", user=user) as folder:
        initdb = str(program.resolve().with_name("initdb"))
        run([initdb, "-D", f"{folder}/data", "-U", "root", "-A", "trust", "-E", "UTF8", "--no-sync"], user)
        (folder / "data" / "pg_hba.conf").write_text(HBA_TLS if authority else HBA)
        options = {
            "listen_addresses": "127.0.0.1", "port": port, "unix_socket_directories": folder, "shared_buffers": "16MB",
            "fsync": "off",
        }  # fmt: skip
        if authority is not None:
            files = authority.issue(folder, user)
            options |= {
                "ssl": "on", "ssl_ca_file": files.ca, "ssl_cert_file": files.certificate, "ssl_key_file": files.key,
            }  # fmt: skip
        command = [str(program), "-D", f"{folder}/data", *(f"--{name}={value}" for name, value in options.items())]
        url = f"postgresql://127.0.0.1:{port}"
        with ServerProcess(
            command, folder / "postgresql.log", ready=lambda said: _answers(port), url=url, user=user
        ) as server:
            _query(port, f"CREATE ROLE {USER} LOGIN PASSWORD '{PASSWORD}'")
            yield DatabaseServer(server, lambda name, copied: _create(port, name, copied or "template1"))


def _create(port: int, name: str, copied: str) -> None:
    _query(port, f"CREATE DATABASE {name} OWNER {USER} TEMPLATE {copied}")


def _program() -> Path:
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))  # Debian puts it on nobody's path
    return installed[-1] if installed else Path(require_program("postgres"))


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


shared = process.shared(running)
