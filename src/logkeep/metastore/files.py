"""What Logkeep kept in files of the data folder before it had a database, read once to be taken over."""

from pathlib import Path
from typing import TypeVar

import msgspec

from logkeep.disk import Disk
from logkeep.errors import CorruptData
from logkeep.metastore.accounts import insert_app, insert_hash, insert_person, password_hash_of
from logkeep.metastore.database import Transaction
from logkeep.metastore.erasures import Erasure, insert_job
from logkeep.metastore.port import Scope
from logkeep.metastore.samples import insert_lines

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
    for app in kept.accounts.apps:
        insert_app(transaction, app, now_ns)
    for key in kept.accounts.keys:
        insert_hash(transaction, key.sha256, key.app, key.scope, now_ns)
    for person in kept.accounts.people:
        insert_person(transaction, person.email, password_hash_of(person.salt, person.scrypt), person.app, now_ns)
    for job in kept.erasures:
        insert_job(transaction, job)
    for app, lines in kept.rejected.items():
        insert_lines(transaction, "rejected", app, lines)
    insert_lines(transaction, "dead_letter", "", kept.dead_letters)


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
