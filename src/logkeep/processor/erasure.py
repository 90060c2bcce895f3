"""Erasing what users ask for, in line with the batches; see docs/how-to/erase-user-data.md for what it promises.

The order that makes it safe to be killed anywhere:

    1. all that was acknowledged when the job was seen is stored; the batches after it wait
    2. the store marks what matches, then the number of marks is committed with the offsets  – the intent
    3. store, waiting room, session map, samples, dead letters and all that is covered lose it; the job notes how much
    4. the ledger is committed: stored is now erased, and the intent is gone
    5. beside the batches that follow: files of the store and segments of the queue that hold it are removed

After a crash between 2 and 4 step 3 is done again and finds less to do; after 4 the job itself says what is left.
"""

import base64
from collections.abc import Mapping, Sequence
from typing import Any, Protocol, TypeVar

import msgspec

from logkeep.clock import NS_PER_DAY, Clock
from logkeep.errors import BackendUnavailable, LogkeepError
from logkeep.event import Event, attributes_json
from logkeep.metastore import statistics
from logkeep.metastore import waiting as rows_of
from logkeep.metastore.database import Database, Transaction
from logkeep.metastore.device_erasing import DeviceEraser
from logkeep.metastore.erasures import Erased, Erasure, Erasures
from logkeep.metastore.samples import Samples
from logkeep.metastore.session_map import forget_named
from logkeep.metastore.shares import ShareEraser
from logkeep.processor.ledger import EraseIntent
from logkeep.query.ast import Query
from logkeep.query.holds import may_hold
from logkeep.query.match import matcher
from logkeep.query.named import named_in
from logkeep.query.parser import parse
from logkeep.queue.port import ErasableQueue, Mark, Offset, Partition
from logkeep.store.erasing import ErasureRequest
from logkeep.store.port import Store
from logkeep.telemetry import get_logger

PAGE_ROWS = 1_000  # of the waiting room, looked at a time

T = TypeVar("T")

log = get_logger("erasure")


class Covered(Protocol):
    """What holds something of users beside the store and the samples: an erasure covers it too."""

    def remove(self, job: Erasure, *, dry: bool) -> Mapping[str, int]:
        """How much of what, by members of `Erased`; gone unless `dry`. Again: no harm. Raises BackendUnavailable."""
        ...


