"""Stages as ClickHouse SQL with bound parameters: tables of numbers, events in another order, neighbours. Pure.

The rules are those of query/pipes.py. As in clickhouse_sql.py only text made here stands in the SQL. Groups and numbers
live in the engine under the memory limit of one query; what comes back is cut to the rows asked for.
"""
# ruff: noqa: S608 - the SQL is text of ours and numbers; what users write is bound as parameters

from collections.abc import Sequence
from typing import Any

import msgspec

from logkeep.clock import NS_PER_S
from logkeep.query.fields import is_numeric
from logkeep.query.stages import (
    PERCENTILES,
    TIME_FIELDS,
    Aggregate,
    Bin,
    ColumnRef,
    Function,
    Group,
    Making,
    SortKey,
    Top,
    columns_of,
)
from logkeep.query.table import Table
from logkeep.store.clickhouse_events import ROW_COLUMNS
from logkeep.store.clickhouse_sql import Compiler, text_parameter
from logkeep.store.page import rows_wanted, stats_table
from logkeep.store.port import StatsRequest

_decode_rows = msgspec.json.Decoder(list[Any]).decode_lines
_OF_NUMBERS = {"sum": "sumOrNullIf", "avg": "avgOrNullIf", "min": "minOrNullIf", "max": "maxOrNullIf"}


class Asked(msgspec.Struct, frozen=True):
    """One read for the engine. parameters: by name."""

    sql: str
    parameters: dict[str, str]


def compile_stats(request: StatsRequest, hidden: Sequence[str]) -> Asked:
    """The rows of the request's table, as JSONCompactEachRow. hidden: conditions that leave superseded events out."""
    statement = request.statement
    assert statement.making is not None
    compiler = Compiler()
    where = [
        "app = {app:String}",
        f"time_ns >= {request.from_ns}",
        f"time_ns < {request.to_ns}",
        compiler.sql(statement.filter),
        *hidden,
    ]
    maker = _Maker(compiler, request, statement.making)
    rows = maker.rows(where)
    order = maker.order((*statement.sort, *maker.own_order))
    sql = f"SELECT {maker.columns} FROM ({rows})"
    sql += f" ORDER BY {order}" * bool(order) + f" LIMIT {rows_wanted(statement)}"
    return Asked(sql, {**compiler.parameters, "app": text_parameter(request.app)})


def table_of(request: StatsRequest, lines: bytes) -> Table:
    """The table of a request from the rows that `compile_stats` asked for."""
    return stats_table(request.statement, _decode_rows(lines))


def sort_order(keys: Sequence[SortKey]) -> Asked:
    """What stands first after ORDER BY, with a comma at its end; over the columns of `events`."""
    compiler = Compiler("o")  # beside those of the filter
    parts: list[str] = []
    for key in keys:
        assert isinstance(key.column, str)
        down = " DESC" * key.descending
        if key.column in TIME_FIELDS:
            parts.append(f"{key.column}_ns{down}")
            continue
        text = key.column if key.column == "level" else compiler.field(key.column)
        unset = f"{text} = ''"
        parts.append(f"({unset} OR {compiler.null(key.column)})" if is_numeric(key.column) else f"({unset})")
        if is_numeric(key.column):
            number, is_number = compiler.number(key.column)
            parts += [f"(NOT {is_number})", f"if({is_number}, {number} + 0., 0.){down}"]  # + 0.: -0. becomes 0.
        parts.append(text + down)
    return Asked("".join(f"{part}, " for part in parts), compiler.parameters)


def compile_neighbours(app: str, matches: bytes, count: int, *, hiding: bool) -> Asked:
    """The matches and `count` events before and after each in its session, oldest first, as ROW_COLUMNS.

    matches: a JSON array of events. hiding: whether the app has superseded events.
    """
    places = _decode_places(matches)
    parameters = {"app": text_parameter(app)} | {f"i{n}": text_parameter(one.id) for n, one in enumerate(places)}
    sessions = list(dict.fromkeys(one.session for one in places))
    parameters |= {f"s{n}": text_parameter(session) for n, session in enumerate(sessions)}
    in_sessions = f"app = {{app:String}} AND session IN ({_listed('s', len(sessions))})"
    seen = f"{in_sessions} AND id NOT IN (SELECT id FROM hidden WHERE {in_sessions})" if hiding else in_sessions
    near = f"""SELECT time_ns, id, max(id IN ({_listed("i", len(places))})) OVER (PARTITION BY session
        ORDER BY time_ns, id ROWS BETWEEN {count} PRECEDING AND {count} FOLLOWING) AS near FROM events WHERE {seen}"""
    sql = f"""SELECT {ROW_COLUMNS} FROM events
        WHERE {seen} AND (time_ns, id) IN (SELECT time_ns, id FROM ({near}) WHERE near = 1)
        ORDER BY time_ns, id"""
    return Asked(sql, parameters)


def _listed(prefix: str, count: int) -> str:
    return ", ".join(f"{{{prefix}{n}:String}}" for n in range(count))


class _Match(msgspec.Struct):
    id: str
    session: str


_decode_places = msgspec.json.Decoder(list[_Match]).decode


