"""Links that show a session or an event to people without an account, for a time: `/api/v1/shares`."""

import secrets
from typing import Annotated, Any

import msgspec
from litestar import Request, Response, delete, get, post
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromPath, JSONBody
from msgspec import Meta

from logkeep.api.answers import Time, documented, json_answer
from logkeep.api.auth import caller_of, change_of
from logkeep.api.backend import Context
from logkeep.api.bodies import Secret
from logkeep.api.rows import StoredEvent, decode_events
from logkeep.api.search import GivenContext, GivenCredential
from logkeep.clock import NS_PER_DAY, NS_PER_S
from logkeep.errors import InputError
from logkeep.event import NAME_BYTES_MAX
from logkeep.metastore.audit import Entry
from logkeep.metastore.shares import Share, Shared
from logkeep.store.page import rfc3339
from logkeep.store.reading import Reading

EVENTS_MAX = 1000  # on the page behind a link
VALID_S_MIN, VALID_S_MAX = 60, 30 * NS_PER_DAY // NS_PER_S
VALID_S = 7 * NS_PER_DAY // NS_PER_S

_decode = msgspec.json.Decoder(StoredEvent).decode
_Name = Annotated[str, Meta(min_length=1, max_length=NAME_BYTES_MAX)]


class ShareAnswer(msgspec.Struct):
    """What a link shows: one session or one event, the other null. from, to: of the events it shows. paused: nothing
    for now, because whoever made it is disabled or may make none of the app.
    """

    share: str
    session: str | None
    event: str | None
    from_: Time = msgspec.field(name="from")
    to: Time
    redact: bool
    made: Time
    made_by: str
    expires: Time
    paused: bool


class NewShareAnswer(ShareAnswer):
    url: Secret


class SharesAnswer(msgspec.Struct):
    """Those in force, newest first."""

    shares: list[ShareAnswer]
    next: None = None


class NewShare(msgspec.Struct, forbid_unknown_fields=True):
    """One of `session` and `event`."""

    session: _Name | None = None
    event: _Name | None = None
    expires_in_s: Annotated[
        int, Meta(ge=VALID_S_MIN, le=VALID_S_MAX, description="from a minute to 30 days; the default is a week")
    ] = VALID_S
    redact: Annotated[
        bool,
        Meta(
            description="users and devices under pseudonyms; addresses, tokens, e-mail addresses, card numbers and "
            "what the app's rules name masked"
        ),
    ] = True


@get(
    "/api/v1/shares",
    summary="Shared links",
    tags=["privacy"],
    responses=documented(SharesAnswer, "Those in force", 400),
)
async def shares(context: GivenContext, credential: GivenCredential) -> Response[bytes]:
    """What of this app is shown to people without an account. The links themselves are not kept."""
    return await context.checks.run(lambda: _listed(context, credential.app))


@post(
    "/api/v1/shares",
    status_code=201,
    summary="Share a session or an event",
    tags=["privacy"],
    responses={201: ResponseSpec(NewShareAnswer, description="The link", generate_examples=False)}
    | {status: spec for status, spec in documented(NewShareAnswer, "", 400, 404, 409).items() if status != 200},
)
async def make_share(
    request: Request[Any, Any, Any], context: GivenContext, credential: GivenCredential, data: JSONBody[NewShare]
) -> Response[bytes]:
    """Whoever has the link sees the events that there are now, at most the first 1,000 of a session.

    Not what is received later, and not what is replaced or erased by then.
    """
    if (data.session is None) == (data.event is None):
        raise InputError("give one of `session` and `event`: a link shows one of them")
    app, person = credential.app, caller_of(request).person
    events = await context.read(lambda reading: events_of(context, reading, app, data.session, data.event))
    if not events:
        raise InputError(
            f"there is nothing of the {'session' if data.session else 'event'} "
            f"{(data.session or data.event or '')[:200]!r}; {context.retention_days(app)} days are kept",
            code="not_found",
            status=404,
        )
    times = [event.time_ns for event in events]

    def make() -> Response[bytes]:
        shared = Shared(
            session=data.session or "", event=data.event or "", from_ns=min(times), to_ns=max(times) + 1,
            received_ns=max(event.received_ns for event in events), redact=data.redact, salt=secrets.token_hex(16),
            made_by=credential.name or credential.scope, shown_by=_own_name(context, person), maker=person,
        )  # fmt: skip
        made, secret = context.backend.shares.make(
            app, shared, valid_s=data.expires_in_s, entry=lambda share: _entry(request, "share.made", share)
        )
        url = f"{context.settings.public_url}/shared/{secret}"
        return json_answer(msgspec.json.encode(_told(made, url)), 201)

    return await context.checks.run(make)


@delete(
    "/api/v1/shares/{share:str}",
    status_code=200,
    summary="End a shared link",
    tags=["privacy"],
    responses=documented(SharesAnswer, "Those that are left", 400, 404),
)
async def end_share(
    request: Request[Any, Any, Any], context: GivenContext, credential: GivenCredential, share: FromPath[str]
) -> Response[bytes]:
    """It shows nothing any more, whoever has made it."""
    app = credential.app

    def end() -> Response[bytes]:
        context.backend.shares.revoke(app, share, entry=change_of(request, "share.revoked", app, share))
        return _listed(context, app)

    return await context.checks.run(end)


def events_of(
    context: Context, reading: Reading, app: str, session: str | None, event: str | None, *, limit: int = EVENTS_MAX
) -> list[StoredEvent]:
    """What there is of one of them, oldest first. Blocks."""
    store = context.backend.store
    with context.telemetry["api_query_seconds"].labels("/shared/{secret}").time():
        if event:
            found = store.event(reading, app, event)
            return [_decode(found)] if found is not None else []
        return decode_events(store.session(reading, app, session or "", limit=limit).events)


def _own_name(context: Context, person: str) -> str:
    """As it may stand on a page for everyone: no e-mail address."""
    name = context.backend.directory.people.get(person).name if person else ""
    return "" if "@" in name else name


def _entry(request: Request[Any, Any, Any], what: str, share: Share) -> Entry:
    shared = share.shared
    told = {"session": shared.session} if shared.session else {"event": shared.event}
    return change_of(
        request, what, share.app, share.share, **told, redact=shared.redact, expires=rfc3339(share.expires_ns)
    )  # fmt: skip


def _listed(context: Context, app: str) -> Response[bytes]:
    found = [_answer(share) for share in context.backend.shares.of_app(app)]
    return json_answer(msgspec.json.encode(SharesAnswer(found)))


def _answer(share: Share) -> ShareAnswer:
    shared = share.shared
    return ShareAnswer(
        share.share, shared.session or None, shared.event or None, rfc3339(shared.from_ns), rfc3339(shared.to_ns),
        shared.redact, rfc3339(share.made_ns), shared.made_by, rfc3339(share.expires_ns), share.paused,
    )  # fmt: skip


def _told(share: Share, url: str) -> NewShareAnswer:
    return NewShareAnswer(**msgspec.structs.asdict(_answer(share)), url=url)
