"""The HTTP side of the generator: kept-alive connections, one request in flight on each, as fast as they are answered.

A Protocol on uvloop and httptools, not a client library: at 64 connections the generator must cost less than what it
measures. Refusals that name a time to wait (429, 503) are tried again; a lost connection is not, for the events may
have arrived – unless they carry ids, with which a second copy is no harm.
"""

import asyncio
import re
import signal
import ssl
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any, cast

import httptools
import msgspec
import uvloop
import zstandard

from logkeep.errors import BackendUnavailable
from logkeep.loadgen.events import BLOCK_EVENTS_MAX, EventMaker
from logkeep.loadgen.report import Encoding, Latencies, LoadPlan, LoadReport, count
from logkeep.loadgen.target import Target

TRIES_MAX = 8  # of one request
RETRY_AFTER_MAX_S = 30.0  # a longer wait is cut to this
REQUEST_TIMEOUT_S = 30.0
LOOK_EVERY_S = 0.25  # progress and time-outs
RECONNECTS_MAX = 8  # in a row without an answer in between
RECONNECT_WAIT_S = 0.25
ANSWER_BYTES_MAX = 8 << 20  # 10,000 rejections are 1 MiB
NOT_SENT = float("inf")
AHEAD_S = 0.1  # events made ahead at a given rate: their times must not be old

Watch = Callable[[int], None]  # called with the events done so far


class _Rejection(msgspec.Struct):
    reason: str


class _Answer(msgspec.Struct):
    accepted: int
    rejected: list[_Rejection] = []


_NO_BODY = (b"", 0, 0)
_answer = msgspec.json.Decoder(_Answer).decode


class Request(msgspec.Struct, gc=False):
    """One batch on its way.

    due: monotonic seconds it should be sent at (uvloop's own clock counts only ms); tries: how often it was.
    """

    data: bytes
    events: int
    due: float
    tries: int = 0


def run_http(plan: LoadPlan, target: Target, watch: Watch = lambda done: None) -> LoadReport:
    """The report of the finished run. Ctrl-C and SIGTERM end it early, with what is in flight answered.

    Raises BackendUnavailable when nothing answers at the address from the start.
    """
    return uvloop.run(_Run(plan, target, watch).run())


