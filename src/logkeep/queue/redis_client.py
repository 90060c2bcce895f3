"""Speaking to Redis: the settings as its client wants them, its errors as ours, and the four scripts that are atomic.

Keys, all under PREFIX: `:events:I` the stream of partition I · `:ends` partition → where its next record will stand ·
`:room` partition → bytes · `:marks:GROUP` partition → mark · `:members:GROUP` processor → when it is taken for gone ·
`:leases:GROUP` partition → owner, fence · `:fences:GROUP` partition → the fence given last · `:layout` see layout.py.

The id of an entry is its offset + 1 (an id may not be 0). Offsets count bytes, as in the local queue: a record is as
long as its payload and ENTRY_BYTES. They stay exact up to 2^53, nine petabytes.
"""

from collections.abc import Callable
from typing import Any, TypeVar

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from logkeep.errors import BackendUnavailable
from logkeep.queue.layout import NAME, refuse_newer
from logkeep.queue.port import Offset
from logkeep.queue.room import queue_full
from logkeep.settings import RedisSettings
from logkeep.tls import TlsFiles, advice, redis_options

ENTRY_BYTES = 64  # what an entry costs beside its payload, about
FIELD = b"p"

T = TypeVar("T")

# KEYS: stream, ends, room. ARGV: partition, bytes_max, ENTRY_BYTES, payloads …  Gives the offset of the first, or
# {used} when there is no room.
APPEND = """
local extra, size, used = tonumber(ARGV[3]), 0, 0
for n = 4, #ARGV do size = size + #ARGV[n] + extra end
for _, bytes in ipairs(redis.call('HVALS', KEYS[3])) do used = used + tonumber(bytes) end
if used + size > tonumber(ARGV[2]) then return {string.format('%.0f', used)} end
local first = tonumber(redis.call('HGET', KEYS[2], ARGV[1]) or '0')
local place = first
for n = 4, #ARGV do
  redis.call('XADD', KEYS[1], string.format('%.0f-0', place + 1), 'p', ARGV[n])
  place = place + #ARGV[n] + extra
end
redis.call('HSET', KEYS[2], ARGV[1], string.format('%.0f', place))
redis.call('HINCRBY', KEYS[3], ARGV[1], string.format('%.0f', place - first))
return string.format('%.0f', first)
"""

# KEYS: stream, ends, room. ARGV: partition, the offset before which all goes. Gives the bytes freed.
TRIM = """
redis.call('XTRIM', KEYS[1], 'MINID', '=', string.format('%.0f-0', tonumber(ARGV[2]) + 1))
local ends = tonumber(redis.call('HGET', KEYS[2], ARGV[1]) or '0')
local oldest = redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', 1)
local first = ends
if #oldest > 0 then first = tonumber(string.match(oldest[1][1], '^(%d+)')) - 1 end
local before = tonumber(redis.call('HGET', KEYS[3], ARGV[1]) or '0')
redis.call('HSET', KEYS[3], ARGV[1], string.format('%.0f', ends - first))
return string.format('%.0f', before - (ends - first))
"""

# KEYS: members, leases, fences. ARGV: me, ms of a lease, partitions, how the names of my earlier runs begin (they are
# gone; "": I have none), whether I leave, partitions I give away …  Gives my quota, then partition, fence … of mine.
LEASE = """
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local me, term, count = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
if ARGV[5] == '1' then redis.call('ZREM', KEYS[1], me) else redis.call('ZADD', KEYS[1], now + term, me) end
if ARGV[4] ~= '' then
  for _, name in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do
    if name ~= me and string.sub(name, 1, #ARGV[4]) == ARGV[4] then redis.call('ZREM', KEYS[1], name) end
  end
end
local given = {}
for n = 6, #ARGV do given[ARGV[n]] = true end
local rank, all = 0, redis.call('ZRANGE', KEYS[1], 0, -1)
table.sort(all)
for n, name in ipairs(all) do if name == me then rank = n - 1 end end
local quota = 0
if #all > 0 and ARGV[5] ~= '1' then
  quota = math.floor(count / #all)
  if rank < count % #all then quota = quota + 1 end
end
local mine, free = {}, {}
for i = 0, count - 1 do
  local p = tostring(i)
  local lease = redis.call('HGET', KEYS[2], p)
  local owner, fence = '', ''
  if lease then owner, fence = string.match(lease, '^(.*)|(%d+)$') end
  local alive = owner ~= '' and redis.call('ZSCORE', KEYS[1], owner)
  if owner == me and ARGV[5] ~= '1' and not given[p] then
    mine[#mine + 1] = {p, fence}
  elseif owner == me or not alive then
    if owner == me then redis.call('HDEL', KEYS[2], p) end
    free[#free + 1] = p
  end
end
for _, p in ipairs(free) do
  if #mine < quota and not given[p] then
    local fence = tostring(redis.call('HINCRBY', KEYS[3], p, 1))
    redis.call('HSET', KEYS[2], p, me .. '|' .. fence)
    mine[#mine + 1] = {p, fence}
  end
end
local told = {tostring(quota)}
for _, one in ipairs(mine) do told[#told + 1] = one[1]; told[#told + 1] = one[2] end
return told
"""

