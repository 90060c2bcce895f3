"""`logkeep serve`: a small parent that starts the receivers and the keeper, watches them, and stops them in order.

It imports neither engine nor web framework, holds the lock of the data folder, and starts a child again that dies:
soon the first time, with growing waits after that, so that a process that cannot run does not spin. It also holds the
socket of the datagrams and lends it to whoever reads it, so that they wait in the kernel while that process restarts.
"""

import fcntl
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec

from logkeep.errors import BackendUnavailable
from logkeep.receiver.udp_socket import open_udp_socket
from logkeep.settings import Settings
from logkeep.telemetry import Telemetry, get_logger

START_TIMEOUT_S = 180.0  # a start takes some seconds; a machine that is busy with others is no reason to give up
STOP_TIMEOUT_S = 9.0  # a service is stopped within 10 s, children included
ORPHANS_TIMEOUT_S = 15.0
RESTART_WAIT_FIRST_S, RESTART_WAIT_MAX_S = 0.05, 10.0
HEALTHY_AFTER_S = 30.0
LOCK_FILE, SETTINGS_FILE = "lock", "run/settings.json"

log = get_logger("supervisor")


def lock_data_folder(folder: Path) -> int:
    """The descriptor of the lock, held until this process and every child that inherits it have ended.

    Raises BackendUnavailable when another Logkeep works in `folder`. When its supervisor is dead, its children are
    ending (they watch their parent), and this waits for them.
    """
    fd = os.open(folder / LOCK_FILE, os.O_RDWR | os.O_CREAT, 0o600)
    os.set_inheritable(fd, True)
    until = time.monotonic() + ORPHANS_TIMEOUT_S
    while True:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except BlockingIOError:
            holder = os.pread(fd, 32, 0).decode(errors="replace").strip()
            if (holder.isdecimal() and Path(f"/proc/{holder}").exists()) or time.monotonic() > until:
                os.close(fd)
                raise BackendUnavailable(
                    f"another Logkeep (process {holder or 'unknown'}) works in {folder}; "
                    "stop it, or give this one a folder of its own with --data",
                    code="data_in_use",
                ) from None
            time.sleep(0.1)
    os.ftruncate(fd, 0)
    os.pwrite(fd, str(os.getpid()).encode(), 0)
    return fd


def running_settings(folder: Path) -> Settings | None:
    """Those of the `logkeep serve` that runs on this data folder, with the ports it has; None when none does."""
    with suppress(OSError, msgspec.MsgspecError), open(folder / LOCK_FILE, "rb") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return msgspec.json.decode((folder / SETTINGS_FILE).read_bytes(), type=Settings)
    return None


