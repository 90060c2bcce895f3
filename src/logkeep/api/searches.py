"""Saved searches, shared by all who read an app: `/api/v1/searches`."""

from typing import Annotated, Any

import msgspec
from litestar import Request, Response, delete, get, patch, post
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromPath, JSONBody
from msgspec import Meta

from logkeep.api.answers import Time, documented, json_answer
from logkeep.api.auth import change_of
from logkeep.api.search import GivenContext, GivenCredential
from logkeep.errors import InputError
from logkeep.metastore.searches import NAME_CHARS_MAX, SavedSearch, SearchState
from logkeep.query.parser import parse_statement
from logkeep.store.page import rfc3339

TIME_CHARS_MAX = 64
COLUMNS_MAX = 20
COLUMN_CHARS_MAX = 300
WIDTHS_MAX = COLUMNS_MAX + 2  # time and level are always there
WIDTH_MIN, WIDTH_MAX = 4, 120


class SavedSearchAnswer(msgspec.Struct):
    """version: send it with a change, so that two people do not overwrite each other."""

    id: str
    name: str
    search: SearchState
    version: int
    saved: Time
    saved_by: str


class SavedSearchesAnswer(msgspec.Struct):
    """By name."""

    searches: list[SavedSearchAnswer]
    next: None = None


class NewSearch(msgspec.Struct, forbid_unknown_fields=True):
    name: Annotated[str, Meta(description=f"unique in the app, 1 to {NAME_CHARS_MAX} characters")]
    search: SearchState


class ChangedSearch(msgspec.Struct, forbid_unknown_fields=True):
    """What is left out stays."""

    version: Annotated[int, Meta(description="the one that was read", ge=1, le=1 << 31)]
    name: str | None = None
    search: SearchState | None = None


@get(
    "/api/v1/searches",
    summary="Saved searches",
    tags=["reading"],
    responses=documented(SavedSearchesAnswer, "All of the app"),
)
async def saved_searches(context: GivenContext, credential: GivenCredential) -> Response[bytes]:
    """What people of this app have saved for each other."""
    found = await context.checks.run(lambda: context.backend.searches.of_app(credential.app))
    return json_answer(msgspec.json.encode(SavedSearchesAnswer([_answer(search) for search in found])))


@post(
    "/api/v1/searches",
    status_code=201,
    summary="Save a search",
    tags=["reading"],
    responses={201: ResponseSpec(SavedSearchAnswer, description="It is kept", generate_examples=False)}
    | {status: spec for status, spec in documented(SavedSearchAnswer, "", 400, 409).items() if status != 200},
)
async def save_search(
    request: Request[Any, Any, Any], context: GivenContext, credential: GivenCredential, data: JSONBody[NewSearch]
) -> Response[bytes]:
    """For all who read this app. A name that is taken is a 409."""
    name = _checked_name(data.name)
    check_search(data.search, context.settings.api.query_chars_max)
    by = credential.name or credential.scope
    told = change_of(request, "search.saved", credential.app, name=name, query=data.search.query)
    saved = await context.checks.run(
        lambda: context.backend.searches.add(credential.app, name, data.search, by, entries=[told])
    )
    return json_answer(msgspec.json.encode(_answer(saved)), 201)


@patch(
    "/api/v1/searches/{search:str}",
    summary="Change a saved search",
    tags=["reading"],
    responses=documented(SavedSearchAnswer, "As it is now", 400, 404, 409),
)
async def change_search(
    request: Request[Any, Any, Any],
    context: GivenContext,
    credential: GivenCredential,
    search: FromPath[str],
    data: JSONBody[ChangedSearch],
) -> Response[bytes]:
    """Its name or what it looks for; a 409 when somebody else has changed it since `version`."""
    name = None if data.name is None else _checked_name(data.name)
    if data.search is not None:
        check_search(data.search, context.settings.api.query_chars_max)
    told = {"name": name, "query": data.search.query if data.search is not None else None}
    entry = change_of(
        request, "search.changed", credential.app, search,
        **{member: text for member, text in told.items() if text is not None},
    )  # fmt: skip
    changed = await context.checks.run(
        lambda: context.backend.searches.change(
            credential.app, search, version=data.version, by=credential.name or credential.scope, name=name,
            state=data.search, entries=[entry],
        )
    )  # fmt: skip
    return json_answer(msgspec.json.encode(_answer(changed)))


@delete(
    "/api/v1/searches/{search:str}",
    status_code=200,
    summary="Delete a saved search",
    tags=["reading"],
    responses=documented(SavedSearchesAnswer, "Those that are left", 404),
)
async def delete_search(
    request: Request[Any, Any, Any], context: GivenContext, credential: GivenCredential, search: FromPath[str]
) -> Response[bytes]:
    """It is gone for everyone."""

    told = change_of(request, "search.deleted", credential.app, search)

    def removed() -> list[SavedSearch]:
        context.backend.searches.remove(credential.app, search, entries=[told])
        return context.backend.searches.of_app(credential.app)

    left = await context.checks.run(removed)
    return json_answer(msgspec.json.encode(SavedSearchesAnswer([_answer(each) for each in left])))


def _checked_name(name: str) -> str:
    name = " ".join(name.split())
    if not 1 <= len(name) <= NAME_CHARS_MAX or not name.isprintable():
        raise InputError(f"a search's name has 1 to {NAME_CHARS_MAX} characters, all of them visible", code="bad_name")
    return name


def check_search(state: SearchState, chars_max: int) -> None:
    """Raises InputError: what is saved can be searched for."""
    parse_statement(state.query, chars_max=chars_max)
    if state.order not in ("asc", "desc"):
        raise InputError(f"order is 'asc' or 'desc', not {state.order[:40]!r}")
    if any(len(time) > TIME_CHARS_MAX for time in (state.from_, state.to)):
        raise InputError(f"a time has at most {TIME_CHARS_MAX} characters", code="bad_time")
    if len(state.columns) > COLUMNS_MAX or any(len(column) > COLUMN_CHARS_MAX for column in state.columns):
        raise InputError(f"at most {COLUMNS_MAX} columns of {COLUMN_CHARS_MAX} characters are kept", code="bad_field")
    if len(state.widths) > WIDTHS_MAX or any(len(field) > COLUMN_CHARS_MAX for field in state.widths):
        raise InputError(
            f"at most {WIDTHS_MAX} widths, of columns of {COLUMN_CHARS_MAX} characters, are kept", code="bad_field"
        )
    if any(not WIDTH_MIN <= width <= WIDTH_MAX for width in state.widths.values()):
        raise InputError(f"a column is {WIDTH_MIN} to {WIDTH_MAX} characters wide", code="bad_field")


def _answer(saved: SavedSearch) -> SavedSearchAnswer:
    return SavedSearchAnswer(saved.id, saved.name, saved.state, saved.version, rfc3339(saved.saved_ns), saved.saved_by)
