"""Apache Kafka on loopback: one broker or several, each broker and controller in one process (KRaft)."""

import base64
import re
import subprocess
import uuid
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.servers import authority, process
from tests.servers.authority import Authority, Issued
from tests.servers.java import fetched, java
from tests.servers.process import START_S, ServerProcess, folder_of
from tests.service import free_port

LIBRARY = ("kafka",)
USER, PASSWORD = "logkeep", "se_cret-2b9f"  # on the shared one's secured address; it may do everything
LIMITED = ("a-receiver", "a-processor", "an-api")  # there with the same password; they may do what a test allows them


@dataclass(frozen=True)
class Kafka:
    """address: for bootstrap.servers. secured: the same of SASL_SSL, when there is an authority."""

    brokers: list[ServerProcess]
    address: str
    secured: str = ""


@contextmanager
def running(
    folder: Path | None = None,
    *,
    brokers: int = 1,
    heap: str = "256m",
    signed: Authority | None = None,
    users: Mapping[str, str] | None = None,
) -> Iterator[Kafka]:
    """A cluster that is ready. signed: also on SASL_SSL, for `users` (name: password) with a certificate of it."""
    command = [*java(heap), "-cp", f"{fetched(*LIBRARY)}/jars/*"]
    ports = [free_port() for _ in range(brokers)]
    with folder_of("kafka", folder) as place, ExitStack() as stack:
        secured = [free_port() for _ in ports] if signed else []
        files = _configurations(place, ports)
        for port, file in zip(secured, files, strict=False):
            _secure(file, port, signed.issue(place), users or {})  # type: ignore[union-attr]
        known = [f"--add-scram=SCRAM-SHA-512=[name={name},password={word}]" for name, word in (users or {}).items()]
        _format([*command, "kafka.tools.StorageTool", "format", *known], files)
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
        yield Kafka(servers, _addresses(ports), _addresses(secured))


def _addresses(ports: list[int]) -> str:
    return ",".join(f"127.0.0.1:{port}" for port in ports)


def _secure(file: Path, port: int, tls: Issued, users: Mapping[str, str]) -> None:
    """One listener more: SCRAM and PLAIN over TLS, with certificates on both sides."""
    text = file.read_text()
    for name in ("listeners", "advertised.listeners"):
        text = re.sub(rf"^{name}=(.*)$", rf"{name}=\1,SECURED://127.0.0.1:{port}", text, flags=re.MULTILINE)
    text = text.replace("security.protocol.map=", "security.protocol.map=SECURED:SASL_SSL,")
    login = "org.apache.kafka.common.security"
    known = "".join(f' user_{name}="{word}"' for name, word in users.items())
    lines = {
        "sasl.enabled.mechanisms": "SCRAM-SHA-512,PLAIN",
        "scram-sha-512.sasl.jaas.config": f"{login}.scram.ScramLoginModule required;",
        "plain.sasl.jaas.config": f"{login}.plain.PlainLoginModule required{known};",
        "ssl.client.auth": "required",
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": tls.bundle,
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": tls.ca,
    }
    # Access lists count for users alone: brokers among each other and the plain listener are ANONYMOUS.
    text += "authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer\n"
    text += f"super.users=User:ANONYMOUS;User:{USER}\n"
    text += "".join(f"listener.name.secured.{name}={value}\n" for name, value in lines.items())
    file.write_text(text)


def _format(command: list[str], files: list[Path]) -> None:
    cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
    formats = [
        subprocess.Popen(
            [*command, f"--cluster-id={cluster}", "-c", str(file)], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL
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


def _secured() -> AbstractContextManager[Kafka]:
    return running(signed=authority.shared(), users=dict.fromkeys((USER, *LIMITED), PASSWORD))


shared = process.shared(_secured)
