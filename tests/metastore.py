"""A metastore for tests of what stands on it."""

from pathlib import Path

from logkeep.metastore.sqlite import SqliteDatabase


def new_metastore(folder: Path) -> SqliteDatabase:
    """The tables, in a file of `folder`; opened again when it is there."""
    folder.mkdir(parents=True, exist_ok=True)
    database = SqliteDatabase(folder / "metastore.db", timeout_s=5)
    database.upgrade()
    return database
