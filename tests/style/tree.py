"""The files of this repository, as the style tests see them."""

import ast
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "src" / "logkeep"


@cache
def files(*suffixes: str) -> tuple[Path, ...]:
    """Files that are, or with the next commit could be, in the repository; all of them without `suffixes`."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout.decode().split("\0")
    paths = (ROOT / name for name in sorted(set(listed)) if name)
    return tuple(path for path in paths if path.is_file() and (not suffixes or path.suffix in suffixes))


def python_files(folder: Path) -> list[Path]:
    return [path for path in files(".py") if path.is_relative_to(folder)]


def calls(path: Path) -> Iterator[ast.Call]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call):
            yield node


def place(path: Path, line: int) -> str:
    return f"{path.relative_to(ROOT)}:{line}"
