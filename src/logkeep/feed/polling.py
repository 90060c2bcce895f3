"""The feed of a process without a processor: it looks into the store for what has arrived, while somebody tails.

Several processors write at once, so an event may become visible after one with a later arrival. Of each app that is
followed the last OVERLAP_NS are counted with each look, and read again when there are more than were told: nothing is
missed and nothing told twice. A position is the arrival of the newest event told; an event that was told late gets the
next one, so positions grow as events are told, and only those few late ones have to be remembered.

What arrives later than OVERLAP_NS after it was numbered (a write that was retried for so long; clocks of processors
that differ by as much) is found by searches and not told to tails.
"""

import threading
from collections import OrderedDict
from collections.abc import Sequence
from typing import Protocol

from logkeep.clock import NS_PER_S, Clock
from logkeep.errors import LogkeepError
from logkeep.event import Event
from logkeep.feed.hub import Hub
from logkeep.feed.port import NOT_YET, Arrivals, Listener
from logkeep.query.ast import All
from logkeep.store.page import event_of_json
from logkeep.store.port import Arrived, ArrivedRequest
from logkeep.store.reading import Limits, Reading
from logkeep.telemetry import get_logger

POLL_S = 0.5  # a look at all followed apps takes less, so tails are at most a second behind
OVERLAP_NS = 10 * NS_PER_S
EVENTS_MAX = 20_000  # of one app told with one look; what is older is counted as missed
PAGE_EVENTS = 250  # as many of the largest size are 64 MB
KNOWN_MAX = 100_000  # events whose telling is remembered, of one app; some 200 bytes each
LATE_MAX = 10_000  # events told late whose positions are remembered, of one app
ARRIVAL_MAX = (1 << 63) - 1
LIMITS = Limits(timeout_s=5.0)

log = get_logger("feed")

_Key = tuple[int, str]  # arrival, id: arrivals of two processors may be the same


class Arriving(Protocol):
    """What is read of the store."""

    def arrived(self, reading: Reading, request: ArrivedRequest) -> list[Arrived]: ...

    def newest_arrived(self, reading: Reading, request: ArrivedRequest) -> tuple[int, int]: ...


