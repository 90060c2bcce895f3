"""Token buckets, and a pool that several share fairly: arithmetic alone, times are handed in.

A *pool* is one limit: so many a second (or a day), so many at once. Within it, whoever sends (components of an app,
apps of an installation) has a share: the limit divided by how many send now. What lies in shares is theirs; what is
over, because a share is full or nobody's, goes to whoever comes. So one that sends fifty times its share takes what
the others leave, and not more. Those that are new have one share together, in equal parts, until they are known (see
regulars.py): so a flood of names takes no more than one of them would.

Errors are let in before warnings, these before the rest: each of them may go some tokens deeper into debt, and debug
and trace leave some to the others. And errors have a reserve that is theirs alone.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final, Protocol

from logkeep.counters import usage
from logkeep.counters.limit import Limit

SHARES_MAX: Final = 64  # those that come on top have one together, so that a flood of names leaves the others theirs
OTHERS: Final = "\0others"
ERROR, WARN, INFO, DEBUG = range(4)  # classes of levels, in the order in which they are let in
CLASSES: Final = {"fatal": ERROR, "error": ERROR, "warn": WARN, "info": INFO, "": INFO, "debug": DEBUG, "trace": DEBUG}
WAIT_MAX_S: Final = 10**9  # longer than anybody waits, short enough for every integer field
_FULL: Final = 0.999
_OWNED_S: Final = 0.05
NEWCOMER_S: Final = 1.0  # of its share a newcomer has at once, also where all is spent
_KEPT_S: Final = 0.5  # of its share each keeps when another comes


class Bucket:
    """Tokens that come back at `rate` a second, up to `capacity`. They may be fewer than none: then it is in debt.

    spent: taken here since the last exchange with others. total: what all had taken at that time, None: never asked.
    """

    __slots__ = ("_at_s", "_full_s", "capacity", "rate", "spent", "tokens", "total", "used_s")

    def __init__(self, rate: float, capacity: float, now_s: float) -> None:
        self.rate, self.capacity = rate, capacity
        self.tokens = capacity
        self.spent = 0.0
        self.total: float | None = None
        self.used_s = self._at_s = now_s
        self._full_s = -1.0

    def refill(self, now_s: float) -> float:
        """The tokens there are now. A clock that goes back gives none, and takes none."""
        if now_s > self._at_s:
            tokens = self.tokens + (now_s - self._at_s) * self.rate
            self.tokens = tokens if tokens < self.capacity else self.capacity  # `min` costs twice as much
            self._at_s = now_s
        return self.tokens

    def covers(self, amount: float) -> bool:
        """More than fits in at once is let in by a full bucket, as a debt: else it would never be."""
        return self.tokens >= amount or (amount > self.capacity and self.tokens >= self.capacity * _FULL)

    def was_full(self, now_s: float) -> bool:
        """Whether it was full when it was first asked at this moment, whatever was taken since."""
        if self.tokens >= self.capacity * _FULL:
            self._full_s = now_s
        return self._full_s == now_s

    def inherit(self, before: "Bucket", now_s: float) -> None:
        """What was used of the one before is used of this one too, also what was not told to others yet. What is more
        than fits in here is forgiven, but for a debt."""
        used = before.capacity - before.refill(now_s)
        self.tokens = max(min(0.0, before.tokens), min(self.capacity, self.capacity - used))
        self.tokens = max(self.tokens, -self.capacity)
        self.spent = before.spent

    def take(self, amount: float, now_s: float) -> None:
        self.tokens -= amount
        self.spent += amount
        self.used_s = now_s

    def give_back(self, amount: float) -> None:
        self.tokens = min(self.capacity, self.tokens + amount)
        self.spent -= amount

    def debit(self, amount: float) -> None:
        """Others have taken so much."""
        self.tokens = max(-self.capacity, self.tokens - amount)

    def wait_s(self, amount: float) -> float:
        """Until it covers `amount`, when nobody else takes; WAIT_MAX_S at most."""
        return wait_s(min(amount, self.capacity) - self.tokens, self.rate)


def reserve_of(capacity: float, share: float) -> float:
    """Tokens that errors have on top: a share of it, one at least."""
    return max(1.0, capacity * share) if share else 0.0


def wait_s(missing: float, rate: float) -> float:
    """Until so many tokens have come back, 0 to WAIT_MAX_S."""
    if missing <= 0:
        return 0.0
    return missing / rate if missing < rate * WAIT_MAX_S else WAIT_MAX_S


class Share(Bucket):
    """Of a pool, for one sender. known: it has one for itself, else a part of the one that all new ones have. own: a
    quota of that sender, in the same unit: no more is kept for it than it may use."""

    __slots__ = ("_pool", "known", "own")

    def __init__(self, pool: "Pool", now_s: float, *, known: bool, own: "Quota | None" = None) -> None:
        super().__init__(0.0, 0.0, now_s)
        self._pool, self.known, self.own = pool, known, own

    def refill(self, now_s: float) -> float:
        super().refill(now_s)
        if self.own is not None:
            self.tokens = min(self.tokens, self.own.there(now_s))
        return self.tokens

    def take(self, amount: float, now_s: float) -> None:
        self._pool.note_taken(min(amount, max(0.0, self.tokens)))
        super().take(amount, now_s)

    def give_back(self, amount: float) -> None:
        super().give_back(amount)
        self._pool.count_again()


class Shared(Protocol):
    """What hears of the part that others have taken."""

    @property
    def total(self) -> float | None: ...
    @total.setter
    def total(self, total: float) -> None: ...
    def debit(self, amount: float) -> None: ...


class Quota:
    """One limit of one that shares it with nobody. What is taken beyond its tokens is a debt: bounded, and paid back
    before it gets more."""

    def __init__(
        self, limit: Limit, rate: float, capacity: float, now_s: float, *, reserve: float = 0.0, step: float = 0.0
    ) -> None:
        """reserve: part of the limit that errors have on top, one event at least. step: tokens of debt that a class of
        levels may have more than the one below it; `info` may have none."""
        self.limit, self.rate, self.capacity, self.step = limit, rate, capacity, step
        self.main = Bucket(rate, capacity, now_s)
        self.reserve = Bucket(rate * reserve, reserve_of(capacity, reserve), now_s)

    @property
    def total(self) -> float | None:
        """As of its bucket."""
        return self.main.total

    @total.setter
    def total(self, total: float) -> None:
        self.main.total = total

    def debit(self, amount: float) -> None:
        """Others have taken so much."""
        self.main.debit(amount)

    def comfortable(self, amount: float, now_s: float) -> bool:
        """Half of it is left after this: there is no need to look at who it is."""
        return self.main.refill(now_s) - amount >= self.capacity / 2

    def there(self, now_s: float) -> float:
        """Tokens that its own may take now, errors among them."""
        return max(0.0, self.main.refill(now_s)) + max(0.0, self.reserve.refill(now_s))

    def spent(self) -> int:
        """What was taken since this was last asked; of the reserve too: what is used is used."""
        spent = max(0, round(self.main.spent + self.reserve.spent))
        self.main.spent = self.reserve.spent = 0.0
        return spent

    def inherit(self, before: "Quota", now_s: float) -> None:
        """It takes the place of the one before, with another limit of the same kind."""
        self.main.inherit(before.main, now_s)
        self.reserve.inherit(before.reserve, now_s)

    def take_over_use(self, by_hour: Sequence[int], now_ns: int, now_s: float) -> None:
        """Of a day's limit: as full as it is after this was used in the hours before; see usage.Hours."""
        self.main.refill(now_s)
        # What was let in since this receiver started is in its own tokens and not yet in the hours.
        left, reserve = usage.left(by_hour, int(self.capacity), self.reserve.capacity, now_ns)
        self.debit(max(0.0, self.main.tokens - (left - self.main.spent)))
        self.reserve.debit(max(0.0, self.reserve.refill(now_s) - (reserve - self.reserve.spent)))
        self.total = float(by_hour[-1])


