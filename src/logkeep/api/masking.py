"""What an app has masked before anything is stored: `/api/v1/apps/{app}/masking`."""

import time
from typing import Annotated, Any

import msgspec
from litestar import Request, Response, get, put
from litestar.params import FromPath, JSONBody, QueryParameter
from msgspec import Meta

from logkeep.api.answers import documented
from logkeep.api.auth import change_of
from logkeep.api.bodies import answer, preconditioned
from logkeep.api.search import GivenContext
from logkeep.masking.masker import Masker
from logkeep.masking.rules import Rules, checked

SAMPLE_CHARS_MAX = 65_536


class MaskingAsked(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """rules: all of them, replacing those before. sample: a text, to be shown as the rules leave it."""

    rules: Rules
    sample: Annotated[str, Meta(max_length=SAMPLE_CHARS_MAX)] | None = None
    version: Annotated[
        int | None, Meta(description="as the answer had it; 409 when somebody changed them since. null: whatever")
    ] = None


class MaskingAnswer(msgspec.Struct, frozen=True):
    """sample: what of it would be stored. saved: whether the rules count from now on."""

    app: str
    rules: Rules
    saved: bool = True
    sample: str | None = None
    version: Annotated[int, Meta(description="send it with a change, so that none is lost; the `ETag` too")] = 0


@get(
    "/api/v1/apps/{app:str}/masking",
    summary="Masking rules",
    tags=["privacy"],
    responses=documented(MaskingAnswer, "The rules", 400, 404),
)
async def masking(context: GivenContext, app: FromPath[str]) -> Response[bytes]:
    """What is masked in events of the app, and samples of what it sent, before they are stored. `ETag`: the version."""
    kept = await context.checks.run(lambda: context.backend.masking.stored(app))
    return answer(MaskingAnswer(app, kept.rules, version=kept.version), revision=kept.version)


@put(
    "/api/v1/apps/{app:str}/masking",
    summary="Set masking rules",
    tags=["privacy"],
    responses=documented(MaskingAnswer, "The rules", 400, 404, 409, 412),
)
async def set_masking(
    request: Request[Any, Any, Any],
    context: GivenContext,
    app: FromPath[str],
    data: JSONBody[MaskingAsked],
    dry_run: Annotated[bool, QueryParameter(description="Nothing is changed; the sample is shown.")] = False,
) -> Response[bytes]:
    """All rules of the app, for what is processed from some seconds on; what is stored already stays as it is. With
    `If-Match` only what was seen is changed (412)."""
    rules = checked(data.rules)

    def done() -> Response[bytes]:
        sample = Masker(rules, cpu_s=time.thread_time).mask_text(data.sample) if data.sample is not None else None
        if dry_run:
            version = context.backend.masking.stored(app).version
            return answer(MaskingAnswer(app, rules, False, sample, version), revision=version)
        with preconditioned(request, data.version) as seen:
            entry = change_of(request, "masking.changed", app, app, rules=msgspec.json.encode(rules).decode())
            kept = context.backend.masking.put(app, rules, version=seen, entries=[entry])
        return answer(MaskingAnswer(app, rules, True, sample, kept.version), revision=kept.version)

    return await context.checks.run(done)
