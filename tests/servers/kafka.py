"""Apache Kafka on loopback: one broker or several, each broker and controller in one process (KRaft)."""

import base64
import contextlib
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

from tests.servers.jars import jars_of
from tests.servers.processes import ServerProcess
from tests.service import free_port

POM = Path(__file__).with_name("kafka.pom.xml")
START_TIMEOUT_S = 120.0
STARTED = "Kafka Server started"
_JAVA = ["-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto", "-Djava.awt.headless=true"]
_LOG4J = """status = error
appender.c.type = Console
appender.c.name = C
appender.c.layout.type = PatternLayout
appender.c.layout.pattern = [%d] %p %m (%c)%n
rootLogger.level = WARN
rootLogger.appenderRef.c.ref = C
logger.srv.name = kafka.server.KafkaRaftServer
logger.srv.level = INFO
"""


class Kafka:
    """`brokers`: their processes, to be killed and started again; `address`: for bootstrap.servers."""

    def __init__(self, brokers: list[ServerProcess], ports: list[int]) -> None:
        self.brokers = brokers
        self.address = ",".join(f"127.0.0.1:{port}" for port in ports)

    def start_again(self, index: int) -> None:
        broker = self.brokers[index]
        starts = broker.text().count(STARTED)
        broker.start_again()
        broker.wait_for_text(STARTED, START_TIMEOUT_S, count=starts + 1)


@contextlib.contextmanager
def running_kafka(folder: Path, *, brokers: int = 1, heap: str = "256m") -> Iterator[Kafka]:
    """A cluster that is ready; every process of it is gone at the end."""
    libraries = f"{jars_of(POM)}/*"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "log4j2.properties").write_text(_LOG4J)
    java = ["java", *_JAVA, f"-Dlog4j2.configurationFile=file:{folder}/log4j2.properties", "-cp", libraries]
    ports = [free_port() for _ in range(brokers)]
    controllers = [free_port() for _ in range(brokers)]
    cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
    configurations = [_configuration(folder, index, ports, controllers) for index in range(brokers)]
    formats = [
        subprocess.Popen([*java, "kafka.tools.StorageTool", "format", "-t", cluster, "-c", str(file)],
                         stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        for file in configurations
    ]  # fmt: skip
    assert [one.wait(START_TIMEOUT_S) for one in formats] == [0] * brokers
    started: list[ServerProcess] = []
    try:
        for index, file in enumerate(configurations):
            command = [java[0], f"-Xms{heap}", f"-Xmx{heap}", *java[1:], "kafka.Kafka", str(file)]
            started.append(ServerProcess(command, folder / f"broker-{index}.log"))
        for broker in started:
            broker.wait_for_text(STARTED, START_TIMEOUT_S)
        yield Kafka(started, ports)
    finally:
        for broker in started:
            broker.kill()  # nothing of it is needed any more, and an orderly end takes seconds


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
