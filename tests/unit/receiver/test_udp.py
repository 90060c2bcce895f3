"""Packing datagrams into frames, handing them over, committing them; no sockets."""

from collections.abc import Sequence

import pytest

from logkeep.clock import ManualClock
from logkeep.decode.frame import FrameHeader, unpack_frame
from logkeep.errors import BackendUnavailable
from logkeep.queue.port import Queue
from logkeep.receiver.batch_ids import BatchIds
from logkeep.receiver.udp import (
    FRAME_BYTES_MAX,
    FRAME_EVENTS_MAX,
    PARTITION_STOPPED,
    Committer,
    Drain,
    Handover,
    frames_of,
)
from logkeep.telemetry import Telemetry


def framed(datagrams: list[bytes], app: str = "") -> list[tuple[FrameHeader, bytes]]:
    return list(frames_of(datagrams, app, 7, BatchIds(ManualClock())))


def counts_and_bodies(datagrams: list[bytes]) -> list[tuple[int, dict[str, int], bytes]]:
    return [(header.count, header.rejected, body) for header, body in framed(datagrams)]


def test_the_datagrams_of_a_drain_are_lines_of_one_frame() -> None:
    [(header, body)] = framed([b'{"a":1}', b'{"b":2}'], app="shop")

    assert body == b'{"a":1}\n{"b":2}'
    assert header == FrameHeader("shop", 7, header.batch_id, 2, form="ndjson", encoding="plain", source="udp")


def test_a_newline_at_the_end_of_a_datagram_makes_no_blank_line() -> None:
    assert counts_and_bodies([b"1\n", b" 2\r\n", b"\n3"]) == [(3, {}, b"1\n2\n3")]


def test_a_datagram_of_several_lines_counts_each_and_no_blank_one() -> None:
    assert counts_and_bodies([b"1\n\n2\n \t\n3", b"4"]) == [(4, {}, b"1\n2\n3\n4")]


def test_a_blank_datagram_is_rejected_in_the_header() -> None:
    assert counts_and_bodies([b"", b"1", b" \n "]) == [(1, {"invalid_json": 2}, b"1")]
    assert counts_and_bodies([b""]) == [(0, {"invalid_json": 1}, b"")]


def test_any_other_bytes_are_kept_for_the_processor_to_judge() -> None:
    hostile = [b"\x00", b"\xff\xfe", b"x" * 65_507, b"[" * 10_000]
    assert counts_and_bodies(hostile) == [(4, {}, b"\n".join(hostile))]


def test_frames_are_bounded_in_events_and_bytes_and_keep_the_order() -> None:
    many = [str(i).encode() for i in range(FRAME_EVENTS_MAX + 1)]
    assert [(c, b) for c, _, b in counts_and_bodies(many)] == [
        (FRAME_EVENTS_MAX, b"\n".join(many[:-1])),
        (1, many[-1]),
    ]
    large = [bytes([65 + i]) * (FRAME_BYTES_MAX // 4) for i in range(6)]
    assert [(c, b) for c, _, b in counts_and_bodies(large)] == [(4, b"\n".join(large[:4])), (2, b"\n".join(large[4:]))]


def test_one_datagram_of_very_many_lines_is_cut_into_bounded_frames() -> None:
    lines = [b"1"] * (FRAME_EVENTS_MAX * 2 + 5)
    assert [c for c, _, _ in counts_and_bodies([b"\n".join(lines)])] == [FRAME_EVENTS_MAX, FRAME_EVENTS_MAX, 5]


def test_batch_ids_are_24_hex_digits_and_none_comes_twice_even_when_the_clock_falls_back() -> None:
    clock = ManualClock()
    ids = BatchIds(clock, process_tag=b"\x01\x02\x03")
    first = ids.next()
    clock.jump(-3600)
    made = [first, *(ids.next() for _ in range(1000))]

    assert {len(made_id) for made_id in made} == {24}
    assert len(set(made)) == 1001
    assert {made_id[12:18] for made_id in made} == {"010203"}
    assert first[:12] == f"{1_700_000_000_000:012x}"


def drain(*datagrams: bytes) -> Drain:
    return Drain(list(datagrams), 7, sum(map(len, datagrams)))


def test_the_handover_refuses_what_does_not_fit_and_takes_it_again_once_emptied() -> None:
    handover = Handover(10)
    assert [handover.offer(drain(b"x" * 8)), handover.offer(drain(b"y" * 3))] == [True, False]
    assert handover.take(gather_s=0) == [drain(b"x" * 8)]
    assert handover.offer(drain(b"y" * 3)) is True


def test_a_closed_handover_gives_what_it_has_and_then_nothing() -> None:
    handover = Handover(10)
    handover.offer(drain(b"x"))
    handover.close()

    assert handover.offer(drain(b"y")) is False
    assert [handover.take(), handover.take()] == [[drain(b"x")], []]


class _RefusingQueue:
    """Refuses the first appends with the given codes, keeps the rest."""

    datagrams = "udp-0"

    def __init__(self, *codes: str) -> None:
        self.codes = list(codes)
        self.kept: list[tuple[str, list[bytes]]] = []

    def append(self, partition: str, payloads: Sequence[bytes]) -> int:
        if self.codes:
            raise BackendUnavailable("no room", code=self.codes.pop(0))
        self.kept.append((partition, [unpack_frame(payload)[1] for payload in payloads]))
        return 0


def committed(queue: _RefusingQueue, *drains: Drain) -> tuple[Telemetry, Committer]:
    """A committer that has finished with `drains`, one commit each."""
    telemetry, handover = Telemetry(), Handover(1 << 20)
    port: Queue = queue  # type: ignore[assignment]
    committer = Committer(port, telemetry, handover, app="", clock=ManualClock())
    for one in drains:
        committer.commit([one])
    handover.close()
    return telemetry, committer


def value(telemetry: Telemetry, name: str, *labels: str) -> float:
    metric = telemetry[name].labels(*labels) if labels else telemetry[name]
    return float(metric._value.get())


def test_datagrams_the_full_queue_refuses_are_counted_and_the_next_ones_are_kept() -> None:
    queue = _RefusingQueue("queue_full")
    telemetry, _ = committed(queue, drain(b"1", b"2"), drain(b"3", b""))

    assert queue.kept == [("udp-0", [b"3"])]
    assert value(telemetry, "udp_refused_datagrams") == 2
    assert value(telemetry, "intake_events_accepted", "udp") == 1
    assert value(telemetry, "intake_events_rejected", "invalid_json") == 1


def test_a_partition_that_has_stopped_ends_the_receiver() -> None:
    with pytest.raises(BackendUnavailable, match="no room"):
        committed(_RefusingQueue(PARTITION_STOPPED), drain(b"1"))


def test_a_fault_of_the_commit_thread_reaches_the_reading_one() -> None:
    class _BrokenQueue(_RefusingQueue):
        def append(self, partition: str, payloads: Sequence[bytes]) -> int:
            raise RuntimeError("broken")

    handover = Handover(1 << 20)
    port: Queue = _BrokenQueue()  # type: ignore[assignment]
    committer = Committer(port, Telemetry(), handover, app="", clock=ManualClock())
    handover.offer(drain(b"1"))
    committer.start()

    with pytest.raises(RuntimeError, match="broken"):
        committer.finish()
    assert handover.offer(drain(b"2")) is False
