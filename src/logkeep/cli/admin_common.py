"""What the commands of `logkeep admin` share: the metastore, who acts, tables and JSON."""

import getpass
import os
import socket
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from logkeep import settings as settings_module
from logkeep.cli.tables import Column, Table, write_table
from logkeep.clock import SystemClock
from logkeep.errors import InputError
from logkeep.metastore.audit import CONSOLE, Actor
from logkeep.metastore.database import HEAD
from logkeep.metastore.directory import Directory, make_directory
from logkeep.metastore.people import Person
from logkeep.metastore.writing import not_found
from logkeep.settings import Settings
from logkeep.store.page import rfc3339

Data = Annotated[str | None, typer.Option("--data", metavar="DIR", help="Folder of everything Logkeep keeps [./data].")]
Config = Annotated[Path | None, typer.Option("--config", metavar="FILE", help="TOML file of settings.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Team = Annotated[str, typer.Option("--team", metavar="TEAM", help="Name of the team.")]
App = Annotated[str, typer.Option("--app", metavar="APP", help="Name of the app.")]


class Admin(msgspec.Struct, frozen=True):
    directory: Directory
    settings: Settings
    by: Actor


@contextmanager
def opened(data: str | None, config: Path | None) -> Iterator[Admin]:
    """Raises InputError where the service has not made the tables yet."""
    from logkeep import wiring

    settings = settings_module.load(file=config, environment=os.environ, flags={"data": data})
    place = "metastore.url" if settings.metastore.url else str(settings.folder / wiring.METASTORE_FILE)
    if not settings.metastore.url and not (settings.folder / wiring.METASTORE_FILE).exists():
        raise InputError(f"there is no metastore at {place}; name its folder with --data, or start the service once")
    with wiring.open_database(settings) as database:
        revision = database.revision()
        if revision != HEAD:
            raise InputError(
                f"the tables of {place} are of revision {revision}, this Logkeep works with {HEAD}; start the service "
                "of the same version once"
            )
        yield Admin(make_directory(database, SystemClock(), lambda: None), settings, _actor())


def _actor() -> Actor:
    try:
        who = f"{getpass.getuser()}@{socket.gethostname()}"
    except (KeyError, OSError):  # a container's user need not have a name
        who = socket.gethostname()
    return Actor(CONSOLE.id, f"{CONSOLE.name} ({who})")


def person(admin: Admin, email: str) -> Person:
    """Raises InputError (404)."""
    found = admin.directory.people.by_email(email)
    if found is None:
        raise InputError(f"nobody has the address {email[:80]!r}; `logkeep admin people list` shows who there is")
    return found


def refuse_unknown_team(admin: Admin, team: str) -> None:
    """Raises InputError (404)."""
    if not admin.directory.teams.some([team]):
        raise not_found("team", team)


def show(rows: Sequence[dict[str, Any]], json: bool, *, empty: str) -> int:
    """A table for people, a JSON array for programs."""
    if not rows and not json:
        print(empty, file=sys.stderr)
        return 0
    columns = tuple(Column(name) for name in rows[0]) if rows else ()
    write_table(Table(columns, [list(row.values()) for row in rows]), "json" if json else "table", sys.stdout)
    return 0


def tell(made: dict[str, Any], json: bool, *lines: str) -> int:
    """What was made: an object for programs, else the lines, the first of which is what scripts want."""
    if json:
        print(msgspec.json.format(msgspec.json.encode(made)).decode())
    else:
        print(lines[0])
        for line in lines[1:]:
            print(line, file=sys.stderr)
    return 0


def day(time_ns: int) -> str | None:
    return rfc3339(time_ns)[:19] + "Z" if time_ns else None
