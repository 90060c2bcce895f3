"""A query as the engine's own tree of conditions. Pure.

Two-valued like query/match.py: what is absent matches nothing, and `must_not` turns that into a match. Where the engine
cannot say exactly what the language says, the conditions are too wide, and `exact` is False: who reads finishes with
the evaluator. Under `not`, too wide becomes too narrow, so every leaf is compiled for one side or the other.

What a regex or a long prefix asks of a text that is cut (opensearch_schema.py) is not known. `cuts` names such fields;
the conditions are exact where no such event is in reach.
"""

from collections.abc import Sequence
from typing import Any, TypeAlias

import msgspec

from logkeep.event import LEVELS, Event
from logkeep.query import ast
from logkeep.query.automaton import Automaton
from logkeep.query.match import attribute_key, matcher
from logkeep.query.text import fold
from logkeep.store.opensearch_regex import literal, translated
from logkeep.store.opensearch_schema import (
    CUT_MARK,
    TERM_CHARS_MAX,
    WORD_CHARS_CUT,
    WORDS_OF_SPACE,
    attribute_prefix,
    number_term,
    term,
    word,
)

Condition: TypeAlias = dict[str, Any]

EVERYTHING: Condition = {"match_all": {}}
NOTHING: Condition = {"match_none": {}}
VISIBLE: Condition = {"bool": {"must_not": [{"term": {"hidden": True}}]}}
PREFIX_CHARS_MAX = 7000  # of a prefix that cut texts still hold whole
STATES_MAX = 50_000  # of an automaton the engine makes; 10 MB
DEPTH_MAX = 12  # of conditions in conditions; the engines refuse some 20
CLAUSES_MAX = 900  # of one query; the engines refuse 1,024
_BOUNDS = {"<": "lt", "<=": "lte", ">": "gt", ">=": "gte"}


class Compiled(msgspec.Struct, frozen=True):
    """condition: holds for every event that matches; only for those where `exact`, and none in reach is cut.

    cuts: fields whose cut texts it may misjudge.
    """

    condition: Condition
    exact: bool
    cuts: frozenset[str] = frozenset()


def compile_query(query: ast.Query) -> Compiled:
    """The condition under which an event matches `query`."""
    if _depth(query) > DEPTH_MAX or _clauses(query) > CLAUSES_MAX:
        return Compiled(EVERYTHING, exact=False)
    compiler = _Compiler()
    return Compiled(compiler.condition(query, True), compiler.exact, frozenset(compiler.cuts))


def everything() -> Compiled:
    """What holds for any query, and says nothing."""
    return Compiled(EVERYTHING, exact=False)


def all_of(conditions: Sequence[Condition]) -> Condition:
    """Without scores, so that the engine keeps what it found."""
    return {"bool": {"filter": list(conditions)}}


def any_of(conditions: Sequence[Condition]) -> Condition:
    return {"bool": {"should": list(conditions), "minimum_should_match": 1}}


def none_of(conditions: Sequence[Condition]) -> Condition:
    return {"bool": {"must_not": list(conditions)}}


def in_time(from_ns: int, to_ns: int) -> Condition:
    """from_ns <= time < to_ns."""
    return {"range": {"time": {"gte": from_ns, "lt": to_ns}}}


