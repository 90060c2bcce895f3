"""What this processor keeps with the partitions it owns: read when it begins to own them, changed by commits alone."""

import threading
from collections.abc import Mapping

from logkeep.clock import Clock
from logkeep.processor.ledger import State, pack_state, unpack_state
from logkeep.queue.port import LEADER, Mark, Offset, Ownership, Partition, Queue

GROUP = "processor"


class Marks:
    """`load` and `commit` are for the thread that writes the store, the rest for any."""

    def __init__(self, queue: Queue, clock: Clock) -> None:
        self._queue = queue
        self._lock = threading.Lock()
        self._states: dict[Partition, State] = {}
        self._offsets: dict[Partition, Offset] = {}
        self._begun_ns = clock.now_ns()
        self.counted: dict[Partition, Offset] = {}  # up to where statistics are written
        self.owner = Ownership(-1, frozenset(), False)

    def load(self) -> None:
        """What is owned now, as it was left. Raises BackendUnavailable, CorruptData."""
        owner = self._queue.owned(GROUP)  # first: what changes hands after this, `commit` refuses
        marks = {name: mark for name, mark in self._queue.marks(GROUP).items() if owner.has(name)}
        states = {name: unpack_state(mark.data) for name, mark in marks.items()}
        with self._lock:
            self.owner = owner
            self._states = states
            self._offsets = {name: mark.offset for name, mark in marks.items() if name != LEADER}

    @property
    def states(self) -> Mapping[Partition, State]:
        return self._states

    def state(self, partition: Partition) -> State:
        return self._states.get(partition) or State()

    def commit(self, states: Mapping[Partition, State], offsets: Mapping[Partition, Offset]) -> None:
        """All of it is durable, as one. Raises NotOwner, BackendUnavailable: then `load` tells what is true."""
        places = {name: offsets.get(name, self._offsets.get(name, 0)) for name in states}
        marks = {name: Mark(places[name], pack_state(state)) for name, state in states.items()}
        self._queue.commit(GROUP, marks, owner=self.owner)
        with self._lock:
            self._states |= states
            self._offsets.update((name, offset) for name, offset in places.items() if name != LEADER)

    def last_arrival(self) -> int:
        """The place of the last event of all batches that are done, in the order of arrival."""
        with self._lock:
            last = max((state.arrival for state in self._states.values()), default=0)
            if last:
                return last
            # The first start: a tail may open before the first event comes.
            intents = [state.batch.arrival for state in self._states.values() if state.batch is not None]
            return min(intents) - 1 if intents else self._begun_ns

    def apps(self) -> set[str]:
        with self._lock:
            return {name for state in self._states.values() for name in state.apps}

    def offsets(self) -> dict[Partition, Offset]:
        with self._lock:
            return dict(self._offsets)
