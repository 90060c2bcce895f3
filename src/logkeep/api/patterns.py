"""What the messages say, by template: `/api/v1/patterns`."""

from typing import Annotated, Any

import msgspec
from litestar import Response, get
from litestar.params import QueryParameter

from logkeep.api import costs
from logkeep.api.answers import (
    FromTime,
    PatternsAnswer,
    QueryText,
    ToTime,
    documented,
    json_answer,
)
from logkeep.api.backend import Context
from logkeep.api.search import GivenContext, GivenCredential, range_of
from logkeep.api.times import TimeRange
from logkeep.clock import NS_PER_DAY
from logkeep.query.parser import parse
from logkeep.query.table import Column, Table
from logkeep.store.page import rfc3339
from logkeep.store.port import PatternCount, PatternRequest, Patterns
from logkeep.store.reading import Reading

LIMIT_MAX = 1000
BUCKETS_MAX = 100
IDS_IN_QUERY_MAX = 100  # of a pattern that many were joined in: a longer query is over its limit of characters


@get(
    "/api/v1/patterns",
    summary="Patterns",
    tags=["reading"],
    responses=documented(
        PatternsAnswer | costs.ExplainAnswer, "Patterns; or, with `explain=1`, how they are read", 400
    ),
)
async def patterns(
    context: GivenContext,
    credential: GivenCredential,
    text: QueryText = "",
    from_: FromTime = None,
    to: ToTime = None,
    buckets: Annotated[int, QueryParameter(ge=1, le=BUCKETS_MAX, description="Parts of the range in `trend`.")] = 24,
    limit: Annotated[int, QueryParameter(ge=1, le=LIMIT_MAX, description="Patterns at most.")] = 100,
    explain: costs.Explain = 0,
) -> Response[bytes]:
    """What the matching messages say, most frequent first: those alike but for numbers, ids and names are one pattern.

    Counts are exact. Values that are no text have no pattern.
    """
    parsed = parse(text, chars_max=context.settings.api.query_chars_max)
    app = credential.app
    span = range_of(context, app, from_, to)
    request = PatternRequest(
        app, parsed, span.from_ns, span.to_ns, buckets, limit, before=_has_range_before(context, app, span)
    )
    if explain:
        return await costs.explain(context, request)

    def counted(reading: Reading) -> bytes:
        with context.telemetry["api_query_seconds"].labels("/api/v1/patterns").time():
            found = context.backend.store.patterns(reading, request)
        return b"%b,%b}" % (_members(found, span)[:-1], costs.cost_members(reading))

    return json_answer(await context.read(counted))


def _members(found: Patterns, span: TimeRange) -> bytes:
    """The answer's JSON, but for what it cost."""
    return msgspec.json.encode(
        {
            "from": rfc3339(span.from_ns),
            "to": rfc3339(span.to_ns),
            "patterns": [_answer(row, span) for row in found.rows],
            "total": found.patterns,
            "events": found.events,
            "ungrouped": found.ungrouped,
        }
    )


def patterns_table(found: Patterns, *, limited: bool) -> Table:
    """What `| patterns` answers. limited: fewer rows than there are is what was asked for."""
    columns = (
        Column("template", "text"), Column("count", "number"), Column("errors", "number"),
        Column("first_seen", "time"), Column("last_seen", "time"), Column("query", "text"), Column("example", "json"),
    )  # fmt: skip
    rows: list[list[Any]] = [
        [
            row.template, row.count, row.levels.get("error", 0) + row.levels.get("fatal", 0),
            rfc3339(row.first_ns), rfc3339(row.last_ns), _query(row), msgspec.Raw(row.example),
        ]
        for row in found.rows
    ]  # fmt: skip
    return Table(columns, rows, truncated=not limited and len(rows) < found.patterns)


def _query(row: PatternCount) -> str:
    """What finds the events of this pattern."""
    ids = row.ids[:IDS_IN_QUERY_MAX]
    return f"pattern={ids[0]}" if len(ids) == 1 else f"pattern:({' or '.join(ids)})"


def _has_range_before(context: Context, app: str, span: TimeRange) -> bool:
    """Whether all of the range as long before this one is kept."""
    now_ns = context.clock.now_ns()
    oldest_ns = (now_ns // NS_PER_DAY - (context.retention_days(app) - 1)) * NS_PER_DAY
    return span.from_ns - (span.to_ns - span.from_ns) >= oldest_ns


def _answer(row: PatternCount, span: TimeRange) -> dict[str, object]:
    """As PatternAnswer; the example is JSON already."""
    return {
        "template": row.template,
        "ids": row.ids,
        "query": _query(row),
        "count": row.count,
        "trend": row.counts,
        "before": row.before,
        "new": row.first_ns >= span.from_ns,
        "levels": row.levels,
        "first_seen": rfc3339(row.first_ns),
        "last_seen": rfc3339(row.last_ns),
        "example": msgspec.Raw(row.example),
    }
