"""Whether an event matches a query, in plain Python: the oracle every store agrees with, and what a live tail runs.

Two values only, never a third: what is absent does not match, and `not` turns that into a match.
* A field that is unset is the empty text: `Equals("user", "")` finds it, `Exists("user")` does not.
* An attribute the event does not have matches no leaf, not even `Prefix(…, "")`.
* Words are looked for in `value`, which for kinds other than text is its JSON text.
* An attribute is a number only where the sender sent a JSON number: `"5"` sent as text is text. Its text is
  `attribute_text`, whatever way the sender spelt it.
"""

import operator
from collections.abc import Callable
from decimal import Decimal
from functools import lru_cache
from typing import TypeAlias

from logkeep.event import LEVELS, Event, Scalar
from logkeep.query import ast
from logkeep.query.automaton import Automaton
from logkeep.query.text import fold, tokens

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
            parts = [_matcher(child) for child in children]
            return lambda event: all(part(event) for part in parts)
        case ast.Or(children):
            parts = [_matcher(child) for child in children]
            return lambda event: any(part(event) for part in parts)
        case ast.All():
            return lambda _: True
        case ast.Word() | ast.Phrase() | ast.WordPrefix():
            return _text_matcher(query)
        case ast.Compare() | ast.LevelCompare():
            return _number_matcher(query)
        case _:
            return _field_matcher(query)


def _text_matcher(query: ast.Word | ast.Phrase | ast.WordPrefix) -> Matcher:
    match query:
        case ast.Word(word):
            # Looking for the letters first is much cheaper than cutting tokens, and nearly always says no.
            return lambda event: word in (folded := fold(event.value)) and word in tokens(folded)
        case ast.WordPrefix(prefix):
            return lambda event: (
                prefix in (folded := fold(event.value)) and any(token.startswith(prefix) for token in tokens(folded))
            )
        case ast.Phrase(phrase):
            return lambda event: phrase[0] in (folded := fold(event.value)) and _holds_run(tokens(folded), phrase)


def _holds_run(words: list[str], run: tuple[str, ...]) -> bool:
    return any(
        tuple(words[start : start + len(run)]) == run
        for start, word in enumerate(words)
        if word == run[0]
    )  # fmt: skip


def _number_matcher(query: ast.Compare | ast.LevelCompare) -> Matcher:
    compare = _COMPARE[query.op]
    if isinstance(query, ast.LevelCompare):
        wanted = _LEVEL_RANK[query.level]
        found = frozenset(level for level, rank in _LEVEL_RANK.items() if compare(rank, wanted))
        return lambda event: event.level in found
    bound = query.number
    read = number_reader(query.field)
    return lambda event: (number := read(event)) is not None and compare(number, bound)


def number_reader(field: str) -> NumberReader:
    """What the event has in `value` or an attribute as a number; None where that is none."""
    if field == "value":
        return operator.attrgetter("number")
    key = attribute_key(field)
    return lambda event: _attribute_number(event, key)


def _attribute_number(event: Event, key: str) -> float | None:
    number = event.attributes.get(key)
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
            search = Automaton(pattern).search
            return lambda event: (found := read(event)) is not None and search(found)
    raise AssertionError(query)


def text_reader(field: str) -> Reader:
    """What the event has in this field; None only for an attribute it does not have."""
    if field.startswith(ast.ATTRIBUTE_PREFIX):
        key = attribute_key(field)
        return lambda event: attribute_text(event.attributes[key]) if key in event.attributes else None
    assert field in ast.FIELDS, field
    return operator.attrgetter(field)


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
