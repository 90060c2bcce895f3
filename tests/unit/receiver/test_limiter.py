"""Who may send how much: buckets, shares, grace, errors first. Times are told, not waited for."""

import ipaddress
from collections import deque
from collections.abc import Sequence
from typing import Any

import pytest

from logkeep.clock import ManualClock
from logkeep.counters import usage
from logkeep.counters.buckets import SHARES_MAX
from logkeep.counters.port import Addition
from logkeep.decode.marks import Mark
from logkeep.errors import InputError, QuotaExceeded
from logkeep.metastore.blocks import Blocked
from logkeep.metastore.limits import ComponentLimits, InForce, Limits, in_force
from logkeep.receiver.count_exchange import News
from logkeep.receiver.limiter import Limiter
from logkeep.receiver.refused import Refusals
from logkeep.receiver.sender_limits import SENDERS_MAX, Sender
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


def test_what_nobody_limits_is_not_looked_at() -> None:
    receiver = Receiver(ManualClock())
    assert receiver.limiter.limits("shop") is False
    assert receiver.limiter.rule(Sender("shop"), "", 10**9, 1, lambda: 1 / 0) is None  # type: ignore[arg-type,return-value]


def test_a_rate_lets_a_burst_in_and_then_what_comes_back() -> None:
    receiver = Receiver(ManualClock(), events_per_second=10, burst_events=100)
    assert [receiver.send(*events(50)), receiver.send(*events(50)), receiver.send(*events(1))] == [50, 50, None]
    assert (receiver.refusal.code, receiver.refusal.retry_after_s) == ("quota_exceeded", 1)
    receiver.clock.advance(2)
    assert [receiver.send(*events(20)), receiver.send(*events(5))] == [20, None]


def test_more_at_once_than_a_burst_is_let_in_by_a_full_bucket_and_paid_for() -> None:
    receiver = Receiver(ManualClock(), events_per_second=10, burst_events=20)
    assert [receiver.send(*events(100)), receiver.send(*events(1))] == [100, None]
    receiver.clock.advance(7.9)
    assert receiver.send(*events(1)) is None
    receiver.clock.advance(3)
    assert receiver.send(*events(1)) == 1


def test_a_batch_of_several_levels_that_is_more_than_a_burst_passes_too() -> None:
    receiver = Receiver(
        ManualClock(), events_per_second=10, burst_events=20, component_events_per_second=2, events_per_day=50
    )  # fmt: skip
    mixed = [*events(10, "error"), *events(60, "info"), *events(30, "debug")]
    assert [receiver.send(*mixed), receiver.send(*mixed)] == [100, None]
    receiver.clock.advance(DAY * 3)
    assert receiver.send(*mixed) == 100


def test_a_clock_that_is_set_back_gives_nothing_and_takes_nothing() -> None:
    clock = ManualClock()
    receiver = Receiver(clock, events_per_second=10, burst_events=100, events_per_day=DAY)
    assert receiver.send(*events(100)) == 100
    clock.jump(-40 * DAY)
    receiver.tick()
    assert receiver.send(*events(1)) is None
    clock.advance(1)
    assert receiver.send(*events(10)) == 10
    clock.jump(80 * DAY)
    receiver.tick()
    assert receiver.send(*events(1)) is None


def test_one_component_at_fifty_times_its_share_takes_nothing_from_the_others() -> None:
    clock = ManualClock()
    receiver = Receiver(clock, events_per_second=1000, burst_events=1000)
    quiet = ["cart", "pay", "mail", "web"]
    taken = dict.fromkeys([*quiet, "spam"], 0)
    lost = dict.fromkeys([*quiet, "spam"], 0)
    for round_ in range(600):  # a minute; a share is 200 a second
        clock.advance(0.1)
        if round_ % 5 == 0:
            receiver.tick()
        for _ in range(10):
            passed = receiver.send(*events(100, "info", "spam")) or 0
            taken["spam"] += passed
            lost["spam"] += 100 - passed
        for name in quiet:
            passed = receiver.send(*events(15, "info", name)) or 0  # 150 a second
            taken[name] += passed
            lost[name] += 15 - passed
    assert {name: lost[name] for name in quiet} == dict.fromkeys(quiet, 0)
    assert 20_000 <= taken["spam"] <= 25_000 and sum(taken.values()) <= 62_000


