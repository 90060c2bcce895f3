"""What numbered senders lost on the way: gaps in `seq`, counted by app, component and client. Pure.

A sender numbers its events 0, 1, 2 … (any start). Kept a sender: the first and highest number and the gaps between
them, so late arrivals fill their gap and a number that comes twice is counted once. A sender that starts again is
recognised: its numbers fall back by more than REORDER_WINDOW, or repeat from the first one on. Every memory here has
a bound; what falls out of it keeps its sums.
"""

from bisect import bisect_right
from collections.abc import Iterator, Sequence

import msgspec

CLIENTS_MAX = 10_000
GAPS_MAX = 256  # open gaps a client; the oldest is then settled as lost
SNAPSHOT_BYTES_MAX = 960 << 10  # the queue keeps 1 MiB with a commit
REORDER_WINDOW = 1024  # numbers a datagram may be late; 10 ms at 100,000 a second
RESTART_RUN = 8  # numbers repeated in order from the first one on are no network's duplicates
NUMBER_MAX = (1 << 63) - 1
JUMP_MAX = 1 << 32  # a larger step forward is a new numbering, not a loss
OTHER = "(other)"


class Numbers(msgspec.Struct, array_like=True):
    """The numbers of one sender that arrived. gaps: [from, to, from, to …] half-open, ascending, all open ones.

    settled: numbers missing for good: gaps beyond GAPS_MAX, and those of numberings before a restart.
    replay_next, replay_length: the repeated run that may turn out to be a restart.
    """

    first: int = 0
    highest: int = -1
    received: int = 0
    duplicates: int = 0
    settled: int = 0
    restarts: int = 0
    gaps: list[int] = []
    replay_next: int = -1
    replay_length: int = 0

    @property
    def missing(self) -> int:
        return self.settled + sum(self.gaps[1::2]) - sum(self.gaps[::2])

    def add(self, start: int, end: int) -> None:
        """The numbers start ≤ n < end came, in this order."""
        if self.highest < 0:
            self._begin(start, end)
        elif start > self.highest:
            self._extend(start, end)
        elif (first := self._restart_at(start, end)) is not None:
            self.duplicates -= start - first  # they did arrive anew
            self._restart(first, end)
        else:
            self._fill(start, min(end, self.highest + 1))
            if end > self.highest + 1:
                self._extend(self.highest + 1, end)

    def settle(self) -> None:
        """Open gaps are lost for good: what comes in them from now on counts as a duplicate."""
        self.settled = self.missing
        self.gaps = []

    def _restart(self, start: int, end: int) -> None:
        self.restarts += 1
        self.settle()
        self._begin(start, end)

    def _begin(self, start: int, end: int) -> None:
        self.first, self.highest = start, end - 1
        self.received += end - start
        self.replay_length = 0

    def _extend(self, start: int, end: int) -> None:
        if start - self.highest > JUMP_MAX:
            return self._restart(start, end)
        if start > self.highest + 1:
            self.gaps += (self.highest + 1, start)
            self._bound_gaps()
        self.received += end - start
        self.highest = end - 1
        return None

    def _bound_gaps(self) -> None:
        while len(self.gaps) > 2 * GAPS_MAX:
            self.settled += self.gaps[1] - self.gaps[0]
            del self.gaps[:2]

    def _restart_at(self, start: int, end: int) -> int | None:
        """The first number of the new numbering that start ≤ n < end belongs to; None when it is the old one.

        `start` is not above the highest. Numbers before it that were taken for duplicates may belong to the new one.
        """
        if start < self.first:
            return start if self.first - start > REORDER_WINDOW else None
        if self._in_gap(start):
            return None
        if self.highest - start > REORDER_WINDOW:
            return start
        repeated = min(end, self.highest + 1) - start
        if start == self.first:
            self.replay_length = 0
        elif start != self.replay_next or not self.replay_length:
            return None
        self.replay_length += repeated
        self.replay_next = start + repeated
        return self.first if self.replay_length >= RESTART_RUN else None

    def _in_gap(self, number: int) -> bool:
        place = bisect_right(self.gaps, number)
        return place % 2 == 1

    def _fill(self, start: int, end: int) -> None:
        """start ≤ n < end came late or twice; end is at most highest + 1, start at least first − REORDER_WINDOW."""
        if start < self.first:
            self.gaps[:0] = (start, self.first)
            self.first = start
        before = self.missing
        low, high = bisect_right(self.gaps, start), bisect_right(self.gaps, end)
        kept = [self.gaps[low - 1], start] if low % 2 and self.gaps[low - 1] < start else []
        kept += [end, self.gaps[high]] if high % 2 and end < self.gaps[high] else []
        self.gaps[low - low % 2 : high + high % 2] = kept
        filled = before - self.missing
        self.received += filled
        self.duplicates += end - start - filled
        if filled:
            self.replay_length = 0  # a restart would have repeated, not filled
        self._bound_gaps()


class LossRow(msgspec.Struct, frozen=True):
    """One line of `/api/v1/udp-loss`. first, highest: since the last restart; -1 in the summed row."""

    component: str
    client: str
    received: int
    missing: int
    duplicates: int
    restarts: int
    first: int
    highest: int


class _Sums(msgspec.Struct, array_like=True):
    received: int = 0
    missing: int = 0
    duplicates: int = 0
    restarts: int = 0


