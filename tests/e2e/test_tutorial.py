"""The tutorial, executed as it stands.

Every ```sh block of docs/tutorial/first-ten-minutes.md runs in one shell, in order, in a folder with `data` and
`.venv`; the ```output block that follows one must be found in what it printed: each of its lines, in order, `…`
standing for anything. ```console blocks (starting the service) are the fixture's work. Only the ports differ.
"""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from tests.service import Service

ROOT = Path(__file__).parents[2]
TUTORIAL = ROOT / "docs/tutorial/first-ten-minutes.md"
BLOCK = re.compile(r"^```(sh|output|console)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
END_OF_STEP = "end of step 48b1"


def steps() -> list[tuple[str, list[str]]]:
    """Scripts in order, each with the lines its output must have."""
    found: list[tuple[str, list[str]]] = []
    for kind, text in BLOCK.findall(TUTORIAL.read_text()):
        if kind == "sh":
            found.append((text, []))
        elif kind == "output":
            found[-1][1].extend(text.splitlines())
    return found


def pattern_of(lines: list[str]) -> re.Pattern[str]:
    each = [".*?".join(re.escape(piece) for piece in line.strip().split("…")) for line in lines]
    return re.compile(".*?".join(each), re.DOTALL)


@pytest.mark.timeout(180)
def test_every_step_of_the_tutorial_does_what_it_says(tmp_path: Path) -> None:
    service = Service.start(tmp_path / "data")
    (tmp_path / ".venv").symlink_to(Path(sys.executable).parents[1])
    script = ["set -eu"]
    for text, _ in steps():
        script += [text, f"echo; echo '{END_OF_STEP}'"]
    joined = "\n".join(script).replace(":7300", f":{service.intake_port}")
    joined = joined.replace(":7301", f":{service.api_port}").replace(
        '("127.0.0.1", 7300)', f'("127.0.0.1", {service.intake_port})'
    )
    urls = {"LOGKEEP_INTAKE_PORT": str(service.intake_port), "LOGKEEP_API_PORT": str(service.api_port)}
    try:
        result = subprocess.run(
            ["bash", "-c", joined],
            cwd=tmp_path,
            env=service.environment() | urls,
            capture_output=True,
            text=True,
            timeout=150,
        )
    finally:
        service.kill_all()
    assert result.returncode == 0, result.stdout + result.stderr
    outputs = result.stdout.split(END_OF_STEP)
    for (text, expected), output in zip(steps(), outputs, strict=False):
        assert pattern_of(expected).search(output), (
            f"after\n{text}\nexpected\n{expected}\nin\n{output}\n{result.stderr}"
        )


def test_the_tutorial_has_steps_with_outputs() -> None:
    assert len(steps()) >= 8
    assert sum(bool(lines) for _, lines in steps()) >= 6
