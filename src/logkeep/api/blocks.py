"""The block list of an app and who was refused: `/api/v1/blocks`, `/api/v1/blocked`."""

from typing import Annotated, Any, Literal

import msgspec
from litestar import Request, Response, delete, get, post
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromPath, QueryParameter
from msgspec import Meta

from logkeep.api.answers import FromTime, Time, documented, json_answer
from logkeep.api.search import GivenContext, GivenCredential
from logkeep.api.times import parse_time
from logkeep.counters.usage import hour_of
from logkeep.errors import InputError
from logkeep.metastore.blocks import Block
from logkeep.metastore.refusals import LIMIT_MAX
from logkeep.store.page import rfc3339

BODY_BYTES_MAX = 16 * 1024
TEXT_CHARS_MAX = 500

Kind = Literal["address", "key", "component"]
_Text = Annotated[str, Meta(min_length=1, max_length=TEXT_CHARS_MAX)]


class BlockAnswer(msgspec.Struct):
    """state: ended: it blocks nothing any more, and is shown for a month."""

    block: str
    kind: Kind
    value: str
    reason: str
    state: Literal["in_force", "ended"]
    made: Time
    made_by: str
    expires: Annotated[str | None, Meta(description="RFC 3339; null: when somebody removes it")]


class BlocksAnswer(msgspec.Struct):
    """Newest first."""

    blocks: list[BlockAnswer]
    next: str | None = None


class NewBlock(msgspec.Struct, forbid_unknown_fields=True):
    """Nothing of this is taken any more: 403 `blocked` for an address or key, a component's events left out."""

    kind: Kind
    value: Annotated[
        _Text,
        Meta(description="an address or network; the first 8 to 64 hex digits of a key's SHA-256; a component's name"),
    ]
    reason: Annotated[_Text, Meta(description="for whoever is blocked, and for your colleagues")]
    expires: Annotated[
        str | None, Meta(description="RFC 3339 or epoch ms; null, and no `expires_in_s`: when somebody removes it")
    ] = None
    expires_in_s: Annotated[int, Meta(ge=1, le=366 * 86_400)] | None = None


class RefusedAnswer(msgspec.Struct):
    """kind: of the source. why: day, second: over such a limit; blocked: by people, or for a while by itself."""

    kind: Literal["app", "component", "key", "address"]
    source: Annotated[str, Meta(description="(other): those beyond the first 256 an hour")]
    why: Literal["day", "second", "blocked"]
    events: int
    last: Time


class BlockedAnswer(msgspec.Struct):
    """Those refused most first, requests that are sent again counted each time."""

    blocked: list[RefusedAnswer]
    next: str | None = None


_decode = msgspec.json.Decoder(NewBlock).decode


@get("/api/v1/blocks", summary="Block list", tags=["limits"], responses=documented(BlocksAnswer, "All blocks", 400))
async def blocks(context: GivenContext, credential: GivenCredential) -> Response[bytes]:
    """What people have blocked."""
    found = await context.checks.run(lambda: context.backend.blocks.list(credential.app))
    now_ns = context.clock.now_ns()
    return json_answer(msgspec.json.encode(BlocksAnswer([_shown(block, now_ns) for block in found])))


@post(
    "/api/v1/blocks",
    summary="Block something",
    tags=["limits"],
    status_code=201,
    request_max_body_size=BODY_BYTES_MAX,
    responses={201: ResponseSpec(BlockAnswer, description="The new block", generate_examples=False)}
    | {status: spec for status, spec in documented(BlockAnswer, "", 400, 429).items() if status != 200},
)
async def make_block(
    request: Request[Any, Any, Any], context: GivenContext, credential: GivenCredential
) -> Response[bytes]:
    """In force everywhere within `metastore.refresh_s`."""
    try:
        wanted = _decode(await request.body())
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise InputError(f"the block cannot be read: {error}", code="invalid_json") from error
    now_ns = context.clock.now_ns()
    expires_ns = _end(wanted, now_ns)
    made = await context.checks.run(
        lambda: context.backend.blocks.put(
            credential.app, wanted.kind, wanted.value, reason=wanted.reason, by=credential.name or credential.scope,
            expires_ns=expires_ns,
        )
    )  # fmt: skip
    return json_answer(msgspec.json.encode(_shown(made, now_ns)), 201)


@delete(
    "/api/v1/blocks/{block:str}",
    summary="Remove a block",
    tags=["limits"],
    status_code=200,
    responses=documented(BlocksAnswer, "Those that are left", 400, 404),
)
async def remove_block(context: GivenContext, credential: GivenCredential, block: FromPath[str]) -> Response[bytes]:
    """It blocks nothing any more."""
    backend, now_ns = context.backend, context.clock.now_ns()

    def remove() -> list[Block]:
        if not 0 < len(block) <= 64 or not block.isprintable() or not backend.blocks.remove(credential.app, block):
            raise InputError(f"there is no block {block[:80]!r}", code="not_found", status=404)
        return backend.blocks.list(credential.app)

    left = await context.checks.run(remove)
    return json_answer(msgspec.json.encode(BlocksAnswer([_shown(one, now_ns) for one in left])))


@get(
    "/api/v1/blocked",
    summary="Who was refused",
    tags=["limits"],
    responses=documented(BlockedAnswer, "By source", 400),
)
async def blocked(
    context: GivenContext,
    credential: GivenCredential,
    from_: FromTime = None,
    limit: Annotated[int, QueryParameter(ge=1, le=LIMIT_MAX, description="Sources at most.")] = 100,
) -> Response[bytes]:
    """Events that were over a limit or blocked, by component, key and address; a week of them. Default: a day."""
    now_ns = context.clock.now_ns()
    from_hour = hour_of(parse_time(from_ or "-24h", now_ns))
    found = await context.checks.run(lambda: context.backend.refusals.top(credential.app, from_hour, limit))
    rows = [RefusedAnswer(row.kind, row.source, row.why, row.events, rfc3339(row.last_ns)) for row in found]  # type: ignore[arg-type]
    return json_answer(msgspec.json.encode(BlockedAnswer(rows)))


def _end(wanted: NewBlock, now_ns: int) -> int:
    if wanted.expires is not None and wanted.expires_in_s is not None:
        raise InputError("give `expires` or `expires_in_s`, not both")
    if wanted.expires_in_s is not None:
        return now_ns + wanted.expires_in_s * 1_000_000_000
    if wanted.expires is None:
        return 0
    expires_ns = parse_time(wanted.expires, now_ns)
    if expires_ns <= now_ns:
        raise InputError(f"expires {wanted.expires[:80]} is not ahead")
    return expires_ns


def _shown(block: Block, now_ns: int) -> BlockAnswer:
    ended = bool(block.expires_ns) and block.expires_ns <= now_ns
    return BlockAnswer(
        block.block, block.kind, block.value, block.reason, "ended" if ended else "in_force", rfc3339(block.made_ns),
        block.made_by, rfc3339(block.expires_ns) if block.expires_ns else None,
    )  # fmt: skip
