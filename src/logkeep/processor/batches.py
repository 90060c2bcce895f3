"""One batch to the store, once. The order that makes it safe to be killed anywhere:

    1. what is about to be written (ranges, duplicates found) is committed with the old offsets  – the intent
       then notices that came with the events are applied to the metastore (notices.py), which knows what it has
    2. store.write(batch, token)   – the same token again changes nothing
    3. offsets and ledger are committed as one

After a crash between 1 and 3 the very same batch is written again, and the store drops it if it was there. Each
partition keeps its own part of the intent. When they come to different owners, each finishes its part alone: it asks
the store which of the events it has and writes the others, under the ids they had.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from operator import attrgetter

import msgspec

from logkeep.clock import NS_PER_S, Clock
from logkeep.decode.frame import SAMPLE_BYTES_MAX, NewerFrame, RejectedSample
from logkeep.errors import CorruptData, InputError
from logkeep.event import Event
from logkeep.feed.port import Publisher
from logkeep.metastore.samples import DeadLetter, Rejected, Samples
from logkeep.processor.holding import Holding
from logkeep.processor.ledger import BatchIntent, LeftOut, State
from logkeep.processor.marks import GROUP, Marks
from logkeep.processor.notices import Notices
from logkeep.processor.patience import Patience
from logkeep.processor.prepare import Prepared, picked, token_of
from logkeep.processor.sessions import SessionMap
from logkeep.processor.statistics import Statistics
from logkeep.processor.waiting import WaitingRoom
from logkeep.queue.port import LEADER, NotOwner, Offset, Partition, Queue, Record
from logkeep.store.port import Batch, Store
from logkeep.telemetry import Telemetry, get_logger

SAMPLES_A_BATCH_MAX = 100

log = get_logger("processor")

_app, _own_id = attrgetter("app"), attrgetter("own_id")


class _Plan(msgspec.Struct):
    """token: of the write. gone: indexes of events that are not to be stored. arrivals: the places of each partition's
    first event. waiting: indexes of events that go into the waiting room; lacking: of those that have no session and
    may not. repeated: indexes of frames whose notices are not to be applied. present: indexes of events that the
    store has already. upgraded: the intent stood in the leader's mark.
    """

    token: str
    gone: set[int]
    arrivals: dict[Partition, int]
    repeated: set[int] = set()
    waiting: set[int] = set()
    lacking: set[int] = set()
    present: set[int] = set()
    upgraded: bool = False

    @property
    def left_out(self) -> set[int]:
        """Indexes of events that are not to be written."""
        return self.gone | self.waiting | self.lacking if self.waiting or self.lacking else self.gone


class Batches:
    """For the thread that writes the store."""

    def __init__(
        self,
        *,
        queue: Queue,
        store: Store,
        marks: Marks,
        samples: Samples,
        clock: Clock,
        telemetry: Telemetry,
        feed: Publisher | None,
        patience: Patience,
        notices: Notices,
        session_map: SessionMap,
        waiting_room: WaitingRoom,
        statistics: Statistics,
    ) -> None:
        self._statistics = statistics
        self._session_map, self._waiting_room = session_map, waiting_room
        self._notices = notices
        self._queue, self._store, self._marks, self._samples = queue, store, marks, samples
        self._clock, self._telemetry, self._feed, self._patience = clock, telemetry, feed, patience

    # ── new ones ──────────────────────────────────────────────────────────────────────────────────────────────────

    def process(self, prepared: Prepared) -> None:
        """Stored, accounted for, told. Raises NotOwner, BackendUnavailable (of the queue): begin again at the marks."""
        started_ns = self._clock.monotonic_ns()
        self._statistics.expect(prepared.ranges)
        intents = self._patience.retried(lambda: self._intents(prepared))
        self._marks.commit({name: self._intending(name, intent) for name, intent in intents.items()}, {})
        self._carry_out(prepared, _plan(prepared.token, prepared, intents), started_ns)

    def _intending(self, partition: Partition, intent: BatchIntent) -> State:
        state = self._marks.state(partition).settled()
        state.batch = intent
        return state

    def _intents(self, prepared: Prepared) -> dict[Partition, BatchIntent]:
        """What of the batch is there already, by partition."""
        repeated: set[int] = set()
        keyed = [(i, frame) for i, frame in enumerate(prepared.frames) if frame.header.repeatable]
        if keyed:
            seen = self._store.remembered([frame.header.batch_id for _, frame in keyed])
            for index, frame in keyed:
                if frame.header.batch_id in seen:
                    repeated.add(index)
                seen.add(frame.header.batch_id)
        duplicates = self._store.known(prepared.events) if True in map(_own_id, prepared.events) else set()
        waiting = self._waiting(prepared, duplicates)
        arrival = max(self._clock.now_ns(), self._marks.last_arrival() + 1)  # the wall clock may have been set back
        intents: dict[Partition, BatchIntent] = {}
        token, first_frame = prepared.token, 0
        for name in sorted(prepared.ranges):
            events, frames = prepared.events_of(name), len(prepared.frames_of(name))
            own_duplicates = sorted(index - events.start for index in duplicates if index in events)
            own_repeated = [index for index in range(frames) if first_frame + index in repeated]
            own_waiting = [index - events.start for index in waiting if index in events]
            intents[name] = BatchIntent(prepared.ranges, own_duplicates, own_repeated, arrival, token, own_waiting)
            arrival += len(events) - len(_gone(prepared, {name: intents[name]}))
            first_frame += frames
        return intents

    def _waiting(self, prepared: Prepared, duplicates: set[int]) -> list[int]:
        """Indexes of events that have no session yet, as many as the waiting room takes."""
        events = prepared.events
        lacking = [i for i in prepared.sessionless if not events[i].session and i not in duplicates]
        return lacking[: self._waiting_room.admit([events[i] for i in lacking])] if lacking else []

    # ── those that were being written when their owner ended ──────────────────────────────────────────────────────

    def finish(self, prepare: Callable[[list[Record]], Prepared], holding: Holding) -> None:
        """Everything that is owned and has an intent is done, but for what `prepare` raises NewerFrame for: that is
        held as it is. Raises as `process`, and CorruptData."""
        self._finish_whole(prepare)
        by_token: dict[str, dict[Partition, BatchIntent]] = {}
        for name, state in self._marks.states.items():
            if state.batch is not None and name != LEADER:
                by_token.setdefault(state.batch.token, {})[name] = state.batch
        for token, intents in by_token.items():
            try:
                self._finish_parts(prepare, token, intents)
            except NewerFrame as error:
                holding.hold({name: intent.ranges[name][0] for name, intent in intents.items()}, error.message)

    def _finish_whole(self, prepare: Callable[[list[Record]], Prepared]) -> None:
        """The intent of a version that kept it for all partitions together."""
        intent = self._marks.state(LEADER).batch
        if intent is None:
            return
        prepared = self._replayed(prepare, intent.ranges)
        gone = set(intent.duplicates)
        for index in intent.repeated:
            gone.update(range(prepared.frames[index].start, prepared.frames[index].end))
        arrivals, arrival = {}, intent.arrival
        for name in sorted(prepared.ranges):
            arrivals[name] = arrival
            arrival += sum(index not in gone for index in prepared.events_of(name))
        plan = _Plan(token_of(intent.ranges), gone, arrivals, upgraded=True)
        self._carry_out(prepared, plan, self._clock.monotonic_ns())

    def _finish_parts(
        self, prepare: Callable[[list[Record]], Prepared], token: str, intents: dict[Partition, BatchIntent]
    ) -> None:
        prepared = self._replayed(prepare, {name: intent.ranges[name] for name, intent in intents.items()})
        plan = _plan(token, prepared, intents)
        whole = next(iter(intents.values())).ranges
        if set(whole) != set(intents):
            log.info("finishing a part of another processor's batch", partitions=sorted(intents), of=sorted(whole))
            plan.token = prepared.token
            plan.present = self._patience.retried(lambda: self._stored(prepared.events))
        self._carry_out(prepared, plan, self._clock.monotonic_ns())

    def _stored(self, events: Sequence[Event]) -> set[int]:
        """Indexes of those that the store has, whoever made their ids."""
        asked = [msgspec.structs.replace(event, own_id=True) for event in events]
        return self._store.known(asked) if asked else set()

    def _replayed(
        self, prepare: Callable[[list[Record]], Prepared], ranges: dict[Partition, tuple[Offset, Offset]]
    ) -> Prepared:
        records = [record for name, (start, end) in ranges.items() for record in self._queue.replay(name, start, end)]
        prepared = prepare(records)
        if prepared.ranges != ranges:
            raise CorruptData(
                f"the queue no longer has what was being written: {ranges}, but {prepared.ranges}; "
                "see docs/how-to/recover.md"
            )
        return prepared

    # ── both ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def _carry_out(self, prepared: Prepared, plan: _Plan, started_ns: int) -> None:
        events = self._placed(prepared, plan)
        self._apply_notices(prepared, plan)
        self._session_map.keep(prepared.seen)
        self._keep_patterns(prepared)
        present = {id(prepared.events[index]) for index in plan.present}
        fresh = [event for event in events if id(event) not in present] if present else events
        poisoned = self._write_all(plan.token, fresh)
        keys = [frame.header.batch_id for frame in prepared.frames if frame.header.repeatable]
        if keys:
            self._patience.retried(lambda: self._store.remember(keys, plan.token))
        self._account(prepared, plan, poisoned)
        self._tell(events, poisoned)
        self._observe(prepared, len(events), started_ns)

    def _placed(self, prepared: Prepared, plan: _Plan) -> list[Event]:
        """What is to be stored, each event with its place in the order of arrival."""
        placed: list[Event] = []
        left_out = plan.left_out
        for name, place in plan.arrivals.items():
            own = prepared.events_of(name)
            events = prepared.events[own.start : own.stop]
            if left_out:
                events = [event for index, event in enumerate(events, own.start) if index not in left_out]
            for arrival, event in enumerate(events, place):
                event.arrival = arrival
            placed += events
        return placed

    def _apply_notices(self, prepared: Prepared, plan: _Plan) -> None:
        fresh = [frame for frame in prepared.told if frame.index not in plan.repeated]
        waiting: dict[Partition, list[Event]] = {}
        for name in prepared.ranges if plan.waiting else ():
            own = [prepared.events[index] for index in prepared.events_of(name) if index in plan.waiting]
            if own:
                waiting[name] = own
        if fresh or waiting:
            ends = {name: end for name, (_, end) in prepared.ranges.items()}
            self._patience.retried(lambda: self._notices.apply(fresh, waiting, ends), what="the metastore")

    def _keep_patterns(self, prepared: Prepared) -> None:
        """Before the events that name them. Should the store refuse them, events are worth more than their patterns."""
        if not prepared.patterns:
            return
        try:
            self._patience.retried(lambda: self._store.keep_patterns(prepared.patterns))
        except InputError as error:
            log.error("patterns were not kept", count=len(prepared.patterns), error=error.message)

    def _write_all(self, token: str, events: list[Event]) -> list[tuple[Event, str]]:
        """The events the store refuses one by one, all others being durable there."""
        poisoned: list[tuple[Event, str]] = []
        pieces = [(token, events)] if events else []
        while pieces:
            token, piece = pieces.pop()
            try:
                self._patience.retried(partial(self._write, Batch(token, piece)))
            except InputError as error:
                if len(piece) == 1:
                    poisoned.append((piece[0], error.message))
                    continue
                half = len(piece) // 2  # the same halves and tokens after a crash: the split is a function of the batch
                pieces += [(token + "/1", piece[half:]), (token + "/0", piece[:half])]
        return poisoned

    def _write(self, batch: Batch) -> None:
        """Raises NotOwner: while the store was away all may have been written by a successor, and erased since."""
        if self._queue.owned(GROUP) != self._marks.owner:
            raise NotOwner("what is owned has changed since this batch was begun")
        self._store.write(batch)

    def _account(self, prepared: Prepared, plan: _Plan, poisoned: list[tuple[Event, str]]) -> None:
        """Samples are kept, then offsets and ledger move as one."""
        self._sample_lacking(prepared, plan)
        self._keep_samples(prepared, poisoned)
        refused = {id(event) for event, _ in poisoned}
        states: dict[Partition, State] = {}
        stored_of: dict[Partition, Sequence[int]] = {}
        for name, (start, end) in prepared.ranges.items():
            state = states[name] = self._marks.state(name).settled()
            own = prepared.events_of(name)
            stored = self._stored_of(prepared, name, plan, refused) if plan.left_out or refused else own
            stored_of[name] = stored
            state.leave_out(
                _left_out(prepared, plan, (start, end), own, stored), counted=self._marks.counted.get(name, -1)
            )
            for app, count in Counter(map(_app, picked(prepared.events, stored))).items():
                state.app(app).stored += count
            state.arrival = max(state.arrival, plan.arrivals[name] + len(own) - sum(i in own for i in plan.gone) - 1)
        for index in plan.waiting:
            event = prepared.events[index]
            states[prepared.partition_of(index)].app(event.app).waiting += 1
        for (name, app), tally in prepared.tallies.items():
            ledger = states[name].app(app)
            ledger.received += tally.received
            ledger.over_quota += tally.over_quota
            for reason, count in tally.rejected.items():
                ledger.rejected[reason] = ledger.rejected.get(reason, 0) + count
        for frame in prepared.told:
            account = states[frame.partition].app(frame.app).notices_of(frame.kind)
            account.add(frame.account(repeated=frame.index in plan.repeated))
        if plan.upgraded:
            states[LEADER] = self._marks.state(LEADER).settled()
        self._marks.commit(states, {name: end for name, (_, end) in prepared.ranges.items()})
        self._statistics.observe(prepared, stored_of)

    @staticmethod
    def _stored_of(prepared: Prepared, partition: Partition, plan: _Plan, refused: set[int]) -> list[int]:
        """Indexes of the partition's events that the store has; the others are tallied."""
        stored: list[int] = []
        for index in prepared.events_of(partition):
            event = prepared.events[index]
            if index in plan.waiting:
                continue
            if index in plan.lacking:
                reason = "missing_session"
            elif index in plan.gone:
                reason = "duplicate"
            elif id(event) in refused:
                reason = "poison"
            else:
                stored.append(index)
                continue
            prepared.tally(partition, event.app).reject(reason, (event.component, event.key))
        return stored

    def _tell(self, events: list[Event], poisoned: list[tuple[Event, str]]) -> None:
        """Live tails hear of what was stored; after the commit, so that a restart tells nobody twice."""
        if self._feed is None:
            return
        if poisoned:
            gone = {event.arrival for event, _ in poisoned}
            events = [event for event in events if event.arrival not in gone]
        if events:
            self._feed.publish(events)

    # ── events that leave the waiting room ────────────────────────────────────────────────────────────────────────

    def release(self, token: str, events: list[Event], expired: list[Event], arrival: int) -> list[Event]:
        """Those of `events` that the store refuses, all others being stored and counted; samples of both are kept.

        arrival: the last place in the order of arrival that they take.
        """
        poisoned = self._write_all(token, events)
        refused = {id(event) for event, _ in poisoned}
        stored = [event for event in events if id(event) not in refused]
        self._patience.retried(lambda: self._statistics.released(stored, expired, arrival), what="the metastore")
        now = self._now()
        by_app: dict[str, list[Rejected]] = {}
        for event in expired[:SAMPLES_A_BATCH_MAX]:
            by_app.setdefault(event.app, []).append(_lacking(event, now))
        for app, rows in by_app.items():
            self._telemetry["samples_dropped"].inc(len(rows) - self._samples.keep_rejected(app, rows))
        if poisoned:
            self._keep_letters([_letter(event, message, now) for event, message in poisoned])
        self._tell(events, poisoned)
        return [event for event, _ in poisoned]

    # ── samples ───────────────────────────────────────────────────────────────────────────────────────────────────

    def _now(self) -> str:
        return datetime.fromtimestamp(self._clock.now_ns() / NS_PER_S, UTC).isoformat()

    def _sample_lacking(self, prepared: Prepared, plan: _Plan) -> None:
        for index in sorted(plan.lacking)[:SAMPLES_A_BATCH_MAX]:
            row = _lacking(prepared.events[index], "")
            tally = prepared.tally(prepared.partition_of(index), prepared.events[index].app)
            tally.samples.append(RejectedSample("missing_session", row.message, row.text))

    def _keep_samples(self, prepared: Prepared, poisoned: list[tuple[Event, str]]) -> None:
        now = self._now()
        for (_, name), tally in prepared.tallies.items():
            if tally.samples:
                kept = tally.samples[:SAMPLES_A_BATCH_MAX]
                rows = [Rejected(now, sample.reason, sample.message, "intake", sample.text) for sample in kept]
                self._telemetry["samples_dropped"].inc(len(rows) - self._samples.keep_rejected(name, rows))
        letters = [_letter(event, message, now) for event, message in poisoned]
        letters += [
            DeadLetter(now, "", record.partition, record.offset, message, record.payload)
            for record, message in prepared.corrupt
        ]
        if letters:
            self._keep_letters(letters)

    def _keep_letters(self, letters: list[DeadLetter]) -> None:
        if letters:
            self._patience.retried(lambda: self._samples.dead_letters.append(letters))  # there is no other copy of them
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


