"""Who did what: `/api/v1/audit`."""

from typing import Annotated, Any

import msgspec
from litestar import Request, Response, get
from litestar.params import QueryParameter
from msgspec import Meta

from logkeep.api.answers import FromTime, Time, ToTime
from logkeep.api.bodies import answer, told, when
from logkeep.api.search import GivenContext
from logkeep.api.teams import GivenTeam
from logkeep.api.times import parse_time
from logkeep.errors import InputError
from logkeep.metastore.audit import PAGE_MAX, AuditRow, Wanted


class AuditAnswer(msgspec.Struct):
    """One thing that was done. hash: of the entry and the one before, so that none can be changed or left out."""

    number: int
    id: str
    time: Time
    team: str
    app: str | None
    who: Annotated[str, Meta(description="a person or token; console: `logkeep admin`; empty: nobody known")]
    who_name: str
    what: Annotated[str, Meta(examples=["read.search", "key.created", "member.changed"])]
    target: str
    ip: str
    detail: Annotated[dict[str, Any], Meta(description="what was asked or changed; never a secret")]
    hash: str


class AuditPage(msgspec.Struct):
    """Newest first."""

    audit: list[AuditAnswer]
    next: Annotated[str | None, Meta(description="pass it as `cursor`; null at the end")]


@get("/api/v1/audit", summary="Audit log", tags=["audit"], responses=told(AuditPage, "A page, newest first", 404))
async def audit(
    request: Request[Any, Any, Any],
    context: GivenContext,
    team: GivenTeam = None,
    app: Annotated[str | None, QueryParameter(description="Of this app alone.")] = None,
    who: Annotated[str | None, QueryParameter(description="Of this person or token alone, by id.")] = None,
    what: Annotated[str | None, QueryParameter(description="Of this kind alone, such as `read.search`.")] = None,
    from_: FromTime = None,
    to: ToTime = None,
    limit: Annotated[int, QueryParameter(ge=1, le=PAGE_MAX, description="Entries a page.")] = 100,
    cursor: Annotated[str | None, QueryParameter(description="`next` of the page before.")] = None,
) -> Response[bytes]:
    """Who searched, exported, erased and changed what in the team. What was read is there within some seconds."""
    now_ns = context.clock.now_ns()
    wanted = Wanted(
        teams=(request.state.team,),
        apps=(app,) if app else None,
        who=who or "",
        what=what or "",
        from_ns=parse_time(from_, now_ns) if from_ else 0,
        to_ns=parse_time(to, now_ns) if to else 1 << 62,
        before=_number(cursor),
        limit=limit + 1,
    )
    found = await context.checks.run(lambda: context.backend.directory.audit.list(wanted))
    following = str(found[limit - 1].number) if len(found) > limit else None
    return answer(AuditPage([_row(row) for row in found[:limit]], following))


def _number(cursor: str | None) -> int:
    if not cursor:
        return 0
    if not (cursor.isascii() and cursor.isdecimal() and len(cursor) < 19):
        raise InputError("this cursor is none of the audit log; pass `next` unchanged", code="bad_cursor")
    return int(cursor)


def _row(row: AuditRow) -> AuditAnswer:
    return AuditAnswer(
        row.number, row.id, when(row.made_ns) or "", row.team, row.app or None, row.who, row.who_name, row.what,
        row.target, row.ip, msgspec.json.decode(row.detail), row.hash,
    )  # fmt: skip
