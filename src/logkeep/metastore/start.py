"""A metastore ready for use: its tables, the first app with its keys, and what an older Logkeep kept in files.

`first-run.json` (mode 0600) in the data folder of the instance that started first holds the secrets themselves, once,
for the person who started the service; the database holds hashes.
"""

from pathlib import Path

import msgspec

from logkeep.clock import Clock
from logkeep.disk import Disk
from logkeep.errors import CorruptData
from logkeep.metastore import files, moving
from logkeep.metastore.accounts import TOPIC, new_secret, prefix_of, sha256_of
from logkeep.metastore.apps import insert_app
from logkeep.metastore.audit import Actor, Entry, record
from logkeep.metastore.database import Database, Transaction, bump
from logkeep.metastore.first import first_key, first_person, first_token
from logkeep.metastore.keys import insert_key
from logkeep.metastore.passwords import hashed_password
from logkeep.metastore.people import insert_person, new_password
from logkeep.metastore.teams import FIRST_TEAM, insert_member, insert_team
from logkeep.metastore.tokens import insert_token
from logkeep.telemetry import get_logger

FIRST_RUN_FILE = "first-run.json"
FIRST_APP = "default"
KNOWN_KEYS = "known-keys-{}.json"

log = get_logger("metastore")


class FirstRun(msgspec.Struct, frozen=True):
    """What the first start made; `app_key` can only write, `api_token` may do everything in the first team but owners'
    matters; the person with `admin_email` is its owner."""

    app: str
    app_key: str
    api_token: str
    admin_email: str
    admin_password: str


def known_keys_file(folder: Path, role: str) -> Path:
    """Where a role keeps what it knows of accounts, for a start while the database is away."""
    return folder / KNOWN_KEYS.format(role)


def has_known_keys(folder: Path) -> bool:
    """Whether some role has kept what it knows: there were accounts, and a start can go on without the database."""
    return any(folder.glob(KNOWN_KEYS.format("*")))


def prepare(
    database: Database, folder: Path, disk: Disk, clock: Clock, *, app: str = FIRST_APP, before: Database | None = None
) -> FirstRun | None:
    """Tables and accounts are there, durable; the secrets when this call made them, None when they were there before.

    An empty database takes over what is in `before`, else in the files that an older Logkeep has left in `folder`. Many
    instances at once: one of them makes what is missing. Where nothing is, nothing is changed: a database that can only
    be read is no hindrance. Raises InputError (a newer Logkeep has made the tables), CorruptData (a file that is taken
    over cannot be read; the accounts that `folder` is of are gone, and new ones would lock out everybody who had a key;
    then no table and no file is made), BackendUnavailable.
    """
    had_accounts = has_known_keys(folder)  # before the database is looked at: a process beside this may make both now
    has_others = before is not None or files.are_there(folder)
    if had_accounts and not has_others and database.revision() is None:
        raise _lost(folder)
    database.upgrade()
    found = files.read(folder)

    def fill(transaction: Transaction) -> FirstRun | None:
        bump(transaction, TOPIC)  # first: whoever starts at the same time waits here, and then finds an app
        if _has_apps(transaction):
            return None
        if before is not None and before.read(_hashes):
            moving.copy(before, transaction)
            return None
        if found is not None:
            files.insert(transaction, found, clock.now_ns())
            return None
        if had_accounts:
            raise _lost(folder)
        return _first_start(transaction, folder, disk, clock.now_ns(), app)

    first_run = None if database.read(_has_apps) else database.write(fill)
    if first_run is None and found is None:
        _remove_lost_first_run(database, folder, disk)
    if found is not None:
        _put_away(database, found, folder, disk)
    return first_run


def _lost(folder: Path) -> CorruptData:
    known = ", ".join(sorted(path.name for path in folder.glob(KNOWN_KEYS.format("*"))))
    return CorruptData(
        f"the metastore is empty, and {folder} is of accounts that were in it ({known}); restore it from a backup, or "
        "name the one it was with --data or metastore.url; to begin anew, with a new key and sign-in, remove these"
    )


def _has_apps(transaction: Transaction) -> bool:
    return bool(transaction.rows("SELECT 1 FROM apps"))


def _put_away(database: Database, found: files.Kept, folder: Path, disk: Disk) -> None:
    """Unless the database was another one's before: then the files are all there is of these accounts."""
    hashes = {key.sha256 for key in found.accounts.keys}
    known = database.read(_hashes)
    if hashes <= known:
        files.put_away(folder, disk)
    else:
        log.warning(
            "the metastore has other accounts than the data folder; the folder's are not used",
            file=str(folder / files.ACCOUNTS_FILE),
        )


def has_moved(before: Database, database: Database) -> bool:
    """Whether all keys of `before` are in `database`."""
    return before.read(_hashes) <= database.read(_hashes)


def _hashes(transaction: Transaction) -> set[str]:
    sql = "SELECT sha256 FROM write_keys UNION SELECT sha256 FROM tokens"
    return {str(key) for (key,) in transaction.rows(sql)}


def _first_start(transaction: Transaction, folder: Path, disk: Disk, now_ns: int, app: str) -> FirstRun:
    first_run = FirstRun(
        app=app,
        app_key=new_secret("write"),
        api_token=new_secret("admin"),
        admin_email="admin@localhost",
        admin_password=new_password(),
    )
    insert_team(transaction, FIRST_TEAM, now_ns, "Main")
    insert_app(transaction, app, now_ns, team=FIRST_TEAM)
    insert_key(transaction, first_run.app_key, first_key(app, prefix_of(first_run.app_key), now_ns))
    insert_token(
        transaction, sha256_of(first_run.api_token), first_token("", "admin", prefix_of(first_run.api_token), now_ns)
    )
    owner = first_person(first_run.admin_email, hashed_password(first_run.admin_password), now_ns)
    insert_person(transaction, owner)
    insert_member(transaction, FIRST_TEAM, owner.id, "owner", now_ns)
    by = Actor("", "the first start")
    record(transaction, [Entry(by=by, what="team.created", made_ns=now_ns, team=FIRST_TEAM, target=FIRST_TEAM)])
    # The secrets first, then the commit: a crash in between makes new ones, never accounts nobody has the key to.
    disk.write_atomically(folder / FIRST_RUN_FILE, msgspec.json.format(msgspec.json.encode(first_run)) + b"\n")
    return first_run


def _remove_lost_first_run(database: Database, folder: Path, disk: Disk) -> None:
    """Secrets of a first start that was not committed, another instance having been first, are worth nothing."""
    try:
        kept = msgspec.json.decode((folder / FIRST_RUN_FILE).read_bytes(), type=FirstRun)
    except (OSError, msgspec.MsgspecError):
        return
    if not {sha256_of(kept.app_key), sha256_of(kept.api_token)} & database.read(_hashes):
        disk.remove(folder / FIRST_RUN_FILE)
