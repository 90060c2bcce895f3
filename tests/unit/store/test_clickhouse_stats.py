"""Stages as SQL: nothing a user wrote stands in it, and numbers are kept once however many percentiles are asked."""

import pytest

from logkeep.query import ast
from logkeep.query.parser import parse_statement
from logkeep.query.stages import Aggregate, Bin, Function, SortKey, Stage, Statement, Top
from logkeep.store.clickhouse_stats import compile_neighbours, compile_stats, sort_order
from logkeep.store.port import StatsRequest

HOSTILE = "x') OR 1=1 -- {q0:String} \\' \t\n\0"
FIELD = f"attributes.{HOSTILE}"


def request(*stages: Stage) -> StatsRequest:
    return StatsRequest(HOSTILE, Statement(ast.Equals("user", HOSTILE), stages), 0, 10, 5)


@pytest.mark.parametrize(
    "stages",
    [
        (Aggregate((Function("p95", FIELD), Function("sum", FIELD), Function("uniq", FIELD)), (FIELD, Bin(60))),),
        (Top(5, FIELD),),
    ],
)
def test_what_a_user_wrote_is_bound_and_never_pasted(stages: tuple[Stage, ...]) -> None:
    asked = compile_stats(request(*stages), [])
    assert "1=1" not in asked.sql
    assert all(not set("\t\n\0") & set(value) for value in asked.parameters.values())


def test_an_order_and_neighbours_bind_too_under_names_of_their_own() -> None:
    order = sort_order((SortKey(FIELD), SortKey("time", True)))
    assert "1=1" not in order.sql and all(name.startswith("o") for name in order.parameters)
    near = compile_neighbours("shop", b'[{"id":"1=1","session":"1=1\'"}]', 3, hiding=True)
    assert "1=1" not in near.sql
    assert near.parameters == {"app": "shop", "i0": "1=1", "s0": "1=1'"}


def test_percentiles_of_one_field_share_one_state() -> None:
    statement = parse_statement("| p50(value), p95(value), p99(value), count, rate")
    sql = compile_stats(StatsRequest("shop", statement, 0, 10, 10), []).sql
    assert sql.count("quantilesExactIf(0.5, 0.05, 0.01)(-number, isFinite(number))") == 1
    assert sql.count("count() AS") == 1