class Pool(Quota):
    """One limit that several share."""

    def __init__(
        self, limit: Limit, rate: float, capacity: float, now_s: float, *, reserve: float = 0.0, step: float = 0.0,
        active_s: float, newcomer_s: float = NEWCOMER_S, own: Mapping[str, Quota] = MappingProxyType({}),
    ) -> None:  # fmt: skip
        """active_s: a share is kept so long after its last use. newcomer_s: of its share a newcomer has at once, also
        where all is spent. own: by sender, see Share. The others: as of Quota."""
        super().__init__(limit, rate, capacity, now_s, reserve=reserve, step=step)
        self.shares: dict[str, Share] = {}
        self._own = own
        self._active_s, self._newcomer_s, self._boost = active_s, newcomer_s, 1.0
        self._introduced = False
        self._owned, self._owned_s = 0.0, -_OWNED_S

    def debit(self, amount: float) -> None:
        """Others have taken so much, nobody says who: all shares are less by their part of it."""
        before = max(0.0, self.main.tokens)
        self.main.debit(amount)
        left = max(0.0, self.main.tokens) / before if before else 1.0
        for share in self.shares.values():
            share.tokens = min(share.tokens, share.tokens * left)
        self.count_again()

    def boost(self, factor: float, now_s: float) -> None:
        """Tokens come back so much faster."""
        if factor != self._boost:
            self.main.refill(now_s)
            self._boost, self.main.rate = factor, self.rate * factor
            self._resize(now_s)

    def introduce(self, name: str, now_s: float, *, known: bool) -> None:
        """It sends while there is enough for all: when it gets short, what is there then is shared by all such, not
        taken by whoever comes first."""
        self.share(name, now_s, known=known)
        self._introduced = True

    def _share_out(self, now_s: float) -> None:
        there = max(0.0, self.main.refill(now_s)) / self.capacity
        for share in self.shares.values():
            share.refill(now_s)
            share.tokens = min(share.capacity, there * share.capacity)
        self._introduced = False
        self._counted(now_s)

    def share(self, name: str, now_s: float, *, known: bool = True) -> Share:
        """known: whether it was there for a while."""
        found = self.shares.get(name)
        if found is None:
            return self._new_share(name, now_s, known)
        found.refill(now_s)
        found.used_s = now_s
        if known and not found.known and name != OTHERS:
            found.known = True
            self._resize(now_s)
        return found

    def _new_share(self, name: str, now_s: float, known: bool) -> Share:
        self.forget_idle(now_s)
        if len(self.shares) >= SHARES_MAX and name != OTHERS and not (known and self._made_room()):
            return self.share(OTHERS, now_s)
        made = Share(self, now_s, known=known and name != OTHERS, own=self._own.get(name))
        givers = [] if made.known else [share for share in self.shares.values() if not share.known]
        alone = not givers  # else what new ones have is theirs, and one more has its part of that
        givers = givers or list(self.shares.values())
        self.shares[name] = made
        self._resize(now_s)
        made.tokens = 0.0
        there, owned = max(0.0, self.main.refill(now_s)), self._counted(now_s)
        giving = sum(max(0.0, share.tokens) for share in givers)
        there = max(0.0, there - (owned - giving))
        part = there * made.capacity / self.capacity if alone else there / (len(givers) + 1)
        spare = max(0.0, there - part)
        if giving > spare:  # they give of what they have saved, and keep something for their next events
            kept = spare / giving
            for share in givers:
                share.tokens = min(share.tokens, max(share.tokens * kept, share.rate * _KEPT_S))
        made.tokens = min(made.capacity, max(part, made.rate * self._newcomer_s))
        self._counted(now_s)
        return made

    def _made_room(self) -> bool:
        """For one that is known: the new one that was unused for longest goes."""
        new = [(share.used_s, name) for name, share in self.shares.items() if not share.known and name != OTHERS]
        if new:
            del self.shares[min(new)[1]]
        return bool(new)

    def forget_idle(self, now_s: float) -> None:
        idle = [name for name, share in self.shares.items() if now_s - share.used_s > self._active_s]
        for name in idle:
            del self.shares[name]
        if idle:
            self._resize(now_s)

    def _resize(self, now_s: float) -> None:
        known = sum(share.known for share in self.shares.values())
        new = len(self.shares) - known
        parts = known + bool(new)
        for share in self.shares.values():
            count = parts if share.known else parts * new
            share.refill(now_s)
            share.rate, share.capacity = self.main.rate / count, self.capacity / count
            share.tokens = min(share.tokens, share.capacity)
        self.count_again()

    def owned(self, now_s: float) -> float:
        """Tokens in shares: as they were a moment ago, and as much more as may have come back to them since.

        Adding them up takes 0.2 us a share, so it is done now and then: never less than there are, and what flows over
        is free that much later.
        """
        if not 0 <= now_s - self._owned_s < _OWNED_S:
            return self._counted(now_s)
        return self._owned + (now_s - self._owned_s) * self.main.rate

    def note_taken(self, amount: float) -> None:
        """So much less is in shares."""
        self._owned -= amount

    def count_again(self) -> None:
        """What is in shares has changed."""
        self._owned_s = -_OWNED_S

    def _counted(self, now_s: float) -> float:
        self._owned_s = now_s
        self._owned = sum(max(0.0, share.refill(now_s)) for share in self.shares.values())
        return self._owned

    def gate(self, name: str, level: int, now_s: float, *, cost: float, whole: int, known: bool = True) -> "PoolGate":
        """Before events of whoever has the share `name`; see PoolGate. known: as of `share`."""
        if self._introduced:
            self._share_out(now_s)
        share = self.shares.get(name)
        if share is None or share.known is not known:
            share = self.share(name, now_s, known=known)
        else:  # as `share` does; a call costs as much
            share.refill(now_s)
            share.used_s = now_s
        return PoolGate(self, share, level, now_s, cost, whole)


