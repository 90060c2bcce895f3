"""The processor's loop: own partitions, read, prepare, write, commit; and the leader's chores.

Two threads share the work: one reads and decodes the next batch while the engine (which lets go of the GIL) writes
the one before. When what is owned changes, or a commit is refused, both let go of what they have in hand and begin
again at the marks: what the owner before had begun is finished first (batches.py, chores.py).
"""

import queue as handover
import threading
from contextlib import suppress

import msgspec

from logkeep.clock import NS_PER_S, Clock
from logkeep.decode.frame import read_frame_header
from logkeep.errors import BackendUnavailable, CorruptData
from logkeep.feed.port import Publisher
from logkeep.metastore.database import Database
from logkeep.metastore.erasures import Erasure
from logkeep.metastore.masking import MaskingRules
from logkeep.metastore.samples import Samples
from logkeep.metastore.trimming import Trimming
from logkeep.patterns.grouper import Grouper
from logkeep.processor.batches import Batches
from logkeep.processor.chores import Chores, set_missing
from logkeep.processor.erasure import Eraser
from logkeep.processor.holding import Holding, check_known
from logkeep.processor.marks import GROUP, Marks
from logkeep.processor.masking import Masking
from logkeep.processor.notices import Notices
from logkeep.processor.numbers import Numbers
from logkeep.processor.patience import Patience, Stopped
from logkeep.processor.prepare import AppOfKey, Prepared, RetentionOf, Rules, prepare
from logkeep.processor.sessions import SessionMap
from logkeep.processor.statistics import Statistics
from logkeep.processor.waiting import WaitingRoom
from logkeep.queue.port import NotOwner, Queue, Record
from logkeep.settings import Settings
from logkeep.store.port import Store
from logkeep.telemetry import Telemetry, get_logger

HANDOVER_WAIT_S = 0.05  # how late a stop is seen
IDLE_WAIT_S = 0.01  # an event waits half of this on average; a hundred wake-ups a second cost 0.3 % of a core
READ_BYTES_MAX = 8 << 20
AGAIN_WAIT_S = 0.2  # after a commit that was refused or failed
MAINTENANCE_EVERY_S = 10.0
ERASED_FILES_EVERY_S = 0.5

log = get_logger("processor")


