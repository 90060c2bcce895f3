"""`/sessions/{session}` for people and `/sessions/{session}.json` for programs: all of a session, in order.

The name is percent-encoded in the path. `.json` at its end asks for JSON; `?format=json` or `?format=html` says the
form outright and then the path is the whole name, so a session called `x.json` is `/sessions/x.json?format=html`.
JSON tells of the sessions before and after with `?neighbours=1` only: they cost more than the session itself.
"""

from typing import Any, Literal

import msgspec
from litestar import Request, Response, get

from logkeep.api.answers import (
    SessionAnswer,
    SessionNeighbours,
    SessionPlaceAnswer,
    documented,
    html_answer,
    json_answer,
)
from logkeep.api.auth import name_in_path
from logkeep.api.backend import Context
from logkeep.api.charts import component_lanes
from logkeep.api.costs import cost_members, cost_of
from logkeep.api.issue_pages import issues_of_session
from logkeep.api.links import field_query, search_url
from logkeep.api.people_pages import list_page
from logkeep.api.rows import decode_events, format_span, make_rows
from logkeep.api.search import GivenContext, GivenCredential
from logkeep.api.timeline import Head, decode_heads, gaps, lanes, version_of
from logkeep.api.times import format_time
from logkeep.api.told_sessions import told_sessions
from logkeep.clock import NS_PER_S
from logkeep.errors import InputError
from logkeep.event import LEVELS, Scalar
from logkeep.store.page import rfc3339
from logkeep.store.port import Page, SessionPlace
from logkeep.store.reading import Reading

SILENCES = 20  # that the page links to
PARTS = 24  # components that it tells of


@get(
    "/sessions/{session:path}",
    summary="Session",
    tags=["reading"],
    responses=documented(SessionAnswer, "With `.json` at the end of the path; without it, the page for people", 404),
)
async def session(
    request: Request[Any, Any, Any], context: GivenContext, credential: GivenCredential
) -> Response[bytes]:
    """All events of a session, oldest first, updates applied; at most `api.session_events_max`, and it says so."""
    asked = _wanted(request)
    return await context.read(lambda reading: _answer(context, reading, credential.app, asked))


@get("/sessions", include_in_schema=False)
async def session_list(
    request: Request[Any, Any, Any], context: GivenContext, credential: GivenCredential
) -> Response[bytes]:
    """The list of sessions; names of blanks and slashes only come here too, for the router takes them for nothing."""
    if not name_in_path(request, "/sessions/"):
        return await list_page(request, context, credential.app, "session")
    asked = _wanted(request)
    return await context.read(lambda reading: _answer(context, reading, credential.app, asked))


class _Asked(msgspec.Struct, frozen=True):
    """neighbours: whether the sessions before and after are wanted; they cost several times what the session does."""

    session: str
    as_json: bool
    neighbours: bool


def _wanted(request: Request[Any, Any, Any]) -> _Asked:
    name = name_in_path(request, "/sessions/")
    form = request.query_params.get("format")
    if form not in (None, "", "html", "json"):
        raise InputError(f"format is 'html' or 'json', not {str(form)[:40]!r}")
    if form:
        as_json = form == "json"
    else:
        name, as_json = name.removesuffix(".json"), name.endswith(".json")
    return _Asked(name, as_json, neighbours=not as_json or request.query_params.get("neighbours") == "1")


def _answer(context: Context, reading: Reading, app: str, asked: _Asked) -> Response[bytes]:
    """Blocks: runs in a reader's thread, rendering too (a long page takes a second)."""
    name = asked.session
    page = _events(context, reading, app, name)
    if page.count == 0:
        raise InputError(
            f"there are no events of a session {name[:200]!r}; {context.retention_days(app)} days are kept",
            code="not_found",
            status=404,
        )
    heads = decode_heads(page.events)
    known = told_sessions(context, app, [name]).get(name)
    user = _last(head.user for head in heads) or (known.user if known else "") or None
    device = _last(head.device for head in heads) or (known.device if known else "") or None
    previous: SessionNeighbours | None = None
    following: SessionNeighbours | None = None
    if asked.neighbours:
        around = [
            context.backend.store.session_neighbours(reading, app, name, field=field, name=who) if who else (None, None)
            for field, who in _whose(user, device)
        ]
        previous, following = (SessionNeighbours(*map(_place, places)) for places in zip(*around, strict=True))
    attributes = known.attributes if known else {}
    version = version_of(head.attributes for head in heads)
    told = _Told(heads, user, device, attributes, version, previous, following)
    if asked.as_json:
        return json_answer(_as_json(reading, name, page, told))
    return html_answer(_as_page(context, reading, app, name, page, told))


