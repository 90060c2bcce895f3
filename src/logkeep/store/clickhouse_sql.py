"""A query as ClickHouse SQL with bound parameters. Pure: text in, text out.

Conditions are two-valued like query/match.py: nothing here may yield NULL, so that `NOT` means what it says.
Only text built here and parameter names stand in the SQL; what a user wrote travels as parameters.

Index use (tests/contract/test_store_indexes.py holds it with EXPLAIN): words, phrases and prefixes of 3 and more
characters read the text index on `FOLDED_VALUE`; session, user, device and id have inverted ones. `match()` and
`startsWith()` of a part of a token use none, so what they cannot do without is asked of the index before them.
"""

import operator
import re
from collections.abc import Callable, Iterable, Mapping

import msgspec

from logkeep.event import LEVELS
from logkeep.query import ast
from logkeep.query.literals import literals
from logkeep.query.match import attribute_key
from logkeep.query.text import fold, tokens

# The same words as query/text.py fold(); the text index stands on exactly this expression.
FOLDED_VALUE = "replaceAll(lowerUTF8(value), 'ς', 'σ')"
# One character that is no token's: query/text.py's rule, as RE2.
SEPARATOR_CLASS = r"[^0-9A-Za-z\x{80}-\x{10FFFF}]"
HINT_TOKENS_MAX = 8  # tokens of a whole value that go to the text index first; more narrow it no further
PART_CHARS_MIN = 3  # of a token: shorter ones are not looked for in the index
# The dictionary of each part of the store is gone through for a part of a token: at 51 million events a rare one takes
# 1.2 s instead of 7. Shorter ones are in too many tokens of values: a regex with three letters took 8 to 16 s, without
# the index 7. Not of ids: each is a token of its own.
VALUE_PART_CHARS_MIN = 5
PART_FIELDS = frozenset(("value", "session", "user", "device"))

