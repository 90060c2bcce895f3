"""What the connections of one receiver process share."""

import asyncio
from typing import Protocol

import msgspec

from logkeep.clock import NS_PER_S, Clock
from logkeep.errors import BackendUnavailable
from logkeep.queue.port import Partition, Queue
from logkeep.receiver.admission import Admission
from logkeep.receiver.answers import Answers, status_of
from logkeep.receiver.commit import Committer, Exchange
from logkeep.receiver.configured import Configured
from logkeep.receiver.reading import Readers
from logkeep.settings import Intake as IntakeSettings
from logkeep.telemetry import Telemetry, get_logger

HOT_BYTES_MAX = 64 << 10  # larger plain bodies go through the general reader
SWEEP_S = 0.5
HEADS_MAX, HEAD_BYTES_MAX = 4096, 2048  # remembered between two sweeps: 8 MiB at most
PENDING_HIGH = 0.75  # of pending_bytes_max: from here on a connection is not read from while it waits for a commit

_log = get_logger("receiver")


class KnownHead(msgspec.Struct, frozen=True, gc=False):
    """What a request's head said when it was parsed and admitted: whose events follow, in how many bytes.

    config: what the sender's device is told with the answer.
    """

    app: str
    body_bytes: int
    config: bytes | None = None


class OpenConnection(Protocol):
    """What the intake needs of a connection."""

    def check_time(self, now_s: float) -> None: ...
    def close_if_idle(self) -> None: ...
    def abort(self) -> None: ...


class Intake:
    """Limits, the commit thread, the answers kept ready, the sweep. All of it belongs to the loop's thread."""

    def __init__(
        self, settings: IntakeSettings, queue: Queue, partition: Partition, admission: Admission,
        telemetry: Telemetry, clock: Clock, configured: Configured | None = None, public_url: str = "",
    ) -> None:  # fmt: skip
        """configured: None: nothing is known of remote control. public_url: where people open API and pages."""
        self.configured = configured or Configured(lambda: None, clock)
        self.public_url = public_url
        self.settings = settings
        self.admission = admission
        self.telemetry = telemetry
        self.clock = clock
        self.answers = Answers(clock.now_ns() / NS_PER_S)
        self.committer = Committer(queue, partition, telemetry, clock, self._committed)
        self.readers = Readers(settings)
        self.connections: set[OpenConnection] = set()
        self.heads: dict[bytes, KnownHead] = {}
        self.pending_bytes = 0
        self.pending_high = int(settings.pending_bytes_max * PENDING_HIGH)
        self.hot_bytes_max = min(HOT_BYTES_MAX, settings.event_bytes_max, settings.body_bytes_max)
        self.draining = False
        self.queue_problem: BackendUnavailable | None = None  # as of the last look at the queue
        self.now_s = clock.monotonic_ns() / NS_PER_S  # as of the last sweep: a request does not ask the clock
        self._loop = asyncio.get_running_loop()
        self._requests = telemetry["intake_requests"]
        self._accepted_requests = self._requests.labels("202")
        self._open = telemetry["intake_connections"]
        self._sweep_s = min(SWEEP_S, settings.request_timeout_s / 4, settings.idle_timeout_s / 4)
        self._sweeping = self._loop.call_later(self._sweep_s, self._sweep_again)

    def has_room(self, size: int) -> bool:
        return self.pending_bytes + size <= self.settings.pending_bytes_max

    def remember_head(self, head: bytes, known: KnownHead) -> None:
        if len(self.heads) < HEADS_MAX and len(head) <= HEAD_BYTES_MAX:
            self.heads[head] = known

    def settle(self, exchange: Exchange, answer: bytes) -> None:
        """The exchange has its answer; it is sent when those before it are."""
        self._requests.labels(status_of(answer)).inc()
        self.pending_bytes -= exchange.held
        exchange.held = 0
        exchange.answer = answer
        exchange.connection.send_ready()

    def drain(self) -> None:
        """Connections end as soon as they have nothing in hand."""
        self.draining = True
        for connection in tuple(self.connections):
            connection.close_if_idle()

    @property
    def finished(self) -> bool:
        return not self.connections and self.committer.idle and self.readers.idle

    def close(self) -> None:
        """Connections are cut; the commit under way, if any, is finished."""
        self._sweeping.cancel()
        for connection in tuple(self.connections):
            connection.abort()
        self.readers.close()
        self.committer.close()
        self._open.set(0)

    def sweep(self) -> None:
        """Everything that depends on time: timeouts, the Date header, forgetting keys, the gauge."""
        self.now_s = self.clock.monotonic_ns() / NS_PER_S
        self.answers.tick(self.clock.now_ns() / NS_PER_S)
        self.admission.forget()
        self.heads.clear()  # they hold whose key it is
        self._open.set(len(self.connections))
        for connection in tuple(self.connections):
            connection.check_time(self.now_s)

    def _sweep_again(self) -> None:
        try:
            self.sweep()
        except Exception:  # without the sweep nothing would ever time out again
            _log.exception("the sweep failed")
        self._sweeping = self._loop.call_later(self._sweep_s, self._sweep_again)

    def _committed(self, batch: list[Exchange], error: BackendUnavailable | None) -> None:
        if error is not None:
            answer = self.answers.error(503, error.code, error.message, retry_after_s=error.retry_after_s)
            for exchange in batch:
                self.settle(exchange, answer)
            return
        ready = self.answers.accepted
        flawless = 0
        for exchange in batch:
            if exchange.rejected or exchange.ids:
                answer = self.answers.some_rejected(
                    exchange.count, exchange.rejected, ids=exchange.ids, links=exchange.links, config=exchange.config
                )
                self.settle(exchange, answer)
                continue
            flawless += 1
            self.pending_bytes -= exchange.held
            if exchange.config is None:
                exchange.answer = ready.get(exchange.count) or self.answers.all_accepted(exchange.count)
            else:
                exchange.answer = self.answers.accepted_with(exchange.count, exchange.config)
            exchange.connection.send_ready()
        self._accepted_requests.inc(flawless)
