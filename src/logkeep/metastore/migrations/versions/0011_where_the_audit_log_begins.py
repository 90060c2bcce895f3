"""Where the audit log begins: number and hash of the last entry that was pruned; empty when none was."""

import sqlalchemy as sa
from alembic import op

from logkeep.metastore.migrations.columns import OPTIONS, name

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    begin = op.create_table(
        "audit_begin",
        sa.Column("number", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("hash", name(64), nullable=False),
        **OPTIONS,
    )
    # What an older Logkeep has pruned can be told by nothing else than by what it left.
    first = op.get_bind().execute(sa.text("SELECT number, previous FROM audit ORDER BY number LIMIT 1")).first()
    if first is not None and first[0] != 1:
        op.bulk_insert(begin, [{"number": int(first[0]) - 1, "hash": str(first[1])}])
