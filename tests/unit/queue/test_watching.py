"""The watch over a queue: what a probe is told, without ever waiting for the queue itself."""

import threading

import pytest
from tests.service import wait_for

from logkeep.errors import BackendUnavailable
from logkeep.queue import watching
from logkeep.queue.memory import MemoryQueue
from logkeep.queue.watching import QueueWatch


class Slow(MemoryQueue):
    """Answers when it is let."""

    def __init__(self) -> None:
        super().__init__()
        self.let = threading.Event()
        self.away = False

    def check(self) -> None:
        self.let.wait(20)
        if self.away:
            raise BackendUnavailable("nobody answers")


def test_the_watch_tells_what_the_last_look_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "WATCH_S", 0.01)
    queue = Slow()
    watch = QueueWatch(queue)
    try:
        assert watch.problem == "the queue was not reached yet"
        queue.let.set()
        wait_for(lambda: watch.problem is None, 20, "the queue to be reached")
        queue.away = True
        wait_for(lambda: watch.problem == "nobody answers", 20, "the outage to be told")
        queue.away = False
        wait_for(lambda: watch.problem is None, 20, "the end of the outage")
    finally:
        watch.close()
    assert not watch._thread.is_alive()
