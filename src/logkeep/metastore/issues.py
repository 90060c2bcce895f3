"""Issues: what was told as an issue, a crash or feedback, the same ones as one, with the newest times it happened.

An issue counts for ever what it may no longer have: of its occurrences the newest OCCURRENCES_MAX are kept, of the
users and devices that it met so many that a count still means something.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Any, Literal

import msgspec

from logkeep.clock import NS_PER_DAY, NS_PER_S
from logkeep.decode.issues import LEVEL_OF_KIND, TITLE_CHARS_MAX, IssueNotice, Kind, kept_stack, version_key
from logkeep.event import Event, Scalar, attributes_json
from logkeep.metastore import told_ids
from logkeep.metastore.database import Transaction
from logkeep.metastore.devices import id_of, searchable
from logkeep.metastore.told_ids import ToldId
from logkeep.patterns import fingerprint as fingerprints

OCCURRENCES_MAX = 200  # of an issue, the newest
PEOPLE_MAX = 10_000  # users of an issue, and devices: from there on it is "10,000 and more"
VERSIONS_MAX = 200
DAYS_MAX = 90  # with a count by day
ISSUES_MAX = 10_000  # of an app; beyond that those seen longest ago go
WORDS_CHARS_MAX = 1024
EVENT_STACK_CHARS_MAX = 32 << 10
Status = Literal["open", "resolved", "muted", "regressed"]
TallyKind = Literal["day", "version", "user", "device"]
_MAX: dict[str, int] = {"user": PEOPLE_MAX, "device": PEOPLE_MAX, "version": VERSIONS_MAX}


class Issue(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """events: how often it was told. users, devices: how many different ones, PEOPLE_MAX at most. Times ns UTC.

    resolved_in: the version it is mended in, "" for whichever came next. revision: grows with each change of status.
    status_by: who made it so; "" for what it was at first, and for one that came back by itself.
    """

    issue: str
    app: str
    kind: Kind
    fingerprint: str
    title: str
    where: str
    first_ns: int
    last_ns: int
    first_version: str = ""
    last_version: str = ""
    status: Status = "open"
    resolved_in: str = ""
    status_by: str = ""
    status_ns: int = 0
    revision: int = 1
    events: int = 0
    users: int = 0
    devices: int = 0


class Occurrence(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One time it happened. id: unique, and what `POST /v1/issues` answers. time_ns: ns UTC."""

    id: str
    issue: str
    time_ns: int
    received_ns: int
    session: str
    kind: Kind = "issue"
    device: str = ""
    user: str = ""
    component: str = ""
    app_version: str = ""
    where: str = ""
    title: str = ""
    text: str = ""
    stack: str = ""


class IssueReport(msgspec.Struct, frozen=True):
    """One notice. id: the same whenever it is applied again. time_ns: when it happened, ns UTC, as it is believed."""

    app: str
    id: str
    received_ns: int
    time_ns: int
    notice: IssueNotice


def issue_id(app: str, kind: Kind, fingerprint: str) -> str:
    digest = blake2b(digest_size=8)
    for part in (app, kind, fingerprint):
        digest.update(part.encode("utf-8", "surrogatepass") + b"\0")
    return f"iss_{digest.hexdigest()}"


def occurrence_id(told: IssueReport) -> str:
    """Of what is told twice under one id of the sender's, the same."""
    return id_of(told.app, "occurrence", told.notice.id) if told.notice.id is not None else told.id


def title_of(notice: IssueNotice) -> str:
    """Of what was told, what a person would say first."""
    if title := notice.title.strip():
        return title
    if notice.stack and (title := fingerprints.title_of(notice.stack)):
        return title
    return next((line.strip() for line in notice.text.splitlines() if line.strip()), "")[:TITLE_CHARS_MAX]


def group_of(notice: IssueNotice, occurrence: str) -> fingerprints.Group:
    """With what it is the same. Feedback of two people never is: `occurrence` tells it apart."""
    if notice.fingerprint is not None:
        return fingerprints.of_words(notice.fingerprint)
    if notice.kind == "feedback":
        return fingerprints.of_words(occurrence)
    if notice.kind == "crash" or notice.stack:
        return fingerprints.of_crash(notice.title or notice.text, notice.stack or notice.text)
    return fingerprints.of_text(title_of(notice))


