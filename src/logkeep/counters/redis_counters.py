"""Counters that any number of machines share, on Redis; not Redis Cluster.

Keys, all under PREFIX: `:count:KEY` an integer that expires with its window · `:value:KEY` a value that expires.
Nothing here needs Redis to be durable, so a cache that may forget (`maxmemory-policy volatile-ttl`) will do.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from logkeep.counters.port import VALUE_BYTES_MAX, Addition
from logkeep.errors import BackendUnavailable
from logkeep.settings import CounterSettings, RedisSettings
from logkeep.tls import TlsFiles, advice, redis_options

T = TypeVar("T")

# KEYS: counters. ARGV: amount, ms of its window, for each. A counter that has no end yet gets it here.
_ADD = """
local totals = {}
for n, key in ipairs(KEYS) do
  totals[n] = redis.call('INCRBY', key, ARGV[2 * n - 1])
  if redis.call('PTTL', key) < 0 then redis.call('PEXPIRE', key, ARGV[2 * n]) end
end
return totals
"""


class RedisCounters:
    """The Counters port. Connects when it is first asked, and again whenever the server was lost."""

    def __init__(self, settings: CounterSettings, shared: RedisSettings) -> None:
        """shared: the server of the queue, which is used where `settings` names no other."""
        own = bool(settings.url)
        files = TlsFiles.of("redis", shared)
        url = settings.url or shared.url
        options = redis_options(files, url) if not own or url.startswith("rediss:") else {}
        self._prefix = shared.prefix
        self._redis: Any = redis.Redis.from_url(
            url,
            username=None if own else shared.user or None,
            password=None if own else shared.password or None,
            socket_timeout=settings.timeout_s,
            socket_connect_timeout=settings.timeout_s,
            retry=Retry(NoBackoff(), 0),  # of an addition that failed nobody knows whether it was made
            health_check_interval=0,
            **options,
        )
        self._add = self._redis.register_script(_ADD)

    def add(self, additions: Sequence[Addition]) -> list[int]:
        if not additions:
            return []
        keys = [f"{self._prefix}:count:{one.key}" for one in additions]
        arguments = [text for one in additions for text in (one.amount, max(1, int(one.window_s * 1000)))]
        totals: list[int] = self._do(lambda: self._add(keys=keys, args=arguments))
        return totals

    def read(self, keys: Sequence[str]) -> list[int]:
        return [int(total or 0) for total in self._many("count", keys)]

    def put(self, values: Mapping[str, bytes], ttl_s: float) -> None:
        def write() -> None:
            with self._redis.pipeline(transaction=False) as pipeline:
                for key, value in values.items():
                    assert len(value) <= VALUE_BYTES_MAX
                    pipeline.set(f"{self._prefix}:value:{key}", value, px=max(1, int(ttl_s * 1000)))
                pipeline.execute()

        self._do(write)

    def get(self, keys: Sequence[str]) -> list[bytes | None]:
        return self._many("value", keys)

    def _many(self, kind: str, keys: Sequence[str]) -> list[bytes | None]:
        if not keys:
            return []
        found: list[bytes | None] = self._do(lambda: self._redis.mget([f"{self._prefix}:{kind}:{k}" for k in keys]))
        return found

    def close(self) -> None:
        self._redis.close()

    def _do(self, work: Callable[[], T]) -> T:
        try:
            return work()
        except redis.RedisError as error:
            raise BackendUnavailable(
                f"redis (counters): {type(error).__name__}: {advice(error, 'redis')}; counting goes on here alone"
            ) from error
