"""What got lost on the way as datagrams: `/api/v1/udp-loss`."""

import msgspec
from litestar import Response, get

from logkeep.api.answers import UdpLossAnswer, documented, json_answer
from logkeep.api.search import GivenContext, GivenCredential


@get(
    "/api/v1/udp-loss",
    summary="Loss of datagrams",
    tags=["operating"],
    responses=documented(UdpLossAnswer, "Received and missing, per component and client", 400),
)
async def udp_loss(context: GivenContext, credential: GivenCredential) -> Response[bytes]:
    """Received and missing numbers of each sender that numbers its events (`client` and `seq`)."""
    found = await context.checks.run(lambda: context.backend.udp_loss(credential.app))
    return json_answer(msgspec.json.encode(UdpLossAnswer(found)))
