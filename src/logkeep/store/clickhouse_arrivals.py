"""What was stored after a place in the order of arrival, as ClickHouse SQL. Pure: text in, text out.

The minmax index on `arrival` leaves the granules that hold something newer: with events that come as they happen, the
end of today's parts. Nothing is left out that an update has superseded: a tail showed it when it came, and a replay
shows the same.
"""
# ruff: noqa: S608 - the SQL is text of ours and numbers; what users write is bound as parameters

import msgspec

from logkeep.store.clickhouse_events import ROW_COLUMNS, EventRow, row_json
from logkeep.store.clickhouse_sql import Condition, compile_query, text_parameter
from logkeep.store.port import Arrived, ArrivedRequest


class _Row(EventRow):
    arrival: int
    pattern: str


_decode_arrived = msgspec.json.Decoder(_Row).decode_lines


def arrived(request: ArrivedRequest) -> Condition:
    """SELECT of the first `limit` in order of arrival, for `read_arrived`."""
    where = _where(request)
    sql = f"""SELECT {ROW_COLUMNS}, arrival, pattern FROM events WHERE {where.sql}
        ORDER BY arrival LIMIT {request.limit}"""
    return Condition(sql, where.parameters)


def read_arrived(app: str, lines: bytes) -> list[Arrived]:
    """The rows of such an answer."""
    return [Arrived(row.arrival, row_json(app, row), row.pattern) for row in _decode_arrived(lines)]


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
