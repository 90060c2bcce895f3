"""What waits for one reader: bounded, in order, and every gap told in its place."""

import asyncio
import json

from logkeep.api.tail_buffers import Buffer, Chunk, Memory


def chunk(last: int, events: int = 1, size: int = 10) -> Chunk:
    return Chunk(b"%d:" % last + b"." * (size - len(str(last)) - 1), events, last)


def buffer(memory: Memory | None = None, *, bytes_max: int = 100, events_max: int = 10, after: int = 0) -> Buffer:
    return Buffer(memory or Memory(1000), bytes_max=bytes_max, events_max=events_max, after=after)


def taken(one: Buffer) -> bytes:
    return asyncio.run(asyncio.wait_for(one.take(), 5))


def notices(data: bytes) -> list[tuple[str, int | None]]:
    lines = [line for line in data.split(b"\n") if line.startswith(b"data: ")]
    return [(found["reason"], found["count"]) for found in (json.loads(line[6:]) for line in lines)]


def test_what_came_before_the_reader_is_not_for_it() -> None:
    one = buffer(after=5)
    for last in (4, 5, 6):
        assert one.offer(chunk(last)) is None
    assert taken(one) == chunk(6).data


def test_a_full_buffer_drops_whole_chunks_and_tells_their_events_where_they_are_missing() -> None:
    one = buffer(events_max=5)
    outcomes = [one.offer(chunk(1, 3)), one.offer(chunk(2, 3)), one.offer(chunk(3, 4)), one.offer(chunk(4, 2))]
    assert outcomes == [None, "reader_too_slow", "reader_too_slow", None]
    data = taken(one)
    assert data.startswith(chunk(1).data) and data.endswith(chunk(4).data)
    assert notices(data) == [("reader_too_slow", 7)]


def test_a_gap_at_the_end_is_told_without_waiting_for_more() -> None:
    one = buffer(bytes_max=15)
    one.offer(chunk(1))
    one.offer(chunk(2, 4))
    assert taken(one) == chunk(1).data
    assert notices(taken(one)) == [("reader_too_slow", 4)]
    assert one.is_empty


def test_one_event_larger_than_the_buffer_still_comes_through() -> None:
    one = buffer(bytes_max=15)
    assert one.offer(chunk(1, size=40)) is None
    assert taken(one) == chunk(1, size=40).data


def test_memory_counts_a_shared_chunk_once_until_the_last_reader_has_sent_it() -> None:
    memory = Memory(25)
    first, second = buffer(memory), buffer(memory)
    shared, more, other = chunk(1), chunk(2), chunk(3)
    for each in (shared, more):
        assert (first.offer(each), second.offer(each)) == (None, None)
    assert memory.bytes == 20
    assert (first.offer(other), second.offer(other)) == ("overloaded", "overloaded")
    assert taken(first).startswith(shared.data + more.data)
    assert memory.bytes == 20  # being sent
    second.close()
    assert memory.bytes == 20
    first.close()
    assert memory.bytes == 0


def test_the_end_comes_after_what_waits() -> None:
    one = buffer()
    one.offer(chunk(1))
    one.finish()
    assert (taken(one), taken(one)) == (chunk(1).data, b"")
