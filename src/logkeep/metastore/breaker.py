"""Failing at once while a database is known not to answer."""

import threading
from collections.abc import Callable
from typing import TypeVar

from logkeep.errors import BackendUnavailable
from logkeep.metastore.database import NoAnswer

LOOK_EVERY_S = 1.0  # at a database that is away: so much later at most it is used again

T = TypeVar("T")


class Breaker:
    """A circuit breaker. A call that had no answer opens it; from then on calls raise instead of waiting, until a look
    was answered. Looks are a thread's of its own, the first one at once: no caller waits for a database that is away,
    and a connection that was merely lost is no outage for longer than a new one takes.
    """

    def __init__(self, look: Callable[[], object]) -> None:
        """look: asks the database for next to nothing; raises where it does not answer."""
        self._look = look
        self._lock = threading.Lock()
        self._away: str | None = None
        self._ended = threading.Event()

    def passed(self, call: Callable[[], T]) -> T:
        """What `call` returns or raises. Raises NoAnswer without calling it while the database is away."""
        if (away := self._away) is not None:
            raise NoAnswer(away, code="metastore_unavailable")
        try:
            return call()
        except NoAnswer as error:
            self._open(error.message)
            raise

    def close(self) -> None:
        """Nobody looks any more."""
        self._ended.set()

    def _open(self, why: str) -> None:
        with self._lock:
            if self._away is not None or self._ended.is_set():
                return
            self._away = why
        threading.Thread(target=self._watch, name="metastore away", daemon=True).start()

    def _watch(self) -> None:
        while not self._ended.is_set():
            try:
                self._look()
            except BackendUnavailable as error:
                self._away = error.message
            except Exception as error:  # whatever it is, it is no answer
                self._away = f"the metastore does not answer: {error!r}; try again"
            else:
                self._away = None
                return
            self._ended.wait(LOOK_EVERY_S)
