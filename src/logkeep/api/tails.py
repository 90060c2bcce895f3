"""Live tails: one thread compares what is stored with the queries of all readers, and hands them what matches.

Readers of the same app and query are one group: an event is compared once a group, encoded once in all, and the bytes
are shared. The thread has a share of a core (`tail.cpu_share`): half of it is divided evenly among the groups, half
goes to whoever needs more. A group that has used up both passes events over and says so, so a costly query slows
neither intake nor the tails of others, and nothing piles up.

Thread of the loop: readers, buffers, `_groups`. Own thread: comparing. Between them: tuples that are replaced as a
whole, in `_by_app` and `_all`.
"""

import asyncio
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence

import msgspec

from logkeep.api.tail_buffers import Buffer, Chunk, Memory, Reason
from logkeep.clock import NS_PER_S
from logkeep.errors import BackendUnavailable, InputError, QuotaExceeded
from logkeep.event import Event
from logkeep.feed.port import Arrivals, Feed, Listener, event_chars
from logkeep.query.ast import Query
from logkeep.query.match import Matcher, matcher
from logkeep.settings import TailSettings
from logkeep.store.page import event_json
from logkeep.telemetry import Telemetry

PIECE_EVENTS = 250  # of one chunk at most: what is dropped is dropped by the chunk
PIECE_BYTES = 128 * 1024
LISTEN_S = 0.25  # how late a stop is seen
HANDED_OVER_MAX = 16  # hand-overs the loop has not taken yet; then the thread waits, and the feed counts what it misses
BURST_NS = 2 * NS_PER_S  # time whose share may be saved up: a batch that comes at once is no overload
RETRY_AFTER_S = 10
REPLAYS_AT_ONCE = 2  # of the store's readers; after a restart all tails come back at once

CpuClock = Callable[[], int]


class Budget:
    """CPU time earned at `share` of the time that passes, and saved up to that share of BURST_NS. May be overdrawn."""

    def __init__(self) -> None:
        self.left_ns = 0

    def earn(self, passed_ns: int, share: float) -> None:
        self.left_ns = min(int(BURST_NS * share), self.left_ns + int(passed_ns * share))


class Group:
    """The readers of one query in one app. seen: everything up to here was handed to its buffers."""

    def __init__(self, app: str, query: Query, seen: int) -> None:
        self.app, self.query, self.seen = app, query, seen
        self.matches: Matcher = matcher(query)
        self.readers = 0
        self.buffers: list[Buffer] = []
        self.budget = Budget()


class _Result(msgspec.Struct, gc=False):
    """Of one group and one piece: what matched, or how many were passed over."""

    group: Group
    chunk: Chunk | None
    passed_over: int = 0
    seen: int = 0


