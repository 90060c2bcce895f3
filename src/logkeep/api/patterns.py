"""What the messages say, by template: `/api/v1/patterns`."""

from typing import Annotated

import msgspec
from litestar import Response, get
from litestar.params import QueryParameter

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
from logkeep.clock import NS_PER_DAY, NS_PER_MS
from logkeep.query.parser import parse
from logkeep.store.page import rfc3339
from logkeep.store.port import PatternCount, PatternRequest, Patterns
from logkeep.store.reading import Reading

LIMIT_MAX = 1000
BUCKETS_MAX = 100
IDS_IN_QUERY_MAX = 100  # of a pattern that many were joined in: a longer query is over its limit of characters


@get("/api/v1/patterns", summary="Patterns", tags=["reading"], responses=documented(PatternsAnswer, "Patterns", 400))
async def patterns(
    context: GivenContext,
    credential: GivenCredential,
    text: QueryText = "",
    from_: FromTime = None,
    to: ToTime = None,
    buckets: Annotated[int, QueryParameter(ge=1, le=BUCKETS_MAX, description="Parts of the range in `trend`.")] = 24,
    limit: Annotated[int, QueryParameter(ge=1, le=LIMIT_MAX, description="Patterns at most.")] = 100,
) -> Response[bytes]:
    """What the matching messages say, most frequent first: those alike but for numbers, ids and names are one pattern.

    Counts are exact. Values that are no text have no pattern.
    """
    parsed = parse(text, chars_max=context.settings.api.query_chars_max)
    span = range_of(context, from_, to)
    request = PatternRequest(
        credential.app, parsed, span.from_ns, span.to_ns, buckets, limit, before=_has_range_before(context, span)
    )
    started_ns = context.clock.monotonic_ns()

    def counted(reading: Reading) -> Patterns:
        with context.telemetry["api_query_seconds"].labels("/api/v1/patterns").time():
            return context.backend.store.patterns(reading, request)

    found = await context.read(counted)
    took_ms = round((context.clock.monotonic_ns() - started_ns) / NS_PER_MS, 1)
    answer = msgspec.json.encode(
        {
            "from": rfc3339(span.from_ns),
            "to": rfc3339(span.to_ns),
            "patterns": [_answer(row, span) for row in found.rows],
            "total": found.patterns,
            "events": found.events,
            "ungrouped": found.ungrouped,
            "took_ms": took_ms,
        }
    )
    return json_answer(answer)


def _has_range_before(context: Context, span: TimeRange) -> bool:
    """Whether all of the range as long before this one is kept."""
    now_ns = context.clock.now_ns()
    oldest_ns = (now_ns // NS_PER_DAY - (context.settings.store.retention_days - 1)) * NS_PER_DAY
    return span.from_ns - (span.to_ns - span.from_ns) >= oldest_ns


def _answer(row: PatternCount, span: TimeRange) -> dict[str, object]:
    """As PatternAnswer; the example is JSON already."""
    ids = row.ids[:IDS_IN_QUERY_MAX]
    return {
        "template": row.template,
        "ids": row.ids,
        "query": f"pattern={ids[0]}" if len(ids) == 1 else f"pattern:({' or '.join(ids)})",
        "count": row.count,
        "trend": row.counts,
        "before": row.before,
        "new": row.first_ns >= span.from_ns,
        "levels": row.levels,
        "first_seen": rfc3339(row.first_ns),
        "last_seen": rfc3339(row.last_ns),
        "example": msgspec.Raw(row.example),
    }
