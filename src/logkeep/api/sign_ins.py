"""Browsers that have signed in: rows of the metastore, so that every instance knows them and nothing can be forged."""

import hashlib
import re
import secrets
import threading
from collections import OrderedDict
from typing import Protocol

import msgspec

from logkeep.clock import NS_PER_S, Clock
from logkeep.errors import BackendUnavailable, QuotaExceeded
from logkeep.metastore.port import Credential, SignIn, SignInRows

COOKIE = "logkeep"
IDLE_S = 12 * 3600  # a working day
LIFETIME_S = 7 * 86_400
SIGN_INS_MAX = 10_000
FRESH_S = 10  # how long a sign-out with another instance may go unnoticed
TOUCH_S = 300  # between two notes of when it was last used: a page must not cost a write
FAILURES_MAX = 10  # per address within WINDOW_S: a person mistypes three times, a guesser needs millions
WINDOW_S = 60
ADDRESSES_MAX = 10_000
_COOKIE = re.compile(r"[A-Za-z0-9_-]{43}")


class _Kept(msgspec.Struct):
    """looked_ns: when the row was last seen to be there, on the monotonic clock."""

    row: SignIn
    looked_ns: int


class Tokens(Protocol):
    def credential_of(self, sha256: str) -> Credential | None: ...


class SignIns:
    """At most SIGN_INS_MAX; the one unused for longest makes room. Only hashes of the cookies are kept.

    Signed in with one instance, a browser is known to all; signed out, it is refused by all within FRESH_S. While the
    metastore does not answer, those seen within `valid_s` go on. All methods but `is_fresh` may block, and raise
    BackendUnavailable.
    """

    def __init__(self, rows: SignInRows, tokens: Tokens, clock: Clock, *, valid_s: float) -> None:
        """tokens: looked up on each use, so that a revoked one ends the sign-ins that were made with it."""
        self._rows, self._tokens, self._clock, self._valid_s = rows, tokens, clock, valid_s
        self._lock = threading.Lock()
        self._by_hash: OrderedDict[str, _Kept] = OrderedDict()

    def open(self, credential: Credential, token: str | None = None) -> str:
        """The secret to set as the browser's cookie."""
        secret, now_ns = secrets.token_urlsafe(32), self._clock.now_ns()
        row = SignIn(_hash(secret), credential, _hash(token) if token else "", now_ns, now_ns)
        self._rows.put(
            row,
            made_after_ns=now_ns - LIFETIME_S * NS_PER_S,
            used_after_ns=now_ns - IDLE_S * NS_PER_S,
            rows_max=SIGN_INS_MAX,
        )
        self._remember(row)
        return secret

    def is_fresh(self, secret: str) -> bool:
        """Whether `credential` is answered from memory."""
        kept = self._by_hash.get(_hash(secret))
        return kept is not None and self._age_s(kept) <= FRESH_S

    def credential(self, secret: str) -> Credential | None:
        """Whom the cookie stands for; None when it is unknown, signed out, too old or its token was revoked."""
        if not _COOKIE.fullmatch(secret):
            return None
        row = self._row(_hash(secret))
        if row is None or not self._valid(row):
            return None
        return row.credential

    def close(self, secret: str) -> None:
        """The cookie is worth nothing any more."""
        with self._lock:
            self._by_hash.pop(_hash(secret), None)
        self._rows.remove(_hash(secret))

    def _row(self, sha256: str) -> SignIn | None:
        kept = self._by_hash.get(sha256)
        if kept is not None and self._age_s(kept) <= FRESH_S:
            return kept.row
        try:
            row = self._rows.find(sha256)
            if row is not None and self._valid(row):
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
            while len(self._by_hash) > SIGN_INS_MAX:
                self._by_hash.popitem(last=False)

    def _age_s(self, kept: _Kept) -> float:
        return (self._clock.monotonic_ns() - kept.looked_ns) / NS_PER_S

    def _valid(self, row: SignIn) -> bool:
        now_ns = self._clock.now_ns()
        if now_ns - row.used_ns > IDLE_S * NS_PER_S or now_ns - row.made_ns > LIFETIME_S * NS_PER_S:
            return False
        return not row.token_sha256 or self._tokens.credential_of(row.token_sha256) == row.credential


class SignInAttempts:
    """Failed sign-ins by address in the running minute, for at most ADDRESSES_MAX addresses. Use from one thread."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._window = 0
        self._failures: dict[str, int] = {}

    def begin(self, address: str) -> None:
        """One try more, counted as failed until `succeeded` is called, so that tries at once count too.

        Raises QuotaExceeded when this address has failed too often.
        """
        window, passed_ns = divmod(self._clock.monotonic_ns(), WINDOW_S * NS_PER_S)
        if window != self._window:
            self._window, self._failures = window, {}
        full = len(self._failures) >= ADDRESSES_MAX and address not in self._failures
        if full or self._failures.get(address, 0) >= FAILURES_MAX:
            raise QuotaExceeded(
                f"over {FAILURES_MAX} failed sign-ins in {WINDOW_S} s; wait and try again",
                retry_after_s=WINDOW_S - passed_ns // NS_PER_S,
            )
        self._failures[address] = self._failures.get(address, 0) + 1

    def succeeded(self, address: str) -> None:
        self._failures.pop(address, None)


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).hexdigest()
