"""From the queue to the store: once, whatever is killed, and with an account of everything."""

import base64
import json
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.metastore import new_metastore

from logkeep.clock import NS_PER_DAY, ManualClock, SystemClock
from logkeep.decode.frame import FrameHeader, RejectedSample, pack_frame
from logkeep.errors import BackendUnavailable, InputError
from logkeep.event import Event
from logkeep.feed.hub import Hub
from logkeep.metastore.erasures import Erasures
from logkeep.metastore.samples import Samples
from logkeep.processor.erasure import Eraser
from logkeep.processor.ledger import AppLedger, State, pack_state
from logkeep.processor.marks import GROUP
from logkeep.processor.worker import Processor
from logkeep.query.ast import All
from logkeep.queue.memory import MemoryQueue
from logkeep.queue.port import LEADER, Mark
from logkeep.settings import LimitSettings, ProcessorSettings, SessionMapSettings, Settings
from logkeep.store.memory import MemoryStore
from logkeep.store.port import ArrivedRequest, Batch, PatternRequest, SearchRequest
from logkeep.store.reading import Reading
from logkeep.telemetry import Telemetry
from logkeep.wiring_backend import balance_of

APP = "shop"
NOW_NS = SystemClock().now_ns()
TELEMETRY = Telemetry()


DEADLY = ("write", "commit", "remember", "known", "remembered", "drop_day", "keep_patterns", "mark", "erase")


class Crash(BaseException):
    """The process is gone at this point."""


class Dying:
    """Wraps a queue or a store: the call number `at`, counted over all wrapped ones, ends the process."""

    def __init__(self, inner: Any, fuse: "Fuse") -> None:
        self._inner, self._fuse = inner, fuse

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._inner, name)
        if name == "erasing":
            return Dying(found, self._fuse)
        if name not in DEADLY:
            return found

        def call(*arguments: Any, **options: Any) -> Any:
            self._fuse.burn()
            result = found(*arguments, **options)
            self._fuse.burn()
            return result

        return call


class Fuse:
    def __init__(self, steps: int) -> None:
        self.steps = steps

    def burn(self) -> None:
        self.steps -= 1
        if self.steps == 0:
            raise Crash


class Bench:
    """A queue, a store and a folder that outlive any number of processors."""

    def __init__(self, folder: Path) -> None:
        self.queue, self.store = MemoryQueue(), MemoryStore()
        self.database = new_metastore(folder)
        self.samples = Samples(self.database, SystemClock())
        self.erasures = Erasures(self.database, SystemClock(), refresh_s=3600)
        self.frames = 0

    def send(self, events: list[Any], partition: str = "http-0", **header: Any) -> None:
        """One frame; `events` are JSON values, or bytes that are a line as they stand."""
        lines = [event if isinstance(event, bytes) else json.dumps(event).encode() for event in events]
        self.frames += 1
        made = {"app": APP, "received_ns": NOW_NS, "batch_id": f"{self.frames:024x}", "count": len(lines), **header}
        self.queue.append(partition, [pack_frame(FrameHeader(**made), b"\n".join(lines))])

    def processor(
        self, queue: Any = None, store: Any = None, feed: Any = None, clock: Any = None,
        session_map: SessionMapSettings | None = None, limits: LimitSettings | None = None, **settings: Any,
    ) -> Processor:  # fmt: skip
        retention_of = settings.pop("retention_of", None)
        chosen = ProcessorSettings(**{"linger_s": 0.0, **settings})
        return Processor(
            queue=queue or self.queue,
            store=store or self.store,
            app_of_key={"key": APP}.get,
            samples=self.samples,
            database=self.database,
            settings=Settings(
                processor=chosen,
                session_map=session_map or SessionMapSettings(),
                limits=limits or LimitSettings(),
            ),
            clock=clock or SystemClock(),
            telemetry=TELEMETRY,
            feed=feed,
            retention_of=retention_of,
            eraser=Eraser(
                jobs=self.erasures,
                store=store or self.store,
                queue=self.queue,
                samples=self.samples,
                database=self.database,
                clock=SystemClock(),
            ),
        )

    def drain(self, processor: Processor | None = None) -> AppLedger:
        """Everything in the queue is processed; the ledger of APP. Raises what ended the processor."""
        processor = processor or self.processor()
        failure: list[BaseException] = []
        thread = threading.Thread(target=_recorded, args=(processor.run, failure))
        thread.start()
        deadline = time.monotonic() + 30
        while thread.is_alive() and any(self.queue.lag(GROUP).values()):
            assert time.monotonic() < deadline, "not drained in 30 s"
            time.sleep(0.001)
        processor.stop()
        thread.join(30)
        if failure:
            raise failure[0]
        return self.ledger()[0]

    def ledger(self, app: str = APP) -> tuple[AppLedger, int]:
        return balance_of(self.queue).of(app)

    def events(self) -> list[dict[str, Any]]:
        request = SearchRequest(APP, All(), 0, 1 << 62, "asc", 1000)
        return msgspec.json.decode(self.store.search(Reading(), request).events)  # type: ignore[no-any-return]


