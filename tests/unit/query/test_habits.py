"""What people write out of habit is refused with what to write instead; the table is the one of the reference page."""
# Examples, a line each:
# ruff: noqa: E501

import pytest

from logkeep.errors import QuerySyntaxError
from logkeep.query.habits import FUNCTION_HABITS, HABITS, STAGE_HABITS, Habit
from logkeep.query.parser import parse_statement
from logkeep.query.stages import FUNCTION_NAMES, STAGES

# Where the message says what to write in general, not for this very query.
GENERAL = {
    "SELECT * FROM logs WHERE level = 'error'": "write only the condition, such as level:error",
    "level = 'error'": 'text is quoted with plain double quotes, such as "timed out"',
    "value LIKE 'time%'": "write value:start* or value:/regex/",
    "level IN ('warn', 'error')": "write level:(one or other)",
    "level <> 'error'": "write `!=`",
    "error | count(*)": "write `count` without parentheses",
    "error | count GROUP BY component": "write `by` for `group by`",
    "* | count by user | order by count desc": "write `| sort FIELD desc`",
    'timeout |~ "re.*"': "value:/regex/",
    "timeout | json | status >= 500": "attributes are read as they are",
    'sum by (component) (rate({app="x"}[5m]))': "component:cart | rate by component, bin(5m)",
    "_exists_:user": "did you mean user:* for `is set`?",
    "error && !retry": "write `and` for `&&`",
    "error || fatal": "write `or` for `||`",
    'value contains "timed out"': 'write value:"the words"',
    'level == "error"': "write `=` for equal",
    "error | where value > 5": "conditions stand before the first `|`, as in level:error value>5 | count",
    "error | take 10": "write `| limit 10`",
    "error | head 10": "write `| limit 10`",
    "error | project user, value": "write `| fields user, value`",
    "error | timechart span=5m count by level": "`| count by level, bin(5m)`",
}


@pytest.mark.parametrize("habit", HABITS, ids=[habit.there for habit in HABITS])
def test_a_habit_is_refused_with_what_to_write(habit: Habit) -> None:
    with pytest.raises(QuerySyntaxError) as refused:
        parse_statement(habit.there)
    written = habit.here.removeprefix("error ").removeprefix("* ")
    assert GENERAL.get(habit.there, written) in refused.value.message
    parse_statement(habit.here)


def test_no_habit_hides_a_word_of_the_language() -> None:
    words = {*FUNCTION_NAMES, *(row.name for row in STAGES if row.name)}
    assert words & {*STAGE_HABITS, *FUNCTION_HABITS} == set()


@pytest.mark.parametrize("word", [*STAGE_HABITS, *FUNCTION_HABITS])
def test_every_habitual_stage_says_what_to_write(word: str) -> None:
    with pytest.raises(QuerySyntaxError) as refused:
        parse_statement(f"a | {word}(x)")
    assert refused.value.column == 5
    assert refused.value.message.startswith(f"`{word}` is not known")


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ('{component="cart", level!~"debug|info", host="a b"}', 'component:cart -level:/debug|info/ attributes.host:"a b"'),
        ('{job="x"} != "retry" |~ `time.?out`', 'component:x -"retry" value:/time.?out/'),
    ],
)  # fmt: skip
def test_a_logql_selector_is_translated(text: str, written: str) -> None:
    with pytest.raises(QuerySyntaxError) as refused:
        parse_statement(text)
    assert refused.value.message == f"fields are written without braces: write {written}"
    parse_statement(written)


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("level:{warn TO error}", "level:warn..error"),
        ("level:[warn TO *]", "level>=warn"),
        ("level:[* TO INFO]", "level<=INFO"),
        ("level:[1 TO 5]", "level:warn..error"),
        ("value:[a TO b]", "value:1..5"),
        ("attributes.ms:[* TO 5]", "attributes.ms<=5"),
    ],
)
def test_a_range_is_suggested_as_the_parser_takes_it(text: str, written: str) -> None:
    with pytest.raises(QuerySyntaxError) as refused:
        parse_statement(text)
    assert f" {written} " in refused.value.message
    parse_statement(written)


def test_a_range_of_a_text_is_refused_with_what_ranges_are_of() -> None:
    with pytest.raises(QuerySyntaxError, match=r"^user is text, and ranges are of numbers"):
        parse_statement("user:[a TO b]")


@pytest.mark.parametrize(
    "text", ["te?t", "te??t", "te?t?s", "foo~2", "roam~0.8", "boost^4", "value:te?t", "a or roam~"]
)
def test_what_lucene_writes_into_a_word_is_no_text(text: str) -> None:
    with pytest.raises(QuerySyntaxError, match=r"or quote the text$"):
        parse_statement(text)


@pytest.mark.parametrize(
    "text",
    [
        "what?", "what??", "2^4", "x^2", "/users/ada?page=2", "a/b?c", "id?x=1", "www.x.org/?q",
        '"te?t"', '"roam~"', "user:te?t", "attributes.path:a?b", "notes~3", "C~1", "a~b", "5~", "value:what?",
    ],
)  # fmt: skip
def test_what_may_be_text_stays_text(text: str) -> None:
    parse_statement(text)


def test_capitals_of_and_or_not_are_no_slip() -> None:
    assert parse_statement("a AND NOT b OR c") == parse_statement("a and not b or c")
