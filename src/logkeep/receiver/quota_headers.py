"""How much may be sent yet, as RateLimit and RateLimit-Policy (draft-ietf-httpapi-ratelimit-headers)."""

from logkeep.counters import usage
from logkeep.counters.buckets import wait_s
from logkeep.receiver.app_limits import AppLimit


def headers_of(limit: AppLimit, now_s: float) -> bytes:
    policies, rates = [], []
    pools = [(f"{day.what}-day", day.limit, usage.DAY_S, day.pool) for day in limit.days]
    if limit.second is not None:
        window_s = max(1, round(wait_s(limit.second.capacity, limit.second.rate)))
        pools.append(("second", round(limit.second.capacity), window_s, limit.second))
    for name, quota, window_s, pool in pools:
        left = max(0, int(pool.main.refill(now_s)))
        unit = "content-bytes" if name == "bytes-day" else "events"
        policies.append(f'"{name}";q={quota};w={window_s};qu="{unit}"')
        rates.append(f'"{name}";r={left};t={int(pool.main.wait_s(pool.capacity)) + (left < quota)}')
    if not pools:
        return b""
    return f"RateLimit-Policy: {', '.join(policies)}\r\nRateLimit: {', '.join(rates)}\r\n".encode()
