"""The embedded store: ClickHouse in this process (chDB). The tables are in clickhouse_schema.py, connections and limits
in embedded_engine.py.

What writes batches is in embedded_batches.py.
"""
# ruff: noqa: S608 - the SQL is text of ours, numbers and names of memory files; what users write is bound as parameters

import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from functools import partial
from pathlib import Path
from typing import Literal, TypeAlias, TypeVar

import msgspec

from logkeep.clock import Clock, SystemClock
from logkeep.errors import BackendUnavailable, InputError
from logkeep.event import Event
from logkeep.patterns.template import KeptPattern
from logkeep.query.ast import Query
from logkeep.query.table import Table
from logkeep.store import clickhouse_arrivals, embedded_patterns
from logkeep.store import clickhouse_schema as schema
from logkeep.store.clickhouse_events import ROW_COLUMNS, EventRow, in_order, read_rows, row_json
from logkeep.store.clickhouse_plan import index_uses
from logkeep.store.clickhouse_sql import (
    Condition,
    compile_query,
    names_one,
    parameter_text,
    text_literal,
    text_parameter,
)
from logkeep.store.clickhouse_stats import compile_neighbours, compile_stats, sort_order, table_of
from logkeep.store.embedded_activity import compile_names, read_activity, read_newest_ns, read_session_neighbours
from logkeep.store.embedded_batches import Batches
from logkeep.store.embedded_engine import Engine
from logkeep.store.embedded_erasure import EmbeddedErasing
from logkeep.store.embedded_facets import read_facets
from logkeep.store.embedded_histogram import Buckets, read_histogram
from logkeep.store.page import bucket_width_ns, decode_cursor, page_of, with_matches_marked
from logkeep.store.port import (
    ActivityPage,
    ActivityRequest,
    Arrived,
    ArrivedRequest,
    Batch,
    Bucket,
    DayCount,
    Explained,
    Explanation,
    Facets,
    Page,
    PatternRequest,
    Patterns,
    SearchRequest,
    SessionPlace,
    StatsRequest,
    filter_of,
)
from logkeep.store.reading import Reading
from logkeep.store.windows import Window, in_windows, newest_part

MIB = 1 << 20
HISTOGRAM_ROWS_MAX = 100_000  # buckets × groups; 1000 buckets of 100 groups is more than a picture can show
NAMED_ROWS_MAX = 1_000_000  # of the granules that have a name: where there are more, the newest are not far
NAMESAKES_MAX = 100  # events with one id that are read to tell the first
COUNT_TRIES = 5  # to count all parts while merges replace them

Answer = TypeVar("Answer")
_Bound: TypeAlias = Mapping[str, str]  # parameters by name
_decode_lines = msgspec.json.Decoder().decode_lines


class _Part(msgspec.Struct, array_like=True, frozen=True):
    """One file set of the engine: rows of one day. size: bytes on disk."""

    name: str
    day: str
    rows: int
    size: int


_decode_parts = msgspec.json.Decoder(_Part).decode_lines
_LIST_PARTS = """SELECT name, partition, rows, bytes_on_disk FROM system.parts
    WHERE database = currentDatabase() AND table = 'events' AND active AND rows > 0"""