def occurrence_of(told: IssueReport) -> tuple[Occurrence, str, str]:
    """With the fingerprint of its issue and where a crash is."""
    notice, place = told.notice, occurrence_id(told)
    group = group_of(notice, place)
    occurrence = Occurrence(
        id=place,
        issue=issue_id(told.app, notice.kind, group.fingerprint),
        time_ns=told.time_ns,
        received_ns=told.received_ns,
        session=notice.session,
        kind=notice.kind,
        device=notice.device or "",
        user=notice.user or "",
        component=notice.component or "",
        app_version=notice.app_version or "",
        where=group.where,
        title=title_of(notice),
        text=notice.text,
        stack=kept_stack(notice.stack),
    )
    return occurrence, group.fingerprint, group.where


def as_event(one: Occurrence) -> Event:
    """The event of its session that it is, as queries see it."""
    attributes: dict[str, Scalar] = {"issue": one.issue, "where": one.where, "app_version": one.app_version}
    return Event(
        "", one.session, one.kind, value_of(one), "text", None, one.time_ns, one.received_ns, one.id,
        LEVEL_OF_KIND[one.kind], one.user, one.device, one.component,
        attributes_json({name: text for name, text in attributes.items() if text}),
    )  # fmt: skip


def value_of(one: Occurrence) -> str:
    """What was said, of a long stack without its middle: an event is searched and shown among others."""
    stack = one.stack
    if len(stack) > EVENT_STACK_CHARS_MAX:
        half = EVENT_STACK_CHARS_MAX // 2
        stack = f"{stack[:half]}\n…\n{stack[-half:]}"
    return "\n\n".join(part for part in dict.fromkeys((one.title, one.text, stack)) if part)


# ── in a transaction ──────────────────────────────────────────────────────────────────────────────────────────────────


def apply(transaction: Transaction, told: Sequence[IssueReport]) -> list[Occurrence]:
    """The occurrences among `told` that were not there before, in their order; their issues count them.

    Call `bump(transaction, devices.TOPIC)` before: two that count the same issue wait for each other.
    """
    fresh: dict[str, tuple[str, Occurrence, str, str]] = {}
    for one in told:
        occurrence, fingerprint, where = occurrence_of(one)
        fresh.setdefault(occurrence.id, (one.app, occurrence, fingerprint, where))
    for place in _counted(transaction, sorted(fresh)):
        del fresh[place]
    if not fresh:
        return []
    before = known(transaction, sorted({one[1].issue for one in fresh.values()}))
    after: dict[str, Issue] = {}
    for app, occurrence, fingerprint, where in fresh.values():
        issue = after.get(occurrence.issue) or before.get(occurrence.issue)
        after[occurrence.issue] = _happened(issue, app, occurrence, fingerprint, where)
    occurrences = [one[1] for one in fresh.values()]
    after = _tallied(transaction, after, occurrences)
    _keep(transaction, before, after)
    _keep_occurrences(transaction, {issue: after[issue].app for issue in after}, occurrences)
    _keep_ids(transaction, occurrences, {occurrence_id(one) for one in told if one.notice.id is not None})
    counts = {place: (before[place].events if place in before else 0, one.events) for place, one in after.items()}
    told_ids.make_room(transaction, counts)
    for app in sorted({issue.app for place, issue in after.items() if place not in before}):
        _make_room(transaction, app)
    return occurrences


def _counted(transaction: Transaction, places: Sequence[str]) -> set[str]:
    """Those of these occurrences that their issues have counted."""
    rows = transaction.rows_in("SELECT occurrence FROM issue_occurrences WHERE occurrence IN", places)
    return {str(place) for (place,) in rows} | told_ids.known(transaction, places)


def _keep_ids(transaction: Transaction, occurrences: Sequence[Occurrence], named: set[str]) -> None:
    """named: occurrences that have their id from the sender; others cannot be told again."""
    told_ids.keep(
        transaction, [ToldId(one.id, one.issue, one.received_ns) for one in occurrences if one.id in named]
    )  # fmt: skip


def known(transaction: Transaction, ids: Sequence[str]) -> dict[str, Issue]:
    rows = transaction.rows_in("SELECT issue, body FROM issues WHERE issue IN", ids)
    return {str(place): msgspec.json.decode(bytes(body), type=Issue) for place, body in rows}


def _happened(issue: Issue | None, app: str, one: Occurrence, fingerprint: str, where: str) -> Issue:
    """The issue after it happened once more; what was mended and is back is `regressed`."""
    if issue is None:
        issue = Issue(
            issue=one.issue, app=app, kind=one.kind, fingerprint=fingerprint, title=one.title, where=where,
            first_ns=one.time_ns, last_ns=one.time_ns, first_version=one.app_version, last_version=one.app_version,
        )  # fmt: skip
    changes: dict[str, Any] = {"events": issue.events + 1}
    if one.time_ns < issue.first_ns:  # told late: it was offline
        changes |= {"first_ns": one.time_ns, "first_version": one.app_version or issue.first_version}
    if one.time_ns >= issue.last_ns:
        changes["last_ns"] = one.time_ns
        changes["last_version"] = one.app_version or issue.last_version
    if issue.status == "resolved" and is_back(issue, one):
        changes |= {
            "status": "regressed",
            "status_by": "",
            "status_ns": one.received_ns,
            "revision": issue.revision + 1,
        }
    return msgspec.structs.replace(issue, **changes)


