"""Settings to running roles: the only file that names an adapter.

`run_role` is one process's whole life: it returns after SIGTERM, with everything in hand finished.
"""

import asyncio
import gc
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, closing, contextmanager
from functools import partial
from typing import Any, Protocol, TypeVar

import msgspec

from logkeep.clock import SystemClock
from logkeep.disk import SystemDisk
from logkeep.errors import InputError
from logkeep.metastore.erasures import Erasures
from logkeep.metastore.file import FileMetastore
from logkeep.metastore.port import Metastore
from logkeep.queue.local import LocalQueue
from logkeep.settings import Settings
from logkeep.store.port import Store
from logkeep.telemetry import Telemetry, get_logger

STOP_TIMEOUT_S = 6.0  # of the ten that a stop may take in all; open downloads are cut then
PROCESSOR_JOIN_S = 8.0
SEAL_EVERY_S = 1.0

T = TypeVar("T")

log = get_logger("wiring")


def run_role(role: str, index: int, settings: Settings, *, datagrams: socket.socket | None = None) -> None:
    """datagrams: the bound socket for the role `udp`, which outlives it; it opens its own when None.

    Raises LogkeepError when the role cannot run, with what to do; everything else that it raises is a bug.
    """
    roles: dict[str, Callable[[int, Settings], None]] = {
        "receiver": _run_receiver,
        "udp": partial(_run_udp, datagrams),
        "keeper": _run_keeper,
    }
    if role not in roles:
        raise InputError(f"no role {role!r}; one of {', '.join(roles)}")
    roles[role](index, settings)


def open_queue(settings: Settings, *, write: tuple[str, ...] = ()) -> LocalQueue:
    folder = settings.folder / "queue"
    return LocalQueue(folder, settings.queue, disk=SystemDisk(), clock=SystemClock(), write=write)


def open_metastore(settings: Settings) -> FileMetastore:
    return FileMetastore(settings.folder)


def write_app_of_key(metastore: Metastore) -> Callable[[str], str | None]:
    """The app a write key stands for, None for every other secret."""

    def app_of_key(key: str) -> str | None:
        credential = metastore.credential(key)
        return credential.app if credential is not None and credential.scope == "write" else None

    return app_of_key


def _run_receiver(index: int, settings: Settings) -> None:
    from logkeep.receiver.process import run_http_receiver

    partition = f"http-{index}"
    queue = open_queue(settings, write=(partition,))
    with closing(queue), _sealing(queue):
        run_http_receiver(
            settings, queue=queue, partition=partition, metastore=open_metastore(settings), telemetry=Telemetry()
        )


def _run_udp(opened: socket.socket | None, index: int, settings: Settings) -> None:
    from logkeep.receiver.udp import run_udp_receiver

    queue = open_queue(settings, write=("udp-0",))
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda number, frame: stop.set())
    with closing(queue), _sealing(queue):
        run_udp_receiver(settings, queue, Telemetry(), stop, opened=opened)


