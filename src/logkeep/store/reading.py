"""One reading of the store: what it may cost, what it has cost so far, and a way to stop it from outside."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal

import msgspec

from logkeep.clock import NS_PER_S, Clock, SystemClock
from logkeep.errors import InputError

Limit = Literal["time", "rows", "bytes", "memory"]

MIB = 1 << 20


class Limits(msgspec.Struct, frozen=True):
    """What one reading may cost. timeout_s: from its first read of the store on, waiting in line not counted.

    rows_max, bytes_max: read from the store, not answered; bytes as they are in memory, uncompressed. The store looks
    after each block of rows, so a reading ends up to 65,536 rows a thread beyond them. memory_bytes_max: at one time.
    """

    timeout_s: float = 30.0
    rows_max: int = 1_000_000_000
    bytes_max: int = 200_000 * MIB
    memory_bytes_max: int = 1024 * MIB


class LimitReached(InputError):
    """A read was ended by `limit` and has no answer. A store that can answer in part does so instead."""

    def __init__(self, limit: Limit) -> None:
        if limit == "time":
            super().__init__("the query took too long; take a shorter time range or a rarer word", code="query_timeout")
        else:
            super().__init__(f"the query needs more {limit} than it may; narrow its time", code="query_too_expensive")
        self.limit = limit


class Reading:
    """Given to every read of the store; several reads for one answer share one, and its limits are for all of them.

    partial: the limit that ended it before everything asked for was looked at; what is answered is right as far as it
    goes. The thread that reads calls `left`, `add` and `end_early`; any thread may look and `cancel`.
    """

    def __init__(self, limits: Limits | None = None, *, clock: Clock | None = None) -> None:
        self.limits = limits or Limits()
        self.rows_read = 0
        self.bytes_read = 0
        self.partial: Limit | None = None
        self._clock = clock or SystemClock()
        self._started_ns: int | None = None
        self._lock = threading.Lock()
        self._cancelled = False
        self._stop: Callable[[], None] | None = None

    def left(self) -> Limits:
        """What the next read may cost. Raises LimitReached when nothing is left, InputError once it is cancelled."""
        self.check()
        if self._started_ns is None:
            self._started_ns = self._clock.monotonic_ns()
        passed_s = (self._clock.monotonic_ns() - self._started_ns) / NS_PER_S
        left = Limits(
            self.limits.timeout_s - passed_s,
            self.limits.rows_max - self.rows_read,
            self.limits.bytes_max - self.bytes_read,
            self.limits.memory_bytes_max,
        )
        if left.timeout_s <= 0:
            raise LimitReached("time")
        if left.rows_max <= 0:
            raise LimitReached("rows")
        if left.bytes_max <= 0:
            raise LimitReached("bytes")
        return left

    def add(self, rows: int, bytes_read: int) -> None:
        """A read of the store took this much."""
        self.rows_read += rows
        self.bytes_read += bytes_read

    def end_early(self, limit: Limit) -> None:
        """The answer is partial because of `limit`; the first one said stays."""
        self.partial = self.partial or limit

    def check(self) -> None:
        """Raises InputError once it is cancelled; nobody waits for its answer any more."""
        if self._cancelled:
            raise InputError("the reading was cancelled by who asked for it", code="cancelled")

    def cancel(self) -> None:
        """The read that runs is stopped soon and none begins. From any thread; does not block; again: no harm."""
        with self._lock:
            self._cancelled = True
            stop = self._stop
        if stop is not None:
            stop()

    @contextmanager
    def stopped_by(self, stop: Callable[[], None]) -> Iterator[None]:
        """Inside, `cancel` calls `stop`, which must not block. Raises InputError when it is cancelled already."""
        with self._lock:
            self.check()
            self._stop = stop
        try:
            yield
        finally:
            with self._lock:
                self._stop = None
