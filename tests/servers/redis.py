"""Redis on loopback, every write fsync'd before it is answered."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from tests.servers.processes import ServerProcess
from tests.service import free_port

START_TIMEOUT_S = 30.0
READY = "Ready to accept connections"


class Redis:
    def __init__(self, process: ServerProcess, port: int) -> None:
        self.process, self.port = process, port
        self.url = f"redis://127.0.0.1:{port}/0"

    def start_again(self) -> None:
        starts = self.process.text().count(READY)
        self.process.start_again()
        self.process.wait_for_text(READY, START_TIMEOUT_S, count=starts + 1)


@contextlib.contextmanager
def running_redis(program: str, folder: Path, *, appendfsync: str = "always", memory: str = "256mb") -> Iterator[Redis]:
    folder.mkdir(parents=True, exist_ok=True)
    port = free_port()
    options = {
        "--bind": "127.0.0.1", "--port": str(port), "--dir": str(folder), "--save": "",
        "--appendonly": "yes", "--appendfsync": appendfsync,
        "--maxmemory": memory, "--maxmemory-policy": "noeviction",
    }  # fmt: skip
    process = ServerProcess([program, *(part for pair in options.items() for part in pair)], folder / "redis.log")
    try:
        process.wait_for_text(READY, START_TIMEOUT_S)
        yield Redis(process, port)
    finally:
        process.kill()
