"""The queue between receiving and processing: a durable log in partitions.

Offsets are bytes or counts, the adapter's own: ordered within a partition, opaque otherwise. A group's committed
offset is the offset of the next record it has not finished. Delivery is at least once: what was read but not
committed is read again after a restart.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol

import msgspec

Partition = str
Offset = int


class Record(msgspec.Struct, frozen=True, gc=False):
    """One payload with its place. `next_offset` is what to commit once it is finished."""

    partition: Partition
    offset: Offset
    next_offset: Offset
    payload: bytes


class Commit(msgspec.Struct, frozen=True):
    """How far a group is, and the bytes it asked to have kept with that, written as one."""

    offsets: dict[Partition, Offset]
    metadata: bytes


class Queue(Protocol):
    def append(self, partition: Partition, payloads: Sequence[bytes]) -> Offset:
        """The offset of the first of `payloads`, all of them durable, in this order, with none in between.

        payloads: 1 to 10,000, each at most `record_bytes_max`. Safe from many threads: callers that wait at the same
        time share one fsync. Raises InputError (a payload is too large; nothing is stored), BackendUnavailable
        (the queue is full: nothing is stored, try later; or the partition has stopped after a failed fsync:
        what is stored is unknown and this partition takes nothing more until a restart).
        """
        ...

    def read(self, group: str, *, records_max: int, bytes_max: int) -> list[Record]:
        """The next durable records of all partitions that `group` has not read since it was opened; [] if none.

        Starts at the group's committed offsets; each call goes on where the last one ended. At least one record when
        there is any, however large. Partitions take turns. Raises CorruptData for a partition with a damaged record
        in its middle; the other partitions go on, and the damaged stretch is skipped by the next read.
        """
        ...

    def rewind(self, group: str) -> None:
        """The next `read` starts again at the committed offsets."""
        ...

    def commit(self, group: str, offsets: Mapping[Partition, Offset], metadata: bytes = b"") -> None:
        """The group's offsets (other partitions keep theirs) and `metadata` are durable, as one, on return.

        An older offset does not rewind. metadata: at most 1 MiB; replaces what the group had.
        """
        ...

    def committed(self, group: str) -> Commit: ...

    def lag(self, group: str) -> dict[Partition, int]:
        """Bytes that are durable and that `group` has not committed, by partition."""
        ...

    def trim(self) -> int:
        """Bytes freed: whole segments that every group has committed and that are over the age or size to keep."""
        ...

    def close(self) -> None: ...


class Forgetting(Protocol):
    """What an erasure asks of a queue, beside `Queue`."""

    def ends(self) -> dict[Partition, Offset]:
        """Where the next record of each partition will stand: all that was ever acknowledged is before it."""
        ...

    def forget(self, offsets: Mapping[Partition, Offset]) -> bool:
        """Whether nothing before `offsets` is on disk any more, whatever may be kept for looking back.

        Removes what every group has committed, and asks for what is still written to be closed: ask again, for as long
        as it is False. Raises BackendUnavailable.
        """
        ...