def test_in_one_request_of_many_components_only_what_is_over_is_left_out() -> None:
    receiver = Receiver(ManualClock(), events_per_second=100, burst_events=100)
    assert receiver.send(*events(100, "info", "spam")) == 100
    receiver.clock.advance(0.5)
    passed = receiver.send(*events(200, "info", "spam"), *events(5, "info", "cart"))
    assert passed is not None and 5 <= passed <= 55
    assert receiver.kept.count(("cart", "info")) == 5
    sources = {(name[1], name[2], name[3]): count.events for name, count in receiver.refusals.counts.items()}
    assert sources == {("component", "spam", "second"): 205 - passed}


def test_bytes_are_of_whoever_sent_them_also_in_one_request() -> None:
    own = {"small": ComponentLimits(bytes_per_day=20_000)}
    receiver = Receiver(ManualClock(), bytes_per_day=1_000_000, components=own)
    sent = [*events(5, None, "small"), *events(5, None, "big")]
    assert receiver.send(*sent, sizes=[100] * 5 + [20_000] * 5) == 10
    assert receiver.send(*events(190, None, "small"), size=100) == 190
    passed = [
        receiver.limiter.rule_each(
            Sender("shop"), (), [20] * 2 + [60_000] * 8, [*events(2, None, "good"), *events(8, None, "spam")]
        )
        for _ in range(30)
    ]
    assert all(gone.keys() <= set(range(2, 10)) for gone in passed) and len(passed[-1]) == 8


@pytest.mark.parametrize("size", [1, 50])
@pytest.mark.parametrize("others", [{}, {"component_events_per_second": 1e6}])
def test_of_a_day_those_who_sent_little_lose_nothing_to_one_that_sends_all(size: int, others: dict[str, float]) -> None:
    clock = ManualClock()
    receiver = Receiver(clock, events_per_day=1000 * size, **others)
    quiet = [f"g{number}" for number in range(5)]

    def quiet_pass() -> int:
        clock.advance(1)
        receiver.tick()
        return sum(receiver.send(*events(size, "info", name)) or 0 for _ in range(20) for name in quiet)

    assert quiet_pass() == 100 * size
    taken = 0
    for _ in range(60):
        clock.advance(0.5)
        receiver.tick()
        taken += receiver.send(*events(50 * size, "info", "bad")) or 0
    assert 400 * size <= taken <= 500 * size  # half of it is whoever's, of the rest it has a sixth
    assert quiet_pass() == 100 * size
    while receiver.send(*events(size, "info", "bad")) is not None:
        pass


def test_a_component_that_comes_when_a_day_is_spent_has_minutes_of_its_share() -> None:
    receiver = Receiver(ManualClock(), events_per_day=DAY)
    receiver.send(*events(DAY, "info", "bad"))
    assert receiver.send(*events(1, "info", "bad")) is None
    assert [receiver.send(*events(count, "info", "new")) for count in (150, 1)] == [150, None]


def test_a_flood_of_names_leaves_those_before_it_their_share() -> None:
    clock = ManualClock()
    receiver = Receiver(clock, events_per_second=SHARES_MAX * 10, burst_events=SHARES_MAX * 10)
    receiver.send(*events(SHARES_MAX * 8, "info", "cart"))
    lost = 0
    for number in range(2000):
        clock.advance(0.1)
        receiver.send(*events(50, "info", f"name-{number}"))
        if number % 2:
            lost += receiver.send(*events(1, "info", "cart")) != 1
    assert lost == 0


@pytest.mark.parametrize("names", [10**9, 1000])
@pytest.mark.parametrize("quiet", [2, 5])
def test_a_flood_of_names_costs_those_who_were_there_nothing(names: int, quiet: int) -> None:
    """names: come again after so many. Quiet ones take 40 % or all but a share of a limit that was never short."""
    clock = ManualClock()
    receiver = Receiver(clock, events_per_second=50)
    good = [f"good{number}" for number in range(quiet)]
    each = 20 // quiet if quiet == 2 else 8
    lost = dict.fromkeys(good, 0)

    def pass_(round_: int) -> None:
        clock.advance(1 / 15)
        if round_ % 8 == 0:
            receiver.tick()
        for place, name in enumerate(good):
            if (round_ + place) % 15 < each and receiver.send(*events(1, "info", name)) != 1:
                lost[name] += 1

    for round_ in range(6 * 15):
        pass_(round_)
    passed = 0  # of the flood
    for round_ in range(20 * 15):
        passed += receiver.send(*[(f"name{(round_ * 20 + n) % names}", "info") for n in range(20)]) or 0
        pass_(round_)
    assert lost == dict.fromkeys(good, 0)
    assert passed <= 20 * 50 + 500 - 20 * quiet * each