class EmbeddedStore:
    """The Store port on chDB. Opening takes 0.1 to 0.6 s and makes the folder; `close` before opening another.

    memory_bytes_max: of the engine in all. readers: reads at once; one more waits. Raises BackendUnavailable (the
    folder is in use, cannot be written, or was written by a newer version).
    """

    def __init__(
        self,
        folder: Path,
        *,
        memory_bytes_max: int = 1536 * MIB,
        mark_cache_bytes: int = 64 * MIB,
        merge_threads: int = 2,
        readers: int = 4,
        clock: Clock | None = None,
    ) -> None:
        self._folder, self._clock = folder, clock or SystemClock()
        self._writing = threading.Lock()
        self._engine = Engine(
            folder,
            memory_bytes_max=memory_bytes_max,
            mark_cache_bytes=mark_cache_bytes,
            merge_threads=merge_threads,
            readers=readers,
        )
        try:
            self._make_tables()
            self.erasing = EmbeddedErasing(self._engine, self._writing, self._clock)
            self._batches = Batches(self._engine, self._writing, self._clock)
            self._hiding = self._batches.hiding
            self._part_counts: dict[str, dict[str, int]] = {}
        except BaseException:
            self.close()
            raise

    # ── opening ───────────────────────────────────────────────────────────────────────────────────────────────────

    def _make_tables(self) -> None:
        self._engine.write(schema.META)
        found = int(self._engine.write("SELECT max(version) FROM meta"))
        if found > schema.SCHEMA_VERSION:
            raise BackendUnavailable(
                f"the store in {self._folder} has layout version {found}, this program knows up to "
                f"{schema.SCHEMA_VERSION}; start the newer program that wrote it",
                code="store_too_new",
            )
        if 0 < found < schema.SCHEMA_VERSION:
            raise BackendUnavailable(
                f"the store in {self._folder} has layout version {found}, of before the first release; this program "
                f"writes {schema.SCHEMA_VERSION}; start with a new data folder",
                code="store_too_old",
            )
        for table in schema.TABLES:
            self._engine.write(table)
        sql = "SELECT engine_full FROM system.tables WHERE database = currentDatabase() AND name = 'events'"
        if schema.EVENTS_SETTINGS.encode() not in self._engine.write(sql):
            self._engine.write(f"ALTER TABLE events MODIFY SETTING {schema.EVENTS_SETTINGS}")
        if found == 0:
            self._engine.write(f"INSERT INTO meta VALUES ({schema.SCHEMA_VERSION})")

    # ── writing ───────────────────────────────────────────────────────────────────────────────────────────────────

    def known(self, events: Sequence[Event]) -> set[int]:
        return self._batches.known(events)

    def write(self, batch: Batch) -> None:
        self._batches.write(batch)

    def remember(self, keys: Sequence[str], token: str) -> None:
        self._batches.remember(keys, token)

    def remembered(self, keys: Sequence[str]) -> set[str]:
        return self._batches.remembered(keys)

    def keep_patterns(self, patterns: Sequence[KeptPattern]) -> None:
        assert patterns
        with self._writing:
            embedded_patterns.keep(self._engine, patterns, self._clock.now_ns())

    def known_patterns(self, *, patterns_max: int) -> list[KeptPattern]:
        with self._writing:
            return embedded_patterns.known(self._engine, patterns_max=patterns_max)

    def drop_day(self, day: str) -> None:
        try:
            name = date.fromisoformat(day).isoformat()
        except ValueError as error:
            raise InputError(f"{day[:40]!r} is no day; write YYYY-MM-DD", code="bad_day") from error
        with self._writing:
            for table in schema.DAY_TABLES:
                self._engine.write(f"ALTER TABLE {table} DROP PARTITION '{name}'")
            embedded_patterns.forget_before(self._engine, name)

    # ── reading ───────────────────────────────────────────────────────────────────────────────────────────────────

    def search(self, reading: Reading, request: SearchRequest) -> Page:
        page = self._sorted(reading, request) if request.sort else self._in_time(reading, request)
        return self._with_neighbours(reading, request, page) if request.context and page.count else page

    def _in_time(self, reading: Reading, request: SearchRequest) -> Page:
        after: str | None = None
        parameters = {"app": text_parameter(request.app)}
        from_ns, to_ns = _int64(request.from_ns), _int64(request.to_ns)
        if request.cursor is not None:
            time_ns, parameters["after"] = _after(request.cursor)
            sign = ">" if request.order == "asc" else "<"
            after = f"(time_ns {sign} {time_ns} OR id {sign} {{after:String}})"
            if request.order == "asc":
                from_ns = max(from_ns, time_ns)
            else:
                to_ns = min(to_ns, time_ns + 1)
        found: list[EventRow] = []
        named = names_one(request.query)

        def read(condition: Condition, window: Window) -> list[EventRow]:
            where = ["app = {app:String}", f"time_ns >= {window.from_ns}", f"time_ns < {window.to_ns}"]
            where += [after] if after else []
            where += [condition.sql, *self._not_hidden(request.app, window.from_ns, window.to_ns)]
            first, bound = self._first_named if named else self._first, {**parameters, **condition.parameters}
            return first(reading, where, bound, request.order, request.limit + 1 - len(found))

        if from_ns < to_ns:
            newest_first, whole = request.order == "desc", Window(from_ns, to_ns)
            look = partial(read, compile_query(request.query))
            glance = None if named else partial(read, compile_query(request.query, looks_parts_up=False))
            for rows in in_windows(reading, whole, look, newest_first=newest_first, glance=glance):
                found += rows
                if len(found) > request.limit:
                    break
        return _page(request.app, found, request.limit, reading)

    def explain(self, reading: Reading, request: Explained) -> Explanation:
        condition = compile_query(filter_of(request))
        sql = f"""EXPLAIN indexes = 1, json = 1 SELECT id FROM events WHERE app = {{app:String}}
            AND time_ns >= {_int64(request.from_ns)} AND time_ns < {_int64(request.to_ns)} AND {condition.sql}"""
        plan = self._engine.read(reading, sql, {**condition.parameters, "app": text_parameter(request.app)}, "text")
        compiled = self._compiled(request)
        shown = {name: parameter_text(value) for name, value in compiled.parameters.items()}
        return Explanation(compiled.sql, shown, index_uses(plan))

    def _compiled(self, request: Explained) -> Condition:
        """What is shown of the SQL that answers `request`."""
        match request:
            case StatsRequest():
                table = compile_stats(request, self._not_hidden(request.app, request.from_ns, request.to_ns))
                return Condition(table.sql, table.parameters)
            case PatternRequest():
                where, parameters = self._of_patterns(request)
                return Condition(embedded_patterns.counting(request, where), parameters)
            case ActivityRequest():
                return compile_names(request, hiding=request.app in self._hiding)
            case SearchRequest(query=query, sort=sort):
                condition, order = compile_query(query), sort_order(sort)
                by = f" ORDER BY {order.sql.removesuffix(', ')}" if sort else ""
                return Condition(condition.sql + by, {**condition.parameters, **order.parameters})

    def _sorted(self, reading: Reading, request: SearchRequest) -> Page:
        """One page of all the range: a part of it would not hold the first ones."""
        condition, order = compile_query(request.query), sort_order(request.sort)
        from_ns, to_ns = _int64(request.from_ns), _int64(request.to_ns)
        where = ["app = {app:String}", f"time_ns >= {from_ns}", f"time_ns < {to_ns}", condition.sql]
        where += self._not_hidden(request.app, from_ns, to_ns)
        parameters = {**condition.parameters, **order.parameters, "app": text_parameter(request.app)}
        found = self._first(reading, where, parameters, request.order, request.limit, sort=order.sql)
        return _page(request.app, found, request.limit, reading)

    def _with_neighbours(self, reading: Reading, request: SearchRequest, page: Page) -> Page:
        asked = compile_neighbours(request.app, page.events, request.context, hiding=request.app in self._hiding)
        rows = read_rows(self._engine.read(reading, asked.sql, asked.parameters))
        events = b"[" + b",".join(row_json(request.app, row) for row in rows) + b"]"
        return Page(with_matches_marked(events, page.events), page.count, page.next)

    def stats(self, reading: Reading, request: StatsRequest) -> Table:
        def read(window: Window) -> Table:
            part = msgspec.structs.replace(request, from_ns=window.from_ns, to_ns=window.to_ns)
            asked = compile_stats(part, self._not_hidden(part.app, part.from_ns, part.to_ns))
            return table_of(part, self._engine.read(reading, asked.sql, asked.parameters))

        return self._newest_part(reading, request.app, request.from_ns, request.to_ns, read)

    def session(self, reading: Reading, app: str, session: str, *, limit: int) -> Page:
        parameters = {"app": text_parameter(app), "session": text_parameter(session)}
        where = ["app = {app:String}", "session = {session:String}"]
        if app in self._hiding:
            where.append("id NOT IN (SELECT id FROM hidden WHERE app = {app:String} AND session = {session:String})")
        # Of most all are wanted: in any order then, for the engine orders with one thread.
        sql = f"SELECT {ROW_COLUMNS} FROM events WHERE {' AND '.join(where)} LIMIT {limit + 1}"
        read_before = reading.rows_read
        lines = self._engine.read(reading, sql, parameters, unordered_rows_max=NAMED_ROWS_MAX, scattered=True)
        found = read_rows(lines)
        if len(found) > limit or reading.rows_read - read_before >= NAMED_ROWS_MAX:  # then they are any of more
            found = self._first(reading, where, parameters, "asc", limit + 1)
        return _page(app, in_order(found, newest_first=False), limit, reading)

    def event(self, reading: Reading, app: str, event_id: str) -> bytes | None:
        parameters = {"app": text_parameter(app), "id": text_parameter(event_id)}
        where = ["app = {app:String}", "id = {id:String}"]
        if app in self._hiding:
            where.append("id NOT IN (SELECT id FROM hidden WHERE app = {app:String} AND id = {id:String})")
        # Not in order: that would be two steps for the engine, and an id is rarely of more than one.
        sql = f"SELECT {ROW_COLUMNS} FROM events WHERE {' AND '.join(where)} LIMIT {NAMESAKES_MAX}"
        found = in_order(read_rows(self._engine.read(reading, sql, parameters)), newest_first=False)
        if len(found) == NAMESAKES_MAX:
            found = self._first(reading, where, parameters, "asc", 1)
        return row_json(app, found[0]) if found else None

    def _first(
        self, reading: Reading, where: Sequence[str], parameters: _Bound, order: str, limit: int, sort: str = ""
    ) -> list[EventRow]:
        """The first `limit` in order of `sort` (SQL with a comma at its end) and (time, id)."""
        sql = f"""SELECT {ROW_COLUMNS} FROM events WHERE {" AND ".join(where)}
            ORDER BY {sort}time_ns {order}, id {order} LIMIT {limit}"""
        return read_rows(self._engine.read(reading, sql, parameters))

    def _first_named(
        self, reading: Reading, where: Sequence[str], parameters: _Bound, order: str, limit: int
    ) -> list[EventRow]:
        """The same where an index tells the rows, and they are few: a user's newest 100 for three quarters of the CPU.

        All of them are found, then their times are read and no ids, then the first ones. Where those after the last
        one may have its time too, its place among them is asked for.
        """
        newest_first, read_before = order == "desc", reading.rows_read
        sql = f"""SELECT {ROW_COLUMNS} FROM events WHERE {" AND ".join(where)}
            ORDER BY time_ns {order} LIMIT {limit}"""
        rows = read_rows(self._engine.read(reading, sql, parameters, unordered_rows_max=NAMED_ROWS_MAX))
        if reading.rows_read - read_before >= NAMED_ROWS_MAX:  # the engine stopped there; in order it needs fewer
            return self._first(reading, where, parameters, order, limit)
        rows = in_order(rows, newest_first=newest_first)
        if len(rows) < limit or (limit > 1 and rows[-2].time_ns != rows[-1].time_ns):
            return rows
        last_ns = rows[-1].time_ns
        rows = [row for row in rows if row.time_ns != last_ns]
        at_last = [*where, f"time_ns = {last_ns}"]
        return rows + self._first(reading, at_last, parameters, order, limit - len(rows))

    def _not_hidden(self, app: str, from_ns: int, to_ns: int) -> list[str]:
        if app not in self._hiding:
            return []
        return [
            f"""id NOT IN (SELECT id FROM hidden
            WHERE app = {{app:String}} AND time_ns >= {_int64(from_ns)} AND time_ns < {_int64(to_ns)})"""
        ]

    def arrived(self, reading: Reading, request: ArrivedRequest) -> list[Arrived]:
        wanted = clickhouse_arrivals.arrived(request)
        lines = self._engine.read(reading, wanted.sql, wanted.parameters)
        return clickhouse_arrivals.read_arrived(request.app, lines)

    def newest_arrived(self, reading: Reading, request: ArrivedRequest) -> tuple[int, int]:
        wanted = clickhouse_arrivals.newest_arrived(request)
        return clickhouse_arrivals.read_newest_arrived(
            self._engine.read(reading, wanted.sql, wanted.parameters), request
        )

    def histogram(
        self, reading: Reading, app: str, query: Query, from_ns: int, to_ns: int, *, buckets: int, by: str | None
    ) -> list[Bucket]:
        condition = compile_query(query)
        start_ns, width_ns = _int64(from_ns), bucket_width_ns(from_ns, to_ns, buckets)
        parts = Buckets(start_ns, width_ns, buckets)
        parameters = {**condition.parameters, "app": text_parameter(app)}

        def read(window: Window) -> list[tuple[int, str, int]]:
            where = ["app = {app:String}", f"time_ns >= {window.from_ns}", f"time_ns < {window.to_ns}", condition.sql]
            where += self._not_hidden(app, window.from_ns, window.to_ns)
            wanted = Condition(" AND ".join(where), parameters)
            return read_histogram(self._engine, reading, wanted, parts, by, rows_max=HISTOGRAM_ROWS_MAX)

        counts: Counter[tuple[int, str]] = Counter()
        for rows in in_windows(reading, Window(start_ns, _int64(to_ns)), read, newest_first=True, glance=read):
            for bucket, part, count in rows:
                counts[bucket, part] += count
        if len(counts) > HISTOGRAM_ROWS_MAX:
            raise InputError(
                f"a histogram of more than {HISTOGRAM_ROWS_MAX:,} counts; take fewer buckets or a field of few values",
                code="query_too_expensive",
            )
        ordered = sorted(counts.items(), key=lambda item: (item[0][0], item[0][1].encode()))
        return [Bucket(start_ns + bucket * width_ns, part, count) for (bucket, part), count in ordered]

    def facets(
        self, reading: Reading, app: str, query: Query, from_ns: int, to_ns: int, *, fields: Sequence[str], limit: int
    ) -> Facets:
        condition = compile_query(query)
        parameters = {**condition.parameters, "app": text_parameter(app)}

        def read(window: Window) -> Facets:
            where = ["app = {app:String}", f"time_ns >= {window.from_ns}", f"time_ns < {window.to_ns}", condition.sql]
            where += self._not_hidden(app, window.from_ns, window.to_ns)
            return read_facets(self._engine, reading, Condition(" AND ".join(where), parameters), fields, limit)

        return self._newest_part(reading, app, from_ns, to_ns, read)

    def activity(self, reading: Reading, request: ActivityRequest) -> ActivityPage:
        def read(window: Window) -> ActivityPage:
            part = msgspec.structs.replace(request, from_ns=window.from_ns, to_ns=window.to_ns)
            return read_activity(self._engine, reading, part, hiding=part.app in self._hiding)

        return self._newest_part(reading, request.app, request.from_ns, request.to_ns, read)

    def session_neighbours(
        self, reading: Reading, app: str, session: str, *, field: Literal["user", "device"], name: str
    ) -> tuple[SessionPlace | None, SessionPlace | None]:
        return read_session_neighbours(self._engine, reading, app, session, field=field, name=name)

    def patterns(self, reading: Reading, request: PatternRequest) -> Patterns:
        def read(window: Window) -> Patterns:
            part = msgspec.structs.replace(request, from_ns=window.from_ns, to_ns=window.to_ns)
            return embedded_patterns.read(self._engine, reading, part, *self._of_patterns(part))

        return self._newest_part(reading, request.app, request.from_ns, request.to_ns, read)

    def _of_patterns(self, request: PatternRequest) -> tuple[list[str], dict[str, str]]:
        """The conditions but for the time, and their parameters."""
        condition = compile_query(request.query)
        hidden = self._not_hidden(request.app, request.start_ns, request.to_ns)
        parameters = {**condition.parameters, "app": text_parameter(request.app)}
        return ["app = {app:String}", condition.sql, *hidden], parameters

    def _newest_part(
        self, reading: Reading, app: str, from_ns: int, to_ns: int, read: Callable[[Window], Answer]
    ) -> Answer:
        whole = Window(_int64(from_ns), _int64(to_ns))
        return newest_part(
            reading, whole, read, lambda: read_newest_ns(self._engine, reading, app, whole.from_ns, whole.to_ns)
        )

    def days(self) -> list[DayCount]:
        parts = self._counted_parts()
        events: Counter[tuple[str, str]] = Counter()
        sizes: Counter[tuple[str, str]] = Counter()
        for part in parts:
            for app, count in self._part_counts.get(part.name, {}).items():
                events[part.day, app] += count
                sizes[part.day, app] += part.size * count // part.rows
        return [DayCount(day, app, events[day, app], sizes[day, app]) for day, app in sorted(events)]

    def _counted_parts(self) -> list[_Part]:
        """The parts that hold the events now, each counted by app in `_part_counts`.

        A part never changes, so each is read once: this is asked every few seconds for ever.
        """
        parts: list[_Part] = []
        reading = Reading()
        for _ in range(COUNT_TRIES):
            parts = _decode_parts(self._engine.read(reading, _LIST_PARTS, {}))
            kept = {part.name: counts for part in parts if (counts := self._part_counts.get(part.name)) is not None}
            new = [part.name for part in parts if part.name not in kept]
            if new:
                sql = f"""SELECT _part, app, count() FROM events
                    WHERE _part IN ({", ".join(map(text_literal, new))}) GROUP BY _part, app"""
                for name, app, count in _decode_lines(self._engine.read(reading, sql, {})):
                    kept.setdefault(name, {})[app] = int(count)
            self._part_counts = kept
            if all(part.name in kept for part in parts):
                break  # else a merge took one away in between: look again
        return parts

    def ready(self) -> bool:
        return self._engine.ready()

    def close(self) -> None:
        """The write in hand is finished, and reads are, where the engine's CLOSE_WAIT_S is enough. Safe again."""
        with self._writing:
            self._engine.close()


_INT64_MAX = (1 << 63) - 1


def _int64(time_ns: int) -> int:
    """Within what the columns hold; no stored time lies outside."""
    return min(_INT64_MAX, max(-_INT64_MAX, time_ns))


def _page(app: str, found: Sequence[EventRow], limit: int, reading: Reading) -> Page:
    return page_of([row_json(app, row) for row in found], limit, reading)


def _after(cursor: str) -> tuple[int, str]:
    time_ns, event_id = decode_cursor(cursor)
    return time_ns, text_parameter(event_id)