def _events(context: Context, reading: Reading, app: str, name: str) -> Page:
    with context.telemetry["api_query_seconds"].labels("/sessions/{session}").time():
        return context.backend.store.session(reading, app, name, limit=context.settings.api.session_events_max)


class _Told(msgspec.Struct, frozen=True):
    """What is told of a session beside its events. previous, next: None when not asked for."""

    heads: list[Head]
    user: str | None
    device: str | None
    attributes: dict[str, Scalar]
    version: str | None
    previous: SessionNeighbours | None
    next: SessionNeighbours | None


def _whose(user: str | None, device: str | None) -> tuple[tuple[Literal["user", "device"], str | None], ...]:
    return ("user", user), ("device", device)


def _place(place: SessionPlace | None) -> SessionPlaceAnswer | None:
    return SessionPlaceAnswer(place.session, rfc3339(place.start_ns)) if place is not None else None


def _as_json(reading: Reading, name: str, page: Page, told: _Told) -> bytes:
    heads = told.heads
    members = {
        "session": name,
        "user": told.user,
        "device": told.device,
        "attributes": told.attributes,
        "first": heads[0].time,
        "last": heads[-1].time,
        "truncated": page.next is not None,
        "seconds": (heads[-1].time_ns - heads[0].time_ns) / NS_PER_S,
        "version": told.version,
        "lanes": lanes(heads),
        "gaps": gaps(heads),
        "previous": told.previous,
        "next": told.next,
    }
    return b'%b,"events":%b,%b}' % (msgspec.json.encode(members)[:-1], page.events, cost_members(reading))


def _as_page(context: Context, reading: Reading, app: str, name: str, page: Page, told: _Told) -> bytes:
    events = decode_events(page.events)
    rows = make_rows(events, deltas=True)
    levels = {level: sum(event.level == level for event in events) for level in reversed(LEVELS)}
    return context.pages.render(
        "session.html",
        cost=cost_of(reading),
        app=app,
        session=name,
        rows=rows,
        issues=issues_of_session(context, app, name),
        lanes=component_lanes(rows),
        parts=_parts(told.heads, {row.component: row.colour for row in rows}),
        silences=[row for row in rows if row.gap][:SILENCES],
        silences_more=max(0, sum(bool(row.gap) for row in rows) - SILENCES),
        errors=[row for row in rows if row.level in ("error", "fatal")],
        levels={level: count for level, count in levels.items() if count},
        users=_distinct([*(event.user for event in events), told.user]),
        devices=_distinct([*(event.device for event in events), told.device]),
        version=told.version,
        previous=told.previous,
        next=told.next,
        first=format_time(rows[0].time_ns),
        last=format_time(rows[-1].time_ns),
        lasted=format_span(rows[-1].time_ns - rows[0].time_ns),
        truncated=page.next is not None,
        all_url=search_url(field_query("session", name), order="asc"),
        newest_url=search_url(field_query("session", name)),
    )


class _Part(msgspec.Struct, frozen=True):
    """A lane in words."""

    component: str
    colour: int
    events: int
    errors: int
    first: str
    last: str


def _parts(heads: list[Head], colours: dict[str, int]) -> list[_Part]:
    return [
        _Part(lane.component, colours[lane.component], lane.events, lane.errors, lane.first[11:23], lane.last[11:23])
        for lane in lanes(heads)[:PARTS]
    ]


def _last(values: Any) -> str | None:
    """The last one that is set: whom the session belongs to in the end, when someone signed in half-way."""
    found = None
    for value in values:
        found = value or found
    return found


def _distinct(values: Any) -> list[str]:
    return list(dict.fromkeys(value for value in values if value))[:20]
