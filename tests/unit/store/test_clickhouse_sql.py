"""Queries as SQL: nothing a user wrote stands in it, and every node becomes two-valued SQL."""

import pytest

from logkeep.query import ast
from logkeep.query.regex import escape
from logkeep.store.clickhouse_sql import (
    FOLDED_VALUE,
    Condition,
    compile_query,
    group_expression,
    text_literal,
    text_parameter,
)

HOSTILE = "x') OR 1=1 -- {q0:String} \\' \t\n\0"


@pytest.mark.parametrize(
    "query",
    [
        ast.Word(HOSTILE),
        ast.Phrase((HOSTILE, HOSTILE)),
        ast.WordPrefix(HOSTILE),
        *(
            ast.Equals(field, HOSTILE, fold)
            for field in (*ast.FIELDS, f"attributes.{HOSTILE}")
            for fold in (False, True)
        ),
        *(ast.Prefix(field, HOSTILE) for field in (*ast.FIELDS, f"attributes.{HOSTILE}")),
        *(ast.Regex(field, escape(HOSTILE)) for field in ("value", "user", "id")),
        ast.Exists(f"attributes.{HOSTILE}"),
        ast.Compare(f"attributes.{HOSTILE}", ">", 1.0),
    ],
)
def test_what_a_user_wrote_is_bound_and_never_pasted(query: ast.Query) -> None:
    condition = compile_query(ast.Not(ast.Or((query, query))))
    assert "1=1" not in condition.sql
    assert all(not set("\t\n\0") & set(value) for value in condition.parameters.values())


def test_parameters_are_escaped_as_the_engine_reads_them() -> None:
    assert text_parameter("a\\b\tc\nd\re\0f'g") == "a\\\\b\\tc\\nd\\re\\0f'g"
    assert text_literal("it's \\") == "'it\\'s \\\\'"


def test_a_tree_keeps_its_shape() -> None:
    query = ast.And((ast.Equals("user", "u"), ast.Or((ast.Exists("device"), ast.Not(ast.All())))))
    assert compile_query(query) == Condition("((user = {q0:String}) AND ((device != '') OR (NOT 1)))", {"q0": "u"})


@pytest.mark.parametrize(
    ("query", "sql"),
    [
        (ast.And(()), "(1)"),
        (ast.Or(()), "(0)"),
        (ast.LevelCompare(">=", "error"), "(level IN ('error', 'fatal'))"),
        (ast.LevelCompare("<", "trace"), "0"),
        (ast.Equals("level", "loud"), "0"),
        (ast.Equals("level", ""), "(level IN (''))"),
        (ast.Equals("level", "WARN", fold=True), "(level IN ('warn'))"),
        (ast.Prefix("level", "f"), "(level IN ('fatal'))"),
        (ast.Exists("level"), "(level IN ('trace', 'debug', 'info', 'warn', 'error', 'fatal'))"),
        (ast.Exists("value"), "1"),
    ],
)
def test_what_needs_no_parameter_has_none(query: ast.Query, sql: str) -> None:
    assert compile_query(query) == Condition(sql, {})


def test_words_of_a_whole_value_go_to_the_text_index_first() -> None:
    found = compile_query(ast.Equals("value", "Timed out!"))
    assert found.sql.startswith(f"(hasAllTokens({FOLDED_VALUE}, [")
    assert list(found.parameters.values()) == ["Timed out!", "timed", "out"]


def test_the_last_word_of_a_prefix_may_go_on() -> None:
    assert list(compile_query(ast.Prefix("value", "timed ou")).parameters.values()) == ["timed ou", "timed"]


def test_a_group_is_the_text_of_a_field() -> None:
    assert group_expression("level") == Condition("toString(toString(level))", {})
    assert group_expression("attributes.os") == Condition(
        "toString(if(JSONExtractString(attributes, {g0:String}) != '', JSONExtractString(attributes, {g0:String}),"
        " if(JSONType(attributes, {g0:String}) = 'Null' AND JSONHas(attributes, {g0:String}), 'null', '')))",
        {"g0": "os"},
    )


@pytest.mark.parametrize(
    ("query", "part"),
    [
        (ast.Regex("value", "[A-Z]aymentRefused-(no|yes) By"), "aymentrefused"),
        (ast.Regex("value", "größere alsooo"), "alsooo"),  # a letter that is folded with its neighbours is left out
        (ast.Regex("value", "ses[a-z]+ [a-z]+ ion"), None),  # in too many tokens
        (ast.Regex("value", "ab|cdef"), None),
        (ast.Regex("value", "a.b.c.d"), None),
        (ast.Regex("user", "^Anna_maria%x"), "maria"),
        (ast.Regex("value", "timed Out after [0-9]+ ms"), None),  # whole words are better
        (ast.Regex("id", "abcdef"), None),
        (ast.Prefix("value", "Payme"), "payme"),
        (ast.Prefix("session", "abcd"), None),  # the engine looks at the index by itself
    ],
)
def test_what_a_match_cannot_do_without_is_asked_of_the_index_first(query: ast.Query, part: str | None) -> None:
    condition = compile_query(query)
    asked = [name for name in condition.parameters if f"LIKE concat('%', {{{name}:String}}, '%')" in condition.sql]
    assert [condition.parameters[name] for name in asked] == ([part] if part else [])
    assert "LIKE" not in compile_query(query, looks_parts_up=False).sql


def test_whole_words_of_a_regex_are_looked_for_as_words() -> None:
    condition = compile_query(ast.Regex("value", "timed Out after [0-9]+ ms, (x|y) über alles "))
    assert condition.sql.startswith(f"(hasAllTokens({FOLDED_VALUE}, [{{q1:String}}, {{q2:String}}, {{q3:String}}, {{q4")
    assert list(condition.parameters.values())[1:] == ["out", "after", "ms", "alles"]
