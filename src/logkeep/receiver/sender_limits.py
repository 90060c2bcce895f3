"""How much each key and each address may send: buckets of those that sent lately."""

from collections import OrderedDict
from collections.abc import Sequence
from typing import Literal

import msgspec

from logkeep.counters.buckets import Bucket, Shared
from logkeep.counters.limit import Limit
from logkeep.counters.port import Addition
from logkeep.metastore.limits import InForce
from logkeep.settings import LimitSettings

SENDERS_MAX = 20_000  # keys and addresses whose buckets are kept: some 5 MB; the one unused for longest makes room
EXCHANGED_SENDERS_MAX = 1_000  # of them, those that took most
SECONDS_KEY_S = 3600.0

Kind = Literal["key", "address"]


class Sender(msgspec.Struct, frozen=True):
    """Whose events these are. key: the first 16 hex digits of the SHA-256 of what was sent as key."""

    app: str
    key: str = ""


class SenderLimits:
    """For one thread. Times are of the monotonic clock."""

    def __init__(self, settings: LimitSettings) -> None:
        self._settings = settings
        self._buckets: OrderedDict[tuple[str, str, str], tuple[Limit, Bucket]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._buckets)

    def of(self, limits: InForce, sender: Sender, address: str, now_s: float) -> list[tuple[Limit, Bucket]]:
        """Those that this request has to pass."""
        found: list[tuple[Limit, Bucket]] = []
        if limits.key_events_per_second and sender.key:
            found.append(self._one("key", sender.app, sender.key, limits.key_events_per_second, now_s))
        if limits.address_events_per_second and address:
            found.append(self._one("address", sender.app, address, limits.address_events_per_second, now_s))
        return found

    def kept(
        self, limits: InForce, sender: Sender, addresses: Sequence[str], places: list[int], now_s: float
    ) -> tuple[list[int], list[tuple[Limit, list[int]]]]:
        """Of events that are let in one by one, by their place: those that key and address may send yet, and the others
        by the limit that says so. addresses: of each event, or none at all."""
        gone: list[tuple[Limit, list[int]]] = []
        if limits.address_events_per_second and addresses:
            by_address: dict[str, list[int]] = {}
            for place in places:
                by_address.setdefault(addresses[place], []).append(place)
            places = []
            for address, own in by_address.items():
                one = self._one("address", sender.app, address, limits.address_events_per_second, now_s)
                places += _first(one, own, gone, now_s)
            places.sort()
        if limits.key_events_per_second and sender.key:
            one = self._one("key", sender.app, sender.key, limits.key_events_per_second, now_s)
            places = _first(one, places, gone, now_s)
        return places, gone

    def _one(self, kind: Kind, app: str, source: str, rate: float, now_s: float) -> tuple[Limit, Bucket]:
        name = (kind, app, source)
        found = self._buckets.get(name)
        if found is None or found[0].value != rate:
            capacity = max(1.0, rate * self._settings.burst_s)
            if found is None:
                while len(self._buckets) >= SENDERS_MAX:
                    self._buckets.popitem(last=False)
                bucket = Bucket(rate, capacity, now_s)
            else:
                bucket = found[1]
                bucket.rate, bucket.capacity = rate, capacity
            found = self._buckets[name] = Limit(kind, source, f"{kind}_events_per_second", rate), bucket
        self._buckets.move_to_end(name)
        found[1].refill(now_s)
        return found

    def additions(self) -> list[tuple[Shared | None, Addition]]:
        """What was taken here since the last time, by what is to hear of the others' part."""
        spent = [(name, bucket) for name, (_, bucket) in self._buckets.items() if bucket.spent]
        spent.sort(key=lambda item: item[1].spent, reverse=True)
        found: list[tuple[Shared | None, Addition]] = [
            (bucket, Addition("\0".join(name), round(bucket.spent), SECONDS_KEY_S))
            for name, bucket in spent[:EXCHANGED_SENDERS_MAX]
        ]
        for _, bucket in spent:
            bucket.spent = 0.0
        return found


def _first(
    one: tuple[Limit, Bucket], places: list[int], gone: list[tuple[Limit, list[int]]], now_s: float
) -> list[int]:
    limit, bucket = one
    count = min(len(places), max(0, int(bucket.tokens + 1e-6)))
    bucket.take(count, now_s)
    if count < len(places):
        gone.append((limit, places[count:]))
    return places[:count]
