"""Events and queries for Hypothesis, from small shared vocabularies so that matches happen.

`events()` makes a list of events with different ids, `queries()` a tree the parser can make:
tests of the language, and of every store against `logkeep.query.match`, draw from here.
"""

import msgspec
from hypothesis import strategies as st

from logkeep.event import LEVELS, Event, attributes_json
from logkeep.query import ast
from logkeep.query.match import attribute_text
from logkeep.query.text import fold, tokens

# Case pairs that fold oddly, letters from beyond the BMP, a combining mark, and newer capitals than Python knows.
WORDS = (
    "timeout", "Timeout", "TIME", "time", "reset", "conn", "by", "peer", "10", "500", "0x1f", "a", "b",
    "Ärger", "ÄRGER", "ΑΣ", "ας", "ΑΣΑ", "İstanbul", "straße", "STRASSE", "\u212a", "k", "日本", "𐐀x", "𐐨x", "\ua7dcz",
)  # fmt: skip
SEPARATORS = (
    " ", "  ", "-", ".", "_", ":", "/", "\t", "\n", "\r\n", "\\", "'", '"', "%", "%%", "\x01", "\x7f", "{", "[",
)  # fmt: skip
NAMES = (
    "", "s-1", "S-1", "s-12", "Checkout", "checkout", "CHECKOUT", "a%b", "a_b", "a\tb", "a\nb", "ΑΣ", "ας",
    "caf\u00e9 \\ 'x'", "Caf\u00c9 \\ 'x'",
)  # fmt: skip
ATTRIBUTE_KEYS = ("latency", "os", "odd name", "x.y", "é'\\")
ATTRIBUTE_TEXTS = ("", "linux", "Linux", "linux 6", "5", "5.0", "500", "-1", "true", "a\\b", "a'b", "1e3")
NUMBERS = (-1.0, 0.0, 0.5, 1.5, 5.0, 10.0, 500.0, 1e300, 2.0**53)
SCALARS = (
    5,
    5.0,
    -1,
    0.5,
    500,
    1e3,
    -0.0,
    1e300,
    2**53,
    2**63 - 1,
    -(2**63) + 1,
    1e-6,
    1e-7,
    1.5e21,
    1e20,
    0.1,
    True,
    False,
    None,
)
JSON_TEXTS = tuple(map(attribute_text, SCALARS))
# Patterns of the portable subset, found in the vocabularies above often enough.
PATTERNS = (
    "a", "^s-1", "s-1$", "^s-1$", "a.b", "a\\nb", "^$", "[A-Z]", "[^a-z]", "\\d+", "\\D", "\\w-\\d", "\\s", "\\bb",
    "(a|b)", "^(s|S)-1{1,2}2?$", "che.*out", "é", "\\\\", "x|y", "[0-9]{2,}", "a/b", "a%b", "\\.", "İ", "[α-ω]",
    "\\S\\s\\S", "日.?本", "time(?:out)?$",
)  # fmt: skip

_EPOCH_NS = 1_760_000_000_000_000_000
_MINUTE_NS = 60_000_000_000

_odd_text = st.text(st.characters(min_codepoint=1, exclude_categories=("Cs",)), max_size=12)
_sentence = st.lists(st.tuples(st.sampled_from(WORDS), st.sampled_from(SEPARATORS)), max_size=6).map(
    lambda pieces: "".join(word + separator for word, separator in pieces)
)
_name = st.sampled_from(NAMES) | _odd_text


def events(min_size: int = 0, max_size: int = 8) -> st.SearchStrategy[list[Event]]:
    """Events of one app within an hour, ids e0, e1, … in the order of the list; free of NUL and lone surrogates."""
    return st.lists(_one_event(), min_size=min_size, max_size=max_size).map(_numbered)


def _numbered(drawn: list[Event]) -> list[Event]:
    return [msgspec.structs.replace(event, id=f"e{index}") for index, event in enumerate(drawn)]


