"""The real service as a process, for tests that look at it from outside.

`Service.start(folder)` runs `logkeep serve` on free loopback ports with all it keeps in `folder`, and returns once
intake and API say they are ready. Whatever happens in the test, `kill_all` leaves no process behind.
"""

import contextlib
import fcntl
import functools
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

import httpx

from logkeep.processor.queued import AGE_S_MAX

LOGKEEP = str(Path(sys.executable).with_name("logkeep"))
POLL_S, POLL_MAX_S = 0.02, 0.25
POLL_PART = 20  # of what it has waited, a wait may last longer than it must: asking costs what is waited for its time
START_S = 180.0  # a bound for a loaded two-core machine; a start takes about a second
_given: set[int] = set()  # ports
Role = Literal["receiver", "udp", "keeper", "supervisor"]


class Service:
    """One `logkeep serve`. `credentials` is what its first start wrote into first-run.json."""

    def __init__(self, folder: Path, *, intake_port: int, api_port: int) -> None:
        self.folder = folder
        self.intake_port = intake_port
        self.api_port = api_port
        self.intake_url = f"http://127.0.0.1:{intake_port}"
        self.api_url = f"http://127.0.0.1:{api_port}"
        self.process: subprocess.Popen[bytes] | None = None
        self.log = folder.with_name(folder.name + ".log")
        self._settings: dict[str, str] = {}

    @classmethod
    def start(cls, folder: Path, *, settings: Mapping[str, str] | None = None, api_port: int = 0) -> "Service":
        """A running, ready service. settings: environment variables (`LOGKEEP_…`) beside folder and ports.

        api_port: 0 for any that is free.
        """
        intake_port = free_port(taken=api_port)
        service = cls(folder, intake_port=intake_port, api_port=api_port or free_port(taken=intake_port))
        service._settings = dict(settings or {})
        service.start_again()
        return service

    def start_again(self) -> None:
        """The same service on the same folder and ports, ready. Raises AssertionError with its log when it ends."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.command(), env=self.environment(), stdout=log, stderr=log, stdin=subprocess.DEVNULL
            )
        try:
            self.wait_until_ready()
        except BaseException:
            self.kill_all()
            raise

    def command(self) -> list[str]:
        intake, api = f"127.0.0.1:{self.intake_port}", f"127.0.0.1:{self.api_port}"
        return [LOGKEEP, "serve", "--data", str(self.folder), "--intake", intake, "--api", api]

    def environment(self) -> dict[str, str]:
        own = {name: value for name, value in os.environ.items() if not name.startswith("LOGKEEP_")}
        return own | self._settings

    def wait_until_ready(self) -> None:
        wait_for(self._is_ready, START_S, f"{self.api_url} and {self.intake_url} to be ready", self.log_tail)

    def _is_ready(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, f"serve ended with {self.process.returncode}\n{self.log_tail()}"
        return all(answers_ok(f"{url}/health/ready") for url in (self.intake_url, self.api_url))

    def log_tail(self) -> str:
        return self.log.read_text(errors="replace")[-4000:] if self.log.exists() else ""

    @property
    def credentials(self) -> dict[str, str]:
        found: dict[str, str] = json.loads((self.folder / "first-run.json").read_bytes())
        return found

    @property
    def write_headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.credentials['app_key']}"}

    @property
    def read_headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.credentials['api_token']}"}

    def post(self, events: Any, **headers: str) -> httpx.Response:
        return httpx.post(f"{self.intake_url}/v1/events", json=events, headers=self.write_headers | headers, timeout=30)

    def get(self, path: str, **parameters: str | int) -> httpx.Response:
        return httpx.get(f"{self.api_url}{path}", params=parameters, headers=self.read_headers, timeout=60)

    def search(self, query: str, **parameters: str | int) -> list[dict[str, Any]]:
        """Every match, all pages joined."""
        events: list[dict[str, Any]] = []
        arguments = {"from": "-1d", "limit": 1000, **parameters}
        while True:
            response = self.get("/api/v1/search", query=query, **arguments)
            assert response.status_code == 200, response.text
            page = response.json()
            events += page["events"]
            if page["next"] is None:
                return events
            arguments["cursor"] = page["next"]

    def wait_for_events(self, query: str, count: int, *, timeout_s: float = 60.0) -> list[dict[str, Any]]:
        """The matches, once there are `count` of them."""
        found: list[dict[str, Any]] = []

        def all_are_there() -> bool:
            found[:] = self.search(query)
            return len(found) >= count

        wait_for(all_are_there, timeout_s, f"{count} events for {query!r}", lambda: f"found {len(found)}")
        return found

    def ledger(self) -> dict[str, Any]:
        response = self.get("/api/v1/ledger", app=self.credentials["app"])
        assert response.status_code == 200, response.text
        ledger: dict[str, Any] = response.json()
        return ledger

    def wait_until_drained(self, *, timeout_s: float = 90.0) -> dict[str, Any]:
        """The ledger, once nothing is queued any more. On a queue of others it may be AGE_S_MAX old: of after that."""
        last: dict[str, Any] = {}
        shared = "LOGKEEP_QUEUE_KIND" in self._settings
        fresh_s = time.monotonic() + (AGE_S_MAX if shared else 0.0)

        def is_drained() -> bool:
            asked_s = time.monotonic()
            last.update(self.ledger())
            return bool(last["queued"] == 0) and asked_s >= fresh_s

        wait_for(is_drained, timeout_s, "the queue to be empty", lambda: f"ledger {last}\n{self.log_tail()}")
        return self.ledger()

    def pids(self, role: Role) -> list[int]:
        """The processes of `role`, told apart by what they listen on."""
        assert self.process is not None
        if role == "supervisor":
            return [self.process.pid]
        wanted = {
            "receiver": _socket_inodes("tcp", self.intake_port),
            "udp": _socket_inodes("udp", self.intake_port),
            "keeper": _socket_inodes("tcp", self.api_port),
        }[role]
        return [pid for pid in descendants(self.process.pid) if wanted & _open_sockets(pid)]

    def terminate(self, *, timeout_s: float = 10.0) -> int:
        """Exit code after SIGTERM. Raises subprocess.TimeoutExpired when it takes longer than the contract allows."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout_s)

    def kill_supervisor(self) -> None:
        """SIGKILL to the supervisor alone; returns when its children have followed it."""
        assert self.process is not None
        children = descendants(self.process.pid)
        self.process.kill()
        self.process.wait()
        wait_for(
            lambda: not any(is_alive(pid) for pid in children),
            60.0,
            f"the children {children} to end after their supervisor",
            lambda: f"still there: {[pid for pid in children if is_alive(pid)]}\n{self.log_tail()}",
        )

    def kill_all(self) -> None:
        """No process of this service is left."""
        if self.process is None:
            return
        for pid in [*descendants(self.process.pid), self.process.pid]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait()


