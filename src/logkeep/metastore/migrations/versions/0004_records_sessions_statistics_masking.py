"""Records that are applied once, the session map with its waiting room, statistics, masking rules."""

from typing import Any

import sqlalchemy as sa
from alembic import op

from logkeep.metastore.migrations.columns import OPTIONS, data, name, number

revision = "0004"
down_revision = "0003"


def column(title: str, kind: sa.types.TypeEngine[Any], *, key: bool = False) -> sa.Column[Any]:
    return sa.Column(title, kind, primary_key=key, nullable=False)


def upgrade() -> None:
    big = sa.BigInteger()
    op.create_table("applied", column("part", name(255), key=True), column("until", big), **OPTIONS)
    op.create_table(
        "sessions",
        column("sid", name(32), key=True),
        column("app", name(255)),
        column("session", data()),
        column("user_id", data()),
        column("device", data()),
        column("attributes", data()),
        column("from_ns", big),
        column("last_ns", big),
        **OPTIONS,
    )
    op.create_index("sessions_by_time", "sessions", ["last_ns"])
    op.create_table(
        "session_map",
        column("who", name(32), key=True),
        column("sid", name(32), key=True),
        column("session", data()),
        column("from_ns", big),
        column("last_ns", big),
        **OPTIONS,
    )
    op.create_index("session_map_by_sid", "session_map", ["sid"])
    op.create_index("session_map_by_time", "session_map", ["last_ns"])
    op.create_table(
        "waiting",
        column("number", number(), key=True),
        column("app", name(255)),
        column("device_who", name(32)),
        column("user_who", name(32)),
        column("until_ns", big),
        column("size", sa.Integer()),
        column("content", data()),
        **OPTIONS,
    )
    op.create_index("waiting_by_time", "waiting", ["until_ns"])
    op.create_table(
        "statistics",
        column("cell", name(32), key=True),
        column("app", name(255)),
        column("grain", sa.Integer()),
        column("day", sa.Integer()),
        column("component", data()),
        column("event_key", data()),
        column("events", big),
        column("bytes", big),
        column("errors", big),
        column("rejects", big),
        column("users", data()),
        column("sessions", data()),
        column("devices", data()),
        **OPTIONS,
    )
    op.create_index("statistics_by_day", "statistics", ["app", "grain", "day"])
    op.create_table("masking", column("app", name(255), key=True), column("body", data()), **OPTIONS)
    op.execute("INSERT INTO changes (topic, number) VALUES ('masking', 1), ('sessions', 1), ('statistics', 1)")
