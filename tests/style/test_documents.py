"""Documents say what is so: generated pages are current, links lead somewhere, named paths and commands exist."""

import re
from pathlib import Path
from typing import get_args

import pytest
from scripts import generate_reference
from tests.style.tree import ROOT, SOURCE, files, python_files

from logkeep import __version__, settings, telemetry
from logkeep.event import REJECT_REASONS

PAGES = generate_reference.pages()
REQUIRED = ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md", "LICENSE", ".ci/run")
UNITS = {"_bytes": "bytes", "bytes_": "bytes", "_s": "seconds", "_days": "days", "chars_": "characters"}


@pytest.mark.parametrize("name", REQUIRED)
def test_the_base_documents_are_there(name: str) -> None:
    assert (ROOT / name).stat().st_size > 100


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_a_generated_page_is_current(path: Path) -> None:
    assert path.exists() and path.read_text() == PAGES[path], "run: make docs"


def test_every_setting_says_what_it_is_and_in_which_unit() -> None:
    faults = []
    for row in settings.rows():
        name = row.name.rpartition(".")[2]
        if len(row.description.split()) < 3:
            faults.append(f"{row.name}: {row.description!r} does not say what it is")
        if get_args(row.type)[0] in (int, float):
            unit = next((word for part, word in UNITS.items() if name.endswith(part) or name.startswith(part)), "")
            if unit not in row.description:
                faults.append(f"{row.name}: {row.description!r} does not say {unit!r}")
    assert faults == []


def test_every_setting_stands_on_its_page_with_its_variable() -> None:
    page = (ROOT / "docs/reference/settings.md").read_text()
    assert [row.name for row in settings.rows() if f"| `{row.name}` | `{row.variable}` |" not in page] == []


def test_every_metric_is_counted_somewhere_and_nothing_else_is() -> None:
    names = {metric.name for metric in telemetry.METRICS}
    assert len(names) == len(telemetry.METRICS)
    texts = {path: path.read_text() for path in python_files(SOURCE) if path != SOURCE / "telemetry.py"}
    assert {name for name in names if not any(f'"{name}"' in text for text in texts.values())} == set()
    used = {name for text in texts.values() for name in re.findall(r'telemetry\["([a-z_]+)"\]', text)}
    assert used - names == set()


def test_every_reason_and_every_error_code_is_explained() -> None:
    assert set(generate_reference.REASONS) == set(REJECT_REASONS)
    assert set(generate_reference.CODES) == generate_reference.codes_in_source()


@pytest.mark.parametrize("path", files(".md"), ids=lambda path: str(path.relative_to(ROOT)))
def test_every_relative_link_leads_somewhere(path: Path) -> None:
    targets = re.findall(r"\]\(([^)#\s]+)(?:#[^)\s]*)?\)", _without_code(path.read_text()))
    relative = [target for target in targets if not re.match(r"[a-z]+:", target)]
    assert [target for target in relative if not (path.parent / target).exists()] == []


@pytest.mark.parametrize("path", files(".md"), ids=lambda path: str(path.relative_to(ROOT)))
def test_every_make_target_that_a_document_names_exists(path: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"(?:`|^\s*\$? ?)make ([a-z-]+)", path.read_text(), re.MULTILINE))
    assert named - targets == set()


def test_everything_the_makefile_starts_is_there() -> None:
    text = (ROOT / "Makefile").read_text()
    started = set(re.findall(r"\bscripts/[\w.]+", text))
    started |= {f"{name}/__main__.py" for name in re.findall(r"-m (bench)\b", text)}
    assert {name for name in started if not (ROOT / name).exists()} == set()


def test_every_path_that_the_architecture_names_exists() -> None:
    spans = re.findall(r"`([^`\n]+)`", _without_blocks((ROOT / "ARCHITECTURE.md").read_text()))
    paths = [span for span in spans if re.fullmatch(r"[\w.-]+(/[\w.-]*)+|[\w-]+\.(py|md|toml)", span)]
    assert len(paths) > 20
    names = {path.name for path in files()}
    assert [path for path in paths if path not in names and not any((r / path).exists() for r in (ROOT, SOURCE))] == []


def test_adrs_are_numbered_without_gaps_and_have_a_status() -> None:
    adrs = sorted((ROOT / "docs/adr").glob("[0-9]*.md"))
    assert [int(path.name[:4]) for path in adrs] == list(range(1, len(adrs) + 1))
    assert [path.name for path in adrs if "**Status:**" not in path.read_text()] == []


def test_the_change_log_has_the_version_of_the_package() -> None:
    text = (ROOT / "CHANGELOG.md").read_text()
    assert re.search(rf"^## ({re.escape(__version__)}|Unreleased)\b", text, re.MULTILINE)


def _without_blocks(text: str) -> str:
    return re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)


def _without_code(text: str) -> str:
    return re.sub(r"`[^`\n]*`", "", _without_blocks(text))
