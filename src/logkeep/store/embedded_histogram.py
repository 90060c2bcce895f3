"""Counts by part of the range and a field in the embedded store.

By level, or by nothing, part and level are one number of 16 bits: the engine then counts in an array instead of a hash
table. A day of 3.2 million events takes 70 ms of CPU instead of 115, of which 55 are reading their times and levels.
"""
# ruff: noqa: S608 - the SQL is text of ours and numbers; what users write is bound as parameters

from typing import Any

import msgspec

from logkeep.event import LEVELS
from logkeep.store.clickhouse_sql import Condition, group_expression
from logkeep.store.embedded_engine import Engine
from logkeep.store.reading import Reading

_LEVEL_NAMES = ("", *LEVELS)
_SLOTS = 8  # numbers a bucket has for its levels
_PACKED_BUCKETS_MAX = (1 << 16) // _SLOTS
assert len(_LEVEL_NAMES) <= _SLOTS
_decode_lines = msgspec.json.Decoder().decode_lines


class Buckets(msgspec.Struct, frozen=True):
    """Of one histogram: `count` of `width_ns` each, from `start_ns` on."""

    start_ns: int
    width_ns: int
    count: int


def read_histogram(
    engine: Engine, reading: Reading, where: Condition, buckets: Buckets, by: str | None, *, rows_max: int
) -> list[tuple[int, str, int]]:
    """(bucket, text of the field, events) of the events under `where`, none of them before the first bucket.

    At most `rows_max` and one more, which tells that there are more.
    """
    bucket = f"intDiv(toUInt64(time_ns - {buckets.start_ns}), {buckets.width_ns})"
    limit = f"LIMIT {rows_max + 1}"
    if by in (None, "level") and buckets.count <= _PACKED_BUCKETS_MAX:
        level = "toUInt8(level)" if by else "0"
        sql = f"""SELECT toUInt16({bucket} * {_SLOTS} + {level}) AS slot, count() FROM events
            WHERE {where.sql} GROUP BY slot {limit}"""
        rows: list[Any] = _decode_lines(engine.read(reading, sql, where.parameters))
        return [(int(slot) // _SLOTS, _LEVEL_NAMES[int(slot) % _SLOTS], int(count)) for slot, count in rows]
    group = group_expression(by) if by is not None else Condition("''", {})
    sql = f"""SELECT {bucket} AS bucket, {group.sql} AS part, count() FROM events
        WHERE {where.sql} GROUP BY bucket, part {limit}"""
    rows = _decode_lines(engine.read(reading, sql, {**where.parameters, **group.parameters}))
    return [(int(at), part, int(count)) for at, part, count in rows]
