"""Writes src/logkeep/metastore/sqlite_schema.sql again: what all migrations make of an empty file."""

import sqlite3
import tempfile
from pathlib import Path

from logkeep.metastore.migrate import migrate_sqlite
from logkeep.metastore.sqlite import SCHEMA


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "metastore.db")
        migrate_sqlite(path, timeout_s=5)
        connection = sqlite3.connect(path)
        lines = [line for line in connection.iterdump() if line not in ("BEGIN TRANSACTION;", "COMMIT;")]
        connection.close()
    SCHEMA.write_text("\n".join(lines) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
