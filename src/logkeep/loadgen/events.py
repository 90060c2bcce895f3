"""Realistic events by the block, the same ones for the same seed, made fast enough not to disturb what is measured.

Everything costly is done ahead: messages are filled from pools of chance values, and an event only adds its session,
time and ids to one of them: 1.5 to 2 µs. One message in sixteen events is filled anew.
"""

import random
import re
import time
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from itertools import count
from operator import itemgetter
from pathlib import Path
from typing import TypeVar, cast

import msgspec

from logkeep.clock import NS_PER_DAY, NS_PER_S
from logkeep.loadgen.content import TEMPLATES, Template, json_text, pools

BLOCK_EVENTS_MAX = 512  # a quarter of a megabyte: larger blocks fall out of the cache
SESSION_EVENTS = 20  # on average
SESSIONS_OPEN = 2000  # sessions that have events at the same time
USERS, DEVICES = 50_000, 20_000
FORMS = 8192  # messages ready to get their session, time and ids; 4 MB
REFRESH_EVENTS = 16  # events to one message that is filled anew
_MIX = 0x9E3779B97F4A7C15  # multiplying by it scatters counters over 64 bits
_MASK = (1 << 64) - 1
_DIGITS = 32 + 8 + 24  # random hex digits of one event: `<id>`, `<short>`, `<own_id>`
_MILLIS = [f"{n:03d}" for n in range(1000)]
_UNIQUE = ("session", "second", "milli", "id", "short", "own_id")  # made for each event; the rest comes from pools

T = TypeVar("T")
Fill = Callable[[Sequence[str]], tuple[str, ...]]


class Numbering(msgspec.Struct, frozen=True):
    """For datagrams: events name their app's key, and each component is a client that counts its own from 1."""

    app_key: str
    run: str  # tells this run's clients from those of other runs


class _Form(msgspec.Struct, frozen=True):
    """A template in two steps: `text % fill(pool values)` gives what `% pick(unique values)` makes an event."""

    text: str
    fill: Fill
    pick: Fill
    number: Iterator[int]


_Ready = tuple[str, Fill, Iterator[int]]


