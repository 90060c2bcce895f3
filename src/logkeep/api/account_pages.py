"""Pages about one's account, without JavaScript: joining a team, a new password, the account itself."""

from typing import Any

import msgspec
from litestar import Request, Response, get, post
from litestar.response import Redirect

from logkeep.api import invitations, me, signing
from logkeep.api.answers import html_answer
from logkeep.api.auth import actor_of, address_of, by_cookie, caller_of
from logkeep.api.backend import Context
from logkeep.api.search import GivenContext
from logkeep.api.sign_in import FORM_BYTES_MAX, form_of, refused, sentence
from logkeep.api.sign_ins import COOKIE
from logkeep.errors import InputError, QuotaExceeded
from logkeep.metastore.links import RESET_S


class _Done(msgspec.Struct, frozen=True):
    """What a form of the account page has brought about. cookie: the one to go on with, "" to keep it."""

    notice: str
    cookie: str = ""
    totp: me.TotpAnswer | None = None
    codes: list[str] = []


# ── joining a team ────────────────────────────────────────────────────────────────────────────────────────────────────


@get("/invitation", include_in_schema=False)
async def invitation_page(request: Request[Any, Any, Any], context: GivenContext) -> Response[bytes]:
    """What the link invites to, and the form to accept it."""
    return await _invitation(request, context, request.query_params.get("secret", ""), "", None)


@post("/invitation", include_in_schema=False, request_max_body_size=FORM_BYTES_MAX)
async def accept_page(request: Request[Any, Any, Any], context: GivenContext) -> Response[Any]:
    """In the team, and signed in; who was in it before is told what has changed."""
    form = form_of(await request.body())
    given = invitations.Acceptance(
        secret=form.get("secret", ""), name=form.get("name", "")[:200], password=form.get("password", "")
    )
    try:
        joined, signed = await invitations.join(context, request, given)
    except QuotaExceeded as error:
        return _wait_for_link(context, "invitation", given.secret, error)
    except InputError as error:
        return await _invitation(request, context, given.secret, given.name, error)
    if joined.before:
        return html_answer(context.pages.render("joined.html", app=None, joined=joined), 200)
    cookies = signing.cookies_of(request, context, signed) if signed is not None else []
    return Redirect("/", status_code=303, cookies=cookies)


async def _invitation(
    request: Request[Any, Any, Any], context: Context, secret: str, name: str, error: InputError | None
) -> Response[bytes]:
    """name: as it was typed before."""
    address = address_of(request)
    try:
        link = await context.checks.run(lambda: invitations.invitation_of(context, address, secret))
    except QuotaExceeded as wait:
        return _wait_for_link(context, "invitation", secret, wait)
    except InputError as gone:
        return html_answer(context.pages.render("link_gone.html", app=None, of="invitation"), gone.status)
    caller = await by_cookie(context, request.cookies.get(COOKIE, ""))
    page = context.pages.render(
        "invitation.html", app=None, link=link, secret=secret, name=name, problem=error and sentence(error),
        signed_in_as=caller.name if caller is not None and caller.kind == "person" else "",
        sign_in_first=error is not None and error.code == "sign_in_first",
    )  # fmt: skip
    return html_answer(page, error.status if error is not None else 200)


def _wait_for_link(context: Context, of: str, secret: str, error: QuotaExceeded) -> Response[bytes]:
    """Whether the link is good is not looked at for who has to wait. of: as its path has it."""
    page = context.pages.render("link_waits.html", app=None, of=of, secret=secret, problem=sentence(error))
    return refused(page, error)


# ── a new password ────────────────────────────────────────────────────────────────────────────────────────────────────


@get("/password-reset", include_in_schema=False)
async def reset_page(request: Request[Any, Any, Any], context: GivenContext) -> Response[bytes]:
    """Where one asks for a link, or with one chooses a password."""
    secret = request.query_params.get("secret", "")
    return await _reset(request, context, secret, None) if secret else html_answer(_ask_reset(context))


@post("/password-reset", include_in_schema=False, request_max_body_size=FORM_BYTES_MAX)
async def ask_reset_page(request: Request[Any, Any, Any], context: GivenContext) -> Response[bytes]:
    """The same words whether or not the address is known."""
    form, address = form_of(await request.body()), address_of(request)
    email = form.get("email", "")[:254]
    try:
        await context.checks.run(lambda: invitations.ask_for_reset(context, address, email))
    except QuotaExceeded as error:
        return refused(_ask_reset(context, problem=sentence(error), email=email), error)
    return html_answer(_ask_reset(context, asked=True))


