"""Apps, keys, people, sign-ins, erasures, samples; and numbers that tell who watches that something has changed."""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0001"
down_revision = None

# Rows and not tables are locked, and a commit is durable, whatever the server's default is.
OPTIONS: dict[str, Any] = {"mysql_engine": "InnoDB", "mariadb_engine": "InnoDB"}


def name(chars: int) -> sa.types.TypeEngine[str]:
    """Compared byte by byte in every database; MariaDB would take `Shop` for `shop`, and `shop ` for `shop`."""
    text = mysql.VARCHAR(chars, charset="utf8mb4", collation="utf8mb4_nopad_bin")
    return sa.String(chars).with_variant(text, "mysql", "mariadb")


def number() -> sa.types.TypeEngine[int]:
    """Counts up by itself as a primary key, in SQLite too."""
    return sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def data() -> sa.types.TypeEngine[bytes]:
    return sa.LargeBinary().with_variant(mysql.MEDIUMBLOB(), "mysql", "mariadb")


def upgrade() -> None:
    op.create_table(
        "apps",
        sa.Column("number", number(), primary_key=True),
        sa.Column("name", name(255), nullable=False, unique=True),
        sa.Column("made_ns", sa.BigInteger(), nullable=False),
        **OPTIONS,
    )
    op.create_table(
        "credentials",
        sa.Column("sha256", name(64), primary_key=True),
        sa.Column("app", name(255), nullable=False),
        sa.Column("scope", name(16), nullable=False),
        sa.Column("made_ns", sa.BigInteger(), nullable=False),
        **OPTIONS,
    )
    op.create_table(
        "people",
        sa.Column("email", name(254), primary_key=True),
        sa.Column("app", name(255), nullable=False),
        sa.Column("password", name(255), nullable=False),
        sa.Column("made_ns", sa.BigInteger(), nullable=False),
        **OPTIONS,
    )
    op.create_table(
        "sign_ins",
        sa.Column("sha256", name(64), primary_key=True),
        sa.Column("app", name(255), nullable=False),
        sa.Column("scope", name(16), nullable=False),
        sa.Column("name", name(255), nullable=False),
        sa.Column("token_sha256", name(64), nullable=False),
        sa.Column("made_ns", sa.BigInteger(), nullable=False),
        sa.Column("used_ns", sa.BigInteger(), nullable=False),
        **OPTIONS,
    )
    op.create_index("sign_ins_by_use", "sign_ins", ["used_ns"])
    op.create_table(
        "erasures",
        sa.Column("number", number(), primary_key=True),
        sa.Column("job", name(64), nullable=False, unique=True),
        sa.Column("app", name(255), nullable=False),
        sa.Column("state", name(32), nullable=False),
        sa.Column("expires_ns", sa.BigInteger(), nullable=False),
        sa.Column("body", data(), nullable=False),
        **OPTIONS,
    )
    op.create_index("erasures_by_app", "erasures", ["app", "number"])
    op.create_index("erasures_by_state", "erasures", ["state", "number"])
    op.create_table(
        "samples",
        sa.Column("number", number(), primary_key=True),
        sa.Column("kind", name(16), nullable=False),
        sa.Column("app", name(255), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("content", data(), nullable=False),
        **OPTIONS,
    )
    op.create_index("samples_by_ring", "samples", ["kind", "app", "number", "size"])
    changes = op.create_table(
        "changes",
        sa.Column("topic", name(32), primary_key=True),
        sa.Column("number", sa.BigInteger(), nullable=False),
        **OPTIONS,
    )
    op.bulk_insert(changes, [{"topic": "accounts", "number": 1}, {"topic": "erasures", "number": 1}])
