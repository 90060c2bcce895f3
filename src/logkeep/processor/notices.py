"""The notices of a batch, from their frames to the metastore, with their account in the ledger.

They are applied before the batch's events are written: a session that is told and an event that needs it may come
together. Order: of one partition as they came.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from logkeep.clock import NS_PER_S
from logkeep.decode.frame import FrameHeader, RejectedSample, event_id
from logkeep.decode.notices import KINDS, decode_notices
from logkeep.event import Event
from logkeep.metastore.applied import Applied, ReceivedNotice
from logkeep.metastore.database import Database, Transaction
from logkeep.metastore.device_room import DeviceRoom
from logkeep.metastore.waiting import put
from logkeep.processor.appliers import APPLIERS
from logkeep.processor.ledger import NoticeLedger
from logkeep.queue.port import Offset, Ownership, Partition
from logkeep.telemetry import Telemetry, get_logger

TOPIC = "notices"

log = get_logger("processor")


class NoticeFrame(msgspec.Struct, frozen=True):
    """The notices of one frame. index: of the frame in the batch. rejected: by reason, beside `notices`."""

    partition: Partition
    index: int
    kind: str
    app: str
    notices: Sequence[ReceivedNotice]
    rejected: dict[str, int]

    def account(self, *, repeated: bool) -> NoticeLedger:
        """What it adds to the ledger. repeated: it came under an Idempotency-Key that was seen before."""
        count, rejected = len(self.notices), dict(self.rejected)
        if repeated and count:
            rejected["duplicate"] = count
        return NoticeLedger(count + sum(self.rejected.values()), 0 if repeated else count, rejected)


def read_frame(
    header: FrameHeader, body: bytes, partition: Partition, index: int
) -> tuple[NoticeFrame, list[RejectedSample]] | None:
    """None: this version knows no such kind."""
    kind = KINDS.get(header.kind)
    if kind is None:
        return None
    decoded = decode_notices(body, kind)
    told = [_of_sender(notice, header.device) for notice in decoded.notices] if kind.of_sender else decoded.notices
    notices = [
        ReceivedNotice(header.app, event_id(header.batch_id, place), header.received_ns, notice)
        for place, notice in zip(decoded.indexes, told, strict=True)
    ]
    rejected = dict(header.rejected)
    if decoded.refused:
        rejected["bad_notice"] = rejected.get("bad_notice", 0) + len(decoded.refused)
    samples = [*header.samples, *(RejectedSample("bad_notice", message, text) for _, message, text in decoded.refused)]
    return NoticeFrame(partition, index, header.kind, header.app, notices, rejected), samples


def _of_sender(notice: Any, device: str) -> Any:
    return notice if notice.device or not device else msgspec.structs.replace(notice, device=device)


class Notices:
    """For the thread that writes the store."""

    def __init__(self, database: Database, telemetry: Telemetry, *, wait_s: float, devices_max: int = 0) -> None:
        """wait_s: for so long an event waits for its session. devices_max: of an app; 0: no bound."""
        self._room = DeviceRoom(devices_max)
        self._wait_ns = int(wait_s * NS_PER_S)
        self._applied, self._telemetry = Applied(database, TOPIC), telemetry
        self._begun: tuple[Ownership, Mapping[Partition, Offset]] | None = None

    def begin(self, owner: Ownership, offsets: Mapping[Partition, Offset]) -> None:
        """Call with the marks of what is owned, nothing of it being half done."""
        self._begun = owner, dict(offsets)

    def finishing(self) -> None:
        """Call before what was half done is finished: its place may be ahead of the marks."""
        self._begun = None

    def _look_for_another_queue(self) -> None:
        """Once, when there is something to apply: a start must not wait for the metastore."""
        if self._begun is None:
            return
        owner, offsets = self._begun
        owned = {name: until for name, until in self._applied.places().items() if owner.has(name)}
        replaced = {name: offsets.get(name, 0) for name, until in owned.items() if until > offsets.get(name, 0)}
        if replaced:
            log.warning("the queue is another one than before: it counts anew", partitions=sorted(replaced))
            self._applied.rewind(replaced)
        self._begun = None

    def apply(
        self,
        frames: Sequence[NoticeFrame],
        waiting: Mapping[Partition, Sequence[Event]],
        ends: Mapping[Partition, Offset],
    ) -> None:
        """What `frames` tell, and events that wait, are durable in the metastore, once. ends: of the batch.

        Raises BackendUnavailable.
        """
        if not frames and not waiting:
            return
        self._look_for_another_queue()

        forgotten = 0

        def work(transaction: Transaction, fresh: set[Partition]) -> None:
            nonlocal forgotten
            for kind, applier in APPLIERS.items():
                told = [one for f in frames if f.kind == kind and f.partition in fresh for one in f.notices]
                if told:
                    forgotten = self._room.make(transaction, told) if kind == "devices" else forgotten
                    applier(transaction, told)
            events = [event for name, events in waiting.items() if name in fresh for event in events]
            if events:
                put(transaction, events, self._wait_ns)

        concerned = {frame.partition for frame in frames} | waiting.keys()
        self._applied.once({name: ends[name] for name in concerned}, work)
        self._telemetry["devices_forgotten"].inc(forgotten)
        for frame in frames:
            self._telemetry["processor_notices_applied"].labels(frame.kind).inc(len(frame.notices))
