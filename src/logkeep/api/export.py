"""`/api/v1/export`: everything that matches, as NDJSON or CSV, for as long as it takes and in little memory.

The store is read a page at a time by its cursor, the next page when the client has taken the one before: a slow client
holds no reader of the store, and every match comes exactly once, whatever is written meanwhile. Pages grow or shrink
to PAGE_BYTES, so neither small nor huge events matter.

What fails before the first byte is an answer with its status. What fails later cannot be one any more: then the last
line is the error (`{"error":{…}}`, or a row that begins with `#error`), and the connection is cut without the end that
HTTP asks for, so that curl, browsers and libraries report an incomplete download.
"""

import re
from typing import Annotated, Any, cast

import msgspec
from isal import isal_zlib
from litestar import Request, get
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import QueryParameter

from logkeep import event_csv
from logkeep.api.answers import EventAnswer, FromTime, QueryText, ToTime, documented
from logkeep.api.backend import Context
from logkeep.api.errors import ErrorAnswer, describe
from logkeep.api.search import GivenContext, GivenCredential, Order, range_of
from logkeep.api.streams import Broken, Parts, StreamAnswer
from logkeep.api.times import format_time
from logkeep.errors import InputError, LogkeepError
from logkeep.query.parser import parse
from logkeep.store.port import Page, SearchRequest
from logkeep.store.reading import LimitReached, Reading

FIRST_PAGE_EVENTS = 500
PAGE_EVENTS_MIN, PAGE_EVENTS_MAX = 50, 5_000
PAGE_BYTES = 2 << 20
GZIP_LEVEL = 1  # of 0 to 3; a third of the time of zlib's fastest

_raws = msgspec.json.Decoder(list[msgspec.Raw]).decode
_accepts_gzip = re.compile(r"(^|,)\s*(gzip|x-gzip|\*)\s*(;\s*q\s*=\s*(?!0(\.0*)?\s*(,|$)).*?)?\s*(,|$)", re.I).search


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
    form: Annotated[
        str,
        QueryParameter(
            name="format", description="A JSON object a line, or CSV.", schema_extra={"enum": ["ndjson", "csv"]}
        ),
    ] = "ndjson",
) -> StreamAnswer:
    """Everything that matches, streamed; gzip where the client accepts it. An unfinished answer is not everything."""
    if form not in ("ndjson", "csv"):
        raise InputError(f"format is 'ndjson' or 'csv', not {form[:40]!r}")
    if order not in ("asc", "desc"):
        raise InputError(f"order is 'asc' or 'desc', not {order[:40]!r}")
    query = parse(text, chars_max=context.settings.api.query_chars_max)
    span = range_of(context, credential.app, from_, to)
    wanted = SearchRequest(credential.app, query, span.from_ns, span.to_ns, cast(Order, order), FIRST_PAGE_EVENTS)
    zipped = bool(_accepts_gzip(request.headers.get("accept-encoding", "")))
    leave = context.exports.enter()
    try:
        run = _Export(context, wanted, form, zipped)
        first = await run.page(wanted)
    except BaseException:
        leave()
        raise
    name = f"logkeep-{re.sub('[^A-Za-z0-9._-]', '_', credential.app)}-{format_time(context.clock.now_ns())[:19]}.{form}"
    headers = {"Content-Disposition": f'attachment; filename="{name.replace(":", "")}"', "Vary": "Accept-Encoding"}
    if zipped:
        headers["Content-Encoding"] = "gzip"
    return StreamAnswer(
        run.parts(first),
        media_type="text/csv" if form == "csv" else "application/x-ndjson",
        headers=headers,
        stalled_s=context.settings.api.stalled_s,
        on_end=leave,
    )


class _Part(msgspec.Struct, frozen=True):
    """A page made ready to send."""

    data: bytes
    next: SearchRequest | None


class _Export:
    def __init__(self, context: Context, request: SearchRequest, form: str, zipped: bool) -> None:
        self._context, self._form = context, form
        self._gzip = isal_zlib.compressobj(GZIP_LEVEL, isal_zlib.DEFLATED, 31) if zipped else None
        self._head = event_csv.head().encode() if form == "csv" else b""

    async def page(self, request: SearchRequest) -> _Part:
        """From a reader's thread, encoding too. Raises what the store raises."""
        return await self._context.read(lambda reading: self._page(reading, request))

    async def parts(self, part: _Part) -> Parts:
        try:
            while True:
                if part.data:
                    yield part.data
                if part.next is None:
                    break
                part = await self.page(part.next)
        except LogkeepError as error:
            yield self._packed(self._error(error)) + self._end()
            raise Broken from error
        if end := self._end():
            yield end

    def _page(self, reading: Reading, request: SearchRequest) -> _Part:
        page = self._context.backend.store.search(reading, request)
        if reading.partial is not None and page.next is None:
            raise LimitReached(reading.partial)  # else the next page goes on from as far as this one came
        self._context.telemetry["export_events"].inc(page.count)
        data, self._head = self._head + self._lines(page), b""
        following = None
        if page.next is not None:
            following = msgspec.structs.replace(request, cursor=page.next, limit=_next_limit(page, request.limit))
        return _Part(self._packed(data), following)

    def _lines(self, page: Page) -> bytes:
        if self._form == "csv":
            return event_csv.lines(page.events).encode()
        return b"".join(b"%b\n" % bytes(event) for event in _raws(page.events))

    def _packed(self, data: bytes) -> bytes:
        return self._gzip.compress(data) if self._gzip is not None else data

    def _end(self) -> bytes:
        return self._gzip.flush() if self._gzip is not None else b""

    def _error(self, error: LogkeepError) -> bytes:
        detail = describe(error)[1]
        if self._form == "csv":
            return event_csv.lines_of([("#error", detail.code, event_csv.safe(detail.message))]).encode()
        return msgspec.json.encode(ErrorAnswer(detail)) + b"\n"


def _next_limit(page: Page, before: int) -> int:
    """Events of the next page, so that it has about PAGE_BYTES. before: of this one, which may have found none."""
    if page.count == 0:
        return before
    fitting = PAGE_BYTES * page.count // len(page.events)
    return max(PAGE_EVENTS_MIN, min(PAGE_EVENTS_MAX, fitting))