@contextmanager
def _sealing(queue: LocalQueue) -> Iterator[None]:
    """Inside, segments that an erasure in the keeper wants to remove are closed within SEAL_EVERY_S."""
    ended = threading.Event()

    def seal() -> None:
        while not ended.wait(SEAL_EVERY_S):
            queue.seal_where_asked()

    thread = threading.Thread(target=seal, name="seal", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _collect_garbage_rarely() -> None:
    """A batch is a hundred thousand live objects without a cycle: looking through them often finds nothing."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 50, 100)


class _Server(Protocol):
    should_exit: bool

    async def serve(self) -> None: ...


def _run_keeper(index: int, settings: Settings) -> None:
    """Processor, embedded store and API in one process: the engine's folder cannot be shared."""
    opening = _begun(lambda: _opened_store(settings))  # while this thread imports: a third of a start
    from logkeep.api.app import create_api
    from logkeep.api.backend import Backend, Ledger
    from logkeep.feed.hub import Hub
    from logkeep.processor.erasure import Eraser
    from logkeep.processor.queued import HEAD_BYTES_MAX, balance
    from logkeep.processor.samples import Samples
    from logkeep.processor.worker import GROUP, Processor

    with closing(opening()) as store:
        _collect_garbage_rarely()
        telemetry, clock = Telemetry(), SystemClock()
        metastore, queue = open_metastore(settings), open_queue(settings)
        samples, feed = Samples(settings.folder), Hub()
        erasures = Erasures(settings.folder, SystemDisk(), clock)
        processor = Processor(
            queue=queue,
            store=store,
            app_of_key=write_app_of_key(metastore),
            samples=samples,
            settings=settings,
            clock=clock,
            telemetry=telemetry,
            feed=feed,
            eraser=Eraser(jobs=erasures, store=store, queue=queue, samples=samples, clock=clock),
        )
        feed.begin_at(processor.last_arrival())

        def ledger(app: str) -> Ledger:
            found, queued = balance(
                app, lambda: queue.uncommitted(GROUP, payload_bytes_max=HEAD_BYTES_MAX), processor.snapshot
            )
            return Ledger(
                found.received, found.stored, found.rejected, found.over_quota, found.expired, queued, found.erased
            )

        def rejected(app: str, limit: int) -> list[dict[str, Any]]:
            """The app's own samples, then datagrams that name nobody's key: with one app they are its business too."""
            lines = samples.rejected(app).newest(limit)
            if metastore.app_names() == [app]:
                lines += samples.rejected("").newest(limit - len(lines))
            return [msgspec.json.decode(line) for line in lines]

        backend = Backend(
            store=store,
            feed=feed,
            metastore=metastore,
            erasures=erasures,
            ledger=ledger,
            rejected=rejected,
            udp_loss=processor.udp_loss_rows,
            ready=lambda: [] if store.ready() else ["the store does not answer"],
        )
        api = create_api(backend, settings=settings, clock=clock, telemetry=telemetry)
        _serve_beside(processor, _api_server(api, settings))
    queue.close()


def _api_server(api: Any, settings: Settings) -> "_Server":
    import uvicorn

    from logkeep.api.serving import Server

    config = uvicorn.Config(
        api,
        host=settings.api.host,
        port=settings.api.port,
        loop="uvloop",
        http="httptools",
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=int(STOP_TIMEOUT_S),
        limit_concurrency=1000,
    )
    return Server(api, config)


def open_store(settings: Settings) -> AbstractContextManager[Store]:
    """The store of a service that does not run: the embedded one's folder is one process's alone."""
    return closing(_opened_store(settings))


def _opened_store(settings: Settings) -> Store:
    if settings.store.kind == "mongodb":
        from logkeep.store.mongodb import MongoStore

        mongodb = settings.mongodb
        return MongoStore(
            mongodb.url,
            prefix=mongodb.database,
            read_preference=mongodb.read_preference,
            connect_timeout_s=mongodb.connect_timeout_s,
            clock=SystemClock(),
        )
    from logkeep.store.embedded import EmbeddedStore

    return EmbeddedStore(
        settings.folder / "store",
        memory_bytes_max=settings.store.memory_bytes_max,
        mark_cache_bytes=settings.store.mark_cache_bytes,
        merge_threads=settings.store.merge_threads,
        readers=settings.api.readers,
        clock=SystemClock(),
    )


def _begun(work: Callable[[], T]) -> Callable[[], T]:
    """Starts `work` in a thread of its own; what is returned waits for it and gives its result or raises its error."""
    pool = ThreadPoolExecutor(1)
    future = pool.submit(work)
    pool.shutdown(wait=False)
    return future.result


def _serve_beside(processor: Any, server: _Server) -> None:
    """The API answers while the processor works; either of them ending ends both. Raises what ended the processor."""
    failure: list[BaseException] = []

    def process() -> None:
        try:
            processor.run()
        except BaseException as error:
            failure.append(error)
            log.error("the processor stopped", error=repr(error), exc_info=error)
        server.should_exit = True

    thread = threading.Thread(target=process, name="processor", daemon=True)
    thread.start()
    asyncio.run(server.serve())  # returns after SIGTERM: uvicorn takes the signal
    processor.stop()
    thread.join(PROCESSOR_JOIN_S)
    if failure:
        raise failure[0]
