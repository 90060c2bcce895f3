"""Types of columns that every revision uses. What one of them means in a database is for ever."""

from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import mysql

# Rows and not tables are locked, and a commit is durable, whatever the server's default is.
OPTIONS: dict[str, Any] = {"mysql_engine": "InnoDB", "mariadb_engine": "InnoDB"}


def name(chars: int) -> sa.types.TypeEngine[str]:
    """Compared byte by byte in every database; MariaDB would take `Shop` for `shop`, and `shop ` for `shop`."""
    text = mysql.VARCHAR(chars, charset="utf8mb4", collation="utf8mb4_nopad_bin")
    return sa.String(chars).with_variant(text, "mysql", "mariadb")


def number() -> sa.types.TypeEngine[int]:
    """Counts up by itself as a primary key, in SQLite too."""
    return sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def data() -> sa.types.TypeEngine[bytes]:
    """Up to 16 MiB; also for names that senders chose: they may hold any character, and be too long for an index."""
    return sa.LargeBinary().with_variant(mysql.MEDIUMBLOB(), "mysql", "mariadb")
