"""Mails that wait for a thread to send them, so that no request does, and nobody learns from its time who exists."""

import queue
import random
import threading
from collections.abc import Callable

from logkeep.errors import BackendUnavailable, InputError, LogkeepError
from logkeep.mail.port import Mail, Message
from logkeep.telemetry import Telemetry, get_logger

WAITING_MAX = 1000
TRIES_MAX = 5
PAUSE_S, PAUSE_MAX_S = 1.0, 60.0
STOP_S = 2.0

Made = Callable[[], Message | None]  # what makes the mail, by the thread too: None when there is nobody to write to
Ended = Callable[[str], None]  # is told what became of it, by the thread: "" it was sent, else why not

_log = get_logger("mail")


class Outbox:
    """In memory: what waits when the process ends is not sent; that is logged, and whoever asked for it is told."""

    def __init__(self, mail: Mail, telemetry: Telemetry) -> None:
        self._mail, self._telemetry = mail, telemetry
        self._waiting: queue.Queue[tuple[Made, Ended]] = queue.Queue(WAITING_MAX)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="mail", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def post(self, made: Made, ended: Ended = lambda error: None) -> None:
        """What `made` returns is sent soon, and `ended` told. Raises BackendUnavailable when too many wait."""
        try:
            self._waiting.put_nowait((made, ended))
        except queue.Full:
            raise BackendUnavailable(f"{WAITING_MAX} mails wait to be sent, which is the limit; try again") from None

    def close(self) -> None:
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join(STOP_S)
        left = 0
        while not self._thread.is_alive() and not self._waiting.empty():
            self._tell(self._waiting.get_nowait()[1], "the service ended before it was sent")
            left += 1
        if left := left + self._waiting.qsize():
            _log.warning("mails were not sent before the end", count=left)

    def _run(self) -> None:
        while not self._ended.is_set():
            try:
                made, ended = self._waiting.get(timeout=0.2)
            except queue.Empty:
                continue
            self._tell(ended, self._carry(made))

    def _tell(self, ended: Ended, error: str) -> None:
        try:
            ended(error)
        except LogkeepError as failure:
            _log.error("what became of a mail cannot be kept", error=failure.message)

    def _carry(self, made: Made) -> str:
        """Why it was not sent, "" where it was."""
        try:
            message = made()
        except LogkeepError as error:
            return self._failed("a mail that could not be written", error.message)
        return self._send(message) if message is not None else ""

    def _send(self, message: Message) -> str:
        pause_s = PAUSE_S
        for tries_left in reversed(range(TRIES_MAX)):
            try:
                self._mail.send(message)
            except BackendUnavailable as error:
                if tries_left and not self._ended.wait(pause_s * random.uniform(0.5, 1.0)):
                    pause_s = min(pause_s * 4, PAUSE_MAX_S)
                    continue
                return self._failed(message.subject, error.message)
            except InputError as error:
                return self._failed(message.subject, error.message)
            self._telemetry["mails"].labels("sent").inc()
            return ""
        raise AssertionError("the last try returns")

    def _failed(self, subject: str, why: str) -> str:
        self._telemetry["mails"].labels("failed").inc()
        _log.error("a mail was not sent", subject=subject, error=why)
        return why
