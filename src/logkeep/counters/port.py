"""What instances count together, and what they remember for each other for a while."""

from collections.abc import Mapping, Sequence
from typing import Protocol

import msgspec

KEY_BYTES_MAX = 1024
VALUE_BYTES_MAX = 64 << 10
ADDITIONS_MAX = 10_000  # of one call: a bound of its time for whoever waits


class Addition(msgspec.Struct, frozen=True):
    """window_s: the counter is gone so long after its first addition, and begins at 0 again."""

    key: str
    amount: int
    window_s: float


class Counters(Protocol):
    """Safe from many threads. Each call is one round trip, however many keys it names; it blocks, so it is never made
    for one event. What is counted may be lost with the server or the machine: it is for limits, not for accounts.

    All but `close` raise BackendUnavailable: count on by yourself, and add it later.
    """

    def add(self, additions: Sequence[Addition]) -> list[int]:
        """The total of each counter with its addition, in order; of a key named twice the second has both.

        amounts: 0 or more. Additions of all instances are in the totals, each once.
        """
        ...

    def read(self, keys: Sequence[str]) -> list[int]:
        """The total of each, 0 where nothing was added within its window."""
        ...

    def put(self, values: Mapping[str, bytes], ttl_s: float) -> None:
        """A cache: others may find these for `ttl_s`, at most VALUE_BYTES_MAX each, and must do without them too."""
        ...

    def get(self, keys: Sequence[str]) -> list[bytes | None]:
        """What was put lately, None where nothing is found. Counters and values do not share their keys."""
        ...

    def close(self) -> None: ...
