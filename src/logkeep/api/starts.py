"""The search with which a person begins in an app: `/api/v1/me/starts`."""

import re
from typing import Annotated, Any
from urllib.parse import parse_qsl

import msgspec
from litestar import Request, Response, delete, put
from litestar.params import FromPath, JSONBody
from msgspec import Meta

from logkeep.api.auth import caller_of
from logkeep.api.backend import Context
from logkeep.api.bodies import Body, answer, nothing, told
from logkeep.api.search import GivenContext
from logkeep.api.searches import check_search
from logkeep.errors import BackendUnavailable, InputError
from logkeep.metastore.port import Caller
from logkeep.metastore.searches import SearchState
from logkeep.metastore.starts import SEARCH_CHARS_MAX

MEMBERS = ("q", "from", "to", "order", "cols", "widths", "wrap")  # of the address of a search page
_ADDRESS = re.compile(r"[A-Za-z0-9*._~%+&=!$'()/,:;?@-]*")  # what stands in the query of an address as it is


class StartBody(Body):
    search: Annotated[
        str,
        Meta(
            min_length=1,
            max_length=SEARCH_CHARS_MAX,
            description=f"as in the address of a search page of the viewer, without `?`: {', '.join(MEMBERS)}",
        ),
    ]


class StartAnswer(msgspec.Struct):
    app: str
    search: str


@put(
    "/api/v1/me/starts/{app:str}",
    status_code=200,
    summary="Begin with a search",
    tags=["oneself"],
    responses=told(StartAnswer, "It is kept", 404),
)
async def set_start(
    request: Request[Any, Any, Any], context: GivenContext, app: FromPath[str], data: JSONBody[StartBody]
) -> Response[bytes]:
    """The viewer opens with it, in every browser in which you sign in, when the address says nothing of a search."""
    check_start(data.search, context.settings.api.query_chars_max)
    by = caller_of(request).id
    await context.checks.run(lambda: context.backend.directory.starts.set(by, app, data.search))
    return answer(StartAnswer(app, data.search))


@delete(
    "/api/v1/me/starts/{app:str}",
    status_code=204,
    summary="Begin with everything",
    tags=["oneself"],
    responses=told(None, "There is none any more", 404, status=204),
)
async def remove_start(request: Request[Any, Any, Any], context: GivenContext, app: FromPath[str]) -> Response[None]:
    """Also where there was none."""
    by = caller_of(request).id
    await context.checks.run(lambda: context.backend.directory.starts.set(by, app, ""))
    return nothing()


async def start_of(context: Context, caller: Caller, app: str) -> str | None:
    """For the viewer's page: "" for none; None for whoever is no person, whose browser keeps it. While the metastore
    is away what was known last."""
    if caller.kind != "person":
        return None
    known = context.starts.known(caller.id, app)
    if known is not None:
        return known
    try:
        return await context.checks.run(lambda: context.starts.look(caller.id, app))
    except BackendUnavailable:
        return context.starts.last_known(caller.id, app)


def check_start(search: str, chars_max: int) -> None:
    """Raises InputError: the viewer's address can be this, and what it looks for can be searched for."""
    if not _ADDRESS.fullmatch(search):
        raise InputError("a search is written as in an address, with %XX for other characters", code="bad_input")
    try:
        given = parse_qsl(search, True, True, errors="strict", max_num_fields=len(MEMBERS))
    except ValueError as error:
        raise InputError(f"search cannot be read as the query of an address: {error}", code="bad_input") from error
    found = dict(given)
    if len(found) < len(given) or not set(found) <= set(MEMBERS):
        raise InputError(f"a search is made of {', '.join(MEMBERS)}, each once at most", code="bad_input")
    state = SearchState(
        query=found.get("q", ""), from_=found.get("from", ""), to=found.get("to", ""), order=found.get("order", "desc")
    )
    check_search(state, chars_max)
