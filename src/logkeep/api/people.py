"""Sessions, devices and users by last activity: `/api/v1/sessions`, `/api/v1/devices`, `/api/v1/users`."""

import hashlib
from collections.abc import Sequence
from typing import Annotated, Any

import msgspec
from litestar import Response, get
from litestar.params import QueryParameter

from logkeep.api import costs
from logkeep.api.answers import (
    ActivityAnswer,
    ActivityLinks,
    FromTime,
    QueryText,
    SessionsAnswer,
    ToTime,
    UsersAnswer,
    documented,
    json_answer,
)
from logkeep.api.backend import Context
from logkeep.api.cursors import pack_cursor
from logkeep.api.devices import (
    DevicesAnswer,
    device_answer,
    devices_members,
    found_by_what_they_told,
    registered,
)
from logkeep.api.links import named_url, session_url
from logkeep.api.search import Cursor, GivenContext, GivenCredential, range_of, read_cursor
from logkeep.api.told_sessions import with_told
from logkeep.query import ast
from logkeep.query.parser import parse
from logkeep.store.page import rfc3339
from logkeep.store.port import Activity, ActivityOf, ActivityPage, ActivityRequest
from logkeep.store.reading import Reading

LIMIT_MAX = 1000
EXPLAINED = "A page; or, with `explain=1`, how it is read"

User = Annotated[str, QueryParameter(name="user", description="Only what this user did, written exactly.")]
Device = Annotated[str, QueryParameter(name="device", description="Only what this device did, written exactly.")]
Start = Annotated[str, QueryParameter(name="q", description="Only names that begin so.")]
Limit = Annotated[int, QueryParameter(name="limit", ge=1, le=LIMIT_MAX, description="Names a page.")]
Next = Annotated[str | None, QueryParameter(name="cursor", description="`next` of the page before; its range goes on.")]


class Asked(msgspec.Struct, frozen=True):
    """The parameters of a list as they were given; texts that are empty ask for nothing."""

    of: ActivityOf
    query: str = ""
    from_: str | None = None
    to: str | None = None
    user: str = ""
    device: str = ""
    q: str = ""
    limit: int = 100
    cursor: str | None = None


@get(
    "/api/v1/sessions",
    summary="Sessions",
    tags=["reading"],
    responses=documented(SessionsAnswer | costs.ExplainAnswer, EXPLAINED, 400),
)
async def sessions(
    context: GivenContext,
    credential: GivenCredential,
    text: QueryText = "",
    from_: FromTime = None,
    to: ToTime = None,
    user: User = "",
    device: Device = "",
    start: Start = "",
    limit: Limit = 100,
    cursor: Next = None,
    explain: costs.Explain = 0,
) -> Response[bytes]:
    """Sessions by last activity, latest first; all that is told of them is of the events that match, in the range."""
    asked = Asked("session", text, from_, to, user, device, start, limit, cursor)
    return await _listed(context, credential.app, "sessions", asked, explain)


@get(
    "/api/v1/devices",
    summary="Devices",
    tags=["devices"],
    responses=documented(DevicesAnswer | costs.ExplainAnswer, EXPLAINED, 400),
)
async def devices(
    context: GivenContext,
    credential: GivenCredential,
    where: Annotated[
        str | None,
        QueryParameter(
            description="By what they told: `model:pixel* os:android keys.plan=gold enabled:false`; empty: all of them."
        ),
    ] = None,
    text: QueryText = "",
    from_: FromTime = None,
    to: ToTime = None,
    user: User = "",
    device: Device = "",
    start: Start = "",
    limit: Limit = 100,
    cursor: Next = None,
    explain: costs.Explain = 0,
) -> Response[bytes]:
    """Devices by last activity, latest first; with `where` those that told of themselves, latest told first."""
    asked = Asked("device", text, from_, to, user, device, start, limit, cursor)
    if where is None or explain:
        return await _listed(context, credential.app, "devices", asked, explain)
    request = make_list_request(context, credential.app, msgspec.structs.replace(asked, cursor=None))
    return json_answer(
        await context.read(lambda reading: _told_devices(context, reading, request, where or "", asked.cursor))
    )


@get(
    "/api/v1/users",
    summary="Users",
    tags=["reading"],
    responses=documented(UsersAnswer | costs.ExplainAnswer, EXPLAINED, 400),
)
async def users(
    context: GivenContext,
    credential: GivenCredential,
    text: QueryText = "",
    from_: FromTime = None,
    to: ToTime = None,
    user: User = "",
    device: Device = "",
    start: Start = "",
    limit: Limit = 100,
    cursor: Next = None,
    explain: costs.Explain = 0,
) -> Response[bytes]:
    """Users by last activity, latest first; events that name no user are left out."""
    asked = Asked("user", text, from_, to, user, device, start, limit, cursor)
    return await _listed(context, credential.app, "users", asked, explain)


