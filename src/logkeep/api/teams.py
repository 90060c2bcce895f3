"""Teams and their members: `/api/v1/teams`, `/api/v1/members`."""

from collections.abc import Collection
from typing import Annotated, Any

import msgspec
from litestar import Request, Response, delete, get, patch, post
from litestar.params import FromPath, JSONBody, QueryParameter
from msgspec import Meta

from logkeep.api.answers import Time
from logkeep.api.auth import actor_of, caller_of
from logkeep.api.bodies import Body, Revision, answer, nothing, seen_revision, told, when
from logkeep.api.search import GivenContext
from logkeep.metastore import teams as teams_module
from logkeep.metastore.roles import NOTHING, AppRole, Role

GivenTeam = Annotated[
    str | None, QueryParameter(name="team", description="The team; the first in which you may do this is the default.")
]


class TeamAnswer(msgspec.Struct):
    team: str
    title: str
    made: Time
    revision: int


class TeamsAnswer(msgspec.Struct):
    teams: list[TeamAnswer]
    next: None = None


class NewTeam(Body):
    team: Annotated[str, Meta(max_length=200, description="a-z, 0-9, '.', '_', '-'; stays for ever")]
    title: Annotated[str, Meta(max_length=200)] = ""


class TeamBody(Body):
    title: Annotated[str, Meta(max_length=200)]
    revision: Revision = None


class MemberAnswer(msgspec.Struct):
    person: str
    email: str
    name: str
    role: Role
    app_roles: Annotated[dict[str, AppRole], Meta(description="where it is another one than `role`")]
    totp: bool
    disabled: bool
    since: Time
    revision: int


class MembersAnswer(msgspec.Struct):
    members: list[MemberAnswer]
    next: None = None


class MemberBody(Body):
    """What changes; what is not sent stays."""

    role: Annotated[str, Meta(description="owner, admin, member or read_only", max_length=40)] | None = None
    app_roles: Annotated[
        dict[str, str | None],
        Meta(description="by app: admin, member, read_only or none; null: `role` counts there again", max_length=1000),
    ] = msgspec.field(default_factory=dict)
    revision: Revision = None


@get("/api/v1/teams", summary="Teams", tags=["teams"], responses=told(TeamsAnswer, "Yours"))
async def teams(request: Request[Any, Any, Any], context: GivenContext) -> Response[bytes]:
    """Those in which you may do something."""
    names = list(caller_of(request).teams)
    found = await context.checks.run(lambda: context.backend.directory.teams.some(names))
    return answer(TeamsAnswer([_team(team) for team in found]))


@post(
    "/api/v1/teams",
    status_code=201,
    summary="Create a team",
    tags=["teams"],
    responses=told(TeamAnswer, "Made", 409, status=201),
)
async def create_team(
    request: Request[Any, Any, Any], context: GivenContext, data: JSONBody[NewTeam]
) -> Response[bytes]:
    """You are its owner. Only owners of the first team make teams."""
    by = actor_of(request)
    team = await context.checks.run(
        lambda: context.backend.directory.teams.create(by, name=data.team, title_=data.title, owner=by.id)
    )
    return answer(_team(team), 201, revision=team.revision)


@get("/api/v1/teams/{team:str}", summary="One team", tags=["teams"], responses=told(TeamAnswer, "It", 404))
async def team(request: Request[Any, Any, Any], context: GivenContext, team: FromPath[str]) -> Response[bytes]:
    """With its revision, also as `ETag`."""
    found = (await context.checks.run(lambda: context.backend.directory.teams.some([request.state.team])))[0]
    return answer(_team(found), revision=found.revision)


@patch(
    "/api/v1/teams/{team:str}",
    summary="Rename a team",
    tags=["teams"],
    responses=told(TeamAnswer, "As it is now", 404, 409),
)
async def change_team(
    request: Request[Any, Any, Any], context: GivenContext, team: FromPath[str], data: JSONBody[TeamBody]
) -> Response[bytes]:
    """Its title; its name stays."""
    by, revision = actor_of(request), seen_revision(request, data.revision)
    changed = await context.checks.run(
        lambda: context.backend.directory.teams.rename(by, request.state.team, data.title, revision)
    )
    return answer(_team(changed), revision=changed.revision)


@get("/api/v1/members", summary="Members", tags=["teams"], responses=told(MembersAnswer, "By e-mail", 404))
async def members(request: Request[Any, Any, Any], context: GivenContext, team: GivenTeam = None) -> Response[bytes]:
    """Who is in the team, and with which role. Of apps that you may not see no role is told, but to admins."""
    caller, chosen = caller_of(request), request.state.team
    found = await context.checks.run(lambda: context.backend.directory.teams.members(chosen))
    hidden = {app for member in found for app in member.app_roles if app not in caller.apps}
    if "admin" in caller.teams.get(chosen, NOTHING):  # who sets these roles
        hidden = set()
    return answer(MembersAnswer([_member(member, hidden) for member in found]))


@patch(
    "/api/v1/members/{person:str}",
    summary="Change a member",
    tags=["teams"],
    responses=told(MemberAnswer, "As they are now", 404, 409),
)
async def change_member(
    request: Request[Any, Any, Any],
    context: GivenContext,
    person: FromPath[str],
    data: JSONBody[MemberBody],
    team: GivenTeam = None,
) -> Response[bytes]:
    """Role in the team, and in apps where it is another one. It counts at once, for what is being read too.

    Only owners make, change or remove owners; a team keeps one owner at least.
    """
    by, revision = actor_of(request), seen_revision(request, data.revision)
    changed = await context.checks.run(
        lambda: context.backend.directory.teams.change_member(
            by, request.state.team, person, role=data.role, app_roles=data.app_roles, revision=revision,
            is_owner=_is_owner(request),
        )
    )  # fmt: skip
    return answer(_member(changed), revision=changed.revision)


@delete(
    "/api/v1/members/{person:str}",
    status_code=204,
    summary="Remove a member",
    tags=["teams"],
    responses=told(None, "Not in the team any more", 404, 409, status=204),
)
async def remove_member(
    request: Request[Any, Any, Any], context: GivenContext, person: FromPath[str], team: GivenTeam = None
) -> Response[None]:
    """Their tokens in this team are revoked too, and invitations that they made are not good any more."""
    by, revision = actor_of(request), seen_revision(request, None)
    await context.checks.run(
        lambda: context.backend.directory.teams.remove(
            by, request.state.team, person, is_owner=_is_owner(request), revision=revision
        )
    )
    return nothing()


def _is_owner(request: Request[Any, Any, Any]) -> bool:
    return "owner" in caller_of(request).teams.get(request.state.team, NOTHING)


def _team(team: teams_module.Team) -> TeamAnswer:
    return TeamAnswer(team.name, team.title, when(team.made_ns) or "", team.revision)


def _member(member: teams_module.Member, hidden: Collection[str] = ()) -> MemberAnswer:
    app_roles = {app: role for app, role in member.app_roles.items() if app not in hidden}
    return MemberAnswer(
        member.person, member.email, member.name, member.role, app_roles, member.totp,  # type: ignore[arg-type]
        member.disabled, when(member.made_ns) or "", member.revision,
    )  # fmt: skip
