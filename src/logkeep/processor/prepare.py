"""Queue records to a batch of events, with an account of everything that does not become one. Pure but for logging."""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Sequence
from operator import attrgetter
from typing import Any, TypeVar

import msgspec
from msgspec.structs import replace

from logkeep.decode.body import inflate
from logkeep.decode.frame import FrameHeader, RejectedSample, event_ids, unpack_frame
from logkeep.decode.named import UNREAD, Named, count_named
from logkeep.decode.native import Decoded, decode_events, decode_in_pieces
from logkeep.decode.split import Form
from logkeep.errors import CorruptData, InputError
from logkeep.event import Event, WireEvent
from logkeep.metastore.session_map import Seen
from logkeep.patterns.template import KeptPattern
from logkeep.processor.issue_events import event_of
from logkeep.processor.normalise import TimeLimits, normalise_all
from logkeep.processor.notices import NoticeFrame, read_frame
from logkeep.queue.port import Offset, Partition, Record

RetentionOf = Callable[[str], int]  # an app → days kept, today among them
AppOfKey = Callable[[str], str | None]  # a write key → its app, None when it is none


class Frame(msgspec.Struct):
    """One queue record, decoded. Its events are `Prepared.events[start:end]`."""

    partition: Partition
    offset: Offset
    header: FrameHeader
    start: int
    end: int
    sessionless: bool = False


NAMED_MAX = 1_000  # components and keys of a batch's rejected events that are told apart, of an app and partition


class Tally(msgspec.Struct):
    """What a batch adds to the ledger of one app, and the samples its owner gets to see. named: all that is `rejected`,
    by the component and key that it names."""

    received: int = 0
    rejected: dict[str, int] = {}
    samples: list[RejectedSample] = []
    over_quota: int = 0
    named: dict[Named, int] = {}

    def reject(self, reason: str, named: Named, count: int = 1) -> None:
        if reason == "over_quota":
            self.over_quota += count
            return
        self.rejected[reason] = self.rejected.get(reason, 0) + count
        count_named(self.named, named, count, names_max=NAMED_MAX)

    def reject_told(self, header: FrameHeader) -> None:
        """What a receiver rejected."""
        unread = sum(header.rejected.values()) - header.rejected.get("over_quota", 0)
        for reason, count in header.rejected.items():
            if reason == "over_quota":
                self.over_quota += count
            else:
                self.rejected[reason] = self.rejected.get(reason, 0) + count
        for component, key, count in header.named:
            count_named(self.named, (component, key), count, names_max=NAMED_MAX)
            unread -= count
        if unread > 0:
            count_named(self.named, UNREAD, unread, names_max=NAMED_MAX)


Owner = tuple[str, str, str, str]  # whose an event is: app, session, user, device; "" where it does not say
_owner = attrgetter("app", "session", "user", "device")


T = TypeVar("T")


def picked(column: Sequence[T], indexes: Sequence[int]) -> Sequence[T]:
    """What of a batch's column stands at `indexes`; where these are a range, in one step."""
    if isinstance(indexes, range):
        return column[indexes.start : indexes.stop]
    return [column[index] for index in indexes]


class Owners(dict[Owner, int]):
    """Owners with a number each, from 0, in the order of numbers."""

    def __missing__(self, owner: Owner) -> int:
        number = self[owner] = len(self)
        return number

    def of(self, events: Iterable[Event]) -> list[int]:
        """The number of each event's owner: events repeat their names, and who counts by them need not look again."""
        return list(map(self.__getitem__, map(_owner, events)))