class _Snapshot(msgspec.Struct, array_like=True):
    version: int
    clients: list[tuple[str, str, str, Numbers]]
    others: dict[str, _Sums]


_SNAPSHOT_VERSION = 1
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Snapshot).decode
_Client = tuple[str, str]  # component, client


class UdpLoss:
    """The numbers of all senders. Not safe for two threads at once."""

    def __init__(self) -> None:
        self._apps: dict[str, dict[_Client, Numbers]] = {}  # each app's clients, the stalest first
        self._others: dict[str, _Sums] = {}
        self._count = 0

    def observe(self, app: str, component: str, client: str, seqs: Sequence[int]) -> None:
        """These events came from this client, in this order. Numbers outside 0 to NUMBER_MAX are not looked at."""
        if not seqs:
            return
        if min(seqs) < 0 or max(seqs) > NUMBER_MAX:
            seqs = [seq for seq in seqs if 0 <= seq <= NUMBER_MAX]
        numbers = self._numbers(app, (component, client))
        for start, end in _runs(seqs, numbers.highest):
            numbers.add(start, end)

    def rows(self, app: str) -> list[dict[str, object]]:
        """`LossRow`s of one app as dicts, most missing first; senders no longer tracked are summed under OTHER."""
        rows = [
            LossRow(component, client, n.received, n.missing, n.duplicates, n.restarts, n.first, n.highest)
            for (component, client), n in self._apps.get(app, {}).items()
            if n.received
        ]
        rows.sort(key=lambda row: (-row.missing, row.component, row.client))
        if sums := self._others.get(app):
            rows.append(LossRow(OTHER, OTHER, sums.received, sums.missing, sums.duplicates, sums.restarts, -1, -1))
        return [msgspec.structs.asdict(row) for row in rows]

    def missing_by_component(self) -> dict[str, int]:
        """Missing events of all apps by component, for the `udp_missing_events` metric; at most 100 components."""
        missing: dict[str, int] = {}
        for clients in self._apps.values():
            for (component, _), numbers in clients.items():
                name = component if component in missing or len(missing) < 100 else OTHER
                missing[name] = missing.get(name, 0) + numbers.missing
        for sums in self._others.values():
            missing[OTHER] = missing.get(OTHER, 0) + sums.missing
        return missing

    def to_bytes(self) -> bytes:
        """A snapshot, at most SNAPSHOT_BYTES_MAX: open gaps, then the stalest clients give way until it fits."""
        packed = self._packed()
        if len(packed) > SNAPSHOT_BYTES_MAX:
            for clients in self._apps.values():
                for numbers in clients.values():
                    numbers.settle()
            packed = self._packed()
        while len(packed) > SNAPSHOT_BYTES_MAX and self._count:
            for _ in range(max(1, self._count // 8)):
                self._fold_one()
            packed = self._packed()
        return packed

    @classmethod
    def from_bytes(cls, packed: bytes) -> "UdpLoss":
        """What `to_bytes` saved; empty for b"" and for a snapshot of another version, whose counts start anew."""
        loss = cls()
        try:
            snapshot = _decode(packed)
        except msgspec.MsgspecError:
            return loss
        if snapshot.version != _SNAPSHOT_VERSION:
            return loss
        for app, component, client, numbers in snapshot.clients:
            loss._apps.setdefault(app, {})[component, client] = numbers
        loss._others = snapshot.others
        loss._count = sum(map(len, loss._apps.values()))
        return loss

    def _packed(self) -> bytes:
        clients = [
            (app, component, client, numbers)
            for app, of_app in self._apps.items()
            for (component, client), numbers in of_app.items()
        ]
        return _encode(_Snapshot(_SNAPSHOT_VERSION, clients, self._others))

    def _numbers(self, app: str, client: _Client) -> Numbers:
        clients = self._apps.setdefault(app, {})
        numbers = clients.pop(client, None)
        if numbers is None:
            if self._count >= CLIENTS_MAX:
                self._fold_one()
                clients = self._apps.setdefault(app, {})
            numbers = Numbers()
            self._count += 1
        clients[client] = numbers  # last: the freshest
        return numbers

    def _fold_one(self) -> None:
        """The stalest client of the app with the most of them goes into that app's sums: no app crowds out another."""
        app = max(self._apps, key=lambda name: len(self._apps[name]))
        clients = self._apps[app]
        numbers = clients.pop(next(iter(clients)))
        if not clients:
            del self._apps[app]
        self._count -= 1
        sums = self._others.setdefault(app, _Sums())
        sums.received += numbers.received
        sums.missing += numbers.missing
        sums.duplicates += numbers.duplicates
        sums.restarts += numbers.restarts


def _runs(seqs: Sequence[int], highest: int) -> Iterator[tuple[int, int]]:
    """`seqs` as half-open runs of consecutive numbers. All new and none twice: sorted, so reordering makes no runs."""
    if not seqs:
        return
    if seqs[-1] - seqs[0] == len(seqs) - 1 and list(seqs) == list(range(seqs[0], seqs[-1] + 1)):
        yield seqs[0], seqs[-1] + 1
        return
    if min(seqs) > highest and max(seqs) - min(seqs) < JUMP_MAX and len(set(seqs)) == len(seqs):
        seqs = sorted(seqs)
    start = previous = seqs[0]
    for number in seqs[1:]:
        if number != previous + 1:
            yield start, previous + 1
            start = number
        previous = number
    yield start, previous + 1
