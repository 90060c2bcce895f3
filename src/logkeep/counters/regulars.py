"""Who of those that send under a name has been there for a while: arithmetic alone, times are handed in.

A flood of names is of names that come once, or of more than there can be shares for. Whoever is no part of it was there
before, or comes again when it is over.
"""

import msgspec

from logkeep.counters.buckets import SHARES_MAX

NAMES_MAX = 2 * SHARES_MAX
KNOWN_AFTER_S = 5.0  # between the first and the next time that it is seen
KEPT_S = 3600.0  # after it was last seen …
FLOODED_KEPT_S = 60.0  # … and while more come than there is room for
_LOOK_S = 1.0  # between two looks for whom to forget


class _Seen(msgspec.Struct):
    first_s: float
    last_s: float
    known: bool


class Regulars:
    """For one thread. Those that come when nobody is known yet are known at once, for there is nobody before them."""

    def __init__(self) -> None:
        self._seen: dict[str, _Seen] = {}
        self._founded_s: float | None = None  # None: nobody is known
        self._looked_s = self._flooded_s = -KEPT_S

    def __len__(self) -> int:
        return len(self._seen)

    def see(self, name: str, now_s: float) -> bool:
        """It is here now; whether it is known. While more come than there is room for, nobody new gets known."""
        seen = self._seen.get(name)
        if seen is None:
            return self._met(name, now_s)
        seen.last_s = now_s
        if seen.known:
            return True
        if now_s - max(seen.first_s, self._flooded_s) >= KNOWN_AFTER_S:
            seen.known = True
        return seen.known

    def _met(self, name: str, now_s: float) -> bool:
        if len(self._seen) >= NAMES_MAX:
            self._flooded_s = now_s
            if now_s - self._looked_s >= _LOOK_S:
                self._looked_s = now_s
                self._forget(now_s - FLOODED_KEPT_S)
            if len(self._seen) >= NAMES_MAX:
                return False
        if self._founded_s is None:
            self._founded_s = now_s
        known = now_s - self._founded_s < KNOWN_AFTER_S
        self._seen[name] = _Seen(now_s, now_s, known)
        return known

    def forget_idle(self, now_s: float) -> None:
        """Called now and then."""
        if now_s - self._looked_s >= KEPT_S / 60:
            self._looked_s = now_s
            self._forget(now_s - KEPT_S)

    def _forget(self, before_s: float) -> None:
        for name in [name for name, seen in self._seen.items() if seen.last_s < before_s]:
            del self._seen[name]
        if not any(seen.known for seen in self._seen.values()):
            self._founded_s = None
