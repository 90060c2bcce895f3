"""What became of the mail with the link of an invitation."""

import sqlalchemy as sa
from alembic import op

from logkeep.metastore.migrations.columns import name

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    op.add_column("links", sa.Column("mail", name(16), nullable=False, server_default=""))
    op.add_column("links", sa.Column("mail_error", name(255), nullable=False, server_default=""))
