"""Search: `/api/v1/search` for programs, `/search` for people."""

import hashlib
from typing import Annotated, Any, Literal, cast

import msgspec
from litestar import Request, Response, get
from litestar.di import NamedDependency
from litestar.params import QueryParameter, SkipValidation

from logkeep.api import costs
from logkeep.api.answers import FromTime, QueryText, SearchAnswer, ToTime, documented, html_answer, json_answer
from logkeep.api.backend import Context
from logkeep.api.charts import Bars, level_bars
from logkeep.api.cursors import pack_cursor, unpack_cursor
from logkeep.api.errors import describe
from logkeep.api.event_fields import only_fields
from logkeep.api.links import search_url
from logkeep.api.rows import decode_events, make_rows
from logkeep.api.times import TimeRange, parse_range
from logkeep.errors import InputError, QuerySyntaxError
from logkeep.metastore.port import Credential
from logkeep.query.parser import parse_statement
from logkeep.query.stages import CONTEXT_MATCHES_MAX, ROWS_MAX, Statement
from logkeep.store.page import rfc3339
from logkeep.store.port import Bucket, Page, SearchRequest
from logkeep.store.reading import LimitReached, Reading

LIMIT_MAX = 1000
PAGE_EVENTS = 100
BARS = 80
RANGES = (
    ("-15m", "15 minutes"),
    ("-1h", "hour"),
    ("-6h", "6 hours"),
    ("-24h", "day"),
    ("-7d", "week"),
    ("", "everything kept"),
)

Order = Literal["asc", "desc"]
GivenContext = NamedDependency[SkipValidation[Context]]
GivenCredential = NamedDependency[SkipValidation[Credential]]


class Cursor(msgspec.Struct, frozen=True, array_like=True):
    """Where the next page begins: the store's cursor and the first page's range, so that `now` does not move.

    search: a digest of app, query and order; a cursor given to another search is refused. left: matches that may still
    come, where the query sets a limit.
    """

    search: bytes
    from_ns: int
    to_ns: int
    store: str
    left: int | None = None


class Wanted(msgspec.Struct, frozen=True):
    """One page of a search: what the store is asked, by which statement. left: matches that may come, None: all."""

    request: SearchRequest
    statement: Statement
    order: Order
    left: int | None


@get(
    "/api/v1/search",
    summary="Search",
    tags=["reading"],
    responses=documented(SearchAnswer | costs.ExplainAnswer, "One page; or, with `explain=1`, how it is read"),
)
async def search(
    context: GivenContext,
    credential: GivenCredential,
    text: QueryText = "",
    from_: FromTime = None,
    to: ToTime = None,
    order: Annotated[
        str,
        QueryParameter(description="Newest first or oldest first.", schema_extra={"enum": ["asc", "desc"]}),
    ] = "desc",
    limit: Annotated[int, QueryParameter(ge=1, le=LIMIT_MAX, description="Events a page.")] = 100,
    cursor: Annotated[str | None, QueryParameter(description="`next` of the page before; its range goes on.")] = None,
    explain: costs.Explain = 0,
) -> Response[bytes]:
    """Events that match, a page at a time. Pages joined give every match once, also while new events come in.

    The stages `sort`, `limit`, `context` and `fields` are honoured; what makes a table is asked of `/api/v1/stats`.
    """
    wanted = make_request(context, credential.app, text, from_, to, order=order, limit=limit, cursor=cursor)
    if explain:
        return await costs.explain(context, wanted.request, wanted.statement.stages)

    def found(reading: Reading) -> bytes:
        with context.telemetry["api_query_seconds"].labels("/api/v1/search").time():
            page = context.backend.store.search(reading, wanted.request)
        fields = wanted.statement.fields
        events = only_fields(page.events, fields) if fields else page.events
        following = msgspec.json.encode(next_cursor(wanted, page))
        return b'{"events":%b,"next":%b,%b}' % (events, following, costs.cost_members(reading))

    return json_answer(await context.read(found))


@get("/search", include_in_schema=False)
async def search_page(
    request: Request[Any, Any, Any], context: GivenContext, credential: GivenCredential
) -> Response[bytes]:
    """The same for people: a page that works without script, newest first unless asked otherwise."""
    given = {name: request.query_params.get(name, "").strip() for name in ("query", "from", "to", "order", "cursor")}
    given["order"] = given["order"] or "desc"
    try:
        wanted = make_request(
            context, credential.app, given["query"], given["from"], given["to"],
            order=given["order"], limit=PAGE_EVENTS, cursor=given["cursor"] or None,
        )  # fmt: skip
        return html_answer(await context.read(lambda reading: _found_page(context, reading, given, wanted)))
    except InputError as error:  # the form again, with what the person typed
        status, detail, _ = describe(error)
        mark = given["query"][: error.column - 1] if isinstance(error, QuerySyntaxError) else None
        page = context.pages.render(
            "search.html", app=credential.app, given=given, ranges=_ranges(given), error=detail, before_error=mark,
            rows=[], bars_data=None, next=None, cost=None,
        )  # fmt: skip
        return html_answer(page, status)


