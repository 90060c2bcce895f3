"""Searches that people of an app have saved for each other."""

import sqlalchemy as sa
from alembic import op

from logkeep.metastore.migrations.columns import OPTIONS, data, name

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.create_table(
        "searches",
        sa.Column("id", name(64), primary_key=True),
        sa.Column("app", name(255), nullable=False),
        sa.Column("name", name(120), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("body", data(), nullable=False),
        sa.UniqueConstraint("app", "name"),
        **OPTIONS,
    )
