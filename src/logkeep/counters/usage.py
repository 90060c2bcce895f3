"""What an app or a component has used of its day's limits, from counters of whole hours that all instances add to.

Nothing else is shared or kept: a receiver that starts reckons from them how full each bucket is, the API how much is
left. Hours are of the wall clock; one that was set back adds to an hour again, and counts nothing twice.
"""

from collections.abc import Mapping, Sequence
from typing import Literal

import msgspec

from logkeep.clock import NS_PER_S
from logkeep.counters.port import Addition

HOUR_S = 3600
HOURS_BACK = 48
WINDOW_S = (HOURS_BACK + 2) * HOUR_S
DAY_S = 86_400
RATE_S = 10  # what comes in a second is told as the mean of so many

What = Literal["events", "bytes", "over"]  # over: of each receiver one in each hour in which it refused; see `over`
Phase = Literal["within", "grace", "over"]


def key(app: str, what: What, hour: int) -> str:
    return f"day:{what}:{hour}:{app}"


def hour_of(now_ns: int) -> int:
    return now_ns // (HOUR_S * NS_PER_S)


def addition(app: str, what: What, amount: int, now_ns: int) -> Addition:
    return Addition(key(app, what, hour_of(now_ns)), amount, WINDOW_S)


_TOLD = 1 << 20  # more than the seconds of an hour of 290 receivers


def over(app: str, since_s: float, now_ns: int) -> Addition:
    """A receiver has refused something this hour because of the app's day's limit. since_s: wall clock, when it began.

    The counter has how many told it, and the sum of their seconds into the hour; 0 for what began before."""
    into_s = since_s - hour_of(now_ns) * HOUR_S
    return addition(app, "over", _TOLD + int(min(HOUR_S - 1, max(0.0, into_s))), now_ns)


def rate_key(who: str, slot: int) -> str:
    return f"rate:{slot}:{who}"


def rate_slot(now_ns: int) -> int:
    return now_ns // (RATE_S * NS_PER_S)


def rate_addition(who: str, amount: int, now_ns: int) -> Addition:
    """Of a limit a second: told to people alone, receivers reckon without it."""
    return Addition(rate_key(who, rate_slot(now_ns)), amount, 6 * RATE_S)


def of_component(app: str, component: str) -> str:
    """What stands in the place of an app for one component of it."""
    return f"{app}\0{component}"


def keys(app: str, now_ns: int, whats: Sequence[What] = ("events", "bytes", "over")) -> list[str]:
    """Everything that tells of `app`, for one reading."""
    last = hour_of(now_ns)
    return [key(app, what, hour) for what in whats for hour in range(last - HOURS_BACK, last + 1)]


class Hours(msgspec.Struct, frozen=True):
    """By hour, the oldest first, the present one last: HOURS_BACK + 1 of each."""

    last: int
    events: Sequence[int]
    bytes: Sequence[int]
    over: Sequence[int]

    @classmethod
    def read(cls, app: str, totals: Mapping[str, int], now_ns: int) -> "Hours":
        """totals: of `keys`."""
        last = hour_of(now_ns)
        hours = range(last - HOURS_BACK, last + 1)
        found = [[totals.get(key(app, what, hour), 0) for hour in hours] for what in ("events", "bytes", "over")]
        return cls(last, *found)

    def over_since_s(self) -> int:
        """When the app went over its limit (s, wall clock), 0 when it was not, for a whole day. Of several receivers
        that began in the same hour, their mean: never before the first, so no grace is lost."""
        since, gap = 0, 0
        for place, count in enumerate(reversed(self.over)):
            gap = 0 if count else gap + 1
            if count:
                since = (self.last - place) * HOUR_S + count % _TOLD // max(1, count // _TOLD)
            if gap >= 24:
                break
        return since


def used(by_hour: Sequence[int], now_ns: int) -> int:
    """In the last 24 hours, what is older than that by its part of the oldest hour."""
    into = now_ns / NS_PER_S % HOUR_S / HOUR_S
    return round(sum(by_hour[-24:]) + by_hour[-25] * (1 - into))


def left(by_hour: Sequence[int], limit: int, reserve: float, now_ns: int) -> tuple[float, float]:
    """Tokens in a bucket of a day's `limit` from which this was taken, and in its reserve for errors of `reserve`:
    what the bucket did not have is taken to be of those first. Fewer than none: a debt, of a day at most."""
    tokens, kept = float(limit), reserve
    into_s = now_ns / NS_PER_S % HOUR_S
    for place, amount in enumerate(by_hour):
        part = (HOUR_S if place < len(by_hour) - 1 else into_s) / DAY_S
        tokens, kept = min(limit, tokens + limit * part), min(reserve, kept + reserve * part)
        of_reserve = min(kept, max(0.0, amount - max(0.0, tokens)))
        tokens, kept = max(-limit, tokens - (amount - of_reserve)), kept - of_reserve
    return tokens, kept


def phase(over_since_s: float, now_s: float, grace_s: float) -> Phase:
    if not over_since_s:
        return "within"
    return "grace" if now_s - over_since_s < grace_s else "over"
