"""Ids under which senders told issues, for longer than the occurrences themselves."""

import sqlalchemy as sa
from alembic import op

from logkeep.metastore.migrations.columns import OPTIONS, name

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    op.create_table(
        "told_ids",
        sa.Column("occurrence", name(64), primary_key=True),
        sa.Column("issue", name(32), nullable=False),
        sa.Column("told_ns", sa.BigInteger(), nullable=False),
        **OPTIONS,
    )
    op.create_index("told_ids_by_issue", "told_ids", ["issue", "told_ns"])
    op.create_index("told_ids_by_time", "told_ids", ["told_ns"])
    op.execute(
        "INSERT INTO told_ids (occurrence, issue, told_ns) SELECT occurrence, issue, time_ns FROM issue_occurrences"
    )
