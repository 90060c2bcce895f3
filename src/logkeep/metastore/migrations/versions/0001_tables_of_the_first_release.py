"""Apps, keys, people, sign-ins, erasures, samples; and numbers that tell who watches that something has changed."""

import sqlalchemy as sa
from alembic import op

from logkeep.metastore.migrations.columns import OPTIONS, data, name, number

revision = "0001"
down_revision = None


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
