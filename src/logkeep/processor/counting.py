"""What statistics count of events, a column at a time: names become numbers once, and numbers are what is counted."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import compress
from operator import attrgetter, itemgetter, or_

import msgspec

from logkeep.clock import NS_PER_DAY
from logkeep.event import Event
from logkeep.metastore.distinct import sketches_of
from logkeep.metastore.statistics import Counts, Place
from logkeep.processor.prepare import Owners

_app, _component, _key = map(attrgetter, ("app", "component", "key"))
_value, _level, _time = map(attrgetter, ("value", "level", "time_ns"))
_is_error = frozenset(("error", "fatal")).__contains__

_HIGH = 32  # bits: two numbers in one
_LOW = (1 << _HIGH) - 1


class _Numbers(dict[str, int]):
    """Names with a number each, `bits` to the left: 0, 1, … in the order in which they came."""

    def __init__(self, bits: int = 0) -> None:
        super().__init__()
        self._bits = bits

    def __missing__(self, name: str) -> int:
        number = self[name] = len(self) << self._bits
        return number


class Book:
    """The numbers of names and places, for all cells that are to be joined."""

    def __init__(self) -> None:
        self.owners = Owners()
        self.places: list[Place] = []
        self._place_numbers: dict[Place, int] = {}
        self.keys, self.components = _Numbers(), _Numbers(_HIGH)

    def number_of(self, place: Place) -> int:
        """In the upper half."""
        number = self._place_numbers.get(place)
        if number is None:
            number = self._place_numbers[place] = len(self.places) << _HIGH
            self.places.append(place)
        return number


class Tally(msgspec.Struct):
    events: int = 0
    value_bytes: int = 0
    errors: int = 0
    rejects: int = 0


class Cells:
    """Counts by place, that grow with each batch."""

    def __init__(self, book: Book | None = None) -> None:
        """book: of all cells that this one is joined with."""
        self._book = book if book is not None else Book()
        self._tallies: dict[int, Tally] = {}  # by the number of their place
        self._seen: set[int] = set()  # a place in the upper half, an owner in the lower

    def __len__(self) -> int:
        return len(self._tallies)

    def count(self, events: Sequence[Event], owners: Owners, owner_of: Sequence[int]) -> None:
        """`events` are added. owner_of: of each, its number in `owners`."""
        if not events:
            return
        ours = [self._book.owners[owner] for owner in owners]
        own = list(map(ours.__getitem__, owner_of))
        for app, day, rows in _by_app_and_day(events):
            if rows is None:
                self._count(app, day, events, own)
            else:
                self._count(app, day, [events[row] for row in rows], [own[row] for row in rows])

    def _count(self, app: str, day: int, events: Sequence[Event], own: Sequence[int]) -> None:
        """events: all of `app` and `day`. own: of each, its owner's number in the book."""
        book = self._book
        names = list(
            map(
                or_,
                map(book.components.__getitem__, map(_component, events)),
                map(book.keys.__getitem__, map(_key, events)),
            )
        )
        components, keys = list(book.components), list(book.keys)
        place_of = {
            name: book.number_of(Place(app, day, components[name >> _HIGH], keys[name & _LOW])) for name in set(names)
        }
        places = list(map(place_of.__getitem__, names))
        sizes = dict.fromkeys(place_of.values(), 0)
        for place, size in zip(places, _sizes(list(map(_value, events))), strict=True):
            sizes[place] += size
        errors = Counter(compress(places, map(_is_error, map(_level, events))))
        for place, count in Counter(places).items():
            tally = self._tally(place)
            tally.events += count
            tally.value_bytes += sizes[place]
            tally.errors += errors[place]
        self._seen.update(map(or_, places, own))

    def reject(self, place: Place, count: int = 1) -> None:
        self._tally(self._book.number_of(place)).rejects += count

    def join(self, other: "Cells") -> None:
        """other: of the same book."""
        for place, tally in other._tallies.items():
            mine = self._tally(place)
            mine.events += tally.events
            mine.value_bytes += tally.value_bytes
            mine.errors += tally.errors
            mine.rejects += tally.rejects
        self._seen |= other._seen

    def written(self) -> dict[Place, Counts]:
        """As the metastore has them."""
        groups: dict[int, list[int]] = {place: [] for place in self._tallies}
        for pair in self._seen:
            groups[pair & ~_LOW].append(pair & _LOW)
        sessions, users, devices = (
            sketches_of(list(map(itemgetter(place), self._book.owners)), groups.values()) for place in (1, 2, 3)
        )
        return {
            self._book.places[place >> _HIGH]: Counts(
                tally.events, tally.value_bytes, tally.errors, tally.rejects, *sketches
            )
            for (place, tally), *sketches in zip(self._tallies.items(), users, sessions, devices, strict=True)
        }

    def _tally(self, place: int) -> Tally:
        if place not in self._tallies:
            self._tallies[place] = Tally()
        return self._tallies[place]


def _by_app_and_day(events: Sequence[Event]) -> Iterator[tuple[str, int, list[int] | None]]:
    """The rows of each app and day; None: all."""
    times = list(map(_time, events))
    apps = set(map(_app, events))
    day = min(times) // NS_PER_DAY
    if len(apps) == 1 and day == max(times) // NS_PER_DAY:
        yield apps.pop(), day, None
        return
    found: dict[tuple[str, int], list[int]] = {}
    for row, (event, time_ns) in enumerate(zip(events, times, strict=True)):
        found.setdefault((event.app, time_ns // NS_PER_DAY), []).append(row)
    for (app, day), rows in found.items():
        yield app, day, rows


def _sizes(texts: Sequence[str]) -> Iterable[int]:
    """Bytes of each in UTF-8."""
    if all(map(str.isascii, texts)):
        return map(len, texts)
    return [len(text.encode("utf-8", "surrogatepass")) for text in texts]
