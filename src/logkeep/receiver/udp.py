"""Datagrams into the queue: one thread empties the socket, one makes what it got durable.

The socket goes on being emptied while an fsync runs; in between stands a hand-over bounded by bytes. Nobody waits for
an answer, so a little is gathered before each commit: larger frames cost the processor less. What is dropped is
counted: by the kernel (`udp_kernel_drops`), or here when the queue is full (`udp_refused_datagrams`).
"""

import select
import socket
import threading
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import Protocol

import msgspec

from logkeep.clock import NS_PER_S, Clock, SystemClock
from logkeep.decode.frame import FrameHeader, pack_frame
from logkeep.errors import BackendUnavailable
from logkeep.queue.port import Queue
from logkeep.receiver.batch_ids import BatchIds
from logkeep.receiver.limiter import Limiter
from logkeep.receiver.udp_limits import DatagramLimits, SenderOfKey
from logkeep.receiver.udp_socket import (
    READ_MAX,
    DatagramReader,
    KernelDrops,
    buffer_bytes_of,
    datagram_reader,
    open_udp_socket,
)
from logkeep.settings import Settings
from logkeep.telemetry import Telemetry, get_logger

PARTITION_STOPPED = "partition_stopped"  # code of the queue's error that only opening the partition anew heals
FRAME_EVENTS_MAX = 4096
FRAME_BYTES_MAX = 1 << 20  # of datagrams; their separators come on top
HANDOVER_BYTES_MAX = 64 << 20  # datagrams read and not yet taken for a commit, DATAGRAM_OVERHEAD_BYTES each included
COMMIT_BYTES_MAX = 8 << 20  # datagrams of one commit: bounds memory and the time the next ones wait
GATHER_BYTES = 1 << 20  # a commit starts at once when this much waits …
GATHER_S = 0.02  # … or after this time
DATAGRAM_OVERHEAD_BYTES = 64  # of Python's own for each
NAP_S = 0.001  # a read that came back half empty: the next one is fuller after a nap (0.8 against 3 CPU-s/M)
TICK_S = 0.5  # between two exchanges of what was let in
IDLE_WAIT_S = 0.25  # how soon an idle receiver sees that it shall stop
STOP_READS_MAX = 4096  # reads after the stop signal: 4 million datagrams, then whoever still sends is cut off
STOP_COMMIT_S = 8.0  # for the last commits; the contract gives a process 10 s in all
REPORT_S = 10.0  # between two log lines about drops

_log = get_logger("udp")


class StopSignal(Protocol):
    def is_set(self) -> bool: ...


class Drain(msgspec.Struct, frozen=True, gc=False):
    """What one read took from the socket; `size` is its bytes with the overhead of each. sources: their addresses,
    where somebody looks at them."""

    datagrams: list[bytes]
    received_ns: int
    size: int
    sources: list[bytes] = []


def run_udp_receiver(
    settings: Settings,
    queue: Queue,
    telemetry: Telemetry,
    stop: StopSignal,
    *,
    opened: socket.socket | None = None,
    clock: Clock | None = None,
    limiter: Limiter | None = None,
    sender_of_key: SenderOfKey = lambda key: None,
) -> None:
    """Returns after `stop` is set, with everything the kernel held then in the queue.

    opened: a bound, non-blocking socket that outlives this process (what waits in it survives a restart); made from
    `settings.intake` when None. limiter: None: nothing is limited. sender_of_key: whom a key in a datagram stands for.
    Blocks; call it in a process of its own. Raises InputError (cannot listen) and
    whatever stopped a commit for good, so that the supervisor starts the process again.
    """
    clock = clock or SystemClock()
    intake = settings.intake
    own = opened or open_udp_socket(intake.host, intake.port, buffer_bytes=intake.udp_buffer_bytes)
    handover = Handover(HANDOVER_BYTES_MAX)
    limits = None
    if limiter is not None:
        limits = DatagramLimits(limiter, sender_of_key, app=intake.udp_default_app, batch_ids=BatchIds(clock))
    committer = Committer(queue, telemetry, handover, app=intake.udp_default_app, clock=clock, limits=limits)
    committer.start()
    try:
        _say_listening(own, intake.udp_buffer_bytes, lent=opened is not None)
        _Receiver(own, handover, committer, telemetry, clock).run(stop)
    finally:
        handover.close()
        if opened is None:
            own.close()
        committer.finish()


def _say_listening(opened: socket.socket, buffer_bytes: int, *, lent: bool) -> None:
    """lent: by a parent, which tells people where it is."""
    host, port = opened.getsockname()[:2]
    granted = buffer_bytes_of(opened)
    if not lent:
        _log.info("listening for datagrams", host=host, port=port, buffer_bytes=granted)
    if granted < buffer_bytes:
        _log.warning(
            "the kernel's datagram buffer is smaller than asked; bursts may be lost",
            granted_bytes=granted,
            udp_buffer_bytes=buffer_bytes,
            remedy=f"sysctl -w net.core.rmem_max={buffer_bytes}",
        )


