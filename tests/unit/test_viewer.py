"""The viewer's own unit tests, run by vitest: text from logs, queries changed by clicks, times, addresses."""

import subprocess
from pathlib import Path

from tests.programs import require_program

VIEWER = Path(__file__).parents[2] / "viewer"


def test_the_units_of_the_viewer_do_what_they_say() -> None:
    npm = require_program("npm")
    done = subprocess.run([npm, "run", "--silent", "test"], cwd=VIEWER, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
