"""Whether the queue can be used, asked again and again by a thread of its own: a probe never waits for its answer."""

import threading

from logkeep.errors import BackendUnavailable
from logkeep.queue.port import Queue

WATCH_S = 2.0
JOIN_S = 1.0  # a check under way may take longer; it holds nothing that an end needs


class QueueWatch:
    """Looks until `close`."""

    def __init__(self, queue: Queue) -> None:
        self._queue = queue
        self._ended = threading.Event()
        self._problem: str | None = "the queue was not reached yet"
        self._thread = threading.Thread(target=self._watch, name="queue-watch", daemon=True)
        self._thread.start()

    @property
    def problem(self) -> str | None:
        """Why it cannot be used, as of WATCH_S and one check ago at most; None when it can."""
        return self._problem

    def _watch(self) -> None:
        while True:
            try:
                self._queue.check()
                self._problem = None
            except BackendUnavailable as error:
                self._problem = error.message
            if self._ended.wait(WATCH_S):
                return

    def close(self) -> None:
        self._ended.set()
        self._thread.join(JOIN_S)