def _recorded(run: Any, failure: list[BaseException]) -> None:
    try:
        run()
    except BaseException as error:
        failure.append(error)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    yield Bench(tmp_path)


def event(number: int, **members: Any) -> dict[str, Any]:
    return {"session": "s", "key": f"k{number}", "value": number, **members}


def templates(bench: Bench) -> dict[str, int]:
    found = bench.store.patterns(Reading(), PatternRequest(APP, All(), 0, 1 << 62))
    return {row.template: row.count for row in found.rows} | {"ungrouped": found.ungrouped}


def test_text_is_grouped_into_patterns_that_outlive_the_processor(bench: Bench) -> None:
    bench.send([event(0, value="took 5 ms"), event(1, value="took 77 ms"), event(2), event(3, value="cache cold")])
    bench.drain()
    bench.send([event(4, value="took 1.5 ms"), event(5, value="cache warm")])
    bench.drain()
    assert templates(bench) == {"took <*> ms": 3, "cache cold": 1, "cache warm": 1, "ungrouped": 0}


def test_no_pattern_is_looked_for_when_none_is_wanted(bench: Bench) -> None:
    bench.send([event(0, value="took 5 ms")])
    bench.drain(bench.processor(patterns_max=0))
    assert templates(bench) == {"ungrouped": 1}


def test_what_is_queued_is_stored_and_accounted(bench: Bench) -> None:
    bench.send([event(0), event(1)])
    bench.send([event(2)], rejected={"missing_key": 2}, samples=(RejectedSample("missing_key", "no key", "{}"),))
    assert bench.drain() == AppLedger(received=5, stored=3, rejected={"missing_key": 2})
    assert [found["key"] for found in bench.events()] == ["k0", "k1", "k2"]
    assert [json.loads(line)["reason"] for line in bench.samples.rejected(APP).newest(10)] == ["missing_key"]


def test_what_still_waits_counts_as_queued(bench: Bench) -> None:
    bench.send([event(0), event(1)], rejected={"too_large": 1})
    assert bench.ledger() == (AppLedger(received=3), 3)


def test_an_id_that_was_stored_before_is_a_counted_duplicate(bench: Bench) -> None:
    bench.send([event(0, id="a"), event(1, id="b"), event(2, id="a")])
    bench.drain()
    bench.send([event(3, id="b"), event(4, id="c")])
    assert bench.drain() == AppLedger(received=5, stored=3, rejected={"duplicate": 2})
    assert [found["id"] for found in bench.events()] == ["a", "b", "c"]


def test_a_frame_sent_again_under_its_idempotency_key_is_stored_once(bench: Bench) -> None:
    for _ in range(3):
        bench.send([event(0), event(1)], batch_id="f" * 24, repeatable=True)
    bench.drain()
    bench.send([event(0), event(1)], batch_id="f" * 24, repeatable=True)
    assert bench.drain() == AppLedger(received=8, stored=2, rejected={"duplicate": 6})
    assert len(bench.events()) == 2


def test_nothing_is_missing_in_the_ledger_while_a_commit_is_durable_and_has_not_returned(bench: Bench) -> None:
    seen: list[tuple[AppLedger, int]] = []

    class Watched:
        def __getattr__(self, name: str) -> Any:
            return getattr(bench.queue, name)

        def commit(self, *arguments: Any, **options: Any) -> None:
            bench.queue.commit(*arguments, **options)
            seen.append(bench.ledger())

    for number in range(6):
        bench.send([event(2 * number), event(2 * number + 1)])
    bench.drain(bench.processor(queue=Watched()))
    assert {(ledger.received, ledger.stored, queued) for ledger, queued in seen} == {(12, 0, 12), (12, 12, 0)}


