"""Facets in the embedded store: the most frequent values of several fields, from one scan for all of them.

Every value of every field is a group while it is counted, so time and memory grow with fields × events. Beyond
WORK_MAX a share of the events is counted instead: runs of SAMPLED_ROWS, chosen evenly over each part. How many
events match is counted exactly before that, so the share is known and not guessed.
"""
# ruff: noqa: S608 - the SQL is text of ours and numbers; what users write is bound as parameters

from collections.abc import Sequence
from typing import Any

import msgspec

from logkeep.query import ast
from logkeep.store.clickhouse_schema import GRANULE_ROWS
from logkeep.store.clickhouse_sql import Condition, group_expression
from logkeep.store.embedded_engine import Engine
from logkeep.store.port import FACET_CHARS_MAX, Facets, FieldCount, FieldFacet
from logkeep.store.reading import Reading

# In units of one event's value in a field of few values: 12 ns of CPU, measured on 2 M generated events. Five fields of
# a day of 3 M events take some 0.1 s then, of the 0.3 s that they may take together with a histogram.
WORK_MAX = 2_400_000
WORK_NAME = 1  # component, key, level
WORK_OTHER = 10  # ids and values: a group of 60 to 100 bytes for nearly each
WORK_ATTRIBUTE = 40  # JSON that is read and parsed
EVENTS_MIN = 100_000  # counted in any case: fewer tell too little
READ_A_MATCH = 2  # events looked at for one that may be counted; reading attributes costs as much as parsing them
MATCHES_MIN = 10_000  # then still expected in the share
SAMPLED_ROWS = 4 * GRANULE_ROWS  # chosen or left out together: each jump costs as much as reading some hundred rows

_FEW_VALUES = (*ast.NAME_FIELDS, "level")
_decode_lines = msgspec.json.Decoder().decode_lines


def read_facets(engine: Engine, reading: Reading, where: Condition, fields: Sequence[str], limit: int) -> Facets:
    """The `limit` most frequent values of each of `fields` among the events under `where`, which names its app."""
    work = sum(map(_work, fields))
    events_max = max(EVENTS_MIN, WORK_MAX // work)
    read = _events_read(engine, reading, where)
    if read <= events_max:
        return _counted(engine, reading, where, fields, limit, share=1, events=None)
    [(events,)] = _decode_lines(engine.read(reading, f"SELECT count() FROM events WHERE {where.sql}", where.parameters))
    # One run of rows in so many.
    share = max(-(-events // events_max), min(read // (READ_A_MATCH * events_max), events // MATCHES_MIN))
    while share > 1:
        found = _counted(engine, reading, where, fields, limit, share=share, events=events)
        if found.sample_rate > 0:
            return found
        share //= 8  # what matches stands close together, and none of the chosen runs met it
    return _counted(engine, reading, where, fields, limit, share=1, events=None)


def _work(field: str) -> int:
    if field.startswith(ast.ATTRIBUTE_PREFIX):
        return WORK_ATTRIBUTE
    return WORK_NAME if field in _FEW_VALUES else WORK_OTHER


def _events_read(engine: Engine, reading: Reading, where: Condition) -> int:
    """At most so many events would be looked at, by the engine's indexes; no less than there are matches."""
    sql = f"EXPLAIN ESTIMATE SELECT time_ns FROM events WHERE {where.sql}"
    return sum(int(row[3]) for row in _decode_lines(engine.read(reading, sql, where.parameters)))


def _counted(
    engine: Engine,
    reading: Reading,
    where: Condition,
    fields: Sequence[str],
    limit: int,
    *,
    share: int,
    events: int | None,
) -> Facets:
    """events: how many match where `share` is over 1, and only every share-th run of rows is counted."""
    texts = [_text(field, f"f{number}_") for number, field in enumerate(fields)]
    names = [f"f{number}" for number in range(len(fields))]
    texts_joined = ", ".join(f"toString({name})" for name in names)
    sampled = f"AND (intDiv(_part_offset, {SAMPLED_ROWS}) + cityHash64(_part)) % {share} = 0" if share > 1 else ""
    # A group of one set has "" in the fields of the other sets, so all of them joined is its text.
    sql = f"""SELECT part, text, n FROM (
            SELECT grouping({", ".join(names)}) AS part, concat({texts_joined}, '') AS text, count() AS n
            FROM (SELECT {", ".join(f"{text.sql} AS {name}" for text, name in zip(texts, names, strict=True))}
                FROM events WHERE {where.sql} {sampled})
            GROUP BY GROUPING SETS ({", ".join(f"({name})" for name in names)}, ()))
        ORDER BY part, text = '' DESC, n DESC, text LIMIT {limit + 1} BY part"""
    parameters = dict(where.parameters)
    for text in texts:
        parameters |= text.parameters
    rows: list[Any] = _decode_lines(engine.read(reading, sql, parameters))
    groups: dict[int, list[FieldCount]] = {}
    for part, text, count in rows:
        groups.setdefault(int(part), []).append(FieldCount(text, int(count)))
    everything = (1 << len(fields)) - 1  # grouping() has a bit for each field that a set does not have
    counted = groups[everything][0].count if everything in groups else 0
    if events is None:
        events = counted
    scale = events / counted if counted else 1.0
    return Facets(
        events,
        counted / events if events else 1.0,
        [
            _facet(field, groups.get(everything - (1 << (len(fields) - 1 - place)), []), limit, events, scale)
            for place, field in enumerate(fields)
        ],
    )


def _facet(field: str, found: list[FieldCount], limit: int, events: int, scale: float) -> FieldFacet:
    """found: the group without a text first, where there is one. Counts times `scale` are estimates of all events."""
    counts = [FieldCount(each.value, round(each.count * scale)) for each in found]
    absent = sum(each.count for each in counts if not each.value)
    values = [each for each in counts if each.value][:limit]
    return FieldFacet(field, values, max(0, events - absent - sum(each.count for each in values)), absent)


def _text(field: str, prefix: str) -> Condition:
    """What a field is counted under, as it or as its text; its parameters under names of their own."""
    if field in _FEW_VALUES:
        return Condition(field, {})  # grouped by its number in the dictionary: half the time of grouping by its text
    found = group_expression(field, prefix)
    if field != "value" and not field.startswith(ast.ATTRIBUTE_PREFIX):
        return found
    return Condition(f"substringUTF8({found.sql}, 1, {FACET_CHARS_MAX})", found.parameters)