class _Maker:
    """One stage as SQL. Columns are c0, c1, … in the order of the table."""

    def __init__(self, compiler: Compiler, request: StatsRequest, making: Making) -> None:
        self.compiler, self.request, self.making = compiler, request, making
        self.refs = columns_of(making)
        self.numbers: dict[str, tuple[str, str]] = {}  # by field
        self.own_order: tuple[SortKey, ...]
        if isinstance(making, Top):
            self.aggregate = Aggregate((Function("count"),), (making.field,))
            self.own_order = (SortKey(Function("count"), True), SortKey(making.field))
        else:
            self.aggregate = making
            self.own_order = tuple(SortKey(group) for group in making.by)

    @property
    def columns(self) -> str:
        return ", ".join(f"c{place}" for place in range(len(self.refs)))

    def rows(self, where: Sequence[str]) -> str:
        """All rows of the table, as a SELECT; of `top` those it keeps."""
        groups = [f"{self.group(group)} AS c{place}" for place, group in enumerate(self.aggregate.by)]
        states, cells = self.functions()
        conditions = " AND ".join(where)
        if isinstance(self.making, Top):
            conditions += f" AND {self.group(self.making.field)} != ''"
        names = ", ".join(f"c{place}" for place in range(len(groups)))
        inner = f"SELECT {', '.join([*groups, *states])} FROM events WHERE {conditions}"
        inner += f" GROUP BY {names}" * bool(groups)
        first = len(groups)
        made = [f"{cell} AS c{first + place}" for place, cell in enumerate(cells)]
        sql = f"SELECT {', '.join([*filter(None, [names]), *made])} FROM ({inner})"
        if isinstance(self.making, Top):
            sql += f" ORDER BY {self.order(self.own_order)} LIMIT {self.making.rows}"
        return sql

    def group(self, group: Group) -> str:
        if isinstance(group, Bin):
            return f"(time_ns - positiveModulo(time_ns, {group.width_ns}))"
        return group if group == "level" else self.compiler.field(group)

    def functions(self) -> tuple[list[str], list[str]]:
        """What the engine aggregates, each with a name; and the cells made of those."""
        states: dict[str, str] = {}  # expression → name

        def state(expression: str) -> str:
            return states.setdefault(expression, f"s{len(states)}")

        cells = [self.function(function, state) for function in self.aggregate.functions]
        return [f"{expression} AS {name}" for expression, name in states.items()], cells

    def function(self, function: Function, state: Any) -> str:
        if function.name == "count":
            return str(state("count()"))
        if function.name == "rate":
            return f"{state('count()')} * {float(NS_PER_S)} / {self.lasting_ns()}"
        if function.name == "uniq":
            field = self.group(function.field)
            return str(state(f"uniqExactIf({field}, {field} != '')"))
        number, is_number = self.number(function.field)
        if function.name in PERCENTILES:
            # quantilesExact counts floor(level * n) from the least: of the negated numbers, that is from the greatest.
            levels = self.levels(function.field)
            quantiles = state(f"quantilesExactIf({', '.join(map(str, levels))})(-{number}, {is_number})")
            found = f"-{quantiles}[{levels.index(PERCENTILES[function.name]) + 1}]"
            return f"if({state(f'countIf({is_number})')} = 0, NULL, {found})"  # of none the engine says 0
        found = str(state(f"{_OF_NUMBERS[function.name]}({number}, {is_number})"))
        return f"if(isFinite({found}), {found}, NULL)"

    def number(self, field: str) -> tuple[str, str]:
        return self.numbers.setdefault(field, self.compiler.number(field))

    def levels(self, field: str) -> list[float]:
        """The percentiles asked of one field, so that its numbers are kept once."""
        asked = (function for function in self.aggregate.functions if function.field == field)
        return [PERCENTILES[function.name] for function in asked if function.name in PERCENTILES]

    def lasting_ns(self) -> str:
        """query/pipes.py Span.seconds_ns, of a part of the time or of the whole range."""
        request = self.request
        width_ns = next((group.width_ns for group in self.aggregate.by if isinstance(group, Bin)), None)
        if width_ns is None:
            until_ns = request.to_ns if request.from_ns >= request.passed_ns else request.passed_ns
            return str(max(1, min(request.to_ns, until_ns) - request.from_ns))
        start = f"c{next(place for place, group in enumerate(self.aggregate.by) if isinstance(group, Bin))}"
        until = f"if({start} >= {request.passed_ns}, {request.to_ns}, {request.passed_ns})"
        return f"greatest(1, least({start} + {width_ns}, {until}) - greatest({start}, {request.from_ns}))"

    def order(self, keys: Sequence[SortKey]) -> str:
        parts: list[str] = []
        for key in keys:
            column = f"c{self.refs.index(key.column)}"
            parts += [_is_unset(column, key.column), column + " DESC" * key.descending]
        return ", ".join(filter(None, parts))


def _is_unset(column: str, ref: ColumnRef) -> str:
    """What is 1 for cells that stand last; "" where there are none."""
    if isinstance(ref, Bin):
        return ""
    return f"isNull({column})" if isinstance(ref, Function) else f"({column} = '')"
