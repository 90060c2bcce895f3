"""The queue between receiving and processing: a durable log in partitions.

Offsets are bytes or counts, the adapter's own: ordered within a partition, opaque otherwise. Delivery is at least
once: what was read but not committed is read again after a restart, or by another processor.

A group keeps a *mark* with each partition: how far it is, and the bytes it wants to have kept with that, written as
one. Processors of a group share the partitions: each partition is *owned* by one of them at a time. Ownership moves
when a processor comes, goes or dies. A commit by one that has lost what it commits for is refused and changes nothing:
its successor has begun at the marks as they are, and whatever the loser still writes to the store is what its intent
(processor/ledger.py) says, which the successor writes too, under the same ids.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

import msgspec

from logkeep.errors import BackendUnavailable

Partition = str
Offset = int

ANY: Partition = ""  # for `append` to a queue whose partitions are shared: it chooses
LEADER: Partition = "leader"  # no records, a mark only: what a group does once, not once a partition
MARK_BYTES_MAX = 1 << 20


class Record(msgspec.Struct, frozen=True, gc=False):
    """One payload with its place. `next_offset` is what to commit once it is finished."""

    partition: Partition
    offset: Offset
    next_offset: Offset
    payload: bytes


class Mark(msgspec.Struct, frozen=True):
    """offset: of the next record of a partition that a group has not finished. data: what it keeps with that."""

    offset: Offset
    data: bytes = b""


class Ownership(msgspec.Struct, frozen=True):
    """What this processor owns. epoch: another one after every change. partitions: None: all there are.

    leads: it owns LEADER too. The leader owns the first partition, and reads all datagrams.
    """

    epoch: int
    partitions: frozenset[Partition] | None
    leads: bool

    def has(self, partition: Partition) -> bool:
        if partition == LEADER:
            return self.leads
        return self.partitions is None or partition in self.partitions


SOLE = Ownership(0, None, True)


class NotOwner(BackendUnavailable):
    """This processor has lost what it wanted to commit for; nothing was changed. Begin again at the marks."""


class Queue(Protocol):
    datagrams: Partition  # where datagrams go, from every receiver: one processor, the leader, judges their numbers

    def append(self, partition: Partition, payloads: Sequence[bytes]) -> Offset:
        """The offset of the first of `payloads`, all of them durable, in this order.

        partition: one this process writes, or ANY where the queue chooses. payloads: 1 to 10,000, each at most
        `record_bytes_max`; no other append of this process comes in between. Safe from many threads: callers that wait
        at the same time share one fsync or round trip. Raises InputError (a payload is too large; nothing is stored),
        BackendUnavailable (code `queue_full`: nothing is stored, try later; else what is stored is unknown; after
        `partition_stopped` this partition takes nothing more until a restart).
        """
        ...

    def read(self, group: str, *, records_max: int, bytes_max: int) -> list[Record]:
        """The next durable records of the partitions owned now that this processor has not read yet; [] if none.

        Starts at the marks; each call goes on where the last one ended. Does not wait. At least one record when there
        is any, however large. Partitions take turns. Joins the group when it is the first call for it. Raises
        CorruptData for a partition with a damaged record in its middle; the other partitions go on, and the damaged
        stretch is skipped by the next read.
        """
        ...

    def owned(self, group: str) -> Ownership:
        """What is owned now; may change at any time. Joins the group when it is the first call for it."""
        ...

    def rewind(self, group: str) -> None:
        """The next `read` starts again at the marks."""
        ...

    def replay(
        self, partition: Partition, start: Offset, end: Offset, *, payload_bytes_max: int | None = None
    ) -> Iterator[Record]:
        """The durable records with start <= offset < end, in order; moves nothing. Damage is left out.

        payload_bytes_max: only so much of each payload, for a look at their heads. Raises BackendUnavailable.
        """
        ...

    def uncommitted(self, group: str, *, payload_bytes_max: int | None = None) -> Iterator[Record]:
        """As `replay`, of all partitions from the group's marks to the end as it is at the first."""
        ...

    def positions(self, group: str) -> dict[Partition, Offset]:
        """Of partitions that this processor reads, where the next `read` goes on, damage that it skipped included."""
        ...

    def commit(self, group: str, marks: Mapping[Partition, Mark], *, owner: Ownership | None = None) -> None:
        """All of `marks` are durable, as one, on return; other partitions keep theirs.

        An older offset does not rewind, its data counts all the same; data: at most MARK_BYTES_MAX. owner: as `owned`
        told it when the group's marks were read; None: of whoever needs no fence. Raises NotOwner; BackendUnavailable:
        old or new stands there, ask `marks` which.
        """
        ...

    def marks(self, group: str) -> dict[Partition, Mark]:
        """The group's marks of all partitions that have one, also of those that others own; anybody may ask.

        Of what is owned they are the newest: no commit by an owner before can come after. Raises BackendUnavailable,
        CorruptData.
        """
        ...

    def lag(self, group: str) -> dict[Partition, int]:
        """Bytes that are durable and that `group` has not committed, by partition; estimated where only records can be
        counted, and 0 exactly when there are none."""
        ...

    def trim(self) -> int:
        """Bytes freed: what every group has committed and what is over the age or size to keep."""
        ...

    def check(self) -> None:
        """Raises BackendUnavailable when the queue cannot be used now, with the reason. Seconds at most."""
        ...

    def close(self) -> None:
        """What is owned is given up at once, so that others need not wait. Waits for appends and commits under way."""
        ...


class Forgetting(Protocol):
    """What an erasure asks of a queue, beside `Queue`."""

    def ends(self) -> dict[Partition, Offset]:
        """Where the next record of each partition will stand: all that was ever acknowledged is before it."""
        ...

    def forget(self, offsets: Mapping[Partition, Offset]) -> bool:
        """Whether nothing before `offsets` can be read any more, whatever may be kept for looking back.

        Removes what every group has committed, and asks for what is still written to be closed: ask again, for as long
        as it is False. When the bytes are gone from the disk too is told in docs/explanation/queues.md. Raises
        BackendUnavailable.
        """
        ...


class ErasableQueue(Queue, Forgetting, Protocol):
    """What every adapter for a service is."""
