"""One processor's membership in a group: whole partitions are leased, each under a fence that a commit must show.

Ownership of whole partitions, not claims of single entries: a batch's intent names a range of a partition, and only
who owns all that follows it can finish it. A thread renews the leases three times in their length. A processor that
finds itself with more than its share gives away what it has finished; one that is silent loses all, and whoever takes
a partition gets a higher fence: the commit of the one before is refused by the server, in the script that would have
written it.
"""

import itertools
import threading
import uuid
from collections.abc import Mapping
from typing import Any

import msgspec

from logkeep.clock import NS_PER_S, Clock
from logkeep.errors import BackendUnavailable
from logkeep.queue.buffers import Buffers
from logkeep.queue.port import LEADER, Mark, NotOwner, Offset, Ownership, Partition, Record
from logkeep.queue.redis_client import COMMIT, ENTRY_BYTES, FIELD, LEASE, Client, offset_of
from logkeep.settings import RedisSettings
from logkeep.telemetry import get_logger

RELEASE_WAIT_S = 5.0  # for what was read from a partition that is given away
RELEASE_LOOK_S = 0.05
ENTRIES_MAX = 500  # of one read of a stream
READ_BYTES_MAX = 16 << 20

_epochs = itertools.count(1)  # of all members of this process: an ownership names one of them
encode_mark = msgspec.msgpack.Encoder().encode
log = get_logger("redis")


class Keys(msgspec.Struct, frozen=True):
    prefix: str

    def stream(self, index: int) -> str:
        return f"{self.prefix}:events:{index}"

    @property
    def ends(self) -> str:
        return f"{self.prefix}:ends"

    @property
    def room(self) -> str:
        return f"{self.prefix}:room"

    def of(self, what: str, group: str) -> str:
        return f"{self.prefix}:{what}:{group}"


def name_of(index: int) -> Partition:
    return f"redis-{index}"


