"""Every store finds what query/match.py says it should: the same events, for any query, in the same order."""

import itertools
import json
from collections.abc import Iterator

import msgspec
import pytest
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st
from tests.property.strategies import events, queries

from logkeep.event import Event
from logkeep.query import ast
from logkeep.query.match import matches
from logkeep.store.embedded import EmbeddedStore
from logkeep.store.page import event_json
from logkeep.store.port import Batch, SearchRequest, Store
from logkeep.store.reading import Reading

FOREVER = (1 << 63) - 1
_apps = itertools.count()


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    opened = EmbeddedStore(tmp_path_factory.mktemp("store"), readers=1)
    yield opened
    opened.close()


# 40 examples of up to 8 queries on a batch of their own: the engine takes 15 ms for each of them.
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], print_blob=True)
@given(drawn=events(min_size=1, max_size=8), asked=st.lists(queries(), min_size=4, max_size=8))
def test_the_embedded_store_finds_what_the_evaluator_finds(
    store: Store, drawn: list[Event], asked: list[ast.Query]
) -> None:
    app = f"app-{next(_apps)}"
    stored = [msgspec.structs.replace(event, app=app) for event in drawn]
    store.write(Batch(app, stored))
    stored.sort(key=lambda event: (event.time_ns, event.id))
    for query in asked:
        note(repr(query))
        page = store.search(Reading(), SearchRequest(app, query, 0, FOREVER, "asc"))
        found = [event for event in stored if matches(query, event)]
        assert json.loads(page.events) == [json.loads(event_json(event)) for event in found]
