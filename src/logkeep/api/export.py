"""`/api/v1/export`: everything that matches, as NDJSON or CSV, for as long as it takes and in little memory.

The store is read a page at a time by its cursor, the next page when the client has taken the one before: a slow client
holds no reader of the store, and every match comes exactly once, whatever is written meanwhile. Pages grow or shrink
to PAGE_BYTES, so neither small nor huge events matter.
"""

from typing import Annotated, Any, cast

import msgspec
from litestar import Request, get
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import QueryParameter

from logkeep import event_csv
from logkeep.api.answers import EventAnswer, FromTime, QueryText, ToTime, documented
from logkeep.api.backend import Context
from logkeep.api.downloads import Form, Part, download
from logkeep.api.search import GivenContext, GivenCredential, Order, range_of
from logkeep.api.streams import StreamAnswer
from logkeep.errors import InputError
from logkeep.query.parser import parse
from logkeep.store.port import Page, SearchRequest
from logkeep.store.reading import LimitReached, Reading

FIRST_PAGE_EVENTS = 500
PAGE_EVENTS_MIN, PAGE_EVENTS_MAX = 50, 5_000
PAGE_BYTES = 2 << 20

_raws = msgspec.json.Decoder(list[msgspec.Raw]).decode


@get(
    "/api/v1/export",
    summary="Export",
    tags=["reading"],
    responses=documented(EventAnswer, "", 400)
    | {
        200: ResponseSpec(
            EventAnswer,
            description="Every match: a JSON object a line, or CSV with the columns " + ", ".join(event_csv.COLUMNS),
            media_type="application/x-ndjson",
            generate_examples=False,
        )
    },
)
async def export(
    request: Request[Any, Any, Any],
    context: GivenContext,
    credential: GivenCredential,
    text: QueryText = "",
    from_: FromTime = None,
    to: ToTime = None,
    order: Annotated[
        str, QueryParameter(description="Oldest first or newest first.", schema_extra={"enum": ["asc", "desc"]})
    ] = "asc",
    form: Form = "ndjson",
) -> StreamAnswer:
    """Everything that matches, streamed; gzip where the client accepts it. An unfinished answer is not everything."""
    if order not in ("asc", "desc"):
        raise InputError(f"order is 'asc' or 'desc', not {order[:40]!r}")
    query = parse(text, chars_max=context.settings.api.query_chars_max)
    span = range_of(context, credential.app, from_, to)
    wanted = SearchRequest(credential.app, query, span.from_ns, span.to_ns, cast(Order, order), FIRST_PAGE_EVENTS)
    run = _Export(context, form)
    return await download(request, credential.app, form, wanted, run.page, event_csv.head())


class _Export:
    def __init__(self, context: Context, form: str) -> None:
        self._context, self._form = context, form

    async def page(self, request: SearchRequest) -> Part[SearchRequest]:
        """From a reader's thread, encoding too. Raises what the store raises."""
        return await self._context.read(lambda reading: self._page(reading, request))

    def _page(self, reading: Reading, request: SearchRequest) -> Part[SearchRequest]:
        page = self._context.backend.store.search(reading, request)
        if reading.partial is not None and page.next is None:
            raise LimitReached(reading.partial)  # else the next page goes on from as far as this one came
        self._context.telemetry["export_events"].inc(page.count)
        following = None
        if page.next is not None:
            following = msgspec.structs.replace(request, cursor=page.next, limit=_next_limit(page, request.limit))
        return Part(self._lines(page), following)

    def _lines(self, page: Page) -> bytes:
        if self._form == "csv":
            return event_csv.lines(page.events).encode()
        return b"".join(b"%b\n" % bytes(event) for event in _raws(page.events))


def _next_limit(page: Page, before: int) -> int:
    """Events of the next page, so that it has about PAGE_BYTES. before: of this one, which may have found none."""
    if page.count == 0:
        return before
    fitting = PAGE_BYTES * page.count // len(page.events)
    return max(PAGE_EVENTS_MIN, min(PAGE_EVENTS_MAX, fitting))
