"""The session map beside the batches: events without a session get theirs, and what sessions are seen is remembered.

In front of the database is a memory of what this processor has asked and seen; a batch asks once for all it does not
know. Several processors tell each other through the database, so what was read counts for REREAD_S; one that is alone
has seen everything itself.
"""

from collections.abc import Collection, Iterable, Sequence
from functools import lru_cache
from operator import attrgetter

import msgspec

from logkeep.clock import NS_PER_S, Clock
from logkeep.errors import BackendUnavailable
from logkeep.event import Event
from logkeep.metastore.database import Database
from logkeep.metastore.session_map import SPANS_MAX, Seen, Span, forget_before, spans_of, who_of, widen
from logkeep.processor.appliers import seen_in
from logkeep.processor.choosing import Bounds, certain
from logkeep.processor.prepare import Owner, Prepared
from logkeep.settings import SessionMapSettings
from logkeep.telemetry import Telemetry, get_logger

REREAD_S = 2.0
EXTEND_NS = 60 * NS_PER_S  # a session that goes on is told again so often; well below idle_s
KNOWN_MAX = 100_000  # users and devices, and sessions, in memory: some 50 MB
PENDING_MAX = 50_000  # rows not yet written
PAUSE_S = 30.0  # after the database did not answer: batches must not wait for it again and again
TRIM_EVERY_S = 60.0

log = get_logger("sessions")

_time = attrgetter("time_ns")
_who = lru_cache(KNOWN_MAX)(who_of)


class _Known(msgspec.Struct):
    """Of a user or device, by session. read_ns: when the database was asked, 0: never."""

    spans: dict[str, Span]
    read_ns: int = 0


def bounds_of(settings: SessionMapSettings) -> Bounds:
    seconds = (settings.idle_s, settings.valid_s, settings.wait_s, settings.settle_s)
    return Bounds(*(int(s * NS_PER_S) for s in seconds))


