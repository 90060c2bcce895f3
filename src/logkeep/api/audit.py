"""Who did what: `/api/v1/audit`, and all of it as a file."""

from typing import Annotated, Any

import msgspec
from litestar import Request, Response, get
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import QueryParameter
from msgspec import Meta

from logkeep.api import audit_rows
from logkeep.api.answers import FromTime, ToTime
from logkeep.api.audit_rows import AuditAnswer, entry
from logkeep.api.auth import actor_of
from logkeep.api.backend import Context
from logkeep.api.bodies import answer, told
from logkeep.api.downloads import Form, Part, download
from logkeep.api.search import GivenContext
from logkeep.api.streams import StreamAnswer
from logkeep.api.teams import GivenTeam
from logkeep.api.times import parse_time
from logkeep.errors import InputError
from logkeep.metastore.audit import NO_END_NS, PAGE_MAX, Entry, Wanted
from logkeep.metastore.teams import FIRST_TEAM


class AuditPage(msgspec.Struct):
    """Newest first."""

    audit: list[AuditAnswer]
    next: Annotated[str | None, Meta(description="pass it as `cursor`; null at the end")]


OfApp = Annotated[str | None, QueryParameter(name="app", description="Of this app alone.")]
OfWho = Annotated[str | None, QueryParameter(name="who", description="Of this person or token alone, by id.")]
OfKind = Annotated[str | None, QueryParameter(name="what", description="Of this kind alone, such as `read.search`.")]


@get("/api/v1/audit", summary="Audit log", tags=["audit"], responses=told(AuditPage, "A page, newest first", 404))
async def audit(
    request: Request[Any, Any, Any],
    context: GivenContext,
    team: GivenTeam = None,
    app: OfApp = None,
    who: OfWho = None,
    what: OfKind = None,
    from_: FromTime = None,
    to: ToTime = None,
    limit: Annotated[int, QueryParameter(ge=1, le=PAGE_MAX, description="Entries a page.")] = 100,
    cursor: Annotated[str | None, QueryParameter(description="`next` of the page before.")] = None,
) -> Response[bytes]:
    """Who searched, exported, erased and changed what in the team. What was read is there within some seconds.

    With what is of no team: sign-ins, people, second factors, new passwords. Of `main` all of that, of another team
    what its members did and what was done to them.
    """
    wanted = _wanted(request, context, app, who, what, from_, to)
    wanted = msgspec.structs.replace(wanted, before=_number(cursor), limit=limit + 1)
    found = await context.checks.run(lambda: context.backend.directory.audit.list(wanted))
    following = str(found[limit - 1].number) if len(found) > limit else None
    return answer(AuditPage([entry(row) for row in found[:limit]], following))


@get(
    "/api/v1/audit/export",
    summary="Audit log as a file",
    tags=["audit"],
    responses=told(AuditAnswer, "", 404)
    | {
        200: ResponseSpec(
            AuditAnswer,
            description="Every entry: a JSON object a line, or CSV with the columns " + ", ".join(audit_rows.COLUMNS),
            media_type="application/x-ndjson",
            generate_examples=False,
        )
    },
)
async def audit_export(
    request: Request[Any, Any, Any],
    context: GivenContext,
    team: GivenTeam = None,
    app: OfApp = None,
    who: OfWho = None,
    what: OfKind = None,
    from_: FromTime = None,
    to: ToTime = None,
    form: Form = "ndjson",
) -> StreamAnswer:
    """All that the list has, newest first, streamed as an export of events is; itself an entry (`audit.exported`)."""
    wanted = _wanted(request, context, app, who, what, from_, to)
    asked = {name: value for name, value in request.query_params.items() if name not in ("team", "app") and value}

    async def page(wanted: Wanted) -> Part[Wanted]:
        return await context.checks.run(lambda: _page(context, wanted, form))

    file = await download(request, f"audit-{request.state.team}", form, wanted, page, audit_rows.head())
    context.auditing.note(
        Entry(
            by=actor_of(request), what="audit.exported", made_ns=context.clock.now_ns(), team=request.state.team,
            app=app or "", detail=asked,
        )
    )  # fmt: skip
    return file


def _page(context: Context, wanted: Wanted, form: str) -> Part[Wanted]:
    rows = context.backend.directory.audit.list(wanted)
    following = None if len(rows) < wanted.limit else msgspec.structs.replace(wanted, before=rows[-1].number)
    return Part(audit_rows.lines(rows, form), following)


def _wanted(
    request: Request[Any, Any, Any],
    context: Context,
    app: str | None,
    who: str | None,
    what: str | None,
    from_: str | None,
    to: str | None,
) -> Wanted:
    """As many as a page may have, from the newest on. Raises InputError for a time that is none.

    What is of no team, such as sign-ins, belongs to the first team; to another one what is of its members. It is of no
    app either, so who may read of some apps alone does not get it.
    """
    now_ns, team = context.clock.now_ns(), request.state.team
    return Wanted(
        teams=(team, "") if team == FIRST_TEAM else (team,),
        members_of=team if team != FIRST_TEAM else "",
        apps=(app,) if app else request.state.apps,
        who=who or "",
        what=what or "",
        from_ns=parse_time(from_, now_ns) if from_ else 0,
        to_ns=parse_time(to, now_ns) if to else NO_END_NS,
        limit=PAGE_MAX,
    )


def _number(cursor: str | None) -> int:
    if not cursor:
        return 0
    if not (cursor.isascii() and cursor.isdecimal() and len(cursor) < 19):
        raise InputError("this cursor is none of the audit log; pass `next` unchanged", code="bad_cursor")
    return int(cursor)
