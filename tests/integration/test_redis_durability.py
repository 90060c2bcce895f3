"""A Redis that may forget what it acknowledged is refused, unless that is wanted."""

from pathlib import Path

import pytest
from tests.servers import redis

from logkeep.clock import SystemClock
from logkeep.errors import BackendUnavailable
from logkeep.queue.redis_streams import RedisQueue
from logkeep.settings import QueueSettings, RedisSettings


@pytest.mark.parametrize(
    ("name", "value"), [("appendonly", "no"), ("appendfsync", "everysec"), ("maxmemory-policy", "allkeys-lru")]
)
def test_a_server_that_may_forget_is_refused_and_said_why(tmp_path: Path, name: str, value: str) -> None:
    with redis.running(tmp_path, **{name.replace("-", "_"): value}) as server:
        queue = RedisQueue(RedisSettings(url=server.url), QueueSettings(), clock=SystemClock())
        for use in (queue.check, lambda: queue.append("redis-0", [b"x"])):
            with pytest.raises(BackendUnavailable, match=rf"acknowledged: {name} is {value}\.") as refusal:
                use()
            assert refusal.value.code == "weak_durability"
        queue.close()
        allowed = RedisQueue(RedisSettings(url=server.url, weak_durability=True), QueueSettings(), clock=SystemClock())
        assert allowed.append("redis-0", [b"x"]) == 0
        allowed.close()
