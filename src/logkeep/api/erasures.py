"""Erasing events for good: counts first, then a job once it is confirmed: `/api/v1/events`, `/api/v1/erasures`."""

from typing import Annotated, Any, Literal

import msgspec
from litestar import Request, Response, delete, get, post
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromPath, JSONBody, QueryParameter
from msgspec import Meta

from logkeep.api.answers import FromTime, QueryText, Time, ToTime, documented, json_answer
from logkeep.api.auth import actor_of
from logkeep.api.backend import Context
from logkeep.api.search import GivenContext, GivenCredential
from logkeep.api.times import TIME_NS_MAX, parse_time
from logkeep.errors import InputError
from logkeep.metastore.audit import Actor, Entry
from logkeep.metastore.erasures import Erased, Erasure
from logkeep.query import ast
from logkeep.query.named import Names, named_in, named_whole
from logkeep.query.parser import parse
from logkeep.query.printer import to_text
from logkeep.store.erasing import ErasureRequest
from logkeep.store.page import rfc3339

AskedFor = Literal["waiting_for_confirmation", "confirmed", "removing_files", "done", "failed"]


class Covers(msgspec.Struct):
    """Whom the query names. What is known of them goes too, besides the events that match."""

    session_map: Annotated[
        list[str], Meta(description="of whom the session map, what was told of sessions, and statistics know no more")
    ]
    devices: Annotated[
        list[str],
        Meta(
            description="of whom devices, rules of remote control, names that issues met and shared links go: those "
            "of whom an alternative of the query asks nothing else"
        ),
    ]


class ErasureAsked(msgspec.Struct):
    """What would go, and how to make it go."""

    job: str
    state: AskedFor
    matches: Annotated[int, Meta(description="events stored now; what is queued comes to it")]
    query: Annotated[str, Meta(description="as it was understood")]
    covers: Covers
    confirm: Annotated[str, Meta(description="send it to `/api/v1/erasures/{job}` to begin; shown only here")]
    expires: Annotated[str, Meta(description="until then it can be confirmed, RFC 3339")]


class ErasureAnswer(msgspec.Struct):
    """A job, and when it is done its receipt. What has not happened yet is null."""

    job: str
    app: str
    state: AskedFor
    query: str
    covers: Covers
    from_: Annotated[str | None, Meta(description="null: from the beginning")] = msgspec.field(name="from")
    to: Annotated[str | None, Meta(description="null: to the end")]
    matches: Annotated[int, Meta(description="counted when it was asked for")]
    asked: Time
    asked_by: str
    confirmed: str | None
    confirmed_by: str | None
    erased: Annotated[Erased | None, Meta(description="what was removed, by place")]
    not_found_since: Annotated[str | None, Meta(description="no read finds any of it, RFC 3339")]
    store_files_gone: Annotated[str | None, Meta(description="no file of the store holds any of it, RFC 3339")]
    queue_files_gone: Annotated[str | None, Meta(description="no segment of the queue holds any of it, RFC 3339")]
    done: str | None
    archives: Annotated[str, Meta(description="still to do there")]
    error: str | None


class ErasuresAnswer(msgspec.Struct):
    """Newest first."""

    erasures: list[ErasureAnswer]


class Confirmation(msgspec.Struct):
    """confirm: as the DELETE answered it."""

    confirm: str


@delete(
    "/api/v1/events",
    status_code=202,
    summary="Erase events",
    tags=["erasing"],
    responses={202: ResponseSpec(ErasureAsked, description="What would go", generate_examples=False)}
    | {status: spec for status, spec in documented(ErasureAsked, "", 400).items() if status != 200},
)
async def erase(
    request: Request[Any, Any, Any],
    context: GivenContext,
    credential: GivenCredential,
    text: QueryText = "",
    from_: FromTime = None,
    to: ToTime = None,
    all_: Annotated[bool, QueryParameter(name="all", description="An empty query is meant: every event.")] = False,
) -> Response[bytes]:
    """Counts what would go, and erases nothing yet: the job begins with its confirmation, within ten minutes."""
    parsed = parse(text, chars_max=context.settings.api.query_chars_max)
    if isinstance(parsed, ast.All) and not all_:
        raise InputError("an empty query would erase every event; if that is meant, add all=true", code="erases_all")
    now_ns = context.clock.now_ns()
    from_ns = 0 if from_ is None else parse_time(from_, now_ns)
    to_ns = TIME_NS_MAX if to is None else parse_time(to, now_ns)
    if from_ns >= to_ns:
        raise InputError(f"from {from_} is not before to {to}; swap them or widen the range", code="bad_range")
    wanted = ErasureRequest(credential.app, parsed, from_ns, to_ns)
    matches = await context.read(lambda reading: context.backend.store.erasing.count(reading, wanted))
    by = actor_of(request)

    def ask() -> tuple[Erasure, str]:
        made = context.backend.erasures.ask(
            app=credential.app, query=to_text(parsed), from_ns=from_ns, to_ns=to_ns, matches=matches, by=by.name
        )
        _record(context, by, "erase.asked", made[0])
        return made

    job, token = await context.checks.run(ask)
    asked = ErasureAsked(
        job.job, job.state, job.matches, job.query, _covers(job.query), token, rfc3339(job.expires_ns)
    )  # fmt: skip
    return json_answer(msgspec.json.encode(asked), 202)