def _plan(token: str, prepared: Prepared, intents: dict[Partition, BatchIntent]) -> _Plan:
    repeated = {prepared.first_frame_of(n) + index for n, intent in intents.items() for index in intent.repeated}
    arrivals = {name: intent.arrival for name, intent in intents.items()}
    gone, waiting = _gone(prepared, intents), set[int]()
    for name, intent in intents.items():
        start = prepared.events_of(name).start
        waiting.update(start + index for index in intent.waiting)
    for index in waiting:
        prepared.events[index].session = ""  # looked at again its session may be known by now: the room gives it
    lacking = {i for i in prepared.sessionless if not prepared.events[i].session} - waiting - gone
    return _Plan(token, gone, arrivals, repeated, waiting, lacking)


def _left_out(
    prepared: Prepared, plan: _Plan, records: tuple[Offset, Offset], own: range, stored: Sequence[int]
) -> LeftOut | None:
    if len(stored) == len(own):
        return None
    there = set(stored)
    indexes = [index for index in own if index not in there]
    rejected = [index - own.start for index in indexes if index not in plan.waiting]
    return LeftOut(*records, [index - own.start for index in indexes], refused=rejected)


def _lacking(event: Event, now: str) -> Rejected:
    message = "no `session`, and none was told in time for its user or device"
    text = msgspec.json.encode(event).decode()[:SAMPLE_BYTES_MAX]
    return Rejected(now, "missing_session", message, "processor", text)


def _letter(event: Event, message: str, now: str) -> DeadLetter:
    return DeadLetter(now, event.app, "", 0, message, msgspec.structs.asdict(event))


def _gone(prepared: Prepared, intents: dict[Partition, BatchIntent]) -> set[int]:
    """Indexes of the events that are there already, by the intents of their partitions."""
    gone: set[int] = set()
    for name, intent in intents.items():
        start = prepared.events_of(name).start
        gone.update(start + index for index in intent.duplicates)
        frames = prepared.frames_of(name) if intent.repeated else []
        for index in intent.repeated:
            gone.update(range(frames[index].start, frames[index].end))
    return gone