# KEYS: leases, marks. ARGV: me, how many fences, partition, fence …, then partition, mark …  0: I own one no more.
COMMIT = """
local count = tonumber(ARGV[2])
for n = 3, 2 + 2 * count, 2 do
  if redis.call('HGET', KEYS[1], ARGV[n]) ~= ARGV[1] .. '|' .. ARGV[n + 1] then return 0 end
end
for n = 3 + 2 * count, #ARGV, 2 do redis.call('HSET', KEYS[2], ARGV[n], ARGV[n + 1]) end
return 1
"""


class Client:
    """The server, reached when it is first needed and again whenever it was lost. Safe from many threads."""

    def __init__(self, settings: RedisSettings) -> None:
        options = redis_options(TlsFiles.of("redis", settings), settings.url)
        self._settings = settings
        self.raw: Any = redis.Redis.from_url(
            settings.url,
            username=settings.user or None,
            password=settings.password or None,
            socket_timeout=settings.timeout_s,
            socket_connect_timeout=settings.timeout_s,
            # A try that failed may have stored: whether to try again is the caller's to say.
            retry=Retry(NoBackoff(), 0),
            health_check_interval=0,
            **options,
        )
        self._scripts = {text: self.raw.register_script(text) for text in (APPEND, TRIM, LEASE, COMMIT)}
        self._checked = False

    def run(self, script: str, keys: list[str], arguments: list[Any]) -> Any:
        return self.do(lambda: self._scripts[script](keys=keys, args=arguments))

    def do(self, work: Callable[[], T]) -> T:
        """What `work` gives; durable when it wrote. Raises BackendUnavailable."""
        try:
            if not self._checked:
                refuse_newer("the queue on Redis", self.raw.get(f"{self._settings.prefix}:{NAME}"))
                self.refuse_weak()
            return work()
        except redis.exceptions.OutOfMemoryError as error:
            raise queue_full(f"redis has no memory left: {error}") from error
        except redis.RedisError as error:
            if "OOM" in str(error)[:8]:
                raise queue_full(f"redis has no memory left: {error}") from error
            raise unavailable(error) from error

    def refuse_weak(self) -> None:
        """Raises BackendUnavailable when the server may lose what it acknowledged, unless that is allowed."""
        weak = self.weaknesses()
        if weak and not self._settings.weak_durability:
            raise BackendUnavailable(
                f"redis may lose what it has acknowledged: {'; '.join(weak)}. There set appendonly yes, appendfsync "
                "always and maxmemory-policy noeviction; or here redis.weak_durability = true",
                code="weak_durability",
            )
        self._checked = True

    def weaknesses(self) -> list[str]:
        """Why this server may lose what it acknowledged. Raises redis.RedisError."""
        try:
            found = {str(_text(k)): str(_text(v)) for k, v in self.raw.config_get("append*").items()}
            found |= {str(_text(k)): str(_text(v)) for k, v in self.raw.config_get("maxmemory*").items()}
        except redis.exceptions.ResponseError as error:
            return [f"its configuration may not be read ({error})"]
        wanted = {"appendonly": "yes", "appendfsync": "always"}
        weak = [f"{name} is {found.get(name)}" for name, value in wanted.items() if found.get(name) != value]
        if found.get("maxmemory", "0") != "0" and found.get("maxmemory-policy") != "noeviction":
            weak.append(f"maxmemory-policy is {found.get('maxmemory-policy')}")
        return weak

    def close(self) -> None:
        self.raw.close()


def unavailable(error: redis.RedisError) -> BackendUnavailable:
    """With what to do, where somebody has to do something."""
    if isinstance(error, redis.exceptions.AuthenticationError):
        return BackendUnavailable(f"redis lets us not in: {error}; check redis.user and redis.password")
    if isinstance(error, redis.exceptions.NoPermissionError):
        return BackendUnavailable(f"redis: {error}; see which rights the user of redis.user needs in the documentation")
    text = advice(error, "redis")
    return BackendUnavailable(f"redis: {type(error).__name__}: {text}; what is stored is unknown")


def _text(value: Any) -> Any:
    return value.decode() if isinstance(value, bytes) else value


def id_of(offset: Offset) -> str:
    return f"{offset + 1}-0"


def offset_of(entry: bytes) -> Offset:
    return int(entry.partition(b"-")[0]) - 1
