"""What this receiver let in, told to the others, and what they let in, told to it: a thread, twice a second.

Limits are looked at in memory alone; what others take in the meantime is seen an exchange later. So a limit may be
passed by what comes in `counters.exchange_s`, and a slow or absent counter costs no request anything.
"""

import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence

import msgspec

from logkeep.clock import NS_PER_S, Clock
from logkeep.counters.port import ADDITIONS_MAX, Addition, Counters
from logkeep.errors import BackendUnavailable
from logkeep.metastore.refusals import Row
from logkeep.telemetry import Telemetry, get_logger

AWAY_WAIT_S = 2.0  # between two tries while the counters are away
UNSENT_MAX = 10_000  # keys whose additions wait for counters that are away; what comes on top is counted here alone

log = get_logger("limits")


class News(msgspec.Struct, frozen=True):
    """totals: by key, with what was sent for each in this exchange. read: by key, what was asked for."""

    totals: Mapping[str, tuple[int, int]] = {}
    read: Mapping[str, int] = {}


class CountExchange:
    """`give` and `news` are for the thread that has the limits."""

    def __init__(
        self,
        counters: Counters,
        clock: Clock,
        telemetry: Telemetry,
        *,
        write_refusals: Callable[[int, Sequence[Row]], None] = lambda hour, rows: None,
    ) -> None:
        """write_refusals: takes who was refused in an hour; may fail with BackendUnavailable."""
        self._counters, self._clock, self._telemetry = counters, clock, telemetry
        self._write_refusals = write_refusals
        self._refused: deque[tuple[int, Sequence[Row]]] = deque(maxlen=4)
        self._given: deque[tuple[Sequence[Addition], Sequence[str]]] = deque(maxlen=64)
        self._news: deque[News] = deque(maxlen=64)
        self._unsent: dict[str, Addition] = {}
        self._wake, self._ended = threading.Event(), False
        self._away_until_ns = 0
        self.problem: str | None = None
        self._thread = threading.Thread(target=self._run, name="limits", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def give(self, additions: Sequence[Addition], reads: Sequence[str] = ()) -> None:
        self._given.append((additions, reads))
        self._wake.set()

    def read(self, keys: Sequence[str]) -> dict[str, int]:
        """The total of each now; it blocks. Raises BackendUnavailable."""
        found: dict[str, int] = {}
        for first in range(0, len(keys), ADDITIONS_MAX):
            some = keys[first : first + ADDITIONS_MAX]
            found.update(zip(some, self._counters.read(some), strict=True))
        return found

    def give_refusals(self, hour: int, rows: Sequence[Row]) -> None:
        self._refused.append((hour, rows))
        self._wake.set()

    def news(self) -> News | None:
        return self._news.popleft() if self._news else None

    def close(self) -> None:
        """What was given is sent, unless the counters are away."""
        self._ended = True
        self._wake.set()
        self._thread.join(5)

    def _run(self) -> None:
        while not self._ended or self._given or self._refused:
            self._wake.wait(1.0)
            self._wake.clear()
            try:
                self.step()
            except Exception:  # a bug must not let receivers drift apart for ever
                log.exception("the exchange of counts failed")

    def step(self) -> None:
        reads: list[str] = []
        while self._given:
            additions, asked = self._given.popleft()
            reads += asked
            for one in additions:
                self._keep(one)
        try:
            if (self._unsent or reads) and self._clock.monotonic_ns() >= self._away_until_ns:
                self._send(reads)
                self._back()
        except BackendUnavailable as error:
            self._away(error)
        while self._refused:
            hour, rows = self._refused.popleft()
            try:
                self._write_refusals(hour, rows)
            except BackendUnavailable as error:  # the next of this hour has all of it
                log.warning("who was refused is not written down yet", error=error.message)

    def _keep(self, one: Addition) -> None:
        before = self._unsent.get(one.key)
        if before is not None:
            one = Addition(one.key, before.amount + one.amount, one.window_s)
        if before is not None or len(self._unsent) < UNSENT_MAX:
            self._unsent[one.key] = one

    def _send(self, reads: list[str]) -> None:
        additions = list(self._unsent.values())[:ADDITIONS_MAX]
        totals = self._counters.add(additions)
        for one in additions:
            del self._unsent[one.key]
        found = self._counters.read(reads) if reads else []
        self._news.append(
            News(
                {one.key: (total, one.amount) for one, total in zip(additions, totals, strict=True)},
                dict(zip(reads, found, strict=True)),
            )
        )

    def _back(self) -> None:
        if self.problem is not None:
            log.info("counters are shared again")
            self._telemetry["counters_away"].set(0)
        self.problem = None

    def _away(self, error: BackendUnavailable) -> None:
        if self.problem is None:
            log.warning("limits are counted by each receiver alone", error=error.message)
            self._telemetry["counters_away"].set(1)
        self.problem = error.message
        self._away_until_ns = self._clock.monotonic_ns() + int(AWAY_WAIT_S * NS_PER_S)
