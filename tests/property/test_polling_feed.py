"""A feed that looks into the store: whatever two processors do, nothing is missed and nothing is told twice."""

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.property.strategies import events
from tests.reading import NOW_NS, make_event

from logkeep.clock import NS_PER_S, ManualClock
from logkeep.event import Event
from logkeep.feed import polling
from logkeep.feed.polling import OVERLAP_NS, PollingFeed
from logkeep.feed.port import NOT_YET
from logkeep.query.ast import All
from logkeep.store.memory import MemoryStore
from logkeep.store.page import event_json, event_of_json
from logkeep.store.port import ArrivedRequest, Batch
from logkeep.store.reading import Reading

# A processor numbers a batch, and later it becomes visible: two steps, and those of two processors in any order. Few
# different pauses, so that arrivals of the two are the same now and then.
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("number"), st.integers(0, 1), st.integers(1, 3)),
        st.tuples(st.just("show"), st.integers(0, 1), st.just(0)),
        st.tuples(st.just("look"), st.just(0), st.just(0)),
        st.tuples(st.just("pause"), st.just(0), st.sampled_from([0, 1, 2, NS_PER_S, 2 * NS_PER_S])),
    ),
    max_size=60,
)


@pytest.fixture(scope="module", autouse=True)
def small_pages() -> Iterator[None]:
    """So that events of the same arrival stand at the end of one now and then."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(polling, "PAGE_EVENTS", 4)
        yield


class World:
    """A store, two processors, and a feed that nobody runs but `look`."""

    def __init__(self) -> None:
        self.clock = ManualClock(NOW_NS)
        self.store = MemoryStore(clock=self.clock)
        self.feed = PollingFeed(self.store, self.clock, poll_s=3600)
        self.feed._thread = self  # type: ignore[assignment]  # nothing starts by itself
        self.listener = self.feed.listen()
        self.numbered: tuple[list[list[Event]], list[list[Event]]] = ([], [])
        self.last = [0, 0]
        self.made = 0
        self.heard: list[Event] = []

    def number(self, processor: int, count: int, app: str = "shop") -> None:
        first = max(self.clock.now_ns(), self.last[processor] + 1)
        batch = []
        for place in range(first, first + count):
            self.made += 1
            batch.append(make_event(0, f"{self.made}", id=f"e{self.made}", arrival=place, app=app))
        self.last[processor] = first + count - 1
        self.numbered[processor].append(batch)

    def show(self, processor: int) -> list[Event]:
        """The oldest batch of the processor becomes visible."""
        if not self.numbered[processor]:
            return []
        batch = self.numbered[processor].pop(0)
        self.store.write(Batch(batch[0].id, batch))
        return batch

    def look(self) -> None:
        self.feed.look()
        while (arrivals := self.listener.next(0)) is not None:
            assert arrivals.missed == 0 and arrivals.app == "shop"
            self.heard += arrivals.events

    def is_old(self) -> bool:
        """A batch has waited for so long that the feed may not see it any more."""
        oldest = min((batches[0][0].arrival for batches in self.numbered if batches), default=self.clock.now_ns())
        return self.clock.now_ns() - oldest > OVERLAP_NS - 2 * NS_PER_S

    def step(self, what: str, processor: int, number: int) -> list[Event]:
        """What became visible."""
        if what == "number":
            self.number(processor, number)
        elif what == "show":
            return self.show(processor)
        elif what == "look":
            self.look()
        else:
            self.clock.advance(number / NS_PER_S)
            if self.is_old():
                return self.show(0) + self.show(1)
        return []


@given(before=STEPS, after=STEPS)
def test_everything_that_becomes_visible_is_told_once_in_the_order_of_its_places(before: Any, after: Any) -> None:
    world = World()
    for step in before:
        world.step(*step)
    world.listener.follow("shop")
    world.look()
    assert world.feed.is_followed("shop") and world.heard == []
    shown: list[Event] = []
    for step in after:
        shown += world.step(*step)
    while world.numbered[0] or world.numbered[1]:
        shown += world.show(0) + world.show(1)
    world.look()
    assert sorted(event.id for event in world.heard) == sorted(event.id for event in shown)
    places = [event.arrival for event in world.heard]
    assert places == sorted(set(places))
    assert world.feed.position("shop") == (places[-1] if places else world.feed.position("shop"))


@given(before=STEPS, after=STEPS, attach_at=st.integers(0, 60))
def test_what_a_replay_finds_and_what_is_told_are_together_everything_once(
    before: Any, after: Any, attach_at: int
) -> None:
    """A reader that comes back gets from the store what has its place up to a position, and is told the rest."""
    world = World()
    for step in before:
        world.step(*step)
    world.listener.follow("shop")
    world.look()
    for step in after[:attach_at]:
        world.step(*step)
    position = world.feed.position("shop")
    found = world.store.arrived(Reading(), ArrivedRequest("shop", All(), 0, position, 10_000))
    places = {
        event_of_json(each.event).id: world.feed.place("shop", each.arrival, event_of_json(each.event).id)
        for each in found
    }
    replayed = [event_id for event_id, place in places.items() if place <= position]
    assert all(place <= position or place == NOT_YET for place in places.values())
    for step in after[attach_at:]:
        world.step(*step)
    while world.numbered[0] or world.numbered[1]:
        world.show(0)
        world.show(1)
    world.look()
    told = [event.id for event in world.heard if event.arrival > position]
    everything = world.store.arrived(Reading(), ArrivedRequest("shop", All(), 0, 1 << 62, 10_000))
    assert sorted([*replayed, *told]) == sorted(event_of_json(each.event).id for each in everything)


@given(events(min_size=1))
def test_an_event_comes_back_from_its_json_as_it_was(drawn: list[Event]) -> None:
    for event in drawn:
        event.own_id, event.pattern, event.arrival = False, "", 0
        assert event_of_json(event_json(event)) == event
