"""An OpenSearch node that is killed in the middle of writes: nothing acknowledged is lost, nothing is there twice."""

import threading
from collections.abc import Iterator
from pathlib import Path

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
BATCHES, BATCH_EVENTS = 30, 100
KILL_AFTER = 12  # batches that were acknowledged


@pytest.fixture
def node(tmp_path: Path) -> Iterator[ServerProcess]:
    with opensearch.running(tmp_path) as server:
        yield server


def events_of(batch: int) -> list[Event]:
    """One of ten is an update of its session's state."""
    return [
        Event(
            "shop", f"s{number % 7}", "state" if number % 10 == 0 else "log", f"event {number} of batch {batch}",
            "text", None, T0 + batch, T0 + batch, f"e{batch:03}-{number:03}", update=number % 10 == 0,
        )
        for number in range(BATCH_EVENTS)
    ]  # fmt: skip


@pytest.mark.slow
def test_a_node_killed_while_it_is_written_to_loses_and_doubles_nothing(node: ServerProcess) -> None:
    store = OpenSearchStore(Access((node.url,)), Layout("kill", replicas=0), clock=SystemClock())
    acknowledged: list[int] = []
    failures: list[str] = []
    stop = threading.Event()

    def write() -> None:
        for batch in range(BATCHES):
            while not stop.is_set():
                try:
                    store.write(Batch(f"batch {batch}", events_of(batch)))
                    acknowledged.append(batch)
                    break
                except BackendUnavailable as error:
                    failures.append(error.message)
                    stop.wait(0.1)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        wait_for(lambda: len(acknowledged) >= KILL_AFTER, 120, "some batches")
        node.kill()
        failed = len(failures)
        wait_for(lambda: len(failures) > failed, 60, "a write that fails")
        node.start()
        wait_for(lambda: len(acknowledged) == BATCHES, 120, "all batches")
    finally:
        stop.set()
        writer.join()
    assert acknowledged == list(range(BATCHES))
    assert failures
    wait_for(store.ready, 60, "the store to be ready")
    shown = [event for batch in range(BATCHES) for event in events_of(batch)]
    newest = {event.session: event.id for event in shown if event.update}
    expected = [event.id for event in shown if not event.update or newest[event.session] == event.id]
    request = SearchRequest("shop", ast.All(), 0, 1 << 62, "asc", len(shown))
    page = store.search(Reading(), request)
    assert [event["id"] for event in msgspec.json.decode(page.events)] == expected
    assert [(day.day, day.events) for day in store.days()] == [("2025-10-10", len(shown))]
    store.close()
