"""A seeded day in the life of a local queue on a simulated disk, and the model that says what must be true of it."""

from collections.abc import Sequence
from pathlib import Path
from random import Random

from tests.simulation.disk import SimulatedDisk

from logkeep.clock import ManualClock
from logkeep.errors import BackendUnavailable
from logkeep.queue.local import LocalQueue
from logkeep.queue.port import Mark, Record
from logkeep.settings import QueueSettings

FOLDER = Path("/queue")
PARTITIONS = ("a", "b")
SETTINGS = QueueSettings(
    segment_bytes_max=1500, segment_s=1, bytes_max=12_000, free_bytes_min=0, record_bytes_max=1000
)  # fmt: skip
GROUP = "g"


class Sent:
    """One payload that was given to `append`. state: "acknowledged" (or published: it must stay), "unknown"
    (the crash or a stopped partition came first), or "refused" (it must never appear)."""

    def __init__(self, payload: bytes, partition: str) -> None:
        self.payload = payload
        self.partition = partition
        self.state = "unknown"
        self.offset: int | None = None


class World:
    """Programs (a writer of both partitions, and a keeper that reads them) on one disk, which may die under them."""

    def __init__(self, seed: object, disk_seed: object) -> None:
        self.random = Random(f"work {seed}")
        self.disk = SimulatedDisk(Random(f"disk {disk_seed}"))
        self.clock = ManualClock()
        self.sent: dict[str, list[Sent]] = {partition: [] for partition in PARTITIONS}
        self.by_payload: dict[bytes, Sent] = {}
        self.commits: list[dict[str, Mark]] = [{}]  # the last that was acknowledged, and those that failed since
        self.seen: dict[str, dict[int, bytes]] = {partition: {} for partition in PARTITIONS}
        self.positions: dict[str, int] = {}
        self.stopped: set[str] = set()
        self.sealed = 0
        self.writer: LocalQueue
        self.keeper: LocalQueue

    # Programs

    def open(self) -> None:
        """Both programs start; the keeper at times first, so that it finds what nobody has repaired."""
        self.positions = {}
        self.stopped = set()
        if self.random.random() < 0.3:
            self._open_keeper()
            self._read()
            self._open_writer()
        else:
            self._open_writer()
            self._open_keeper()

    def _open_writer(self) -> None:
        self.writer = self._opened(PARTITIONS)

    def _open_keeper(self) -> None:
        self.keeper = self._opened(())

    def _opened(self, write: Sequence[str]) -> LocalQueue:
        """As a supervisor does it: one failure of the disk may strike the start itself."""
        try:
            return LocalQueue(FOLDER, SETTINGS, disk=self.disk, clock=self.clock, write=write)
        except BackendUnavailable:
            return LocalQueue(FOLDER, SETTINGS, disk=self.disk, clock=self.clock, write=write)

    def work(self, steps: int) -> None:
        choices = (self._append,) * 6 + (self._read,) * 3 + (self._commit, self._commit, self._trim, self._restart)
        choices = choices * 4 + (self._seal,)
        for _ in range(steps):
            self.clock.advance(0.1)
            self.random.choice(choices)()

    def _append(self) -> None:
        partition = self.random.choice(PARTITIONS)
        batch = [self._new_payload(partition) for _ in range(self.random.randint(1, 5))]
        try:
            offset = self.writer.append(partition, [sent.payload for sent in batch])
        except BackendUnavailable as error:
            assert error.code in ("queue_full", "partition_stopped"), error
            assert partition not in self.stopped or error.code == "partition_stopped", error
            if error.code == "queue_full" or partition in self.stopped:
                for sent in batch:
                    sent.state = "refused"
            else:
                self.stopped.add(partition)
            return
        assert partition not in self.stopped, f"stopped partition {partition} acknowledged"
        for sent in batch:
            sent.state, sent.offset = "acknowledged", offset
            offset += len(sent.payload) + 16

    def _new_payload(self, partition: str) -> Sent:
        size = self.random.choice((0, 10, 100, 400))
        payload = b"%s-%d-" % (partition.encode(), len(self.by_payload)) + self.random.randbytes(size)
        sent = self.by_payload[payload] = Sent(payload, partition)
        self.sent[partition].append(sent)
        return sent

    def _read(self) -> None:
        try:
            records = self.keeper.read(GROUP, records_max=self.random.randint(1, 12), bytes_max=2000)
        except BackendUnavailable:
            return
        for record in records:
            self._note_seen(record)

    def _note_seen(self, record: Record) -> None:
        """What a reader was given, once, must stay: it may be in the store already."""
        sent = self.by_payload.get(record.payload)
        assert sent is not None, f"a record nobody sent, at {record.partition} {record.offset}"
        assert sent.state != "refused", f"a refused record was read, at {record.partition} {record.offset}"
        self.seen[record.partition][record.offset] = record.payload
        self.positions[record.partition] = record.next_offset

    def _commit(self) -> None:
        if not self.positions:
            return
        names = self.random.sample(sorted(self.positions), self.random.randint(1, len(self.positions)))
        before = self.keeper.marks(GROUP)
        marks = {
            name: Mark(max(self.positions[name], before.get(name, Mark(0)).offset), b"%d" % self.random.randrange(1000))
            for name in names
        }
        commit = before | marks
        self.commits.append(commit)
        try:
            self.keeper.commit(GROUP, marks)
        except BackendUnavailable:
            return
        assert self.keeper.marks(GROUP) == commit
        self.commits = [commit]

    def _trim(self) -> None:
        try:
            self.keeper.trim()
        except BackendUnavailable:
            return

    def _seal(self) -> None:
        """The keeper catches up, and what is old by then is closed; on a full disk or a stopped partition it stays."""
        before = self._newest_bases()
        for _ in range(20):
            self._read()
        self._commit()
        self.clock.advance(1.1)
        self._trim()
        self.writer.seal_where_asked()
        self.sealed += sum(self._newest_bases()[name] > base for name, base in before.items())

    def _newest_bases(self) -> dict[str, str]:
        folder = FOLDER / "partitions"
        return {name: max(n for n in self.disk.list(folder / name) if n.endswith(".log")) for name in PARTITIONS}

    def _restart(self) -> None:
        if self.random.random() < 0.5:
            self.keeper.close()
            self.positions = {}
            self._open_keeper()
        elif self.random.random() < 0.5:
            self.writer.close()
            self.stopped = set()
            self._open_writer()

    # After a crash

    def crash(self, *, power: bool) -> None:
        """The programs are gone; with `power`, so is what was not synced. `open` starts them again."""
        self.disk = self.disk.after_power_loss() if power else self.disk.after_kill()

    def check(self) -> None:
        """Everything the queue promises, of what is there now. The programs run."""
        committed = self.keeper.marks(GROUP)
        assert committed in self.commits, f"committed {committed}, expected one of {self.commits}"
        self.commits = [committed]
        self.keeper.rewind(GROUP)
        uncommitted = self._drain(GROUP)
        whole = self._drain(f"audit-{self.random.randrange(1 << 30)}")
        for partition in PARTITIONS:
            self._check_whole(partition, whole[partition])
            self._check_nothing_lost(partition, uncommitted[partition], committed.get(partition, Mark(0)).offset)
        self.keeper.rewind(GROUP)
        self.positions = {}

    def _drain(self, group: str) -> dict[str, list[Record]]:
        found: dict[str, list[Record]] = {partition: [] for partition in PARTITIONS}
        while records := self.keeper.read(group, records_max=50, bytes_max=1 << 20):
            for record in records:
                found[record.partition].append(record)
        return found

    def _check_whole(self, partition: str, records: list[Record]) -> None:
        """Only what was sent and not refused, each once, in the order it was sent, where it was acknowledged."""
        order = {sent.payload: index for index, sent in enumerate(self.sent[partition])}
        places = [order.get(record.payload) for record in records]
        assert None not in places, f"{partition} holds a record nobody sent: {records[places.index(None)]}"
        assert places == sorted(set(places)), f"{partition} is out of order or holds one twice: {places}"
        for record in records:
            sent = self.by_payload[record.payload]
            assert sent.state != "refused", f"{partition} {record.offset} was refused or gone, and is there"
            assert sent.offset in (None, record.offset), f"{partition} {record.offset} stood at {sent.offset}"
            assert self.seen[partition].get(record.offset, record.payload) == record.payload, "an offset was used again"

    def _check_nothing_lost(self, partition: str, records: list[Record], committed: int) -> None:
        there = {record.payload: record.offset for record in records}
        for sent in self.sent[partition]:
            if sent.state == "acknowledged" and sent.offset is not None and sent.offset >= committed:
                assert there.get(sent.payload) == sent.offset, f"acknowledged {partition} {sent.offset} is lost"
        for offset, payload in self.seen[partition].items():
            if offset >= committed:
                assert there.get(payload) == offset, f"{partition} {offset} was read, and is lost"
        for sent in self.sent[partition]:
            if sent.state == "unknown":  # what is readable must stay so, and what is not must not come back
                sent.offset = there.get(sent.payload)
                committed_away = sent.payload in self.seen[partition].values()
                sent.state = "acknowledged" if sent.offset is not None or committed_away else "refused"
