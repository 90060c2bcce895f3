"""What was read, into the audit log: in batches by a thread, so that reading does not wait for the metastore.

Nothing is lost silently: what does not fit while the metastore is away is counted (`audit_dropped`), and the log says
how many are missing as soon as it can be written again.
"""

import threading
from collections import deque
from typing import Any, cast

import msgspec
from litestar.connection import ASGIConnection

from logkeep.clock import NS_PER_DAY, NS_PER_S, Clock
from logkeep.metastore.audit import Actor, Audit, Entry
from logkeep.metastore.port import Caller
from logkeep.metastore.tokens import Tokens
from logkeep.telemetry import Telemetry, get_logger

WAITING_MAX = 10_000
BATCH_MAX = 500
FLUSH_S = 1.0
STOP_S = 2.0  # of the ten that a stop may take in all
PRUNE_S = 3600
TOKENS_MAX = 10_000  # whose use of today is remembered
_NAMES = ("session", "device", "user", "event_id")
_SYSTEM = Actor("", "the service")

_log = get_logger("audit")


def read_entry(connection: ASGIConnection[Any, Any, Any, Any], what: str) -> Entry:
    """Who reads what of which app; kept once it was answered."""
    context = connection.app.state.context
    caller = cast(Caller, connection.state.caller)
    app = connection.state.credential.app
    asked = {name: value for name, value in connection.query_params.items() if name not in ("cursor", "app") and value}
    target = next((str(connection.path_params[name]) for name in _NAMES if name in connection.path_params), "")
    target = target.removeprefix("/")  # of names that may hold more of them
    return Entry(
        by=Actor(caller.id, caller.name, connection.client.host if connection.client else ""),
        what=f"read.{what}",
        made_ns=context.clock.now_ns(),
        team=context.backend.metastore.team_of(app),
        app=app,
        target=target,
        detail=asked,
    )


class Auditing:
    """`note` from any thread; it never blocks. `start` before, `close` after: what waits is written then."""

    def __init__(self, audit: Audit, tokens: Tokens, clock: Clock, telemetry: Telemetry, *, days: int) -> None:
        self._audit, self._tokens, self._clock, self._telemetry, self._days = audit, tokens, clock, telemetry, days
        self._waiting: deque[Entry] = deque()
        self._dropped = 0
        self._used: dict[str, int] = {}
        self._written: dict[str, int] = {}
        self._pruned_ns: int | None = None
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None
        self._failing = False

    def note(self, entry: Entry) -> None:
        if len(self._waiting) >= WAITING_MAX:
            self._dropped += 1
            self._telemetry["audit_dropped"].inc()
            return
        self._waiting.append(entry)

    def token_used(self, id: str) -> None:
        """It was used today; written once a day, for people who look for tokens nobody needs."""
        day = self._clock.now_ns() // NS_PER_DAY
        if self._written.get(id) != day and len(self._used) < TOKENS_MAX:
            self._used[id] = day

    def start(self) -> None:
        self._thread = threading.Thread(target=self._run, name="audit", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Within STOP_S where the metastore is away: then what waits is lost, and the service's own log says so."""
        self._ended.set()
        if self._thread is not None:
            self._thread.join(STOP_S)
        if not self._failing and (self._thread is None or not self._thread.is_alive()):
            self.flush()
        if left := len(self._waiting) + self._dropped:
            self._telemetry["audit_dropped"].inc(len(self._waiting))
            _log.error("reads are missing in the audit log: the metastore was away at the end", count=left)

    def _run(self) -> None:
        while not self._ended.wait(FLUSH_S):
            self.flush()

    def flush(self) -> None:
        """What waits is written, if the metastore answers; else it goes on waiting."""
        try:
            while self._waiting or self._dropped:
                self._write_batch()
            self._write_use()
            self._prune()
        except Exception as error:  # whatever it is: without this thread nothing would be written any more
            if not self._failing:
                _log.warning("cannot write the audit log; what was read waits", error=repr(error))
            self._failing = True
        else:
            self._failing = False

    def _write_batch(self) -> None:
        count = min(len(self._waiting), BATCH_MAX)
        batch = _folded([self._waiting[index] for index in range(count)])
        dropped = self._dropped
        if dropped:
            told = {"count": dropped}
            batch.append(Entry(by=_SYSTEM, what="audit.dropped", made_ns=self._clock.now_ns(), detail=told))
        self._audit.add(batch)
        self._dropped -= dropped
        for _ in range(count):
            self._waiting.popleft()

    def _write_use(self) -> None:
        used = dict(self._used)
        if used:
            self._tokens.used(list(used), self._clock.now_ns())
            self._written = {**self._written, **used} if len(self._written) < TOKENS_MAX else used
            for id in used:
                del self._used[id]

    def _prune(self) -> None:
        now_ns = self._clock.monotonic_ns()
        if self._pruned_ns is None or now_ns - self._pruned_ns > PRUNE_S * NS_PER_S:
            self._pruned_ns = now_ns
            self._audit.prune(self._days)


def _folded(entries: list[Entry]) -> list[Entry]:
    """The same read by the same one within a moment is one entry that says how often."""
    found: dict[Any, tuple[Entry, int]] = {}
    for entry in entries:
        key = (entry.by, entry.what, entry.app, entry.target, tuple(sorted(entry.detail.items())))
        first, count = found.get(key, (entry, 0))
        found[key] = (first, count + 1)
    return [
        entry if count == 1 else msgspec.structs.replace(entry, detail={**entry.detail, "times": count})
        for entry, count in found.values()
    ]
