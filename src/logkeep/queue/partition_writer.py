"""Writing one partition: repair on opening, then group commits, each one write and one fsync for everyone waiting."""

import contextlib
import errno
import os
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from logkeep.clock import Clock
from logkeep.disk import Disk, DiskFile
from logkeep.errors import BackendUnavailable, InputError
from logkeep.queue.port import Offset, Partition
from logkeep.queue.repair import judge_tail, scan_segment
from logkeep.queue.room import Room, queue_full
from logkeep.queue.segment import (
    RECORD_HEADER_BYTES,
    SEGMENT_HEADER_BYTES,
    Segment,
    pack_records,
    pack_segment_header,
    segment_bases,
    segment_name,
)
from logkeep.settings import QueueSettings

PAYLOADS_MAX = 10_000
COMMIT_BYTES_MAX = 1 << 30  # of one fsync; a bound for the record's `back` field, far above what intake lets wait
WRITE_BYTES = 16 << 20  # joined for one write: joining beats writev, but must not double the memory of a large commit
SEGMENTS_OF_CAP = 16  # a segment is at most this part of the cap, or full would stay full: only whole ones are trimmed
SEGMENT_BYTES_MIN = 65536
MARK_NAME = "durable"
LOCK_NAME = "lock"
SEAL_NAME = "seal"
_NO_SPACE = (errno.ENOSPC, errno.EDQUOT)


class _Call:
    """One caller's payloads, and what became of them: `offset`, or `refuse` makes the error to raise."""

    __slots__ = ("gate", "leads", "offset", "payloads", "refuse", "seals", "size")

    def __init__(self, payloads: Sequence[bytes], size: int, *, seals: bool = False) -> None:
        """seals: the segment being written is closed before."""
        self.seals = seals
        self.payloads = payloads
        self.size = size
        self.offset: Offset | None = None
        self.refuse: Callable[[], BackendUnavailable] | None = None
        self.leads = False
        # A bare lock held shut: an Event would cost ten times as much, once a request.
        self.gate = threading.Lock()
        self.gate.acquire()


