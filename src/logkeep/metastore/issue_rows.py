"""Issues as they are looked for and judged by people."""

from collections.abc import Sequence
from typing import Any, Literal

import msgspec

from logkeep.clock import NS_PER_DAY, Clock
from logkeep.errors import InputError
from logkeep.metastore import issues
from logkeep.metastore.audit import Entry, record, with_detail
from logkeep.metastore.database import Database, Int64, Transaction, bump
from logkeep.metastore.devices import TOPIC, id_of, searchable
from logkeep.metastore.issues import Issue, Occurrence, Status, TallyKind

VERSION_CHARS_MAX = 192
Order = Literal["last_seen", "count", "users"]
_MET = "issue IN (SELECT issue FROM issue_tallies WHERE id = :{kind}_id AND kind = '{kind}')"
_COLUMNS = {"last_seen": "last_ns", "count": "events", "users": "users"}


class Place(msgspec.Struct, frozen=True, array_like=True):
    """Of an issue in a list: where a page ends. value: of the column that orders it."""

    value: Int64
    issue: str


class Wanted(msgspec.Struct, frozen=True):
    """What a list shows; what is empty asks for nothing. text: in title, place or fingerprint."""

    kinds: tuple[str, ...] = ()
    statuses: tuple[str, ...] = ()
    text: str = ""
    version: str = ""
    session: str = ""
    device: str = ""
    user: str = ""
    order: Order = "last_seen"
    limit: int = 50
    after: Place | None = None


class Found(msgspec.Struct, frozen=True):
    issues: list[Issue]
    next: Place | None


class Tally(msgspec.Struct, frozen=True):
    """How often it met one of them, and when last (ns UTC)."""

    name: str
    events: int
    last_ns: int


class Issues:
    """Shared by all instances. Raises BackendUnavailable, CorruptData."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database, self._clock = database, clock

    def find(self, app: str, wanted: Wanted) -> Found:
        return self._database.read(lambda transaction: _find(transaction, app, wanted))

    def issue(self, app: str, name: str) -> Issue:
        """Raises InputError (404)."""
        return self._database.read(lambda transaction: _issue(transaction, app, name))

    def issue_of(self, app: str, occurrence: str) -> str | None:
        """The issue of what was told under this id, the sender's or ours, once it was applied and while it is kept."""
        ids = [_name(occurrence), id_of(app, "occurrence", occurrence)]

        def look(transaction: Transaction) -> str | None:
            rows = transaction.rows_in("SELECT issue FROM issue_occurrences WHERE occurrence IN", ids)
            found = issues.known(transaction, [str(issue) for (issue,) in rows])
            return next((issue.issue for issue in found.values() if issue.app == app), None)

        return self._database.read(look)

    def occurrences(
        self, app: str, name: str, *, limit: int, before: int | None = None
    ) -> list[tuple[int, Occurrence]]:
        """The newest first, each with its number. before: a number. Raises InputError (404)."""

        def look(transaction: Transaction) -> list[tuple[int, Occurrence]]:
            issue = _issue(transaction, app, name)
            rows = transaction.rows(
                "SELECT number, body FROM issue_occurrences WHERE issue = :issue AND number < :before "
                "ORDER BY number DESC LIMIT :limit",
                issue=issue.issue, before=before if before is not None else 2**62, limit=limit,
            )  # fmt: skip
            return [(int(number), msgspec.json.decode(bytes(body), type=Occurrence)) for number, body in rows]

        return self._database.read(look)

    def tallies(self, app: str, name: str, kind: TallyKind, *, limit: int) -> list[Tally]:
        """The latest first. Raises InputError (404)."""

        def look(transaction: Transaction) -> list[Tally]:
            issue = _issue(transaction, app, name)
            rows = transaction.rows(
                "SELECT name, events, last_ns FROM issue_tallies WHERE issue = :issue AND kind = :kind "
                "ORDER BY last_ns DESC, id LIMIT :limit",
                issue=issue.issue, kind=kind, limit=limit,
            )  # fmt: skip
            return [
                Tally(bytes(data).decode("utf-8", "surrogatepass"), int(count), int(last_ns))
                for data, count, last_ns in rows
            ]

        return self._database.read(look)

    def days(self, names: Sequence[str], days: int) -> dict[str, list[int]]:
        """Of each issue its counts by day (UTC), the oldest first, today's last."""
        now_ns = self._clock.now_ns()
        wanted = [issues.day_of(now_ns - back * NS_PER_DAY) for back in reversed(range(days))]
        rows = self._database.read(
            lambda transaction: transaction.rows_in(
                "SELECT issue, id, events FROM issue_tallies WHERE kind = 'day' AND issue IN", names
            )
        )
        counts = {(str(issue), str(day)): int(count) for issue, day, count in rows}
        return {name: [counts.get((name, day), 0) for day in wanted] for name in names}

    def judge(
        self,
        app: str,
        name: str,
        *,
        revision: int,
        status: Status,
        resolved_in: str,
        by: str,
        entries: Sequence[Entry] = (),
    ) -> Issue:
        """The issue, from now on so. entries: for the audit log, which is told what it was `before` with them.

        Raises InputError: 404; 409, somebody has judged it since `revision`.
        """
        if len(resolved_in) > VERSION_CHARS_MAX:
            raise InputError(f"a version has {VERSION_CHARS_MAX} characters at most", code="bad_version")
        if resolved_in and status != "resolved":
            raise InputError("`resolved_in` goes with the status `resolved` only", code="bad_status")

        def change(transaction: Transaction) -> Issue:
            bump(transaction, TOPIC)  # whoever counts the issue waits
            issue = _issue(transaction, app, name)
            if issue.revision != revision:
                raise InputError(
                    f"this issue was changed since: its revision is {issue.revision}, not {revision}; look at it again",
                    code="conflict",
                    status=409,
                )
            judged = msgspec.structs.replace(
                issue, status=status, resolved_in=resolved_in, status_by=by, status_ns=self._clock.now_ns(),
                revision=revision + 1,
            )  # fmt: skip
            issues.keep(transaction, judged)
            record(transaction, [with_detail(entry, before=issue.status) for entry in entries])
            return judged

        return self._database.write(change)


