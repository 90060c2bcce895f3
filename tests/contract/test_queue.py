"""What every queue promises, run against each adapter; the local one on the real disk."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.contract.queues import HERE, MIB, SERVERS, names, opened, read_all, read_some, reads
from tests.service import wait_for

from logkeep.errors import BackendUnavailable, InputError
from logkeep.queue.port import LEADER, Mark, Queue


@pytest.fixture(params=[*HERE, *SERVERS])
def queue(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Queue]:
    with opened(request.param, tmp_path, request.getfixturevalue) as found:
        yield found


@pytest.fixture(params=HERE)
def near_queue(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Queue]:
    """What is appended can be read at once: over a network, what comes when is not the queue's to say."""
    with opened(request.param, tmp_path, request.getfixturevalue) as found:
        yield found


def test_what_is_appended_is_read_in_order_and_once(queue: Queue) -> None:
    a, _ = names(queue)
    queue.append(a, [b"one", b"", b"three"])
    queue.append(a, [b"four"])
    assert read_all(queue) == {a: [b"one", b"", b"three", b"four"]}
    assert queue.read("g", records_max=10, bytes_max=MIB) == []


def test_append_answers_the_offset_of_its_first_record(queue: Queue) -> None:
    a, _ = names(queue)
    queue.append(a, [b"before"])
    offset = queue.append(a, [b"one", b"two"])
    records = read_some(queue, 3)
    assert [r.offset for r in records].index(offset) == 1
    assert [r.next_offset for r in records[:-1]] == [r.offset for r in records[1:]]


def test_a_new_queue_has_nothing(queue: Queue) -> None:
    assert queue.read("g", records_max=10, bytes_max=MIB) == []
    assert queue.marks("g") == {}
    assert sum(queue.lag("g").values()) == 0
    assert queue.trim() == 0


def test_read_gives_no_more_records_than_asked_for(queue: Queue) -> None:
    a, b = names(queue)
    queue.append(a, [b"x"] * 7)
    queue.append(b, [b"y"] * 7)
    sizes = [len(records) for records in reads(queue, 14, records_max=4)]
    assert sum(sizes) == 14
    assert max(sizes) <= 4


def test_read_gives_no_more_bytes_than_asked_for(queue: Queue) -> None:
    a, _ = names(queue)
    queue.append(a, [b"x" * 100] * 10)
    sizes = [len(records) for records in reads(queue, 10, bytes_max=350)]
    assert sum(sizes) == 10 and max(sizes) <= 3


def test_a_record_larger_than_asked_for_comes_alone(queue: Queue) -> None:
    a, _ = names(queue)
    queue.append(a, [b"small", b"x" * 60_000, b"small"])
    assert [[len(r.payload) for r in records] for records in reads(queue, 3, bytes_max=10)] == [[5], [60_000], [5]]


def test_partitions_take_turns(near_queue: Queue) -> None:
    a, b = names(near_queue)
    near_queue.append(a, [b"a"] * 100)
    near_queue.append(b, [b"b"] * 100)
    first = [r.payload for _ in range(2) for r in near_queue.read("g", records_max=10, bytes_max=MIB)]
    assert sorted(first) == [b"a"] * 10 + [b"b"] * 10


def test_one_busy_partition_gets_the_whole_read(near_queue: Queue) -> None:
    a, b = names(near_queue)
    near_queue.append(b, [b"b"])
    read_all(near_queue)
    near_queue.append(a, [b"a"] * 100)
    assert len(near_queue.read("g", records_max=100, bytes_max=MIB)) == 100


def test_rewind_starts_again_at_the_committed_offsets(queue: Queue) -> None:
    a, _ = names(queue)
    queue.append(a, [b"one", b"two", b"three"])
    first = read_some(queue, 1, records_max=1)[0]
    read_all(queue)
    queue.commit("g", {a: Mark(first.next_offset)})
    queue.rewind("g")
    assert read_all(queue) == {a: [b"two", b"three"]}


def test_groups_do_not_disturb_each_other(queue: Queue) -> None:
    a, _ = names(queue)
    queue.append(a, [b"one"])
    assert read_all(queue, "g") == {a: [b"one"]}
    assert read_all(queue, "h") == {a: [b"one"]}


def test_commit_keeps_the_marks_of_other_partitions(queue: Queue) -> None:
    a, b = names(queue)
    queue.append(a, [b"one"])
    queue.append(b, [b"one"])
    ends = {r.partition: r.next_offset for r in read_some(queue, 2)}
    queue.commit("g", {a: Mark(ends[a], b"first")})
    queue.commit("g", {b: Mark(ends[b], b"second"), LEADER: Mark(0, b"third")})
    assert queue.marks("g") == {
        a: Mark(ends[a], b"first"),
        b: Mark(ends[b], b"second"),
        LEADER: Mark(0, b"third"),
    }


