"""Blocks of all apps of a team, and of the whole installation."""

import sqlalchemy as sa
from alembic import op

from logkeep.metastore.migrations.columns import name

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    # app "": of all apps of `team`, or of everyone where that is "" too.
    op.add_column("blocks", sa.Column("team", name(255), nullable=False, server_default=""))
