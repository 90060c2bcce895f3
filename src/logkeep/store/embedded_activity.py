"""Lists of sessions, devices and users in the embedded store, by last activity.

The names of a page come first, then what is told of them. For the names, the newest minutes are read before
hours and days, for those who were active in them are the first of the list whoever else there is.

The rows of days that are over come from the projection `activity` (clickhouse_schema.py) where their parts have it.
The engine puts it in place of the events by itself, but only in a query that filters by whole days and by the fields
the projection has: so a range is cut into whole days and what is left at its ends.
"""
# ruff: noqa: S608 - the SQL is text of ours and numbers; what users write is bound as parameters

from collections.abc import Iterable, Sequence
from typing import Literal

import msgspec

from logkeep.clock import NS_PER_DAY, NS_PER_S
from logkeep.query import ast
from logkeep.store.clickhouse_schema import ACTIVITY_COUNTS, ACTIVITY_DAY, ACTIVITY_KEYS
from logkeep.store.clickhouse_sql import Condition, compile_query, text_literal, text_parameter
from logkeep.store.embedded_engine import Engine
from logkeep.store.page import decode_cursor, encode_cursor
from logkeep.store.port import (
    COMPONENTS_MAX,
    COMPONENTS_NS,
    Activity,
    ActivityPage,
    ActivityRequest,
    SessionPlace,
)
from logkeep.store.reading import Reading

# Looked at one after the other, back from the newest event, until a page is full; at last the whole range.
WINDOWS_NS = (60 * NS_PER_S, 20 * 60 * NS_PER_S, 6 * 3600 * NS_PER_S)
_INT64_MAX = (1 << 63) - 1


class _Named(msgspec.Struct, array_like=True):
    name: str
    last_ns: int


class _Told(msgspec.Struct, array_like=True):
    name: str
    events: int
    errors: int
    first_ns: int
    last_ns: int
    user: str
    device: str
    sessions: int


class _Around(msgspec.Struct, array_like=True):
    """before, after: how many sessions begin there; the rest is of the nearest ones."""

    before: int
    previous: str
    previous_ns: int
    after: int
    next: str
    next_ns: int


_decode_named = msgspec.json.Decoder(_Named).decode_lines
_decode_told = msgspec.json.Decoder(_Told).decode_lines
_decode_around = msgspec.json.Decoder(_Around).decode_lines
_decode_components = msgspec.json.Decoder(tuple[str, list[str]]).decode_lines
_decode_times = msgspec.json.Decoder(tuple[int]).decode_lines


class _Source:
    """The rows a request is about, as SQL. hiding: the app has superseded events, which are not to be counted."""

    def __init__(self, request: ActivityRequest, *, hiding: bool) -> None:
        self.of, self.hiding = request.of, hiding
        self.from_ns, self.to_ns = _within(request.from_ns), _within(request.to_ns)
        condition = compile_query(request.query)
        self.parameters: dict[str, str] = {**condition.parameters, "app": text_parameter(request.app)}
        self.condition = condition.sql
        self.by_names = _is_by_names(request.query)

    def names(self, from_ns: int) -> str:
        """name and last_ns (several rows a name) of everything since `from_ns`."""
        visible = f"countIf({self._visible()}) AS seen" if self._looks() else "1 AS seen"
        return self._union(f"SELECT {self.of} AS name, max(time_ns) AS last_ns, {visible}", "name", from_ns)

    def rows(self, only: str) -> str:
        """Everything that is told, one or more rows a session, user and device. only: a condition on the names."""
        keys = ", ".join(ACTIVITY_KEYS)
        events, errors, first, last = ACTIVITY_COUNTS
        if self._looks():
            events = f"countIf({self._visible()})"
            errors = f"countIf(level IN ('error', 'fatal') AND {self._visible()})"
        told = f"SELECT {keys}, toInt64({events}) AS n, toInt64({errors}) AS e, {first} AS a, {last} AS b"
        sql = self._union(told, keys, self.from_ns, only)
        if not self.hiding or self._looks():
            return sql
        return f"""{sql} UNION ALL
            SELECT {keys}, -toInt64(count()), -toInt64(countIf(level IN ('error', 'fatal'))), {_INT64_MAX},
                -{_INT64_MAX} FROM (SELECT DISTINCT time_ns, id, {keys}, level FROM hidden
            WHERE app = {{app:String}} AND time_ns >= {self.from_ns} AND time_ns < {self.to_ns} AND {self.condition}
            AND {only}) GROUP BY {keys}"""

    def _looks(self) -> bool:
        """Whether each event is looked up in `hidden`: where a query asks for more than `hidden` knows of them."""
        return self.hiding and not self.by_names

    def _visible(self) -> str:
        return f"""id NOT IN (SELECT id FROM hidden WHERE app = {{app:String}}
            AND time_ns >= {self.from_ns} AND time_ns < {self.to_ns})"""

    def _union(self, select: str, keys: str, from_ns: int, only: str = "1") -> str:
        spans = whole_days(from_ns, self.to_ns) if self.by_names else [_span(from_ns, self.to_ns)]
        where = f"app = {{app:String}} AND {self.condition} AND {only}"
        return " UNION ALL ".join(f"{select} FROM events WHERE {where} AND {span} GROUP BY {keys}" for span in spans)


