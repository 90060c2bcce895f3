"""The embedded store: ClickHouse in this process (chDB). The tables are in clickhouse_schema.py, connections and limits
in embedded_engine.py.

Writing: a batch goes as NDJSON through a memory file into `INSERT … SELECT … FROM file(…)`, 4.2 µs of CPU an event
against 5.6 for the client's streaming insert. It is one block and so one part a day, fsync'd with its folder before
`write` returns. The text index is made at insert: 0.9 µs of CPU an event, and the first merge saves 1.7 of them.

Once only: the engine drops a token it has seen, but its list of tokens is not what we fsync. So a batch that holds
anything received before this store was opened, or before a write failed, is first looked up by (app, time, id).

Updates: `hidden` lists what an update has superseded; it only ever grows, so writing it twice does no harm.
"""
# ruff: noqa: S608 - the SQL is text of ours, numbers and names of memory files; what users write is bound as parameters

import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Literal, TypeAlias

import msgspec

from logkeep.clock import NS_PER_DAY, NS_PER_S, Clock, SystemClock
from logkeep.errors import BackendUnavailable, InputError, LogkeepError
from logkeep.event import Event
from logkeep.patterns.template import KeptPattern
from logkeep.query.ast import Query
from logkeep.query.table import Table
from logkeep.store import clickhouse_arrivals, embedded_patterns
from logkeep.store import clickhouse_schema as schema
from logkeep.store.clickhouse_plan import index_uses
from logkeep.store.clickhouse_sql import (
    EVENT_COLUMNS,
    EVENT_JSON,
    Condition,
    compile_query,
    group_expression,
    parameter_text,
    text_literal,
    text_parameter,
)
from logkeep.store.clickhouse_stats import compile_neighbours, compile_stats, sort_order, table_of
from logkeep.store.embedded_activity import read_activity, read_session_neighbours
from logkeep.store.embedded_engine import Engine
from logkeep.store.embedded_erasure import EmbeddedErasing
from logkeep.store.embedded_facets import read_facets
from logkeep.store.embedded_files import file_source, memory_file
from logkeep.store.page import bucket_width_ns, decode_cursor, page_of, with_matches_marked
from logkeep.store.port import (
    REMEMBER_S,
    ROWS_MAX,
    ActivityPage,
    ActivityRequest,
    Arrived,
    ArrivedRequest,
    Batch,
    Bucket,
    DayCount,
    Explanation,
    Facets,
    Page,
    PatternRequest,
    Patterns,
    SearchRequest,
    SessionPlace,
    StatsRequest,
)
from logkeep.store.reading import Reading
from logkeep.store.windows import Window, in_windows

MIB = 1 << 20
HISTOGRAM_ROWS_MAX = 100_000  # buckets × groups; 1000 buckets of 100 groups is more than a picture can show
SUM_EVERY_NS = 240 * NS_PER_S  # fifteen days an hour
SUM_AFTER_NS = 3600 * NS_PER_S  # from the end of a day on: by then few of its events are still to come
SUM_ROWS_MIN = 1000  # fewer are read as they are, as fast
COUNT_TRIES = 5  # to count all parts while merges replace them
RECEIVED_WINDOW_NS = 60 * NS_PER_S  # how far back `_newest_received_ns` looks exactly

# One block an insert, whatever its size: a token then stands for exactly one part a day.
_INSERT_SETTINGS = (
    f"max_insert_block_size = {2 * ROWS_MAX}, min_insert_block_size_rows = {2 * ROWS_MAX},"
    " min_insert_block_size_bytes = 0, max_insert_threads = 1, max_partitions_per_insert_block = 0"
)
_Bound: TypeAlias = Mapping[str, str]  # parameters by name
_encode_lines = msgspec.json.Encoder().encode_lines
_decode_lines = msgspec.json.Decoder().decode_lines


class _Place(msgspec.Struct, array_like=True, gc=False):
    """Where an event stands in the store; `row` counts from 0 in its batch."""

    row: int
    app: str
    time_ns: int
    id: str


