"""What is blocked for an app and who was refused: `/api/v1/blocks`, `/api/v1/blocked`."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal

import msgspec
from litestar import Request, Response, delete, get, post
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromPath, JSONBody, QueryParameter
from msgspec import Meta

from logkeep.api.answers import FromTime, Time, documented, json_answer
from logkeep.api.auth import actor_of, caller_of
from logkeep.api.backend import Context
from logkeep.api.search import GivenContext, GivenCredential
from logkeep.api.times import parse_time
from logkeep.counters.usage import hour_of
from logkeep.errors import InputError
from logkeep.event import NAME_BYTES_MAX
from logkeep.metastore.audit import Entry
from logkeep.metastore.blocks import Block, Scope
from logkeep.metastore.refusals import LIMIT_MAX
from logkeep.metastore.roles import NOTHING
from logkeep.metastore.teams import FIRST_TEAM
from logkeep.store.page import rfc3339

BODY_BYTES_MAX = 16 * 1024
TEXT_CHARS_MAX = 500

Kind = Literal["address", "key", "component"]
_Text = Annotated[str, Meta(min_length=1, max_length=TEXT_CHARS_MAX)]


class BlockAnswer(msgspec.Struct):
    """state: ended: it blocks nothing any more, and is shown for a month. scope: whom it counts for: this app, all apps
    of its team, or every app of the installation; of the last, only who may remove it sees who made it."""

    block: str
    scope: Scope
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
        str,
        Meta(
            min_length=1,
            max_length=NAME_BYTES_MAX,
            description="an address or network; the first 8 to 64 hex digits of a key's SHA-256; a component's name",
        ),
    ]
    reason: Annotated[_Text, Meta(description="for whoever is blocked, and for your colleagues")]
    scope: Annotated[
        Scope,
        Meta(
            description="this app; `team`: all apps of its team, by an admin of it; `installation`: every app, by an "
            "admin of the team `main`"
        ),
    ] = "app"
    expires: Annotated[
        str | None, Meta(description="RFC 3339 or epoch ms; null, and no `expires_in_s`: when somebody removes it")
    ] = None
    expires_in_s: Annotated[int, Meta(ge=1, le=366 * 86_400)] | None = None


class RefusedAnswer(msgspec.Struct):
    """kind: of the source. why: day, second: over such a limit; blocked: by people, or for a while by itself; key:
    without a valid key, so of no app: told to admins of the team `main`."""

    kind: Literal["app", "component", "key", "address"]
    source: Annotated[str, Meta(description="(other): those beyond the first 256 an hour")]
    why: Literal["day", "second", "blocked", "key"]
    events: int
    last: Time


class BlockedAnswer(msgspec.Struct):
    """Those refused most first, requests that are sent again counted each time."""

    blocked: list[RefusedAnswer]
    next: str | None = None


@get("/api/v1/blocks", summary="Block list", tags=["limits"], responses=documented(BlocksAnswer, "All blocks", 400))
async def blocks(
    request: Request[Any, Any, Any], context: GivenContext, credential: GivenCredential
) -> Response[bytes]:
    """What people have blocked: for this app, its team, or every app."""
    found = await context.checks.run(lambda: context.backend.blocks.list(credential.app))
    return json_answer(msgspec.json.encode(_answer(request, context, found)))


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
    request: Request[Any, Any, Any], context: GivenContext, credential: GivenCredential, data: JSONBody[NewBlock]
) -> Response[bytes]:
    """In force everywhere within `metastore.refresh_s`."""
    wanted, now_ns = data, context.clock.now_ns()
    expires_ns, team = _end(wanted, now_ns), context.backend.metastore.team_of(credential.app)
    _refuse_wide(request, wanted.scope, team)
    app = credential.app if wanted.scope == "app" else ""
    team = "" if wanted.scope == "installation" else team
    told = {"kind": wanted.kind, "value": wanted.value, "reason": wanted.reason, "scope": wanted.scope}
    entry = Entry(
        by=actor_of(request), what="block.made", made_ns=now_ns, team=team or FIRST_TEAM, app=app, detail=told
    )
    made = await context.checks.run(
        lambda: context.backend.blocks.put(
            app, wanted.kind, wanted.value, reason=wanted.reason, by=credential.name or credential.scope,
            expires_ns=expires_ns, team=team, entries=[entry],
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
async def remove_block(
    request: Request[Any, Any, Any], context: GivenContext, credential: GivenCredential, block: FromPath[str]
) -> Response[bytes]:
    """It blocks nothing any more."""
    backend, now_ns, app = context.backend, context.clock.now_ns(), credential.app

    def remove() -> list[Block]:
        found = backend.blocks.named(app, block) if 0 < len(block) <= 64 and block.isprintable() else None
        if found is None:
            raise InputError(f"there is no block {block[:80]!r}", code="not_found", status=404)
        _refuse_wide(request, found.scope, found.team)
        told = {"kind": found.kind, "value": found.value, "scope": found.scope}
        team = found.team or (FIRST_TEAM if found.scope == "installation" else backend.metastore.team_of(app))
        entry = Entry(
            by=actor_of(request), what="block.removed", made_ns=now_ns, team=team, app=found.app, target=block,
            detail=told,
        )  # fmt: skip
        backend.blocks.remove(app, block, entries=[entry])
        return backend.blocks.list(app)

    left = await context.checks.run(remove)
    return json_answer(msgspec.json.encode(_answer(request, context, left)))


@get(
    "/api/v1/blocked",
    summary="Who was refused",
    tags=["limits"],
    responses=documented(BlockedAnswer, "By source", 400),
)
async def blocked(
    request: Request[Any, Any, Any],
    context: GivenContext,
    credential: GivenCredential,
    from_: FromTime = None,
    limit: Annotated[int, QueryParameter(ge=1, le=LIMIT_MAX, description="Sources at most.")] = 100,
) -> Response[bytes]:
    """Events that were over a limit or blocked, by component, key and address; a week of them. Default: a day."""
    now_ns = context.clock.now_ns()
    from_hour = hour_of(parse_time(from_ or "-24h", now_ns))
    nobodys, refusals = _may(request, "installation", ""), context.backend.refusals
    found = await context.checks.run(lambda: refusals.top(credential.app, from_hour, limit, nobodys=nobodys))
    rows = [RefusedAnswer(row.kind, row.source, row.why, row.events, rfc3339(row.last_ns)) for row in found]  # type: ignore[arg-type]
    return json_answer(msgspec.json.encode(BlockedAnswer(rows)))


def _may(request: Request[Any, Any, Any], scope: Scope, team: str) -> bool:
    """Whether the asker, who may block for an app, may do so for all of these."""
    if scope == "app":
        return True
    return "admin" in caller_of(request).teams.get(team if scope == "team" else FIRST_TEAM, NOTHING)


def _refuse_wide(request: Request[Any, Any, Any], scope: Scope, team: str) -> None:
    """Raises InputError (403): nobody blocks for apps that are not theirs."""
    if not _may(request, scope, team):
        whose = f"the team {team!r}" if scope == "team" else f"the team {FIRST_TEAM!r}, which has the installation"
        raise InputError(
            f"a block of scope {scope!r} needs an admin of {whose}; block it for your app instead",
            code="forbidden",
            status=403,
        )


def _answer(request: Request[Any, Any, Any], context: Context, found: Sequence[Block]) -> BlocksAnswer:
    now_ns, sees_all = context.clock.now_ns(), _may(request, "installation", "")
    return BlocksAnswer([_shown(one, now_ns, named=sees_all or one.scope != "installation") for one in found])


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


def _shown(block: Block, now_ns: int, *, named: bool = True) -> BlockAnswer:
    ended = bool(block.expires_ns) and block.expires_ns <= now_ns
    return BlockAnswer(
        block.block, block.scope, block.kind, block.value, block.reason, "ended" if ended else "in_force",
        rfc3339(block.made_ns), block.made_by if named else "", rfc3339(block.expires_ns) if block.expires_ns else None,
    )  # fmt: skip
