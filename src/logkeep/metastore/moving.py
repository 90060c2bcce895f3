"""The content of one metastore copied into an empty other one: from the data folder to a server."""

from logkeep.metastore.database import Database, Transaction

# Each with its columns and the order of its rows; numbers are given anew.
TABLES = (
    ("teams", "name, title, made_ns, revision", "name"),
    ("apps", "name, made_ns, team, title, archived_ns, revision", "number"),
    (
        "people",
        "id, email, name, password, totp, totp_pending, totp_step, provider, subject, made_ns, disabled_ns, epoch, "
        "revision, default_app",
        "id",
    ),
    ("recovery_codes", "person, sha256", "person, sha256"),
    ("memberships", "team, person, role, made_ns, revision", "team, person"),
    ("app_roles", "app, person, role", "app, person"),
    ("starts", "person, app, search", "person, app"),
    (
        "write_keys",
        "id, app, name, prefix, sha256, origins, made_ns, made_by, expires_ns, revision, used_day",
        "id",
    ),
    ("tokens", "id, team, app, person, name, prefix, sha256, scopes, made_ns, made_by, expires_ns, used_day", "id"),
    (
        "links",
        "sha256, id, kind, team, person, email, role, made_by, made_ns, expires_ns, used_ns, mail, mail_error",
        "sha256",
    ),
    ("sign_ins", "sha256, id, person, token_sha256, name, address, agent, made_ns, used_ns, epoch", "sha256"),
    ("audit", "number, id, made_ns, team, app, who, who_name, what, target, ip, detail, previous, hash", "number"),
    ("audit_begin", "number, hash", "number"),
    ("erasures", "job, app, state, expires_ns, body", "number"),
    ("samples", "kind, app, size, content", "number"),
    ("limits", "app, version, body, changed_by, changed_ns", "app"),
    ("blocks", "block, app, team, kind, value, reason, made_by, made_ns, expires_ns", "number"),
    ("refusals", "writer, hour, app, kind, source, why, events, last_ns", "number"),
    ("sessions", "sid, app, session, user_id, device, attributes, from_ns, last_ns", "sid"),
    ("session_map", "who, sid, session, from_ns, last_ns", "who, sid"),
    ("waiting", "app, device_who, user_who, until_ns, size, content", "number"),
    (
        "statistics",
        "cell, app, grain, day, component, event_key, events, bytes, errors, rejects, users, sessions, devices",
        "cell",
    ),
    ("masking", "app, body, version", "app"),
    ("applied", "part, until", "part"),
    (
        "devices",
        "id, app, user_id, name_folded, model_folded, os_folded, version_folded, last_ns, body",
        "id",
    ),
    ("remote_rules", "rule, app, target_id, until_ns, body", "rule"),
    ("remote_matches", "rule, id, device", "rule, id"),
    ("issues", "issue, app, kind, status, words, last_ns, events, users, devices, revision, body", "issue"),
    ("issue_occurrences", "occurrence, issue, session_id, device_id, user_id, time_ns, body", "number"),
    ("told_ids", "occurrence, issue, told_ns", "occurrence"),
    ("issue_tallies", "issue, kind, id, name, events, last_ns", "issue, kind, id"),
    ("searches", "id, app, name, version, body", "id"),
    ("shares", "share, sha256, app, made_ns, expires_ns, body", "share"),
)
# What a new database has already, and what is over within minutes.
NOT_MOVED = ("alembic_version", "changes", "attempts", "steps")


def copy(source: Database, transaction: Transaction) -> None:
    """Everything of `source`, into tables that are empty. Both have the same revision."""
    for table, columns, order in TABLES:
        names = columns.split(", ")
        found = source.read(
            lambda reading, sql=f"SELECT {columns} FROM {table} ORDER BY {order}": reading.rows(sql)  # type: ignore[misc]  # noqa: S608
        )
        values = ", ".join(f":{name}" for name in names)
        if found:
            transaction.change_many(
                f"INSERT INTO {table} ({columns}) VALUES ({values})",  # noqa: S608
                [dict(zip(names, row, strict=True)) for row in found],
            )


def forget_samples(source: Database) -> None:
    """What an erasure would have to look for is in `source` no more."""
    source.write(lambda transaction: transaction.change("DELETE FROM samples"))
    source.scrub()
