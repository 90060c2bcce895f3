"""Apps, keys, tokens and what people may do, in memory.

Keys and tokens carry 192 random bits, so a plain SHA-256 of them cannot be searched. All of them are kept in memory,
some 300 bytes each: a receiver asks for one with every request, and goes on with those it knows while the database is
away. What is changed elsewhere, such as a key revoked or a role taken away, counts here `refresh_s` later at most;
while the database cannot be asked, `valid_s` later at most.
"""

import hashlib
import secrets
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

import msgspec

from logkeep.clock import NS_PER_S, Clock
from logkeep.disk import Disk, SystemDisk
from logkeep.errors import BackendUnavailable
from logkeep.metastore.database import Database, Transaction, change_of
from logkeep.metastore.port import Caller, Credential, Scope
from logkeep.metastore.roles import NOTHING, ROLE_SCOPES, Scopes, scopes_of_token
from logkeep.metastore.watched import Watched
from logkeep.telemetry import get_logger

TOPIC = "accounts"
_CACHE_BYTES_MAX = 256 << 20
_PREFIXES: dict[Scope, str] = {"write": "lkw_", "read": "lkr_", "admin": "lkr_"}

T = TypeVar("T")

log = get_logger("metastore")


class KnownApp(msgspec.Struct, frozen=True):
    name: str
    team: str
    title: str = ""


class KnownToken(msgspec.Struct, frozen=True):
    """app: "" for all of the team. person: whose it is, "" for the team's own."""

    id: str
    name: str
    team: str
    app: str
    person: str
    scopes: tuple[str, ...]
    expires_ns: int


class KnownPerson(msgspec.Struct, frozen=True):
    """roles: by team. app_roles: by app, where they differ. epoch: sign-ins of an earlier one are worth nothing.
    default_app: "" for none chosen."""

    id: str
    email: str
    roles: dict[str, str]
    app_roles: dict[str, str]
    epoch: int = 1
    default_app: str = ""


class Known(msgspec.Struct, frozen=True):
    """All apps, the first one first, keys and tokens by their hash, people by id. change: of the topic, then."""

    change: int
    apps: list[KnownApp]
    keys: dict[str, Credential]
    tokens: dict[str, KnownToken]
    people: dict[str, KnownPerson]


class _Cached(msgspec.Struct, frozen=True):
    """The file of what was known. true_ns: when, on the machine's clock."""

    true_ns: int
    known: Known


class Accounts:
    """The Metastore port. `open` before the first question."""

    def __init__(
        self, database: Database, clock: Clock, *, refresh_s: float, valid_s: float, cache: Path | None = None,
        key_used: Callable[[str], None] = lambda id: None,
    ) -> None:  # fmt: skip
        """cache: a file of this process alone, to keep what is known for a start while the database is away. key_used:
        is told the id of each write key that is looked up; on the hot path, so it neither blocks nor raises."""
        self._key_used = key_used
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

    def look(self) -> None:
        """What the database has now is known. Raises BackendUnavailable."""
        self._watched.look()

    # ── keys and tokens ───────────────────────────────────────────────────────────────────────────────────────────

    def credential(self, secret: str) -> Credential | None:
        found = self._checked(lambda known: self._credential_of(known, sha256_of(secret)))
        if found is not None and found.scope == "write":
            self._key_used(found.id)
        return found

    def last_known(self, secret: str) -> Credential | None:
        """As it was when the database last answered, however long ago: for what was taken in already."""
        known = self._watched.value
        return known.keys.get(sha256_of(secret)) if known is not None else None

    def app_of_datagrams(self, secret: str) -> str | None:
        """The app whose events a write key in a datagram brings, as last known; None for every other secret, and for
        keys of web pages alone: a datagram has no Origin."""
        found = self.last_known(secret)
        if found is None or found.scope != "write" or found.origins:
            return None
        self._key_used(found.id)
        return found.app

    def caller(self, secret: str) -> Caller | None:
        return self.caller_of(sha256_of(secret))

    def caller_of(self, sha256: str) -> Caller | None:
        def look(known: Known) -> Caller | None:
            if (token := known.tokens.get(sha256)) is not None:
                return None if self._has_expired(token.expires_ns) else caller_of_token(known, token)
            key = known.keys.get(sha256)
            if key is None or self._has_expired(key.expires_ns):
                return None
            return Caller("key", key.id, key.name, {key.app: frozenset({"write"})}, {})

        return self._checked(look)

    def person(self, id: str, epoch: int) -> Caller | None:
        def look(known: Known) -> Caller | None:
            found = known.people.get(id)
            return caller_of_person(known, found) if found is not None and epoch >= found.epoch else None

        return self._checked(look)

    def _credential_of(self, known: Known, sha256: str) -> Credential | None:
        if (key := known.keys.get(sha256)) is not None:
            return None if self._has_expired(key.expires_ns) else key
        token = known.tokens.get(sha256)
        if token is None or self._has_expired(token.expires_ns):
            return None
        caller = caller_of_token(known, token)
        app = next(iter(caller.apps), token.app)
        return Credential(app, scope_word(caller.scopes_in(app)), caller.name, token.id)

    def _has_expired(self, expires_ns: int) -> bool:
        return expires_ns != 0 and expires_ns <= self._clock.now_ns()

    def _checked(self, look: Callable[[Known], T | None]) -> T | None:
        """What `look` finds in what is known. Raises BackendUnavailable where that is too old to count."""
        known = self._watched.value
        found = look(known) if known is not None else None
        age_s = self._watched.age_s()
        if age_s <= self._fresh_s or (found is not None and age_s <= self._valid_s):
            return found
        raise BackendUnavailable(
            f"the metastore has not answered for {age_s:,.0f} s, so this key cannot be checked; try again",
            code="metastore_unavailable",
        )

    # ── apps ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def change(self) -> int:
        known = self._watched.value
        return known.change if known is not None else 0

    def app_names(self) -> list[str]:
        return [app.name for app in self._apps()]

    def default_app(self) -> str:
        return self._apps()[0].name

    def team_of(self, app: str) -> str:
        return next((one.team for one in self._apps() if one.name == app), "")

    def title_of(self, app: str) -> str:
        return next((one.title for one in self._apps() if one.name == app), "") or app

    def _apps(self) -> list[KnownApp]:
        known = self._watched.value
        return known.apps if known is not None else []

    def problem(self) -> str | None:
        """What an operator should know about it, in words; None when all is well."""
        age_s = self._watched.age_s()
        if age_s <= self._fresh_s:
            return None
        return self.outdated() or (
            f"the metastore has not answered for {age_s:,.0f} s; keys known before it go on, nobody can sign in"
        )

    def outdated(self) -> str | None:
        age_s = self._watched.age_s()
        if age_s <= max(self._fresh_s, self._valid_s):
            return None
        return f"the metastore has not answered for {age_s:,.0f} s; keys count for {self._valid_s:,.0f} s without it"

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


