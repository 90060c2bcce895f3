"""Searches that people of an app have saved for each other."""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0006"
down_revision = "0005"

OPTIONS: dict[str, Any] = {"mysql_engine": "InnoDB", "mariadb_engine": "InnoDB"}


def name(chars: int) -> sa.types.TypeEngine[str]:
    """Compared byte by byte in every database, as in 0001."""
    text = mysql.VARCHAR(chars, charset="utf8mb4", collation="utf8mb4_nopad_bin")
    return sa.String(chars).with_variant(text, "mysql", "mariadb")


def upgrade() -> None:
    op.create_table(
        "searches",
        sa.Column("id", name(64), primary_key=True),
        sa.Column("app", name(255), nullable=False),
        sa.Column("name", name(120), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("body", sa.LargeBinary().with_variant(mysql.MEDIUMBLOB(), "mysql", "mariadb"), nullable=False),
        sa.UniqueConstraint("app", "name"),
        **OPTIONS,
    )
