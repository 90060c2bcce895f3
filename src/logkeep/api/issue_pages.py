"""Pages of issues, for people without the viewer: the list, one issue, and the way from one time it happened to it."""

from typing import Any, cast
from urllib.parse import urlencode

import msgspec
from litestar import Request, Response, get, post
from litestar.params import FromPath
from litestar.response import Redirect

from logkeep.api.answers import html_answer
from logkeep.api.auth import may_edit, name_in_path
from logkeep.api.backend import Context
from logkeep.api.errors import describe
from logkeep.api.forms import FORM_BYTES_MAX, form_of
from logkeep.api.issues import Asked, IssueAnswer, issue_answer, issues_answer, judged_entry
from logkeep.api.links import issue_url, issues_url
from logkeep.api.rows import format_ago
from logkeep.api.search import GivenContext, GivenCredential
from logkeep.api.times import format_time, parse_time
from logkeep.errors import BackendUnavailable, InputError
from logkeep.metastore.issue_rows import Tally, Wanted
from logkeep.metastore.issues import Issue, Occurrence, Status

PAGE_ISSUES = 50
PAGE_OCCURRENCES = 20
BRIEF = 12  # users, devices and versions of an issue
DAYS = 30
SESSION_ISSUES = 20
STATUSES = ("open", "regressed", "resolved", "muted")
KINDS = ("crash", "issue", "feedback")
ORDERS = (("last_seen", "last seen"), ("count", "how often"), ("users", "users"))


class Spark(msgspec.Struct, frozen=True):
    """A bar of a day: all sizes of 100. title: what it stands for."""

    x: float
    width: float
    y: float
    height: float
    title: str


class ListedIssue(msgspec.Struct, frozen=True):
    answer: IssueAnswer
    ago: str
    last: str
    sparks: list[Spark]


class ShownOccurrence(msgspec.Struct, frozen=True):
    one: Occurrence
    time: str
    ago: str


@get("/issues", include_in_schema=False)
async def issue_list(
    request: Request[Any, Any, Any], context: GivenContext, credential: GivenCredential
) -> Response[bytes]:
    """The list that the address asks for; or what is wrong with that, and the form again."""
    names = ("kind", "status", "text", "version", "session", "device", "user", "sort", "cursor")
    given = {name: request.query_params.get(name, "").strip() for name in names}
    if "status" not in request.query_params:
        given["status"] = "open,regressed"
    return await context.checks.run(lambda: _list(context, credential.app, given))


def _list(context: Context, app: str, given: dict[str, str]) -> Response[bytes]:
    """Blocks."""
    rows: list[ListedIssue] = []
    next_url, error, status = None, None, 200
    asked = Asked(**given | {"sort": given["sort"] or "last_seen", "limit": PAGE_ISSUES})  # type: ignore[arg-type]
    try:
        found = issues_answer(context, app, asked, DAYS)
        rows = [listed(context, one) for one in found.issues]
        next_url = found.next and issues_url(**given | {"cursor": found.next})
    except InputError as refused:
        status, detail, _ = describe(refused)
        error = detail.message
    narrowed = any(given[name] for name in ("kind", "text", "version", "session", "device", "user"))
    page = context.pages.render(
        "issues.html", app=app, given=given, rows=rows, next=next_url, first=issues_url(**given | {"cursor": ""}),
        error=error, narrowed=narrowed, kinds=KINDS, statuses=STATUSES, orders=ORDERS, days=DAYS,
        all_url=issues_url(status=""), intake=f"{context.settings.intake.host}:{context.settings.intake.port}",
    )  # fmt: skip
    return html_answer(page, status)


@get("/issues/{issue:str}", include_in_schema=False)
async def issue_page(
    request: Request[Any, Any, Any], context: GivenContext, credential: GivenCredential, issue: FromPath[str]
) -> Response[bytes]:
    """One issue: where and whom it meets, what to do about it, and the times it happened."""
    cursor = request.query_params.get("cursor", "")
    before = int(cursor) if cursor.isascii() and cursor.isdecimal() and len(cursor) < 19 else None
    may = may_edit(request, credential.app)
    return html_answer(await context.checks.run(lambda: _one(context, credential.app, issue, before, may)))


