"""`logkeep admin audit`."""

import sys
from typing import Annotated

import msgspec
import typer

from logkeep.cli.admin_common import Admin, Config, Data, Json, opened, refuse_unknown_team, show, tell
from logkeep.clock import SystemClock
from logkeep.metastore.audit import PAGE_MAX, Wanted

FAILED = 1


def list_audit(
    team: Annotated[str, typer.Option("--team", metavar="TEAM", help="Of this team alone. [all]")] = "",
    app: Annotated[str, typer.Option("--app", metavar="APP", help="Of this app alone.")] = "",
    who: Annotated[str, typer.Option("--who", metavar="ID", help="Of this person or token alone.")] = "",
    what: Annotated[str, typer.Option("--what", metavar="KIND", help="Such as read.search or key.created.")] = "",
    from_: Annotated[str, typer.Option("--from", metavar="TIME", help="From then on: -1d, 2026-08-01, …")] = "",
    limit: Annotated[int, typer.Option("--limit", metavar="N", min=1, max=PAGE_MAX, help="Entries at most.")] = 50,
    data: Data = None,
    config: Config = None,
    json: Json = False,
) -> int:
    """List who did what, newest first."""
    from logkeep.api import audit_rows

    with opened(data, config) as admin:
        wanted = _wanted(admin, team, app, who, what, from_, limit)
        rows = [
            {
                "number": row.number,
                "time": audit_rows.time_of(row)[:19] + "Z",
                "who": row.who_name or row.who,
                "what": row.what,
                "app": row.app,
                "target": row.target,
                "ip": row.ip,
                "detail": audit_rows.text_of(row),
                "changed": row.is_changed(),
            }
            for row in admin.directory.audit.list(wanted)
        ]
    return show(rows, json, empty="nothing")


def export(
    format: Annotated[
        str, typer.Option("--format", metavar="ndjson|csv", help="A JSON object a line, or CSV.")
    ] = "ndjson",
    team: Annotated[str, typer.Option("--team", metavar="TEAM", help="Of this team alone. [all]")] = "",
    app: Annotated[str, typer.Option("--app", metavar="APP", help="Of this app alone.")] = "",
    who: Annotated[str, typer.Option("--who", metavar="ID", help="Of this person or token alone.")] = "",
    what: Annotated[str, typer.Option("--what", metavar="KIND", help="Such as read.search or key.created.")] = "",
    from_: Annotated[str, typer.Option("--from", metavar="TIME", help="From then on: -1d, 2026-08-01, …")] = "",
    data: Data = None,
    config: Config = None,
) -> int:
    """Write all entries to standard output, newest first: what the API exports, of all teams and of none."""
    from logkeep.api import audit_rows

    if format not in ("ndjson", "csv"):
        raise typer.BadParameter(f"it is ndjson or csv, not {format[:40]!r}", param_hint="--format")
    out = sys.stdout.buffer
    with opened(data, config) as admin:
        wanted = _wanted(admin, team, app, who, what, from_, PAGE_MAX)
        if format == "csv":
            out.write(audit_rows.head().encode())
        while rows := admin.directory.audit.list(wanted):
            out.write(audit_rows.lines(rows, format))
            wanted = msgspec.structs.replace(wanted, before=rows[-1].number)
    out.flush()
    return 0


def verify(data: Data = None, config: Config = None, json: Json = False) -> int:
    """Check that no entry was changed, taken out or put in, the oldest too.

    Prints the hash of the last one. Write it down elsewhere: then a log that was cut off or made anew shows too.
    """
    with opened(data, config) as admin:
        found = admin.directory.audit.verify()
    if found.broken:
        print(f"entry {found.broken} does not fit: it, or one before it, was changed or is missing", file=sys.stderr)
        if found.count > 1:
            print(f"{found.count:,} of {found.rows:,} entries do not fit", file=sys.stderr)
        return FAILED
    return tell({"entries": found.rows, "hash": found.head}, json, found.head, f"{found.rows:,} entries fit")


def _wanted(admin: Admin, team: str, app: str, who: str, what: str, from_: str, limit: int) -> Wanted:
    from logkeep.api.times import parse_time

    if team:
        refuse_unknown_team(admin, team)
    if app:
        admin.directory.apps.get(app)  # raises
    return Wanted(
        # Entries of no team, such as sign-ins, have "".
        teams=(team,) if team else ("", *(one.name for one in admin.directory.teams.some())),
        apps=(app,) if app else None,
        who=who,
        what=what,
        from_ns=parse_time(from_, SystemClock().now_ns()) if from_ else 0,
        limit=limit,
    )
