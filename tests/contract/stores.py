"""Every adapter of the Store port, opened fresh for a test module: the one list that all contract suites run over."""

import itertools
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
from tests.servers import elasticsearch, mongodb, opensearch

from logkeep.clock import Clock
from logkeep.store.embedded import EmbeddedStore
from logkeep.store.memory import MemoryStore
from logkeep.store.mongodb import MongoStore
from logkeep.store.opensearch import OpenSearchStore
from logkeep.store.opensearch_client import Access, Product
from logkeep.store.opensearch_schema import Layout
from logkeep.store.port import Store

_numbers = itertools.count()


class _Shared(OpenSearchStore):
    """On the node of all tests, under a prefix of its own; its indexes go with it."""

    def __init__(self, url: str, product: Product, clock: Clock) -> None:
        self.url, self.prefix = url, f"t{os.getpid()}-{next(_numbers)}"
        super().__init__(Access((url,), product), Layout(self.prefix, replicas=0), clock=clock)

    def close(self) -> None:
        super().close()
        names = httpx.get(f"{self.url}/_cat/indices/{self.prefix}-*?h=index", timeout=60).text.split()
        if names:
            httpx.delete(f"{self.url}/{','.join(names)}", timeout=60)


# Each is given an empty folder of its own and a clock.
OPENERS: dict[str, Callable[[Path, Clock], Store]] = {
    "embedded": lambda folder, clock: EmbeddedStore(folder, clock=clock, readers=2),
    "memory": lambda folder, clock: MemoryStore(clock=clock),
    "opensearch": lambda folder, clock: _Shared(opensearch.shared_url(), "opensearch", clock),
    "elasticsearch": lambda folder, clock: _Shared(elasticsearch.shared_url(), "elasticsearch", clock),
    "mongodb": lambda folder, clock: MongoStore(mongodb.shared().url, prefix=f"test{next(_numbers)}", clock=clock),
}


@contextmanager
def opened_store(name: str, folder: Path, clock: Clock) -> Iterator[Store]:
    """The adapter `name`, empty; closed afterwards."""
    store = OPENERS[name](folder, clock)
    try:
        yield store
    finally:
        store.close()
