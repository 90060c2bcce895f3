"""One segment file: its bytes packed, parsed and searched. local.py shows the layout and says why it is so."""

import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import msgspec
from isal.isal_zlib import crc32  # the CRC-32 of zlib, five times as fast

from logkeep.disk import Disk
from logkeep.queue.port import Offset, Partition, Record

MAGIC = b"LKQ1"
SEGMENT_HEADER_BYTES = 28
RECORD_HEADER_BYTES = 16
RECORD_BYTES_LIMIT = 1 << 30  # a length above it is damage: fits no setting, and four bytes hold it
PREFIX_READ_BYTES = 64 << 10
READ_BYTES = 4 << 20  # of one read: few system calls, little memory that is parsed and not kept
SUFFIX = ".log"

_SEGMENT = struct.Struct("<4s4sQQI")
_RECORD = struct.Struct("<4sIII")
_pack_record = _RECORD.pack
_unpack_record = _RECORD.unpack_from
_MASK = (1 << 32) - 1
# Odd, so that any change of the one field changes the start of the checksum (bijective modulo 2**32).
_LENGTH_FACTOR = 0x9E3779B1
_BACK_FACTOR = 0x85EBCA6B


class Parsed(msgspec.Struct, frozen=True):
    """Records from a stretch of bytes, and where and why the reading stopped.

    stop: "full" (as many as were asked for, or the end), "short" (the record at `end` needs `need` bytes), or "bad".
    commit_start: the first offset of the commit the last record was written in.
    """

    records: list[Record]
    end: Offset
    stop: Literal["full", "short", "bad"]
    need: int
    commit_start: Offset


def segment_name(base: Offset) -> str:
    return f"{base:020d}{SUFFIX}"


def segment_bases(names: Sequence[str]) -> list[Offset]:
    """The base offsets among `names`, in their order; other names are left out."""
    return [int(n[:20]) for n in names if len(n) == 24 and n.endswith(SUFFIX) and n[:20].isdecimal()]


def pack_segment_header(base: Offset, marker: bytes, created_ns: int) -> bytes:
    front = _SEGMENT.pack(MAGIC, marker, base, created_ns, 0)[:-4]
    return front + crc32(front).to_bytes(4, "little")


def pack_records(payloads: Sequence[bytes], marker: bytes, offset: Offset, commit_start: Offset) -> list[bytes]:
    """Headers and payloads by turns, to be joined; the first record stands at `offset`."""
    parts: list[bytes] = []
    add = parts.append
    for payload in payloads:
        length = len(payload)
        back = offset - commit_start
        seed = (offset + length * _LENGTH_FACTOR + back * _BACK_FACTOR) & _MASK  # _seed, inline: the hot loop
        add(_pack_record(marker, crc32(payload, seed), length, back))
        add(payload)
        offset += RECORD_HEADER_BYTES + length
    return parts


def _seed(offset: Offset, length: int, back: int) -> int:
    return (offset + length * _LENGTH_FACTOR + back * _BACK_FACTOR) & _MASK


def parse_records(
    data: bytes,
    offset: Offset,
    *,
    partition: Partition,
    marker: bytes,
    records_max: int,
    bytes_max: int,
    at_least_one: bool = True,
) -> Parsed:
    """The records of `data`, whose first byte stands at `offset`; their payloads have at most `bytes_max` bytes.

    at_least_one: the first record is taken however large it is.
    """
    records: list[Record] = []
    at, size, commit_start, left = 0, len(data), offset, bytes_max
    stop: Literal["full", "short", "bad"] = "full"
    need = RECORD_HEADER_BYTES
    while at < size and len(records) < records_max:
        body = at + RECORD_HEADER_BYTES
        if body > size:
            stop = "short"
            break
        mark, checksum, length, back = _unpack_record(data, at)
        if mark != marker or length > RECORD_BYTES_LIMIT:
            stop = "bad"
            break
        if length > left and (records or not at_least_one):
            break
        end = body + length
        if end > size:
            stop, need = "short", end - at
            break
        payload = data[body:end]
        here = offset + at
        if crc32(payload, (here + length * _LENGTH_FACTOR + back * _BACK_FACTOR) & _MASK) != checksum:
            stop = "bad"
            break
        records.append(Record(partition, here, offset + end, payload))
        commit_start = here - back
        left -= length
        at = end
    return Parsed(records, offset + at, stop, need, commit_start)


