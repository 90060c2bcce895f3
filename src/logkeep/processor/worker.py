"""The processor's loop: read, prepare, write, commit; and the day's maintenance.

Two threads share the work: one reads and decodes the next batch while the engine (which lets go of the GIL) writes
the one before. The order that makes it safe to be killed anywhere:

    1. what is about to be written (ranges, duplicates found) is committed with the old offsets  – the intent
    2. store.write(batch, token)   – the same token again changes nothing
    3. offsets and ledger are committed as one

After a crash between 1 and 3 the very same batch is written again, and the store drops it if it was there.
"""

import queue as handover
import threading
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from typing import TypeVar

import msgspec

from logkeep.clock import NS_PER_S, Clock
from logkeep.decode.frame import read_frame_header
from logkeep.errors import BackendUnavailable, CorruptData, InputError, LogkeepError
from logkeep.event import Event
from logkeep.feed.port import Publisher
from logkeep.metastore.erasures import Erasure
from logkeep.metastore.samples import DeadLetter, Rejected, Samples
from logkeep.patterns.grouper import Grouper
from logkeep.processor.erasure import Eraser
from logkeep.processor.ledger import BatchIntent, DropIntent, EraseIntent, State, pack_state, unpack_state
from logkeep.processor.prepare import AppOfKey, Prepared, Rules, prepare
from logkeep.processor.udp_loss import UdpLoss
from logkeep.queue.port import Queue, Record
from logkeep.settings import Settings
from logkeep.store.port import Batch, Store
from logkeep.telemetry import Telemetry, get_logger

GROUP = "processor"
LOSS_GROUP = "udp-loss"
HANDOVER_WAIT_S = 0.05  # how late a stop is seen
IDLE_WAIT_S = 0.01  # an event waits half of this on average; a hundred wake-ups a second cost 0.3 % of a core
READ_BYTES_MAX = 8 << 20
RETRY_FIRST_S, RETRY_MAX_S = 0.5, 15.0
SAMPLES_A_BATCH_MAX = 100
MAINTENANCE_EVERY_S = 10.0
LOSS_COMMIT_EVERY_S = 2.0
ERASED_FILES_EVERY_S = 0.5

T = TypeVar("T")

log = get_logger("processor")


class _Stopped(Exception):
    """The processor was asked to stop while the store was unavailable: the intent stands for the next start."""


