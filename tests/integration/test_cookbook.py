"""Every query of docs/how-to/query-cookbook.md does what it says on generated events, the same in every store."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from logkeep.clock import NS_PER_DAY
from logkeep.event import Event, WireEvent
from logkeep.loadgen.events import BLOCK_EVENTS_MAX, EventMaker
from logkeep.processor.normalise import TimeLimits, normalise
from logkeep.query.parser import parse_statement
from logkeep.query.printer import statement_text
from logkeep.query.stages import Statement
from logkeep.store.embedded import EmbeddedStore
from logkeep.store.memory import MemoryStore
from logkeep.store.port import Batch, SearchRequest, StatsRequest, Store
from logkeep.store.reading import Reading

PAGE = (Path(__file__).parents[2] / "docs" / "how-to" / "query-cookbook.md").read_text()
QUERIES = re.findall(r"^```query\n(.*?)\n```$", PAGE, re.MULTILINE | re.DOTALL)
END_NS = 1_785_578_400_000_000_000  # 2026-08-01T10:00:00Z
EVENTS = 16 * BLOCK_EVENTS_MAX


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Store]]:
    made = list(_generated())
    embedded = EmbeddedStore(tmp_path_factory.mktemp("store"), readers=1)
    memory = MemoryStore()
    for store in (embedded, memory):
        store.write(Batch("all", made))
    yield [embedded, memory]
    embedded.close()


def _generated() -> Iterator[Event]:
    maker = EventMaker(1, days=1, end_ns=END_NS, events=EVENTS)
    limits = TimeLimits(0, END_NS)
    lines = [line for _ in range(EVENTS // BLOCK_EVENTS_MAX) for line in maker.lines(BLOCK_EVENTS_MAX)]
    for number, line in enumerate(lines):
        wire = msgspec.json.decode(line, type=WireEvent)
        yield normalise(wire, "shop", f"e{number:05}", END_NS, limits, {})


def _answer(store: Store, statement: Statement) -> tuple[int, object]:
    """How many rows or events, and what they are."""
    from_ns, to_ns = END_NS - 2 * NS_PER_DAY, END_NS
    if statement.making is not None:
        table = store.stats(Reading(), StatsRequest("shop", statement, from_ns, to_ns, to_ns))
        cells = [_rounded(cell) for row in table.rows for cell in row]
        return len(table.rows), (table.columns, cells)
    request = SearchRequest(
        "shop", statement.filter, from_ns, to_ns, "desc", statement.limit or 100, None,
        () if statement.sort and statement.sort[0].column == "time" else statement.sort, statement.context,
    )  # fmt: skip
    page = store.search(Reading(), request)
    return page.count, json.loads(page.events)


def _rounded(cell: object) -> object:
    """Sums of doubles differ in their last digits by the order of summing."""
    return float(f"{cell:.12g}") if isinstance(cell, float) else cell


@pytest.mark.parametrize("query", QUERIES)
def test_a_query_of_the_cookbook_finds_something_and_the_same_in_every_store(stores: list[Store], query: str) -> None:
    statement = parse_statement(query)
    embedded, memory = (_answer(store, statement) for store in stores)
    assert embedded == memory
    assert embedded[0] > 0
    if statement.limit is not None:
        assert statement.context or embedded[0] <= statement.limit
    assert parse_statement(statement_text(statement)) == statement


def test_the_cookbook_uses_every_stage_and_nearly_every_function() -> None:
    text = " ".join(QUERIES)
    words = set(re.findall(r"\w+", text))
    assert {"count", "rate", "uniq", "sum", "avg", "min", "max", "p50", "p95", "top", "sort", "limit", "context",
            "fields", "bin"} <= words  # fmt: skip
    assert len(QUERIES) == PAGE.count("```query")
