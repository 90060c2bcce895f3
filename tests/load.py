"""Senders that keep a service busy and remember what was acknowledged."""

import http.client
import itertools
import json
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Protocol

from tests.service import Service, wait_for

BATCH_EVENTS = (1, 7, 1, 20)  # single events and batches take turns
REPEAT_EVERY = 10  # batches; one that was acknowledged is sent again, as after an answer that was lost
PAUSE_S = 0.005  # between batches: busy, and still little enough that every event can be looked for afterwards
RETRY_WAIT_S = 0.02


class Receiving(Protocol):
    """A service, or a receiver of one."""

    @property
    def intake_port(self) -> int: ...

    @property
    def write_headers(self) -> Mapping[str, str]: ...


class Sender:
    """Posts numbered events over HTTP until stopped, each batch again until it is acknowledged.

    Ids are the sender's own (`SESSION-N`), so a retry after a lost answer must not be seen twice. `acknowledged` holds
    the ids answered with 202; `repeated` counts events sent and acknowledged once more on purpose.
    """

    def __init__(self, service: Receiving, session: str, *, pause_s: float = PAUSE_S) -> None:
        self.acknowledged: set[str] = set()
        self.repeated = 0
        self._address = ("127.0.0.1", service.intake_port)
        self._headers = service.write_headers
        self.session, self._pause_s = session, pause_s
        self._stopped = threading.Event()
        self._connection: http.client.HTTPConnection | None = None

    def run(self) -> None:
        for number, ids in enumerate(self._batches(), 1):
            body = "\n".join(json.dumps(self._event(one)) for one in ids).encode()
            if not self._post_until_acknowledged(body):
                return
            self.acknowledged.update(ids)
            if number % REPEAT_EVERY == 0:
                if not self._post_until_acknowledged(body):
                    return
                self.repeated += len(ids)
            if self._stopped.wait(self._pause_s):
                return

    def _post_until_acknowledged(self, body: bytes) -> bool:
        """False when this sender was stopped before an answer came."""
        while not self._post(body):
            if self._stopped.wait(RETRY_WAIT_S):
                return False
        return True

    def stop(self) -> None:
        self._stopped.set()

    def wait_for_acknowledged(self, more: int) -> None:
        """Returns once `more` events have been acknowledged from now on."""
        target = len(self.acknowledged) + more
        wait_for(lambda: len(self.acknowledged) >= target, 120.0, f"{target} acknowledged events of {self.session}")

    def _batches(self) -> Iterator[list[str]]:
        numbers = itertools.count()
        for size in itertools.cycle(BATCH_EVENTS):
            yield [f"{self.session}-{next(numbers)}" for _ in range(size)]

    def _event(self, one: str) -> dict[str, str]:
        return {"session": self.session, "key": "load", "value": f"event {one}", "id": one, "component": "load"}

    def _post(self, body: bytes) -> bool:
        """Whether this was acknowledged. A refusal that is not 503 is a fault of the test."""
        try:
            if self._connection is None:
                self._connection = http.client.HTTPConnection(*self._address, timeout=10)
            self._connection.request("POST", "/v1/events", body, self._headers)
            answer = self._connection.getresponse()
            answer.read()
        except (OSError, http.client.HTTPException):
            if self._connection is not None:
                self._connection.close()
            self._connection = None
            return False
        assert answer.status in (202, 503), answer.status
        return answer.status == 202


class DatagramSender:
    """Sends numbered datagrams at a gentle rate until stopped; nothing acknowledges them."""

    def __init__(self, service: Service, session: str) -> None:
        self.sent = 0
        self._address = ("127.0.0.1", service.intake_port)
        self._app_key = service.credentials["app_key"]
        self._session = session
        self._stopped = threading.Event()

    def run(self) -> None:
        with socket.socket(type=socket.SOCK_DGRAM) as out:
            while not self._stopped.wait(0.005):
                event = {"session": self._session, "key": "load", "value": self.sent, "app": self._app_key}
                event |= {"client": "load", "seq": self.sent, "component": "load", "id": f"{self._session}-{self.sent}"}
                # A connectionless send may report that the last datagram found nobody; this one is then not sent.
                try:
                    out.sendto(json.dumps(event).encode(), self._address)
                except ConnectionRefusedError:
                    continue
                self.sent += 1

    def stop(self) -> None:
        self._stopped.set()


def in_threads(*runs: Callable[[], None]) -> list[threading.Thread]:
    """Started threads, one for each of `runs`."""
    threads = [threading.Thread(target=run) for run in runs]
    for thread in threads:
        thread.start()
    return threads
