"""Settings to running roles: the only file that names an adapter.

`run_role` is one process's whole life: it returns after SIGTERM, with everything in hand finished.
"""

import asyncio
import gc
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import msgspec

from logkeep.clock import SystemClock
from logkeep.disk import SystemDisk
from logkeep.errors import InputError
from logkeep.metastore.accounts import Accounts
from logkeep.metastore.database import Database
from logkeep.metastore.key_use import KeyUse
from logkeep.metastore.moving import forget_samples
from logkeep.metastore.sqlite import SqliteDatabase
from logkeep.metastore.start import FirstRun, has_moved, known_keys_file, prepare
from logkeep.queue.local import LocalQueue
from logkeep.queue.port import ANY, ErasableQueue, Partition, Queue
from logkeep.queue.watching import QueueWatch
from logkeep.settings import Settings
from logkeep.store.port import Store
from logkeep.telemetry import Telemetry, get_logger
from logkeep.tls import TlsFiles
from logkeep.wiring_backend import ledger_of, make_backend, recent_ledger, udp_loss_of_marks, unreadable
from logkeep.wiring_limits import api_limits, limiting, open_limits, sender_of_key
from logkeep.wiring_stores import opened_store

if TYPE_CHECKING:
    from logkeep.feed.port import Publisher
    from logkeep.metastore.erasures import Erasures
    from logkeep.metastore.masking import MaskingRules
    from logkeep.processor.worker import Processor

STOP_TIMEOUT_S = 6.0  # of the ten that a stop may take in all; open downloads are cut then
PROCESSOR_JOIN_S = 8.0
SEAL_EVERY_S = 1.0
PARTITIONS_WAIT_S, PARTITIONS_LOOK_S = 20.0, 0.02
METASTORE_FILE = "metastore.db"

T = TypeVar("T")

log = get_logger("wiring")


def run_role(
    role: str, index: int, settings: Settings, *, datagrams: socket.socket | None = None, supervised: bool = False
) -> None:
    """datagrams: the bound socket for the role `udp`, which outlives it; it opens its own when None. supervised: a
    parent tells people where this listens.

    Raises LogkeepError when the role cannot run, with what to do; everything else that it raises is a bug.
    """
    roles: dict[str, Callable[[int, Settings], None]] = {
        "receiver": partial(_run_receiver, supervised),
        "udp": partial(_run_udp, datagrams),
        "processor": _run_processor,
        "keeper": _run_keeper,
        "api": _run_api,
    }
    if role not in roles:
        raise InputError(f"no role {role!r}; one of {', '.join(roles)}")
    roles[role](index, settings)


def open_queue(settings: Settings, *, write: tuple[Partition, ...] = (), instance: str = "") -> ErasableQueue:
    """write: the partitions of this process, where each belongs to one. instance: a lasting name, unless one is set.

    Connects to nothing before it is used. Raises BackendUnavailable (the local one).
    """
    if settings.queue.kind == "kafka":
        from logkeep.queue.kafka import KafkaQueue

        kafka = msgspec.structs.replace(settings.kafka, instance=settings.kafka.instance or instance)
        return KafkaQueue(kafka, settings.queue, clock=SystemClock())
    if settings.queue.kind == "redis":
        from logkeep.queue.redis_streams import RedisQueue

        redis = msgspec.structs.replace(settings.redis, instance=settings.redis.instance or instance)
        return RedisQueue(redis, settings.queue, clock=SystemClock())
    return LocalQueue(settings.folder / "queue", settings.queue, disk=SystemDisk(), clock=SystemClock(), write=write)


def _own_partition(settings: Settings, name: Partition) -> Partition:
    """Where a receiver appends: to a partition of its own, or to shared ones in turn."""
    return name if settings.queue.kind == "local" else ANY


@contextmanager
def open_database(settings: Settings) -> Iterator[Database]:
    """The metastore's database. Raises InputError: its URL is none."""
    database = _database(settings)
    try:
        yield database
    finally:
        database.close()