class Processor:
    """Moves everything it owns from the queue to the store, once. `run` blocks until `stop`; the rest is for any
    thread.
    """

    def __init__(
        self,
        *,
        queue: Queue,
        store: Store,
        app_of_key: AppOfKey,
        samples: Samples,
        database: Database,
        settings: Settings,
        clock: Clock,
        telemetry: Telemetry,
        feed: Publisher | None = None,
        eraser: Eraser | None = None,
        retention_of: RetentionOf | None = None,
        masking: MaskingRules | None = None,
    ) -> None:
        """feed: is told of every batch once the store has it. eraser: None: nothing is ever erased. retention_of: None:
        all apps are kept for store.retention_days. masking: None: the default counts for every app."""
        self._masking = Masking(masking or MaskingRules(database, clock, refresh_s=1.0), telemetry)
        self._queue, self._app_of_key = queue, app_of_key
        self._settings, self._clock, self._telemetry = settings, clock, telemetry
        self._rules = Rules(
            retention_of or (lambda app: settings.store.retention_days),
            settings.processor.future_s,
            settings.intake.inflated_bytes_max,
            mask_notice=self._masking.mask_notice,
            suspects=self._masking.suspects,
        )
        patterns_max = settings.processor.patterns_max
        self._grouper = Grouper(patterns_max, store.known_patterns(patterns_max=patterns_max)) if patterns_max else None
        self._stop, self._ended = threading.Event(), threading.Event()
        self._patience = Patience(self._stop, telemetry)
        self._marks = Marks(queue, clock)
        self._holding = Holding(telemetry)
        self._numbers = Numbers(queue, self._marks, clock)
        self._notices = Notices(
            database, telemetry, wait_s=settings.session_map.wait_s, devices_max=settings.limits.devices_per_app
        )  # fmt: skip
        self._statistics = Statistics(queue, self._marks, database, clock)
        self._session_map = SessionMap(database, settings.session_map, clock, telemetry)
        self._waiting_room = WaitingRoom(
            database=database, store=store, marks=self._marks, settings=settings.session_map, clock=clock,
            telemetry=telemetry, patience=self._patience,
        )  # fmt: skip
        self._batches = Batches(
            queue=queue, store=store, marks=self._marks, samples=samples, clock=clock,
            telemetry=telemetry, feed=feed, patience=self._patience, notices=self._notices,
            session_map=self._session_map, waiting_room=self._waiting_room, statistics=self._statistics,
        )  # fmt: skip
        self._chores = Chores(
            queue=queue, store=store, marks=self._marks, rules=self._rules, clock=clock, telemetry=telemetry,
            patience=self._patience, grouper=self._grouper, eraser=eraser,
            session_map=self._session_map, old_rows=Trimming(database, clock), holding=self._holding,
        )  # fmt: skip
        self._prepared: handover.Queue[Prepared | Erasure] = handover.Queue(maxsize=1)
        self._erased = threading.Event()
        self._failure: BaseException | None = None
        with suppress(BackendUnavailable):  # tried again by `run`; where it is at once, asking needs no `run`
            self._load()

    # ── what others may ask ───────────────────────────────────────────────────────────────────────────────────────

    def stop(self) -> None:
        """`run` returns after the batch in hand."""
        self._stop.set()

    def problems(self) -> list[str]:
        """Why something of what is owned stands still until this program is another version; [] when nothing does."""
        return self._holding.problems()

    def last_arrival(self) -> int:
        """The place of the last event of all batches that are done, in the order of arrival."""
        return self._marks.last_arrival()

    def udp_loss_rows(self, app: str) -> list[dict[str, object]]:
        return self._numbers.rows(app)

    # ── the loop ──────────────────────────────────────────────────────────────────────────────────────────────────

    def run(self) -> None:
        """Raises what stopped it: a bug, or marks that are damaged."""
        with suppress(Stopped):
            while not self._stop.is_set():
                try:
                    self._begin()
                    self._run()
                except NotOwner as error:
                    log.info("another processor owns what this one had in hand", reason=error.message)
                except BackendUnavailable as error:
                    log.warning("the queue is unavailable; beginning again at its marks", error=error.message)
                    self._stop.wait(AGAIN_WAIT_S)

    def _load(self) -> None:
        self._marks.load()
        sole = self._marks.owner.partitions is None
        self._rules = msgspec.structs.replace(self._rules, numbers_of_http=sole)
        self._numbers.load(self._prepare)

    def _begin(self) -> None:
        """What is owned is as it was left, and nothing of it is half done."""
        self._holding.begin()
        self._load()
        self._chores.finish()
        self._notices.finishing()
        self._session_map.begin(alone=self._marks.owner.partitions is None)
        self._waiting_room.finish(self._batches.release)
        self._batches.finish(self._prepare_intended, self._holding)
        self._notices.begin(self._marks.owner, self._marks.offsets())
        self._numbers.load(self._prepare)
        self._statistics.begin()
        self._queue.rewind(GROUP)
        owner = self._marks.owner
        if owner.partitions is not None:
            log.info("partitions owned", partitions=sorted(owner.partitions), leads=owner.leads)

    def _run(self) -> None:
        """Until `stop`, or until something else is owned."""
        self._ended.clear()
        self._prepared = handover.Queue(maxsize=1)
        reader = threading.Thread(target=self._prepare_batches, name="prepare", daemon=True)
        reader.start()
        try:
            self._process_batches()
        finally:
            self._ended.set()
            reader.join()
        if self._failure is not None:
            raise self._failure
        self._numbers.commit()
        self._statistics.flush(self._prepare)

    def _halts(self) -> bool:
        return self._stop.is_set() or self._ended.is_set()

    def _process_batches(self) -> None:
        next_maintenance_ns = next_files_ns = 0
        while not self._halts():
            with suppress(handover.Empty):
                self._process(self._prepared.get(timeout=HANDOVER_WAIT_S))
            if self._clock.monotonic_ns() >= next_maintenance_ns:
                self._chores.maintain()
                self._statistics.trim()
                self._show_missing()
                next_maintenance_ns = self._clock.monotonic_ns() + int(MAINTENANCE_EVERY_S * NS_PER_S)
            self._numbers.commit_if_due()
            self._statistics.flush_if_due(self._prepare)
            self._waiting_room.release_if_due(self._batches.release)
            if self._clock.monotonic_ns() >= next_files_ns:
                if self._chores.has_erased_files():
                    self._numbers.commit()  # a segment goes once every group is through with it
                    self._chores.remove_erased_files()
                next_files_ns = self._clock.monotonic_ns() + int(ERASED_FILES_EVERY_S * NS_PER_S)

    def _process(self, item: Prepared | Erasure) -> None:
        if isinstance(item, Erasure):
            self._statistics.flush(self._prepare)  # what is counted and not written would come back
            self._chores.begin_erasure(item)
            self._erased.set()
            return
        self._batches.process(item)
        self._numbers.observe(item)

    def _show_missing(self) -> None:
        if self._marks.owner.leads:
            set_missing(self._telemetry, [row for app in self._marks.apps() for row in self.udp_loss_rows(app)])

    # ── reading ───────────────────────────────────────────────────────────────────────────────────────────────────

    def _prepare_batches(self) -> None:
        try:
            while not self._halts():
                records = self._gather()
                if self._queue.owned(GROUP) != self._marks.owner:
                    return
                if records:
                    self._hand_over(self._prepare_again(records))
                if (job := self._chores.due_erasure()) is not None:
                    self._let_erase(job)
        except BackendUnavailable as error:
            log.warning("the queue cannot be read; beginning again at its marks", error=error.message)
            self._stop.wait(AGAIN_WAIT_S)
        except BaseException as error:  # raised again by `run`
            self._failure = error
        finally:
            self._ended.set()

    def _prepare(self, records: list[Record]) -> Prepared:
        return prepare(records, self._rules, self._app_of_key)

    def _prepare_again(self, records: list[Record]) -> Prepared:
        """The batch, its text events with their patterns. By one thread at a time."""
        prepared = self._prepare(records)
        self._masking.mask(prepared)
        self._session_map.enrich(prepared)
        if self._grouper is not None:
            prepared.patterns = self._grouper.group(prepared.events, self._clock.now_ns())
            self._telemetry["processor_events_ungrouped"].inc(self._grouper.left_out)
        return prepared

    def _prepare_intended(self, records: list[Record]) -> Prepared:
        """What another processor had begun to write. Raises NewerFrame: it could read more than this one."""
        check_known(records)
        return self._prepare_again(records)

    def _let_erase(self, job: Erasure) -> None:
        """Returns when it is done: what was handed over before is stored by then, and nothing is being grouped."""
        self._erased.clear()
        self._hand_over(job)
        while not self._halts() and not self._erased.wait(HANDOVER_WAIT_S):
            pass

    def _hand_over(self, prepared: Prepared | Erasure) -> None:
        while not self._halts():
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
        while not self._halts() and bytes_left > 0 and events_left > 0:
            fresh = self._read(bytes_left)
            if fresh and not records:
                until_ns = self._clock.monotonic_ns() + int(settings.linger_s * NS_PER_S)
            records += fresh
            bytes_left -= sum(len(record.payload) for record in fresh)
            events_left -= sum(_event_count(record) for record in fresh)
            if records and self._clock.monotonic_ns() >= until_ns:
                break
            if self._queue.owned(GROUP) != self._marks.owner:
                break
            if not records and self._chores.due_erasure() is not None:
                break
            if sum(len(record.payload) for record in fresh) < READ_BYTES_MAX // 2:
                self._clock.sleep(IDLE_WAIT_S)  # the queue is nearly read: let more come instead of asking again
        return records

    def _read(self, bytes_max: int) -> list[Record]:
        try:
            records = self._queue.read(GROUP, records_max=2_000, bytes_max=min(bytes_max, READ_BYTES_MAX))
            return self._holding.passed(records)
        except CorruptData as error:
            self._telemetry["queue_corrupt_records"].inc()
            log.error("a stretch of the queue is damaged and was skipped", error=error.message)
            return []


def _event_count(record: Record) -> int:
    try:
        return read_frame_header(record.payload).count
    except CorruptData:
        return 0