@pytest.mark.parametrize("limit", [10**12, 999_999_999_937])
def test_shares_of_a_large_limit_are_made_in_any_number(limit: int) -> None:
    receiver = Receiver(ManualClock(), events_per_day=limit, bytes_per_day=limit)
    for number in range(SHARES_MAX):
        receiver.clock.advance(0.1)
        assert receiver.send(*events(1, "info", f"name{number}")) == 1


def test_a_component_that_comes_after_a_flood_of_names_has_a_share_for_itself() -> None:
    clock = ManualClock()
    receiver = Receiver(clock, events_per_second=50)
    for number in range(300):
        clock.advance(0.1)
        receiver.send(*events(20, "info", "bad"), *events(20, "info", f"name{number}"))
    clock.advance(20)
    lost = 0
    for _ in range(600):
        clock.advance(0.1)
        receiver.tick()
        receiver.send(*events(20, "info", "bad"))
        lost += receiver.send(*events(2, "info", "new")) != 2  # 20 a second of its 25
    assert lost == 0


def test_errors_are_the_last_to_go_and_the_lowest_level_the_first() -> None:
    clock = ManualClock()
    limit = 100_000
    receiver = Receiver(clock, events_per_day=limit)
    assert receiver.send(*events(limit)) == limit
    assert receiver.send(*events(1)) is None  # over: grace begins
    for _ in range(26):
        clock.advance(3600)
        receiver.tick()
        receiver.send(*events(limit))
    kept: dict[str, int] = {}
    sent = 0
    for _ in range(400):
        clock.advance(1)
        wanted = [(None, level) for level in ("error", "warn", "info", "debug", "fatal")]
        sent += 1
        receiver.send(*wanted)
        for _component, level in receiver.kept:
            kept[str(level)] = kept.get(str(level), 0) + 1
    # 1.16 events a second come back and 0.116 for errors alone, 2 of 5 are errors
    assert kept.get("debug", 0) == 0 and kept.get("info", 0) == 0
    assert kept["error"] + kept["fatal"] >= 0.95 * sent
    assert kept.get("warn", 0) < kept["error"]


def test_errors_have_a_reserve_that_nobody_else_takes() -> None:
    receiver = Receiver(ManualClock(), events_per_second=10, burst_events=1000)
    assert receiver.send(*events(1000, "debug")) == 1000
    assert receiver.send(*events(1, "info")) is None
    assert receiver.send(*events(100, "error")) == 100
    receiver.send(*events(100, "error"))  # and a little debt before the others
    assert receiver.send(*events(1, "fatal")) is None


def test_a_day_over_the_limit_is_grace_and_slows_then_what_is_over_is_left_out() -> None:
    clock = ManualClock()
    receiver = Receiver(clock, events_per_day=DAY)  # one a second
    assert [receiver.send(*events(DAY)), receiver.send(*events(1))] == [DAY, None]
    receiver.tick()
    passed = 0
    for _ in range(1000):
        clock.advance(1)
        passed += receiver.send(*events(1)) or 0
        assert receiver.send(*events(1, "debug"), *events(1, "error", "x")) in (None, 2)  # nothing is left out
    assert passed >= 400
    for _ in range(25):
        clock.advance(3600)
        receiver.tick()
        for _ in range(4):
            receiver.send(*events(3600))
            clock.advance(0.1)
    clock.advance(5)
    found = receiver.send(*events(5, "debug"), *events(5, "error"))
    assert found == 5 and {level for _, level in receiver.kept} == {"error"}
    clock.advance(3 * DAY)  # nothing was refused meanwhile: all is forgotten
    receiver.tick()
    assert receiver.send(*events(DAY)) == DAY
    assert receiver.send(*events(5, "debug"), *events(500, "error")) is None
    assert receiver.limiter._of("shop").phase(clock.now_ns() / 1e9) == "grace"  # type: ignore[union-attr]


def test_a_receiver_that_starts_goes_on_with_what_was_used() -> None:
    clock, hours = ManualClock(), dict[str, int]()
    first = Receiver(clock, hours, events_per_day=1000, bytes_per_day=10**9)
    assert first.send(*events(900)) == 900
    first.tick()
    second = Receiver(clock, hours, events_per_day=1000, bytes_per_day=10**9)
    assert second.send(*events(200)) is None
    assert second.send(*events(90)) == 90
    second.tick()
    first.tick()
    first.tick()
    assert first.send(*events(50)) is None  # it has heard of the second's
    kept = usage.Hours.read("shop", hours, clock.now_ns())
    assert (usage.used(kept.events, clock.now_ns()), usage.used(kept.bytes, clock.now_ns())) == (990, 99_000)