def _database(settings: Settings) -> Database:
    chosen = settings.metastore
    if not chosen.url:
        return SqliteDatabase(settings.folder / METASTORE_FILE, timeout_s=chosen.timeout_s)
    from logkeep.metastore.server import ServerDatabase

    files = TlsFiles.of("metastore", chosen)
    files.check(tls=chosen.tls, how="set metastore.tls = true")
    return ServerDatabase(chosen.url, timeout_s=chosen.timeout_s, tls=files if chosen.tls else None)


def prepare_metastore(settings: Settings) -> FirstRun | None:
    """As `prepare` says, with what is in the folder's own metastore where another one is set."""
    file, disk, clock = settings.folder / METASTORE_FILE, SystemDisk(), SystemClock()
    with open_database(settings) as database:
        if not settings.metastore.url or not file.exists():
            return prepare(database, settings.folder, disk, clock)
        with closing(SqliteDatabase(file, timeout_s=settings.metastore.timeout_s)) as before:
            before.upgrade()
            first_run = prepare(database, settings.folder, disk, clock, before=before)
            moved = has_moved(before, database)
            if moved:
                forget_samples(before)
    if moved:
        file.rename(file.with_name(f"{METASTORE_FILE}.moved"))
    else:
        log.warning("the metastore has other accounts than the data folder; the folder's are not used", file=str(file))
    return first_run


@contextmanager
def open_accounts(settings: Settings, database: Database, role: str, *, known: bool = True) -> Iterator[Accounts]:
    """All keys, kept up to date inside; kept in the data folder too, for a start while the database is away."""
    chosen = settings.metastore
    cache = known_keys_file(settings.folder, role)
    use = KeyUse(database, SystemClock())
    accounts = Accounts(
        database, SystemClock(), refresh_s=chosen.refresh_s, valid_s=chosen.keys_valid_s, cache=cache,
        key_used=use.note,
    ).open(known=known)  # fmt: skip
    use.start()
    with closing(use), closing(accounts):
        yield accounts


def _run_receiver(supervised: bool, index: int, settings: Settings) -> None:
    from logkeep.metastore.known_rules import open_known_rules
    from logkeep.receiver.process import run_http_receiver

    telemetry = Telemetry()
    partition = _own_partition(settings, f"http-{index}")
    queue = open_queue(settings, write=(partition,))
    with (
        closing(queue),
        _sealing(queue),
        open_database(settings) as database,
        open_accounts(settings, database, partition) as accounts,
        limiting(settings, database, telemetry, accounts.app_names()) as limiter,
        closing(open_known_rules(settings.metastore, database, SystemClock())) as rules,
    ):
        run_http_receiver(
            settings, queue=queue, partition=partition, metastore=accounts, telemetry=telemetry, limiter=limiter,
            configurations=rules.configurations,
            on_listening=None if supervised else partial(_say_listening, settings.intake.host),
        )  # fmt: skip


def _say_listening(host: str, port: int) -> None:
    log.info("taking events over http", host=host, port=port)


def _run_udp(opened: socket.socket | None, index: int, settings: Settings) -> None:
    from logkeep.receiver.udp import run_udp_receiver

    queue, telemetry = open_queue(settings, write=("udp-0",)), Telemetry()
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda number, frame: stop.set())
    with (
        closing(queue),
        _sealing(queue),
        open_database(settings) as database,
        open_accounts(settings, database, f"udp-{index}", known=False) as accounts,
        limiting(settings, database, telemetry, accounts.app_names()) as limiter,
    ):
        run_udp_receiver(
            settings, queue, telemetry, stop, opened=opened, limiter=limiter, sender_of_key=sender_of_key(accounts)
        )