def test_datagrams_go_to_the_app_whose_key_they_name_and_the_rest_is_counted(bench: Bench) -> None:
    lines = [event(0, app="key"), event(1, app="stolen"), event(2), b"\xff\xfe", b"{", event(3, app="key")]
    bench.send(lines, app="", source="udp")
    processor = bench.processor()
    assert bench.drain(processor) == AppLedger(received=2, stored=2)
    nobody = bench.ledger("")[0]
    assert (nobody.received, nobody.stored, nobody.rejected["unknown_app"]) == (4, 0, 2)
    assert sum(nobody.rejected.values()) == 4


def test_a_datagram_that_is_no_event_is_its_apps_and_its_sample_shows_no_key(bench: Bench) -> None:
    lines = [b'{"app":"key","key":"k","value":1}', b'{"key":"k","value":1}', b'{"app":"lkw_secret-1","key":"k","va']
    over = RejectedSample("over_quota", "m", '{"app":"lkw_secret-2","x":"walkman lk_1"}')
    bench.send(lines, app="", source="udp")
    bench.send([], app=APP, source="udp", rejected={"over_quota": 1}, samples=(over,))
    processor = bench.processor()
    assert bench.drain(processor) == AppLedger(received=2, rejected={"missing_session": 1}, over_quota=1)
    assert bench.ledger("")[0].rejected == {"missing_session": 1, "invalid_json": 1}
    texts = [json.loads(line)["text"] for ring in (APP, "") for line in bench.samples.rejected(ring).newest(9)]
    assert sorted(texts) == sorted(
        [
            '{"app":"lkw_[masked]","x":"walkman lk_1"}', '{"app":"key","key":"k","value":1}',
            '{"app":"lkw_[masked]","key":"k","va', '{"key":"k","value":1}',
        ]
    )  # fmt: skip


def test_numbered_datagrams_show_what_is_missing(bench: Bench) -> None:
    bench.send([event(n, app="key", component="w", client="c", seq=n) for n in (1, 2, 5)], app="", source="udp")
    processor = bench.processor()
    bench.drain(processor)
    row = processor.udp_loss_rows(APP)[0]
    assert (row["component"], row["client"], row["received"], row["missing"]) == ("w", "c", 3, 2)
    assert bench.processor().udp_loss_rows(APP) == processor.udp_loss_rows(APP)


class Picky(MemoryStore):
    """Refuses batches that hold an event with the key "poison"."""

    def write(self, batch: Batch) -> None:
        if any(event.key == "poison" for event in batch.events):
            raise InputError("cannot store this")
        super().write(batch)


@pytest.mark.parametrize("places", [(0,), (7,), (3, 4), (0, 1, 2, 3, 4, 5, 6, 7)])
def test_a_record_the_store_refuses_goes_to_the_dead_letters_and_the_rest_is_stored(
    bench: Bench, places: tuple[int, ...]
) -> None:
    bench.store = Picky()
    bench.send([event(n, key="poison") if n in places else event(n) for n in range(8)])
    ledger = bench.drain()
    assert ledger == AppLedger(received=8, stored=8 - len(places), rejected={"poison": len(places)})
    assert {found["key"] for found in bench.events()} == {f"k{n}" for n in range(8) if n not in places}
    letters = [json.loads(line) for line in bench.samples.dead_letters.newest(10)]
    assert [letter["event"]["key"] for letter in letters] == ["poison"] * len(places)


def test_a_frame_that_cannot_be_read_goes_to_the_dead_letters_and_the_rest_is_stored(bench: Bench) -> None:
    bench.queue.append("http-0", [b"no frame"])
    bench.send([event(0)])
    assert bench.drain() == AppLedger(received=1, stored=1)
    assert len(bench.samples.dead_letters.newest(10)) == 1


class Absent(MemoryStore):
    """Not there for the first calls."""

    def __init__(self, calls: int) -> None:
        super().__init__()
        self.calls = calls

    def write(self, batch: Batch) -> None:
        self.calls -= 1
        if self.calls >= 0:
            raise BackendUnavailable("gone fishing")
        super().write(batch)


