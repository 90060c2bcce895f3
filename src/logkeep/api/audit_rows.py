"""Entries of the audit log as the API and `logkeep admin` give them: JSON objects, and lines of a file. Pure."""

from collections.abc import Iterable
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from logkeep import event_csv
from logkeep.api.answers import Time
from logkeep.metastore.audit import AuditRow
from logkeep.store.page import rfc3339

COLUMNS = (
    "number", "time", "team", "app", "who", "who_name", "what", "target", "ip", "detail", "id", "hash",
    "changed",
)  # fmt: skip


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
    changed: Annotated[bool, Meta(description="somebody has changed it in the database: it does not fit its hash")]


def entry(row: AuditRow) -> AuditAnswer:
    return AuditAnswer(
        row.number, row.id, time_of(row), row.team, row.app or None, row.who, row.who_name, row.what,
        row.target, row.ip, _detail(row), row.hash, row.is_changed(),
    )  # fmt: skip


def time_of(row: AuditRow) -> str:
    """What somebody has put there may be no time that can be told."""
    try:
        return rfc3339(row.made_ns)
    except (ValueError, OverflowError, OSError):
        return rfc3339(0)


def _detail(row: AuditRow) -> dict[str, Any]:
    try:
        return msgspec.json.decode(row.detail, type=dict[str, Any])
    except msgspec.MsgspecError:
        return {"unreadable": text_of(row)}


def text_of(row: AuditRow) -> str:
    """Its detail, as it is kept."""
    return row.detail.decode("utf-8", "backslashreplace")


def head() -> str:
    """The first line of a CSV."""
    return event_csv.lines_of([COLUMNS])


def lines(rows: Iterable[AuditRow], form: str) -> bytes:
    """A JSON object or a row of CSV each. form: ndjson or csv."""
    if form == "csv":
        return event_csv.lines_of(map(_cells, rows)).encode()
    return b"".join(msgspec.json.encode(entry(row)) + b"\n" for row in rows)


def _cells(row: AuditRow) -> list[str]:
    texts = (row.team, row.app, row.who, row.who_name, row.what, row.target, row.ip)
    changed = "true" if row.is_changed() else "false"
    return [str(row.number), time_of(row), *map(event_csv.safe, texts), text_of(row), row.id, row.hash, changed]
