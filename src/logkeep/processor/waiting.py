"""The waiting room: events whose session is not known yet, in the metastore, shared by all processors.

They go in with their batch, in the transaction that applies its notices, and the ledger has them as `waiting` from the
batch's commit on. The leader lets them out, a thousand at a time, in an order that makes it safe to be killed anywhere:

    1. which rows leave, and with which session, is committed with the leader's mark  – the intent
    2. the store has them, under the intent's token
    3. the ledger is committed: waiting is now stored, or rejected
    4. the rows are removed, and the intent with the next commit

Who comes after a crash between 1 and 3 finds the rows still there, after 3 only what is to be removed.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

import msgspec

from logkeep.clock import NS_PER_MS, NS_PER_S, Clock
from logkeep.errors import BackendUnavailable
from logkeep.event import Event
from logkeep.metastore import waiting as rows_of
from logkeep.metastore.database import Database, Transaction
from logkeep.metastore.session_map import Span
from logkeep.metastore.waiting import Waiting
from logkeep.processor.choosing import NOTHING, Timeline, at_last, certain
from logkeep.processor.ledger import ReleaseIntent, State
from logkeep.processor.marks import Marks
from logkeep.processor.patience import Patience
from logkeep.processor.sessions import bounds_of
from logkeep.queue.port import LEADER
from logkeep.settings import SessionMapSettings
from logkeep.store.port import Store
from logkeep.telemetry import Telemetry, get_logger

RELEASE_MAX = 1_000  # events that leave at once: their sessions stand in the leader's mark, 512 bytes each at most
LOOK_EVERY_S = 1.0
LOOK_SHARE = 20  # a look that takes long is followed by a pause so many times as long

log = get_logger("sessions")

T = TypeVar("T")
Write = Callable[[str, list[Event], list[Event], int], Sequence[Event]]
Decided = tuple[dict[int, str], list[int]]  # rows with their session, rows whose time is over


class WaitingRoom:
    """For the thread that writes the store."""

    def __init__(
        self, *, database: Database, store: Store, marks: Marks, settings: SessionMapSettings, clock: Clock,
        telemetry: Telemetry, patience: Patience,
    ) -> None:  # fmt: skip
        self._database, self._store, self._marks, self._settings = database, store, marks, settings
        self._clock, self._telemetry, self._patience = clock, telemetry, patience
        self._bounds = bounds_of(settings)
        self._look_ns, self._after = 0, 0

    def admit(self, events: Sequence[Event]) -> int:
        """How many of `events`, from the first on, may wait. Raises BackendUnavailable."""
        count, size = self._database.read(rows_of.used)
        admitted = 0
        for event in events:
            size += len(event.value) + 512  # about what a row takes
            if count + admitted >= self._settings.waiting_events_max or size > self._settings.waiting_bytes_max:
                log.warning("the waiting room is full", events=count, refused=len(events) - admitted)
                break
            admitted += 1
        return admitted

    # ── out again: the leader's ───────────────────────────────────────────────────────────────────────────────────

    def release_if_due(self, write: Write) -> None:
        """Those that have a session, or whose time is over, leave; what fails is tried again later.

        write: stores events under a token and gives back those the store refuses. Raises NotOwner, BackendUnavailable
        (of the queue).
        """
        now_ns = self._clock.monotonic_ns()
        if not self._marks.owner.leads or now_ns < self._look_ns:
            return
        try:
            while self._released_some(write):
                pass
        except _Away as away:
            log.warning("the waiting room cannot be looked at", error=away.message)
        taken_ns = self._clock.monotonic_ns() - now_ns
        self._look_ns = now_ns + taken_ns + max(int(LOOK_EVERY_S * NS_PER_S), LOOK_SHARE * taken_ns)

    def finish(self, write: Write) -> None:
        """What the leader before had begun is done. Raises NotOwner, BackendUnavailable (of the queue)."""
        intent = self._marks.state(LEADER).release if self._marks.owner.leads else None
        if intent is not None and not intent.done:
            self._carry_out(intent, write)

    def _released_some(self, write: Write) -> bool:
        """Whether there may be more."""
        self._remove_rows()
        looked = _asked(lambda: self._database.read(self._look))
        if looked is None:
            return False
        rows, (stored, expired), more = looked
        if stored or expired:
            self._begin({row.number: row.event for row in rows}, stored, expired, write)
        return more

    def _look(self, transaction: Transaction) -> tuple[list[Waiting], Decided, bool] | None:
        count, _ = rows_of.used(transaction)
        self._telemetry["session_map_waiting_events"].set(count)
        if not count:
            return None
        over = rows_of.due(transaction, self._clock.now_ns(), RELEASE_MAX)
        told = rows_of.with_sessions(transaction, self._after, RELEASE_MAX - len(over))
        spans = rows_of.spans_for(transaction, [*over, *told])
        self._after = told[-1].number if len(told) == RELEASE_MAX - len(over) and told else 0
        decided = self._decided(over, told, spans)
        return [*over, *told], decided, len(over) + len(told) == RELEASE_MAX

    def _decided(self, over: list[Waiting], told: list[Waiting], spans: dict[str, list[Span]]) -> Decided:
        stored: dict[int, str] = {}
        expired: list[int] = []
        now_ns = self._clock.now_ns()
        timelines = {who: Timeline.of(own) for who, own in spans.items()}
        for row in over:
            device, user = _known(row, timelines)
            session = at_last(device, user, row.event.time_ns, self._bounds)
            if session is None:
                expired.append(row.number)
            else:
                stored[row.number] = session
        for row in told:
            device, user = _known(row, timelines)
            age_ns = now_ns - row.event.received_ns
            session = certain(device, user, row.event.time_ns, self._bounds, age_ns=age_ns)
            if session is not None:
                stored.setdefault(row.number, session)
        return stored, expired

    def _begin(self, events: dict[int, Event], stored: dict[int, str], expired: list[int], write: Write) -> None:
        numbers = [number for number in stored if number in events]
        keyed = [number for number in numbers if events[number].own_id]
        known = self._patience.retried(lambda: self._store.known([events[number] for number in keyed]))
        duplicates = [keyed[index] for index in sorted(known)]
        arrival = max(self._clock.now_ns(), self._marks.last_arrival() + 1)
        for number in duplicates:
            del stored[number]
        token = f"waiting:{min([*numbers, *expired])}:{arrival // NS_PER_MS}"
        intent = ReleaseIntent(token, arrival, stored, duplicates, expired)
        intending = self._marks.state(LEADER).settled()
        intending.release = intent
        self._marks.commit({LEADER: intending}, {})
        self._carry_out(intent, write)

    def _carry_out(self, intent: ReleaseIntent, write: Write) -> None:
        """The events are stored and accounted for, also when this is the second try."""
        numbers = intent.numbers
        events = self._patience.retried(
            lambda: self._database.read(lambda transaction: rows_of.numbered(transaction, numbers)),
            what="the metastore",
        )
        leaving: list[Event] = []
        for arrival, (number, session) in enumerate(sorted(intent.stored.items()), intent.arrival):
            event = events[number]
            event.session, event.arrival = session, arrival
            leaving.append(event)
        expired = [events[number] for number in intent.expired]
        refused = write(intent.token, leaving, expired, intent.arrival + len(leaving))
        state = self._accounted(intent, events, refused)
        self._marks.commit({LEADER: state}, {})
        self._telemetry["processor_events_stored"].inc(len(leaving) - len(refused))
        self._remove_rows()

    def _accounted(self, intent: ReleaseIntent, events: dict[int, Event], refused: Sequence[Event]) -> State:
        state = self._marks.state(LEADER).settled()
        state.release = msgspec.structs.replace(intent, stored=dict.fromkeys(intent.stored, ""), done=True)
        state.arrival = max(state.arrival, intent.arrival + len(intent.stored))
        poisoned = {id(event) for event in refused}
        for numbers, fate in ((list(intent.stored), ""), (intent.duplicates, "duplicate"),
                              (intent.expired, "missing_session")):  # fmt: skip
            fates = Counter((events[n].app, "poison" if id(events[n]) in poisoned else fate) for n in numbers)
            for (name, reason), count in fates.items():
                app = state.app(name)
                app.waiting -= count
                if reason:
                    app.rejected[reason] = app.rejected.get(reason, 0) + count
                else:
                    app.stored += count
        return state

    def _remove_rows(self) -> None:
        """Of what has left. Raises _Away."""
        intent = self._marks.state(LEADER).release
        if intent is None or not intent.done:
            return
        _asked(lambda: self._database.write(lambda transaction: rows_of.remove(transaction, intent.numbers)))
        state = self._marks.state(LEADER).settled()
        state.release = None
        self._marks.commit({LEADER: state}, {})


class _Away(Exception):
    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


def _asked(work: Callable[[], T]) -> T:
    try:
        return work()
    except BackendUnavailable as error:
        raise _Away(error.message) from error


def _known(row: Waiting, timelines: Mapping[str, Timeline]) -> tuple[Timeline | None, Timeline]:
    device = timelines.get(row.device_who, NOTHING) if row.device_who else None
    return device, timelines.get(row.user_who, NOTHING)
