"""Servers as processes of the tests: started with nothing of ours open, ended by their ids, whatever a test does."""

import contextlib
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.service import wait_for

STOP_TIMEOUT_S = 15.0


class ServerProcess:
    """One process of its own session; its output is in `log`."""

    def __init__(self, command: Sequence[str], log: Path, environment: Mapping[str, str] | None = None) -> None:
        self.command, self.log, self._environment = list(command), log, dict(environment or os.environ)
        self.process = self._started()

    def _started(self) -> subprocess.Popen[bytes]:
        with open(self.log, "ab") as output:
            return subprocess.Popen(
                self.command, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                env=self._environment, start_new_session=True,
            )  # fmt: skip

    def text(self) -> str:
        return self.log.read_text(errors="replace")

    def wait_for_text(self, wanted: str, timeout_s: float, *, count: int = 1) -> None:
        def is_there() -> bool:
            assert self.process.poll() is None, f"{self.command[0]} ended\n{self.text()[-3000:]}"
            return self.text().count(wanted) >= count

        wait_for(is_there, timeout_s, f"{wanted!r} of {self.command[0]}", lambda: self.text()[-3000:])

    def kill(self) -> None:
        """kill -9."""
        self.process.kill()
        self.process.wait()

    def start_again(self) -> None:
        self.process = self._started()

    def stop(self) -> None:
        """Asked to end, and killed when it does not."""
        if self.process.poll() is None:
            self.process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(STOP_TIMEOUT_S)
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
