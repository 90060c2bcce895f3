"""Signing in and out in a browser without JavaScript, and the files the pages refer to."""

from typing import Any
from urllib.parse import parse_qs

from litestar import Request, Response, get, post
from litestar.params import FromPath
from litestar.response import Redirect

from logkeep.api import signing
from logkeep.api.answers import html_answer
from logkeep.api.auth import caller_of, is_local_path
from logkeep.api.backend import Context
from logkeep.api.pages import STATIC_TYPES
from logkeep.api.search import GivenContext
from logkeep.api.sign_ins import APP_COOKIE, COOKIE, STEP_COOKIE, app_cookie
from logkeep.errors import InputError, LogkeepError, QuotaExceeded

FORM_BYTES_MAX = 16 * 1024
FIELD_CHARS_MAX = 4096
NOTICES = {
    "sign-out": "You are signed out.",
    "everywhere": "You are signed out, here and in every other browser.",
    "password": "Your new password counts from now on. Sign in with it.",
}


@get("/sign-in", include_in_schema=False)
async def sign_in_page(request: Request[Any, Any, Any], context: GivenContext) -> Response[bytes]:
    """The form; with a word about what led here, where it was one of our pages."""
    notice = NOTICES.get(request.query_params.get("after", ""))
    return html_answer(sign_in_form(context, request.query_params.get("next", "/"), notice=notice))


@post("/sign-in", include_in_schema=False, request_max_body_size=FORM_BYTES_MAX)
async def sign_in(request: Request[Any, Any, Any], context: GivenContext) -> Response[Any]:
    """A cookie for the browser and back to where the person wanted to go; the form again when it was not right."""
    form = form_of(await request.body())
    asker, token = signing.asker_of(request), form.get("token", "").strip()
    email, password = form.get("email", "").strip(), form.get("password", "")
    try:
        if token:
            signed = await context.checks.run(lambda: signing.by_token(context, asker, token))
        else:
            signed = await context.checks.run(lambda: signing.by_password(context, asker, email, password))
    except (InputError, QuotaExceeded) as error:
        page = sign_in_form(
            context, form.get("next", "/"), problem=sentence(error), email=email[:200], by_token=bool(token)
        )
        return refused(page, error)
    return onwards(request, context, signed, form.get("next", "/"))


@post("/sign-in/totp", include_in_schema=False, request_max_body_size=FORM_BYTES_MAX)
async def sign_in_totp(request: Request[Any, Any, Any], context: GivenContext) -> Response[Any]:
    """The second step, for those who have a second factor."""
    form = form_of(await request.body())
    asker, step = signing.asker_of(request), request.cookies.get(STEP_COOKIE, "")
    try:
        signed = await context.checks.run(lambda: signing.by_code(context, asker, step, form.get("code", "")))
    except (InputError, QuotaExceeded) as error:
        if error.code == "step_expired":
            return refused(sign_in_form(context, form.get("next", "/"), problem=sentence(error)), error)
        page = _code_page(context, form.get("next", "/"), sentence(error), by_recovery="recovery" in form)
        return refused(page, error)
    return onwards(request, context, signed, form.get("next", "/"))


@post("/sign-out", include_in_schema=False, request_max_body_size=FORM_BYTES_MAX)
async def sign_out(request: Request[Any, Any, Any], context: GivenContext) -> Response[Any]:
    """The cookie is worth nothing any more, here and in the browser."""
    asker = signing.asker_of(request)
    await context.checks.run(lambda: signing.close(context, asker))
    gone = [signing.cookie(request, context, name, "", 0) for name in (COOKIE, STEP_COOKIE)]
    return Redirect("/sign-in?after=sign-out", status_code=303, cookies=gone)


@post("/app", include_in_schema=False, request_max_body_size=FORM_BYTES_MAX)
async def choose_app(request: Request[Any, Any, Any], context: GivenContext) -> Response[Any]:
    """From now on the pages show this app."""
    app, caller = form_of(await request.body()).get("app", ""), caller_of(request)
    if app not in caller.apps:
        raise InputError(f"there is no app {app[:80]!r}", code="not_found", status=404)
    return Redirect(
        "/", status_code=303, cookies=[signing.cookie(request, context, APP_COOKIE, *app_cookie(app, caller))]
    )


@get("/static/{name:str}", include_in_schema=False)
async def static(name: FromPath[str], context: GivenContext) -> Response[bytes]:
    """Style and icon. Their addresses change with their content, so browsers keep them."""
    content = context.pages.static.get(name)
    if content is None:
        raise InputError("there is no such file", code="not_found", status=404)
    headers = {"Cache-Control": "public, max-age=31536000, immutable"}
    return Response(content, media_type=STATIC_TYPES[name], headers=headers)


def form_of(body: bytes) -> dict[str, str]:
    """Raises InputError."""
    try:
        fields = parse_qs(body.decode(), max_num_fields=10, errors="strict")
    except ValueError as error:  # too many fields, or not UTF-8
        raise InputError("the form cannot be read; open /sign-in and send it from there") from error
    return {name: values[0] for name, values in fields.items() if len(values[0]) <= FIELD_CHARS_MAX}


def onwards(request: Request[Any, Any, Any], context: Context, signed: signing.Signed, next: str) -> Response[Any]:
    cookies = signing.cookies_of(request, context, signed)
    if signed.step:
        return Response(_code_page(context, next, None), media_type="text/html", status_code=200, cookies=cookies)
    return Redirect(local(next), status_code=303, cookies=cookies)


def sign_in_form(
    context: Context,
    next: str,
    *,
    notice: str | None = None,
    problem: str | None = None,
    email: str = "",
    by_token: bool = False,
) -> bytes:
    oidc = context.settings.oidc
    provider = oidc.name if oidc.issuer else None
    return context.pages.render(
        "sign_in.html", app=None, next=local(next), notice=notice, problem=problem, email=email, provider=provider,
        by_token=by_token,
    )  # fmt: skip


def sentence(error: LogkeepError) -> str:
    """What was wrong, for a person."""
    return error.message[:1].upper() + error.message[1:] + "."


def refused(page: bytes, error: InputError | QuotaExceeded) -> Response[bytes]:
    """The form again."""
    if isinstance(error, InputError):
        return html_answer(page, error.status)
    answer = html_answer(page, 429)
    answer.headers["Retry-After"] = str(error.retry_after_s)
    return answer


def _code_page(context: Context, next: str, problem: str | None, *, by_recovery: bool = False) -> bytes:
    """by_recovery: the part for who is without their device stands open."""
    return context.pages.render(
        "sign_in_code.html", app=None, next=local(next), problem=problem, by_recovery=by_recovery
    )


def local(path: str) -> str:
    """`path` when it leads to a page here, else the start page."""
    return path if is_local_path(path) else "/"