_PLAIN_FIELDS = frozenset((*ast.ID_FIELDS, *ast.NAME_FIELDS, "value"))
_COMPARE: Mapping[str, Callable[[int, int], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}

# What the index under short prefixes needs of a connection. Then two of the engine's optimisations that cost more than
# they save here: a filter that follows the newest rows found takes the place of all other conditions at the first
# reading step (a quarter more CPU for `level:error` with a word), and indexes looked at while reading instead of before
# (28 against 18 ms of CPU for a session).
READ_SETTINGS = (
    "use_top_k_dynamic_filtering = 0, use_skip_indexes_on_data_read = 0,"
    f" text_index_like_min_pattern_length = {PART_CHARS_MIN}"
)

# What stands in one token and means nothing to LIKE. In values: letters that are folded by themselves.
_VALUE_PART = re.compile(r"[0-9A-Za-z]+")
_WHOLE_TOKEN = re.compile(r"(?<=[^0-9A-Za-z\x80-\U0010FFFF])[0-9A-Za-z]+(?=[^0-9A-Za-z\x80-\U0010FFFF])")
_NAME_PART = re.compile(r"[^%_\\]+")
_encode = msgspec.json.encode


class Condition(msgspec.Struct, frozen=True):
    """sql: a 0/1 expression over the columns of `events`. parameters: by name, as the engine's client wants them."""

    sql: str
    parameters: dict[str, str]


def compile_query(query: ast.Query, *, looks_parts_up: bool = True) -> Condition:
    """The condition under which a row matches `query`.

    looks_parts_up: parts of tokens are looked for in the index first, which takes its time wherever they stand (25 to
    50 ms a part of the store). False: for few events, of which the next may be one that matches.
    """
    compiler = Compiler(looks_parts_up=looks_parts_up)
    return Condition(compiler.sql(query), compiler.parameters)


def names_one(query: ast.Query) -> bool:
    """Whether all that matches is of one session, user, device or id: few rows, and an index knows which."""
    match query:
        case ast.And(children):
            return any(map(names_one, children))
        case ast.Equals(field):
            return field in ast.ID_FIELDS and field != "pattern"
    return False


def group_expression(field: str, prefix: str = "g") -> Condition:
    """The text of a field as something to group by; "" where an attribute is absent.

    prefix: of its parameters' names, which stand beside those of `compile_query`.
    """
    compiler = Compiler(prefix)
    return Condition(f"toString({compiler.field(field)})", compiler.parameters)


_escapes = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r", "\0": "\\0", "\b": "\\b", "\f": "\\f"})


def text_parameter(text: str) -> str:
    """`text` as the value of a String parameter: the engine reads parameters as escaped TSV fields."""
    return text.translate(_escapes)


_unescaped = {escaped: chr(code) for code, escaped in _escapes.items()}


def parameter_text(parameter: str) -> str:
    """The inverse of `text_parameter`, to show it."""
    return re.sub(r"\\.", lambda found: _unescaped.get(found[0], found[0]), parameter)


def text_literal(text: str) -> str:
    """`text` as an SQL literal, for our own names (tokens, paths); what users write goes as parameters."""
    return "'" + text.translate(_escapes).replace("'", "\\'") + "'"


class Compiler:
    """Walks the tree once; parameters are named q0, q1, … in order of appearance, or with another prefix."""

    def __init__(self, prefix: str = "q", *, looks_parts_up: bool = True) -> None:
        self._prefix, self._looks_parts_up = prefix, looks_parts_up
        self.parameters: dict[str, str] = {}

    def text(self, text: str) -> str:
        """A reference to `text`, bound."""
        return self._bind(text_parameter(text), "String")

    def _bind(self, value: str, kind: str) -> str:
        name = f"{self._prefix}{len(self.parameters)}"
        self.parameters[name] = value
        return f"{{{name}:{kind}}}"

    def sql(self, query: ast.Query) -> str:
        match query:
            case ast.All():
                return "1"
            case ast.Not(child):
                return f"(NOT {self.sql(child)})"
            case ast.And(children):
                return self._joined(" AND ", children, empty="1")
            case ast.Or(children):
                return self._joined(" OR ", children, empty="0")
            case ast.Word() | ast.Phrase() | ast.WordPrefix():
                return self._words(query)
            case ast.Compare():
                return self._compare(query)
            case ast.LevelCompare(op, level):
                wanted, holds = LEVELS.index(level), _COMPARE[op]
                return _level_in(name for rank, name in enumerate(LEVELS) if holds(rank, wanted))
            case _:
                return self._field_condition(query)

    def _joined(self, word: str, children: tuple[ast.Query, ...], *, empty: str) -> str:
        return "(" + (word.join(self.sql(child) for child in children) or empty) + ")"

    def _words(self, query: ast.Word | ast.Phrase | ast.WordPrefix) -> str:
        match query:
            case ast.Word(word):
                return self._has_tokens([word])
            case ast.Phrase(words):
                return f"hasPhrase({FOLDED_VALUE}, {self.text(' '.join(words))})"
            case ast.WordPrefix(prefix):
                # LIKE finds candidates in the index's dictionary; the regex sees that a token starts there. A prefix
                # is made of token characters only, so neither has anything to escape.
                text = self.text(prefix)
                starts = f"match({FOLDED_VALUE}, concat('(?:^|{_doubled(SEPARATOR_CLASS)})', {text}))"
                if not self._looks_parts_up:
                    return starts
                return f"({FOLDED_VALUE} LIKE concat('%', {text}, '%') AND {starts})"

    def _has_tokens(self, words: list[str]) -> str:
        return f"hasAllTokens({FOLDED_VALUE}, [{', '.join(self.text(word) for word in words)}])"

    def _compare(self, query: ast.Compare) -> str:
        bound = self._bind(repr(float(query.number)), "Float64")
        if query.field == "value":
            return f"(number {query.op} {bound})"  # NaN where there is no number: compares false
        number, is_number = self.number(query.field)
        return f"({is_number} AND {number} {query.op} {bound})"

    def number(self, field: str) -> tuple[str, str]:
        """`value` or an attribute as a Float64 expression, and the condition under which that is a number."""
        if field == "value":
            return "number", "isFinite(number)"
        key = self.text(attribute_key(field))
        is_number = f"JSONType(attributes, {key}) IN ('Int64', 'UInt64', 'Double')"
        return f"JSONExtractFloat(attributes, {key})", f"({self._may_have(field)} AND {is_number})"

    def null(self, field: str) -> str:
        """The condition under which `value` or an attribute is JSON's null; also under which an attribute is absent."""
        if field == "value":
            return "kind = 'null'"
        return f"JSONType(attributes, {self.text(attribute_key(field))}) = 'Null'"

    def _may_have(self, field: str) -> str:
        """True where the event has the attribute, and nearly nowhere else: finding its name is much cheaper than
        parsing. The name stands there as msgspec wrote it."""
        return f"(position(attributes, {self.text(_encode(attribute_key(field)).decode() + ':')}) > 0)"

    def field(self, field: str) -> str:
        """The field as a String expression."""
        if field.startswith(ast.ATTRIBUTE_PREFIX):
            key = self.text(attribute_key(field))
            # As query/match.py attribute_text(); NULL and absent are both "" to JSONExtractString, and only where it
            # gives that is the JSON parsed again.
            text = f"JSONExtractString(attributes, {key})"
            is_null = f"JSONType(attributes, {key}) = 'Null' AND JSONHas(attributes, {key})"
            return f"if({text} != '', {text}, if({is_null}, 'null', ''))"
        assert field in _PLAIN_FIELDS or field == "level", field
        return "toString(level)" if field == "level" else field

    def _field_condition(self, query: ast.Equals | ast.Prefix | ast.Regex | ast.Exists) -> str:
        if query.field == "level" and not isinstance(query, ast.Regex):
            return _level_in(name for name in ("", *LEVELS) if _level_holds(query, name))
        if not query.field.startswith(ast.ATTRIBUTE_PREFIX):
            return self._present(query)
        has = f"{self._may_have(query.field)} AND JSONHas(attributes, {self.text(attribute_key(query.field))})"
        return f"({has})" if isinstance(query, ast.Exists) else f"({has} AND {self._present(query)})"

    def _present(self, query: ast.Equals | ast.Prefix | ast.Regex | ast.Exists) -> str:
        field = self.field(query.field)
        match query:
            case ast.Exists("value"):
                return "1"
            case ast.Exists():
                return f"({field} != '')"
            case ast.Equals(name, text, folded):
                condition = f"({_folded(field) if folded else field} = {self.text(fold(text) if folded else text)})"
                return self._hinted(condition, tokens(text)) if name == "value" else condition
            case ast.Prefix(name, text, folded):
                start = self.text(fold(text) if folded else text)
                condition = f"startsWith({_folded(field) if folded else field}, {start})"
                if name != "value":
                    return condition
                # The last token may go on beyond the prefix, the ones before it are whole.
                *whole, last = tokens(text) or [""]
                return self._hinted(condition, whole) if whole else self._with_part(condition, name, [last])
            case ast.Regex(name, pattern):
                # The engine lets `.` match a newline unless told otherwise; the language does not.
                condition = f"match({field}, {self.text('(?-s)' + pattern)})"
                texts = literals(pattern)
                if name == "value" and (words := [word for text in texts for word in _WHOLE_TOKEN.findall(text)]):
                    return self._hinted(condition, list(map(fold, words)))
                return self._with_part(condition, name, texts)

    def _hinted(self, condition: str, words: list[str]) -> str:
        """The condition, after one that follows from it and that the text index answers."""
        return f"({self._has_tokens(words[:HINT_TOKENS_MAX])} AND {condition})" if words else condition

    def _with_part(self, condition: str, field: str, texts: Iterable[str]) -> str:
        """The condition, after one that the index answers: it follows that the field holds each of `texts`."""
        within_token = _VALUE_PART if field == "value" else _NAME_PART
        parts = (part for text in texts for part in within_token.findall(text))
        part = max(parts, key=len, default="") if field in PART_FIELDS else ""
        if len(part) < (VALUE_PART_CHARS_MIN if field == "value" else PART_CHARS_MIN) or not self._looks_parts_up:
            return condition
        text, indexed = (fold(part), FOLDED_VALUE) if field == "value" else (part, field)
        return f"({indexed} LIKE concat('%', {self.text(text)}, '%') AND {condition})"


def _folded(expression: str) -> str:
    return FOLDED_VALUE if expression == "value" else f"replaceAll(lowerUTF8({expression}), 'ς', 'σ')"


def _doubled(pattern: str) -> str:
    return pattern.replace("\\", "\\\\")


def _level_in(names: Iterable[str]) -> str:
    listed = ", ".join(f"'{name}'" for name in names)
    return f"(level IN ({listed}))" if listed else "0"


def _level_holds(query: ast.Equals | ast.Prefix | ast.Exists, name: str) -> bool:
    match query:
        case ast.Exists():
            return name != ""
        case ast.Equals(_, text, folded):
            return name == (fold(text) if folded else text)
        case ast.Prefix(_, text, folded):
            return name.startswith(fold(text) if folded else text)
