"""What docs/reference/query-language.md shows is what the parser takes."""

import re
from pathlib import Path

import pytest

from logkeep.query.fields import level_named
from logkeep.query.filter_parser import DEPTH_MAX, REGEXES_MAX, TERMS_MAX
from logkeep.query.parser import parse, parse_statement
from logkeep.query.regex import PATTERN_CHARS_MAX, read_pattern
from logkeep.query.scanner import QUERY_CHARS_MAX
from logkeep.query.stages import STAGES

PAGE = (Path(__file__).parents[3] / "docs" / "reference" / "query-language.md").read_text(encoding="utf-8")


def section(title: str) -> str:
    """The text below a heading, to the next one; for "" what stands before the first."""
    return re.split(r"^## .*$", PAGE if not title else PAGE.split(f"## {title}\n")[1], flags=re.M)[0]


def first_cells(text: str, column: int = 0) -> list[str]:
    """The code in one column of a section's table, its header left out."""
    rows = [re.split(r"(?<!\\)\|", line)[1:-1] for line in text.splitlines() if line.startswith("|")][2:]
    return [code.replace("\\|", "|") for row in rows for code in re.findall(r"`([^`]+)`", row[column])]


QUERIES = [
    *first_cells(section("")),
    *first_cells(section("Coming from elsewhere"), column=1),
    *(row.example for row in STAGES),
    "conn-reset", '"conn reset"', "10.0.0.1", '"10 0 0 1"', "time", "value:/--/", '"http://x"', 'field:"two words"*',
    'user:""', "value:(timeout -retry)", "value:(<10 or >500)", "value:>5", "value:1..5", "level:info..error",
    "value:5..5", "a b or not c", "(a and b) or (not c)", '"or"', 'attributes."odd name"',
]  # fmt: skip


@pytest.mark.parametrize("query", QUERIES)
def test_every_example_stands_on_the_page_and_parses(query: str) -> None:
    assert query in PAGE.replace("\\|", "|")
    parse_statement(query.replace("field:", "key:") + (":x" if query.endswith(' name"') else ""))


def test_the_first_table_has_every_kind_of_term() -> None:
    kinds = {type(parse(query)).__name__ for query in first_cells(section(""))}
    assert kinds == {"All", "And", "Compare", "Equals", "Exists", "LevelCompare", "Not", "Or", "Phrase", "Prefix", "Regex", "Word", "WordPrefix"}  # fmt: skip  # noqa: E501


def test_phrases_and_precedence_are_as_the_page_says() -> None:
    assert parse("conn-reset") == parse('"conn reset"')
    assert parse("10.0.0.1") == parse('"10 0 0 1"')
    assert parse("a b or not c") == parse("(a and b) or (not c)")
    assert parse("value:>5") == parse("value>5")


@pytest.mark.parametrize("pattern", first_cells(section("Regexes")))
def test_every_part_of_a_regex_is_read(pattern: str) -> None:
    read_pattern(pattern.replace("…", "a"))


def test_limits_and_levels_on_the_page_are_those_of_the_code() -> None:
    for limit in (QUERY_CHARS_MAX, DEPTH_MAX, TERMS_MAX):
        assert f"| {limit} |" in section("Limits")
    assert f"| {REGEXES_MAX}, of {PATTERN_CHARS_MAX} characters |" in section("Limits")
    assert [level_named(name) for name in ("warning", "err", "critical")] == ["warn", "error", "fatal"]
