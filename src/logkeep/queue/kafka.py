"""The queue on Apache Kafka: a topic of events, a compacted topic of marks beside it, and consumer groups.

    TOPIC                partition i holds frames, written by every receiver in turn; kafka-i in marks and metrics
    TOPIC-marks          partition i holds the marks of kafka-i; of the leader too in 0 (kafka_marks.py)
    group TOPIC-GROUP    who owns which partition (kafka_group.py); its offsets are for tools that watch the lag

What it promises, and what not, stands in docs/explanation/queues.md. Nothing connects before it is needed, so that a
process starts, and says that it is not ready, while the brokers are away.
"""

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

from confluent_kafka import KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import OffsetSpec  # type: ignore[attr-defined]

from logkeep.clock import NS_PER_S, Clock
from logkeep.errors import BackendUnavailable, InputError
from logkeep.queue.group import checked_name, merged
from logkeep.queue.kafka_client import OVERHEAD_BYTES, REQUEST_TIMEOUT_S, Topics, index_of, name_of, unavailable
from logkeep.queue.kafka_group import Member
from logkeep.queue.kafka_intake import KafkaIntake
from logkeep.queue.kafka_marks import MarksView, scan
from logkeep.queue.port import Mark, Offset, Ownership, Partition, Record
from logkeep.queue.room import queue_full
from logkeep.settings import KafkaSettings, QueueSettings
from logkeep.telemetry import get_logger

ROOM_EVERY_NS = NS_PER_S
REPLACE_EVERY_NS = 5 * NS_PER_S
RETRY_S = 0.1
_LEADER_MOVED = {
    KafkaError.FENCED_LEADER_EPOCH,
    KafkaError.UNKNOWN_LEADER_EPOCH,
    KafkaError.NOT_LEADER_FOR_PARTITION,
    KafkaError.LEADER_NOT_AVAILABLE,
    KafkaError._NOENT,  # the client has heard of no leader yet
}
PAYLOAD_BYTES_GUESS = 16 << 10  # of a record, until one was seen

log = get_logger("kafka")