class Eraser:
    """The erasures that are confirmed, oldest first, one at a time.

    Of several processors the leader alone has one that works. `due` is for the thread that reads the queue, the rest
    for the one that writes the store.
    """

    def __init__(
        self, *, jobs: Erasures, store: Store, queue: ErasableQueue, samples: Samples, database: Database, clock: Clock
    ) -> None:
        self._database = database
        self._covered: Sequence[Covered] = (DeviceEraser(database), ShareEraser(database))
        self._jobs, self._store, self._queue, self._samples, self._clock = jobs, store, queue, samples, clock
        self._due: str = ""  # the job that `_before` belongs to
        self._before: dict[Partition, Offset] = {}

    # ── while the queue is read ───────────────────────────────────────────────────────────────────────────────────

    def due(self, group: str, held: Mapping[Partition, Offset]) -> Erasure | None:
        """A confirmed job, once everything is read (where others read it: stored) that was acknowledged when it was
        first seen here. held: partitions of which nothing is taken from there on."""
        job = self._jobs.first("confirmed")
        if job is None:
            return None
        if job.job != self._due:
            self._due, self._before = job.job, self._queue.ends()
        read = {**self._queue.positions(group), **held}
        behind = {name for name, end in self._before.items() if read.get(name, 0) < end}
        if behind:
            marks = self._queue.marks(group)
            behind = {name for name in behind if marks.get(name, Mark(0)).offset < self._before[name]}
        return None if behind else job

    # ── in its turn ───────────────────────────────────────────────────────────────────────────────────────────────

    def mark(self, job: Erasure, ends: dict[Partition, Offset]) -> EraseIntent | None:
        """What is to be committed before `erase`; None when the job has failed. Raises BackendUnavailable."""
        try:
            events = self._store.erasing.mark(_request(job))
        except BackendUnavailable:
            raise
        except LogkeepError as error:
            log.error("an erasure cannot be done", job=job.job, error=error.message)
            self._jobs.change(job.job, state="failed", error=error.message, done_ns=self._clock.now_ns())
            return None
        return EraseIntent(job.job, job.app, events, ends, self._waiting(job))

    def _waiting(self, job: Erasure) -> list[int]:
        """Rows of the waiting room that match: as many as may wait at most, of one app."""
        matches, found, after = matcher(parse(job.query)), list[int](), -1
        while page := self._database.read(lambda t, after=after: rows_of.of_app(t, job.app, after, PAGE_ROWS)):  # type: ignore[misc]
            after = page[-1][0]
            found += [n for n, event in page if job.from_ns <= event.time_ns < job.to_ns and matches(event)]
        return found

    def erase(self, intent: EraseIntent) -> list[str]:
        """The patterns that are gone with the events. Again: no harm. Raises BackendUnavailable."""
        forgotten = self._store.erasing.erase()
        job = self._jobs.named(intent.job)
        if job is None or job.state != "confirmed":
            return forgotten
        erased = Erased(intent.events, patterns=len(forgotten), waiting=len(intent.waiting))
        erased = erased.joined(job.erased or Erased())
        rejected, letters = self._remove_samples(job, dry=True)
        rows, cells = self._forget_named(job, dry=True)
        erased = erased.joined(
            Erased(rejected_samples=rejected, dead_letters=letters, session_map=rows, statistics=cells)
        )
        for one in self._covered:
            erased = erased.joined(Erased(**one.remove(job, dry=True)))
        self._jobs.change(job.job, erased=erased)  # before they go: a second try could not count them
        self._remove_samples(job, dry=False)
        self._forget_named(job, dry=False)
        for one in self._covered:
            one.remove(job, dry=False)
        self._database.write(lambda transaction: rows_of.remove(transaction, intent.waiting))
        self._database.scrub()
        changes = {"erased_ns": self._clock.now_ns(), "queue_ends": intent.ends}
        self._jobs.change(job.job, state="removing_files", **changes)
        log.info("an erasure is done but for files", job=job.job, **msgspec.structs.asdict(erased))
        return forgotten

    def _forget_named(self, job: Erasure, *, dry: bool) -> tuple[int, int]:
        """Rows of the session map, and cells of the statistics."""
        names = named_in(parse(job.query))
        if not names:
            return 0, 0
        from_ns, to_ns = job.from_ns, min(job.to_ns, (1 << 63) - 1)

        def change(transaction: Transaction) -> tuple[int, int]:
            days = (from_ns // NS_PER_DAY, to_ns // NS_PER_DAY + 1)
            cells = statistics.forget_named(transaction, job.app, names, *days, dry=dry)
            return forget_named(transaction, job.app, names, from_ns, to_ns, dry=dry), cells

        return self._database.write(change)

    def _remove_samples(self, job: Erasure, *, dry: bool) -> tuple[int, int]:
        """How many rejected samples and dead letters are about what was erased; gone unless `dry`."""
        query, matches = parse(job.query), matcher(parse(job.query))

        def is_letter(line: bytes) -> bool:
            return _letter_matches(line, job, query, matches)

        rejected = 0
        for app in (job.app, ""):
            owned = app == job.app
            rejected += self._samples.rejected(app).remove(
                lambda line, owned=owned: may_hold(query, _plain(line), otherwise=owned),  # type: ignore[misc]
                dry=dry,
            )
        return rejected, self._samples.dead_letters.remove(is_letter, dry=dry)

    # ── afterwards ────────────────────────────────────────────────────────────────────────────────────────────────

    def has_files(self) -> bool:
        """Whether `remove_files` has something to do."""
        return self._jobs.first("removing_files") is not None

    def remove_files(self) -> None:
        """One step towards no file holding what was erased. Raises BackendUnavailable: try later."""
        job = self._jobs.first("removing_files")
        if job is None:
            return
        changes: dict[str, Any] = {}
        if not job.queue_ns and self._queue.forget(job.queue_ends):
            changes["queue_ns"] = self._clock.now_ns()
        if not job.store_ns and self._store.erasing.purge():
            changes["store_ns"] = self._clock.now_ns()
        if (job.queue_ns or "queue_ns" in changes) and (job.store_ns or "store_ns" in changes):
            changes |= {"state": "done", "done_ns": self._clock.now_ns(), "queue_ends": {}}
            log.info("an erasure is done", job=job.job)
        if changes:
            self._jobs.change(job.job, **changes)


def _request(job: Erasure) -> ErasureRequest:
    return ErasureRequest(job.app, parse(job.query), job.from_ns, job.to_ns)


def _plain(line: bytes) -> str:
    """A line of JSON without escapes of letters, and so with the words as people write them."""
    try:
        return msgspec.json.encode(_inner(msgspec.json.decode(line))).decode()
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return line.decode("utf-8", "replace")


def _inner(sample: Any) -> Any:
    """Of a sample, its text decoded too where that is JSON."""
    if isinstance(sample, dict) and isinstance(sample.get("text"), str):
        try:
            return [sample, msgspec.json.decode(sample["text"])]
        except msgspec.MsgspecError:
            return sample
    return sample


def _letter_matches(line: bytes, job: Erasure, query: Query, matches: Any) -> bool:
    """A dead letter is a whole event of an app, or the bytes of a damaged record of nobody knows which."""
    try:
        letter = msgspec.json.decode(line)
        if letter["app"] not in ("", job.app):
            return False
        if letter["app"]:
            letter["event"]["attributes"] = attributes_json(letter["event"]["attributes"])
            event = Event(**letter["event"])
            return job.from_ns <= event.time_ns < job.to_ns and bool(matches(event))
        payload = base64.b64decode(letter["event"], validate=True).decode("utf-8", "replace")
        return may_hold(query, payload, otherwise=False)
    except (msgspec.MsgspecError, KeyError, TypeError, ValueError):
        return may_hold(query, line.decode("utf-8", "replace"), otherwise=False)
