"""Damage, dead writers, second writers and shared fsyncs: what only the local queue can show, on the real disk."""

import errno
import subprocess
import sys
import threading
from pathlib import Path

import msgspec
import pytest
from isal.isal_zlib import crc32

from logkeep.clock import ManualClock
from logkeep.disk import DiskFile, DiskMark, SystemDisk
from logkeep.errors import BackendUnavailable, CorruptData
from logkeep.queue.local import LocalQueue
from logkeep.queue.port import LEADER, Mark
from logkeep.settings import QueueSettings

MIB = 1 << 20
SETTINGS = QueueSettings(segment_bytes_max=1000, free_bytes_min=0)
HEADER = 28
RECORD = 16


def open_queue(
    folder: Path, *, write: tuple[str, ...] = ("a",), disk: SystemDisk | None = None, settings: QueueSettings = SETTINGS
) -> LocalQueue:
    return LocalQueue(folder, settings, disk=disk or SystemDisk(), clock=ManualClock(), write=write)


def payloads(queue: LocalQueue, group: str = "g") -> list[bytes]:
    """All there is to read; b"!" where the queue said that something was damaged."""
    found: list[bytes] = []
    while True:
        try:
            records = queue.read(group, records_max=100, bytes_max=MIB)
        except CorruptData:
            found.append(b"!")
            continue
        if not records:
            return found
        found += [record.payload for record in records]


def segments(folder: Path, partition: str = "a") -> list[Path]:
    return sorted((folder / "partitions" / partition).glob("*.log"))


def flip(path: Path, offset: int) -> None:
    data = bytearray(path.read_bytes())
    data[offset] ^= 0x40
    path.write_bytes(data)


class _Storing(SystemDisk):
    """Whoever looks at a mark meets a store of it under way, so many times."""

    def __init__(self) -> None:
        self.times = 0

    def open_mark(self, path: Path, *, write: bool) -> DiskMark:
        found = super().open_mark(path, write=write)
        return found if write else _StoredMark(found, self)


class _StoredMark:
    def __init__(self, inner: DiskMark, disk: _Storing) -> None:
        self._inner, self._disk = inner, disk
        self.store, self.close = inner.store, inner.close

    def load(self) -> int | None:
        self._disk.times -= 1
        return self._inner.load() if self._disk.times < 0 else None


def test_a_mark_that_is_just_being_stored_hides_nothing(three: Path) -> None:
    disk = _Storing()
    queue = open_queue(three, write=(), disk=disk)
    disk.times = 3
    assert [record.payload[:1] for record in queue.uncommitted("g")] == [b"a", b"b", b"c"]


def test_a_writer_that_died_storing_its_mark_hides_nothing_that_was_seen(three: Path) -> None:
    disk = _Storing()
    queue = open_queue(three, write=(), disk=disk)
    assert payloads(queue)
    disk.times = 1 << 30
    end = queue.positions("g")["a"]
    for found in (queue.uncommitted("g"), queue.replay("a", 0, end)):
        assert [record.payload[:1] for record in found] == [b"a", b"b", b"c"]
    queue.close()
    queue = open_queue(three, write=(), disk=disk)
    assert payloads(queue) == []  # until the next writer says what there is


@pytest.fixture
def three(tmp_path: Path) -> Path:
    """A folder with three commits of one 100-byte record each, in one segment, closed."""
    queue = open_queue(tmp_path)
    for letter in (b"a", b"b", b"c"):
        queue.append("a", [letter * 100])
    queue.close()
    return tmp_path


A, B, C = b"a" * 100, b"b" * 100, b"c" * 100


@pytest.mark.parametrize("field", [0, 4, 8, 11, 12, RECORD, RECORD + 99])
def test_a_flipped_bit_in_the_middle_costs_that_record_only(three: Path, field: int) -> None:
    flip(segments(three)[0], HEADER + RECORD + 100 + field)
    queue = open_queue(three)
    assert payloads(queue) == [A, b"!", C]
    assert queue.damaged_stretches == 1
    queue.rewind("g")
    assert payloads(queue) == [A, C]
    queue.append("a", [b"next"])
    assert payloads(queue) == [b"next"]
    queue.close()


