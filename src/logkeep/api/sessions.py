"""`/sessions/{session}` for people and `/sessions/{session}.json` for programs: all of a session, in order.

The name is percent-encoded in the path. `.json` at its end asks for JSON; `?format=json` or `?format=html` says the
form outright and then the path is the whole name, so a session called `x.json` is `/sessions/x.json?format=html`.
"""

from typing import Any

import msgspec
from litestar import Request, Response, get

from logkeep.api.answers import SessionAnswer, documented, html_answer, json_answer
from logkeep.api.auth import name_in_path
from logkeep.api.backend import Context
from logkeep.api.charts import component_lanes
from logkeep.api.costs import cost_members, cost_of
from logkeep.api.links import field_query, search_url
from logkeep.api.rows import decode_events, format_span, make_rows
from logkeep.api.search import GivenContext, GivenCredential
from logkeep.api.times import format_time
from logkeep.errors import InputError
from logkeep.event import LEVELS
from logkeep.store.port import Page
from logkeep.store.reading import Reading


class _Head(msgspec.Struct):
    """What the summary needs of an event; the rest of its bytes is passed on unread."""

    time: msgspec.Raw
    user: str | None = None
    device: str | None = None


_heads = msgspec.json.Decoder(list[_Head])


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
    name, as_json = _wanted(request)
    return await context.read(lambda reading: _answer(context, reading, credential.app, name, as_json))


@get("/sessions", include_in_schema=False)
async def odd_session(
    request: Request[Any, Any, Any], context: GivenContext, credential: GivenCredential
) -> Response[bytes]:
    """The same for names of blanks and slashes only, which the router takes for nothing."""
    name, as_json = _wanted(request)
    return await context.read(lambda reading: _answer(context, reading, credential.app, name, as_json))


def _wanted(request: Request[Any, Any, Any]) -> tuple[str, bool]:
    """The session's name and whether JSON is asked for."""
    name = name_in_path(request, "/sessions/")
    form = request.query_params.get("format")
    if form not in (None, "", "html", "json"):
        raise InputError(f"format is 'html' or 'json', not {str(form)[:40]!r}")
    if form:
        return name, form == "json"
    return name.removesuffix(".json"), name.endswith(".json")


def _answer(context: Context, reading: Reading, app: str, name: str, as_json: bool) -> Response[bytes]:
    """Blocks: runs in a reader's thread, rendering too (a long page takes a second)."""
    page = _events(context, reading, app, name)
    if page.count == 0:
        raise InputError(
            f"there are no events of a session {name[:200]!r}; {context.settings.store.retention_days} days are kept",
            code="not_found",
            status=404,
        )
    if as_json:
        return json_answer(_as_json(reading, name, page))
    return html_answer(_as_page(context, reading, app, name, page))


def _events(context: Context, reading: Reading, app: str, name: str) -> Page:
    with context.telemetry["api_query_seconds"].labels("/sessions/{session}").time():
        return context.backend.store.session(reading, app, name, limit=context.settings.api.session_events_max)


def _as_json(reading: Reading, name: str, page: Page) -> bytes:
    heads = _heads.decode(page.events)
    return b'{"session":%b,"user":%b,"device":%b,"first":%b,"last":%b,"truncated":%b,"events":%b,%b}' % (
        msgspec.json.encode(name),
        msgspec.json.encode(_last(head.user for head in heads)),
        msgspec.json.encode(_last(head.device for head in heads)),
        bytes(heads[0].time),
        bytes(heads[-1].time),
        b"true" if page.next else b"false",
        page.events,
        cost_members(reading),
    )


def _as_page(context: Context, reading: Reading, app: str, name: str, page: Page) -> bytes:
    events = decode_events(page.events)
    rows = make_rows(events, deltas=True)
    levels = {level: sum(event.level == level for event in events) for level in reversed(LEVELS)}
    return context.pages.render(
        "session.html",
        cost=cost_of(reading),
        app=app,
        session=name,
        rows=rows,
        lanes=component_lanes(rows),
        errors=[row for row in rows if row.level in ("error", "fatal")],
        levels={level: count for level, count in levels.items() if count},
        users=_distinct(event.user for event in events),
        devices=_distinct(event.device for event in events),
        first=format_time(rows[0].time_ns),
        last=format_time(rows[-1].time_ns),
        lasted=format_span(rows[-1].time_ns - rows[0].time_ns),
        truncated=page.next is not None,
        all_url=search_url(field_query("session", name), order="asc"),
        newest_url=search_url(field_query("session", name)),
    )


def _last(values: Any) -> str | None:
    """The last one that is set: whom the session belongs to in the end, when someone signed in half-way."""
    found = None
    for value in values:
        found = value or found
    return found


def _distinct(values: Any) -> list[str]:
    return list(dict.fromkeys(value for value in values if value))[:20]
