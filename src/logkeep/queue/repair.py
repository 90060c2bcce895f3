"""What a partition's last segment holds after a crash: how far it is whole, and where it is cut."""

from pathlib import Path

import msgspec

from logkeep.disk import Disk
from logkeep.queue.port import Offset, Partition
from logkeep.queue.segment import READ_BYTES, SEGMENT_HEADER_BYTES, Segment, segment_name


class Scan(msgspec.Struct, frozen=True):
    """What stands in a segment: `end` of its file, `good_end` of its last good record, `damages` before that, and
    `commit_start` of the last commit there is a good record of."""

    end: Offset
    good_end: Offset
    damages: list[Offset]
    commit_start: Offset


class Tail(msgspec.Struct, frozen=True):
    """What to do with a last segment: cut it at `cut`, write what stands from `doubtful` on again, go on at `cut`.

    cut: None when acknowledged bytes at its end are damaged: it stays as evidence and a new one starts at `end`.
    """

    cut: Offset | None
    doubtful: Offset
    end: Offset


def scan_segment(disk: Disk, folder: Path, partition: Partition, base: Offset) -> Scan:
    """Raises OSError."""
    segment = Segment(disk, folder, partition, base)
    end = base + max(0, disk.size(folder / segment_name(base)) - SEGMENT_HEADER_BYTES)
    at = good_end = commit_start = base
    damages: list[Offset] = []
    while at < end:
        parsed = segment.read(at, end, records_max=1 << 20, bytes_max=READ_BYTES)
        if parsed.records:
            good_end, commit_start = parsed.end, parsed.commit_start
        at = parsed.end
        if parsed.stop == "bad":
            found = segment.next_readable(at + 1, end)
            if found is None:
                break
            damages.append(at)
            at = found
    return Scan(end, good_end, damages, commit_start)


def judge_tail(scan: Scan, durable: Offset) -> Tail:
    """Where a commit that a crash tore begins. durable: what the mark says was fsync'd, or less.

    A commit is written only after the one before it was fsync'd. So all before the last commit was durable, and what
    is bad there is damage, to be kept and reported; what is bad from there on was never acknowledged (unless the mark
    says it was), and is cut with everything after it.
    """
    floor = max(durable, scan.commit_start)
    torn = [at for at in scan.damages if at >= floor]
    cut = torn[0] if torn else scan.good_end
    if durable > cut:
        return Tail(None, scan.end, max(scan.end, durable))
    return Tail(cut, min(floor, cut), cut)
