"""Updates: what an update hides, decided when something is written.

`updates` has a document for each (app, session, key) that was ever updated: until when received events are superseded,
and which update stands. Both only grow ($max), and so do the marks, so that a batch written again changes nothing.

    1. the batch's updates go into `updates`, and what is stored of theirs is marked
    2. the batch is inserted, its own superseded events marked already: nobody finds an update beside what it hides
    3. `updates` is looked up again: another processor may have updated the same between 1 and 2

Apps that never update pay one small read a batch.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from logkeep.event import Event
from logkeep.store.mongodb_client import NAMES_A_QUERY_MAX, Find, Server
from logkeep.store.mongodb_documents import by_day, document_id

_PLACE_DIGITS = 20  # of a time in `standing`, so that texts sort as times do
_HIDDEN = {"$set": {"hidden": True}}
_FIELDS = {"session": 1, "key": 1, "id": 1, "received": 1, "update": 1}


class Standing(msgspec.Struct, frozen=True):
    """until_ns: plain events received up to here are superseded. event_id: of the update that stands."""

    until_ns: int
    event_id: str

    def supersedes(self, event_id: str, received_ns: int, *, update: bool) -> bool:
        return event_id != self.event_id if update else received_ns <= self.until_ns


class Updates:
    def __init__(self, server: Server) -> None:
        self._server = server

    def begin(self, events: Sequence[Event]) -> set[str]:
        """Step 1; the `_id`s of those of `events` that are superseded."""
        fresh = [event for event in events if event.update]
        if fresh:
            self._keep(fresh)
        apps = self._updating() & {event.app for event in events}
        if not apps:
            return set()
        standing = self._standing(event for event in events if event.app in apps)
        if fresh:
            self._mark_stored({slot_of(event.app, event.session, event.key): event for event in fresh}, standing)
        return _superseded(events, standing)

    def finish(self, events: Sequence[Event], marked: set[str]) -> None:
        """Step 3. marked: what `begin` said."""
        apps = self._updating() & {event.app for event in events}
        if not apps:
            return
        standing = self._standing(event for event in events if event.app in apps)
        late = _superseded(events, standing) - marked
        for day, members in by_day(events).items() if late else ():
            names = [name for name in map(_name, members) if name in late]
            if names:
                self._server.change(day, names, _HIDDEN)

    def forget(self, events: Iterable[Event]) -> None:
        """Updates that are stored no more stand for nothing; those of the same key that are stored do again."""
        slots = {slot_of(event.app, event.session, event.key): event for event in events if event.update}
        names = list(slots)
        for start in range(0, len(names), NAMES_A_QUERY_MAX):
            chosen = names[start : start + NAMES_A_QUERY_MAX]
            self._server.delete(None, "updates", {"_id": {"$in": chosen}})
            left = self._stored([slots[name] for name in chosen], update=True)
            if left:
                self._keep([event for event in left if slot_of(event.app, event.session, event.key) in slots])

    def forget_day(self, start_ns: int, end_ns: int) -> None:
        """Of a day that is dropped: its updates are gone, and what they superseded is marked."""
        span = {"$gte": f"{start_ns:0{_PLACE_DIGITS}d}", "$lt": f"{end_ns:0{_PLACE_DIGITS}d}"}
        self._server.delete(None, "updates", {"standing": span})

    def _keep(self, fresh: Sequence[Event]) -> None:
        newest: dict[str, tuple[int, str]] = {}
        for event in fresh:
            slot = slot_of(event.app, event.session, event.key)
            until_ns, standing = newest.get(slot, (event.received_ns, ""))
            newest[slot] = max(until_ns, event.received_ns), max(standing, _recency(event), key=str.encode)
        changes = [(slot, {"$max": {"until": until, "standing": text}}) for slot, (until, text) in newest.items()]
        self._server.upsert("updates", changes)
        self._server.upsert("updating", [(app, {"$set": {"since": 1}}) for app in {event.app for event in fresh}])

    def _updating(self) -> set[str]:
        """Apps that have ever updated. Asked each time: another processor may have written the first one."""
        return {found["_id"] for found in self._server.own(None, "updating", Find({}))}

    def _standing(self, events: Iterable[Event]) -> dict[str, Standing]:
        slots = list({slot_of(event.app, event.session, event.key) for event in events})
        found = self._server.own_of_names(None, "updates", slots, {"until": 1, "standing": 1})
        return {each["_id"]: Standing(each["until"], each["standing"][2 * _PLACE_DIGITS :]) for each in found}

    def _mark_stored(self, fresh: dict[str, Event], standing: dict[str, Standing]) -> None:
        for day, app, sessions, keys in self._places(fresh.values()):
            spec = {"app": app, "session": {"$in": sessions}, "key": {"$in": keys}, "hidden": None}
            names = []
            for found in self._server.own(day, "events", Find(spec, fields=_FIELDS)):
                slot = slot_of(app, found["session"], found["key"])
                if slot in fresh and standing[slot].supersedes(
                    found["id"], found["received"], update=found.get("update", False)
                ):
                    names.append(found["_id"])
            if names:
                self._server.change(day, names, _HIDDEN)

    def _stored(self, events: Iterable[Event], *, update: bool) -> list[Event]:
        found: list[Event] = []
        for day, app, sessions, keys in self._places(events):
            spec = {"app": app, "session": {"$in": sessions}, "key": {"$in": keys}, "update": update}
            for each in self._server.own(day, "events", Find(spec, fields={**_FIELDS, "time": 1})):
                found.append(_update(app, each))
        return found

    def _places(self, events: Iterable[Event]) -> list[tuple[str, str, list[str], list[str]]]:
        """day, app, sessions, keys of all that may be of the same keys as `events`: any day, for sessions last."""
        by_app: dict[str, list[Event]] = {}
        for event in events:
            by_app.setdefault(event.app, []).append(event)
        places = []
        for day in self._server.days():
            for app, members in by_app.items():
                sessions = sorted({event.session for event in members})
                keys = sorted({event.key for event in members})
                for start in range(0, len(sessions), NAMES_A_QUERY_MAX):
                    places.append((day, app, sessions[start : start + NAMES_A_QUERY_MAX], keys))
        return places


def slot_of(app: str, session: str, key: str) -> str:
    """Of one key of one session; different for different ones, whatever characters they hold."""
    return f"{app}\0{len(session)}\0{session}\0{key}"


def _superseded(events: Sequence[Event], standing: dict[str, Standing]) -> set[str]:
    found = set()
    for event in events:
        stands = standing.get(slot_of(event.app, event.session, event.key))
        if stands is not None and stands.supersedes(event.id, event.received_ns, update=event.update):
            found.add(_name(event))
    return found


def _name(event: Event) -> str:
    return document_id(event.app, event.id, event.time_ns)


def _recency(event: Event) -> str:
    """Sorts as (time, received, id)."""
    return f"{event.time_ns:0{_PLACE_DIGITS}d}{event.received_ns:0{_PLACE_DIGITS}d}{event.id}"


def _update(app: str, found: dict[str, Any]) -> Event:
    """What is told of a stored update, for its key."""
    session, key, event_id = found["session"], found["key"], found["id"]
    return Event(app, session, key, "", "text", None, found["time"], found["received"], event_id, update=True)
