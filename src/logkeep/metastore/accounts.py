"""Apps, keys and people, as the database has them.

Keys carry 192 random bits, so a plain SHA-256 of them cannot be searched; a password is a person's, so it gets scrypt.
All keys are kept in memory, some 300 bytes each: a receiver asks for one with every request, and goes on with those it
knows while the database is away. A key that is revoked elsewhere is refused here `refresh_s` later at most; while the
database cannot be asked, `valid_s` later at most.
"""

import hashlib
import hmac
import os
import secrets
from pathlib import Path

import msgspec

from logkeep.clock import NS_PER_S, Clock
from logkeep.disk import Disk, SystemDisk
from logkeep.errors import BackendUnavailable, InputError
from logkeep.metastore.database import Database, Transaction, bump, change_of
from logkeep.metastore.port import Credential, Scope
from logkeep.metastore.watched import Watched
from logkeep.telemetry import get_logger

TOPIC = "accounts"
EMAIL_CHARS_MAX = 254  # RFC 5321
_CACHE_BYTES_MAX = 256 << 20
# scrypt n=2**14, r=8, p=1: 16 MiB and about 50 ms a try, the interactive setting of RFC 7914's authors.
_SCRYPT_N, _SCRYPT_R, _SCRYPT_P = 2**14, 8, 1
_NOBODY = ("", "scrypt$00$no password has this hash")
_PREFIXES: dict[Scope, str] = {"write": "lkw_", "read": "lkr_", "admin": "lkr_"}

log = get_logger("metastore")


class Known(msgspec.Struct, frozen=True):
    """All apps, the first one first, and all keys by their hash. change: of the topic, as these were read."""

    change: int
    apps: list[str]
    keys: dict[str, Credential]


class _Cached(msgspec.Struct, frozen=True):
    """The file of what was known. true_ns: when, on the machine's clock."""

    true_ns: int
    known: Known


class Accounts:
    """The Metastore port. `open` before the first question."""

    def __init__(
        self, database: Database, clock: Clock, *, refresh_s: float, valid_s: float, cache: Path | None = None
    ) -> None:
        """cache: a file of this process alone, to keep what is known for a start while the database is away."""
        self._database, self._clock, self._valid_s = database, clock, valid_s
        self._disk: Disk = SystemDisk()
        self._cache = cache
        self._cached_ns = 0
        self._fresh_s = 2 * refresh_s + 1.0  # a look may be late by one; older than that, unknown is not yet refused
        self._watched = Watched("keys", self._look, clock, refresh_s=refresh_s)

    def open(self, *, known: bool = True) -> "Accounts":
        """Everything is known, and looked at from now on. Raises BackendUnavailable, when no cache helps either; unless
        `known` is False: then nothing may be known yet."""
        try:
            self._watched.look()
        except BackendUnavailable as error:
            if not self._take_cached() and known:
                raise
            log.warning("the metastore does not answer; keys known before go on", error=error.message)
        self._watched.start()
        return self

    def close(self) -> None:
        self._watched.close()

    # ── asked all the time ────────────────────────────────────────────────────────────────────────────────────────

    def credential(self, secret: str) -> Credential | None:
        return self.credential_of(sha256_of(secret))

    def credential_of(self, sha256: str) -> Credential | None:
        known = self._watched.value
        found = known.keys.get(sha256) if known is not None else None
        age_s = self._watched.age_s()
        if age_s <= self._fresh_s or (found is not None and age_s <= self._valid_s):
            return found
        raise BackendUnavailable(
            f"the metastore has not answered for {age_s:,.0f} s, so this key cannot be checked; try again",
            code="metastore_unavailable",
        )

    def last_known(self, secret: str) -> Credential | None:
        """As it was when the database last answered, however long ago: for what was taken in already."""
        known = self._watched.value
        return known.keys.get(sha256_of(secret)) if known is not None else None

    def app_names(self) -> list[str]:
        known = self._watched.value
        return list(known.apps) if known is not None else []

    def default_app(self) -> str:
        return self.app_names()[0]

    def problem(self) -> str | None:
        """What an operator should know about it, in words; None when all is well."""
        age_s = self._watched.age_s()
        if age_s <= self._fresh_s:
            return None
        return f"the metastore has not answered for {age_s:,.0f} s; keys known before it go on, nobody can sign in"

    # ── asked and changed now and then ────────────────────────────────────────────────────────────────────────────

    def sign_in(self, email: str, password: str) -> Credential | None:
        email = email.strip().lower()
        found = self._database.read(lambda transaction: _person(transaction, email)) if _is_name(email) else None
        app, kept = found or _NOBODY  # whose hash is made too: the time must not tell who exists
        if not _is_password(password, kept):
            return None
        return Credential(app, "admin", email)

    def make_key(self, app: str, scope: Scope) -> str:
        """A new secret, known everywhere within `refresh_s`. Raises InputError (404): there is no such app."""
        secret = new_secret(scope)

        def insert(transaction: Transaction) -> None:
            bump(transaction, TOPIC)
            if not transaction.rows("SELECT 1 FROM apps WHERE name = :app", app=app):
                raise InputError(f"there is no app {app[:80]!r}", code="not_found", status=404)
            if not transaction.rows("SELECT 1 FROM credentials WHERE sha256 = :key", key=sha256_of(secret)):
                insert_key(transaction, secret, app, scope, self._clock.now_ns())

        self._database.write(insert)
        self._watched.look()
        return secret

    def revoke_key(self, secret: str) -> bool:
        """Whether there was such a key; now there is none, and everywhere it is refused within `refresh_s`."""

        def delete(transaction: Transaction) -> bool:
            bump(transaction, TOPIC)
            return transaction.change("DELETE FROM credentials WHERE sha256 = :key", key=sha256_of(secret)) > 0

        found = self._database.write(delete)
        self._watched.look()
        return found

    # ── what is known ─────────────────────────────────────────────────────────────────────────────────────────────

    def _look(self, known: Known | None) -> Known:
        found = self._database.read(lambda transaction: _known(transaction, known))
        # Written again now and then too: its age is when somebody last looked.
        if self._cache is not None and (found is not known or self._cached_age_s() > self._valid_s / 100):
            self._keep_cached(found)
        return found

    def _cached_age_s(self) -> float:
        return (self._clock.monotonic_ns() - self._cached_ns) / NS_PER_S

    def _keep_cached(self, known: Known) -> None:
        assert self._cache is not None
        self._cached_ns = self._clock.monotonic_ns()
        try:
            self._disk.write_atomically(self._cache, msgspec.json.encode(_Cached(self._clock.now_ns(), known)))
        except OSError as error:
            log.warning("cannot keep the known keys for a start without the metastore", error=str(error))

    def _take_cached(self) -> bool:
        """Whether something was known when the database could last be asked."""
        if self._cache is None:
            return False
        try:
            cached = msgspec.json.decode(self._disk.read(self._cache, 0, _CACHE_BYTES_MAX), type=_Cached)
        except (OSError, msgspec.MsgspecError):
            return False
        self._watched.assume(cached.known, max(0.0, (self._clock.now_ns() - cached.true_ns) / NS_PER_S))
        return True


