"""Erasing in line with the batches: exactly what was acknowledged, accounted for, whatever is killed."""

import threading
import time
from pathlib import Path
from typing import Any, TypeVar

import pytest
from tests.unit.processor.test_worker import APP, NOW_NS, Bench, Crash, Dying, Fuse, _recorded, event, templates

from logkeep.clock import SystemClock
from logkeep.decode.frame import RejectedSample
from logkeep.event import Event
from logkeep.metastore.database import Work
from logkeep.metastore.erasures import Erased, Erasure, Erasures
from logkeep.metastore.samples import DeadLetter
from logkeep.metastore.sqlite import SqliteDatabase
from logkeep.processor.ledger import AppLedger
from logkeep.processor.worker import Processor
from logkeep.store.memory import MemoryStore

T = TypeVar("T")


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def confirm(bench: Bench, query: str, to_ns: int = 1 << 62) -> str:
    job, token = bench.erasures.ask(app=APP, query=query, from_ns=0, to_ns=to_ns, matches=0, by="admin")
    return bench.erasures.confirm(APP, job.job, token, "admin").job


def run_until_done(bench: Bench, processor: Processor | None = None) -> AppLedger:
    """The ledger once no erasure is under way. Raises what ended the processor."""
    processor = processor or bench.processor()
    failure: list[BaseException] = []
    thread = threading.Thread(target=_recorded, args=(processor.run, failure))
    thread.start()
    deadline = time.monotonic() + 30
    while thread.is_alive() and (bench.erasures.first("confirmed") or bench.erasures.first("removing_files")):
        assert time.monotonic() < deadline, "not erased in 30 s"
        time.sleep(0.002)
    processor.stop()
    thread.join(30)
    if failure:
        raise failure[0]
    return bench.ledger()[0]


def done(bench: Bench, name: str) -> Erasure:
    found = bench.erasures.named(name)
    assert found is not None
    return found


def test_what_is_queued_when_it_is_confirmed_is_erased_too(bench: Bench) -> None:
    bench.send([event(0, user="anna"), event(1)])
    bench.drain()
    bench.send([event(2, user="anna"), event(3)])
    name = confirm(bench, "user=anna")
    assert run_until_done(bench) == AppLedger(received=4, stored=2, erased=2)
    assert [found["key"] for found in bench.events()] == ["k1", "k3"]
    job = done(bench, name)
    assert (job.state, job.erased) == ("done", Erased(events=2, session_map=1, statistics=4))
    assert bench.queue._log.records == {"http-0": []}
    assert 0 < job.confirmed_ns <= job.erased_ns <= min(job.store_ns, job.queue_ns) <= job.done_ns


def test_what_comes_later_stays_and_patterns_begin_anew(bench: Bench) -> None:
    bench.send([event(0, user="anna", value="the secret of anna"), event(1, value="cache cold")])
    confirm(bench, "user=anna")
    processor = bench.processor()
    run_until_done(bench, processor)
    bench.send([event(2, user="anna", value="the secret of anna")])
    assert bench.drain() == AppLedger(received=3, stored=2, erased=1)
    assert templates(bench) == {"cache cold": 1, "the secret of anna": 1, "ungrouped": 0}


def test_a_pattern_that_comes_again_in_the_same_run_is_kept_again(bench: Bench) -> None:
    bench.send([event(0, user="anna", value="the secret of anna")])
    processor = bench.processor()
    failure: list[BaseException] = []
    thread = threading.Thread(target=_recorded, args=(processor.run, failure))
    thread.start()
    confirm(bench, "user=anna")
    wait_for(lambda: bench.erasures.first("confirmed") is None)
    assert templates(bench) == {"ungrouped": 0}
    bench.send([event(1, value="the secret of anna")])
    wait_for(lambda: bool(bench.events()))
    processor.stop()
    thread.join(30)
    assert failure == []
    assert templates(bench) == {"the secret of anna": 1, "ungrouped": 0}


def wait_for(is_true: Any) -> None:
    deadline = time.monotonic() + 30
    while not is_true():
        assert time.monotonic() < deadline
        time.sleep(0.002)


