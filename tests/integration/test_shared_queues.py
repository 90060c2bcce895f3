"""The service on Kafka and on Redis: it or its queue killed under load, nothing is lost or doubled."""

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.load import Sender, in_threads
from tests.servers.kafka import Kafka
from tests.servers.kafka import running as running_kafka
from tests.servers.process import ServerProcess
from tests.servers.redis import running as running_redis
from tests.service import Service, answers_ok, wait_for

Start = Callable[..., Service]
KAFKA = {"LOGKEEP_QUEUE_KIND": "kafka", "LOGKEEP_KAFKA_PARTITIONS": "3", "LOGKEEP_KAFKA_SESSION_TIMEOUT_S": "6"}
REDIS = {"LOGKEEP_QUEUE_KIND": "redis", "LOGKEEP_REDIS_LEASE_S": "2"}


def kafka_settings(kafka: Kafka, topic: str, copies: int = 1) -> dict[str, str]:
    return KAFKA | {
        "LOGKEEP_KAFKA_SERVERS": kafka.address,
        "LOGKEEP_KAFKA_TOPIC": topic,
        "LOGKEEP_KAFKA_REPLICATION_FACTOR": str(copies),
        "LOGKEEP_KAFKA_MIN_INSYNC_REPLICAS": str(max(1, copies - 1)),
    }


def redis_settings(redis: ServerProcess, prefix: str) -> dict[str, str]:
    return REDIS | {"LOGKEEP_REDIS_URL": redis.url, "LOGKEEP_REDIS_PREFIX": prefix}


@pytest.fixture
def own_redis(tmp_path: Path) -> Iterator[ServerProcess]:
    with running_redis(tmp_path / "redis") as started:
        yield started


def wait_for_acknowledged(senders: list[Sender], more: int = 30) -> None:
    """Each sender has so many more; a cluster that has lost a broker needs its time."""
    for sender in senders:
        target = len(sender.acknowledged) + more
        wait_for(lambda s=sender, t=target: len(s.acknowledged) >= t, 120.0, f"{target} acknowledged events")


def under_load(service: Service, work: Callable[[list[Sender]], None]) -> list[Sender]:
    """Senders that were busy while `work` was done, and for some events after it."""
    senders = [Sender(service, f"s{number}") for number in range(2)]
    threads = in_threads(*(sender.run for sender in senders))
    try:
        wait_for_acknowledged(senders)
        work(senders)
        wait_for_acknowledged(senders)
    finally:
        for sender in senders:
            sender.stop()
        for thread in threads:
            thread.join(30)
    return senders


def check_nothing_lost_or_doubled(service: Service, senders: list[Sender]) -> None:
    ledger = service.wait_until_drained(timeout_s=60.0)
    for sender in senders:
        found = [event["id"] for event in service.search(f"session={sender.session}")]
        assert len(found) == len(set(found)), "doubled"
        assert sender.acknowledged - set(found) == set(), "lost"
    accounted = ledger["stored"] + sum(ledger["rejected"].values()) + ledger["queued"]
    assert ledger["received"] == accounted, ledger


def wait_until_refused(service: Service) -> None:
    """Intake says that it can take nothing, and is alive all the same."""
    event = {"session": "refused", "key": "k", "value": 1}
    wait_for(lambda: service.post([event]).status_code == 503, 60.0, "a 503")
    assert answers_ok(f"{service.intake_url}/health/live")


def kill(service: Service, role: Any) -> None:
    for pid in service.pids(role):
        os.kill(pid, signal.SIGKILL)
    service.wait_until_ready()


@pytest.mark.parametrize("kind", ["kafka", "redis"])
def test_keeper_and_receiver_killed_under_load(start_service: Start, request: pytest.FixtureRequest, kind: str) -> None:
    server = request.getfixturevalue(kind)
    settings = kafka_settings(server, "killed") if kind == "kafka" else redis_settings(server, "killed")
    service = start_service(**settings)
    assert (service.folder / "run" / "settings.json").stat().st_mode & 0o777 == 0o600

    def work(senders: list[Sender]) -> None:
        for role in ("keeper", "receiver"):
            kill(service, role)

    check_nothing_lost_or_doubled(service, under_load(service, work))
    assert service.terminate() == 0


def test_redis_killed_under_load(start_service: Start, own_redis: ServerProcess) -> None:
    service = start_service(**redis_settings(own_redis, "down"))

    def work(senders: list[Sender]) -> None:
        own_redis.kill()
        wait_until_refused(service)
        own_redis.start()

    check_nothing_lost_or_doubled(service, under_load(service, work))


def test_the_only_broker_killed_under_load(start_service: Start, kafka: Kafka) -> None:
    service = start_service(**kafka_settings(kafka, "down"), LOGKEEP_KAFKA_DELIVERY_TIMEOUT_S="2")

    def work(senders: list[Sender]) -> None:
        kafka.brokers[0].kill()
        wait_until_refused(service)
        kafka.brokers[0].start()

    check_nothing_lost_or_doubled(service, under_load(service, work))


@pytest.mark.slow
def test_one_of_three_brokers_killed_under_load(start_service: Start, tmp_path: Path) -> None:
    with running_kafka(tmp_path / "kafka", brokers=3) as kafka:
        service = start_service(**kafka_settings(kafka, "three", copies=3))

        def work(senders: list[Sender]) -> None:
            kafka.brokers[0].kill()
            wait_for_acknowledged(senders)

        check_nothing_lost_or_doubled(service, under_load(service, work))
        service.kill_all()
