"""Limits of apps, blocks, and what was refused by source."""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0003"
down_revision = "0002"

OPTIONS: dict[str, Any] = {"mysql_engine": "InnoDB", "mariadb_engine": "InnoDB"}


def name(chars: int) -> sa.types.TypeEngine[str]:
    """Compared byte by byte in every database."""
    text = mysql.VARCHAR(chars, charset="utf8mb4", collation="utf8mb4_nopad_bin")
    return sa.String(chars).with_variant(text, "mysql", "mariadb")


def number() -> sa.types.TypeEngine[int]:
    return sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def data() -> sa.types.TypeEngine[bytes]:
    return sa.LargeBinary().with_variant(mysql.MEDIUMBLOB(), "mysql", "mariadb")


def upgrade() -> None:
    op.create_table(
        "limits",
        sa.Column("app", name(255), primary_key=True),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("body", data(), nullable=False),
        sa.Column("changed_by", name(255), nullable=False),
        sa.Column("changed_ns", sa.BigInteger(), nullable=False),
        **OPTIONS,
    )
    op.create_table(
        "blocks",
        sa.Column("number", number(), primary_key=True),
        sa.Column("block", name(64), nullable=False, unique=True),
        sa.Column("app", name(255), nullable=False),
        sa.Column("kind", name(16), nullable=False),
        sa.Column("value", name(512), nullable=False),
        sa.Column("reason", name(512), nullable=False),
        sa.Column("made_by", name(255), nullable=False),
        sa.Column("made_ns", sa.BigInteger(), nullable=False),
        sa.Column("expires_ns", sa.BigInteger(), nullable=False),
        **OPTIONS,
    )
    op.create_index("blocks_by_app", "blocks", ["app", "number"])
    op.create_table(
        "refusals",
        sa.Column("number", number(), primary_key=True),
        sa.Column("writer", name(64), nullable=False),
        sa.Column("hour", sa.BigInteger(), nullable=False),
        sa.Column("app", name(255), nullable=False),
        sa.Column("kind", name(16), nullable=False),
        sa.Column("source", name(512), nullable=False),
        sa.Column("why", name(32), nullable=False),
        sa.Column("events", sa.BigInteger(), nullable=False),
        sa.Column("last_ns", sa.BigInteger(), nullable=False),
        **OPTIONS,
    )
    op.create_index("refusals_by_app", "refusals", ["app", "hour"])
    op.create_index("refusals_by_writer", "refusals", ["writer", "hour"])
    changes = sa.table("changes", sa.column("topic"), sa.column("number"))
    op.bulk_insert(changes, [{"topic": "limits", "number": 1}, {"topic": "blocks", "number": 1}])
