"""What one receiver process knows of the limits of an app's components: a quota for each, which concerns it alone."""

from collections.abc import Iterator, Mapping
from typing import Literal

from logkeep.counters import usage
from logkeep.counters.buckets import OTHERS, SHARES_MAX, Gate, Quota, QuotaGate, Shared
from logkeep.counters.limit import Limit
from logkeep.counters.port import Addition
from logkeep.metastore.limits import InForce
from logkeep.receiver.sender_limits import SECONDS_KEY_S
from logkeep.settings import LimitSettings

DAY_STEP_S = 60  # of refill that a level leaves to the one above it, of a day's limit …
SECOND_STEP = 1 / 20  # … and part of the burst, of a limit a second

What = Literal["events", "bytes", "second"]


class ComponentQuotas:
    """For one thread. Times are of the monotonic clock where they end in `_s`, of the wall clock in `_ns`."""

    def __init__(self, app: str, limits: InForce, settings: LimitSettings, now_s: float) -> None:
        self._app, self._limits, self._settings = app, limits, settings
        self.any = bool(limits.component_events_per_second or limits.components)
        self._seconds: dict[str, Quota] = {}
        self._days: dict[tuple[str, Literal["events", "bytes"]], Quota] = {}
        for name, own in limits.components.items():
            if own.events_per_day:
                self._days[name, "events"] = self._day(name, "events", own.events_per_day, now_s)
            if own.bytes_per_day:
                self._days[name, "bytes"] = self._day(name, "bytes", own.bytes_per_day, now_s)

    @property
    def any_day(self) -> bool:
        return bool(self._days)

    @property
    def weigh(self) -> bool:
        """Whether any has a limit of bytes."""
        return any([what == "bytes" for _, what in self._days])

    def days(self, what: Literal["events", "bytes"]) -> dict[str, Quota]:
        """By component."""
        return {name: quota for (name, of), quota in self._days.items() if of == what}

    def inherit(self, before: "ComponentQuotas", now_s: float) -> None:
        """What was used of those before."""
        for name, quota in self._days.items():
            if (kept := before._days.get(name)) is not None:
                quota.inherit(kept, now_s)
        for component, kept in before._seconds.items():
            if (second := self._second(component, now_s)) is not None:
                second.inherit(kept, now_s)

    def gates(self, component: str, level: int, size: float, now_s: float, whole: int) -> Iterator[Gate]:
        """Those that stand before events of this component and level. size: bytes an event. whole: as of PoolGate."""
        second = self._second(component, now_s)
        if second is not None:
            yield QuotaGate(second, level, now_s, cost=1.0, whole=whole)
        if (day := self._days.get((component, "events"))) is not None:
            yield QuotaGate(day, level, now_s, cost=1.0, whole=whole)
        if (day := self._days.get((component, "bytes"))) is not None:
            yield QuotaGate(day, level, now_s, cost=max(1.0, size), whole=whole)

    def quotas(self, component: str) -> list[Quota]:
        """Those of it that there are."""
        days = (self._days.get((component, "events")), self._days.get((component, "bytes")))
        return [one for one in (self._seconds.get(component), *days) if one is not None]

    def _day(self, component: str, what: Literal["events", "bytes"], limit: int, now_s: float) -> Quota:
        rate, named = limit / usage.DAY_S, Limit("component", component, f"{what}_per_day", limit)
        return Quota(
            named, rate, float(limit), now_s, reserve=self._settings.error_share, step=rate * DAY_STEP_S
        )  # fmt: skip

    def _second(self, component: str, now_s: float) -> Quota | None:
        """None: it has no limit a second."""
        own = self._limits.components.get(component)
        rate, name = self._limits.component_events_per_second, "component_events_per_second"
        if own is not None and own.events_per_second is not None:
            rate, name = own.events_per_second, "events_per_second"
        if not rate:
            return None
        if own is None and component not in self._seconds:
            if len(self._seconds) >= 4 * SHARES_MAX:
                self._forget_full(now_s)
            if len(self._seconds) >= 4 * SHARES_MAX:
                component = OTHERS
        found = self._seconds.get(component)
        if found is None:
            burst = max(1.0, rate * self._settings.burst_s)
            named = Limit("component", "(other)" if component == OTHERS else component, name, rate)
            found = self._seconds[component] = Quota(
                named, rate, burst, now_s, reserve=self._settings.error_share, step=burst * SECOND_STEP
            )  # fmt: skip
        return found

    def _forget_full(self, now_s: float) -> None:
        """A bucket that is full again is as good as a new one."""
        for name in [name for name, one in self._seconds.items() if one.main.refill(now_s) >= one.capacity]:
            if name not in self._limits.components:
                del self._seconds[name]

    # ── with others ───────────────────────────────────────────────────────────────────────────────────────────────

    def additions(self, now_ns: int) -> Iterator[tuple[Shared | None, Addition]]:
        """What was taken here since the last time, by what is to hear of the others' part."""
        for (name, what), quota in self._days.items():
            yield quota, usage.addition(usage.of_component(self._app, name), what, quota.spent(), now_ns)
        for name, quota in self._seconds.items():
            if spent := quota.spent():
                if name in self._limits.components:
                    yield None, usage.rate_addition(usage.of_component(self._app, name), spent, now_ns)
                yield quota, Addition(f"component:second:{self._app}\0{name}", spent, SECONDS_KEY_S)

    def keys(self, now_ns: int) -> list[str]:
        """What tells of their days."""
        return [
            key for name, what in self._days for key in usage.keys(usage.of_component(self._app, name), now_ns, (what,))
        ]

    def take_over_use(self, totals: Mapping[str, int], now_ns: int, now_s: float) -> None:
        """How full the buckets are, by what was used in the last two days; totals: of `keys`."""
        for (name, what), quota in self._days.items():
            hours = usage.Hours.read(usage.of_component(self._app, name), totals, now_ns)
            quota.take_over_use(hours.events if what == "events" else hours.bytes, now_ns, now_s)
