"""deploy/systemd: systemd's own tools take the units and find them tight; their settings are Logkeep's."""

import subprocess
import sys
from pathlib import Path

import pytest
from tests.deploy.site import DEPLOY, exchange
from tests.programs import require_program

from logkeep import settings

UNITS = DEPLOY / "systemd"
LOGKEEP = str(Path(sys.executable).with_name("logkeep"))
# systemd-analyze security, in tenths: 0 is a sealed box, 96 a service without any of this.
EXPOSURE_MAX = {"logkeep.service": 15, "logkeep@receiver.service": 12}


@pytest.fixture
def units(tmp_path: Path) -> Path:
    """A folder of the units as an administrator installs them; only the program is another."""
    for unit in UNITS.glob("*.service"):
        (tmp_path / unit.name).write_text(unit.read_text())
    exchange([*tmp_path.iterdir()], {"/opt/logkeep/bin/logkeep": LOGKEEP})
    (tmp_path / "logkeep@receiver.service").symlink_to("logkeep@.service")
    return tmp_path


def analyse(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [require_program("systemd-analyze"), "--no-pager", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize("unit", EXPOSURE_MAX)
def test_systemd_takes_a_unit_without_a_word(units: Path, unit: str) -> None:
    done = analyse("verify", "--man=no", str(units / unit))
    assert (done.returncode, [line for line in done.stderr.splitlines() if "logkeep" in line]) == (0, [])


@pytest.mark.parametrize(("unit", "exposure_max"), EXPOSURE_MAX.items())
def test_a_unit_may_do_little_beyond_its_work(units: Path, unit: str, exposure_max: int) -> None:
    done = analyse("security", "--offline=true", f"--threshold={exposure_max}", str(units / unit))
    assert done.returncode == 0, done.stdout


def test_the_configuration_is_one_that_logkeep_reads() -> None:
    read = settings.load(file=UNITS / "logkeep.toml", environment={})
    assert (read.intake.host, read.store.retention_days) == ("127.0.0.1", 15)


def test_the_kernel_may_give_datagrams_the_buffer_that_is_asked_for() -> None:
    lines = dict(line.split(" = ") for line in (UNITS / "60-logkeep.conf").read_text().splitlines() if "=" in line)
    assert int(lines["net.core.rmem_max"]) == settings.Intake().udp_buffer_bytes