@pytest.mark.parametrize("place", range(HEADER))
def test_a_damaged_segment_header_costs_nothing(three: Path, place: int) -> None:
    flip(segments(three)[0], place)
    queue = open_queue(three)
    assert payloads(queue) == [A, B, C]
    queue.close()


def test_an_acknowledged_record_damaged_at_the_end_is_reported_and_not_cut(three: Path) -> None:
    flip(segments(three)[0], HEADER + 2 * (RECORD + 100) + RECORD + 5)
    queue = open_queue(three)
    queue.append("a", [b"next"])
    assert payloads(queue) == [A, B, b"!", b"next"]
    queue.close()


@pytest.mark.parametrize("torn", [b"\0" * 50, b"\xff" * 50, b"LKQ1"])
def test_a_torn_tail_is_cut_in_silence(three: Path, torn: bytes) -> None:
    whole = segments(three)[0].read_bytes()
    segments(three)[0].write_bytes(whole + torn)
    queue = open_queue(three)
    assert segments(three)[0].read_bytes() == whole
    queue.append("a", [b"next"])
    assert payloads(queue) == [A, B, C, b"next"]
    queue.close()


def test_a_lost_segment_is_reported_and_the_rest_is_read(tmp_path: Path) -> None:
    queue = open_queue(tmp_path)
    for letter in (b"1", b"2", b"3"):
        queue.append("a", [letter * 900])
    segments(tmp_path)[1].unlink()
    assert payloads(queue) == [b"1" * 900, b"!", b"3" * 900]
    queue.close()


def test_other_partitions_go_on_beside_a_damaged_one(tmp_path: Path) -> None:
    queue = open_queue(tmp_path, write=("a", "b"))
    for partition in ("a", "b"):
        for letter in (b"1", b"2"):
            queue.append(partition, [partition.encode() + letter])
    flip(segments(tmp_path)[0], HEADER + RECORD)
    assert sorted(payloads(queue)) == [b"!", b"a2", b"b1", b"b2"]
    queue.close()


def test_a_record_planted_in_a_payload_is_not_found_after_damage(tmp_path: Path) -> None:
    """A sender who knows the layout sends a record of another segment; its marker is not this one's."""
    other = open_queue(tmp_path / "other")
    other.append("a", [b"planted"])
    planted = segments(tmp_path / "other")[0].read_bytes()[HEADER:]
    queue = open_queue(tmp_path)
    queue.append("a", [b"x" * 10 + planted])
    queue.append("a", [b"next"])
    flip(segments(tmp_path)[0], HEADER + RECORD)
    assert payloads(queue) == [b"!", b"next"]
    queue.close()
    other.close()


def test_a_second_writer_is_refused_and_a_reader_is_not(tmp_path: Path) -> None:
    first = open_queue(tmp_path)
    with pytest.raises(BackendUnavailable, match="written by another process") as refused:
        open_queue(tmp_path)
    assert refused.value.code == "locked"
    first.append("a", [b"one"])
    reader = open_queue(tmp_path, write=())
    assert payloads(reader) == [b"one"]
    with pytest.raises(BackendUnavailable):
        reader.append("a", [b"two"])
    first.close()
    open_queue(tmp_path).close()


def test_a_reader_finds_partitions_that_come_later(tmp_path: Path) -> None:
    reader = open_queue(tmp_path, write=())
    assert payloads(reader) == []
    writer = open_queue(tmp_path, write=("late",))
    writer.append("late", [b"one"])
    assert payloads(reader) == [b"one"]
    writer.append("late", [b"x" * 2000, b"two"])
    assert payloads(reader) == [b"x" * 2000, b"two"]
    writer.close()


def test_a_reader_finds_what_a_dead_writer_left_though_its_mark_is_lost(three: Path) -> None:
    (three / "partitions" / "a" / "durable").unlink()
    reader = open_queue(three, write=())
    assert payloads(reader) == [A, B, C]


def test_a_reader_leaves_the_tail_of_a_living_writer_alone(three: Path) -> None:
    writer = open_queue(three)
    with segments(three)[0].open("ab") as file:
        file.write(b"half a commit")
    size = segments(three)[0].stat().st_size
    assert payloads(open_queue(three, write=())) == [A, B, C]
    assert segments(three)[0].stat().st_size == size
    writer.close()


