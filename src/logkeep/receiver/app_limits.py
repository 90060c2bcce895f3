"""What one receiver process knows of the limits of one app: buckets, shares, how long it has been over."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Literal

import msgspec

from logkeep.counters import usage
from logkeep.counters.buckets import Bucket, Gate, Pool, QuotaGate, Shared
from logkeep.counters.limit import Limit
from logkeep.counters.port import Addition
from logkeep.counters.regulars import Regulars
from logkeep.decode.marks import Mark, component_of
from logkeep.metastore.limits import InForce
from logkeep.receiver.component_limits import DAY_STEP_S, SECOND_STEP, ComponentQuotas
from logkeep.receiver.sender_limits import SECONDS_KEY_S
from logkeep.settings import LimitSettings

SECOND_ACTIVE_S, DAY_ACTIVE_S = 10.0, 3600.0  # so long after its last event a component has a share
DAY_NEWCOMER_S = 300.0  # of a share of a day's limit, for a component that comes when all is spent
LOOKED_AT_MAX = 256  # events between two ticks that are looked at for who they are, while a day's limit is far
GRACE_FACTOR = 2.0  # of the day's limit, while it is only slowed


Marks = Callable[[], Sequence[Mark]]
Sizes = Callable[[], Sequence[int]]


class DayLimit(msgspec.Struct):
    what: Literal["events", "bytes"]
    limit: int
    pool: Pool


class AppLimit:
    """For one thread. Times are of the monotonic clock where they end in `_s`, of the wall clock in `_ns`."""

    def __init__(self, app: str, limits: InForce, settings: LimitSettings, now_s: float) -> None:
        self.app, self.limits, self._settings = app, limits, settings
        reserve = settings.error_share
        self.components = ComponentQuotas(app, limits, settings, now_s)
        self.second: Pool | None = None
        if limits.events_per_second:
            burst = float(limits.burst_events)
            self.second = Pool(
                Limit("app", app, "events_per_second", limits.events_per_second),
                limits.events_per_second, burst, now_s, reserve=reserve, step=burst * SECOND_STEP,
                active_s=SECOND_ACTIVE_S,
            )  # fmt: skip
        self.days: list[DayLimit] = []
        by_day: tuple[tuple[Literal["events", "bytes"], int], ...]
        by_day = (("events", limits.events_per_day), ("bytes", limits.bytes_per_day))
        for what, limit in by_day:
            if limit:
                rate = limit / usage.DAY_S
                pool = Pool(
                    Limit("app", app, f"{what}_per_day", limit), rate, float(limit), now_s, reserve=reserve,
                    step=rate * DAY_STEP_S, active_s=DAY_ACTIVE_S, newcomer_s=DAY_NEWCOMER_S,
                    own=self.components.days(what),
                )  # fmt: skip
                self.days.append(DayLimit(what, limit, pool))
        self.known_use = not self.days and not self.components.any_day  # whether the hours of before were read
        self.over_since_s = self.over_last_s = 0.0  # on the wall clock, 0: not over
        self._over, self._told_hour = False, 0  # whether to be told to the others, and when it last was
        self._looked_at = 0
        self._regulars, self._known = Regulars(), set[str]()

    @property
    def weighs(self) -> bool:
        """Whether it limits bytes, its own or a component's."""
        return any([day.what == "bytes" for day in self.days]) or self.components.weigh

    def inherit(self, before: "AppLimit", now_s: float) -> None:
        """It takes the place of the one before, whose limits were others: what was used of a day or a burst is used,
        whoever was known is. `keys` are to be read all the same."""
        if self.second is not None and before.second is not None:
            self.second.inherit(before.second, now_s)
        for day in self.days:
            for kept in before.days:
                if kept.what == day.what:
                    day.pool.inherit(kept.pool, now_s)
        self.components.inherit(before.components, now_s)
        self.over_since_s, self.over_last_s = before.over_since_s, before.over_last_s
        self._over, self._told_hour = before._over, before._told_hour
        self._regulars = before._regulars

    # ── passing ───────────────────────────────────────────────────────────────────────────────────────────────────

    def passes_at_once(self, count: int, size: int, marks: Marks, now_s: float) -> bool:
        """Whether there is enough for all, whoever they are; then it is taken.

        Those who send now are known later, when it is short, and of a day's limit have their share then: so some are
        looked at, few enough to cost nothing, often enough to know whoever sends now and then."""
        if self.components.any:
            return False
        if self.second is not None and not self.second.comfortable(count, now_s):
            return False
        for day in self.days:
            if not day.pool.comfortable(count if day.what == "events" else size, now_s):
                return False
        if self.second is not None:
            self.second.main.take(count, now_s)
        for day in self.days:
            day.pool.main.take(count if day.what == "events" else size, now_s)
        if self._looked_at < LOOKED_AT_MAX and (self.days or self.second is not None):
            self._looked_at += count
            for name in {component_of(mark) for mark in marks()}:
                known = self._regulars.see(name, now_s)
                for day in self.days:
                    day.pool.introduce(name, now_s, known=known)
        return True

    def gates(self, component: str, level: int, count: int, size: float, now_s: float, whole: int) -> list[Gate]:
        """Those that stand before `count` events of this component and level. size: bytes an event. whole: of this
        component in all; 0: events are let in one by one."""
        found: list[Gate] = []
        if self.components.any:  # first: where the app's limit lets as few pass, it is these that say why
            found += self.components.gates(component, level, size, now_s, whole)
        known = component in self._known or self._sees(component, now_s)
        if self.second is not None:
            found.append(_gate(self.second, component, level, count, now_s, cost=1.0, whole=whole, known=known))
        for day in self.days:
            cost = 1.0 if day.what == "events" else max(1.0, size)
            gate = _gate(day.pool, component, level, count, now_s, cost=cost, whole=whole, known=known)
            if self.components.any and isinstance(gate, QuotaGate):
                day.pool.introduce(component, now_s, known=known)
            found.append(gate)
        return found

    def _sees(self, component: str, now_s: float) -> bool:
        """Whether it is known; who is needs no second look until the next tick."""
        known = self._regulars.see(component, now_s)
        if known:
            self._known.add(component)
        return known

    # ── over the day's limit ──────────────────────────────────────────────────────────────────────────────────────

    def note_over(self, wall_s: float) -> None:
        """A day's limit has refused something."""
        if not self.over_since_s:
            self.over_since_s = wall_s
        self.over_last_s = wall_s
        self._over = True

    def phase(self, wall_s: float) -> usage.Phase:
        return usage.phase(self.over_since_s, wall_s, self._settings.grace_s)

    def tick(self, wall_s: float, now_s: float) -> None:
        """Twice a second or so. Who was not refused anything for a day is within the limit again."""
        if self.over_since_s and wall_s - self.over_last_s > usage.DAY_S:
            self.over_since_s = 0.0
        self._looked_at = 0
        self._known.clear()
        self._regulars.forget_idle(now_s)
        factor = GRACE_FACTOR if self.phase(wall_s) == "grace" else 1.0
        for day in self.days:
            day.pool.boost(factor, now_s)
            day.pool.forget_idle(now_s)
        if self.second is not None:
            self.second.forget_idle(now_s)

    # ── with others ───────────────────────────────────────────────────────────────────────────────────────────────

    def additions(self, now_ns: int) -> list[tuple[Shared | None, Addition]]:
        """What was taken here since the last time, by what is to hear of the others' part."""
        found: list[tuple[Shared | None, Addition]] = []
        for day in self.days:
            found.append((day.pool, usage.addition(self.app, day.what, day.pool.spent(), now_ns)))
        if self._over and usage.hour_of(now_ns) != self._told_hour:
            found.append((None, usage.over(self.app, self.over_since_s, now_ns)))
            self._told_hour = usage.hour_of(now_ns)
        self._over = False
        if self.second is not None:
            found += [
                (bucket, Addition(f"second:{self.app}{name}", round(bucket.spent), SECONDS_KEY_S))
                for name, bucket in named_buckets(self.second)
            ]
            spent = round(self.second.main.spent + self.second.reserve.spent)
            if spent > 0:
                found.append((None, usage.rate_addition(self.app, spent, now_ns)))
        found += self.components.additions(now_ns)
        if self.second is not None:
            for bucket in (self.second.main, self.second.reserve, *self.second.shares.values()):
                bucket.spent = 0.0
        return found

    def keys(self, now_ns: int) -> list[str]:
        """What tells of its days, for one reading."""
        return usage.keys(self.app, now_ns) + self.components.keys(now_ns)

    def take_over_use(self, totals: Mapping[str, int], now_ns: int, now_s: float) -> None:
        """How full the buckets are, by what was used in the last two days; totals: of `keys`."""
        hours = usage.Hours.read(self.app, totals, now_ns)
        for day in self.days:
            day.pool.take_over_use(hours.events if day.what == "events" else hours.bytes, now_ns, now_s)
        self.components.take_over_use(totals, now_ns, now_s)
        since_s = hours.over_since_s()
        if since_s:
            self.over_since_s = min(self.over_since_s or since_s, since_s)
            self.over_last_s = max(self.over_last_s, since_s, now_ns / 1e9 - usage.DAY_S / 2)
        self.known_use = True


def named_buckets(pool: Pool) -> Iterator[tuple[str, Bucket]]:
    """Of all that is shared with others by name; the pool's own has none."""
    yield "", pool.main
    for name, share in pool.shares.items():
        yield f"\0{name}", share


def _gate(pool: Pool, name: str, level: int, count: int, now_s: float, *, cost: float, whole: int, known: bool) -> Gate:
    """Where there is enough for all, it does not matter who it is."""
    if pool.comfortable((whole or count) * cost, now_s):
        return QuotaGate(pool, level, now_s, cost=cost, whole=whole, ample=True)
    return pool.gate(name, level, now_s, cost=cost, whole=whole, known=known)
