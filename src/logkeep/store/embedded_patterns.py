"""Patterns in the embedded store: a row a pattern and day, in partitions of a day; the events name theirs.

Readers take the newest row of each pattern. Patterns whose templates have become the same count as one.
"""
# ruff: noqa: S608 - the SQL is text of ours and numbers; what users write is bound as parameters

from collections.abc import Mapping, Sequence

import msgspec

from logkeep.patterns.template import KeptPattern
from logkeep.store.clickhouse_events import ROW_COLUMNS, EventRow, row_json
from logkeep.store.clickhouse_sql import text_literal
from logkeep.store.embedded_engine import Engine
from logkeep.store.embedded_files import file_source, memory_file
from logkeep.store.page import bucket_width_ns, pattern_count
from logkeep.store.port import PatternCount, PatternRequest, Patterns
from logkeep.store.reading import Reading

_ROW_STRUCTURE = "app String, id String, template String, form String, first_ns Int64"


class _Named(msgspec.Struct, array_like=True):
    """A row of the answer: one template. buckets, levels, counts: one of each an entry; bucket -1: the range before."""

    template: str
    ids: list[str]
    first_ns: int
    last_ns: int
    count: int
    buckets: list[int]
    levels: list[str]
    counts: list[int]
    patterns: int
    events: int


class _Example(EventRow):
    pattern: str


_encode_lines = msgspec.json.Encoder().encode_lines
_decode_lines = msgspec.json.Decoder().decode_lines
_decode_named = msgspec.json.Decoder(_Named).decode_lines
_decode_examples = msgspec.json.Decoder(_Example).decode_lines
_decode_kept = msgspec.json.Decoder(tuple[str, str, str, str, int]).decode_lines


def keep(engine: Engine, patterns: Sequence[KeptPattern], now_ns: int) -> None:
    """By the thread that writes."""
    with memory_file(_encode_lines(patterns)) as path:
        source = file_source(path, "JSONEachRow", _ROW_STRUCTURE)
        engine.write(f"INSERT INTO patterns SELECT app, id, template, form, first_ns, {now_ns} FROM {source}")


def known(engine: Engine, *, patterns_max: int) -> list[KeptPattern]:
    """By the thread that writes."""
    rows = engine.write(
        f"""SELECT app, id, argMax(template, kept_ns), argMax(form, kept_ns), min(first_ns) FROM patterns
        GROUP BY app, id ORDER BY app, max(kept_ns) DESC, id LIMIT {patterns_max} BY app""",
        rows=True,
    )
    return [KeptPattern(*row) for row in _decode_kept(rows)]


def forget_before(engine: Engine, day: str) -> None:
    """What was kept before that day is gone: events of that day and later ones name none of it. By the writer.

    A day later than needed: an event's time may be minutes ahead of the day on which its pattern was kept.
    """
    sql = f"""SELECT DISTINCT partition FROM system.parts
        WHERE database = currentDatabase() AND table = 'patterns' AND active AND partition < {text_literal(day)}"""
    for (partition,) in _decode_lines(engine.write(sql, rows=True)):
        engine.write(f"ALTER TABLE patterns DROP PARTITION {text_literal(partition)}")


def read(
    engine: Engine, reading: Reading, request: PatternRequest, where: Sequence[str], parameters: Mapping[str, str]
) -> Patterns:
    """where: the conditions on rows of `events` but for the time. parameters: theirs, `app` among them."""
    found = _decode_named(engine.read(reading, counting(request, where), parameters))
    ungrouped = [row for row in found if not row.template]
    rows = [row for row in found if row.template][: request.limit]
    examples = _examples(engine, reading, request.app, rows, where, parameters) if rows else {}
    return Patterns(
        rows=[_pattern_count(row, request, examples) for row in rows],
        patterns=found[0].patterns - len(ungrouped) if found else 0,
        events=found[0].events if found else 0,
        ungrouped=sum(row.count for row in ungrouped),
    )


def counting(request: PatternRequest, where: Sequence[str]) -> str:
    """Events by pattern, bucket and level, then by template; those without a pattern come first."""
    from_ns, to_ns = request.from_ns, request.to_ns
    width_ns = bucket_width_ns(from_ns, to_ns, request.buckets)
    conditions = [*where, f"time_ns >= {request.start_ns}", f"time_ns < {to_ns}", "kind = 'text'"]
    return f"""WITH named AS (
            SELECT id, argMax(template, kept_ns) AS newest, min(first_ns) AS first_seen_ns
            FROM patterns WHERE app = {{app:String}} GROUP BY id),
        counted AS (
            SELECT toString(pattern) AS pattern_id, toString(level) AS level_name, toInt64(count()) AS n,
                if(time_ns < {from_ns}, -1, intDiv(time_ns - {from_ns}, {width_ns})) AS bucket,
                max(time_ns) AS newest_ns
            FROM events WHERE {" AND ".join(conditions)} GROUP BY pattern, bucket, level)
        SELECT if(newest = '', pattern_id, newest) AS template, arraySort(groupUniqArray(pattern_id)),
            minIf(first_seen_ns, first_seen_ns > 0), max(if(bucket >= 0, newest_ns, 0)),
            sumIf(n, bucket >= 0) AS total, groupArray(bucket), groupArray(level_name), groupArray(n),
            toInt64(count() OVER ()), sum(sumIf(n, bucket >= 0)) OVER ()
        FROM counted LEFT JOIN named ON counted.pattern_id = named.id
        GROUP BY template HAVING total > 0
        ORDER BY template != '', total DESC, template LIMIT {request.limit + 1}"""


def _examples(
    engine: Engine,
    reading: Reading,
    app: str,
    rows: Sequence[_Named],
    where: Sequence[str],
    parameters: Mapping[str, str],
) -> dict[str, bytes]:
    """By pattern: the JSON of an event. Their times are known, so the primary key leads to each."""
    times = ", ".join(sorted({str(row.last_ns) for row in rows}))
    places = ", ".join(f"({text_literal(name)}, {row.last_ns})" for row in rows for name in row.ids)
    conditions = [*where, f"time_ns IN ({times})", f"(toString(pattern), time_ns) IN ({places})"]
    sql = f"""SELECT {ROW_COLUMNS}, pattern FROM events
        WHERE {" AND ".join(conditions)} ORDER BY id DESC LIMIT 1 BY pattern"""
    found = _decode_examples(engine.read(reading, sql, parameters))
    return {row.pattern: row_json(app, row) for row in found}


def _pattern_count(row: _Named, request: PatternRequest, examples: Mapping[str, bytes]) -> PatternCount:
    return pattern_count(
        request,
        row.template,
        row.ids,
        zip(row.buckets, row.levels, row.counts, strict=True),
        first_ns=row.first_ns or row.last_ns,
        last_ns=row.last_ns,
        example=next(examples[name] for name in row.ids if name in examples),
    )