class Prepared(msgspec.Struct):
    """A batch ready to be written. ranges: partition → (first offset, offset after the last). Frames and events of a
    partition stand together. tallies: by partition and app. corrupt: frames that cannot be read, with the reason.
    patterns: to be kept before events name them. told: what is told beside events. sessionless: indexes of events that
    came without a session; seen: what events tell of sessions. suspects: indexes of events that may hold what is to be
    masked, ascending. owners: of events; owner_of: each event's number in it."""

    ranges: dict[Partition, tuple[Offset, Offset]]
    frames: list[Frame]
    events: list[Event]
    tallies: dict[tuple[Partition, str], Tally]
    corrected: dict[str, int]
    sequences: dict[tuple[str, str, str], list[int]]
    corrupt: list[tuple[Record, str]]
    patterns: list[KeptPattern] = []
    told: list[NoticeFrame] = []
    sessionless: list[int] = []
    seen: list[Seen] = []
    suspects: list[int] = []
    owners: Owners = msgspec.field(default_factory=Owners)
    owner_of: list[int] = []

    def add(self, events: list[Event]) -> None:
        self.events += events
        self.owner_of += self.owners.of(events)

    @property
    def token(self) -> str:
        """Names this very batch, for ever: also when a queue that is emptied or replaced counts from 0 again."""
        first = self.frames[0].header.batch_id if self.frames else ""
        return f"{token_of(self.ranges)};{first}"

    @property
    def oldest_received_ns(self) -> int:
        return min((frame.header.received_ns for frame in self.frames), default=0)

    def tally(self, partition: Partition, app: str) -> Tally:
        if (partition, app) not in self.tallies:
            self.tallies[partition, app] = Tally()
        return self.tallies[partition, app]

    def events_of(self, partition: Partition) -> range:
        """Where the partition's events stand in `events`."""
        own = self.frames_of(partition)
        return range(own[0].start, own[-1].end) if own else range(0)

    def partition_of(self, index: int) -> Partition:
        """Of the event at `index`."""
        return self.frames[bisect_right(self.frames, index, key=_start_of) - 1].partition

    def first_frame_of(self, partition: Partition) -> int:
        """Where the partition's frames begin in `frames`."""
        return bisect_left(self.frames, partition, key=_partition_of)

    def frames_of(self, partition: Partition) -> list[Frame]:
        start = self.first_frame_of(partition)
        return self.frames[start : bisect_right(self.frames, partition, lo=start, key=_partition_of)]


def _partition_of(frame: Frame) -> Partition:
    return frame.partition


def _start_of(frame: Frame) -> int:
    return frame.start


def token_of(ranges: dict[Partition, tuple[Offset, Offset]]) -> str:
    return ",".join(f"{partition}:{start}-{end}" for partition, (start, end) in sorted(ranges.items()))


class Rules(msgspec.Struct, frozen=True):
    """What of a sender is believed, how much is unpacked, and what may be kept of a notice. Times are measured from
    when the receiver had the event, so that a replay decides the same. numbers_of_http: events that came over HTTP are
    looked at for missing numbers too, as long as one processor sees them all in their order. mask_notice(app, notice):
    the notice without the app's secrets. suspects(app, body, form, count): indexes of the events of a well-formed body
    of `count` that may hold such, None: all."""

    retention_of: RetentionOf
    future_s: float
    inflated_bytes_max: int
    numbers_of_http: bool = True
    mask_notice: Callable[[str, Any], Any] = lambda app, notice: notice
    suspects: Callable[[str, bytes, Form, int], Sequence[int] | None] = lambda app, body, form, count: None

    def limits(self, received_ns: int, app: str) -> TimeLimits:
        return TimeLimits.around(received_ns, retention_days=self.retention_of(app), future_s=self.future_s)


def prepare(records: Sequence[Record], rules: Rules, app_of_key: AppOfKey) -> Prepared:
    """The batch of these records; the same records give the same batch, whenever and in whatever order they come."""
    prepared = Prepared({}, [], [], {}, {}, {}, [])
    for record in sorted(records, key=lambda record: (record.partition, record.offset)):
        start, end = prepared.ranges.get(record.partition, (record.offset, 0))
        prepared.ranges[record.partition] = (start, max(end, record.next_offset))
        try:
            header, body = unpack_frame(record.payload)
            if header.encoding == "zstd":
                body = inflate(body, "zstd", bytes_max=rules.inflated_bytes_max)
        except (CorruptData, InputError) as error:
            prepared.corrupt.append((record, error.message))
            continue
        frame = Frame(record.partition, record.offset, header, len(prepared.events), 0)
        limits = rules.limits(header.received_ns, header.app)
        if header.kind:
            if not _add_notices(prepared, frame, body, limits, rules):
                prepared.corrupt.append((record, f"this version knows no notices of the kind {header.kind[:80]!r}"))
        elif header.app:
            _add_app_frame(prepared, frame, body, limits, rules)
        else:
            _add_keyed_frame(prepared, frame, body, rules, app_of_key)
        frame.end = len(prepared.events)
        if frame.sessionless:
            events = prepared.events
            prepared.sessionless += [i for i in range(frame.start, frame.end) if not events[i].session]
        prepared.frames.append(frame)
    return prepared


def _add_notices(prepared: Prepared, frame: Frame, body: bytes, limits: TimeLimits, rules: Rules) -> bool:
    """Whether the frame's kind is known here. An issue is an event of its session too."""
    header, partition = frame.header, frame.partition
    found = read_frame(header, body, partition, len(prepared.frames))
    if found is None:
        return False
    told, samples = found
    # Before anything is made of it: an issue is named by its text, in its event and in the metastore alike.
    masked = [replace(one, notice=rules.mask_notice(header.app, one.notice)) for one in told.notices]
    told = replace(told, notices=masked)
    prepared.told.append(told)
    if header.kind == "issues":
        prepared.tally(partition, header.app).received += len(told.notices)
        prepared.add([event_of(one, limits, prepared.corrected) for one in told.notices])
        prepared.suspects += range(frame.start, len(prepared.events))
    if samples:
        prepared.tally(partition, header.app).samples.extend(samples)
    return True


