"""A server as a process on loopback, and one of a kind that all tests of a run share. None outlives the tests."""

import atexit
import contextlib
import ctypes
import functools
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from tests.service import descendants, wait_for

START_S = 180.0  # a bound for two cores that are busy with much else; the slowest takes 10 s on quiet ones
STOP_S = 20.0
TAIL_BYTES = 3000
_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None)  # loaded here: a child of a process with threads can load nothing safely
_shared = ExitStack()
atexit.register(_shared.close)
T = TypeVar("T")


class ServerProcess:
    """A server that is ready within a `with` and gone after it. Meanwhile: ended in any way, and started again.

    It ends with this process too, whatever ends that. Its log and what it keeps stay where they are.
    """

    def __init__(
        self,
        command: Sequence[str],
        log: Path,
        *,
        ready: Callable[[str], bool],
        url: str = "",
        user: str | None = None,
    ) -> None:
        """ready: asked with what the process has said since its start. user: whom it becomes (`unprivileged`)."""
        self.url = url
        self._command, self._log, self._ready, self._user = list(command), log, ready, user
        self._process: subprocess.Popen[bytes] | None = None
        self._log_began = 0

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Ready, or AssertionError with the end of its log and nothing left of it."""
        self.launch()
        try:
            self.wait_until_ready()
        except BaseException:
            self.kill()
            raise

    def launch(self) -> None:
        """`start` without waiting: for servers that are ready only together."""
        assert threading.current_thread() is threading.main_thread(), "it would end with this thread"
        assert not self.is_alive(), "it runs already"
        self._log_began = self._log.stat().st_size if self._log.exists() else 0
        with self._log.open("ab") as output:
            self._process = subprocess.Popen(
                self._command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, cwd=self._log.parent,
                user=self._user, preexec_fn=functools.partial(_end_with, os.getpid()),
            )  # fmt: skip

    def wait_until_ready(self) -> None:
        wait_for(self._is_ready, START_S, f"{self._log.stem} to be ready", self.log_tail)

    def _is_ready(self) -> bool:
        assert self.is_alive(), f"{self._log.stem} ended\n{self.log_tail()}"
        return self._ready(self._said())

    def _said(self) -> str:
        with self._log.open("rb") as log:
            log.seek(self._log_began)
            return log.read().decode(errors="replace")

    def log_tail(self) -> str:
        return self._said()[-TAIL_BYTES:]

    def is_alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def kill(self) -> None:
        """As a power cut would: nothing is finished."""
        if self.is_alive():
            self._tell(signal.SIGKILL)
            assert self._process is not None
            self._process.wait(STOP_S)

    def stop(self) -> None:
        """In order; killed when that takes too long."""
        if self.is_alive():
            assert self._process is not None
            self._process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(STOP_S)
        self.kill()

    def freeze(self) -> None:
        """It holds its connections and answers nothing more, until `thaw`."""
        self._tell(signal.SIGSTOP)
        until = time.monotonic() + STOP_S
        while not all(map(_is_stopped, [self.pid, *descendants(self.pid)])):  # a busy machine takes its time
            assert time.monotonic() < until, "the process does not stop"
            time.sleep(0.01)

    def thaw(self) -> None:
        self._tell(signal.SIGCONT)

    def _tell(self, number: signal.Signals) -> None:
        for pid in [self.pid, *descendants(self.pid)]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()  # an orderly end takes seconds, and nothing of it is needed any more


def _end_with(parent: int) -> None:
    """In the child."""
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it was quicker
        os._exit(1)


def shared(running: Callable[[], AbstractContextManager[T]]) -> Callable[[], T]:
    """What `running` starts, the same for all tests of a run: started when first asked for, gone with this process."""
    return functools.cache(lambda: _shared.enter_context(running()))


@contextmanager
def folder_of(name: str, folder: Path | None = None, *, user: str | None = None) -> Iterator[Path]:
    """`folder`, or a new one, of `user`, that is removed at the end; its path is short, as sockets want it."""
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        yield folder
        return
    made = tempfile.mkdtemp(prefix=f"lk-{name}-")
    try:
        if user is not None:
            shutil.chown(made, user)
        yield Path(made)
    finally:
        shutil.rmtree(made, ignore_errors=True)


def lasting_folder(name: str) -> Path:
    """A new one that is removed when this process ends."""
    return _shared.enter_context(folder_of(name))


def unprivileged(user: str) -> str | None:
    """`user`, when this process is root and has to become somebody else for a server that refuses root."""
    if os.getuid() != 0:
        return None
    pwd.getpwnam(user)  # the package makes it
    return user


def _is_stopped(pid: int) -> bool:
    """Every thread of it; also a process that is gone."""
    try:
        stats = [task.read_text() for task in Path(f"/proc/{pid}/task").glob("*/stat")]
    except FileNotFoundError:
        return True
    return all(stat.rpartition(")")[2].split()[0] in "TtZX" for stat in stats)
