"""Roles in any number on the other engines: receivers, processors and APIs, two each, on Redis, MongoDB and MariaDB.

The store speaks MongoDB's wire protocol (tests/servers/mongodb.py). The tests go on with one installation, in their
order, and leave it whole.
"""

import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from typing import Any

import msgspec
import pytest
from tests.load import Sender
from tests.roles import Installation, Pairs, Role, balance, check_nothing_lost_or_doubled, event, under_load
from tests.servers import mongodb, redis
from tests.servers.process import ServerProcess
from tests.service import wait_for

from logkeep.clock import SystemClock
from logkeep.decode import frame
from logkeep.decode.frame import FrameHeader, pack_frame
from logkeep.queue.redis_streams import RedisQueue
from logkeep.settings import QueueSettings, RedisSettings

PARTITIONS = 2


class Site(Pairs):
    """The installation, and the queue that a test takes away."""

    def __init__(self, installation: Installation, queue: ServerProcess) -> None:
        super().__init__(installation)
        self.queue = queue


@pytest.fixture(scope="module")
def site(mariadb: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("roles-redis")
    with redis.running() as queue, mongodb.running() as store, ExitStack() as stack:
        settings = {
            "LOGKEEP_QUEUE_KIND": "redis",
            "LOGKEEP_REDIS_URL": queue.url,
            "LOGKEEP_REDIS_PARTITIONS": str(PARTITIONS),
            "LOGKEEP_STORE_KIND": "mongodb",
            "LOGKEEP_MONGODB_URL": store.url,
            "LOGKEEP_MONGODB_DATABASE": "roles",
            "LOGKEEP_METASTORE_URL": mariadb.new_database(),
            "LOGKEEP_METASTORE_REFRESH_S": "0.5",
        }
        installation = Installation(folder, settings)
        stack.callback(installation.close)
        started = Site(installation, queue)
        installation.wait_until_ready()
        yield started


def stored_by(processor: Role) -> float:
    return processor.metric("logkeep_processor_events_stored_total")


def test_what_any_receiver_takes_is_found_through_any_api(site: Site) -> None:
    for number, receiver in enumerate(site.receivers):
        assert site.all.post(receiver, event(number, key="state", session="found", value=f"v{number}")) == 202
        for api in site.apis:
            site.all.wait_for_events(api, f"session=found v{number}", 1)
    assert site.all.post(site.receivers[1], event(0, key="state", session="found", value="new", update=True)) == 202
    for api in site.apis:
        wait_for(
            lambda api=api: [each["value"] for each in site.all.search(api, "session=found")] == ["new"],  # type: ignore[misc]
            30,
            "the update to stand alone",
        )


def test_a_processor_killed_under_load_is_replaced_by_the_other(site: Site) -> None:
    killed, other = sorted(site.processors, key=stored_by, reverse=True)

    def work(senders: list[Sender]) -> None:
        killed.kill()
        before = stored_by(other)
        wait_for(lambda: stored_by(other) > before, 60, "the other to go on", other.log_tail)

    senders = under_load(site, work)
    check_nothing_lost_or_doubled(site, senders)
    killed.start()
    killed.wait_until_ready()


def test_a_receiver_killed_under_load_takes_nothing_with_it(site: Site) -> None:
    def work(senders: list[Sender]) -> None:
        site.receivers[0].kill()
        senders[1].wait_for_acknowledged(50)
        site.receivers[0].start()
        site.receivers[0].wait_until_ready()

    check_nothing_lost_or_doubled(site, under_load(site, work))


def test_a_queue_killed_under_load_loses_and_doubles_nothing(site: Site) -> None:
    def work(senders: list[Sender]) -> None:
        site.queue.kill()
        for role in (*site.receivers, *site.processors):
            wait_for(lambda role=role: role.readiness()[0] == 503, 60, "it not to be ready", role.log_tail)  # type: ignore[misc]
        site.queue.start()
        for role in site.all.roles:
            role.wait_until_ready()

    check_nothing_lost_or_doubled(site, under_load(site, work))


def as_a_newer_receiver_writes(site: Site, number: int) -> bytes:
    """A frame of the version after this program's, with one event."""
    header = FrameHeader(site.all.credentials["app"], time.time_ns(), f"{number:024x}", 1)
    body = msgspec.json.encode(event(number, session="newer"))
    return bytes((frame.NEWEST_VERSION + 1,)) + pack_frame(header, body)[1:]


def test_what_a_newer_receiver_wrote_waits_for_a_newer_processor(site: Site) -> None:
    settings = RedisSettings(url=site.queue.url, partitions=PARTITIONS)
    with closing(RedisQueue(settings, QueueSettings(), clock=SystemClock())) as queue:
        partition = queue.datagrams
        queue.append(partition, [as_a_newer_receiver_writes(site, 1)])

    def owners() -> list[Role]:
        return [one for one in site.processors if one.readiness()[0] == 503]

    wait_for(lambda: len(owners()) == 1, 60, "the partition's owner not to be ready", site.all.told)
    (owner,) = owners()
    words = f"partition {partition} is stopped at record "
    assert words in owner.readiness()[1] and f"version {frame.NEWEST_VERSION + 1}" in owner.readiness()[1]
    assert "a partition is stopped: a newer Logkeep wrote into it" in owner.log_text()
    assert owner.metric("logkeep_processor_partitions_stopped") == 1.0
    # Both partitions take what comes now: half of it waits, and the ledger says so.
    for number in range(2, 42):
        assert site.all.post(site.receivers[number % 2], event(number, session="newer")) == 202
    wait_for(lambda: bool(site.all.search(site.apis[0], "session=newer")), 60, "the other partition to go on")
    wait_for(lambda: 0 < site.all.ledger(site.apis[0])["queued"] < 40, 60, "the others to be stored", site.all.told)
    assert balance(site.all.ledger(site.apis[1])) == 0
    assert site.all.search(site.apis[0], "session=newer k1") == []

    upgraded = "import logkeep.decode.frame as f, logkeep.cli as cli; f.NEWEST_VERSION += 1; cli.main()"
    for processor in site.processors:
        assert processor.terminate() == 0
        processor.start((sys.executable, "-c", upgraded))
    for processor in site.processors:
        processor.wait_until_ready()
    site.all.wait_for_events(site.apis[0], "session=newer", 41)
    assert site.all.wait_until_drained(site.apis[0])["queued"] == 0
    assert balance(site.all.ledger(site.apis[1])) == 0
    assert len({found["id"] for found in site.all.search(site.apis[1], "session=newer")}) == 41


def test_every_role_ends_in_order(site: Site) -> None:
    assert [(role.kind, role.terminate()) for role in site.all.roles] == [(role.kind, 0) for role in site.all.roles]
