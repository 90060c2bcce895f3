"""What the API reads from, given to it by the wiring: it never touches queue or processor itself."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import msgspec

from logkeep.api.auditing import Auditing
from logkeep.api.known_starts import KnownStarts
from logkeep.api.oidc_client import Provider
from logkeep.api.pages import Pages
from logkeep.api.readers import Readers
from logkeep.api.remembered import Remembered
from logkeep.api.sign_ins import SignIns
from logkeep.api.streams import Places
from logkeep.api.tails import Tails
from logkeep.api.viewer_files import Viewer
from logkeep.clock import Clock
from logkeep.counters.port import Counters
from logkeep.feed.port import Feed
from logkeep.mail.outbox import Outbox
from logkeep.mail.port import Mail
from logkeep.metastore.blocks import Blocks
from logkeep.metastore.device_directory import DeviceDirectory
from logkeep.metastore.directory import Directory
from logkeep.metastore.erasures import Erasures
from logkeep.metastore.limits import AppLimits
from logkeep.metastore.masking import MaskingRules
from logkeep.metastore.port import Metastore
from logkeep.metastore.refusals import Refusals
from logkeep.metastore.searches import Searches
from logkeep.metastore.session_map import KnownSession
from logkeep.metastore.shares import Shares
from logkeep.metastore.statistics import Grain, StatisticsRow
from logkeep.settings import Settings
from logkeep.store.port import Store
from logkeep.store.reading import LimitReached, Limits, Reading
from logkeep.telemetry import Telemetry

Answer = TypeVar("Answer")


class NoticeCounts(msgspec.Struct, frozen=True):
    """Of one kind of what is told beside events; received = applied + sum of rejected + queued."""

    received: int
    applied: int
    rejected: dict[str, int]
    queued: int


class Ledger(msgspec.Struct, frozen=True):
    """Where every event of an app went; received = stored + rejected + over_quota + expired + erased + queued.

    notices: by kind (sessions, …), with an account of their own; left out while there were none.
    """

    received: int
    stored: int
    rejected: dict[str, int]
    over_quota: int
    expired: int
    queued: int
    erased: int = 0
    notices: dict[str, NoticeCounts] | msgspec.UnsetType = msgspec.UNSET


@dataclass(frozen=True, slots=True)
class Backend:
    """All callables may block and are called from threads.

    ledger(app). rejected(app, limit): newest first. udp_loss(app): per component and client. statistics(app, grain,
    from_day, to_day): as `metastore.statistics.read`. told_sessions(app, sessions): what was told of these. ready():
    what is wrong now, in words for the operator; [] when all is well. degraded(): what is wrong and hinders no read.
    feed: what is stored from now on. device_directory: of devices and issues.
    """

    store: Store
    feed: Feed
    metastore: Metastore
    directory: Directory
    mail: Mail
    erasures: Erasures
    limits: AppLimits
    blocks: Blocks
    refusals: Refusals
    counters: Counters
    device_directory: DeviceDirectory
    searches: Searches
    shares: Shares
    masking: MaskingRules
    ledger: Callable[[str], Ledger]
    rejected: Callable[[str, int], list[dict[str, Any]]]
    udp_loss: Callable[[str], list[dict[str, Any]]]
    ready: Callable[[], list[str]]
    statistics: Callable[[str, Grain, int, int], list[StatisticsRow]]
    told_sessions: Callable[[str, Sequence[str]], dict[str, KnownSession]]
    degraded: Callable[[], list[str]] = list


@dataclass(frozen=True, slots=True)
class Context:
    """What every handler works with.

    queries: reads of the store. checks: quick calls that do not wait for those. exports: places for exports.
    """

    backend: Backend
    settings: Settings
    clock: Clock
    telemetry: Telemetry
    queries: Readers
    checks: Readers
    tails: Tails
    exports: Places
    sign_ins: SignIns
    auditing: Auditing
    outbox: Outbox
    provider: Provider | None
    pages: Pages
    viewer: Viewer
    completions: Remembered
    starts: KnownStarts

    def retention_days(self, app: str) -> int:
        """How many days of it are kept, today among them."""
        return self.backend.limits.retention_days(app)

    async def read(self, call: Callable[[Reading], Answer], limits: Limits | None = None) -> Answer:
        """What `call` returns, from a reader's thread: one reading of the store within `limits`, else the settings'.

        It is cancelled when whoever asked has gone: dropped where it waits, stopped where it runs.
        """
        settings = self.settings.api
        limits = limits or Limits(
            timeout_s=settings.query_timeout_s,
            rows_max=settings.query_rows_max,
            bytes_max=settings.query_bytes_max,
            memory_bytes_max=settings.query_memory_bytes_max,
        )
        reading = Reading(limits, clock=self.clock)
        try:
            answer = await self.queries.run(lambda: call(reading))
        except asyncio.CancelledError:
            reading.cancel()
            self.telemetry["api_reads_ended_early"].labels("cancelled").inc()
            raise
        except LimitReached as reached:
            self.telemetry["api_reads_ended_early"].labels(reached.limit).inc()
            raise
        if reading.partial is not None:
            self.telemetry["api_reads_ended_early"].labels(reading.partial).inc()
        return answer
