"""The ledger: what became of every event, per app, so that nothing is lost silently.

received = stored + rejected + over quota + expired + erased + still queued, always. `received` is counted from the
frames' headers, as the receivers wrote them before they answered; the other side from what the processor did. The
counts are kept in the same durable record as the queue's offsets, so a crash cannot part them.
"""

import msgspec


class AppLedger(msgspec.Struct):
    """Counts since the first start. received: of frames that are processed; the queued ones are added on reading."""

    received: int = 0
    stored: int = 0
    rejected: dict[str, int] = {}
    over_quota: int = 0
    expired: int = 0
    erased: int = 0

    def copy(self) -> "AppLedger":
        return AppLedger(self.received, self.stored, dict(self.rejected), self.over_quota, self.expired, self.erased)


class BatchIntent(msgspec.Struct, frozen=True):
    """A batch about to be written: repeated exactly like this after a crash, so that its token matches.

    ranges: partition → (offset of the first record, offset after the last). duplicates: indexes, in the batch, of
    events whose id was stored before this batch was. repeated: indexes of frames that came under an Idempotency-Key
    seen before. arrival: the place of its first event in the order of arrival, the others following.
    """

    ranges: dict[str, tuple[int, int]]
    duplicates: list[int]
    repeated: list[int]
    arrival: int = 0


class DropIntent(msgspec.Struct, frozen=True):
    """A day about to be dropped, with its events per app."""

    day: str
    events: dict[str, int]


class EraseIntent(msgspec.Struct, frozen=True):
    """An erasure whose events are marked in the store and about to go. ends: of what came before it in the queue."""

    job: str
    app: str
    events: int
    ends: dict[str, int]


class State(msgspec.Struct):
    """What the processor keeps with its offsets. arrival: the last place in the order of arrival that was taken."""

    apps: dict[str, AppLedger] = {}
    batch: BatchIntent | None = None
    drop: DropIntent | None = None
    arrival: int = 0
    erase: EraseIntent | None = None

    def app(self, name: str) -> AppLedger:
        return self.apps.setdefault(name, AppLedger())


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(State)


def pack_state(state: State) -> bytes:
    return _encoder.encode(state)


def unpack_state(data: bytes) -> State:
    return _decoder.decode(data) if data else State()
