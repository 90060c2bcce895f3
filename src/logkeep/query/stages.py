"""Stages after the filter, as frozen values, and the tables that parser, completion and reference page read.

A query is a filter and stages in this order, each at most once:

    what it makes     count, avg(value), … by …  |  top      a table of numbers; without one of them, events
                      patterns                               what the messages say, counted; before `limit` only
    the rows          sort, limit, context (events only)
    the columns       fields

A new stage that makes a table (beside `Aggregate` and `Top`) needs: a struct here and its row in STAGES, a reader in
pipe_parser.py, a case in printer.py, its columns and rows in pipes.py, and its SQL in store/clickhouse_stats.py.
"""

from collections.abc import Sequence
from typing import Literal, TypeAlias, get_args

import msgspec

from logkeep.query.ast import FIELDS, Node, Query

# Bounds: each stage, function and group is work and memory in the engine.
FUNCTIONS_MAX = 10
GROUPS_MAX = 4
SORT_KEYS_MAX = 4
COLUMNS_MAX = 20
ROWS_MAX = 10_000  # of `limit` and `top`
ROWS_DEFAULT = 1000  # of a table without `limit`
CONTEXT_MAX = 50
CONTEXT_MATCHES_MAX = 100  # that one answer shows with their neighbours
BIN_NS_MAX = 366 * 86_400 * 1_000_000_000

FunctionName = Literal[
    "count", "rate", "uniq", "sum", "avg", "min", "max", "p50", "p75", "p90", "p95", "p99"
]  # fmt: skip
FUNCTION_NAMES: tuple[FunctionName, ...] = get_args(FunctionName)
# The part of the numbers that may lie above: nearest rank is found from the top, see pipes.py.
PERCENTILES: dict[FunctionName, float] = {"p50": 0.5, "p75": 0.25, "p90": 0.1, "p95": 0.05, "p99": 0.01}
TIME_FIELDS = ("time", "received")
EVENT_FIELDS = (*TIME_FIELDS, *FIELDS)  # what `sort` knows of an event, beside attributes
SHOWN_FIELDS = tuple(field for field in EVENT_FIELDS if field != "pattern")  # what `fields` does: an event's JSON
DEFAULT_FIELDS = ("time", "level", "component", "session", "key", "value")

# The units of a bin's width, ns, the largest first.
UNITS_NS = {
    "w": 7 * 86_400 * 10**9, "d": 86_400 * 10**9, "h": 3600 * 10**9, "m": 60 * 10**9, "s": 10**9, "ms": 10**6,
}  # fmt: skip


class Function(Node, frozen=True):
    """field: of `uniq` any field, of the others `value` or an attribute; "" for `count` and `rate`."""

    name: FunctionName
    field: str = ""


class Bin(Node, frozen=True):
    """Parts of the time, each `width_ns` wide, whole multiples of it since 1970 in UTC."""

    width_ns: int


Group: TypeAlias = str | Bin  # a field, or a part of the time
ColumnRef: TypeAlias = Group | Function  # what a column holds; its name is printer.column_name of it


class Aggregate(Node, frozen=True):
    """A row for each combination of `by` that has events; without `by` one row, always."""

    functions: tuple[Function, ...]
    by: tuple[Group, ...] = ()


class Top(Node, frozen=True):
    """The values of `field` that most events have, and how many do; events without it are left out."""

    rows: int
    field: str


class Patterns(Node, frozen=True):
    """A row for each pattern of the messages, the most frequent first."""


class SortKey(Node, frozen=True):
    """column: of the table before it, else one of EVENT_FIELDS or an attribute."""

    column: ColumnRef
    descending: bool = False


class Sort(Node, frozen=True):
    keys: tuple[SortKey, ...]


class Limit(Node, frozen=True):
    rows: int


class Context(Node, frozen=True):
    """Each match with so many events before and after it in its session."""

    events: int


class Fields(Node, frozen=True):
    """columns: as in SortKey."""

    columns: tuple[ColumnRef, ...]


Making: TypeAlias = Aggregate | Top  # the stages that make a table of numbers
Stage: TypeAlias = Making | Patterns | Sort | Limit | Context | Fields


