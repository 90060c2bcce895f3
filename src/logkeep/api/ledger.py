"""Conservation: `/api/v1/ledger` tells where every event went."""

import msgspec
from litestar import Response, get

from logkeep.api.answers import documented, json_answer
from logkeep.api.backend import Ledger
from logkeep.api.search import GivenContext, GivenCredential


@get(
    "/api/v1/ledger",
    summary="Ledger",
    tags=["operating"],
    responses=documented(Ledger, "Counts since the first start", 400),
)
async def ledger(context: GivenContext, credential: GivenCredential) -> Response[bytes]:
    """received = stored + sum of rejected + over_quota + expired + erased + queued, always."""
    found = await context.checks.run(lambda: context.backend.ledger(credential.app))
    return json_answer(msgspec.json.encode(found))
