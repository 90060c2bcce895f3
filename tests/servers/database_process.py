"""A server of the tests' own: on loopback, in a folder that is thrown away, gone when the tests end in any way."""

import contextlib
import ctypes
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.service import descendants

_PR_SET_PDEATHSIG = 1


@contextmanager
def folder_of(name: str, user: str | None) -> Iterator[Path]:
    """An empty folder under a short path (sockets have a hundred characters), owned by `user`; removed at the end."""
    path = Path(tempfile.mkdtemp(prefix=f"lk-{name}-"))
    try:
        if user is not None:
            shutil.chown(path, user)
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def unprivileged(user: str) -> str | None:
    """`user`, when this process is root and has to become somebody else for a server that refuses root."""
    if os.getuid() != 0:
        return None
    pwd.getpwnam(user)  # the package makes it
    return user


class Server:
    """One process. It ends with this one, also when that is killed."""

    def __init__(self, command: Sequence[str], log: Path, user: str | None) -> None:
        self._command, self.log, self._user = command, log, user
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                user=self._user,
                start_new_session=True,
                preexec_fn=_end_with_parent,
                cwd="/",
            )

    def kill(self) -> None:
        """As a power loss would: nothing is finished."""
        assert self.process is not None
        for pid in [self.process.pid, *descendants(self.process.pid)]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait()

    def stop(self) -> None:
        """Nothing of it is left; its data is thrown away, so it need not end in order."""
        if self.is_alive():
            self.kill()

    def freeze(self) -> None:
        """It holds its connections and answers nothing more, until `thaw`."""
        self._tell_all(signal.SIGSTOP)

    def thaw(self) -> None:
        self._tell_all(signal.SIGCONT)

    def _tell_all(self, number: int) -> None:
        assert self.process is not None
        for pid in [self.process.pid, *descendants(self.process.pid)]:
            os.kill(pid, number)

    def is_alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def log_tail(self) -> str:
        return self.log.read_text(errors="replace")[-3000:] if self.log.exists() else ""


def _end_with_parent() -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def run(command: Sequence[str], user: str | None = None) -> None:
    """Raises AssertionError with what the command said."""
    done = subprocess.run(command, capture_output=True, text=True, user=user, cwd="/", timeout=120)
    assert done.returncode == 0, f"{command[0]}: {done.stdout}\n{done.stderr}"