class PoolGate:
    """A pool before some events of one sender and class of levels, at one moment: `allowed`, then `take` or nothing.

    cost: tokens an event. whole: so many events come from this sender at this moment, of all
    levels; if they are more than fit in at once, they pass when its share is full, as a debt. 0: events are let in one
    by one.
    """

    __slots__ = ("_cost", "_free", "_level", "_now_s", "_own", "_reserve", "_share", "_whole", "quota")

    def __init__(self, pool: Pool, share: Bucket, level: int, now_s: float, cost: float, whole: int) -> None:
        self.quota, self._share, self._level = pool, share, level
        self._cost, self._now_s = cost, now_s
        self._whole = whole * cost > share.capacity and share.was_full(now_s)
        own = share.tokens
        self._own = own if own > 0.0 else 0.0
        free = pool.main.refill(now_s) - pool.owned(now_s) + (INFO - level) * pool.step
        self._free = free if free > 0.0 else 0.0
        self._reserve = max(0.0, pool.reserve.refill(now_s)) if level == ERROR else 0.0

    def allowed(self, count: int) -> int:
        """How many of `count` may pass."""
        if self._whole:
            return count
        return min(count, int((self._own + self._free + self._reserve + 1e-6) / self._cost))

    def take(self, count: int, taken: "Taken") -> float:
        """Of its share, of what is free, of the reserve; noted in `taken`, to be given back. How many of the events its
        share has paid for: what is free, or lent to their level, may have gone to somebody else by the next time."""
        pool, amount = self.quota, count * self._cost
        own = min(amount, self._own)
        reserved = min(max(0.0, amount - own - self._free), self._reserve)
        if amount > own + self._free + reserved + 1e-3:  # a debt, of a share that is full
            own, reserved = amount, 0.0
        self._share.take(own, self._now_s)
        pool.main.take(amount - reserved, self._now_s)
        taken += ((self._share, own), (pool.main, amount - reserved))
        if reserved:
            pool.reserve.take(reserved, self._now_s)
            taken.append((pool.reserve, reserved))
        return own / self._cost

    def kept(self, count: int) -> int:
        """Tokens that lie in shares of others, where the limit would cover `count` with them; 0: it is spent itself."""
        main = self.quota.main.tokens
        there = main + (INFO - self._level) * self.quota.step + self._reserve
        return max(1, int(main - self._own)) if there + 1e-6 >= count * self._cost else 0

    def wait_s(self, count: float) -> float:
        """Until `count` may pass, when nothing more becomes free than is now: its share comes back at its own rate."""
        share, amount = self._share, count * self._cost
        rate = share.rate + (self.quota.reserve.rate if self._level == ERROR else 0.0)
        missing = amount - share.tokens - self._free - self._reserve
        return min(share.wait_s(amount), wait_s(missing, rate))


