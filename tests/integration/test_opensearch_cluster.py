"""Three OpenSearch nodes, the one that leads killed in the middle of writes: the others go on, and nothing is lost."""

import threading
from collections.abc import Iterator
from typing import Any

import httpx
import msgspec
import pytest
from tests.servers import opensearch
from tests.servers.process import ServerProcess
from tests.service import wait_for

from logkeep.clock import NS_PER_S, SystemClock
from logkeep.errors import BackendUnavailable
from logkeep.event import Event
from logkeep.query import ast
from logkeep.store.opensearch import OpenSearchStore
from logkeep.store.opensearch_client import Access
from logkeep.store.opensearch_schema import Layout
from logkeep.store.port import Batch, SearchRequest
from logkeep.store.reading import Reading

T0 = 1_760_054_400 * NS_PER_S  # 2025-10-10T00:00:00Z
BATCH_EVENTS = 100
BEFORE, AFTER = 5, 10  # batches that are acknowledged before a node is killed, and after it

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[ServerProcess]]:
    with opensearch.cluster(tmp_path_factory.mktemp("cluster")) as servers:
        wait_for(lambda: health(servers[0])["number_of_nodes"] == 3, 60, "three nodes")
        yield servers


def health(node: ServerProcess) -> dict[str, Any]:
    found: dict[str, Any] = httpx.get(f"{node.url}/_cluster/health", timeout=10).json()
    return found


def leader(nodes: list[ServerProcess]) -> ServerProcess:
    name = httpx.get(f"{nodes[0].url}/_cat/cluster_manager?h=node", timeout=10).text.strip()
    return nodes[int(name.removeprefix("node-"))]


def events_of(batch: int) -> list[Event]:
    return [
        Event(
            "shop", f"s{number % 7}", "log", f"event {number} of batch {batch}", "text", None, T0 + batch, T0 + batch,
            f"e{batch:04}-{number:03}",
        )
        for number in range(BATCH_EVENTS)
    ]  # fmt: skip


class Writer(threading.Thread):
    """Writes batch after batch, each again until it is acknowledged."""

    def __init__(self, store: OpenSearchStore) -> None:
        super().__init__()
        self._store, self._stopped = store, threading.Event()
        self.acknowledged = 0

    def run(self) -> None:
        while not self._stopped.is_set():
            try:
                self._store.write(Batch(f"batch {self.acknowledged}", events_of(self.acknowledged)))
                self.acknowledged += 1
            except BackendUnavailable:
                pass
            self._stopped.wait(0.1)

    def wait_for(self, more: int) -> None:
        target = self.acknowledged + more
        wait_for(lambda: self.acknowledged >= target, 120, f"{more} batches more")

    def stop(self) -> None:
        self._stopped.set()
        self.join()


def test_the_leading_node_killed_under_load_is_gone_on_without(nodes: list[ServerProcess]) -> None:
    urls = tuple(node.url for node in nodes)
    store = OpenSearchStore(Access(urls), Layout("three", replicas=1), clock=SystemClock())
    writer = Writer(store)
    writer.start()
    try:
        writer.wait_for(BEFORE)
        killed = leader(nodes)
        killed.kill()
        writer.wait_for(AFTER)
        assert found(store, writer.acknowledged - 1), "what was acknowledged is not found with a node away"
        killed.start()
        writer.wait_for(1)
    finally:
        writer.stop()
    wait_for(lambda: health(nodes[0])["status"] == "green", 120, "all copies to be there again")
    expected = [event.id for batch in range(writer.acknowledged) for event in events_of(batch)]
    # A batch may be there though its writer was stopped before it heard so.
    assert all_ids(store)[: len(expected)] == expected
    store.close()


def found(store: OpenSearchStore, batch: int) -> bool:
    request = SearchRequest("shop", ast.All(), T0 + batch, T0 + batch + 1, "asc", BATCH_EVENTS)
    return store.search(Reading(), request).count == BATCH_EVENTS


def all_ids(store: OpenSearchStore) -> list[str]:
    ids: list[str] = []
    cursor: str | None = None
    while True:
        page = store.search(Reading(), SearchRequest("shop", ast.All(), 0, 1 << 62, "asc", 1000, cursor))
        ids += [event["id"] for event in msgspec.json.decode(page.events)]
        if (cursor := page.next) is None:
            return ids
