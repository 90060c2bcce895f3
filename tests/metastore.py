"""A metastore for tests of what stands on it."""

from pathlib import Path

from logkeep.metastore.sqlite import SqliteDatabase

WRITE_VERSION_AT = 18  # of SQLite's file header: 2 for write-ahead logging


def new_metastore(folder: Path) -> SqliteDatabase:
    """The tables, in a file of `folder`; opened again when it is there."""
    folder.mkdir(parents=True, exist_ok=True)
    database = SqliteDatabase(folder / "metastore.db", timeout_s=5)
    database.upgrade()
    return database


def make_read_only(folder: Path) -> None:
    """Nobody can write the metastore any more, not even root: its file says that only a later SQLite may. Nobody uses
    it meanwhile."""
    with (folder / "metastore.db").open("r+b") as file:
        file.seek(WRITE_VERSION_AT)
        file.write(b"\x03")


def make_writable(folder: Path) -> None:
    with (folder / "metastore.db").open("r+b") as file:
        file.seek(WRITE_VERSION_AT)
        file.write(b"\x02")
