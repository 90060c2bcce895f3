"""Speaking to Kafka: the settings as its client wants them, its errors as ours, topics made when they are missing."""

import threading
import time
from collections.abc import Callable
from typing import Any

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient

# The class is there at run time under either name; the stub of some versions has but one of them.
from confluent_kafka.cimpl import NewTopic

from logkeep.errors import BackendUnavailable, InputError
from logkeep.queue.layout import NAME, refuse_newer
from logkeep.queue.port import LEADER, Partition
from logkeep.settings import KafkaSettings
from logkeep.telemetry import get_logger
from logkeep.tls import TlsFiles, advice

PREFIX = "kafka-"
REQUEST_TIMEOUT_S = 10.0
TELL_EVERY_S = 10.0
CHECK_TIMEOUT_S = 3.0  # a probe does not wait longer
UNKNOWN_PAUSE_S = 0.1  # before a broker is asked again for a topic that it does not know
METADATA_FIRST_S = 0.5  # of the first try, doubled each time
OVERHEAD_BYTES = 1 << 20  # of a message and its batch, on top of the payload
MARKS_BYTES_MAX = 4 << 20
QUEUE_SEGMENT_MS = 3_600_000  # what is deleted leaves the brokers' disks when its segment is closed: an hour at most
MARKS_SEGMENT_BYTES = 16 << 20  # read whole when partitions change hands

_NOT_LET_IN = (KafkaError._AUTHENTICATION, KafkaError.SASL_AUTHENTICATION_FAILED)
_REFUSALS = (*_NOT_LET_IN, KafkaError._SSL)
# Of access lists; with what each is about, as `needs` name it.
_LACKING = {
    KafkaError.TOPIC_AUTHORIZATION_FAILED: "topic",
    KafkaError.GROUP_AUTHORIZATION_FAILED: "group",
    KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED: "transactional id",
    KafkaError.CLUSTER_AUTHORIZATION_FAILED: "cluster",
}

log = get_logger("kafka")


def name_of(index: int) -> Partition:
    return f"{PREFIX}{index}"


def index_of(partition: Partition) -> int:
    """The number of the partition of both topics that is meant; the leader's mark stands beside those of the first."""
    if partition == LEADER:
        return 0
    number = partition.removeprefix(PREFIX)
    if not partition.startswith(PREFIX) or not number.isdecimal():
        raise InputError(f"{partition!r} is no partition of this queue; they are {PREFIX}0, {PREFIX}1 …")
    return int(number)


def unavailable(what: str, error: object, *needs: str) -> BackendUnavailable:
    """needs: what a user has to be allowed for this, as in "Write on topic lk"."""
    if _code(error) in _NOT_LET_IN:
        return BackendUnavailable(f"kafka lets us not in: {text_of(error)}; check kafka.user and kafka.password")
    if is_lacking(error):
        kind = _LACKING[_code(error) or 0]
        lacking = [need for need in needs if f" on {kind}" in need] or [f"more rights on the {kind}"]
        return BackendUnavailable(
            f"kafka: {what}: {text_of(error)}: kafka.user needs {', '.join(lacking)}; see docs/how-to/secure-servers.md"
        )
    return BackendUnavailable(f"kafka: {what}: {advice(text_of(error), 'kafka', address='servers')}; try later")


def is_lacking(error: object) -> bool:
    """Whether access lists of Kafka's forbid it."""
    return _code(error) in _LACKING


def _code(error: object) -> int | None:
    found = error.args[0] if isinstance(error, KafkaException) and error.args else error
    return int(found.code()) if isinstance(found, KafkaError) else None


def _is_refusal(error: KafkaError | None) -> bool:
    """Whether no waiting mends it."""
    return error is not None and (error.code() in _REFUSALS or advice(text_of(error), "kafka") != text_of(error))


def text_of(error: object) -> str:
    found = error.args[0] if isinstance(error, KafkaException) and error.args else error
    return f"{found.name()}: {found.str()}" if isinstance(found, KafkaError) else str(found)


def configuration(settings: KafkaSettings, told: Callable[[KafkaError], None] | None = None) -> dict[str, Any]:
    """What every client of ours begins with. Holds the password. told: of trouble, beside the log.

    Raises InputError: a file cannot be used.
    """
    tls = settings.security.endswith("ssl")
    TlsFiles.of("kafka", settings).check(tls=tls, how="set kafka.security to ssl or sasl_ssl")
    found: dict[str, Any] = {
        "bootstrap.servers": settings.servers,
        "client.id": "logkeep",
        "security.protocol": settings.security,
        "socket.keepalive.enable": True,
        "reconnect.backoff.max.ms": 1_000,
        "topic.metadata.refresh.interval.ms": 60_000,
        "log_level": 2,  # what fails is told by the calls that fail
        "error_cb": told or _tell,
    }
    if settings.security.startswith("sasl"):
        found |= {
            "sasl.mechanism": settings.sasl_mechanism,
            "sasl.username": settings.user,
            "sasl.password": settings.password,
        }
    files = {
        "ssl.ca.location": settings.ca_file,
        "ssl.certificate.location": settings.certificate_file,
        "ssl.key.location": settings.key_file,
    }
    return found | {name: path for name, path in files.items() if path}


class _Teller:
    """One log line in a while about trouble with the brokers, of all clients of this process together."""

    def __init__(self) -> None:
        self._next_s = 0.0

    def __call__(self, error: KafkaError) -> None:
        now_s = time.monotonic()
        if now_s >= self._next_s:
            self._next_s = now_s + TELL_EVERY_S
            log.warning("the brokers are in trouble", error=text_of(error))


