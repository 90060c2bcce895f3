"""The one hop from the event loop to calls that block."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from logkeep.errors import BackendUnavailable

Answer = TypeVar("Answer")

WAIT_S = 10.0  # for a turn; who waits longer has mostly gone, and is told to come back


class Readers:
    """At most `threads` calls run at once and at most `waiting_max` wait behind them, `wait_s` each; more is refused.

    Bounded so that slow queries make the API slow, never the process large.
    """

    def __init__(self, name: str, *, threads: int, waiting_max: int, wait_s: float = WAIT_S) -> None:
        self._places_max = threads + waiting_max
        self._places = threading.BoundedSemaphore(self._places_max)
        self._wait_s = wait_s
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix=name)

    async def run(self, call: Callable[[], Answer]) -> Answer:
        """What `call` returns, from a thread of the pool. Cancelled while it waits, it is not called.

        Raises what it raises, and BackendUnavailable when there is no place or its turn does not come.
        """
        if not self._places.acquire(blocking=False):
            raise BackendUnavailable(
                f"{self._places_max} reads are running or waiting, which is the limit; try again", retry_after_s=1
            )
        try:
            future = self._pool.submit(call)
        except RuntimeError as error:  # the pool is closed: the process is stopping
            self._places.release()
            raise BackendUnavailable("the service is stopping; try again") from error
        future.add_done_callback(lambda _: self._places.release())  # also when the caller has gone
        gave_up = False

        def give_up() -> None:
            nonlocal gave_up
            gave_up = future.cancel()  # which does nothing once it runs

        timer = asyncio.get_running_loop().call_later(self._wait_s, give_up)
        try:
            return await asyncio.wrap_future(future)
        except asyncio.CancelledError:
            if not gave_up:
                raise
            raise BackendUnavailable(
                f"no turn to read came within {self._wait_s:g} s, so many reads run; try again", code="store_busy"
            ) from None
        finally:
            timer.cancel()

    def close(self) -> None:
        """Waiting calls are cancelled; running ones finish by themselves."""
        self._pool.shutdown(wait=False, cancel_futures=True)
