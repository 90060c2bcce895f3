"""Tables: `/api/v1/stats`."""

import msgspec
from litestar import Response, get

from logkeep.api import costs
from logkeep.api.answers import FromTime, QueryText, StatsAnswer, ToTime, documented, json_answer
from logkeep.api.backend import Context
from logkeep.api.event_fields import table_of_events
from logkeep.api.patterns import patterns_table
from logkeep.api.search import GivenContext, GivenCredential, event_request, range_of
from logkeep.api.times import TimeRange
from logkeep.query.parser import parse_statement
from logkeep.query.stages import ROWS_DEFAULT, Statement
from logkeep.query.table import Table
from logkeep.store.port import PatternRequest, SearchRequest, StatsRequest
from logkeep.store.reading import Reading


@get(
    "/api/v1/stats",
    summary="Table",
    tags=["reading"],
    responses=documented(StatsAnswer | costs.ExplainAnswer, "The table; or, with `explain=1`, how it is read", 400),
)
async def stats(
    context: GivenContext,
    credential: GivenCredential,
    text: QueryText = "",
    from_: FromTime = None,
    to: ToTime = None,
    explain: costs.Explain = 0,
) -> Response[bytes]:
    """What the stages of a query make, such as `error | count by component, bin(5m)`.

    Without a stage that counts, the events themselves, in the columns that `| fields …` names.
    """
    statement = parse_statement(text, chars_max=context.settings.api.query_chars_max)
    span = range_of(context, credential.app, from_, to)
    request = _request(context, credential.app, statement, span)
    if explain:
        return await costs.explain(context, request, statement.stages)

    def made(reading: Reading) -> bytes:
        with context.telemetry["api_query_seconds"].labels("/api/v1/stats").time():
            table = _table(context, reading, statement, request)
        return b"%b,%b}" % (msgspec.json.encode(table)[:-1], costs.cost_members(reading))

    return json_answer(await context.read(made))


def _request(
    context: Context, app: str, statement: Statement, span: TimeRange
) -> StatsRequest | PatternRequest | SearchRequest:
    """What the store is asked for the table of `statement`."""
    if statement.making is not None:
        passed_ns = min(context.clock.now_ns(), span.to_ns)
        return StatsRequest(app, statement, span.from_ns, span.to_ns, passed_ns)
    rows = statement.limit or ROWS_DEFAULT
    if statement.patterns:
        return PatternRequest(app, statement.filter, span.from_ns, span.to_ns, buckets=1, limit=rows)
    return event_request(app, statement, span, "desc", rows)


def _table(
    context: Context, reading: Reading, statement: Statement, request: StatsRequest | PatternRequest | SearchRequest
) -> Table:
    """Blocks."""
    store = context.backend.store
    if isinstance(request, StatsRequest):
        return store.stats(reading, request)
    if isinstance(request, PatternRequest):
        return patterns_table(store.patterns(reading, request), limited=statement.limit is not None)
    page = store.search(reading, request)
    if statement.limit is not None:
        more = page.next is not None and page.count < statement.limit  # a limit of the reading cut it short
    else:
        more = page.next is not None or (bool(request.sort) and page.count == ROWS_DEFAULT)  # sorted, there is no next
    return table_of_events(page.events, statement.fields, context=bool(statement.context), truncated=more)
