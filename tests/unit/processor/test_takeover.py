"""Several processors: whoever dies, and whoever owns a partition then, everything is stored once and accounted for."""

import threading
import time
from pathlib import Path
from typing import Any, ClassVar

import pytest
from tests.unit.processor.test_worker import APP, NOW_NS, Bench, Crash, Dying, Fuse, Picky, _recorded, event

from logkeep.errors import BackendUnavailable
from logkeep.event import Event
from logkeep.processor import numbers, patience
from logkeep.processor.ledger import AppLedger, BatchIntent, State, pack_state, read_marks
from logkeep.processor.marks import GROUP
from logkeep.processor.worker import Processor
from logkeep.queue.memory import MemoryQueue
from logkeep.queue.port import LEADER, Mark, NotOwner
from logkeep.store.port import Batch
from logkeep.wiring_backend import udp_loss_of_marks


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def part(bench: Bench, *partitions: str, leads: bool = False) -> MemoryQueue:
    queue = bench.queue.joined()
    queue.own(*partitions, leads=leads)
    return queue


def drain_together(bench: Bench, *queues: MemoryQueue, **settings: Any) -> AppLedger:
    """Each queue's processor runs until nothing is left; the ledger of APP as the marks tell it."""
    processors = [bench.processor(queue, **settings) for queue in queues]
    failures: list[BaseException] = []
    threads = [threading.Thread(target=_recorded, args=(one.run, failures)) for one in processors]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + 30
    while any(bench.queue.lag(GROUP).values()) and not failures:
        assert time.monotonic() < deadline, "not drained in 30 s"
        time.sleep(0.001)
    for one in processors:
        one.stop()
    for thread in threads:
        thread.join(30)
    if failures:
        raise failures[0]
    return read_marks(bench.queue.marks(GROUP))[0][APP]


def send_some(bench: Bench) -> None:
    """What comes twice comes through one partition: which of two processors is first would be chance."""
    bench.send([event(0, id="a"), event(1), event(2, key="poison")], "http-0")
    bench.send([event(3, id="c"), event(4)], "http-1", batch_id="e" * 24, repeatable=True)
    bench.send([event(5, id="a"), event(6)], "http-0", rejected={"too_deep": 1})
    bench.send([event(3, id="c"), event(4)], "http-1", batch_id="e" * 24, repeatable=True)


WANTED = AppLedger(received=10, stored=5, rejected={"poison": 1, "too_deep": 1, "duplicate": 3})
STORED = ["k0", "k1", "k3", "k4", "k6"]


def test_two_share_the_work(bench: Bench) -> None:
    for number in range(20):
        bench.send([event(number)], f"http-{number % 2}")
    one, two = part(bench, "http-0", leads=True), part(bench, "http-1")
    assert drain_together(bench, one, two) == AppLedger(received=20, stored=20)
    assert {found["key"] for found in bench.events()} == {f"k{number}" for number in range(20)}


def test_what_one_was_killed_in_is_finished_in_parts_by_two(tmp_path: Path) -> None:
    died = 0
    for step in range(1, 40):
        bench = Bench(tmp_path / str(step))
        bench.store = Picky()
        send_some(bench)
        fuse = Fuse(step)
        first = part(bench, "http-0", "http-1", leads=True)
        try:
            run_for_long(bench, bench.processor(Dying(first, fuse), Dying(bench.store, fuse)))
        except Crash:
            died += 1
        ledger = drain_together(bench, part(bench, "http-1"), part(bench, "http-0", leads=True))
        assert (step, ledger) == (step, WANTED)
        assert (step, sorted(found["key"] for found in bench.events())) == (step, STORED)
    assert died > 10


def run_for_long(bench: Bench, processor: Processor) -> None:
    failure: list[BaseException] = []
    thread = threading.Thread(target=_recorded, args=(processor.run, failure))
    thread.start()
    deadline = time.monotonic() + 30
    while thread.is_alive() and any(bench.queue.lag(GROUP).values()):
        assert time.monotonic() < deadline
        time.sleep(0.001)
    processor.stop()
    thread.join(30)
    if failure:
        raise failure[0]


