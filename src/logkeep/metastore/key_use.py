"""The last day on which each write key was used: noted in memory by whoever looks a key up, written by a thread.

So people find keys that nobody needs any more. A key is written once a day by each process, and changed once a day in
all; while the metastore is away, what was noted waits.
"""

import threading

from logkeep.clock import NS_PER_DAY, Clock
from logkeep.errors import LogkeepError
from logkeep.metastore.database import Database, Transaction
from logkeep.telemetry import get_logger

FLUSH_S = 10.0
STOP_S = 2.0  # of the ten that a stop may take in all
KEYS_MAX = 10_000  # that wait, and as many whose day is known to be written; those beyond are written again

log = get_logger("metastore")


class KeyUse:
    """`note` from any thread; it never blocks, and takes some 0.2 us. `start` before, `close` after."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database, self._clock = database, clock
        self._noted: dict[str, int] = {}  # key → day
        self._written: dict[str, int] = {}
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="key use", daemon=True)
        self._failing = False

    def note(self, id: str) -> None:
        """This key was used now."""
        day = self._clock.now_ns() // NS_PER_DAY
        if self._written.get(id) != day and (len(self._noted) < KEYS_MAX or id in self._noted):
            self._noted[id] = day

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        """What was noted is written, unless the metastore is away."""
        self._ended.set()
        if self._thread.ident is not None:
            self._thread.join(STOP_S)
        if not self._failing and not self._thread.is_alive():
            self.flush()

    def _run(self) -> None:
        while not self._ended.wait(FLUSH_S):
            self.flush()

    def flush(self) -> None:
        """What was noted is written, if the metastore answers; else it goes on waiting."""
        noted = dict(self._noted)
        if not noted:
            return
        try:
            self._database.write(lambda transaction: _write(transaction, noted))
        except LogkeepError as error:
            if not self._failing:
                log.warning("which keys were used is not written down yet", error=error.message)
            self._failing = True
            return
        self._failing = False
        self._written = noted if len(self._written) + len(noted) > KEYS_MAX else {**self._written, **noted}
        for id, day in noted.items():
            if self._noted.get(id) == day:
                self._noted.pop(id, None)


def _write(transaction: Transaction, noted: dict[str, int]) -> None:
    sql = "UPDATE write_keys SET used_day = :day WHERE id = :id AND used_day < :day"
    transaction.change_many(sql, [{"id": id, "day": day} for id, day in sorted(noted.items())])
