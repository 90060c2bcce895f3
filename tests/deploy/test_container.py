"""deploy/Containerfile without an engine: a linter reads it, its build steps are executed, and what they made runs.

The steps install from the lock with hashes into an empty environment, with uv in the place of pip. What comes out is
started as in a container: another user, no capability, nothing writable but the data folder and a small /tmp.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from tests.deploy.conftest import tool
from tests.deploy.site import DEPLOY
from tests.programs import missing, require_program
from tests.service import answers_ok, free_port, wait_for
from tests.style.tree import ROOT

from logkeep import settings

CONTAINERFILE = DEPLOY / "Containerfile"
USER = 10001
CONTEXT = ("requirements.lock", "pyproject.toml", "hatch_build.py", "README.md", "LICENSE", "src")


def instructions() -> list[tuple[str, str]]:
    """Instruction and its text, lines joined, in order."""
    lines = [line for line in CONTAINERFILE.read_text().splitlines() if not line.startswith("#")]
    joined = "\n".join(lines).replace("\\\n", " ")
    return [
        (name, " ".join(rest.split()))
        for name, _, rest in (line.partition(" ") for line in joined.splitlines() if line)
    ]


def of(name: str) -> list[str]:
    return [text for instruction, text in instructions() if instruction == name]


def test_the_linter_has_nothing_to_say() -> None:
    done = subprocess.run([tool("hadolint"), str(CONTAINERFILE)], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (0, "")
    assert not any("apt" in step for step in of("RUN"))  # no compiler comes in either


def test_the_image_runs_as_nobody_and_says_what_it_is() -> None:
    default = settings.Settings()
    intake, api = default.intake.port, default.api.port
    assert of("USER") == [f"{USER}:{USER}"]
    assert of("EXPOSE") == [f"{intake}/tcp {intake}/udp {api}/tcp"]
    assert (of("STOPSIGNAL"), of("VOLUME")) == (["SIGTERM"], ["/data"])
    assert (of("ENTRYPOINT"), of("CMD")) == (['["logkeep"]'], ['["serve"]'])
    assert len({base.split()[0] for base in of("FROM")}) == 1 and "slim" in of("FROM")[0]
    labels = set(re.findall(r"org\.opencontainers\.image\.(\w+)", " ".join(of("LABEL"))))
    assert {"title", "description", "licenses", "version", "revision"} <= labels


def test_the_build_sees_only_what_it_needs() -> None:
    lines = (DEPLOY / "Containerfile.dockerignore").read_text().splitlines()
    assert [line[1:] for line in lines if line.startswith("!")] == list(CONTEXT)
    copied = [word for text in of("COPY") if not text.startswith("--from") for word in text.split()[:-1]]
    assert set(copied) == set(CONTEXT)


@pytest.fixture(scope="module")
def place() -> Iterator[Path]:
    """A folder that every user may enter, for /build, /opt and /data of the image."""
    with tempfile.TemporaryDirectory(prefix="logkeep-image-", dir="/var/tmp") as folder:
        os.chmod(folder, 0o755)
        yield Path(folder)


@pytest.fixture(scope="module")
def installed(place: Path) -> Path:
    """/opt/logkeep as the first stage leaves it."""
    build = place / "build"
    build.mkdir()
    for name in CONTEXT:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, build / name)
    uv = f"{tool('uv')} pip"
    environment = place / "opt/logkeep"
    python = f"--python {environment}/bin/python"
    exchanged = {
        "python -m venv /opt/logkeep": f"{tool('uv')} venv --quiet --python {python_for_everyone()} {environment}",
        "/opt/logkeep/bin/pip install --no-cache-dir": f"{uv} install --quiet {python}",
        "/opt/logkeep/bin/pip uninstall --yes": f"{uv} uninstall --quiet {python}",
        "/opt/logkeep/bin/python": f"{environment}/bin/python",
    }
    theirs = re.compile("|".join(re.escape(text) for text in exchanged))
    first_stage = instructions()[: instructions().index(("FROM", of("FROM")[1]))]
    runs = [text for instruction, text in first_stage if instruction == "RUN"]
    steps = [theirs.sub(lambda found: exchanged[found[0]], text) for text in runs]
    assert len(steps) == 2 and not any("bin/pip" in step for step in steps)
    for step in steps:
        done = subprocess.run(["sh", "-euc", step], cwd=build, capture_output=True, text=True, timeout=240)
        assert done.returncode == 0, done.stdout + done.stderr
    return environment


def python_for_everyone() -> str:
    """An interpreter that another user may start: not one in the home of root."""
    candidates = (Path(sys.executable).resolve(), Path("/usr/bin/python3"))
    open_to_all = (str(p) for p in candidates if p.exists() and all(f.stat().st_mode & 0o001 for f in p.parents))
    return next(open_to_all, "") or missing("a Python that every user may start")


@pytest.mark.slow
def test_the_build_steps_leave_the_package_and_neither_a_compiler_nor_a_build_tool(installed: Path) -> None:
    libraries = installed / "lib"
    packages = {path.name.partition("-")[0] for path in libraries.rglob("*.dist-info")}
    assert {"logkeep", "chdb", "uvloop"} <= packages
    assert packages & {"hatchling", "editables", "pytest", "setuptools"} == set()
    assert list(libraries.rglob("*.pth")) == [] or all("_virtualenv" in p.name for p in libraries.rglob("*.pth"))


@pytest.mark.slow
def test_it_runs_as_another_user_on_a_read_only_system(installed: Path, place: Path) -> None:
    """The variables of the image, a volume at /data; SIGTERM ends it with 0."""
    if os.geteuid() != 0:
        missing("root, to start as another user on a read-only system,")
    data = place / "data"
    data.mkdir(mode=0o700)
    os.chown(data, USER, USER)
    intake_port, api_port = free_port(), free_port()
    variables = dict(re.findall(r"(\w+)=(\S+)", " ".join(of("ENV")).replace("/opt/logkeep", str(installed))))
    variables |= {"PATH": f"{installed}/bin:/usr/bin:/bin", "LOGKEEP_DATA": str(data)}
    variables |= {"LOGKEEP_INTAKE_PORT": str(intake_port), "LOGKEEP_API_PORT": str(api_port)}
    log = place / "log"
    with log.open("wb") as output:
        command = ["unshare", "--mount", "sh", "-euc", contained(data)]
        process = subprocess.Popen(command, cwd="/", env=variables, stdout=output, stderr=output)
    try:
        urls = [f"http://127.0.0.1:{port}/health/ready" for port in (intake_port, api_port)]
        wait_for(
            lambda: process.poll() is not None or all(answers_ok(url) for url in urls), 60, "readiness", log.read_text
        )
        assert process.poll() is None, log.read_text()
        key = json.loads((data / "first-run.json").read_bytes())["app_key"]
        event = {"session": "s", "key": "k", "value": 1}
        headers = {"Authorization": f"Bearer {key}"}
        assert httpx.post(urls[0].replace("health/ready", "v1/events"), json=event, headers=headers).status_code == 202
        status = dict(line.split(":\t", 1) for line in Path(f"/proc/{process.pid}/status").read_text().splitlines())
        assert (status["Uid"].split(), status["CapBnd"], status["NoNewPrivs"]) == ([str(USER)] * 4, "0" * 16, "1")
        process.terminate()
        assert process.wait(15) == 0, log.read_text()
    finally:
        process.kill()
        process.wait()


def contained(data: Path) -> str:
    """A script for a mount namespace of its own: read-only but for `data` and /tmp, then no right is left."""
    require_program("setpriv")
    return f"""
        mount --make-rprivate /
        mount --bind {data} {data}
        mount -t tmpfs -o size=64m,mode=1777 tmpfs /tmp
        mount -o remount,bind,ro /
        if touch /etc/written 2>/dev/null; then exit 9; fi
        exec setpriv --reuid {USER} --regid {USER} --clear-groups --bounding-set=-all --no-new-privs \
            logkeep serve
    """
