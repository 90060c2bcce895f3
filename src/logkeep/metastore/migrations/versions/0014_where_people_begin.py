"""With which search people begin in an app, and with which app."""

import sqlalchemy as sa
from alembic import op

from logkeep.metastore.migrations.columns import OPTIONS, name

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    op.create_table(
        "starts",
        sa.Column("person", name(64), primary_key=True),
        sa.Column("app", name(255), primary_key=True),
        sa.Column("search", name(4000), nullable=False),
        **OPTIONS,
    )
    op.add_column("people", sa.Column("default_app", name(255), nullable=False, server_default=""))
