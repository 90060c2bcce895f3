"""Pages that list sessions, devices and users, and the page of one device or user: for people without the viewer."""

from typing import Any, Literal

import msgspec
from litestar import Request, Response, get

from logkeep.api.answers import Cost, html_answer
from logkeep.api.auth import may_edit, name_in_path
from logkeep.api.backend import Context
from logkeep.api.charts import Bars, level_bars
from logkeep.api.costs import cost_of
from logkeep.api.device_pages import CHOICES, TIMES, device_facts
from logkeep.api.errors import describe
from logkeep.api.links import field_query, issues_url, list_url, named_url, search_url, session_url
from logkeep.api.people import Asked, make_list_request, next_list_cursor
from logkeep.api.rows import colours_of, format_ago, format_span
from logkeep.api.search import RANGES, GivenContext, GivenCredential
from logkeep.api.times import TimeRange, format_time
from logkeep.api.told_sessions import with_told
from logkeep.clock import NS_PER_DAY, NS_PER_S
from logkeep.errors import InputError
from logkeep.query import ast
from logkeep.store.page import rfc3339
from logkeep.store.port import Activity, ActivityOf, ActivityPage, ActivityRequest
from logkeep.store.reading import Reading

Owner = Literal["device", "user"]
PAGE_NAMES = 50
BRIEF_NAMES = 12  # devices of a user, users of a device
COMPONENTS = 6
BARS = 60
RANGE_AT_FIRST = "-24h"
PLURALS = {"session": "sessions", "device": "devices", "user": "users"}


class Listed(msgspec.Struct, frozen=True):
    """A row of a list. components: name and colour, the first few; more: how many others."""

    name: str
    url: str
    events: int
    errors: int
    errors_url: str
    first: str
    last: str
    ago: str
    lasted: str
    sessions: int
    sessions_url: str
    user: str
    user_url: str
    device: str
    device_url: str
    components: list[tuple[str, int]]
    more: int


@get("/devices", include_in_schema=False)
async def device_list(
    request: Request[Any, Any, Any], context: GivenContext, credential: GivenCredential
) -> Response[bytes]:
    """The list of devices; a name of blanks and slashes only comes here too."""
    if name_in_path(request, "/devices/"):
        return await _named_page(request, context, credential.app, "device")
    return await list_page(request, context, credential.app, "device")


@get("/users", include_in_schema=False)
async def user_list(
    request: Request[Any, Any, Any], context: GivenContext, credential: GivenCredential
) -> Response[bytes]:
    """The list of users; a name of blanks and slashes only comes here too."""
    if name_in_path(request, "/users/"):
        return await _named_page(request, context, credential.app, "user")
    return await list_page(request, context, credential.app, "user")


@get("/devices/{device:path}", include_in_schema=False)
async def device_page(
    request: Request[Any, Any, Any], context: GivenContext, credential: GivenCredential
) -> Response[bytes]:
    """One device: what it did, for whom, and its sessions."""
    return await _named_page(request, context, credential.app, "device")


@get("/users/{user:path}", include_in_schema=False)
async def user_page(
    request: Request[Any, Any, Any], context: GivenContext, credential: GivenCredential
) -> Response[bytes]:
    """One user: what was done, on which devices, and the sessions."""
    return await _named_page(request, context, credential.app, "user")


async def list_page(request: Request[Any, Any, Any], context: Context, app: str, of: ActivityOf) -> Response[bytes]:
    """The list that the address asks for, of the last day unless it names a range; or what is wrong with that."""
    given = _given(request)
    try:
        wanted = make_list_request(context, app, _asked(of, given))
        return html_answer(await context.read(lambda reading: _list(context, reading, given, wanted)))
    except InputError as error:  # the form again, with what the person typed
        status, detail, _ = describe(error)
        return html_answer(_render_list(context, app, of, given, [], None, error=detail.message), status)


def _given(request: Request[Any, Any, Any]) -> dict[str, str]:
    names = ("query", "from", "to", "user", "device", "q", "cursor")
    given = {name: request.query_params.get(name, "").strip() for name in names}
    if "from" not in request.query_params and not given["to"]:
        given["from"] = RANGE_AT_FIRST
    return given


def _asked(of: ActivityOf, given: dict[str, str]) -> Asked:
    return Asked(
        of, given["query"], given["from"], given["to"], given["user"], given["device"], given["q"], PAGE_NAMES,
        given["cursor"] or None,
    )  # fmt: skip


def _list(context: Context, reading: Reading, given: dict[str, str], request: ActivityRequest) -> bytes:
    """Blocks: reads and renders."""
    page = _read(context, reading, f"/{PLURALS[request.of]}", request)
    cursor = next_list_cursor(request, page)
    next_url = cursor and list_url(request.of, **(given | {"cursor": cursor}))
    found = with_told(context, request.app, page.rows) if request.of == "session" else page.rows
    rows = listed(request.of, found, context.clock.now_ns())
    return _render_list(context, request.app, request.of, given, rows, next_url, cost=cost_of(reading))


def _read(context: Context, reading: Reading, route: str, request: ActivityRequest) -> ActivityPage:
    with context.telemetry["api_query_seconds"].labels(route).time():
        return context.backend.store.activity(reading, request)


