"""What was not stored, kept for its owner to look at: rejected samples and dead letters.

Rings of lines (JSON), bounded in bytes: the oldest make room. They are for people; the counts that must be exact are
in the ledger.
"""

import threading
from collections.abc import Callable, Iterable
from typing import Literal

import msgspec

from logkeep.clock import NS_PER_S, Clock
from logkeep.errors import BackendUnavailable
from logkeep.metastore.database import Database, Transaction
from logkeep.telemetry import get_logger

SAMPLES_BYTES_MAX = 1 << 20  # an app's newest thousands; a person reads the last twenty
DEAD_LETTER_BYTES_MAX = 64 << 20
TRIM_SHARE = 8  # a ring is cut after it grew by this part of its bound
PAGE_LINES = 500  # looked at a time when lines are removed
PAUSE_S = 30.0  # after a failure no sample is kept for so long: an outage must not slow the processor down

Kind = Literal["rejected", "dead_letter"]

log = get_logger("samples")


class Rejected(msgspec.Struct, frozen=True):
    """One rejected event: why, and how it began."""

    time: str
    reason: str
    message: str
    source: str
    text: str


class DeadLetter(msgspec.Struct, frozen=True):
    """One record the store refuses, whole, with where it came from."""

    time: str
    app: str
    partition: str
    offset: int
    message: str
    event: object


class Ring:
    """Lines, oldest first, at most about `bytes_max` and an eighth. Raises BackendUnavailable."""

    def __init__(self, database: Database, kind: Kind, app: str, bytes_max: int) -> None:
        self._database, self._kind, self._app, self._bytes_max = database, kind, app, bytes_max
        self._grown = bytes_max  # since it was cut: how full it is at the start is not known

    def append(self, items: Iterable[msgspec.Struct]) -> None:
        """The items are kept, durably."""
        self.append_lines([msgspec.json.encode(item) for item in items])

    def append_lines(self, lines: list[bytes]) -> None:
        self._grown += sum(map(len, lines))
        cut = self._grown >= self._bytes_max // TRIM_SHARE

        def insert(transaction: Transaction) -> None:
            insert_lines(transaction, self._kind, self._app, lines)
            if cut:
                _cut(transaction, self._kind, self._app, self._bytes_max)

        self._database.write(insert)
        if cut:
            self._grown = 0

    def newest(self, limit: int) -> list[bytes]:
        """Up to `limit` lines, newest first."""
        sql = "SELECT content FROM samples WHERE kind = :kind AND app = :app ORDER BY number DESC LIMIT :limit"
        found = self._database.read(
            lambda transaction: transaction.rows(sql, kind=self._kind, app=self._app, limit=limit)
        )
        return [bytes(content) for (content,) in found]

    def remove(self, unwanted: Callable[[bytes], bool], *, dry: bool = False) -> int:
        """How many lines are unwanted; the others alone are there, durably. dry: they are counted only."""
        removed, after, full = 0, -1, True
        while full:
            page = self._database.read(lambda transaction, after=after: self._page(transaction, after))  # type: ignore[misc]
            numbers = [number for number, content in page if unwanted(content)]
            removed += len(numbers)
            if numbers and not dry:
                self._database.write(lambda transaction, numbers=numbers: _delete(transaction, numbers))  # type: ignore[misc]
            full = len(page) == PAGE_LINES
            after = page[-1][0] if page else after
        if removed and not dry:
            self._database.scrub()
        return removed

    def _page(self, transaction: Transaction, after: int) -> list[tuple[int, bytes]]:
        sql = (
            "SELECT number, content FROM samples WHERE kind = :kind AND app = :app AND number > :after "
            "ORDER BY number LIMIT :limit"
        )
        found = transaction.rows(sql, kind=self._kind, app=self._app, after=after, limit=PAGE_LINES)
        return [(int(number), bytes(content)) for number, content in found]


class Samples:
    """Rejected samples (a ring an app) and dead letters (one ring), shared by all instances."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database, self._clock = database, clock
        self._rings: dict[str, Ring] = {}
        self._dead_letters = Ring(database, "dead_letter", "", DEAD_LETTER_BYTES_MAX)
        self._lock = threading.Lock()
        self._paused_until_ns = 0

    def rejected(self, app: str) -> Ring:
        """The ring of `app`; "" is for datagrams that no app can be named for."""
        with self._lock:
            if app not in self._rings:
                self._rings[app] = Ring(self._database, "rejected", app, SAMPLES_BYTES_MAX)
            return self._rings[app]

    @property
    def dead_letters(self) -> Ring:
        return self._dead_letters

    def keep_rejected(self, app: str, items: list[Rejected]) -> int:
        """How many of `items` are kept: all of them, or none while the database does not answer."""
        if self._clock.monotonic_ns() < self._paused_until_ns:
            return 0
        try:
            self.rejected(app).append(items)
        except BackendUnavailable as error:
            self._paused_until_ns = self._clock.monotonic_ns() + int(PAUSE_S * NS_PER_S)
            log.warning("samples of rejected events are not kept", error=error.message, pause_s=PAUSE_S)
            return 0
        return len(items)


def insert_lines(transaction: Transaction, kind: Kind, app: str, lines: list[bytes]) -> None:
    transaction.change_many(
        "INSERT INTO samples (kind, app, size, content) VALUES (:kind, :app, :size, :content)",
        [{"kind": kind, "app": app, "size": len(line), "content": line} for line in lines],
    )


def _cut(transaction: Transaction, kind: Kind, app: str, bytes_max: int) -> None:
    """The newest lines stay, `bytes_max` of them and at least one."""
    sql = "SELECT number, size FROM samples WHERE kind = :kind AND app = :app ORDER BY number DESC"
    total = 0
    for place, (number, size) in enumerate(transaction.rows(sql, kind=kind, app=app)):
        total += size
        if total > bytes_max and place:
            transaction.change(
                "DELETE FROM samples WHERE kind = :kind AND app = :app AND number <= :oldest",
                kind=kind, app=app, oldest=number,
            )  # fmt: skip
            return


def _delete(transaction: Transaction, numbers: list[int]) -> None:
    transaction.change_many("DELETE FROM samples WHERE number = :number", [{"number": n} for n in numbers])
