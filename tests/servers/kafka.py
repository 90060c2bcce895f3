"""Apache Kafka on loopback: one broker or several, each broker and controller in one process (KRaft)."""

import base64
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.servers import process
from tests.servers.java import fetched, java
from tests.servers.process import START_S, ServerProcess, folder_of
from tests.service import free_port

LIBRARY = ("kafka",)


@dataclass(frozen=True)
class Kafka:
    """address: for bootstrap.servers."""

    brokers: list[ServerProcess]
    address: str


@contextmanager
def running(folder: Path | None = None, *, brokers: int = 1, heap: str = "256m") -> Iterator[Kafka]:
    """A cluster that is ready."""
    command = [*java(heap), "-cp", f"{fetched(*LIBRARY)}/jars/*"]
    ports = [free_port() for _ in range(brokers)]
    with folder_of("kafka", folder) as place, ExitStack() as stack:
        files = _configurations(place, ports)
        _format([*command, "kafka.tools.StorageTool", "format"], files)
        servers = [
            ServerProcess(
                [*command, "kafka.Kafka", str(file)], file.with_suffix(".log"),
                ready=lambda said: "Kafka Server started" in said,
            )
            for file in files
        ]  # fmt: skip
        for server in servers:
            stack.callback(server.kill)
            server.launch()
        for server in servers:
            server.wait_until_ready()
        yield Kafka(servers, ",".join(f"127.0.0.1:{port}" for port in ports))


def _format(command: list[str], files: list[Path]) -> None:
    cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
    formats = [
        subprocess.Popen(
            [*command, "-t", cluster, "-c", str(file)], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL
        )
        for file in files
    ]
    assert [one.wait(START_S) for one in formats] == [0] * len(files)


def _configurations(folder: Path, ports: list[int]) -> list[Path]:
    controllers = [free_port() for _ in ports]
    return [_configuration(folder, index, ports, controllers) for index in range(len(ports))]


def _configuration(folder: Path, index: int, ports: list[int], controllers: list[int]) -> Path:
    copies = min(3, len(ports))
    least = max(1, copies - 1)
    voters = ",".join(f"{place + 1}@127.0.0.1:{port}" for place, port in enumerate(controllers))
    lines = {
        "process.roles": "broker,controller",
        "node.id": index + 1,
        "controller.quorum.voters": voters,
        "listeners": f"PLAINTEXT://127.0.0.1:{ports[index]},CONTROLLER://127.0.0.1:{controllers[index]}",
        "advertised.listeners": f"PLAINTEXT://127.0.0.1:{ports[index]}",
        "controller.listener.names": "CONTROLLER",
        "inter.broker.listener.name": "PLAINTEXT",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "log.dirs": folder / f"data-{index}",
        "default.replication.factor": copies,
        "min.insync.replicas": least,
        "offsets.topic.replication.factor": copies,
        "offsets.topic.num.partitions": 2,
        "transaction.state.log.replication.factor": copies,
        "transaction.state.log.min.isr": least,
        "transaction.state.log.num.partitions": 2,
        "group.initial.rebalance.delay.ms": 0,
        "num.network.threads": 2,
        "num.io.threads": 2,
        "num.recovery.threads.per.data.dir": 1,
        "log.cleaner.dedupe.buffer.size": 16777216,
        "auto.create.topics.enable": "false",
    }
    file = folder / f"broker-{index}.properties"
    file.write_text("".join(f"{name}={value}\n" for name, value in lines.items()))
    return file


shared = process.shared(running)
