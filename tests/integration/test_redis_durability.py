"""A Redis that may forget what it acknowledged is refused, unless that is wanted."""

from pathlib import Path

import pytest
from tests.conftest import require_program
from tests.servers.redis import running_redis

from logkeep.clock import SystemClock
from logkeep.errors import BackendUnavailable
from logkeep.queue.redis_streams import RedisQueue
from logkeep.settings import QueueSettings, RedisSettings


def test_a_server_that_does_not_sync_every_write_is_refused_and_said_why(tmp_path: Path) -> None:
    with running_redis(require_program("redis-server"), tmp_path, appendfsync="everysec") as redis:
        queue = RedisQueue(RedisSettings(url=redis.url), QueueSettings(), clock=SystemClock())
        for use in (queue.check, lambda: queue.append("redis-0", [b"x"])):
            with pytest.raises(BackendUnavailable, match="appendfsync is everysec") as refusal:
                use()
            assert refusal.value.code == "weak_durability"
        queue.close()
        allowed = RedisQueue(RedisSettings(url=redis.url, weak_durability=True), QueueSettings(), clock=SystemClock())
        assert allowed.append("redis-0", [b"x"]) == 0
        allowed.close()
