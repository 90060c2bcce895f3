"""What the connections of one receiver process share."""

import asyncio
from functools import partial
from typing import Protocol

import msgspec

from logkeep.clock import NS_PER_S, Clock
from logkeep.decode.frame import event_id
from logkeep.decode.notices import KINDS
from logkeep.errors import BackendUnavailable, InputError, LogkeepError, QuotaExceeded
from logkeep.queue.port import Partition, Queue
from logkeep.receiver.addresses import Proxies, networks
from logkeep.receiver.admission import Admission
from logkeep.receiver.answers import Answers, status_of, with_headers
from logkeep.receiver.commit import Committer, Exchange
from logkeep.receiver.configured import Configured
from logkeep.receiver.issue_links import issue_links
from logkeep.receiver.limiter import Cut, Limiter
from logkeep.receiver.limiting import cut_before, leave_out, ruled
from logkeep.receiver.reading import PLAIN_INLINE_BYTES_MAX, Readers
from logkeep.receiver.sender_limits import Sender
from logkeep.settings import Intake as IntakeSettings
from logkeep.telemetry import Telemetry, get_logger

HOT_BYTES_MAX = 64 << 10  # larger plain bodies go through the general reader
SWEEP_S = 0.5
HEADS_MAX, HEAD_BYTES_MAX = 4096, 2048  # remembered between two sweeps: 8 MiB at most
PENDING_HIGH = 0.75  # of pending_bytes_max: from here on a connection is not read from while it waits for a commit

_log = get_logger("receiver")


class KnownHead(msgspec.Struct, frozen=True, gc=False):
    """What a request's head said when it was parsed and admitted: whose events follow, in how many bytes.

    forwarded: its X-Forwarded-For, whose worth depends on the connection. config: what the sender's device is told with
    the answer.
    """

    sender: Sender
    body_bytes: int
    forwarded: bytes = b""
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
        telemetry: Telemetry, clock: Clock, limiter: Limiter | None = None, configured: Configured | None = None,
        public_url: str = "",
    ) -> None:  # fmt: skip
        """limiter: None: nothing is limited. configured: None: nothing is known of remote control. public_url: where
        people open API and pages."""
        self.configured = configured or Configured(lambda: None, clock)
        self.public_url = public_url
        self.settings = settings
        self.admission = admission
        self.limiter = limiter
        self.proxies = Proxies(networks(settings.trusted_proxies, "intake.trusted_proxies"))
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

    def sender_of(
        self, authorization: bytes | None, key: bytes | None, query: bytes, address: str, origin: bytes | None
    ) -> Sender:
        """Whose request this is, by its head. Raises what refuses it: see Admission."""
        limiter = self.limiter
        if limiter is None:
            return self.admission.sender_of(authorization, key, query, origin)
        try:
            return self.admission.sender_of(authorization, key, query, origin)
        except InputError:
            limiter.unknown(address)
            raise

    def admit(self, sender: Sender, address: str) -> None:
        """Raises what refuses all that this sender sends: see Limiter.admit."""
        if self.limiter is not None:
            self.limiter.admit(sender, address)

    def submit(self, exchange: Exchange, sender: Sender, address: str) -> None:
        """Towards the commit, unless a limit stands before all of it. Whatever happens here, it gets its answer."""
        try:
            self._submit(exchange, sender, address)
        except Exception:
            self.fail(exchange)

    def fail(self, exchange: Exchange) -> None:
        """In an exception's handler: a bug must leave neither its sender without an answer nor its memory held."""
        _log.exception("a request failed", app=exchange.app, bytes=len(exchange.body))
        if exchange.answer is None:
            self._settle_failed(exchange)

    def _settle_failed(self, exchange: Exchange) -> None:
        failure = BackendUnavailable("the receiver failed here", code="internal")
        self.settle(exchange, self.refusal(failure, config=exchange.config))

    def _submit(self, exchange: Exchange, sender: Sender, address: str) -> None:
        limiter = self.limiter
        before = limiter.replays if limiter is not None and exchange.repeatable else None
        if before is not None and not before.knows(exchange.batch_id):
            before = None
        if limiter is None or (before is None and not limiter.limits(sender.app)):
            self._commit(exchange)
            return
        try:
            if before is not None:  # its quota is paid, and it is not stored again
                exchange.limits = limiter.headers(sender, address)
                cut = cut_before(exchange, before)
            else:
                cut = ruled(exchange, limiter, sender, address)
        except (QuotaExceeded, InputError) as error:
            self.settle(exchange, with_headers(self.refusal(error, config=exchange.config), exchange.limits))
            return
        if cut is None:
            self._commit(exchange)
            return
        exchange.left_out = cut.left_out.keys()
        if len(exchange.body) <= PLAIN_INLINE_BYTES_MAX:
            leave_out(exchange, cut)
            self._commit(exchange)
        else:
            self.readers.run(partial(_left_out, exchange, cut), partial(self._commit_rest, exchange))

    def _remember(self, batch: list[Exchange]) -> None:
        replays = self.limiter.replays if self.limiter is not None else None
        for exchange in batch if replays is not None else ():
            if exchange.repeatable and replays is not None:
                replays.taken(exchange.batch_id, exchange.left_out)

    def _commit(self, exchange: Exchange) -> None:
        if exchange.kind and KINDS[exchange.kind].answers_ids:
            # The ids of notices are told in the answer, so they are made before the commit.
            exchange.batch_id = exchange.batch_id or self.committer.batch_ids.next()
            exchange.ids = tuple(event_id(exchange.batch_id, index) for index in range(exchange.count))
            exchange.links = issue_links(exchange.issues, exchange.ids, self.public_url, exchange.app)
        self.committer.submit(exchange)

    def _commit_rest(self, exchange: Exchange, done: bool) -> None:
        if done:
            self._commit(exchange)
        else:
            self._settle_failed(exchange)

    def refusal(self, error: LogkeepError, *, allow: str | None = None, config: bytes | None = None) -> bytes:
        """The answer that says why. config: what the sender's device is told with it."""
        status = error.status if isinstance(error, InputError) else 429 if isinstance(error, QuotaExceeded) else 503
        retry_after_s = None if isinstance(error, InputError) else getattr(error, "retry_after_s", None)
        return self.answers.error(
            status, error.code, error.message, retry_after_s=retry_after_s, allow=allow, config=config
        )

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
            answer = self.refusal(error)
            for exchange in batch:
                told = exchange.config
                self.settle(exchange, answer if told is None else self.refusal(error, config=told))
            return
        self._remember(batch)
        ready = self.answers.accepted
        flawless = 0
        for exchange in batch:
            if exchange.rejected or exchange.ids:
                answer = self.answers.some_rejected(
                    exchange.count, exchange.rejected, ids=exchange.ids, links=exchange.links, config=exchange.config
                )
                self.settle(exchange, with_headers(answer, exchange.limits))
                continue
            flawless += 1
            self.pending_bytes -= exchange.held
            if exchange.config is None:
                answer = ready.get(exchange.count) or self.answers.all_accepted(exchange.count)
            else:
                answer = self.answers.accepted_with(exchange.count, exchange.config)
            exchange.answer = with_headers(answer, exchange.limits)
            exchange.connection.send_ready()
        self._accepted_requests.inc(flawless)


def _left_out(exchange: Exchange, cut: Cut) -> bool:
    """False after a failure of our own: a bug must not leave the sender without an answer."""
    try:
        leave_out(exchange, cut)
    except Exception:
        _log.exception("cannot leave events out of a body", app=exchange.app, bytes=len(exchange.body))
        return False
    return True