def test_samples_and_dead_letters_about_it_go_and_others_stay(bench: Bench) -> None:
    def sample(text: str) -> RejectedSample:
        return RejectedSample("missing_key", "no key", text)

    samples = (sample('{"user":"J\\u00fcrgen"}'), sample('{"user": "j\u00dcRGEN'), sample('{"user":"bert"}'))
    bench.send([event(0)], rejected={"missing_key": 3}, samples=samples)
    bench.drain()

    def letter(user: str, app: str = APP) -> DeadLetter:
        poison = Event(app, "s", "k", "v", "text", None, NOW_NS, NOW_NS, "i", user=user)
        return DeadLetter("", app, "", 0, "refused", {f: getattr(poison, f) for f in poison.__struct_fields__})

    damaged = [DeadLetter("", "", "p", 0, "damaged", text) for text in (b"\xff j\xc3\xbcrgen", b"bert")]
    bench.samples.dead_letters.append([letter("j\u00fcrgen"), letter("bert"), letter("j\u00fcrgen", "other"), *damaged])
    name = confirm(bench, "user=j\u00fcrgen")
    assert run_until_done(bench) == AppLedger(received=4, stored=1, rejected={"missing_key": 3})
    assert done(bench, name).erased == Erased(rejected_samples=2, dead_letters=2)
    assert [b"bert" in line for line in bench.samples.rejected(APP).newest(10)] == [True]
    assert len(bench.samples.dead_letters.newest(10)) == 3


def test_a_query_the_store_refuses_ends_that_job_alone(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    from logkeep.errors import InputError

    def refuse(request: Any) -> int:
        raise InputError("too much")

    bench.send([event(0)])
    monkeypatch.setattr(bench.store.erasing, "mark", refuse)
    name = confirm(bench, "a")
    assert run_until_done(bench) == AppLedger(received=1, stored=1)
    assert (done(bench, name).state, done(bench, name).error) == ("failed", "too much")


class DyingStore(Dying):
    """Also its erasing ends the process."""

    @property
    def erasing(self) -> Any:
        return DyingErasing(self._inner.erasing, self._fuse)


class DyingErasing:
    def __init__(self, inner: Any, fuse: Fuse) -> None:
        self._inner, self._fuse = inner, fuse

    def __getattr__(self, name: str) -> Any:
        def call(*arguments: Any) -> Any:
            self._fuse.burn()
            result = getattr(self._inner, name)(*arguments)
            self._fuse.burn()
            return result

        return call


class DyingDatabase(SqliteDatabase):
    """Ends the process before or after a step is written."""

    def __init__(self, path: Path, fuse: Fuse) -> None:
        super().__init__(path, timeout_s=5)
        self._fuse = fuse

    def write(self, work: Work[T]) -> T:
        self._fuse.burn()
        result = super().write(work)
        self._fuse.burn()
        return result


def test_killed_at_any_step_it_is_finished_by_the_next_run(tmp_path: Path) -> None:
    died = 0
    for step in range(1, 60):
        folder = tmp_path / str(step)
        bench = Bench(folder)
        bench.send([event(0, user="anna"), event(1)], rejected={"bad": 1}, samples=(RejectedSample("bad", "", "anna"),))
        bench.send([event(2, user="anna", value="a"), event(3)])
        name = confirm(bench, "user=anna")
        fuse = Fuse(step)
        bench.erasures = Erasures(DyingDatabase(folder / "metastore.db", fuse), SystemClock(), refresh_s=3600).open()
        try:
            run_until_done(bench, bench.processor(Dying(bench.queue, fuse), DyingStore(bench.store, fuse)))
        except Crash:
            died += 1
        bench.erasures = Erasures(bench.database, SystemClock(), refresh_s=3600).open()
        ledger = run_until_done(bench)
        assert (step, ledger) == (step, AppLedger(received=5, stored=2, rejected={"bad": 1}, erased=2))
        assert (step, [found["key"] for found in bench.events()]) == (step, ["k1", "k3"])
        job = done(bench, name)
        assert job.erased is not None
        # A batch that is written again keeps its samples again; patterns that are gone cannot be counted again.
        samples, patterns = job.erased.rejected_samples, job.erased.patterns
        assert samples in (1, 2) and patterns in (0, 1)
        assert (step, job.state, job.erased) == (
            step,
            "done",
            Erased(events=2, session_map=1, statistics=4, rejected_samples=samples, patterns=patterns),
        )
        assert bench.samples.rejected(APP).newest(10) == []
        if died < step:
            break
    assert died > 20


def test_a_store_in_memory_has_nothing_left_to_purge() -> None:
    assert MemoryStore().erasing.purge()
