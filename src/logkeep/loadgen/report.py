"""What a run of the generator was asked to do, and what came of it."""

from typing import Literal

import msgspec

from logkeep.errors import InputError

Encoding = Literal["plain", "gzip", "zstd"]
Protocol = Literal["http", "udp"]

_FINE_BITS = 7  # buckets double every 128: a latency is told within 0.8 %
_FINE = 1 << _FINE_BITS
_BUCKETS = _FINE * 32  # up to 2^38 µs; whatever is above counts into the last one


class LoadPlan(msgspec.Struct, frozen=True, kw_only=True):
    """What to send where. events, seconds: whichever is reached first; at least one of them is a bound.

    rate: events a second over all connections, None for as fast as it goes. batch: events a request or a datagram's
    turn. days: see EventMaker. run: tells the clients of this run's datagrams from other runs'.
    """

    url: str
    key: str
    events: int | None = None
    seconds: float | None = None
    rate: float | None = None
    connections: int = 8
    batch: int = 1
    encoding: Encoding = "plain"
    seed: int = 1
    days: float = 0
    with_ids: bool = False
    run: str = "1"

    def __post_init__(self) -> None:
        if self.events is None and self.seconds is None:
            raise InputError("a load without an end is not made; give events or seconds")
        if not self.key or not self.key.isascii() or not self.key.isprintable() or any(c in self.key for c in ' "\\%'):
            raise InputError("the key holds characters that no key has; copy it again from first-run.json")


class Latencies:
    """Counts durations in buckets of 0.8 % width; constant memory, however many there are."""

    def __init__(self) -> None:
        self._counts = [0] * _BUCKETS
        self._max_us = 0

    def add(self, duration_us: int) -> None:
        """duration_us: µs, 0 or more."""
        shift = max(0, duration_us.bit_length() - _FINE_BITS - 1)
        self._counts[min(shift * _FINE + (duration_us >> shift), _BUCKETS - 1)] += 1
        if duration_us > self._max_us:
            self._max_us = duration_us

    def summary_ms(self) -> dict[str, float]:
        """ms: p50, p90, p99 and max; {} when nothing was added."""
        if not any(self._counts):
            return {}
        return {**{f"p{n}": self._quantile_us(n / 100) / 1000 for n in (50, 90, 99)}, "max": self._max_us / 1000}

    def _quantile_us(self, share: float) -> int:
        """The upper edge of the bucket that holds it, or the maximum when that is less."""
        left = share * sum(self._counts)
        for bucket, number in enumerate(self._counts):
            left -= number
            if left <= 0:
                return min(_upper_edge_us(bucket), self._max_us)
        return self._max_us


def _upper_edge_us(bucket: int) -> int:
    """The largest duration that `Latencies.add` counts into `bucket`."""
    shift = max(0, bucket // _FINE - 1)
    return ((bucket - shift * _FINE + 1) << shift) - 1


class LoadReport(msgspec.Struct, kw_only=True):
    """What came of a run. Events unless said otherwise.

    sent: given to the network, each once however often it was tried. acknowledged: answered as durable (HTTP).
    rejected: not accepted, by reason, inside an accepted request. refused: in requests answered with another status
    after all tries, by status. failed: unknown to have arrived, by reason. retries, requests: of requests or system
    calls. latency_ms: of requests, from when they were due (with a rate) or sent; p50, p90, p99, max.
    """

    protocol: Protocol
    sent: int = 0
    acknowledged: int = 0
    rejected: dict[str, int] = {}
    refused: dict[str, int] = {}
    failed: dict[str, int] = {}
    requests: int = 0
    retries: int = 0
    sent_bytes: int = 0
    seconds: float = 0.0
    events_per_s: float = 0.0
    latency_ms: dict[str, float] = {}

    @property
    def complete(self) -> bool:
        """Nothing was rejected or refused and nothing failed."""
        return not (self.rejected or self.refused or self.failed)

    def finish(self, seconds: float, latencies: Latencies) -> None:
        arrived = self.acknowledged if self.protocol == "http" else self.sent
        self.seconds = round(seconds, 3)
        self.events_per_s = round(arrived / seconds, 1) if seconds > 0 else 0.0
        self.latency_ms = latencies.summary_ms()

    def lines(self) -> list[str]:
        """The report for people, a fact a line."""
        told = [
            f"{_name(self.protocol):13} {self.sent:,} events, {self.sent_bytes:,} bytes in {self.seconds:,.1f} s",
            f"rate          {self.events_per_s:,.0f} events a second",
        ]
        if self.protocol == "http":
            told.append(f"acknowledged  {self.acknowledged:,} in {self.requests:,} requests, {self.retries:,} retries")
        for name, counts in (("rejected", self.rejected), ("refused", self.refused), ("failed", self.failed)):
            told += [f"{name:13} {number:,} {reason}" for reason, number in sorted(counts.items())]
        if self.latency_ms:
            told.append("latency       " + "  ".join(f"{name} {ms:,.2f} ms" for name, ms in self.latency_ms.items()))
        if self.protocol == "udp":
            told.append("datagrams are not answered: see /api/v1/udp-loss for what arrived")
        return told


def _name(protocol: Protocol) -> str:
    return {"http": "sent (HTTP)", "udp": "sent (UDP)"}[protocol]


def count(counts: dict[str, int], reason: str, number: int = 1) -> None:
    counts[reason] = counts.get(reason, 0) + number
