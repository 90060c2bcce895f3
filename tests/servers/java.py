"""Servers that are Java libraries: their jars, resolved by Maven into the user's cache, and their processes."""

import atexit
import ctypes
import hashlib
import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkdtemp

from tests.service import wait_for

HERE = Path(__file__).parent
HEAP_MB = 512
START_S = 180.0  # for one on two cores that are busy with much else; 5 s on a quiet machine
STOP_S = 20.0


def prepared(name: str) -> Path:
    """The folder with the jars that HERE/name/pom.xml asks for in `jars`, and its program compiled in `classes`."""
    source = HERE / name
    program = sorted(source.glob("*.java"))
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "logkeep-tests"
    folder = cache / f"{name}-{_digest([source / 'pom.xml'])}"
    classes = folder / f"classes-{_digest(program)}"
    if not folder.exists():
        copy = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies"
        with _made(folder) as made:
            where = f"-DoutputDirectory={made}/jars"
            _run(["mvn", "-B", "-q", "-f", str(source / "pom.xml"), copy, where, "-DincludeScope=runtime"])
    if not classes.exists():
        with _made(classes) as made:
            _run(["javac", "-nowarn", "-proc:none", "-cp", f"{folder}/jars/*", "-d", str(made), *map(str, program)])
    return folder


def program_of(name: str) -> Path:
    """The folder of the compiled program of HERE/name, once it is `prepared`."""
    return prepared(name) / f"classes-{_digest(sorted((HERE / name).glob('*.java')))}"


def _digest(paths: Sequence[Path]) -> str:
    return hashlib.blake2b(b"".join(path.read_bytes() for path in paths), digest_size=6).hexdigest()


@contextmanager
def _made(folder: Path) -> Iterator[Path]:
    """A new folder that becomes `folder` once all is in it."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    made = Path(mkdtemp(dir=folder.parent, prefix=".making-"))
    try:
        yield made
        made.rename(folder)
    except OSError:
        if not folder.exists():  # else another run of the tests was quicker
            raise
    finally:
        shutil.rmtree(made, ignore_errors=True)


def _run(command: Sequence[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"


def _end_with_parent() -> None:
    """In the child: killed when the tests are, whatever ends them."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)


class JavaProcess:
    """A server as a process; `kill` and then `start` keep its folder. ready: whether it answers."""

    def __init__(self, command: Sequence[str], log: Path, ready: Callable[[], bool]) -> None:
        self._command, self._log, self._ready = command, log, ready
        self._process: subprocess.Popen[bytes] | None = None
        atexit.register(self.kill)

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, preexec_fn=_end_with_parent
            )
        wait_for(self._answers, START_S, f"{self._command[-1]} to answer", self._said)

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, self._said()
        return self._ready()

    def _said(self) -> str:
        return self._log.read_text(errors="replace")[-3000:]

    def kill(self) -> None:
        """As a power cut would: no word of goodbye."""
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait(STOP_S)
