"""An installation of roles as processes: receivers, processors, APIs, each with a folder and a port of its own.

They meet only in the engines that `settings` name. `Installation.start` gives a role as a process; `close` leaves none.
"""

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import httpx
from tests.load import Sender, in_threads
from tests.service import LOGKEEP, free_port, wait_for

from logkeep.processor.queued import AGE_S_MAX

START_S = 180.0  # a bound for a loaded two-core machine; a start takes about two seconds
STOP_S = 10.0  # the contract's

Kind = Literal["receiver", "udp", "processor", "api", "keeper"]


class Role:
    """One `logkeep run KIND`. A UDP receiver answers nobody, so it has no readiness."""

    def __init__(self, kind: Kind, folder: Path, settings: Mapping[str, str]) -> None:
        self.kind, self.folder = kind, folder
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = folder.with_name(f"{folder.name}.log")
        self._settings = dict(settings)
        self.process: subprocess.Popen[bytes] | None = None
        self.write_headers: dict[str, str] = {}  # of the installation, once it is known
        self.start()

    @property
    def intake_port(self) -> int:
        return self.port

    def start(self, program: Sequence[str] = (LOGKEEP,)) -> None:
        own = {name: value for name, value in os.environ.items() if not name.startswith("LOGKEEP_")}
        command = [*program, "run", self.kind, "--data", str(self.folder)]
        if self.kind == "processor":
            own["LOGKEEP_PROCESSOR_PORT"] = str(self.port)
        else:
            command += ["--intake" if self.kind in ("receiver", "udp") else "--api", f"127.0.0.1:{self.port}"]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                command, env=own | self._settings, stdout=log, stderr=log, stdin=subprocess.DEVNULL
            )

    def readiness(self) -> tuple[int, str]:
        """Status and text of the answer; 0 when there is none."""
        try:
            answer = httpx.get(f"{self.url}/health/ready", timeout=10)
        except httpx.HTTPError as error:
            return 0, repr(error)
        return answer.status_code, answer.text

    def wait_until_ready(self, timeout_s: float = START_S) -> None:
        def is_ready() -> bool:
            assert self.process is not None
            assert self.process.poll() is None, f"{self.kind} ended with {self.process.returncode}\n{self.log_tail()}"
            return self.kind == "udp" or self.readiness()[0] == 200

        wait_for(is_ready, timeout_s, f"{self.kind} to be ready", lambda: f"{self.readiness()}\n{self.log_tail()}")

    def log_text(self) -> str:
        return self.log.read_text(errors="replace")

    def log_tail(self) -> str:
        return self.log_text()[-3000:]

    def metric(self, name: str) -> float:
        """The sum over all labels."""
        lines = httpx.get(f"{self.url}/metrics", timeout=10).text.splitlines()
        return sum(float(line.rpartition(" ")[2]) for line in lines if line.split("{")[0].split(" ")[0] == name)

    def kill(self) -> None:
        """kill -9."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def terminate(self) -> int:
        """The exit code after SIGTERM. Raises subprocess.TimeoutExpired when that takes longer than STOP_S."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(STOP_S)