def _issue(transaction: Transaction, app: str, name: str) -> Issue:
    found = issues.known(transaction, [_name(name)]).get(name)
    if found is None or found.app != app:
        raise InputError(f"there is no issue {name[:40]!r}", code="not_found", status=404)
    return found


def _name(name: str) -> str:
    """What any database can look for."""
    return name if len(name) <= 64 and name.isascii() and name.isprintable() else ""


def _find(transaction: Transaction, app: str, wanted: Wanted) -> Found:
    column = _COLUMNS[wanted.order]
    conditions, values = ["app = :app"], {"app": app}
    for name, column_of, choices in (("kind", "kind", wanted.kinds), ("status", "status", wanted.statuses)):
        if choices:
            names = [f"{name}{index}" for index in range(len(choices))]
            conditions.append(f"{column_of} IN ({', '.join(f':{one}' for one in names)})")
            values |= dict(zip(names, choices, strict=True))
    if wanted.text:
        conditions.append("words LIKE :text ESCAPE '!'")
        values["text"] = _like(searchable(wanted.text))
    for kind in ("version", "user", "device"):
        if text := getattr(wanted, kind):
            conditions.append(_MET.format(kind=kind))
            values[f"{kind}_id"] = id_of(app, kind, text)
    if wanted.session:
        conditions.append("issue IN (SELECT issue FROM issue_occurrences WHERE session_id = :session_id)")
        values["session_id"] = id_of(app, "session", wanted.session)
    bound: dict[str, Any] = dict(values)
    if wanted.after is not None:
        conditions.append(f"({column} < :value OR ({column} = :value AND issue > :after))")
        bound |= {"value": wanted.after.value, "after": wanted.after.issue}
    sql = (
        f"SELECT body FROM issues WHERE {' AND '.join(conditions)} "  # noqa: S608 - conditions are ours, texts bound
        f"ORDER BY {column} DESC, issue LIMIT :limit"
    )
    rows = transaction.rows(sql, **bound, limit=wanted.limit + 1)
    found = [msgspec.json.decode(bytes(body), type=Issue) for (body,) in rows]
    if len(found) <= wanted.limit:
        return Found(found, None)
    last = found[wanted.limit - 1]
    value = {"last_seen": last.last_ns, "count": last.events, "users": last.users}[wanted.order]
    return Found(found[: wanted.limit], Place(value, last.issue))


def _like(folded: str) -> str:
    """The pattern of texts that hold this, with `!` for escape."""
    return "%" + folded.replace("!", "!!").replace("%", "!%").replace("_", "!_") + "%"
