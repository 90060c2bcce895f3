"""Which requests share a frame, and what its header says."""

from logkeep.clock import ManualClock
from logkeep.decode.frame import FrameHeader, RejectedSample, unpack_frame
from logkeep.decode.native import Rejected
from logkeep.receiver.batch_ids import BatchIds
from logkeep.receiver.commit import SHARED_BODY_BYTES_MAX, Exchange, frames_of

TAG = b"abc"


def exchange(app: str, body: bytes, count: int = 1, **more: object) -> Exchange:
    made = Exchange(None, app, body, count)
    for name, value in more.items():
        setattr(made, name, value)
    return made


def frames(*exchanges: Exchange) -> list[tuple[FrameHeader, bytes]]:
    return [unpack_frame(frame) for frame in frames_of(exchanges, 5, BatchIds(ManualClock(), process_tag=TAG))]


def shape(*exchanges: Exchange) -> list[tuple[str, int, bytes]]:
    return [(header.app, header.count, body) for header, body in frames(*exchanges)]


def test_small_bodies_of_an_app_share_a_frame_in_their_order() -> None:
    got = shape(exchange("a", b"1"), exchange("b", b"2"), exchange("a", b"3\n4\n", 2), exchange("a", b"5"))
    assert got == [("a", 4, b"1\n3\n4\n\n5"), ("b", 1, b"2")]


def test_order_within_an_app_outlives_a_body_that_cannot_be_shared() -> None:
    large = b"x" * (SHARED_BODY_BYTES_MAX + 1)
    got = shape(exchange("a", b"1"), exchange("b", b"2"), exchange("a", large, 9), exchange("a", b"3"))
    assert got == [("a", 1, b"1"), ("a", 9, large), ("b", 1, b"2"), ("a", 1, b"3")]


def test_arrays_compressed_repeatable_and_rejecting_requests_have_frames_of_their_own() -> None:
    rejected = (Rejected(1, "missing_key", "m"), Rejected(2, "missing_key", "m"), Rejected(3, "too_deep", "d"))
    sample = RejectedSample("missing_key", "m", "{}")
    first, second, third, fourth = frames(
        exchange("a", b"[1]", form="json"),
        exchange("a", b"zzz", 7, encoding="zstd"),
        exchange("a", b"1", batch_id="0" * 24, repeatable=True),
        exchange("a", b"", 0, rejected=rejected, samples=(sample,), named={("web", ""): 2}),
    )
    ids = [header.batch_id for header, _ in (first, second, fourth)]
    assert first == (FrameHeader("a", 5, ids[0], 1, form="json"), b"[1]")
    assert second == (FrameHeader("a", 5, ids[1], 7, encoding="zstd"), b"zzz")
    assert third == (FrameHeader("a", 5, "0" * 24, 1, repeatable=True), b"1")
    told = {"missing_key": 2, "too_deep": 1}
    assert fourth == (FrameHeader("a", 5, ids[2], 0, rejected=told, samples=(sample,), named=(("web", "", 2),)), b"")
    assert len(set(ids)) == 3


def test_a_shared_frame_is_bounded_in_events_and_bytes() -> None:
    by_events = shape(*[exchange("a", b"x", 1000) for _ in range(20)])
    assert [count for _, count, _ in by_events] == [8000, 8000, 4000]
    by_bytes = shape(*[exchange("a", b"x" * 60_000) for _ in range(40)])
    assert [count for _, count, _ in by_bytes] == [17, 17, 6]
