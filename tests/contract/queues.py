"""The queue adapters for the contract suites, and how to wait for what comes over a network."""

import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

import msgspec
from tests.service import wait_for

from logkeep.clock import ManualClock, SystemClock
from logkeep.disk import SystemDisk
from logkeep.queue.kafka import KafkaQueue
from logkeep.queue.local import LocalQueue
from logkeep.queue.memory import MemoryQueue
from logkeep.queue.port import Mark, Partition, Queue, Record
from logkeep.queue.redis_streams import RedisQueue
from logkeep.settings import KafkaSettings, QueueSettings, RedisSettings

MIB = 1 << 20
SETTINGS = QueueSettings(record_bytes_max=70_000, segment_bytes_max=65_536, bytes_max=4 * MIB, free_bytes_min=0)
HERE = ("memory", "local")
SERVERS = ("kafka", "redis")
READ_TIMEOUT_S = 60.0


@contextmanager
def opened(kind: str, folder: Path, server: Callable[[str], Any]) -> Iterator[Queue]:
    """server: the fixture of that name."""
    if kind == "memory":
        found: Queue = MemoryQueue(SETTINGS)
    elif kind == "local":
        found = LocalQueue(folder, SETTINGS, disk=SystemDisk(), clock=ManualClock(), write=("udp-0", "b"))
    else:
        found = sharing(kind, server)()
    with closing(found):
        yield found


class Installation(msgspec.Struct):
    """Queues of different processors on the same, new, topic or streams."""

    kind: str
    kafka: KafkaSettings = KafkaSettings()
    redis: RedisSettings = RedisSettings()

    def __call__(self) -> Any:
        if self.kind == "kafka":
            return KafkaQueue(self.kafka, SETTINGS, clock=SystemClock())
        return RedisQueue(self.redis, SETTINGS, clock=SystemClock())


def sharing(kind: str, server: Callable[[str], Any], *, partitions: int = 2) -> Installation:
    name = f"t{uuid.uuid4().hex[:12]}"
    if kind == "redis":
        return Installation(
            kind, redis=RedisSettings(url=server("redis").url, prefix=name, partitions=partitions, lease_s=1.5)
        )
    kafka = KafkaSettings(
        servers=server("kafka").address, topic=name, partitions=partitions, replication_factor=1,
        min_insync_replicas=1, session_timeout_s=6.0,
    )  # fmt: skip
    return Installation(kind, kafka)


@contextmanager
def joined(make: Callable[[], Any], count: int) -> Iterator[list[Any]]:
    with ExitStack() as stack:
        yield [stack.enter_context(closing(make())) for _ in range(count)]


def names(queue: Queue) -> tuple[Partition, Partition]:
    """Two partitions that this queue takes."""
    first = queue.datagrams
    return first, first.replace("0", "1") if first != "udp-0" else "b"


def is_read(queue: Any, group: str) -> bool:
    """Whether `queue` has read everything of the group that there is."""
    read, marks = queue.positions(group), queue.marks(group)
    return all(max(read.get(n, 0), marks.get(n, Mark(0)).offset) >= end for n, end in queue.ends().items())


def read_all(queue: Any, group: str = "g") -> dict[Partition, list[bytes]]:
    """What there is to read, to the end, by partition."""
    found: dict[Partition, list[bytes]] = {}

    def is_done() -> bool:
        while records := queue.read(group, records_max=1000, bytes_max=MIB):
            for record in records:
                found.setdefault(record.partition, []).append(record.payload)
        return is_read(queue, group)

    wait_for(is_done, READ_TIMEOUT_S, f"{group} to have read everything", lambda: f"{queue.ends()} {found.keys()}")
    return found


def read_some(queue: Queue, count: int, group: str = "g", **limits: int) -> list[Record]:
    """So many records; all that the last read gave."""
    return [record for records in reads(queue, count, group, **limits) for record in records]


def reads(
    queue: Queue, count: int, group: str = "g", *, records_max: int = 1000, bytes_max: int = MIB
) -> list[list[Record]]:
    """What each read gave that gave something, until there were `count` records in all."""
    found: list[list[Record]] = []

    def are_there() -> bool:
        if records := queue.read(group, records_max=records_max, bytes_max=bytes_max):
            found.append(records)
        return sum(map(len, found)) >= count

    wait_for(are_there, READ_TIMEOUT_S, f"{count} records", lambda: f"found {sum(map(len, found))}")
    return found
