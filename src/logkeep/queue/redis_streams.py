"""The queue on Redis Streams: a stream a partition, marks and leases in hashes beside them; redis_client.py lists the
keys, redis_group.py tells who owns what.

Everything that must be one is one script: an append with its room and its offsets, a commit with its fence, a trim with
the room it frees. What it promises, and what not, stands in docs/explanation/queues.md.
"""

import itertools
import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from logkeep.clock import Clock
from logkeep.errors import InputError
from logkeep.queue.group import checked_name, merged
from logkeep.queue.port import ANY, Mark, Offset, Ownership, Partition, Record
from logkeep.queue.redis_client import APPEND, ENTRY_BYTES, FIELD, TRIM, Client, id_of, offset_of
from logkeep.queue.redis_group import Keys, Member, name_of, read_marks
from logkeep.queue.room import queue_full
from logkeep.settings import QueueSettings, RedisSettings

PAYLOADS_MAX = 10_000
RANGE_ENTRIES = 100


class RedisQueue:
    """A `Queue`. Safe from many threads; any number of processes append, any number read."""

    datagrams: Partition = name_of(0)

    def __init__(self, settings: RedisSettings, queue: QueueSettings, *, clock: Clock) -> None:
        self._settings, self._queue, self._clock = settings, queue, clock
        self._client, self._keys = Client(settings), Keys(settings.prefix)
        self._turns = itertools.count()
        self._lock = threading.Lock()
        self._members: dict[str, Member] = {}
        self._rewriting = False

    # ── writing ───────────────────────────────────────────────────────────────────────────────────────────────────

    def append(self, partition: Partition, payloads: Sequence[bytes]) -> Offset:
        self._check_sizes(payloads)
        index = next(self._turns) % self._settings.partitions if partition == ANY else self._index(partition)
        keys = [self._keys.stream(index), self._keys.ends, self._keys.room]
        told = self._client.run(APPEND, keys, [index, self._queue.bytes_max, ENTRY_BYTES, *payloads])
        if isinstance(told, list):
            raise queue_full(f"{int(told[0]):,} bytes and these exceed {self._queue.bytes_max:,}")
        return int(told)

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

    def _index(self, partition: Partition) -> int:
        for index in range(self._settings.partitions):
            if name_of(index) == partition:
                return index
        raise InputError(f"{partition!r} is none of redis-0 to redis-{self._settings.partitions - 1}")

    # ── reading ───────────────────────────────────────────────────────────────────────────────────────────────────

    def read(self, group: str, *, records_max: int, bytes_max: int) -> list[Record]:
        return self._member(group).read(records_max, bytes_max)

    def owned(self, group: str) -> Ownership:
        return self._member(group).owned()

    def positions(self, group: str) -> dict[Partition, Offset]:
        return self._member(group).positions()

    def rewind(self, group: str) -> None:
        self._member(group).rewind()

    def replay(
        self, partition: Partition, start: Offset, end: Offset, *, payload_bytes_max: int | None = None
    ) -> Iterator[Record]:
        key = self._keys.stream(self._index(partition))
        while start < end:
            first, last = id_of(start), f"{end}-0"
            entries: list[Any] = self._client.do(
                lambda first=first, last=last: self._client.raw.xrange(key, first, last, RANGE_ENTRIES)  # type: ignore[misc]
            )
            if not entries:
                return
            for entry, fields in entries:
                offset, payload = offset_of(entry), fields[FIELD]
                start = offset + len(payload) + ENTRY_BYTES
                yield Record(partition, offset, start, payload[:payload_bytes_max])

    def uncommitted(self, group: str, *, payload_bytes_max: int | None = None) -> Iterator[Record]:
        marks = self.marks(group)
        for name, end in self.ends().items():
            yield from self.replay(name, marks.get(name, Mark(0)).offset, end, payload_bytes_max=payload_bytes_max)

    def _member(self, group: str) -> Member:
        with self._lock:
            if group not in self._members:
                self._members[checked_name(group)] = Member(group, self._settings, self._client, self._clock)
            return self._members[group]

    # ── marks ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def commit(self, group: str, marks: Mapping[Partition, Mark], *, owner: Ownership | None = None) -> None:
        if not marks:
            return
        whole = merged(self.marks(checked_name(group)), marks)
        with self._lock:
            member = self._members.get(group) or next(iter(self._members.values()), None)
        if member is None:
            raise InputError("only a processor that reads a group can commit")
        member.commit(group, {name: whole[name] for name in marks}, owner)

    def marks(self, group: str) -> dict[Partition, Mark]:
        return read_marks(self._client, self._keys, checked_name(group))

    # ── what there is ─────────────────────────────────────────────────────────────────────────────────────────────

    def ends(self) -> dict[Partition, Offset]:
        found = self._client.do(lambda: self._client.raw.hgetall(self._keys.ends))
        return {name_of(int(index)): int(end) for index, end in found.items()}

    def lag(self, group: str) -> dict[Partition, int]:
        marks = self.marks(group)
        return {name: end - marks.get(name, Mark(0)).offset for name, end in self.ends().items()}

    def trim(self) -> int:
        groups = self._groups()
        if not groups:
            return 0
        freed = 0
        for name in self.ends():
            offsets = [marks[name].offset for marks in groups if name in marks]
            if offsets and min(offsets) > 0:
                index = self._index(name)
                keys = [self._keys.stream(index), self._keys.ends, self._keys.room]
                freed += int(self._client.run(TRIM, keys, [index, min(offsets)]))
        return freed

    def _groups(self) -> list[dict[Partition, Mark]]:
        """The marks of every group that has any."""
        prefix = self._keys.of("marks", "")
        keys = self._client.do(lambda: list(self._client.raw.scan_iter(match=f"{prefix}*")))
        return [self.marks(key.decode().removeprefix(prefix)) for key in keys]

    def forget(self, offsets: Mapping[Partition, Offset]) -> bool:
        """See `Forgetting.forget`; the file of Redis is written anew, without what is gone, before it is True."""
        marks = self._groups()
        if not all(group[name].offset >= end for name, end in offsets.items() for group in marks if name in group):
            return False
        if self.trim() or not self._rewriting:
            self._client.do(lambda: self._client.raw.bgrewriteaof())
            self._rewriting = True
            return False
        state = self._client.do(lambda: self._client.raw.info("persistence"))
        if state.get("aof_rewrite_in_progress") or state.get("aof_rewrite_scheduled"):
            return False
        self._rewriting = False
        return True

    def check(self) -> None:
        """Also whether the server keeps what it acknowledges."""
        self._client.do(lambda: self._client.raw.ping())
        self._client.do(self._client.refuse_weak)

    def close(self) -> None:
        with self._lock:
            members, self._members = list(self._members.values()), {}
        for member in members:
            member.close()
        self._client.close()