def whole_days(from_ns: int, to_ns: int) -> list[str]:
    """Conditions that together hold for from_ns <= time < to_ns, each event under one of them."""
    # Never the first day of 1970: the engine's division rounds towards zero, so the day before is 0 as well.
    first, end = max(1, -(-from_ns // NS_PER_DAY)), to_ns // NS_PER_DAY
    if first >= end:
        return [_span(from_ns, to_ns)]
    spans = [f"{ACTIVITY_DAY} >= {first} AND {ACTIVITY_DAY} < {end}"]
    if from_ns < first * NS_PER_DAY:
        spans.append(_span(from_ns, first * NS_PER_DAY))
    if end * NS_PER_DAY < to_ns:
        spans.append(_span(end * NS_PER_DAY, to_ns))
    return spans


def read_activity(engine: Engine, reading: Reading, request: ActivityRequest, *, hiding: bool) -> ActivityPage:
    """A page of the list. Raises InputError (a cursor that is none), and what a read raises."""
    source = _Source(request, hiding=hiding)
    after = decode_cursor(request.cursor) if request.cursor is not None else None
    newest_ns = read_newest_ns(engine, reading, request.app, request.from_ns, request.to_ns)
    if newest_ns is None or source.from_ns >= source.to_ns:
        return ActivityPage([], None)
    named = _named(engine, reading, source, after, newest_ns, request.limit)
    more = len(named) > request.limit
    named = named[: request.limit]
    rows = _told(engine, reading, source, [row.name for row in named]) if named else []
    # What came in between the two steps may have put them in another order; the names stay those of the page.
    rows.sort(key=lambda row: (-row.last_ns, row.name.encode()))
    return ActivityPage(rows, encode_cursor(named[-1].last_ns, named[-1].name) if more else None)


def compile_names(request: ActivityRequest, *, hiding: bool) -> Condition:
    """The SQL for the names of a page, of the whole range."""
    source = _Source(request, hiding=hiding)
    after = decode_cursor(request.cursor) if request.cursor is not None else None
    return _names_since(source, source.from_ns, after, request.limit)


def read_session_neighbours(
    engine: Engine, reading: Reading, app: str, session: str, *, field: Literal["user", "device"], name: str
) -> tuple[SessionPlace | None, SessionPlace | None]:
    """As the port says. Two reads: where the session begins, and what begins around it."""
    parameters = {"app": text_parameter(app), "name": text_parameter(name), "session": text_parameter(session)}
    # No range of time: then the projection serves this, and the indexes of names where a part has none.
    mine = f"FROM events WHERE app = {{app:String}} AND {field} = {{name:String}}"
    own = f"SELECT min(time_ns) {mine} AND session = {{session:String}} HAVING count() > 0"
    begun = _decode_times(engine.read(reading, own, parameters))
    if not begun:
        return None, None
    here = f"({begun[0][0]}, {{session:String}})"
    sql = f"""SELECT countIf({_PLACE} < {here}), argMaxIf(session, {_PLACE}, {_PLACE} < {here}),
            maxIf(start_ns, {_PLACE} < {here}),
            countIf({_PLACE} > {here}), argMinIf(session, {_PLACE}, {_PLACE} > {here}),
            minIf(start_ns, {_PLACE} > {here})
        FROM (SELECT session, min(time_ns) AS start_ns {mine} GROUP BY session)"""
    [around] = _decode_around(engine.read(reading, sql, parameters))
    return (
        SessionPlace(around.previous, around.previous_ns) if around.before else None,
        SessionPlace(around.next, around.next_ns) if around.after else None,
    )


_PLACE = "(start_ns, session)"


def read_newest_ns(engine: Engine, reading: Reading, app: str, from_ns: int, to_ns: int) -> int | None:
    """The time of the newest event of `app` with from_ns <= time < to_ns; None when there is none."""
    sql = f"""SELECT time_ns FROM events WHERE app = {{app:String}} AND {_span(_within(from_ns), _within(to_ns))}
        ORDER BY time_ns DESC LIMIT 1"""
    found = _decode_times(engine.read(reading, sql, {"app": text_parameter(app)}))
    return found[0][0] if found else None


def _named(
    engine: Engine, reading: Reading, source: _Source, after: tuple[int, str] | None, newest_ns: int, limit: int
) -> list[_Named]:
    """Up to limit + 1 names of the page, in order."""
    found: list[_Named] = []
    for from_ns in _starts(source.from_ns, newest_ns, after[0] if after is not None else newest_ns):
        asked = _names_since(source, from_ns, after, limit)
        found = _decode_named(engine.read(reading, asked.sql, asked.parameters))
        if len(found) > limit:
            break
    return found


def _names_since(source: _Source, from_ns: int, after: tuple[int, str] | None, limit: int) -> Condition:
    parameters = dict(source.parameters)
    having = f"name != '' AND sum(seen) > 0 AND last_ns >= {source.from_ns}"
    if after is not None:
        parameters["after"] = text_parameter(after[1])
        having += f" AND (last_ns < {after[0]} OR (last_ns = {after[0]} AND name > {{after:String}}))"
    sql = f"""SELECT name, max(last_ns) AS last_ns FROM ({source.names(from_ns)}) GROUP BY name
        HAVING {having} ORDER BY last_ns DESC, name LIMIT {limit + 1}"""
    return Condition(sql, parameters)


def _starts(from_ns: int, newest_ns: int, after_ns: int) -> list[int]:
    """Where each look begins, the page being after `after_ns`; those before `from_ns` are one.

    All of them end with the newest event, for a name's last activity is what counts. So windows narrower than what
    has been paged through already are left out: they cost as much as the next.
    """
    widths = [width for width in WINDOWS_NS if width >= newest_ns - after_ns]
    return [*(start for width in widths if (start := after_ns - width) > from_ns), from_ns]


def _told(engine: Engine, reading: Reading, source: _Source, names: Sequence[str]) -> list[Activity]:
    """What is told of `names`; without those that have nothing to be seen."""
    parameters = {**source.parameters, "names": _listed(names)}
    rows = source.rows(f"{source.of} IN {{names:Array(String)}}")
    sql = f"""SELECT {source.of} AS name, sum(n) AS events, sum(e), min(a), max(b),
            argMaxIf(user, (b, user), user != ''), argMaxIf(device, (b, device), device != ''), uniqExact(session)
        FROM ({rows}) GROUP BY name HAVING events > 0"""
    told = _decode_told(engine.read(reading, sql, parameters))
    components = _components(engine, reading, source, {row.name: row.last_ns for row in told}) if told else {}
    return [Activity(**msgspec.structs.asdict(row), components=components.get(row.name, [])) for row in told]


def _components(engine: Engine, reading: Reading, source: _Source, last_ns: dict[str, int]) -> dict[str, list[str]]:
    """What each of the names in `last_ns` named within COMPONENTS_NS up to then.

    A read of its own: sets of them in the projection take half of its making and two thirds of its reading.
    """
    parameters = {**source.parameters, "names": _listed(last_ns), "ends": f"[{','.join(map(str, last_ns.values()))}]"}
    span = _span(max(source.from_ns, min(last_ns.values()) - COMPONENTS_NS + 1), max(last_ns.values()) + 1)
    sql = f"""SELECT {source.of} AS name,
            arraySlice(arraySort(groupUniqArray(toString(component))), 1, {COMPONENTS_MAX})
        FROM events WHERE app = {{app:String}} AND {span} AND {source.of} IN {{names:Array(String)}}
            AND component != '' AND {source.condition}
            AND time_ns > transform({source.of}, {{names:Array(String)}}, {{ends:Array(Int64)}}, 0) - {COMPONENTS_NS}
        GROUP BY name"""
    return dict(_decode_components(engine.read(reading, sql, parameters)))


def _listed(names: Iterable[str]) -> str:
    """Names as the value of a parameter of the type Array(String)."""
    return f"[{','.join(map(text_literal, names))}]"


def _is_by_names(query: ast.Query) -> bool:
    """Whether the fields of the projection tell if an event matches."""
    match query:
        case ast.All():
            return True
        case ast.Not(child):
            return _is_by_names(child)
        case ast.And(children) | ast.Or(children):
            return all(map(_is_by_names, children))
        case ast.Equals(field) | ast.Prefix(field) | ast.Regex(field) | ast.Exists(field):
            return field in ACTIVITY_KEYS
    return False


def _span(from_ns: int, to_ns: int) -> str:
    return f"time_ns >= {from_ns} AND time_ns < {to_ns}"


def _within(time_ns: int) -> int:
    """Within what the columns hold; no stored time lies outside."""
    return min(_INT64_MAX, max(-_INT64_MAX, time_ns))
