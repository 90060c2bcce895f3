"""The answer to a query with stages, on the screen or in a pipe. As in output.py nothing in it steers a terminal."""

import csv
from collections.abc import Sequence
from typing import Any, Literal, TextIO

import msgspec

from logkeep import event_csv
from logkeep.cli.client import printable
from logkeep.cli.output import json_text, value_text

CELL_CHARS_MAX = 80  # on the screen; files get all of it


class Column(msgspec.Struct, frozen=True):
    name: str
    kind: str = "text"


class Table(msgspec.Struct, frozen=True):
    """As `/api/v1/stats` answers. rows: cells as JSON values."""

    columns: tuple[Column, ...]
    rows: list[list[Any]]
    truncated: bool = False


def write_table(table: Table, format: Literal["table", "json", "ndjson", "csv"], out: TextIO) -> None:
    names = [column.name for column in table.columns]
    if format == "table":
        _write_aligned(table, out)
    elif format == "csv":
        rows = csv.writer(out)
        rows.writerow(names)
        rows.writerows([_csv_cell(cell) for cell in row] for row in table.rows)
    else:
        objects = [json_text(msgspec.json.encode(dict(zip(names, row, strict=True))), out) for row in table.rows]
        lines = "\n".join(objects) if format == "ndjson" else "[\n " + ",\n ".join(objects) + "\n]"
        out.write(f"{lines}\n" if objects else "" if format == "ndjson" else "[]\n")


def _write_aligned(table: Table, out: TextIO) -> None:
    """Numbers stand to the right, in columns as wide as their widest cell."""
    cells = [[_shown(cell, column) for cell, column in zip(row, table.columns, strict=True)] for row in table.rows]
    heads = [printable(column.name) for column in table.columns]
    widths = [max(map(len, column)) for column in zip(heads, *cells, strict=True)]
    for row in (heads, *cells):
        out.write(_line(row, widths, table.columns) + "\n")


def _line(row: Sequence[str], widths: Sequence[int], columns: Sequence[Column]) -> str:
    placed = (
        cell.rjust(width) if column.kind == "number" else cell.ljust(width)
        for cell, width, column in zip(row, widths, columns, strict=True)
    )
    return "  ".join(placed).rstrip()


def _shown(cell: Any, column: Column) -> str:
    if cell is None:
        return "-"
    if column.kind == "time" and isinstance(cell, str):
        return printable(cell.removesuffix(".000000000Z"))
    text = f"{cell:.6g}" if isinstance(cell, float) else printable(value_text(cell))
    return text if len(text) <= CELL_CHARS_MAX else text[: CELL_CHARS_MAX - 1] + "…"


def _csv_cell(cell: Any) -> str:
    if cell is None:
        return ""
    return event_csv.safe(cell) if isinstance(cell, str) else value_text(cell)
