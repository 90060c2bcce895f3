"""Appending to Kafka: acknowledged by the in-sync replicas before anyone is answered, bounded, and never twice by us.

One round trip serves all payloads of an `append`, and all appends that wait at the same time. The producer is
idempotent: a retry of its own doubles nothing. When the brokers do not answer in time, what is stored is unknown, and
the sender is told to try again.
"""

import itertools
import threading
from collections.abc import Sequence
from typing import Any

from confluent_kafka import KafkaException, Producer

from logkeep.clock import NS_PER_S, Clock
from logkeep.errors import BackendUnavailable, InputError
from logkeep.queue.kafka_client import OVERHEAD_BYTES, Topics, configuration, index_of, text_of, unavailable
from logkeep.queue.port import ANY, Offset, Partition
from logkeep.settings import KafkaSettings, QueueSettings
from logkeep.telemetry import get_logger

PAYLOADS_MAX = 10_000
POLL_S = 0.1
GRACE_S = 2.0  # beyond the delivery timeout, for the client to tell of it
BUFFER_WAIT_S = 0.005

log = get_logger("kafka")


class _Delivery:
    """What became of one append's payloads: `offsets` as told, `error` the first that failed."""

    def __init__(self, count: int) -> None:
        self._left = count
        self.first: Offset | None = None
        self.error: Any = None
        self.done = threading.Event()

    def told(self, error: Any, message: Any) -> None:
        """By the thread that polls, once a payload."""
        if error is not None:
            self.error = self.error or error
        elif self.first is None or message.offset() < self.first:
            self.first = message.offset()
        self._left -= 1
        if not self._left:
            self.done.set()


class KafkaIntake:
    """Safe from many threads. Connects at the first append."""

    def __init__(self, settings: KafkaSettings, queue: QueueSettings, topics: Topics, clock: Clock) -> None:
        self._settings, self._queue, self._topics, self._clock = settings, queue, topics, clock
        self._turns = itertools.count()
        self._lock = threading.Lock()  # of the order in which payloads are handed over, and of `_producer`
        self._producer: Producer | None = None
        self._closed = threading.Event()
        self._poller: threading.Thread | None = None
        self.payload_bytes = 0.0  # of a record, on average, as of late

    def append(self, partition: Partition, payloads: Sequence[bytes]) -> Offset:
        """See `Queue.append`."""
        self._check_sizes(payloads)
        count = self._topics.count()
        index = next(self._turns) % count if partition == ANY else index_of(partition)
        if index >= count:
            raise InputError(f"partition {partition} is none of the {count} of topic {self._topics.events}")
        delivery = self._hand_over(index, payloads)
        if not delivery.done.wait(self._settings.delivery_timeout_s + GRACE_S):
            raise unavailable("no answer from the brokers in time; what is stored is unknown", "timed out")
        if delivery.error is not None:
            self._forget_if_broken(delivery.error)
            raise unavailable(
                "cannot store; what is stored is unknown", delivery.error, self._topics.needs("Write"),
                "IdempotentWrite on cluster (brokers before 2.8)",
            )  # fmt: skip
        assert delivery.first is not None
        mean = sum(map(len, payloads)) / len(payloads)
        self.payload_bytes = mean if not self.payload_bytes else 0.95 * self.payload_bytes + 0.05 * mean
        return delivery.first

    def _check_sizes(self, payloads: Sequence[bytes]) -> None:
        if not 1 <= len(payloads) <= PAYLOADS_MAX:
            raise InputError(f"{len(payloads):,} payloads in one append; give 1 to {PAYLOADS_MAX:,}")
        limit = self._queue.record_bytes_max
        if (largest := max(map(len, payloads))) > limit:
            raise InputError(
                f"record of {largest:,} bytes exceeds record_bytes_max {limit:,}; split it",
                code="too_large",
                status=413,
            )

    def _hand_over(self, index: int, payloads: Sequence[bytes]) -> _Delivery:
        """All payloads are the client's to send, in this order; it holds buffer_bytes_max at most."""
        delivery = _Delivery(len(payloads))
        deadline_ns = self._clock.monotonic_ns() + int(self._settings.delivery_timeout_s * NS_PER_S)
        with self._lock:
            producer = self._opened()
            for place, payload in enumerate(payloads):
                while True:
                    try:
                        producer.produce(self._topics.events, payload, partition=index, on_delivery=delivery.told)
                        break
                    except BufferError:
                        if self._clock.monotonic_ns() > deadline_ns:
                            what = "nothing was" if place == 0 else "what is"
                            raise BackendUnavailable(
                                f"the brokers are behind; {what} stored{' is unknown' if place else ''}, try later",
                                code="queue_full" if place == 0 else None,
                            ) from None
                        self._clock.sleep(BUFFER_WAIT_S)
                    except KafkaException as error:
                        raise unavailable("cannot store; what is stored is unknown", error) from error
        return delivery

    def _opened(self) -> Producer:
        if self._closed.is_set():
            raise BackendUnavailable("the queue is closed", code="closed")
        if self._producer is None:
            self._producer = Producer(
                configuration(self._settings)
                | {
                    "enable.idempotence": True,
                    "acks": "all",
                    "message.timeout.ms": int(self._settings.delivery_timeout_s * 1000),
                    "message.max.bytes": self._queue.record_bytes_max + OVERHEAD_BYTES,
                    "queue.buffering.max.kbytes": self._settings.buffer_bytes_max // 1024,
                    "linger.ms": 0,  # what arrives during a round trip is the next one; waiting longer only hurts
                    "compression.type": self._settings.compression,
                }
            )
            self._poller = threading.Thread(
                target=self._poll, args=(self._producer,), name="kafka-deliveries", daemon=True
            )
            self._poller.start()
        return self._producer

    def _poll(self, producer: Producer) -> None:
        while not self._closed.is_set() and (self._producer is producer or len(producer)):
            producer.poll(POLL_S)

    def _forget_if_broken(self, error: Any) -> None:
        """A fault that this producer never recovers from: the next append opens another."""
        if not error.fatal():
            return
        log.error("the producer is of no use any more and is replaced", error=text_of(error))
        with self._lock:
            self._producer = None

    def close(self) -> None:
        """Appends under way have their answer."""
        with self._lock:
            producer, self._producer = self._producer, None
        if producer is not None:
            producer.flush(self._settings.delivery_timeout_s)
        self._closed.set()
        if self._poller is not None:
            self._poller.join()
