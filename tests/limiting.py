"""A limiter without a receiver around it: limits as they were set, a clock that is told, and what senders see."""

from collections import deque
from collections.abc import Sequence
from typing import Any

from logkeep.clock import ManualClock
from logkeep.counters.port import Addition
from logkeep.decode.marks import Mark
from logkeep.errors import QuotaExceeded
from logkeep.metastore.blocks import Blocked
from logkeep.metastore.limits import InForce, Limits, in_force
from logkeep.receiver.count_exchange import News
from logkeep.receiver.limiter import Limiter
from logkeep.receiver.refused import Refusals
from logkeep.receiver.sender_limits import Sender
from logkeep.settings import LimitSettings
from logkeep.telemetry import Telemetry

DAY = 86_400
TELEMETRY = Telemetry()


class Given:
    """Limits as they were set, by app."""

    def __init__(self, settings: LimitSettings, **apps: Limits) -> None:
        self.settings, self.apps = settings, apps
        self.known: object = object()

    @property
    def any(self) -> bool:
        return bool(self.apps)

    any_address = False

    def in_force(self, app: str) -> InForce:
        return in_force(self.apps.get(app, Limits()), self.settings)


class Alone:
    """No other receiver; what was counted before is what `hours` says."""

    problem = None

    def __init__(self, hours: dict[str, int]) -> None:
        self.hours, self.given = hours, list[Addition]()
        self._news: deque[News] = deque()

    def give(self, additions: Sequence[Addition], reads: Sequence[str] = ()) -> None:
        for one in additions:
            self.hours[one.key] = self.hours.get(one.key, 0) + one.amount
        totals = {one.key: (self.hours[one.key], one.amount) for one in additions}
        self._news.append(News(totals, {key: self.hours.get(key, 0) for key in reads}))

    def read(self, keys: Sequence[str]) -> dict[str, int]:
        return {key: self.hours.get(key, 0) for key in keys}

    def give_refusals(self, hour: int, rows: Any) -> None:
        self.refused = (hour, rows)

    def news(self) -> News | None:
        return self._news.popleft() if self._news else None


class Blocks:
    """What was blocked."""

    def __init__(self) -> None:
        self.known: object = None
        self.apps: dict[str, Blocked] = {}

    def set(self, app: str, blocked: Blocked) -> None:
        self.known, self.apps = object(), {app: blocked}


class Receiver:
    """A limiter, and what its senders see of it."""

    def __init__(
        self, clock: ManualClock, hours: dict[str, int] | None = None, total: float = 0.0, ticks: int = 2, **limits: Any
    ) -> None:
        settings = LimitSettings(total_events_per_second=total)
        self.clock, self.given = clock, Given(settings, shop=Limits(**limits))
        self.refusals = Refusals()
        self.exchange: Any = Alone({} if hours is None else hours)
        self.blocks = Blocks()
        self.limiter = Limiter(self.given, settings, self.exchange, clock, TELEMETRY, self.refusals, self.blocks)
        self.limiter.begin(["shop"])
        self.limiter.limits("shop")
        for _ in range(ticks):
            self.tick()

    def tick(self) -> None:
        self.limiter.tick()

    def send(
        self, *marks: Mark, app: str = "shop", key: str = "", address: str = "", size: int = 100,
        sizes: Sequence[int] = (),
    ) -> int | None:  # fmt: skip
        """How many of the events pass; None: sent away whole. sizes: of each event; (): `size`."""
        sizes = sizes or [size] * len(marks)
        self.kept: list[Mark] = []
        self.words: set[str] = set()
        try:
            cut = self.limiter.rule(Sender(app, key), address, len(marks), sum(sizes), lambda: marks, lambda: sizes)
        except QuotaExceeded as error:
            self.refusal = error
            return None
        left_out = cut.left_out if cut is not None else {}
        self.words = {told.words for told in left_out.values()}
        self.kept = [mark for index, mark in enumerate(marks) if index not in left_out]
        return len(self.kept)


def events(count: int, level: str | None = "info", component: str | None = None) -> list[Mark]:
    return [(component, level)] * count


def change(receiver: Receiver, **limits: Any) -> None:
    receiver.given.apps, receiver.given.known = {"shop": Limits(**limits)}, object()
    receiver.tick()