def make_request(
    context: Context,
    app: str,
    text: str,
    from_: str | None,
    to: str | None,
    *,
    order: str,
    limit: int,
    cursor: str | None,
) -> Wanted:
    """What the store is asked. Raises InputError for whatever cannot be read."""
    if order not in ("asc", "desc"):
        raise InputError(f"order is 'asc' or 'desc', not {order[:40]!r}")
    direction = cast(Order, order)
    statement = parse_statement(text, chars_max=context.settings.api.query_chars_max)
    if statement.making is not None or statement.patterns:
        raise InputError(
            "this query makes a table, and a search gives events; ask /api/v1/stats, or leave out what counts",
            code="query_makes_a_table",
        )
    if cursor:
        found = read_cursor(cursor, _search_digest(app, statement, order))
        span, left = TimeRange(found.from_ns, found.to_ns), found.left
    else:
        span, left = range_of(context, app, from_, to), statement.limit
    request = event_request(app, statement, span, direction, limit if left is None else min(limit, left))
    return Wanted(msgspec.structs.replace(request, cursor=found.store if cursor else None), statement, direction, left)


def event_request(app: str, statement: Statement, span: TimeRange, order: Order, limit: int) -> SearchRequest:
    """What the store is asked for a statement that gives events, the first page."""
    sort = statement.sort
    if len(sort) == 1 and sort[0].column == "time":  # the order the store pages in
        order, sort = "desc" if sort[0].descending else "asc", ()
    return SearchRequest(
        app, statement.filter, span.from_ns, span.to_ns, order,
        min(limit, CONTEXT_MATCHES_MAX) if statement.context else limit,
        sort=sort, context=statement.context,
    )  # fmt: skip


def range_of(context: Context, app: str, from_: str | None, to: str | None) -> TimeRange:
    return parse_range(
        from_, to, now_ns=context.clock.now_ns(),
        retention_days=context.retention_days(app), future_s=context.settings.processor.future_s,
    )  # fmt: skip


def next_cursor(wanted: Wanted, page: Page) -> str | None:
    """The API's cursor for the page after `page`, None at the end."""
    request = wanted.request
    left = None if wanted.left is None else wanted.left - page.count
    if page.next is None or (left is not None and left <= 0):
        return None
    digest = _search_digest(request.app, wanted.statement, wanted.order)
    return pack_cursor(Cursor(digest, request.from_ns, request.to_ns, page.next, left))


def read_cursor(text: str, digest: bytes) -> Cursor:
    cursor = unpack_cursor(text, Cursor)
    in_time = 0 <= cursor.from_ns < cursor.to_ns < 1 << 63
    if cursor.search != digest or not in_time or not (cursor.left is None or 0 < cursor.left <= ROWS_MAX):
        raise InputError(
            "the cursor belongs to another search; repeat query and order of the first page", code="bad_cursor"
        )
    return cursor


def _search_digest(app: str, statement: Statement, order: str) -> bytes:
    return hashlib.blake2b(msgspec.msgpack.encode((app, statement, order)), digest_size=8).digest()


def _found_page(context: Context, reading: Reading, given: dict[str, str], wanted: Wanted) -> bytes:
    """The page with results. Blocks: runs in a reader's thread, rendering too (milliseconds a page)."""
    store, request = context.backend.store, wanted.request
    with context.telemetry["api_query_seconds"].labels("/search").time():
        page = store.search(reading, request)
        buckets = [] if given["cursor"] else _counts(context, reading, request)
    cursor = next_cursor(wanted, page)
    bars: Bars | None = None
    if buckets:
        span = TimeRange(request.from_ns, request.to_ns)
        bars = level_bars(buckets, span, BARS, lambda from_ns, to_ns: search_url(
            given["query"], **{"from": rfc3339(from_ns), "to": rfc3339(to_ns), "order": given["order"]}
        ))  # fmt: skip
    return context.pages.render(
        "search.html", app=request.app, given=given, ranges=_ranges(given), error=None, before_error=None,
        rows=make_rows(decode_events(page.events), deltas=False), bars_data=bars,
        next=cursor and search_url(given["query"], **{**_but(given, "query"), "cursor": cursor}),
        cost=costs.cost_of(reading),
    )  # fmt: skip


def _counts(context: Context, reading: Reading, request: SearchRequest) -> list[Bucket]:
    """For the bars of a page; none when the search has left nothing of the limits."""
    try:
        return context.backend.store.histogram(
            reading, request.app, request.query, request.from_ns, request.to_ns, buckets=BARS, by="level"
        )
    except LimitReached as reached:
        reading.end_early(reached.limit)
        return []


def _ranges(given: dict[str, str]) -> list[tuple[str, str]]:
    """The choices of the form; a range that came by a link is one more."""
    known = {value for value, _ in RANGES}
    extra = [] if given["from"] in known else [(given["from"], f"since {given['from']}")]
    return [*extra, *RANGES]


def _but(given: dict[str, str], name: str) -> dict[str, str]:
    return {key: value for key, value in given.items() if key != name}