class _Receiver:
    """Empties the socket into the hand-over and counts what is lost on the way."""

    def __init__(
        self, opened: socket.socket, handover: "Handover", committer: "Committer", telemetry: Telemetry, clock: Clock
    ) -> None:
        self._reader: DatagramReader = datagram_reader(opened)
        self._drops = KernelDrops(opened)
        self._poll = select.poll()
        self._poll.register(opened, select.POLLIN)
        self._handover, self._committer, self._clock = handover, committer, clock
        self._datagrams = telemetry["udp_datagrams"]
        self._bytes = telemetry["intake_body_bytes"].labels("udp")
        self._kernel_drops = telemetry["udp_kernel_drops"]
        self._refused = telemetry["udp_refused_datagrams"]
        self._next_look_ns = 0
        self._losses = _LossReport(clock)

    def run(self, stop: StopSignal) -> None:
        while not stop.is_set():
            self._committer.check()
            count = self._drain()
            self._look_at_drops()
            if count == 0:
                self._await_datagram()
            elif count < READ_MAX // 2:
                self._clock.sleep(NAP_S)
        for _ in range(STOP_READS_MAX):
            if self._drain() == 0:
                break
        self._next_look_ns = 0
        self._look_at_drops()

    def _drain(self) -> int:
        datagrams = self._reader.read()
        if not datagrams:
            return 0
        count, size = len(datagrams), sum(map(len, datagrams))
        self._datagrams.inc(count)
        self._bytes.inc(size)
        sources = self._reader.sources() if self._committer.looks_at_sources else []
        drain = Drain(datagrams, self._clock.now_ns(), size + count * DATAGRAM_OVERHEAD_BYTES, sources)
        if not self._handover.offer(drain):
            self._refused.inc(count)
            self._losses.add("commit_behind", count)
        return count

    def _await_datagram(self) -> None:
        if not self._poll.poll(IDLE_WAIT_S * 1000):
            self._reader.rest()

    def _look_at_drops(self) -> None:
        now_ns = self._clock.monotonic_ns()
        if now_ns < self._next_look_ns:
            return
        self._next_look_ns = now_ns + NS_PER_S
        if fresh := self._drops.new():
            self._kernel_drops.inc(fresh)
            self._losses.add("kernel_buffer_full", fresh)
        self._losses.say()