def test_a_new_partition_under_old_commits_does_not_use_their_offsets(tmp_path: Path) -> None:
    """An operator removed the partition and kept the groups: what comes next must still be read."""
    queue = open_queue(tmp_path, write=("b",))
    queue.commit("g", {"a": Mark(5000, b"m")})
    queue.close()
    queue = open_queue(tmp_path)
    assert queue.append("a", [b"one"]) == 5000
    assert payloads(queue) == [b"one"]
    queue.close()


def test_damaged_commits_are_an_alarm_and_intake_goes_on(three: Path) -> None:
    queue = open_queue(three)
    queue.commit("g", {"a": Mark(116)})
    flip(three / "groups" / "g", 9)
    queue.close()
    queue = open_queue(three)
    queue.append("a", [b"next"])
    for ask in (queue.marks, queue.lag, lambda group: queue.read(group, records_max=1, bytes_max=1)):
        with pytest.raises(CorruptData, match="the commits of group g are damaged"):
            ask("g")
    queue.close()


def test_commits_and_records_are_there_after_a_restart(three: Path) -> None:
    queue = open_queue(three)
    first = queue.read("g", records_max=1, bytes_max=MIB)[0]
    queue.commit("g", {"a": Mark(first.next_offset, b"meta")})
    queue.close()
    queue = open_queue(three)
    assert queue.marks("g") == {"a": Mark(116, b"meta")}
    assert payloads(queue) == [B, C]
    queue.close()


def test_processed_segments_are_kept_for_looking_back_by_bytes_and_age(tmp_path: Path) -> None:
    clock = ManualClock()
    settings = QueueSettings(segment_bytes_max=1000, free_bytes_min=0, keep_bytes=2000, keep_s=60)
    queue = LocalQueue(tmp_path, settings, disk=SystemDisk(), clock=clock, write=("a",))
    for number in range(5):
        queue.append("a", [b"%d" % number * 884])
    queue.commit("g", queue.read("g", records_max=9, bytes_max=MIB)[-1:] and {"a": Mark(4500)})
    assert (queue.trim(), len(segments(tmp_path))) == (2 * (900 + HEADER), 3)
    clock.advance(61)
    assert (queue.trim(), len(segments(tmp_path))) == (2 * (900 + HEADER), 1)
    queue.close()


def test_a_commit_that_may_not_be_durable_trims_nothing_until_the_next(tmp_path: Path) -> None:
    """Its new name is seen, but may be gone after a power cut; the records it covers must then still be there."""

    class UnsyncedDisk(SystemDisk):
        fails = False

        def sync_names(self, folder: Path) -> None:
            if self.fails and folder.name == "groups":
                raise OSError(errno.EIO, "simulated")
            super().sync_names(folder)

    disk = UnsyncedDisk()
    queue = open_queue(tmp_path, disk=disk)
    queue.append("a", [A * 9])
    queue.append("a", [B * 9])
    disk.fails = True
    with pytest.raises(BackendUnavailable):
        queue.commit("g", {"a": Mark(916)})
    disk.fails = False
    assert queue.trim() == 0
    queue.commit("g", {"a": Mark(916)})
    assert queue.trim() == 916 + HEADER
    queue.close()


