"""The group commit: requests that wait at the same time become durable together.

The loop hands a batch of exchanges to one thread, which packs them into frames and appends these to the queue (write
and fsync, without the interpreter's lock). One batch is under way at a time; what arrives meanwhile is the next one.
Waiting on purpose to gather more was measured and only hurts: the fsync itself is the gathering.
"""

import asyncio
import threading
from collections.abc import Callable, Collection, Sequence
from queue import SimpleQueue
from typing import Any

from logkeep.clock import NS_PER_S, Clock
from logkeep.decode.frame import FrameHeader, RejectedSample, pack_frame
from logkeep.decode.marks import Mark
from logkeep.decode.named import Named, told_named
from logkeep.decode.native import Rejected
from logkeep.decode.split import Form
from logkeep.errors import BackendUnavailable, InputError
from logkeep.queue.port import Partition, Queue
from logkeep.receiver.batch_ids import BatchIds
from logkeep.receiver.issue_links import NamedIssue
from logkeep.telemetry import Telemetry, get_logger

COMMIT_EXCHANGES_MAX = 8_192  # of one batch; the queue takes at most 10,000 payloads at once
COMMIT_BYTES_MAX = 64 << 20  # of bodies in one batch, unless one alone is larger: bounds memory and others' wait
SHARED_FRAME_EVENTS_MAX = 8_192
SHARED_FRAME_BYTES_MAX = 1 << 20
SHARED_BODY_BYTES_MAX = 64 << 10  # larger bodies get a frame of their own: nothing is copied together
PARTITION_STOPPED = "partition_stopped"

_log = get_logger("receiver")


class Exchange:
    """One request from the moment it is read to its answer.

    answer: the bytes to send once it is this exchange's turn, None while it is not decided. close: the connection ends
    with it; keep_alive: it is told that it does not. held: bytes of the process's memory it accounts for. wire_bytes:
    its body as it was sent. Of a request with events: app, body (exactly the accepted ones), form, encoding of `body`,
    count, what was rejected, batch_id when the sender made it repeatable or is told ids, and marks where they were read
    already. kind: of notices, "" for events; ids, links: of those, when the answer tells them, and issues, of which;
    device: whose they are where they do not say. config: what the answer tells the sender's device. limits: header
    lines with what may be sent yet. left_out: by limits, indexes among what the body had of good events.
    """

    __slots__ = (
        "answer",
        "app",
        "batch_id",
        "body",
        "close",
        "config",
        "connection",
        "count",
        "device",
        "encoding",
        "form",
        "held",
        "ids",
        "issues",
        "keep_alive",
        "kind",
        "left_out",
        "limits",
        "links",
        "marks",
        "named",
        "rejected",
        "repeatable",
        "samples",
        "wire_bytes",
    )

    def __init__(self, connection: Any, app: str = "", body: bytes = b"", count: int = 0) -> None:
        self.connection = connection
        self.app = app
        self.body = body
        self.count = count
        self.form: Form = "ndjson"
        self.encoding = "plain"
        self.rejected: Sequence[Rejected] = ()
        self.samples: tuple[RejectedSample, ...] = ()
        self.named: dict[Named, int] = {}
        self.batch_id = ""
        self.repeatable = False
        self.kind = self.device = ""
        self.ids: tuple[str, ...] = ()
        self.issues: tuple[NamedIssue, ...] = ()
        self.links: tuple[dict[str, str], ...] = ()
        self.config: bytes | None = None
        self.limits = b""
        self.left_out: Collection[int] = ()
        self.marks: Sequence[Mark] | None = None
        self.held = 0
        self.wire_bytes = 0
        self.answer: bytes | None = None
        self.close = False
        self.keep_alive = False

    def is_shareable(self) -> bool:
        """Whether it may stand in one frame with others: its events can be joined, and nothing else is to be told."""
        return (
            self.form == "ndjson"
            and self.encoding == "plain"
            and not self.rejected
            and not self.batch_id
            and not self.kind
            and len(self.body) <= SHARED_BODY_BYTES_MAX
        )


class SharedFrame:
    """Bodies of one app that become one frame."""

    __slots__ = ("bodies", "count", "size")

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self.count = 0
        self.size = 0

    def is_full(self, exchange: Exchange) -> bool:
        return (
            self.count + exchange.count > SHARED_FRAME_EVENTS_MAX
            or self.size + len(exchange.body) > SHARED_FRAME_BYTES_MAX
        )

    def pack(self, app: str, received_ns: int, batch_id: str) -> bytes:
        return pack_frame(FrameHeader(app, received_ns, batch_id, self.count), b"\n".join(self.bodies))


def frames_of(exchanges: Sequence[Exchange], received_ns: int, batch_ids: BatchIds) -> list[bytes]:
    """Frames that hold the exchanges' events, those of one app in order; small bodies of an app share frames."""
    frames: list[bytes] = []
    shared: dict[str, SharedFrame] = {}
    for exchange in exchanges:
        app = exchange.app
        frame = shared.get(app)
        shareable = exchange.is_shareable()
        if frame is not None and (not shareable or frame.is_full(exchange)):
            frames.append(frame.pack(app, received_ns, batch_ids.next()))
            del shared[app]
            frame = None
        if not shareable:
            frames.append(_own_frame(exchange, received_ns, exchange.batch_id or batch_ids.next()))
            continue
        if frame is None:
            frame = shared[app] = SharedFrame()
        frame.bodies.append(exchange.body)
        frame.count += exchange.count
        frame.size += len(exchange.body)
    frames.extend(frame.pack(app, received_ns, batch_ids.next()) for app, frame in shared.items())
    return frames


