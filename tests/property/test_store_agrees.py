"""Every store answers as query/match.py and query/pipes.py say it should: the same events and tables, for any query.

LOGKEEP_TEST_PAIRS=20000 runs as many pairs of an event and a query through each test (CONTRIBUTING.md).
"""

import itertools
import json
import math
import os
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st
from tests.contract.stores import OPENERS, opened_store
from tests.property.strategies import events, queries
from tests.property.strategies_pipes import event_statements, table_statements

from logkeep.clock import SystemClock
from logkeep.event import Event, attributes_json, attributes_of
from logkeep.query import ast
from logkeep.query.match import matches
from logkeep.query.stages import Statement
from logkeep.store.memory import MemoryStore
from logkeep.store.page import event_json
from logkeep.store.port import Batch, SearchRequest, StatsRequest, Store
from logkeep.store.reading import Reading

FOREVER = (1 << 63) - 1
PAIRS = int(os.environ.get("LOGKEEP_TEST_PAIRS", "0"))
EVENTS_AT_LEAST, QUERIES_AT_LEAST = 4, 6  # an example of the long run; so its number of examples is known
pytestmark = pytest.mark.timeout(7200 if PAIRS else 300)
_apps = itertools.count()
_pairs: dict[str, int] = {}

# An example is a batch of its own and some queries on it: the engine takes 15 ms for each of them.
_bounded = settings(
    max_examples=-(-PAIRS // (EVENTS_AT_LEAST * QUERIES_AT_LEAST)) if PAIRS else 30,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
    print_blob=True,
)
_drawn = events(min_size=EVENTS_AT_LEAST if PAIRS else 1, max_size=8)


def _asked(one: st.SearchStrategy[ast.Query] | st.SearchStrategy[Statement]) -> st.SearchStrategy[list[object]]:
    return st.lists(one, min_size=QUERIES_AT_LEAST if PAIRS else 3, max_size=8)  # type: ignore[arg-type]


@pytest.fixture(scope="module", params=[name for name in OPENERS if name != "memory"])
def store(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    with opened_store(request.param, tmp_path_factory.mktemp("store"), SystemClock()) as opened:
        yield opened


def _written(store: Store, drawn: Sequence[Event]) -> list[Event]:
    """The events as they are stored, in an app of their own, oldest first."""
    app = f"app-{next(_apps)}"
    stored = [msgspec.structs.replace(event, app=app) for event in drawn]
    store.write(Batch(app, stored))
    return sorted(stored, key=lambda event: (event.time_ns, event.id))


def _count(test: str, drawn: Sequence[Event], asked: Sequence[object]) -> None:
    _pairs[test] = _pairs.get(test, 0) + len(drawn) * len(asked)


@_bounded
@given(drawn=_drawn, asked=_asked(queries()))
def test_the_store_finds_what_the_evaluator_finds(store: Store, drawn: list[Event], asked: list[ast.Query]) -> None:
    _count("filters", drawn, asked)
    stored = _written(store, drawn)
    for query in asked:
        note(repr(query))
        page = store.search(Reading(), SearchRequest(stored[0].app, query, 0, FOREVER, "asc"))
        found = [event for event in stored if matches(query, event)]
        assert json.loads(page.events) == [json.loads(event_json(event)) for event in found]


@_bounded
@given(drawn=_drawn, asked=_asked(table_statements()), cut=st.tuples(st.integers(0, 1200), st.integers(0, 1200)))
def test_the_store_makes_the_tables_that_the_evaluator_makes(
    store: Store, drawn: list[Event], asked: list[Statement], cut: tuple[int, int]
) -> None:
    """The range begins and ends among the events, and its last part has not passed yet."""
    _count("tables", drawn, asked)
    stored = _written(store, [_with_exact_numbers(event) for event in drawn])
    memory = MemoryStore()
    memory.write(Batch("all", stored))
    for statement in asked:
        note(repr(statement))
        from_ns, to_ns = stored[0].time_ns - 10 + cut[0] * 10**9, stored[-1].time_ns + 1 + cut[1] * 10**9
        request = StatsRequest(stored[0].app, statement, from_ns, max(to_ns, from_ns + 1), stored[-1].time_ns)
        assert store.stats(Reading(), request) == memory.stats(Reading(), request)


@_bounded
@given(drawn=_drawn, asked=_asked(event_statements()), order=st.sampled_from(("asc", "desc")))
def test_the_store_orders_events_and_finds_their_neighbours_as_the_evaluator_does(
    store: Store, drawn: list[Event], asked: list[Statement], order: str
) -> None:
    _count("events", drawn, asked)
    sessions = [msgspec.structs.replace(event, session=event.session[:1]) for event in drawn]
    stored = _written(store, sessions)
    memory = MemoryStore()
    memory.write(Batch("all", stored))
    for statement in asked:
        note(repr(statement))
        request = SearchRequest(
            stored[0].app, statement.filter, 0, FOREVER, order,  # type: ignore[arg-type]
            limit=statement.limit or 100, sort=statement.sort, context=statement.context,
        )  # fmt: skip
        found, expected = store.search(Reading(), request), memory.search(Reading(), request)
        assert (json.loads(found.events), found.count, found.next) == (
            json.loads(expected.events), expected.count, expected.next,
        )  # fmt: skip


def test_the_long_run_was_as_long_as_it_was_asked_to_be() -> None:
    assert set(_pairs) == {"filters", "tables", "events"}
    assert min(_pairs.values()) >= PAIRS


def _with_exact_numbers(event: Event) -> Event:
    """`event` with numbers whose sums are exact in any order: small, in eighths."""
    attributes = {
        key: _in_eighths(value) if value.__class__ in (int, float) else value
        for key, value in attributes_of(event).items()
    }
    number = None if event.number is None else _in_eighths(event.number)
    value = event.value if number is None else msgspec.json.encode(number).decode()
    return msgspec.structs.replace(event, number=number, value=value, attributes=attributes_json(attributes))


def _in_eighths(number: Any) -> float:
    return round(math.remainder(number, 1 << 20) * 8) / 8
