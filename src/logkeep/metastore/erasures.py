"""Erasures: what is to be erased, how far it is, and the receipts; in one small file beside the accounts.

    waiting_for_confirmation → confirmed → removing_files → done
                                         ↘ failed

The file is replaced as a whole with each step, durably: after a crash a job goes on from the last one. It holds the
text of each query, and of what was erased nothing but numbers. Of confirmations it holds hashes.
"""

import hashlib
import hmac
import secrets
import threading
from pathlib import Path
from typing import Any, Literal

import msgspec

from logkeep.clock import NS_PER_S, Clock
from logkeep.disk import Disk
from logkeep.errors import BackendUnavailable, CorruptData, InputError, QuotaExceeded

ERASURES_FILE = "erasures.json"
CONFIRM_S = 600  # between count and confirmation: time to look at what would go
WAITING_MAX = 20  # for confirmation, of one app
JOBS_MAX = 1000  # kept; beyond that the oldest receipt goes
_FILE_BYTES_MAX = 64 << 20

State = Literal["waiting_for_confirmation", "confirmed", "removing_files", "done", "failed"]


class Erased(msgspec.Struct, frozen=True):
    """What was removed, by place. events: of the store, those that updates had superseded among them; exact.

    The others: after a crash in the middle of it they may be fewer, what went before is not counted again.
    """

    events: int = 0
    rejected_samples: int = 0
    dead_letters: int = 0
    patterns: int = 0

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


class Erasures:
    """The jobs of all apps. Safe from many threads of the one process that has the file.

    Raises CorruptData when the file cannot be read.
    """

    def __init__(self, folder: Path, disk: Disk, clock: Clock) -> None:
        self._path, self._disk, self._clock = folder / ERASURES_FILE, disk, clock
        self._lock = threading.Lock()
        self._jobs: dict[str, Erasure] = {}  # oldest first
        try:
            data = disk.read(self._path, 0, _FILE_BYTES_MAX)
            self._jobs = {job.job: job for job in msgspec.json.decode(data, type=list[Erasure])}
        except FileNotFoundError:
            pass
        except msgspec.MsgspecError as error:
            raise CorruptData(f"{self._path} cannot be read: {error}; restore it from a backup") from error

    def jobs(self, app: str) -> list[Erasure]:
        """Newest first, without those that were not confirmed in time."""
        with self._lock:
            self._drop_expired()
            return [job for job in reversed(self._jobs.values()) if job.app == app]

    def job(self, app: str, name: str) -> Erasure:
        """Raises InputError (404)."""
        found = next((job for job in self.jobs(app) if job.job == name), None)
        if found is None:
            raise InputError(
                f"there is no erasure {name[:40]!r}; without confirmation one is forgotten after {CONFIRM_S // 60} min",
                code="not_found",
                status=404,
            )
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
            confirm_sha256=_sha256(token),
        )
        with self._lock:
            self._drop_expired()
            waiting = sum(j.app == app and j.state == "waiting_for_confirmation" for j in self._jobs.values())
            if waiting >= WAITING_MAX:
                raise QuotaExceeded(
                    f"{waiting} erasures wait for their confirmation, which is the limit; confirm them, or wait until "
                    f"they are forgotten after {CONFIRM_S // 60} min",
                    retry_after_s=60,
                )
            self._keep(job)
        return job, token

    def confirm(self, app: str, name: str, token: str, by: str) -> Erasure:
        """The job is to be done, durably; what was confirmed before stays as it is. Raises InputError (403, 404)."""
        job = self.job(app, name)
        if not hmac.compare_digest(_sha256(token), job.confirm_sha256):
            raise InputError(
                "this is not the confirmation of this erasure; send `confirm` as the DELETE answered it",
                code="wrong_confirmation",
                status=403,
            )
        with self._lock:
            job = self._jobs.get(name, job)
            if job.state != "waiting_for_confirmation":
                return job
            changed = {"state": "confirmed", "confirmed_by": by, "confirmed_ns": self._clock.now_ns()}
            return self._keep(msgspec.structs.replace(job, **changed))

    def change(self, name: str, **changes: Any) -> None:
        """The job has these members, durably. One that is not known is passed over."""
        with self._lock:
            if (job := self._jobs.get(name)) is not None:
                self._keep(msgspec.structs.replace(job, **changes))

    def first(self, state: State, *, name: str | None = None) -> Erasure | None:
        """The oldest job in this state (of this name)."""
        with self._lock:
            return next((j for j in self._jobs.values() if j.state == state and name in (None, j.job)), None)

    def named(self, name: str) -> Erasure | None:
        with self._lock:
            return self._jobs.get(name)

    def _drop_expired(self) -> None:
        """From memory; from the file with the next change."""
        now_ns = self._clock.now_ns()
        for job in list(self._jobs.values()):
            if job.state == "waiting_for_confirmation" and job.expires_ns <= now_ns:
                del self._jobs[job.job]

    def _keep(self, job: Erasure) -> Erasure:
        jobs = {**self._jobs, job.job: job}
        ended = [name for name, each in jobs.items() if each.state in ("done", "failed")]
        for name in ended[: max(0, len(jobs) - JOBS_MAX)]:
            del jobs[name]
        try:
            self._disk.write_atomically(self._path, msgspec.json.encode(list(jobs.values())))
        except OSError as error:
            raise BackendUnavailable(f"cannot write {self._path}: {error}; try later") from error
        self._jobs = jobs
        return job


def _sha256(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).hexdigest()
