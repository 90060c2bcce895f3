"""The places of one database in an address, and the one that new connections go to: nodes of a cluster.

All instances name the places in the same order and use the first that answers. So one node of a Galera cluster writes
while it lives, and transactions meet each other in its locks, not when they are certified.
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple, TypeVar

from logkeep.clock import NS_PER_S, Clock
from logkeep.errors import InputError

HOSTS_MAX = 9
BACK_S = 600.0  # after which the first place is asked again: where nothing answers that costs a whole timeout

T = TypeVar("T")


class Place(NamedTuple):
    """port: None for the one that the server usually has."""

    host: str
    port: int | None


def urls_of(url: str) -> list[str]:
    """`scheme://user:password@host:port,host:port/name` once for each place. Raises InputError, ValueError (no URL)."""
    scheme, found, rest = url.partition("://")
    if not found:
        raise ValueError
    end = min((at for at in (rest.find(mark) for mark in "/?") if at >= 0), default=len(rest))
    user, at, hosts = rest[:end].rpartition("@")
    places = hosts.split(",")
    if len(places) > HOSTS_MAX:
        raise InputError(f"metastore.url names {len(places)} hosts; at most {HOSTS_MAX}")
    return [f"{scheme}://{user}{at}{place}{rest[end:]}" for place in places]


class Places:
    """Which of them new connections go to. Safe from many threads."""

    def __init__(self, places: Sequence[Place], clock: Clock) -> None:
        self._places, self._clock = places, clock
        self._lock = threading.Lock()
        self._chosen, self._until_ns = 0, 0

    def connected(self, connect: Callable[[Place], T], failures: type[Exception]) -> T:
        """What `connect` returns for the first place that does not raise one of `failures`, asked for each once.

        Raises what the last one raised.
        """
        order = list(self._order())
        for number in order[:-1]:
            try:
                return self._took(number, connect(self._places[number]))
            except failures:
                continue
        return self._took(order[-1], connect(self._places[order[-1]]))

    def _order(self) -> Iterator[int]:
        """The one that answered last comes first, the first one again after BACK_S."""
        with self._lock:
            first = self._chosen if self._clock.monotonic_ns() < self._until_ns else 0
        yield first
        yield from (number for number in range(len(self._places)) if number != first)

    def _took(self, number: int, connection: T) -> T:
        with self._lock:
            if number != self._chosen or self._clock.monotonic_ns() >= self._until_ns:
                self._chosen = number
                self._until_ns = self._clock.monotonic_ns() + int(BACK_S * NS_PER_S)
        return connection
