"""What is read from the metastore again and again, kept in memory: asking costs no query, and an outage no answer."""

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

from logkeep.clock import NS_PER_S, Clock
from logkeep.telemetry import get_logger

T = TypeVar("T")

log = get_logger("metastore")


class Watched(Generic[T]):
    """A value and when it was last known to be true, looked at again every `refresh_s` by a thread of its own.

    look(value): the value as it is now, or the same object when nothing has changed.
    """

    def __init__(self, name: str, look: Callable[[T | None], T], clock: Clock, *, refresh_s: float) -> None:
        """`start` makes it look. Before the first look there is no value."""
        self._name, self._look, self._clock, self._refresh_s = name, look, clock, refresh_s
        self._value: T | None = None
        self._true_ns: int | None = None
        self._looking = threading.Lock()
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None
        self._failing = False

    @property
    def value(self) -> T | None:
        return self._value

    def assume(self, value: T, age_s: float) -> None:
        """It was true `age_s` ago; what a look finds replaces it."""
        self._value, self._true_ns = value, self._clock.monotonic_ns() - int(age_s * NS_PER_S)

    def age_s(self) -> float:
        """Seconds since it was last known to be true; infinite before it ever was."""
        true_ns = self._true_ns
        return float("inf") if true_ns is None else (self._clock.monotonic_ns() - true_ns) / NS_PER_S

    def look(self) -> T:
        """The value as it is now. Raises what the look raises."""
        with self._looking:
            began_ns = self._clock.monotonic_ns()
            self._value = value = self._look(self._value)
            self._true_ns = began_ns
            return value

    def start(self) -> None:
        self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._ended.wait(self._refresh_s):
            try:
                self.look()
            except Exception as error:  # whatever it is: without this thread every key would be too old one day
                if not self._failing:
                    log.warning("the metastore does not answer; what is known goes on", error=repr(error))
                self._failing = True
            else:
                if self._failing:
                    log.info("the metastore answers again")
                self._failing = False

    def close(self) -> None:
        self._ended.set()
        if self._thread is not None:
            self._thread.join(self._refresh_s)
