"""What a session's events say together: lanes by component, silences, and whose it was. Pure."""

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any

import msgspec

from logkeep.api.answers import GapAnswer, LaneAnswer
from logkeep.clock import NS_PER_S
from logkeep.store.page import time_ns_of

GAP_NS_MIN = 60 * NS_PER_S
GAP_MEDIANS = 5  # a heartbeat every two minutes has no gaps; the silence after it has
GAP_STEPS_MIN = 10  # fewer have no usual step
ERRORS = ("error", "fatal")


class Versions(msgspec.Struct, rename={"dotted": "app.version"}):
    """Attributes that senders name the version of their program by, the plainest first."""

    app_version: Any = None
    dotted: Any = None
    appVersion: Any = None
    version: Any = None
    release: Any = None
    build: Any = None


class Head(msgspec.Struct):
    """What the timeline needs of an event as the store gives it; the rest of its bytes is passed on unread."""

    id: str
    time: str
    level: str = ""
    user: str = ""
    device: str = ""
    component: str = ""
    attributes: Versions | None = None

    @property
    def time_ns(self) -> int:
        return time_ns_of(self.time)


_heads = msgspec.json.Decoder(list[Head])


def decode_heads(events: bytes) -> list[Head]:
    return _heads.decode(events)


def gap_over_ns(times_ns: Sequence[int]) -> int:
    """A longer silence between neighbours is a gap: over a minute, and over five times the usual step.

    The usual step is the median; of fewer than GAP_STEPS_MIN steps none is usual.
    """
    steps = sorted(after - before for before, after in pairwise(times_ns))
    return GAP_NS_MIN if len(steps) < GAP_STEPS_MIN else max(GAP_NS_MIN, GAP_MEDIANS * steps[(len(steps) - 1) // 2])


def lanes(heads: Iterable[Head]) -> list[LaneAnswer]:
    """A lane a component, in order of their first events."""
    found: dict[str, LaneAnswer] = {}
    for head in heads:
        lane = found.get(head.component)
        if lane is None:
            lane = found[head.component] = LaneAnswer(head.component, 0, 0, head.time, head.time)
        lane.events += 1
        lane.errors += head.level in ERRORS
        lane.last = head.time
    return list(found.values())


def gaps(heads: Sequence[Head]) -> list[GapAnswer]:
    """The silences of a session. heads: in order of time."""
    times = [head.time_ns for head in heads]
    over_ns = gap_over_ns(times)
    steps = zip(pairwise(heads), pairwise(times), strict=True)
    return [
        GapAnswer(before.id, after.id, before.time, after.time, (until_ns - since_ns) / NS_PER_S)
        for (before, after), (since_ns, until_ns) in steps
        if until_ns - since_ns > over_ns
    ]


def version_of(attributes: Iterable[Versions | None]) -> str | None:
    """The version the last event that has one names."""
    found = None
    for each in attributes:
        value = each and next((value for value in msgspec.structs.astuple(each) if value not in (None, "")), None)
        if value is not None and value is not False:
            found = value
    return None if found is None else found if isinstance(found, str) else msgspec.json.encode(found).decode()
