"""Signing in, whatever it is asked with: by password, with a code after it, with a token, by a provider."""

from typing import Any

import msgspec
from litestar import Request
from litestar.datastructures import Cookie

from logkeep.api.auth import address_of
from logkeep.api.backend import Context
from logkeep.api.sign_ins import COOKIE, LIFETIME_S, STEP_COOKIE
from logkeep.errors import InputError
from logkeep.metastore.audit import Actor, Entry
from logkeep.metastore.people import Person
from logkeep.metastore.port import Caller
from logkeep.metastore.steps import STEP_S
from logkeep.metastore.writing import EMAIL_CHARS_MAX, clean_email

TOTP_STEP = "totp"


class Asker(msgspec.Struct, frozen=True):
    """Where a try comes from, and the cookie that was there before, which is worth nothing after it."""

    address: str
    agent: str
    cookie: str


class Signed(msgspec.Struct, frozen=True):
    """cookie: for the browser. step: the same for one that must show a code first; then `cookie` is ""."""

    cookie: str = ""
    step: str = ""


def asker_of(request: Request[Any, Any, Any]) -> Asker:
    return Asker(address_of(request), request.headers.get("user-agent", ""), request.cookies.get(COOKIE, ""))


def by_password(context: Context, asker: Asker, email: str, password: str) -> Signed:
    """Blocks. Raises InputError (401), QuotaExceeded (too many tries)."""
    directory = context.backend.directory
    directory.attempts.begin(asker.address, email)
    person = directory.people.verify(email, password) if email and password else None
    if person is None:
        failed(context, asker, "password", email)
        raise InputError("that is not known here; check e-mail and password", code="wrong_sign_in", status=401)
    directory.attempts.succeeded(asker.address, email)
    return _signed(context, asker, "password", person)


def by_token(context: Context, asker: Asker, token: str) -> Signed:
    """Blocks. Raises InputError (401; 403 for a write key), QuotaExceeded."""
    directory = context.backend.directory
    directory.attempts.begin(asker.address, "")
    caller = context.backend.metastore.caller(token)
    if caller is None:
        failed(context, asker, "token", "")
        raise InputError("that is not known here; check the token", code="wrong_sign_in", status=401)
    if caller.kind == "key":
        raise InputError(
            "this is a write key: it can send events and never read; paste the API token", code="forbidden", status=403
        )
    directory.attempts.succeeded(asker.address, "")
    made = _opened(context, asker, name=caller.name, token=token)
    _done(context, asker, "token", Actor(caller.id, caller.name, asker.address), _team_of(context, caller))
    return Signed(made)


def by_code(context: Context, asker: Asker, step: str, code: str) -> Signed:
    """The second step, worth nothing once something ended all sign-ins of this person. Blocks.

    Raises InputError (401), QuotaExceeded.
    """
    directory = context.backend.directory
    found = directory.steps.attempt(TOTP_STEP, step) if step else None
    if found is None:
        raise InputError("sign in with e-mail and password first", code="step_expired", status=401)
    directory.attempts.begin(asker.address, found.person)
    person = directory.people.get(found.person)
    if found.body != _epoch_text(person):
        raise InputError("sign in with e-mail and password again", code="step_expired", status=401)
    by = Actor(person.id, person.email, asker.address)
    if person.disabled_ns or not directory.totp.check(by, person.id, code):
        failed(context, asker, "totp", person.email)
        raise directory.totp.refusal(person.id, code)
    directory.attempts.succeeded(asker.address, found.person)
    directory.steps.end(step)
    return Signed(open_for(context, asker, "totp", person))


def by_provider(context: Context, asker: Asker, person: Person) -> Signed:
    """The provider has said who it is; whether it asked for a second factor is its matter, ours is asked for too."""
    return _signed(context, asker, "oidc", person)


def open_for(context: Context, asker: Asker, how: str, person: Person) -> str:
    """The cookie of this person."""
    made = _opened(context, asker, name=person.email, person=person.id, epoch=person.epoch)
    _done(context, asker, how, Actor(person.id, person.email, asker.address))
    return made


def _opened(
    context: Context, asker: Asker, *, name: str, person: str = "", epoch: int = 1, token: str = ""
) -> str:  # fmt: skip
    """A new cookie, whatever the browser came with: nobody can have put it there before, and it is worth nothing."""
    if asker.cookie:
        context.sign_ins.close(asker.cookie)
    return context.sign_ins.open(
        name=name, person=person, epoch=epoch, token=token, address=asker.address, agent=asker.agent
    )


def close(context: Context, asker: Asker) -> None:
    """Blocks."""
    caller = context.sign_ins.caller(asker.cookie)
    context.sign_ins.close(asker.cookie)
    if caller is not None:
        by = Actor(caller.id, caller.name, asker.address)
        now_ns, team = context.clock.now_ns(), _team_of(context, caller)
        context.backend.directory.audit.add([Entry(by=by, what="sign_in.ended", made_ns=now_ns, team=team)])


def failed(context: Context, asker: Asker, how: str, email: str) -> None:
    """A try that is refused is counted and told in the audit log. email: "" where nobody knows whose.

    Kept by the batch: a guesser must not make the metastore write for each guess.
    """
    context.telemetry["sign_ins"].labels(how, "failed").inc()
    email = clean_email(email)[:EMAIL_CHARS_MAX]
    by, told = Actor("", email, asker.address), {"how": how, "email": email}
    context.auditing.note(Entry(by=by, what="sign_in.failed", made_ns=context.clock.now_ns(), detail=told))


def _signed(context: Context, asker: Asker, how: str, person: Person) -> Signed:
    if person.totp:
        step = context.backend.directory.steps.begin(TOTP_STEP, person=person.id, body=_epoch_text(person))
        return Signed(step=step)
    return Signed(open_for(context, asker, how, person))


def _epoch_text(person: Person) -> str:
    return str(person.epoch)


def _team_of(context: Context, caller: Caller) -> str:
    """Whose the sign-in is in the audit log: of a token its team's, of a person nobody's."""
    if caller.kind == "person":
        return ""
    of_apps = (context.backend.metastore.team_of(app) for app in caller.apps)
    return next(iter(caller.teams), "") or next(of_apps, "")


def _done(context: Context, asker: Asker, how: str, by: Actor, team: str = "") -> None:
    context.telemetry["sign_ins"].labels(how, "done").inc()
    told = {"how": how, "agent": asker.agent[:200]}
    now_ns = context.clock.now_ns()
    entry = Entry(by=by, what="sign_in.done", made_ns=now_ns, team=team, target=by.id, detail=told)
    context.backend.directory.audit.add([entry])


# ── cookies ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def cookies_of(request: Request[Any, Any, Any], context: Context, signed: Signed) -> list[Cookie]:
    if signed.step:
        return [cookie(request, context, STEP_COOKIE, signed.step, STEP_S)]
    return [
        cookie(request, context, COOKIE, signed.cookie, LIFETIME_S),
        cookie(request, context, STEP_COOKIE, "", 0),
    ]


def cookie(request: Request[Any, Any, Any], context: Context, name: str, value: str, max_age_s: int | None) -> Cookie:
    """Lax: a link from a chat into a session page works; a form of another site does not carry it. max_age_s: None:
    until the browser is closed."""
    secure = request.scope["scheme"] == "https" or context.settings.public_url.startswith("https://")
    return Cookie(name, value=value, max_age=max_age_s, httponly=True, samesite="lax", secure=secure)
