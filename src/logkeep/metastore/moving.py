"""The content of one metastore copied into an empty other one: from the data folder to a server."""

from logkeep.metastore.database import Database, Transaction

# Each with its columns and the order of its rows; numbers are given anew.
_TABLES = (
    ("apps", "name, made_ns", "number"),
    ("credentials", "sha256, app, scope, made_ns", "sha256"),
    ("people", "email, app, password, made_ns", "email"),
    ("sign_ins", "sha256, app, scope, name, token_sha256, made_ns, used_ns", "sha256"),
    ("erasures", "job, app, state, expires_ns, body", "number"),
    ("samples", "kind, app, size, content", "number"),
    ("limits", "app, version, body, changed_by, changed_ns", "app"),
    ("blocks", "block, app, kind, value, reason, made_by, made_ns, expires_ns", "number"),
    ("refusals", "writer, hour, app, kind, source, why, events, last_ns", "number"),
)


def copy(source: Database, transaction: Transaction) -> None:
    """Everything of `source`, into tables that are empty. Both have the same revision."""
    for table, columns, order in _TABLES:
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
