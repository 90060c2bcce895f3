"""Masking rules carry a version, so that of two who change them at once the second is told."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.add_column("masking", sa.Column("version", sa.BigInteger(), nullable=False, server_default="1"))
