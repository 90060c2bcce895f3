"""Stages: text → values, back to canonical text, and what is said about slips."""
# Examples, a line each:
# ruff: noqa: E501

import pytest

from logkeep.errors import QuerySyntaxError
from logkeep.query.ast import FIELDS, All, Word
from logkeep.query.parser import parse_statement
from logkeep.query.printer import statement_text
from logkeep.query.stages import (
    CONTEXT_MAX,
    FUNCTIONS_MAX,
    ROWS_MAX,
    Aggregate,
    Bin,
    Context,
    Fields,
    Function,
    Limit,
    Patterns,
    Sort,
    SortKey,
    Stage,
    Top,
)

COUNT = Function("count")
MINUTE_NS = 60 * 10**9

STAGES: list[tuple[str, str, tuple[Stage, ...]]] = [
    ("| count", "* | count", (Aggregate((COUNT,)),)),
    ("|COUNT|Limit 3", "* | count | limit 3", (Aggregate((COUNT,)), Limit(3))),
    (
        "| count, uniq user, p95( value ) by Component ,bin( 300s )",
        "* | count, uniq(user), p95(value) by component, bin(5m)",
        (
            Aggregate(
                (COUNT, Function("uniq", "user"), Function("p95", "value")), ("component", Bin(5 * MINUTE_NS))
            ),
        ),
    ),
    (
        '| avg(attributes."odd name") by attributes.x.y',
        '* | avg(attributes."odd name") by attributes.x.y',
        (Aggregate((Function("avg", "attributes.odd name"),), ("attributes.x.y",)),),
    ),
    ("| rate by bin(90s)", "* | rate by bin(90s)", (Aggregate((Function("rate"),), (Bin(90 * 10**9),)),)),
    ("|Patterns| limit 3", "* | patterns | limit 3", (Patterns(), Limit(3))),
    ("| top 10 terminal", "* | top 10 device", (Top(10, "device"),)),
    (
        "| top 5 user | sort count, user DESC | fields count",
        "* | top 5 user | sort count, user desc | fields count",
        (Top(5, "user"), Sort((SortKey(COUNT), SortKey("user", True))), Fields((COUNT,))),
    ),
    (
        "| count by bin(14d) | sort bin(2w) desc",
        "* | count by bin(2w) | sort bin(2w) desc",
        (Aggregate((COUNT,), (Bin(14 * 1440 * MINUTE_NS),)), Sort((SortKey(Bin(14 * 1440 * MINUTE_NS), True),))),
    ),
    (
        "| sort time asc, value desc | limit 2 | context 3 | fields time, attributes.a",
        "* | sort time, value desc | limit 2 | context 3 | fields time, attributes.a",
        (
            Sort((SortKey("time"), SortKey("value", True))), Limit(2), Context(3), Fields(("time", "attributes.a")),
        ),
    ),
]  # fmt: skip


@pytest.mark.parametrize(("text", "printed", "stages"), STAGES, ids=[text for text, _, _ in STAGES])
def test_stages_read_as_written_and_print_in_one_way(text: str, printed: str, stages: tuple[Stage, ...]) -> None:
    statement = parse_statement(text)
    assert (statement.filter, statement.stages, statement_text(statement)) == (All(), stages, printed)


def test_the_filter_ends_at_the_first_bar() -> None:
    assert parse_statement("a|count").filter == Word("a")
    assert parse_statement('"a | count"').stages == ()


_BEGIN = (
    "stages begin with count, rate, uniq, sum, avg, min, max, p50, p75, p90, p95, p99, top, patterns, sort, limit,"
    " context, fields"
)
_FIELDS = f"fields are {', '.join(FIELDS)} and attributes.NAME"

