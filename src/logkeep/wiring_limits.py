"""Settings to limits: the part of the wiring that names the adapters of the counters."""

import secrets
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager

import msgspec

from logkeep.clock import SystemClock
from logkeep.counters.local import LocalCounters
from logkeep.counters.port import Counters
from logkeep.errors import BackendUnavailable
from logkeep.metastore.accounts import Accounts
from logkeep.metastore.blocks import Blocks
from logkeep.metastore.database import Database
from logkeep.metastore.limits import AppLimits
from logkeep.metastore.refusals import Refusals as RefusalRows
from logkeep.metastore.refusals import Row
from logkeep.receiver.admission import key_id
from logkeep.receiver.count_exchange import CountExchange
from logkeep.receiver.limiter import Limiter
from logkeep.receiver.refused import Refusals
from logkeep.receiver.replays import Replays
from logkeep.receiver.sender_limits import Sender
from logkeep.receiver.udp_limits import SenderOfKey
from logkeep.settings import Settings
from logkeep.telemetry import Telemetry, get_logger

COUNTERS_FILE, REPLAYS_FILE = "counters", "replays"

log = get_logger("limits")


def open_counters(settings: Settings) -> Counters:
    """A process that cannot use the file counts alone: limits are not worth a receiver that does not start."""
    if settings.counters.kind == "redis":
        from logkeep.counters.redis_counters import RedisCounters

        return RedisCounters(settings.counters, settings.redis)
    try:
        return LocalCounters(settings.folder / COUNTERS_FILE, SystemClock())
    except BackendUnavailable as error:
        log.warning("limits are counted by this process alone", error=error.message)
        return LocalCounters(None, SystemClock())


def open_replays(settings: Settings) -> Replays:
    """As with counters: a process that cannot use the file knows its own alone."""
    try:
        return Replays(settings.folder / REPLAYS_FILE, SystemClock())
    except BackendUnavailable as error:
        log.warning("requests sent again are known by this process alone", error=error.message)
        return Replays(None, SystemClock())


def open_limits(settings: Settings, database: Database) -> AppLimits:
    """Of all apps, kept up to date until it is closed."""
    return AppLimits(
        database,
        settings.limits,
        SystemClock(),
        refresh_s=settings.metastore.refresh_s,
        retention_days=settings.store.retention_days,
    ).open()


def open_blocks(settings: Settings, database: Database) -> Blocks:
    """Of all apps, kept up to date until it is closed."""
    return Blocks(database, SystemClock(), refresh_s=settings.metastore.refresh_s).open()


class ApiLimits(msgspec.Struct, frozen=True):
    """What the API tells and changes."""

    limits: AppLimits
    blocks: Blocks
    refusals: RefusalRows
    counters: Counters


@contextmanager
def api_limits(settings: Settings, database: Database) -> Iterator[ApiLimits]:
    with (
        closing(open_counters(settings)) as counters,
        closing(open_limits(settings, database)) as limits,
        closing(open_blocks(settings, database)) as blocks,
    ):
        yield ApiLimits(limits, blocks, RefusalRows(database), counters)


def sender_of_key(accounts: Accounts) -> SenderOfKey:
    """Whom a write key in a datagram stands for; None for every other secret."""

    def found(key: str) -> Sender | None:
        app = accounts.app_of_datagrams(key)
        return Sender(app, key_id(key)) if app is not None else None

    return found


@contextmanager
def limiting(settings: Settings, database: Database, telemetry: Telemetry, apps: Sequence[str]) -> Iterator[Limiter]:
    """apps: those there are, which may have used something of their day."""
    clock, writer, rows = SystemClock(), secrets.token_hex(8), RefusalRows(database)

    def write(hour: int, refused: Sequence[Row]) -> None:
        rows.write(writer, hour, refused)
        rows.forget(hour)

    with (
        closing(open_counters(settings)) as counters,
        closing(open_limits(settings, database)) as limits,
        closing(open_blocks(settings, database)) as blocks,
        closing(open_replays(settings)) as replays,
    ):
        exchange = CountExchange(counters, clock, telemetry, write_refusals=write)
        exchange.start()
        with closing(exchange):
            limiter = Limiter(limits, settings.limits, exchange, clock, telemetry, Refusals(), blocks, replays)
            limiter.begin(apps)
            yield limiter
