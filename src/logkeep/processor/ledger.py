"""The ledger: what became of every event, per app, so that nothing is lost silently.

received = stored + rejected + over quota + expired + erased + still queued, always. `received` is counted from the
frames' headers, as the receivers wrote them before they answered; the other side from what the processors did. Each
partition's mark has the counts of what came through it, kept as one with its offset, so that neither a crash nor a
change of owner can part them; the leader's mark has what was done with whole days and by erasures. An app's ledger is
their sum.
"""

from collections.abc import Iterable, Mapping

import msgspec

from logkeep.queue.port import LEADER, Mark, Offset, Partition


class AppLedger(msgspec.Struct):
    """Counts since the first start. received: of frames that are processed; the queued ones are added on reading.

    Of one mark alone `stored` may be negative: what partitions stored, the leader erases.
    """

    received: int = 0
    stored: int = 0
    rejected: dict[str, int] = {}
    over_quota: int = 0
    expired: int = 0
    erased: int = 0

    def copy(self) -> "AppLedger":
        return AppLedger(self.received, self.stored, dict(self.rejected), self.over_quota, self.expired, self.erased)

    def add(self, other: "AppLedger") -> None:
        self.received += other.received
        self.stored += other.stored
        for reason, count in other.rejected.items():
            self.rejected[reason] = self.rejected.get(reason, 0) + count
        self.over_quota += other.over_quota
        self.expired += other.expired
        self.erased += other.erased


class BatchIntent(msgspec.Struct, frozen=True):
    """One partition's part of a batch about to be written: repeated exactly like this after a crash, by whoever owns
    the partition then.

    ranges: of the whole batch, partition → (offset of the first record, offset after the last); the batch's token names
    them, so that all of it written again is one batch for the store. duplicates: indexes, among the events of this
    partition, of those whose id was stored before the batch was. repeated: indexes of this partition's frames that came
    under an Idempotency-Key seen before. arrival: the place of its first event in the order of arrival, the others
    following. token: "" in what was kept before partitions had intents of their own: then it is of the whole batch.
    """

    ranges: dict[str, tuple[int, int]]
    duplicates: list[int]
    repeated: list[int]
    arrival: int = 0
    token: str = ""


class DropIntent(msgspec.Struct, frozen=True):
    """A day about to be dropped, with its events per app. whole: of all apps; else of those that are named."""

    day: str
    events: dict[str, int]
    whole: bool = True


class EraseIntent(msgspec.Struct, frozen=True):
    """An erasure whose events are marked in the store and about to go. ends: of what came before it in the queue."""

    job: str
    app: str
    events: int
    ends: dict[str, int]


class State(msgspec.Struct):
    """What is kept in one mark. arrival: the last place in the order of arrival that was taken. drop, erase: the
    leader's alone.
    """

    apps: dict[str, AppLedger] = {}
    batch: BatchIntent | None = None
    drop: DropIntent | None = None
    arrival: int = 0
    erase: EraseIntent | None = None

    def app(self, name: str) -> AppLedger:
        return self.apps.setdefault(name, AppLedger())

    def settled(self) -> "State":
        """A copy to change, without intents."""
        return State({name: app.copy() for name, app in self.apps.items()}, arrival=self.arrival)


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(State)


def pack_state(state: State) -> bytes:
    return _encoder.encode(state)


def unpack_state(data: bytes) -> State:
    return _decoder.decode(data) if data else State()


def summed(states: Iterable[State]) -> dict[str, AppLedger]:
    """By app, over all marks."""
    apps: dict[str, AppLedger] = {}
    for state in states:
        for name, app in state.apps.items():
            apps.setdefault(name, AppLedger()).add(app)
    return apps


def read_marks(marks: Mapping[Partition, Mark]) -> tuple[dict[str, AppLedger], dict[Partition, Offset]]:
    """The ledger that a group's marks tell, and the offsets it belongs to: for whoever does not process."""
    offsets = {name: mark.offset for name, mark in marks.items() if name != LEADER}
    return summed(unpack_state(mark.data) for mark in marks.values()), offsets
