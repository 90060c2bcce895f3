"""Every adapter of the Store port, opened fresh for a test module: the one list that all contract suites run over."""

import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.servers import mongodb

from logkeep.clock import Clock
from logkeep.store.embedded import EmbeddedStore
from logkeep.store.memory import MemoryStore
from logkeep.store.mongodb import MongoStore
from logkeep.store.port import Store

_numbers = itertools.count()

# Each is given an empty folder of its own and a clock.
OPENERS: dict[str, Callable[[Path, Clock], Store]] = {
    "embedded": lambda folder, clock: EmbeddedStore(folder, clock=clock, readers=2),
    "memory": lambda folder, clock: MemoryStore(clock=clock),
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
