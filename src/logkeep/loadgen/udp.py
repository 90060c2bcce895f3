"""The UDP side of the generator: one event a datagram, numbered, many to a system call."""

import ctypes
import errno
import os
import socket
import sys
import time
from array import array
from collections.abc import Callable, Sequence
from itertools import accumulate, chain
from typing import Protocol

from logkeep.errors import BackendUnavailable
from logkeep.loadgen.events import EventMaker, Numbering
from logkeep.loadgen.report import Latencies, LoadPlan, LoadReport, count
from logkeep.loadgen.target import Target

CALL_DATAGRAMS_MAX = 256  # at full speed a burst of this many meets the receiver's buffer at once
TICK_S = 0.001
LOOK_EVERY_S = 0.25
UNREACHABLE_MAX = 20  # refusals in a row after which nobody listens

Watch = Callable[[int], None]  # called with the events done so far


class DatagramSender(Protocol):
    def send(self, datagrams: Sequence[bytes]) -> int:
        """How many of the first of `datagrams` were given to the network, 0 when a signal came. Raises OSError."""
        ...


def run_udp(plan: LoadPlan, target: Target, watch: Watch = lambda done: None) -> LoadReport:
    """The report of the finished run; KeyboardInterrupt ends it early.

    Raises BackendUnavailable when nobody listens at the address.
    """
    family = socket.AF_INET6 if ":" in target.address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as opened:
        opened.connect((target.address, target.port))
        return _Run(plan, datagram_sender(opened), watch).run()


class _Run:
    def __init__(self, plan: LoadPlan, sender: DatagramSender, watch: Watch) -> None:
        self._plan, self._sender, self._watch = plan, sender, watch
        self._report = LoadReport(protocol="udp")
        self._maker = EventMaker(
            plan.seed,
            days=plan.days,
            events=plan.events or 1_000_000,
            with_ids=plan.with_ids,
            numbering=Numbering(plan.key, plan.run),
        )
        self._unreachable = 0

    def run(self) -> LoadReport:
        started = next_look = time.monotonic()
        try:
            while (due := self._due(time.monotonic() - started)) is not None:
                if due > 0:
                    self._send([line.encode() for line in self._maker.lines(min(due, CALL_DATAGRAMS_MAX))])
                if due <= CALL_DATAGRAMS_MAX and self._plan.rate is not None:
                    time.sleep(TICK_S)
                if time.monotonic() >= next_look:
                    next_look += LOOK_EVERY_S
                    self._watch(self._done)
        except KeyboardInterrupt:
            pass  # asked to end: the report tells what was sent
        self._report.finish(time.monotonic() - started, Latencies())
        self._watch(self._done)
        return self._report

    @property
    def _done(self) -> int:
        return self._report.sent + sum(self._report.failed.values())

    def _due(self, elapsed_s: float) -> int | None:
        """Events that should have been sent by now and were not; None when the run is over."""
        left = self._plan.events - self._done if self._plan.events is not None else CALL_DATAGRAMS_MAX
        if left <= 0 or (self._plan.seconds is not None and elapsed_s >= self._plan.seconds):
            return None
        if self._plan.rate is None:
            return min(left, CALL_DATAGRAMS_MAX)
        owed = int(elapsed_s * self._plan.rate) - self._done
        return max(0, min(owed, left) if self._plan.events is not None else owed)

    def _send(self, datagrams: list[bytes]) -> None:
        report, start = self._report, 0
        while start < len(datagrams):
            report.requests += 1
            try:
                sent = self._sender.send(datagrams[start:])
            except ConnectionRefusedError as error:  # tells about an earlier datagram that nobody took
                self._unreachable += 1
                if self._unreachable > UNREACHABLE_MAX:
                    raise BackendUnavailable(
                        f"nobody takes datagrams at {self._plan.url}: {error}; is it on?"
                    ) from error
                report.sent -= 1
                count(report.failed, "nobody listens")
                continue
            report.sent += sent
            report.sent_bytes += sum(map(len, datagrams[start : start + sent]))
            start += sent


def datagram_sender(opened: socket.socket) -> DatagramSender:
    """The fastest one this system has; `opened` is connected."""
    bulk = sys.platform == "linux" and sys.maxsize > 1 << 32
    return _BulkSender(opened) if bulk else _OneByOneSender(opened)


class _OneByOneSender:
    """One system call a datagram, for systems without sendmmsg."""

    def __init__(self, opened: socket.socket) -> None:
        self._socket = opened

    def send(self, datagrams: Sequence[bytes]) -> int:
        for datagram in datagrams:
            self._socket.send(datagram)
        return len(datagrams)


class _Message(ctypes.Structure):  # struct msghdr of sendmsg(2)
    _fields_ = (
        ("name", ctypes.c_void_p),
        ("name_length", ctypes.c_uint32),
        ("vectors", ctypes.c_void_p),
        ("vector_count", ctypes.c_size_t),
        ("control", ctypes.c_void_p),
        ("control_length", ctypes.c_size_t),
        ("flags", ctypes.c_int),
    )


class _MessageHeader(ctypes.Structure):  # struct mmsghdr of sendmmsg(2)
    _fields_ = (("message", _Message), ("sent", ctypes.c_uint32))


class _BulkSender:
    """sendmmsg over one buffer that holds all datagrams of a call."""

    def __init__(self, opened: socket.socket) -> None:
        self._fd = opened.fileno()
        self._call = ctypes.CDLL(None, use_errno=True).sendmmsg
        self._vectors = array("Q", bytes(16 * CALL_DATAGRAMS_MAX))  # struct iovec of 64-bit systems: address, length
        vectors = self._vectors.buffer_info()[0]
        self._headers = (_MessageHeader * CALL_DATAGRAMS_MAX)()
        for i, header in enumerate(self._headers):
            header.message.vectors = vectors + 16 * i
            header.message.vector_count = 1

    def send(self, datagrams: Sequence[bytes]) -> int:
        taken = datagrams[:CALL_DATAGRAMS_MAX]
        lengths = list(map(len, taken))
        buffer = b"".join(taken)
        start = ctypes.cast(ctypes.c_char_p(buffer), ctypes.c_void_p).value or 0
        places = accumulate(lengths[:-1], initial=start)
        pairs = array("Q", chain.from_iterable(zip(places, lengths, strict=True)))
        memoryview(self._vectors)[: len(pairs)] = memoryview(pairs)  # in place: the headers point here
        sent = self._call(self._fd, self._headers, len(taken), 0)
        if sent < 0:
            code = ctypes.get_errno()
            if code == errno.EINTR:
                return 0
            raise OSError(code, os.strerror(code))
        return int(sent)
