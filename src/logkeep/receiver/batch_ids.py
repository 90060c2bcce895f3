"""Names for batches: one maker a receiver process, shared by its HTTP and UDP sides."""

import os

from logkeep.clock import NS_PER_MS, Clock

_MS_MASK = (1 << 48) - 1
_COUNTER_MASK = (1 << 24) - 1


class BatchIds:
    """Makes `batch_id`s: 24 hex digits, unique over processes and restarts, and roughly in order of time.

    12 digits of ms since the epoch, 6 random ones of this process, 6 of a counter. A clock set back does not repeat
    an id: the counter goes on, and it would need 16.7 million batches within one ms to come round.
    """

    def __init__(self, clock: Clock, *, process_tag: bytes | None = None) -> None:
        """process_tag: the 3 bytes that tell this process from others; random when not given."""
        self._clock = clock
        self._tag = (process_tag or os.urandom(3)).hex()
        self._counter = int.from_bytes(os.urandom(3), "big")

    def next(self) -> str:
        self._counter = (self._counter + 1) & _COUNTER_MASK
        return f"{self._clock.now_ns() // NS_PER_MS & _MS_MASK:012x}{self._tag}{self._counter:06x}"