class Tails:
    """All open tails of this process."""

    def __init__(
        self, feed: Feed, settings: TailSettings, telemetry: Telemetry, *, cpu_ns: CpuClock = time.thread_time_ns
    ) -> None:
        self._feed, self._settings, self._telemetry, self._cpu_ns = feed, settings, telemetry, cpu_ns
        self._groups: dict[tuple[str, Query], Group] = {}
        self._by_app: dict[str, tuple[Group, ...]] = {}
        self._all: tuple[Group, ...] = ()
        self._readers: Counter[str] = Counter()  # by app
        self._memory = Memory(settings.bytes_max)
        self._budget = Budget()
        self._earned_ns = time.monotonic_ns() - BURST_NS
        self._listener: Listener | None = None
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._handed_over = threading.Semaphore(HANDED_OVER_MAX)
        self._closed = False
        self.replays = asyncio.Semaphore(REPLAYS_AT_ONCE)

    # ── readers; on the loop's thread ─────────────────────────────────────────────────────────────────────────────

    def enter(self, app: str, query: Query) -> "Tail":
        """A place for one reader; leave it with `close`. Raises QuotaExceeded (429), BackendUnavailable (503)."""
        self._refuse_too_many(app, query)
        if self._listener is None:
            self._begin()
        assert self._listener is not None
        group = self._groups.get((app, query))
        if group is None:
            # Followed before the position is looked at, so nothing falls between replay and tail.
            group = self._groups[app, query] = Group(app, query, self._listener.follow(app))
            self._by_app[app] = (*self._by_app.get(app, ()), group)
            self._all = tuple(self._groups.values())
        group.readers += 1
        self._readers[app] += 1
        self._telemetry["tail_readers"].set(self._readers.total())
        return Tail(self, group)

    def _refuse_too_many(self, app: str, query: Query) -> None:
        settings = self._settings
        if self._closed:
            raise BackendUnavailable("the service is stopping; try again", retry_after_s=RETRY_AFTER_S)
        if self._readers[app] >= settings.app_readers_max:
            raise QuotaExceeded(
                f"{settings.app_readers_max} tails of this app are open, which is the limit; close one first",
                retry_after_s=RETRY_AFTER_S,
            )
        if self._readers.total() >= settings.readers_max:
            raise BackendUnavailable(
                f"{settings.readers_max} tails are open, which is the limit; try again", retry_after_s=RETRY_AFTER_S
            )
        if (app, query) not in self._groups and len(self._groups) >= settings.queries_max:
            raise BackendUnavailable(
                f"tails of {settings.queries_max} different queries are open, which is the limit; try again",
                retry_after_s=RETRY_AFTER_S,
            )

    def _begin(self) -> None:
        self._listener = self._feed.listen()
        self._loop = asyncio.get_running_loop()
        self._thread = threading.Thread(target=self._run, name="tails", daemon=True)
        self._thread.start()

    def position(self, app: str) -> int:
        """Everything of `app` up to here is in the store."""
        return self._feed.position(app)

    def attach(self, group: Group) -> Buffer:
        settings = self._settings
        buffer = Buffer(
            self._memory,
            bytes_max=settings.reader_bytes_max,
            events_max=settings.reader_events_max,
            after=self._feed.position(group.app),
        )
        group.buffers.append(buffer)
        return buffer

    def leave(self, group: Group, buffer: Buffer | None) -> None:
        if buffer is not None:
            group.buffers.remove(buffer)
            buffer.close()
        group.readers -= 1
        self._readers[group.app] -= 1
        self._telemetry["tail_readers"].set(self._readers.total())
        if group.readers:
            return
        del self._groups[group.app, group.query]
        self._all = tuple(self._groups.values())
        left = tuple(each for each in self._by_app[group.app] if each is not group)
        if left:
            self._by_app[group.app] = left
        else:
            del self._by_app[group.app], self._readers[group.app]
            if self._listener is not None:
                self._listener.unfollow(group.app)

    def close(self) -> None:
        """Every tail ends after what waits for it was sent; no new ones. Safe to call again."""
        self._closed = True
        for group in self._groups.values():
            for buffer in group.buffers:
                buffer.finish()
        if self._listener is not None:
            self._listener.close()

    @property
    def is_closed(self) -> bool:
        return self._closed

    def _deliver(self, results: Sequence[_Result]) -> None:
        events = 0
        dropped: Counter[Reason] = Counter()
        for result in results:
            for buffer in result.group.buffers:
                if result.chunk is not None:
                    if reason := buffer.offer(result.chunk):
                        dropped[reason] += result.chunk.events
                    else:
                        events += result.chunk.events
                elif result.passed_over and result.seen > buffer.after:
                    buffer.drop("overloaded", result.passed_over)
                    dropped["overloaded"] += result.passed_over
            result.group.seen = max(result.group.seen, result.seen)
        self._telemetry["tail_events"].inc(events)
        for reason, count in dropped.items():
            self._telemetry["tail_dropped"].labels(reason).inc(count)
        self._handed_over.release()

    # ── comparing; on the own thread ──────────────────────────────────────────────────────────────────────────────

    def _run(self) -> None:
        assert self._listener is not None
        while not self._closed:
            arrivals = self._listener.next(LISTEN_S)
            if arrivals is not None:
                self.look_through(arrivals)

    def look_through(self, arrivals: Arrivals) -> None:
        """What matches is handed to the readers of the app, piece by piece."""
        groups = self._by_app.get(arrivals.app, ())
        if arrivals.missed:
            self._hand_over([_Result(group, None, arrivals.missed, arrivals.last) for group in groups])
        started_ns = self._cpu_ns()
        for piece in pieces(arrivals.events):
            encoded: dict[int, bytes] = {}
            self._earn()
            self._hand_over([self._compared(group, piece, encoded) for group in groups if group.buffers])
        self._hand_over([_Result(group, None, 0, arrivals.last) for group in groups])
        self._telemetry["tail_cpu_seconds"].inc((self._cpu_ns() - started_ns) / NS_PER_S)

    def _compared(self, group: Group, piece: Sequence[Event], encoded: dict[int, bytes]) -> _Result:
        last = piece[-1].arrival
        if group.budget.left_ns <= 0 and self._budget.left_ns <= 0:
            return _Result(group, None, len(piece), last)
        started_ns = self._cpu_ns()
        try:
            frames = [encoded.get(event.arrival) or _framed(event, encoded) for event in filter(group.matches, piece)]
            chunk = Chunk(b"".join(frames), len(frames), last) if frames else None
            return _Result(group, chunk, 0, last)
        except InputError:  # a regex that needs too much work on one of these texts
            return _Result(group, None, len(piece), last)
        finally:
            self._spend(group, self._cpu_ns() - started_ns)

    def _earn(self) -> None:
        """Once a piece: with hundreds of groups, to do it for each would cost more than comparing."""
        now_ns = time.monotonic_ns()
        passed_ns, self._earned_ns = now_ns - self._earned_ns, now_ns
        half = self._settings.cpu_share / 2
        self._budget.earn(passed_ns, half)
        groups = self._all
        for each in groups:
            each.budget.earn(passed_ns, half / len(groups))

    def _spend(self, group: Group, cpu_ns: int) -> None:
        """From the group's own share first, from what all share when that is used up."""
        budget = group.budget if group.budget.left_ns > 0 else self._budget
        budget.left_ns -= cpu_ns

    def _hand_over(self, results: list[_Result]) -> None:
        if not results or self._loop is None:
            return
        while not self._handed_over.acquire(timeout=LISTEN_S):
            if self._closed:
                return
        try:
            self._loop.call_soon_threadsafe(self._deliver, results)
        except RuntimeError:  # the loop has ended, and with it every reader
            self._closed = True


