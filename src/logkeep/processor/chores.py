"""What is done once for all processors of a group, by the one that leads: dropping old days, erasing, trimming, and
judging the numbers of datagrams. What it begins stands in the leader's mark first: its successor finishes it.
"""

from collections import Counter
from datetime import UTC, datetime

from logkeep.clock import NS_PER_S, Clock
from logkeep.errors import LogkeepError
from logkeep.metastore.erasures import Erasure
from logkeep.metastore.told_trimming import OldTold
from logkeep.patterns.grouper import Grouper
from logkeep.processor.erasure import Eraser
from logkeep.processor.ledger import DropIntent, EraseIntent
from logkeep.processor.marks import GROUP, Marks
from logkeep.processor.patience import Patience
from logkeep.processor.prepare import Rules
from logkeep.processor.sessions import SessionMap
from logkeep.queue.port import LEADER, Queue
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
        old_told: OldTold,
    ) -> None:
        self._session_map, self._old_told = session_map, old_told
        self._queue, self._store, self._marks, self._rules = queue, store, marks, rules
        self._clock, self._telemetry, self._patience = clock, telemetry, patience
        self._grouper, self._eraser = grouper, eraser

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
                for day, events in self._expired_days().items():
                    self._drop(DropIntent(day, events))
                self._queue.trim()
                self._session_map.trim(self._rules.limits(self._clock.now_ns()).oldest_ns)
                self._old_told.trim()
            for partition, lag_bytes in self._queue.lag(GROUP).items():
                if self._marks.owner.has(partition):
                    self._telemetry["queue_lag_bytes"].labels(partition).set(lag_bytes)
        except LogkeepError as error:
            log.warning("maintenance failed and will be tried again", error=error.message)

    def _expired_days(self) -> dict[str, dict[str, int]]:
        oldest = datetime.fromtimestamp(self._rules.limits(self._clock.now_ns()).oldest_ns / NS_PER_S, UTC).strftime(
            "%Y-%m-%d"
        )
        days: dict[str, dict[str, int]] = {}
        for count in self._store.days():
            if count.day < oldest:
                days.setdefault(count.day, {})[count.app] = count.events
        return days

    def _drop(self, intent: DropIntent) -> None:
        """The day is gone and its events are accounted as expired, also when this is the second try."""
        intending = self._marks.state(LEADER).settled()
        intending.drop = intent
        self._marks.commit({LEADER: intending}, {})
        self._store.drop_day(intent.day)
        state = self._marks.state(LEADER).settled()
        for name, events in intent.events.items():
            state.app(name).stored -= events
            state.app(name).expired += events
        self._marks.commit({LEADER: state}, {})
        self._telemetry["store_days_dropped"].inc()
        log.info("a day older than the retention was dropped", day=intent.day, events=sum(intent.events.values()))

    # ── erasing ───────────────────────────────────────────────────────────────────────────────────────────────────

    def due_erasure(self) -> Erasure | None:
        """For the thread that reads the queue."""
        if self._eraser is None or not self._marks.owner.leads:
            return None
        return self._eraser.due(GROUP)

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


def set_missing(telemetry: Telemetry, rows: list[dict[str, object]]) -> None:
    """The gauge of datagrams that never came, by component."""
    missing: Counter[str] = Counter()
    for row in rows:
        missing[str(row["component"])] += int(row["missing"])  # type: ignore[call-overload]
    for component, count in missing.items():
        telemetry["udp_missing_events"].labels(component).set(count)