class PartitionWriter:
    """The only writer of a partition; `lock` is held by whoever opens it. Safe from many threads."""

    def __init__(
        self, folder: Path, settings: QueueSettings, *, disk: Disk, clock: Clock, room: Room, committed: Offset
    ) -> None:
        """Repaired, fsync'd and published on return: readers see all that was ever acknowledged.

        committed: no record may get an offset below it, or its group would never read that record.
        Raises OSError.
        """
        self._folder = folder
        self._partition: Partition = folder.name
        self._settings = settings
        self._disk = disk
        self._clock = clock
        self._room = room
        self._lock = threading.Lock()
        self._waiting: list[_Call] = []
        self._busy = False
        self._closed = False
        self._must_roll = False
        self._segment_bytes_max = min(
            settings.segment_bytes_max, max(SEGMENT_BYTES_MIN, settings.bytes_max // SEGMENTS_OF_CAP)
        )
        self.stopped: str | None = None  # why this partition takes nothing more until a restart
        self._mark = disk.open_mark(folder / MARK_NAME, write=True)
        self._file: DiskFile | None = None  # None: no segment could be started yet, the disk being full
        self._base = self._end = 0
        self._marker = b""
        self._open(self._mark.load() or 0, committed)

    @property
    def end(self) -> Offset:
        """Where the next record will stand; all before it is durable."""
        return self._end

    def append(self, payloads: Sequence[bytes]) -> Offset:
        """See `Queue.append`."""
        return self._done(_Call(payloads, self._checked_size(payloads)))

    def seal_if_asked(self) -> None:
        """The segment being written is closed when it has records from before the mark `seal`."""
        try:
            mark = self._disk.open_mark(self._folder / SEAL_NAME, write=False)
        except OSError:
            return  # nobody has asked
        try:
            before = mark.load() or 0
        finally:
            mark.close()
        if self._base < min(before, self._end):
            with contextlib.suppress(BackendUnavailable):  # full, closing or stopped: it is asked again
                self._done(_Call((), 0, seals=True))

    def _done(self, call: _Call) -> Offset:
        """Where the call's payloads are. Raises what it was refused with."""
        with self._lock:
            if self._closed:
                raise BackendUnavailable(f"partition {self._partition} is closed", code="closed")
            self._waiting.append(call)
            leads = not self._busy
            self._busy = True
        if not leads:
            call.gate.acquire()  # until a leader has committed for this call, or made it the leader
        if leads or call.leads:
            self._lead(call)
        if call.refuse is not None:
            raise call.refuse()
        assert call.offset is not None, "a call that was let go has an offset or a refusal"
        return call.offset

    def close(self) -> None:
        """Waits for the commits under way; later calls are refused."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            idle = not self._busy
            last = None if idle else _Call((), 0)
            if last is not None:
                self._waiting.append(last)
        if last is not None:
            last.gate.acquire()
            if last.leads:
                self._lead(last)
        if self._file is not None:
            self._file.close()
        self._mark.close()

    # Opening

    def _open(self, durable: Offset, committed: Offset) -> None:
        bases = segment_bases(self._disk.list(self._folder))
        if not bases:
            self._start_or_wait(max(committed, durable))
        else:
            self._repair(bases[-1], durable, committed)
        self._disk.sync_names(self._folder)  # a name seen after kill -9 may not be durable yet
        self._mark.store(self._end)

    def _repair(self, base: Offset, durable: Offset, committed: Offset) -> None:
        tail = judge_tail(scan_segment(self._disk, self._folder, self._partition, base), durable)
        segment = Segment(self._disk, self._folder, self._partition, base)
        marker = segment.marker()
        # Without a marker it is torn before its first record (then it is started anew), or beyond reading.
        if tail.cut is None or tail.cut < committed or marker is None:
            self._start_or_wait(max(tail.end, durable, committed))
            return
        file = self._disk.open_append(self._folder / segment_name(base))
        file.truncate(tail.cut - base + SEGMENT_HEADER_BYTES)
        self._write_again(file, base, tail.doubtful, tail.cut)
        file.sync()
        self._file, self._base, self._end, self._marker = file, base, tail.cut, marker

    def _start_or_wait(self, base: Offset) -> None:
        """On a full disk the process still starts, so that it answers: each append tries to start the segment."""
        self._base = self._end = base
        try:
            self._start_segment(base)
        except OSError as error:
            if error.errno not in _NO_SPACE:
                raise
            self._must_roll = True

    def _write_again(self, file: DiskFile, base: Offset, start: Offset, end: Offset) -> None:
        """Bytes read back after a failed fsync may be in memory only, and held for clean: see DiskFile.rewrite."""
        path, at = self._folder / segment_name(base), start - base + SEGMENT_HEADER_BYTES
        limit = end - base + SEGMENT_HEADER_BYTES
        while at < limit:
            data = self._disk.read(path, at, min(WRITE_BYTES, limit - at))
            if not data:
                raise OSError(errno.EIO, f"{path} became shorter while it was repaired")
            file.rewrite(at, data)
            at += len(data)

    def _start_segment(self, base: Offset) -> None:
        """An empty segment, itself and its name durable, is the one to write. Raises OSError: nothing has changed."""
        marker = _new_marker()
        file = self._disk.open_append(self._folder / segment_name(base))
        try:
            if file.size():
                file.truncate(0)  # left by an attempt that failed, or torn before it held a record
            file.append(pack_segment_header(base, marker, self._clock.now_ns()))
            file.sync()
            self._disk.sync_names(self._folder)
        except OSError:
            file.close()
            raise
        self._file, self._base, self._end, self._marker = file, base, base, marker

    # Group commit

    def _checked_size(self, payloads: Sequence[bytes]) -> int:
        """Bytes on disk. Raises InputError."""
        if not 1 <= len(payloads) <= PAYLOADS_MAX:
            raise InputError(f"{len(payloads):,} payloads in one append; give 1 to {PAYLOADS_MAX:,}")
        lengths = [len(payload) for payload in payloads]
        if (largest := max(lengths)) > self._settings.record_bytes_max:
            raise InputError(
                f"record of {largest:,} bytes exceeds record_bytes_max {self._settings.record_bytes_max:,}; split it",
                code="too_large",
                status=413,
            )
        size = sum(lengths) + RECORD_HEADER_BYTES * len(payloads)
        if size > COMMIT_BYTES_MAX:
            raise InputError(f"append of {size:,} bytes exceeds {COMMIT_BYTES_MAX:,}; split it", code="too_large")
        return size

    def _lead(self, leader: _Call) -> None:
        """Commits for everyone who waits now, then lets the next one lead before anyone is answered."""
        with self._lock:
            calls = self._take_waiting()
        try:
            self._commit(calls)
        except BaseException as error:
            self._stop(f"a commit ended in {type(error).__name__}: {error}")
            self._refuse_rest(calls)
            raise
        finally:
            with self._lock:
                successor = self._waiting[0] if self._waiting else None
                self._busy = successor is not None
            if successor is not None:
                successor.leads = True
                successor.gate.release()
            for call in calls:
                if call is not leader:
                    call.gate.release()

    def _take_waiting(self) -> list[_Call]:
        size = 0
        for count, call in enumerate(self._waiting):
            size += call.size
            if size > COMMIT_BYTES_MAX:
                taken, self._waiting = self._waiting[:count], self._waiting[count:]
                return taken
        taken, self._waiting = self._waiting, []
        return taken

    def _commit(self, calls: list[_Call]) -> None:
        """Each of `calls` has its offset and is durable and published, or has its refusal."""
        if self.stopped is not None:
            return self._refuse(calls, self._partition_stopped)
        size = sum(call.size for call in calls)
        try:
            self._room.take(size)
            self._must_roll |= self._end > self._base and any(call.seals for call in calls)
            self._roll_if_due(size)
        except BackendUnavailable as error:
            why = error
            self._roll_for_trimming()
            return self._refuse(
                calls, lambda: BackendUnavailable(why.message, code=why.code, retry_after_s=why.retry_after_s)
            )
        file = self._file
        assert file is not None, "a writer without a segment must roll first"
        if not self._write(file, calls):
            return None
        try:
            file.sync()
        except OSError as error:
            # The kernel may have dropped the bytes and call the next fsync a success: never try again.
            self._stop(f"fsync failed: {error}")
            return self._refuse(calls, self._partition_stopped)
        offset = self._end
        self._end += size
        self._mark.store(self._end)  # before the answer: what is acknowledged, readers see
        for call in calls:
            call.offset = offset
            offset += call.size
        return None

    def _write(self, file: DiskFile, calls: list[_Call]) -> bool:
        """All payloads are in the file, in the page cache. False: refused, the file as it was."""
        offset = self._end
        parts: list[bytes] = []
        joined = 0
        try:
            for call in calls:
                parts += pack_records(call.payloads, self._marker, offset, self._end)
                offset += call.size
                joined += call.size
                if joined >= WRITE_BYTES:
                    file.append(b"".join(parts))
                    parts, joined = [], 0
            file.append(b"".join(parts))
        except OSError as error:
            self._cut_back(file, error)
            full = self.stopped is None
            why = f"cannot write: {error}"
            self._refuse(calls, (lambda: queue_full(why)) if full else self._partition_stopped)
            return False
        return True

    def _cut_back(self, file: DiskFile, error: OSError) -> None:
        """The file is as before the failed write, durably: what was refused must not come back after a crash."""
        if error.errno not in _NO_SPACE:
            self._stop(f"write failed: {error}")
            return
        try:
            file.truncate(self._end - self._base + SEGMENT_HEADER_BYTES)
            file.sync()
        except OSError as second:
            self._stop(f"cannot cut back after {error}: {second}")

    def _roll_if_due(self, size: int) -> None:
        used = self._end - self._base
        if self._must_roll or (used and used + size > self._segment_bytes_max):
            self._roll()

    def _roll(self) -> None:
        """A new segment is the one to write. Raises BackendUnavailable; then the next append tries again."""
        old = self._file
        # An attempt that failed may leave a file of the new name: growing the old one past it would overlap.
        self._must_roll = True
        try:
            self._start_segment(self._end)
        except OSError as error:
            if error.errno in _NO_SPACE:
                raise queue_full(f"cannot start a segment: {error}") from error
            self._stop(f"cannot start a segment: {error}")
            raise self._partition_stopped() from error
        self._must_roll = False
        if old is not None:
            with contextlib.suppress(OSError):
                old.close()

    def _roll_for_trimming(self) -> None:
        """While the queue is full, what this partition holds must be trimmable once it is processed."""
        if self.stopped is None and self._end > self._base:
            with contextlib.suppress(BackendUnavailable):
                self._roll()

    def _stop(self, why: str) -> None:
        self.stopped = self.stopped or why

    def _partition_stopped(self) -> BackendUnavailable:
        return BackendUnavailable(
            f"partition {self._partition} has stopped: {self.stopped}; what it stored last is unknown, restart it",
            code="partition_stopped",
        )

    def _refuse(self, calls: list[_Call], refuse: Callable[[], BackendUnavailable]) -> None:
        for call in calls:
            call.refuse = refuse

    def _refuse_rest(self, calls: list[_Call]) -> None:
        self._refuse([call for call in calls if call.offset is None], self._partition_stopped)


def _new_marker() -> bytes:
    """Four bytes no sender can guess, none of them zero: never-written blocks read as zeros."""
    return bytes(byte % 255 + 1 for byte in os.urandom(4))
