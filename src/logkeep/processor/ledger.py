"""The ledger: what became of every event, per app, so that nothing is lost silently.

received = stored + rejected + over quota + expired + erased + waiting + still queued, always. Waiting are events that
lack a session (waiting.py). `received` is counted from the
frames' headers, as the receivers wrote them before they answered; the other side from what the processors did. Each
partition's mark has the counts of what came through it, kept as one with its offset, so that neither a crash nor a
change of owner can part them; the leader's mark has what was done with whole days and by erasures. An app's ledger is
their sum.
"""

from collections.abc import Iterable, Mapping

import msgspec

from logkeep.queue.port import LEADER, Mark, Offset, Partition


class NoticeLedger(msgspec.Struct):
    """Of one kind of notices: received = applied + sum of rejected + still queued."""

    received: int = 0
    applied: int = 0
    rejected: dict[str, int] = {}

    @property
    def queued(self) -> int:
        """Of a ledger to which what waits in the queue was added."""
        return self.received - self.applied - sum(self.rejected.values())

    def add(self, other: "NoticeLedger") -> None:
        self.received += other.received
        self.applied += other.applied
        for reason, count in other.rejected.items():
            self.rejected[reason] = self.rejected.get(reason, 0) + count


class AppLedger(msgspec.Struct):
    """Counts since the first start. received: of frames that are processed; the queued ones are added on reading.

    Of one mark alone `stored` may be negative: what partitions stored, the leader erases. notices: by kind; they are no
    events and have an account of their own.
    """

    received: int = 0
    stored: int = 0
    rejected: dict[str, int] = {}
    over_quota: int = 0
    expired: int = 0
    erased: int = 0
    waiting: int = 0
    notices: dict[str, NoticeLedger] = {}

    def copy(self) -> "AppLedger":
        copied = AppLedger()
        copied.add(self)
        return copied

    def notices_of(self, kind: str) -> NoticeLedger:
        return self.notices.setdefault(kind, NoticeLedger())

    def add(self, other: "AppLedger") -> None:
        self.received += other.received
        self.stored += other.stored
        for reason, count in other.rejected.items():
            self.rejected[reason] = self.rejected.get(reason, 0) + count
        self.over_quota += other.over_quota
        self.expired += other.expired
        self.erased += other.erased
        self.waiting += other.waiting
        for kind, notices in other.notices.items():
            self.notices_of(kind).add(notices)


class BatchIntent(msgspec.Struct, frozen=True):
    """One partition's part of a batch about to be written: repeated exactly like this after a crash, by whoever owns
    the partition then.

    ranges: of the whole batch, partition → (offset of the first record, offset after the last); the batch's token names
    them, so that all of it written again is one batch for the store. duplicates: indexes, among the events of this
    partition, of those whose id was stored before the batch was. repeated: indexes of this partition's frames that came
    under an Idempotency-Key seen before. arrival: the place of its first event in the order of arrival, the others
    following. waiting: indexes, among its events, of those that wait for their session. token: "" in what was kept
    before partitions had intents of their own: then it is of the whole batch.
    """

    ranges: dict[str, tuple[int, int]]
    duplicates: list[int]
    repeated: list[int]
    arrival: int = 0
    token: str = ""
    waiting: list[int] = []


class DropIntent(msgspec.Struct, frozen=True):
    """A day about to be dropped, with its events per app. whole: of all apps; else of those that are named."""

    day: str
    events: dict[str, int]
    whole: bool = True


class EraseIntent(msgspec.Struct, frozen=True):
    """An erasure whose events are marked in the store and about to go. ends: of what came before it in the queue.
    waiting: rows of the waiting room that go with them."""

    job: str
    app: str
    events: int
    ends: dict[str, int]
    waiting: list[int] = []


class ReleaseIntent(msgspec.Struct, frozen=True):
    """Events that are about to leave the waiting room, by the numbers of their rows.

    stored: with the session that each gets. duplicates: their id was stored before. expired: without one. done: they
    are stored and accounted for; the rows are to go.
    """

    token: str
    arrival: int
    stored: dict[int, str]
    duplicates: list[int] = []
    expired: list[int] = []
    done: bool = False

    @property
    def numbers(self) -> list[int]:
        return [*self.stored, *self.duplicates, *self.expired]


class LeftOut(msgspec.Struct, frozen=True, array_like=True):
    """A batch's records, start <= offset < end, of whose events these, by index, were not stored.

    refused: those of the indexes that were rejected; the others wait. rejected: how many were, by app, in what was kept
    before `refused` was.
    """

    start: int
    end: int
    indexes: list[int]
    rejected: dict[str, int] = {}
    refused: list[int] = []


LEFT_OUT_MAX = 20_000  # indexes kept in a mark, which has room for a few hundred thousand


class State(msgspec.Struct):
    """What is kept in one mark. arrival: the last place in the order of arrival that was taken. drop, erase,
    release: the leader's alone. left_out: of batches that statistics do not have yet.
    """

    apps: dict[str, AppLedger] = {}
    batch: BatchIntent | None = None
    drop: DropIntent | None = None
    arrival: int = 0
    erase: EraseIntent | None = None
    release: ReleaseIntent | None = None
    left_out: list[LeftOut] = []

    def app(self, name: str) -> AppLedger:
        return self.apps.setdefault(name, AppLedger())

    def settled(self) -> "State":
        """A copy to change, without intents; rows that are to go are still to go."""
        release = self.release if self.release is not None and self.release.done else None
        apps = {name: app.copy() for name, app in self.apps.items()}
        return State(apps, arrival=self.arrival, release=release, left_out=self.left_out)

    def leave_out(self, batch: LeftOut | None, *, counted: Offset) -> None:
        """counted: up to where statistics are written. Of more than fit the oldest are forgotten, and counted."""
        kept = [out for out in self.left_out if out.end > counted]
        if batch is not None:
            kept.append(batch)
        while sum(len(out.indexes) for out in kept) > LEFT_OUT_MAX:
            kept.pop(0)
        self.left_out = kept


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