class _LossReport:
    """One log line about losses every REPORT_S at most, with all of them in it, by where they were lost."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lost: dict[str, int] = {}
        self._next_ns = 0

    def add(self, where: str, count: int) -> None:
        self._lost[where] = self._lost.get(where, 0) + count

    def say(self) -> None:
        now_ns = self._clock.monotonic_ns()
        if self._lost and now_ns >= self._next_ns:
            _log.warning("datagrams lost", **self._lost)
            self._next_ns = now_ns + int(REPORT_S * NS_PER_S)
            self._lost = {}


class Handover:
    """Drains from the reading thread to the committing one, at most `bytes_max` of them."""

    def __init__(self, bytes_max: int) -> None:
        self._bytes_max = bytes_max
        self._drains: list[Drain] = []
        self._size = 0
        self._closed = False
        self._change = threading.Condition()

    def offer(self, drain: Drain) -> bool:
        """False when it is full or closed: the drain is then not kept. A drain larger than all of it goes in alone."""
        with self._change:
            if self._closed or (self._drains and self._size + drain.size > self._bytes_max):
                return False
            first = not self._drains
            self._drains.append(drain)
            self._size += drain.size
            if first or self._size >= GATHER_BYTES:
                self._change.notify()
            return True

    def take(self, *, gather_s: float = GATHER_S, wait_s: float | None = None) -> list[Drain] | None:
        """The oldest drains, about COMMIT_BYTES_MAX of them; waits for some. [] once it is closed and empty, None when
        nothing came within `wait_s`."""
        with self._change:
            if not self._change.wait_for(lambda: self._drains or self._closed, wait_s):
                return None
            self._change.wait_for(lambda: self._size >= GATHER_BYTES or self._closed, gather_s)
            count, size = 0, 0
            while count < len(self._drains) and size < COMMIT_BYTES_MAX:
                size += self._drains[count].size
                count += 1
            taken, self._drains = self._drains[:count], self._drains[count:]
            self._size -= size
            return taken

    def close(self) -> None:
        """No more goes in; what is in can still be taken."""
        with self._change:
            self._closed = True
            self._change.notify_all()


class Committer:
    """The thread that makes drains durable. A fault that no retry heals ends it; `check` then raises that fault."""

    def __init__(
        self,
        queue: Queue,
        telemetry: Telemetry,
        handover: Handover,
        *,
        app: str,
        clock: Clock,
        limits: DatagramLimits | None = None,
    ) -> None:
        self._limits, self._next_tick_ns = limits, 0
        self._queue, self._handover, self._app, self._clock = queue, handover, app, clock
        self._batch_ids = BatchIds(clock)
        self._accepted = telemetry["intake_events_accepted"].labels("udp")
        self._rejected = telemetry["intake_events_rejected"]
        self._refused = telemetry["udp_refused_datagrams"]
        self._seconds = telemetry["intake_commit_seconds"]
        self._fault: BaseException | None = None
        self._losses = _LossReport(clock)
        self._thread = threading.Thread(target=self._run, name="udp-commit", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def finish(self) -> None:
        """Everything in the closed hand-over is committed. Raises the thread's fault, or BackendUnavailable (stuck)."""
        self._thread.join(STOP_COMMIT_S)
        if self._thread.is_alive():
            raise BackendUnavailable(f"the last datagrams are not durable after {STOP_COMMIT_S:g} s; the disk hangs")
        self.check()

    def check(self) -> None:
        if self._fault is not None:
            raise self._fault

    def _run(self) -> None:
        try:
            while (drains := self._handover.take(wait_s=TICK_S)) != []:
                if drains is not None:
                    self.commit(drains)
                self._tick()
        except BaseException as fault:
            self._fault = fault
            self._handover.close()

    @property
    def looks_at_sources(self) -> bool:
        return self._limits is not None and self._limits.looks_at_sources

    def _tick(self) -> None:
        now_ns = self._clock.monotonic_ns()
        if self._limits is not None and now_ns >= self._next_tick_ns:
            self._next_tick_ns = now_ns + int(TICK_S * NS_PER_S)
            self._limits.tick()

    def commit(self, drains: list[Drain]) -> None:
        """`drains` are durable or, when the queue has no room, counted as refused."""
        datagrams: Sequence[bytes] = [datagram for drain in drains for datagram in drain.datagrams]
        received_ns, told = drains[0].received_ns, list[FrameHeader]()
        if self._limits is not None:
            sources = [source for drain in drains for source in drain.sources]
            if len(sources) != len(datagrams):
                sources = []
            datagrams, told = self._limits.admitted(datagrams, sources, received_ns)
        frames = [*frames_of(datagrams, self._app, received_ns, self._batch_ids), *((header, b"") for header in told)]
        started_ns = self._clock.monotonic_ns()
        try:
            self._queue.append(self._queue.datagrams, [pack_frame(header, body) for header, body in frames])
        except BackendUnavailable as error:
            self._refuse(len(datagrams), error)
            return
        self._seconds.observe((self._clock.monotonic_ns() - started_ns) / NS_PER_S)
        self._accepted.inc(sum(header.count for header, _ in frames))
        for header, _ in frames:
            for reason, count in header.rejected.items():
                self._rejected.labels(reason).inc(count)

    def _refuse(self, count: int, error: BackendUnavailable) -> None:
        self._refused.inc(count)
        self._losses.add(error.code, count)
        self._losses.say()
        if error.code == PARTITION_STOPPED:
            raise error


def frames_of(
    datagrams: Sequence[bytes], app: str, received_ns: int, batch_ids: BatchIds
) -> Iterator[tuple[FrameHeader, bytes]]:
    """`datagrams`, at least one, as frames of whole lines, in order; no line is blank.

    Each frame has at most FRAME_EVENTS_MAX lines, and FRAME_BYTES_MAX bytes unless one datagram alone is larger. White
    space around a datagram is cut off, for many senders end it with a newline. Blank ones are told in the header as
    rejected; any other bytes are kept as they are, and the processor judges them.
    """
    ends = list(accumulate(map(len, datagrams)))
    start = 0
    while start < len(datagrams):
        before = ends[start - 1] if start else 0
        end = bisect_right(ends, before + FRAME_BYTES_MAX, start, min(start + FRAME_EVENTS_MAX, len(ends)))
        end = max(end, start + 1)
        lines = list(filter(None, map(bytes.strip, datagrams[start:end])))
        yield from _frames(lines, end - start - len(lines), app, received_ns, batch_ids)
        start = end


def _frames(
    lines: list[bytes], blank: int, app: str, received_ns: int, batch_ids: BatchIds
) -> Iterator[tuple[FrameHeader, bytes]]:
    body = b"\n".join(lines)
    if body.count(b"\n") >= len(lines) > 0:  # a datagram holds several lines
        lines = [line for line in body.split(b"\n") if line.strip()]
        body = b""
    for start in range(0, len(lines) or 1, FRAME_EVENTS_MAX):
        part = lines[start : start + FRAME_EVENTS_MAX]
        yield (
            FrameHeader(
                app,
                received_ns,
                batch_ids.next(),
                len(part),
                source="udp",
                rejected={"invalid_json": blank} if blank and start == 0 else {},
            ),
            body or b"\n".join(part),
        )
