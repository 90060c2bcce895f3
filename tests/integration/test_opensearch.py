"""A service whose events are in OpenSearch, and what only this store has: versions of its indexes, addresses."""

import itertools
import os
from collections.abc import Callable, Iterator, Sequence

import httpx
import msgspec
import pytest
from tests.servers import opensearch
from tests.service import Service

from logkeep.clock import NS_PER_S, ManualClock, SystemClock
from logkeep.errors import BackendUnavailable, InputError
from logkeep.event import Event
from logkeep.query.ast import All
from logkeep.store.opensearch import OpenSearchStore
from logkeep.store.opensearch_client import Access, EngineRefused, SearchClient
from logkeep.store.opensearch_schema import SCHEMA_VERSION, Layout
from logkeep.store.port import Batch, SearchRequest
from logkeep.store.reading import Reading

T0 = 1_760_054_400 * NS_PER_S  # 2025-10-10T00:00:00Z

_numbers = itertools.count()


@pytest.fixture
def url() -> str:
    return opensearch.shared_url()


@pytest.fixture
def prefix(url: str) -> Iterator[str]:
    """Of indexes of one test's own; they go with it."""
    name = f"i{os.getpid()}-{next(_numbers)}"
    yield name
    names = httpx.get(f"{url}/_cat/indices/{name}-*?h=index", timeout=60).text.split()
    if names:
        httpx.delete(f"{url}/{','.join(names)}", timeout=60)


def opened(url: str, prefix: str) -> OpenSearchStore:
    return OpenSearchStore(Access((url,)), Layout(prefix, replicas=0), clock=SystemClock())


def test_a_service_keeps_its_events_there(start_service: Callable[..., Service], url: str, prefix: str) -> None:
    service = start_service(
        LOGKEEP_STORE_KIND="opensearch",
        LOGKEEP_OPENSEARCH_URLS=url,
        LOGKEEP_OPENSEARCH_INDEX_PREFIX=prefix,
        LOGKEEP_OPENSEARCH_REPLICAS="0",
    )
    events = [
        {"session": "s1", "key": "state", "value": "waiting"},
        {"session": "s1", "key": "log", "value": "request timed out", "level": "error", "attributes": {"ms": 31}},
        {"session": "s1", "key": "state", "value": "done", "update": True},
        {"session": "s2", "key": "log", "value": 5},
    ]
    assert service.post(events).status_code == 202
    ledger = service.wait_until_drained()
    assert (ledger["received"], ledger["stored"], ledger["queued"]) == (4, 4, 0)
    assert sorted(str(event["value"]) for event in service.search("")) == ["5", "done", "request timed out"]
    assert [event["key"] for event in service.search('"timed out" level>=warn attributes.ms>30')] == ["log"]
    table = service.get("/api/v1/stats", query="* | count by session", **{"from": "-1h"}).json()
    assert table["rows"] == [["s1", 2], ["s2", 1]]
    assert len(service.get("/sessions/s1.json").json()["events"]) == 2
    assert not (service.folder / "store").exists()


@pytest.mark.parametrize("late", ["plain", "update"])
def test_what_two_processors_write_of_one_key_at_the_same_moment_leaves_one_update(
    url: str, prefix: str, late: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    stores = [opened(url, prefix), opened(url, prefix)]
    older = Event("shop", "s", "state", "old", "text", None, T0, T0, "old", update=late == "update")
    newer = Event("shop", "s", "state", "new", "text", None, T0 + 1, T0 + 1, "new", update=True)
    hide, written = stores[0]._writer._hide_superseded, []

    def hide_then_wait(events: Sequence[Event]) -> set[int]:
        """The other one writes after this one has looked, and before it writes."""
        found = hide(events)
        if not written:
            written.append(True)
            stores[1].write(Batch("newer", [newer]))
        return found

    monkeypatch.setattr(stores[0]._writer, "_hide_superseded", hide_then_wait)
    stores[0].write(Batch("older", [older]))
    page = stores[0].search(Reading(), SearchRequest("shop", All(), 0, 1 << 62, "asc", 10))
    assert [each["id"] for each in msgspec.json.decode(page.events)] == ["new"]
    for store in stores:
        store.close()


def test_a_newer_programs_indexes_are_refused(url: str, prefix: str) -> None:
    body = {"mappings": {"_meta": {"logkeep": 99}}}
    httpx.put(f"{url}/{prefix}-events-2025.10.10", json=body, timeout=60).raise_for_status()
    with pytest.raises(BackendUnavailable, match="99") as caught:
        opened(url, prefix)
    assert caught.value.code == "store_too_new"


def test_indexes_of_the_layout_before_are_refused_and_left_alone(url: str, prefix: str) -> None:
    index = f"{url}/{prefix}-events-2025.10.10"
    mappings = {"_meta": {"logkeep": SCHEMA_VERSION - 1}, "properties": {"event": {"type": "keyword", "index": False}}}
    httpx.put(index, json={"mappings": mappings}, timeout=60).raise_for_status()
    with pytest.raises(BackendUnavailable, match="take another index_prefix") as caught:
        opened(url, prefix)
    assert caught.value.code == "store_too_old"
    assert next(iter(httpx.get(f"{index}/_mapping").json().values()))["mappings"] == mappings
    assert httpx.get(f"{url}/_index_template/{prefix}-events").status_code == 404


def test_somebody_elses_indexes_are_refused(url: str, prefix: str) -> None:
    httpx.put(f"{url}/{prefix}-updates", timeout=60).raise_for_status()
    with pytest.raises(BackendUnavailable) as caught:
        opened(url, prefix)
    assert caught.value.code == "store_too_old"


def test_opening_again_goes_on(url: str, prefix: str) -> None:
    for _ in range(2):
        store = opened(url, prefix)
        assert store.ready()
        store.close()


def test_a_node_that_is_not_there_is_unavailable() -> None:
    client = SearchClient(Access(("http://127.0.0.1:9",)), ManualClock(0))
    with pytest.raises(BackendUnavailable):
        client.request("GET", "/")


def test_what_the_engine_will_never_answer_is_told_with_its_reason(url: str) -> None:
    client = SearchClient(Access((url,)), ManualClock(0))
    with pytest.raises(EngineRefused) as caught:
        client.request("POST", "/_search", b'{"query":{"no_such_query":{}}}')
    assert caught.value.engine_status == 400 and "no_such_query" in caught.value.message
    client.close()


@pytest.mark.parametrize("address", ["", "search.example:9200", "ftp://search.example", "http://"])
def test_an_address_that_is_none_is_refused(address: str) -> None:
    with pytest.raises(InputError):
        SearchClient(Access((address,)), ManualClock(0))
