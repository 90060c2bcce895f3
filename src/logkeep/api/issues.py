"""Issues, crashes and feedback: `/api/v1/issues`."""

import hashlib
from typing import Annotated, Any, Literal, cast, get_args

import msgspec
from litestar import Request, Response, get, patch
from litestar.params import FromPath, JSONBody, QueryParameter
from msgspec import Meta

from logkeep.api.answers import Time, documented, json_answer
from logkeep.api.auth import change_of
from logkeep.api.backend import Context
from logkeep.api.cursors import pack_cursor, unpack_cursor
from logkeep.api.links import issue_url, named_url, session_url
from logkeep.api.search import GivenContext, GivenCredential
from logkeep.decode.issues import Kind
from logkeep.errors import InputError
from logkeep.metastore.audit import Entry
from logkeep.metastore.issue_rows import Order, Place, Wanted
from logkeep.metastore.issues import DAYS_MAX, PEOPLE_MAX, Issue, Occurrence, Status, TallyKind
from logkeep.store.page import rfc3339

LIMIT_MAX = 200
NAME_CHARS_MAX = 2048


class IssueAnswer(msgspec.Struct):
    """What was told as the same, once or many times."""

    issue: str
    kind: Kind
    status: Annotated[Status, Meta(description="regressed: resolved, and back in the version it was mended in")]
    title: str
    where: Annotated[str, Meta(description="of a crash, the frame a person would open first")]
    fingerprint: str
    first: Time
    last: Time
    first_version: str
    last_version: str
    count: int
    users: int
    devices: int
    more: Annotated[bool, Meta(description=f"more users or devices than {PEOPLE_MAX:,}, which are counted")]
    resolved_in: Annotated[str, Meta(description='a version, or "" for from then on')]
    changed: Annotated[str | None, Meta(description="when its status was changed last, RFC 3339")]
    changed_by: Annotated[str | None, Meta(description="null: nobody, it came back by itself")]
    revision: Annotated[int, Meta(description="send it with a change; it grows with each")]
    days: Annotated[list[int], Meta(description="counts by day (UTC), the last one today's")]
    url: str


class IssuesAnswer(msgspec.Struct):
    issues: list[IssueAnswer]
    next: Annotated[str | None, Meta(description="pass it as `cursor` with the same parameters; null at the end")]


class OccurrenceAnswer(msgspec.Struct):
    """One time it was told. stack, text: as they were sent, of very long stacks without the middle."""

    id: str
    issue: str
    kind: Kind
    time: Time
    received: Time
    session: str
    device: str | None
    user: str | None
    component: str | None
    app_version: str
    title: str
    text: str
    stack: str
    links: dict[str, str | None]


class OccurrencesAnswer(msgspec.Struct):
    """Newest told first; the newest 200 are kept."""

    occurrences: list[OccurrenceAnswer]
    next: str | None


class TallyAnswer(msgspec.Struct):
    name: str
    count: int
    last: Time
    url: str | None


class TalliesAnswer(msgspec.Struct):
    """Latest first."""

    people: list[TallyAnswer]
    next: None = None


class IssueChange(msgspec.Struct, forbid_unknown_fields=True):
    """revision: as it was read; when somebody has changed the issue since, this is refused (409)."""

    revision: int
    status: Literal["open", "resolved", "muted"]
    resolved_in: Annotated[str, Meta(description="with `resolved`: back in this version or a newer, it regressed")] = ""


Limit = Annotated[int, QueryParameter(name="limit", ge=1, le=LIMIT_MAX, description="Rows a page.")]
Next = Annotated[str | None, QueryParameter(name="cursor", description="`next` of the page before.")]


@get("/api/v1/issues", summary="Issues", tags=["issues"], responses=documented(IssuesAnswer, "A page", 400))
async def issues(
    context: GivenContext,
    credential: GivenCredential,
    kind: Annotated[str, QueryParameter(description="issue, crash or feedback; several with commas.")] = "",
    status: Annotated[str, QueryParameter(description="open, resolved, muted, regressed; several with commas.")] = "",
    text: Annotated[str, QueryParameter(description="In title, place or fingerprint, ignoring case.")] = "",
    version: Annotated[str, QueryParameter(description="It happened in this version.")] = "",
    session: Annotated[str, QueryParameter(description="It happened in this session.")] = "",
    device: Annotated[str, QueryParameter(description="It met this device.")] = "",
    user: Annotated[str, QueryParameter(description="It met this user.")] = "",
    sort: Annotated[
        str, QueryParameter(description="Largest first.", schema_extra={"enum": list(get_args(Order))})
    ] = "last_seen",
    days: Annotated[int, QueryParameter(ge=1, le=DAYS_MAX, description="Days in `days`.")] = 14,
    limit: Limit = 50,
    cursor: Next = None,
) -> Response[bytes]:
    """Issues, the latest first unless asked otherwise."""
    asked = Asked(kind, status, text, version, session, device, user, sort, limit, cursor)
    found = await context.checks.run(lambda: issues_answer(context, credential.app, asked, days))
    return json_answer(msgspec.json.encode(found))