@st.composite
def _one_event(draw: st.DrawFn) -> Event:
    value, kind, number = draw(_value())
    time_ns = _EPOCH_NS + draw(st.integers(0, 3600)) * 1_000_000_000
    return Event(
        app="shop",
        session=draw(_name.filter(bool)),
        key=draw(_name.filter(bool)),
        value=value,
        kind=kind,
        number=number,
        time_ns=time_ns,
        received_ns=time_ns + _MINUTE_NS,
        id="",
        level=draw(st.sampled_from(("", *LEVELS))),
        user=draw(_name),
        device=draw(_name),
        component=draw(_name),
        attributes=attributes_json(draw(_attributes)),
        pattern=draw(_name),
    )


@st.composite
def _value(draw: st.DrawFn) -> tuple[str, str, float | None]:
    kind = draw(st.sampled_from(("text", "text", "number", "bool", "null", "object", "array")))
    if kind == "text":
        return draw(_sentence | _odd_text), kind, None
    if kind == "number":
        number = draw(
            st.sampled_from(NUMBERS) | st.floats(allow_nan=False, allow_infinity=False) | st.integers(-20, 20)
        )
        return msgspec.json.encode(number).decode(), kind, float(number)
    fixed = {
        "bool": ("true", "false"),
        "null": ("null",),
        "object": ('{"timeout":5,"k":"Ärger"}', "{}"),
        "array": ("[5,10]", '["reset by peer"]'),
    }
    return draw(st.sampled_from(fixed[kind])), kind, None


_attributes = st.dictionaries(
    st.sampled_from(ATTRIBUTE_KEYS),
    st.sampled_from((*ATTRIBUTE_TEXTS, *SCALARS)) | _odd_text | st.floats(allow_nan=False, allow_infinity=False),
    max_size=5,
)


_field = st.sampled_from(
    (*ast.ID_FIELDS, *ast.NAME_FIELDS, "value", *(ast.ATTRIBUTE_PREFIX + key for key in ATTRIBUTE_KEYS))
)
_ignoring_case = st.sampled_from((*ast.NAME_FIELDS, *(ast.ATTRIBUTE_PREFIX + key for key in ATTRIBUTE_KEYS)))
_field_text = st.sampled_from((*NAMES, *ATTRIBUTE_TEXTS, *JSON_TEXTS)) | _odd_text | _sentence
_folded_tokens = st.sampled_from(WORDS).map(lambda word: tokens(word)[0]) | _odd_text.map(tokens).filter(bool).map(
    lambda found: found[0]
)
_number = st.sampled_from(NUMBERS) | st.floats(allow_nan=False, allow_infinity=False)
_operator = st.sampled_from(("<", "<=", ">", ">="))

_leaves = st.one_of(
    st.builds(ast.All),
    st.builds(ast.Word, _folded_tokens),
    st.builds(ast.Phrase, st.lists(_folded_tokens, min_size=2, max_size=3).map(tuple)),
    st.builds(ast.WordPrefix, _folded_tokens.map(lambda token: token[:3]).map(fold)),
    st.builds(ast.Equals, _field, _field_text),
    st.builds(ast.Equals, st.just("level"), st.sampled_from(("", *LEVELS))),
    st.builds(ast.Equals, _ignoring_case, _field_text.map(fold), st.just(True)),
    st.builds(ast.Prefix, _field, _field_text),
    st.builds(ast.Prefix, _ignoring_case, _field_text.map(fold), st.just(True)),
    st.builds(ast.Regex, _field | st.just("level"), st.sampled_from(PATTERNS)),
    st.builds(ast.Exists, _field | st.just("level")),
    st.builds(ast.Compare, _field.filter(lambda field: field == "value" or "." in field), _operator, _number),
    st.builds(ast.LevelCompare, _operator, st.sampled_from(LEVELS)),
)


def queries(max_leaves: int = 8) -> st.SearchStrategy[ast.Query]:
    """Any tree the parser can make: every field and leaf, And and Or of two children or more."""
    return st.recursive(_leaves, _branches, max_leaves=max_leaves)


def _branches(children: st.SearchStrategy[ast.Query]) -> st.SearchStrategy[ast.Query]:
    some = st.lists(children, min_size=2, max_size=4).map(tuple)
    return st.builds(ast.Not, children) | st.builds(ast.And, some) | st.builds(ast.Or, some)
