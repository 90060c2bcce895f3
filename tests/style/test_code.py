"""The house style where a machine can see it: sizes, and what has no place in the code."""

import ast
import re
from collections.abc import Callable

import pytest
from tests.style.tree import ROOT, SOURCE, calls, files, place, python_files
from tests.workers import OF_FILES

FUNCTION_LINES_MAX = 70
FILE_LINES_MAX = 600
SLEEP_S_MAX = 0.5
# Data, and texts that are not ours.
UNREAD = {".png", ".webp", ".svg", ".ico", ".woff2"}


def test_no_function_is_longer_than_a_screen() -> None:
    long = []
    for path in python_files(SOURCE):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = (node.end_lineno or node.lineno) - node.lineno + 1
                if lines > FUNCTION_LINES_MAX:
                    long.append(f"{place(path, node.lineno)} {node.name}: {lines} lines")
    assert long == []


def test_no_file_is_longer_than_it_can_be_read() -> None:
    ours = [*python_files(SOURCE), *python_files(ROOT / "tests")]
    lengths = {str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in ours}
    assert {name: lines for name, lines in lengths.items() if lines > FILE_LINES_MAX} == {}


def test_every_module_says_what_it_is() -> None:
    silent = []
    for path in python_files(SOURCE):
        tree = ast.parse(path.read_text())
        if tree.body and not path.name.startswith("__") and ast.get_docstring(tree) is None:
            silent.append(str(path.relative_to(ROOT)))
    assert silent == []


def test_only_the_command_line_prints() -> None:
    printing = [
        place(path, call.lineno)
        for path in python_files(SOURCE)
        if not path.is_relative_to(SOURCE / "cli")
        for call in calls(path)
        if ast.unparse(call.func) == "print"
    ]
    assert printing == []


def test_no_test_sleeps_for_long() -> None:
    sleeping = [
        place(path, call.lineno)
        for path in python_files(ROOT / "tests")
        for call in calls(path)
        # Only real ones: a ManualClock's sleep takes no time.
        if ast.unparse(call.func) in ("time.sleep", "asyncio.sleep", "sleep", "SystemClock().sleep")
        if call.args and _constant(call.args[0]) > SLEEP_S_MAX
    ]
    assert sleeping == []


def _constant(node: ast.expr) -> float:
    return float(node.value) if isinstance(node, ast.Constant) and isinstance(node.value, int | float) else 0.0


def test_every_test_module_has_a_test_and_every_test_a_name_that_is_a_sentence() -> None:
    faults = []
    for path in python_files(ROOT / "tests"):
        if not path.name.startswith("test_"):
            continue
        tree = ast.parse(path.read_text())
        names = [n.name for n in ast.walk(tree) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)]
        tests = [name for name in names if name.startswith("test_")]
        machines = [n for n in ast.walk(tree) if isinstance(n, ast.Assign) and "TestCase" in ast.unparse(n)]
        contracts = [n for n in ast.walk(tree) if isinstance(n, ast.ClassDef) and n.bases]
        if not tests and not machines and not contracts:
            faults.append(f"{path.relative_to(ROOT)} has no test")
        faults += [f"{path.relative_to(ROOT)}: {name}" for name in tests if name.count("_") < 3]
    assert faults == []


# Written in pieces, so that this file does not hold what it looks for.
UNWANTED: dict[str, re.Pattern[str]] = {
    "a note of work not done": re.compile(r"\b(TO" + r"DO|FIX" + r"ME)\b"),
    "a path of one machine": re.compile(r"(^|[^\w.])/(?:work|farm)/", re.MULTILINE),
    "the address of a package registry": re.compile(
        r"(files\.pythonhosted|pypi|registry\.npmjs|registry\.yarnpkg|repo1?\.maven|deb\.debian|crates|proxy\.golang)"
        r"\.(org|io|apache|com)\b"
    ),
    "a conflict that was not resolved": re.compile(r"^(<{7}|>{7}) ", re.MULTILINE),
}


@pytest.mark.parametrize("what", UNWANTED)
def test_the_tree_holds_no(what: str) -> None:
    assert _places(UNWANTED[what].search) == []


def _places(search: Callable[[str], re.Match[str] | None]) -> list[str]:
    found = []
    for path in files():
        if path.suffix in UNREAD:
            continue
        text = path.read_text(errors="replace")
        if match := search(text):
            found.append(place(path, text.count("\n", 0, match.start()) + 1))
    return found


def test_files_that_talk_to_a_large_server_are_of_its_group() -> None:
    """Else the server is started by two processes of `make test`."""
    asks = re.compile(r"\b(kafka|mariadb|postgresql): \w|\b(elasticsearch|mongodb|opensearch)\.shared|\b(filled): ")
    tests = [path for path in python_files(ROOT / "tests") if path.name.startswith("test_")]
    asking = {str(path.relative_to(ROOT)) for path in tests if asks.search(path.read_text())}
    assert [name for name in sorted(asking) if not name.startswith(tuple(OF_FILES))] == []
