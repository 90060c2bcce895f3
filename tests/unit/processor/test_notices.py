"""Notices: applied once whatever is killed, in line with the events of their batch, with an account of their own."""

from pathlib import Path
from typing import Any

import pytest
from tests.unit.processor.test_worker import APP, NOW_NS, Bench, Crash, Dying, Fuse, event

from logkeep.decode.frame import RejectedSample
from logkeep.metastore.applied import Applied, ReceivedNotice
from logkeep.metastore.database import Transaction
from logkeep.metastore.session_map import Span, known_session, spans_of, who_of
from logkeep.processor import appliers
from logkeep.processor.ledger import AppLedger, NoticeLedger
from logkeep.queue.memory import MemoryQueue


def spans(bench: Bench, kind: Any, name: str) -> list[Span]:
    who = who_of(APP, kind, name)
    return bench.database.read(lambda transaction: spans_of(transaction, [who]))[who]


def tell(bench: Bench, *notices: dict[str, Any], **header: Any) -> None:
    bench.send(list(notices), kind="sessions", **header)


def test_a_session_that_is_told_is_known_and_no_event(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.send([event(1)])
    tell(bench, {"session": "s", "user": "u", "device": "d", "attributes": {"plan": "free"}})
    tell(bench, {"session": "s", "user": "v", "attributes": {"n": 1}, "time": (NOW_NS + 7) // 1}, rejected={"x": 2},
         samples=(RejectedSample("x", "m", "t"),))  # fmt: skip
    ledger = bench.drain()
    assert ledger == AppLedger(1, 1, notices={"sessions": NoticeLedger(4, 2, {"x": 2})})
    assert [found["key"] for found in bench.events()] == ["k1"]
    assert spans(bench, "device", "d") == [Span("s", NOW_NS, NOW_NS)]
    assert spans(bench, "user", "v") == [Span("s", NOW_NS + 7, NOW_NS + 7)]
    known = bench.database.read(lambda transaction: known_session(transaction, APP, "s"))
    assert known is not None
    assert (known.user, known.device, known.attributes) == ("v", "d", {"plan": "free", "n": 1})
    assert (known.from_ns, known.last_ns) == (NOW_NS, NOW_NS + 7)
    assert bench.samples.rejected(APP).newest(9)


def test_queued_notices_are_not_queued_events(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.send([event(1), event(2)])
    tell(bench, {"session": "s", "user": "u"}, {"session": "t", "user": "u"})
    ledger, queued = bench.ledger()
    assert (queued, ledger.received, ledger.notices["sessions"].queued) == (2, 2, 2)


def test_an_idempotency_key_seen_before_is_not_applied_again(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    for _ in range(2):
        tell(bench, {"session": "s", "user": "u"}, batch_id="e" * 24, repeatable=True)
        bench.drain()
    tell(bench, {"session": "s", "user": "u"}, batch_id="e" * 24, repeatable=True)
    assert bench.drain().notices == {"sessions": NoticeLedger(3, 1, {"duplicate": 2})}


class Counting:
    """An applier that is not idempotent: it counts what it was given in the metastore."""

    def __init__(self) -> None:
        self.fuse = Fuse(1 << 30)

    def __call__(self, transaction: Transaction, notices: list[ReceivedNotice]) -> None:
        for one in notices:
            row = {"part": f"count/{one.notice.session}"}
            if not transaction.change("UPDATE applied SET until = until + 1 WHERE part = :part", **row):
                transaction.change("INSERT INTO applied (part, until) VALUES (:part, 1)", **row)
        self.fuse.burn()


@pytest.fixture
def counting(monkeypatch: pytest.MonkeyPatch) -> Counting:
    applier = Counting()
    monkeypatch.setitem(appliers.APPLIERS, "sessions", applier)
    return applier


def counts(bench: Bench) -> dict[str, int]:
    rows = bench.database.read(lambda t: t.rows("SELECT part, until FROM applied WHERE part LIKE 'count/%'"))
    return {str(part).removeprefix("count/"): int(until) for part, until in rows}


def test_killed_at_every_step_every_notice_is_applied_once(tmp_path: Path, counting: Counting) -> None:
    died = 0
    for step in range(1, 30):
        bench = Bench(tmp_path / str(step))
        bench.send([event(1)])
        tell(bench, {"session": "a", "user": "u"})
        bench.send([event(2)], partition="udp-0")
        tell(bench, {"session": "b", "user": "u"}, partition="udp-0")
        tell(bench, {"session": "a", "user": "u"}, batch_id="e" * 24, repeatable=True)
        tell(bench, {"session": "a", "user": "u"}, batch_id="e" * 24, repeatable=True)
        for _ in range(3):
            fuse = counting.fuse = Fuse(step)
            queue, store = Dying(bench.queue, fuse), Dying(bench.store, fuse)
            try:
                bench.drain(bench.processor(queue, store, batch_events_max=2))
                break
            except Crash:
                died += 1
        counting.fuse = Fuse(1 << 30)
        ledger = bench.drain()
        assert (step, counts(bench)) == (step, {"a": 2, "b": 1})
        want = AppLedger(2, 2, notices={"sessions": NoticeLedger(4, 3, {"duplicate": 1})})
        assert (step, ledger) == (step, want)
    assert died > 15


def test_who_has_lost_a_partition_applies_nothing_again(tmp_path: Path, counting: Counting) -> None:
    bench = Bench(tmp_path)
    applied = Applied(bench.database, "notices")
    done: list[set[str]] = []
    applied.once({"http-0": 5}, lambda transaction, fresh: done.append(fresh))
    applied.once({"http-0": 9}, lambda transaction, fresh: done.append(fresh))
    applied.once({"http-0": 5, "udp-0": 3}, lambda transaction, fresh: done.append(fresh))
    assert done == [{"http-0"}, {"http-0"}, {"udp-0"}]
    assert applied.places() == {"http-0": 9, "udp-0": 3}


def test_a_queue_that_was_replaced_counts_anew(tmp_path: Path, counting: Counting) -> None:
    bench = Bench(tmp_path)
    for name in ("a", "b", "c"):
        tell(bench, {"session": name, "user": "u"})
    bench.drain()
    bench.queue = MemoryQueue()
    tell(bench, {"session": "d", "user": "u"})
    bench.drain()
    assert counts(bench) == {"a": 1, "b": 1, "c": 1, "d": 1}
