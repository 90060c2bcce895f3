"""API tokens: `/api/v1/tokens`."""

from typing import Annotated, Any

import msgspec
from litestar import Request, Response, delete, get, post
from litestar.params import FromPath, JSONBody
from msgspec import Meta

from logkeep.api.answers import Time
from logkeep.api.auth import actor_of, caller_of
from logkeep.api.bodies import Body, Secret, answer, day_text, nothing, told, when
from logkeep.api.search import GivenContext
from logkeep.api.teams import GivenTeam
from logkeep.errors import InputError
from logkeep.metastore.port import Caller, Metastore
from logkeep.metastore.roles import NOTHING, scopes_of_token
from logkeep.metastore.tokens import EXPIRES_S_MAX, Token, checked_scopes


class TokenAnswer(msgspec.Struct):
    token: Annotated[str, Meta(description="its id, not the secret")]
    name: str
    team: str
    app: Annotated[str | None, Meta(description="the only app it is good for; null: all of the team")]
    person: Annotated[str | None, Meta(description="whose it is, who bounds what it may do; null: the team's")]
    prefix: Annotated[str, Meta(description="how the secret begins")]
    scopes: list[str]
    made: Time
    made_by: str
    expires: str | None
    used: Annotated[str | None, Meta(description="the last day on which it was used; null: never")]


class NewTokenAnswer(TokenAnswer):
    secret: Secret = ""


class TokensAnswer(msgspec.Struct):
    tokens: list[TokenAnswer]
    next: None = None


ExpiresS = Meta(
    ge=60, le=EXPIRES_S_MAX, description="seconds; null: never. Made with a token it ends with that one at the latest"
)


class NewToken(Body):
    name: Annotated[str, Meta(max_length=200)]
    scopes: Annotated[list[str], Meta(description="read, edit, erase, keys, audit, admin (all of them)", max_length=20)]
    app: Annotated[str, Meta(max_length=255, description="good for this app only")] | None = None
    expires_s: Annotated[int, ExpiresS] | None = None
    of_team: Annotated[bool, Meta(description="the team's own, which stays when you leave; only admins make those")] = (
        False
    )


@get("/api/v1/tokens", summary="API tokens", tags=["tokens"], responses=told(TokensAnswer, "Oldest first", 404))
async def tokens(request: Request[Any, Any, Any], context: GivenContext, team: GivenTeam = None) -> Response[bytes]:
    """Yours; admins see all of the team. Without their secrets, which nobody knows but who has them."""
    caller, chosen = caller_of(request), request.state.team
    person = None if _is_admin(caller, chosen) else _person(caller)
    found = await context.checks.run(lambda: context.backend.directory.tokens.list(chosen, person))
    return answer(TokensAnswer([_token(token) for token in found]))


@post(
    "/api/v1/tokens",
    status_code=201,
    summary="Create an API token",
    tags=["tokens"],
    responses=told(NewTokenAnswer, "Made, with its secret", 404, status=201),
)
async def create_token(
    request: Request[Any, Any, Any], context: GivenContext, data: JSONBody[NewToken], team: GivenTeam = None
) -> Response[bytes]:
    """With scopes that you have yourself. Yours may never do more than you may at that time.

    Made with a token it ends when that one does, and is revoked with it.
    """
    caller, chosen, by = caller_of(request), request.state.team, actor_of(request)
    _refuse_more_than_own(caller, chosen, data)
    if data.of_team and not data.app:
        _refuse_more_in_apps(context.backend.metastore, caller, chosen, data)
    person = "" if data.of_team else _person(caller)
    made = await context.checks.run(
        lambda: context.backend.directory.tokens.create(
            by, team=chosen, app=data.app or "", person=person, name=data.name, scopes=data.scopes,
            expires_s=data.expires_s,
        )
    )  # fmt: skip
    return answer(NewTokenAnswer(**msgspec.structs.asdict(_token(made[0])), secret=made[1]), 201)


@delete(
    "/api/v1/tokens/{token:str}",
    status_code=204,
    summary="Revoke an API token",
    tags=["tokens"],
    responses=told(None, "Refused from now on", 404, status=204),
)
async def revoke_token(
    request: Request[Any, Any, Any], context: GivenContext, token: FromPath[str], team: GivenTeam = None
) -> Response[None]:
    """Yours; admins revoke any of the team. It ends the sign-ins and the tokens that were made with it."""
    caller, chosen, by = caller_of(request), request.state.team, actor_of(request)
    person = None if _is_admin(caller, chosen) else _person(caller)
    await context.checks.run(lambda: context.backend.directory.tokens.revoke(by, chosen, token, person))
    return nothing()


def _is_admin(caller: Caller, team: str) -> bool:
    return "admin" in caller.teams.get(team, NOTHING)


def _person(caller: Caller) -> str:
    """Raises InputError (403): a token that belongs to nobody has no tokens of its own."""
    if not caller.person:
        raise InputError(
            "this token belongs to the team; with the scope `admin` it sees and makes the team's tokens",
            code="forbidden",
            status=403,
        )
    return caller.person


def _refuse_more_than_own(caller: Caller, team: str, data: NewToken) -> None:
    wanted = scopes_of_token(checked_scopes(data.scopes))
    if data.app and data.app not in caller.apps:
        raise InputError(f"there is no app {data.app[:80]!r}", code="not_found", status=404)
    own = caller.scopes_in(data.app) if data.app else caller.teams.get(team, NOTHING)
    if not wanted <= own:
        raise InputError(
            f"you have not all of these scopes yourself: {', '.join(sorted(wanted - own))}",
            code="forbidden",
            status=403,
        )
    if data.of_team and not _is_admin(caller, team):
        raise InputError("only admins make tokens of the team; leave out `of_team`", code="forbidden", status=403)


def _refuse_more_in_apps(metastore: Metastore, caller: Caller, team: str, data: NewToken) -> None:
    """A token of all the team is good in all its apps, and bounded by nobody's role in one. Raises InputError (403)."""
    wanted = scopes_of_token(checked_scopes(data.scopes))
    own = (caller.scopes_in(app) for app in metastore.app_names() if metastore.team_of(app) == team)
    if not all(wanted <= scopes for scopes in own):
        raise InputError(
            "in an app of the team you may do less than in the team, and this token might do more there; name an app "
            "with `app`, or leave out `of_team`",
            code="forbidden",
            status=403,
        )


def _token(token: Token) -> TokenAnswer:
    return TokenAnswer(
        token.id, token.name, token.team, token.app or None, token.person or None, token.prefix, token.scopes.split(),
        when(token.made_ns) or "", token.made_by, when(token.expires_ns), day_text(token.used_day),
    )  # fmt: skip
