"""Events without a session: they get the right one, once, whoever processes them and whatever is killed."""

import threading
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.service import wait_for
from tests.unit.processor.test_erasure import confirm, done, run_until_done
from tests.unit.processor.test_worker import APP, NOW_NS, TELEMETRY, Bench, Crash, Dying, Fuse

from logkeep.clock import NS_PER_S, ManualClock
from logkeep.metastore.database import Transaction
from logkeep.metastore.session_map import spans_of, who_of
from logkeep.metastore.sqlite import SqliteDatabase
from logkeep.processor.ledger import AppLedger, NoticeLedger
from logkeep.processor.marks import GROUP
from logkeep.processor.sessions import SessionMap
from logkeep.processor.worker import Processor
from logkeep.settings import SessionMapSettings


def ns(seconds: float) -> int:
    return NOW_NS + int(seconds * NS_PER_S)


class StillClock(ManualClock):
    """Whoever sleeps does so in the world's time: this one does not move."""

    def sleep(self, seconds: float) -> None:
        time.sleep(min(seconds, 0.002))


class Room(Bench):
    """A bench whose time stands still until it is moved."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.clock = StillClock(now_ns=NOW_NS)

    def at(self, seconds: float) -> "Room":
        self.clock.advance((ns(seconds) - self.clock.now_ns()) / NS_PER_S)
        return self

    def tell(self, **session: Any) -> None:
        self.send([session], kind="sessions", received_ns=self.clock.now_ns())

    def log(self, key: str, seconds: float, **names: Any) -> None:
        event = {"key": key, "value": 1, "time": ns(seconds), **names}
        self.send([event], received_ns=self.clock.now_ns())

    def process(self, processor: Processor | None = None) -> dict[str, str]:
        """Everything is processed that can be now: the session of each key."""
        processor = processor or self.processor(clock=self.clock)
        processor._waiting_room._look_ns = 0
        self.ledger_now = self.drain(processor)
        processor._load()
        processor._waiting_room._look_ns = 0
        processor._waiting_room.release_if_due(processor._batches.release)
        self.ledger_now, self.queued = self.ledger()
        return {found["key"]: found["session"] for found in self.events()}


@pytest.fixture
def room(tmp_path: Path) -> Room:
    return Room(tmp_path)


def test_an_event_gets_the_session_that_its_device_or_user_has_at_its_time(room: Room) -> None:
    room.tell(session="one", device="d", user="anna")
    room.at(100).tell(session="two", device="d", user="ben", time=ns(50))
    room.log("before", 49.999, device="d")
    room.log("after", 50, device="d")
    room.log("annas", 60, user="anna")
    room.log("bens on that device", 40, device="d", user="ben")
    found = room.process()
    assert found == {"before": "one", "after": "two", "annas": "one", "bens on that device": "one"}
    assert room.ledger_now == AppLedger(4, 4, notices={"sessions": NoticeLedger(2, 2)})


def test_events_with_a_session_tell_the_map_too(room: Room) -> None:
    room.log("told", 0, session="s", terminal="d", user="u")
    room.log("in the same batch", 1, device="d")
    assert room.process() == {"told": "s", "in the same batch": "s"}
    room.at(30).log("after a restart", 30, user="u")
    assert room.process()["after a restart"] == "s"


@pytest.mark.parametrize(("late_s", "stored"), [(599, True), (601, False)])
def test_a_session_may_be_told_up_to_ten_minutes_late(room: Room, late_s: float, stored: bool) -> None:
    room.log("k", 0, device="d")
    assert room.process() == {} and (room.queued, room.ledger_now.waiting) == (1, 1)
    room.at(late_s)
    if late_s > 600:
        room.process()
    room.tell(session="s", device="d", time=ns(-5))
    assert room.process() == ({"k": "s"} if stored else {})
    told = {"sessions": NoticeLedger(1, 1)}
    want = AppLedger(1, 1, notices=told) if stored else AppLedger(1, 0, {"missing_session": 1}, notices=told)
    assert (room.ledger_now, room.queued) == (want, 0)
    samples = [msgspec.json.decode(line) for line in room.samples.rejected(APP).newest(9)]
    assert [sample["reason"] for sample in samples] == ([] if stored else ["missing_session"])


def test_a_session_that_was_not_heard_of_lately_is_given_only_when_no_newer_one_comes(room: Room) -> None:
    room.tell(session="old", device="d")
    room.tell(session="old", device="e")
    room.at(1000)
    room.log("new one comes", 1000, device="d")
    room.log("none comes", 1000, device="e")
    assert room.process() == {}
    room.at(1030).tell(session="new", device="d", time=ns(999))
    assert room.process() == {"new one comes": "new"}
    assert room.at(1601).process() == {"new one comes": "new", "none comes": "old"}


def test_an_event_sent_twice_with_its_id_is_stored_once_though_it_waits(room: Room) -> None:
    room.log("k", 0, device="d", id="mine")
    room.process()
    room.log("k", 0, device="d", id="mine")
    room.process()
    room.tell(session="s", device="d")
    assert room.process() == {"k": "s"}
    assert room.ledger_now.rejected == {"duplicate": 1} and room.ledger_now.stored == 1


def test_the_waiting_room_is_bounded(room: Room) -> None:
    settings = SessionMapSettings(waiting_events_max=3)
    processor = room.processor(clock=room.clock)
    processor._waiting_room._settings = settings
    for number in range(5):
        room.log(f"k{number}", 0, device="d")
    room.process(processor)
    assert (room.ledger_now.waiting, room.ledger_now.rejected, room.queued) == (3, {"missing_session": 2}, 3)


def test_killed_at_every_step_every_event_is_stored_once_and_accounted(tmp_path: Path) -> None:
    died = 0
    for step in range(1, 40):
        room = Room(tmp_path / str(step))
        room.log("known", 0, device="d")
        room.log("waits", 0, device="e", id="mine")
        room.log("never", 0, user="nobody")
        room.tell(session="s", device="d")
        for late_s, told in ((1, ""), (300, "t"), (700, "")):
            room.at(late_s)
            if told:
                room.tell(session=told, device="e", time=ns(0))
            for _ in range(3):
                fuse = Fuse(step)
                processor = room.processor(Dying(room.queue, fuse), Dying(room.store, fuse), clock=room.clock)
                try:
                    room.process(processor)
                    break
                except Crash:
                    died += 1
            found = room.process()
        assert (step, found) == (step, {"known": "s", "waits": "t"})
        want = AppLedger(3, 2, {"missing_session": 1}, notices={"sessions": NoticeLedger(2, 2)})
        assert (step, room.ledger_now, room.queued) == (step, want, 0)
    assert died > 30


def test_ten_processors_agree_whatever_comes_in_which_order(tmp_path: Path) -> None:
    """Each has a partition; sessions follow each other at once, are told in one, and asked for in others, before and
    after: what may still change waits."""
    bench, devices, moments = Bench(tmp_path), 12, 8
    for device in range(devices):
        for moment in range(moments):
            name, session = f"d{device}", f"s{device}-{moment // 2}"
            start = moment // 2 * 100
            bench.send([{"session": session, "device": name, "time": ns(start)}], f"http-{(device + moment) % 10}",
                       kind="sessions", received_ns=ns(500))  # fmt: skip
            lacking = {"key": f"{session}:{moment}", "value": 1, "device": name, "time": ns(start + moment % 2 * 99.5)}
            bench.send([lacking], f"http-{(device * 7 + moment * 3) % 10}", received_ns=ns(500))
    queues = [bench.queue.joined() for _ in range(10)]
    bench.queue.own()
    for number, queue in enumerate(queues):
        queue.own(f"http-{number}", leads=number == 0)
    clock = StillClock(now_ns=ns(500))
    processors = []
    for queue in reversed(queues):
        bench.database = SqliteDatabase(tmp_path / "metastore.db", timeout_s=30)
        processors.append(bench.processor(queue, clock=clock, session_map=SessionMapSettings(settle_s=30)))
    threads = [threading.Thread(target=processor.run, daemon=True) for processor in processors]
    for thread in threads:
        thread.start()
    wait_for(lambda: not any(queues[0].lag(GROUP).values()), 60, "an empty queue")
    clock.advance(30)

    def all_are_there() -> bool:
        clock.advance(1)
        return len(bench.events()) == devices * moments

    wait_for(all_are_there, 200, "all events", lambda: str(len(bench.events())))
    for processor in processors:
        processor.stop()
    for thread in threads:
        thread.join(30)
    wrong = [event for event in bench.events() if event["key"].partition(":")[0] != event["session"]]
    assert wrong == []


def test_what_sessions_are_seen_is_written_once_and_not_faster_than_it_may(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    clock = ManualClock(now_ns=NOW_NS)
    seen = SessionMap(bench.database, SessionMapSettings(rows_a_second_max=10), clock, TELEMETRY)
    bench.send([{"session": f"s{n}", "device": f"d{n}", "key": "k", "value": 1, "time": NOW_NS} for n in range(25)])
    processor = bench.processor()
    prepared = processor._prepare(list(bench.queue.read("other", records_max=9, bytes_max=1 << 20)))
    seen.enrich(prepared)
    whos = [who_of(APP, "device", f"d{n}") for n in range(25)]

    def written() -> int:
        return sum(map(bool, bench.database.read(lambda transaction: spans_of(transaction, whos)).values()))

    counts = []
    for _ in range(4):
        seen.keep(prepared.seen if not counts else [])
        counts.append(written())
        clock.advance(1.0)
    assert counts == [10, 20, 25, 25]
    seen.enrich(prepared)
    assert prepared.seen == []


def test_an_erasure_takes_what_waits_and_what_the_map_has_of_a_user(room: Room) -> None:
    room.tell(session="hers", user="anna", device="d")
    room.tell(session="his", user="ben", device="e")
    room.at(1000)
    room.log("anna waits", 1000, user="anna")
    room.log("ben waits", 1000, user="ben")
    room.process()
    assert room.ledger_now.waiting == 2
    name = confirm(room, "user=anna")
    ledger = run_until_done(room, room.processor(clock=room.clock))
    assert (ledger.waiting, ledger.erased, ledger.received) == (1, 1, 2)
    erased = done(room, name).erased
    assert erased is not None and (erased.events, erased.waiting, erased.session_map) == (0, 1, 3)
    whos = [who_of(APP, "user", "anna"), who_of(APP, "device", "d"), who_of(APP, "user", "ben")]
    known = room.database.read(lambda transaction: spans_of(transaction, whos))
    assert [len(known[who]) for who in whos] == [0, 0, 1]
    room.log("anna is unknown", 1000, user="anna")
    assert room.process() == {}


def test_an_erasure_covers_whom_it_names_whatever_else_it_looks_for(room: Room) -> None:
    room.tell(session="hers", user="anna", device="d", attributes={"email": "anna@example.org"})
    room.log("hers", 0, session="hers", user="anna", device="d")
    room.log("his", 0, session="his", user="ben", device="e")
    room.log("about her", 0, session="his", user="ben", device="e", value="to anna@example.org")
    room.process()
    name = confirm(room, 'user=anna or device=d or "anna@example.org"')
    run_until_done(room, room.processor(clock=room.clock))
    erased = done(room, name).erased
    assert erased is not None and (erased.session_map, erased.statistics > 0) == (3, True)

    def left(transaction: Transaction) -> str:
        tables = ("session_map", "sessions")
        return repr([list(row) for table in tables for row in transaction.rows(f"SELECT * FROM {table}")])  # noqa: S608

    held = room.database.read(left)
    assert "hers" not in held and "anna" not in held and "his" in held


def test_the_map_is_trimmed_by_time(room: Room) -> None:
    room.tell(session="s", device="d")
    room.process()
    who = who_of(APP, "device", "d")
    left = []
    for seconds in (172_800, 172_801):
        room.at(seconds).processor(clock=room.clock)._chores.maintain()
        left.append(len(room.database.read(lambda transaction: spans_of(transaction, [who]))[who]))
    assert left == [1, 0]
