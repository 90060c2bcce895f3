"""The last day on which a write key was used."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    op.add_column("write_keys", sa.Column("used_day", sa.BigInteger(), nullable=False, server_default="0"))
