r"""A query as a filter of MongoDB. Pure: a tree in, a document out.

Two-valued like query/match.py: a filter matches or does not, and `$nor` turns that around. What a user wrote stands in
it as values, or escaped in a pattern.

Most filters are exact. Where one is not, it finds more than what matches, and whoever reads looks at each event again:

* a phrase: its words narrow, for the order of words is not in the array of them;
* a prefix or regex on an attribute that may be no text, for numbers are not spelt in MongoDB;
* a regex with an unbounded repetition in its middle: MongoDB's engine (PCRE) backtracks, and one such pattern on one
  long value could hold it for as long as it likes. Its longest literal narrows, the automaton decides.
"""

import math
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache

import msgspec

from logkeep.event import LEVELS
from logkeep.query import ast
from logkeep.query.automaton import Automaton
from logkeep.query.literals import longest_literal
from logkeep.query.match import attribute_text
from logkeep.query.regex import Assert, Chars, Choice, Part, Ranges, Repeat, Row, read_pattern
from logkeep.query.text import fold
from logkeep.store.mongodb_documents import OPTIONAL_FIELDS, Document, attribute_path

EXACT_MAX = 2.0**53  # integers below are doubles as they are
LAST_CAPITAL = 0x1EFFF  # no script beyond has letters of two cases
PATHS_MAX = 1000  # ways through a pattern that are tried at one place of a text, at worst
PATTERN_CHARS_MAX = 30_000  # the engine takes 32,764 bytes
NOTHING: Document = {"_id": {"$in": []}}

_COMPARE: Mapping[str, tuple[str, Callable[[int, int], bool]]] = {
    "<": ("$lt", operator.lt),
    "<=": ("$lte", operator.le),
    ">": ("$gt", operator.gt),
    ">=": ("$gte", operator.ge),
}
_is_number = re.compile(r"-?[0-9]+(?:\.[0-9]+)?(?:e-?[0-9]+)?").fullmatch
_is_integer = re.compile(r"-?[1-9][0-9]*").fullmatch
_SPELT_BEGINS = "-0123456789tfn"  # of a number, true, false, null
_TWO = fold("İ")  # the only character that becomes two
_WORD_CLASS = "[0-9A-Za-z_]"
# Written out: what \b means differs between engines. ^ and $ would have a last line end pass for the end.
_PLACES = {
    "^": "\\A",
    "$": "\\z",
    "b": f"(?:(?<={_WORD_CLASS})(?!{_WORD_CLASS})|(?<!{_WORD_CLASS})(?={_WORD_CLASS}))",
}


class Filter(msgspec.Struct, frozen=True):
    """spec: finds every event that matches; where `exact`, no other."""

    spec: Document
    exact: bool = True


def compile_filter(query: ast.Query) -> Filter:
    """The filter for `query`, within one app."""
    match query:
        case ast.All():
            return Filter({})
        case ast.Not(child):
            inner = compile_filter(child)
            return Filter({"$nor": [inner.spec]}) if inner.exact else Filter({}, exact=False)
        case ast.And(children):
            return _all_of([compile_filter(child) for child in children])
        case ast.Or(children):
            return _any_of([compile_filter(child) for child in children])
        case ast.Word(word):
            return Filter({"words": word})
        case ast.Phrase(words):
            return Filter({"words": {"$all": list(dict.fromkeys(words))}}, exact=False)
        case ast.WordPrefix(prefix):
            return Filter({"words": _starts(prefix)})
        case ast.Compare(field, op, number):
            compared = {_COMPARE[op][0]: number}
            if field == "value":
                return Filter({"number": compared})
            if abs(number) < EXACT_MAX:
                return Filter({attribute_path(field): compared})
            return Filter({attribute_path(field): {"$type": "number"}}, exact=False)
        case ast.LevelCompare(op, level):
            wanted, holds = LEVELS.index(level), _COMPARE[op][1]
            return Filter({"level": {"$in": [name for rank, name in enumerate(LEVELS) if holds(rank, wanted)]}})
        case _:
            return _field(query)


