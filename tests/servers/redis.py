"""Redis on loopback, every write fsync'd before it is answered."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.programs import require_program
from tests.servers import process
from tests.servers.authority import Authority
from tests.servers.process import ServerProcess, folder_of
from tests.service import free_port


@contextmanager
def running(
    folder: Path | None = None, *, authority: Authority | None = None, users: str = "", **changes: str
) -> Iterator[ServerProcess]:
    """changes: of its configuration, `_` for `-`. authority: TLS alone, for clients it knows. users: an access list."""
    port = free_port()
    with folder_of("redis", folder) as place:
        options = {
            "bind": "127.0.0.1", "port": str(port), "dir": str(place), "save": "", "appendonly": "yes",
            "appendfsync": "always", "maxmemory": "256mb", "maxmemory_policy": "noeviction",
        } | changes  # fmt: skip
        if authority is not None:
            files = authority.issue(place)
            options |= {
                "port": "0", "tls_port": str(port), "tls_ca_cert_file": files.ca, "tls_cert_file": files.certificate,
                "tls_key_file": files.key,
            }  # fmt: skip
        if users:
            (place / "users.acl").write_text(users)
            options["aclfile"] = str(place / "users.acl")
        command = [require_program("redis-server")]
        for name, value in options.items():
            command += [f"--{name.replace('_', '-')}", value]
        with ServerProcess(
            command, place / "redis.log", url=f"redis{'s' if authority else ''}://127.0.0.1:{port}/0",
            ready=lambda said: "Ready to accept connections" in said,
        ) as server:  # fmt: skip
            yield server


shared = process.shared(running)