async def _listed(context: Context, app: str, plural: str, asked: Asked, explain: int) -> Response[bytes]:
    request = make_list_request(context, app, asked)
    if explain:
        return await costs.explain(context, request)

    def found(reading: Reading) -> bytes:
        with context.telemetry["api_query_seconds"].labels(f"/api/v1/{plural}").time():
            page = context.backend.store.activity(reading, request)
        if asked.of == "device":
            return _devices(context, reading, request, page)
        rows = with_told(context, request.app, page.rows) if asked.of == "session" else page.rows
        members = {plural: [_answer(asked.of, row) for row in rows], "next": next_list_cursor(request, page)}
        return b"%b,%b}" % (msgspec.json.encode(members)[:-1], costs.cost_members(reading))

    return json_answer(await context.read(found))


def _devices(context: Context, reading: Reading, request: ActivityRequest, page: ActivityPage) -> bytes:
    """With what they told of themselves."""
    known = registered(context, request.app, [row.name for row in page.rows])
    rows = [device_answer(context, request.app, _answer("device", row), known.get(row.name)) for row in page.rows]
    return devices_members(rows, next_list_cursor(request, page), reading)


def _told_devices(
    context: Context, reading: Reading, request: ActivityRequest, where: str, cursor: str | None
) -> bytes:
    """Blocks."""
    with context.telemetry["api_query_seconds"].labels("/api/v1/devices").time():
        found, after = found_by_what_they_told(context, reading, request, where, cursor)
    rows = [
        device_answer(context, request.app, _answer("device", did) if did else _idle(name), known)
        for name, did, known in found
    ]
    return devices_members(rows, after, reading)


def _idle(name: str) -> ActivityAnswer:
    """A device without an event in the range."""
    links = ActivityLinks(session=None, device=named_url("device", name), user=None)
    return ActivityAnswer(None, name, None, 0, 0, None, None, 0, [], links)  # type: ignore[arg-type]


def make_list_request(context: Context, app: str, asked: Asked) -> ActivityRequest:
    """What the store is asked. Raises InputError for whatever cannot be read."""
    query = _narrowed(parse(asked.query, chars_max=context.settings.api.query_chars_max), asked)
    if asked.cursor:
        found = read_cursor(asked.cursor, _digest(app, asked.of, query))
        return ActivityRequest(app, asked.of, query, found.from_ns, found.to_ns, asked.limit, found.store)
    span = range_of(context, app, asked.from_, asked.to)
    return ActivityRequest(app, asked.of, query, span.from_ns, span.to_ns, asked.limit)


def next_list_cursor(request: ActivityRequest, page: ActivityPage) -> str | None:
    """The API's cursor for the page after `page`, None at the end."""
    if page.next is None:
        return None
    digest = _digest(request.app, request.of, request.query)
    return pack_cursor(Cursor(digest, request.from_ns, request.to_ns, page.next))


def _narrowed(query: ast.Query, asked: Asked) -> ast.Query:
    """`query` for the user, the device and the beginning of names that were asked for."""
    parts: list[ast.Query] = [ast.Equals(field, name) for field, name in _exact(asked) if name]
    if asked.q:
        parts.append(ast.Prefix(asked.of, asked.q))
    if not isinstance(query, ast.All):
        parts.append(query)
    return ast.And(tuple(parts)) if len(parts) > 1 else parts[0] if parts else query


def _exact(asked: Asked) -> Sequence[tuple[str, str]]:
    return (("user", asked.user), ("device", asked.device))


def _digest(*search: Any) -> bytes:
    return hashlib.blake2b(msgspec.msgpack.encode(search), digest_size=8).digest()


def _answer(of: ActivityOf, row: Activity) -> ActivityAnswer:
    named = {"session": None, "device": row.device or None, "user": row.user or None} | {of: row.name}
    return ActivityAnswer(
        **named,
        events=row.events,
        errors=row.errors,
        first=rfc3339(row.first_ns),
        last=rfc3339(row.last_ns),
        sessions=row.sessions,
        components=row.components,
        links=ActivityLinks(
            session=session_url(name) if (name := named["session"]) else None,
            device=named_url("device", name) if (name := named["device"]) else None,
            user=named_url("user", name) if (name := named["user"]) else None,
        ),
    )