def _own_frame(exchange: Exchange, received_ns: int, batch_id: str) -> bytes:
    header = FrameHeader(
        exchange.app,
        received_ns,
        batch_id,
        exchange.count,
        form=exchange.form,
        encoding="zstd" if exchange.encoding == "zstd" else "plain",
        rejected=count_reasons(exchange.rejected),
        samples=exchange.samples,
        repeatable=exchange.repeatable,
        kind=exchange.kind,
        device=exchange.device,
        named=told_named(exchange.named),
    )
    return pack_frame(header, exchange.body)


def count_reasons(rejected: Sequence[Rejected]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for one in rejected:
        counts[one.reason] = counts.get(one.reason, 0) + 1
    return counts


class Committer:
    """Makes exchanges durable and tells when they are. `submit` and `on_done` belong to the loop's thread."""

    def __init__(
        self,
        queue: Queue,
        partition: Partition,
        telemetry: Telemetry,
        clock: Clock,
        on_done: Callable[[list[Exchange], BackendUnavailable | None], None],
    ) -> None:
        self._queue, self._partition, self._clock, self._on_done = queue, partition, clock, on_done
        self._telemetry = telemetry
        self.batch_ids = BatchIds(clock)
        self._loop = asyncio.get_running_loop()
        self._waiting: list[Exchange] = []
        self._under_way = False
        self._hand_over_soon = False
        self._batches: SimpleQueue[list[Exchange] | None] = SimpleQueue()
        self._problem: BackendUnavailable | None = None
        self._problem_ns = 0
        self._accepted = telemetry["intake_events_accepted"].labels("http")
        self._bytes = telemetry["intake_body_bytes"].labels("http")
        self._thread = threading.Thread(target=self._run, name="commit", daemon=True)
        self._thread.start()

    @property
    def idle(self) -> bool:
        return not self._under_way and not self._waiting

    def problem(self) -> BackendUnavailable | None:
        """Why nothing can be taken at present: the last commit failed and it is not yet time to try again.

        A stopped partition stays stopped; a full queue may have room after the time it asked for.
        """
        problem = self._problem
        if problem is None or problem.code == PARTITION_STOPPED:
            return problem
        age_s = (self._clock.monotonic_ns() - self._problem_ns) / NS_PER_S
        return problem if age_s < problem.retry_after_s else None

    def submit(self, exchange: Exchange) -> None:
        """`on_done` gets the exchange once it is durable, or once it is known that it is not."""
        self._waiting.append(exchange)
        if not self._under_way and not self._hand_over_soon:
            # At the end of this turn of the loop: everything that came with the same wake-up is in.
            self._hand_over_soon = True
            self._loop.call_soon(self._hand_over)

    def close(self) -> None:
        """The thread has ended; call when idle."""
        self._batches.put(None)
        self._thread.join()

    def _hand_over(self) -> None:
        self._hand_over_soon = False
        if self._waiting and not self._under_way:
            self._under_way = True
            self._batches.put(self._take())

    def _take(self) -> list[Exchange]:
        waiting, count, size = self._waiting, 0, 0
        for exchange in waiting:
            size += len(exchange.body)
            if count and (size > COMMIT_BYTES_MAX or count >= COMMIT_EXCHANGES_MAX):
                break
            count += 1
        self._waiting = waiting[count:]
        return waiting if count == len(waiting) else waiting[:count]

    def _done(self, batch: list[Exchange], error: BackendUnavailable | None) -> None:
        self._under_way = False
        self._hand_over()  # first: the disk works while the answers are written
        self._problem = error
        if error is not None:
            self._problem_ns = self._clock.monotonic_ns()
        self._on_done(batch, error)

    def _run(self) -> None:
        while (batch := self._batches.get()) is not None:
            started_ns = self._clock.monotonic_ns()
            error = self._append(batch)
            taken_ns = self._clock.monotonic_ns() - started_ns
            self._loop.call_soon_threadsafe(self._done, batch, error)
            self._count(batch, error, taken_ns / NS_PER_S)

    def _append(self, batch: list[Exchange]) -> BackendUnavailable | None:
        try:
            self._queue.append(self._partition, frames_of(batch, self._clock.now_ns(), self.batch_ids))
        except BackendUnavailable as error:
            _log.warning("cannot commit", partition=self._partition, requests=len(batch), reason=error.message)
            return error
        except InputError as error:  # a frame over record_bytes_max: the settings contradict each other
            _log.error("cannot commit", partition=self._partition, requests=len(batch), reason=error.message)
            return BackendUnavailable(error.message, code="record_too_large")
        except Exception as error:  # a bug must not leave every sender waiting without an answer
            _log.exception("commit failed", partition=self._partition, requests=len(batch))
            return BackendUnavailable(f"the commit failed: {type(error).__name__}", code="commit_failed")
        return None

    def _count(self, batch: list[Exchange], error: BackendUnavailable | None, seconds: float) -> None:
        """Metrics of one commit, after its senders were told."""
        self._telemetry["intake_commit_seconds"].observe(seconds)
        self._telemetry["intake_commit_requests"].observe(len(batch))
        if error is not None:
            return
        self._accepted.inc(sum(exchange.count for exchange in batch if not exchange.kind))
        self._bytes.inc(sum(exchange.wire_bytes for exchange in batch))
        for exchange in batch:
            if exchange.kind:
                self._telemetry["intake_notices_accepted"].labels(exchange.kind).inc(exchange.count)
            for reason, count in count_reasons(exchange.rejected).items() if exchange.rejected else ():
                self._telemetry["intake_events_rejected"].labels(reason).inc(count)