class Segment:
    """A segment file to read from; offsets are the partition's."""

    def __init__(self, disk: Disk, folder: Path, partition: Partition, base: Offset) -> None:
        self._disk = disk
        self._path = folder / segment_name(base)
        self._partition = partition
        self._base = base
        self._marker: bytes | None = None
        self.created_ns: int | None = None  # None: the header is damaged, or not looked at yet

    def read_header(self) -> bool:
        """Whether the header is whole and good."""
        data = self._disk.read(self._path, 0, SEGMENT_HEADER_BYTES + 4)
        front, rest = data[: SEGMENT_HEADER_BYTES - 4], data[SEGMENT_HEADER_BYTES - 4 :]
        if len(data) >= SEGMENT_HEADER_BYTES and rest[:4] == crc32(front).to_bytes(4, "little"):
            magic, self._marker, base, self.created_ns, _ = _SEGMENT.unpack(data[:SEGMENT_HEADER_BYTES])
            return bool(magic == MAGIC and base == self._base)
        # A damaged header need not cost the records: each starts with the marker, and has its own checksum.
        self._marker = rest[4:8] if len(rest) == 8 and rest[4:8] != bytes(4) else None
        return False

    def marker(self) -> bytes | None:
        """What each record here starts with; None when neither the header nor the first record tells."""
        if self._marker is None:
            self.read_header()
        return self._marker

    def read(
        self, offset: Offset, limit: Offset, *, records_max: int, bytes_max: int, at_least_one: bool = True
    ) -> Parsed:
        """Records from `offset`, which starts one, up to `limit`, where one ends. stop is never "short".

        Some of what `parse_records` would give, as one read is bounded: go on until there are none.
        Raises OSError (FileNotFoundError when the segment was trimmed).
        """
        marker = self.marker()
        if marker is None:
            return Parsed([], offset, "bad", 0, offset)
        want = min(limit - offset, READ_BYTES, PREFIX_READ_BYTES + bytes_max)
        while True:
            data = self._bytes(offset, want)
            parsed = parse_records(
                data,
                offset,
                partition=self._partition,
                marker=marker,
                records_max=records_max,
                bytes_max=bytes_max,
                at_least_one=at_least_one,
            )
            if parsed.stop != "short":
                cut_off = not parsed.records and len(data) < want
                return msgspec.structs.replace(parsed, stop="bad") if cut_off else parsed
            if len(data) < want or parsed.end + parsed.need > limit:
                return msgspec.structs.replace(parsed, stop="bad")
            if parsed.records:
                return msgspec.structs.replace(parsed, stop="full")
            want = min(limit - offset, parsed.need)

    def read_prefixes(self, offset: Offset, limit: Offset, *, payload_bytes_max: int) -> Parsed:
        """As `read`, with only the first `payload_bytes_max` bytes of each payload.

        A record longer than that is skipped over on disk, so its checksum is not looked at.
        """
        marker = self.marker()
        want = max(PREFIX_READ_BYTES, RECORD_HEADER_BYTES + payload_bytes_max)
        data = b"" if marker is None else self._bytes(offset, min(limit - offset, want))
        records: list[Record] = []
        at = 0
        while at + RECORD_HEADER_BYTES <= len(data):
            mark, checksum, length, back = _unpack_record(data, at)
            body, here = at + RECORD_HEADER_BYTES, offset + at
            payload = data[body : body + min(length, payload_bytes_max)]
            whole = len(payload) == length
            if len(payload) < min(length, payload_bytes_max) and records:
                break
            if mark != marker or offset + body + length > limit or len(payload) < min(length, payload_bytes_max):
                return Parsed(records, here, "bad", 0, here)
            if whole and crc32(payload, _seed(here, length, back)) != checksum:
                return Parsed(records, here, "bad", 0, here)
            records.append(Record(self._partition, here, offset + body + length, payload))
            at = body + length
        return Parsed(records, offset + at, "full" if records else "bad", 0, offset)

    def next_readable(self, offset: Offset, limit: Offset) -> Offset | None:
        """Where the first good record at or after `offset` starts; None when there is none before `limit`."""
        marker = self.marker()
        if marker is None:
            return None
        while offset + RECORD_HEADER_BYTES <= limit:
            data = self._bytes(offset, min(READ_BYTES, limit - offset))
            if len(data) < RECORD_HEADER_BYTES:
                return None
            at = data.find(marker)
            while at >= 0:
                if self.read(offset + at, limit, records_max=1, bytes_max=0).records:
                    return offset + at
                at = data.find(marker, at + 1)
            offset += len(data) - len(marker) + 1
        return None

    def _bytes(self, offset: Offset, length: int) -> bytes:
        return self._disk.read(self._path, offset - self._base + SEGMENT_HEADER_BYTES, length)
