"""Signing in and out in a browser, and the files the pages refer to."""

from typing import Any
from urllib.parse import parse_qs

from litestar import Request, Response, get, post
from litestar.datastructures import Cookie
from litestar.params import FromPath
from litestar.response import Redirect

from logkeep.api.answers import html_answer
from logkeep.api.auth import is_local_path, refuse_foreign_posts
from logkeep.api.backend import Context
from logkeep.api.pages import STATIC_TYPES
from logkeep.api.search import GivenContext
from logkeep.api.sign_ins import COOKIE, LIFETIME_S
from logkeep.errors import InputError
from logkeep.metastore.port import Credential

FORM_BYTES_MAX = 16 * 1024
FIELD_CHARS_MAX = 4096


@get("/sign-in", include_in_schema=False)
async def sign_in_page(request: Request[Any, Any, Any], context: GivenContext) -> Response[bytes]:
    """The form."""
    page = context.pages.render(
        "sign_in.html", app=None, next=_next(request.query_params.get("next", "/")), problem=None, email=""
    )
    return html_answer(page)


@post("/sign-in", include_in_schema=False, request_max_body_size=FORM_BYTES_MAX)
async def sign_in(request: Request[Any, Any, Any], context: GivenContext) -> Response[Any]:
    """A cookie for the browser and back to where the person wanted to go; the form again when it was not right."""
    refuse_foreign_posts(request)
    form = _form(await request.body())
    address = request.client.host if request.client else ""
    context.attempts.begin(address)
    token = form.get("token", "").strip()
    credential = await context.checks.run(lambda: _credential(context, token, form))
    if credential is None or credential.scope == "write":
        problem = "That is not known here. Check the token, or e-mail and password."
        if credential is not None:
            problem = "This is a write key: it can send events and never read. Paste the API token."
        page = context.pages.render(
            "sign_in.html",
            app=None,
            next=_next(form.get("next", "/")),
            problem=problem,
            email=form.get("email", "")[:200],
        )
        return html_answer(page, 403 if credential else 401)
    context.attempts.succeeded(address)
    secret = await context.checks.run(lambda: context.sign_ins.open(credential, token or None))
    return Redirect(_next(form.get("next", "/")), status_code=303, cookies=[_cookie(request, secret, LIFETIME_S)])


@post("/sign-out", include_in_schema=False, request_max_body_size=FORM_BYTES_MAX)
async def sign_out(request: Request[Any, Any, Any], context: GivenContext) -> Response[Any]:
    """The cookie is worth nothing any more, here and in the browser."""
    refuse_foreign_posts(request)
    secret = request.cookies.get(COOKIE, "")
    await context.checks.run(lambda: context.sign_ins.close(secret))
    return Redirect("/sign-in", status_code=303, cookies=[_cookie(request, "", 0)])


@get("/static/{name:str}", include_in_schema=False)
async def static(name: FromPath[str], context: GivenContext) -> Response[bytes]:
    """Style and icon. Their addresses change with their content, so browsers keep them."""
    content = context.pages.static.get(name)
    if content is None:
        raise InputError("there is no such file", code="not_found", status=404)
    headers = {"Cache-Control": "public, max-age=31536000, immutable"}
    return Response(content, media_type=STATIC_TYPES[name], headers=headers)


def _credential(context: Context, token: str, form: dict[str, str]) -> Credential | None:
    """Blocks: a password's hash takes its time on purpose."""
    if token:
        return context.backend.metastore.credential(token)
    email, password = form.get("email", "").strip(), form.get("password", "")
    return context.backend.metastore.sign_in(email, password) if email and password else None


def _form(body: bytes) -> dict[str, str]:
    try:
        fields = parse_qs(body.decode(), max_num_fields=10, errors="strict")
    except ValueError as error:  # too many fields, or not UTF-8
        raise InputError("the form cannot be read; open /sign-in and send it from there") from error
    return {name: values[0] for name, values in fields.items() if len(values[0]) <= FIELD_CHARS_MAX}


def _next(path: str) -> str:
    return path if is_local_path(path) else "/"


def _cookie(request: Request[Any, Any, Any], secret: str, max_age_s: int) -> Cookie:
    """Lax: a link from a chat into a session page works; a form of another site does not carry it."""
    secure = request.scope["scheme"] == "https"
    return Cookie(COOKIE, value=secret, max_age=max_age_s, httponly=True, samesite="lax", secure=secure)
