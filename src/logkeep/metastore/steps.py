"""What a browser has done of a sign-in that takes several steps: a password before a code, a trip to a provider."""

import secrets

import msgspec

from logkeep.clock import NS_PER_S
from logkeep.metastore.accounts import sha256_of
from logkeep.metastore.database import Transaction
from logkeep.metastore.writing import Writer

STEP_S = 600
TRIES_MAX = 5
STEPS_MAX = 10_000  # of a kind: trips that anybody may begin take no place of codes that are waited for
PERSON_STEPS_MAX = 20


class Step(msgspec.Struct, frozen=True):
    """person: who has given the right password, "" where that is not known yet. body: what the next step needs."""

    person: str
    body: str


class Steps:
    """Good once, for STEP_S. Raises BackendUnavailable."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer

    def begin(self, kind: str, *, person: str = "", body: str = "") -> str:
        """The secret for this browser alone."""
        secret, now_ns = secrets.token_urlsafe(32), self._writer.clock.now_ns()

        def insert(transaction: Transaction) -> None:
            transaction.change("DELETE FROM steps WHERE expires_ns <= :now", now=now_ns)
            _make_room(transaction, kind, person)
            if not transaction.rows("SELECT 1 FROM steps WHERE sha256 = :sha256", sha256=sha256_of(secret)):
                transaction.change(
                    "INSERT INTO steps (sha256, kind, person, body, expires_ns, tries) "
                    "VALUES (:sha256, :kind, :person, :body, :expires, 0)",
                    sha256=sha256_of(secret), kind=kind, person=person, body=body, expires=now_ns + STEP_S * NS_PER_S,
                )  # fmt: skip

        self._writer.write(insert)
        return secret

    def attempt(self, kind: str, secret: str) -> Step | None:
        """The step, for one try more; None when there is none, or it was tried TRIES_MAX times."""
        now_ns = self._writer.clock.now_ns()

        def look(transaction: Transaction) -> Step | None:
            sql = (
                "UPDATE steps SET tries = tries + 1 WHERE sha256 = :sha256 AND kind = :kind AND expires_ns > :now "
                "AND tries < :most"
            )
            found = transaction.change(sql, sha256=sha256_of(secret), kind=kind, now=now_ns, most=TRIES_MAX)
            if not found:
                return None
            sql = "SELECT person, body FROM steps WHERE sha256 = :sha256"
            return Step(*transaction.rows(sql, sha256=sha256_of(secret))[0])

        return self._writer.write(look)

    def end(self, secret: str) -> None:
        sql = "DELETE FROM steps WHERE sha256 = :sha256"
        self._writer.write(lambda transaction: transaction.change(sql, sha256=sha256_of(secret)))


def _make_room(transaction: Transaction, kind: str, person: str) -> None:
    """For one more: the oldest of this person go, and of this kind where there are too many in all."""
    gone = []
    if person:
        sql = "SELECT sha256 FROM steps WHERE kind = :kind AND person = :person ORDER BY expires_ns DESC, sha256"
        gone = transaction.rows(sql, kind=kind, person=person)[PERSON_STEPS_MAX - 1 :]
    if transaction.rows("SELECT COUNT(*) FROM steps WHERE kind = :kind", kind=kind)[0][0] >= STEPS_MAX:
        sql = "SELECT sha256 FROM steps WHERE kind = :kind ORDER BY expires_ns LIMIT 1000"
        gone += transaction.rows(sql, kind=kind)
    transaction.change_many("DELETE FROM steps WHERE sha256 = :sha256", [{"sha256": one[0]} for one in gone])
