"""What a newer Logkeep wrote is left where it is: its partition waits, and nothing of it is lost or counted twice."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec
import pytest
from tests.service import wait_for
from tests.unit.processor.test_worker import APP, NOW_NS, TELEMETRY, Bench, Crash, Dying, Fuse, event

from logkeep.decode import frame, notices
from logkeep.decode.frame import FrameHeader, NewerFrame, pack_frame, unpack_frame
from logkeep.errors import CorruptData
from logkeep.processor.ledger import AppLedger, NoticeLedger
from logkeep.processor.marks import GROUP
from logkeep.processor.worker import Processor

NEWER = frame.NEWEST_VERSION + 1


def as_newer(payload: bytes) -> bytes:
    """The same frame, of the next version."""
    return bytes((NEWER,)) + payload[1:]


def send_newer(bench: Bench, number: int, partition: str = "http-0") -> None:
    bench.frames += 1
    header = FrameHeader(APP, NOW_NS, f"{bench.frames:024x}", 1)
    bench.queue.append(partition, [as_newer(pack_frame(header, msgspec.json.encode(event(number))))])


def gauge() -> float:
    lines = TELEMETRY.exposition().decode().splitlines()
    return next(float(line.split()[1]) for line in lines if line.startswith("logkeep_processor_partitions_stopped "))


@contextmanager
def running(processor: Processor) -> Iterator[Processor]:
    thread = threading.Thread(target=processor.run)
    thread.start()
    try:
        yield processor
    finally:
        processor.stop()
        thread.join(30)


def keys(bench: Bench) -> list[str]:
    return sorted(found["key"] for found in bench.events())


def wait_for_keys(bench: Bench, *expected: str) -> None:
    wait_for(lambda: keys(bench) == sorted(expected), 30, f"{expected}", lambda: str(keys(bench)))


@pytest.mark.parametrize("version", [NEWER, frame.VERSIONS_MAX])
def test_a_frame_of_a_newer_version_is_told_from_damage(version: int) -> None:
    with pytest.raises(NewerFrame, match=rf"version {version}, .* up to version {NEWER - 1}; upgrade"):
        unpack_frame(bytes((version,)))


@pytest.mark.parametrize("payload", [b"", b"\0" * 9, b"\x20" * 9, b"hello, queue", b"\xff", b"\1\0\0", b"\2\xff\0\0\0"])
def test_what_is_no_frame_of_any_version_is_damage(payload: bytes) -> None:
    with pytest.raises(CorruptData) as caught:
        unpack_frame(payload)
    assert caught.value.code == "corrupt_data"


def test_a_newer_frame_stops_its_partition_and_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(tmp_path)
    bench.send([event(1)])
    send_newer(bench, 2)
    bench.send([event(3), event(4)])
    bench.send([event(5)], partition="udp-0")
    with running(bench.processor()) as processor:
        wait_for_keys(bench, "k1", "k5")
        wait_for(lambda: bool(processor.problems()), 30, "the partition to be stopped")
        (problem,) = processor.problems()
        assert problem.startswith("partition http-0 is stopped at record 1: the record is a frame of version ")
        assert gauge() == 1.0
        bench.send([event(6)])
        bench.send([event(7)], partition="udp-0")
        wait_for_keys(bench, "k1", "k5", "k7")
        assert bench.ledger() == (AppLedger(6, 3), 3)  # what the newer frame holds nobody can count
    assert bench.queue.marks(GROUP)["http-0"].offset == 1
    assert bench.samples.dead_letters.newest(9) == []

    monkeypatch.setattr(frame, "NEWEST_VERSION", NEWER)  # upgraded
    upgraded = bench.processor()
    assert bench.drain(upgraded) == AppLedger(7, 7)
    assert (keys(bench), upgraded.problems(), gauge()) == ([f"k{number}" for number in range(1, 8)], [], 0.0)


def test_a_kind_of_notices_that_is_not_known_stops_its_partition(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = Bench(tmp_path)
    bench.send([{"session": "s", "user": "u"}], kind="sessions")
    bench.send([event(1)])
    bench.send([event(2)], partition="udp-0")
    with monkeypatch.context() as older:
        older.delitem(notices.KINDS, "sessions")
        with running(bench.processor()) as processor:
            wait_for_keys(bench, "k2")
            wait_for(lambda: bool(processor.problems()), 30, "the partition to be stopped")
            assert "this version knows no notices of the kind 'sessions'" in processor.problems()[0]
    assert bench.drain() == AppLedger(2, 2, notices={"sessions": NoticeLedger(1, 1)})
    assert bench.samples.dead_letters.newest(9) == []


def test_damage_goes_to_the_dead_letters_and_the_partition_goes_on(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.queue.append("http-0", [b"hello, queue"])
    bench.send([event(1)])
    assert bench.drain() == AppLedger(1, 1)
    (letter,) = bench.samples.dead_letters.newest(9)
    assert "is no frame of version 1 to 2" in msgspec.json.decode(letter)["message"]


def test_what_a_newer_processor_had_begun_is_finished_by_a_newer_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed at every step of a batch that holds a newer frame, put back to this version, upgraded again."""
    met = 0
    for step in range(1, 20):
        bench = Bench(tmp_path / str(step))
        bench.send([event(1)])
        send_newer(bench, 2)
        bench.send([event(3)], partition="udp-0")
        with monkeypatch.context() as newer:
            newer.setattr(frame, "NEWEST_VERSION", NEWER)
            fuse = Fuse(step)
            with suppress(Crash):
                bench.drain(bench.processor(Dying(bench.queue, fuse), Dying(bench.store, fuse)))
        held: list[str] = []
        with running(bench.processor()) as older:
            bench.send([event(4)], partition="b")
            wait_for(lambda bench=bench: "k4" in keys(bench), 30, "another partition to go on")  # type: ignore[misc]
            held = older.problems()
        met += any(" of version " in problem for problem in held)
        monkeypatch.setattr(frame, "NEWEST_VERSION", NEWER)
        assert (bench.drain(), keys(bench)) == (AppLedger(4, 4), ["k1", "k2", "k3", "k4"]), step
        monkeypatch.undo()
        assert bench.samples.dead_letters.newest(9) == []
    assert met > 5


def test_an_erasure_waits_for_what_is_behind_a_newer_frame(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(tmp_path)
    send_newer(bench, 1)
    bench.send([event(2)])
    job, token = bench.erasures.ask(app=APP, query="session=s", from_ns=0, to_ns=1 << 62, matches=2, by="admin")
    bench.erasures.confirm(APP, job.job, token, "admin")
    with running(bench.processor()) as processor:
        wait_for(lambda: bool(processor.problems()), 30, "the partition to be stopped")
        for number in (3, 4):  # one after the other: between them an erasure would have its turn
            bench.send([event(number)], partition="udp-0")
            wait_for(lambda key=f"k{number}": key in keys(bench), 30, "another partition to go on")  # type: ignore[misc]
    assert bench.erasures.job(APP, job.job).state == "confirmed"
    monkeypatch.setattr(frame, "NEWEST_VERSION", NEWER)
    with running(bench.processor()):
        wait_for(lambda: bench.erasures.job(APP, job.job).state != "confirmed", 30, "the erasure")
    assert keys(bench) == []