def is_back(issue: Issue, one: Occurrence) -> bool:
    """Whether it happened where it was said to be mended: in that version or a newer one; without one, afterwards.

    Devices of an older version, and what was kept offline since before, say nothing about the mending.
    """
    if issue.resolved_in:
        return bool(one.app_version) and version_key(one.app_version) >= version_key(issue.resolved_in)
    return one.time_ns > issue.status_ns


# ── who and when ──────────────────────────────────────────────────────────────────────────────────────────────────────


class _Tally(msgspec.Struct):
    name: str
    events: int
    last_ns: int


def _tallied(transaction: Transaction, after: dict[str, Issue], occurrences: Iterable[Occurrence]) -> dict[str, Issue]:
    """The issues with their counts of users and devices; the tallies of these occurrences are kept."""
    found: dict[tuple[str, str, str], _Tally] = {}
    for one in occurrences:
        for kind, place, name in _tallies_of(after[one.issue].app, one):
            tally = found.setdefault((one.issue, kind, place), _Tally(name, 0, one.time_ns))
            tally.events += 1
            tally.last_ns = max(tally.last_ns, one.time_ns)
    rows = transaction.rows_in(
        "SELECT id, kind, issue FROM issue_tallies WHERE id IN", sorted({place for _, _, place in found})
    )
    there = {(str(issue), str(kind), str(place)) for place, kind, issue in rows}
    fresh = [key for key in sorted(found) if key not in there]
    fresh, counts = _with_room(transaction, after, fresh)
    for key, many in (("INSERT", fresh), ("UPDATE", [key for key in sorted(found) if key in there])):
        transaction.change_many(_TALLY[key], [_tally_row(place, found[place]) for place in many])
    _forget_days(transaction, [issue for issue, kind, _ in fresh if kind == "day"], after)
    return {
        place: msgspec.structs.replace(
            issue,
            users=issue.users + counts.get((place, "user"), 0),
            devices=issue.devices + counts.get((place, "device"), 0),
        )
        for place, issue in after.items()
    }


_TALLY = {
    "INSERT": "INSERT INTO issue_tallies (issue, kind, id, name, events, last_ns) "
    "VALUES (:issue, :kind, :id, :name, :events, :last)",
    "UPDATE": "UPDATE issue_tallies SET events = events + :events, "
    "last_ns = CASE WHEN :last > last_ns THEN :last ELSE last_ns END "
    "WHERE issue = :issue AND kind = :kind AND id = :id",
}


def _tally_row(place: tuple[str, str, str], tally: _Tally) -> dict[str, Any]:
    issue, kind, name = place
    data = tally.name.encode("utf-8", "surrogatepass")
    return {"issue": issue, "kind": kind, "id": name, "name": data, "events": tally.events, "last": tally.last_ns}


def _tallies_of(app: str, one: Occurrence) -> list[tuple[TallyKind, str, str]]:
    day = day_of(one.time_ns)
    tallies: list[tuple[TallyKind, str, str]] = [("day", day, day)]
    named: tuple[tuple[TallyKind, str], ...] = (
        ("version", one.app_version), ("user", one.user), ("device", one.device),
    )  # fmt: skip
    return tallies + [(kind, id_of(app, kind, name), name) for kind, name in named if name]


