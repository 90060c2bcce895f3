"""Invitations and new passwords, both by a link in a mail: `/api/v1/invitations`, `/api/v1/password-resets`."""

from collections.abc import Callable
from typing import Annotated, Any, Literal

import msgspec
from litestar import Request, Response, delete, get, post
from litestar.params import FromPath, JSONBody
from msgspec import Meta

from logkeep.api import signing
from logkeep.api.answers import Time
from logkeep.api.auth import actor_of, address_of, by_cookie, caller_of
from logkeep.api.backend import Context
from logkeep.api.bodies import Body, Text, answer, nothing, told, when
from logkeep.api.search import GivenContext
from logkeep.api.sign_ins import COOKIE
from logkeep.api.teams import GivenTeam
from logkeep.errors import InputError
from logkeep.mail import compose
from logkeep.mail.port import Message
from logkeep.metastore.audit import Actor, Entry
from logkeep.metastore.links import INVITATION_S, RESET_S, Link, mail_state
from logkeep.metastore.people import Person
from logkeep.metastore.roles import NOTHING, Role
from logkeep.metastore.teams import Joined
from logkeep.metastore.writing import clean_email

LinkSecret = Annotated[str, Meta(max_length=200, description="what stands behind `#` or `secret=` in the link")]


class InvitationAnswer(msgspec.Struct):
    invitation: str
    team: str
    email: str
    role: Role
    made: Time
    made_by: str
    expires: Time
    mail: Annotated[
        Literal["waiting", "sent", "failed"] | None,
        Meta(description="what became of the mail with the link; null: none was to be sent. Invite again to try again"),
    ] = None
    mail_error: Annotated[str | None, Meta(description="why it could not be sent")] = None


class NewInvitationAnswer(InvitationAnswer):
    link: Annotated[
        str | None, Meta(description="only where mails are kept as files (`mail.kind`): pass it on yourself")
    ] = None


class InvitationsAnswer(msgspec.Struct):
    invitations: list[InvitationAnswer]
    next: None = None


class NewInvitation(Body):
    email: Annotated[str, Meta(max_length=254)]
    role: Annotated[str, Meta(max_length=40, description="owner, admin, member or read_only")] = "member"


class SecretBody(Body):
    secret: LinkSecret


class InvitedTo(msgspec.Struct):
    """What a link invites to."""

    team: str
    email: str
    role: Role


class Acceptance(Body):
    """name and password: of somebody new; who has an account signs in first and sends neither."""

    secret: LinkSecret
    name: Annotated[str, Meta(max_length=200)] = ""
    password: Text = ""


class JoinedAnswer(msgspec.Struct):
    """Who is in the team now, and signed in. role: theirs there now."""

    person: str
    email: str
    team: str
    role: Role
    before: Annotated[
        Role | None,
        Meta(description="their role when they were a member already: a lower one was raised; null: they were none"),
    ]


class ResetAsked(Body):
    email: Annotated[str, Meta(max_length=254)]


class ResetBody(Body):
    secret: LinkSecret
    password: Text


@get(
    "/api/v1/invitations",
    summary="Invitations",
    tags=["teams"],
    responses=told(InvitationsAnswer, "Those that wait", 404),
)
async def invitations(
    request: Request[Any, Any, Any], context: GivenContext, team: GivenTeam = None
) -> Response[bytes]:
    """Oldest first."""
    found = await context.checks.run(lambda: context.backend.directory.links.invitations(request.state.team))
    return answer(InvitationsAnswer([_invitation(context, link) for link in found]))


@post(
    "/api/v1/invitations",
    status_code=201,
    summary="Invite somebody",
    tags=["teams"],
    responses=told(NewInvitationAnswer, "On its way by mail", 404, status=201),
)
async def invite(
    request: Request[Any, Any, Any], context: GivenContext, data: JSONBody[NewInvitation], team: GivenTeam = None
) -> Response[bytes]:
    """A link by mail, good once, for a week, and while you may invite. Another for the same address takes its place."""
    by, chosen = actor_of(request), request.state.team
    if data.role == "owner" and "owner" not in caller_of(request).teams.get(chosen, NOTHING):
        raise InputError("only an owner of the team invites owners", code="forbidden", status=403)
    link, address = await context.checks.run(lambda: _invite(context, by, chosen, data))
    shown = address if context.settings.mail.kind == "files" else None
    made = NewInvitationAnswer(**msgspec.structs.asdict(_invitation(context, link)), link=shown)
    return answer(made, 201)


@delete(
    "/api/v1/invitations/{invitation:str}",
    status_code=204,
    summary="Withdraw an invitation",
    tags=["teams"],
    responses=told(None, "Its link is not good any more", 404, status=204),
)
async def withdraw(
    request: Request[Any, Any, Any], context: GivenContext, invitation: FromPath[str], team: GivenTeam = None
) -> Response[None]:
    """Who has accepted already stays a member."""
    by, chosen = actor_of(request), request.state.team
    await context.checks.run(lambda: context.backend.directory.links.withdraw(by, chosen, invitation))
    return nothing()


@post(
    "/api/v1/invitations/look",
    status_code=200,
    summary="What a link invites to",
    tags=["signing in"],
    responses=told(InvitedTo, "It is good", 404, 429),
)
async def look(request: Request[Any, Any, Any], context: GivenContext, data: JSONBody[SecretBody]) -> Response[bytes]:
    """For the page behind the link. The secret is sent in the body: addresses are written into logs."""
    link = await context.checks.run(lambda: invitation_of(context, address_of(request), data.secret))
    return answer(InvitedTo(link.team, link.email, link.role))  # type: ignore[arg-type]


