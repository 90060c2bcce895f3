"""How much may be sent yet, as RateLimit and RateLimit-Policy (draft-ietf-httpapi-ratelimit-headers)."""

from base64 import b64encode
from collections.abc import Iterable, Sequence

from logkeep.counters import usage
from logkeep.counters.buckets import Bucket, wait_s
from logkeep.counters.limit import Limit
from logkeep.receiver.app_limits import AppLimit

_NAMES = {"events_per_day": "events-day", "bytes_per_day": "bytes-day"}  # all others are a second
_POLICIES_MAX = 1_000  # as many kinds and sizes of limits are written ahead

_policies: dict[tuple[str, str, float, float], tuple[str, str]] = {}


def _policy(limit: Limit, bucket: Bucket) -> tuple[str, str]:
    """The name of a limit, and its policy."""
    kind = (limit.of, limit.name, bucket.capacity, bucket.rate)
    found = _policies.get(kind)
    if found is None:
        if len(_policies) >= _POLICIES_MAX:
            _policies.clear()
        name = _NAMES.get(limit.name, "second")
        name = name if limit.of == "app" else f"{limit.of}-{name}"
        window_s = usage.DAY_S if limit.why == "day" else max(1, round(wait_s(bucket.capacity, bucket.rate)))
        unit = "content-bytes" if limit.name == "bytes_per_day" else "events"
        found = _policies[kind] = name, f'"{name}";q={max(1, round(bucket.capacity))};w={window_s};qu="{unit}"'
    return found


def headers_of(
    app: AppLimit, senders: Sequence[tuple[Limit, Bucket]], components: Iterable[str], now_s: float
) -> bytes:
    """Both fields, a line each: the limits of the app, of key and address, and the tightest of the components'.

    senders: refilled.
    """
    quotas: list[tuple[Limit, Bucket]] = [(day.pool.limit, day.pool.main) for day in app.days]
    if app.second is not None:
        quotas.append((app.second.limit, app.second.main))
    for _, bucket in quotas:
        bucket.refill(now_s)
    quotas += senders
    own = [quota for each in components for quota in app.components.quotas(each)]
    partition = ""
    if own:
        tightest = min(own, key=lambda quota: quota.main.refill(now_s) / quota.capacity)
        quotas.append((tightest.limit, tightest.main))
        partition = f";pk=:{b64encode(tightest.limit.who.encode('utf-8', 'replace')).decode()}:"
    if not quotas:
        return b""
    policies, states = [], []
    for limit, bucket in quotas:
        name, policy = _policy(limit, bucket)
        left = max(0, int(bucket.tokens))
        full_s = int(bucket.wait_s(bucket.capacity)) + (left < round(bucket.capacity))
        policies.append(policy)
        states.append(f'"{name}";r={left};t={full_s}')
    return f"RateLimit-Policy: {', '.join(policies)}\r\nRateLimit: {', '.join(states)}{partition}\r\n".encode()