@contextmanager
def _sealing(queue: Queue) -> Iterator[None]:
    """Inside, segments that the keeper wants to remove are closed within SEAL_EVERY_S."""
    if not isinstance(queue, LocalQueue):
        yield
        return
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
    """Processor, store and API in one process: where the store is embedded, its folder cannot be shared."""
    opening = _begun(lambda: opened_store(settings))  # while this thread imports: a third of a start
    from logkeep.api.app import create_api
    from logkeep.feed.hub import Hub
    from logkeep.feed.polling import PollingFeed
    from logkeep.metastore.device_directory import open_device_directory
    from logkeep.processor.marks import GROUP

    with (
        closing(opening()) as store,
        open_database(settings) as database,
        open_accounts(settings, database, "keeper") as accounts,
        closing(_erasures(settings, database).open()) as erasures,
        api_limits(settings, database) as limits,
        closing(open_device_directory(settings.metastore, database)) as device_directory,
        closing(open_queue(settings, instance=f"keeper-{index}")) as queue,
        closing(QueueWatch(queue)) as queue_watch,
        ExitStack() as stack,
    ):
        _collect_garbage_rarely()
        telemetry = Telemetry()
        _wait_for_partitions(queue, GROUP)
        # Others may write a shared store too, and a hub hears only of what this process stores.
        hub = None if _is_shared(settings) else Hub()
        feed = hub or stack.enter_context(closing(PollingFeed(store, SystemClock())))
        keeps = limits.limits.retention_days
        masking = stack.enter_context(closing(_masking(settings, database)))
        processor = _processor(settings, telemetry, queue, store, database, accounts, erasures, keeps, hub, masking)
        if hub is not None:
            hub.begin_at(processor.last_arrival())
        alone = queue.owned(GROUP).partitions is None
        backend = make_backend(
            settings=settings,
            store=store,
            feed=feed,
            database=database,
            accounts=accounts,
            erasures=erasures,
            limits=limits,
            device_directory=device_directory,
            ledger=ledger_of(queue) if alone else recent_ledger(queue),
            udp_loss=processor.udp_loss_rows if alone else partial(udp_loss_of_marks, queue),
            queue_watch=queue_watch,
            held=processor.problems,
        )
        api = create_api(backend, settings=settings, clock=SystemClock(), telemetry=telemetry)
        _serve_beside(processor, _api_server(api, settings))


def _processor(
    settings: Settings,
    telemetry: Telemetry,
    queue: ErasableQueue,
    store: Store,
    database: Database,
    accounts: Accounts,
    erasures: "Erasures",
    retention_of: Callable[[str], int],
    hub: "Publisher | None",
    masking: "MaskingRules",
) -> "Processor":
    from logkeep.metastore.samples import Samples
    from logkeep.processor.erasure import Eraser
    from logkeep.processor.worker import Processor

    clock = SystemClock()
    samples = Samples(database, clock)
    return Processor(
        queue=queue,
        store=store,
        app_of_key=accounts.app_of_datagrams,
        samples=samples,
        database=database,
        settings=settings,
        clock=clock,
        telemetry=telemetry,
        feed=hub,
        retention_of=retention_of,
        eraser=Eraser(jobs=erasures, store=store, queue=queue, samples=samples, database=database, clock=clock),
        masking=masking,
    )


def _masking(settings: Settings, database: Database) -> "MaskingRules":
    from logkeep.metastore.masking import MaskingRules

    return MaskingRules(database, SystemClock(), refresh_s=settings.metastore.refresh_s).open()


def _wait_for_partitions(queue: Queue, group: str) -> None:
    """Whoever is alone has everything before it answers; for a while, then it goes on without.

    Raises BackendUnavailable.
    """
    deadline = time.monotonic() + PARTITIONS_WAIT_S
    while queue.owned(group).partitions == frozenset() and time.monotonic() < deadline:
        time.sleep(PARTITIONS_LOOK_S)


def _unprocessable(queue: QueueWatch, store: Store, held: Callable[[], list[str]]) -> list[str]:
    """Why not everything can be moved from the queue to the store now."""
    return unreadable(store) + ([queue.problem] if queue.problem else []) + held()