@get(
    "/api/v1/issues/{issue:str}",
    summary="One issue",
    tags=["issues"],
    responses=documented(IssueAnswer, "The issue", 404),
)
async def issue(
    context: GivenContext,
    credential: GivenCredential,
    issue: FromPath[str],
    days: Annotated[int, QueryParameter(ge=1, le=DAYS_MAX, description="Days in `days`.")] = 30,
) -> Response[bytes]:
    """With its counts by day."""
    found = await context.checks.run(lambda: one_issue(context, credential.app, issue, days))
    return json_answer(msgspec.json.encode(found))


@patch(
    "/api/v1/issues/{issue:str}",
    status_code=200,
    summary="Judge an issue",
    tags=["issues"],
    responses=documented(IssueAnswer, "The issue, as it is now", 400, 404, 409),
)
async def judge_issue(
    request: Request[Any, Any, Any],
    context: GivenContext,
    credential: GivenCredential,
    issue: FromPath[str],
    data: JSONBody[IssueChange],
) -> Response[bytes]:
    """Its status; of two people at once the second is told (409) and decides again."""
    who = credential.name or credential.scope
    told = judged_entry(request, credential.app, issue, data.status, data.resolved_in)

    def judged() -> IssueAnswer:
        context.backend.device_directory.issues.judge(
            credential.app, issue, revision=data.revision, status=data.status, resolved_in=data.resolved_in, by=who,
            entries=[told],
        )  # fmt: skip
        return one_issue(context, credential.app, issue, 30)

    return json_answer(msgspec.json.encode(await context.checks.run(judged)))


@get(
    "/api/v1/issues/{issue:str}/occurrences",
    summary="Occurrences",
    tags=["issues"],
    responses=documented(OccurrencesAnswer, "A page, newest first", 400, 404),
)
async def occurrences(
    context: GivenContext, credential: GivenCredential, issue: FromPath[str], limit: Limit = 20, cursor: Next = None
) -> Response[bytes]:
    """Each time it was told, of those that are kept."""
    before = _number(cursor)
    rows = await context.checks.run(
        lambda: context.backend.device_directory.issues.occurrences(
            credential.app, issue, limit=limit + 1, before=before
        )
    )
    next_cursor = str(rows[limit - 1][0]) if len(rows) > limit else None
    found = OccurrencesAnswer([occurrence_answer(one) for _, one in rows[:limit]], next_cursor)
    return json_answer(msgspec.json.encode(found))


@get(
    "/api/v1/issues/{issue:str}/affected",
    summary="Affected users, devices, versions",
    tags=["issues"],
    responses=documented(TalliesAnswer, "Latest first", 400, 404),
)
async def affected(
    context: GivenContext,
    credential: GivenCredential,
    issue: FromPath[str],
    of: Annotated[
        str, QueryParameter(description="What to list.", schema_extra={"enum": ["user", "device", "version"]})
    ] = "user",
    limit: Limit = 50,
) -> Response[bytes]:
    """Whom it met, and in which versions: how often, and when last."""
    kind = _one_of("of", of, ("user", "device", "version"))
    rows = await context.checks.run(
        lambda: context.backend.device_directory.issues.tallies(
            credential.app, issue, cast(TallyKind, kind), limit=limit
        )
    )
    found = [
        TallyAnswer(
            one.name,
            one.events,
            rfc3339(one.last_ns),
            named_url(kind, one.name) if kind in ("user", "device") else None,  # type: ignore[arg-type]
        )
        for one in rows
    ]
    return json_answer(msgspec.json.encode(TalliesAnswer(found)))


def judged_entry(request: Request[Any, Any, Any], app: str, issue: str, status: Status, resolved_in: str) -> Entry:
    """What the audit log is told of it."""
    detail = {"status": status} | ({"resolved_in": resolved_in} if resolved_in else {})
    return change_of(request, "issue.judged", app, issue, **detail)


# ── what is asked and answered ────────────────────────────────────────────────────────────────────────────────────────