class Installation:
    """`credentials`: of the first start, whichever role it was."""

    def __init__(self, folder: Path, settings: Mapping[str, str]) -> None:
        self.folder, self.settings = folder, dict(settings)
        self.roles: list[Role] = []
        folder.mkdir(parents=True, exist_ok=True)

    def start(self, kind: Kind, **settings: str) -> Role:
        """Started, not yet ready."""
        self.roles.append(Role(kind, self.folder / f"{kind}-{len(self.roles)}", self.settings | settings))
        return self.roles[-1]

    def wait_until_ready(self) -> None:
        for role in self.roles:
            role.wait_until_ready()
        for role in self.roles:
            role.write_headers = {"Authorization": f"Bearer {self.credentials['app_key']}"}

    @property
    def credentials(self) -> dict[str, str]:
        (file,) = self.folder.glob("*/first-run.json")
        found: dict[str, str] = json.loads(file.read_bytes())
        return found

    @property
    def read_headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.credentials['api_token']}"}

    def post(self, receiver: Role, *events: dict[str, Any]) -> int:
        url = f"{receiver.url}/v1/events"
        return httpx.post(url, json=list(events), headers=receiver.write_headers, timeout=30).status_code

    def get(self, api: Role, path: str, **parameters: str | int) -> httpx.Response:
        return httpx.get(api.url + path, params=parameters, headers=self.read_headers, timeout=60)

    def search(self, api: Role, query: str, *, patient: bool = False) -> list[dict[str, Any]]:
        """Every match, all pages joined. patient: none where the API asks to try later, as it may while two processors
        make a collection."""
        events: list[dict[str, Any]] = []
        arguments: dict[str, str | int] = {"query": query, "from": "-1d", "limit": 1000}
        while True:
            answer = self.get(api, "/api/v1/search", **arguments)
            if patient and answer.status_code == 503 and "retry-after" in answer.headers:
                return []
            assert answer.status_code == 200, answer.text
            events += answer.json()["events"]
            if answer.json()["next"] is None:
                return events
            arguments["cursor"] = answer.json()["next"]

    def wait_for_events(self, api: Role, query: str, count: int, *, timeout_s: float = 40.0) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []

        def all_are_there() -> bool:
            found[:] = self.search(api, query, patient=True)
            return len(found) >= count

        wait_for(all_are_there, timeout_s, f"{count} events for {query!r}", lambda: f"{len(found)}; {self.told()}")
        return found

    def ledger(self, api: Role) -> dict[str, Any]:
        answer = self.get(api, "/api/v1/ledger")
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def wait_until_drained(self, api: Role, *, timeout_s: float = 60.0) -> dict[str, Any]:
        """The ledger, once nothing is queued any more, of a moment after this call."""
        last: dict[str, Any] = {}
        fresh_s = time.monotonic() + AGE_S_MAX

        def is_drained() -> bool:
            asked_s = time.monotonic()
            last.update(self.ledger(api))
            return bool(last["queued"] == 0) and asked_s >= fresh_s

        wait_for(is_drained, timeout_s, "the queue to be empty", lambda: f"ledger {last}; {self.told()}")
        return last

    def told(self) -> str:
        """The end of what every role has logged."""
        return "\n".join(f"── {role.folder.name}\n{role.log_tail()}" for role in self.roles)

    def close(self) -> None:
        for role in self.roles:
            with contextlib.suppress(ProcessLookupError):
                role.kill()


class Pairs:
    """Two receivers, two processors and two APIs of `all`, started and not yet ready."""

    def __init__(self, installation: Installation) -> None:
        self.all = installation
        self.receivers = [installation.start("receiver") for _ in range(2)]
        self.processors = [installation.start("processor") for _ in range(2)]
        self.apis = [installation.start("api") for _ in range(2)]


def event(number: int, **fields: Any) -> dict[str, Any]:
    return {"session": "s", "key": f"k{number}", "value": f"event {number}", **fields}


def balance(ledger: dict[str, Any]) -> int:
    """What is missing in it; 0."""
    accounted = ledger["stored"] + ledger["expired"] + ledger["erased"] + ledger["over_quota"] + ledger["queued"]
    return int(ledger["received"] - accounted - sum(ledger["rejected"].values()))


def under_load(
    site: Pairs, work: Callable[[list[Sender]], None], *, more: int = 50, pause_s: float = 0.05
) -> list[Sender]:
    """Senders, one a receiver, busy while `work` is done and for some events after it."""
    senders = [Sender(one, f"load-{time.time_ns()}-{n}", pause_s=pause_s) for n, one in enumerate(site.receivers)]
    threads = in_threads(*(sender.run for sender in senders))
    try:
        for sender in senders:
            sender.wait_for_acknowledged(more)
        work(senders)
        for sender in senders:
            sender.wait_for_acknowledged(more)
    finally:
        for sender in senders:
            sender.stop()
        for thread in threads:
            thread.join(30)
    return senders


def check_nothing_lost_or_doubled(site: Pairs, senders: list[Sender]) -> None:
    site.all.wait_until_drained(site.apis[1], timeout_s=120)
    for sender in senders:
        found = [each["id"] for each in site.all.search(site.apis[1], f"session={sender.session}")]
        assert len(found) == len(set(found)), "doubled"
        assert sender.acknowledged - set(found) == set(), "lost"
    ledgers = [site.all.ledger(api) for api in site.apis]
    assert ledgers[0] == ledgers[1] and balance(ledgers[0]) == 0, ledgers
