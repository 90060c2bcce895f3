"""Which known pattern a shape fits, in a microsecond: a few native calls, whatever stands at its variable places.

Patterns of one length and first word that are constant at the same places are tested at once: one `itemgetter` call
takes the words there, and they are compared with those of the first pattern, then looked up among the others.
"""

from collections.abc import Callable, Mapping, Sequence
from operator import itemgetter
from typing import Any

from logkeep.patterns.miner import Node, Pattern

Places = tuple[int, ...]
# What takes the words, those of the first pattern, its id, and ids by words where there are more patterns than one.
# Comparing costs half of hashing, and most tests stand for one pattern.
Test = tuple[Callable[[list[bytes]], Any], Any, str, dict[Any, str] | None]


def fitting(tests: Mapping[Node, Sequence[Test]], words: list[bytes]) -> str | None:
    """The id of the pattern that these pieces of a shape fit; the most special one of a node."""
    n = len(words)
    for getter, expected, pattern_id, others in tests.get((n, words[0]), ()):
        got = getter(words)
        if got == expected:
            return pattern_id
        if others is not None and got in others:
            return others[got]
    for getter, expected, pattern_id, others in tests.get((n, None), ()):
        got = getter(words)
        if got == expected:
            return pattern_id
        if others is not None and got in others:
            return others[got]
    return None


def tests_of(patterns: Sequence[Pattern]) -> list[Test]:
    """Tests for the patterns of one node, those with more constant words first."""
    by_places: dict[Places, dict[Any, str]] = {}
    for pattern in patterns:
        words = pattern.template.words
        places = tuple(place for place, word in enumerate(words) if word is not None)
        by_places.setdefault(places, {}).setdefault(_getter(places)([word or b"" for word in words]), pattern.id)
    return [_test(places, by_places[places]) for places in sorted(by_places, key=lambda places: (-len(places), places))]


def _test(places: Places, ids: dict[Any, str]) -> Test:
    words, first_id = next(iter(ids.items()))
    return (_getter(places), words, first_id, ids if len(ids) > 1 else None)


def _getter(places: Places) -> Callable[[list[bytes]], Any]:
    return itemgetter(*places) if places else lambda words: None