def _all_of(filters: Sequence[Filter]) -> Filter:
    specs = [each.spec for each in filters if each.spec]
    spec = {"$and": specs} if len(specs) > 1 else specs[0] if specs else {}
    return Filter(spec, all(each.exact for each in filters))


def _any_of(filters: Sequence[Filter]) -> Filter:
    if not filters:
        return Filter(NOTHING)
    if len(filters) == 1:
        return filters[0]
    exact = all(each.exact for each in filters)
    if not all(each.spec for each in filters):
        return Filter({}, exact)
    return Filter({"$or": [each.spec for each in filters]}, exact)


def _field(query: ast.Equals | ast.Prefix | ast.Regex | ast.Exists) -> Filter:
    if query.field.startswith(ast.ATTRIBUTE_PREFIX):
        return _of_attribute(query)
    match query:
        case ast.Exists("value"):
            return Filter({})
        case ast.Exists(name):
            return Filter({name: {"$exists": True} if name in OPTIONAL_FIELDS else {"$ne": ""}})
        case ast.Equals(name, "", _):
            return Filter({name: None if name in OPTIONAL_FIELDS else ""})
        case ast.Prefix(_, "", _):
            return Filter({})
        case ast.Equals(name, text, False):
            return Filter({name: text})
        case ast.Prefix(name, text, False):
            return Filter({name: _starts(text)})
        case ast.Equals(name, text, True) if name in ast.NAME_FIELDS:
            return _folded(name, fold(text), whole=True)
        case ast.Prefix(name, text, True) if name in ast.NAME_FIELDS:
            return _folded(name, fold(text), whole=False)
        case ast.Regex(name, pattern):
            return _regex(name, pattern)
    return Filter({}, exact=False)  # folded and no name: the parser makes none


def _of_attribute(query: ast.Equals | ast.Prefix | ast.Regex | ast.Exists) -> Filter:
    """Attributes are compared as texts, and stored as what they are: numbers, bools and null stand beside the texts."""
    path = attribute_path(query.field)
    match query:
        case ast.Exists() | ast.Prefix(_, "", _):
            return Filter({path: {"$exists": True}})
        case ast.Equals(_, text, folded):
            text = fold(text) if folded else text
            found = _folded(path, text, whole=True) if folded else Filter({path: text})
            return _any_of([found, *_spelt(path, text)])
        case ast.Prefix(_, text, folded):
            text = fold(text) if folded else text
            found = _folded(path, text, whole=False) if folded else Filter({path: _starts(text)})
            return _any_of([found, Filter(_no_text(path), exact=False)]) if text[0] in _SPELT_BEGINS else found
        case ast.Regex(_, pattern):
            found = _pattern(pattern)
            if not found.spec:
                return Filter({path: {"$exists": True}}, exact=False)
            return _any_of([Filter({path: found.spec}, found.exact), Filter(_no_text(path), exact=False)])
    raise AssertionError(query)


def _no_text(path: str) -> Document:
    return {path: {"$exists": True, "$not": {"$type": "string"}}}


def _spelt(path: str, text: str) -> list[Filter]:
    """What finds attributes that are no text and are spelt so."""
    match text:
        case "true" | "false":
            return [Filter({path: text == "true"})]
        case "null":
            return [Filter({path: {"$type": "object"}})]
    if not _is_number(text) or not math.isfinite(number := float(text)):
        return []
    if text != attribute_text(number) and not _is_integer(text):
        return []
    # Beyond EXACT_MAX several integers are near one double, and -0 equals 0: their spelling decides.
    exact = 0 < abs(number) < EXACT_MAX
    return [Filter({path: number} if exact else {path: {"$type": "number"}}, exact)]


def _folded(path: str, text: str, *, whole: bool) -> Filter:
    """Is, or begins with, `text` (folded), ignoring case.

    Folding is a matter of each character alone, so a class for each says the same, whatever MongoDB thinks of case.
    """
    pattern, at = "\\A", 0
    while at < len(text):
        if len(pattern) > PATTERN_CHARS_MAX:
            return Filter({path: {"$regex": pattern}}, exact=False)
        if text[at : at + 2] == _TWO:  # what one capital becomes
            pattern += f"(?:{_any_case('i')}\u0307|İ)"
            at += 2
            continue
        ends = at == len(text) - 1 and not whole
        pattern += _any_case(text[at], "İ" if ends and text[at] == "i" else "")
        at += 1
    return Filter({path: {"$regex": pattern + "\\z" * whole}})