class SessionMap:
    """`enrich` and `begin` are for the thread that prepares batches, `keep` for the one that writes them."""

    def __init__(self, database: Database, settings: SessionMapSettings, clock: Clock, telemetry: Telemetry) -> None:
        self._database, self._clock, self._telemetry = database, clock, telemetry
        self._bounds = bounds_of(settings)
        self._known: dict[str, _Known] = {}
        self._told: dict[Owner, Span] = {}
        self._alone = True
        self._pending: dict[tuple[str, str], Seen] = {}
        self._rows_a_second = settings.rows_a_second_max
        self._room, self._room_ns = float(settings.rows_a_second_max), clock.monotonic_ns()
        self._paused_until_ns = 0
        self._forgets = False
        self._trim_ns = 0
        self._keep_ns = int(settings.keep_s * NS_PER_S)

    def begin(self, *, alone: bool) -> None:
        """Nothing is known. alone: no other processor writes the map."""
        self._alone = alone
        self.forget()

    def forget(self) -> None:
        self._known, self._told = {}, {}

    def forget_soon(self) -> None:
        """What was erased is not remembered here. For the thread that writes batches."""
        self._pending.clear()
        self._forgets = True

    # ── while a batch is prepared ─────────────────────────────────────────────────────────────────────────────────

    def enrich(self, prepared: Prepared) -> None:
        """Events of the batch that lack a session have it where it is certain; what the batch tells is in `seen`."""
        if self._forgets:
            self._forgets = False
            self.forget()
        prepared.seen = self._news(prepared)
        if len(self._known) > KNOWN_MAX:
            self._known = {}
        for one in [*prepared.seen, *(seen for frame in prepared.told for told in frame.notices
                                      if frame.kind == "sessions" for seen in seen_in(told))]:  # fmt: skip
            self._learn(one)
        if prepared.sessionless:
            self._find(prepared)

    def _news(self, prepared: Prepared) -> list[Seen]:
        """Sessions of users and devices that the map does not know, or not as going on so late."""
        told = self._told
        times = list(map(_time, prepared.events))
        latest = max(times, default=0)
        fresh: dict[int, Owner] = {}
        for owner, number in prepared.owners.items():
            known = told.get(owner)
            if (known is None or latest > known.last_ns + EXTEND_NS) and owner[1] and (owner[2] or owner[3]):
                fresh[number] = owner
        if not fresh:
            return []
        if len(told) + len(fresh) > KNOWN_MAX:
            told.clear()
        news: list[Seen] = []
        for number, (first_ns, last_ns) in _spans_in(prepared.owner_of, times, fresh).items():
            owner = app, session, user, device = fresh[number]
            span, known = Span(session, first_ns, last_ns), told.get(owner)
            if known is not None and known.from_ns <= first_ns and last_ns <= known.last_ns + EXTEND_NS:
                continue
            told[owner] = span if known is None else _joined(known, span)
            for kind, name in (("user", user), ("device", device)):
                if name:
                    news.append(Seen(_who(app, kind, name), app, span))
        return news

    def _learn(self, seen: Seen) -> None:
        known = self._known.get(seen.who)
        if known is None:
            known = self._known[seen.who] = _Known({})
        spans = known.spans
        session = seen.span.session
        spans[session] = _joined(spans[session], seen.span) if session in spans else seen.span
        if len(spans) > 2 * SPANS_MAX:
            newest = sorted(spans.values(), key=lambda span: span.last_ns)[-SPANS_MAX:]
            known.spans = {span.session: span for span in newest}

    def _find(self, prepared: Prepared) -> None:
        lacking = [(index, *_whos(prepared.events[index])) for index in prepared.sessionless]
        self._ask({who for _, device, user in lacking for who in (device, user) if who})
        for index, device, user in lacking:
            event = prepared.events[index]
            session = certain(self._spans(device) if device else None, self._spans(user), event.time_ns, self._bounds)
            if session is not None:
                event.session = session
                (prepared.owner_of[index],) = prepared.owners.of((event,))

    def _spans(self, who: str) -> Collection[Span]:
        known = self._known.get(who) if who else None
        return known.spans.values() if known is not None else ()

    def _ask(self, whos: set[str]) -> None:
        """What the database knows of those that are not known well enough: one query."""
        now_ns = self._clock.monotonic_ns()
        fresh_ns = 1 if self._alone else now_ns - int(REREAD_S * NS_PER_S)
        asked = [w for w in whos if (k := self._known.get(w)) is None or k.read_ns == 0 or k.read_ns < fresh_ns]
        if not asked or now_ns < self._paused_until_ns:
            return
        try:
            found = self._database.read(lambda transaction: spans_of(transaction, asked))
        except BackendUnavailable as error:
            log.warning("sessions cannot be looked up; events without one wait", error=error.message)
            self._paused_until_ns = now_ns + int(PAUSE_S * NS_PER_S)
            return
        for who, spans in found.items():
            known = self._known.setdefault(who, _Known({}))
            known.read_ns = max(1, now_ns)
            for span in spans:
                mine = known.spans.get(span.session)
                known.spans[span.session] = span if mine is None else _joined(mine, span)

    # ── while it is written ───────────────────────────────────────────────────────────────────────────────────────

    def keep(self, seen: Sequence[Seen]) -> None:
        """`seen` is in the database, or will be: some rows a second at most, and not while it does not answer."""
        for one in seen:
            place = (one.who, one.span.session)
            known = self._pending.get(place)
            if known is not None:
                self._pending[place] = Seen(one.who, one.app, _joined(known.span, one.span))
            elif len(self._pending) < PENDING_MAX:
                self._pending[place] = one
            else:
                self._telemetry["session_map_rows_dropped"].inc()
        now_ns = self._clock.monotonic_ns()
        self._room += (now_ns - self._room_ns) / NS_PER_S * self._rows_a_second
        self._room, self._room_ns = min(self._room, float(self._rows_a_second)), now_ns
        count = min(len(self._pending), int(self._room))
        if count and now_ns >= self._paused_until_ns:
            self._write(list(self._pending)[:count])

    def trim(self, oldest_ns: int) -> None:
        """Now and then: what is older than the map is kept, and what was told of sessions before `oldest_ns`, is gone.

        Raises BackendUnavailable.
        """
        now_ns = self._clock.monotonic_ns()
        if now_ns < self._trim_ns:
            return
        self._trim_ns = now_ns + int(TRIM_EVERY_S * NS_PER_S)
        map_ns = self._clock.now_ns() - self._keep_ns
        self._database.write(lambda transaction: forget_before(transaction, map_ns, oldest_ns))

    def _write(self, places: list[tuple[str, str]]) -> None:
        rows = [self._pending[place] for place in places]
        try:
            self._database.write(lambda transaction: widen(transaction, rows))
        except BackendUnavailable as error:
            log.warning("sessions that were seen are not kept yet", rows=len(self._pending), error=error.message)
            self._paused_until_ns = self._clock.monotonic_ns() + int(PAUSE_S * NS_PER_S)
            return
        self._room -= len(places)
        for place in places:
            del self._pending[place]


def _whos(event: Event) -> tuple[str, str]:
    device = _who(event.app, "device", event.device) if event.device else ""
    return device, _who(event.app, "user", event.user) if event.user else ""


def _spans_in(numbers: Sequence[int], times: Sequence[int], wanted: Iterable[int]) -> dict[int, tuple[int, int]]:
    """The first and the last time of each number that is wanted."""
    ordered = sorted(times)
    if ordered != times:  # as a rule they are in order, or nearly
        rows = sorted(range(len(times)), key=times.__getitem__)
        numbers, times = list(map(numbers.__getitem__, rows)), ordered
    last = dict(zip(numbers, times, strict=True))
    first = dict(zip(reversed(numbers), reversed(times), strict=True))
    return {number: (first[number], last[number]) for number in wanted}


def _joined(one: Span, other: Span) -> Span:
    return Span(one.session, min(one.from_ns, other.from_ns), max(one.last_ns, other.last_ns))
