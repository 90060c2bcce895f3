"""Whether an event matches a query, in plain Python: the oracle every store agrees with, and what a live tail runs.

Two values only, never a third: what is absent does not match, and `not` turns that into a match.
* A field that is unset is the empty text: `Equals("user", "")` finds it, `Exists("user")` does not.
* An attribute the event does not have matches no leaf, not even `Prefix(…, "")`.
* Words are looked for in `value`, which for kinds other than text is its JSON text.
* An attribute is a number only where the sender sent a JSON number: `"5"` sent as text is text. Its text is
  `attribute_text`, whatever way the sender spelt it.
"""

import operator
import re
from collections.abc import Callable
from decimal import Decimal
from functools import lru_cache
from typing import TypeAlias

from logkeep.event import LEVELS, Event, Scalar, attributes_of
from logkeep.query import ast
from logkeep.query.automaton import Automaton
from logkeep.query.literals import longest_literal
from logkeep.query.text import TOKEN_CLASS, fold

Matcher: TypeAlias = Callable[[Event], bool]
Reader: TypeAlias = Callable[[Event], str | None]
NumberReader: TypeAlias = Callable[[Event], float | None]

MATCHERS_KEPT = 32  # compiled queries at a time: those of open tails; a few kB each, with regexes some MB at worst

_LEVEL_RANK = {level: rank for rank, level in enumerate(LEVELS)}
_COMPARE: dict[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}

_END = f"(?![{TOKEN_CLASS}])"  # no token goes on here


def matches(query: ast.Query, event: Event) -> bool:
    """Whether `event` matches `query`."""
    return matcher(query)(event)


@lru_cache(maxsize=MATCHERS_KEPT)
def matcher(query: ast.Query) -> Matcher:
    """`query` as a function of one event, for running it over many."""
    return _matcher(query)


def _matcher(query: ast.Query) -> Matcher:
    match query:
        case ast.Not(child):
            inner = _matcher(child)
            return lambda event: not inner(event)
        case ast.And(children):
            return _all_of([_matcher(child) for child in sorted(children, key=_cost)])
        case ast.Or(children):
            return _any_of([_matcher(child) for child in sorted(children, key=_cost)])
        case ast.All():
            return lambda _: True
        case ast.Word() | ast.Phrase() | ast.WordPrefix():
            return _text_matcher(query)
        case ast.Compare() | ast.LevelCompare():
            return _number_matcher(query)
        case _:
            return _field_matcher(query)


def _cost(query: ast.Query) -> int:
    """About 0.05 µs an event; what decides for less comes first."""
    match query:
        case ast.Not(child):
            return 1 + _cost(child)
        case ast.And(children) | ast.Or(children):
            return 1 + sum(map(_cost, children))
        case ast.Regex():
            return 100
        case ast.Word() | ast.Phrase() | ast.WordPrefix():
            return 10
        case ast.Equals(_, _, True) | ast.Prefix(_, _, True):
            return 5
        case _:
            return 2


def _all_of(parts: list[Matcher]) -> Matcher:
    if len(parts) == 2:  # a third of the time of the loop, and most queries have two
        first, second = parts
        return lambda event: first(event) and second(event)

    def matches_all(event: Event) -> bool:
        for part in parts:  # noqa: SIM110 - all() with a generator takes twice as long
            if not part(event):
                return False
        return True

    return matches_all


def _any_of(parts: list[Matcher]) -> Matcher:
    if len(parts) == 2:
        first, second = parts
        return lambda event: first(event) or second(event)

    def matches_any(event: Event) -> bool:
        for part in parts:  # noqa: SIM110
            if part(event):
                return True
        return False

    return matches_any


def _text_matcher(query: ast.Word | ast.Phrase | ast.WordPrefix) -> Matcher:
    """Tokens are found in the folded text by where they begin and end: a tenth of the time of cutting it up.

    The patterns hold only literal tokens and runs of separators, so `re` has nothing to try twice.
    """
    match query:
        case ast.Word(word):
            first, pattern = word, f"{_token(word)}{_END}"
        case ast.WordPrefix(prefix):
            first, pattern = prefix, _token(prefix)
        case ast.Phrase(phrase):
            first = max(phrase, key=len)
            pattern = f"[^{TOKEN_CLASS}]+".join((_token(phrase[0]), *map(re.escape, phrase[1:]))) + _END
    search = re.compile(pattern).search
    # Looking for the letters first is much cheaper, and nearly always says no.
    return lambda event: first in (folded := fold(event.value)) and search(folded) is not None


