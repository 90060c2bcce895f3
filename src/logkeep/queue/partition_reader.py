"""Reading one partition, from this process or another: never past what its writer has published as fsync'd."""

from bisect import bisect_right
from pathlib import Path

import msgspec

from logkeep.disk import Disk, DiskMark
from logkeep.queue.partition_writer import MARK_NAME
from logkeep.queue.port import Offset, Partition, Record
from logkeep.queue.segment import Parsed, Segment, segment_bases

LOADS_MAX = 100  # of a mark, 20 µs: between the two words that are read, a store may begin and end


class Stretch(msgspec.Struct, frozen=True):
    """Bytes of a partition that cannot be read, from `start` to before `end`."""

    partition: Partition
    start: Offset
    end: Offset


class PartitionReader:
    """Keeps no position: its callers do. Not safe for two threads at once."""

    def __init__(self, folder: Path, disk: Disk, *, durable: Offset = 0) -> None:
        """durable: all before it is known to be."""
        self.partition: Partition = folder.name
        self._folder = folder
        self._disk = disk
        self._mark: DiskMark | None = None
        self._durable = durable
        self._segments: dict[Offset, Segment] = {}

    def close(self) -> None:
        if self._mark is not None:
            self._mark.close()
            self._mark = None

    def durable_end(self) -> Offset:
        """All before it is durable; 0 until its writer has said so once. Costs a memory read.

        A store of the mark that is under way hides nothing that was acknowledged before.
        """
        if self._mark is None:
            try:
                self._mark = self._disk.open_mark(self._folder / MARK_NAME, write=False)
            except FileNotFoundError:
                return 0
        for _ in range(LOADS_MAX):
            durable = self._mark.load()
            if durable is not None:
                self._durable = durable
                break
        return self._durable

    def bases(self) -> list[Offset]:
        """The base offsets of the segments there are, in order."""
        return segment_bases(self._disk.list(self._folder))

    def start(self) -> Offset:
        """The offset of the oldest record there is."""
        return next(iter(self.bases()), 0)

    def created_ns(self, base: Offset) -> int | None:
        """When the segment at `base` was started, ns UTC; None when its header does not tell. Raises OSError."""
        segment = self._segment(base)
        if segment.created_ns is None:
            segment.read_header()
        return segment.created_ns

    def read(
        self, position: Offset, *, records_max: int, bytes_max: int, at_least_one: bool
    ) -> tuple[list[Record], Offset, Stretch | None]:
        """Records from `position` on, where to go on, and the stretch skipped to get there, if one was.

        Raises OSError.
        """
        records: list[Record] = []
        while len(records) < records_max:
            parsed, stretch = self._read_segment(
                position,
                prefix=None,
                records_max=records_max - len(records),
                bytes_max=bytes_max,
                at_least_one=at_least_one and not records,
            )
            if not records:
                records = parsed.records
            else:
                records += parsed.records
            position = stretch.end if stretch else parsed.end
            if stretch or not parsed.records:
                return records, position, stretch
            bytes_max -= sum(len(record.payload) for record in parsed.records)
        return records, position, None

    def read_prefixes(self, position: Offset, payload_bytes_max: int) -> tuple[list[Record], Offset]:
        """Some records from `position` on, payloads cut, and where to go on; that is `position` at the end.

        Raises OSError.
        """
        parsed, stretch = self._read_segment(
            position, prefix=payload_bytes_max, records_max=0, bytes_max=0, at_least_one=False
        )
        return parsed.records, stretch.end if stretch else parsed.end

    def _read_segment(
        self, position: Offset, *, prefix: int | None, records_max: int, bytes_max: int, at_least_one: bool
    ) -> tuple[Parsed, Stretch | None]:
        durable = self.durable_end()
        nothing = Parsed([], position, "full", 0, position)
        if position >= durable:
            return nothing, None
        bases = self.bases()  # after the mark was read: the names of all that it covers are there
        index = bisect_right(bases, position) - 1
        if index < 0:
            return nothing, Stretch(self.partition, position, bases[0]) if bases else None
        limit = min(durable, bases[index + 1]) if index + 1 < len(bases) else durable
        segment = self._segment(bases[index])
        if prefix is None:
            parsed = segment.read(
                position, limit, records_max=records_max, bytes_max=bytes_max, at_least_one=at_least_one
            )
        else:
            parsed = segment.read_prefixes(position, limit, payload_bytes_max=prefix)
        if parsed.stop != "bad":
            return parsed, None
        end = segment.next_readable(parsed.end + 1, limit)
        return parsed, Stretch(self.partition, parsed.end, limit if end is None else end)

    def _segment(self, base: Offset) -> Segment:
        segment = self._segments.get(base)
        if segment is None:
            if len(self._segments) >= 1024:
                self._segments.clear()
            segment = self._segments[base] = Segment(self._disk, self._folder, self.partition, base)
        return segment
