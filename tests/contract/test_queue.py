"""What every queue promises, run against each adapter; the local one on the real disk."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from logkeep.clock import ManualClock
from logkeep.disk import SystemDisk
from logkeep.errors import BackendUnavailable, InputError
from logkeep.queue.local import LocalQueue
from logkeep.queue.memory import MemoryQueue
from logkeep.queue.port import LEADER, Mark, Queue
from logkeep.settings import QueueSettings

MIB = 1 << 20
SETTINGS = QueueSettings(record_bytes_max=70_000, segment_bytes_max=65_536, bytes_max=4 * MIB, free_bytes_min=0)

Open = Callable[[], Queue]


@pytest.fixture(params=["memory", "local"])
def queue(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Queue]:
    if request.param == "memory":
        opened: Queue = MemoryQueue(SETTINGS)
    else:
        opened = LocalQueue(tmp_path, SETTINGS, disk=SystemDisk(), clock=ManualClock(), write=("a", "b"))
    yield opened
    opened.close()


def read_all(queue: Queue, group: str = "g") -> dict[str, list[bytes]]:
    found: dict[str, list[bytes]] = {}
    while records := queue.read(group, records_max=1000, bytes_max=MIB):
        for record in records:
            found.setdefault(record.partition, []).append(record.payload)
    return found


def test_what_is_appended_is_read_in_order_and_once(queue: Queue) -> None:
    queue.append("a", [b"one", b"", b"three"])
    queue.append("a", [b"four"])
    assert read_all(queue) == {"a": [b"one", b"", b"three", b"four"]}
    assert queue.read("g", records_max=10, bytes_max=MIB) == []


def test_append_answers_the_offset_of_its_first_record(queue: Queue) -> None:
    queue.append("a", [b"before"])
    offset = queue.append("a", [b"one", b"two"])
    records = queue.read("g", records_max=10, bytes_max=MIB)
    assert [r.offset for r in records].index(offset) == 1
    assert [r.next_offset for r in records[:-1]] == [r.offset for r in records[1:]]


def test_a_new_queue_has_nothing(queue: Queue) -> None:
    assert queue.read("g", records_max=10, bytes_max=MIB) == []
    assert queue.marks("g") == {}
    assert sum(queue.lag("g").values()) == 0
    assert queue.trim() == 0


def test_read_gives_no_more_records_than_asked_for(queue: Queue) -> None:
    queue.append("a", [b"x"] * 7)
    queue.append("b", [b"y"] * 7)
    sizes = []
    while records := queue.read("g", records_max=4, bytes_max=MIB):
        sizes.append(len(records))
    assert sum(sizes) == 14
    assert max(sizes) <= 4


def test_read_gives_no_more_bytes_than_asked_for(queue: Queue) -> None:
    queue.append("a", [b"x" * 100] * 10)
    assert [len(queue.read("g", records_max=100, bytes_max=350)) for _ in range(5)] == [3, 3, 3, 1, 0]


def test_a_record_larger_than_asked_for_comes_alone(queue: Queue) -> None:
    queue.append("a", [b"small", b"x" * 60_000, b"small"])
    assert [[len(r.payload) for r in queue.read("g", records_max=9, bytes_max=10)] for _ in range(4)] == [
        [5],
        [60_000],
        [5],
        [],
    ]


def test_partitions_take_turns(queue: Queue) -> None:
    queue.append("a", [b"a"] * 100)
    queue.append("b", [b"b"] * 100)
    first = [r.payload for _ in range(2) for r in queue.read("g", records_max=10, bytes_max=MIB)]
    assert sorted(first) == [b"a"] * 10 + [b"b"] * 10


def test_one_busy_partition_gets_the_whole_read(queue: Queue) -> None:
    queue.append("b", [b"b"])
    read_all(queue)
    queue.append("a", [b"a"] * 100)
    assert len(queue.read("g", records_max=100, bytes_max=MIB)) == 100


def test_rewind_starts_again_at_the_committed_offsets(queue: Queue) -> None:
    queue.append("a", [b"one", b"two", b"three"])
    first = queue.read("g", records_max=1, bytes_max=MIB)[0]
    read_all(queue)
    queue.commit("g", {"a": Mark(first.next_offset)})
    queue.rewind("g")
    assert read_all(queue) == {"a": [b"two", b"three"]}


def test_groups_do_not_disturb_each_other(queue: Queue) -> None:
    queue.append("a", [b"one"])
    assert read_all(queue, "g") == {"a": [b"one"]}
    assert read_all(queue, "h") == {"a": [b"one"]}


def test_commit_keeps_the_marks_of_other_partitions(queue: Queue) -> None:
    queue.append("a", [b"one"])
    queue.append("b", [b"one"])
    ends = {r.partition: r.next_offset for r in queue.read("g", records_max=9, bytes_max=MIB)}
    queue.commit("g", {"a": Mark(ends["a"], b"first")})
    queue.commit("g", {"b": Mark(ends["b"], b"second"), LEADER: Mark(0, b"third")})
    assert queue.marks("g") == {
        "a": Mark(ends["a"], b"first"),
        "b": Mark(ends["b"], b"second"),
        LEADER: Mark(0, b"third"),
    }


def test_an_older_commit_does_not_rewind(queue: Queue) -> None:
    queue.append("a", [b"one", b"two"])
    one, two = queue.read("g", records_max=9, bytes_max=MIB)
    queue.commit("g", {"a": Mark(two.next_offset)})
    queue.commit("g", {"a": Mark(one.next_offset)})
    assert queue.marks("g") == {"a": Mark(two.next_offset)}


def test_lag_is_what_is_not_committed(queue: Queue) -> None:
    queue.append("a", [b"x" * 100] * 2)
    one, two = queue.read("g", records_max=9, bytes_max=MIB)
    whole = queue.lag("g")["a"]
    queue.commit("g", {"a": Mark(one.next_offset)})
    half = queue.lag("g")["a"]
    queue.commit("g", {"a": Mark(two.next_offset)})
    assert (whole, queue.lag("g")["a"]) == (2 * half, 0)
    assert half >= 100


def test_uncommitted_is_everything_past_the_commit_and_moves_nothing(queue: Queue) -> None:
    queue.append("a", [b"one", b"two" * 10_000, b"three"])
    first = queue.read("g", records_max=1, bytes_max=MIB)[0]
    queue.commit("g", {"a": Mark(first.next_offset)})
    assert [r.payload for r in queue.uncommitted("g")] == [b"two" * 10_000, b"three"]
    assert [r.payload for r in queue.uncommitted("g", payload_bytes_max=4)] == [b"twot", b"thre"]
    assert read_all(queue) == {"a": [b"two" * 10_000, b"three"]}


@pytest.mark.parametrize("payloads", [[b"ok", b"x" * 70_001], [], [b""] * 10_001])
def test_a_bad_append_is_refused_whole(queue: Queue, payloads: list[bytes]) -> None:
    with pytest.raises(InputError):
        queue.append("a", payloads)
    assert read_all(queue) == {}


def test_names_that_would_leave_the_folder_are_refused(queue: Queue) -> None:
    with pytest.raises(InputError):
        queue.commit("../g", {"a": Mark(0)})
    with pytest.raises((InputError, BackendUnavailable)):
        queue.append("../a", [b"x"])


def test_a_mark_over_its_limit_is_refused(queue: Queue) -> None:
    with pytest.raises(InputError):
        queue.commit("g", {"a": Mark(0, b"x" * (MIB + 1))})
    assert queue.marks("g") == {}


def test_a_full_queue_refuses_until_what_is_processed_was_trimmed(queue: Queue) -> None:
    stored = fill(queue)
    assert stored > 1
    records = []
    while found := queue.read("g", records_max=1000, bytes_max=MIB):
        records += found
    assert len(records) == stored
    assert queue.trim() == 0
    queue.commit("g", {"a": Mark(records[-1].next_offset)})
    assert queue.trim() > 0
    queue.append("a", [b"again"])
    assert read_all(queue) == {"a": [b"again"]}


def fill(queue: Queue) -> int:
    for count in range(1000):
        try:
            queue.append("a", [b"x" * 60_000])
        except BackendUnavailable as error:
            assert (error.code, error.retry_after_s) == ("queue_full", 5)
            return count
    raise AssertionError("the queue never became full")


def test_trim_keeps_what_one_group_still_needs(queue: Queue) -> None:
    queue.append("a", [b"x" * 60_000] * 5)
    for group in ("g", "h"):
        records = queue.read(group, records_max=9, bytes_max=MIB)
        queue.commit(group, {"a": Mark(records[4 if group == "g" else 1].next_offset)})
    queue.trim()
    queue.rewind("h")
    assert len(read_all(queue, "h")["a"]) == 3


def test_threads_that_append_at_once_each_keep_their_order(queue: Queue) -> None:
    def append_many(thread: int) -> None:
        for number in range(50):
            queue.append("a", [b"%d %d %d" % (thread, number, part) for part in range(2)])

    threads = [threading.Thread(target=append_many, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = [tuple(map(int, payload.split())) for payload in read_all(queue)["a"]]
    for thread_number in range(8):
        own = [f[1:] for f in found if f[0] == thread_number]
        assert own == [(n, p) for n in range(50) for p in range(2)]
    pairs = list(zip(found[::2], found[1::2], strict=True))
    assert all(first[:2] == second[:2] for first, second in pairs)  # none in between