@post(
    "/api/v1/invitations/accept",
    status_code=200,
    summary="Accept an invitation",
    tags=["signing in"],
    responses=told(JoinedAnswer, "In the team, and signed in", 404, 409, 429),
)
async def accept(request: Request[Any, Any, Any], context: GivenContext, data: JSONBody[Acceptance]) -> Response[Any]:
    """As somebody new, or as who is signed in with that e-mail address. A member's role is raised, never lowered."""
    joined, signed = await join(context, request, data)
    who = joined.person
    found = answer(JoinedAnswer(who.id, who.email, joined.team, joined.role, joined.before or None))  # type: ignore[arg-type]
    if signed is not None:
        found.cookies = signing.cookies_of(request, context, signed)
    return found


@post(
    "/api/v1/password-resets",
    status_code=202,
    summary="Ask for a new password",
    tags=["signing in"],
    responses=told(None, "A mail is on its way, if the address is known", 429, status=202),
)
async def ask_reset(
    request: Request[Any, Any, Any], context: GivenContext, data: JSONBody[ResetAsked]
) -> Response[bytes]:
    """The answer is the same whether or not the address is known."""
    await context.checks.run(lambda: ask_for_reset(context, address_of(request), data.email))
    return Response(b"{}", status_code=202, media_type="application/json")


@post(
    "/api/v1/password-resets/set",
    status_code=204,
    summary="Set a new password",
    tags=["signing in"],
    responses=told(None, "It counts from now on; all sign-ins have ended", 404, 429, status=204),
)
async def set_password(
    request: Request[Any, Any, Any], context: GivenContext, data: JSONBody[ResetBody]
) -> Response[None]:
    """With the secret of the link. Sign in with it then."""
    address = address_of(request)
    await context.checks.run(lambda: reset_password(context, address, data.secret, data.password))
    return nothing()


# ── what the pages do too; all but `join` block ───────────────────────────────────────────────────────────────────────


async def join(
    context: Context, request: Request[Any, Any, Any], data: Acceptance
) -> tuple[Joined, signing.Signed | None]:
    """Who has joined; and how they are signed in, None when they were before."""
    caller = await by_cookie(context, request.cookies.get(COOKIE, ""))
    signed_in = caller.id if caller is not None and caller.kind == "person" and not data.password else ""
    asker = signing.asker_of(request)

    def accepted() -> tuple[Joined, signing.Signed | None]:
        attempts = context.backend.directory.attempts
        attempts.begin(asker.address, "")
        joined = context.backend.directory.links.accept(
            asker.address, data.secret, name=data.name, password=data.password, signed_in=signed_in
        )
        attempts.succeeded(asker.address, "")
        if signed_in:
            return joined, None
        return joined, signing.Signed(signing.open_for(context, asker, "invitation", joined.person))

    return await context.checks.run(accepted)


def invitation_of(context: Context, address: str, secret: str) -> Link:
    """Raises InputError (404), QuotaExceeded for who tries many."""
    return _looked_up(context, address, lambda: context.backend.directory.links.invitation(secret))


def password_reset_of(context: Context, address: str, secret: str) -> Link:
    """Raises as `invitation_of`."""
    return _looked_up(context, address, lambda: context.backend.directory.links.password_reset(secret))


def _looked_up(context: Context, address: str, look: Callable[[], Link]) -> Link:
    attempts = context.backend.directory.attempts
    attempts.begin(address, "")
    link = look()
    attempts.succeeded(address, "")
    return link


def ask_for_reset(context: Context, address: str, email: str) -> None:
    """Counted like a failed sign-in of this address, so that nobody sends mails by the thousand."""
    email = clean_email(email)
    context.backend.directory.attempts.begin(address, f"reset {email}")

    def ended(error: str) -> None:
        if error:
            by, now_ns = Actor("", email, address), context.clock.now_ns()
            told = {"email": email, "error": error}
            context.backend.directory.audit.add([Entry(by=by, what="mail.failed", made_ns=now_ns, detail=told)])

    context.outbox.post(lambda: _reset_message(context, address, email), ended)


def _reset_message(context: Context, address: str, email: str) -> Message | None:
    """By the thread that sends mails: who asks learns nothing from the time it takes."""
    directory = context.backend.directory
    person = directory.people.by_email(email)
    if person is None or person.disabled_ns:
        return None
    secret = directory.links.ask_reset(Actor("", person.email, address), person)
    link = compose.reset_link(context.settings.public_url, secret)
    return compose.password_reset(to=person.email, link=link, minutes=RESET_S // 60)


def reset_password(context: Context, address: str, secret: str, password: str) -> Person:
    attempts = context.backend.directory.attempts
    attempts.begin(address, "")
    person = context.backend.directory.links.reset(address, secret, password)
    attempts.succeeded(address, "")
    attempts.succeeded(address, person.email)
    return person


def _invite(context: Context, by: Actor, team: str, data: NewInvitation) -> tuple[Link, str]:
    directory = context.backend.directory
    link, secret = directory.links.invite(by, team=team, email=data.email, role=data.role, mail="waiting")
    address = compose.invitation_link(context.settings.public_url, secret)
    (found,) = directory.teams.some([team])
    days = INVITATION_S // 86_400
    message = compose.invitation(to=link.email, team=found.title, by=by.name, link=address, days=days)
    context.outbox.post(lambda: message, lambda error: directory.links.mailed(by, link, error))
    return link, address


def _invitation(context: Context, link: Link) -> InvitationAnswer:
    mail, error = mail_state(link, context.clock.now_ns())
    return InvitationAnswer(
        link.id, link.team, link.email, link.role, when(link.made_ns) or "", link.made_by,  # type: ignore[arg-type]
        when(link.expires_ns) or "", mail or None, error or None,  # type: ignore[arg-type]
    )  # fmt: skip