class _Run:
    """One run: the work that is left, the connections that take it, and the tally."""

    def __init__(self, plan: LoadPlan, target: Target, watch: Watch) -> None:
        self.plan, self.target = plan, target
        self.report = LoadReport(protocol="http")
        self.latencies = Latencies()
        self._watch = watch
        self._bodies = _bodies(plan)
        self._head = _head(plan, target)
        self.usual_answer = b""  # the whole of an answer that acknowledged a full batch
        self._planned = 0  # events given out
        self._stopped = False
        self._connections: set[_Connection] = set()
        self._main: asyncio.Task[Any] | None = None
        self._bug: BaseException | None = None

    async def run(self) -> LoadReport:
        self.loop = asyncio.get_running_loop()
        self._main = asyncio.current_task()
        self.loop.set_exception_handler(self._end_on_bug)
        for number in (signal.SIGINT, signal.SIGTERM):
            with suppress(ValueError, RuntimeError):  # only the main thread may
                self.loop.add_signal_handler(number, self.stop)
        self._started = time.monotonic()
        self._ends = self._started + self.plan.seconds if self.plan.seconds is not None else float("inf")
        looking = asyncio.create_task(self._look())
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(self.plan.connections):
                    group.create_task(self._keep_connected())
        except* BackendUnavailable as unavailable:
            raise unavailable.exceptions[0] from None
        finally:
            looking.cancel()
            if self._bug is not None:
                raise self._bug
        self.report.finish(time.monotonic() - self._started, self.latencies)
        self._watch(self._done)
        return self.report

    def _end_on_bug(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """A callback has failed: its connection would never be heard of again, so the run ends with that fault."""
        self._bug = self._bug or context.get("exception") or RuntimeError(context["message"])
        if self._main is not None:
            self._main.cancel()

    def stop(self) -> None:
        self._stopped = True
        for connection in list(self._connections):
            connection.wake()

    def next_request(self) -> Request | None:
        """The next batch; None when there is no more to do. Its due time may lie ahead."""
        due = self._started
        if self.plan.rate:
            due = self._started + self._planned / self.plan.rate
        if self._stopped or max(due, time.monotonic()) >= self._ends:
            return None
        body, events, raw_bytes = next(self._bodies, _NO_BODY)
        if not events:
            return None
        self._planned += events
        self.report.sent_bytes += raw_bytes
        self.report.sent += events
        return Request(self._head % len(body) + body, events, due)

    @property
    def _done(self) -> int:
        report = self.report
        return report.acknowledged + sum(sum(c.values()) for c in (report.rejected, report.refused, report.failed))

    async def _look(self) -> None:
        """Tells how far it is and cuts connections that have waited too long."""
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            self._watch(self._done)
            late = time.monotonic() - REQUEST_TIMEOUT_S
            for connection in list(self._connections):
                connection.abort_if_older(late)

    async def _keep_connected(self) -> None:
        """One connection, made again when it is lost, until there is no more to do."""
        pending: Request | None = None
        failures = 0
        while failures <= RECONNECTS_MAX:
            try:
                connection = await self._connect(pending)
            except OSError as error:
                if self.report.requests == 0:
                    raise BackendUnavailable(f"nothing answers at {self.plan.url}: {error}; is it running?") from error
                failures += 1
                await asyncio.sleep(RECONNECT_WAIT_S * failures)
                continue
            await connection.closed
            self._connections.discard(connection)
            failures = 0 if connection.answers else failures + 1
            pending = connection.unfinished()
            if connection.finished:
                return
        if pending is not None:
            count(self.report.failed, "connection lost", pending.events)

    async def _connect(self, pending: Request | None) -> "_Connection":
        tls = ssl.create_default_context() if self.target.tls else None
        _, connection = await self.loop.create_connection(
            lambda: _Connection(self, pending),
            self.target.address,
            self.target.port,
            ssl=tls,
            server_hostname=self.target.host if tls else None,
        )
        self._connections.add(connection)
        return connection


class _Connection(asyncio.Protocol):
    """One request in flight at a time; the next one goes out as soon as the last one is answered."""

    def __init__(self, run: _Run, pending: Request | None) -> None:
        self._run, self._loop = run, run.loop
        self._request = pending
        self._sent_at = NOT_SENT  # monotonic seconds
        self._timer: asyncio.TimerHandle | None = None
        self._body: list[bytes] = []
        self._body_bytes = 0
        self._retry_after = b""
        self._between = True  # no answer has begun that is not complete
        self._messages = 0  # complete answers in the bytes that came last
        self._was_usual = False
        self.answers = 0
        self.finished = False
        self.closed: asyncio.Future[None] = self._loop.create_future()

    # ── the transport's side ──────────────────────────────────────────────────────────────────────────────────────

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's own are no subclasses
        self._parser = httptools.HttpResponseParser(self)
        self._take_next()

    def data_received(self, data: bytes) -> None:
        """Answers repeat byte for byte within a second: the usual one is known at a glance, others are parsed."""
        usual = self._between and self._request is not None and self._request.events == self._run.plan.batch
        if usual and data == self._run.usual_answer and self._sent_at != NOT_SENT:
            return self._acknowledged()
        self._messages = 0
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            return self._transport.abort()
        if usual and self._between and self._messages == 1 and self._was_usual:
            self._run.usual_answer = data
        return None

    def connection_lost(self, error: Exception | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if not self.closed.done():
            self.closed.set_result(None)

    # ── the parser's side ─────────────────────────────────────────────────────────────────────────────────────────

    def on_message_begin(self) -> None:
        self._between = False

    def on_header(self, name: bytes, value: bytes) -> None:
        if len(name) == 11 and name.lower() == b"retry-after":
            self._retry_after = value

    def on_body(self, body: bytes) -> None:
        self._body.append(body)
        self._body_bytes += len(body)
        if self._body_bytes > ANSWER_BYTES_MAX:
            self._transport.abort()

    def on_message_complete(self) -> None:
        request, status = self._request, self._parser.get_status_code()
        if status < 200:
            return None
        body, self._body, self._body_bytes = b"".join(self._body), [], 0
        self._between, self._was_usual = True, False
        self._messages += 1
        if request is None or self._sent_at == NOT_SENT:
            return self._transport.abort()  # an answer to nothing: what comes next could not be told apart
        keep = self._parser.should_keep_alive()
        self.answers += 1
        self._run.report.requests += 1
        if status in (429, 503) and request.tries < TRIES_MAX and keep:
            return self._wait_and_retry()
        acknowledged = self._run.report.acknowledged
        tally(self._run.report, request.events, status, body)
        self._was_usual = keep and self._run.report.acknowledged - acknowledged == request.events
        self._answered(request)
        return self._take_next() if keep else self._transport.close()

    def _acknowledged(self) -> None:
        assert self._request is not None
        self.answers += 1
        self._run.report.requests += 1
        self._run.report.acknowledged += self._request.events
        self._answered(self._request)
        self._take_next()

    def _answered(self, request: Request) -> None:
        self._run.latencies.add(int((time.monotonic() - request.due) * 1_000_000))
        self._request, self._sent_at = None, NOT_SENT

    # ── sending ───────────────────────────────────────────────────────────────────────────────────────────────────

    def _take_next(self) -> None:
        if self._request is None:
            self._request = self._run.next_request()
        if self._request is None:
            self.finished = True
            return self._transport.close()
        wait_s = self._request.due - time.monotonic()
        if wait_s > 0.0005:
            self._timer = self._loop.call_later(wait_s, self._send)
            return None
        return self._send()

    def _send(self) -> None:
        assert self._request is not None
        self._timer = None
        self._request.tries += 1
        self._sent_at = time.monotonic()
        if not self._run.plan.rate and self._request.tries == 1:
            self._request.due = self._sent_at
        self._transport.write(self._request.data)

    def _wait_and_retry(self) -> None:
        self._sent_at = NOT_SENT
        self._run.report.retries += 1
        self._timer = self._loop.call_later(retry_wait_s(self._retry_after), self._send)
        self._retry_after = b""

    # ── the run's side ────────────────────────────────────────────────────────────────────────────────────────────

    def wake(self) -> None:
        """The run was stopped: what waits to be sent is not sent any more."""
        if self._timer is not None and self._request is not None:
            self._timer.cancel()
            self._timer = None
            count(self._run.report.failed, "stopped before it was sent", self._request.events)
            self._request, self.finished = None, True
            self._transport.close()

    def abort_if_older(self, sent_before: float) -> None:
        if self._sent_at < sent_before:
            self._transport.abort()

    def unfinished(self) -> Request | None:
        """The request to send again on the next connection; one that may have arrived is counted as failed instead."""
        request = self._request
        if request is None or self._timer is not None:
            return request
        if self._run.plan.with_ids and request.tries < TRIES_MAX:
            self._run.report.retries += 1
            return request
        count(self._run.report.failed, "connection lost", request.events)
        return None


def tally(report: LoadReport, events: int, status: int, body: bytes) -> None:
    """`report` has what an answer with `status` and `body` says about `events` of them."""
    if status not in (202, 400):
        return count(report.refused, str(status), events)
    try:
        answer = _answer(body)
    except msgspec.MsgspecError:
        return count(report.refused, f"{status} without a readable answer", events)
    report.acknowledged += answer.accepted
    for rejection in answer.rejected:
        count(report.rejected, rejection.reason)
    if unsaid := events - answer.accepted - len(answer.rejected):
        count(report.failed, "not told in the answer", unsaid)
    return None


def retry_wait_s(header: bytes) -> float:
    """Seconds that a Retry-After header asks for; 1 when it names none that can be read."""
    digits = re.fullmatch(rb"\s*(\d{1,6}(?:\.\d{1,6})?)\s*", header)
    return min(float(digits[1]), RETRY_AFTER_MAX_S) if digits else 1.0


def _head(plan: LoadPlan, target: Target) -> bytes:
    """A request's line and headers with `%d` for the length of its body."""
    host = f"[{target.host}]" if ":" in target.host else target.host
    encoding = "" if plan.encoding == "plain" else f"Content-Encoding: {plan.encoding}\r\n"
    head = (
        f"POST /v1/events HTTP/1.1\r\nHost: {host}:{target.port}\r\nAuthorization: Bearer {plan.key}\r\n"
        f"Content-Type: application/x-ndjson\r\n{encoding}Content-Length: "
    )
    return head.replace("%", "%%").encode() + b"%d\r\n\r\n"


def _bodies(plan: LoadPlan) -> Iterator[tuple[bytes, int, int]]:
    """Bodies, each with its events and its bytes before compression, until plan.events are in them."""
    maker = EventMaker(plan.seed, days=plan.days, events=plan.events or 1_000_000, with_ids=plan.with_ids)
    pack = _packer(plan.encoding)
    left = plan.events if plan.events is not None else 1 << 62
    made_at_once = int(plan.rate * AHEAD_S) if plan.rate else BLOCK_EVENTS_MAX
    made_at_once = max(plan.batch, min(BLOCK_EVENTS_MAX, made_at_once) // plan.batch * plan.batch)
    while left > 0:
        lines = _lines(maker, min(made_at_once, left))
        left -= len(lines)
        for start in range(0, len(lines), plan.batch):
            batch = lines[start : start + plan.batch]
            body = "\n".join(batch).encode()
            yield pack(body), len(batch), len(body)


def _lines(maker: EventMaker, events: int) -> list[str]:
    if events <= BLOCK_EVENTS_MAX:
        return maker.lines(events)
    return [
        line for at in range(0, events, BLOCK_EVENTS_MAX) for line in maker.lines(min(BLOCK_EVENTS_MAX, events - at))
    ]


def _packer(encoding: Encoding) -> Callable[[bytes], bytes]:
    if encoding == "zstd":
        return zstandard.ZstdCompressor(level=1).compress
    if encoding == "gzip":
        return _gzip
    return bytes


def _gzip(body: bytes) -> bytes:
    packer = zlib.compressobj(1, zlib.DEFLATED, 31)
    return packer.compress(body) + packer.flush()
