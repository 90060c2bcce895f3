"""Of one request: how many events of each component and class of levels may pass, and what becomes of the others."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import msgspec

from logkeep.counters import usage
from logkeep.counters.buckets import CLASSES, Gate, Quota
from logkeep.counters.limit import Limit, Of
from logkeep.decode.marks import Mark, component_of, level_of, spread
from logkeep.errors import QuotaExceeded
from logkeep.event import RejectReason

RETRY_MAX_S = 3600

Group = tuple[int, str]  # class of levels, component


class Share(msgspec.Struct):
    """Of a group: how many came, how many may pass, and where these are fewer, which limit says so.

    kept: of that limit, for others, where it is not spent but only the share of this component; 0: it is spent.
    wait_s: until the whole request might pass all limits.
    """

    count: int
    passes: int
    limit: Limit | None = None
    kept: int = 0
    wait_s: float = 0.0

    def words(self, component: str) -> str:
        """A sentence without its end: why not all may pass."""
        if self.limit is None:
            return ""
        return self.limit.words_of_share(component, self.kept) if self.kept else self.limit.words


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


def mean_sizes(groups: Mapping[Group, int], marks: Sequence[Mark], sizes: Sequence[int]) -> dict[Group, float]:
    """Bytes an event of each group. sizes: of each event."""
    totals = dict.fromkeys(groups, 0)
    known: dict[Mark, Group] = {}
    for mark, size in zip(marks, sizes, strict=True):
        totals[known.get(mark) or known.setdefault(mark, group_of(mark))] += size
    return {group: totals[group] / count for group, count in groups.items()}


class Waiting:
    """How many events of one request a quota has to cover yet: those of a component, of the installation's all."""

    def __init__(self, groups: Mapping[Group, int]) -> None:
        self.whole: dict[str, int] = {}  # by component, as they came
        for (_, component), count in groups.items():
            self.whole[component] = self.whole.get(component, 0) + count
        self._paid: dict[tuple[Quota, str], float] = {}

    def pay(self, quota: Quota, component: str, count: float) -> None:
        """The share of the component has covered so many."""
        self._paid[quota, component] = self._paid.get((quota, component), 0.0) + count

    def of(self, quota: Quota, component: str) -> float:
        if quota.limit.of != "installation":
            return self.whole[component] - self._paid.get((quota, component), 0.0)
        return sum(self.whole.values()) - sum(count for (of, _), count in self._paid.items() if of is quota)


def through(gates: Sequence[Gate], count: int, component: str, waiting: Waiting) -> Share:
    """The narrowest gate says how many, the first of such why, the slowest when to come again: what waits for it waits
    together."""
    share = Share(count, count)
    for gate in gates:
        passes = gate.allowed(count)
        if passes == count:
            continue
        share.wait_s = max(share.wait_s, gate.wait_s(waiting.of(gate.quota, component)))
        if passes < share.passes:
            share.passes, share.limit, share.kept = passes, gate.quota.limit, gate.kept(count)
    return share


def lacking(shares: dict[Group, Share]) -> dict[Group, Share]:
    """Those of which not all may pass."""
    return {group: share for group, share in shares.items() if share.passes < share.count}


def over_day_of_app(short: dict[Group, Share]) -> bool:
    """Whether the app has used up its own day's limit, not only some component its share of that. short: `lacking`."""
    return any([is_day_of("app", share) and not share.kept for share in short.values()])


def is_day_of(of: Of, share: Share) -> bool:
    return share.limit is not None and share.limit.of == of and share.limit.why == "day"


def refuses_all(shares: dict[Group, Share], short: dict[Group, Share], phase: usage.Phase) -> bool:
    """Whether a request of which not all may pass is refused whole, to be sent again (see limiter.py).

    short: `lacking`. phase: of the app's day's limit. A component that is over its own day stays so for long: what may
    pass of the others, and of its errors, does not wait for that.
    """
    if not any([share.passes for share in shares.values()]):
        return True
    if phase != "within" and any(is_day_of("app", share) for share in short.values()):
        return phase == "grace"
    if any(is_day_of("component", share) for share in short.values()):
        return False
    return len({component for _, component in short}) == len({component for _, component in shares})


def left_out(marks: Sequence[Mark], short: dict[Group, Share]) -> dict[int, LeftOut]:
    """By index; of one group an even sample is kept. short: `lacking`."""
    places: dict[Group, list[int]] = {}
    known: dict[Mark, Group] = {}
    for index, mark in enumerate(marks):
        group = known.get(mark) or known.setdefault(mark, group_of(mark))
        places.setdefault(group, []).append(index)
    found: dict[int, LeftOut] = {}
    for group, share in short.items():
        told = LeftOut("over_quota", share.words(group[1]))
        indexes = places[group]
        kept = {indexes[place] for place in spread(share.count, share.passes)}
        found.update((index, told) for index in indexes if index not in kept)
    return found


def refusal_of(short: dict[Group, Share]) -> QuotaExceeded:
    """Of a request refused whole, by what it has to wait for longest. short: `lacking`."""
    (_, component), worst = max(short.items(), key=lambda one: one[1].wait_s)
    return exceeded(worst.words(component), worst.wait_s)


def exceeded(words: str, wait_s: float) -> QuotaExceeded:
    """words: a sentence without its end."""
    retry_s = math.ceil(wait_s) if 0 < wait_s < RETRY_MAX_S else RETRY_MAX_S if wait_s > 0 else 1
    return QuotaExceeded(f"{words}; send it again in {retry_s} s", retry_after_s=retry_s)
