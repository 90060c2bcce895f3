"""One processor's membership in a group: what it owns, what it has fetched, and commits that only an owner can make.

A thread fetches into buffers of bounded size and serves Kafka's rebalances, also while the store is away for an hour.
It alone uses the consumer: a call of another thread can wait for ever beside its polling.
Before a partition is given away on request, what was read from it is waited for, some seconds at most.

A commit is one transaction of Kafka: the marks, and the group's offsets under its generation. A member that was
replaced, or thrown out because it was silent, is refused by the broker; one that has given a partition away since the
marks were read is refused here. The lock makes it one or the other: nothing is given away during a commit.
"""

import itertools
import threading
import uuid
from collections.abc import Callable, Mapping
from typing import Any

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Producer, TopicPartition

from logkeep.clock import NS_PER_S, Clock
from logkeep.errors import BackendUnavailable, CorruptData
from logkeep.queue.buffers import Buffers
from logkeep.queue.kafka_client import (
    REQUEST_TIMEOUT_S,
    Topics,
    configuration,
    index_of,
    is_lacking,
    name_of,
    text_of,
    unavailable,
)
from logkeep.queue.kafka_marks import KeptMark, MarksView, encode_mark, key_of, reader, record_of
from logkeep.queue.port import LEADER, Mark, NotOwner, Offset, Ownership, Partition, Record
from logkeep.settings import KafkaSettings
from logkeep.telemetry import get_logger

POLL_S = 0.1
AT_ONCE = 500
BUFFER_BYTES_MAX = 64 << 20  # fetched and not read yet; the client itself holds as much again
CLIENT_KBYTES_MAX = 32 << 10
RELEASE_WAIT_S = 5.0  # for what was read from a partition that is given away
TRANSACTION_S = 15.0
GRACE_S = 1.0  # beyond it, for the client to tell of it itself
TRIES_MAX = 5
FORBIDDEN_NS = 10 * NS_PER_S  # for so long a probe tells of it, while it is tried again and again
RETRY_MS = 5
_LOST = {
    KafkaError.ILLEGAL_GENERATION,
    KafkaError.UNKNOWN_MEMBER_ID,
    KafkaError.FENCED_INSTANCE_ID,
    KafkaError.REBALANCE_IN_PROGRESS,
    KafkaError.PRODUCER_FENCED,
    KafkaError.INVALID_PRODUCER_EPOCH,
    KafkaError._FENCED,
}

_epochs = itertools.count(1)  # of all members of this process: an ownership names one of them
log = get_logger("kafka")


