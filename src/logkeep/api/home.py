"""`/`: what arrives now, what became of everything, and the latest sessions."""

import msgspec
from litestar import Response, get

from logkeep.api.answers import html_answer
from logkeep.api.backend import Context
from logkeep.api.charts import level_bars
from logkeep.api.costs import cost_of
from logkeep.api.links import search_url, session_url
from logkeep.api.rows import colours_of, format_span
from logkeep.api.search import GivenContext, GivenCredential
from logkeep.api.times import TimeRange, format_time
from logkeep.clock import NS_PER_DAY, NS_PER_S
from logkeep.query.ast import All
from logkeep.store.page import rfc3339
from logkeep.store.port import SessionSummary
from logkeep.store.reading import Reading

HOUR_NS = 3600 * NS_PER_S
MINUTES = 60
SESSIONS = 10
COMPONENTS = 6


class SessionRow(msgspec.Struct, frozen=True):
    """components: name and colour, the first few; more: how many others."""

    name: str
    url: str
    events: int
    errors: int
    errors_url: str
    last: str
    ago: str
    lasted: str
    user: str
    device: str
    components: list[tuple[str, int]]
    more: int


@get("/", include_in_schema=False)
async def home(context: GivenContext, credential: GivenCredential) -> Response[bytes]:
    """The page that greets."""
    return html_answer(await context.read(lambda reading: _page(context, reading, credential.app)))


def _page(context: Context, reading: Reading, app: str) -> bytes:
    """Blocks: three reads of the store and rendering."""
    now_ns = context.clock.now_ns()
    store = context.backend.store
    span = TimeRange(now_ns - HOUR_NS, now_ns)
    with context.telemetry["api_query_seconds"].labels("/").time():
        buckets = store.histogram(reading, app, All(), span.from_ns, span.to_ns, buckets=MINUTES, by="level")
        sessions = _latest(context, reading, app, now_ns)
    ledger = context.backend.ledger(app)
    bars = level_bars(buckets, span, MINUTES, lambda from_ns, to_ns: search_url(
        **{"from": rfc3339(from_ns), "to": rfc3339(to_ns)}
    ))  # fmt: skip
    last_minute = sum(bucket.count for bucket in buckets if bucket.start_ns >= now_ns - HOUR_NS // MINUTES)
    colours = colours_of(name for found in sessions for name in found.components)
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
        sessions=[session_row(found, now_ns, colours) for found in sessions],
        intake=f"{context.settings.intake.host}:{context.settings.intake.port}",
    )


def _latest(context: Context, reading: Reading, app: str, now_ns: int) -> list[SessionSummary]:
    """Of the last day; of everything kept when that day was quiet (it reads more, so only then)."""
    store = context.backend.store
    found = store.latest_sessions(reading, app, since_ns=now_ns - NS_PER_DAY, limit=SESSIONS)
    return found or store.latest_sessions(
        reading, app, since_ns=now_ns - (context.settings.store.retention_days + 1) * NS_PER_DAY, limit=SESSIONS
    )


def session_row(found: SessionSummary, now_ns: int, colours: dict[str, int]) -> SessionRow:
    names = [name for name in found.components if name]
    return SessionRow(
        name=found.session,
        url=session_url(found.session),
        events=found.events,
        errors=found.errors,
        errors_url=session_url(found.session) + "#errors",
        last=format_time(found.last_ns),
        ago=format_span(max(0, now_ns - found.last_ns) // NS_PER_S * NS_PER_S).replace(".000", "") + " ago",
        lasted=format_span(found.last_ns - found.first_ns),
        user=found.user,
        device=found.device,
        components=[(name, colours[name]) for name in names[:COMPONENTS]],
        more=max(0, len(names) - COMPONENTS),
    )
