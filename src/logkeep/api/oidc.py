"""Signing in with an OpenID provider: `/sign-in/oidc`, and where it sends the browser back to."""

import hmac
from collections.abc import Mapping
from typing import Any

import msgspec
from litestar import Request, Response, get
from litestar.response import Redirect

from logkeep.api import signing
from logkeep.api.auth import address_of
from logkeep.api.backend import Context
from logkeep.api.oidc_client import Begun
from logkeep.api.search import GivenContext
from logkeep.api.sign_in import local, onwards, refused, sentence, sign_in_form
from logkeep.api.sign_ins import STEP_COOKIE
from logkeep.errors import InputError, QuotaExceeded
from logkeep.metastore.audit import Actor
from logkeep.metastore.people import Person
from logkeep.metastore.steps import STEP_S
from logkeep.metastore.writing import email_address
from logkeep.settings import OidcSettings

STEP = "oidc"
CALLBACK = "/sign-in/oidc/callback"
PARAMETER_CHARS_MAX = 4096


@get("/sign-in/oidc", include_in_schema=False)
async def begin(request: Request[Any, Any, Any], context: GivenContext) -> Response[Any]:
    """To the provider."""
    _refuse_without(context)
    address, next = address_of(request), request.query_params.get("next", "/")
    try:
        url, secret = await context.checks.run(lambda: _begin(context, address, next))
    except QuotaExceeded as error:
        return refused(sign_in_form(context, next, problem=sentence(error)), error)
    return Redirect(url, status_code=303, cookies=[signing.cookie(request, context, STEP_COOKIE, secret, STEP_S)])


@get("/sign-in/oidc/callback", include_in_schema=False)
async def callback(request: Request[Any, Any, Any], context: GivenContext) -> Response[Any]:
    """Back from there: signed in, or told why not."""
    _refuse_without(context)
    asker, step = signing.asker_of(request), request.cookies.get(STEP_COOKIE, "")
    given = {name: request.query_params.get(name, "")[:PARAMETER_CHARS_MAX] for name in ("code", "state", "error")}
    try:
        signed, next = await context.checks.run(lambda: _finish(context, asker, step, given))
    except InputError as error:
        return refused(sign_in_form(context, "/", problem=sentence(error)), error)
    return onwards(request, context, signed, next)


def _refuse_without(context: Context) -> None:
    if context.provider is None:
        raise InputError("nobody signs in with a provider here; set oidc.issuer", code="not_found", status=404)


def _begin(context: Context, address: str, next: str) -> tuple[str, str]:
    """Blocks. Raises QuotaExceeded."""
    assert context.provider is not None
    context.backend.directory.attempts.begin_trip(address)
    url, begun = context.provider.begin(local(next)[:1500])
    return url, context.backend.directory.steps.begin(STEP, body=msgspec.json.encode(begun).decode())


def _finish(context: Context, asker: signing.Asker, step: str, given: Mapping[str, str]) -> tuple[signing.Signed, str]:
    """Blocks. The trip was begun by this very browser, and is made once."""
    steps, provider = context.backend.directory.steps, context.provider
    assert provider is not None
    found = steps.attempt(STEP, step) if step else None
    begun = msgspec.json.decode(found.body, type=Begun) if found is not None else None
    if begun is None or not hmac.compare_digest(begun.state.encode(), given["state"].encode()):
        raise InputError(
            "this sign-in was not begun in this browser, or too long ago; begin again", code="step_expired", status=401
        )
    steps.end(step)
    context.backend.directory.attempts.end_trip(asker.address)
    claims: Mapping[str, Any] = {}
    try:
        if not given["code"]:
            raise _refused(f"the provider did not let you in: {(given['error'] or 'it sent no code')[:100]}")
        claims = provider.claims(begun, given["code"])
        person = _person(context, asker, claims)
    except InputError:
        signing.failed(context, asker, "oidc", str(claims.get("email", "")))
        raise
    return signing.by_provider(context, asker, person), begun.next


def _person(context: Context, asker: signing.Asker, claims: Mapping[str, Any]) -> Person:
    """Who it is here: known by the provider's word before, by a verified address, or new where that is allowed."""
    settings, people = context.settings.oidc, context.backend.directory.people
    email = _email(settings, claims)
    subject = str(claims["sub"])[:255]
    by = Actor("", email, asker.address)
    person = people.by_subject(settings.issuer, subject)
    if person is None and (person := people.by_email(email)) is not None:
        if person.subject:
            raise _refused("this address belongs to somebody else at the provider; ask an admin")
        person = people.connect(by, person.id, provider=settings.issuer, subject=subject)
    if person is None:
        person = _newcomer(context, by, email, str(claims.get("name") or ""), subject)
    if person.disabled_ns:
        raise _refused("you are disabled here; ask an admin")
    return person


def _newcomer(context: Context, by: Actor, email: str, name: str, subject: str) -> Person:
    settings, directory = context.settings.oidc, context.backend.directory
    if not (settings.domains and settings.team):
        raise _refused(f"{email} is not known here; ask an admin to invite you")
    clean = "".join(char for char in name if char.isprintable())[:200]
    join = directory.teams.joining(by, settings.team, settings.role)
    return directory.people.create(by, email=email, name=clean, provider=settings.issuer, subject=subject, join=join)


def _email(settings: OidcSettings, claims: Mapping[str, Any]) -> str:
    """The address of the claims, if it and they are as the settings want. Raises InputError (403)."""
    if claims.get("email_verified") is not True:  # else anybody could name an address that is another one's here
        raise _refused("the provider does not say that your e-mail address is yours")
    email = email_address(str(claims.get("email", "")))
    domains = [domain.strip().lower() for domain in settings.domains.split(",") if domain.strip()]
    if domains and email.partition("@")[2] not in domains:
        raise _refused(f"addresses of {email.partition('@')[2]} do not sign in here")
    name, _, wanted = settings.claim.partition("=")
    if name:
        said = claims.get(name.strip())
        if wanted.strip() not in ([str(one) for one in said] if isinstance(said, list) else [str(said)]):
            raise _refused(f"the provider does not say {settings.claim} of you")
    return email


def _refused(why: str) -> InputError:
    return InputError(why, code="sign_in_refused", status=403)
