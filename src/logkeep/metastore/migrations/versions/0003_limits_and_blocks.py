"""Limits of apps, blocks, and what was refused by source."""

import sqlalchemy as sa
from alembic import op

from logkeep.metastore.migrations.columns import OPTIONS, data, name, number

revision = "0003"
down_revision = "0002"


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