class QuotaGate:
    """The same of a quota that nobody shares, or of which there is enough for all.

    ample: half of it is left after these (`comfortable`), so they pass whatever their level.
    """

    __slots__ = ("_ample", "_cost", "_lent", "_now_s", "_reserve", "_whole", "quota")

    def __init__(self, quota: Quota, level: int, now_s: float, *, cost: float, whole: int, ample: bool = False) -> None:
        self.quota, self._now_s, self._cost = quota, now_s, cost
        self._ample = self._whole = ample
        self._lent = self._reserve = 0.0
        if ample:
            return
        quota.main.refill(now_s)
        self._lent = (INFO - level) * quota.step
        self._reserve = max(0.0, quota.reserve.refill(now_s)) if level == ERROR else 0.0
        self._whole = whole * cost > quota.capacity and quota.main.was_full(now_s)

    def allowed(self, count: int) -> int:
        if self._whole:
            return count
        there = max(0.0, self.quota.main.tokens + self._lent) + self._reserve
        return min(count, int((there + 1e-6) / self._cost))

    def take(self, count: int, taken: "Taken") -> float:
        main, amount = self.quota.main, count * self._cost
        if self._ample:
            main.take(amount, self._now_s)
            taken.append((main, amount))
            return count
        there = max(0.0, main.tokens)
        lacks = amount - max(0.0, main.tokens + self._lent)
        reserved = lacks if 0 < lacks <= self._reserve + 1e-3 else 0.0
        main.take(amount - reserved, self._now_s)
        taken.append((main, amount - reserved))
        if reserved:
            self.quota.reserve.take(reserved, self._now_s)
            taken.append((self.quota.reserve, reserved))
        return min(amount, there) / self._cost

    def kept(self, count: int) -> int:
        """None: it has no shares."""
        return 0

    def wait_s(self, count: float) -> float:
        main, amount = self.quota.main, count * self._cost
        rate = main.rate + (self.quota.reserve.rate if self._reserve else 0.0)
        missing = amount - main.tokens - min(0.0, self._lent) - self._reserve
        return min(main.wait_s(amount), wait_s(missing, rate))


Gate = PoolGate | QuotaGate
Taken = list[tuple[Bucket, float]]
