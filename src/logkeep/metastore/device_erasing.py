"""Erasing what devices and issues told of whoever is erased: registrations, occurrences, names, rules, titles.

Counts of an issue stay: they name nobody. A title may have been written by whoever is erased, so it becomes that of an
occurrence that is still there.
"""

from collections.abc import Iterator

import msgspec

from logkeep.metastore import devices, issues, remote
from logkeep.metastore.database import Database, Transaction, bump
from logkeep.metastore.erasures import Erasure
from logkeep.metastore.issues import Issue, Occurrence
from logkeep.metastore.known_rules import TOPIC as RULES
from logkeep.query import ast
from logkeep.query.match import matcher
from logkeep.query.named import Names, named_whole, names_alone
from logkeep.query.parser import parse

PAGE_ROWS = 500
ERASED = "erased"  # the title of an issue whose kept occurrences are all gone


class _Found(msgspec.Struct):
    """What belongs to whoever is erased. occurrences: by number, with their issue and device."""

    devices: list[str]
    occurrences: dict[int, tuple[str, str]]


class DeviceEraser:
    """A row of what an erasure covers beside the store. Raises BackendUnavailable."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def remove(self, job: Erasure, *, dry: bool) -> dict[str, int]:
        """How many devices and occurrences; gone unless `dry`. Again: no harm."""
        query = parse(job.query)
        found = self._database.read(
            lambda transaction: _Found(
                list(_devices(transaction, job, query)), dict(_occurrences(transaction, job, query))
            )
        )
        counts = {"devices": len(found.devices), "occurrences": len(found.occurrences)}
        if not dry:
            self._database.write(lambda transaction: _remove(transaction, job, query, found))
            if any(counts.values()):
                self._database.scrub()
        return counts


def _devices(transaction: Transaction, job: Erasure, query: ast.Query) -> Iterator[str]:
    """Ids of the devices named, and of those that the users named used last; which told something in the range."""
    who = named_whole(query)
    ids = {devices.id_of(job.app, "device", name) for name in who.get("device", ())}
    for user in who.get("user", ()):
        ids.update(devices.of_user(transaction, job.app, user))
    for place, device in devices.known(transaction, sorted(ids)).items():
        if job.from_ns <= device.last_ns < job.to_ns:
            yield place


def _occurrences(transaction: Transaction, job: Erasure, query: ast.Query) -> Iterator[tuple[int, tuple[str, str]]]:
    matches = matcher(query)
    for page in _pages(transaction, job.app, named_whole(query) if names_alone(query) else {}):
        for number, one in page:
            if job.from_ns <= one.time_ns < job.to_ns and matches(issues.as_event(one)):
                yield number, (one.issue, one.device)


def _pages(transaction: Transaction, app: str, who: Names) -> Iterator[list[tuple[int, Occurrence]]]:
    """Occurrences that may match; all of the app's where nobody is named."""
    conditions = [
        (f"o.{kind}_id = :who", devices.id_of(app, kind, name)) for kind, names in who.items() for name in names
    ]
    for condition, place in conditions or [("i.app = :who", app)]:
        after, full = -1, True
        while full:
            rows = transaction.rows(
                "SELECT o.number, o.body FROM issue_occurrences o JOIN issues i ON i.issue = o.issue "  # noqa: S608
                f"WHERE {condition} AND i.app = :app AND o.number > :after ORDER BY o.number LIMIT :limit",
                who=place, app=app, after=after, limit=PAGE_ROWS,
            )  # fmt: skip
            yield [(int(number), msgspec.json.decode(bytes(body), type=Occurrence)) for number, body in rows]
            full = len(rows) == PAGE_ROWS
            after = int(rows[-1][0]) if rows else after


def _remove(transaction: Transaction, job: Erasure, query: ast.Query, found: _Found) -> None:
    bump(transaction, devices.TOPIC)  # whoever counts these issues waits
    who = named_whole(query)
    _forget_names(transaction, job, who)
    gone = [{"number": number} for number in found.occurrences]
    transaction.change_many(
        "DELETE FROM told_ids WHERE occurrence IN (SELECT occurrence FROM issue_occurrences WHERE number = :number)",
        gone,
    )
    transaction.change_many("DELETE FROM issue_occurrences WHERE number = :number", gone)
    removed: dict[str, int] = {}
    for name, _ in found.occurrences.values():
        removed[name] = removed.get(name, 0) + 1
    for issue in issues.known(transaction, sorted(removed)).values():
        _retitle(transaction, issue, removed[issue.issue])
    # Why a device was asked for all it has says the title.
    asked = {f"ask_{devices.id_of(job.app, 'device', device)}" for _, device in found.occurrences.values() if device}
    remote.remove_rules(transaction, sorted(asked))
    names = [device.device for device in devices.known(transaction, found.devices).values()]
    remote.remove_rules_for(transaction, job.app, "user", who.get("user", ()))
    remote.remove_rules_for(transaction, job.app, "device", sorted({*who.get("device", ()), *names}))
    devices.remove(transaction, found.devices)
    bump(transaction, RULES)


def _forget_names(transaction: Transaction, job: Erasure, who: Names) -> None:
    """The users and devices named are not among those that an issue met, where it met them last in the range."""
    for kind in ("user", "device"):
        ids = [devices.id_of(job.app, kind, name) for name in who.get(kind, ())]
        rows = transaction.rows_in(
            "SELECT issue, id, last_ns FROM issue_tallies WHERE id IN",
            ids,
            f"AND kind = '{kind}'",
        )
        gone = [(str(issue), str(place)) for issue, place, last in rows if job.from_ns <= int(last) < job.to_ns]
        transaction.change_many(
            "DELETE FROM issue_tallies WHERE issue = :issue AND kind = :kind AND id = :id",
            [{"issue": issue, "kind": kind, "id": place} for issue, place in gone],
        )
        for issue in issues.known(transaction, sorted({issue for issue, _ in gone})).values():
            count = sum(one == issue.issue for one, _ in gone)
            fewer = {f"{kind}s": max(0, getattr(issue, f"{kind}s") - count)}
            issues.keep(transaction, msgspec.structs.replace(issue, **fewer))


def _retitle(transaction: Transaction, issue: Issue, removed: int) -> None:
    rows = transaction.rows(
        "SELECT body FROM issue_occurrences WHERE issue = :issue ORDER BY number DESC LIMIT 1", issue=issue.issue
    )
    if not rows and issue.events <= removed:
        issues.remove(transaction, [issue.issue])
        return
    kept = [msgspec.json.decode(bytes(body), type=Occurrence) for (body,) in rows]
    title = kept[0].title if kept else issue.where or ERASED
    issues.keep(transaction, msgspec.structs.replace(issue, title=title))
