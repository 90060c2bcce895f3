"""Live tail of an API that hears of events by looking into the store: two processors write, readers come and go."""

from collections.abc import Iterator
from contextlib import ExitStack

import httpx
import pytest
from tests.reading import NOW_NS, READ, Reading, make_event, served
from tests.service import wait_for
from tests.sse import Reader

from logkeep.api import tail
from logkeep.clock import NS_PER_MS, NS_PER_S
from logkeep.feed.polling import OVERLAP_NS


class Instances:
    """Two APIs on one store, and what processors write into it."""

    def __init__(self, stack: ExitStack) -> None:
        first = Reading(poll_s=0.02)
        second = Reading(store=first.store, poll_s=0.02)
        self.readings = (first, second)
        self.urls = [stack.enter_context(served(reading.app)) for reading in self.readings]
        self._stack = stack

    def open(self, instance: int = 0, last_id: str = "", query: str = "") -> Reader:
        headers = READ | ({"Last-Event-ID": last_id} if last_id else {})
        reader = Reader(self.urls[instance], headers, query=query)
        self._stack.callback(reader.close)
        return reader if last_id else reader.begin()

    def write(self, event_id: str, at_ms: int, **fields: str) -> None:
        """An event numbered at this time becomes visible now."""
        fields = {"pattern": "", **fields}
        self.readings[0].write([make_event(0, event_id, id=event_id, arrival=NOW_NS + at_ms * NS_PER_MS, **fields)])

    def advance(self, seconds: float) -> None:
        for reading in self.readings:
            reading.clock.advance(seconds)


@pytest.fixture
def instances() -> Iterator[Instances]:
    with ExitStack() as stack:
        yield Instances(stack)


def ids(reader: Reader, count: int) -> list[str]:
    return [event["id"] for event in reader.events(count)]


def test_every_instance_tells_what_any_processor_writes_late_ones_too(instances: Instances) -> None:
    instances.write("before", 0)
    readers = [instances.open(0), instances.open(1), instances.open(1, query='"b"')]
    instances.write("a", 1000)
    assert [ids(reader, 1) for reader in readers[:2]] == [["a"], ["a"]]
    instances.write("b", 500)  # numbered by another processor before, and visible only now
    instances.write("c", 1500, pattern="0123abcd")
    assert [sorted(ids(reader, 2)) for reader in readers[:2]] == [["b", "c"], ["b", "c"]]
    assert ids(readers[2], 1) == ["b"]
    by_pattern = instances.open(0, query="pattern:0123abcd")
    instances.write("d", 1600, pattern="0123abcd")
    assert ids(by_pattern, 1) == ["d"]


def test_who_comes_back_to_another_instance_misses_nothing(instances: Instances) -> None:
    reader = instances.open(0)
    instances.write("a", 1000)
    instances.write("b", 20_000)
    assert sorted(ids(reader, 2)) == ["a", "b"]
    reader.close()
    instances.write("late", 19_000)
    instances.write("c", 21_000)
    instances.advance(22)
    again = instances.open(1, last_id=str(NOW_NS + 20_000 * NS_PER_MS))
    # What was numbered within the overlap before its place may come again; clients know it by its id.
    assert ids(again, 3) == ["late", "b", "c"]
    instances.write("d", 22_000)
    instances.write("later", 20_500)
    assert sorted(ids(again, 2)) == ["d", "later"]


def test_a_replay_tells_all_events_of_one_arrival_whatever_page_they_fall_on(
    instances: Instances, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tail, "PAGE_EVENTS", 2)
    sent = [("a", 1), ("b", 2), ("c", 2), ("d", 3), ("e", 4), ("f", 5), ("g", 5)]  # two processors were at 2, and at 5
    for event_id, at_ms in sent:
        instances.write(event_id, at_ms)
    reader = instances.open(1, last_id=str(NOW_NS))
    assert sorted(ids(reader, len(sent))) == [event_id for event_id, _ in sent]
    instances.write("h", 1000)
    assert ids(reader, 1) == ["h"]


def test_a_place_from_nowhere_is_told_and_the_tail_begins_now(instances: Instances) -> None:
    instances.write("a", 0)
    reader = instances.open(0, last_id=str(NOW_NS + 2 * OVERLAP_NS + 60 * NS_PER_S))
    notice = reader.next()
    assert notice is not None and notice.event == "dropped" and b"unknown_position" in notice.data
    instances.write("b", 1000)
    assert ids(reader, 1) == ["b"]


def test_a_store_that_does_not_answer_is_told_and_readers_that_are_there_go_on_afterwards(
    instances: Instances, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tail, "FOLLOW_S", 0.2)
    reader = instances.open(0)
    store = instances.readings[0].store
    kept = (store.arrived, store.newest_arrived)
    instances.readings[0].break_store()
    with httpx.Client(timeout=30) as client:
        answer = client.get(f"{instances.urls[1]}/api/v1/tail", headers=READ)
    assert b"event: error" in answer.content and b"unavailable" in answer.content
    store.arrived, store.newest_arrived = kept  # type: ignore[method-assign]
    instances.write("a", 1000)
    assert ids(reader, 1) == ["a"]


def test_the_store_is_asked_only_while_somebody_tails(instances: Instances) -> None:
    feed = instances.readings[0]._polling
    assert feed is not None
    reader = instances.open(0)
    assert list(feed._apps) == ["shop"]
    reader.close()
    instances.write("a", 1000)  # a reader that has gone is noticed with the next thing to send
    wait_for(lambda: not feed._apps, 20, "the reader to be gone")
