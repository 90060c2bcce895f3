"""Bringing the tables of an older Logkeep up to this one's, with Alembic. Loaded only where that is to be done."""

from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory

from logkeep.errors import InputError
from logkeep.metastore.database import HEAD, unavailable

VERSIONS = Path(__file__).with_name("migrations")


def revision_of(connection: sa.Connection) -> str | None:
    """Of the tables, None when there are none yet."""
    if not sa.inspect(connection).has_table("alembic_version"):
        return None
    # Empty while another instance makes the tables, where that is no transaction (MariaDB).
    return connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar_one_or_none()


def migrate(connection: sa.Connection, to: str = HEAD) -> None:
    """The tables are those of revision `to`. Raises InputError when a newer Logkeep has made them."""
    config = Config()
    config.set_main_option("script_location", str(VERSIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    found = revision_of(connection)
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    if found is not None and found not in known:
        raise InputError(
            f"a newer Logkeep has made the tables of this metastore (revision {found}, this one knows {HEAD}); "
            "start that one, or a newer",
            code="metastore_too_new",
        )
    if found != to:
        command.upgrade(config, to)


def migrate_sqlite(path: Path, *, timeout_s: float, to: str = HEAD) -> None:
    """The same for a file: alone from beginning to end, as a transaction. Raises BackendUnavailable too."""
    engine = sa.create_engine(sa.URL.create("sqlite", database=str(path)), connect_args={"timeout": timeout_s})
    sa.event.listen(engine, "connect", lambda opened, _: setattr(opened, "isolation_level", None))
    sa.event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN IMMEDIATE"))
    try:
        with engine.begin() as connection:
            migrate(connection, to)
    except sa.exc.DBAPIError as error:
        raise unavailable(f"{path} cannot be brought up to date", error.orig or error) from error
    finally:
        engine.dispose()