class _App:
    """One app that is followed. horizon < arrivals of `known` <= newest: everything there that was told, or was
    visible before. position: of the last event told. late: positions that are not the event's arrival."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.listeners = 0
        self.seen = threading.Event()  # it was looked at
        self.horizon = self.newest = self.position = 0
        self.known: set[_Key] = set()
        self.late: OrderedDict[_Key, int] = OrderedDict()


class PollingFeed:
    """The Feed port over a store that others write."""

    overlap_ns = OVERLAP_NS

    def __init__(self, store: Arriving, clock: Clock, *, poll_s: float = POLL_S) -> None:
        self._store, self._clock, self._poll_s = store, clock, poll_s
        self._hub = Hub()  # for what waits for listeners
        self._lock = threading.Lock()
        self._apps: dict[str, _App] = {}
        self._changed = threading.Event()
        self._thread: threading.Thread | None = None
        self._closed = self._failing = False

    def position(self, app: str) -> int:
        followed = self._apps.get(app)
        return followed.position if followed is not None else 0

    def is_followed(self, app: str, wait_s: float = 0.0) -> bool:
        followed = self._apps.get(app)
        return followed is not None and followed.seen.wait(wait_s)

    def place(self, app: str, arrival: int, event_id: str) -> int:
        with self._lock:
            followed = self._apps.get(app)
            if followed is None:
                return arrival
            key = (arrival, event_id)
            if (late := followed.late.get(key)) is not None:
                return late
            return arrival if arrival <= followed.horizon or key in followed.known else NOT_YET

    def listen(self) -> Listener:
        return _Follower(self, self._hub.listen())

    def close(self) -> None:
        self._closed = True
        self._changed.set()

    # ── who is followed ───────────────────────────────────────────────────────────────────────────────────────────

    def follow(self, app: str) -> None:
        with self._lock:
            followed = self._apps.setdefault(app, _App(app))
            followed.listeners += 1
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="feed", daemon=True)
                self._thread.start()
        self._changed.set()

    def unfollow(self, app: str) -> None:
        with self._lock:
            followed = self._apps[app]
            followed.listeners -= 1
            if not followed.listeners:
                del self._apps[app]

    def _run(self) -> None:
        while not self._closed:
            self._changed.wait(self._poll_s if self._apps else None)
            self._changed.clear()
            self.look()

    def look(self) -> None:
        """What has arrived since the last look is told, of each app that is followed."""
        for app in list(self._apps.values()):
            try:
                self._look_at(app)
                self._failing = False
            except LogkeepError as error:
                if not self._failing:
                    log.warning("live tails wait: the store does not answer", error=error.message)
                self._failing = True

    # ── one look at one app ───────────────────────────────────────────────────────────────────────────────────────

    def _look_at(self, app: _App) -> None:
        if not app.seen.is_set():
            self._begin(app)
            return
        late_missed, late = self._late(app)
        missed, fresh = self._read(app, app.newest, ARRIVAL_MAX)
        if missed := missed + late_missed:
            self._hub.miss(app.name, missed, app.position)
        if told := self._placed(app, sorted([*late, *fresh], key=_key)):
            self._hub.publish(told)

    def _begin(self, app: _App) -> None:
        """What is visible now was there before; what becomes visible from here on is told."""
        begin = max(0, self._clock.now_ns() - 2 * OVERLAP_NS)
        skipped, before = self._read(app, begin, ARRIVAL_MAX)
        with self._lock:
            app.horizon = before[0].arrival - 1 if skipped else begin
            app.known = set(map(_key, before))
            app.newest = app.position = before[-1].arrival if before else begin
        app.seen.set()

    def _late(self, app: _App) -> tuple[int, list[Event]]:
        """What lies between events that were told and was not there then; how many more of that cannot be told."""
        self._move_horizon(app, app.newest - OVERLAP_NS)
        everything = ArrivedRequest(app.name, All(), app.horizon, app.newest, 0)
        unknown = self._store.newest_arrived(Reading(LIMITS), everything)[0] - len(app.known)
        if unknown == 0:
            return 0, []
        skipped, found = self._read(app, app.horizon, app.newest)
        late = [event for event in found if _key(event) not in app.known]
        if not skipped:
            return 0, late
        self._move_horizon(app, found[0].arrival - 1)
        return max(0, unknown - len(late)), late

    def _move_horizon(self, app: _App, horizon: int) -> None:
        with self._lock:
            if len(app.known) > KNOWN_MAX:
                horizon = max(horizon, sorted(app.known)[-KNOWN_MAX][0])
            if horizon > app.horizon:
                app.horizon = horizon
                app.known = {key for key in app.known if key[0] > horizon}

    def _read(self, app: _App, after: int, until: int) -> tuple[int, list[Event]]:
        """The newest EVENTS_MAX in after < arrival <= until, in order, and how many came before them."""
        reading, found = Reading(LIMITS), dict[_Key, Event]()
        request = ArrivedRequest(app.name, All(), after, until, EVENTS_MAX)
        missed, after = self._store.newest_arrived(reading, request)
        full = True
        while full and len(found) < EVENTS_MAX:  # while they are read more come; those are for the next look
            page = self._store.arrived(reading, ArrivedRequest(app.name, All(), after, until, PAGE_EVENTS))
            before = len(found)
            found.update((_key(event), event) for event in map(_event, page))
            full = len(page) == PAGE_EVENTS and len(found) > before
            if full:
                after = page[-1].arrival - 1  # the last one once more: another event may have the same arrival
        return missed, list(found.values())

    def _placed(self, app: _App, found: Sequence[Event]) -> list[Event]:
        """`found`, in order, with their positions as arrival; they count as told from here on."""
        with self._lock:
            for event in found:
                key = _key(event)
                app.known.add(key)
                app.newest = max(app.newest, event.arrival)
                event.arrival = app.position = max(event.arrival, app.position + 1)
                if event.arrival != key[0]:
                    _remember(app.late, key, event.arrival)
        return list(found)


class _Follower:
    """The Listener port: what the hub holds for it, and the apps that are looked at because of it."""

    def __init__(self, feed: PollingFeed, heard: Listener) -> None:
        self._feed, self._heard = feed, heard
        self._apps: set[str] = set()

    def follow(self, app: str) -> int:
        self._heard.follow(app)
        if app not in self._apps:
            self._apps.add(app)
            self._feed.follow(app)
        return self._feed.position(app)

    def unfollow(self, app: str) -> None:
        self._heard.unfollow(app)
        if app in self._apps:
            self._apps.remove(app)
            self._feed.unfollow(app)

    def next(self, timeout_s: float) -> Arrivals | None:
        return self._heard.next(timeout_s)

    def close(self) -> None:
        for app in tuple(self._apps):
            self.unfollow(app)
        self._heard.close()


def _key(event: Event) -> _Key:
    return event.arrival, event.id


def _event(arrived: Arrived) -> Event:
    event = event_of_json(arrived.event)
    event.pattern, event.arrival = arrived.pattern, arrived.arrival
    return event


def _remember(late: "OrderedDict[_Key, int]", key: _Key, position: int) -> None:
    late[key] = position
    while len(late) > LATE_MAX:
        late.popitem(last=False)
