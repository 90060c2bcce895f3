"""Facets and lists of sessions, devices and users over a list of events: the answers of the store in memory. Pure."""

from collections import Counter
from collections.abc import Sequence

from logkeep.event import Event
from logkeep.query import ast
from logkeep.query.match import text_reader
from logkeep.store.page import decode_cursor, encode_cursor
from logkeep.store.port import (
    COMPONENTS_MAX,
    COMPONENTS_NS,
    FACET_CHARS_MAX,
    Activity,
    ActivityOf,
    ActivityPage,
    FieldCount,
    FieldFacet,
    SessionPlace,
)

Seen = tuple[Event, bool]  # an event, and whether readers see it: no update has superseded it


def facet(field: str, events: Sequence[Event], limit: int) -> FieldFacet:
    """The `limit` most frequent values of `field` in `events`."""
    read = text_reader(field)
    cut = FACET_CHARS_MAX if field == "value" or field.startswith(ast.ATTRIBUTE_PREFIX) else None
    counts = Counter((read(event) or "")[:cut] for event in events)
    absent = counts.pop("", 0)
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0].encode()))
    values = [FieldCount(value, count) for value, count in ordered[:limit]]
    return FieldFacet(field, values, counts.total() - sum(value.count for value in values), absent)


def activity_page(events: Sequence[Seen], of: ActivityOf, limit: int, cursor: str | None) -> ActivityPage:
    """events: all that match, in order of time."""
    by_name: dict[str, list[Seen]] = {}
    for event, visible in events:
        by_name.setdefault(getattr(event, of), []).append((event, visible))
    by_name.pop("", None)
    found = [_activity(name, seen) for name, seen in by_name.items()]
    found = sorted((row for row in found if row.events), key=_place)
    if cursor is not None:
        last_ns, name = decode_cursor(cursor)
        found = [row for row in found if _place(row) > (-last_ns, name.encode())]
    shown = found[:limit]
    return ActivityPage(shown, encode_cursor(shown[-1].last_ns, shown[-1].name) if len(found) > limit else None)


def neighbours(events: Sequence[Event], session: str) -> tuple[SessionPlace | None, SessionPlace | None]:
    """The sessions that begin just before and just after `session`. events: in order of time."""
    starts: dict[str, int] = {}
    for event in events:
        starts.setdefault(event.session, event.time_ns)
    if session not in starts:
        return None, None
    ordered = sorted(starts, key=lambda name: (starts[name], name.encode()))
    here = ordered.index(session)
    before = ordered[here - 1] if here else None
    after = ordered[here + 1] if here + 1 < len(ordered) else None
    return (
        SessionPlace(before, starts[before]) if before is not None else None,
        SessionPlace(after, starts[after]) if after is not None else None,
    )


def _activity(name: str, seen: Sequence[Seen]) -> Activity:
    events = [event for event, _ in seen]
    latest = [event for event in events if event.time_ns > events[-1].time_ns - COMPONENTS_NS]
    visible = [event for event, is_visible in seen if is_visible]
    return Activity(
        name=name,
        events=len(visible),
        errors=sum(event.level in ("error", "fatal") for event in visible),
        first_ns=events[0].time_ns,
        last_ns=events[-1].time_ns,
        user=_last_named("user", events),
        device=_last_named("device", events),
        sessions=len({event.session for event in events}),
        components=sorted({event.component for event in latest if event.component}, key=str.encode)[:COMPONENTS_MAX],
    )


def _last_named(field: str, events: Sequence[Event]) -> str:
    """Of names at the same last moment the greatest, for only times order them."""
    named = [(event.time_ns, name.encode(), name) for event in events if (name := getattr(event, field))]
    return max(named)[2] if named else ""


def _place(row: Activity) -> tuple[int, bytes]:
    return (-row.last_ns, row.name.encode())
