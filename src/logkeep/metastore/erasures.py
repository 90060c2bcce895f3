"""Erasures: what is to be erased, how far it is, and the receipts.

    waiting_for_confirmation → confirmed → removing_files → done
                                         ↘ failed

Each step is durable: after a crash a job goes on from the last one. Of a job the text of its query is kept, of what
was erased nothing but numbers, of the confirmation a hash.
"""

import hmac
import re
import secrets
from collections.abc import Sequence
from typing import Any, Literal

import msgspec

from logkeep.clock import NS_PER_S, Clock
from logkeep.errors import BackendUnavailable, InputError, QuotaExceeded
from logkeep.metastore.accounts import sha256_of
from logkeep.metastore.database import Database, Transaction, bump, change_of
from logkeep.metastore.watched import Watched
from logkeep.telemetry import get_logger

TOPIC = "erasures"
CONFIRM_S = 600  # between count and confirmation: time to look at what would go
WAITING_MAX = 20  # for confirmation, of one app
JOBS_MAX = 1000  # kept; beyond that the oldest receipt goes
_NAME = re.compile(r"era_[0-9a-f]{16}")

log = get_logger("erasure")

State = Literal["waiting_for_confirmation", "confirmed", "removing_files", "done", "failed"]


class Erased(msgspec.Struct, frozen=True):
    """What was removed, by place. events: of the store, those that updates had superseded among them; exact.

    waiting: events that lacked a session; exact. session_map: rows about whom the query names, and about their
    sessions. statistics: cells that told they were there. shares: links on sessions it names. These and the others:
    after a crash in the middle of it they may be fewer, what went before is not counted again.
    """

    events: int = 0
    rejected_samples: int = 0
    dead_letters: int = 0
    patterns: int = 0
    waiting: int = 0
    session_map: int = 0
    devices: int = 0
    occurrences: int = 0
    statistics: int = 0
    shares: int = 0

    def joined(self, other: "Erased") -> "Erased":
        """The larger of each: what is done a second time finds less than the first time."""
        return Erased(*map(max, msgspec.structs.astuple(self), msgspec.structs.astuple(other)))