def test_a_store_that_is_away_for_a_while_loses_nothing(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("logkeep.processor.patience.RETRY_FIRST_S", 0.001)
    bench.store = Absent(4)
    bench.send([event(n) for n in range(3)])
    assert bench.drain() == AppLedger(received=3, stored=3)


def test_a_stop_while_the_store_is_away_leaves_everything_for_the_next_start(bench: Bench) -> None:
    away = Absent(1 << 30)
    bench.send([event(0)])
    processor = bench.processor(store=away)
    thread = threading.Thread(target=processor.run)
    thread.start()
    while away.calls == 1 << 30:
        time.sleep(0.001)
    processor.stop()
    thread.join(30)
    assert not thread.is_alive()
    assert bench.drain() == AppLedger(received=1, stored=1)


def test_killed_at_every_step_everything_is_stored_once_and_accounted(tmp_path: Path) -> None:
    """The process dies before or after its n-th call that changes something, again and again, for every n."""
    died = 0
    for step in range(1, 60):
        bench = Bench(tmp_path / str(step))
        bench.store = Picky()
        bench.send([event(0, id="a"), event(1), event(2, key="poison")])
        bench.send([event(3, id="a"), event(4)], batch_id="e" * 24, repeatable=True)
        bench.send([event(5, key="k1", update=True), event(6, id="b")], rejected={"too_deep": 1})
        bench.send([event(3, id="a"), event(4)], batch_id="e" * 24, repeatable=True)
        for _ in range(3):  # dies at the same step of each of its first lives
            fuse = Fuse(step)
            queue, store = Dying(bench.queue, fuse), Dying(bench.store, fuse)
            try:
                bench.drain(bench.processor(queue, store, batch_events_max=3))
                break
            except Crash:
                died += 1
        ledger = bench.drain()
        expected = AppLedger(received=10, stored=5, rejected={"poison": 1, "too_deep": 1, "duplicate": 3})
        assert (step, ledger) == (step, expected)
        assert (step, sorted(found["key"] for found in bench.events())) == (step, ["k0", "k1", "k4", "k6"])
    assert died > 20


class Looking:
    """A tail that goes on where it was: what it missed from the store, then what is told."""

    def __init__(self, bench: Bench) -> None:
        self._bench, self.seen, self.place = bench, list[str](), 0

    def listen(self, processor: Processor) -> Hub:
        hub = Hub()
        hub.begin_at(processor.last_arrival())
        listener = hub.listen()
        after, until = self.place, listener.follow(APP)
        for each in self._bench.store.arrived(Reading(), ArrivedRequest(APP, All(), after, until, 1000)):
            self._see(each.arrival, msgspec.json.decode(each.event)["key"])
        self._next = listener.next
        return hub

    def hear(self) -> None:
        while (arrivals := self._next(0)) is not None:
            for event in arrivals.events:
                self._see(event.arrival, event.key)

    def _see(self, place: int, key: str) -> None:
        assert place > self.place, "out of order, or twice"
        self.place = place
        self.seen.append(key)


def test_killed_at_every_step_a_tail_that_comes_back_sees_everything_once_and_in_order(tmp_path: Path) -> None:
    died = 0
    for step in range(1, 16):
        bench = Bench(tmp_path / str(step))
        tail = Looking(bench)
        for life, steps in enumerate((step, step, 1_000)):
            bench.send([event(3 * life + more) for more in range(3)])
            fuse = Fuse(steps)
            queue, store = Dying(bench.queue, fuse), Dying(bench.store, fuse)
            processor = bench.processor(queue, store, feed=tail.listen(bench.processor()))
            try:
                bench.drain(processor)
            except Crash:
                died += 1
            tail.hear()
        assert (step, tail.seen) == (step, [f"k{number}" for number in range(9)])
    assert died > 10


def test_places_in_the_order_of_arrival_grow_when_the_clock_is_set_back(bench: Bench) -> None:
    bench.send([event(0), event(1)])
    bench.drain()
    first = bench.processor().last_arrival()
    for clock_ns in (first - NS_PER_DAY, first + NS_PER_DAY):
        bench.send([event(clock_ns)])
        bench.drain(bench.processor(clock=ManualClock(clock_ns)))  # it does not sleep: a loop spins, the batch ends it
    found = bench.store.arrived(Reading(), ArrivedRequest(APP, All(), 0, 1 << 62, 10))
    places = [each.arrival for each in found]
    assert places[:3] == [first - 1, first, first + 1] and places[3] >= first + NS_PER_DAY


def test_days_older_than_the_retention_are_dropped_and_counted_as_expired(bench: Bench) -> None:
    bench.send([event(0)])
    bench.drain()
    old = Event(APP, "s", "old", "v", "text", None, NOW_NS - 20 * NS_PER_DAY, NOW_NS, "old")
    bench.store.write(Batch("old", [old]))
    state = State({APP: AppLedger(received=1, stored=1)})
    bench.queue.commit(GROUP, {LEADER: Mark(0, pack_state(state))})
    processor = bench.processor()
    bench.send([event(1)])
    assert bench.drain(processor) == AppLedger(received=3, stored=2, expired=1)
    assert [found["key"] for found in bench.events()] == ["k0", "k1"]


def old_event(app: str, days: int) -> Event:
    time_ns = NOW_NS - days * NS_PER_DAY
    return Event(app, "s", f"{app}-{days}", "v", "text", None, time_ns, time_ns, f"{app}-{days}")


def day_before(days: int) -> str:
    return datetime.fromtimestamp((NOW_NS - days * NS_PER_DAY) / 1e9, UTC).strftime("%Y-%m-%d")


def test_each_app_is_kept_as_long_as_its_owner_wants_whenever_the_processor_dies(tmp_path: Path) -> None:
    """One keeps 5 days, one 30, the others 15: of a day that only some keep, the rest is dropped."""
    keeps = {APP: 5, "long": 30}
    died = 0
    for step in range(1, 40):
        bench = Bench(tmp_path / str(step))
        bench.store.write(Batch("old", [old_event(app, d) for app in (APP, "long", "plain") for d in (3, 8, 20, 40)]))
        state = State({app: AppLedger(received=4, stored=4) for app in (APP, "long", "plain")})
        bench.queue.commit(GROUP, {LEADER: Mark(0, pack_state(state))})
        for life in range(7):  # a day of one app a round, and a round a life
            fuse = Fuse(1000 if life else step)
            queue, store = Dying(bench.queue, fuse), Dying(bench.store, fuse)
            bench.send([event(life)])
            try:
                bench.drain(bench.processor(queue, store, retention_of=lambda app: keeps.get(app, 15)))
            except Crash:
                died += 1
        left = sorted((count.app, count.day) for count in bench.store.days() if count.day != day_before(0))
        kept = {APP: (3,), "long": (3, 8, 20), "plain": (3, 8)}
        assert (step, left) == (step, sorted((app, day_before(d)) for app, days in kept.items() for d in days))
        ledgers = {app: bench.ledger(app)[0] for app in (APP, "long", "plain")}
        assert (step, {app: (one.expired, one.received - one.stored) for app, one in ledgers.items()}) == (
            step, {APP: (3, 3), "long": (1, 1), "plain": (2, 2)},
        )  # fmt: skip
    assert died > 10


def test_secrets_are_in_no_place_that_is_kept(bench: Bench) -> None:
    bench.store = Picky()
    secret = "hunter2hunter2"
    bench.send(
        [event(0, value=f"password={secret}"), event(1, key="token", value=secret), event(2, cookie=secret),
         {"session": "s", "value": f"pwd={secret}"}, event(3, key="poison", authorization=f"Bearer {secret}")],
        rejected={"too_deep": 1}, samples=(RejectedSample("too_deep", "m", f"Authorization: Bearer {secret}"),),
    )  # fmt: skip
    bench.queue.append("http-0", [b"damaged password=" + secret.encode()])
    bench.drain()
    kept = [str(bench.events()).encode(), *bench.samples.rejected(APP).newest(9), *bench.samples.dead_letters.newest(9)]
    letters = [base64.b64decode(msgspec.json.decode(line)["event"]) for line in kept if b"no frame" in line]
    assert len(kept) == 5 and letters == [b"damaged password=[masked]"]
    assert all(b"[masked]" in line or b"no frame" in line for line in kept)
    assert not [line for line in kept if secret.encode() in line]
