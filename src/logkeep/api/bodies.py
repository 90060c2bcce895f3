"""Bodies of requests about accounts: what may be sent, and nothing else; and answers that carry a revision."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Annotated, Any

import msgspec
from litestar import Request, Response
from litestar.connection import ASGIConnection
from litestar.openapi.datastructures import ResponseSpec
from msgspec import Meta

from logkeep.api.answers import documented
from logkeep.api.errors import ErrorAnswer, as_message
from logkeep.clock import NS_PER_DAY, NS_PER_S
from logkeep.errors import InputError
from logkeep.store.page import rfc3339

Text = Annotated[str, Meta(max_length=4096)]
Secret = Annotated[str, Meta(max_length=4096, description="shown only in this answer; only a hash of it is kept")]
Revision = Annotated[
    int | None,
    Meta(description="of what you have seen; 409 when somebody changed it since. The header `If-Match` does the same"),
]


class Body(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What a request may say: any other member is a 400, so that nothing is set that was not meant to be."""


class TypedRequest(Request[Any, Any, Any]):
    """Decodes a body as what the handler takes: a text is no number, and what is wrong is told with its place.

    The framework decodes it as anything first, and then takes "1" where a number is meant.
    """

    async def json(self) -> Any:
        """Raises InputError."""
        taken = self.route_handler.parsed_fn_signature.parameters["data"].annotation
        try:
            return msgspec.json.decode(await self.body(), type=taken)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            what, _, place = str(error).partition(" - at `$")
            member = place.rstrip("`").removeprefix(".") or "body"
            raise InputError(f"{member}: {as_message(what)}", code="bad_input") from error


def answer(content: msgspec.Struct, status: int = 200, *, revision: int | None = None) -> Response[bytes]:
    headers = {"ETag": f'"{revision}"'} if revision is not None else {}
    body = msgspec.json.encode(content)
    return Response(body, status_code=status, media_type="application/json", headers=headers)


def nothing() -> Response[None]:
    return Response(None, status_code=204)


def seen_revision(request: ASGIConnection[Any, Any, Any, Any], given: int | None) -> int | None:
    """From the body or If-Match; None when neither tells. Raises InputError."""
    header = request.headers.get("if-match", "").strip()
    if given is not None or header in ("", "*"):
        return given
    number = header.removeprefix("W/").strip('"')
    if not (number.isascii() and number.isdecimal() and len(number) < 19):
        raise InputError(f"If-Match {header[:40]!r} is no revision; send the ETag of the answer", code="bad_input")
    return int(number)


@contextmanager
def preconditioned(request: ASGIConnection[Any, Any, Any, Any], given: int | None) -> Iterator[int | None]:
    """The version that was seen, from the body or If-Match. Who sent it as If-Match is told 412, not 409, when it is
    not the present one any more."""
    seen = seen_revision(request, given)
    try:
        yield seen
    except InputError as error:
        if given is None and error.code == "changed_meanwhile":
            raise InputError(error.message, code="precondition_failed", status=412) from error
        raise


def told(kind: Any, description: str, *failures: int, status: int = 200) -> dict[int, ResponseSpec]:
    """The `responses` of a handler that changes something, or tells of accounts."""
    found = documented(kind, description, 400, *(one for one in failures if one in (404, 429)))
    words = {409: "Somebody changed it since, or the name is taken"}
    for failure in failures:
        if failure in words:
            found[failure] = ResponseSpec(ErrorAnswer, description=words[failure], generate_examples=False)
    if status != 200:
        success = found.pop(200)
        found[status] = ResponseSpec(None, description=description) if status == 204 else success
    return found


def day_text(day: int) -> str | None:
    """`2026-11-29` of days since 1970; None for 0, which is never."""
    return datetime.fromtimestamp(day * NS_PER_DAY // NS_PER_S, UTC).date().isoformat() if day else None


def when(time_ns: int) -> str | None:
    return rfc3339(time_ns) if time_ns else None