def _add_app_frame(prepared: Prepared, frame: Frame, body: bytes, limits: TimeLimits, rules: Rules) -> None:
    """All events belong to the app whose key sent the request."""
    header = frame.header
    numbered = rules.numbers_of_http or header.source == "udp"
    tally = prepared.tally(frame.partition, header.app)
    tally.received += header.count + sum(header.rejected.values())
    tally.reject_told(header)
    tally.samples.extend(header.samples)
    for piece, decoded in decode_in_pieces(body, header.form, header.skip):
        frame.sessionless = frame.sessionless or decoded.sessionless
        for refused in decoded.rejected:
            tally.reject(refused.reason, refused.named)
            tally.samples.append(RejectedSample(refused.reason, refused.message, refused.text))
        _count_corrections(prepared, decoded.corrected)
        _suspect(prepared, decoded, header, piece, rules)
        if not decoded.events:
            continue
        ids = event_ids(header.batch_id, decoded.indexes)
        made = normalise_all(decoded.events, header.app, ids, header.received_ns, limits, prepared.corrected)
        prepared.add(made)
        if numbered:
            for wire in decoded.events:
                if wire.seq is not None:
                    _number(prepared, header.app, wire)


def _suspect(prepared: Prepared, decoded: Decoded, header: FrameHeader, body: bytes, rules: Rules) -> None:
    """Before the frame's events are added: which of them may hold something to mask."""
    start, found = len(prepared.events), None
    if decoded.in_one_call:
        found = rules.suspects(header.app, body, header.form, len(decoded.events))
        if found is not None and decoded.repaired:
            found = sorted({*found, *decoded.repaired})
    prepared.suspects += range(start, start + len(decoded.events)) if found is None else [start + i for i in found]


def _add_keyed_frame(prepared: Prepared, frame: Frame, body: bytes, rules: Rules, app_of_key: AppOfKey) -> None:
    """Datagrams: each names its key, also one that is no event otherwise, or has none and is nobody's."""
    header, partition = frame.header, frame.partition
    decoded = decode_events(body, header.form, header.skip)
    frame.sessionless = decoded.sessionless
    keys = {wire.app for wire in decoded.events} | {refused.key for refused in decoded.rejected}
    apps = {key: app_of_key(key) if key else None for key in keys}
    if header.rejected:
        nobody = prepared.tally(partition, "")
        nobody.received += sum(header.rejected.values())
        nobody.reject_told(header)
    for refused in decoded.rejected:
        tally = prepared.tally(partition, apps[refused.key] or "")
        tally.received += 1
        tally.reject(refused.reason, refused.named)
        tally.samples.append(RejectedSample(refused.reason, refused.message, refused.text))
    _count_corrections(prepared, decoded.corrected)
    rows: dict[str, list[int]] = {}
    for row, wire in enumerate(decoded.events):
        app = apps[wire.app]
        if app is not None:
            rows.setdefault(app, []).append(row)
            if wire.seq is not None:
                _number(prepared, app, wire)
            continue
        tally = prepared.tally(partition, "")
        tally.received += 1
        tally.reject("unknown_app", (wire.component or "", wire.key or ""))
        tally.samples.append(
            RejectedSample("unknown_app", "the datagram names no valid write key in `app`", wire.component or "")
        )
    made: dict[int, Event] = {}
    ids = event_ids(header.batch_id, decoded.indexes)
    for app, own in rows.items():
        prepared.tally(partition, app).received += len(own)
        limits = rules.limits(header.received_ns, app)
        wires, own_ids = [decoded.events[row] for row in own], [ids[row] for row in own]
        events = normalise_all(wires, app, own_ids, header.received_ns, limits, prepared.corrected)
        made.update(zip(own, events, strict=True))
    prepared.suspects += range(frame.start, frame.start + len(made))
    prepared.add([made[row] for row in sorted(made)] if len(rows) > 1 else list(made.values()))


def _number(prepared: Prepared, app: str, wire: WireEvent) -> None:
    """Keeps a numbered event's number for the loss counts."""
    sender = (app, wire.component or "", wire.client or "")
    prepared.sequences.setdefault(sender, []).append(wire.seq or 0)


def _count_corrections(prepared: Prepared, corrected: dict[str, int]) -> None:
    for what, count in corrected.items():
        prepared.corrected[what] = prepared.corrected.get(what, 0) + count
