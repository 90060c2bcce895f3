"""A frame: what receivers put into the queue and processors take out, one a request or a handful of them.

    byte 0        version: 1 with events, 2 with notices (decode/notices.py); up to VERSIONS_MAX: of a newer Logkeep
    bytes 1–4     length of the header, little-endian
    then          the header, msgpack array of `FrameHeader`
    then          the body: the sender's own bytes, so that nothing of it is lost or decoded twice before it is durable

One frame a batch, not one an event: framing each event by itself costs three times the decoding.

Whatever a processor of before would misread gets a version of its own: it then leaves the record where it is, and the
partition waits for one that can read it (processor/holding.py). Members may be added to the header without.
"""

from collections.abc import Sequence
from typing import Literal

import msgspec

from logkeep.errors import CorruptData

EVENTS_VERSION, NOTICES_VERSION = 1, 2
NEWEST_VERSION = NOTICES_VERSION
VERSIONS_MAX = 31  # a text begins with a larger byte: what somebody else put into the queue is no newer version
SAMPLES_MAX = 5  # rejected samples a frame carries
SAMPLE_BYTES_MAX = 1024
NAMED_MAX = 32  # components and keys of rejected events that a frame tells apart: 33 KiB at most


class RejectedSample(msgspec.Struct, frozen=True, array_like=True):
    """One rejected event for its owner to look at. text: its first SAMPLE_BYTES_MAX bytes, bad ones replaced."""

    reason: str
    message: str
    text: str


class FrameHeader(msgspec.Struct, frozen=True, array_like=True):
    """app: the app of every event, or "" when each event names its key (`app` member).

    received_ns: ns UTC. batch_id: 24 hex digits, unique; event i of the body gets the id `batch_id` + 4 hex digits of i
    unless its sender gave one. count: accepted events in the body. form: "ndjson" (JSON objects one after another, as
    a rule one a line; blank lines are not counted in indexes) or "json" (one array). encoding: of the body. skip:
    indexes of events in the body that were rejected already. rejected: their number by reason (may exceed len(skip)).
    named: component, key and how many of the rejected name these (decode/named.py), where that is known.
    repeatable: the same batch_id may come again (Idempotency-Key): a second one is not stored. kind: of notices
    (decode/notices.py); "": events. What is said of events above is true of notices too. device: that of whoever sent
    the notices, for those that name none.
    """

    app: str
    received_ns: int
    batch_id: str
    count: int
    form: Literal["ndjson", "json"] = "ndjson"
    encoding: Literal["plain", "zstd"] = "plain"
    source: Literal["http", "udp"] = "http"
    skip: tuple[int, ...] = ()
    rejected: dict[str, int] = {}
    samples: tuple[RejectedSample, ...] = ()
    repeatable: bool = False
    kind: str = ""
    device: str = ""
    named: tuple[tuple[str, str, int], ...] = ()


class NewerFrame(CorruptData):
    """The record is a frame of a version that is not known here. Nothing is wrong with it: leave it where it is."""

    code = "frame_too_new"


_encode_header = msgspec.msgpack.Encoder().encode
_decode_header = msgspec.msgpack.Decoder(FrameHeader).decode


def pack_frame(header: FrameHeader, body: bytes) -> bytes:
    packed = _encode_header(header)
    version = NOTICES_VERSION if header.kind else EVENTS_VERSION
    return b"".join((bytes((version,)), len(packed).to_bytes(4, "little"), packed, body))


def unpack_frame(payload: bytes) -> tuple[FrameHeader, bytes]:
    """Header and body. Raises NewerFrame; CorruptData when `payload` is no frame of any version."""
    header, header_end = _header_of(payload)
    return header, payload[header_end:]


def read_frame_header(payload: bytes) -> FrameHeader:
    """As `unpack_frame`, the body left alone."""
    return _header_of(payload)[0]


def _header_of(payload: bytes) -> tuple[FrameHeader, int]:
    """With where it ends."""
    header_end = 5 + int.from_bytes(payload[1:5], "little")
    version = payload[0] if payload else 0
    if NEWEST_VERSION < version <= VERSIONS_MAX:
        raise NewerFrame(
            f"the record is a frame of version {version}, and this Logkeep reads up to version {NEWEST_VERSION}; "
            "upgrade the processors"
        )
    if len(payload) < 5 or not 0 < version <= NEWEST_VERSION or header_end > len(payload):
        raise CorruptData(f"a queue record of {len(payload)} bytes is no frame of version 1 to {NEWEST_VERSION}")
    try:
        return _decode_header(payload[5:header_end]), header_end
    except msgspec.MsgspecError as error:
        raise CorruptData(f"a frame's header cannot be read: {error}") from error


_PLACES = [f"{index:04x}" for index in range(10_000)]  # formatting each would be a twentieth of the decoding


def event_ids(batch_id: str, indexes: Sequence[int]) -> list[str]:
    """`event_id` of each."""
    if indexes and indexes[-1] < len(_PLACES):
        return list(map(batch_id.__add__, map(_PLACES.__getitem__, indexes)))
    return [event_id(batch_id, index) for index in indexes]


def event_id(batch_id: str, index: int) -> str:
    return batch_id + _PLACES[index] if index < len(_PLACES) else f"{batch_id}{index:04x}"
