"""Writing to OpenSearch and Elasticsearch: bulk requests whose items fail one by one, what updates supersede, and ids
that are remembered.

Once only: a document's id is made of the event's app and id, and events are only created, never put in place of
others. So the same batch again, after whatever failure, changes nothing.

Updates: the events that one supersedes are written again with a mark before it is found. Marks are never taken away,
so nothing depends on the order in which replays come. What stands for (app, session, key) is a document of its own,
read by its id (which needs no refresh), changed only if nobody else has changed it in between. It is read once more
when the batch is written and found: what another processor updated meanwhile has either seen the batch, or is seen now.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence, Set
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import msgspec

from logkeep.clock import NS_PER_DAY, NS_PER_S, Clock
from logkeep.errors import BackendUnavailable, InputError
from logkeep.event import Event
from logkeep.store.opensearch_client import NO_ROOM, EngineRefused, SearchClient, listed
from logkeep.store.opensearch_schema import Layout, day_of, document, document_id
from logkeep.store.port import REMEMBER_S

BULK_EVENTS = 2_000
BULK_BYTES = 8_000_000  # of a request, but for its last line
ITEM_TRIES_MAX = 8  # of items the engine has no room for
ITEM_WAIT_S = 0.1  # before the first of them, doubled each time: 12 s in all
LOOK_UP = 1_000  # documents read by their ids at once
UPDATE_TRIES_MAX = 8  # to change what stands while other processors do
MEMORY_DAYS = 2  # that REMEMBER_S reaches into

Slot = tuple[str, str, str]  # app, session, key
Line = tuple[Any, Any]  # an action and its document; None: it has none

_encode_into = msgspec.json.Encoder().encode_into


class _Error(msgspec.Struct):
    type: str = ""
    reason: str | None = ""


class Item(msgspec.Struct):
    status: int = 0
    error: _Error | None = None


class _Place(msgspec.Struct, rename={"index": "_index", "name": "_id"}, gc=False):
    index: str
    name: str


class _Create(msgspec.Struct, gc=False):
    create: _Place


class Chunk(msgspec.Struct):
    """A request's body. ends: of each line with its document.

    A document lives no longer than until it is encoded: thousands of them, kept until all are made, leave the core's
    cache, and that is a quarter of what making and encoding cost.
    """

    body: bytearray = msgspec.field(default_factory=bytearray)
    ends: list[int] = msgspec.field(default_factory=list)

    def add(self, line: Line) -> None:
        for part in line:
            if part is not None:
                _encode_into(part, self.body, -1)
                self.body += b"\n"
        self.ends.append(len(self.body))

    def some(self, rows: Sequence[int]) -> "Chunk":
        """Of these rows, ascending."""
        found = Chunk()
        for row in rows:
            found.body += self.body[self.ends[row - 1] if row else 0 : self.ends[row]]
            found.ends.append(len(found.body))
        return found


class _Bulked(msgspec.Struct):
    errors: bool = False
    items: list[dict[str, Item]] = []


class Stored(msgspec.Struct):
    """A document as `look_up` finds it."""

    id: str = msgspec.field(name="_id", default="")
    found: bool = False
    source: dict[str, Any] = msgspec.field(name="_source", default_factory=dict)
    seq_no: int = msgspec.field(name="_seq_no", default=-1)
    primary_term: int = msgspec.field(name="_primary_term", default=-1)


class _LookedUp(msgspec.Struct):
    docs: list[Stored] = []


class Standing(msgspec.Struct):
    """What stands for a slot. time, received, id: of the update that does; until: the last one was received then."""

    app: str
    day: str
    time: int
    received: int
    id: str
    until: int

    @classmethod
    def first(cls, event: Event) -> "Standing":
        return _standing(event, event.received_ns)

    def supersedes(self, event: Event) -> bool:
        return event.id != self.id if event.update else event.received_ns <= self.until

    def joined(self, event: Event) -> "Standing":
        """With an update more."""
        mine, other = (self.time, self.received, self.id.encode()), _recency(event)
        until = max(self.until, event.received_ns)
        return _standing(event, until) if other > mine else msgspec.structs.replace(self, until=until)


_decode_bulked = msgspec.json.Decoder(_Bulked).decode
_decode_looked_up = msgspec.json.Decoder(_LookedUp).decode


class Bulk:
    """Actions in any number. Safe from many threads."""

    def __init__(self, client: SearchClient, clock: Clock, requests: int) -> None:
        """requests: sent at once for one caller."""
        self._client, self._clock, self._requests = client, clock, requests
        self._pool = ThreadPoolExecutor(requests, thread_name_prefix="bulk")

    def send(self, lines: Iterable[Line]) -> list[str]:
        """Why each item that can never be stored cannot be; the others are durable.

        lines: of which each may be done twice. Conflicts are no failures: what is to be created is there, or somebody
        else has changed it.
        Raises BackendUnavailable; some of the items may be stored then.
        """
        waiting: deque[Future[list[str]]] = deque()
        faults: list[str] = []
        try:
            for chunk in chunks(lines):  # made here while others are on their way
                if len(waiting) > self._requests:
                    faults += waiting.popleft().result()
                waiting.append(self._pool.submit(self._send, chunk))
        finally:
            done = [each.exception() for each in waiting]  # also after a failure: none is left on its way
        for failure in filter(None, done):
            raise failure
        return faults + [fault for each in waiting for fault in each.result()]

    def _send(self, chunk: Chunk) -> list[str]:
        faults: list[str] = []
        wait_s = ITEM_WAIT_S
        for attempt in range(ITEM_TRIES_MAX):
            again: list[int] = []
            for row, (action, item) in enumerate(self._once(chunk, brief=attempt == 0)):
                if item.status in NO_ROOM:
                    again.append(row)
                elif item.status == 400:
                    faults.append(_text(item))
                elif item.status >= 300 and item.status != 409 and not (action == "delete" and item.status == 404):
                    raise BackendUnavailable(f"the store does not take an event now: {_text(item)}")
            if not again:
                return faults
            if attempt < ITEM_TRIES_MAX - 1:
                self._clock.sleep(wait_s)
            chunk, wait_s = chunk.some(again), wait_s * 2
        raise BackendUnavailable(f"the store has no room for {len(chunk.ends):,} events now")

    def _once(self, chunk: Chunk, *, brief: bool = False) -> list[tuple[str, Item]]:
        """What was done with each line, and what became of it; empty: all is well.

        brief: the engine first says only whether all is well; if not, it is asked the same again and tells of each
        line. To be used where doing a line twice is the same as once.
        """
        try:
            text = self._client.request("POST", _BULK_BRIEF if brief else _BULK, bytes(chunk.body))
        except EngineRefused as error:
            if error.engine_status != 413:
                raise
            count = len(chunk.ends)
            if count == 1:
                return [("", Item(400, _Error(error.kind, error.message)))]
            halves = (range(count // 2), range(count // 2, count))
            done = ((half, self._once(chunk.some(half), brief=brief)) for half in halves)
            return [each for half, items in done for each in items or [("", Item(200))] * len(half)]
        answer = _decode_bulked(text)
        if answer.errors and brief:
            return self._once(chunk)
        return [next(iter(item.items())) for item in answer.items] if answer.errors else []

    def conditional(self, lines: Sequence[Line]) -> list[bool]:
        """Whether each was done; False: somebody else was first. Up to BULK_EVENTS of them."""
        chunk = Chunk()
        for line in lines:
            chunk.add(line)
        items = [item for _, item in self._once(chunk)] or [Item(200)] * len(lines)
        if (bad := next((item for item in items if item.status >= 300 and item.status != 409), None)) is not None:
            raise BackendUnavailable(f"the store does not take an update now: {_text(bad)}")
        return [item.status < 300 for item in items]

    def look_up(self, places: Sequence[tuple[str, str]], source: str) -> Iterator[Stored]:
        """The documents at (index, id), in order; those not found say so. source: of them, the fields wanted."""
        for start in range(0, len(places), LOOK_UP):
            docs = [{"_index": index, "_id": name} for index, name in places[start : start + LOOK_UP]]
            text = self._client.request("POST", f"/_mget?_source={source}", msgspec.json.encode({"docs": docs}))
            yield from _decode_looked_up(text).docs

    def refresh(self, indexes: Iterable[str]) -> None:
        """What was written to them is found from now on."""
        names = listed(sorted(set(indexes)))
        if names:
            self._client.request("POST", f"/{names}/_refresh?ignore_unavailable=true")

    def close(self) -> None:
        self._pool.shutdown()


_BULK = "/_bulk?filter_path=errors,items.*.status,items.*.error.type,items.*.error.reason"
_BULK_BRIEF = "/_bulk?filter_path=errors"  # the engine writes no line about each document: a tenth of its CPU


class Writer:
    """By one thread at a time. read_stored: (index, id, event) of the stored events of some slots, marked ones not."""

    def __init__(
        self,
        bulk: Bulk,
        layout: Layout,
        clock: Clock,
        read_stored: Callable[[str, Sequence[Slot]], Iterable[tuple[str, str, Event]]],
    ) -> None:
        self._bulk, self._layout, self._clock, self._read_stored = bulk, layout, clock, read_stored
        self._updating: set[str] = set()  # apps known to have updates

    def write(self, events: Sequence[Event]) -> None:
        """All is durable and found on return. Raises InputError (an event can never be stored), BackendUnavailable."""
        superseded = self._hide_superseded(events)
        names = self._names(events)
        faults = self._bulk.send(created(names, events, superseded))
        fresh = [event for event in events if event.own_id and event.time_ns == event.received_ns]
        if fresh:
            self._keep([own_id_of(event.app, event.id) for event in fresh])
        self._bulk.refresh(names)
        self._hide_late(events, superseded)
        if faults:
            raise InputError(
                f"{len(faults):,} events can never be stored; one of them: {faults[0]}", code="store_refused"
            )

    def _names(self, events: Sequence[Event]) -> list[str]:
        """The index of each of them."""
        days = [event.time_ns // NS_PER_DAY for event in events]
        names = {day: self._layout.events_of(day_of(day * NS_PER_DAY)) for day in set(days)}
        return [names[day] for day in days]

    # ── ids ───────────────────────────────────────────────────────────────────────────────────────────────────────

    def known(self, events: Sequence[Event]) -> set[int]:
        found: set[int] = set()
        first: dict[tuple[str, str], int] = {}
        for row, event in enumerate(events):
            if event.own_id and first.setdefault((event.app, event.id), row) != row:
                found.add(row)
        rows = list(first.values())
        return found | self._stored(events, rows) | self._recent(events, rows)

    def _stored(self, events: Sequence[Event], rows: Sequence[int]) -> set[int]:
        places = [
            (self._layout.events_of(day_of(events[row].time_ns)), document_id(events[row].app, events[row].id))
            for row in rows
        ]
        looked_up = self._bulk.look_up(places, "time")
        return {
            row for row, each in zip(rows, looked_up, strict=True) if each.source.get("time") == events[row].time_ns
        }

    def _recent(self, events: Sequence[Event], rows: Sequence[int]) -> set[int]:
        rows = [row for row in rows if events[row].time_ns == events[row].received_ns]
        names = {row: own_id_of(events[row].app, events[row].id) for row in rows}
        kept = self._kept(list(names.values()))
        return {row for row, name in names.items() if name in kept}

    def remember(self, keys: Sequence[str]) -> None:
        self._keep([_batch_key(key) for key in keys])

    def remembered(self, keys: Sequence[str]) -> set[str]:
        kept = self._kept([_batch_key(key) for key in keys])
        return {key for key in keys if _batch_key(key) in kept}

    def _keep(self, names: Sequence[str]) -> None:
        now_ns = self._clock.now_ns()
        index = self._layout.memory_of(day_of(now_ns))
        self._bulk.send(({"index": {"_index": index, "_id": name}}, {"at": now_ns}) for name in names)

    def _kept(self, names: Sequence[str]) -> set[str]:
        now_ns = self._clock.now_ns()
        days = [self._layout.memory_of(day_of(now_ns - back * NS_PER_DAY)) for back in range(MEMORY_DAYS)]
        places = [(index, name) for index in days for name in names]
        start_ns = now_ns - REMEMBER_S * NS_PER_S
        return {each.id for each in self._bulk.look_up(places, "at") if each.source.get("at", 0) > start_ns}

    def memory_until(self) -> str:
        """Indexes of the 24 h memory with names below this one are over."""
        return self._layout.memory_of(day_of(self._clock.now_ns() - (MEMORY_DAYS - 1) * NS_PER_DAY))

    # ── updates ───────────────────────────────────────────────────────────────────────────────────────────────────

    def _hide_superseded(self, events: Sequence[Event]) -> set[int]:
        """Rows of the batch that an update supersedes; what is stored already is marked, durably and to be found."""
        self._note_apps({event.app for event in events}, {event.app for event in events if event.update})
        if self._updating.isdisjoint(event.app for event in events):
            return set()
        slots = self._slots(events)
        standing = self._standing(slots, events)
        if renewed := [slot for slot, rows in slots.items() if any(events[row].update for row in rows)]:
            self._hide_stored(renewed, standing)
        return {row for slot, found in standing.items() for row in slots[slot] if found.supersedes(events[row])}

    def _hide_late(self, events: Sequence[Event], superseded: set[int]) -> None:
        """What others' updates supersede that came after `superseded` was found: as there."""
        self._note_apps({event.app for event in events}, set())
        slots = self._slots(events)
        places = [(self._layout.updates, slot_id(slot)) for slot in slots]
        late: list[int] = []
        for rows, stored in zip(slots.values(), self._bulk.look_up(places, "*"), strict=True):
            if stored.found:
                standing = msgspec.convert(stored.source, Standing)
                late += [row for row in rows if row not in superseded and standing.supersedes(events[row])]
        if late:
            names = {row: self._layout.events_of(day_of(events[row].time_ns)) for row in late}
            self._bulk.send(
                (
                    {"index": {"_index": names[row], "_id": document_id(events[row].app, events[row].id)}},
                    document(events[row], hidden=True),
                )
                for row in late
            )
            self._bulk.refresh(names.values())

    def _slots(self, events: Sequence[Event]) -> dict[Slot, list[int]]:
        """Rows of the events of apps that have updates, by slot."""
        slots: dict[Slot, list[int]] = {}
        for row, event in enumerate(events):
            if event.app in self._updating:
                slots.setdefault(slot_of(event), []).append(row)
        return slots

    def _note_apps(self, apps: set[str], updating: set[str]) -> None:
        """`_updating` has those of `apps` that have updates, by whichever processor."""
        asked = sorted(apps - self._updating)
        looked_up = self._bulk.look_up([(self._layout.updates, _marker(app)) for app in asked], "app")
        self._updating |= {app for app, each in zip(asked, looked_up, strict=True) if each.found}
        if fresh := updating - self._updating:
            blank = {"day": "", "time": 0, "received": 0, "id": "", "until": 0}
            self._bulk.send(
                ({"index": {"_index": self._layout.updates, "_id": _marker(app)}}, {"app": app, **blank})
                for app in fresh
            )
            self._updating |= fresh

    def _standing(self, slots: dict[Slot, list[int]], events: Sequence[Event]) -> dict[Slot, Standing]:
        """What stands for those of `slots` that have an update, these events among them; durable."""
        found: dict[Slot, Standing] = {}
        waiting = list(slots)
        for _ in range(UPDATE_TRIES_MAX):
            waiting = self._try_standing(waiting, slots, events, found)
            if not waiting:
                return found
        raise BackendUnavailable(f"{len(waiting):,} updates are changed by others all the time")

    def _try_standing(
        self,
        waiting: Sequence[Slot],
        slots: dict[Slot, list[int]],
        events: Sequence[Event],
        found: dict[Slot, Standing],
    ) -> list[Slot]:
        """Those that somebody else changed in between."""
        places = [(self._layout.updates, slot_id(slot)) for slot in waiting]
        changed: list[tuple[Slot, Line]] = []
        for slot, stored in zip(waiting, self._bulk.look_up(places, "*"), strict=True):
            before = msgspec.convert(stored.source, Standing) if stored.found else None
            after = before
            for row in slots[slot]:
                if events[row].update:
                    event = events[row]
                    after = Standing.first(event) if after is None else after.joined(event)
            if after is not None:
                found[slot] = after
            if after is not None and after != before:
                action: dict[str, Any] = {"_index": self._layout.updates, "_id": slot_id(slot)}
                if before is None:
                    changed.append((slot, ({"create": action}, after)))
                else:
                    action |= {"if_seq_no": stored.seq_no, "if_primary_term": stored.primary_term}
                    changed.append((slot, ({"index": action}, after)))
        conflicts: list[Slot] = []
        for start in range(0, len(changed), BULK_EVENTS):
            part = changed[start : start + BULK_EVENTS]
            items = self._bulk.conditional([line for _, line in part])
            conflicts += [slot for (slot, _), won in zip(part, items, strict=True) if not won]
        return conflicts

    def _hide_stored(self, slots: Sequence[Slot], standing: dict[Slot, Standing]) -> None:
        by_app: dict[str, list[Slot]] = {}
        for slot in slots:
            by_app.setdefault(slot[0], []).append(slot)
        lines: list[Line] = []
        for app, mine in by_app.items():
            for index, name, event in self._read_stored(app, mine):
                found = standing.get(slot_of(event))
                if found is not None and found.supersedes(event):
                    lines.append(({"index": {"_index": index, "_id": name}}, document(event, hidden=True)))
        if lines:
            self._bulk.send(lines)
            self._bulk.refresh(action["index"]["_index"] for action, _ in lines)


