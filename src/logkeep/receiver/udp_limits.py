"""Datagrams and the limits: which go on to the queue, and what is told of the others.

Nobody waits for an answer, so what is over a limit is left out one by one, and counted for the app it named. An address
in a datagram may be anybody's: it has a limit a second, and is never blocked by itself.
"""

import socket
from collections import Counter
from collections.abc import Callable, Sequence

import msgspec

from logkeep.decode.frame import SAMPLES_MAX, FrameHeader, RejectedSample
from logkeep.decode.marks import Mark, text_of
from logkeep.decode.named import told_named
from logkeep.decode.split import replace_lone_surrogates
from logkeep.event import RejectReason
from logkeep.receiver.batch_ids import BatchIds
from logkeep.receiver.limiter import Limiter
from logkeep.receiver.limiting import named_of, sample
from logkeep.receiver.sender_limits import Sender

SENDERS_KNOWN_MAX = 10_000
ADDRESSES_KNOWN_MAX = 10_000
_REFUSED = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)

SenderOfKey = Callable[[str], Sender | None]


class _Keyed(msgspec.Struct, gc=False):
    app: str | None = None
    component: str | None = None
    level: str | None = None


class _OddKeyed(msgspec.Struct, gc=False):
    """One of them is no text, or not all of it is Unicode: it becomes text later."""

    app: msgspec.Raw = msgspec.Raw()
    component: msgspec.Raw = msgspec.Raw()
    level: msgspec.Raw = msgspec.Raw()


_lines = msgspec.json.Decoder(_Keyed).decode_lines
_one = msgspec.json.Decoder(_Keyed).decode
_odd = msgspec.json.Decoder(_OddKeyed).decode
_UNREADABLE = _Keyed()


class DatagramLimits:
    """For the thread that commits."""

    def __init__(self, limiter: Limiter, sender_of_key: SenderOfKey, *, app: str, batch_ids: BatchIds) -> None:
        """app: of all datagrams, "" when each names its key."""
        self._limiter, self._sender_of_key, self._batch_ids = limiter, sender_of_key, batch_ids
        self._default = Sender(app) if app else None
        self._senders: dict[str, Sender | None] = {}
        self._addresses: dict[bytes, str] = {}

    @property
    def looks_at_sources(self) -> bool:
        return self._limiter.looks_at_addresses

    def tick(self) -> None:
        self._limiter.tick()
        self._senders.clear()

    def admitted(
        self, datagrams: Sequence[bytes], sources: Sequence[bytes], received_ns: int
    ) -> tuple[Sequence[bytes], list[FrameHeader]]:
        """What goes on, in order, and a frame without events for each app of which something does not.

        sources: address of each datagram in network order, or none at all.
        """
        if not self._limiter.any:
            return datagrams, []
        lines, places = _split(datagrams)
        names = [self._address(sources[place]) for place in places] if sources else None
        events = _decoded(lines)
        by_sender: dict[Sender, list[int]] = {}
        for index, event in enumerate(events):
            sender = self._default or self._sender(event.app or "")
            if sender is not None:
                by_sender.setdefault(sender, []).append(index)
        gone: set[int] = set()
        told: list[FrameHeader] = []
        for sender, indexes in by_sender.items():
            marks: list[Mark] = [(events[index].component, events[index].level) for index in indexes]
            sizes = [len(lines[index]) for index in indexes]
            addresses = [names[index] for index in indexes] if names is not None else ()
            left_out = self._limiter.rule_each(sender, addresses, sizes, marks)
            if left_out:
                dropped = {indexes[place]: reason for place, reason in left_out.items()}
                gone.update(dropped)
                told.append(self._told(sender.app, dropped, lines, received_ns))
        if not gone:
            return datagrams, told
        return [line for index, line in enumerate(lines) if index not in gone], told

    def _told(
        self, app: str, dropped: dict[int, RejectReason], lines: Sequence[bytes], received_ns: int
    ) -> FrameHeader:
        samples: list[RejectedSample] = [
            sample(reason, "a datagram; its sender was not told", lines[index])
            for index, reason in list(dropped.items())[:SAMPLES_MAX]
        ]
        counts = dict(Counter(str(reason) for reason in dropped.values()))
        named = named_of((reason, lines[index]) for index, reason in dropped.items())
        return FrameHeader(
            app, received_ns, self._batch_ids.next(), 0, source="udp", rejected=counts, samples=tuple(samples),
            named=told_named(named),
        )  # fmt: skip

    def _sender(self, key: str) -> Sender | None:
        try:
            return self._senders[key]
        except KeyError:
            if len(self._senders) >= SENDERS_KNOWN_MAX:
                self._senders.clear()
            found = self._senders[key] = self._sender_of_key(key) if key else None
            return found

    def _address(self, packed: bytes) -> str:
        found = self._addresses.get(packed)
        if found is None:
            if len(self._addresses) >= ADDRESSES_KNOWN_MAX:
                self._addresses.clear()
            found = self._addresses[packed] = _text(packed)
        return found


def _text(packed: bytes) -> str:
    """As `canonical` writes it: an IPv6 address stands for its /64."""
    if len(packed) == 4:
        return socket.inet_ntop(socket.AF_INET, packed)
    if packed[:12] == b"\0" * 10 + b"\xff\xff":
        return socket.inet_ntop(socket.AF_INET, packed[12:])
    return socket.inet_ntop(socket.AF_INET6, packed[:8] + b"\0" * 8) + "/64"


def _split(datagrams: Sequence[bytes]) -> tuple[Sequence[bytes], Sequence[int]]:
    """The lines, none of them blank but for blank datagrams, and of each the place of its datagram."""
    if not any(b"\n" in datagram.strip() for datagram in datagrams):
        return datagrams, range(len(datagrams))
    lines: list[bytes] = []
    places: list[int] = []
    for place, datagram in enumerate(datagrams):
        own = [line for line in datagram.split(b"\n") if line.strip()] or [datagram]
        lines += own
        places += [place] * len(own)
    return lines, places


def _decoded(lines: Sequence[bytes]) -> list[_Keyed]:
    """One for each line; of what cannot be read nothing is known, and the processor judges it."""
    try:
        events = _lines(b"\n".join(lines))
        if len(events) == len(lines):
            return events
    except _REFUSED:
        pass
    return [_decoded_one(line) for line in lines]


def _decoded_one(line: bytes) -> _Keyed:
    try:
        return _one(line)
    except _REFUSED:
        pass
    try:
        odd = _odd(replace_lone_surrogates(line))
        return _Keyed(text_of(odd.app), text_of(odd.component), text_of(odd.level))
    except _REFUSED:
        return _UNREADABLE
