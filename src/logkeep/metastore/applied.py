"""What batches of the queue change here, once each, whatever is killed and whoever does it again.

A row of `applied` says how far each partition of the queue has been applied. It moves in the transaction that applies,
so a batch that is tried again, or by a processor that has lost its partitions, finds its part done and changes nothing.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import msgspec

from logkeep.metastore.database import Database, Transaction

Partition = str
Offset = int
T = TypeVar("T")


class ReceivedNotice(msgspec.Struct, frozen=True):
    """One notice, decoded. id: the same whenever it is applied again; 28 hex digits. received_ns: ns UTC."""

    app: str
    id: str
    received_ns: int
    notice: Any


Applier = Callable[[Transaction, Sequence[ReceivedNotice]], None]


class Applied:
    """topic: what is applied; each has places of its own."""

    def __init__(self, database: Database, topic: str) -> None:
        self._database, self._topic = database, topic

    def once(self, ends: Mapping[Partition, Offset], work: Callable[[Transaction, set[Partition]], None]) -> None:
        """`work` is done for those partitions whose batch, which ends at `ends`, was not applied before; durable.

        Not called when there are none. Raises BackendUnavailable: tried again it is done once all the same.
        """

        def change(transaction: Transaction) -> None:
            fresh = {name for name in sorted(ends) if self._advance(transaction, name, ends[name])}
            if fresh:
                work(transaction, fresh)

        self._database.write(change)

    def _advance(self, transaction: Transaction, name: Partition, end: Offset) -> bool:
        part = self._part(name)
        moved = "UPDATE applied SET until = :end WHERE part = :part AND until < :end"
        if transaction.change(moved, part=part, end=end):
            return True
        if transaction.rows("SELECT 1 FROM applied WHERE part = :part", part=part):
            return False
        transaction.change("INSERT INTO applied (part, until) VALUES (:part, :end)", part=part, end=end)
        return True

    def places(self) -> dict[Partition, Offset]:
        """How far each partition is of which anything was ever applied."""
        prefix = self._part("")
        rows = self._database.read(
            lambda transaction: transaction.rows(
                "SELECT part, until FROM applied WHERE part LIKE :pattern", pattern=prefix + "%"
            )
        )
        return {str(part).removeprefix(prefix): int(until) for part, until in rows}

    def begin_at(self, places: Mapping[Partition, Offset]) -> None:
        """What comes from here on counts, of partitions that have no place yet."""

        def change(transaction: Transaction) -> None:
            for name, offset in sorted(places.items()):
                part = self._part(name)
                if not transaction.rows("SELECT 1 FROM applied WHERE part = :part", part=part):
                    transaction.change(
                        "INSERT INTO applied (part, until) VALUES (:part, :offset)", part=part, offset=offset
                    )

        self._database.write(change)

    def rewind(self, places: Mapping[Partition, Offset]) -> None:
        """For a queue that was emptied or replaced and counts from 0 again: what comes next is new."""

        def change(transaction: Transaction) -> None:
            for name, offset in places.items():
                transaction.change(
                    "UPDATE applied SET until = :offset WHERE part = :part", part=self._part(name), offset=offset
                )

        self._database.write(change)

    def _part(self, name: Partition) -> str:
        return f"{self._topic}/{name}"
