"""Links with which a session or an event is shown to people without an account."""

import sqlalchemy as sa
from alembic import op

from logkeep.metastore.migrations.columns import OPTIONS, data, name

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    op.create_table(
        "shares",
        sa.Column("share", name(64), primary_key=True),
        sa.Column("sha256", name(64), nullable=False, unique=True),
        sa.Column("app", name(255), nullable=False),
        sa.Column("made_ns", sa.BigInteger(), nullable=False),
        sa.Column("expires_ns", sa.BigInteger(), nullable=False),
        sa.Column("body", data(), nullable=False),
        **OPTIONS,
    )
    op.create_index("shares_by_app", "shares", ["app", "made_ns"])
    op.create_index("shares_by_end", "shares", ["expires_ns"])
