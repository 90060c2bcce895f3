"""The engine of the embedded store: chDB on one folder, its connections, and what each read may cost.

One connection writes, a pool of them reads, and one stops reads that were cancelled. One process, one folder, one
engine: a lock file holds others off. The engine must not live through a fork.

Every read is given its limits with its SQL, in the engine's mode `break`: it then stops, answers what it has, tells
what it cost, and does not say that it stopped. What it has may be any part of the answer (rows missing in the middle,
no group of an aggregate), so a read that used up its time, rows or bytes counts as one without an answer.

What a connection had answered of a question that then failed (memory, a stop, a large answer), chDB 26.9 puts in front
of its next answer, which may be another app's. So after a failure it is taken away, and every answer begins with a mark
of its question: one that does not is given to nobody.
"""

import contextlib
import itertools
import os
import queue
import re
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import msgspec

from logkeep.clock import NS_PER_S, SystemClock
from logkeep.errors import BackendUnavailable, LogkeepError
from logkeep.imports import import_without
from logkeep.store.clickhouse_errors import brief, translated
from logkeep.store.clickhouse_schema import GRANULE_ROWS, engine_options
from logkeep.store.clickhouse_sql import READ_SETTINGS
from logkeep.store.embedded_files import lock_folder
from logkeep.store.reading import LimitReached, Limits, Reading
from logkeep.telemetry import get_logger

THREADS_A_QUERY_MAX = 4  # more only help scans of days, and take memory each
# What must be free of the engine's memory for each of them. Its own 1 GiB is more than the whole of ours has, so that
# every read had one thread; a time line of 50 million events by level took 730 ms with one and 390 with two.
MEMORY_A_THREAD_BYTES = 64 << 20
CLOSE_WAIT_S = 5  # of the ten seconds a stop may take in all
STOP_EVERY_S = 0.05
STOP_TRIES = 200  # ten seconds: the engine looks between blocks, and loading an index is one long step
BLOCK_ROWS_MAX, BLOCKS_MIN = 65_409, 8  # the engine's own default; and blocks that a row limit is made of
NICE = (
    10  # of threads that read: writing comes first. Needs CAP_SYS_NICE; without it the engine leaves them as they are
)
# Of one answer, whatever a query asks for: 1,000 of the largest events fit, 10,000 rows of whole values do not.
ANSWER_BYTES_MAX = 512 << 20
WAIT_S = 10.0  # for a reader, when all are busy

Form = Literal["rows", "text"]  # a JSON array a row, or one text a row as it is
_FORMAT = "CustomSeparated"  # costs what JSONCompactEachRow does, and begins with a text of ours
_FORMS: Mapping[Form, str] = {
    "rows": "format_custom_escaping_rule = 'JSON', format_custom_field_delimiter = ',',"
    " format_custom_row_before_delimiter = '[', format_custom_row_after_delimiter = ']\\n'",
    "text": "format_custom_escaping_rule = 'Raw', format_custom_field_delimiter = '\\t',"
    " format_custom_row_before_delimiter = '', format_custom_row_after_delimiter = '\\n'",
}
# What is the same for every question is told each connection once: half a millisecond of CPU a read. Answers are small,
# and threads that format them in parallel cost more than they format.
_FORMATTING = f"{_FORMS['rows']}, output_format_parallel_formatting = 0"
# Each thread takes some of few rows in many places; by the engine's own settings 160,000 are too few for two.
_SCATTERED = ", merge_tree_min_rows_for_concurrent_read = 1, merge_tree_min_bytes_for_concurrent_read = 1"
_find_mark = re.compile(rb"(?:read|write)-[0-9]{1,20}(?=\n)").match
_marks = itertools.count()

log = get_logger("store")