class Member:
    """Joins at once. Safe from many threads."""

    def __init__(self, group: str, settings: RedisSettings, client: Client, clock: Clock) -> None:
        self.group, self._settings, self._client, self._clock = group, settings, client, clock
        self._keys = Keys(settings.prefix)
        self._earlier = f"{settings.instance}:" if settings.instance else ""
        self._me = self._earlier + uuid.uuid4().hex
        self._change = threading.Condition(threading.RLock())
        self._fences: dict[int, int] = {}
        self._epoch = next(_epochs)
        self._renewed_ns = clock.monotonic_ns()
        self._buffers = Buffers()
        self._fetched: dict[int, Offset] = {}  # after the last record that was fetched
        self._given: dict[int, Offset] = {}  # after the last record that was read
        self._finished: dict[int, Offset] = {}
        self._releasing: dict[int, int] = {}  # partition → until when what was read is waited for, ns
        self._entry_bytes = 16 << 10
        self._closed = threading.Event()
        self._lease(begins=True)
        self._thread = threading.Thread(target=self._renew, name=f"redis-{group}", daemon=True)
        self._thread.start()

    # ── what is owned ─────────────────────────────────────────────────────────────────────────────────────────────

    def owned(self) -> Ownership:
        with self._change:
            return Ownership(self._epoch, frozenset(map(name_of, self._fences)), 0 in self._fences)

    def _renew(self) -> None:
        while not self._closed.wait(RELEASE_LOOK_S if self._releasing else self._settings.lease_s / 3):
            try:
                self._lease()
            except BackendUnavailable as error:
                log.warning("the leases could not be renewed", error=error.message)

    def _lease(self, *, begins: bool = False, leaves: bool = False) -> None:
        with self._change:
            given = [index for index in self._releasing if self._may_go(index)]
            keys = [self._keys.of(what, self.group) for what in ("members", "leases", "fences")]
            term_ms = int(self._settings.lease_s * 1000)
            arguments = [
                self._me,
                term_ms,
                self._settings.partitions,
                self._earlier if begins else "",
                int(leaves),
                *given,
            ]
            told = [int(text) for text in self._client.run(LEASE, keys, arguments)]
            quota, fences = told[0], dict(zip(told[1::2], told[2::2], strict=True))
            if fences != self._fences:
                self._changed(fences)
            self._releasing = {index: until for index, until in self._releasing.items() if index in fences}
            until_ns = self._clock.monotonic_ns() + int(RELEASE_WAIT_S * NS_PER_S)
            for index in sorted(fences, reverse=True)[: max(0, len(fences) - quota)]:
                self._releasing.setdefault(index, until_ns)

    def _may_go(self, index: int) -> bool:
        in_hand = self._given.get(index, 0) > self._finished.get(index, 0)
        return not in_hand or self._clock.monotonic_ns() > self._releasing[index]

    def _changed(self, fences: dict[int, int]) -> None:
        for index in self._fences.keys() | fences.keys():
            if self._fences.get(index) != fences.get(index):
                self._forget(index)
        self._fences = fences
        self._epoch = next(_epochs)

    def _forget(self, index: int) -> None:
        self._buffers.drop(name_of(index))
        for kept in (self._fetched, self._given, self._finished, self._releasing):
            kept.pop(index, None)

    # ── reading ───────────────────────────────────────────────────────────────────────────────────────────────────

    def read(self, records_max: int, bytes_max: int) -> list[Record]:
        with self._change:
            if self._buffers.size < bytes_max:
                self._fetch(bytes_max)
            found = self._buffers.give(records_max, bytes_max, set(map(name_of, self._releasing)))
            for record in found:
                self._given[index_of(record.partition)] = record.next_offset
            return found

    def _fetch(self, bytes_max: int) -> None:
        unknown = [index for index in self._fences if index not in self._fetched]
        if unknown:
            marks = self.marks(self.group)
            self._fetched |= {index: marks.get(name_of(index), Mark(0)).offset for index in unknown}
        if not self._fences:
            return
        # After this id: whatever begins at the offset or later. The id of offset o is o + 1.
        places = {self._keys.stream(i): f"{self._fetched[i]}-18446744073709551615" for i in self._fences}
        places = {key: "0-0" if place.startswith("0-") else place for key, place in places.items()}
        count = max(1, min(ENTRIES_MAX, min(bytes_max, READ_BYTES_MAX) // self._entry_bytes))
        found = self._client.do(lambda: self._client.raw.xread(places, count=count))
        for key, entries in found.items() if isinstance(found, dict) else found:
            # RESP3 wraps the entries of a stream once more.
            rows = entries[0] if isinstance(found, dict) and entries else entries
            self._take(int(key.rpartition(b":")[2]), rows)

    def _take(self, index: int, entries: list[Any]) -> None:
        for entry, fields in entries:
            offset, payload = offset_of(entry), fields[FIELD]
            next_offset = offset + len(payload) + ENTRY_BYTES
            self._fetched[index] = next_offset
            self._buffers.add(Record(name_of(index), offset, next_offset, payload))
            self._entry_bytes += (len(payload) + ENTRY_BYTES - self._entry_bytes) // 16

    def positions(self) -> dict[Partition, Offset]:
        with self._change:
            return {name_of(index): offset for index, offset in self._given.items()}

    def rewind(self) -> None:
        with self._change:
            for index in self._fences:
                self._buffers.drop(name_of(index))
                for kept in (self._fetched, self._given, self._finished):
                    kept.pop(index, None)

    # ── marks ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def marks(self, group: str) -> dict[Partition, Mark]:
        return read_marks(self._client, self._keys, group)

    def commit(self, group: str, marks: Mapping[Partition, Mark], owner: Ownership | None) -> None:
        """marks: no offset goes back. Raises NotOwner, BackendUnavailable."""
        with self._change:
            if owner is not None and owner.epoch != self._epoch:
                raise NotOwner(f"what is owned has changed since the marks of {', '.join(sorted(marks))} were read")
            fences = {index: self._fences.get(index, 0) for index in map(index_of, marks)} if owner is not None else {}
            arguments: list[Any] = [self._me, len(fences)]
            for index, fence in fences.items():
                arguments += [index, fence]
            for name, mark in marks.items():
                arguments += [name, encode_mark(mark)]
            keys = [self._keys.of("leases", self.group), self._keys.of("marks", group)]
            if not self._client.run(COMMIT, keys, arguments):
                raise NotOwner(f"another processor has the lease of one of {', '.join(sorted(marks))}")
            if group == self.group:
                self._finished |= {index_of(name): mark.offset for name, mark in marks.items() if name != LEADER}

    def close(self) -> None:
        """What is owned is free at once."""
        self._closed.set()
        self._thread.join()
        try:
            self._lease(leaves=True)
        except BackendUnavailable as error:
            log.warning("the leases could not be given up; they end by themselves", error=error.message)


_decode_marks = msgspec.msgpack.Decoder(Mark).decode


def read_marks(client: Client, keys: Keys, group: str) -> dict[Partition, Mark]:
    found = client.do(lambda: client.raw.hgetall(keys.of("marks", group)))
    return {name.decode(): _decode_marks(mark) for name, mark in found.items()}


def index_of(partition: Partition) -> int:
    """The number of its stream; the leader is who owns the first."""
    return 0 if partition == LEADER else int(partition.removeprefix("redis-"))
