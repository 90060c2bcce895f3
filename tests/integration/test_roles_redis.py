"""Roles in any number on the other engines: receivers, processors and APIs, two each, on Redis, MongoDB and MariaDB.

The store speaks MongoDB's wire protocol (tests/servers/mongodb.py). The tests go on with one installation, in their
order, and leave it whole.
"""

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from tests.load import Sender
from tests.roles import Installation, Pairs, Role, check_nothing_lost_or_doubled, event, under_load
from tests.servers import mongodb, redis
from tests.servers.process import ServerProcess
from tests.service import wait_for

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


def test_every_role_ends_in_order(site: Site) -> None:
    assert [(role.kind, role.terminate()) for role in site.all.roles] == [(role.kind, 0) for role in site.all.roles]
