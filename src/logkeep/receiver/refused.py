"""Who was refused, why and how often: counts by source, bounded, written to the metastore now and then."""

from typing import Literal

import msgspec

from logkeep.metastore.refusals import Row

SOURCES_MAX = 256  # counted by name within an hour; the rest is one, OTHER
OTHER = "(other)"

Kind = Literal["app", "component", "key", "address"]
Why = Literal["day", "second", "blocked", "key"]  # key: without a valid one, so of no app


class Refused(msgspec.Struct):
    """events: of requests that were refused by their head alone, 1 each. last_ns: wall clock."""

    events: int = 0
    last_ns: int = 0


class Refusals:
    """Of one process and the present hour. Whoever is refused most stands in it by name: where there is no place left,
    the one with the fewest makes room, and is counted among the rest."""

    def __init__(self) -> None:
        self.hour = 0
        self.counts: dict[tuple[str, Kind, str, Why], Refused] = {}
        self.changed = False

    def add(self, app: str, kind: Kind, source: str, why: Why, events: int, now_ns: int) -> None:
        name = (app, kind, source, why)
        found = self.counts.get(name)
        if found is None:
            if len(self.counts) >= SOURCES_MAX:
                self._make_room(app, kind, why, now_ns)
            found = self.counts.setdefault(name, Refused())
        found.events += events
        found.last_ns = now_ns
        self.changed = True

    def _make_room(self, app: str, kind: Kind, why: Why, now_ns: int) -> None:
        """A quarter goes at once: looking for the smallest costs as much as counting a hundred."""
        names = [name for name in self.counts if name[2] != OTHER]
        names.sort(key=lambda name: self.counts[name].events)
        for name in names[: max(1, SOURCES_MAX // 4)]:
            gone = self.counts.pop(name)
            # By app no more: a flood may name many, and the number of rows has a bound.
            rest = self.counts.setdefault((name[0] if name[1] != "app" else "", name[1], OTHER, name[3]), Refused())
            rest.events += gone.events
            rest.last_ns = max(rest.last_ns, gone.last_ns)

    def rows(self) -> list[Row]:
        return [Row(*name, one.events, one.last_ns) for name, one in self.counts.items()]

    def begin(self, hour: int) -> None:
        self.hour, self.counts, self.changed = hour, {}, False