class _Part(msgspec.Struct, array_like=True, frozen=True):
    """One file set of the engine: rows of one day. size: bytes on disk."""

    name: str
    day: str
    rows: int
    size: int


_decode_parts = msgspec.json.Decoder(_Part).decode_lines
_LIST_PARTS = """SELECT name, partition, rows, bytes_on_disk FROM system.parts
    WHERE database = currentDatabase() AND table = 'events' AND active AND rows > 0"""
_PLACE_STRUCTURE = "row UInt32, app String, time_ns Int64, id String"


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
            self._updating, self._hiding = self._apps_in("updates"), self._apps_in("hidden")
            # Up to here, an event may be stored already, whatever the engine remembers of tokens.
            self._look_up_until_ns = self._newest_received_ns()
            self._forgotten_hour = -1
            self._next_sum_ns = 0
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
        if found == 0:
            self._engine.write(f"INSERT INTO meta VALUES ({schema.SCHEMA_VERSION})")

    def _apps_in(self, table: str) -> set[str]:
        return {row[0] for row in _decode_lines(self._engine.write(f"SELECT DISTINCT app FROM {table}", rows=True))}

    def _newest_received_ns(self) -> int:
        """No stored event was received after this. Exact when one came within the last minute, else a minute ago."""
        floor_ns = self._clock.now_ns() - RECEIVED_WINDOW_NS
        newest = self._engine.write(f"SELECT max(received_ns) FROM events WHERE received_ns > {floor_ns}")
        return max(int(newest), floor_ns)

    # ── writing ───────────────────────────────────────────────────────────────────────────────────────────────────

    def known(self, events: Sequence[Event]) -> set[int]:
        found: set[int] = set()
        first: dict[tuple[str, str], int] = {}
        for row, event in enumerate(events):
            if event.own_id and first.setdefault((event.app, event.id), row) != row:
                found.add(row)
        if not first:
            return found
        places = [_Place(row, app, events[row].time_ns, name) for (app, name), row in first.items()]
        with self._writing:
            found |= self._stored(places)
            return found | self._recent(places)

    def _stored(self, places: Sequence[_Place]) -> set[int]:
        """Rows whose (app, time, id) is in `events`. The primary key prunes: 0.5 µs a row."""
        with memory_file(_encode_lines(places)) as path:
            source = file_source(path, "JSONCompactEachRow", _PLACE_STRUCTURE)
            sql = f"""SELECT DISTINCT app, time_ns, id FROM events
                WHERE (app, time_ns, id) IN (SELECT app, time_ns, id FROM {source})"""
            stored = {tuple(row) for row in _decode_lines(self._engine.write(sql, rows=True))}
        return {place.row for place in places if (place.app, place.time_ns, place.id) in stored} if stored else set()

    def _recent(self, places: Sequence[_Place]) -> set[int]:
        """Rows whose (app, id) was written within REMEMBER_S, whatever its time."""
        with memory_file(_encode_lines(places)) as path:
            source = file_source(path, "JSONCompactEachRow", _PLACE_STRUCTURE)
            sql = f"""SELECT DISTINCT app, id FROM recent_ids
                WHERE at_ns > {self._memory_start_ns()} AND (app, id) IN (SELECT app, id FROM {source})"""
            recent = {tuple(row) for row in _decode_lines(self._engine.write(sql, rows=True))}
        return {place.row for place in places if (place.app, place.id) in recent} if recent else set()

    def _memory_start_ns(self) -> int:
        return self._clock.now_ns() - REMEMBER_S * NS_PER_S

    def write(self, batch: Batch) -> None:
        assert 1 <= len(batch.events) <= ROWS_MAX, len(batch.events)
        with self._writing:
            try:
                self._write(batch)
            except LogkeepError:
                # Some of its days may be stored: whoever tries again, under whatever token, must not double them.
                newest_ns = max(event.received_ns for event in batch.events)
                self._look_up_until_ns = max(self._look_up_until_ns, newest_ns)
                raise

    def _write(self, batch: Batch) -> None:
        events = batch.events
        with memory_file(_encode_lines(events)) as path:
            source = _batch_source(path)
            # First, so that nobody ever finds an update beside what it supersedes.
            self._hide_superseded(source, events)
            missing = self._missing(events)
            if len(missing) == len(events):
                self._insert_events(source, batch.token)
            elif missing:
                with memory_file(_encode_lines(missing)) as rest:
                    self._insert_events(_batch_source(rest), batch.token)
            if any(event.own_id for event in events):
                self._keep_ids(path)
        self._sum_ended_days()

    def _sum_ended_days(self) -> None:
        """Days that are over have the projection `activity` in all their larger parts some time: one a look.

        The engine makes it in the background, 0.5 µs of CPU an event; what is waited for here is a step over the parts
        of all days, 0.2 s at 150 of them. Not at insert, where it costs 10 ms a batch and 2 µs an event with its
        merges; not by merges, for parts with it are not merged with parts without.
        """
        now_ns = self._clock.now_ns()
        if now_ns < self._next_sum_ns:
            return
        self._next_sum_ns = now_ns + SUM_EVERY_NS
        ended = datetime.fromtimestamp((now_ns - SUM_AFTER_NS - NS_PER_DAY) // NS_PER_S, UTC).date().isoformat()
        sql = f"""SELECT partition FROM system.parts
            WHERE database = currentDatabase() AND table = 'events' AND active AND empty(projections)
                AND partition <= '{ended}'
            GROUP BY partition HAVING sum(rows) >= {SUM_ROWS_MIN} ORDER BY sum(rows) DESC LIMIT 1"""
        for (day,) in _decode_lines(self._engine.write(sql, rows=True)):
            self._engine.write(f"ALTER TABLE events MATERIALIZE PROJECTION activity IN PARTITION {text_literal(day)}")

    def _missing(self, events: Sequence[Event]) -> Sequence[Event]:
        """Those of `events` that are not stored. Looked up only where an earlier write may have stored them."""
        until_ns = self._look_up_until_ns
        places = [
            _Place(row, event.app, event.time_ns, event.id)
            for row, event in enumerate(events)
            if event.received_ns <= until_ns
        ]
        if not places:
            return events
        stored = self._stored(places)
        return [event for row, event in enumerate(events) if row not in stored] if stored else events

    def _insert_events(self, source: str, token: str) -> None:
        self._engine.write(
            f"""INSERT INTO events (app, session, key, value, kind, number, time_ns, received_ns, id, level, user,
                device, component, attributes, update, pattern, arrival)
            SELECT app, session, key, value, kind, ifNull(number, nan), time_ns, received_ns, id, level, user,
                device, component, attributes, update, pattern, arrival FROM {source}
            SETTINGS insert_deduplication_token = {text_literal(token)}, {_INSERT_SETTINGS}"""
        )

    def _hide_superseded(self, source: str, events: Sequence[Event]) -> None:
        """`hidden` has every event that an update of its (app, session, key) supersedes.

        Also for events that come late: an update of theirs may be there already. Apps without any pay nothing.
        """
        self._updating |= (fresh := {event.app for event in events if event.update})
        if fresh:
            self._engine.write(
                f"""INSERT INTO updates SELECT app, session, key, time_ns, received_ns, id FROM {source} WHERE update
                SETTINGS {_INSERT_SETTINGS}"""
            )
        if self._updating.isdisjoint(event.app for event in events):
            return
        touched = f"""SELECT app, session, key FROM updates WHERE (app, session, key) IN (
            SELECT app, session, key FROM {source}) GROUP BY app, session, key"""
        apps = {row[0] for row in _decode_lines(self._engine.write(f"SELECT DISTINCT app FROM ({touched})", rows=True))}
        if apps:
            self._insert_hidden(touched, source)
            self._hiding |= apps

    def _insert_hidden(self, touched: str, source: str) -> None:
        """touched: SQL of the (app, session, key) whose events may have changed. source: of the batch's events."""
        columns = "app, session, key, time_ns, received_ns, id, user, device, level, update"
        concerned = "app IN (SELECT app FROM newest) AND session IN (SELECT session FROM newest)"
        self._engine.write(
            f"""INSERT INTO hidden
            WITH newest AS (
                SELECT app, session, key, max(received_ns) AS until_ns,
                    argMax(id, (time_ns, received_ns, id)) AS standing
                FROM updates WHERE (app, session, key) IN ({touched}) GROUP BY app, session, key)
            SELECT app, time_ns, id, session, user, device, level FROM (
                SELECT {columns} FROM events WHERE {concerned}
                UNION ALL SELECT {columns} FROM {source} WHERE {concerned}) AS found
            INNER JOIN newest USING (app, session, key)
            WHERE if(update, id != standing, received_ns <= until_ns)
              AND (app, time_ns, id) NOT IN (
                SELECT app, time_ns, id FROM hidden WHERE session IN (SELECT session FROM newest))
            SETTINGS {_INSERT_SETTINGS}"""
        )

    def _keep_ids(self, path: str) -> None:
        """The ids that senders gave are known: a second try may have another time, and always another `received`."""
        self._engine.write(
            f"""INSERT INTO recent_ids SELECT app, id, {self._clock.now_ns()} FROM {_batch_source(path)}
            WHERE own_id"""
        )
        self._forget_old()

    def remember(self, keys: Sequence[str], token: str) -> None:
        assert keys
        with self._writing, memory_file(_encode_lines([[key] for key in keys])) as path:
            source = file_source(path, "JSONCompactEachRow", "name String")
            self._engine.write(f"INSERT INTO remembered SELECT name, {self._clock.now_ns()} FROM {source}")
            self._forget_old()

    def remembered(self, keys: Sequence[str]) -> set[str]:
        if not keys:
            return set()
        with self._writing, memory_file(_encode_lines([[key] for key in keys])) as path:
            source = file_source(path, "JSONCompactEachRow", "name String")
            sql = f"""SELECT DISTINCT name FROM remembered
                WHERE at_ns > {self._memory_start_ns()} AND name IN (SELECT name FROM {source})"""
            return {row[0] for row in _decode_lines(self._engine.write(sql, rows=True))}

    def keep_patterns(self, patterns: Sequence[KeptPattern]) -> None:
        assert patterns
        with self._writing:
            embedded_patterns.keep(self._engine, patterns, self._clock.now_ns())

    def known_patterns(self, *, patterns_max: int) -> list[KeptPattern]:
        with self._writing:
            return embedded_patterns.known(self._engine, patterns_max=patterns_max)

    def _forget_old(self) -> None:
        """Hours of the 24 h memories that are over are gone; looked at once an hour."""
        hour = self._memory_start_ns() // (3600 * NS_PER_S)
        if hour == self._forgotten_hour:
            return
        self._forgotten_hour = hour
        for table in schema.HOUR_TABLES:
            sql = f"""SELECT DISTINCT partition FROM system.parts
                WHERE database = currentDatabase() AND table = '{table}' AND active AND toInt64(partition) < {hour}"""
            for (partition,) in _decode_lines(self._engine.write(sql, rows=True)):
                self._engine.write(f"ALTER TABLE {table} DROP PARTITION {int(partition)}")

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
        condition, after = compile_query(request.query), None
        parameters = {**condition.parameters, "app": text_parameter(request.app)}
        from_ns, to_ns = _int64(request.from_ns), _int64(request.to_ns)
        if request.cursor is not None:
            time_ns, parameters["after"] = _after(request.cursor)
            sign = ">" if request.order == "asc" else "<"
            after = f"(time_ns {sign} {time_ns} OR id {sign} {{after:String}})"
            if request.order == "asc":
                from_ns = max(from_ns, time_ns)
            else:
                to_ns = min(to_ns, time_ns + 1)
        found: list[bytes] = []

        def read(window: Window) -> list[bytes]:
            where = ["app = {app:String}", f"time_ns >= {window.from_ns}", f"time_ns < {window.to_ns}"]
            where += [after] if after else []
            where += [condition.sql, *self._not_hidden(request.app, window.from_ns, window.to_ns)]
            return self._events(reading, where, parameters, request.order, request.limit + 1 - len(found))

        if from_ns < to_ns:
            newest_first = request.order == "desc"
            for lines in in_windows(reading, Window(from_ns, to_ns), read, newest_first=newest_first, glance=True):
                found += lines
                if len(found) > request.limit:
                    break
        return page_of(found, request.limit, reading)

    def explain(self, reading: Reading, request: SearchRequest) -> Explanation:
        condition = compile_query(request.query)
        sql = f"""EXPLAIN indexes = 1, json = 1 SELECT id FROM events WHERE app = {{app:String}}
            AND time_ns >= {_int64(request.from_ns)} AND time_ns < {_int64(request.to_ns)} AND {condition.sql}"""
        plan = self._engine.read(reading, sql, {**condition.parameters, "app": text_parameter(request.app)}, "TSVRaw")
        shown = {name: parameter_text(value) for name, value in condition.parameters.items()}
        return Explanation(condition.sql, shown, index_uses(plan))

    def _sorted(self, reading: Reading, request: SearchRequest) -> Page:
        """One page of all the range: a part of it would not hold the first ones."""
        condition, order = compile_query(request.query), sort_order(request.sort)
        from_ns, to_ns = _int64(request.from_ns), _int64(request.to_ns)
        where = ["app = {app:String}", f"time_ns >= {from_ns}", f"time_ns < {to_ns}", condition.sql]
        where += self._not_hidden(request.app, from_ns, to_ns)
        parameters = {**condition.parameters, **order.parameters, "app": text_parameter(request.app)}
        found = self._events(reading, where, parameters, request.order, request.limit, sort=order.sql)
        return page_of(found, request.limit, reading)

    def _with_neighbours(self, reading: Reading, request: SearchRequest, page: Page) -> Page:
        asked = compile_neighbours(request.app, page.events, request.context, hiding=request.app in self._hiding)
        lines = self._engine.read(reading, asked.sql, asked.parameters, "LineAsString")
        events = b"[" + lines.rstrip(b"\n").replace(b"\n", b",") + b"]"
        return Page(with_matches_marked(events, page.events), page.count, page.next)

    def stats(self, reading: Reading, request: StatsRequest) -> Table:
        asked = compile_stats(request, self._not_hidden(request.app, request.from_ns, request.to_ns))
        return table_of(request, self._engine.read(reading, asked.sql, asked.parameters))

    def session(self, reading: Reading, app: str, session: str, *, limit: int) -> Page:
        parameters = {"app": text_parameter(app), "session": text_parameter(session)}
        where = ["app = {app:String}", "session = {session:String}"]
        if app in self._hiding:
            where.append("id NOT IN (SELECT id FROM hidden WHERE app = {app:String} AND session = {session:String})")
        return page_of(self._events(reading, where, parameters, "asc", limit + 1), limit, reading)

    def event(self, reading: Reading, app: str, event_id: str) -> bytes | None:
        parameters = {"app": text_parameter(app), "id": text_parameter(event_id)}
        where = ["app = {app:String}", "id = {id:String}"]
        if app in self._hiding:
            where.append("id NOT IN (SELECT id FROM hidden WHERE app = {app:String} AND id = {id:String})")
        found = self._events(reading, where, parameters, "asc", 1)
        return found[0] if found else None

    def _events(
        self, reading: Reading, where: Sequence[str], parameters: _Bound, order: str, limit: int, sort: str = ""
    ) -> list[bytes]:
        """The JSON of up to `limit` events."""
        # The inner query finds the rows, and only then are their other columns read and their JSON made.
        sequence = f"{sort}time_ns {order}, id {order}"
        columns = EVENT_COLUMNS + ", number, pattern" * bool(sort)
        sql = f"""SELECT {EVENT_JSON} FROM (SELECT {columns} FROM events WHERE {" AND ".join(where)}
            ORDER BY {sequence} LIMIT {limit}) ORDER BY {sequence}"""
        return self._engine.read(reading, sql, parameters, "LineAsString").split(b"\n")[:-1]

    def _not_hidden(self, app: str, from_ns: int, to_ns: int) -> list[str]:
        if app not in self._hiding:
            return []
        return [
            f"""id NOT IN (SELECT id FROM hidden
            WHERE app = {{app:String}} AND time_ns >= {_int64(from_ns)} AND time_ns < {_int64(to_ns)})"""
        ]

    def arrived(self, reading: Reading, request: ArrivedRequest) -> list[Arrived]:
        wanted = clickhouse_arrivals.arrived(request)
        lines = self._engine.read(reading, wanted.sql, wanted.parameters, "LineAsString")
        return clickhouse_arrivals.read_arrived(lines)

    def newest_arrived(self, reading: Reading, request: ArrivedRequest) -> tuple[int, int]:
        wanted = clickhouse_arrivals.newest_arrived(request)
        return clickhouse_arrivals.read_newest_arrived(
            self._engine.read(reading, wanted.sql, wanted.parameters), request
        )

    def histogram(
        self, reading: Reading, app: str, query: Query, from_ns: int, to_ns: int, *, buckets: int, by: str | None
    ) -> list[Bucket]:
        condition = compile_query(query)
        group = group_expression(by) if by is not None else Condition("''", {})
        start_ns, width_ns = _int64(from_ns), bucket_width_ns(from_ns, to_ns, buckets)
        parameters = {**condition.parameters, **group.parameters, "app": text_parameter(app)}

        def read(window: Window) -> list[Any]:
            where = ["app = {app:String}", f"time_ns >= {window.from_ns}", f"time_ns < {window.to_ns}", condition.sql]
            where += self._not_hidden(app, window.from_ns, window.to_ns)
            sql = f"""SELECT intDiv(time_ns - {start_ns}, {width_ns}) AS bucket, {group.sql} AS part, count()
                FROM events WHERE {" AND ".join(where)} GROUP BY bucket, part LIMIT {HISTOGRAM_ROWS_MAX + 1}"""
            return _decode_lines(self._engine.read(reading, sql, parameters))

        counts: Counter[tuple[int, str]] = Counter()
        for rows in in_windows(reading, Window(start_ns, _int64(to_ns)), read, newest_first=True):
            for bucket, part, count in rows:
                counts[int(bucket), part] += int(count)
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
        where = [
            "app = {app:String}",
            f"time_ns >= {_int64(from_ns)}",
            f"time_ns < {_int64(to_ns)}",
            condition.sql,
            *self._not_hidden(app, from_ns, to_ns),
        ]
        parameters = {**condition.parameters, "app": text_parameter(app)}
        return read_facets(self._engine, reading, Condition(" AND ".join(where), parameters), fields, limit)

    def activity(self, reading: Reading, request: ActivityRequest) -> ActivityPage:
        return read_activity(self._engine, reading, request, hiding=request.app in self._hiding)

    def session_neighbours(
        self, reading: Reading, app: str, session: str, *, field: Literal["user", "device"], name: str
    ) -> tuple[SessionPlace | None, SessionPlace | None]:
        return read_session_neighbours(self._engine, reading, app, session, field=field, name=name)

    def patterns(self, reading: Reading, request: PatternRequest) -> Patterns:
        condition = compile_query(request.query)
        where = ["app = {app:String}", condition.sql, *self._not_hidden(request.app, request.start_ns, request.to_ns)]
        parameters = {**condition.parameters, "app": text_parameter(request.app)}
        return embedded_patterns.read(self._engine, reading, request, where, parameters)

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


def _batch_source(path: str) -> str:
    """The events of a batch, as msgspec encodes them, as a table."""
    return file_source(path, "JSONCompactEachRow", schema.BATCH_STRUCTURE)


def _int64(time_ns: int) -> int:
    """Within what the columns hold; no stored time lies outside."""
    return min(_INT64_MAX, max(-_INT64_MAX, time_ns))


def _after(cursor: str) -> tuple[int, str]:
    time_ns, event_id = decode_cursor(cursor)
    return time_ns, text_parameter(event_id)