def test_what_one_has_in_hand_when_it_loses_a_partition_is_done_once(bench: Bench) -> None:
    bench.send([event(0), event(1)], "http-0")
    bench.send([event(2)], "http-1")
    loser = part(bench, "http-0", "http-1", leads=True)
    winner = part(bench)

    class Taking(Picky):
        """While the first batch is being written, a partition changes hands."""

        taken = False

        def write(self, batch: Any) -> None:
            super().write(batch)
            if not self.taken:
                self.taken = True
                loser.own("http-0", leads=True)
                winner.own("http-1")

    bench.store = Taking()
    assert drain_together(bench, loser, winner) == AppLedger(received=3, stored=3)
    assert {found["key"] for found in bench.events()} == {"k0", "k1", "k2"}


def test_a_write_that_failed_is_not_tried_again_once_a_successor_may_have_done_it(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patience, "RETRY_FIRST_S", 0.001)
    bench.send([event(0)], "http-0")
    loser, winner = part(bench, "http-0", leads=True), part(bench)

    class Away(Picky):
        tokens: ClassVar[list[str]] = []

        def write(self, batch: Any) -> None:
            self.tokens.append(batch.token)
            if len(self.tokens) == 1:  # and what was written by the other may have been erased before this one tries
                loser.own()
                winner.own("http-0", leads=True)
                raise BackendUnavailable("away")
            super().write(batch)

    bench.store = Away()
    assert drain_together(bench, loser, winner) == AppLedger(received=1, stored=1)
    assert len(Away.tokens) == 2


def test_a_commit_by_one_that_has_lost_the_partition_changes_nothing(bench: Bench) -> None:
    bench.send([event(0)])
    zombie = part(bench, "http-0", leads=True)
    before = zombie.owned(GROUP)
    zombie.own()
    with pytest.raises(NotOwner):
        zombie.commit(GROUP, {"http-0": Mark(1, b"stale")}, owner=before)
    assert bench.queue.marks(GROUP) == {}


def test_only_the_leader_judges_numbers_and_only_of_datagrams(bench: Bench) -> None:
    for partition in ("udp-0", "http-1"):
        lines = [event(n, app="key", component=partition, client="c", seq=n) for n in (1, 2, 5)]
        bench.send(lines, partition, app="" if partition == "udp-0" else APP, source=partition[:-2])
    leader, other = part(bench, "udp-0", leads=True), part(bench, "http-1")
    drain_together(bench, leader, other)
    missing = [
        {(row["component"], row["missing"]) for row in bench.processor(queue).udp_loss_rows(APP)}
        for queue in (leader, other)
    ]
    assert missing == [{("udp-0", 2)}, set()]


def test_the_last_numbers_before_a_quiet_time_are_told_to_other_processes(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(numbers, "LOSS_COMMIT_EVERY_S", 0.3)
    leader = bench.processor(part(bench, "udp-0", leads=True))
    thread = threading.Thread(target=leader.run)
    thread.start()
    try:
        for number in range(3):  # right after the numbers before it were kept, so too early to be kept at once
            line = event(number, app="key", component="w", client="c", seq=number)
            bench.send([line], "udp-0", app="", source="udp")
            deadline = time.monotonic() + 30
            while [row["received"] for row in udp_loss_of_marks(bench.queue, APP)] != [number + 1]:
                assert time.monotonic() < deadline, f"number {number} was not told"
                time.sleep(0.001)
    finally:
        leader.stop()
        thread.join(30)


@pytest.mark.parametrize("written", [False, True], ids=["not written yet", "written"])
def test_a_batch_begun_by_a_version_that_kept_one_intent_for_all_is_finished(bench: Bench, written: bool) -> None:
    bench.send([event(0), event(1)], "http-0")
    bench.send([event(2)], "udp-0")
    if written:
        bench.store.write(
            Batch("http-0:0-1,udp-0:0-1", [Event(APP, "s", "k0", "0", "number", 0.0, NOW_NS, NOW_NS, "x")])
        )
    before = State({APP: AppLedger(received=5, stored=5)}, BatchIntent({"http-0": (0, 1), "udp-0": (0, 1)}, [1], []))
    bench.queue.commit(GROUP, {LEADER: Mark(0, pack_state(before))})
    processor = bench.processor()
    assert bench.drain(processor) == AppLedger(received=8, stored=7, rejected={"duplicate": 1})
    assert [found["key"] for found in bench.events()] == (["k0"] if written else ["k0", "k2"])