def _any_case(char: str, more: str = "") -> str:
    chars = sorted({char, *_unfolded().get(char, ""), *more})
    return _escaped(char) if len(chars) == 1 else "[" + "".join(f"\\x{{{ord(each):x}}}" for each in chars) + "]"


@lru_cache(maxsize=1)
def _unfolded() -> dict[str, str]:
    """By a folded character, the others that fold to it. 50 ms, when first needed."""
    found: dict[str, str] = {}
    for code in range(LAST_CAPITAL + 1):
        char = chr(code)
        if (folded := fold(char)) != char:
            found[folded] = found.get(folded, "") + char
    return found


def _starts(text: str) -> Document:
    """Begins with `text`: of an anchored pattern MongoDB reads only that part of an index."""
    return {"$regex": "^" + _escaped(text)}


def _regex(name: str, pattern: str) -> Filter:
    found = _pattern(pattern)
    if not found.spec:
        return found
    spec: Document = {name: found.spec}
    if found.exact and name in OPTIONAL_FIELDS and Automaton(pattern).search(""):
        spec = {"$or": [spec, {name: None}]}
    return Filter(spec, found.exact)


# ── patterns ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def _pattern(pattern: str) -> Filter:
    """The condition on one text; {} when nothing narrows it."""
    tree = _without_open_ends(read_pattern(pattern))
    if _paths(tree) <= PATHS_MAX and len(text := _written(tree)) <= PATTERN_CHARS_MAX:
        return Filter({"$regex": text})
    literal = longest_literal(pattern)
    return Filter({"$regex": _escaped(literal)} if literal else {}, exact=False)


def _without_open_ends(tree: Part) -> Part:
    """Found in the same texts: `x+` at the beginning or the end of a pattern asks for no more than `x` does."""
    if not isinstance(tree, Row):
        return tree
    parts = list(tree.parts)
    for place in (0, -1):
        while parts and isinstance(open_end := parts[place], Repeat) and open_end.high is None:
            if open_end.low:
                parts[place] = Repeat(open_end.child, open_end.low, open_end.low)
            else:
                del parts[place]
    return Row(tuple(parts))


def _paths(part: Part) -> float:
    match part:
        case Row(parts):
            found = 1.0
            for each in parts:
                found *= _paths(each)
            return found
        case Choice(parts):
            return sum(map(_paths, parts))
        case Repeat(_, _, None):
            return float("inf")
        case Repeat(child, low, high):
            assert high is not None
            if (ways := _paths(child)) == 1:
                return high - low + 1
            return sum(ways**times for times in range(low, high + 1)) if high <= 12 else float("inf")
        case _:
            return 1.0


def _written(part: Part) -> str:
    """`part` in signs that mean the same in PCRE whatever its options."""
    match part:
        case Chars(ranges):
            return _class(ranges)
        case Assert(kind):
            return _PLACES[kind]
        case Row(parts):
            return "".join(map(_written, parts))
        case Choice(parts):
            return f"(?:{'|'.join(map(_written, parts))})"
        case Repeat(child, low, high):
            return f"(?:{_written(child)}){{{low},{'' if high is None else high}}}"


def _class(ranges: Ranges) -> str:
    if not ranges:
        return "(?!)"
    if len(ranges) == 1 and ranges[0][0] == ranges[0][1]:
        return _escaped(chr(ranges[0][0]))
    return "[" + "".join(f"\\x{{{low:x}}}-\\x{{{high:x}}}" for low, high in ranges) + "]"


def _escaped(text: str) -> str:
    """A pattern for exactly `text`. A pattern cannot hold NUL itself."""
    return "".join(_escaped_char(char) for char in text)


def _escaped_char(char: str) -> str:
    if char.isalnum() or char > "\x7f":
        return char
    return f"\\x{{{ord(char):x}}}" if char < " " or char == "\x7f" else f"\\{char}"