class Asked(msgspec.Struct, frozen=True):
    """The parameters of a list as they were given; texts that are empty ask for nothing."""

    kind: str = ""
    status: str = ""
    text: str = ""
    version: str = ""
    session: str = ""
    device: str = ""
    user: str = ""
    sort: str = "last_seen"
    limit: int = 50
    cursor: str | None = None


class _Page(msgspec.Struct, frozen=True, array_like=True):
    search: bytes
    place: Place


def issues_answer(context: Context, app: str, asked: Asked, days: int) -> IssuesAnswer:
    """Blocks. Raises InputError."""
    wanted, digest = _wanted(app, asked)
    found = context.backend.device_directory.issues.find(app, wanted)
    counts = context.backend.device_directory.issues.days([one.issue for one in found.issues], days)
    answers = [issue_answer(one, counts[one.issue]) for one in found.issues]
    return IssuesAnswer(answers, pack_cursor(_Page(digest, found.next)) if found.next is not None else None)


def one_issue(context: Context, app: str, name: str, days: int) -> IssueAnswer:
    """Blocks. Raises InputError (404)."""
    found = context.backend.device_directory.issues.issue(app, name)
    return issue_answer(found, context.backend.device_directory.issues.days([name], days)[name])


def _wanted(app: str, asked: Asked) -> tuple[Wanted, bytes]:
    kinds = _several("kind", asked.kind, get_args(Kind))
    statuses = _several("status", asked.status, get_args(Status))
    for name in ("text", "version", "session", "device", "user"):
        if len(getattr(asked, name)) > NAME_CHARS_MAX:
            raise InputError(f"`{name}` has more than {NAME_CHARS_MAX:,} characters; shorten it")
    order = _one_of("sort", asked.sort, get_args(Order))
    search = (app, kinds, statuses, asked.text, asked.version, asked.session, asked.device, asked.user, order)
    digest = hashlib.blake2b(msgspec.msgpack.encode(search), digest_size=8).digest()
    return (
        Wanted(
            kinds, statuses, asked.text, asked.version, asked.session, asked.device, asked.user,
            cast(Order, order), asked.limit, _place(asked.cursor, digest) if asked.cursor else None,
        ),
        digest,
    )  # fmt: skip


def _several(name: str, given: str, known: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(_one_of(name, one.strip(), known) for one in given.split(",") if one.strip()) if given else ()


def _one_of(name: str, given: str, known: tuple[str, ...]) -> str:
    if given not in known:
        raise InputError(f"{name} is one of {', '.join(known)}, not {given[:40]!r}")
    return given


def _number(cursor: str | None) -> int | None:
    if not cursor:
        return None
    if not (cursor.isascii() and cursor.isdecimal() and len(cursor) < 19):
        raise InputError("the cursor is none; pass `next` of the page before unchanged", code="bad_cursor")
    return int(cursor)


def _place(cursor: str, digest: bytes) -> Place:
    """Raises InputError (code "bad_cursor")."""
    page = unpack_cursor(cursor, _Page)
    if page.search != digest:
        raise InputError("the cursor belongs to another list; pass it with the same parameters", code="bad_cursor")
    return page.place


def issue_answer(found: Issue, days: list[int]) -> IssueAnswer:
    return IssueAnswer(
        issue=found.issue,
        kind=found.kind,
        status=found.status,
        title=found.title,
        where=found.where,
        fingerprint=found.fingerprint,
        first=rfc3339(found.first_ns),
        last=rfc3339(found.last_ns),
        first_version=found.first_version,
        last_version=found.last_version,
        count=found.events,
        users=found.users,
        devices=found.devices,
        more=max(found.users, found.devices) >= PEOPLE_MAX,
        resolved_in=found.resolved_in,
        changed=rfc3339(found.status_ns) if found.status_ns else None,
        changed_by=found.status_by or None,
        revision=found.revision,
        days=days,
        url=issue_url(found.issue),
    )


def occurrence_answer(one: Occurrence) -> OccurrenceAnswer:
    return OccurrenceAnswer(
        id=one.id,
        issue=one.issue,
        kind=one.kind,
        time=rfc3339(one.time_ns),
        received=rfc3339(one.received_ns),
        session=one.session,
        device=one.device or None,
        user=one.user or None,
        component=one.component or None,
        app_version=one.app_version,
        title=one.title,
        text=one.text,
        stack=one.stack,
        links={
            "session": session_url(one.session),
            "device": named_url("device", one.device) if one.device else None,
            "user": named_url("user", one.user) if one.user else None,
        },
    )
