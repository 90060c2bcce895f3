"""The marks of all groups, in a compacted topic beside the events; both have the same partitions.

Each record has the group and the partition as its key, and a number that grows with every commit to its partition. The
same number stands beside the group's offset in Kafka's own record of it, written in the same transaction: who begins
to own a partition reads on until it has seen that number, and so cannot begin at an older mark.
"""

import threading
import time
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, TopicPartition

from logkeep.errors import BackendUnavailable, CorruptData
from logkeep.queue.kafka_client import REQUEST_TIMEOUT_S, Topics, configuration, name_of, unavailable
from logkeep.queue.port import Mark, Offset, Partition, Record
from logkeep.settings import KafkaSettings

POLL_S = 0.2
AT_ONCE = 500
END_WAIT_MS = 10  # a read that has come to the end is answered this soon


class KeptMark(msgspec.Struct, frozen=True, array_like=True):
    """The value of a record. number: of the commit, among those of its partition of the topic."""

    number: int
    offset: Offset
    data: bytes


encode_mark = msgspec.msgpack.Encoder().encode
_decode_mark = msgspec.msgpack.Decoder(KeptMark).decode


def key_of(group: str, partition: Partition) -> bytes:
    return f"{group}/{partition}".encode()


def reader(settings: KafkaSettings, topics: Topics, **more: Any) -> Consumer:
    """A consumer that is told what to read, and joins no group."""
    return Consumer(
        configuration(settings)
        | {
            "group.id": topics.group_id("reader"),
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "isolation.level": "read_committed",
            "auto.offset.reset": "earliest",
            "fetch.wait.max.ms": END_WAIT_MS,
            **more,
        }
    )


def reader_needs(topics: Topics) -> str:
    """It joins no group, and looks for the coordinator of its own all the same."""
    return f"Describe on group {topics.group_id('reader')}"


class MarksView:
    """What the topic says, read on from where it was at each `refresh`. Safe from many threads."""

    def __init__(self, settings: KafkaSettings, topics: Topics) -> None:
        self._settings, self._topics = settings, topics
        self._lock = threading.Lock()
        self._consumer: Consumer | None = None
        self._positions: dict[int, Offset] = {}
        self._marks: dict[tuple[str, Partition], Mark] = {}
        self._numbers: dict[int, int] = {}

    def refresh(self) -> None:
        """All that was committed before this call is known. Raises BackendUnavailable, CorruptData."""
        count = self._topics.count()
        with self._lock:
            if self._consumer is None:
                self._consumer = reader(self._settings, self._topics)
            consumer = self._consumer
            places = [
                TopicPartition(self._topics.marks, index, self._positions.get(index, OFFSET_BEGINNING))
                for index in range(count)
            ]
            try:
                consumer.assign(places)
                self._read_to_end(consumer, set(range(count)))
                consumer.unassign()
            except KafkaException as error:
                raise self._unreadable(error) from error

    def _read_to_end(self, consumer: Consumer, behind: set[int]) -> None:
        deadline = time.monotonic() + REQUEST_TIMEOUT_S
        while behind:
            if time.monotonic() > deadline:
                raise unavailable("cannot read the marks", "timed out")
            for message in consumer.consume(AT_ONCE, POLL_S):
                error = message.error()
                if error is None:
                    self._note(message)
                    deadline = time.monotonic() + REQUEST_TIMEOUT_S
                elif error.code() == KafkaError._PARTITION_EOF:
                    index, end = _place(message)
                    behind.discard(index)
                    self._positions[index] = end
                elif not error.retriable():
                    raise self._unreadable(error)

    def _unreadable(self, error: object) -> BackendUnavailable:
        needs = (self._topics.needs("Read", marks=True), reader_needs(self._topics))
        return unavailable("cannot read the marks", error, *needs)

    def _note(self, message: Any) -> None:
        index = message.partition()
        self._positions[index] = message.offset() + 1
        try:
            group, _, name = message.key().decode().partition("/")
            kept = _decode_mark(message.value())
        except (msgspec.MsgspecError, UnicodeDecodeError, AttributeError, TypeError) as error:
            raise CorruptData(f"a record of topic {self._topics.marks} is no mark: {error}") from error
        self._marks[group, name] = Mark(kept.offset, kept.data)
        self._numbers[index] = max(self._numbers.get(index, 0), kept.number)

    def note_own(self, group: str, name: Partition, index: int, kept: KeptMark) -> None:
        """What this process has committed."""
        with self._lock:
            self._marks[group, name] = Mark(kept.offset, kept.data)
            self._numbers[index] = max(self._numbers.get(index, 0), kept.number)

    def number(self, index: int) -> int:
        """Of the last commit to this partition that is known."""
        with self._lock:
            return self._numbers.get(index, 0)

    def of(self, group: str) -> dict[Partition, Mark]:
        with self._lock:
            return {name: mark for (owner, name), mark in self._marks.items() if owner == group}

    def groups(self) -> set[str]:
        with self._lock:
            return {group for group, _ in self._marks}

    def close(self) -> None:
        with self._lock:
            if self._consumer is not None:
                self._consumer.close()
                self._consumer = None


def scan(
    settings: KafkaSettings, topics: Topics, ranges: Iterable[tuple[int, Offset, Offset]], fetch_bytes_max: int
) -> Iterator[Record]:
    """The records of these partitions with start <= offset < end, one partition after the other."""
    wanted = [(index, start, end) for index, start, end in ranges if start < end]
    if not wanted:
        return
    consumer = reader(settings, topics, **{"max.partition.fetch.bytes": fetch_bytes_max})
    try:
        for index, start, end in wanted:
            consumer.assign([TopicPartition(topics.events, index, start)])
            yield from _scan_one(consumer, topics, end)
    except KafkaException as error:
        raise unavailable("cannot read the queue", error, topics.needs("Read"), reader_needs(topics)) from error
    finally:
        consumer.close()


def _scan_one(consumer: Consumer, topics: Topics, end: Offset) -> Iterator[Record]:
    deadline = time.monotonic() + REQUEST_TIMEOUT_S
    while True:
        for message in consumer.consume(AT_ONCE, POLL_S):
            error = message.error()
            if error is None:
                record = record_of(message)
                if record.offset < end:
                    yield record
                if record.next_offset >= end:
                    return
                deadline = time.monotonic() + REQUEST_TIMEOUT_S
            elif error.code() == KafkaError._PARTITION_EOF:
                return
            elif not error.retriable():
                raise unavailable("cannot read the queue", error, topics.needs("Read"), reader_needs(topics))
        if time.monotonic() > deadline:
            raise unavailable("cannot read the queue", "timed out")


def record_of(message: Any) -> Record:
    offset = message.offset()
    return Record(name_of(message.partition()), offset, offset + 1, message.value() or b"")


def _place(message: Any) -> tuple[int, Offset]:
    return message.partition(), message.offset()
