"""Any text is a query or a refusal; any query survives printing; matching obeys the laws of logic."""

import itertools
import re

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.property.strategies import events, queries

from logkeep.errors import QuerySyntaxError
from logkeep.event import Event
from logkeep.query import ast
from logkeep.query.automaton import Automaton
from logkeep.query.literals import longest_literal
from logkeep.query.match import matcher, matches
from logkeep.query.parser import parse
from logkeep.query.printer import to_text
from logkeep.query.regex import PatternError
from logkeep.query.text import fold, tokens

_PIECES = (
    "a", "timeout", "and", "or", "not", "-", "!", "(", ")", "*", '"', "\\", ":", "=", "!=", "<", ">=", "/",
    "|", "..", "5",
    "1e9", " ", "  ", "\t", "level", "error", "value", "component", "user", "time", "attributes",
    "attributes.os", ".", ",", "'",
    "[", "{", "]", "}", "~", "é", "“", "\x00", "like", "in",
)  # fmt: skip
_query_like = st.lists(st.sampled_from(_PIECES), max_size=14).map("".join)
_PATTERN_PIECES = (
    "a", "b", "1", "_", "é", ".", "|", "(", ")", "(?:", "[", "]", "^", "$", "-", "*", "+", "?", "{2}", "{1,}", "{0,2}",
    "\\d", "\\W", "\\s", "\\b", "\\n", "\\.", "\\", "[a-b]", "[^a1]", "[\\d_]",
)  # fmt: skip
_few_words = st.lists(st.sampled_from(("a", "ab", "b", "é", "Σ", " ", "-", "\x00", "1")), max_size=12).map("".join)
_words = st.text(st.characters(exclude_categories=("Cs",)), max_size=20)


@settings(max_examples=500, deadline=None)
@given(_query_like | st.text(st.characters(), max_size=40))
def test_any_text_is_a_query_or_is_refused_at_a_column_inside_it(text: str) -> None:
    try:
        query = parse(text)
    except QuerySyntaxError as error:
        assert 1 <= error.column <= len(text) + 1
        assert error.message
    else:
        assert parse(to_text(query)) == query


@settings(max_examples=200, deadline=None)
@given(queries(max_leaves=12))
def test_a_printed_query_reads_as_itself(query: ast.Query) -> None:
    assert parse(to_text(query), chars_max=100_000) == query


@settings(max_examples=50, deadline=None)
@given(events(max_size=4), queries(max_leaves=3), queries(max_leaves=3))
def test_matching_obeys_the_laws_of_logic(found: list[Event], a: ast.Query, b: ast.Query) -> None:
    for event in found:
        in_a, in_b = matches(a, event), matches(b, event)
        assert matches(ast.Not(a), event) is not in_a
        assert matches(ast.And((a, b)), event) is (in_a and in_b)
        assert matches(ast.Or((a, b)), event) is (in_a or in_b)
        assert matches(ast.Not(ast.And((a, b))), event) is matches(ast.Or((ast.Not(a), ast.Not(b))), event)
        assert matches(ast.Not(ast.Or((a, b))), event) is matches(ast.And((ast.Not(a), ast.Not(b))), event)


@settings(max_examples=50, deadline=None)
@given(events(max_size=6))
def test_every_word_of_a_value_finds_it_whole_in_part_and_in_line(found: list[Event]) -> None:
    for event in found:
        words = tokens(event.value)
        for word in words:
            assert matches(ast.Word(word), event)
            assert matches(ast.WordPrefix(word[:2]), event)
        for pair in itertools.pairwise(words):
            assert matches(ast.Phrase(pair), event)
        assert matches(ast.Equals("value", event.value), event)


@settings(max_examples=300, deadline=None)
@given(_words, _words)
def test_folding_and_cutting_do_not_depend_on_what_stands_around(one: str, other: str) -> None:
    assert fold(one + other) == fold(one) + fold(other)
    assert fold(fold(one)) == fold(one)
    assert tokens(fold(one)) == tokens(one)
    assert tokens(f"{one} {other}") == tokens(one) + tokens(other)


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.sampled_from(_PATTERN_PIECES), min_size=1, max_size=8).map("".join),
    st.lists(st.text("ab1_é \n-.", max_size=8), max_size=5),
)
def test_a_pattern_of_the_subset_finds_what_python_finds(pattern: str, texts: list[str]) -> None:
    try:
        automaton = Automaton(pattern)
    except PatternError as error:
        assert 0 <= error.offset <= len(pattern)
        return
    # Where Python differs from RE2: `$` before a last newline, and \s with \v (not drawn).
    reference = re.compile(_dollar_at_the_end_only(pattern), re.ASCII)
    for text in texts:
        assert automaton.search(text) is (reference.search(text) is not None)


def _dollar_at_the_end_only(pattern: str) -> str:
    return re.sub(r"\\.|\[(?:\\.|[^\]\\])*\]|\$", lambda part: "\\Z" if part[0] == "$" else part[0], pattern)


def test_a_query_is_compiled_once_for_many_events() -> None:
    assert matcher(parse("a b")) is matcher(parse("a  and b"))


@settings(max_examples=300, deadline=None)
@given(_words | _few_words, _words)
def test_words_phrases_and_prefixes_are_found_where_cutting_into_tokens_finds_them(value: str, other: str) -> None:
    """The evaluator looks for tokens without cutting the text up; this is what it must come to."""
    event = Event("a", "s", "k", value, "text", None, 1, 1, "e")
    there = tokens(value)
    for wanted in [*there[:4], *tokens(other)[:4], "a", "b", "é", "1"]:
        assert matches(ast.Word(wanted), event) == (wanted in there)
        assert matches(ast.WordPrefix(wanted), event) == any(token.startswith(wanted) for token in there)
        for second in [*there[:4], "a"]:
            runs = itertools.pairwise(there)
            assert matches(ast.Phrase((wanted, second)), event) == ((wanted, second) in runs)


@settings(max_examples=500, deadline=None)
@given(st.lists(st.sampled_from(_PATTERN_PIECES), max_size=8).map("".join), st.text("ab1_é. -", max_size=12))
def test_the_literal_of_a_pattern_stands_in_every_text_it_is_found_in(pattern: str, text: str) -> None:
    try:
        literal = longest_literal(pattern)
        found = Automaton(pattern).search(text)
    except PatternError:
        return
    assert literal in text or not found