class Tail:
    """One reader's place. `attach` begins the buffering; `close` when the reader has gone."""

    def __init__(self, tails: Tails, group: Group) -> None:
        self._tails, self._group = tails, group
        self._buffer: Buffer | None = None
        self._is_open = True

    def attach(self) -> Buffer:
        """What is stored from now on; the place it begins after is `Buffer.after`."""
        assert self._is_open and self._buffer is None
        self._buffer = self._tails.attach(self._group)
        return self._buffer

    @property
    def seen(self) -> int:
        """Up to here everything that matched is in the buffer, was in it, or is counted as dropped."""
        return self._group.seen

    def close(self) -> None:
        if self._is_open:
            self._is_open = False
            self._tails.leave(self._group, self._buffer)


def pieces(events: Sequence[Event]) -> Iterable[Sequence[Event]]:
    """`events` in runs of at most PIECE_EVENTS and about PIECE_BYTES."""
    start = size = 0
    for end, event in enumerate(events):
        if end > start and (end - start == PIECE_EVENTS or size >= PIECE_BYTES):
            yield events[start:end]
            start, size = end, 0
        size += event_chars(event)
    if len(events) > start:
        yield events[start:]


def _framed(event: Event, encoded: dict[int, bytes]) -> bytes:
    frame = encoded[event.arrival] = event_frame(event.arrival, event_json(event))
    return frame


def event_frame(arrival: int, event: bytes) -> bytes:
    """The server-sent event of one event. event: JSON on one line."""
    return b"id: %d\ndata: %b\n\n" % (arrival, event)