class Erasure(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One job. query: canonical. from_ns <= time < to_ns. matches: when it was asked for. times: ns UTC, 0: not yet.

    asked_by, confirmed_by: names of credentials. erased_ns: since then no read finds it. store_ns, queue_ns: since
    then no file of the store, or of the queue, holds it. queue_ends: what the queue had when it was erased.
    """

    job: str
    app: str
    state: State
    query: str
    from_ns: int
    to_ns: int
    matches: int
    asked_by: str
    asked_ns: int
    expires_ns: int
    confirm_sha256: str
    confirmed_by: str = ""
    confirmed_ns: int = 0
    erased: Erased | None = None
    erased_ns: int = 0
    store_ns: int = 0
    queue_ns: int = 0
    queue_ends: dict[str, int] = {}
    done_ns: int = 0
    error: str = ""


class _Open(msgspec.Struct, frozen=True):
    """The jobs somebody has to do something for, oldest first. change: of the topic, as these were read."""

    change: int
    jobs: list[Erasure]


class Erasures:
    """The jobs of all apps, shared by all instances. Raises BackendUnavailable, CorruptData where it asks the database.

    `first` and nothing else is answered from memory: a processor asks it all the time. What is confirmed elsewhere is
    seen there `refresh_s` later at most, once the database answers.
    """

    def __init__(self, database: Database, clock: Clock, *, refresh_s: float) -> None:
        """`open` before `first` is asked."""
        self._database, self._clock = database, clock
        self._watched = Watched("erasures", self._look, clock, refresh_s=refresh_s)

    def open(self) -> "Erasures":
        """What is open is known, and looked at from now on. While the database is away nothing is known to be open."""
        try:
            self._watched.look()
        except BackendUnavailable as error:
            log.warning("the metastore does not answer; erasures wait for it", error=error.message)
        self._watched.start()
        return self

    def close(self) -> None:
        self._watched.close()

    def jobs(self, app: str) -> list[Erasure]:
        """Newest first, without those that were not confirmed in time."""
        now_ns = self._clock.now_ns()
        found = self._database.read(lambda transaction: _of_app(transaction, app))
        return [job for job in reversed(found) if not _has_expired(job, now_ns)]

    def job(self, app: str, name: str) -> Erasure:
        """Raises InputError (404)."""
        found = self.named(name)
        if found is None or found.app != app or _has_expired(found, self._clock.now_ns()):
            raise _unknown(name)
        return found

    def ask(self, *, app: str, query: str, from_ns: int, to_ns: int, matches: int, by: str) -> tuple[Erasure, str]:
        """A job that waits for the confirmation returned with it. Raises QuotaExceeded."""
        token, now_ns = secrets.token_urlsafe(18), self._clock.now_ns()
        job = Erasure(
            job=f"era_{secrets.token_hex(8)}",
            app=app,
            state="waiting_for_confirmation",
            query=query,
            from_ns=from_ns,
            to_ns=to_ns,
            matches=matches,
            asked_by=by,
            asked_ns=now_ns,
            expires_ns=now_ns + CONFIRM_S * NS_PER_S,
            confirm_sha256=sha256_of(token),
        )

        def insert(transaction: Transaction) -> None:
            bump(transaction, TOPIC)  # first: from here on nobody else asks
            _drop_expired(transaction, now_ns)
            if _named(transaction, job.job) is None:
                _refuse_too_many(transaction, app)
                insert_job(transaction, job)

        self._database.write(insert)
        return job, token

    def confirm(self, app: str, name: str, token: str, by: str) -> Erasure:
        """The job is to be done, durably; what was confirmed before stays as it is. Raises InputError (403, 404)."""
        job = self.job(app, name)
        if not hmac.compare_digest(sha256_of(token), job.confirm_sha256):
            raise InputError(
                "this is not the confirmation of this erasure; send `confirm` as the DELETE answered it",
                code="wrong_confirmation",
                status=403,
            )
        now_ns = self._clock.now_ns()

        def set_confirmed(transaction: Transaction) -> Erasure:
            bump(transaction, TOPIC)
            job = _named(transaction, name)
            if job is None:
                raise _unknown(name)
            if job.state != "waiting_for_confirmation":
                return job
            return _keep(
                transaction,
                msgspec.structs.replace(job, state="confirmed", confirmed_by=by, confirmed_ns=now_ns),
            )

        changed = self._database.write(set_confirmed)
        self._watched.look()
        return changed

    def change(self, name: str, **changes: Any) -> None:
        """The job has these members, durably. One that is not known is passed over."""

        def replace(transaction: Transaction) -> None:
            bump(transaction, TOPIC)
            if (job := _named(transaction, name)) is not None:
                _keep(transaction, msgspec.structs.replace(job, **changes))

        self._database.write(replace)
        self._watched.look()

    def first(self, state: State) -> Erasure | None:
        """The oldest job in this state: confirmed or removing_files. From memory; never raises."""
        known = self._watched.value
        return next((job for job in known.jobs if job.state == state), None) if known is not None else None

    def named(self, name: str) -> Erasure | None:
        if not _NAME.fullmatch(name):
            return None
        return self._database.read(lambda transaction: _named(transaction, name))

    def _look(self, known: _Open | None) -> _Open:
        return self._database.read(lambda transaction: _open(transaction, known))


def insert_job(transaction: Transaction, job: Erasure) -> None:
    transaction.change(
        "INSERT INTO erasures (job, app, state, expires_ns, body) VALUES (:job, :app, :state, :expires, :body)",
        job=job.job, app=job.app, state=job.state, expires=job.expires_ns, body=msgspec.json.encode(job),
    )  # fmt: skip


def _keep(transaction: Transaction, job: Erasure) -> Erasure:
    """The job as it is now; of those that have ended the newest JOBS_MAX stay."""
    transaction.change(
        "UPDATE erasures SET state = :state, body = :body WHERE job = :job",
        job=job.job, state=job.state, body=msgspec.json.encode(job),
    )  # fmt: skip
    if job.state in ("done", "failed"):
        _forget_oldest(transaction)
    return job


def _forget_oldest(transaction: Transaction) -> None:
    ended = transaction.rows("SELECT number FROM erasures WHERE state IN ('done', 'failed') ORDER BY number DESC")
    if len(ended) > JOBS_MAX:
        transaction.change(
            "DELETE FROM erasures WHERE state IN ('done', 'failed') AND number <= :oldest", oldest=ended[JOBS_MAX][0]
        )


def _drop_expired(transaction: Transaction, now_ns: int) -> None:
    transaction.change(
        "DELETE FROM erasures WHERE state = 'waiting_for_confirmation' AND expires_ns <= :now", now=now_ns
    )


def _refuse_too_many(transaction: Transaction, app: str) -> None:
    waiting = transaction.rows(
        "SELECT COUNT(*) FROM erasures WHERE app = :app AND state = 'waiting_for_confirmation'", app=app
    )[0][0]
    if waiting >= WAITING_MAX:
        raise QuotaExceeded(
            f"{waiting} erasures wait for their confirmation, which is the limit; confirm them, or wait until "
            f"they are forgotten after {CONFIRM_S // 60} min",
            retry_after_s=60,
        )


def _of_app(transaction: Transaction, app: str) -> list[Erasure]:
    return _jobs(transaction.rows("SELECT body FROM erasures WHERE app = :app ORDER BY number", app=app))


def _named(transaction: Transaction, name: str) -> Erasure | None:
    found = _jobs(transaction.rows("SELECT body FROM erasures WHERE job = :job", job=name))
    return found[0] if found else None


def _open(transaction: Transaction, known: _Open | None) -> _Open:
    change = change_of(transaction, TOPIC)
    if known is not None and known.change == change:
        return known
    sql = "SELECT body FROM erasures WHERE state IN ('confirmed', 'removing_files') ORDER BY number"
    return _Open(change, _jobs(transaction.rows(sql)))


def _jobs(rows: Sequence[Sequence[Any]]) -> list[Erasure]:
    return [msgspec.json.decode(bytes(body), type=Erasure) for (body,) in rows]


def _has_expired(job: Erasure, now_ns: int) -> bool:
    return job.state == "waiting_for_confirmation" and job.expires_ns <= now_ns


def _unknown(name: str) -> InputError:
    return InputError(
        f"there is no erasure {name[:40]!r}; without confirmation one is forgotten after {CONFIRM_S // 60} min",
        code="not_found",
        status=404,
    )
