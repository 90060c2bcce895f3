"""Rows that nobody needs any more: silent devices, ended rules, expired links, ids of issues told long ago."""

from logkeep.clock import NS_PER_S, Clock
from logkeep.metastore import devices, remote, shares, told_ids
from logkeep.metastore.database import Database, Transaction, bump

EVERY_S = 600.0
ROUNDS_MAX = 100  # of 1,000 devices: what is left goes the next time


class Trimming:
    """For the leader of the processors."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database, self._clock = database, clock
        self._next_ns = 0

    def trim(self) -> None:
        """Every EVERY_S: what is too old is gone. Raises BackendUnavailable."""
        if self._clock.monotonic_ns() < self._next_ns:
            return
        now_ns = self._clock.now_ns()
        self._database.write(lambda transaction: shares.drop_expired(transaction, now_ns))
        for _ in range(ROUNDS_MAX):
            if not self._database.write(lambda transaction: _trim(transaction, now_ns)):
                break
        self._next_ns = self._clock.monotonic_ns() + int(EVERY_S * NS_PER_S)


def _trim(transaction: Transaction, now_ns: int) -> bool:
    """Whether there may be more."""
    bump(transaction, devices.TOPIC)
    remote.drop_expired(transaction, now_ns)
    more = told_ids.forget_old(transaction, now_ns)
    return bool(devices.forget_old(transaction, now_ns)) or more
