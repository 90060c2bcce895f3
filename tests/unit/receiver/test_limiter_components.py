"""What components have of an app's limits: shares of their own, and limits of their own."""

import pytest
from tests.limiting import DAY, Receiver, change, events

from logkeep.clock import ManualClock
from logkeep.counters.buckets import SHARES_MAX
from logkeep.metastore.limits import ComponentLimits
from logkeep.receiver.sender_limits import Sender


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


def test_a_component_that_has_used_its_day_up_gets_nothing_by_a_restart_or_by_other_limits() -> None:
    clock, hours = ManualClock(), dict[str, int]()
    first = Receiver(clock, hours, components={"dbg": ComponentLimits(events_per_day=1000)})
    assert [first.send(*events(900, None, "dbg")), first.send(*events(200, None, "dbg"))] == [900, 100]
    first.tick()
    second = Receiver(clock, hours, ticks=0, components={"dbg": ComponentLimits(events_per_day=1000)})
    assert second.send(*events(60, None, "dbg")) is None
    change(second, components={"dbg": ComponentLimits(events_per_day=1100)})
    assert second.send(*events(200, None, "dbg")) == 100


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