class Engine:
    """Opening takes 0.1 to 0.6 s and makes the folder; `close` before opening another.

    memory_bytes_max: of the engine in all. readers: reads at once; one more waits up to WAIT_S. Raises
    BackendUnavailable (the folder is in use or cannot be written).
    """

    def __init__(
        self, folder: Path, *, memory_bytes_max: int, mark_cache_bytes: int, merge_threads: int, readers: int
    ) -> None:
        self._lock = lock_folder(folder)
        self._writer: _Connection | None = None
        self._stopper: _Stopper | None = None
        self._readers: list[_Connection] = []
        self._idle: queue.LifoQueue[_Connection] = queue.LifoQueue()
        self._closed = False
        try:
            options = engine_options(memory_bytes_max, mark_cache_bytes, merge_threads)
            address = f"{_address(folder / 'engine')}?{options}"
            self._writer = _Connection(address, f"{_FORMATTING}, max_threads = {THREADS_A_QUERY_MAX}")
            # 2: reads only, and they may set their limits.
            self._readers = [_Connection(address, f"{_reading_settings()}, readonly = 2") for _ in range(readers)]
            for reader in self._readers:
                self._idle.put(reader)
            self._stopper = _Stopper(_Connection(address, "max_threads = 1"))
        except BaseException:
            self.close()
            raise

    def write(self, sql: str, *, rows: bool = False, parameters: Mapping[str, str] | None = None) -> bytes:
        """What `sql` answers, as JSON arrays a line with `rows` (then without SETTINGS of its own). By one thread at a
        time."""
        if self._writer is None:
            raise BackendUnavailable("the store is closed", code="store_closed")
        if not rows:
            return bytes(self._writer.query(sql, "TSV", parameters or {}).bytes())
        mark = f"write-{next(_marks)}"
        result = self._writer.query(f"{sql}\nSETTINGS {_marked(mark, 'rows')}", _FORMAT, parameters or {})
        return self._writer.own_answer(result, mark)

    def read(
        self,
        reading: Reading,
        sql: str,
        parameters: Mapping[str, str],
        form: Form = "rows",
        *,
        unordered_rows_max: int | None = None,
        scattered: bool = False,
    ) -> bytes:
        """The whole answer of one read, which may change nothing; its cost is added to `reading`.

        sql: without SETTINGS of its own. unordered_rows_max: rows are not read in the order of the primary key, and of
        more than so many the answer is any part; `reading` then counts that many more. scattered: then, they stand far
        apart and all are wanted. Raises LimitReached, InputError (it was cancelled), BackendUnavailable.
        """
        reader = self._reader()
        try:
            return self._limited(reader, reading, sql, parameters, form, unordered_rows_max, scattered)
        finally:
            self._idle.put(reader)

    def _limited(
        self,
        reader: "_Connection",
        reading: Reading,
        sql: str,
        parameters: Mapping[str, str],
        form: Form,
        unordered_rows_max: int | None,
        scattered: bool,
    ) -> bytes:
        assert self._stopper is not None
        left, mark = reading.left(), self._stopper.mark()
        given, extra = left, ""
        if unordered_rows_max is not None:
            given = msgspec.structs.replace(left, rows_max=min(left.rows_max, unordered_rows_max))
            extra = f", optimize_read_in_order = 0{_SCATTERED if scattered else ''}"
        settings = f"{_settings(given)}, max_threads = {self._threads()}, log_comment = '{mark}'{extra}"
        limited = f"{sql}\nSETTINGS {settings}, {_marked(mark, form)}"
        try:
            with self._stopper.watching(mark), reading.stopped_by(lambda: self._stop(mark)):
                result = reader.query(limited, _FORMAT, parameters)
        except LogkeepError as error:
            reading.check()
            raise error
        rows, bytes_read = result.storage_rows_read(), result.storage_bytes_read()
        reading.add(rows, bytes_read)
        if result.elapsed() >= left.timeout_s:
            raise LimitReached("time")
        if rows >= left.rows_max:
            raise LimitReached("rows")
        if bytes_read >= left.bytes_max:
            raise LimitReached("bytes")
        return reader.own_answer(result, mark)

    def _threads(self) -> int:
        """For one more read: its part of the cores. Many reads have no more threads than few: writing has its turn."""
        running = max(1, len(self._readers) - self._idle.qsize())
        return max(1, min(THREADS_A_QUERY_MAX, os.cpu_count() or 1) // running)

    def _stop(self, mark: str) -> None:
        if self._stopper is not None:
            self._stopper.stop(mark)

    def _reader(self) -> "_Connection":
        if self._closed:
            raise BackendUnavailable("the store is closed", code="store_closed")
        try:
            return self._idle.get(timeout=WAIT_S)
        except queue.Empty as error:
            raise BackendUnavailable(
                f"all {len(self._readers)} readers of the store were busy for {WAIT_S:g} s; try later",
                code="store_busy",
            ) from error

    def ready(self) -> bool:
        """Whether a read would be answered now."""
        try:
            # With all readers busy the engine answers, only not us: that is load, not trouble.
            return not self._closed and (self._idle.empty() or self.read(Reading(), "SELECT 1", {}) == b"[1]\n")
        except LogkeepError:
            return False

    def close(self) -> None:
        """Reads are finished where CLOSE_WAIT_S is enough. Safe to call again; not while a thread writes."""
        self._closed = True
        until_ns = SystemClock().monotonic_ns() + CLOSE_WAIT_S * NS_PER_S
        for _ in self._readers:
            wait_s = max(0.0, (until_ns - SystemClock().monotonic_ns()) / NS_PER_S)
            try:
                self._idle.get(timeout=wait_s).close()
            except queue.Empty:  # the process is about to end, and the read with it
                break
        self._readers = []
        if self._stopper is not None:
            self._stopper.close()
            self._stopper = None
        if self._writer is not None:
            self._writer.close()
            self._writer = None
        self._lock.close()


def _marked(mark: str, form: Form) -> str:
    marked = f"format_custom_result_before_delimiter = '{mark}\\n'"
    return marked if form == "rows" else f"{_FORMS[form]}, {marked}"


def _reading_settings() -> str:
    """What all reads have in common."""
    return (
        f"{READ_SETTINGS}, {_FORMATTING}, timeout_overflow_mode = 'break', read_overflow_mode = 'break',"
        f" max_result_bytes = {ANSWER_BYTES_MAX}, result_overflow_mode = 'throw', os_thread_priority = {NICE},"
        f" max_threads_min_free_memory_per_thread = {MEMORY_A_THREAD_BYTES}"
    )


def _settings(left: Limits) -> str:
    # The engine looks at its limits between blocks: they are small where few rows may be read.
    block_rows = min(BLOCK_ROWS_MAX, max(GRANULE_ROWS, left.rows_max // BLOCKS_MIN))
    return (
        f"max_execution_time = {left.timeout_s:.3f}, max_rows_to_read = {left.rows_max},"
        f" max_bytes_to_read = {left.bytes_max}, max_memory_usage = {left.memory_bytes_max},"
        f" max_block_size = {block_rows}"
    )


class _Stopper:
    """Stops reads of other connections by their mark, from a thread of its own: 4 ms each, and nobody waits for it."""

    def __init__(self, connection: "_Connection") -> None:
        self._connection = connection
        self._running: set[str] = set()
        self._wanted: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="stopper", daemon=True)
        self._thread.start()

    def mark(self) -> str:
        return f"read-{next(_marks)}"

    def watching(self, mark: str) -> "_Watched":
        """Inside, `stop(mark)` works; afterwards it does nothing."""
        return _Watched(self._running, mark)

    def stop(self, mark: str) -> None:
        self._wanted.put(mark)

    def close(self) -> None:
        self._ended.set()
        self._wanted.put(None)
        self._thread.join()
        self._connection.close()

    def _run(self) -> None:
        while (mark := self._wanted.get()) is not None:
            # The engine may not have begun the read yet, and then there is nothing to stop: so again, until it is over.
            for _ in range(STOP_TRIES):
                if mark not in self._running or self._ended.is_set():
                    break
                self._kill(mark)
                self._ended.wait(STOP_EVERY_S)

    def _kill(self, mark: str) -> None:
        # A failure is tried again, and its time limit ends the read in any case.
        with contextlib.suppress(LogkeepError):
            self._connection.query(f"KILL QUERY WHERE Settings['log_comment'] = '{mark}' ASYNC", "TSV", {})


class _Watched:
    def __init__(self, running: set[str], mark: str) -> None:
        self._running, self._mark = running, mark

    def __enter__(self) -> None:
        self._running.add(self._mark)

    def __exit__(self, *_: object) -> None:
        self._running.discard(self._mark)


class _Connection:
    """One connection of the engine, for one thread at a time. Its errors come out as ours."""

    def __init__(self, address: str, settings: str) -> None:
        # Imported here: 0.3 s and 500 MB of library that only the keeper needs. Without pyarrow, which is for Arrow
        # results alone: with numpy it would take another 0.6 s of a start and 40 MB.
        self._chdb = import_without("chdb", "pyarrow")
        self._address, self._settings = address, settings
        self._connection = self._open()

    def _open(self) -> Any:
        try:
            connection = self._chdb.connect(self._address)
            connection.query(f"SET {self._settings}")
        except RuntimeError as error:
            where = self._address.partition("?")[0]
            raise BackendUnavailable(f"the engine cannot open {where}: {brief(error)}") from error
        return connection

    def query(self, sql: str, form: str, parameters: Mapping[str, str]) -> Any:
        """The client's result: `bytes()`, and what it cost."""
        try:
            return self._connection.query(sql, form, params=dict(parameters))
        except RuntimeError as error:
            with contextlib.suppress(RuntimeError):  # `own_answer` sees what is left then
                self._connection.query("SELECT 1", "TSV")  # takes with it what was answered before the failure
            raise translated(error) from error

    def own_answer(self, result: Any, mark: str) -> bytes:
        """What follows the mark. Raises BackendUnavailable when it is another's; the connection is then a new one."""
        answer, head = bytes(result.bytes()), f"{mark}\n".encode()
        if answer.startswith(head):
            return answer[len(head) :]
        found = _find_mark(answer)  # the rest may be what somebody else asked for
        log.error(
            "an answer of the engine was to another question; nobody saw it",
            asked=mark,
            answered=found[0].decode() if found else "one without a mark",
        )
        self._connection.close()
        self._connection = self._open()
        raise BackendUnavailable("the store's engine answered another question; ask again", code="store_answer_mixed")

    def close(self) -> None:
        self._connection.close()


def _address(folder: Path) -> str:
    text = str(folder.absolute())
    if "?" in text or "#" in text or "%" in text:
        raise BackendUnavailable(f"the store cannot live in {text}: the path holds ?, # or %; choose another folder")
    return text
