"""Trying again for as long as something behind this processor is unavailable."""

import threading
from collections.abc import Callable
from typing import TypeVar

from logkeep.errors import BackendUnavailable
from logkeep.queue.port import NotOwner
from logkeep.telemetry import Telemetry, get_logger

RETRY_FIRST_S, RETRY_MAX_S = 0.5, 15.0

T = TypeVar("T")

log = get_logger("processor")


class Stopped(Exception):
    """The processor was asked to stop while something was unavailable: the intent stands for the next start."""


class Patience:
    def __init__(self, stop: threading.Event, telemetry: Telemetry) -> None:
        self._stop, self._retries = stop, telemetry["processor_retries"]

    def retried(self, work: Callable[[], T], *, what: str = "the store") -> T:
        """What `work` returns, tried again while it raises BackendUnavailable. Raises Stopped meanwhile; NotOwner."""
        wait_s = RETRY_FIRST_S
        while True:
            try:
                return work()
            except NotOwner:
                raise
            except BackendUnavailable as error:
                self._retries.inc()
                log.warning(f"{what} is unavailable; trying again", error=error.message, wait_s=wait_s)
            if self._stop.wait(wait_s):
                raise Stopped
            wait_s = min(wait_s * 2, RETRY_MAX_S)