def _known(transaction: Transaction, known: Known | None) -> Known:
    change = change_of(transaction, TOPIC)
    if known is not None and known.change == change:
        return known
    apps = [str(name) for (name,) in transaction.rows("SELECT name FROM apps ORDER BY number")]
    keys = {
        str(key): Credential(str(app), scope, f"token {key[:8]}")
        for key, app, scope in transaction.rows("SELECT sha256, app, scope FROM credentials")
    }
    return Known(change, apps, keys)


def _person(transaction: Transaction, email: str) -> tuple[str, str] | None:
    """App and password hash."""
    found = transaction.rows("SELECT app, password FROM people WHERE email = :email", email=email)
    return (str(found[0][0]), str(found[0][1])) if found else None


def _is_name(text: str) -> bool:
    """Whether any database can look for it."""
    return 0 < len(text) <= EMAIL_CHARS_MAX and text.isprintable()


# ── what is written at the first start and at a take-over ─────────────────────────────────────────────────────────────


def new_secret(scope: Scope) -> str:
    return _PREFIXES[scope] + secrets.token_urlsafe(24)


def insert_app(transaction: Transaction, app: str, now_ns: int) -> None:
    transaction.change("INSERT INTO apps (name, made_ns) VALUES (:app, :now)", app=app, now=now_ns)


def insert_key(transaction: Transaction, secret: str, app: str, scope: Scope, now_ns: int) -> None:
    insert_hash(transaction, sha256_of(secret), app, scope, now_ns)


def insert_hash(transaction: Transaction, sha256: str, app: str, scope: Scope, now_ns: int) -> None:
    transaction.change(
        "INSERT INTO credentials (sha256, app, scope, made_ns) VALUES (:key, :app, :scope, :now)",
        key=sha256, app=app, scope=scope, now=now_ns,
    )  # fmt: skip


def insert_person(transaction: Transaction, email: str, password_hash: str, app: str, now_ns: int) -> None:
    """password_hash: as `hashed_password` makes it."""
    transaction.change(
        "INSERT INTO people (email, app, password, made_ns) VALUES (:email, :app, :password, :now)",
        email=email, app=app, password=password_hash, now=now_ns,
    )  # fmt: skip


def sha256_of(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).hexdigest()


def hashed_password(password: str) -> str:
    return _hashed(password, os.urandom(16))


def password_hash_of(salt: str, scrypt: str) -> str:
    """salt, scrypt: hex."""
    return f"scrypt${salt}${scrypt}"


def _hashed(password: str, salt: bytes) -> str:
    key = hashlib.scrypt(password.encode("utf-8", "surrogatepass"), salt=salt, n=_SCRYPT_N, r=_SCRYPT_R, p=_SCRYPT_P)
    return password_hash_of(salt.hex(), key.hex())


def _is_password(password: str, kept: str) -> bool:
    _, salt, _ = kept.split("$")
    return hmac.compare_digest(_hashed(password, bytes.fromhex(salt)), kept)
