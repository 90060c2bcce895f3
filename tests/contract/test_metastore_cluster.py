"""The metastore on several hosts: on a real Galera cluster of three MariaDB nodes, of which two die."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.contract.metastores import Shared, shared
from tests.servers import galera
from tests.servers.galera import Cluster
from tests.service import wait_for

from logkeep.clock import SystemClock
from logkeep.errors import BackendUnavailable
from logkeep.metastore.audit import CONSOLE, Audit
from logkeep.metastore.database import HEAD, Database, Transaction, bump, change_of
from logkeep.metastore.limits import AppLimits, Limits
from logkeep.metastore.server import ServerDatabase
from logkeep.settings import LimitSettings

TOPIC = "masking"  # any that nothing else here changes
FAILOVER_S = 60.0  # a bound for busy cores; three seconds on quiet ones


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with galera.running() as started:
        yield started


class Writers:
    """Threads that write all the time, each by a connection pool of its own; what fails they try again."""

    def __init__(self, databases: list[Database]) -> None:
        self.done = [0] * len(databases)
        self.failed = 0
        self._ended = threading.Event()
        self._threads = [threading.Thread(target=self._write, args=pair) for pair in enumerate(databases)]

    def _write(self, number: int, database: Database) -> None:
        while not self._ended.is_set():
            try:
                database.write(lambda transaction: bump(transaction, TOPIC))
            except BackendUnavailable:
                self.failed += 1
                self._ended.wait(0.05)
            else:
                self.done[number] += 1
                self._ended.wait(0.01)

    def __enter__(self) -> "Writers":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join(FAILOVER_S)

    def wait_for_more(self, of_each: int) -> None:
        before = list(self.done)
        wait_for(
            lambda: all(now >= then + of_each for now, then in zip(self.done, before, strict=True)), FAILOVER_S,
            "all to have written", lambda: f"{before} then, {self.done} now, {self.failed} failed",
        )  # fmt: skip


def count(database: Database) -> int:
    return database.read(lambda transaction: change_of(transaction, TOPIC))


@pytest.mark.parametrize("kind", ["mariadb", "postgresql"])
def test_of_several_hosts_the_first_that_answers_is_used(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    with shared(kind, tmp_path, request) as it:
        place = it.url.rpartition("@")[2].partition("/")[0]
        database = ServerDatabase(it.url.replace(place, f"127.0.0.1:1,{place},127.0.0.1:2"), timeout_s=2)
        database.upgrade()
        assert database.revision() == HEAD
        database.close()


@pytest.mark.slow
def test_keys_and_limits_go_on_while_nodes_die_under_writes(cluster: Cluster, tmp_path: Path) -> None:
    name = cluster.new_database()
    it = Shared("mariadb", tmp_path, cluster.url(name))
    first = it.prepare()
    assert first is not None and it.open().revision() == HEAD
    assert it.prepare(tmp_path / "another") is None
    assert cluster.tables_without_a_primary_key(name) == []
    accounts = it.accounts()
    limits = AppLimits(it.open(), LimitSettings(), SystemClock(), refresh_s=60, retention_days=30)
    accounts._watched.look()
    key, secret = it.directory(accounts).keys.create(CONSOLE, "default", name="shop ☃")
    limits.put("default", Limits(events_per_day=7), by="anna")

    nodes = [Shared("mariadb", tmp_path, cluster.url(name, number)) for number in range(3)]
    writers_of_one_row_at_every_node_lose_nothing(nodes)
    wait_for(lambda: sees(nodes[2], secret), FAILOVER_S, "the key on the third node")

    with Writers([it.open() for _ in range(3)]) as writers:
        writers.wait_for_more(5)
        cluster.nodes[0].kill()
        assert accounts.credential(secret) is not None and limits.in_force("default").events_per_day == 7
        writers.wait_for_more(20)
    assert count(it.open()) >= sum(writers.done)  # one that was lost on its way may have been done before it was again
    wait_for(lambda: cluster.size(1) == 2, FAILOVER_S, "the dead node to be given up")
    limits.put("default", Limits(events_per_day=8), by="anna")
    it.directory(accounts).keys.revoke(CONSOLE, "default", key.id)
    wait_for(lambda: not sees(nodes[2], secret), FAILOVER_S, "the third node to have forgotten the key")
    assert Audit(it.open(), SystemClock()).verify().broken == 0

    cluster.nodes[1].kill()
    wait_for(lambda: not cluster.has_quorum(2), FAILOVER_S, "the last node to see that it is alone")
    with pytest.raises(BackendUnavailable):  # it takes connections, and no statement
        it.open().write(lambda transaction: bump(transaction, TOPIC))
    assert accounts.credential(first.app_key) is not None and limits.in_force("default").events_per_day == 8
    cluster.go_on_alone(2)
    wait_for(lambda: cluster.has_quorum(2), FAILOVER_S, "the last node to go on")
    database = it.open()
    before = count(database)
    database.write(lambda transaction: bump(transaction, TOPIC))
    accounts._watched.look()
    assert count(database) == before + 1 and accounts.problem() is None
    for each in (it, *nodes):
        each.close()
    accounts.close()


def sees(it: Shared, secret: str) -> bool:
    accounts = it.accounts()
    accounts._watched.look()
    return accounts.credential(secret) is not None


def writers_of_one_row_at_every_node_lose_nothing(nodes: list[Shared]) -> None:
    """They meet when they are certified: all but one get error 1213, and are tried again."""
    met = threading.Barrier(len(nodes))
    tries = [0] * len(nodes)

    def add(number: int, database: Database) -> None:
        def work(transaction: Transaction) -> None:
            tries[number] += 1
            bump(transaction, TOPIC)
            if tries[number] == 1:
                met.wait(FAILOVER_S)  # each has the lock on its own node

        for _ in range(5):
            database.write(work)

    databases = [node.open() for node in nodes]
    before = count(databases[0])
    threads = [threading.Thread(target=add, args=pair) for pair in enumerate(databases)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(FAILOVER_S)
    assert sum(tries) >= 5 * len(nodes) + len(nodes) - 1, tries
    wait_for(lambda: count(databases[0]) == before + 5 * len(nodes), FAILOVER_S, "all of it on the first node")
