"""One reading of the store: what it may cost, what it has cost so far, and a way to stop it from outside."""

import math
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal

import msgspec

from logkeep.clock import NS_PER_MS, NS_PER_S, Clock, SystemClock
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
    goes. reached_ns: then, how far that is: the time range was looked at from one of its ends to here. The thread that
    reads calls `left`, `at_most`, `add` and `end_early`; any thread may look and `cancel`.
    """

    def __init__(self, limits: Limits | None = None, *, clock: Clock | None = None) -> None:
        self.limits = limits or Limits()
        self.rows_read = 0
        self.bytes_read = 0
        self.partial: Limit | None = None
        self.reached_ns: int | None = None
        self._bounds = self.limits  # of all its reads together; `at_most` lowers them for a while
        self._clock = clock or SystemClock()
        self._asked_ns = self._clock.monotonic_ns()
        self._started_ns: int | None = None
        self._lock = threading.Lock()
        self._cancelled = False
        self._stop: Callable[[], None] | None = None

    def left(self) -> Limits:
        """What the next read may cost. Raises LimitReached when nothing is left, InputError once it is cancelled."""
        self.check()
        if self._started_ns is None:
            self._started_ns = self._clock.monotonic_ns()
        left = Limits(
            self._bounds.timeout_s - self.passed_s,
            self._bounds.rows_max - self.rows_read,
            self._bounds.bytes_max - self.bytes_read,
            self._bounds.memory_bytes_max,
        )
        if left.timeout_s <= 0:
            raise LimitReached("time")
        if left.rows_max <= 0:
            raise LimitReached("rows")
        if left.bytes_max <= 0:
            raise LimitReached("bytes")
        return left

    @property
    def took_ms(self) -> float:
        """Milliseconds since it was made, waiting in line among them; to a tenth."""
        return round((self._clock.monotonic_ns() - self._asked_ns) / NS_PER_MS, 1)

    @property
    def passed_s(self) -> float:
        """Seconds since its first read of the store."""
        return 0.0 if self._started_ns is None else (self._clock.monotonic_ns() - self._started_ns) / NS_PER_S

    @contextmanager
    def at_most(self, share: float, timeout_s: float = math.inf) -> Iterator[None]:
        """Inside, reads may cost `share` (0 to 1) of what is left of time, rows and bytes, and `timeout_s` at most."""
        left, before = self.left(), self._bounds
        self._bounds = Limits(
            self.passed_s + min(left.timeout_s * share, timeout_s),
            self.rows_read + max(1, int(left.rows_max * share)),
            self.bytes_read + max(1, int(left.bytes_max * share)),
            left.memory_bytes_max,
        )
        try:
            yield
        finally:
            self._bounds = before

    def add(self, rows: int, bytes_read: int) -> None:
        """A read of the store took this much."""
        self.rows_read += rows
        self.bytes_read += bytes_read

    def end_early(self, limit: Limit, reached_ns: int | None = None) -> None:
        """The answer is partial because of `limit`, and looked at as far as `reached_ns`; what was said first stays."""
        if self.partial is None:
            self.partial, self.reached_ns = limit, reached_ns

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