@post(
    "/api/v1/erasures/{job:str}",
    status_code=200,
    summary="Confirm an erasure",
    tags=["erasing"],
    responses=documented(ErasureAnswer, "The job, which begins now", 400, 404),
)
async def confirm_erasure(
    request: Request[Any, Any, Any],
    context: GivenContext,
    credential: GivenCredential,
    job: FromPath[str],
    data: JSONBody[Confirmation],
) -> Response[bytes]:
    """It begins, and cannot be taken back. Again: nothing more happens."""
    by = actor_of(request)

    def confirm() -> Erasure:
        confirmed = context.backend.erasures.confirm(credential.app, job, data.confirm, by.name)
        _record(context, by, "erase.confirmed", confirmed)
        return confirmed

    return json_answer(msgspec.json.encode(_answer(await context.checks.run(confirm))))


@get(
    "/api/v1/erasures/{job:str}",
    summary="One erasure",
    tags=["erasing"],
    responses=documented(ErasureAnswer, "The job, and its receipt", 404),
)
async def erasure(context: GivenContext, credential: GivenCredential, job: FromPath[str]) -> Response[bytes]:
    """How far it is; when it is done, its receipt, which is kept."""
    found = await context.checks.run(lambda: context.backend.erasures.job(credential.app, job))
    return json_answer(msgspec.json.encode(_answer(found)))


@get(
    "/api/v1/erasures",
    summary="Erasures",
    tags=["erasing"],
    responses=documented(ErasuresAnswer, "Newest first"),
)
async def erasures(context: GivenContext, credential: GivenCredential) -> Response[bytes]:
    """All that are kept: those that wait, those under way, and the receipts."""
    found = await context.checks.run(lambda: context.backend.erasures.jobs(credential.app))
    return json_answer(msgspec.json.encode(ErasuresAnswer([_answer(job) for job in found])))


def _record(context: Context, by: Actor, what: str, job: Erasure) -> None:
    """Blocks, and is durable when it returns."""
    team = context.backend.metastore.team_of(job.app)
    told = {
        "query": job.query,
        "matches": job.matches,
        "from": _when(job.from_ns),
        "to": _when(job.to_ns % TIME_NS_MAX),
    }
    now_ns = context.clock.now_ns()
    entry = Entry(by=by, what=what, made_ns=now_ns, team=team, app=job.app, target=job.job, detail=told)
    context.backend.directory.audit.add([entry])


def _answer(job: Erasure) -> ErasureAnswer:
    return ErasureAnswer(
        job=job.job,
        app=job.app,
        state=job.state,
        query=job.query,
        covers=_covers(job.query),
        from_=_when(job.from_ns),
        to=_when(job.to_ns) if job.to_ns < TIME_NS_MAX else None,
        matches=job.matches,
        asked=rfc3339(job.asked_ns),
        asked_by=job.asked_by,
        confirmed=_when(job.confirmed_ns),
        confirmed_by=job.confirmed_by or None,
        erased=job.erased,
        not_found_since=_when(job.erased_ns),
        store_files_gone=_when(job.store_ns),
        queue_files_gone=_when(job.queue_ns),
        done=_when(job.done_ns),
        archives="none kept yet",
        error=job.error or None,
    )


def _covers(text: str) -> Covers:
    query = parse(text, chars_max=len(text))
    return Covers(_terms(named_in(query)), _terms(named_whole(query)))


def _terms(names: Names) -> list[str]:
    """As a query names them, in order."""
    return [to_text(ast.Equals(field, name)) for field in sorted(names) for name in sorted(names[field])]


def _when(time_ns: int) -> str | None:
    return rfc3339(time_ns) if time_ns else None
