"""Servers that are Java libraries: NAME.pom.xml says which, Maven brings them, the user's cache folder keeps them."""

import fcntl
import hashlib
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.programs import require_program

HERE = Path(__file__).parent
COPY = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies"
FETCH_S = 240.0


def java(heap: str) -> list[str]:
    """How a Java machine begins: small, and compiled once, as a test is over before a second time has paid."""
    log = f"-Dlog4j2.configurationFile=file:{HERE}/log4j2.properties"
    return [require_program("java"), f"-Xms{heap}", f"-Xmx{heap}", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", log]


def fetched(name: str, program: str | None = None) -> Path:
    """The folder with what NAME.pom.xml asks for in `jars`, and PROGRAM.java compiled in `classes`."""
    sources = [HERE / f"{name}.pom.xml", *([HERE / f"{program}.java"] if program else [])]
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "logkeep-tests" / "java"
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()
    folder = cache / f"{name}-{digest[:12]}"
    if folder.exists():
        return folder
    cache.mkdir(parents=True, exist_ok=True)
    with _one_at_a_time(cache / "lock"), TemporaryDirectory(dir=cache, prefix=f".{name}-") as made:
        if not folder.exists():  # else another run was first
            _make(Path(made, "all"), *sources)
            os.rename(f"{made}/all", folder)
    return folder


def _make(folder: Path, pom: Path, program: Path | None = None) -> None:
    maven = [require_program("mvn"), "-B", "-q", "-f", str(pom)]
    _run(*maven, COPY, f"-DoutputDirectory={folder}/jars", "-DincludeScope=runtime")
    if program:
        compiler = [require_program("javac"), "-nowarn", "-proc:none"]
        _run(*compiler, "-cp", f"{folder}/jars/*", "-d", f"{folder}/classes", str(program))


def _run(*command: str) -> None:
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=FETCH_S
    )
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout[-3000:]}"


@contextmanager
def _one_at_a_time(lock: Path) -> Iterator[None]:
    with lock.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield
