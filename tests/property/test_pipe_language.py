"""Any text with pipes is a query or a refusal; any query with stages survives printing."""

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.property.strategies_pipes import statements

from logkeep.errors import QuerySyntaxError
from logkeep.query.completion import complete
from logkeep.query.parser import parse_statement
from logkeep.query.printer import statement_text
from logkeep.query.stages import FUNCTION_NAMES, STAGES, Statement

_PIECES = (
    *FUNCTION_NAMES, *(row.name for row in STAGES), "|", "|", "|", " ", " ", "by", ",", "(", ")", "()", "value", "user",
    "attributes.os", 'attributes."a b"', "level", "bin(5m)", "bin", "5", "10", "asc", "desc", "time", "a", "error",
    '"', "*", ":", "json", "stats", "where", "é", "-", "as", "group by", "\x00", "count()", "{x=", "[1 TO",
)  # fmt: skip
_pipe_like = st.lists(st.sampled_from(_PIECES), max_size=14).map(" ".join) | st.lists(
    st.sampled_from(_PIECES), max_size=10
).map("".join)


@settings(max_examples=500, deadline=None)
@given(_pipe_like | _pipe_like.map(lambda text: f"error | {text}"))
def test_any_text_with_pipes_is_a_query_or_is_refused_at_a_column_inside_it(text: str) -> None:
    try:
        statement = parse_statement(text)
    except QuerySyntaxError as error:
        assert 1 <= error.column <= len(text) + 1
        assert 0 < len(error.message) < 400
    else:
        assert parse_statement(statement_text(statement)) == statement


@settings(max_examples=300, deadline=None)
@given(statements())
def test_a_printed_query_with_stages_reads_as_itself(statement: Statement) -> None:
    text = statement_text(statement)
    assert parse_statement(text, chars_max=100_000) == statement
    assert statement_text(parse_statement(text, chars_max=100_000)) == text


@settings(max_examples=300, deadline=None)
@given(_pipe_like | st.text(max_size=30), st.integers(-5, 60))
def test_any_place_in_any_text_can_be_completed(text: str, position: int) -> None:
    found = complete(text, position)
    assert 0 <= found.start <= found.end <= len(text)
    assert text[found.start : found.end].startswith(found.written)