class Member:
    """Joins at once. Safe from many threads."""

    def __init__(
        self, group: str, settings: KafkaSettings, topics: Topics, view: MarksView, clock: Clock, fetch_bytes_max: int
    ) -> None:
        self.group, self._settings, self._topics, self._view, self._clock = group, settings, topics, view, clock
        self._change = threading.Condition(threading.RLock())
        self._owned: set[int] = set()
        self._epoch = next(_epochs)
        self._buffers = Buffers()
        self._expected: dict[int, Offset] = {}  # of the next record that is fetched
        self._given: dict[int, Offset] = {}  # after the last record that was read
        self._finished: dict[int, Offset] = {}  # by commits of this member
        self._releasing: set[int] = set()
        self._seeks: dict[int, Offset] = {}
        self._damages: list[str] = []
        self._paused = False
        self._closed = threading.Event()
        self._fatal: KafkaError | None = None
        self._forbidden, self._forbidden_text = False, ""
        self._forbidden_ns = -FORBIDDEN_NS
        self.payload_bytes = 0.0
        self._producer: Producer | None = None
        self._consumer = Consumer(
            configuration(settings)
            | {
                "group.id": topics.group_id(group),
                **({"group.instance.id": settings.instance} if settings.instance else {}),
                "enable.auto.commit": False,
                "isolation.level": "read_committed",
                "auto.offset.reset": "earliest",
                "partition.assignment.strategy": "cooperative-sticky",
                "session.timeout.ms": int(settings.session_timeout_s * 1000),
                "heartbeat.interval.ms": int(settings.session_timeout_s * 1000 / 4),
                "max.poll.interval.ms": max(300_000, int(settings.session_timeout_s * 1000)),
                "fetch.max.bytes": max(fetch_bytes_max, 50 << 20),
                "max.partition.fetch.bytes": fetch_bytes_max,
                "queued.max.messages.kbytes": CLIENT_KBYTES_MAX,
            }
        )
        self._membership = self._consumer.consumer_group_metadata()
        self._asking = reader(settings, topics, **{"group.id": topics.group_id(group)})  # of its offsets; never joins
        self._consumer.subscribe([topics.events], on_assign=self._assigned, on_revoke=self._revoked, on_lost=self._lost)
        self._thread = threading.Thread(target=self._fetch, name=f"kafka-{group}", daemon=True)
        self._thread.start()

    # ── what is owned ─────────────────────────────────────────────────────────────────────────────────────────────

    def owned(self) -> Ownership:
        with self._change:
            owned = self._owned
            return Ownership(self._epoch, frozenset(map(name_of, owned)), 0 in owned)

    def _assigned(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        with self._change:
            self._forbidden = False
            self._owned |= {place.partition for place in partitions}
            self._epoch = next(_epochs)
            for place in partitions:
                self._forget(place.partition)

    def _revoked(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        going = {place.partition for place in partitions}
        deadline_ns = self._clock.monotonic_ns() + int(RELEASE_WAIT_S * NS_PER_S)
        with self._change:
            self._releasing = going
            while self._has_in_hand(going) and not self._closed.is_set():
                left_ns = deadline_ns - self._clock.monotonic_ns()
                if left_ns <= 0 or not self._change.wait(left_ns / NS_PER_S):
                    break
        self._lost(consumer, partitions)

    def _has_in_hand(self, partitions: set[int]) -> bool:
        return any(self._given.get(index, 0) > self._finished.get(index, 0) for index in partitions)

    def _lost(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        with self._change:
            self._releasing = set()
            self._owned -= {place.partition for place in partitions}
            self._epoch = next(_epochs)
            for place in partitions:
                self._forget(place.partition)

    def _forget(self, index: int) -> None:
        self._buffers.drop(name_of(index))
        for kept in (self._expected, self._given, self._finished, self._seeks):
            kept.pop(index, None)

    # ── reading ───────────────────────────────────────────────────────────────────────────────────────────────────

    def _fetch(self) -> None:
        while not self._closed.is_set():
            try:
                self._seek_where_asked()
                self._hold_back()
                first = self._consumer.poll(POLL_S)
                self._membership = self._consumer.consumer_group_metadata()
                if first is not None:
                    self._take([first, *self._consumer.consume(AT_ONCE, 0.0)])
            except KafkaException as error:
                log.warning("cannot read the queue; trying again", error=text_of(error))
                self._closed.wait(POLL_S)

    def _hold_back(self) -> None:
        """Nothing more is fetched while the buffers are full; rebalances are served all the same."""
        full = self._buffers.size >= BUFFER_BYTES_MAX
        if full != self._paused:
            places = self._consumer.assignment()
            (self._consumer.pause if full else self._consumer.resume)(places)
            self._paused = full

    def _seek_where_asked(self) -> None:
        with self._change:
            seeks, self._seeks = self._seeks, {}
            for index in seeks:
                self._buffers.drop(name_of(index))
            self._expected |= {index: offset for index, offset in seeks.items() if offset >= 0}
            for index, offset in seeks.items():
                if offset < 0:
                    self._expected.pop(index, None)
            self._forbidden = self._forbidden and not seeks  # told again when it still is
        if not seeks:
            return
        places = [TopicPartition(self._topics.events, index, offset) for index, offset in seeks.items()]
        try:  # assigned anew, not sought: records that the client holds from before are gone then
            self._consumer.incremental_unassign(places)
            self._consumer.incremental_assign(places)
        except KafkaException:
            with self._change:
                self._seeks = {index: offset for index, offset in seeks.items() if index in self._owned} | self._seeks
            raise

    def _take(self, messages: list[Any]) -> None:
        with self._change:
            for message in messages:
                error = message.error()
                if error is not None:
                    if error.fatal() or error.code() == KafkaError._FATAL:
                        self._fatal = error
                    if is_lacking(error):
                        self._forbid(error)
                    elif not error.retriable():
                        log.warning("cannot read the queue", error=text_of(error))
                    continue
                self._forbidden, self._forbidden_ns = False, -FORBIDDEN_NS
                self._take_one(message)
            self._change.notify_all()

    def _forbid(self, error: KafkaError) -> None:
        needs = (self._topics.needs("Read"), self._needs_group())
        self._forbidden, self._forbidden_text = True, unavailable("cannot read the queue", error, *needs).message
        self._forbidden_ns = self._clock.monotonic_ns()

    def _needs_group(self) -> str:
        return f"Read on group {self._topics.group_id(self.group)}"

    def check(self) -> None:
        """Raises BackendUnavailable: the brokers do not allow this member what it has to do. Waits for no commit."""
        recently = self._clock.monotonic_ns() - self._forbidden_ns < FORBIDDEN_NS
        if self._forbidden or recently:
            raise BackendUnavailable(self._forbidden_text)

    def _take_one(self, message: Any) -> None:
        index, offset = message.partition(), message.offset()
        if index not in self._owned or index in self._seeks:
            return
        expected = self._expected.get(index, offset)
        if offset < expected:
            return
        if offset > expected:
            self._damages.append(
                f"{name_of(index)} has no records from offset {expected} to {offset}; they are skipped"
            )
        record = record_of(message)
        self._expected[index] = record.next_offset
        self._buffers.add(record)
        size = len(record.payload)
        self.payload_bytes = size if not self.payload_bytes else 0.95 * self.payload_bytes + 0.05 * size

    def read(self, records_max: int, bytes_max: int) -> list[Record]:
        with self._change:
            self._raise_if_fatal()
            if self._forbidden:
                raise BackendUnavailable(self._forbidden_text)
            if self._damages:
                raise CorruptData(self._damages.pop(0))
            if self._seeks:
                return []
            found = self._buffers.give(records_max, bytes_max, set(map(name_of, self._releasing)))
            for record in found:
                self._given[index_of(record.partition)] = record.next_offset
            return found

    @property
    def is_done_for(self) -> bool:
        """It can never read again: a coordinator that fails over may take a lasting name's next try for another's."""
        return self._fatal is not None

    def _raise_if_fatal(self) -> None:
        if self._fatal is not None:
            raise BackendUnavailable(f"kafka: this member of group {self.group} is done for: {text_of(self._fatal)}")

    def positions(self) -> dict[Partition, Offset]:
        with self._change:
            return {name_of(index): offset for index, offset in self._given.items()}

    def rewind(self, marks: Mapping[Partition, Mark]) -> None:
        """The next records are those at the marks; without one, the oldest there are."""
        with self._change:
            for index in self._owned:
                mark = marks.get(name_of(index))
                self._seeks[index] = mark.offset if mark is not None else OFFSET_BEGINNING
                self._given.pop(index, None)
                self._finished.pop(index, None)

    # ── committing ────────────────────────────────────────────────────────────────────────────────────────────────

    def settle(self) -> None:
        """The view knows the last commit to each partition that is owned, whoever made it.

        Raises BackendUnavailable.
        """
        with self._change:
            owned = sorted(self._owned)
        places = [TopicPartition(self._topics.events, index) for index in owned]
        deadline_ns = self._clock.monotonic_ns() + int(TRANSACTION_S * 2 * NS_PER_S)
        while True:
            try:  # waits until no transaction of an owner before is open
                told = self._asking.committed(places, timeout=TRANSACTION_S) if places else []
            except KafkaException as error:
                raise unavailable("cannot read the offsets", error, self._needs_group()) from error
            self._view.refresh()
            if all(self._view.number(place.partition) >= int(place.metadata or 0) for place in told):
                return
            if self._clock.monotonic_ns() > deadline_ns:
                raise unavailable("the marks are behind the offsets", "timed out")

    def commit(self, group: str, marks: Mapping[Partition, Mark], owner: Ownership | None) -> None:
        """marks: no offset goes back. Raises NotOwner, BackendUnavailable."""
        with self._change:
            if owner is not None and owner.epoch != self._epoch:
                raise NotOwner(f"what is owned has changed since the marks of {', '.join(sorted(marks))} were read")
            try:
                kept = self._in_one(group, marks)
            except KafkaException as error:
                self._abort()
                if error.args[0].code() in _LOST:
                    raise NotOwner(f"the group has refused the commit: {text_of(error)}") from error
                raise unavailable("the commit failed; old or new stands", error, *self._needs_to_commit()) from error
            for name, mark in kept.items():
                self._view.note_own(group, name, index_of(name), mark)
                if group == self.group and name != LEADER:
                    self._finished[index_of(name)] = mark.offset
            self._change.notify_all()

    def _needs_to_commit(self) -> tuple[str, ...]:
        topics = self._topics
        ids = f"Write on transactional id {topics.group_id(self.group)}-… (prefixed)"
        return topics.needs("Write", marks=True), topics.needs("Read"), self._needs_group(), ids

    def _in_one(self, group: str, marks: Mapping[Partition, Mark]) -> dict[Partition, KeptMark]:
        if self._producer is None:
            self._producer = self._transactional()
        producer = self._producer
        producer.begin_transaction()
        own = self._view.of(self.group)
        kept: dict[Partition, KeptMark] = {}
        places: dict[int, TopicPartition] = {}
        for name, mark in marks.items():
            index = index_of(name)
            kept[name] = KeptMark(self._view.number(index) + 1, mark.offset, mark.data)
            producer.produce(
                self._topics.marks, encode_mark(kept[name]), key_of(group, name), partition=index, on_delivery=_ignore
            )
            ahead = marks if group == self.group else own
            offset = ahead.get(name_of(index), own.get(name_of(index), Mark(0))).offset
            places[index] = TopicPartition(self._topics.events, index, offset, metadata=str(kept[name].number))
        offsets, membership = list(places.values()), self._membership
        if not ends_within(
            TRANSACTION_S + GRACE_S, lambda: producer.send_offsets_to_transaction(offsets, membership, TRANSACTION_S)
        ):
            self._producer = None  # left with its call; what it began is aborted by the broker after TRANSACTION_S
            raise unavailable("the commit failed and nothing of it stands", "the group's coordinator does not answer")
        self._end(producer)
        return kept

    def _end(self, producer: Producer) -> None:
        for left in range(TRIES_MAX - 1, -1, -1):
            try:
                producer.commit_transaction(TRANSACTION_S)
                return
            except KafkaException as error:
                if not left or not error.args[0].retriable():
                    raise

    def _transactional(self) -> Producer:
        lasting = self._settings.instance or uuid.uuid4().hex
        producer = Producer(
            configuration(self._settings)
            | {
                "transactional.id": f"{self._topics.group_id(self.group)}-{lasting}",
                "transaction.timeout.ms": int(TRANSACTION_S * 1000),
                "message.timeout.ms": int(TRANSACTION_S * 1000),
                "message.max.bytes": 4 << 20,
                "linger.ms": 0,
                # A transaction right after another is told to wait a moment: 100 ms by default, each time.
                "retry.backoff.ms": RETRY_MS,
                "compression.type": "lz4",
            }
        )
        producer.init_transactions(TRANSACTION_S)
        return producer

    def _abort(self) -> None:
        """Nothing of it stands, or it was done. What cannot even be aborted is left to its timeout, and replaced."""
        producer, self._producer = self._producer, None
        if producer is None:
            return
        try:
            producer.abort_transaction(REQUEST_TIMEOUT_S)
            self._producer = producer
        except KafkaException as error:
            log.warning("a transaction could not be aborted; another producer takes over", error=text_of(error))

    def close(self) -> None:
        """Leaves the group, unless it has a lasting name."""
        self._closed.set()
        with self._change:
            self._change.notify_all()
        self._thread.join()
        self._consumer.close()
        self._asking.close()


def ends_within(timeout_s: float, call: Callable[[], None]) -> bool:
    """Whether `call` has ended by then; it is left to itself when not. Raises what it raises.

    librdkafka may wait for ever for a group's coordinator that was restarted, whatever time it is given (its #5456).
    """
    failures: list[BaseException] = []

    def run() -> None:
        try:
            call()
        except BaseException as error:  # raised again below, if anybody still waits
            failures.append(error)

    thread = threading.Thread(target=run, name="kafka-offsets", daemon=True)
    thread.start()
    thread.join(timeout_s)
    if failures:
        raise failures[0]
    return not thread.is_alive()


def _ignore(error: Any, message: Any) -> None:
    """A mark that is not delivered makes its transaction fail."""
