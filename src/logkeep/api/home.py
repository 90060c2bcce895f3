"""`/overview`: what arrives now, what became of everything, the latest sessions. `/` is that, or the viewer."""

from typing import Any

import msgspec
from litestar import Request, Response, get
from litestar.response import Redirect

from logkeep.api.answers import html_answer
from logkeep.api.backend import Context
from logkeep.api.charts import level_bars
from logkeep.api.costs import cost_of
from logkeep.api.links import search_url
from logkeep.api.people_pages import listed
from logkeep.api.search import GivenContext, GivenCredential
from logkeep.api.times import TIME_NS_MAX, TimeRange, format_time
from logkeep.api.told_sessions import with_told
from logkeep.clock import NS_PER_DAY, NS_PER_S
from logkeep.query.ast import All
from logkeep.store.page import rfc3339
from logkeep.store.port import Activity, ActivityRequest
from logkeep.store.reading import Reading

HOUR_NS = 3600 * NS_PER_S
MINUTES = 60
SESSIONS = 10


@get("/", include_in_schema=False)
async def home(request: Request[Any, Any, Any], context: GivenContext, credential: GivenCredential) -> Response[Any]:
    """The page that greets: in a browser that has signed in the viewer, which leads on to the other where no script
    runs."""
    if context.viewer.is_built and "authorization" not in request.headers:
        return Redirect("/app/", status_code=303)
    return html_answer(await context.read(lambda reading: _page(context, reading, credential.app)))


@get("/overview", include_in_schema=False)
async def overview(context: GivenContext, credential: GivenCredential) -> Response[bytes]:
    """The page that greets without script."""
    return html_answer(await context.read(lambda reading: _page(context, reading, credential.app)))


def _page(context: Context, reading: Reading, app: str) -> bytes:
    """Blocks: three reads of the store and rendering."""
    now_ns = context.clock.now_ns()
    store = context.backend.store
    span = TimeRange(now_ns - HOUR_NS, now_ns)
    with context.telemetry["api_query_seconds"].labels("/").time():
        buckets = store.histogram(reading, app, All(), span.from_ns, span.to_ns, buckets=MINUTES, by="level")
        sessions, sessions_span = _latest(context, reading, app, now_ns)
    ledger = context.backend.ledger(app)
    bars = level_bars(buckets, span, MINUTES, lambda from_ns, to_ns: search_url(
        **{"from": rfc3339(from_ns), "to": rfc3339(to_ns)}
    ))  # fmt: skip
    last_minute = sum(bucket.count for bucket in buckets if bucket.start_ns >= now_ns - HOUR_NS // MINUTES)
    return context.pages.render(
        "home.html",
        cost=cost_of(reading),
        app=app,
        now=format_time(now_ns),
        bars_data=bars,
        last_minute=last_minute,
        errors=bars.totals["error"] + bars.totals["fatal"],
        ledger=ledger,
        rejected_total=sum(ledger.rejected.values()),
        sessions_span=sessions_span,
        sessions=listed("session", with_told(context, app, sessions), now_ns),
        intake=f"{context.settings.intake.host}:{context.settings.intake.port}",
    )


def _latest(context: Context, reading: Reading, app: str, now_ns: int) -> tuple[list[Activity], str]:
    """Of the last day, or of all that is kept when that day was quiet (it reads more); and which it was, in words."""
    store, days = context.backend.store, context.retention_days(app)
    day = ActivityRequest(app, "session", All(), now_ns - NS_PER_DAY, TIME_NS_MAX, SESSIONS)
    if found := store.activity(reading, day).rows:
        return found, "24 hours"
    everything = msgspec.structs.replace(day, from_ns=max(0, now_ns - (days + 1) * NS_PER_DAY))
    return store.activity(reading, everything).rows, f"{days} days, all that is kept"
