"""Devices, the rules of remote control and what they match, issues with their tallies and occurrences."""

import sqlalchemy as sa
from alembic import op

from logkeep.metastore.migrations.columns import OPTIONS, data, name, number

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    _devices()
    _remote_control()
    _issues()
    op.execute("INSERT INTO changes (topic, number) VALUES ('devices', 1), ('remote', 1)")


def _devices() -> None:
    op.create_table(
        "devices",
        sa.Column("id", name(32), primary_key=True),  # of app and name, hashed: an index key of 32 bytes
        sa.Column("app", name(255), nullable=False),
        sa.Column("user_id", name(32), nullable=False),
        sa.Column("name_folded", name(512), nullable=False),
        sa.Column("model_folded", name(512), nullable=False),
        sa.Column("os_folded", name(512), nullable=False),
        sa.Column("version_folded", name(512), nullable=False),
        sa.Column("last_ns", sa.BigInteger(), nullable=False),
        sa.Column("body", data(), nullable=False),
        **OPTIONS,
    )
    op.create_index("devices_by_time", "devices", ["app", "last_ns", "id"])
    op.create_index("devices_by_user", "devices", ["user_id"])


def _remote_control() -> None:
    op.create_table(
        "remote_rules",
        sa.Column("rule", name(64), primary_key=True),
        sa.Column("app", name(255), nullable=False),
        sa.Column("target_id", name(32), nullable=False),  # of kind and target, hashed
        sa.Column("until_ns", sa.BigInteger(), nullable=False),
        sa.Column("body", data(), nullable=False),
        **OPTIONS,
    )
    op.create_index("remote_rules_by_app", "remote_rules", ["app", "until_ns"])
    op.create_index("remote_rules_by_target", "remote_rules", ["target_id"])
    op.create_table(
        "remote_matches",
        sa.Column("rule", name(64), primary_key=True),
        sa.Column("id", name(32), primary_key=True),  # of devices
        sa.Column("device", data(), nullable=False),
        **OPTIONS,
    )
    op.create_index("remote_matches_by_device", "remote_matches", ["id"])


def _issues() -> None:
    op.create_table(
        "issues",
        sa.Column("issue", name(32), primary_key=True),
        sa.Column("app", name(255), nullable=False),
        sa.Column("kind", name(16), nullable=False),
        sa.Column("status", name(16), nullable=False),
        sa.Column("words", name(1024), nullable=False),  # what a text is looked for in, folded
        sa.Column("last_ns", sa.BigInteger(), nullable=False),
        sa.Column("events", sa.BigInteger(), nullable=False),
        sa.Column("users", sa.BigInteger(), nullable=False),
        sa.Column("devices", sa.BigInteger(), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("body", data(), nullable=False),
        **OPTIONS,
    )
    for order in ("last_ns", "events", "users"):
        op.create_index(f"issues_by_{order}", "issues", ["app", order, "issue"])
    op.create_table(
        "issue_tallies",
        sa.Column("issue", name(32), primary_key=True),
        sa.Column("kind", name(8), primary_key=True),
        sa.Column("id", name(32), primary_key=True),  # of the name, hashed with the app
        sa.Column("name", data(), nullable=False),
        sa.Column("events", sa.BigInteger(), nullable=False),
        sa.Column("last_ns", sa.BigInteger(), nullable=False),
        **OPTIONS,
    )
    op.create_index("issue_tallies_by_name", "issue_tallies", ["id", "kind"])
    op.create_index("issue_tallies_by_time", "issue_tallies", ["issue", "kind", "last_ns"])
    op.create_table(
        "issue_occurrences",
        sa.Column("number", number(), primary_key=True),
        sa.Column("occurrence", name(64), nullable=False, unique=True),
        sa.Column("issue", name(32), nullable=False),
        sa.Column("session_id", name(32), nullable=False),
        sa.Column("device_id", name(32), nullable=False),
        sa.Column("user_id", name(32), nullable=False),
        sa.Column("time_ns", sa.BigInteger(), nullable=False),
        sa.Column("body", data(), nullable=False),
        **OPTIONS,
    )
    op.create_index("issue_occurrences_by_issue", "issue_occurrences", ["issue", "number"])
    for what in ("session", "device", "user"):
        op.create_index(f"issue_occurrences_by_{what}", "issue_occurrences", [f"{what}_id"])