@post("/password-reset/set", include_in_schema=False, request_max_body_size=FORM_BYTES_MAX)
async def set_password_page(request: Request[Any, Any, Any], context: GivenContext) -> Response[Any]:
    """The password counts from now on; the person signs in with it."""
    form, address = form_of(await request.body()), address_of(request)
    secret, password = form.get("secret", ""), form.get("password", "")
    try:
        await context.checks.run(lambda: invitations.reset_password(context, address, secret, password))
    except QuotaExceeded as error:
        return _wait_for_link(context, "password-reset", secret, error)
    except InputError as error:
        return await _reset(request, context, secret, error)
    return Redirect("/sign-in?after=password", status_code=303)


async def _reset(
    request: Request[Any, Any, Any], context: Context, secret: str, error: InputError | None
) -> Response[bytes]:
    address = address_of(request)
    try:
        link = await context.checks.run(lambda: invitations.password_reset_of(context, address, secret))
    except QuotaExceeded as wait:
        return _wait_for_link(context, "password-reset", secret, wait)
    except InputError as gone:
        return html_answer(context.pages.render("link_gone.html", app=None, of="reset"), gone.status)
    page = context.pages.render(
        "password_reset.html", app=None, link=link, secret=secret, problem=error and sentence(error)
    )
    return html_answer(page, error.status if error is not None else 200)


def _ask_reset(context: Context, *, asked: bool = False, problem: str | None = None, email: str = "") -> bytes:
    """email: as it was typed before."""
    return context.pages.render(
        "password_reset_ask.html", app=None, asked=asked, minutes=RESET_S // 60, problem=problem, email=email
    )


# ── the account ───────────────────────────────────────────────────────────────────────────────────────────────────────


@get("/account", include_in_schema=False)
async def account_page(request: Request[Any, Any, Any], context: GivenContext) -> Response[bytes]:
    """Name, password, second factor, sign-ins."""
    return html_answer(await context.checks.run(lambda: _account(context, request, None, None)))


@post("/account", include_in_schema=False, request_max_body_size=FORM_BYTES_MAX)
async def change_account(request: Request[Any, Any, Any], context: GivenContext) -> Response[Any]:
    """One of its forms, told by `do`."""
    form = form_of(await request.body())
    try:
        done = await context.checks.run(lambda: _do(context, request, form))
    except (InputError, QuotaExceeded) as error:
        problem = sentence(error)
        return refused(await context.checks.run(lambda: _account(context, request, None, problem)), error)
    if done is None:
        return Redirect("/sign-in?after=everywhere", status_code=303)
    page = html_answer(await context.checks.run(lambda: _account(context, request, done, None)))
    if done.cookie:
        page.cookies = signing.cookies_of(request, context, signing.Signed(done.cookie))
    return page


def _do(context: Context, request: Request[Any, Any, Any], form: dict[str, str]) -> _Done | None:
    """Blocks. None when the person is signed out."""
    what, by, password = form.get("do", ""), actor_of(request), form.get("password", "")
    if what == "name":
        me.change(context, request, me.MeBody(name=form.get("name", "")[:200]))
        return _Done("Your name was changed.")
    if what == "password":
        given = me.MeBody(password=me.NewPassword(new=form.get("new", ""), current=password))
        return _Done("Your password was changed; all other sign-ins have ended.", me.change(context, request, given))
    if what == "totp":
        return _Done("One step more: show this to your app.", totp=me.enrol(context, request, password))
    if what == "totp-confirm":
        codes = me.confirm(context, request, form.get("code", ""))
        return _Done("From now on a code is asked for when you sign in.", codes=codes)
    if what == "totp-remove":
        me.remove(context, request, password)
        return _Done("No code is asked for any more.")
    if what == "end":
        me.end(context, request, form.get("sign_in", ""))
        return _Done("That sign-in has ended.")
    if what == "end-all":
        context.backend.directory.people.sign_out_everywhere(by, by.id)
        return None
    raise InputError("this form is none of the account page; open it again")


def _account(context: Context, request: Request[Any, Any, Any], done: _Done | None, problem: str | None) -> bytes:
    person, caller = me.person_of(context, request), caller_of(request)
    return context.pages.render(
        "account.html",
        app=next(iter(caller.apps), None),
        apps=[(app, context.backend.metastore.title_of(app)) for app in caller.apps],
        person=person,
        teams={team: ", ".join(sorted(scopes)) for team, scopes in caller.teams.items()},
        sign_ins=[] if done is not None and done.cookie else me.listed(context, request),
        done=done,
        problem=problem,
    )