REFUSALS = [
    ("a |", 4, f"a stage is missing after `|`; {_BEGIN}"),
    ("a | | count", 5, f"a stage is missing after `|`; {_BEGIN}"),
    ("a | cuont", 5, f"unknown stage cuont; did you mean count? {_BEGIN}"),
    ("(a | count)", 1, "`(` is not closed; add `)`, or quote the text it belongs to"),
    ("a or | count", 6, "a term is missing after `or`"),
    ("user: | count", 7, "user: is followed by nothing; write a text, or user:* for `is set`"),
    ("a | count || b", 11, "write `or` for `||`"),
    # order
    ("a | count | avg(value)", 13, "one table a query: join functions with commas, as in count, avg(value) by key"),
    ("a | limit 5 | sort time", 15, "`sort` stands before `limit`; swap them"),
    ("a | limit 5 | limit 6", 15, "`limit` stands twice; keep one"),
    ("a | sort time | count", 17, "`count` is of all that match: it stands before `sort`"),
    ("a | count | context 3", 13, "`context` is of events, and here are numbers; leave one of the two stages out"),
    # functions
    ("a | count()", 10, "write `count` without parentheses"),
    (
        "a | count(user)",
        10,
        "`count` counts events and takes nothing; write `user:*` before the first `|` for events with a user, or "
        "uniq(user) for how many users",
    ),
    ("a | p95", 8, "`p95` takes a field in parentheses, as in p95(value)"),
    ("a | p95 value", 9, "`p95` takes a field in parentheses, as in p95(value)"),
    ("a | sum()", 8, "nothing to compute stands in the parentheses; write sum(value)"),
    ("a | sum(value", 14, "`)` is missing here, as in sum(value)"),
    ("a | p95(user)", 5, "user is text, and `p95` takes numbers: value or attributes.NAME"),
    ("a | p95(value, 3)", 14, "`p95` takes one field, as in p95(value); the per cent stands in the name: p95"),
    ("a | uniq", 9, "a field is missing after `uniq`, as in uniq(user)"),
    ("a | count, count", 12, "count stands twice; keep one"),
    ("a | count avg(value)", 11, "a comma is missing between two functions"),
    ("a | count as n", 11, "columns keep their names; leave `as` out"),
    # groups
    ("a | count by", 13, "a field is missing after `by`, as in by component"),
    ("a | count by os", 14, f"unknown field os; did you mean attributes.os? {_FIELDS}"),
    ("a | count by service", 14, f"unknown field service; did you mean component? {_FIELDS}"),
    ("a | count by app", 14, "app is not part of the query: every query is inside one app"),
    ("a | count by (user)", 14, "fields after `by` stand without parentheses, such as by component, level"),
    ("a | count by time", 14, "parts of the time are written bin(5m), with a width in ms, s, m, h, d or w"),
    (
        "a | count by bin(5min)",
        18,
        "a width is a whole number and ms, s, m, h, d or w, as in bin(5m); nothing else stands there",
    ),
    ("a | count by bin(400d)", 18, "a width of 400d is not within 1ms and 366d"),
    ("a | count by bin(0m)", 18, "a width of 0m is not within 1ms and 366d"),
    ("a | count by bin(1m), bin(5m)", 30, "one `bin` is enough; take the narrower"),
    ("a | count by user component", 19, "after `count` comes a comma, a `|` or the end; what stands here does not belong to it"),
    ("a | patterns | sort time", 16, "after `patterns` comes `limit` or the end; what stands here does not belong to it"),
    ("a | count | patterns", 13, "one table a query: join functions with commas, as in count, avg(value) by key"),
    ("a | limit 3 | patterns", 15, "`patterns` is of all that match: it stands before `limit`"),
    ("a | patterns | patterns", 16, "`patterns` stands twice; keep one"),
    ("a | top user", 9, "`top` takes a whole number first, as in top 10 user"),
    ("a | top 10 by user", 12, "`top` takes the field right after the number, as in top 10 user"),
    ("a | top 10 user by key", 17, "`by` does not follow `top`; write `| count by component`"),
    # rows and columns
    ("a | sort by time", 10, "write `sort COLUMN` without `by`"),
    ("a | sort -time", 10, "the direction stands after the column, as in sort count desc"),
    ("a | sort time descending", 15, "write `desc`"),
    ("a | count | sort avg(value)", 18, "there is no column avg(value); columns here are count"),
    ("a | count by key | fields user", 27, "there is no column user; columns here are key, count"),
    ("a | fields id, pattern", 12, "events come without their pattern; count by it, as in top 10 pattern"),
    ("a | limit", 10, "`limit` takes a whole number first, as in limit 100"),
    ("a | limit 0", 11, "0 rows are not within 1 and 10,000"),
    ("a | limit 1.5", 11, "`limit` takes a whole number first, as in limit 100"),
    ("a | context 51", 13, "51 events are not within 1 and 50"),
    ("a | limit 5 context 2", 13, "`|` is missing before `context`"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "column", "message"), REFUSALS, ids=[text for text, _, _ in REFUSALS])
def test_a_slip_in_a_stage_is_refused_at_its_column(text: str, column: int, message: str) -> None:
    with pytest.raises(QuerySyntaxError) as refused:
        parse_statement(text)
    assert (refused.value.column, refused.value.message) == (column, message)


def test_stages_are_bounded() -> None:
    parse_statement(f"| limit {ROWS_MAX} | context {CONTEXT_MAX}")
    columns = ", ".join(f"sum(attributes.a{n})" for n in range(FUNCTIONS_MAX))
    parse_statement(f"| {columns}")
    for text, message in [
        (f"| {columns}, count", "more than 10 functions; leave some out"),
        ("| count by " + ", ".join(f"attributes.a{n}" for n in range(5)), "more than 4 groups; leave some out"),
        ("| sort " + ", ".join(f"attributes.a{n}" for n in range(5)), "more than 4 columns to sort by; leave some out"),
        ("| fields " + ", ".join(f"attributes.a{n}" for n in range(21)), "more than 20 columns; leave some out"),
    ]:
        with pytest.raises(QuerySyntaxError, match=message):
            parse_statement(text)


@pytest.mark.parametrize("text", ["| " + "x" * 4000, "| count by " + "x" * 4000, "| limit " + "9" * 4000,
                                  "| count by attributes." + "x" * 3000 + ", attributes." + "y" * 900 + " z"])  # fmt: skip
def test_a_message_about_a_stage_stays_short(text: str) -> None:
    with pytest.raises(QuerySyntaxError) as refused:
        parse_statement(text)
    assert len(refused.value.message) < 400