def test_an_older_commit_does_not_rewind(queue: Queue) -> None:
    a, _ = names(queue)
    queue.append(a, [b"one", b"two"])
    one, two = read_some(queue, 2)
    queue.commit("g", {a: Mark(two.next_offset)})
    queue.commit("g", {a: Mark(one.next_offset)})
    assert queue.marks("g") == {a: Mark(two.next_offset)}


def test_lag_is_what_is_not_committed(queue: Queue) -> None:
    a, _ = names(queue)
    queue.append(a, [b"x" * 100] * 2)
    one, two = read_some(queue, 2)
    whole = queue.lag("g")[a]
    queue.commit("g", {a: Mark(one.next_offset)})
    half = queue.lag("g")[a]
    queue.commit("g", {a: Mark(two.next_offset)})
    assert (whole, queue.lag("g")[a]) == (2 * half, 0)
    assert half >= 100


def test_uncommitted_is_everything_past_the_commit_and_moves_nothing(queue: Queue) -> None:
    a, _ = names(queue)
    queue.append(a, [b"one", b"two" * 10_000, b"three"])
    first = read_some(queue, 1, records_max=1)[0]
    queue.commit("g", {a: Mark(first.next_offset)})
    assert [r.payload for r in queue.uncommitted("g")] == [b"two" * 10_000, b"three"]
    assert [r.payload for r in queue.uncommitted("g", payload_bytes_max=4)] == [b"twot", b"thre"]
    assert read_all(queue) == {a: [b"two" * 10_000, b"three"]}


@pytest.mark.parametrize("payloads", [[b"ok", b"x" * 70_001], [], [b""] * 10_001])
def test_a_bad_append_is_refused_whole(queue: Queue, payloads: list[bytes]) -> None:
    a, _ = names(queue)
    with pytest.raises(InputError):
        queue.append(a, payloads)
    assert read_all(queue) == {}


def test_names_that_would_leave_the_folder_are_refused(queue: Queue) -> None:
    a, _ = names(queue)
    with pytest.raises(InputError):
        queue.commit("../g", {a: Mark(0)})
    with pytest.raises((InputError, BackendUnavailable)):
        queue.append("../a", [b"x"])


def test_a_mark_over_its_limit_is_refused(queue: Queue) -> None:
    a, _ = names(queue)
    with pytest.raises(InputError):
        queue.commit("g", {a: Mark(0, b"x" * (MIB + 1))})
    assert queue.marks("g") == {}


def test_a_full_queue_refuses_until_what_is_processed_was_trimmed(queue: Queue) -> None:
    a, _ = names(queue)
    stored = fill(queue)
    assert stored > 1
    records = read_some(queue, stored)
    assert len(records) == stored
    assert queue.trim() == 0
    queue.commit("g", {a: Mark(records[-1].next_offset)})
    assert queue.trim() > 0
    wait_for(lambda: has_room(queue), 30.0, "the queue to have room")
    assert read_all(queue) == {a: [b"again"]}


def has_room(queue: Queue) -> bool:
    try:
        queue.append(names(queue)[0], [b"again"])
    except BackendUnavailable:
        return False
    return True


def fill(queue: Queue) -> int:
    a, _ = names(queue)
    for count in range(1000):
        try:
            queue.append(a, [b"x" * 60_000])
        except BackendUnavailable as error:
            assert (error.code, error.retry_after_s) == ("queue_full", 5)
            return count
    raise AssertionError("the queue never became full")


def test_trim_keeps_what_one_group_still_needs(queue: Queue) -> None:
    a, _ = names(queue)
    queue.append(a, [b"x" * 60_000] * 5)
    for group in ("g", "h"):
        records = read_some(queue, 5, group)
        queue.commit(group, {a: Mark(records[4 if group == "g" else 1].next_offset)})
    queue.trim()
    queue.rewind("h")
    assert len(read_all(queue, "h")[a]) == 3


def test_threads_that_append_at_once_each_keep_their_order(queue: Queue) -> None:
    a, _ = names(queue)

    def append_many(thread: int) -> None:
        for number in range(50):
            queue.append(a, [b"%d %d %d" % (thread, number, part) for part in range(2)])

    threads = [threading.Thread(target=append_many, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = [tuple(map(int, payload.split())) for payload in read_all(queue)[a]]
    for thread_number in range(8):
        own = [f[1:] for f in found if f[0] == thread_number]
        assert own == [(n, p) for n in range(50) for p in range(2)]
    pairs = list(zip(found[::2], found[1::2], strict=True))
    assert all(first[:2] == second[:2] for first, second in pairs)  # none in between
