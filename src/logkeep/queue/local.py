"""The queue in local files: fsync'd before it is acknowledged, read by other processes, cut clean after a crash.

    FOLDER/partitions/PARTITION/00000000000000000000.log   segments, named by the offset of their first record
                               /durable                    the mark: the offset up to which all is fsync'd (disk.py)
                               /lock                       held by the one process that writes
                               /seal                       a mark too: segments that begin before it are to be closed
    FOLDER/groups/GROUP                                    what a group has committed (group.py)

A segment, all numbers little-endian:

    bytes 0–3    "LKQ1"
    bytes 4–7    marker: random, no zero byte
    bytes 8–15   base: offset of the first record
    bytes 16–23  when it was started, ns UTC
    bytes 24–27  CRC-32 of bytes 0–23
    then records, each
      bytes 0–3    the segment's marker
      bytes 4–7    CRC-32 of the payload, started from offset + length × 0x9E3779B1 + back × 0x85EBCA6B mod 2³²
      bytes 8–11   length of the payload
      bytes 12–15  back: bytes from the first record of the same commit to this one
      then         the payload

Offsets count the bytes of records only, over all segments: a segment's base is where the one before it ended.

* The marker is how reading goes on after damage: the next record is searched for by it. No sender can know it, so none
  can plant a record inside an event; and blocks of an older file, or zeros, do not have it.
* The checksum covers the place: a record that a disk returns from elsewhere is damage.
* `back` tells torn from damaged. A commit is written only after the one before it was fsync'd, so after a crash only
  the last commit can be torn, and it was never acknowledged: it is cut off. What is bad before it is damage: it is
  kept, reported once as CorruptData, and skipped.

What must be true, and what breaks it on purpose in tests/simulation:
* fsync, then the mark, then the answer. Readers never pass the mark: what they saw cannot vanish in a power cut.
* A segment's header and name are durable before its first record is written.
* After a failed fsync a partition takes nothing more until a restart, which writes the last commit again (repair.py).
* No offset is used again, and none below a committed one: a group would never read it.
* A segment is closed by its writer alone, or by who holds its lock; whoever reads asks for it by the mark `seal`.
* Oldest segments are removed first, one durable removal at a time: no holes.
"""

import threading
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path

from logkeep.clock import NS_PER_S, Clock
from logkeep.disk import Disk, DiskLock
from logkeep.errors import BackendUnavailable, CorruptData
from logkeep.queue.group import Groups, checked_name
from logkeep.queue.layout import NAME, refuse_newer
from logkeep.queue.partition_reader import PartitionReader, Stretch
from logkeep.queue.partition_writer import LOCK_NAME, SEAL_NAME, PartitionWriter
from logkeep.queue.port import LEADER, SOLE, Mark, Offset, Ownership, Partition, Record
from logkeep.queue.room import Room
from logkeep.queue.segment import READ_BYTES, SEGMENT_HEADER_BYTES, segment_name
from logkeep.settings import QueueSettings

LOCK_WAIT_S = 3.0  # a reader may hold the lock while it repairs what a dead writer left: well under a second
LOCK_RETRY_S = 0.05
ADOPT_EVERY_NS = NS_PER_S
KNOWN_STRETCHES_MAX = 4096
LAYOUT_BYTES_MAX = 64
KEEP_UNTIL_USED = 0.5  # of the cap: from there on nothing processed is kept for looking back; intake goes first


class _Reading:
    """Where a group is in each partition, and the damage it met and was not told of yet."""

    def __init__(self, committed: Mapping[Partition, Offset]) -> None:
        self.positions: dict[Partition, Offset] = dict(committed)
        self.damages: list[Stretch] = []


