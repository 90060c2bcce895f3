"""The account of what waits: of one moment, and asked seldom of a queue that others serve."""

import threading

import pytest
from tests.service import wait_for

from logkeep.clock import ManualClock
from logkeep.decode.frame import FrameHeader, pack_frame
from logkeep.errors import BackendUnavailable
from logkeep.processor.ledger import AppLedger, NoticeLedger
from logkeep.processor.queued import AGE_S_MAX, Balance, Recent, balance
from logkeep.queue.port import Record


def record(offset: int, app: str, count: int, *, kind: str = "", partition: str = "p") -> Record:
    header = FrameHeader(app, 1, f"{offset:024x}", count, kind=kind)
    return Record(partition, offset, offset + 1, pack_frame(header, b""))


def test_what_waits_is_counted_for_every_app_at_once() -> None:
    records = [
        record(0, "shop", 1),  # processed while the queue was being read
        record(1, "shop", 2),
        record(2, "", 4),  # datagrams: nobody knows yet whose they are
        record(3, "bank", 8),
        record(4, "shop", 16, kind="sessions"),
        record(5, "shop", 32, partition="q"),
        Record("q", 6, 7, b"damage"),
    ]
    apps = {"shop": AppLedger(received=1, stored=1, waiting=1), "bank": AppLedger(received=64, stored=64)}
    found = balance(lambda: records, lambda: (apps, {"p": 1}))
    shop = AppLedger(39, 1, waiting=1, notices={"sessions": NoticeLedger(16)})
    assert found.of("shop") == (shop, 39)
    assert found.of("bank") == (AppLedger(76, 64), 12)
    assert found.of("new") == (AppLedger(4), 4)
    assert apps["shop"] == AppLedger(received=1, stored=1, waiting=1)


class Looks:
    """A look whose answers are numbered; it fails while `away` is set and waits while `gate` is closed."""

    def __init__(self, clock: ManualClock) -> None:
        self.count, self.away, self.takes_s = 0, False, 0.0
        self.gate = threading.Event()
        self.gate.set()
        self._clock = clock

    def __call__(self) -> Balance:
        self.count += 1
        assert self.gate.wait(30)
        self._clock.advance(self.takes_s)
        if self.away:
            raise BackendUnavailable(f"away {self.count}", retry_after_s=7)
        return Balance({"shop": AppLedger(self.count)}, {})


def received(recent: Recent) -> int:
    return recent().of("shop")[0].received


def test_an_answer_is_at_most_so_old() -> None:
    clock = ManualClock()
    looks = Looks(clock)
    recent = Recent(looks, clock)
    assert [received(recent) for _ in range(3)] == [1, 1, 1]
    clock.advance(AGE_S_MAX / 2)
    assert received(recent) == 1
    clock.advance(AGE_S_MAX / 2)
    assert received(recent) == 2
    looks.takes_s = 2 * AGE_S_MAX  # counted from when it began to look
    clock.advance(AGE_S_MAX)
    assert [received(recent) for _ in range(2)] == [3, 4]


def test_a_queue_that_is_away_is_asked_as_seldom() -> None:
    clock = ManualClock()
    looks = Looks(clock)
    looks.away, looks.takes_s = True, 10.0
    recent = Recent(looks, clock)
    for _ in range(3):
        with pytest.raises(BackendUnavailable, match="away 1") as caught:
            recent()
        assert caught.value.retry_after_s == 7
    looks.away = False
    clock.advance(AGE_S_MAX)
    assert received(recent) == 2


def test_those_who_ask_at_once_share_one_look() -> None:
    clock = ManualClock()
    looks = Looks(clock)
    looks.gate.clear()
    recent, answers = Recent(looks, clock), list[int]()
    threads = [threading.Thread(target=lambda: answers.append(received(recent))) for _ in range(8)]
    for thread in threads:
        thread.start()
    wait_for(lambda: looks.count == 1, 30, "the first to look")
    looks.gate.set()
    for thread in threads:
        thread.join(30)
    assert (answers, looks.count) == ([1] * 8, 1)