def created(names: Sequence[str], events: Sequence[Event], superseded: Set[int] = frozenset()) -> Iterator[Line]:
    """The events as documents that are new in the indexes `names`. superseded: rows of those that are hidden."""
    for row, (name, event) in enumerate(zip(names, events, strict=True)):
        yield _Create(_Place(name, document_id(event.app, event.id))), document(event, hidden=row in superseded)


def slot_of(event: Event) -> Slot:
    return (event.app, event.session, event.key)


def slot_id(slot: Slot) -> str:
    app, session, key = slot
    return document_id(app, f"{len(session)}:{session}{key}")


def _marker(app: str) -> str:
    return "!" + document_id(app, "")


def own_id_of(app: str, event_id: str) -> str:
    return document_id("own", f"{len(app)}:{app}{event_id}")


def _batch_key(key: str) -> str:
    return document_id("batch", key)


def _recency(event: Event) -> tuple[int, int, bytes]:
    return (event.time_ns, event.received_ns, event.id.encode())


def _standing(event: Event, until_ns: int) -> Standing:
    return Standing(event.app, day_of(event.time_ns), event.time_ns, event.received_ns, event.id, until_ns)


def chunks(lines: Iterable[Line]) -> Iterator[Chunk]:
    """What is sent at once, as it is made."""
    chunk = Chunk()
    for line in lines:
        chunk.add(line)
        if len(chunk.ends) >= BULK_EVENTS or len(chunk.body) >= BULK_BYTES:
            yield chunk
            chunk = Chunk()
    if chunk.ends:
        yield chunk


def _text(item: Item) -> str:
    return f"{item.error.type}: {(item.error.reason or '')[:300]}" if item.error else f"status {item.status}"