def test_an_app_that_has_used_its_day_up_gets_nothing_by_a_restart_or_by_other_limits() -> None:
    clock, hours = ManualClock(), dict[str, int]()
    first = Receiver(clock, hours, events_per_day=1000)
    assert [first.send(*events(900)), first.send(*events(200))] == [900, None]
    first.tick()
    second = Receiver(clock, hours, ticks=0, events_per_day=1000)  # no exchange yet
    assert [second.send(*events(60)), second.send(*events(60))] == [60, None]
    change(second, events_per_day=1150)
    assert [second.send(*events(180)), second.send(*events(20))] == [180, None]
    change(second, events_per_day=500)
    for _ in range(3):
        assert second.send(*events(5)) is None
        second.tick()
    kept = usage.Hours.read("shop", hours, clock.now_ns())
    assert usage.used(kept.events, clock.now_ns()) == 1140  # what was let in before a change is told after it
    assert second.limiter._of("shop").phase(clock.now_ns() / 1e9) == "grace"  # type: ignore[union-attr]


def test_a_receiver_that_starts_counts_grace_from_when_it_began() -> None:
    clock, hours = ManualClock(), dict[str, int]()
    clock.advance(3600 - clock.now_ns() / 1e9 % 3600 + 56 * 60 + 7)
    began_s = int(clock.now_ns() / 1e9)
    first = Receiver(clock, hours, events_per_day=1000)
    assert [first.send(*events(1000)), first.send(*events(200))] == [1000, None]
    for _ in range(3):
        first.tick()
        first.send(*events(200))
        clock.advance(30)
    for _ in range(3):  # each goes on telling it, in the next hours too
        other = Receiver(clock, hours, events_per_day=1000)
        assert other.send(*events(500)) is None
        other.tick()
        assert usage.Hours.read("shop", hours, clock.now_ns()).over_since_s() == began_s
        clock.advance(1800)
    clock.advance(began_s + DAY - 1 - clock.now_ns() / 1e9)
    second = Receiver(clock, hours, events_per_day=1000)
    phases = [second.limiter._of("shop").phase(clock.now_ns() / 1e9 + after) for after in (0, 2)]  # type: ignore[union-attr]
    assert phases == ["grace", "over"]


def test_a_component_that_has_used_its_day_up_gets_nothing_by_a_restart_or_by_other_limits() -> None:
    clock, hours = ManualClock(), dict[str, int]()
    first = Receiver(clock, hours, components={"dbg": ComponentLimits(events_per_day=1000)})
    assert [first.send(*events(900, None, "dbg")), first.send(*events(200, None, "dbg"))] == [900, 100]
    first.tick()
    second = Receiver(clock, hours, ticks=0, components={"dbg": ComponentLimits(events_per_day=1000)})
    assert second.send(*events(60, None, "dbg")) is None
    change(second, components={"dbg": ComponentLimits(events_per_day=1100)})
    assert second.send(*events(200, None, "dbg")) == 100


def change(receiver: Receiver, **limits: Any) -> None:
    receiver.given.apps, receiver.given.known = {"shop": Limits(**limits)}, object()
    receiver.tick()


def test_bytes_of_a_day_are_a_limit_too() -> None:
    receiver = Receiver(ManualClock(), bytes_per_day=10_000)
    assert receiver.send(*events(90), size=100) == 90
    assert receiver.send(*events(20), size=100) is None


def test_a_component_has_limits_of_its_own() -> None:
    receiver = Receiver(
        ManualClock(), component_events_per_second=1,
        components={"big": ComponentLimits(events_per_second=0), "daily": ComponentLimits(events_per_day=50)},
    )  # fmt: skip
    assert [receiver.send(*events(10, None, "a")), receiver.send(*events(1, None, "a"))] == [10, None]
    assert receiver.send(*events(10, None, "b")) == 10
    assert receiver.send(*events(10_000, None, "big")) == 10_000
    assert [receiver.send(*events(10, None, "daily")) for _ in range(2)] == [10, None]
    assert receiver.send(*events(1, None, "a"), *events(1, None, "big")) == 1