def _token(start: str) -> str:
    """Pattern of a token that begins with `start`. Letters first, so that `re` skips to them, then a look behind."""
    text = re.escape(start)
    return f"{text}(?<![{TOKEN_CLASS}]{text})"


def _number_matcher(query: ast.Compare | ast.LevelCompare) -> Matcher:
    compare = _COMPARE[query.op]
    if isinstance(query, ast.LevelCompare):
        wanted = _LEVEL_RANK[query.level]
        found = frozenset(level for level, rank in _LEVEL_RANK.items() if compare(rank, wanted))
        return lambda event: event.level in found
    bound = query.number
    read = number_reader(query.field)
    return lambda event: (number := read(event)) is not None and compare(number, bound)


def null_reader(field: str) -> Callable[[Event], bool]:
    """Whether the event has JSON's null there; also of an attribute it does not have."""
    if field == "value":
        return lambda event: event.kind == "null"
    if not field.startswith(ast.ATTRIBUTE_PREFIX):
        return lambda event: False
    key = attribute_key(field)
    return lambda event: attributes_of(event).get(key) is None


def number_reader(field: str) -> NumberReader:
    """What the event has in `value` or an attribute as a number; None where that is none."""
    if field == "value":
        return operator.attrgetter("number")
    key = attribute_key(field)
    return lambda event: _attribute_number(event, key)


def _attribute_number(event: Event, key: str) -> float | None:
    number = attributes_of(event).get(key)
    return float(number) if number.__class__ in (int, float) else None


def _field_matcher(query: ast.Equals | ast.Prefix | ast.Regex | ast.Exists) -> Matcher:
    read = text_reader(query.field)
    match query:
        case ast.Exists("value"):
            return lambda _: True
        case ast.Exists(field) if field.startswith(ast.ATTRIBUTE_PREFIX):
            return lambda event: read(event) is not None
        case ast.Exists():
            return lambda event: bool(read(event))
        case ast.Equals(_, text, False):
            return lambda event: read(event) == text
        case ast.Equals(_, text, True):
            folded = fold(text)
            return lambda event: (found := read(event)) is not None and fold(found) == folded
        case ast.Prefix(_, text, False):
            return lambda event: (found := read(event)) is not None and found.startswith(text)
        case ast.Prefix(_, text, True):
            folded = fold(text)
            return lambda event: (found := read(event)) is not None and fold(found).startswith(folded)
        case ast.Regex(_, pattern):
            search, literal = Automaton(pattern).search, longest_literal(pattern)
            return lambda event: (found := read(event)) is not None and literal in found and search(found)
    raise AssertionError(query)


def text_reader(field: str) -> Reader:
    """What the event has in this field; None only for an attribute it does not have."""
    if field.startswith(ast.ATTRIBUTE_PREFIX):
        key = attribute_key(field)
        return lambda event: _attribute_text(event, key)
    assert field in ast.FIELDS, field
    return operator.attrgetter(field)


def _attribute_text(event: Event, key: str) -> str | None:
    attributes = attributes_of(event)
    return attribute_text(attributes[key]) if key in attributes else None


def attribute_text(value: Scalar) -> str:
    """What an attribute is compared as: a text itself, else JSON's spelling.

    A float is spelt as the engines spell it, by ECMAScript's rule (shortest digits; plain between 1e-6 and 1e21; no
    `.0`) but for the plus sign: `100`, `0.5`, `1e21`, `1e-7`, `-0`.
    """
    if isinstance(value, str):
        return value
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "null"}[value]
    if isinstance(value, int):
        return str(value)
    plain = repr(value)
    if "e" not in plain:  # nearly all there are, in a tenth of the time
        return plain.removesuffix(".0")
    sign, digits, exponent = Decimal(repr(value)).normalize().as_tuple()
    assert isinstance(exponent, int)  # finite
    point = len(digits) + exponent  # places before the decimal point
    text = "".join(map(str, digits))
    if value == 0:
        spelt = "0"
    elif -6 < point <= 21:
        whole, rest = text[: max(point, 0)].ljust(point, "0") or "0", text[max(point, 0) :]
        spelt = f"{whole}.{rest.rjust(-exponent, '0')}" if rest else whole
    else:
        spelt = f"{text[0]}{'.' + text[1:] if text[1:] else ''}e{point - 1}"
    return "-" + spelt if sign else spelt


def attribute_key(field: str) -> str:
    """The attribute a field such as "attributes.latency" names."""
    assert field.startswith(ast.ATTRIBUTE_PREFIX), field
    return field[len(ast.ATTRIBUTE_PREFIX) :]
