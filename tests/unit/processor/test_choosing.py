"""Which session an event without one gets, by the time of the event."""

import random
from collections.abc import Sequence

import pytest

from logkeep.clock import NS_PER_S
from logkeep.metastore.session_map import Span
from logkeep.processor.choosing import Bounds, Timeline, at_last, certain, joined

BOUNDS = Bounds(300 * NS_PER_S, 86_400 * NS_PER_S, 600 * NS_PER_S)


def span(session: str, from_s: float, last_s: float) -> Span:
    return Span(session, int(from_s * NS_PER_S), int(last_s * NS_PER_S))


def at(time_s: float, device: list[Span] | None, user: list[Span] | None = None) -> tuple[str | None, str | None]:
    """What is certain at once, and what is given at last."""
    known = Timeline.of(device) if device is not None else None, Timeline.of(user or [])
    time_ns = int(time_s * NS_PER_S)
    return certain(*known, time_ns, BOUNDS), at_last(*known, time_ns, BOUNDS)


ONE_AFTER_THE_OTHER = [span("one", 1000, 1500), span("two", 1600, 1700)]
OVERLAPPING = [span("outer", 1000, 3000), span("inner", 1500, 1600)]
DAYS = 24 * 3600


@pytest.mark.parametrize(
    ("time_s", "spans", "session"),
    [
        (1000, ONE_AFTER_THE_OTHER, "one"),
        (1599.999999999, ONE_AFTER_THE_OTHER, "one"),
        (1600, ONE_AFTER_THE_OTHER, "two"),
        (2000, ONE_AFTER_THE_OTHER, "two"),
        (950, ONE_AFTER_THE_OTHER, "one"),  # just before it was told
        (1499, OVERLAPPING, "outer"),
        (1500, OVERLAPPING, "inner"),
        (1900, OVERLAPPING, "inner"),
        (1901, OVERLAPPING, "outer"),
        (3300, OVERLAPPING, "outer"),
        (5, [span("b", 5, 5), span("a", 5, 5)], "b"),  # in whatever order they are known
        (5, [span("a", 5, 5), span("b", 5, 5)], "b"),
    ],
)
def test_the_session_that_goes_on_is_certain(time_s: float, spans: list[Span], session: str) -> None:
    assert at(time_s, spans) == at(time_s, None, spans) == (session, session)


@pytest.mark.parametrize(
    ("time_s", "spans", "session"),
    [
        (1000, [], None),
        (2001, ONE_AFTER_THE_OTHER, "two"),  # a newer one may still be told
        (1700 + DAYS, ONE_AFTER_THE_OTHER, "two"),
        (1701 + DAYS, ONE_AFTER_THE_OTHER, None),
        (400, ONE_AFTER_THE_OTHER, "one"),
        (399, ONE_AFTER_THE_OTHER, None),
        (2400, [span("before", 1000, 2000), span("after", 2600, 2700)], "after"),
        (2400, [span("before", 1000, 2099), span("after", 2701, 2800)], "after"),
        (2400, [span("before", 1000, 2099), span("after", 2702, 2800)], "before"),
    ],
)
def test_else_the_nearest_is_given_at_last(time_s: float, spans: list[Span], session: str | None) -> None:
    assert at(time_s, spans) == at(time_s, None, spans) == (None, session)


def test_a_user_decides_between_sessions_of_a_device_and_alone_only_at_last() -> None:
    anna, ben, elsewhere = span("anna", 0, 100), span("ben", 50, 100), span("elsewhere", 60, 100)
    assert at(80, [anna, ben], [anna, elsewhere]) == ("anna", "anna")
    assert at(80, [anna, ben], [elsewhere]) == ("ben", "ben")
    assert at(80, None, [anna, elsewhere]) == ("elsewhere", "elsewhere")
    assert at(80, [], [elsewhere]) == (None, "elsewhere")


def test_in_whatever_order_spans_are_told_the_same_session_is_found() -> None:
    chance = random.Random(6)
    bounds = Bounds(30, 10_000, 60, settle_ns=5)
    for _ in range(2000):
        told = [
            Span(chance.choice("abcd"), start, start + chance.randrange(40)) for start in chance.sample(range(99), 6)
        ]
        user = [Span(chance.choice("abcd"), 0, 200) for _ in range(chance.randrange(3))]
        time_ns, age_ns = chance.randrange(140), chance.choice((0, 5))
        for device, own in ((None, told), (told, user)):
            found = {
                certain(Timeline.of(shuffled(chance, device)) if device else None, Timeline.of(shuffled(chance, own)),
                        time_ns, bounds, age_ns=age_ns)
                for _ in range(3)
            }  # fmt: skip
            assert found == {by_the_rule(device, own, time_ns, 30 if age_ns else 0, settled=age_ns > 0)}


def shuffled(chance: random.Random, spans: Sequence[Span]) -> list[Span]:
    return chance.sample(spans, len(spans))


def by_the_rule(
    device: list[Span] | None, user: list[Span], time_ns: int, idle_ns: int, *, settled: bool
) -> str | None:
    """Of those that go on the one that began last, of the user's if any is; else what begins within a minute."""
    known: dict[str, Span] = {}
    for span in user if device is None else device:
        known[span.session] = joined(known.get(span.session, span), span)
    going = [span for span in known.values() if span.from_ns <= time_ns <= span.last_ns + idle_ns]
    if device is not None:
        going = [span for span in going if span.session in {one.session for one in user}] or going
    if going:
        return max(going, key=lambda span: (span.from_ns, span.last_ns, span.session)).session
    coming = [span for span in known.values() if span.from_ns > time_ns] if settled else []
    return min(coming, key=lambda span: (span.from_ns, span.last_ns, span.session)).session if coming else None


def test_of_too_many_sessions_those_heard_of_last_are_kept() -> None:
    timeline = Timeline.of([span("long", 0, 900), span("gone", 10, 20), span("new", 800, 850)])
    timeline.keep_newest(2)
    assert [one.session for one in timeline.spans] == ["long", "new"]