class GatedDisk(SystemDisk):
    """Segments' fsyncs wait for `gate`, are counted, and fail with `error` when it is set."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.gate.set()
        self.entered = threading.Event()
        self.syncs = 0
        self.error: int | None = None

    def open_append(self, path: Path) -> DiskFile:
        file, disk = super().open_append(path), self
        real_sync = file.sync

        def sync() -> None:
            disk.syncs += 1
            disk.entered.set()
            disk.gate.wait(10)
            if disk.error is not None:
                raise OSError(disk.error, "simulated")
            real_sync()

        file.sync = sync  # type: ignore[method-assign]
        return file


def test_everyone_who_waits_shares_one_fsync(tmp_path: Path) -> None:
    disk = GatedDisk()
    queue = open_queue(tmp_path, disk=disk, settings=QueueSettings(free_bytes_min=0))
    disk.gate.clear()
    disk.entered.clear()
    before = disk.syncs
    threads = [threading.Thread(target=queue.append, args=("a", [b"%d" % n])) for n in range(20)]
    threads[0].start()
    assert disk.entered.wait(10)
    for thread in threads[1:]:
        thread.start()
    writer = queue._writers["a"]
    while len(writer._waiting) < 19:
        threading.Event().wait(0.001)
    disk.gate.set()
    for thread in threads:
        thread.join()
    assert disk.syncs - before == 2
    assert sorted(payloads(queue)) == sorted(b"%d" % n for n in range(20))
    queue.close()


def test_after_a_failed_fsync_nothing_is_acknowledged_until_a_restart(tmp_path: Path) -> None:
    disk = GatedDisk()
    queue = open_queue(tmp_path, write=("a", "b"), disk=disk)
    queue.append("a", [b"before"])
    disk.error = errno.EIO
    with pytest.raises(BackendUnavailable) as first:
        queue.append("a", [b"unknown"])
    disk.error = None
    with pytest.raises(BackendUnavailable) as second:
        queue.append("a", [b"refused"])
    assert (first.value.code, second.value.code) == ("partition_stopped", "partition_stopped")
    assert list(queue.stopped()) == ["a"]
    queue.append("b", [b"other"])
    assert sorted(payloads(queue)) == [b"before", b"other"]
    queue.close()
    queue = open_queue(tmp_path)
    queue.append("a", [b"after"])
    assert b"after" in payloads(queue) and b"refused" not in payloads(queue, "h")
    queue.close()


def test_too_little_free_space_refuses_until_there_is_more(tmp_path: Path) -> None:
    class FillingDisk(SystemDisk):
        free = 10_000

        def free_bytes(self, folder: Path) -> int:
            return self.free

    disk, clock = FillingDisk(), ManualClock()
    queue = LocalQueue(tmp_path, QueueSettings(free_bytes_min=9_000), disk=disk, clock=clock, write=("a",))
    queue.append("a", [b"x" * 500])
    with pytest.raises(BackendUnavailable, match="must keep 9,000") as refused:
        queue.append("a", [b"y" * 500])
    assert refused.value.code == "queue_full"
    disk.free = 20_000
    clock.advance(0.05)
    queue.append("a", [b"z"])
    assert payloads(queue) == [b"x" * 500, b"z"]
    queue.close()


WRITER = """
import sys
from pathlib import Path
from logkeep.clock import SystemClock
from logkeep.disk import SystemDisk
from logkeep.queue.local import LocalQueue
from logkeep.settings import QueueSettings
settings = QueueSettings(segment_bytes_max=20_000, free_bytes_min=0)
queue = LocalQueue(Path(sys.argv[1]), settings, disk=SystemDisk(), clock=SystemClock(), write=("a",))
for number in range(int(sys.argv[2]), 1 << 30):
    queue.append("a", [b"%d" % number])
    sys.stdout.write(f"{number}\\n")
    sys.stdout.flush()
