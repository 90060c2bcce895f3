"""The database under the metastore: plain SQL that SQLite, MariaDB and PostgreSQL all understand, in transactions.

Statements name their values `:name`. Two adapters: sqlite.py, on the standard library (a process that needs no more
starts 0.3 s sooner and is 15 MB smaller than with SQLAlchemy), and server.py, on SQLAlchemy.
"""

import random
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, Protocol, TypeVar

from msgspec import Meta

from logkeep.clock import NS_PER_S, Clock
from logkeep.errors import BackendUnavailable, LogkeepError
from logkeep.tls import advice

TRIES_MAX = 5  # of a transaction that met another one, or whose connection was lost
RETRY_FIRST_S = 0.02  # doubled each time, and shortened by chance so that two do not meet again
HEAD = "0014"  # the revision this Logkeep works with; a test compares it with migrations/versions/

_NOT_LET_IN = ("password authentication failed", "access denied")  # PostgreSQL; MariaDB

T = TypeVar("T")
Int64 = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]  # what every database takes for a whole number
Value = str | int | bytes | None


class Transaction(Protocol):
    """Raises only inside its adapter; whoever uses it sees what `Database` raises."""

    def rows(self, sql: str, **values: Value) -> list[Sequence[Any]]: ...

    def rows_in(
        self, select: str, wanted: Sequence[str] | Sequence[int], after: str = "", **values: Value
    ) -> list[Sequence[Any]]:
        """The rows of `select … IN (wanted) after`, of any number of wanted."""
        ...

    def change(self, sql: str, **values: Value) -> int:
        """How many rows were inserted, changed or deleted."""
        ...

    def change_many(self, sql: str, values: Sequence[Mapping[str, Value]]) -> None: ...


Work = Callable[[Transaction], T]


class Database(Protocol):
    """Safe from many threads; every call blocks, for about `metastore.timeout_s` at most where nobody answers, and not
    at all while that is known.

    Raises BackendUnavailable (it does not answer, or others were in the way too often: try later), CorruptData.
    """

    def read(self, work: Work[T]) -> T:
        """What `work` returns, in a transaction that changes nothing."""
        ...

    def write(self, work: Work[T]) -> T:
        """What `work` returns; what it changed is durable. It may be called several times, also after it was done:
        a connection that is lost during the commit leaves that open."""
        ...

    def revision(self) -> str | None:
        """Of its tables, None when there are none yet."""
        ...

    def upgrade(self) -> None:
        """The tables are those of HEAD; many instances that do this at once do it once.

        Raises InputError when a newer Logkeep has made them.
        """
        ...

    def problem(self) -> str | None:
        """Why changes are not kept, in words for operators that tell no data; None as long as they are. Asks nobody."""
        ...

    def scrub(self) -> None:
        """What was deleted is in no file any more, where that is in our hands: a server's files are its own."""
        ...

    def close(self) -> None: ...


class NoAnswer(BackendUnavailable):
    """Nobody is there, or nobody answers in time; whoever met another one, or was refused, had an answer."""


class Refused(BackendUnavailable):
    """It answers and does not do it, for another reason than that others were in the way: it can only be read, say."""


class Again(Exception):
    """The transaction had no effect, or nobody knows whether it had: it may be done again. cause: else raised."""

    def __init__(self, cause: LogkeepError) -> None:
        super().__init__(cause.message)
        self.cause = cause


def tried_again(attempt: Callable[[], T], clock: Clock, *, within_s: float) -> T:
    """What `attempt` returns, tried again where it raises Again: TRIES_MAX times, and not once `within_s` have passed.

    Raises the cause of the last Again.
    """
    wait_s, until_ns = RETRY_FIRST_S, clock.monotonic_ns() + int(within_s * NS_PER_S)
    for tries_left in reversed(range(TRIES_MAX)):
        try:
            return attempt()
        except Again as again:
            if not tries_left or clock.monotonic_ns() >= until_ns:
                raise again.cause from again
        clock.sleep(wait_s * random.uniform(0.5, 1.0))
        wait_s *= 2
    raise AssertionError("the last try returns or raises")


class Changes:
    """Whether changes are kept, as the last ones tell. One that met another or had no answer tells nothing."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._refused_ns: int | None = None

    def made(self, write: Callable[[], T]) -> T:
        """What `write` returns or raises."""
        try:
            result = write()
        except Refused:
            if self._refused_ns is None:
                self._refused_ns = self._clock.monotonic_ns()
            raise
        self._refused_ns = None
        return result

    def problem(self) -> str | None:
        refused_ns = self._refused_ns
        if refused_ns is None:
            return None
        age_s = (self._clock.monotonic_ns() - refused_ns) / NS_PER_S
        return (
            f"the metastore has refused every change for {age_s:,.0f} s: statistics, the audit log and what people set "
            "are not written; the log says why"
        )


def unavailable(
    what: str, error: BaseException, kind: type[BackendUnavailable] = BackendUnavailable
) -> BackendUnavailable:
    first_line = (str(error).strip().splitlines() or [type(error).__name__])[0]
    if any(words in first_line.lower() for words in _NOT_LET_IN):
        text = f"lets us not in: {first_line}; check user and password in metastore.url"
    else:
        text = f"{what}: {advice(first_line, 'metastore')}; try again"
    return kind(f"the metastore {text}", code="metastore_unavailable")


def bump(transaction: Transaction, topic: str) -> None:
    """Who watches `topic` looks again. Others who change it wait from here until this transaction ends."""
    transaction.change("UPDATE changes SET number = number + 1 WHERE topic = :topic", topic=topic)


def change_of(transaction: Transaction, topic: str) -> int:
    """A number that is another one after each change of `topic`."""
    return int(transaction.rows("SELECT number FROM changes WHERE topic = :topic", topic=topic)[0][0])
