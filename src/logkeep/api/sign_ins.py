"""Browsers that have signed in, kept in memory: a restart asks people to sign in again, and nothing can be forged."""

import hashlib
import secrets
import threading
from collections import OrderedDict
from typing import Protocol

import msgspec

from logkeep.clock import NS_PER_S, Clock
from logkeep.errors import QuotaExceeded
from logkeep.metastore.port import Credential

COOKIE = "logkeep"
IDLE_S = 12 * 3600  # a working day
LIFETIME_S = 7 * 86_400
SIGN_INS_MAX = 10_000
FAILURES_MAX = 10  # per address within WINDOW_S: a person mistypes three times, a guesser needs millions
WINDOW_S = 60
ADDRESSES_MAX = 10_000


class _SignIn(msgspec.Struct):
    """token: the API token it was made with, looked up again on each use so that a revoked one ends it; or None."""

    credential: Credential
    token: str | None
    made_ns: int
    used_ns: int


class CredentialSource(Protocol):
    def credential(self, secret: str) -> Credential | None: ...


class SignIns:
    """At most SIGN_INS_MAX; the one unused for longest makes room. Only hashes of the cookies are kept."""

    def __init__(self, metastore: CredentialSource, clock: Clock) -> None:
        self._metastore = metastore
        self._clock = clock
        self._lock = threading.Lock()
        self._by_hash: OrderedDict[bytes, _SignIn] = OrderedDict()

    def open(self, credential: Credential, token: str | None = None) -> str:
        """The secret to set as the browser's cookie."""
        secret = secrets.token_urlsafe(32)
        now_ns = self._clock.monotonic_ns()
        with self._lock:
            while len(self._by_hash) >= SIGN_INS_MAX:
                self._by_hash.popitem(last=False)
            self._by_hash[_hash(secret)] = _SignIn(credential, token, now_ns, now_ns)
        return secret

    def credential(self, secret: str) -> Credential | None:
        """Whom the cookie stands for; None when it is unknown, signed out, too old or its token was revoked."""
        with self._lock:
            found = self._by_hash.get(_hash(secret))
            if found is None:
                return None
            if not self._valid(found):
                del self._by_hash[_hash(secret)]
                return None
            found.used_ns = self._clock.monotonic_ns()
            self._by_hash.move_to_end(_hash(secret))
            return found.credential

    def close(self, secret: str) -> None:
        """The cookie is worth nothing any more."""
        with self._lock:
            self._by_hash.pop(_hash(secret), None)

    def _valid(self, found: _SignIn) -> bool:
        now_ns = self._clock.monotonic_ns()
        if now_ns - found.used_ns > IDLE_S * NS_PER_S or now_ns - found.made_ns > LIFETIME_S * NS_PER_S:
            return False
        return found.token is None or self._metastore.credential(found.token) == found.credential


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


def _hash(secret: str) -> bytes:
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).digest()
