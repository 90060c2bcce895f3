"""The feed inside one process: the processor's thread publishes, the thread of the tails listens.

Without a listener that follows an app, publishing is one comparison a batch. What waits for a listener is bounded in
events and in bytes of their texts; beyond that events are missed, and counted.
"""

import threading
from collections import deque
from collections.abc import Iterable, Sequence

from logkeep.event import Event
from logkeep.feed.port import Arrivals, Listener, event_chars

EVENT_OVERHEAD_BYTES = 1000  # the object, its names and its times, beside the value


class Hub:
    """The ports Feed and Publisher. position: of the last event stored before this process began."""

    overlap_ns = 0  # one processor, one order

    def __init__(self, position: int = 0, *, events_max: int = 20_000, bytes_max: int = 64 << 20) -> None:
        self._position, self._events_max, self._bytes_max = position, events_max, bytes_max
        self._lock = threading.Lock()
        self._listeners: tuple[_Ear, ...] = ()

    def publish(self, events: Sequence[Event]) -> None:
        last = events[-1].arrival
        with self._lock:
            for listener in self._listeners:
                listener.offer(events, last)
            self._position = max(self._position, last)

    def position(self, app: str = "") -> int:
        return self._position

    def is_followed(self, app: str, wait_s: float = 0.0) -> bool:
        return True

    def place(self, app: str, arrival: int, event_id: str) -> int:
        return arrival

    def miss(self, app: str, count: int, last: int) -> None:
        """Whoever follows `app` is told that `count` events up to position `last` are not told."""
        with self._lock:
            for listener in self._listeners:
                listener.miss(app, count, last)

    def begin_at(self, position: int) -> None:
        """Positions up to this one were stored by an earlier process."""
        with self._lock:
            self._position = max(self._position, position)

    def listen(self) -> Listener:
        listener = _Ear(self, self._events_max, self._bytes_max)
        with self._lock:
            self._listeners += (listener,)
        return listener

    def _forget(self, listener: "_Ear") -> None:
        with self._lock:
            self._listeners = tuple(each for each in self._listeners if each is not listener)


class _Ear:
    """One listener: a bounded row of what it has not heard yet."""

    def __init__(self, hub: Hub, events_max: int, bytes_max: int) -> None:
        self._hub, self._events_max, self._bytes_max = hub, events_max, bytes_max
        self._apps: frozenset[str] = frozenset()
        self._waiting: deque[tuple[Arrivals, int]] = deque()  # with their bytes
        self._missed: dict[str, tuple[int, int]] = {}  # app → how many since what waits, and the last position
        self._events = self._bytes = 0
        self._changed = threading.Condition()

    def follow(self, app: str) -> int:
        with self._hub._lock:  # between two batches: what is published from here on is heard
            self._apps |= {app}
            return self._hub._position

    def unfollow(self, app: str) -> None:
        with self._hub._lock:
            self._apps -= {app}

    def close(self) -> None:
        self._hub._forget(self)

    def next(self, timeout_s: float) -> Arrivals | None:
        with self._changed:
            if not self._waiting and not self._missed:
                self._changed.wait(timeout_s)
            if self._waiting:
                arrivals, size = self._waiting.popleft()
                self._events -= len(arrivals.events)
                self._bytes -= size
                return arrivals
            if self._missed:
                app, (missed, last) = self._missed.popitem()
                return Arrivals(app, (), missed, last)
            return None

    def offer(self, events: Sequence[Event], last: int) -> None:
        """Called by the hub, under its lock."""
        apps = self._apps
        if not apps:
            return
        with self._changed:
            for app, mine in _by_app(events, apps):
                self._add(app, mine, last)
            self._changed.notify()

    def miss(self, app: str, count: int, last: int) -> None:
        """Called by the hub, under its lock."""
        if app in self._apps:
            with self._changed:
                self._missed[app] = (self._missed.get(app, (0, 0))[0] + count, last)
                self._changed.notify()

    def _add(self, app: str, events: Sequence[Event], last: int) -> None:
        """What there is room for waits; the rest, and what follows it while there is none, is counted as missed."""
        count, size = self._room_for(events)
        missed, _ = self._missed.pop(app, (0, 0))
        if count:
            self._waiting.append((Arrivals(app, events[:count], missed, last), size))
            self._events += count
            self._bytes += size
            missed = 0
        if missed := missed + len(events) - count:
            self._missed[app] = (missed, last)

    def _room_for(self, events: Sequence[Event]) -> tuple[int, int]:
        """How many of `events` may wait, from the first on, and their bytes."""
        size = 0
        for count, event in enumerate(events[: max(0, self._events_max - self._events)]):
            more = EVENT_OVERHEAD_BYTES + event_chars(event)
            if self._bytes + size + more > self._bytes_max:
                return count, size
            size += more
        return min(len(events), max(0, self._events_max - self._events)), size


def _by_app(events: Sequence[Event], apps: frozenset[str]) -> Iterable[tuple[str, Sequence[Event]]]:
    """The events of each of `apps`, in order. Nearly always all events are of one app."""
    first = events[0].app
    if all(event.app == first for event in events):
        return [(first, events)] if first in apps else []
    found: dict[str, list[Event]] = {}
    for event in events:
        if event.app in apps:
            found.setdefault(event.app, []).append(event)
    return found.items()