def _render_list(
    context: Context,
    app: str,
    of: ActivityOf,
    given: dict[str, str],
    rows: list[Listed],
    next_url: str | None,
    *,
    error: str | None = None,
    cost: Cost | None = None,
) -> bytes:
    known = {value for value, _ in RANGES}
    extra = [] if given["from"] in known else [(given["from"], f"since {given['from']}")]
    narrowed = any(given[name] for name in ("query", "user", "device", "q"))
    wider = list_url(of, **{name: given[name] for name in ("query", "user", "device", "q")}, **{"from": ""})
    return context.pages.render(
        "people.html", app=app, of=of, plural=PLURALS[of], given=given, ranges=[*extra, *RANGES], rows=rows,
        next=next_url, first=list_url(of, **(given | {"cursor": ""})), error=error, narrowed=narrowed, wider=wider,
        whole=not given["from"] and not given["to"], cost=cost,
        intake=f"{context.settings.intake.host}:{context.settings.intake.port}",
    )  # fmt: skip


async def _named_page(request: Request[Any, Any, Any], context: Context, app: str, of: Owner) -> Response[bytes]:
    name = name_in_path(request, f"/{PLURALS[of]}/")
    cursor, may = request.query_params.get("cursor") or None, may_edit(request, app)
    return html_answer(await context.read(lambda reading: _one(context, reading, app, of, name, cursor, may_edit=may)))


def _one(
    context: Context, reading: Reading, app: str, of: Owner, name: str, cursor: str | None, *, may_edit: bool
) -> bytes:
    """Blocks: reads what it did, its sessions and who goes with it, and renders."""
    plural = PLURALS[of]
    other: Owner = "user" if of == "device" else "device"
    asked = Asked("session", user=name if of == "user" else "", device=name if of == "device" else "")
    wanted = make_list_request(context, app, asked)
    request = make_list_request(context, app, msgspec.structs.replace(asked, cursor=cursor, limit=PAGE_NAMES))
    only = ast.Equals(of, name)
    whole = _read(context, reading, f"/{plural}/{{{of}}}", msgspec.structs.replace(wanted, of=of, query=only, limit=1))
    told = device_facts(context, app, name) if of == "device" else None
    if not whole.rows and not (told and told.known):
        raise InputError(
            f"there are no events of a {of} {name[:200]!r}; {context.retention_days(app)} days are kept",
            code="not_found",
            status=404,
        )
    now_ns = context.clock.now_ns()
    sessions = _read(context, reading, f"/{plural}/{{{of}}}", request)
    others = _read(
        context,
        reading,
        f"/{plural}/{{{of}}}",
        msgspec.structs.replace(wanted, of=other, query=only, limit=BRIEF_NAMES),
    )
    next_cursor = next_list_cursor(request, sessions)
    return context.pages.render(
        "person.html",
        app=app,
        of=of,
        name=name,
        whole=listed(of, whole.rows, now_ns)[0] if whole.rows else None,
        told=told,
        may_edit=may_edit,
        choices=CHOICES,
        times=TIMES,
        issues_url=issues_url(**{of: name, "status": ""}),
        others=listed(other, others.rows, now_ns),
        others_more=others.next is not None,
        others_url=list_url(other, **{of: name, "from": ""}),
        other=other,
        rows=listed("session", with_told(context, app, sessions.rows), now_ns),
        bars_data=_bars(context, reading, app, only, now_ns),
        days=context.retention_days(app),
        search=search_url(field_query(of, name)),
        next=next_cursor and named_url(of, name) + f"?cursor={next_cursor}",
        first=named_url(of, name) if cursor else None,
        cost=cost_of(reading),
    )


def _bars(context: Context, reading: Reading, app: str, query: ast.Equals, now_ns: int) -> Bars:
    days = context.retention_days(app)
    span = TimeRange(max(0, now_ns - now_ns % NS_PER_DAY - (days - 1) * NS_PER_DAY), now_ns + NS_PER_S)
    buckets = context.backend.store.histogram(
        reading, app, query, span.from_ns, span.to_ns, buckets=BARS, by="level"
    )  # fmt: skip
    text = field_query(query.field, query.text)
    return level_bars(buckets, span, BARS, lambda from_ns, to_ns: search_url(
        text, **{"from": rfc3339(from_ns), "to": rfc3339(to_ns)}
    ))  # fmt: skip


def listed(of: ActivityOf, rows: list[Activity], now_ns: int) -> list[Listed]:
    """The rows as a page shows them."""
    colours = colours_of(name for row in rows for name in row.components)
    return [_listed(of, row, now_ns, colours) for row in rows]


def _listed(of: ActivityOf, row: Activity, now_ns: int, colours: dict[str, int]) -> Listed:
    url = session_url(row.name) if of == "session" else named_url(of, row.name)
    only = field_query(of, row.name)
    return Listed(
        name=row.name,
        url=url,
        events=row.events,
        errors=row.errors,
        errors_url=url + "#errors" if of == "session" else search_url(f"{only} level>=error"),
        first=format_time(row.first_ns),
        last=format_time(row.last_ns),
        ago=format_ago(row.last_ns, now_ns),
        lasted=format_span(row.last_ns - row.first_ns),
        sessions=row.sessions,
        sessions_url="" if of == "session" else list_url("session", **{of: row.name, "from": ""}),
        user=row.user,
        user_url=named_url("user", row.user) if row.user else "",
        device=row.device,
        device_url=named_url("device", row.device) if row.device else "",
        components=[(name, colours[name]) for name in row.components[:COMPONENTS]],
        more=max(0, len(row.components) - COMPONENTS),
    )
