"""Files that are made while they are sent: NDJSON or CSV, gzip where the client accepts it, visibly whole or not.

What fails before the first byte is an answer with its status. What fails later cannot be one any more: then the last
line is the error (`{"error":{…}}`, or a row that begins with `#error`), and the connection is cut without the end that
HTTP asks for, so that curl, browsers and libraries report an incomplete download. So ends the file of somebody who may
not read it any more; where the connection takes nothing just then, it is cut without that line.
"""

import re
from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Generic, TypeVar, cast

import msgspec
from isal import isal_zlib
from litestar import Request
from litestar.params import QueryParameter

from logkeep import event_csv
from logkeep.api.backend import Context
from logkeep.api.errors import ErrorAnswer, describe
from logkeep.api.lasting import Admission
from logkeep.api.streams import Broken, Parts, StreamAnswer
from logkeep.api.times import format_time
from logkeep.errors import InputError, LogkeepError

GZIP_LEVEL = 1  # of 0 to 3; a third of the time of zlib's fastest
TYPES = {"ndjson": "application/x-ndjson", "csv": "text/csv"}

Form = Annotated[
    str,
    QueryParameter(
        name="format", description="A JSON object a line, or CSV.", schema_extra={"enum": ["ndjson", "csv"]}
    ),
]

_accepts_gzip = re.compile(r"(^|,)\s*(gzip|x-gzip|\*)\s*(;\s*q\s*=\s*(?!0(\.0*)?\s*(,|$)).*?)?\s*(,|$)", re.I).search


Place = TypeVar("Place")


class Part(msgspec.Struct, Generic[Place], frozen=True):
    """A page of a file, not packed yet, and where the next one begins; None: this is the last."""

    data: bytes
    next: Place | None


async def download(
    request: Request[Any, Any, Any],
    name: str,
    form: str,
    first: Place,
    read: Callable[[Place], Awaitable[Part[Place]]],
    head: str,
) -> StreamAnswer:
    """The file, page after page; its first one is read before this returns.

    name: of what is in it, a part of the file's name. read: a page; its cost is bounded. head: CSV's first line. Raises
    InputError (an unknown form), BackendUnavailable (as many exports as may run are running), what `read` raises.
    """
    if form not in TYPES:
        raise InputError(f"format is 'ndjson' or 'csv', not {form[:40]!r}")
    context = cast(Context, request.app.state.context)
    packing = _Packing(form, bool(_accepts_gzip(request.headers.get("accept-encoding", ""))))
    admission = Admission(request, context)
    leave = context.exports.enter()
    try:
        part = await read(first)
    except BaseException:
        leave()
        raise
    file = f"logkeep-{re.sub('[^A-Za-z0-9._-]', '_', name)}-{format_time(context.clock.now_ns())[:19]}.{form}"
    headers = {"Content-Disposition": f'attachment; filename="{file.replace(":", "")}"', "Vary": "Accept-Encoding"}
    if packing.is_zipped:
        headers["Content-Encoding"] = "gzip"
    return StreamAnswer(
        _parts(part, read, packing, head.encode() if form == "csv" else b"", admission.look),
        media_type=TYPES[form],
        headers=headers,
        stalled_s=context.settings.api.stalled_s,
        over=admission.until_over,
        on_end=leave,
    )


async def _parts(
    part: Part[Place],
    read: Callable[[Place], Awaitable[Part[Place]]],
    packing: "_Packing",
    head: bytes,
    still_may: Callable[[], Awaitable[None]],
) -> Parts:
    try:
        if data := packing.packed(head + part.data):
            yield data
        while part.next is not None:
            part = await read(part.next)
            await still_may()  # before it is sent
            if data := packing.packed(part.data):
                yield data
    except LogkeepError as error:
        yield packing.packed(packing.fault(error)) + packing.end()
        raise Broken from error
    if end := packing.end():
        yield end


class _Packing:
    def __init__(self, form: str, zipped: bool) -> None:
        self._form = form
        self._gzip = isal_zlib.compressobj(GZIP_LEVEL, isal_zlib.DEFLATED, 31) if zipped else None

    @property
    def is_zipped(self) -> bool:
        return self._gzip is not None

    def packed(self, data: bytes) -> bytes:
        return self._gzip.compress(data) if self._gzip is not None else data

    def end(self) -> bytes:
        return self._gzip.flush() if self._gzip is not None else b""

    def fault(self, error: LogkeepError) -> bytes:
        """The last line of a file that is not whole."""
        detail = describe(error)[1]
        if self._form == "csv":
            return event_csv.lines_of([("#error", detail.code, event_csv.safe(detail.message))]).encode()
        return msgspec.json.encode(ErrorAnswer(detail)) + b"\n"
