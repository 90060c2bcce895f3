"""What was stored after a place in the order of arrival, as ClickHouse SQL. Pure: text in, text out.

The minmax index on `arrival` leaves the granules that hold something newer: with events that come as they happen, the
end of today's parts. Nothing is left out that an update has superseded: a tail showed it when it came, and a replay
shows the same.
"""
# ruff: noqa: S608 - the SQL is text of ours and numbers; what users write is bound as parameters

import msgspec

from logkeep.store.clickhouse_sql import EVENT_COLUMNS, EVENT_JSON, Condition, compile_query, text_parameter
from logkeep.store.port import Arrived, ArrivedRequest


def arrived(request: ArrivedRequest) -> Condition:
    """SELECT of lines `arrival TAB pattern TAB event`, the first `limit` in order of arrival."""
    where = _where(request)
    sql = f"""SELECT concat(toString(arrival), '\\t', pattern, '\\t', {EVENT_JSON})
        FROM (SELECT {EVENT_COLUMNS}, arrival, pattern FROM events WHERE {where.sql}
        ORDER BY arrival LIMIT {request.limit}) ORDER BY arrival"""
    return Condition(sql, where.parameters)


def read_arrived(lines: bytes) -> list[Arrived]:
    """The rows of such an answer, in form LineAsString."""
    return [_row(line) for line in lines.rstrip(b"\n").split(b"\n")] if lines else []


def _row(line: bytes) -> Arrived:
    arrival, pattern, event = line.split(b"\t", 2)
    return Arrived(int(arrival), event, pattern.decode())


def newest_arrived(request: ArrivedRequest) -> Condition:
    """SELECT of [how many match, arrivals of the newest of them up to the first that is one too many]."""
    where = _where(request)
    sql = f"""SELECT count(), (SELECT min(arrival) FROM (SELECT arrival FROM events WHERE {where.sql}
        ORDER BY arrival DESC LIMIT {request.limit + 1})) FROM events WHERE {where.sql}"""
    return Condition(sql, where.parameters)


_decode_counts = msgspec.json.Decoder(tuple[int, int]).decode


def read_newest_arrived(line: bytes, request: ArrivedRequest) -> tuple[int, int]:
    count, cut = _decode_counts(line)
    return (count - request.limit, cut) if count > request.limit else (0, request.after)


def _where(request: ArrivedRequest) -> Condition:
    condition = compile_query(request.query)
    sql = (
        f"app = {{app:String}} AND arrival > {int(request.after)} AND arrival <= {int(request.until)}"
        f" AND {condition.sql}"
    )
    return Condition(sql, {**condition.parameters, "app": text_parameter(request.app)})