def wait_for(is_true: Callable[[], bool], timeout_s: float, what: str, detail: Callable[[], str] = str) -> None:
    """Returns once `is_true()`; raises AssertionError that says what was waited for."""
    began_s = time.monotonic()
    while not is_true():
        waited_s = time.monotonic() - began_s
        if waited_s > timeout_s:
            raise AssertionError(f"waited {timeout_s:g} s for {what}; {detail()}")
        time.sleep(min(max(POLL_S, waited_s / POLL_PART), POLL_MAX_S))


def answers_ok(url: str) -> bool:
    try:
        return httpx.get(url, timeout=5).status_code == 200
    except httpx.HTTPError:
        return False


def free_port(*, taken: int = 0) -> int:
    """A port that is free on loopback for both TCP and UDP, is not `taken`, and is given to nobody else meanwhile."""
    for _ in range(100):
        with socket.socket() as tcp, socket.socket(type=socket.SOCK_DGRAM) as udp:
            tcp.bind(("127.0.0.1", 0))
            port: int = tcp.getsockname()[1]
            if port == taken:
                continue
            try:
                udp.bind(("127.0.0.1", port))
            except OSError:
                continue
            if _reserved(port):
                return port
    raise AssertionError("no port is free for both TCP and UDP")


def _reserved(port: int) -> bool:
    """False when a test has it: between this and what will listen there, and while that is started again.

    Until the end of this process it is no other's, as the byte of its number in one file of the machine is locked.
    """
    if port in _given:
        return False
    try:
        fcntl.lockf(_ports(), fcntl.LOCK_EX | fcntl.LOCK_NB, 1, port)
    except OSError:
        return False
    _given.add(port)
    return True


@functools.cache
def _ports() -> int:
    path = f"{tempfile.gettempdir()}/logkeep-test-ports-{os.getuid()}"
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)


def is_alive(pid: int) -> bool:
    """False for a zombie too: it runs no more, its parent has not looked yet."""
    return _state_and_parent(pid)[0] not in ("", "Z", "X")


def descendants(pid: int) -> list[int]:
    """Children of `pid` and theirs, parents first."""
    parents = {int(name): _state_and_parent(int(name))[1] for name in os.listdir("/proc") if name.isdigit()}
    found, wave = [], [pid]
    while wave:
        wave = [child for child, parent in parents.items() if parent in wave]
        found += wave
    return found


def _state_and_parent(pid: int) -> tuple[str, int]:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return "", 0
    state, parent = stat.rpartition(")")[2].split()[:2]
    return state, int(parent)


def _socket_inodes(protocol: str, port: int) -> set[str]:
    """Inodes of the sockets bound to `port` (TCP: of those that listen)."""
    found = set()
    for line in Path(f"/proc/net/{protocol}").read_text().splitlines()[1:]:
        columns = line.split()
        listens = protocol == "udp" or columns[3] == "0A"
        if listens and int(columns[1].rpartition(":")[2], 16) == port:
            found.add(columns[9])
    return found


def _open_sockets(pid: int) -> set[str]:
    found = set()
    with contextlib.suppress(FileNotFoundError, ProcessLookupError, PermissionError):
        for descriptor in os.scandir(f"/proc/{pid}/fd"):
            with contextlib.suppress(FileNotFoundError):
                target = os.readlink(descriptor.path)
                if target.startswith("socket:["):
                    found.add(target[8:-1])
    return found


@contextlib.contextmanager
def running(folder: Path, **settings: str) -> Iterator[Service]:
    """A ready service for the length of a `with`; killed at its end if the test has not stopped it."""
    service = Service.start(folder, settings=settings)
    try:
        yield service
    finally:
        service.kill_all()