def _run_processor(index: int, settings: Settings) -> None:
    """Any number of them share a queue and a store."""
    if settings.queue.kind == "local":
        raise InputError("processors share a queue: set queue.kind to kafka or redis, or run the keeper")
    if not _is_shared(settings):
        raise InputError(
            "processors share a store, and the embedded one belongs to one process: run the keeper, which is "
            "processor, store and API in one, or set store.kind"
        )
    from logkeep.processor.process import run_processor

    with (
        closing(opened_store(settings)) as store,
        open_database(settings) as database,
        open_accounts(settings, database, f"processor-{settings.processor.port}") as accounts,
        closing(_erasures(settings, database).open()) as erasures,
        closing(open_limits(settings, database)) as limits,
        closing(open_queue(settings)) as queue,
        closing(QueueWatch(queue)) as queue_watch,
        closing(_masking(settings, database)) as masking,
    ):
        telemetry = Telemetry()
        keeps = limits.retention_days
        processor = _processor(settings, telemetry, queue, store, database, accounts, erasures, keeps, None, masking)
        _collect_garbage_rarely()
        run_processor(
            processor,
            host=settings.processor.host,
            port=settings.processor.port,
            telemetry=telemetry,
            problems=partial(_unprocessable, queue_watch, store, processor.problems),
        )


def _run_api(index: int, settings: Settings) -> None:
    if not _is_shared(settings):
        raise InputError(
            "the folder of the embedded store is one process's alone, so an API beside it cannot read; use "
            "`logkeep serve`, or a store that can be shared (store.kind)"
        )
    with closing(opened_store(settings)) as store:
        serve_api(settings, store)


def serve_api(settings: Settings, store: Store) -> None:
    """API and pages over a store that processors elsewhere write. Returns after SIGTERM, with what was asked answered.

    It keeps nothing of its own: any number of these may run.
    """
    from logkeep.api.app import create_api
    from logkeep.feed.polling import PollingFeed
    from logkeep.metastore.device_directory import open_device_directory

    with (
        open_database(settings) as database,
        open_accounts(settings, database, f"api-{settings.api.port}") as accounts,
        api_limits(settings, database) as limits,
        closing(open_device_directory(settings.metastore, database)) as device_directory,
        closing(open_queue(settings)) as queue,
        closing(QueueWatch(queue)) as queue_watch,
        closing(PollingFeed(store, SystemClock())) as feed,
    ):
        _collect_garbage_rarely()
        backend = make_backend(
            settings=settings,
            store=store,
            feed=feed,
            database=database,
            accounts=accounts,
            erasures=_erasures(settings, database),
            limits=limits,
            device_directory=device_directory,
            ledger=recent_ledger(queue),
            udp_loss=partial(udp_loss_of_marks, queue),
            queue_watch=queue_watch,
        )
        api = create_api(backend, settings=settings, clock=SystemClock(), telemetry=Telemetry())
        log.info("answering api and pages", host=settings.api.host, port=settings.api.port)
        _serve(_api_server(api, settings))


def _is_shared(settings: Settings) -> bool:
    """Whether several processes may have the store open."""
    return settings.store.kind != "embedded"


def _erasures(settings: Settings, database: Database) -> "Erasures":
    from logkeep.metastore.erasures import Erasures

    return Erasures(database, SystemClock(), refresh_s=settings.metastore.refresh_s)


def _api_server(api: Any, settings: Settings) -> "_Server":
    from logkeep.api.serving import Server, connection_config

    config = connection_config(
        api,
        host=settings.api.host,
        port=settings.api.port,
        forwarded_allow_ips=settings.intake.trusted_proxies,
        loop="uvloop",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=int(STOP_TIMEOUT_S),
    )
    return Server(api, config)


def open_store(settings: Settings) -> AbstractContextManager[Store]:
    """The store of a service that does not run: the embedded one's folder is one process's alone."""
    return closing(opened_store(settings))


def _begun(work: Callable[[], T]) -> Callable[[], T]:
    """Starts `work` in a thread of its own; what is returned waits for it and gives its result or raises its error."""
    pool = ThreadPoolExecutor(1)
    future = pool.submit(work)
    pool.shutdown(wait=False)
    return future.result


def _serve(server: _Server) -> None:
    """Returns after SIGTERM. uvicorn takes the signal, ends in order, then raises it again to kill."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda number, frame: None)
    asyncio.run(server.serve())


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
    _serve(server)
    processor.stop()
    thread.join(PROCESSOR_JOIN_S)
    if failure:
        raise failure[0]
