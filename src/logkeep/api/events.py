"""One event by its id, with its neighbours: `/api/v1/events/{id}` for programs, `/events/{id}` to link to."""

from typing import Annotated, Any

import msgspec
from litestar import Request, Response, get
from litestar.params import QueryParameter

from logkeep.api.answers import EventWithContextAnswer, documented, html_answer, json_answer
from logkeep.api.auth import name_in_path
from logkeep.api.backend import Context
from logkeep.api.costs import cost_members, cost_of
from logkeep.api.rows import StoredEvent, decode_events, make_rows
from logkeep.api.search import GivenContext, GivenCredential
from logkeep.api.times import TIME_NS_MAX, format_time, parse_time
from logkeep.clock import NS_PER_S
from logkeep.errors import InputError
from logkeep.query.ast import Equals
from logkeep.store.page import encode_cursor
from logkeep.store.port import SearchRequest, Store
from logkeep.store.reading import LimitReached, Reading

CONTEXT_MAX = 200
PAGE_NEIGHBOURS = 12
NEAR_NS = 600 * NS_PER_S
PAGE_VALUE_BYTES_MAX = 1 << 20

_one = msgspec.json.Decoder(StoredEvent)
_raws = msgspec.json.Decoder(list[msgspec.Raw])


@get(
    "/api/v1/events/{event_id:path}",
    summary="Event",
    tags=["reading"],
    responses=documented(EventWithContextAnswer, "The event; `context` is there when asked for", 400, 404),
)
async def event(
    request: Request[Any, Any, Any],
    context: GivenContext,
    credential: GivenCredential,
    neighbours: Annotated[
        int | None,
        QueryParameter(
            name="context", ge=0, le=CONTEXT_MAX, description="Neighbours before and after, in session and component."
        ),
    ] = None,
) -> Response[bytes]:
    """One event; with `context=20` also the 20 events before and the 20 after it in its session and its component."""
    event_id = name_in_path(request, "/api/v1/events/")
    count = neighbours or 0
    return json_answer(await context.read(lambda reading: _as_json(context, reading, credential.app, event_id, count)))


@get("/events/{event_id:path}", include_in_schema=False)
async def event_page(
    request: Request[Any, Any, Any], context: GivenContext, credential: GivenCredential
) -> Response[bytes]:
    """The event with everything it carries, among its neighbours: the permanent address of one line."""
    event_id = name_in_path(request, "/events/")
    given = request.query_params.get("context", "")
    count = min(CONTEXT_MAX, int(given)) if given.isascii() and given.isdecimal() else PAGE_NEIGHBOURS
    return html_answer(await context.read(lambda reading: _as_page(context, reading, credential.app, event_id, count)))


def _as_json(context: Context, reading: Reading, app: str, event_id: str, count: int) -> bytes:
    """Blocks. The store's bytes, spliced."""
    found = _event(context, reading, app, event_id)
    if count == 0:
        return b"%b,%b}" % (found.rstrip()[:-1], cost_members(reading))
    one, store = _one.decode(found), context.backend.store
    component = b"null"
    if one.component:
        component = _spliced(*_neighbours(store, reading, app, Equals("component", one.component), one, count))
    session = _spliced(*_neighbours(store, reading, app, Equals("session", one.session), one, count))
    around = b'"context":{"session":%b,"component":%b}' % (session, component)
    return b"%b,%b,%b}" % (found.rstrip()[:-1], around, cost_members(reading))


def _as_page(context: Context, reading: Reading, app: str, event_id: str, count: int) -> bytes:
    """Blocks: reads the store and renders."""
    one = _one.decode(_event(context, reading, app, event_id))
    around = {"session": _around(context.backend.store, reading, app, Equals("session", one.session), one, count)}
    if one.component:
        component = Equals("component", one.component)
        around["component"] = _around(context.backend.store, reading, app, component, one, count)
    value = bytes(one.value)
    if value[:1] == b'"':
        text = msgspec.json.decode(value, type=str)
    else:
        text = msgspec.json.format(value, indent=2).decode() if len(value) <= PAGE_VALUE_BYTES_MAX else value.decode()
    return context.pages.render(
        "event.html",
        cost=cost_of(reading),
        app=app,
        row=make_rows([one], deltas=False)[0],
        received=format_time(parse_time(str(one.received), 0)) if one.received else "",
        text=text[:PAGE_VALUE_BYTES_MAX],
        cut=len(text) > PAGE_VALUE_BYTES_MAX,
        around={where: make_rows(events, deltas=True) for where, events in around.items()},
        count=count,
        more=min(CONTEXT_MAX, max(PAGE_NEIGHBOURS, 2 * count)),
        less=count // 2,
    )


def _around(store: Store, reading: Reading, app: str, query: Equals, one: StoredEvent, count: int) -> list[StoredEvent]:
    """`one` between its neighbours."""
    before, after = _neighbours(store, reading, app, query, one, count) if count else ([], [])
    return [*decode_events(_array(before)), one, *decode_events(_array(after))]


def _event(context: Context, reading: Reading, app: str, event_id: str) -> bytes:
    with context.telemetry["api_query_seconds"].labels("/api/v1/events/{event_id}").time():
        found = context.backend.store.event(reading, app, event_id)
    if found is None:
        raise InputError(
            f"there is no event {event_id[:200]!r}; {context.retention_days(app)} days are kept, "
            "and an update takes the place of what it updates",
            code="not_found",
            status=404,
        )
    return found


def _neighbours(
    store: Store, reading: Reading, app: str, query: Equals, one: StoredEvent, count: int
) -> tuple[list[msgspec.Raw], list[msgspec.Raw]]:
    """Up to `count` events before and after `one` among those `query` finds, both in order of (time, id).

    Its own place is the cursor, so any number of events of the same time are told apart.
    """
    try:
        before = _side(store, reading, SearchRequest(app, query, 0, one.time_ns + 1, "desc", count), one)
        after = _side(store, reading, SearchRequest(app, query, one.time_ns, TIME_NS_MAX, "asc", count), one)
    except LimitReached as reached:  # the event itself is found: that is the answer
        reading.end_early(reached.limit)
        return [], []
    return before[::-1], after


def _side(store: Store, reading: Reading, request: SearchRequest, one: StoredEvent) -> list[msgspec.Raw]:
    """The neighbours on one side, nearest first.

    Those of a component are nearly always near, and a narrow range costs a tenth of all that is kept. A session has an
    index, and is often shorter than what is asked for: looking near it first would only be one read more.
    """
    asked = msgspec.structs.replace(request, cursor=encode_cursor(one.time_ns, one.id))
    if request.query == Equals("session", one.session):
        return _raws.decode(store.search(reading, asked).events)
    near = msgspec.structs.replace(
        asked, from_ns=max(request.from_ns, one.time_ns - NEAR_NS), to_ns=min(request.to_ns, one.time_ns + NEAR_NS)
    )
    page = store.search(reading, near)
    if page.count < request.limit:
        page = store.search(reading, asked)
    return _raws.decode(page.events)


def _array(raws: list[msgspec.Raw]) -> bytes:
    return b"[%b]" % b",".join(bytes(raw) for raw in raws)


def _spliced(before: list[msgspec.Raw], after: list[msgspec.Raw]) -> bytes:
    return b'{"before":%b,"after":%b}' % (_array(before), _array(after))
