"""One HTTP receiver process, from its socket to its end."""

import asyncio
import gc
import signal
import socket
import sys
from collections.abc import Callable

import uvloop

from logkeep.clock import Clock, SystemClock
from logkeep.errors import BackendUnavailable, InputError
from logkeep.metastore.configuration import Configurations
from logkeep.metastore.port import Credentials
from logkeep.queue.port import Partition, Queue
from logkeep.receiver.admission import Admission
from logkeep.receiver.configured import Configured
from logkeep.receiver.http import Connection
from logkeep.receiver.intake import Intake
from logkeep.receiver.limiter import Limiter
from logkeep.settings import Settings
from logkeep.telemetry import Telemetry, get_logger

BACKLOG = 1024
DRAIN_S = 7.0  # for requests in hand after SIGTERM; the contract gives a process 10 s in all
DRAIN_LOOK_S = 0.02
WATCH_S = 2.0
# The processor reads what is accepted here with Python's usual limit of 1,000 and a deeper stack of its own: what is
# nested almost too deep must fail here, before it is acknowledged, and never there.
RECURSION_MAX = 700
# A connection's objects refer to each other, a request's do not: the collector has little to find, and looks rarely.
GC_THRESHOLDS = (50_000, 20, 50)

_log = get_logger("receiver")


def run_http_receiver(
    settings: Settings,
    *,
    queue: Queue,
    partition: Partition,
    metastore: Credentials,
    telemetry: Telemetry,
    clock: Clock | None = None,
    limiter: Limiter | None = None,
    configurations: Callable[[], Configurations | None] = lambda: None,
    on_listening: Callable[[int], None] | None = None,
) -> None:
    """Returns after SIGTERM or SIGINT, with every request in hand committed and answered.

    partition: where this process alone appends. Listens on intake.host:port together with
    the others (SO_REUSEPORT); on_listening gets the port. Blocks; call it in the main thread of a process of its own.
    Raises InputError when it cannot listen.
    """
    listening = open_tcp_socket(settings.intake.host, settings.intake.port)
    sys.setrecursionlimit(min(sys.getrecursionlimit(), RECURSION_MAX))
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(
            _serve(
                settings,
                partition,
                queue,
                metastore,
                telemetry,
                clock or SystemClock(),
                limiter,
                configurations,
                listening,
                on_listening,
            )
        )


def open_tcp_socket(host: str, port: int) -> socket.socket:
    """Bound, shared with the other receivers of the machine. Raises InputError."""
    opened: socket.socket | None = None
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        opened = socket.socket(family, kind, protocol)
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        opened.bind(address)
    except OSError as error:
        if opened is not None:
            opened.close()
        raise InputError(
            f"cannot listen on {host}:{port}: {error.strerror or error}; set intake.host, intake.port"
        ) from error
    opened.setblocking(False)
    return opened


async def _serve(
    settings: Settings,
    partition: Partition,
    queue: Queue,
    metastore: Credentials,
    telemetry: Telemetry,
    clock: Clock,
    limiter: Limiter | None,
    configurations: Callable[[], Configurations | None],
    listening: socket.socket,
    on_listening: Callable[[int], None] | None,
) -> None:
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    intake = Intake(
        settings.intake, queue, partition, Admission(metastore), telemetry, clock, limiter,
        Configured(configurations, clock), settings.public_url,
    )  # fmt: skip
    intake.queue_problem = BackendUnavailable("the queue was not reached yet", code="not_ready")
    watching = asyncio.create_task(_watch_queue(intake, queue))
    if limiter is not None:
        ticking = asyncio.create_task(_tick(limiter, settings.counters.exchange_s))
    server = await loop.create_server(lambda: Connection(intake), sock=listening, backlog=BACKLOG)
    port = listening.getsockname()[1]
    if on_listening is not None:
        on_listening(port)
    await stop.wait()
    watching.cancel()
    if limiter is not None:
        ticking.cancel()
        limiter.tick()  # what was let in last is told too
    server.close()
    await drain(intake)


async def _watch_queue(intake: Intake, queue: Queue) -> None:
    """What readiness tells is as of WATCH_S ago at most, also while nothing is sent."""
    while True:
        try:
            await asyncio.to_thread(queue.check)
            intake.queue_problem = None
        except BackendUnavailable as error:
            intake.queue_problem = error
        await asyncio.sleep(WATCH_S)


async def _tick(limiter: Limiter, every_s: float) -> None:
    while True:
        try:
            limiter.tick()
        except Exception:  # without it limits would drift apart for ever
            _log.exception("the exchange of what was let in failed")
        await asyncio.sleep(every_s)


async def drain(intake: Intake, *, timeout_s: float = DRAIN_S) -> None:
    """What is in hand is committed and answered; what takes longer than `timeout_s` is cut off."""
    intake.drain()
    deadline_s = asyncio.get_running_loop().time() + timeout_s
    while not intake.finished and asyncio.get_running_loop().time() < deadline_s:  # noqa: ASYNC110
        await asyncio.sleep(DRAIN_LOOK_S)
    if not intake.finished:
        _log.warning("cut off at the end", connections=len(intake.connections))
    intake.close()
