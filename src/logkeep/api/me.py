"""Oneself: `/api/v1/me`. Whoever asks, what they may do, and for people their password, second factor, sign-ins."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec
from litestar import Request, Response, delete, get, patch, post
from litestar.params import FromPath, JSONBody
from msgspec import Meta

from logkeep.api import signing
from logkeep.api.auth import actor_of, address_of, caller_of
from logkeep.api.backend import Context
from logkeep.api.bodies import Body, Secret, Text, answer, nothing, told, when
from logkeep.api.qr import QrCode, qr_code
from logkeep.api.search import GivenContext
from logkeep.api.sign_ins import COOKIE
from logkeep.errors import InputError
from logkeep.metastore import passwords
from logkeep.metastore.people import Person
from logkeep.metastore.port import Caller
from logkeep.metastore.roles import Scopes
from logkeep.metastore.writing import not_found


class MyApp(msgspec.Struct):
    app: str
    title: str
    team: str
    scopes: list[str]
    start: Annotated[str, Meta(description='the search that the viewer begins with; "" for none, and for tokens')]


class MyTeam(msgspec.Struct):
    team: str
    scopes: list[str]


class MeAnswer(msgspec.Struct):
    """Who asks. email, password, totp, default_app: of people; null for tokens."""

    kind: Literal["person", "token"]
    id: str
    name: str
    email: str | None
    password: Annotated[bool | None, Meta(description="has one; those who come by a provider may have none")]
    totp: Annotated[bool | None, Meta(description="a second factor is asked for")]
    default_app: Annotated[str | None, Meta(description='chosen to be the first of `apps`; "" for none chosen')]
    teams: list[MyTeam]
    apps: Annotated[list[MyApp], Meta(description="those that may be read; the first is the default of `app`")]


class NewPassword(Body):
    new: Text
    current: Annotated[Text, Meta(description='"" only for who has none')] = ""


class MeBody(Body):
    """What changes; what is not sent stays."""

    name: Annotated[str, Meta(max_length=200)] | None = None
    password: NewPassword | None = None
    default_app: (
        Annotated[str, Meta(max_length=255, description='opens where none is named; "" for the one made first')] | None
    ) = None


class PasswordBody(Body):
    password: Annotated[Text, Meta(description='yours, once more; "" only for who has none')] = ""


class CodeBody(Body):
    code: Annotated[str, Meta(max_length=100)]


class TotpAnswer(msgspec.Struct):
    """What a device needs; it counts once a code of it was sent to `/api/v1/me/totp/confirm`."""

    secret: Secret
    uri: Annotated[str, Meta(description="the same as an `otpauth:` address")]
    qr: Annotated[QrCode, Meta(description="`uri` as a picture, for the camera of the device")]


class RecoveryAnswer(msgspec.Struct):
    """Codes for when the device is lost, good once each."""

    recovery_codes: Annotated[list[str], Meta(description="shown only in this answer")]


class SignInAnswer(msgspec.Struct):
    id: str
    current: Annotated[bool, Meta(description="the one that asks")]
    made: str
    used: Annotated[str, Meta(description="some minutes more or less")]
    address: str
    agent: str


class SignInsAnswer(msgspec.Struct):
    sign_ins: list[SignInAnswer]
    next: None = None


@get("/api/v1/me", summary="Who am I", tags=["oneself"], responses=told(MeAnswer, "Who asks"))
async def me(request: Request[Any, Any, Any], context: GivenContext) -> Response[bytes]:
    """Who this token or sign-in stands for, and what it may do where."""
    return answer(await context.checks.run(lambda: _me(context, request)))


@patch("/api/v1/me", summary="Change oneself", tags=["oneself"], responses=told(MeAnswer, "As it is now", 404, 429))
async def change_me(request: Request[Any, Any, Any], context: GivenContext, data: JSONBody[MeBody]) -> Response[bytes]:
    """Name, password and default app: all that is sent, or nothing. A new password ends all sign-ins but this one,
    which gets a new cookie."""
    cookie = await context.checks.run(lambda: change(context, request, data))
    found = answer(await context.checks.run(lambda: _me(context, request)))
    if cookie:
        found.cookies = signing.cookies_of(request, context, signing.Signed(cookie))
    return found


@post(
    "/api/v1/me/totp",
    status_code=200,
    summary="Begin a second factor",
    tags=["oneself"],
    responses=told(TotpAnswer, "What a device needs", 429),
)
async def enrol_totp(
    request: Request[Any, Any, Any], context: GivenContext, data: JSONBody[PasswordBody]
) -> Response[bytes]:
    """A secret for an app that shows codes. One that counts already stays until the new one is confirmed."""
    return answer(await context.checks.run(lambda: enrol(context, request, data.password)))


@post(
    "/api/v1/me/totp/confirm",
    status_code=200,
    summary="Confirm a second factor",
    tags=["oneself"],
    responses=told(RecoveryAnswer, "From now on a code is asked for", 429),
)
async def confirm_totp(
    request: Request[Any, Any, Any], context: GivenContext, data: JSONBody[CodeBody]
) -> Response[bytes]:
    """With a code that the device shows now."""
    return answer(RecoveryAnswer(await context.checks.run(lambda: confirm(context, request, data.code))))


@post(
    "/api/v1/me/totp/remove",
    status_code=204,
    summary="Remove the second factor",
    tags=["oneself"],
    responses=told(None, "No code is asked for any more", 429, status=204),
)
async def remove_totp(
    request: Request[Any, Any, Any], context: GivenContext, data: JSONBody[PasswordBody]
) -> Response[None]:
    """Takes the password, so that nobody does it at a desk that was left."""
    await context.checks.run(lambda: remove(context, request, data.password))
    return nothing()


@get("/api/v1/me/sign-ins", summary="My sign-ins", tags=["oneself"], responses=told(SignInsAnswer, "Used last first"))
async def sign_ins(request: Request[Any, Any, Any], context: GivenContext) -> Response[bytes]:
    """Browsers in which you are signed in."""
    return answer(SignInsAnswer(await context.checks.run(lambda: listed(context, request))))


@delete(
    "/api/v1/me/sign-ins/{sign_in:str}",
    status_code=204,
    summary="End a sign-in",
    tags=["oneself"],
    responses=told(None, "It is worth nothing any more", 404, status=204),
)
async def end_sign_in(request: Request[Any, Any, Any], context: GivenContext, sign_in: FromPath[str]) -> Response[None]:
    """With this instance at once, with others within ten seconds."""
    await context.checks.run(lambda: end(context, request, sign_in))
    return nothing()


@delete(
    "/api/v1/me/sign-ins",
    status_code=204,
    summary="Sign out everywhere",
    tags=["oneself"],
    responses=told(None, "This one too", status=204),
)
async def end_sign_ins(request: Request[Any, Any, Any], context: GivenContext) -> Response[None]:
    """All sign-ins are worth nothing any more, this one among them."""
    by = actor_of(request)
    await context.checks.run(lambda: context.backend.directory.people.sign_out_everywhere(by, by.id))
    return nothing()


# ── what the page does too; all of it blocks ──────────────────────────────────────────────────────────────────────────


def person_of(context: Context, request: Request[Any, Any, Any]) -> Person:
    return context.backend.directory.people.get(caller_of(request).id)


def change(context: Context, request: Request[Any, Any, Any], data: MeBody) -> str:
    """The cookie to go on with, "" to keep the one there is. Raises InputError (400, 403, 404), QuotaExceeded."""
    by, new = actor_of(request), data.password
    if data.default_app and data.default_app not in caller_of(request).apps:
        raise not_found("app", data.default_app)
    if new is not None:
        prove(context, request, new.current)
    elif data.name is None and data.default_app is None:
        return ""
    person = context.backend.directory.people.set(
        by, by.id, name=data.name, password=new.new if new else None, default_app=data.default_app
    )
    return signing.open_for(context, signing.asker_of(request), "password_changed", person) if new else ""


def prove(context: Context, request: Request[Any, Any, Any], password: str) -> None:
    """That it is really this person who asks. Raises InputError (403), QuotaExceeded."""
    person, attempts, address = person_of(context, request), context.backend.directory.attempts, address_of(request)
    if not person.password:
        return
    attempts.begin(address, person.id)
    if not passwords.is_password(password, person.password):
        raise InputError("this is not your password", code="wrong_password", status=403)
    attempts.succeeded(address, person.id)


def enrol(context: Context, request: Request[Any, Any, Any], password: str) -> TotpAnswer:
    prove(context, request, password)
    by = actor_of(request)
    secret, uri = context.backend.directory.totp.enrol(by, by.id)
    return TotpAnswer(secret, uri, qr_code(uri))


def confirm(context: Context, request: Request[Any, Any, Any], code: str) -> list[str]:
    by, attempts = actor_of(request), context.backend.directory.attempts
    attempts.begin(by.ip, by.id)
    codes = context.backend.directory.totp.confirm(by, by.id, code)
    attempts.succeeded(by.ip, by.id)
    return codes


def remove(context: Context, request: Request[Any, Any, Any], password: str) -> None:
    prove(context, request, password)
    by = actor_of(request)
    context.backend.directory.totp.remove(by, by.id)


def end(context: Context, request: Request[Any, Any, Any], sign_in: str) -> None:
    """That sign-in of the one who asks. Raises InputError (404)."""
    by, directory = actor_of(request), context.backend.directory
    if not context.sign_ins.close_one(by.id, sign_in):
        raise not_found("sign-in", sign_in)
    told = directory.people.entry(by, "sign_in.ended", person_of(context, request), {"sign_in": sign_in})
    directory.audit.add([told])


def listed(context: Context, request: Request[Any, Any, Any]) -> list[SignInAnswer]:
    cookie = request.cookies.get(COOKIE, "")
    return [
        SignInAnswer(
            row.id, context.sign_ins.is_id_of(row.id, cookie), when(row.made_ns) or "", when(row.used_ns) or "",
            row.address, row.agent,
        )
        for row in context.sign_ins.of_person(caller_of(request).id)
    ]  # fmt: skip


def _me(context: Context, request: Request[Any, Any, Any]) -> MeAnswer:
    """As the metastore has it now: a change that this very request has made is in it."""
    caller = caller_of(request)
    teams = [MyTeam(team, _sorted(scopes)) for team, scopes in caller.teams.items()]
    if caller.kind == "token":
        return MeAnswer("token", caller.id, caller.name, None, None, None, None, teams, _apps(context, caller, {}))
    person, starts = context.backend.directory.people.with_starts(caller.id)
    default = person.default_app if person.default_app in caller.apps else ""
    apps = sorted(_apps(context, caller, starts), key=lambda app: app.app != default)
    return MeAnswer(
        "person", person.id, person.name, person.email, bool(person.password), bool(person.totp), default, teams, apps
    )


def _apps(context: Context, caller: Caller, starts: Mapping[str, str]) -> list[MyApp]:
    metastore = context.backend.metastore
    return [
        MyApp(app, metastore.title_of(app), metastore.team_of(app), _sorted(scopes), starts.get(app, ""))
        for app, scopes in caller.apps.items()
    ]


def _sorted(scopes: Scopes) -> list[str]:
    return sorted(scopes)
