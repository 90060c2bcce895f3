"""What an app has masked before anything is stored: `/api/v1/apps/{app}/masking`."""

from typing import Annotated

import msgspec
from litestar import Response, get, put
from litestar.params import FromPath, JSONBody, QueryParameter
from msgspec import Meta

from logkeep.api.answers import documented, json_answer
from logkeep.api.search import GivenContext
from logkeep.masking.masker import Masker
from logkeep.masking.rules import Rules, checked

SAMPLE_CHARS_MAX = 65_536


class MaskingAsked(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """rules: all of them, replacing those before. sample: a text, to be shown as the rules leave it."""

    rules: Rules
    sample: Annotated[str, Meta(max_length=SAMPLE_CHARS_MAX)] | None = None


class MaskingAnswer(msgspec.Struct, frozen=True):
    """sample: what of it would be stored. saved: whether the rules count from now on."""

    app: str
    rules: Rules
    saved: bool = True
    sample: str | None = None


@get(
    "/api/v1/apps/{app:str}/masking",
    summary="Masking rules",
    tags=["privacy"],
    responses=documented(MaskingAnswer, "The rules", 400, 404),
)
async def masking(context: GivenContext, app: FromPath[str]) -> Response[bytes]:
    """What is masked in events of the app, and samples of what it sent, before they are stored."""
    rules = await context.checks.run(lambda: context.backend.masking.stored(app))
    return json_answer(msgspec.json.encode(MaskingAnswer(app, rules)))


@put(
    "/api/v1/apps/{app:str}/masking",
    summary="Set masking rules",
    tags=["privacy"],
    responses=documented(MaskingAnswer, "The rules", 400, 404),
)
async def set_masking(
    context: GivenContext,
    app: FromPath[str],
    data: JSONBody[MaskingAsked],
    dry_run: Annotated[bool, QueryParameter(description="Nothing is changed; the sample is shown.")] = False,
) -> Response[bytes]:
    """All rules of the app, for what is processed from some seconds on; what is stored already stays as it is."""
    rules = checked(data.rules)

    def done() -> bytes:
        sample = Masker(rules).mask_text(data.sample) if data.sample is not None else None
        if not dry_run:
            context.backend.masking.put(app, rules)
        return msgspec.json.encode(MaskingAnswer(app, rules, not dry_run, sample))

    return json_answer(await context.checks.run(done))
