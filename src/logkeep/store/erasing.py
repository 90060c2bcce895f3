"""Removing events for good: the part of the store's port that erasures stand on."""

from typing import Protocol

import msgspec

from logkeep.query.ast import Query
from logkeep.store.reading import Reading


class ErasureRequest(msgspec.Struct, frozen=True):
    """The events of `app` that match, with from_ns <= time < to_ns; also those that an update has superseded."""

    app: str
    query: Query
    from_ns: int
    to_ns: int


class Erasing(Protocol):
    """`mark`, then `erase`, then `purge` until it is True; by the thread that writes, between batches."""

    def count(self, reading: Reading, request: ErasureRequest) -> int:
        """Events that `mark` would mark now. Raises LimitReached."""
        ...

    def mark(self, request: ErasureRequest) -> int:
        """What the next `erase` removes is what matches now, durably; how many. Earlier marks are gone.

        Raises InputError (the query asks too much of the store), BackendUnavailable.
        """
        ...

    def erase(self) -> list[str]:
        """No read finds what is marked, nor ids, updates and patterns that stood for it; durable. Again: no harm.

        The ids of patterns that no event has any more. What was superseded stays so. Raises BackendUnavailable.
        """
        ...

    def purge(self) -> bool:
        """Whether no file holds what was erased. Begins the work where it is not, and does not wait for it: ask again.

        Raises BackendUnavailable.
        """
        ...
