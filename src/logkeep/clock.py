"""The clock as a seam: production reads the system's, tests advance their own."""

import time
from typing import Protocol

NS_PER_S = 1_000_000_000
NS_PER_MS = 1_000_000
NS_PER_DAY = 86_400 * NS_PER_S


class Clock(Protocol):
    def now_ns(self) -> int:
        """Wall-clock time, ns since the epoch, UTC. May jump back when the machine's clock is set."""
        ...

    def monotonic_ns(self) -> int:
        """ns from an arbitrary start; never goes back. Use it for every duration and age."""
        ...

    def sleep(self, seconds: float) -> None: ...


class SystemClock:
    """The machine's own clock."""

    def now_ns(self) -> int:
        return time.time_ns()

    def monotonic_ns(self) -> int:
        return time.monotonic_ns()

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)


class ManualClock:
    """A clock that moves only when told to; `sleep` advances it."""

    def __init__(self, now_ns: int = 1_700_000_000 * NS_PER_S) -> None:
        self._now_ns = now_ns
        self._monotonic_ns = 0

    def now_ns(self) -> int:
        return self._now_ns

    def monotonic_ns(self) -> int:
        return self._monotonic_ns

    def sleep(self, seconds: float) -> None:
        self.advance(seconds)

    def advance(self, seconds: float) -> None:
        self._now_ns += int(seconds * NS_PER_S)
        self._monotonic_ns += int(seconds * NS_PER_S)

    def jump(self, seconds: float) -> None:
        """The wall clock is set by `seconds` (negative: back); monotonic time does not move."""
        self._now_ns += int(seconds * NS_PER_S)