@post("/issues/{issue:str}", include_in_schema=False, request_max_body_size=FORM_BYTES_MAX)
async def judge_page(
    request: Request[Any, Any, Any], context: GivenContext, credential: GivenCredential, issue: FromPath[str]
) -> Response[Any]:
    """A person has judged it; who comes second sees the issue as it is now, and that."""
    form = form_of(await request.body())
    revision, status = form.get("revision", ""), form.get("status", "")
    if not (revision.isascii() and revision.isdecimal() and len(revision) < 19) or status not in STATUSES:
        raise InputError("this form was not made here: send it from the page of the issue")
    who = credential.name or credential.scope
    resolved_in = form.get("resolved_in", "").strip() if status == "resolved" else ""
    told = judged_entry(request, credential.app, issue, cast(Status, status), resolved_in)

    def judged() -> Response[Any]:
        try:
            context.backend.device_directory.issues.judge(
                credential.app, issue, revision=int(revision), status=cast(Status, status), resolved_in=resolved_in,
                by=who, entries=[told],
            )  # fmt: skip
        except InputError as refused:
            if refused.status == 404:
                raise
            return html_answer(_one(context, credential.app, issue, None, True, refused.message), refused.status)
        return Redirect(issue_url(issue), status_code=303)

    return await context.checks.run(judged)


@get("/issues/of/{occurrence:path}", include_in_schema=False)
async def issue_of(
    request: Request[Any, Any, Any], context: GivenContext, credential: GivenCredential
) -> Response[Any]:
    """To the issue of what was told under this id: the links in the answers of `POST /v1/issues` lead here."""
    name = name_in_path(request, "/issues/of/")
    issue = await context.checks.run(lambda: context.backend.device_directory.issues.issue_of(credential.app, name))
    if issue is None:
        raise InputError(
            f"nothing was told under {name[:200]!r}, or it is not processed yet (that takes a second), or 200 newer "
            "ones of its issue are kept instead",
            code="not_found",
            status=404,
        )
    app = request.query_params.get("app")
    return Redirect(issue_url(issue) + (f"?{urlencode({'app': app})}" if app else ""), status_code=303)


def issues_of_session(context: Context, app: str, session: str) -> list[Issue]:
    """Those that happened in it; none while the metastore is away."""
    try:
        return context.backend.device_directory.issues.find(app, Wanted(session=session, limit=SESSION_ISSUES)).issues
    except BackendUnavailable:
        return []


def _one(
    context: Context, app: str, name: str, before: int | None, may_edit: bool, problem: str | None = None
) -> bytes:
    """Blocks. Raises InputError (404)."""
    told, now_ns = context.backend.device_directory.issues, context.clock.now_ns()
    issue = told.issue(app, name)
    rows = told.occurrences(app, name, limit=PAGE_OCCURRENCES + 1, before=before)
    met: dict[str, list[Tally]] = {
        kind: told.tallies(app, name, kind, limit=BRIEF) for kind in ("user", "device", "version")
    }
    answer = issue_answer(issue, told.days([name], DAYS)[name])
    return context.pages.render(
        "issue.html",
        app=app,
        row=listed(context, answer),
        first=format_time(issue.first_ns),
        met=met,
        brief=BRIEF,
        occurrences=[
            ShownOccurrence(one, format_time(one.time_ns), format_ago(one.time_ns, now_ns))
            for _, one in rows[:PAGE_OCCURRENCES]
        ],
        next=f"{issue_url(name)}?cursor={rows[PAGE_OCCURRENCES - 1][0]}" if len(rows) > PAGE_OCCURRENCES else None,
        first_page=issue_url(name) if before is not None else None,
        problem=problem,
        may_edit=may_edit,
        days=DAYS,
    )


def listed(context: Context, answer: IssueAnswer) -> ListedIssue:
    last_ns = parse_time(answer.last, 0)
    return ListedIssue(
        answer, format_ago(last_ns, context.clock.now_ns()), format_time(last_ns), sparks_of(answer.days)
    )


def sparks_of(days: list[int]) -> list[Spark]:
    """Bars of the days, the highest 100."""
    peak, width = max([1, *days]), 100 / max(1, len(days))
    sparks = []
    for index, count in enumerate(days):
        height = max(4.0, 100 * count / peak) if count else 0.0
        back = len(days) - 1 - index
        when = "today" if not back else "yesterday" if back == 1 else f"{back} days ago"
        sparks.append(
            Spark(round(index * width, 2), round(width * 0.8, 2), round(100 - height, 1), round(height, 1),
                  f"{count:,} {when}")
        )  # fmt: skip
    return sparks
