"""Tables on the screen and in files: aligned, and nothing in a cell steers a terminal or a spreadsheet."""

import io
import json

import pytest

from logkeep.cli.query import makes_table
from logkeep.cli.tables import Column, Table, write_table

TABLE = Table(
    (Column("user"), Column("bin(1m)", "time"), Column("count", "number"), Column("value", "json")),
    [
        ["ada", "2026-08-01T10:00:00.000000000Z", 17, {"a": 1}],
        ["=cmd()", "2026-08-01T10:01:00.500000000Z", 2.5, "\x1b[31m"],
        ["", "2026-08-01T10:02:00.000000000Z", None, -5],
    ],
)
EMPTY = Table((Column("count", "number"),), [])


def written(table: Table, format: str) -> str:
    out = io.StringIO(newline="")
    write_table(table, format, out)  # type: ignore[arg-type]
    return out.getvalue()


def test_on_the_screen_columns_are_aligned_and_numbers_stand_to_the_right() -> None:
    assert written(TABLE, "table").splitlines() == [
        "user    bin(1m)                         count  value",
        'ada     2026-08-01T10:00:00                17  {"a":1}',
        "=cmd()  2026-08-01T10:01:00.500000000Z    2.5  \\x1b[31m",
        "        2026-08-01T10:02:00                 -  -5",
    ]
    assert written(EMPTY, "table") == "count\n"


def test_a_long_cell_is_cut_on_the_screen_only() -> None:
    table = Table((Column("value"),), [["x" * 500]])
    assert written(table, "table").splitlines()[1] == "x" * 79 + "…"
    assert "x" * 500 in written(table, "csv")


def test_rows_are_objects_in_json_and_ndjson() -> None:
    expected = [dict(zip(["user", "bin(1m)", "count", "value"], row, strict=True)) for row in TABLE.rows]
    assert json.loads(written(TABLE, "json")) == expected
    assert [json.loads(line) for line in written(TABLE, "ndjson").splitlines()] == expected
    assert (written(EMPTY, "json"), written(EMPTY, "ndjson")) == ("[]\n", "")


def test_csv_holds_no_formula_and_numbers_stay_numbers() -> None:
    assert written(TABLE, "csv").split("\r\n") == [
        "user,bin(1m),count,value",
        'ada,2026-08-01T10:00:00.000000000Z,17,"{""a"":1}"',
        "'=cmd(),2026-08-01T10:01:00.500000000Z,2.5,\x1b[31m",
        ",2026-08-01T10:02:00.000000000Z,,-5",
        "",
    ]


@pytest.mark.parametrize(
    ("query", "is_table"),
    [("", False), ("error", False), ("error | count", True), ("error | top 3 user", True), ("* | fields user", True),
     ("* | limit 5", False), ("* | sort value | context 2", False), ("error | cuont", False), ('"a | count"', False)],
)  # fmt: skip
def test_a_query_is_answered_by_a_table_when_it_counts_or_chooses_columns(query: str, is_table: bool) -> None:
    assert makes_table(query) is is_table