class EventMaker:
    """An endless row of events, decided by the seed, the options and how many are asked for at once."""

    def __init__(
        self,
        seed: int,
        *,
        days: float = 0,
        end_ns: int | None = None,
        events: int = 1_000_000,
        with_ids: bool = False,
        numbering: Numbering | None = None,
    ) -> None:
        """days: times are spread evenly over so many days before end_ns (ns UTC, default now), over `events` events
        and then again from the start; 0: events have the time they are made. with_ids: every event has an own id.
        """
        self._chance = random.Random(seed)
        self._seed, self._with_ids, self._numbered = seed, with_ids, numbering is not None
        self._span_s, self._events = int(days * NS_PER_DAY) // NS_PER_S, max(1, events)
        self._start_s = (end_ns or time.time_ns()) // NS_PER_S - self._span_s
        self._step = 0  # events made so far
        self._sessions: list[str] = []  # those that may have events now, from number _session_base on
        self._session_base = 0
        self._jitters = self._chance.choices(range(SESSIONS_OPEN), k=FORMS)
        self._millis = self._chance.choices(_MILLIS, k=FORMS)
        columns = pools(self._chance)
        self._pools = [(len(pool), pool + pool[:BLOCK_EVENTS_MAX]) for pool in columns.values()]
        counters: dict[str, Iterator[int]] = {}
        forms = [_compile(template, tuple(columns), with_ids, numbering, counters) for template in TEMPLATES]
        self._forms = self._chance.choices(forms, weights=[template.weight for template in TEMPLATES], k=FORMS)
        self._ready: list[_Ready] = []
        for start in range(0, FORMS, BLOCK_EVENTS_MAX):
            self._ready += self._filled(start, start + BLOCK_EVENTS_MAX)
        self._refreshed = 0  # forms that were filled anew, ever

    def lines(self, events: int) -> list[str]:
        """The next events, 1 to BLOCK_EVENTS_MAX, each one JSON object without a newline."""
        assert 1 <= events <= BLOCK_EVENTS_MAX
        rows = zip(self._slice(self._ready, events), zip(*self._columns(events), strict=True), strict=True)
        self._step += events
        if self._numbered:
            made = [text % (*pick(row), next(number)) for (text, pick, number), row in rows]
        else:
            made = [text % pick(row) for (text, pick, _), row in rows]
        self._refresh()
        return made

    def block(self, events: int) -> bytes:
        """The next events as NDJSON, with a newline at the end."""
        return ("\n".join(self.lines(events)) + "\n").encode()

    def _refresh(self) -> None:
        """One form in REFRESH_EVENTS events is filled anew, so that messages do not come round unchanged."""
        while (due := self._step // REFRESH_EVENTS - self._refreshed) > 0:
            start = self._refreshed % FORMS
            end = min(start + due, FORMS)
            self._ready[start:end] = self._filled(start, end)
            self._refreshed += end - start

    def _filled(self, start: int, end: int) -> list[_Ready]:
        """The forms from `start` to `end` with chance values of the pools in them."""
        columns = [self._from_pool(length, pool, end - start) for length, pool in self._pools]
        rows = zip(self._forms[start:end], zip(*columns, strict=True), strict=True)
        return [(form.text % form.fill(row), form.pick, form.number) for form, row in rows]

    def _from_pool(self, length: int, pool: list[str], count: int) -> list[str]:
        start = int(self._chance.random() * length)
        return pool[start : start + count]

    def _slice(self, values: list[T], count: int) -> list[T]:
        start = int(self._chance.random() * (FORMS - count))
        return values[start : start + count]

    def _columns(self, events: int) -> list[Sequence[str]]:
        digits = self._chance.randbytes(_DIGITS // 2 * events).hex()
        seconds, millis = self._times(events)
        return [
            self._session_column(events),
            seconds,
            millis,
            [digits[at : at + 32] for at in range(0, _DIGITS * events, _DIGITS)],
            [digits[at : at + 8] for at in range(32, _DIGITS * events, _DIGITS)],
            [digits[at : at + 24] for at in range(40, _DIGITS * events, _DIGITS)] if self._with_ids else [""] * events,
        ]

    def _times(self, events: int) -> tuple[list[str], list[str]]:
        """The seconds and the milliseconds of the next events, as text."""
        if self._span_s == 0:
            now_ns = time.time_ns()
            return [_second_text(now_ns // NS_PER_S)] * events, [_MILLIS[now_ns // 1_000_000 % 1000]] * events
        seconds: list[str] = []
        span, total, end = self._span_s, self._events, self._step + events
        while (n := self._step + len(seconds)) < end:
            place = n % total
            second = place * span // total
            same = ((second + 1) * total + span - 1) // span - place  # events from here on within this second
            seconds += [_second_text(self._start_s + second)] * min(same, end - n)
        return seconds, self._slice(self._millis, events)

    def _session_column(self, events: int) -> list[str]:
        """Each event's session with its user and device: SESSIONS_OPEN take turns, a new one every SESSION_EVENTS."""
        first = self._step // SESSION_EVENTS
        last = (self._step + events) // SESSION_EVENTS + SESSIONS_OPEN
        del self._sessions[: first - self._session_base]
        self._session_base = first
        self._sessions += map(self._session, range(first + len(self._sessions), last + 1))
        phase = self._step % SESSION_EVENTS
        jitters, sessions = self._slice(self._jitters, events), self._sessions
        return [sessions[(n // SESSION_EVENTS) + jitter] for n, jitter in enumerate(jitters, phase)]

    def _session(self, number: int) -> str:
        """The members of an event that its session decides; one visitor in six is not signed in."""
        mixed = (number + self._seed * 1_000_003 + 1) * _MIX & _MASK
        session = f'"session":"{mixed:016x}","device":"device-{mixed % DEVICES:05d}"'
        return session if mixed % 6 == 0 else f'{session},"user":"user-{mixed // 7 % USERS:05d}"'


def _compile(
    template: Template,
    pooled: tuple[str, ...],
    with_ids: bool,
    numbering: Numbering | None,
    counters: dict[str, Iterator[int]],
) -> _Form:
    """counters: of each component; one is added when it has none yet."""
    text = '{<session>,"time":"<second>.<milli>Z",' + json_text(template)
    text += ',"id":"<own_id>"' if with_ids else ""
    if numbering is not None:
        text += f',"app":"{numbering.app_key}","client":"load-{numbering.run}-{template.component}"'
    text = text.replace("%", "%%%%")  # two formattings halve them
    fills = _Placeholders(pooled)
    picks = _Placeholders(_UNIQUE)
    text = picks.replaced(fills.replaced(text, "%s"), "%%s") + (',"seq":%%d}' if numbering else "}")
    return _Form(text, fills.picker(), picks.picker(), counters.setdefault(template.component, count(1)))


class _Placeholders:
    """Those of `names` that a text has, in order of their places."""

    def __init__(self, names: tuple[str, ...]) -> None:
        self._names = names
        self._found: list[int] = []

    def replaced(self, text: str, mark: str) -> str:
        pattern = re.compile("<(" + "|".join(self._names) + ")>")
        self._found += [self._names.index(name) for name in pattern.findall(text)]
        return pattern.sub(mark, text)

    def picker(self) -> Fill:
        """Picks the values for all places out of a row of values for all names."""
        assert len(self._found) > 1  # itemgetter of one name would not give a tuple
        return cast(Fill, itemgetter(*self._found))


def _second_text(second: int) -> str:
    return f"{_minute_text(second // 60)}{second % 60:02d}"


@lru_cache(maxsize=2)
def _minute_text(minute: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:", time.gmtime(minute * 60))


def write_ndjson(path: Path, events: int, seed: int, days: float, *, end_ns: int | None = None) -> int:
    """Bytes of the file that now holds `events` made-up events; the same ones for the same arguments and end_ns."""
    maker = EventMaker(seed, days=days, end_ns=end_ns, events=events)
    written = 0
    with open(path, "wb", buffering=0) as file:
        for start in range(0, events, BLOCK_EVENTS_MAX):
            block = maker.block(min(BLOCK_EVENTS_MAX, events - start))
            file.write(block)
            written += len(block)
    return written
