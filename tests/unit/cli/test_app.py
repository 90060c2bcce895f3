"""The command line itself: help, versions, wrong usage, and its reference page."""

from pathlib import Path

import pytest

import logkeep
from logkeep.cli import main
from logkeep.cli.app import COMMANDS
from logkeep.cli.reference import markdown_page
from logkeep.cli.send_options import FormatName
from logkeep.decode.lines import FORMATS

ROOT = Path(__file__).parents[3]


def test_the_reference_page_is_current() -> None:
    assert (ROOT / "docs/reference/command-line.md").read_text() == markdown_page(), "run: make docs"


def test_the_version_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"logkeep {logkeep.__version__}\n"


@pytest.mark.parametrize("command", [row.name for row in COMMANDS])
def test_every_command_teaches_by_examples(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([command, "--help"]) == 0
    shown = capsys.readouterr().out
    assert "Examples:" in shown and f"logkeep {command}" in shown.split("Examples:")[1]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["sned"], "Did you mean 'send'?"),
        (["send", "--nonsense"], "No such option"),
        (["query", "--limit", "0"], "greater than or equal to 1"),
        (["query", "--format", "xml"], "'xml'"),
    ],
)
def test_wrong_usage_ends_with_2(arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    assert words in capsys.readouterr().err


def test_every_format_can_be_asked_for() -> None:
    assert set(FormatName.__args__) == {"auto", "ndjson", *FORMATS}  # type: ignore[attr-defined]