"""


def test_a_reader_beside_a_writer_that_is_killed_sees_each_record_once_in_order(tmp_path: Path) -> None:
    reader = open_queue(tmp_path, write=())
    acknowledged, found, start = -1, [], 0
    for count in (50, 170, 20):
        process = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(tmp_path), str(start)], stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        for _ in range(count):
            acknowledged = int(process.stdout.readline())
            found += payloads(reader)
        process.kill()
        acknowledged = max([acknowledged, *map(int, process.stdout.read().split("\n")[:-1])])
        process.wait()
        process.stdout.close()
        reader._clock.sleep(2)  # type: ignore[attr-defined]  # it looks for what dead writers left once a second
        found += payloads(reader)
        start = int(found[-1]) + 1
        assert start > acknowledged
    assert found == [b"%d" % number for number in range(start)]


def test_what_is_forgotten_leaves_no_bytes_although_its_segment_was_being_written(tmp_path: Path) -> None:
    settings = QueueSettings(free_bytes_min=0)
    writer = open_queue(tmp_path, settings=settings)
    reader = open_queue(tmp_path, write=(), settings=settings)
    writer.append("a", [b"a secret"])
    writer.append("a", [b"another"])
    ends = reader.ends()
    assert not reader.forget(ends)  # nothing is committed
    reader.commit("g", {name: Mark(end) for name, end in ends.items()})
    assert not reader.forget(ends)  # the writer has not closed the segment yet
    writer.seal_where_asked()
    assert reader.forget(ends)
    assert b"secret" not in b"".join(path.read_bytes() for path in segments(tmp_path))
    writer.append("a", [b"next"])
    assert payloads(reader) == [b"next"]
    writer.seal_where_asked()
    assert len(segments(tmp_path)) == 1  # what came later is not closed
    writer.close()
    assert payloads(open_queue(tmp_path), "other") == [b"next"]


def test_what_is_processed_leaves_no_bytes_after_a_while_though_little_comes(tmp_path: Path) -> None:
    settings = QueueSettings(free_bytes_min=0, segment_s=60)
    writer = open_queue(tmp_path, settings=settings)
    reader = open_queue(tmp_path, write=(), settings=settings)
    clock = reader._clock
    assert isinstance(clock, ManualClock)

    def is_there() -> bool:
        """Whether some file has the secret after trimming, twice: the writer is asked and then has done it."""
        for _ in range(2):
            reader.trim()
            writer.seal_where_asked()
        return b"secret" in b"".join(path.read_bytes() for path in segments(tmp_path))

    writer.append("a", [b"a secret"])
    clock.advance(59)
    reader.commit("g", {"a": Mark(reader.ends()["a"])})
    assert is_there() and len(segments(tmp_path)) == 1  # young
    clock.advance(2)
    end = writer.append("a", [b"waits"])
    assert is_there() and len(segments(tmp_path)) == 2  # closed; it goes when all of it is processed
    assert payloads(reader) == [b"waits"]
    reader.commit("g", {"a": Mark(reader.ends()["a"])})
    assert not is_there() and [path.stat().st_size for path in segments(tmp_path)] == [HEADER]
    assert writer.append("a", [b"next"]) > end and payloads(reader) == [b"next"]


def test_what_nobody_has_processed_is_not_closed_for_its_age(tmp_path: Path) -> None:
    queue = open_queue(tmp_path)
    queue.append("a", [A])
    assert isinstance(queue._clock, ManualClock)
    queue._clock.advance(3600)
    for group in ("g", "slow"):
        queue.commit(group, {"a": Mark(0)})
        queue.trim()
        queue.seal_where_asked()
    assert len(segments(tmp_path)) == 1 and payloads(queue) == [A]


def test_what_is_processed_goes_too_where_nobody_writes_any_more(three: Path) -> None:
    queue = open_queue(three, write=())
    queue.commit("g", {name: Mark(end) for name, end in queue.ends().items()})
    assert isinstance(queue._clock, ManualClock)
    queue._clock.advance(61)
    for _ in range(2):
        queue.trim()
    assert [path.stat().st_size for path in segments(three)] == [HEADER]
    assert payloads(queue) == []


def test_a_segment_whose_writer_is_gone_is_forgotten_too(three: Path) -> None:
    queue = open_queue(three, write=())
    ends = queue.ends()
    queue.commit("g", {name: Mark(end) for name, end in ends.items()})
    assert queue.forget(ends)
    assert [path.stat().st_size for path in segments(three)] == [HEADER]
    again = open_queue(three)
    again.append("a", [b"next"])
    assert payloads(again) == [b"next"]


def test_what_another_group_has_not_read_is_not_forgotten(three: Path) -> None:
    queue = open_queue(three)
    ends = queue.ends()
    queue.commit("slow", {"a": Mark(0)})
    queue.commit("g", {name: Mark(end) for name, end in ends.items()})
    queue.forget(ends)
    queue.seal_where_asked()
    assert not queue.forget(ends)
    assert payloads(queue, "slow") == [A, B, C]
    queue.commit("slow", {name: Mark(end) for name, end in ends.items()})
    assert queue.forget(ends)


def test_a_group_from_before_marks_is_read_and_kept_as_marks(tmp_path: Path) -> None:
    open_queue(tmp_path, write=()).close()
    body = msgspec.msgpack.encode({"offsets": {"a": 116}, "metadata": b"ledger"})
    (tmp_path / "groups" / "g").write_bytes(b"LKG1" + crc32(body).to_bytes(4, "little") + body)
    queue = open_queue(tmp_path, write=())
    assert queue.marks("g") == {"a": Mark(116), LEADER: Mark(0, b"ledger")}
    queue.commit("g", {"a": Mark(232, b"own")})
    assert queue.marks("g") == {"a": Mark(232, b"own"), LEADER: Mark(0, b"ledger")}
