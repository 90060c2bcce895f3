"""The session map beside the batches: events without a session get theirs, and what sessions are seen is remembered.

In front of the database is a memory of what this processor has asked and seen; a batch asks once for all it does not
know. Several processors tell each other through the database, so what was read counts for REREAD_S; one that is alone
has seen everything itself.
"""

from collections.abc import Sequence
from functools import lru_cache
from itertools import islice
from operator import attrgetter

from logkeep.clock import NS_PER_S, Clock
from logkeep.errors import BackendUnavailable
from logkeep.metastore.database import Database
from logkeep.metastore.session_map import SPANS_MAX, Seen, Span, forget_before, spans_of, who_of, widen
from logkeep.processor.appliers import seen_in
from logkeep.processor.choosing import NOTHING, Bounds, Timeline, certain, joined
from logkeep.processor.prepare import Owner, Prepared
from logkeep.settings import SessionMapSettings
from logkeep.telemetry import Telemetry, get_logger

REREAD_S = 2.0
EXTEND_NS = 60 * NS_PER_S  # a session that goes on is told again so often; well below idle_s
KNOWN_MAX = 100_000  # users and devices, and sessions, in memory: some 50 MB
PENDING_MAX = 50_000  # rows not yet written
PAUSE_S = 30.0  # after the database did not answer: batches must not wait for it again and again
TRIM_EVERY_S = 60.0
_NEVER_NS = 1 << 63

log = get_logger("sessions")

_time = attrgetter("time_ns")
_who = lru_cache(KNOWN_MAX)(who_of)


class _Known(Timeline):
    """read_ns: when the database was asked, 0: never."""

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
        times = list(map(_time, prepared.events))
        prepared.seen = self._news(prepared, times)
        if len(self._known) > KNOWN_MAX:
            self._known = {}
        for one in [*prepared.seen, *(seen for frame in prepared.told for told in frame.notices
                                      if frame.kind == "sessions" for seen in seen_in(told))]:  # fmt: skip
            self._learn(one)
        if prepared.sessionless:
            self._find(prepared, times)

    def _news(self, prepared: Prepared, times: list[int]) -> list[Seen]:
        """Sessions of users and devices that the map does not know, or not as going on so late."""
        told = self._told
        latest = max(times, default=0)
        fresh: dict[int, Owner] = {}
        for owner, number in prepared.owners.items():
            if owner[1] and (owner[2] or owner[3]):
                known = told.get(owner)
                if known is None or latest > known.last_ns + EXTEND_NS:
                    fresh[number] = owner
        if not fresh:
            return []
        if len(told) + len(fresh) > KNOWN_MAX:
            told.clear()
        news: list[Seen] = []
        firsts, lasts = _bounds_in(prepared.owner_of, times, len(prepared.owners))
        for number, owner in fresh.items():
            app, session, user, device = owner
            first_ns, last_ns = firsts[number], lasts[number]
            span, known = Span(session, first_ns, last_ns), told.get(owner)
            if known is not None and known.from_ns <= first_ns and last_ns <= known.last_ns + EXTEND_NS:
                continue
            told[owner] = span if known is None else joined(known, span)
            for kind, name in (("user", user), ("device", device)):
                if name:
                    news.append(Seen(_who(app, kind, name), app, span))
        return news

    def _learn(self, seen: Seen) -> None:
        known = self._known.get(seen.who)
        if known is None:
            known = self._known[seen.who] = _Known()
        known.widen(seen.span)
        if len(known.spans) > 2 * SPANS_MAX:
            known.keep_newest(SPANS_MAX)

    def _find(self, prepared: Prepared, times: Sequence[int]) -> None:
        """What one user on one device has in the batch is looked up once."""
        owners, rows_of = list(prepared.owners), _by_owner(prepared)
        named = [(owner, *_whos(owner)) for owner in map(owners.__getitem__, rows_of)]
        self._ask({who for _, *whos in named for who in whos if who})
        known, bounds = self._known.get, self._bounds
        events, owner_of, number_of = prepared.events, prepared.owner_of, prepared.owners
        for rows, ((app, _, user, device), of_device, of_user) in zip(rows_of.values(), named, strict=True):
            spans_of_device = known(of_device, NOTHING) if of_device else None
            spans_of_user = known(of_user, NOTHING)
            for row in rows:
                session = certain(spans_of_device, spans_of_user, times[row], bounds)
                if session is not None:
                    events[row].session = session
                    owner_of[row] = number_of[app, session, user, device]

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
            known = self._known.setdefault(who, _Known())
            known.read_ns = max(1, now_ns)
            for span in spans:
                known.widen(span)

    # ── while it is written ───────────────────────────────────────────────────────────────────────────────────────

    def keep(self, seen: Sequence[Seen]) -> None:
        """`seen` is in the database, or will be: some rows a second at most, and not while it does not answer."""
        for one in seen:
            place = (one.who, one.span.session)
            known = self._pending.get(place)
            if known is not None:
                self._pending[place] = Seen(one.who, one.app, joined(known.span, one.span))
            elif len(self._pending) < PENDING_MAX:
                self._pending[place] = one
            else:
                self._telemetry["session_map_rows_dropped"].inc()
        now_ns = self._clock.monotonic_ns()
        self._room += (now_ns - self._room_ns) / NS_PER_S * self._rows_a_second
        self._room, self._room_ns = min(self._room, float(self._rows_a_second)), now_ns
        count = min(len(self._pending), int(self._room))
        if count and now_ns >= self._paused_until_ns:
            self._write(list(islice(self._pending, count)))

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


def _by_owner(prepared: Prepared) -> dict[int, list[int]]:
    """Events that came without a session."""
    owner_of = prepared.owner_of
    rows_of: dict[int, list[int]] = {}
    for row in prepared.sessionless:
        rows_of.setdefault(owner_of[row], []).append(row)
    return rows_of


def _whos(owner: Owner) -> tuple[str, str]:
    app, _, user, device = owner
    return _who(app, "device", device) if device else "", _who(app, "user", user) if user else ""


def _bounds_in(numbers: Sequence[int], times: Sequence[int], count: int) -> tuple[list[int], list[int]]:
    """The first and the last time of each of `count` numbers."""
    first, last = [_NEVER_NS] * count, [0] * count
    for number, time_ns in zip(numbers, times, strict=True):
        if time_ns < first[number]:
            first[number] = time_ns
        if time_ns > last[number]:
            last[number] = time_ns
    return first, last
