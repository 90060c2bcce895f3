"""Browsers that have signed in: rows of the metastore, so that every instance knows them and nothing can be forged."""

import hashlib
import re
import secrets
import threading
from collections import OrderedDict

import msgspec

from logkeep.clock import NS_PER_S, Clock
from logkeep.errors import BackendUnavailable
from logkeep.metastore.port import Caller, Metastore, SignIn, SignInRows

COOKIE = "logkeep"
STEP_COOKIE = "logkeep_step"  # between two steps of signing in
APP_COOKIE = "logkeep_app"  # which app the pages show; whether it may be read is looked at each time
IDLE_S = 12 * 3600  # a working day
LIFETIME_S = 7 * 86_400
SIGN_INS_MAX = 200  # of a person or a token: more than browsers, few enough that nobody fills the table
REMEMBERED_MAX = 10_000  # in memory; others are asked for
FRESH_S = 10  # how long a sign-out with another instance may go unnoticed
TOUCH_S = 300  # between two notes of when it was last used: a page must not cost a write
AGENT_CHARS_MAX = 200
_COOKIE = re.compile(r"[A-Za-z0-9_-]{43}")


class _Kept(msgspec.Struct):
    """looked_ns: when the row was last seen to be there, on the monotonic clock."""

    row: SignIn
    looked_ns: int


class SignIns:
    """At most SIGN_INS_MAX of each person or token; the one unused for longest makes room. Only hashes of cookies are
    kept.

    Signed in with one instance, a browser is known to all; signed out, it is refused by all within FRESH_S. While the
    metastore does not answer, those seen within `valid_s` go on. All methods but `is_…` may block, and raise
    BackendUnavailable.
    """

    def __init__(self, rows: SignInRows, metastore: Metastore, clock: Clock, *, valid_s: float) -> None:
        """metastore: asked on each use, so that what a person or token may do is what it may do now."""
        self._rows, self._metastore, self._clock, self._valid_s = rows, metastore, clock, valid_s
        self._lock = threading.Lock()
        self._by_hash: OrderedDict[str, _Kept] = OrderedDict()

    def open(
        self, *, name: str, person: str = "", epoch: int = 1, token: str = "", address: str = "", agent: str = ""
    ) -> str:
        """The secret to set as the browser's cookie: always a new one. As a person or with a token."""
        secret, now_ns = secrets.token_urlsafe(32), self._clock.now_ns()
        row = SignIn(
            sha256=_hash(secret),
            person=person,
            token_sha256=_hash(token) if token else "",
            name=name,
            made_ns=now_ns,
            used_ns=now_ns,
            address=_line(address, 64),
            agent=_line(agent, AGENT_CHARS_MAX),
            epoch=epoch,
        )
        self._rows.put(
            row,
            made_after_ns=now_ns - LIFETIME_S * NS_PER_S,
            used_after_ns=now_ns - IDLE_S * NS_PER_S,
            rows_max=SIGN_INS_MAX,
        )
        self._remember(row)
        return secret

    def is_fresh(self, secret: str) -> bool:
        """Whether `caller` is answered from memory."""
        kept = self._by_hash.get(_hash(secret))
        return kept is not None and self._age_s(kept) <= FRESH_S

    def is_known(self, secret: str) -> bool:
        """Whether it was seen here, and not signed out here since."""
        return _hash(secret) in self._by_hash

    def caller(self, secret: str) -> Caller | None:
        """Whom the cookie stands for; None when it is unknown, signed out, too old, or its token or person is gone."""
        if not _COOKIE.fullmatch(secret):
            return None
        row = self._row(_hash(secret))
        return self._caller(row) if row is not None else None

    def close(self, secret: str) -> None:
        """The cookie is worth nothing any more."""
        self._close(_hash(secret))

    def of_person(self, person: str) -> list[SignIn]:
        """Those that are good, used last first."""
        return [row for row in self._rows.of_person(person) if self._caller(row) is not None]

    def close_one(self, person: str, id: str) -> bool:
        """Whether this person had such a one; it is worth nothing any more."""
        found = next((row for row in self._rows.of_person(person) if row.id == id), None)
        if found is not None:
            self._close(found.sha256)
        return found is not None

    def is_id_of(self, id: str, secret: str) -> bool:
        return id == f"sig_{_hash(secret)[:16]}"

    def _close(self, sha256: str) -> None:
        with self._lock:
            self._by_hash.pop(sha256, None)
        self._rows.remove(sha256)

    def _row(self, sha256: str) -> SignIn | None:
        kept = self._by_hash.get(sha256)
        if kept is not None and self._age_s(kept) <= FRESH_S:
            return kept.row
        try:
            row = self._rows.find(sha256)
            if row is not None and self._caller(row) is not None:
                row = self._used(row)
        except BackendUnavailable:
            if kept is None or self._age_s(kept) > self._valid_s:
                raise
            return kept.row
        if row is None:
            with self._lock:
                self._by_hash.pop(sha256, None)
            return None
        self._remember(row)
        return row

    def _used(self, row: SignIn) -> SignIn:
        """It is in use; written down once in TOUCH_S."""
        now_ns = self._clock.now_ns()
        if now_ns - row.used_ns < TOUCH_S * NS_PER_S:
            return row
        self._rows.touch(row.sha256, now_ns)
        return msgspec.structs.replace(row, used_ns=now_ns)

    def _remember(self, row: SignIn) -> None:
        with self._lock:
            self._by_hash[row.sha256] = _Kept(row, self._clock.monotonic_ns())
            self._by_hash.move_to_end(row.sha256)
            while len(self._by_hash) > REMEMBERED_MAX:
                self._by_hash.popitem(last=False)

    def _age_s(self, kept: _Kept) -> float:
        return (self._clock.monotonic_ns() - kept.looked_ns) / NS_PER_S

    def _caller(self, row: SignIn) -> Caller | None:
        if not is_in_time(row, self._clock.now_ns()):
            return None
        if row.token_sha256:
            return self._metastore.caller_of(row.token_sha256)
        return self._metastore.person(row.person, row.epoch)


def chosen_app(cookie: str, caller: Caller) -> str:
    """The app that a browser's APP_COOKIE names; "" where it may not be read, or where a person has chosen another app
    to begin with since."""
    app, _, default = cookie.partition(":")
    return app if app in caller.apps and default == caller.default_app else ""


def app_cookie(app: str, caller: Caller) -> tuple[str, int | None]:
    """The APP_COOKIE of a browser that shows `app`, and its age in seconds at most: none, so until the browser is
    closed, for a person who has chosen an app to begin with."""
    return (f"{app}:{caller.default_app}", None) if caller.default_app else (app, LIFETIME_S)


def is_in_time(row: SignIn, now_ns: int) -> bool:
    """It was used lately, and is not too old."""
    return now_ns - row.used_ns <= IDLE_S * NS_PER_S and now_ns - row.made_ns <= LIFETIME_S * NS_PER_S


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).hexdigest()


def _line(text: str, chars_max: int) -> str:
    return "".join(char if char.isprintable() else "?" for char in text)[:chars_max]
