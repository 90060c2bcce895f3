r"""A query as a filter of MongoDB. Pure: a tree in, a document out.

Two-valued like query/match.py: a filter matches or does not, and `$nor` turns that around. What a user wrote stands in
it as values, or escaped in a pattern.

Most filters are exact. Where one is not, it finds more than what matches, and whoever reads looks at each event again:

* a phrase: its words narrow, for the order of words is not in the array of them;
* a regex with an unbounded repetition in its middle: MongoDB's engine (PCRE) backtracks, and one such pattern on one
  long value could hold it for as long as it likes. Its longest literal narrows, the automaton decides.
"""

import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from logkeep.event import LEVELS
from logkeep.query import ast
from logkeep.query.automaton import Automaton
from logkeep.query.literals import longest_literal
from logkeep.query.match import attribute_key
from logkeep.query.regex import Assert, Chars, Choice, Part, Ranges, Repeat, Row, read_pattern
from logkeep.query.text import fold
from logkeep.store.mongodb_documents import OPTIONAL_FIELDS, Document

PATHS_MAX = 1000  # ways through a pattern that are tried at one place of a text, at worst
PATTERN_CHARS_MAX = 30_000  # the engine takes 32,764 bytes
NOTHING: Document = {"_id": {"$in": []}}

_COMPARE: Mapping[str, tuple[str, Callable[[int, int], bool]]] = {
    "<": ("$lt", operator.lt),
    "<=": ("$lte", operator.le),
    ">": ("$gt", operator.gt),
    ">=": ("$gte", operator.ge),
}
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
            return Filter({"number": compared} if field == "value" else _attribute(field, {"n": compared}))
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
            return Filter(_folded(name, f"{name}_folded", fold(text)))
        case ast.Prefix(name, text, True) if name in ast.NAME_FIELDS:
            return Filter(_folded(name, f"{name}_folded", _starts(fold(text))))
        case ast.Regex(name, pattern):
            return _regex(name, pattern)
    return Filter({}, exact=False)  # folded and no name: the parser makes none


def _of_attribute(query: ast.Equals | ast.Prefix | ast.Regex | ast.Exists) -> Filter:
    name = query.field
    match query:
        case ast.Exists() | ast.Prefix(_, "", _):
            return Filter({"attributes.k": attribute_key(name)})
        case ast.Equals(_, text, False):
            return Filter(_attribute(name, {"t": text}))
        case ast.Prefix(_, text, False):
            return Filter(_attribute(name, {"t": _starts(text)}))
        case ast.Equals(_, text, True):
            return Filter(_attribute(name, _folded("t", "f", fold(text))))
        case ast.Prefix(_, text, True):
            return Filter(_attribute(name, _folded("t", "f", _starts(fold(text)))))
        case ast.Regex(_, pattern):
            found = _pattern(pattern)
            return Filter(_attribute(name, {"t": {"$regex": found.spec["$regex"]}} if found.spec else {}), found.exact)
    raise AssertionError(query)


def _attribute(field: str, condition: Document) -> Document:
    return {"attributes": {"$elemMatch": {"k": attribute_key(field), **condition}}}


def _folded(name: str, folded_name: str, wanted: Any) -> Document:
    """The folded text stands beside a name where it differs from it."""
    return {"$or": [{folded_name: wanted}, {name: wanted, folded_name: None}]}


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
