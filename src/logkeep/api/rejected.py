"""Samples of what was not stored, for their owner to look at: `/api/v1/rejected`."""

from typing import Annotated

import msgspec
from litestar import Response, get
from litestar.params import QueryParameter

from logkeep.api.answers import RejectedAnswer, documented, json_answer
from logkeep.api.search import GivenContext, GivenCredential

LIMIT_MAX = 1000


@get(
    "/api/v1/rejected",
    summary="Rejected events",
    tags=["operating"],
    responses=documented(RejectedAnswer, "Samples, newest first", 400),
)
async def rejected(
    context: GivenContext,
    credential: GivenCredential,
    limit: Annotated[int, QueryParameter(ge=1, le=LIMIT_MAX, description="Samples at most.")] = 100,
) -> Response[bytes]:
    """What was sent and not stored, with the reason; samples only, the exact counts are in the ledger."""
    found = await context.checks.run(lambda: context.backend.rejected(credential.app, limit))
    return json_answer(msgspec.json.encode(RejectedAnswer(found[:limit])))
