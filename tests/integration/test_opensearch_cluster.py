"""Three OpenSearch nodes: the one that leads killed in the middle of writes, more written than they have room for, and
reports that ask copies alone.
"""

import itertools
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import msgspec
import pytest
from tests.servers import opensearch
from tests.servers.process import ServerProcess
from tests.service import wait_for

from logkeep.clock import NS_PER_S, SystemClock
from logkeep.errors import BackendUnavailable
from logkeep.event import Event, attributes_json
from logkeep.query import ast
from logkeep.store import opensearch_writer
from logkeep.store.opensearch import OpenSearchStore
from logkeep.store.opensearch_client import Access
from logkeep.store.opensearch_schema import Layout
from logkeep.store.port import Batch, SearchRequest
from logkeep.store.reading import Reading

T0 = 1_760_054_400 * NS_PER_S  # 2025-10-10T00:00:00Z
BATCH_EVENTS = 100
BEFORE, AFTER = 5, 10  # batches that are acknowledged before a node is killed, and after it
WRITERS = 6  # at once, each with two requests on its way, where a node has room for one at work and one that waits
PADDING = "x" * 500  # of an event, so that some requests are more than the bytes a node takes at once
NO_ROOM = ["thread_pool.write.size=1", "thread_pool.write.queue_size=1", "indexing_pressure.memory.limit=500kb"]

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[ServerProcess]]:
    with opensearch.cluster(tmp_path_factory.mktemp("cluster"), settings=NO_ROOM) as servers:
        wait_for(lambda: health(servers[0])["number_of_nodes"] == 3, 60, "three nodes")
        yield servers


def health(node: ServerProcess) -> dict[str, Any]:
    found: dict[str, Any] = httpx.get(f"{node.url}/_cluster/health", timeout=10).json()
    return found


def leader(nodes: list[ServerProcess]) -> ServerProcess:
    name = httpx.get(f"{nodes[0].url}/_cat/cluster_manager?h=node", timeout=10).text.strip()
    return nodes[int(name.removeprefix("node-"))]


def refused(nodes: list[ServerProcess]) -> tuple[int, int]:
    """By the engine's own count: items for which a queue had no place, and requests that were too many bytes."""
    path = f"{nodes[0].url}/_nodes/stats/thread_pool,indexing_pressure"
    found = httpx.get(path, timeout=10).json()["nodes"].values()
    pressure = [node["indexing_pressure"]["memory"]["total"] for node in found]
    return (
        sum(node["thread_pool"]["write"]["rejected"] for node in found),
        sum(each["coordinating_rejections"] + each["primary_rejections"] for each in pressure),
    )


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


def test_a_cluster_that_has_no_room_is_obeyed_and_nothing_is_lost_or_doubled(
    nodes: list[ServerProcess], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(opensearch_writer, "BULK_EVENTS", 50)
    urls = tuple(node.url for node in nodes)
    stores = [OpenSearchStore(Access(urls), Layout("full", replicas=1), clock=SystemClock()) for _ in range(WRITERS)]
    before = refused(nodes)
    with ThreadPoolExecutor(WRITERS) as pool:
        written = list(pool.map(flood, stores, range(WRITERS)))
        while min(now - then for now, then in zip(refused(nodes), before, strict=True)) == 0:
            assert len(written) < 20 * WRITERS, f"nothing was refused: {before} {refused(nodes)}"
            written += pool.map(flood, stores, range(len(written), len(written) + WRITERS))
    expected = [event.id for batch in range(len(written)) for event in events_of(batch)]
    assert all_ids(stores[0]) == expected
    stats = httpx.get(f"{nodes[0].url}/full-events-*/_stats/docs", timeout=10).json()["_all"]["primaries"]["docs"]
    assert (stats["count"], stats["deleted"]) == (len(expected), 0), "something was written twice"
    for store in stores:
        store.close()


def flood(store: OpenSearchStore, batch: int) -> int:
    """How often the batch was written until it was acknowledged."""
    events = [
        msgspec.structs.replace(event, attributes=attributes_json({"padding": PADDING})) for event in events_of(batch)
    ]
    for tries in itertools.count(1):
        try:
            store.write(Batch(f"batch {batch}", events))
            return tries
        except BackendUnavailable as error:
            assert "no room" in error.message or "429" in error.message, error
    raise AssertionError("unreachable")


def test_reports_ask_copies_alone_where_they_are_sent_there(nodes: list[ServerProcess]) -> None:
    urls = tuple(node.url for node in nodes)
    store = OpenSearchStore(
        Access(urls), Layout("copies", replicas=1), preference="_replica_first", clock=SystemClock()
    )
    store.write(Batch("batch 0", events_of(0)))
    wait_for(lambda: health(nodes[0])["status"] == "green", 120, "the copy to be there")
    before = searches(nodes, "copies-events-*")
    assert found(store, 0)
    assert store.histogram(Reading(), "shop", ast.All(), T0, T0 + 1, buckets=1, by=None)[0].count == BATCH_EVENTS
    assert len(all_ids(store)) == BATCH_EVENTS
    of_primaries, of_copies = (now - then for now, then in zip(searches(nodes, "copies-events-*"), before, strict=True))
    assert (of_primaries, of_copies >= 3) == (0, True), (of_primaries, of_copies)
    # What decides about writing asks where it was written, whatever reports ask.
    store.write(Batch("batch 1", [msgspec.structs.replace(events_of(1)[0], update=True, id="new")]))
    assert searches(nodes, "copies-events-*")[0] > before[0]
    store.close()


def searches(nodes: list[ServerProcess], index: str) -> tuple[int, int]:
    """Looks into the shards of `index`: of primaries, and of copies."""
    found = httpx.get(f"{nodes[0].url}/{index}/_stats/search?level=shards", timeout=10).json()["indices"].values()
    shards = [each for one in found for copies in one["shards"].values() for each in copies]
    counts = [(each["routing"]["primary"], each["search"]["query_total"]) for each in shards]
    return sum(count for primary, count in counts if primary), sum(count for primary, count in counts if not primary)
