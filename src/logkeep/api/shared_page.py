"""`/shared/{secret}`: what a shared link shows, to whoever has it. No script, no account, no way into the rest."""

from collections.abc import Iterable
from itertools import chain, islice
from typing import Any

import msgspec
from litestar import Request, Response, get
from litestar.params import FromPath

from logkeep.api.answers import html_answer
from logkeep.api.auth import address_of
from logkeep.api.backend import Context
from logkeep.api.redaction import Name, Redaction
from logkeep.api.rows import StoredEvent, format_span, make_rows
from logkeep.api.search import GivenContext
from logkeep.api.shares import EVENTS_MAX, events_of
from logkeep.api.tail import ARRIVAL_MAX
from logkeep.api.times import format_time
from logkeep.errors import QuotaExceeded
from logkeep.event import LEVELS
from logkeep.metastore.audit import Actor, Entry
from logkeep.metastore.shares import Share, Shared
from logkeep.query.ast import And, Equals, Exists, Not, Or
from logkeep.store.port import ArrivedRequest
from logkeep.store.reading import Reading

LATE_EVENTS_MAX = 1000  # that came after the link was made, with times among those it shows; beyond, it shows fewer
NAME_LOOKS_MAX = 20  # for names that no event shown has; each finds all those that its first EVENTS_MAX events have
_HEADERS = {"Referrer-Policy": "no-referrer", "X-Robots-Tag": "noindex, nofollow, noarchive"}
_decode = msgspec.json.Decoder(StoredEvent).decode
_NOBODY = Actor("", "whoever has the link")  # and no address: who opens a link is no colleague


class _Shown(msgspec.Struct, frozen=True):
    """session: as it may be shown."""

    session: str
    events: list[StoredEvent]


@get("/shared/{secret:str}", include_in_schema=False)
async def shared(request: Request[Any, Any, Any], context: GivenContext, secret: FromPath[str]) -> Response[bytes]:
    """The page. Of a link that never was, has expired or was ended, the same one that says so.

    After many of these from one address a page that says how long to wait, also for a link that is good.
    """
    address = address_of(request)
    try:
        share = await context.checks.run(lambda: _looked_up(context, address, secret))
    except QuotaExceeded as error:
        waiting = _answer(context.pages.render("shared_gone.html", app=None, wait_s=error.retry_after_s), 429)
        waiting.headers["Retry-After"] = str(error.retry_after_s)
        return waiting
    page = None if share is None else await context.read(lambda reading: _page(context, reading, share))
    if share is None or page is None:
        return _answer(context.pages.render("shared_gone.html", app=None, wait_s=0), 404)
    metastore = context.backend.metastore
    context.auditing.note(
        Entry(
            by=_NOBODY, what="share.opened", made_ns=context.clock.now_ns(), team=metastore.team_of(share.app),
            app=share.app, target=share.share,
        )
    )  # fmt: skip
    return _answer(page, 200)


def _looked_up(context: Context, address: str, secret: str) -> Share | None:
    """Blocks. Who tries many waits, as with tries to sign in. Raises QuotaExceeded."""
    attempts = context.backend.directory.attempts
    attempts.begin(address, "")
    shares = context.backend.shares
    share = shares.opened_by(secret)
    if share is not None or shares.is_kept(secret):
        attempts.succeeded(address, "")
    return share


def _page(context: Context, reading: Reading, share: Share) -> bytes | None:
    """Blocks: reads and renders. None: what it showed is not there any more."""
    about = share.shared
    found = _found(context, reading, share)
    if not found:
        return None
    shown = _shown(context, reading, share.app, about, found)
    rows = make_rows(shown.events, deltas=True)
    levels = {level: sum(row.level == level for row in rows) for level in reversed(LEVELS)}
    return context.pages.render(
        "shared.html",
        app=None,
        of="event" if about.event else "session",
        session=shown.session,
        rows=rows,
        levels={level: count for level, count in levels.items() if count},
        users=_distinct(row.user for row in rows),
        devices=_distinct(row.device for row in rows),
        first=format_time(rows[0].time_ns),
        lasted=format_span(rows[-1].time_ns - rows[0].time_ns),
        full=len(rows) == EVENTS_MAX,
        redact=about.redact,
        shown_by=about.shown_by,
        expires=format_time(share.expires_ns),
    )


def _found(context: Context, reading: Reading, share: Share) -> list[StoredEvent]:
    """The events that were there when the link was made and are there still."""
    about, limit = share.shared, EVENTS_MAX + LATE_EVENTS_MAX
    found = events_of(context, reading, share.app, about.session or None, about.event or None, limit=limit)
    received_ns = about.received_ns or share.made_ns
    were_there = (
        event for event in found if about.from_ns <= event.time_ns < about.to_ns and event.received_ns <= received_ns
    )
    return list(islice(were_there, EVENTS_MAX))


def _shown(context: Context, reading: Reading, app: str, about: Shared, found: list[StoredEvent]) -> _Shown:
    if not about.redact:
        return _Shown(about.session or found[0].session, found)
    redaction = Redaction(context.backend.masking.stored(app).rules, about.salt)
    events = redaction.redact(found, _names(context, reading, app, found))
    return _Shown(events[0].session, events)


def _names(context: Context, reading: Reading, app: str, found: list[StoredEvent]) -> list[Name]:
    """The users and devices of the session of `found`, users first: told of it, and named by any event it ever had.

    An update without `user` may have replaced the only event that told whose name stands in the other texts. Events
    are asked for by what is not known yet: mostly there is nothing to read. Raises BackendUnavailable, of the
    metastore too: a page that lacks a name would show it.
    """
    session = found[0].session
    told = context.backend.told_sessions(app, [session]).get(session)
    names = _named(found) | ({("user", told.user), ("device", told.device)} if told else set())
    for _ in range(NAME_LOOKS_MAX):
        others = And((Equals("session", session), Or((_another("user", names), _another("device", names)))))
        arrived = context.backend.store.arrived(reading, ArrivedRequest(app, others, -1, ARRIVAL_MAX, EVENTS_MAX))
        fresh = _named(_decode(one.event) for one in arrived) - names
        if not fresh:
            break
        names |= fresh
    return sorted(names, reverse=True)


def _named(events: Iterable[StoredEvent]) -> set[Name]:
    pairs = ((("user", event.user or ""), ("device", event.device or "")) for event in events)
    return set(chain.from_iterable(pairs)) - {("user", ""), ("device", "")}


def _another(field: str, names: set[Name]) -> And:
    """That an event names a user or device which is not among `names`."""
    known = sorted(text for of, text in names if of == field and text)
    return And((Exists(field), *(Not(Equals(field, text)) for text in known)))


def _distinct(names: Any) -> list[str]:
    return list(dict.fromkeys(name for name in names if name))[:20]


def _answer(page: bytes, status: int) -> Response[bytes]:
    answer = html_answer(page, status)
    answer.headers.update(_HEADERS)
    return answer
