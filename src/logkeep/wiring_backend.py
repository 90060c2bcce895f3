"""What the API and its pages are given: the part of the wiring that knows who answers which question of theirs."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec

from logkeep.clock import SystemClock
from logkeep.disk import SystemDisk
from logkeep.metastore.accounts import Accounts
from logkeep.metastore.database import Database
from logkeep.queue.port import LEADER, Offset, Partition, Queue
from logkeep.queue.watching import QueueWatch
from logkeep.settings import Settings
from logkeep.store.port import Store
from logkeep.wiring_limits import ApiLimits

if TYPE_CHECKING:
    from logkeep.api.backend import Backend, Ledger
    from logkeep.feed.port import Feed
    from logkeep.mail.port import Mail
    from logkeep.metastore.device_directory import DeviceDirectory
    from logkeep.metastore.erasures import Erasures
    from logkeep.processor.ledger import AppLedger
    from logkeep.processor.queued import Balance


def ledger_of_marks(queue: Queue) -> "tuple[dict[str, AppLedger], dict[Partition, Offset]]":
    """The ledger as the marks in the queue tell it, and the offsets it belongs to."""
    from logkeep.processor.ledger import read_marks
    from logkeep.processor.marks import GROUP

    return read_marks(queue.marks(GROUP))


def udp_loss_of_marks(queue: Queue, app: str) -> list[dict[str, object]]:
    """As the leader last kept it."""
    from logkeep.processor.numbers import LOSS_GROUP
    from logkeep.processor.udp_loss import UdpLoss

    mark = queue.marks(LOSS_GROUP).get(LEADER)
    return UdpLoss.from_bytes(mark.data if mark is not None else b"").rows(app)


def balance_of(queue: Queue) -> "Balance":
    """All of it as the queue tells it: a processor's own memory is behind its marks until a commit has returned."""
    from logkeep.processor.marks import GROUP
    from logkeep.processor.queued import HEAD_BYTES_MAX, balance

    waiting = partial(queue.uncommitted, GROUP, payload_bytes_max=HEAD_BYTES_MAX)
    return balance(waiting, partial(ledger_of_marks, queue))


def ledger_of(queue: Queue) -> "Callable[[str], Ledger]":
    """For the process that has the queue to itself."""
    return partial(app_ledger, partial(balance_of, queue))


def recent_ledger(queue: Queue) -> "Callable[[str], Ledger]":
    """For a process that is not the only one to process: what the servers of the queue know, asked seldom."""
    from logkeep.processor.queued import Recent

    return partial(app_ledger, Recent(partial(balance_of, queue), SystemClock()))


def app_ledger(look: "Callable[[], Balance]", app: str) -> "Ledger":
    from logkeep.api.backend import Ledger, NoticeCounts

    found, queued = look().of(app)
    notices = {
        kind: NoticeCounts(account.received, account.applied, account.rejected, account.queued)
        for kind, account in found.notices.items()
    }
    events = (found.received, found.stored, found.rejected, found.over_quota, found.expired, queued, found.erased)
    return Ledger(*events, notices or msgspec.UNSET)


def open_mail(settings: Settings) -> "Mail":
    if settings.mail.kind == "smtp":
        from logkeep.mail.smtp import SmtpMail

        return SmtpMail(settings.mail, clock=SystemClock())
    from logkeep.mail.files import FileMail

    return FileMail(settings.folder / "mail", sender=settings.mail.sender, disk=SystemDisk(), clock=SystemClock())


def make_backend(
    *,
    settings: Settings,
    store: Store,
    feed: "Feed",
    database: Database,
    accounts: Accounts,
    erasures: "Erasures",
    limits: ApiLimits,
    device_directory: "DeviceDirectory",
    ledger: Callable[[str], "Ledger"],
    udp_loss: Callable[[str], list[dict[str, object]]],
    queue_watch: QueueWatch,
    held: Callable[[], list[str]] = list,
) -> "Backend":
    """held: what the processor beside the API cannot go on with."""
    from logkeep.api.backend import Backend
    from logkeep.metastore.directory import make_directory
    from logkeep.metastore.masking import MaskingRules
    from logkeep.metastore.samples import Samples
    from logkeep.metastore.searches import Searches
    from logkeep.metastore.session_map import KnownSession, known_sessions
    from logkeep.metastore.shares import Shares
    from logkeep.metastore.statistics import Grain, StatisticsRow
    from logkeep.metastore.statistics import read as read_statistics

    samples = Samples(database, SystemClock())

    def rejected(app: str, limit: int) -> list[dict[str, Any]]:
        """The app's own samples, then datagrams that name nobody's key: with one app they are its business too."""
        lines = samples.rejected(app).newest(limit)
        if accounts.app_names() == [app]:
            lines += samples.rejected("").newest(limit - len(lines))
        return [msgspec.json.decode(line) for line in lines]

    def statistics(app: str, grain: Grain, from_day: int, to_day: int) -> list[StatisticsRow]:
        return database.read(lambda transaction: read_statistics(transaction, app, grain, from_day, to_day))

    def told_sessions(app: str, sessions: Sequence[str]) -> dict[str, KnownSession]:
        return database.read(lambda transaction: known_sessions(transaction, app, sessions))

    return Backend(
        store=store,
        feed=feed,
        metastore=accounts,
        directory=make_directory(database, SystemClock(), accounts.look),
        mail=open_mail(settings),
        erasures=erasures,
        limits=limits.limits,
        blocks=limits.blocks,
        refusals=limits.refusals,
        counters=limits.counters,
        device_directory=device_directory,
        searches=Searches(database, SystemClock()),
        shares=Shares(database, SystemClock()),
        masking=MaskingRules(database, SystemClock(), refresh_s=1.0),
        ledger=ledger,
        rejected=rejected,
        udp_loss=udp_loss,
        ready=lambda: [*unreadable(store), *filter(None, [accounts.outdated()])],
        statistics=statistics,
        told_sessions=told_sessions,
        degraded=lambda: [
            *filter(None, [accounts.problem(), database.problem()]),
            *behind(queue_watch),
            *held(),
        ],
    )


def unreadable(store: Store) -> list[str]:
    """Why nothing can be read now."""
    return [] if store.ready() else ["the store does not answer"]


def behind(queue: QueueWatch) -> list[str]:
    """What is wrong with the queue, for whoever reads the store."""
    return [f"what is stored can be read, the ledger cannot: {queue.problem}"] if queue.problem else []