def day_of(time_ns: int) -> str:
    return datetime.fromtimestamp(time_ns // NS_PER_S, UTC).strftime("%Y-%m-%d")


def _with_room(
    transaction: Transaction, after: Mapping[str, Issue], fresh: Sequence[tuple[str, str, str]]
) -> tuple[list[tuple[str, str, str]], dict[tuple[str, str], int]]:
    """Those that are kept, and how many by issue and kind."""
    kept: list[tuple[str, str, str]] = []
    counts: dict[tuple[str, str], int] = {}
    for key in fresh:
        issue, kind, _ = key
        if kind in ("user", "device"):
            had = getattr(after[issue], f"{kind}s")
        elif kind == "version" and (issue, kind) not in counts:
            had = _count(transaction, issue, kind)
        else:
            had = 0
        if kind == "day" or had + counts.get((issue, kind), 0) < _MAX[kind]:
            kept.append(key)
            counts[issue, kind] = counts.get((issue, kind), 0) + 1
    return kept, counts


def _count(transaction: Transaction, issue: str, kind: str) -> int:
    sql = "SELECT COUNT(*) FROM issue_tallies WHERE issue = :issue AND kind = :kind"
    return int(transaction.rows(sql, issue=issue, kind=kind)[0][0])


def _forget_days(transaction: Transaction, issues: Iterable[str], after: Mapping[str, Issue]) -> None:
    transaction.change_many(
        "DELETE FROM issue_tallies WHERE issue = :issue AND kind = 'day' AND id < :day",
        [
            {"issue": place, "day": day_of(max(0, after[place].last_ns - DAYS_MAX * NS_PER_DAY))}
            for place in sorted(set(issues))
        ],
    )


# ── rows ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


def keep(transaction: Transaction, issue: Issue) -> None:
    """What is there already, as it is now."""
    _keep(transaction, {issue.issue: issue}, {issue.issue: issue})


def _keep(transaction: Transaction, before: Mapping[str, Issue], after: Mapping[str, Issue]) -> None:
    transaction.change_many(
        "INSERT INTO issues (issue, app, kind, status, words, last_ns, events, users, devices, revision, body) "
        "VALUES (:issue, :app, :kind, :status, :words, :last, :events, :users, :devices, :revision, :body)",
        [
            _row(issue) | {"app": issue.app, "kind": issue.kind}
            for place, issue in sorted(after.items())
            if place not in before
        ],
    )
    transaction.change_many(
        "UPDATE issues SET status = :status, words = :words, last_ns = :last, events = :events, users = :users, "
        "devices = :devices, revision = :revision, body = :body WHERE issue = :issue",
        [_row(issue) for place, issue in sorted(after.items()) if place in before],
    )


def _row(issue: Issue) -> dict[str, Any]:
    return {
        "issue": issue.issue,
        "status": issue.status,
        "words": searchable(f"{issue.title}\n{issue.where}\n{issue.fingerprint}")[:WORDS_CHARS_MAX],
        "last": issue.last_ns,
        "events": issue.events,
        "users": issue.users,
        "devices": issue.devices,
        "revision": issue.revision,
        "body": msgspec.json.encode(issue),
    }


def _keep_occurrences(transaction: Transaction, apps: Mapping[str, str], occurrences: Sequence[Occurrence]) -> None:
    """Of each issue the newest OCCURRENCES_MAX stay."""
    by_issue: dict[str, list[Occurrence]] = {}
    for one in occurrences:
        by_issue.setdefault(one.issue, []).append(one)
    for issue, own in sorted(by_issue.items()):
        newest, app = own[-OCCURRENCES_MAX:], apps[issue]
        transaction.change_many(
            "INSERT INTO issue_occurrences (occurrence, issue, session_id, device_id, user_id, time_ns, body) "
            "VALUES (:occurrence, :issue, :session, :device, :user, :time, :body)",
            [
                {
                    "occurrence": one.id,
                    "issue": issue,
                    "session": id_of(app, "session", one.session),
                    "device": id_of(app, "device", one.device) if one.device else "",
                    "user": id_of(app, "user", one.user) if one.user else "",
                    "time": one.time_ns,
                    "body": msgspec.json.encode(one),
                }
                for one in newest
            ],
        )
        surplus = transaction.rows(
            "SELECT number FROM issue_occurrences WHERE issue = :issue ORDER BY number DESC LIMIT 1 OFFSET :kept",
            issue=issue, kept=OCCURRENCES_MAX,
        )  # fmt: skip
        for (number,) in surplus:
            transaction.change(
                "DELETE FROM issue_occurrences WHERE issue = :issue AND number <= :number", issue=issue, number=number
            )


def _make_room(transaction: Transaction, app: str) -> None:
    rows = transaction.rows(
        "SELECT issue FROM issues WHERE app = :app ORDER BY last_ns DESC, issue LIMIT 100000 OFFSET :kept",
        app=app, kept=ISSUES_MAX,
    )  # fmt: skip
    remove(transaction, [str(issue) for (issue,) in rows])


def remove(transaction: Transaction, issues: Sequence[str]) -> None:
    """They are gone with all that belongs to them."""
    gone = [{"issue": issue} for issue in issues]
    for table in ("issue_occurrences", "told_ids", "issue_tallies", "issues"):
        transaction.change_many(f"DELETE FROM {table} WHERE issue = :issue", gone)  # noqa: S608 - names of our tables