class Processor:
    """Moves everything from the queue to the store, once. `run` blocks until `stop`; the rest is for any thread."""

    def __init__(
        self,
        *,
        queue: Queue,
        store: Store,
        app_of_key: AppOfKey,
        samples: Samples,
        settings: Settings,
        clock: Clock,
        telemetry: Telemetry,
        feed: Publisher | None = None,
        eraser: Eraser | None = None,
    ) -> None:
        """feed: is told of every batch once the store has it. eraser: None: nothing is ever erased."""
        self._feed = feed
        self._queue, self._store, self._app_of_key, self._samples = queue, store, app_of_key, samples
        self._settings, self._clock, self._telemetry = settings, clock, telemetry
        self._rules = Rules(
            settings.store.retention_days, settings.processor.future_s, settings.intake.inflated_bytes_max
        )
        patterns_max = settings.processor.patterns_max
        self._grouper = Grouper(patterns_max, store.known_patterns(patterns_max=patterns_max)) if patterns_max else None
        self._stop = threading.Event()
        self._lock = threading.Lock()  # over _state and _loss: the API reads what the writer changes
        self._state = unpack_state(queue.committed(GROUP).metadata)
        if not self._state.arrival:  # the first start: a tail may open before the first event comes
            intent = self._state.batch
            self._state.arrival = intent.arrival - 1 if intent is not None else clock.now_ns()
        self._offsets = dict(queue.committed(GROUP).offsets)
        self._loss = UdpLoss.from_bytes(queue.committed(LOSS_GROUP).metadata)
        self._loss_done = dict(queue.committed(LOSS_GROUP).offsets)
        self._loss_committed_ns = clock.monotonic_ns()
        self._prepared: handover.Queue[Prepared | Erasure] = handover.Queue(maxsize=1)
        self._eraser, self._erased = eraser, threading.Event()
        self._failure: BaseException | None = None

    # ── what others may ask ───────────────────────────────────────────────────────────────────────────────────────

    def stop(self) -> None:
        """`run` returns after the batch in hand."""
        self._stop.set()

    def last_arrival(self) -> int:
        """The place of the last event of all batches that are done, in the order of arrival."""
        with self._lock:
            return self._state.arrival

    def snapshot(self) -> tuple[State, dict[str, int]]:
        """The ledger as of the last commit, and the offsets it belongs to."""
        with self._lock:
            state = State({name: app.copy() for name, app in self._state.apps.items()})
            return state, dict(self._offsets)

    def udp_loss_rows(self, app: str) -> list[dict[str, object]]:
        with self._lock:
            return self._loss.rows(app)

    # ── the loop ──────────────────────────────────────────────────────────────────────────────────────────────────

    def run(self) -> None:
        """Raises what stopped it: a bug, or a queue that cannot be committed to."""
        with suppress(_Stopped):
            self._finish_drop()
            if self._state.erase is not None:
                self._erase(self._state.erase)
            self._run(self._finish_batch())

    def _run(self, records_ahead: list[Record]) -> None:
        reader = threading.Thread(target=self._prepare_batches, args=(records_ahead,), name="prepare", daemon=True)
        reader.start()
        try:
            self._process_batches()
            self._commit_loss()
        finally:
            self._stop.set()
            reader.join()

    def _process_batches(self) -> None:
        next_maintenance_ns = next_files_ns = 0
        while not self._stop.is_set():
            with suppress(handover.Empty):
                item = self._prepared.get(timeout=HANDOVER_WAIT_S)
                if isinstance(item, Erasure):
                    self._begin_erasure(item)
                else:
                    self._process(item)
            if self._failure is not None:
                raise self._failure
            if self._clock.monotonic_ns() >= next_maintenance_ns:
                self._maintain()
                next_maintenance_ns = self._clock.monotonic_ns() + int(MAINTENANCE_EVERY_S * NS_PER_S)
            if self._clock.monotonic_ns() >= next_files_ns:
                self._remove_erased_files()
                next_files_ns = self._clock.monotonic_ns() + int(ERASED_FILES_EVERY_S * NS_PER_S)

    def _prepare_batches(self, records_ahead: list[Record]) -> None:
        try:
            while not self._stop.is_set():
                records = records_ahead or self._gather()
                records_ahead = []
                if records:
                    self._hand_over(self._grouped(prepare(records, self._rules, self._app_of_key)))
                if (job := self._due_erasure()) is not None:
                    self._let_erase(job)
        except BaseException as error:  # raised again by `run`
            self._failure = error

    def _grouped(self, prepared: Prepared) -> Prepared:
        """The batch, its text events with their patterns. By one thread at a time."""
        if self._grouper is not None:
            prepared.patterns = self._grouper.group(prepared.events, self._clock.now_ns())
            self._telemetry["processor_events_ungrouped"].inc(self._grouper.left_out)
        return prepared

    def _due_erasure(self) -> Erasure | None:
        return None if self._eraser is None else self._eraser.due()

    def _let_erase(self, job: Erasure) -> None:
        """Returns when it is done: what was handed over before is stored by then, and nothing is being grouped."""
        self._erased.clear()
        self._hand_over(job)
        while not self._stop.is_set() and not self._erased.wait(HANDOVER_WAIT_S):
            pass

    def _hand_over(self, prepared: Prepared | Erasure) -> None:
        while not self._stop.is_set():
            try:
                self._prepared.put(prepared, timeout=HANDOVER_WAIT_S)
                return
            except handover.Full:
                pass

    def _gather(self) -> list[Record]:
        """Records for one batch: as many as fit, or what came within `linger_s` of the first."""
        settings = self._settings.processor
        records: list[Record] = []
        bytes_left, events_left = settings.batch_bytes_max, settings.batch_events_max
        until_ns = 0
        while not self._stop.is_set() and bytes_left > 0 and events_left > 0:
            fresh = self._read(bytes_left)
            if fresh and not records:
                until_ns = self._clock.monotonic_ns() + int(settings.linger_s * NS_PER_S)
            records += fresh
            bytes_left -= sum(len(record.payload) for record in fresh)
            events_left -= sum(_event_count(record) for record in fresh)
            if records and self._clock.monotonic_ns() >= until_ns:
                break
            if not records and self._due_erasure() is not None:
                break
            if sum(len(record.payload) for record in fresh) < READ_BYTES_MAX // 2:
                self._clock.sleep(IDLE_WAIT_S)  # the queue is nearly read: let more come instead of asking again
        return records

    def _read(self, bytes_max: int) -> list[Record]:
        try:
            records = self._queue.read(GROUP, records_max=2_000, bytes_max=min(bytes_max, READ_BYTES_MAX))
            if self._eraser is not None:
                self._eraser.saw(records)
            return records
        except CorruptData as error:
            self._telemetry["queue_corrupt_records"].inc()
            log.error("a stretch of the queue is damaged and was skipped", error=error.message)
            return []

    # ── one batch ─────────────────────────────────────────────────────────────────────────────────────────────────

    def _process(self, prepared: Prepared, intent: BatchIntent | None = None) -> None:
        started_ns = self._clock.monotonic_ns()
        if intent is None:
            intent = self._retried(lambda: self._plan(prepared))
            self._commit(State(self._state.apps, batch=intent, arrival=self._state.arrival), {})
        events = _without(prepared, intent)
        self._keep_patterns(prepared)
        for place, event in enumerate(events, intent.arrival):
            event.arrival = place
        poisoned = self._write_all(prepared, events)
        keys = [frame.header.batch_id for frame in prepared.frames if frame.header.repeatable]
        if keys:
            self._retried(lambda: self._store.remember(keys, prepared.token))
        self._account(prepared, events, poisoned, intent)
        self._tell(events, poisoned)
        self._observe(prepared, len(events), started_ns)

    def _keep_patterns(self, prepared: Prepared) -> None:
        """Before the events that name them. Should the store refuse them, events are worth more than their patterns."""
        if not prepared.patterns:
            return
        try:
            self._retried(lambda: self._store.keep_patterns(prepared.patterns))
        except InputError as error:
            log.error("patterns were not kept", count=len(prepared.patterns), error=error.message)

    def _plan(self, prepared: Prepared) -> BatchIntent:
        """What of the batch is there already."""
        repeated: list[int] = []
        keyed = [(i, frame) for i, frame in enumerate(prepared.frames) if frame.header.repeatable]
        if keyed:
            seen = self._store.remembered([frame.header.batch_id for _, frame in keyed])
            for index, frame in keyed:
                if frame.header.batch_id in seen:
                    repeated.append(index)
                seen.add(frame.header.batch_id)
        duplicates = self._store.known(prepared.events) if any(event.own_id for event in prepared.events) else set()
        arrival = max(self._clock.now_ns(), self._state.arrival + 1)  # the wall clock may have been set back
        return BatchIntent(prepared.ranges, sorted(duplicates), repeated, arrival)

    def _write_all(self, prepared: Prepared, events: list[Event]) -> list[tuple[Event, str]]:
        """The events the store refuses one by one, all others being durable there."""
        poisoned: list[tuple[Event, str]] = []
        pieces = [(prepared.token, events)] if events else []
        while pieces:
            token, piece = pieces.pop()
            try:
                self._retried(partial(self._store.write, Batch(token, piece)))
            except InputError as error:
                if len(piece) == 1:
                    poisoned.append((piece[0], error.message))
                    continue
                half = len(piece) // 2  # the same halves and tokens after a crash: the split is a function of the batch
                pieces += [(token + "/1", piece[half:]), (token + "/0", piece[:half])]
        return poisoned

    def _retried(self, work: Callable[[], T]) -> T:
        """What `work` returns, tried again for as long as the store is unavailable. Raises _Stopped meanwhile."""
        wait_s = RETRY_FIRST_S
        while True:
            try:
                return work()
            except BackendUnavailable as error:
                self._telemetry["processor_retries"].inc()
                log.warning(
                    "the store is unavailable; intake goes on, trying again", error=error.message, wait_s=wait_s
                )
            if self._stop.wait(wait_s):
                raise _Stopped
            wait_s = min(wait_s * 2, RETRY_MAX_S)

    def _account(
        self, prepared: Prepared, events: list[Event], poisoned: list[tuple[Event, str]], intent: BatchIntent
    ) -> None:
        """Samples are kept, then offsets and ledger move as one."""
        for event in _dropped(prepared, intent):
            prepared.tally(event.app).reject("duplicate")
        for event, _ in poisoned:
            prepared.tally(event.app).reject("poison")
        self._keep_samples(prepared, poisoned)
        apps = {name: app.copy() for name, app in self._state.apps.items()}
        state = State(apps, arrival=max(self._state.arrival, intent.arrival + len(events) - 1))
        for name, tally in prepared.tallies.items():
            app = state.app(name)
            app.received += tally.received
            for reason, count in tally.rejected.items():
                app.rejected[reason] = app.rejected.get(reason, 0) + count
        for name, count in Counter(event.app for event in events).items():
            state.apps[name].stored += count
        for event, _ in poisoned:
            state.apps[event.app].stored -= 1
        with self._lock:
            for (app_name, component, client), numbers in prepared.sequences.items():
                self._loss.observe(app_name, component, client, numbers)
        self._loss_done.update({partition: end for partition, (_, end) in prepared.ranges.items()})
        self._commit(state, {partition: end for partition, (_, end) in prepared.ranges.items()})
        if self._clock.monotonic_ns() - self._loss_committed_ns > LOSS_COMMIT_EVERY_S * NS_PER_S:
            self._commit_loss()

    def _tell(self, events: list[Event], poisoned: list[tuple[Event, str]]) -> None:
        """Live tails hear of what was stored; after the commit, so that a restart tells nobody twice."""
        if self._feed is None:
            return
        if poisoned:
            gone = {event.arrival for event, _ in poisoned}
            events = [event for event in events if event.arrival not in gone]
        if events:
            self._feed.publish(events)

    def _commit(self, state: State, offsets: dict[str, int]) -> None:
        self._queue.commit(GROUP, offsets, pack_state(state))
        with self._lock:
            self._state = state
            self._offsets.update(offsets)

    def _commit_loss(self) -> None:
        self._loss_committed_ns = self._clock.monotonic_ns()
        with self._lock:
            snapshot = self._loss.to_bytes()
        self._queue.commit(LOSS_GROUP, self._loss_done, snapshot)

    def _keep_samples(self, prepared: Prepared, poisoned: list[tuple[Event, str]]) -> None:
        now = datetime.fromtimestamp(self._clock.now_ns() / NS_PER_S, UTC).isoformat()
        for name, tally in prepared.tallies.items():
            if tally.samples:
                kept = tally.samples[:SAMPLES_A_BATCH_MAX]
                rows = [Rejected(now, sample.reason, sample.message, "intake", sample.text) for sample in kept]
                self._telemetry["samples_dropped"].inc(len(rows) - self._samples.keep_rejected(name, rows))
        letters = [
            DeadLetter(now, event.app, "", 0, message, msgspec.structs.asdict(event)) for event, message in poisoned
        ]
        letters += [
            DeadLetter(now, "", record.partition, record.offset, message, record.payload)
            for record, message in prepared.corrupt
        ]
        if letters:
            self._retried(lambda: self._samples.dead_letters.append(letters))  # there is no other copy of them
            log.error("records went to the dead letters", count=len(letters), first=letters[0].message)

    def _observe(self, prepared: Prepared, stored: int, started_ns: int) -> None:
        telemetry = self._telemetry
        telemetry["processor_events_stored"].inc(stored)
        telemetry["processor_batch_events"].observe(stored)
        telemetry["processor_batch_seconds"].observe((self._clock.monotonic_ns() - started_ns) / NS_PER_S)
        telemetry["processor_oldest_age_seconds"].set(
            max(0.0, (self._clock.now_ns() - prepared.oldest_received_ns) / NS_PER_S)
        )
        for what, count in prepared.corrected.items():
            telemetry["processor_events_corrected"].labels(what).inc(count)
        for tally in prepared.tallies.values():
            for reason, count in tally.rejected.items():
                telemetry["processor_events_rejected"].labels(reason).inc(count)
        if prepared.corrupt:
            telemetry["queue_corrupt_records"].inc(len(prepared.corrupt))

    # ── after a crash ─────────────────────────────────────────────────────────────────────────────────────────────

    def _finish_batch(self) -> list[Record]:
        """The batch that was being written when the last run ended is done; records read beyond it are returned."""
        self._catch_up_loss()
        intent = self._state.batch
        self._queue.rewind(GROUP)
        if intent is None:
            return []
        inside: list[Record] = []
        beyond: list[Record] = []
        missing = {partition: end for partition, (_, end) in intent.ranges.items()}
        while missing and (records := self._queue.read(GROUP, records_max=2_000, bytes_max=READ_BYTES_MAX)):
            for record in records:
                end = intent.ranges.get(record.partition, (0, 0))[1]
                (inside if record.offset < end else beyond).append(record)
                if record.next_offset >= missing.get(record.partition, 1 << 63):
                    del missing[record.partition]
        if missing:
            raise CorruptData(f"the queue no longer has what was being written: {missing}; see docs/how-to/recover.md")
        self._process(self._grouped(prepare(inside, self._rules, self._app_of_key)), intent)
        return beyond

    def _catch_up_loss(self) -> None:
        """Numbers of events that were processed after the last snapshot of the loss counts are counted again."""
        self._queue.rewind(LOSS_GROUP)
        done = self._offsets
        behind = {p for p, end in done.items() if self._loss_done.get(p, 0) < end}
        while behind and (records := self._queue.read(LOSS_GROUP, records_max=2_000, bytes_max=READ_BYTES_MAX)):
            replay = [record for record in records if record.offset < done.get(record.partition, 0)]
            for (app, component, client), numbers in prepare(replay, self._rules, self._app_of_key).sequences.items():
                self._loss.observe(app, component, client, numbers)
            behind -= {r.partition for r in records if r.next_offset >= done.get(r.partition, 0)}
        self._loss_done.update(done)

    # ── maintenance ───────────────────────────────────────────────────────────────────────────────────────────────

    def _maintain(self) -> None:
        """Old days are dropped, finished segments trimmed, gauges set; what fails is tried again in the next round."""
        try:
            for day, events in self._expired_days().items():
                self._drop(DropIntent(day, events))
            self._queue.trim()
            for partition, lag_bytes in self._queue.lag(GROUP).items():
                self._telemetry["queue_lag_bytes"].labels(partition).set(lag_bytes)
            missing: Counter[str] = Counter()
            for app in self._state.apps:
                for row in self.udp_loss_rows(app):
                    missing[str(row["component"])] += int(row["missing"])  # type: ignore[call-overload]
            for component, count in missing.items():
                self._telemetry["udp_missing_events"].labels(component).set(count)
        except LogkeepError as error:
            log.warning("maintenance failed and will be tried again", error=error.message)

    def _expired_days(self) -> dict[str, dict[str, int]]:
        oldest = datetime.fromtimestamp(self._rules.limits(self._clock.now_ns()).oldest_ns / NS_PER_S, UTC).strftime(
            "%Y-%m-%d"
        )
        days: dict[str, dict[str, int]] = {}
        for count in self._store.days():
            if count.day < oldest:
                days.setdefault(count.day, {})[count.app] = count.events
        return days

    def _drop(self, intent: DropIntent) -> None:
        """The day is gone and its events are accounted as expired, also when this is the second try."""
        self._commit(State(self._state.apps, drop=intent, arrival=self._state.arrival), {})
        self._store.drop_day(intent.day)
        apps = {name: app.copy() for name, app in self._state.apps.items()}
        state = State(apps, arrival=self._state.arrival)
        for name, events in intent.events.items():
            state.app(name).stored -= events
            state.app(name).expired += events
        self._commit(state, {})
        self._telemetry["store_days_dropped"].inc()
        log.info("a day older than the retention was dropped", day=intent.day, events=sum(intent.events.values()))

    # ── erasing ───────────────────────────────────────────────────────────────────────────────────────────────────

    def _begin_erasure(self, job: Erasure) -> None:
        assert self._eraser is not None
        eraser, ends = self._eraser, dict(self._offsets)
        intent = self._retried(lambda: eraser.mark(job, ends))
        if intent is not None:
            self._commit(State(self._state.apps, erase=intent, arrival=self._state.arrival), {})
            self._erase(intent)
        self._erased.set()

    def _erase(self, intent: EraseIntent) -> None:
        """The marked events are gone and accounted as erased, also when this is the second try."""
        assert self._eraser is not None
        eraser = self._eraser
        forgotten = self._retried(lambda: eraser.erase(intent))
        if self._grouper is not None:
            self._grouper.forget(intent.app, forgotten)
        apps = {name: app.copy() for name, app in self._state.apps.items()}
        state = State(apps, arrival=self._state.arrival)
        state.app(intent.app).stored -= intent.events
        state.app(intent.app).erased += intent.events
        self._commit(state, {})

    def _remove_erased_files(self) -> None:
        if self._eraser is None or not self._eraser.has_files():
            return
        try:
            self._commit_loss()  # a segment goes once every group is through with it
            self._eraser.remove_files()
        except LogkeepError as error:
            log.warning("files of what was erased are still there; trying again", error=error.message)

    def _finish_drop(self) -> None:
        if self._state.drop is not None:
            self._drop(self._state.drop)


def _event_count(record: Record) -> int:
    try:
        return read_frame_header(record.payload).count
    except CorruptData:
        return 0


def _without(prepared: Prepared, intent: BatchIntent) -> list[Event]:
    """The batch's events less those that are there already."""
    gone = _gone(prepared, intent)
    if not gone:
        return prepared.events
    return [event for index, event in enumerate(prepared.events) if index not in gone]


def _dropped(prepared: Prepared, intent: BatchIntent) -> list[Event]:
    return [prepared.events[index] for index in sorted(_gone(prepared, intent))]


def _gone(prepared: Prepared, intent: BatchIntent) -> set[int]:
    gone = set(intent.duplicates)
    for index in intent.repeated:
        gone.update(range(prepared.frames[index].start, prepared.frames[index].end))
    return gone