class _Compiler:
    """Walks the tree once. wide: whether too many may match; else too few."""

    def __init__(self) -> None:
        self.exact = True
        self.cuts: set[str] = set()

    def condition(self, query: ast.Query, wide: bool) -> Condition:
        match query:
            case ast.All():
                return EVERYTHING
            case ast.Not(child):
                return none_of([self.condition(child, not wide)])
            case ast.And(children):
                return all_of([self.condition(child, wide) for child in children]) if children else EVERYTHING
            case ast.Or(children):
                return any_of([self.condition(child, wide) for child in children]) if children else NOTHING
            case ast.Word(token):
                return {"term": {"words": word(token)}}
            case ast.Phrase(words):
                return {"span_near": {"clauses": [_span(token) for token in words], "slop": 0, "in_order": True}}
            case ast.WordPrefix(prefix):
                return self._word_prefix(prefix, wide)
            case ast.LevelCompare():
                return _levels(_level_matches(query))
            case ast.Compare(field, op, number):
                return _compare(field, op, number)
            case _ if query.field == "level":
                return _levels(_level_matches(query))
            case _ if query.field.startswith(ast.ATTRIBUTE_PREFIX):
                return self._attribute(query, wide)
            case _:
                return self._plain(query, wide)

    def _plain(self, query: ast.Equals | ast.Prefix | ast.Regex | ast.Exists, wide: bool) -> Condition:
        field = query.field
        match query:
            case ast.Exists():
                return EVERYTHING if field == "value" else {"exists": {"field": field}}
            case ast.Equals(_, "") if field != "value":
                return none_of([{"exists": {"field": field}}])
            case ast.Equals(_, text, True):
                return any_of([{"term": {name: term(fold(text))}} for name in (field, f"{field}_folded")])
            case ast.Equals(_, text):
                return {"term": {field: term(text)}}
            case ast.Prefix(_, ""):
                return EVERYTHING
            case ast.Prefix(_, text, True):
                return any_of([self._prefix(name, fold(text), "", wide) for name in (field, f"{field}_folded")])
            case ast.Prefix(_, text):
                return self._prefix(field, text, field, wide)
            case ast.Regex(_, pattern):
                found = self._regex(field, pattern, "", wide)
                empty = field != "value" and Automaton(pattern).search("")  # unset is the empty text
                return any_of([found, none_of([{"exists": {"field": field}}])]) if empty else found

    def _attribute(self, query: ast.Equals | ast.Prefix | ast.Regex | ast.Exists, wide: bool) -> Condition:
        key = attribute_key(query.field)
        before = attribute_prefix(key)
        match query:
            case ast.Exists():
                return _has_attribute(key)
            case ast.Equals(_, text, True):
                return any_of([{"term": {name: term(before + fold(text))}} for name in _FOLDED])
            case ast.Equals(_, text):
                return {"term": {"attributes": term(before + text)}}
            case ast.Prefix(_, ""):
                return _has_attribute(key)
            case ast.Prefix(_, text, True):
                return any_of([self._prefix(name, before + fold(text), "attributes", wide) for name in _FOLDED])
            case ast.Prefix(_, text):
                return self._prefix("attributes", before + text, "attributes", wide)
            case ast.Regex(_, pattern):
                return self._regex("attributes", pattern, before, wide)

    def _word_prefix(self, prefix: str, wide: bool) -> Condition:
        """A cut token is not known beyond its beginning."""
        text = word(prefix)
        if CUT_MARK not in text and len(text) <= WORD_CHARS_CUT:
            return {"prefix": {"words": text}}
        self.cuts.add("words")
        begins = {"prefix": {"words": prefix.translate(WORDS_OF_SPACE)}}
        is_cut = {"term": {"cut": "words"}}
        return any_of([begins, is_cut]) if wide else all_of([begins, none_of([is_cut])])

    def _prefix(self, field: str, text: str, cut: str, wide: bool) -> Condition:
        if len(text) > TERM_CHARS_MAX - 1000:
            if cut not in ("value", "attributes"):
                return NOTHING  # a name is never so long
            self.exact = False
            return {"prefix": {field: text[:PREFIX_CHARS_MAX]}} if wide else NOTHING
        return {"prefix": {field: text}}

    def _regex(self, field: str, pattern: str, before: str, wide: bool) -> Condition:
        found = translated(pattern, before)
        if found is None:
            self.exact = False
            if not wide:
                return NOTHING
            found = literal(pattern, before)
            if found is None:
                return (
                    {"prefix": {field: before}}
                    if before
                    else {"exists": {"field": field}}
                    if field != "value"
                    else EVERYTHING
                )
        if field not in ("value", "attributes"):
            return _regexp(field, found)
        self.cuts.add(field)
        is_cut = {"term": {"cut": field}}
        if wide:
            return any_of([_regexp(field, found), is_cut])
        return all_of([_regexp(field, found), none_of([is_cut])])


_BLANK = Event("", "", "", "", "text", None, 0, 0, "")
_FOLDED = ("attributes", "attributes_folded")


def _span(token: str) -> Condition:
    return {"span_term": {"words": word(token)}}


def _has_attribute(key: str) -> Condition:
    return {"prefix": {"attributes": attribute_prefix(key)}}


def _regexp(field: str, expression: str) -> Condition:
    return {"regexp": {field: {"value": expression, "flags": "NONE", "max_determinized_states": STATES_MAX}}}


def _compare(field: str, op: str, number: float) -> Condition:
    bound = number + 0.0  # -0.0 equals 0.0 in the language, not in the engine
    if field == "value":
        return {"range": {"number": {_BOUNDS[op]: bound}}}
    before = attribute_prefix(attribute_key(field))
    span = {"gte": before + "0", "lt": before + "g"}  # its numbers are hexadecimal
    span.pop("gte" if op.startswith(">") else "lt")
    return {"range": {"attribute_numbers": {**span, _BOUNDS[op]: before + number_term(bound)}}}


def _level_matches(query: ast.Query) -> list[str]:
    matches = matcher(query)
    return [name for name in ("", *LEVELS) if matches(msgspec.structs.replace(_BLANK, level=name))]


def _levels(names: Sequence[str]) -> Condition:
    found = [{"terms": {"level": [name for name in names if name]}}] if any(names) else []
    if "" in names:
        found.append(none_of([{"exists": {"field": "level"}}]))
    return any_of(found) if found else NOTHING


def _depth(query: ast.Query) -> int:
    match query:
        case ast.Not(child):
            return 1 + _depth(child)
        case ast.And(children) | ast.Or(children):
            return 1 + max(map(_depth, children), default=0)
        case _:
            return 1


def _clauses(query: ast.Query) -> int:
    match query:
        case ast.Not(child):
            return 1 + _clauses(child)
        case ast.And(children) | ast.Or(children):
            return 1 + sum(map(_clauses, children))
        case ast.Phrase(words):
            return 1 + len(words)
        case _:
            return 3