class Statement(msgspec.Struct, frozen=True):
    """A whole query. stages: in the order of RANKS, each kind at most once."""

    filter: Query
    stages: tuple[Stage, ...] = ()

    @property
    def making(self) -> Making | None:
        """The stage that makes a table of numbers; None: the answer is events."""
        return next((stage for stage in self.stages if isinstance(stage, Making)), None)

    @property
    def patterns(self) -> bool:
        """Whether the answer is the patterns of the messages."""
        return any(isinstance(stage, Patterns) for stage in self.stages)

    @property
    def sort(self) -> tuple[SortKey, ...]:
        return next((stage.keys for stage in self.stages if isinstance(stage, Sort)), ())

    @property
    def limit(self) -> int | None:
        return next((stage.rows for stage in self.stages if isinstance(stage, Limit)), None)

    @property
    def context(self) -> int:
        return next((stage.events for stage in self.stages if isinstance(stage, Context)), 0)

    @property
    def fields(self) -> tuple[ColumnRef, ...]:
        return next((stage.columns for stage in self.stages if isinstance(stage, Fields)), ())


def columns_of(making: Making) -> tuple[ColumnRef, ...]:
    """What the columns of the table hold that `making` makes: groups, then functions."""
    return (making.field, Function("count")) if isinstance(making, Top) else (*making.by, *making.functions)


RANKS: dict[type[Stage], int] = {Aggregate: 0, Top: 0, Patterns: 0, Sort: 1, Limit: 2, Context: 3, Fields: 4}


def may_follow(kind: type[Stage], earlier: Sequence[Stage]) -> bool:
    """Whether a stage of this kind may stand after these."""
    kinds = {type(stage) for stage in earlier}
    makes = bool(kinds & {Aggregate, Top})
    if any(RANKS[each] > RANKS[kind] for each in kinds) or kind in kinds:
        return False
    if Patterns in kinds:
        return kind is Limit
    return not (makes and kind in (Aggregate, Top, Patterns, Context))


class FunctionRow(msgspec.Struct, frozen=True):
    """What a function takes in its parentheses, and what it gives."""

    names: tuple[FunctionName, ...]
    takes: Literal["nothing", "a field", "numbers"]
    gives: str


FUNCTIONS = (
    FunctionRow(("count",), "nothing", "how many events"),
    FunctionRow(("rate",), "nothing", "events a second, over the range of the query or over each `bin`"),
    FunctionRow(("uniq",), "a field", "how many different values the field has; unset is none"),
    FunctionRow(("sum", "avg", "min", "max"), "numbers", "sum, mean, least and greatest of the numbers"),
    FunctionRow(
        ("p50", "p75", "p90", "p95", "p99"),
        "numbers",
        "percentile: the least number that so many per cent of the numbers do not exceed (nearest rank, exact)",
    ),
)
TAKES = {name: row.takes for row in FUNCTIONS for name in row.names}


class StageRow(msgspec.Struct, frozen=True):
    """How a stage is written. name: its first word; of `Aggregate` "", as that begins with a function."""

    name: str
    written: str
    does: str
    example: str


STAGES = (
    StageRow(
        "",
        "FUNCTION, … by FIELD, …, bin(WIDTH)",
        "a row for each combination of the fields and parts of the time that has events; without `by`, one row",
        "error | count, p95(value) by component, bin(5m)",
    ),
    StageRow("top", "top N FIELD", "the values that most events have, with their counts", "error | top 10 user"),
    StageRow(
        "patterns",
        "patterns",
        "what the messages say but for numbers, ids and names: a row for each such pattern, the most frequent first",
        "level>=warn | patterns | limit 20",
    ),
    StageRow(
        "sort",
        "sort COLUMN [asc|desc], …",
        "rows in another order; `asc` unless `desc` is written",
        "* | count by user | sort count desc",
    ),
    StageRow("limit", "limit N", "the first rows only", "level:error | limit 5"),
    StageRow(
        "context",
        "context N",
        "each match with the N events before and after it in its session",
        "level:fatal | limit 3 | context 5",
    ),
    StageRow("fields", "fields NAME, …", "these columns only, in this order", "error | fields time, user, value"),
)
