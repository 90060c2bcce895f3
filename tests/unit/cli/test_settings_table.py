"""What people are shown of settings."""

import pytest

from logkeep.cli.settings_table import shown
from logkeep.settings import rows

ROWS = {row.name: row for row in rows()}


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("redis.user", "logkeep", "logkeep"),
        ("redis.password", "pa:ss", "***"),
        ("opensearch.api_key", "a2V5", "***"),
        ("redis.url", "rediss://cache.example:6380/0", "rediss://cache.example:6380/0"),
        ("metastore.url", "mariadb://me:secret@db.example/logs?ssl_key=x", "mariadb://***@db.example/logs"),
        ("mongodb.url", "mongodb://me:secret@a,b,c/?tls=true", "mongodb://***@a,b,c/"),
        ("metastore.url", "mariadb://me:se?cr@et@db.example/logs", "***"),
        ("metastore.url", "mariadb://db.example/logs?password=se@cret", "***"),
    ],
)
def test_a_secret_is_not_shown_and_an_address_without_it(name: str, value: str, told: str) -> None:
    assert shown(ROWS[name], value) == told


def test_every_setting_that_sounds_like_a_secret_is_one() -> None:
    words = ("password", "secret", "api_key")
    assert {name for name, row in ROWS.items() if name.endswith(words) and not row.secret} == set()
