"""The feed in one process: in order, without gaps from the moment of following, bounded, and honest about the rest."""

from typing import Any

from tests.reading import make_event

from logkeep.event import Event
from logkeep.feed.hub import EVENT_OVERHEAD_BYTES, Hub
from logkeep.feed.port import Arrivals, Listener


def batch(first: int, count: int, **fields: Any) -> list[Event]:
    return [make_event(0, "x" * 10, id=f"e{place}", arrival=place, **fields) for place in range(first, first + count)]


def heard(listener: Listener) -> list[tuple[str, list[int], int, int]]:
    found = []
    while (arrivals := listener.next(0)) is not None:
        found.append((arrivals.app, [event.arrival for event in arrivals.events], arrivals.missed, arrivals.last))
    return found


def test_what_is_published_after_following_is_heard_and_nothing_before() -> None:
    hub = Hub(5)
    listener = hub.listen()
    hub.publish(batch(10, 2))
    assert listener.follow("shop") == hub.position() == 11
    hub.publish(batch(20, 2))
    hub.publish(batch(30, 1, app="other"))
    hub.publish([*batch(40, 1, app="other"), *batch(41, 1)])
    listener.unfollow("shop")
    hub.publish(batch(50, 1))
    assert heard(listener) == [("shop", [20, 21], 0, 21), ("shop", [41], 0, 41)]
    assert hub.position() == 50


def test_a_position_never_goes_back() -> None:
    hub = Hub()
    hub.begin_at(100)
    hub.begin_at(50)
    hub.publish(batch(3, 1))
    assert hub.position() == 100


def test_a_listener_that_is_behind_keeps_the_first_and_is_told_how_many_it_missed() -> None:
    hub = Hub(events_max=5)
    listener = hub.listen()
    listener.follow("shop")
    hub.publish(batch(1, 3))
    hub.publish(batch(10, 4))
    hub.publish(batch(20, 7))
    first = listener.next(0)
    assert first == Arrivals("shop", first.events, 0, 3) and len(first.events) == 3  # type: ignore[union-attr]
    hub.publish(batch(30, 2))
    assert heard(listener) == [("shop", [10, 11], 0, 13), ("shop", [30, 31], 9, 31)]
    hub.publish(batch(40, 9))
    assert heard(listener) == [("shop", [40, 41, 42, 43, 44], 0, 48), ("shop", [], 4, 48)]


def test_what_waits_is_bounded_in_bytes_attributes_among_them() -> None:
    each = EVENT_OVERHEAD_BYTES + 10 + len('{"text":"","number":5}') + 90
    hub = Hub(bytes_max=2 * each)
    listener = hub.listen()
    listener.follow("shop")
    hub.publish(batch(1, 4, attributes={"text": "y" * 90, "number": 5}))
    assert heard(listener) == [("shop", [1, 2], 0, 4), ("shop", [], 2, 4)]


def test_a_closed_listener_hears_no_more_and_others_do() -> None:
    hub = Hub()
    gone, stays = hub.listen(), hub.listen()
    for listener in (gone, stays):
        listener.follow("shop")
    gone.close()
    hub.publish(batch(1, 1))
    assert (heard(gone), heard(stays)) == ([], [("shop", [1], 0, 1)])
