"""What is done once for all processors of a group, by the one that leads: dropping old days, erasing, trimming, and
judging the numbers of datagrams. What it begins stands in the leader's mark first: its successor finishes it.
"""

from collections import Counter
from datetime import UTC, datetime

from logkeep.clock import NS_PER_DAY, NS_PER_S, Clock
from logkeep.errors import LogkeepError
from logkeep.metastore.erasures import Erasure
from logkeep.metastore.trimming import Trimming
from logkeep.patterns.grouper import Grouper
from logkeep.processor.erasure import Eraser
from logkeep.processor.holding import Holding
from logkeep.processor.ledger import DropIntent, EraseIntent
from logkeep.processor.marks import GROUP, Marks
from logkeep.processor.patience import Patience
from logkeep.processor.prepare import Rules
from logkeep.processor.sessions import SessionMap
from logkeep.query.ast import All
from logkeep.queue.port import LEADER, Queue
from logkeep.store.erasing import ErasureRequest
from logkeep.store.port import Store
from logkeep.telemetry import Telemetry, get_logger

log = get_logger("processor")


class Chores:
    """For the thread that writes the store. Nothing here raises for what can be done later."""

    def __init__(
        self,
        *,
        queue: Queue,
        store: Store,
        marks: Marks,
        rules: Rules,
        clock: Clock,
        telemetry: Telemetry,
        patience: Patience,
        grouper: Grouper | None,
        eraser: Eraser | None,
        session_map: SessionMap,
        old_rows: Trimming,
        holding: Holding,
    ) -> None:
        self._holding = holding
        self._session_map, self._old_rows = session_map, old_rows
        self._queue, self._store, self._marks, self._rules = queue, store, marks, rules
        self._clock, self._telemetry, self._patience = clock, telemetry, patience
        self._grouper, self._eraser = grouper, eraser
        self._purging = True  # whether files may hold what was dropped of single apps

    def finish(self) -> None:
        """What the leader before had begun is done. Raises NotOwner, BackendUnavailable (of the queue)."""
        if not self._marks.owner.leads:
            return
        state = self._marks.state(LEADER)
        if state.drop is not None:
            self._drop(state.drop)
        if state.erase is not None:
            self._erase(state.erase)

    # ── maintenance ───────────────────────────────────────────────────────────────────────────────────────────────

    def maintain(self) -> None:
        """Old days are dropped, the queue trimmed, gauges set; what fails is tried again in the next round."""
        try:
            if self._marks.owner.leads:
                self._drop_expired()
                self._queue.trim()
                self._session_map.trim(self._oldest_ns())
                self._old_rows.trim()
            for partition, lag_bytes in self._queue.lag(GROUP).items():
                if self._marks.owner.has(partition):
                    self._telemetry["queue_lag_bytes"].labels(partition).set(lag_bytes)
        except LogkeepError as error:
            log.warning("maintenance failed and will be tried again", error=error.message)

    def _oldest_ns(self) -> int:
        """The time of the oldest event that any app keeps."""
        now_ns = self._clock.now_ns()
        apps = {"", *(day.app for day in self._store.days())}
        return min(self._rules.limits(now_ns, app).oldest_ns for app in apps)

    def _drop_expired(self) -> None:
        """Days that no app keeps go whole; of the others the apps that do not, one a round: that takes a second."""
        days: dict[str, dict[str, int]] = {}
        for count in self._store.days():
            days.setdefault(count.day, {})[count.app] = count.events
        oldest = {app: self._oldest_day(app) for apps in days.values() for app in apps}
        partly: list[tuple[str, str]] = []
        for day, events in days.items():
            expired = [app for app in events if day < oldest[app]]
            if len(expired) == len(events):
                self._drop(DropIntent(day, events))
            else:
                partly += [(day, app) for app in expired]
        if partly:
            self._drop_app_day(*partly[0])
        elif self._purging:
            self._purging = not self._store.erasing.purge()

    def _oldest_day(self, app: str) -> str:
        oldest_ns = self._rules.limits(self._clock.now_ns(), app).oldest_ns
        return datetime.fromtimestamp(oldest_ns / NS_PER_S, UTC).strftime("%Y-%m-%d")

    def _drop_app_day(self, day: str, app: str) -> None:
        events = self._store.erasing.mark(_whole_day(day, app))
        self._drop(DropIntent(day, {app: events}, whole=False), marked=True)

    def _drop(self, intent: DropIntent, *, marked: bool = False) -> None:
        """The day is gone and its events are accounted as expired, also when this is the second try."""
        intending = self._marks.state(LEADER).settled()
        intending.drop = intent
        self._marks.commit({LEADER: intending}, {})
        if intent.whole:
            self._store.drop_day(intent.day)
        else:
            self._drop_apps(intent, marked)
        state = self._marks.state(LEADER).settled()
        for name, events in intent.events.items():
            state.app(name).stored -= events
            state.app(name).expired += events
        self._marks.commit({LEADER: state}, {})
        self._telemetry["store_days_dropped"].inc()
        log.info("a day older than the retention was dropped", day=intent.day, events=sum(intent.events.values()))

    def _drop_apps(self, intent: DropIntent, marked: bool) -> None:
        """Again: nothing that came meanwhile is in that day, for nothing is written before this is done."""
        for app in intent.events:
            if not marked:
                self._store.erasing.mark(_whole_day(intent.day, app))
            forgotten = self._store.erasing.erase()
            if self._grouper is not None:
                self._grouper.forget(app, forgotten)
        self._purging = True

    # ── erasing ───────────────────────────────────────────────────────────────────────────────────────────────────

    def due_erasure(self) -> Erasure | None:
        """For the thread that reads the queue."""
        if self._eraser is None or not self._marks.owner.leads:
            return None
        return self._eraser.due(GROUP, self._holding.offsets())

    def begin_erasure(self, job: Erasure) -> None:
        assert self._eraser is not None
        eraser = self._eraser
        marks = self._queue.marks(GROUP)
        ends = {name: mark.offset for name, mark in marks.items() if name != LEADER}
        intent = self._patience.retried(lambda: eraser.mark(job, ends))
        if intent is not None:
            intending = self._marks.state(LEADER).settled()
            intending.erase = intent
            self._marks.commit({LEADER: intending}, {})
            self._erase(intent)

    def _erase(self, intent: EraseIntent) -> None:
        """The marked events are gone and accounted as erased, also when this is the second try."""
        assert self._eraser is not None
        eraser = self._eraser
        forgotten = self._patience.retried(lambda: eraser.erase(intent))
        self._session_map.forget_soon()
        if self._grouper is not None:
            self._grouper.forget(intent.app, forgotten)
        state = self._marks.state(LEADER).settled()
        state.app(intent.app).stored -= intent.events
        state.app(intent.app).waiting -= len(intent.waiting)
        state.app(intent.app).erased += intent.events + len(intent.waiting)
        self._marks.commit({LEADER: state}, {})

    def has_erased_files(self) -> bool:
        return self._eraser is not None and self._marks.owner.leads and self._eraser.has_files()

    def remove_erased_files(self) -> None:
        assert self._eraser is not None
        try:
            self._eraser.remove_files()
        except LogkeepError as error:
            log.warning("files of what was erased are still there; trying again", error=error.message)


def _whole_day(day: str, app: str) -> ErasureRequest:
    begin_ns = int(datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp()) * NS_PER_S
    return ErasureRequest(app, All(), begin_ns, begin_ns + NS_PER_DAY)


def set_missing(telemetry: Telemetry, rows: list[dict[str, object]]) -> None:
    """The gauge of datagrams that never came, by component."""
    missing: Counter[str] = Counter()
    for row in rows:
        missing[str(row["component"])] += int(row["missing"])  # type: ignore[call-overload]
    for component, count in missing.items():
        telemetry["udp_missing_events"].labels(component).set(count)
