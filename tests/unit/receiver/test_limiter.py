"""How much an app may send: buckets, bursts, grace, errors first, restarts. Times are told, not waited for."""

import pytest
from tests.limiting import DAY, Receiver, change, events

from logkeep.clock import ManualClock
from logkeep.counters import usage
from logkeep.metastore.limits import ComponentLimits, Limits
from logkeep.receiver.sender_limits import Sender


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


def test_bytes_of_a_day_are_a_limit_too() -> None:
    receiver = Receiver(ManualClock(), bytes_per_day=10_000)
    assert receiver.send(*events(90), size=100) == 90
    assert receiver.send(*events(20), size=100) is None


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