_tell = _Teller()


class Topics:
    """The two topics of an installation. Safe from many threads; nothing is asked before it is needed."""

    def __init__(self, settings: KafkaSettings, record_bytes_max: int) -> None:
        self._settings, self._record_bytes_max = settings, record_bytes_max
        self._lock = threading.Lock()
        self._count = 0
        self.events, self.marks = settings.topic, f"{settings.topic}-marks"
        self._trouble: KafkaError | None = None  # what the client was told last, which says more than its time out
        self.admin = AdminClient(configuration(settings, self._note))

    def group_id(self, group: str) -> str:
        return f"{self._settings.topic}-{group}"

    def needs(self, operation: str, *, marks: bool = False) -> str:
        """In words, of one of the two topics."""
        return f"{operation} on topic {self.marks if marks else self.events}"

    def count(self) -> int:
        """Partitions of both topics, which are there on return. Raises BackendUnavailable."""
        with self._lock:
            if not self._count:
                self._count = self._ensure()
            return self._count

    def check(self) -> None:
        """Raises BackendUnavailable when no broker answers or a partition has no leader."""
        self.count()
        until_s = time.monotonic() + CHECK_TIMEOUT_S
        while (found := self._metadata(CHECK_TIMEOUT_S).topics.get(self.events)) is None:
            # It was made a moment ago, and the broker that was asked has not heard of it.
            if time.monotonic() >= until_s:
                raise unavailable(f"topic {self.events}", "a broker does not know it yet")
            time.sleep(UNKNOWN_PAUSE_S)
        lost = [index for index, partition in found.partitions.items() if partition.leader < 0]
        if found.error is not None or lost:
            raise unavailable(f"topic {self.events}", found.error or f"partitions {lost} have no leader")

    def look_again(self) -> None:
        """Who leads which partition is asked anew, by a client that has no older belief."""
        self.admin = AdminClient(configuration(self._settings, self._note))

    def _ensure(self) -> int:
        there = self._metadata().topics
        prefix = f"{self.events}-{NAME}-"
        for name in there:
            if name.startswith(prefix):
                refuse_newer(f"the queue in topic {self.events}", name.removeprefix(prefix))
        events, marks = there.get(self.events), there.get(self.marks)
        count = len(events.partitions) if events is not None and events.error is None else self._settings.partitions
        missing = [self._new_events(count)] if events is None or events.error is not None else []
        if marks is None or marks.error is not None:
            missing.append(self._new_marks(count))
        elif len(marks.partitions) < count:
            raise BackendUnavailable(
                f"topic {self.marks} has {len(marks.partitions)} partitions and {self.events} {count}; give it as many"
            )
        if missing:
            self._make(missing)
        return count

    def _metadata(self, timeout_s: float = REQUEST_TIMEOUT_S) -> Any:
        """A refusal is told at once: the client itself goes on trying until the time is over."""
        self._trouble, until_s, wait_s = None, time.monotonic() + timeout_s, METADATA_FIRST_S
        while True:
            try:
                return self.admin.list_topics(timeout=min(wait_s, max(0.01, until_s - time.monotonic())))
            except KafkaException as error:
                self.admin.poll(0)  # what the client was told meanwhile
                if _is_refusal(self._trouble) or time.monotonic() >= until_s:
                    raise unavailable("no broker answers", self._trouble or error) from error
            wait_s *= 2

    def _note(self, error: KafkaError) -> None:
        if error.code() != KafkaError._ALL_BROKERS_DOWN:  # says nothing beside the others
            self._trouble = error
        _tell(error)

    def _make(self, topics: list[Any]) -> None:
        for name, made in self.admin.create_topics(topics, request_timeout=REQUEST_TIMEOUT_S).items():
            try:
                made.result()
                log.info("a topic was made", topic=name)
            except KafkaException as error:
                if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                    if is_lacking(error):
                        needs = f"Create on topic {name}, or Describe on topic {name} where it is there already"
                        raise unavailable(f"cannot see or make topic {name}", error, needs) from error
                    raise unavailable(
                        f"cannot make topic {name} with replication factor {self._settings.replication_factor} "
                        "(kafka.replication_factor)",
                        error,
                    ) from error

    def _new_events(self, count: int) -> Any:
        """Nothing is deleted by age or size: only what every group has committed, by `trim`."""
        return self._new(
            self.events, count,
            {
                "retention.ms": "-1",
                "retention.bytes": "-1",
                "cleanup.policy": "delete",
                "segment.ms": str(QUEUE_SEGMENT_MS),
                "max.message.bytes": str(self._record_bytes_max + OVERHEAD_BYTES),
            },
        )  # fmt: skip

    def _new_marks(self, count: int) -> Any:
        return self._new(
            self.marks, count,
            {
                "cleanup.policy": "compact",
                "segment.bytes": str(MARKS_SEGMENT_BYTES),
                "segment.ms": "600000",
                "min.cleanable.dirty.ratio": "0.1",
                "max.message.bytes": str(MARKS_BYTES_MAX),
            },
        )  # fmt: skip

    def _new(self, name: str, count: int, config: dict[str, str]) -> Any:
        copies = self._settings.replication_factor
        least = str(min(copies, self._settings.min_insync_replicas))
        return NewTopic(name, count, copies, config=config | {"min.insync.replicas": least})
