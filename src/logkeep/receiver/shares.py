"""Of one request: how many events of each component and class of levels may pass, and what becomes of the others."""

import math
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from logkeep.counters import usage
from logkeep.counters.buckets import CLASSES, Gate
from logkeep.counters.limit import Limit
from logkeep.decode.marks import Mark, component_of, level_of, spread
from logkeep.errors import QuotaExceeded
from logkeep.event import RejectReason

RETRY_MAX_S = 3600

Group = tuple[int, str]  # class of levels, component


class Share(msgspec.Struct):
    """Of a group: how many came, how many may pass, and where these are fewer, which limit says so.

    wait_s: until the whole request might pass that limit.
    """

    count: int
    passes: int
    limit: Limit | None = None
    wait_s: float = 0.0


class LeftOut(NamedTuple):
    """words: for the sender, why this event is not taken."""

    reason: RejectReason
    words: str


def group_of(mark: Mark) -> Group:
    return CLASSES[level_of(mark)], component_of(mark)


def grouped(marks: Sequence[Mark]) -> dict[Group, int]:
    """How many there are of each class of levels and component; those that are let in first first."""
    if len(marks) == 1:
        return {group_of(marks[0]): 1}
    counts: dict[Group, int] = {}
    for mark, count in Counter(marks).items():
        group = group_of(mark)
        counts[group] = counts.get(group, 0) + count
    return dict(sorted(counts.items()))


def through(gates: Sequence[Gate], count: int, rest: Sequence[float]) -> Share:
    """The narrowest gate says how many. rest: of each gate, how many events of the request it has to cover yet, these
    among them: so many wait for it together."""
    share = Share(count, count)
    for gate, waiting in zip(gates, rest, strict=True):
        passes = gate.allowed(count)
        if passes < share.passes:
            share = Share(count, passes, gate.limit, gate.wait_s(waiting))
    return share


def lacking(shares: dict[Group, Share]) -> dict[Group, Share]:
    """Those of which not all may pass."""
    return {group: share for group, share in shares.items() if share.passes < share.count}


def over_day_of_app(shares: dict[Group, Share]) -> bool:
    """Whether the app's own day's limit stands before some of them."""
    return any(share.limit is not None and is_day_of_app(share.limit) for share in lacking(shares).values())


def is_day_of_app(limit: Limit) -> bool:
    return limit.of == "app" and limit.why == "day"


def refuses_all(shares: dict[Group, Share], phase: usage.Phase) -> bool:
    """Whether a request of which not all may pass is refused whole, to be sent again (see limiter.py).

    phase: of the app's day's limit. A component that is over its own day stays so for long: what may pass of the
    others, and of its errors, does not wait for that.
    """
    if not any(share.passes for share in shares.values()):
        return True
    short = lacking(shares)
    if over_day_of_app(shares):
        return phase != "over"
    if any(share.limit is not None and share.limit.why == "day" for share in short.values()):
        return False
    return len({component for _, component in short}) == len({component for _, component in shares})


def left_out(marks: Sequence[Mark], shares: dict[Group, Share]) -> dict[int, LeftOut]:
    """By index; of one group an even sample is kept."""
    places: dict[Group, list[int]] = {}
    known: dict[Mark, Group] = {}
    for index, mark in enumerate(marks):
        group = known.get(mark) or known.setdefault(mark, group_of(mark))
        places.setdefault(group, []).append(index)
    found: dict[int, LeftOut] = {}
    for group, share in lacking(shares).items():
        told = LeftOut("over_quota", share.limit.words if share.limit is not None else "")
        indexes = places[group]
        kept = {indexes[place] for place in spread(share.count, share.passes)}
        found.update((index, told) for index in indexes if index not in kept)
    return found


def refusal_of(shares: dict[Group, Share]) -> QuotaExceeded:
    """Of a request refused whole, by what it has to wait for longest."""
    worst = max(lacking(shares).values(), key=lambda share: share.wait_s)
    return exceeded(worst.limit.words if worst.limit is not None else "", worst.wait_s)


def exceeded(words: str, wait_s: float) -> QuotaExceeded:
    """words: a sentence without its end."""
    retry_s = max(1, min(RETRY_MAX_S, math.ceil(wait_s)))
    return QuotaExceeded(f"{words}; send it again in {retry_s} s", retry_after_s=retry_s)
