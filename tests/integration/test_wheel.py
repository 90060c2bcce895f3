"""The wheel is whole: built from this tree, installed elsewhere, it runs."""

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import logkeep

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built without a network, by the locked build tool."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    [built] = folder.glob("*.whl")
    return built


def test_the_wheel_holds_every_file_of_the_package_and_the_licence(wheel: Path) -> None:
    package = ROOT / "src" / "logkeep"
    sources = {str(path.relative_to(ROOT / "src")) for path in package.rglob("*") if path.is_file()}
    wanted = {name for name in sources if "__pycache__" not in name}
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    assert wanted - names == set()
    assert any(name.endswith("licenses/LICENSE") for name in names)


@pytest.mark.slow
def test_the_wheel_installs_into_a_fresh_environment_and_runs(wheel: Path, tmp_path: Path) -> None:
    environment = tmp_path / "venv"
    python = environment / "bin" / "python"
    uv = shutil.which("uv") or str(Path(sys.executable).with_name("uv"))
    base = [uv, "pip", "install", "--quiet", "--python", str(python)]
    for command in (
        [uv, "venv", "--quiet", "--python", sys.executable, str(environment)],
        [*base, "--require-hashes", "-r", str(ROOT / "requirements.lock")],
        [*base, "--no-deps", str(wheel)],
    ):
        subprocess.run(command, check=True, timeout=240)
    version = subprocess.run(
        [environment / "bin" / "logkeep", "--version"], cwd=tmp_path, capture_output=True, text=True, timeout=60
    )
    assert (version.returncode, version.stdout.split()[-1]) == (0, logkeep.__version__), version.stderr
