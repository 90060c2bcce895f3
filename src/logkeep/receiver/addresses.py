"""Whose address a request comes from, and which addresses are not listened to for a while.

An IPv6 address stands for its /64: that is what one customer of a provider has.
"""

import ipaddress
from collections import OrderedDict

import msgspec

from logkeep.clock import NS_PER_S, Clock
from logkeep.errors import InputError
from logkeep.settings import LimitSettings

FORWARDED_KNOWN_MAX = 4096
FORWARDED_BYTES_MAX = 4096  # of X-Forwarded-For that is looked at
HOPS_MAX = 16
ADDRESSES_MAX = 10_000  # that were refused something lately, or are blocked
WINDOW_S = 10.0
STRIKES_MAX = 4  # doublings of a block: 16 times limits.block_s

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def networks(text: str, setting: str) -> tuple[Network, ...]:
    """Raises InputError."""
    try:
        return tuple(ipaddress.ip_network(part.strip(), strict=False) for part in text.split(",") if part.strip())
    except ValueError as error:
        raise InputError(f"{setting}: {error}; write addresses or networks such as 10.0.0.0/8, with commas") from error


def canonical(text: str) -> str | None:
    """How an address is counted, None for what is none. A port, brackets and a zone are cut off."""
    text = text.strip().strip('"')
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return str(address.ipv4_mapped)
        return f"{ipaddress.IPv6Address(int(address) >> 64 << 64)}/64"
    return str(address)


class Proxies:
    """Whose word is taken for a client's address."""

    def __init__(self, trusted: tuple[Network, ...]) -> None:
        self._trusted = trusted
        self._known: dict[tuple[str, bytes], str] = {}

    def client(self, peer: str, forwarded: bytes) -> str:
        """The last address of `forwarded` (X-Forwarded-For) that is no trusted proxy's, when `peer` is one; else the
        peer's. What stands further left was written by whoever sent it, and is worth nothing."""
        known = self._known.get((peer, forwarded))
        if known is None:
            if len(self._known) >= FORWARDED_KNOWN_MAX:
                self._known.clear()
            known = self._known[peer, forwarded] = self._found(peer, forwarded)
        return known

    def _found(self, peer: str, forwarded: bytes) -> str:
        own = canonical(peer) or peer
        if not forwarded or not self._trusts(peer) or len(forwarded) > FORWARDED_BYTES_MAX:
            return own
        for hop in reversed(forwarded.decode("latin-1").rsplit(",", HOPS_MAX)[-HOPS_MAX:]):
            address = canonical(hop)
            if address is None:
                return own
            if not self._trusts(hop.strip()):
                return address
            own = address
        return own

    def _trusts(self, text: str) -> bool:
        try:
            address = ipaddress.ip_address(text.partition("%")[0])
        except ValueError:
            return False
        if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        return any(address in network for network in self._trusted)


Name = tuple[str, str]  # app and address


class _Record(msgspec.Struct):
    """untold: refusals that the other receivers do not know of yet."""

    count: int = 0
    since_s: float = 0.0
    until_s: float = 0.0
    strikes: int = 0
    untold: int = 0


class ShortBlocks:
    """Addresses that went on being refused by an app: nothing of theirs is read for it for a while. For HTTP, where an
    address has shaken hands: anybody can write any address into a datagram.

    By app, so that a tight limit of one closes no door of another. The app "" is everyone's: of requests whose key is
    none, which are nobody's.
    """

    def __init__(self, settings: LimitSettings, clock: Clock) -> None:
        self._settings, self._clock = settings, clock
        self._records: OrderedDict[Name, _Record] = OrderedDict()
        self._untold: set[Name] = set()
        self.any = False  # whether an address may be blocked now

    def left_s(self, app: str, address: str) -> float:
        """How long it is blocked yet."""
        found = [self._records.get((name, address)) for name in {app, ""}]
        until_s = max((record.until_s for record in found if record is not None), default=0.0)
        return until_s - self._now_s() if until_s else 0.0

    def refused(self, app: str, address: str) -> bool:
        """Whether this refusal was the one too many."""
        if not self._settings.block_refusals:
            return False
        now_s, name = self._now_s(), (app, address)
        record = self._records.get(name)
        if record is None:
            while len(self._records) >= ADDRESSES_MAX:
                self._untold.discard(self._records.popitem(last=False)[0])
            record = self._records[name] = _Record(since_s=now_s)
        self._records.move_to_end(name)
        record.untold += 1
        self._untold.add(name)
        block_s = self._settings.block_s
        if now_s - record.since_s > WINDOW_S:
            if record.until_s and now_s - record.until_s > block_s * (1 << STRIKES_MAX):
                record.strikes = 0
            record.count, record.since_s = 0, now_s
        record.count += 1
        if record.count < self._settings.block_refusals:
            return False
        self._block(record, now_s)
        return True

    def _block(self, record: _Record, now_s: float) -> None:
        record.until_s = now_s + self._settings.block_s * (1 << record.strikes)
        record.strikes = min(record.strikes + 1, STRIKES_MAX)
        record.count, record.since_s = 0, now_s
        self.any = True

    def untold(self, names_max: int) -> list[tuple[Name, int]]:
        """How often whom, since this was last asked: for the other receivers."""
        names = [self._untold.pop() for _ in range(min(names_max, len(self._untold)))]
        told = [(name, self._records[name].untold) for name in names]
        for name in names:
            self._records[name].untold = 0
        return told

    def heard(self, name: Name, total: int) -> bool:
        """All receivers have refused it so often within WINDOW_S; whether that is one too many."""
        record, now_s = self._records.get(name), self._now_s()
        if record is None or record.until_s > now_s or not 0 < self._settings.block_refusals <= total:
            return False
        self._block(record, now_s)
        return True

    def forget(self) -> None:
        """Called now and then: those whose time is over and that were quiet since."""
        now_s = self._now_s()
        quiet_s = max(WINDOW_S, self._settings.block_s * (1 << STRIKES_MAX))
        while self._records:
            name, record = next(iter(self._records.items()))
            if now_s - max(record.since_s, record.until_s) <= quiet_s:
                break
            del self._records[name]
            self._untold.discard(name)
        self.any = bool(self._records) and any(record.until_s > now_s for record in self._records.values())

    def _now_s(self) -> float:
        return self._clock.monotonic_ns() / NS_PER_S
