"""Signing in and out for programs that run in browsers: `/api/v1/sign-in`, `/api/v1/sign-out`."""

from typing import Annotated, Any, Literal

import msgspec
from litestar import Request, Response, get, post
from litestar.params import JSONBody
from msgspec import Meta

from logkeep.api import signing
from logkeep.api.bodies import Body, Text, told
from logkeep.api.search import GivenContext
from logkeep.api.sign_ins import COOKIE, STEP_COOKIE
from logkeep.errors import InputError


class ProviderAnswer(msgspec.Struct):
    name: Annotated[str, Meta(description="for the button")]
    url: Annotated[str, Meta(description="where the button leads; `next` says where to come back to")]


class WaysAnswer(msgspec.Struct):
    """How one can sign in here."""

    password: bool
    token: bool
    oidc: ProviderAnswer | None


class SignInBody(Body):
    """Either `email` and `password`, or `token`."""

    email: Text = ""
    password: Text = ""
    token: Text = ""


class CodeBody(Body):
    code: Annotated[str, Meta(max_length=100, description="of the device, or one for when it is lost")]


class SignInAnswer(msgspec.Struct):
    """step: `null`: signed in, the cookie is set. `totp`: send a code to `/api/v1/sign-in/totp`."""

    step: Literal["totp"] | None


@get("/api/v1/sign-in", summary="Ways to sign in", tags=["signing in"], responses=told(WaysAnswer, "What there is"))
async def ways(context: GivenContext) -> Response[bytes]:
    """What a sign-in page has to offer."""
    oidc = context.settings.oidc
    provider = ProviderAnswer(oidc.name, "/sign-in/oidc") if oidc.issuer else None
    return Response(msgspec.json.encode(WaysAnswer(True, True, provider)), media_type="application/json")


@post(
    "/api/v1/sign-in",
    status_code=200,
    summary="Sign in",
    tags=["signing in"],
    responses=told(SignInAnswer, "Signed in, or the next step", 429),
)
async def sign_in(request: Request[Any, Any, Any], context: GivenContext, data: JSONBody[SignInBody]) -> Response[Any]:
    """Sets the cookie that stands for whoever signed in, an HttpOnly one; before it there is no way to guess it."""
    asker = signing.asker_of(request)
    if bool(data.token) == bool(data.email):
        raise InputError("send either `email` and `password`, or `token`", code="bad_input")
    if data.token:
        signed = await context.checks.run(lambda: signing.by_token(context, asker, data.token.strip()))
    else:
        signed = await context.checks.run(lambda: signing.by_password(context, asker, data.email, data.password))
    return _answer(request, context, signed)


@post(
    "/api/v1/sign-in/totp",
    status_code=200,
    summary="Second step of signing in",
    tags=["signing in"],
    responses=told(SignInAnswer, "Signed in", 429),
)
async def sign_in_totp(
    request: Request[Any, Any, Any], context: GivenContext, data: JSONBody[CodeBody]
) -> Response[Any]:
    """For who was told `totp` by the first one; within ten minutes, and five tries."""
    asker, step = signing.asker_of(request), request.cookies.get(STEP_COOKIE, "")
    return _answer(request, context, await context.checks.run(lambda: signing.by_code(context, asker, step, data.code)))


@post(
    "/api/v1/sign-out",
    status_code=204,
    summary="Sign out",
    tags=["signing in"],
    responses=told(None, "Signed out", status=204),
)
async def sign_out(request: Request[Any, Any, Any], context: GivenContext) -> Response[None]:
    """The cookie is worth nothing any more, here and in the browser."""
    asker = signing.asker_of(request)
    await context.checks.run(lambda: signing.close(context, asker))
    gone = [signing.cookie(request, context, name, "", 0) for name in (COOKIE, STEP_COOKIE)]
    return Response(None, status_code=204, cookies=gone)


def _answer(request: Request[Any, Any, Any], context: Any, signed: signing.Signed) -> Response[Any]:
    content = msgspec.json.encode(SignInAnswer("totp" if signed.step else None))
    cookies = signing.cookies_of(request, context, signed)
    return Response(content, media_type="application/json", cookies=cookies)