def free_port(host: str, port: int, *, udp: bool) -> int:
    """`port`, or a free one for 0. Raises BackendUnavailable when another program listens there.

    Receivers share their port (SO_REUSEPORT), so without this look a second service would silently take half of the
    first one's requests.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    for _ in range(20):
        with socket.socket(family, socket.SOCK_STREAM) as tcp, socket.socket(family, socket.SOCK_DGRAM) as datagrams:
            tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                tcp.bind((host, port))
                found: int = tcp.getsockname()[1]
                if udp:
                    datagrams.bind((host, found))
                return found
            except OSError as error:
                if port != 0:
                    raise BackendUnavailable(
                        f"cannot listen on {host}:{port}: {error.strerror}; choose another port or stop what has it",
                        code="port_in_use",
                    ) from error
    raise BackendUnavailable(f"no port of {host} is free for both TCP and UDP", code="port_in_use")


class _Child(msgspec.Struct):
    role: str
    index: int
    process: subprocess.Popen[bytes]
    started: float
    wait_s: float = RESTART_WAIT_FIRST_S
    start_again_at: float = 0.0

    @property
    def name(self) -> str:
        return f"{self.role}-{self.index}"


class Supervisor:
    """The processes of one machine. `run` returns the exit code of `logkeep serve`."""

    def __init__(self, settings: Settings, telemetry: Telemetry) -> None:
        """Ports in `settings` are final (see `free_port`); the data folder is locked."""
        self._settings, self._telemetry = settings, telemetry
        self._children: list[_Child] = []
        self._stopping = False
        self._settings_file = settings.folder / SETTINGS_FILE
        self._datagrams: socket.socket | None = None

    def run(self, on_ready: Callable[[], None]) -> int:
        """Starts everything, calls `on_ready` once all of it answers, watches until SIGTERM or SIGINT.

        Raises InputError when the port for datagrams cannot be had.
        """
        intake = self._settings.intake
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._ask_to_stop)
        self._settings_file.parent.mkdir(parents=True, exist_ok=True)
        _write_private(self._settings_file, msgspec.json.encode(self._settings))  # it holds passwords
        if intake.udp:
            self._datagrams = open_udp_socket(intake.host, intake.port, buffer_bytes=intake.udp_buffer_bytes)
        receivers = [("receiver", i) for i in range(intake.processes)]
        receivers += [("udp", 0)] if intake.udp else []
        for role, index in [("keeper", 0), *receivers]:
            self._children.append(self._start(role, index))
        ready = self._wait_until_ready()
        if not ready and not self._stopping:
            return self._stop(1)
        if not self._stopping:
            on_ready()
        while not self._stopping:
            self._watch()
            time.sleep(0.05)
        return self._stop(0)

    def _ask_to_stop(self, number: int, frame: object) -> None:
        self._stopping = True

    def _start(self, role: str, index: int) -> _Child:
        command = [sys.executable, "-m", "logkeep.cli.child", role, str(index), str(self._settings_file)]
        command.append(str(os.getpid()))
        if role == "udp" and self._datagrams is not None:
            with _lent(self._datagrams) as descriptor:
                process = subprocess.Popen([*command, str(descriptor)], stdin=subprocess.DEVNULL, close_fds=False)
        else:
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, close_fds=False)
        return _Child(role, index, process, time.monotonic())

    def _wait_until_ready(self) -> bool:
        """False when a child ends before everything answers: then the start has failed and the child has said why. Also
        when it shall stop before."""
        until = time.monotonic() + START_TIMEOUT_S
        targets = {
            (self._settings.api.host, self._settings.api.port),
            (self._settings.intake.host, self._settings.intake.port),
        }
        while targets and time.monotonic() < until and not self._stopping:
            for child in self._children:
                if child.process.poll() is not None and not self._stopping:  # Ctrl-C is for the children too
                    log.error("a process ended while starting", process=child.name, exit_code=child.process.returncode)
                    return False
            targets = {target for target in targets if not _answers(*target)}
            time.sleep(0.02)
        if targets and not self._stopping:
            log.error("not ready in time", seconds=START_TIMEOUT_S, addresses=sorted(targets))
        return not targets

    def _watch(self) -> None:
        now = time.monotonic()
        for position, child in enumerate(self._children):
            if child.process.poll() is None:
                if now - child.started > HEALTHY_AFTER_S:
                    child.wait_s = RESTART_WAIT_FIRST_S
                continue
            if not child.start_again_at:
                child.start_again_at = now + child.wait_s
                self._telemetry["process_restarts"].labels(child.role).inc()
                log.error("a process died and is started again", process=child.name, exit_code=child.process.returncode)
            if now >= child.start_again_at:
                again = self._start(child.role, child.index)
                again.wait_s = min(child.wait_s * 2, RESTART_WAIT_MAX_S)
                self._children[position] = again

    def _stop(self, code: int) -> int:
        """Receivers first, so that what they acknowledge last still has a keeper; then the keeper."""
        until = time.monotonic() + STOP_TIMEOUT_S
        for roles in (("receiver", "udp"), ("keeper",)):
            children = [child for child in self._children if child.role in roles]
            for child in children:
                if child.process.poll() is None:
                    child.process.terminate()
            for child in children:
                code = max(code, _ended(child, until))
        return code


def _write_private(path: Path, data: bytes) -> None:
    path.unlink(missing_ok=True)
    with open(path, "xb", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
        file.write(data)


@contextmanager
def _lent(opened: socket.socket) -> Iterator[int]:
    """A child started inside has the socket too, under this descriptor."""
    opened.set_inheritable(True)
    yield opened.fileno()
    opened.set_inheritable(False)


def _ended(child: _Child, until: float) -> int:
    try:
        child.process.wait(timeout=max(0.1, until - time.monotonic()))
    except subprocess.TimeoutExpired:
        log.error("a process did not stop in time and was killed", process=child.name)
        child.process.kill()
        child.process.wait()
        return 1
    return 0


def _answers(host: str, port: int) -> bool:
    """Whether GET /health/ready is answered with 200."""
    try:
        with socket.create_connection((host, port), timeout=1.0) as connection:
            connection.sendall(f"GET /health/ready HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
            return connection.recv(64).startswith(b"HTTP/1.1 200")
    except OSError:
        return False
