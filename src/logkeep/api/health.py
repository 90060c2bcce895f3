"""`/health/live`, `/health/ready` and `/metrics`: for whatever watches this process. Open to all, telling no data."""

import msgspec
from litestar import Response, get
from litestar.openapi.datastructures import ResponseSpec

from logkeep.api.answers import HealthAnswer, json_answer
from logkeep.api.errors import ErrorAnswer
from logkeep.api.search import GivenContext
from logkeep.errors import BackendUnavailable


@get(
    "/health/live",
    summary="Alive",
    tags=["operating"],
    responses={200: ResponseSpec(HealthAnswer, description="The process answers", generate_examples=False)},
)
async def live() -> Response[bytes]:
    """200 as long as the process can answer at all; restart it when it does not."""
    return json_answer(msgspec.json.encode(HealthAnswer("live")))


@get(
    "/health/ready",
    summary="Ready",
    tags=["operating"],
    responses={
        200: ResponseSpec(HealthAnswer, description="Everything works", generate_examples=False),
        503: ResponseSpec(ErrorAnswer, description="What does not, in words", generate_examples=False),
    },
)
async def ready(context: GivenContext) -> Response[bytes]:
    """200 when requests can be answered; 503 with the reasons when not: send no traffic here then.

    `degraded` tells what is wrong and hinders no request.
    """
    problems = await context.checks.run(context.backend.ready)
    if problems:
        raise BackendUnavailable("; ".join(problems), code="not_ready")
    degraded = await context.checks.run(context.backend.degraded)
    return json_answer(msgspec.json.encode(HealthAnswer("ready", degraded)))


@get(
    "/metrics",
    summary="Metrics",
    tags=["operating"],
    responses={200: ResponseSpec(str, description="Prometheus text", media_type="text/plain", generate_examples=False)},
)
async def metrics(context: GivenContext) -> Response[bytes]:
    """Counters of all processes of this service in Prometheus' text format."""
    content = await context.checks.run(context.telemetry.exposition)
    return Response(content, media_type="text/plain; version=0.0.4")