@pytest.mark.parametrize("sent", [["g0"], ["bad", "g0"], ["g0", "g1", "g1"]])
def test_a_sender_that_waits_as_long_as_it_was_told_gets_in_though_shares_of_a_day_are_spent(sent: list[str]) -> None:
    clock = ManualClock()
    receiver = Receiver(clock, events_per_day=DAY)  # one a second
    receiver.send(*events(DAY // 2, "info", "bad"))
    for name in ("g0", "g1", "bad"):
        while receiver.send(*events(100, "info", name)) is not None:
            pass
    wanted = [(name, level) for name in sent for level in ("error", "info", "info", "debug")]
    while receiver.send(*wanted) is not None:
        pass
    assert receiver.refusal.retry_after_s > 3
    clock.advance(receiver.refusal.retry_after_s)
    assert receiver.send(*wanted) == len(wanted)


def test_a_component_over_its_own_day_limit_concerns_nobody_else() -> None:
    receiver = Receiver(
        ManualClock(), events_per_day=1000, components={"dbg": ComponentLimits(events_per_day=4)}
    )  # fmt: skip
    assert receiver.send(*events(4, None, "dbg")) == 4
    assert receiver.send(*events(1, None, "dbg"), *events(9, None, "ok")) == 9
    assert {component for component, _ in receiver.kept} == {"ok"}
    assert receiver.words == {"the component 'dbg' is over its events_per_day of 4"}
    assert receiver.send(*events(2, None, "dbg")) is None
    assert receiver.refusal.message == (
        "the component 'dbg' is over its events_per_day of 4; send it again in 3600 s"
    )  # fmt: skip
    receiver.clock.advance(12 * 3600)
    assert receiver.send(*events(3, None, "dbg")) == 2  # thinned, not held up for what is over
    assert receiver.limiter._of("shop").phase(receiver.clock.now_ns() / 1e9) == "within"  # type: ignore[union-attr]
    sources = {name[1:]: count.events for name, count in receiver.refusals.counts.items()}
    assert sources == {("component", "dbg", "day"): 4}


def phase(receiver: Receiver) -> str:
    return receiver.limiter._of("shop").phase(receiver.clock.now_ns() / 1e9)  # type: ignore[union-attr]


def test_a_component_that_has_used_its_share_of_a_day_does_not_put_the_app_over() -> None:
    receiver = Receiver(ManualClock(), events_per_day=300)
    assert receiver.send(*events(10, None, "b")) == 10
    taken = sum(receiver.send(*events(5, None, "a")) or 0 for _ in range(60))
    assert 210 <= taken <= 230
    assert receiver.send(*events(5, None, "a")) is None and phase(receiver) == "within"
    assert receiver.refusal.message == (
        f"the component 'a' has used its share of the app's events_per_day of 300; {290 - taken} are kept for the "
        f"others; send it again in {receiver.refusal.retry_after_s} s"
    )
    assert receiver.send(*events(5, None, "a"), *events(5, None, "b")) == 5
    assert (set(receiver.kept), len(receiver.words)) == ({("b", None)}, 1)
    assert phase(receiver) == "within"
    assert receiver.send(*events(100, None, "a")) is None and phase(receiver) == "grace"


def test_a_sender_that_waits_as_long_as_it_was_told_gets_in_while_the_share_alone_is_spent() -> None:
    receiver = Receiver(ManualClock(), events_per_day=DAY)
    receiver.send(*events(10, None, "b"))
    while receiver.send(*events(100, None, "a")) is not None:
        pass
    assert phase(receiver) == "within" and 3 < receiver.refusal.retry_after_s < 300
    receiver.clock.advance(receiver.refusal.retry_after_s)
    assert receiver.send(*events(100, None, "a")) == 100


def test_what_is_kept_of_a_day_for_one_that_is_silent_for_an_hour_is_free_again() -> None:
    receiver = Receiver(ManualClock(), events_per_day=300)
    receiver.send(*events(10, None, "b"))
    while receiver.send(*events(5, None, "a")) is not None:
        pass
    receiver.clock.advance(3601)
    receiver.tick()
    assert receiver.send(*events(70, None, "a")) == 70 and phase(receiver) == "within"


def test_no_more_of_a_day_is_kept_for_a_component_than_its_own_limit_lets_it_use() -> None:
    receiver = Receiver(
        ManualClock(), events_per_day=300, components={"dbg": ComponentLimits(events_per_day=3)}
    )  # fmt: skip
    assert [receiver.send(*events(3, None, "dbg")), receiver.send(*events(2, None, "dbg"))] == [3, None]
    assert sum(receiver.send(*events(5, None, "a")) or 0 for _ in range(59)) == 295
    assert receiver.send(*events(1, None, "dbg")) is None and phase(receiver) == "within"
    assert receiver.refusal.message.startswith("the component 'dbg' is over its events_per_day of 3; ")
    assert receiver.send(*events(5, None, "a")) is None and phase(receiver) == "grace"
    assert receiver.refusal.message.startswith("the app 'shop' is over its events_per_day of 300; ")


def test_of_a_component_over_its_own_limits_errors_are_the_last_to_go() -> None:
    clock = ManualClock()
    receiver = Receiver(
        clock, components={"dbg": ComponentLimits(events_per_day=100), "sec": ComponentLimits(events_per_second=0.1)}
    )  # fmt: skip
    assert receiver.send(*events(100, "info", "dbg")) == 100
    mixed = [*events(2, "info", "dbg"), *events(1, "fatal", "dbg")]
    assert (receiver.send(*mixed), receiver.kept) == (1, [("dbg", "fatal")])
    assert receiver.send(*events(9, "error", "dbg")) == 9  # a tenth of the limit, theirs alone
    assert receiver.send(*events(1, "error", "dbg")) is None and receiver.send(*events(1, "info", "dbg")) is None
    assert [receiver.send(*events(1, level, "sec")) for level in ("info", "info", "fatal")] == [1, None, 1]
    small = Receiver(clock, components={"dbg": ComponentLimits(events_per_day=4)})
    assert [small.send(*events(4, "info", "dbg")), small.send(*events(1, "error", "dbg"))] == [4, 1]


def test_bytes_of_a_day_are_a_limit_of_a_component_too() -> None:
    receiver = Receiver(ManualClock(), components={"big": ComponentLimits(bytes_per_day=10_000)})
    assert receiver.send(*events(90, None, "big"), size=100) == 90
    assert receiver.send(*events(20, None, "big"), *events(5, None, "small"), size=100) == 15
    assert receiver.words == {"the component 'big' is over its bytes_per_day of 10,000"}


def test_a_receiver_that_starts_goes_on_with_what_a_component_has_used() -> None:
    clock, hours = ManualClock(), dict[str, int]()
    limits = {"dbg": ComponentLimits(events_per_day=100, bytes_per_day=10**6)}
    first = Receiver(clock, hours, components=limits)
    assert first.send(*events(90, None, "dbg")) == 90
    first.tick()
    clock.advance(2)
    second = Receiver(clock, hours, components=limits)
    assert [second.send(*events(20, None, "dbg")), second.send(*events(2, None, "dbg"))] == [10, None]


def test_whoever_is_refused_is_told_which_limit_it_was_and_its_value() -> None:
    clock = ManualClock()
    receiver = Receiver(
        clock, events_per_second=1000, key_events_per_second=4, address_events_per_second=0.5,
        component_events_per_second=10,
    )  # fmt: skip

    def refused(count: int, **sender: str) -> str:
        clock.advance(600)
        while receiver.send(*events(count, None, "cart"), **sender) is not None:  # type: ignore[arg-type]
            pass
        return str(receiver.refusal.message)

    assert refused(10, key="k") == "this key is over its key_events_per_second of 4; send it again in 3 s"
    assert refused(2, address="a") == "this address is over its address_events_per_second of 0.5; send it again in 2 s"
    assert (
        refused(50) == "the component 'cart' is over its component_events_per_second of 10; send it again in 5 s"
    )  # fmt: skip
    app = Receiver(ManualClock(), bytes_per_day=5_000_000, events_per_second=50)
    assert [app.send(*events(500)), app.send(*events(1))] == [500, None]
    assert app.refusal.message == "the app 'shop' is over its events_per_second of 50; send it again in 1 s"
    app.clock.advance(DAY)
    assert [app.send(*events(1), size=5_000_000), app.send(*events(1))] == [1, None]
    assert app.refusal.message.startswith("the app 'shop' is over its bytes_per_day of 5,000,000; ")


@pytest.mark.parametrize("name", ["events", "key_events", "address_events", "component_events"])
@pytest.mark.parametrize("rate", [5e-324, 1e-300, 1e-5])
def test_the_smallest_rate_is_a_refusal_like_others(name: str, rate: float) -> None:
    receiver = Receiver(ManualClock(), **{f"{name}_per_second": rate})
    sent = events(1, None, "cart")
    assert [receiver.send(*sent, key="k", address="a") for _ in range(2)] == [1, None]
    assert receiver.refusal.retry_after_s == 3600
    assert all(len(line) < 150 for line in receiver.limiter.headers(Sender("shop")).split(b"\r\n"))


def test_keys_and_addresses_have_limits_and_a_million_of_them_take_bounded_memory() -> None:
    receiver = Receiver(ManualClock(), key_events_per_second=1, address_events_per_second=2)
    assert [receiver.send(*events(10), key="k1", address="a") for _ in range(2)] == [10, None]
    assert receiver.send(*events(10), key="k2", address="a") == 10
    assert receiver.send(*events(1), key="k3", address="a") is None
    for number in range(SENDERS_MAX * 2):
        receiver.send(
            *events(1), key="k4" if number < 5 else f"k{number}", address=f"10.0.{number >> 8}.{number & 255}"
        )
    assert len(receiver.limiter._senders) == SENDERS_MAX
    assert len(receiver.refusals.counts) <= 256 + 8


def test_apps_share_what_the_installation_takes() -> None:
    clock = ManualClock()
    receiver = Receiver(clock, total=100.0)
    receiver.send(*events(900), app="loud")
    lost = 0
    for _ in range(300):
        clock.advance(0.1)
        receiver.send(*events(50), app="loud")
        lost += receiver.send(*events(2), app="quiet") != 2
    assert lost == 0


def test_changed_limits_count_and_others_keep_what_they_have_used() -> None:
    receiver = Receiver(ManualClock(), events_per_second=10, burst_events=10)
    assert [receiver.send(*events(10)), receiver.send(*events(1))] == [10, None]
    receiver.given.known = object()
    receiver.tick()
    assert receiver.send(*events(1)) is None
    receiver.given.apps = {"shop": Limits(events_per_second=10, burst_events=50)}
    receiver.given.known = object()
    receiver.tick()
    assert [receiver.send(*events(41)), receiver.send(*events(40))] == [None, 40]


def test_a_receiver_that_starts_again_has_neither_the_reserve_for_errors_nor_forgets_a_debt() -> None:
    hours: dict[str, int] = {}
    receiver = Receiver(ManualClock(), hours, events_per_day=100)
    assert [receiver.send(*events(100)), receiver.send(*events(10, "error")), receiver.send(*events(1, "error"))] == [
        100, 10, None,
    ]  # fmt: skip
    receiver.tick()
    again = Receiver(receiver.clock, hours, events_per_day=100)
    assert [again.send(*events(1, "error")), again.send(*events(1))] == [None, None]

    hours = {}
    receiver = Receiver(ManualClock(), hours, events_per_day=100)
    assert receiver.send(*events(180)) == 180
    receiver.tick()
    receiver.clock.advance(DAY / 2)
    again = Receiver(receiver.clock, hours, events_per_day=100)
    assert again.send(*events(1)) is None


def test_a_change_of_limits_gives_nobody_another_burst() -> None:
    limits = {"events_per_second": 1, "burst_events": 100}
    own = {"api": ComponentLimits(events_per_second=0.5), "dbg": ComponentLimits(events_per_day=100)}
    receiver = Receiver(ManualClock(), **limits, component_events_per_second=1, components=own)
    assert [receiver.send(*events(5, None, "api")), receiver.send(*events(10, None, "web"))] == [5, 10]
    receiver.given.apps = {"shop": Limits(**limits, component_events_per_second=1, components=own | {
        "dbg": ComponentLimits(events_per_day=200)})}  # fmt: skip
    receiver.given.known = object()
    receiver.tick()
    assert [receiver.send(*events(1, None, "api")), receiver.send(*events(1, None, "web"))] == [None, None]
    assert b'"second";r=85;' in receiver.limiter.headers(Sender("shop"))


def test_the_headers_tell_how_much_is_left() -> None:
    receiver = Receiver(ManualClock(), events_per_day=DAY, events_per_second=10)
    receiver.send(*events(60))
    assert receiver.limiter.headers(Sender("shop")) == (
        b'RateLimit-Policy: "events-day";q=86400;w=86400;qu="events", "second";q=100;w=10;qu="events"\r\n'
        b'RateLimit: "events-day";r=86340;t=61, "second";r=40;t=7\r\n'
    )
    assert receiver.limiter.headers(Sender("other")) == b""


def test_the_headers_tell_of_key_address_and_the_tightest_component_too() -> None:
    receiver = Receiver(
        ManualClock(), key_events_per_second=4, address_events_per_second=2, component_events_per_second=100,
        components={"dbg": ComponentLimits(events_per_day=50, bytes_per_day=100_000)},
    )  # fmt: skip
    sent = [*events(9, None, "dbg"), *events(1, None, "cart")]
    assert receiver.send(*sent, key="k", address="a") == 10
    assert receiver.limiter.headers(Sender("shop", "k"), "a", sent) == (
        b'RateLimit-Policy: "key-second";q=40;w=10;qu="events", "address-second";q=20;w=10;qu="events", '
        b'"component-events-day";q=50;w=86400;qu="events"\r\n'
        b'RateLimit: "key-second";r=30;t=3, "address-second";r=10;t=6, '
        b'"component-events-day";r=41;t=15553;pk=:ZGJn:\r\n'
    )
    assert receiver.limiter.headers(Sender("shop"), "", events(1, None, "cart")).endswith(
        b'RateLimit: "component-second";r=999;t=1;pk=:Y2FydA==:\r\n'
    )


@pytest.mark.parametrize("level", ["ERROR", "err", " Critical ", "fatal"])
def test_a_level_is_known_by_its_usual_other_names(level: str) -> None:
    receiver = Receiver(ManualClock(), events_per_second=10, burst_events=1000)
    receiver.send(*events(1000, "debug"))
    assert receiver.send(*events(1, level)) == 1


def test_a_component_is_blocked_whatever_its_name_holds() -> None:
    receiver = Receiver(ManualClock())
    receiver.blocks.set("shop", Blocked((), (), {"a\ufffdb": "no"}))
    receiver.tick()
    assert receiver.send(*events(1, "info", "a\0b"), *events(1, "info", "ab")) == 1


def test_what_is_blocked_is_refused_with_its_reason_and_counted() -> None:
    receiver = Receiver(ManualClock())
    network = ipaddress.ip_network("192.0.2.0/24")
    receiver.blocks.set("shop", Blocked(((network, "a loop"),), (("abcd1234", "leaked"),), {"noisy": "too much"}))
    receiver.tick()
    assert receiver.limiter.looks_at_addresses and receiver.limiter.limits("shop") and not receiver.limiter.limits("o")
    for key, address, words in (("abcd1234ffffffff", "", "this key is blocked: leaked"), ("", "192.0.2.9", "a loop")):
        with pytest.raises(InputError, match=words) as caught:
            receiver.send(*events(3), key=key, address=address)
        assert (caught.value.status, caught.value.code) == (403, "blocked")
    sent = [*events(2, "info", "noisy"), *events(3, "info", "cart"), *events(1, None)]
    assert receiver.send(*sent, key="1111", address="198.51.100.1") == 4
    assert receiver.limiter.rule_each(Sender("shop"), ["192.0.2.1", "198.51.100.1"], [1, 1], events(2)) == {
        0: "blocked"
    }
    assert receiver.limiter.rule_each(Sender("shop", "abcd1234ffffffff"), (), [1, 1], events(2)) == {
        0: "blocked", 1: "blocked",
    }  # fmt: skip
    receiver.clock.advance(10)
    receiver.tick()
    hour, rows = receiver.exchange.refused
    assert hour == usage.hour_of(receiver.clock.now_ns())
    assert {(row.kind, row.source, row.why, row.events) for row in rows} == {
        ("key", "abcd1234ffffffff", "blocked", 5), ("address", "192.0.2.9", "blocked", 3),
        ("component", "noisy", "blocked", 2), ("address", "192.0.2.1", "blocked", 1),
    }  # fmt: skip


def test_an_address_over_its_limit_again_and_again_is_not_listened_to() -> None:
    receiver = Receiver(ManualClock(), address_events_per_second=1)
    receiver.given.any_address = True
    receiver.given.known = object()
    receiver.tick()
    assert receiver.send(*events(10), address="a") == 10
    for _ in range(100):
        assert receiver.send(*events(1), address="a") is None
    receiver.clock.advance(11)  # there are tokens again, but nobody looks
    assert receiver.send(*events(1), address="a") is None and 15 <= receiver.refusal.retry_after_s <= 30
    assert receiver.send(*events(1), address="b") == 1
    assert receiver.send(*events(1), app="other", address="a") == 1  # another app's limits are its own
    receiver.clock.advance(20)
    receiver.tick()
    assert receiver.send(*events(1), address="a") == 1


def test_an_address_that_guesses_keys_is_not_told_any_more_which_is_valid_and_is_counted() -> None:
    receiver = Receiver(ManualClock(), address_events_per_second=1)
    receiver.limiter.unknown("a")
    assert receiver.refusals.counts == {}  # nobody limits addresses
    receiver.given.any_address, receiver.given.known = True, object()
    receiver.tick()
    for _ in range(100):
        receiver.limiter.unknown("a")
    with pytest.raises(QuotaExceeded) as caught:
        receiver.limiter.unknown("a")
    assert receiver.send(*events(1), address="a") is None
    assert caught.value.message == receiver.refusal.message and caught.value.retry_after_s == 30
    receiver.limiter.unknown("b")
    assert {name: one.events for name, one in receiver.refusals.counts.items()} == {
        ("", "address", "a", "key"): 100, ("", "address", "a", "blocked"): 1, ("shop", "address", "a", "blocked"): 1,
        ("", "address", "b", "key"): 1,
    }  # fmt: skip
