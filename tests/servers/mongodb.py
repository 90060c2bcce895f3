"""A server that speaks the MongoDB wire protocol, on loopback, for tests: mongo-java-server, MongoDB written anew.

What passes here is "tested on the MongoDB wire protocol", not "on MongoDB": no package registry has a real mongod. This
one has no transactions, sessions, change streams, $text and explain, keeps indexes without using all of them, compares
texts by UTF-16 units, and reckons with long integers in doubles here and there.

`python -m tests.servers.mongodb` fetches its jars into the user's cache folder; starting does so as well where they are
missing.
"""

import atexit
import functools
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

HERE = Path(__file__).parent / "mongodb_java"
MAIN = "MongoWire"
START_S = 60.0


class MongoWireServer:
    """One server process. file: where it keeps its data; None: in memory."""

    def __init__(self, file: Path | None = None, port: int = 0) -> None:
        self.file, self.port = file, port
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    @property
    def url(self) -> str:
        return f"mongodb://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Listening when it returns, on the port it had before."""
        folder = jars()
        # The client compiler alone: a test session is over before the other one has paid.
        options = ["-Xmx768m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]
        command = ["java", *options, "-cp", f"{folder}:{folder}/*", MAIN, str(self.port)]
        self._process = subprocess.Popen(
            command + [str(self.file)] * (self.file is not None), stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert self._process.stdout is not None
        line = self._process.stdout.readline().decode()  # it says its port, or ends
        if not line.startswith("listening on "):
            self.stop()
            raise AssertionError(f"the MongoDB server of the tests did not start: {line!r}")
        self.port = int(line.split()[-1])

    def stop(self) -> None:
        """Ends it in order, its file written."""
        if self._process is None:
            return
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()
        self._process = None


@functools.cache
def shared() -> MongoWireServer:
    """The one that all suites of a test session use, each in databases of its own; it ends with this process."""
    from tests.conftest import require_program

    require_program("java")
    require_program("mvn")
    server = MongoWireServer()
    atexit.register(server.stop)
    return server


@contextmanager
def running(file: Path | None = None) -> Iterator[MongoWireServer]:
    """One of its own, for a test that ends it."""
    shared()  # what is missing is said there
    server = MongoWireServer(file)
    try:
        yield server
    finally:
        server.stop()


def jars() -> Path:
    """The folder of its classes and jars, fetched by name through Maven where it is not there yet."""
    sources = [HERE / "pom.xml", HERE / f"{MAIN}.java"]
    name = hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()[:12]
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "logkeep-tests"
    folder = cache / f"mongodb-{name}"
    if folder.exists():
        return folder
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache) as made:
        _run("mvn", "-q", "-B", "-f", str(sources[0]), "dependency:copy-dependencies", f"-DoutputDirectory={made}/new")
        _run("javac", "-cp", f"{made}/new/*", "-d", f"{made}/new", str(sources[1]))
        try:
            os.rename(f"{made}/new", folder)
        except OSError:  # another process was first
            assert folder.exists()
    return folder


def _run(*command: str) -> None:
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert done.returncode == 0, f"{' '.join(command[:4])} …: {done.stdout[-2000:]}"


if __name__ == "__main__":
    missing = [name for name in ("java", "javac", "mvn") if shutil.which(name) is None]
    if missing:
        sys.exit(f"missing: {', '.join(missing)}")
    jars()