class KafkaQueue:
    """A `Queue`. Safe from many threads; any number of processes append, any number read."""

    datagrams: Partition = name_of(0)

    def __init__(self, settings: KafkaSettings, queue: QueueSettings, *, clock: Clock) -> None:
        self._settings, self._queue, self._clock = settings, queue, clock
        self._topics = Topics(settings, queue.record_bytes_max)
        self._view = MarksView(settings, self._topics)
        self._intake = KafkaIntake(settings, queue, self._topics, clock)
        self._lock = threading.Lock()
        self._members: dict[str, Member] = {}
        self._replaced_ns = -REPLACE_EVERY_NS
        self._room_lock = threading.Lock()
        self._used_bytes, self._looked_ns = 0.0, -ROOM_EVERY_NS

    # ── writing ───────────────────────────────────────────────────────────────────────────────────────────────────

    def append(self, partition: Partition, payloads: Sequence[bytes]) -> Offset:
        size = sum(map(len, payloads))
        self._take_room(size)
        return self._intake.append(partition, payloads)

    def _take_room(self, size: int) -> None:
        """Bytes are estimated from counts of records: the brokers tell no others."""
        with self._room_lock:
            now_ns = self._clock.monotonic_ns()
            if now_ns - self._looked_ns >= ROOM_EVERY_NS:
                self._looked_ns = now_ns
                with suppress(BackendUnavailable):  # whether it can be stored, the brokers say in a moment
                    starts, ends = self._bounds()
                    self._used_bytes = sum(ends[name] - starts[name] for name in ends) * self._payload_bytes()
            if self._used_bytes + size > self._queue.bytes_max:
                raise queue_full(
                    f"about {self._used_bytes:,.0f} bytes and {size:,} more exceed {self._queue.bytes_max:,}"
                )
            self._used_bytes += size

    def _payload_bytes(self) -> float:
        with self._lock:
            seen = [member.payload_bytes for member in self._members.values()]
        return max([self._intake.payload_bytes, *seen]) or PAYLOAD_BYTES_GUESS

    # ── reading ───────────────────────────────────────────────────────────────────────────────────────────────────

    def read(self, group: str, *, records_max: int, bytes_max: int) -> list[Record]:
        return self._member(group).read(records_max, bytes_max)

    def owned(self, group: str) -> Ownership:
        return self._member(group).owned()

    def positions(self, group: str) -> dict[Partition, Offset]:
        return self._member(group).positions()

    def rewind(self, group: str) -> None:
        self._member(group).rewind(self._view.of(group))

    def replay(
        self, partition: Partition, start: Offset, end: Offset, *, payload_bytes_max: int | None = None
    ) -> Iterator[Record]:
        for record in self._scan([(index_of(partition), start, end)]):
            yield record if payload_bytes_max is None else _cut(record, payload_bytes_max)

    def uncommitted(self, group: str, *, payload_bytes_max: int | None = None) -> Iterator[Record]:
        marks, (starts, ends) = self.marks(group), self._bounds()
        ranges = [
            (index_of(name), max(starts[name], marks.get(name, Mark(0)).offset), end) for name, end in ends.items()
        ]
        for record in self._scan(ranges):
            yield record if payload_bytes_max is None else _cut(record, payload_bytes_max)

    def _scan(self, ranges: list[tuple[int, Offset, Offset]]) -> Iterator[Record]:
        return scan(self._settings, self._topics, ranges, self._queue.record_bytes_max + OVERHEAD_BYTES)

    def _member(self, group: str) -> Member:
        with self._lock:
            member = self._members.get(group)
            if member is not None and member.is_done_for:
                now_ns = self._clock.monotonic_ns()
                if now_ns - self._replaced_ns >= REPLACE_EVERY_NS:  # two of one name would fight: not all the time
                    self._replaced_ns = now_ns
                    log.warning("joining the group anew", group=group)
                    self._members.pop(group).close()
            if group not in self._members:
                self._topics.count()
                self._members[checked_name(group)] = Member(
                    group, self._settings, self._topics, self._view, self._clock,
                    self._queue.record_bytes_max + OVERHEAD_BYTES,
                )  # fmt: skip
            return self._members[group]

    # ── marks ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def commit(self, group: str, marks: Mapping[Partition, Mark], *, owner: Ownership | None = None) -> None:
        with self._lock:
            member = self._members.get(checked_name(group)) or next(iter(self._members.values()), None)
        if not marks:
            return
        if member is None:
            raise InputError("only a processor that reads a group can commit")
        whole = merged(self._view.of(group), marks)
        member.commit(group, {name: whole[name] for name in marks}, owner)

    def marks(self, group: str) -> dict[Partition, Mark]:
        with self._lock:
            members = list(self._members.values())
        if not members:
            self._view.refresh()
        for member in members:
            member.settle()
        return self._view.of(checked_name(group))

    # ── what there is ─────────────────────────────────────────────────────────────────────────────────────────────

    def _bounds(self) -> tuple[dict[Partition, Offset], dict[Partition, Offset]]:
        """The offsets of the oldest record there is and after the newest, by partition. Raises BackendUnavailable."""
        deadline_ns = self._clock.monotonic_ns() + int(REQUEST_TIMEOUT_S * NS_PER_S)
        while True:
            try:
                # Typed in no version so far.
                first, last = OffsetSpec.earliest(), OffsetSpec.latest()  # type: ignore[no-untyped-call]
                return self._offsets(first), self._offsets(last)
            except KafkaException as error:
                # A partition's leader is about to be known, or has just changed.
                moved = error.args[0].retriable() or error.args[0].code() in _LEADER_MOVED
                if not moved or self._clock.monotonic_ns() > deadline_ns:
                    raise unavailable(
                        "cannot read the ends of the partitions", error, self._topics.needs("Describe")
                    ) from error
            self._topics.look_again()
            self._clock.sleep(RETRY_S)

    def _offsets(self, spec: Any) -> dict[Partition, Offset]:
        places = [TopicPartition(self._topics.events, index) for index in range(self._topics.count())]
        asked = self._topics.admin.list_offsets(dict.fromkeys(places, spec), request_timeout=REQUEST_TIMEOUT_S)
        return {name_of(place.partition): told.result().offset for place, told in asked.items()}

    def lag(self, group: str) -> dict[Partition, int]:
        self._view.refresh()
        marks, (starts, ends) = self._view.of(group), self._bounds()
        size = self._payload_bytes()
        return {
            name: round(max(0, end - max(starts[name], marks.get(name, Mark(0)).offset)) * size)
            for name, end in ends.items()
        }

    def trim(self) -> int:
        """See `Queue.trim`. The brokers remove files once all of a segment is behind; about the bytes that will be."""
        self._view.refresh()
        starts, ends = self._bounds()
        least = {name: self._least(name) for name in ends}
        self._delete({name: offset for name, offset in least.items() if offset > starts[name]})
        with self._room_lock:
            self._looked_ns -= ROOM_EVERY_NS
        return round(sum(max(0, least[name] - starts[name]) for name in ends) * self._payload_bytes())

    def _least(self, partition: Partition) -> Offset:
        """What every group that has a mark here has committed."""
        offsets = [mark[partition].offset for mark in map(self._view.of, self._view.groups()) if partition in mark]
        return min(offsets, default=0)

    def _delete(self, before: Mapping[Partition, Offset]) -> None:
        places = [TopicPartition(self._topics.events, index_of(name), offset) for name, offset in before.items()]
        if not places:
            return
        try:
            for told in self._topics.admin.delete_records(places, request_timeout=REQUEST_TIMEOUT_S).values():
                told.result()
        except KafkaException as error:
            raise unavailable("cannot delete records", error, self._topics.needs("Delete")) from error

    def ends(self) -> dict[Partition, Offset]:
        return self._bounds()[1]

    def forget(self, offsets: Mapping[Partition, Offset]) -> bool:
        self.trim()
        starts = self._bounds()[0]
        return all(starts[name] >= end for name, end in offsets.items() if name in starts)

    def check(self) -> None:
        self._topics.check()
        with self._lock:
            members = list(self._members.values())
        for member in members:
            member.check()

    def close(self) -> None:
        self._intake.close()
        with self._lock:
            members, self._members = list(self._members.values()), {}
        for member in members:
            member.close()
        self._view.close()


def _cut(record: Record, payload_bytes_max: int) -> Record:
    return Record(record.partition, record.offset, record.next_offset, record.payload[:payload_bytes_max])
