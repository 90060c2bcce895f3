"""What Logkeep kept in files of the data folder before it had a database, read once to be taken over."""

from pathlib import Path
from typing import TypeVar

import msgspec

from logkeep.disk import Disk
from logkeep.errors import CorruptData
from logkeep.metastore.apps import insert_app
from logkeep.metastore.database import Transaction
from logkeep.metastore.erasures import Erasure, insert_job
from logkeep.metastore.first import first_key, first_person, first_token
from logkeep.metastore.keys import insert_key_hash
from logkeep.metastore.passwords import scrypt_hash_of
from logkeep.metastore.people import insert_person
from logkeep.metastore.port import Scope
from logkeep.metastore.samples import insert_lines
from logkeep.metastore.teams import FIRST_TEAM, insert_member, insert_team
from logkeep.metastore.tokens import insert_token

ACCOUNTS_FILE = "accounts.json"
TAKEN_FILE = "accounts.json.taken-over"  # hashes alone, and not much: kept for who goes back
ERASURES_FILE = "erasures.json"
REJECTED_FOLDER = "rejected"
DEAD_LETTERS_FILE = "dead-letters.ndjson"

T = TypeVar("T")


class _Key(msgspec.Struct, frozen=True):
    sha256: str
    app: str
    scope: Scope


class _Person(msgspec.Struct, frozen=True):
    email: str
    salt: str
    scrypt: str
    app: str


class _Accounts(msgspec.Struct, frozen=True):
    apps: list[str]
    keys: list[_Key]
    people: list[_Person]


class Kept(msgspec.Struct, frozen=True):
    """All of it. rejected: lines by app, oldest first."""

    accounts: _Accounts
    erasures: list[Erasure]
    rejected: dict[str, list[bytes]]
    dead_letters: list[bytes]


def are_there(folder: Path) -> bool:
    return (folder / ACCOUNTS_FILE).exists()


def read(folder: Path) -> Kept | None:
    """None when there are no accounts in files. Raises CorruptData."""
    if not are_there(folder):
        return None
    accounts = _decoded(folder / ACCOUNTS_FILE, _Accounts)
    erasures = _decoded(folder / ERASURES_FILE, list[Erasure]) if (folder / ERASURES_FILE).exists() else []
    rejected = {_app_of(path): _lines(path) for path in sorted((folder / REJECTED_FOLDER).glob("*.ndjson"))}
    return Kept(accounts, erasures, rejected, _lines(folder / DEAD_LETTERS_FILE))


def insert(transaction: Transaction, kept: Kept, now_ns: int) -> None:
    """Into tables that are empty."""
    insert_team(transaction, FIRST_TEAM, now_ns, "Main")
    for app in kept.accounts.apps:
        insert_app(transaction, app, now_ns, team=FIRST_TEAM)
    for key in kept.accounts.keys:
        _insert_key(transaction, key, kept.accounts.apps[:1], now_ns)
    for person in kept.accounts.people:
        owner = first_person(person.email, scrypt_hash_of(person.salt, person.scrypt), now_ns)
        insert_person(transaction, owner)
        insert_member(transaction, FIRST_TEAM, owner.id, "owner", now_ns)
    for job in kept.erasures:
        insert_job(transaction, job)
    for app, lines in kept.rejected.items():
        insert_lines(transaction, "rejected", app, lines)
    insert_lines(transaction, "dead_letter", "", kept.dead_letters)


def _insert_key(transaction: Transaction, key: _Key, first: list[str], now_ns: int) -> None:
    """The owner's token of the first app is of the whole team from now on."""
    if key.scope == "write":
        insert_key_hash(transaction, key.sha256, first_key(key.app, "", now_ns))
    else:
        app = "" if key.scope == "admin" and [key.app] == first else key.app
        insert_token(transaction, key.sha256, first_token(app, key.scope, "", now_ns))


def put_away(folder: Path, disk: Disk) -> None:
    """Files that are taken over are gone, so that an erasure need not look into them; the accounts last."""
    for path in (folder / REJECTED_FOLDER).glob("*.ndjson*"):
        path.unlink()
    for name in (DEAD_LETTERS_FILE, DEAD_LETTERS_FILE + ".1", ERASURES_FILE):
        (folder / name).unlink(missing_ok=True)
    (folder / ACCOUNTS_FILE).replace(folder / TAKEN_FILE)
    disk.sync_names(folder)


def _decoded(path: Path, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except msgspec.MsgspecError as error:
        raise CorruptData(f"{path} cannot be read: {error}; restore it from a backup") from error


def _app_of(path: Path) -> str:
    """Of the name of its file of samples: hex, or `unknown` for samples of no app."""
    return "" if path.stem == "unknown" else bytes.fromhex(path.stem).decode()


def _lines(path: Path) -> list[bytes]:
    """Of the file and the one before it, oldest first."""
    older = path.with_name(path.name + ".1")
    return [line for each in (older, path) if each.exists() for line in each.read_bytes().splitlines()]
