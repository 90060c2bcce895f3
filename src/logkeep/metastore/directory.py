"""Everything about accounts that is looked up and changed in the database, made from it in one place."""

from collections.abc import Callable
from dataclasses import dataclass

from logkeep.clock import Clock
from logkeep.metastore.apps import Apps
from logkeep.metastore.attempts import Attempts
from logkeep.metastore.audit import Audit
from logkeep.metastore.database import Database
from logkeep.metastore.keys import Keys
from logkeep.metastore.links import Links
from logkeep.metastore.people import People
from logkeep.metastore.sign_ins import SignIns
from logkeep.metastore.starts import Starts
from logkeep.metastore.steps import Steps
from logkeep.metastore.teams import Teams
from logkeep.metastore.tokens import Tokens
from logkeep.metastore.totp import Totp
from logkeep.metastore.writing import Writer


@dataclass(frozen=True, slots=True)
class Directory:
    """All calls block, and raise BackendUnavailable while the database does not answer."""

    people: People
    teams: Teams
    apps: Apps
    keys: Keys
    tokens: Tokens
    links: Links
    totp: Totp
    sign_ins: SignIns
    attempts: Attempts
    steps: Steps
    starts: Starts
    audit: Audit


def make_directory(database: Database, clock: Clock, look: Callable[[], object]) -> Directory:
    """look: called after each change; makes this process know it (`Accounts.look`)."""
    writer = Writer(database, clock, look)
    people, teams = People(writer), Teams(writer)
    return Directory(
        people=people,
        teams=teams,
        apps=Apps(writer),
        keys=Keys(writer),
        tokens=Tokens(writer),
        links=Links(writer, people, teams),
        totp=Totp(writer, people),
        sign_ins=SignIns(database),
        attempts=Attempts(writer),
        steps=Steps(writer),
        starts=Starts(writer),
        audit=Audit(database, clock),
    )
