"""Apps and keys in one small file, made at the first start.

`accounts.json` in the data folder holds hashes only; `first-run.json` (mode 0600) holds the secrets themselves, once,
for the person who started the service. Keys carry 192 random bits, so a plain SHA-256 of them cannot be searched;
the password is a person's, so it gets scrypt.
"""

import hashlib
import hmac
import os
import secrets
from pathlib import Path

import msgspec

from logkeep.disk import Disk
from logkeep.errors import CorruptData
from logkeep.metastore.port import Credential, Scope

ACCOUNTS_FILE = "accounts.json"
FIRST_RUN_FILE = "first-run.json"
# scrypt n=2**14, r=8, p=1: 16 MiB and about 50 ms a try, the interactive setting of RFC 7914's authors.
_SCRYPT_N, _SCRYPT_R, _SCRYPT_P = 2**14, 8, 1


class FirstRun(msgspec.Struct, frozen=True):
    """What the first start made; `app_key` can only write, `api_token` is the owner's: it reads, and can erase."""

    app: str
    app_key: str
    api_token: str
    admin_email: str
    admin_password: str


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


class FileMetastore:
    """The metastore of one machine; read once when it is opened."""

    def __init__(self, folder: Path) -> None:
        """Raises FileNotFoundError before the first start, CorruptData when the file cannot be read."""
        path = folder / ACCOUNTS_FILE
        try:
            accounts = msgspec.json.decode(path.read_bytes(), type=_Accounts)
        except msgspec.MsgspecError as error:
            raise CorruptData(f"{path} cannot be read: {error}; restore it from a backup") from error
        self._apps = accounts.apps
        self._credentials = {
            key.sha256: Credential(key.app, key.scope, f"token {key.sha256[:8]}") for key in accounts.keys
        }
        self._people = {person.email: person for person in accounts.people}

    def credential(self, secret: str) -> Credential | None:
        return self._credentials.get(_sha256(secret))

    def sign_in(self, email: str, password: str) -> Credential | None:
        person = self._people.get(email.strip().lower())
        salt = bytes.fromhex(person.salt) if person else b"no such person"
        found = _scrypt(password, salt)  # also for nobody: the time must not tell who exists
        if person is None or not hmac.compare_digest(found, person.scrypt):
            return None
        return Credential(person.app, "admin", person.email)

    def app_names(self) -> list[str]:
        return list(self._apps)

    def default_app(self) -> str:
        return self._apps[0]


def first_start(folder: Path, disk: Disk, *, app: str = "default") -> FirstRun | None:
    """Accounts are there, durable; the secrets when this call made them, None when they were there before."""
    if (folder / ACCOUNTS_FILE).exists():
        return None
    disk.make_folder(folder)
    first_run = FirstRun(
        app=app,
        app_key=f"lkw_{secrets.token_urlsafe(24)}",
        api_token=f"lkr_{secrets.token_urlsafe(24)}",
        admin_email="admin@localhost",
        admin_password=secrets.token_urlsafe(12),
    )
    salt = os.urandom(16)
    accounts = _Accounts(
        apps=[app],
        keys=[
            _Key(_sha256(first_run.app_key), app, "write"),
            _Key(_sha256(first_run.api_token), app, "admin"),
        ],
        people=[_Person(first_run.admin_email, salt.hex(), _scrypt(first_run.admin_password, salt), app)],
    )
    # The secrets first: a crash in between then makes new ones, never accounts nobody has the key to.
    disk.write_atomically(folder / FIRST_RUN_FILE, msgspec.json.format(msgspec.json.encode(first_run)) + b"\n")
    disk.write_atomically(folder / ACCOUNTS_FILE, msgspec.json.format(msgspec.json.encode(accounts)) + b"\n")
    return first_run


def _sha256(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).hexdigest()


def _scrypt(password: str, salt: bytes) -> str:
    key = hashlib.scrypt(password.encode("utf-8", "surrogatepass"), salt=salt, n=_SCRYPT_N, r=_SCRYPT_R, p=_SCRYPT_P)
    return key.hex()