# ── what somebody may do ──────────────────────────────────────────────────────────────────────────────────────────────


def caller_of_person(known: Known, person: KnownPerson) -> Caller:
    """Roles in a team count for its apps, unless the person has another one in an app. Their default app comes first;
    that their tokens do not follow it is wanted: a choice in the viewer changes no script."""
    teams = {team: ROLE_SCOPES[role] for team, role in person.roles.items()}
    apps = {}
    for app in known.apps:
        if app.team in teams:
            own = person.app_roles.get(app.name)
            apps[app.name] = ROLE_SCOPES[own] if own is not None else teams[app.team]
    able = _something(apps)
    default = person.default_app if person.default_app in able else ""
    if default:
        able = {default: able[default]} | able
    return Caller("person", person.id, person.email, able, teams, person.id, default)


def caller_of_token(known: Known, token: KnownToken) -> Caller:
    """What its scopes say; of a person's token no more than that person may do now."""
    scopes = scopes_of_token(token.scopes)
    apps = {app.name: scopes for app in known.apps if app.team == token.team and token.app in ("", app.name)}
    teams = {} if token.app else {token.team: scopes}
    if token.person:
        person = known.people.get(token.person)
        owner = caller_of_person(known, person) if person is not None else None
        apps = {app: given & owner.scopes_in(app) for app, given in apps.items()} if owner else {}
        teams = {team: given & owner.teams.get(team, NOTHING) for team, given in teams.items()} if owner else {}
    return Caller("token", token.id, f"token {token.name}", _something(apps), _something(teams), token.person)


def _something(scopes: Mapping[str, Scopes]) -> dict[str, Scopes]:
    return {name: given for name, given in scopes.items() if given}


def scope_word(scopes: Scopes) -> Scope:
    """The strongest of them in one word."""
    return "admin" if "admin" in scopes else "write" if "write" in scopes else "read"


def _known(transaction: Transaction, known: Known | None) -> Known:
    change = change_of(transaction, TOPIC)
    if known is not None and known.change == change:
        return known
    apps = transaction.rows("SELECT name, team, title, archived_ns FROM apps ORDER BY number")
    writable = {str(name) for name, _, _, archived_ns in apps if not archived_ns}
    return Known(
        change,
        [KnownApp(name, team, title) for name, team, title, _ in apps],
        {
            str(sha256): Credential(app, "write", f"key {name}", id, tuple(origins.split()), int(expires_ns))
            for sha256, id, app, name, origins, expires_ns in transaction.rows(
                "SELECT sha256, id, app, name, origins, expires_ns FROM write_keys"
            )
            if app in writable
        },
        {
            str(sha256): KnownToken(id, name, team, app, person, tuple(scopes.split()), int(expires_ns))
            for sha256, id, name, team, app, person, scopes, expires_ns in transaction.rows(
                "SELECT sha256, id, name, team, app, person, scopes, expires_ns FROM tokens"
            )
        },
        _people(transaction),
    )


def _people(transaction: Transaction) -> dict[str, KnownPerson]:
    people = {
        str(id): KnownPerson(id, email, {}, {}, int(epoch), default_app)
        for id, email, epoch, default_app in transaction.rows(
            "SELECT id, email, epoch, default_app FROM people WHERE disabled_ns = 0"
        )
    }
    for person, team, role in transaction.rows("SELECT person, team, role FROM memberships ORDER BY made_ns, team"):
        if person in people:
            people[person].roles[team] = role
    for person, app, role in transaction.rows("SELECT person, app, role FROM app_roles"):
        if person in people:
            people[person].app_roles[app] = role
    return people


# ── secrets ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def new_secret(scope: Scope) -> str:
    return _PREFIXES[scope] + secrets.token_urlsafe(24)


def prefix_of(secret: str) -> str:
    """What of a key or token may be shown, to recognise it by: 24 of its 192 bits."""
    return secret[:8]


def sha256_of(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).hexdigest()
