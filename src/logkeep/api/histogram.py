"""Counts over time: `/api/v1/histogram`."""

from collections.abc import Sequence
from typing import Annotated

import msgspec
from litestar import Response, get
from litestar.params import QueryParameter

from logkeep.api import costs
from logkeep.api.answers import (
    FromTime,
    HistogramAnswer,
    HistogramBucket,
    QueryText,
    ToTime,
    documented,
    json_answer,
)
from logkeep.api.search import GivenContext, GivenCredential, range_of
from logkeep.api.times import TimeRange
from logkeep.errors import InputError
from logkeep.query.parser import parse_statement
from logkeep.store.page import bucket_width_ns, rfc3339
from logkeep.store.port import Bucket, SearchRequest
from logkeep.store.reading import Reading

BUCKETS_MAX = 1000
GROUPING = ("level", "component", "key")  # fields with few values; a group a user would be a table, not a picture


@get(
    "/api/v1/histogram",
    summary="Histogram",
    tags=["reading"],
    responses=documented(HistogramAnswer | costs.ExplainAnswer, "Counts; or, with `explain=1`, how they are read"),
)
async def histogram(
    context: GivenContext,
    credential: GivenCredential,
    text: QueryText = "",
    from_: FromTime = None,
    to: ToTime = None,
    buckets: Annotated[int, QueryParameter(ge=1, le=BUCKETS_MAX, description="Equal parts of the range.")] = 60,
    by: Annotated[
        str,
        QueryParameter(description="Count each value of this field.", schema_extra={"enum": ["", *GROUPING]}),
    ] = "",
    explain: costs.Explain = 0,
) -> Response[bytes]:
    """How many events match, per equal part of the range and per value of `by`.

    Stages after the filter are passed over: it counts all that match.
    """
    if by and by not in GROUPING:
        raise InputError(f"by is one of {', '.join(GROUPING)}, not {by[:40]!r}")
    parsed = parse_statement(text, chars_max=context.settings.api.query_chars_max).filter
    span = range_of(context, credential.app, from_, to)
    if explain:
        return await costs.explain(context, SearchRequest(credential.app, parsed, span.from_ns, span.to_ns))

    def counted(reading: Reading) -> bytes:
        with context.telemetry["api_query_seconds"].labels("/api/v1/histogram").time():
            found = context.backend.store.histogram(
                reading, credential.app, parsed, span.from_ns, span.to_ns, buckets=buckets, by=by or None
            )

        members = {
            "from": rfc3339(span.from_ns),
            "to": rfc3339(span.to_ns),
            "by": by or None,
            "buckets": fill(found, span, buckets),
        }
        return b"%b,%b}" % (msgspec.json.encode(members)[:-1], costs.cost_members(reading))

    return json_answer(await context.read(counted))


def fill(found: Sequence[Bucket], span: TimeRange, count: int) -> list[HistogramBucket]:
    """`count` buckets in order, those without events among them."""
    width_ns = bucket_width_ns(span.from_ns, span.to_ns, count)
    filled = [HistogramBucket(rfc3339(span.from_ns + index * width_ns), 0, {}) for index in range(count)]
    for bucket in found:
        place = filled[(bucket.start_ns - span.from_ns) // width_ns]
        place.counts[bucket.group] = place.counts.get(bucket.group, 0) + bucket.count
        place.total += bucket.count
    return filled
