"""The answer to a query with stages: named columns, rows of JSON values."""

from collections.abc import Sequence
from typing import Any, Literal

import msgspec

ColumnKind = Literal["text", "number", "time", "json"]


class Column(msgspec.Struct, frozen=True):
    """kind: text; number, null where there is none; time, RFC 3339 in UTC; json, any value."""

    name: str
    kind: ColumnKind


class Table(msgspec.Struct, frozen=True):
    """rows: each as long as `columns`. truncated: there are more rows than a query without `limit` gets."""

    columns: tuple[Column, ...]
    rows: list[list[Any]]
    truncated: bool = False


def chosen(table: Table, places: Sequence[int]) -> Table:
    """`table` with the columns at these places only, in this order."""
    columns = tuple(table.columns[place] for place in places)
    return Table(columns, [[row[place] for place in places] for row in table.rows], table.truncated)
