"""Who was refused, why and how often: what receivers counted by source and hour, for people and the health report."""

from collections.abc import Sequence
from typing import Any, Protocol

import msgspec

from logkeep.metastore.database import Database, Transaction

KEPT_HOURS = 7 * 24
LIMIT_MAX = 1000
_COLUMNS = "app, kind, source, why, events, last_ns"


class Row(msgspec.Struct, frozen=True):
    """kind: of the source: app, component, key or address. why: day, second, blocked or key (of app ""). last_ns:
    ns UTC."""

    app: str
    kind: str
    source: str
    why: str
    events: int
    last_ns: int


class RefusalRows(Protocol):
    def write(self, writer: str, hour: int, rows: Sequence[Row]) -> None:
        """Of this writer and hour these are the counts, in place of those before; durable.

        A writer is one process: nobody else writes its rows. Raises BackendUnavailable.
        """
        ...


class Refusals:
    def __init__(self, database: Database) -> None:
        self._database = database

    def write(self, writer: str, hour: int, rows: Sequence[Row]) -> None:
        values: list[dict[str, Any]] = [
            {"writer": writer, "hour": hour, **msgspec.structs.asdict(row), "source": _kept(row.source)} for row in rows
        ]

        def replace(transaction: Transaction) -> None:
            transaction.change("DELETE FROM refusals WHERE writer = :writer AND hour = :hour", writer=writer, hour=hour)
            if values:
                transaction.change_many(
                    f"INSERT INTO refusals (writer, hour, {_COLUMNS}) VALUES "  # noqa: S608
                    "(:writer, :hour, :app, :kind, :source, :why, :events, :last_ns)",
                    values,
                )

        self._database.write(replace)

    def forget(self, hour: int) -> None:
        """What is older than KEPT_HOURS before `hour` is gone."""
        old = hour - KEPT_HOURS
        self._database.write(lambda transaction: transaction.change("DELETE FROM refusals WHERE hour < :old", old=old))

    def top(self, app: str, from_hour: int, limit: int, *, nobodys: bool = False) -> list[Row]:
        """Since the beginning of `from_hour`, those refused most first. nobodys: those without a valid key too."""
        sql = (
            "SELECT app, kind, source, why, SUM(events), MAX(last_ns) FROM refusals "
            "WHERE app IN (:app, :nobody) AND hour >= :hour GROUP BY app, kind, source, why "
            "ORDER BY SUM(events) DESC, kind, source, why LIMIT :limit"
        )
        found = self._database.read(
            lambda transaction: transaction.rows(
                sql, app=app, nobody="" if nobodys else app, hour=from_hour, limit=min(limit, LIMIT_MAX)
            )
        )
        return [Row(str(a), str(k), str(s), str(w), int(events), int(last)) for a, k, s, w, events, last in found]


def _kept(source: str) -> str:
    """As any database can keep it: PostgreSQL has no NUL."""
    return source[:512].replace("\0", "\ufffd")