class LocalQueue:
    """A `Queue` in `folder`. Safe from many threads; any number of processes read, one writes each partition."""

    def __init__(
        self, folder: Path, settings: QueueSettings, *, disk: Disk, clock: Clock, write: Sequence[Partition] = ()
    ) -> None:
        """write: the partitions this process appends to; repaired and locked on return.

        Raises BackendUnavailable: another process writes one of them, a newer Logkeep wrote it, or the disk fails.
        """
        self._folder = folder / "partitions"
        self._settings = settings
        self._disk = disk
        self._clock = clock
        self._lock = threading.RLock()  # of all that reads; appends have their partition's own
        self._readers: dict[Partition, PartitionReader] = {}
        self._readings: dict[str, _Reading] = {}
        self._known: set[tuple[Partition, Offset]] = set()  # damage that was reported
        self._turn = 0
        self._adopted_ns: int | None = None
        self._locks: list[DiskLock] = []
        self._writers: dict[Partition, PartitionWriter] = {}
        self.damaged_stretches = 0  # met and skipped since this queue was opened
        try:
            disk.make_folder(self._folder)
            if NAME in disk.list(folder):
                refuse_newer(f"the queue in {folder}", disk.read(folder / NAME, 0, LAYOUT_BYTES_MAX))
            self._groups = Groups(folder / "groups", disk)
            self._room = Room(self._folder, settings, disk, clock)
            for partition in write:
                self._writers[partition] = self._open_writer(checked_name(partition))
        except OSError as error:
            self.close()
            raise BackendUnavailable(f"cannot open the queue in {folder}: {error}", code="partition_stopped") from error
        except BackendUnavailable:
            self.close()
            raise

    # Writing

    datagrams: Partition = "udp-0"

    def append(self, partition: Partition, payloads: Sequence[bytes]) -> Offset:
        """See `Queue.append`. One thread with the payloads of many callers is as fast as many threads.

        BackendUnavailable has the code "queue_full" (nothing was stored) or "partition_stopped" (unknown).
        """
        writer = self._writers.get(partition)
        if writer is None:
            raise BackendUnavailable(f"partition {partition} is not open for writing in this process", code="closed")
        return writer.append(payloads)

    def stopped(self) -> dict[Partition, str]:
        """The partitions of this process that take nothing more until a restart, and why."""
        return {name: writer.stopped for name, writer in self._writers.items() if writer.stopped is not None}

    def used_bytes(self) -> int:
        """Bytes of all segments, what `bytes_max` limits."""
        return self._room.used_bytes()

    def _open_writer(self, partition: Partition) -> PartitionWriter:
        self._disk.make_folder(self._folder / partition)
        self._locks.append(self._wait_for_lock(partition))
        return self._repaired(partition)

    def _wait_for_lock(self, partition: Partition) -> DiskLock:
        path = self._folder / partition / LOCK_NAME
        for _ in range(round(LOCK_WAIT_S / LOCK_RETRY_S)):
            if (lock := self._disk.try_lock(path)) is not None:
                return lock
            self._clock.sleep(LOCK_RETRY_S)
        raise BackendUnavailable(
            f"partition {partition} in {self._folder} is written by another process; stop that one first", code="locked"
        )

    def _repaired(self, partition: Partition) -> PartitionWriter:
        """Holds the partition's lock. Raises OSError, CorruptData."""
        return PartitionWriter(
            self._folder / partition,
            self._settings,
            disk=self._disk,
            clock=self._clock,
            room=self._room,
            committed=self._groups.greatest(partition),
        )

    # Reading

    def read(self, group: str, *, records_max: int, bytes_max: int) -> list[Record]:
        """See `Queue.read`. bytes_max: of payloads. With nothing new it costs a look at a folder and a memory read."""
        with self._lock:
            self._find_partitions()
            reading = self._reading(group)
            self._report(reading)
            records = self._gather(reading, records_max, bytes_max)
            if not records:
                self._report(reading)
            return records

    def _gather(self, reading: _Reading, records_max: int, bytes_max: int) -> list[Record]:
        waiting = [r for r in self._readers.values() if r.durable_end() > reading.positions.get(r.partition, 0)]
        self._turn += 1
        start = self._turn % max(1, len(waiting))
        records: list[Record] = []
        failure: OSError | None = None
        for index, reader in enumerate(waiting[start:] + waiting[:start]):
            shares = len(waiting) - index
            try:
                found = self._read_partition(
                    reader, reading, -(-records_max // shares), -(-bytes_max // shares), not records
                )
            except OSError as error:
                failure = error
                continue
            records = records + found if records else found
            records_max -= len(found)
            bytes_max -= sum(len(record.payload) for record in found)
            if records_max <= 0 or bytes_max <= 0:
                break
        if failure is not None and not records and not reading.damages:
            raise BackendUnavailable(f"cannot read the queue: {failure}; try later") from failure
        return records

    def _read_partition(
        self, reader: PartitionReader, reading: _Reading, records_max: int, bytes_max: int, at_least_one: bool
    ) -> list[Record]:
        position = reading.positions.get(reader.partition)
        if position is None:
            position = reader.start()
        records, position, stretch = reader.read(
            position, records_max=records_max, bytes_max=bytes_max, at_least_one=at_least_one
        )
        reading.positions[reader.partition] = position
        if stretch is not None and (stretch.partition, stretch.start) not in self._known:
            reading.damages.append(stretch)
        return records

    def _report(self, reading: _Reading) -> None:
        """Raises CorruptData once for each stretch that cannot be read; a rewind does not report it again."""
        if not reading.damages:
            return
        stretch = reading.damages.pop(0)
        if len(self._known) >= KNOWN_STRETCHES_MAX:
            self._known.clear()
        self._known.add((stretch.partition, stretch.start))
        self.damaged_stretches += 1
        raise CorruptData(
            f"partition {stretch.partition} is damaged from offset {stretch.start} to {stretch.end}; "
            f"{stretch.end - stretch.start:,} bytes are skipped"
        )

    def rewind(self, group: str) -> None:
        with self._lock:
            self._readings.pop(group, None)

    def owned(self, group: str) -> Ownership:
        """Everything: the data folder has one processor."""
        return SOLE

    def positions(self, group: str) -> dict[Partition, Offset]:
        with self._lock:
            return dict(self._reading(group).positions)

    def uncommitted(self, group: str, *, payload_bytes_max: int | None = None) -> Iterator[Record]:
        """See `Queue.uncommitted`; of a payload that is cut the rest is not even read."""
        with self._lock:
            self._find_partitions()
            readers = list(self._readers.values())
        marks = self._groups.read(group)
        for reader in readers:
            mark = marks.get(reader.partition)
            yield from self._replay(reader.partition, mark.offset if mark else None, None, payload_bytes_max)

    def replay(
        self, partition: Partition, start: Offset, end: Offset, *, payload_bytes_max: int | None = None
    ) -> Iterator[Record]:
        yield from self._replay(partition, start, end, payload_bytes_max)

    def _replay(
        self, partition: Partition, start: Offset | None, end: Offset | None, payload_bytes_max: int | None
    ) -> Iterator[Record]:
        """start: None: of the oldest record there is. end: None: of the last."""
        with self._lock:
            known = self._readers.get(partition)
            durable = known.durable_end() if known is not None else 0
        # Its own: this runs beside `read`.
        reader = PartitionReader(self._folder / partition, self._disk, durable=durable)
        try:
            at = reader.start() if start is None else start
            until = reader.durable_end() if end is None else min(end, reader.durable_end())
            while at < until:
                before = at
                if payload_bytes_max is None:
                    records, at, _ = reader.read(at, records_max=10_000, bytes_max=READ_BYTES, at_least_one=True)
                else:
                    records, at = reader.read_prefixes(at, payload_bytes_max)
                if end is not None and at > end:
                    records = [record for record in records if record.offset < end]
                yield from records
                if at == before:
                    return
        except OSError as error:
            raise BackendUnavailable(f"cannot read partition {partition}: {error}; try later") from error
        finally:
            reader.close()

    def _reading(self, group: str) -> _Reading:
        reading = self._readings.get(group)
        if reading is None:
            offsets = {name: mark.offset for name, mark in self._groups.read(group).items() if name != LEADER}
            reading = self._readings[group] = _Reading(offsets)
        return reading

    def _find_partitions(self) -> None:
        for name in self._disk.list(self._folder):
            if name not in self._readers:
                self._readers[name] = PartitionReader(self._folder / name, self._disk)
        now_ns = self._clock.monotonic_ns()
        if self._adopted_ns is None or now_ns - self._adopted_ns >= ADOPT_EVERY_NS:
            self._adopted_ns = now_ns
            for name in self._readers.keys() - self._writers.keys():
                self._adopt(name)

    def _adopt(self, partition: Partition) -> None:
        """What a writer that is gone left behind is repaired and published, though it may never come back.

        After a power cut the mark may be lost, and fewer receivers may be started than before.
        """
        try:
            if self._is_published(partition):
                return
            lock = self._disk.try_lock(self._folder / partition / LOCK_NAME)
            if lock is None:
                return
            try:
                self._repaired(partition).close()
            finally:
                lock.release()
        except OSError:
            return  # its own writer, or the next time, will say so

    def _is_published(self, partition: Partition) -> bool:
        reader = self._readers[partition]
        bases = reader.bases()
        if not bases:
            return True
        last_bytes = self._disk.size(self._folder / partition / segment_name(bases[-1]))
        return reader.durable_end() == bases[-1] + last_bytes - SEGMENT_HEADER_BYTES

    # Groups

    def commit(self, group: str, marks: Mapping[Partition, Mark], *, owner: Ownership | None = None) -> None:
        self._groups.advance(group, marks)

    def marks(self, group: str) -> dict[Partition, Mark]:
        return self._groups.read(group)

    def lag(self, group: str) -> dict[Partition, int]:
        marks = self._groups.read(group)
        with self._lock:
            self._find_partitions()
            return {
                name: max(0, reader.durable_end() - max(marks.get(name, Mark(0)).offset, reader.start()))
                for name, reader in self._readers.items()
            }

    # Trimming

    def trim(self) -> int:
        """See `Queue.trim`. A group counts from its first commit on; without groups nothing is trimmed.

        A segment that is still written and has been for `segment_s` is asked to be closed, once something in it is
        processed: then a later call may remove it.
        """
        with self._lock:
            self._find_partitions()
            keep_bytes = self._settings.keep_bytes
            if self._room.used_bytes() > self._settings.bytes_max * KEEP_UNTIL_USED:
                keep_bytes = 0
            try:
                return sum(self._trim_partition(reader, keep_bytes) for reader in self._readers.values())
            except OSError as error:
                raise BackendUnavailable(f"cannot trim the queue: {error}; try later") from error

    def _trim_partition(self, reader: PartitionReader, keep_bytes: int) -> int:
        least = self._groups.least(reader.partition)
        if least is None:
            return 0
        bases = reader.bases()
        freed = self._remove(reader.partition, self._removable(reader, bases, least, keep_bytes))
        if bases and bases[-1] < least and self._age_ns(reader, bases[-1]) > self._settings.segment_s * NS_PER_S:
            self._ask_to_seal(reader.partition, least)
        return freed

    def _remove(self, partition: Partition, removable: Sequence[Offset]) -> int:
        """Bytes freed. removable: the oldest segments, oldest first."""
        freed = 0
        folder = self._folder / partition
        for base in removable:
            freed += self._disk.size(folder / segment_name(base))
            self._disk.remove(folder / segment_name(base))
            self._disk.sync_names(folder)
            self._room.look_again()
        return freed

    def _removable(self, reader: PartitionReader, bases: list[Offset], least: Offset, keep_bytes: int) -> list[Offset]:
        """The segments before `least` that are past `keep_bytes` or `keep_s`, oldest first."""
        processed = [base for base, end in pairwise(bases) if end <= least]
        kept_bytes = 0
        for index in range(len(processed) - 1, -1, -1):
            kept_bytes += bases[index + 1] - bases[index]
            age_ns = self._age_ns(reader, bases[index + 1])  # the next was started when it had its last
            if kept_bytes > keep_bytes or age_ns > self._settings.keep_s * NS_PER_S:
                return processed[: index + 1]
        return []

    def _age_ns(self, reader: PartitionReader, base: Offset) -> int:
        """Since the segment at `base` was started; 0 when its header does not tell."""
        started_ns = reader.created_ns(base)
        return 0 if started_ns is None else self._clock.now_ns() - started_ns

    # Erasing

    def ends(self) -> dict[Partition, Offset]:
        with self._lock:
            self._find_partitions()
            return {name: reader.durable_end() for name, reader in self._readers.items()}

    def forget(self, offsets: Mapping[Partition, Offset]) -> bool:
        """See `Forgetting.forget`. A segment goes whole, with what came into it after `offsets` once that is committed.

        One that is still written is closed by its writer, within a second or so, see `seal_where_asked`.
        """
        with self._lock:
            self._find_partitions()
            try:
                return all([self._forget(name, end) for name, end in offsets.items() if name in self._readers])
            except OSError as error:
                raise BackendUnavailable(f"cannot remove segments of the queue: {error}; try later") from error

    def _forget(self, partition: Partition, before: Offset) -> bool:
        reader = self._readers[partition]
        bases = reader.bases()
        if bases and bases[-1] < before:
            self._ask_to_seal(partition, before)
            bases = reader.bases()
        least = self._groups.least(partition) or 0
        self._remove(partition, [base for base, end in pairwise(bases) if base < before and end <= least])
        return all(base >= before for base in reader.bases())

    def _ask_to_seal(self, partition: Partition, before: Offset) -> None:
        mark = self._disk.open_mark(self._folder / partition / SEAL_NAME, write=True)
        try:
            mark.store(max(before, mark.load() or 0))
        finally:
            mark.close()
        lock = None if partition in self._writers else self._disk.try_lock(self._folder / partition / LOCK_NAME)
        if lock is None:
            return
        try:  # nobody writes it any more
            writer = self._repaired(partition)
            writer.seal_if_asked()
            writer.close()
        finally:
            lock.release()

    def seal_where_asked(self) -> None:
        """Segments of this process that someone wants to remove are closed. Call it about once a second.

        Costs microseconds when there are none.
        """
        for writer in self._writers.values():
            writer.seal_if_asked()

    def check(self) -> None:
        if self.stopped():
            name, why = next(iter(self.stopped().items()))
            raise BackendUnavailable(f"partition {name} has stopped: {why}", code="partition_stopped")
        try:
            self._disk.free_bytes(self._folder)
        except OSError as error:
            raise BackendUnavailable(f"cannot look at {self._folder}: {error}") from error

    def close(self) -> None:
        """Waits for the commits under way. The queue is of no use afterwards."""
        for writer in self._writers.values():
            writer.close()
        with self._lock:
            for reader in self._readers.values():
                reader.close()
            self._readers.clear()
        for lock in self._locks:
            lock.release()
        self._locks.clear()
