"""Tables, sorted events and neighbours: what every store promises beyond one filter (store/port.py)."""

import itertools
import json
from collections.abc import Iterator
from typing import Any

import pytest
from tests.contract.stores import OPENERS, opened_store
from tests.events import made_event

from logkeep.clock import NS_PER_S, SystemClock
from logkeep.event import Event
from logkeep.query.parser import parse_statement
from logkeep.query.stages import ROWS_DEFAULT
from logkeep.query.table import Column, Table
from logkeep.store.memory import MemoryStore
from logkeep.store.port import ActivityRequest, Batch, PatternRequest, SearchRequest, StatsRequest, Store
from logkeep.store.reading import LimitReached, Limits, Reading

T0 = 1_760_054_400 * NS_PER_S  # 2025-10-10T00:00:00Z
DAY_NS = 86_400 * NS_PER_S
_numbers = itertools.count()


class Opened:
    """A store and an app of its own for each test."""

    def __init__(self, store: Store) -> None:
        self.store, self.app = store, ""

    def write(self, *events: dict[str, Any]) -> None:
        """Events e0, e1, …, a second apart."""
        made = [self._event(number, fields) for number, fields in enumerate(events)]
        self.store.write(Batch(f"token-{next(_numbers)}", made))

    def _event(self, number: int, fields: dict[str, Any]) -> Event:
        value = fields.pop("value", "hello")
        given: dict[str, Any] = {
            "app": self.app, "session": "s", "key": "k", "value": str(value),
            "kind": "text" if isinstance(value, str) else "number",
            "number": None if isinstance(value, str) else float(value),
            "time_ns": T0 + number * NS_PER_S, "received_ns": T0 + number * NS_PER_S, "id": f"e{number}",
        }  # fmt: skip
        return made_event(**(given | fields))

    def table(self, query: str, from_ns: int = 0, to_ns: int = T0 + DAY_NS, reading: Reading | None = None) -> Table:
        request = StatsRequest(self.app, parse_statement(query), from_ns, to_ns, to_ns)
        return self.store.stats(reading or Reading(), request)

    def events(self, query: str, order: str = "desc", limit: int = 100) -> list[dict[str, Any]]:
        asked = parse_statement(query)
        request = SearchRequest(
            self.app, asked.filter, 0, T0 + DAY_NS, order,  # type: ignore[arg-type]
            asked.limit or limit, sort=asked.sort, context=asked.context,
        )  # fmt: skip
        page = self.store.search(Reading(), request)
        found: list[dict[str, Any]] = json.loads(page.events)
        assert sum(event.get("match", not asked.context) for event in found) == page.count
        return found


@pytest.fixture(scope="module", params=list(OPENERS))
def opened(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Opened]:
    with opened_store(request.param, tmp_path_factory.mktemp("store"), SystemClock()) as store:
        yield Opened(store)


@pytest.fixture
def it(opened: Opened) -> Opened:
    opened.app = f"app-{next(_numbers)}"
    return opened


def test_a_table_has_named_columns_with_their_kinds(it: Opened) -> None:
    it.write({"level": "error", "value": 5}, {"level": "error", "value": 2.5}, {"level": "info"})
    assert it.table("| count, avg(value) by level, bin(1h)") == Table(
        (Column("level", "text"), Column("bin(1h)", "time"), Column("count", "number"), Column("avg(value)", "number")),
        [
            ["info", "2025-10-10T00:00:00.000000000Z", 1, None],
            ["error", "2025-10-10T00:00:00.000000000Z", 2, 3.75],
        ],
    )


def test_a_table_is_of_one_app_and_of_what_lies_in_the_range(it: Opened) -> None:
    it.write({}, {}, {}, {})
    it.app, mine = "another", it.app
    it.write({})
    it.app = mine
    assert it.table("| count", T0 + NS_PER_S, T0 + 3 * NS_PER_S).rows == [[2]]


def test_events_that_an_update_superseded_are_in_no_table_and_no_neighbours(it: Opened) -> None:
    it.write({"value": "old"}, {"key": "other"}, {"value": "new", "update": True}, {"key": "third"})
    assert it.table("| count by key").rows == [["k", 1], ["other", 1], ["third", 1]]
    assert [event["id"] for event in it.events("id:e2 | context 5")] == ["e1", "e2", "e3"]


def test_a_table_without_a_limit_says_when_there_are_more_rows(it: Opened) -> None:
    it.write(*({"user": f"u{number:05}"} for number in range(ROWS_DEFAULT + 1)))
    table = it.table("| count by user")
    assert (len(table.rows), table.truncated) == (ROWS_DEFAULT, True)
    assert len(it.table(f"| count by user | limit {ROWS_DEFAULT + 1}").rows) == ROWS_DEFAULT + 1
    assert len(it.table(f"| top {ROWS_DEFAULT + 1} user").rows) == ROWS_DEFAULT + 1
    exact = it.table("user:u0000* | count by user")
    assert (len(exact.rows), exact.truncated) == (10, False)


def test_odd_names_and_texts_come_back_as_they_are(it: Opened) -> None:
    texts = ["a\tb", "a\\nb", "'", '"', "{q0:String}", "\u202e", "日本", "\x00"]
    it.write(*({"attributes": {"odd 'name\\": text}} for text in texts))
    assert it.table('| count by attributes."odd \'name\\\\"').rows == [[text, 1] for text in sorted(texts)]


def test_sums_of_large_and_small_numbers_are_what_doubles_make_of_them(it: Opened) -> None:
    it.write({"value": 1e300}, {"value": 0.1}, {"value": 1e-300}, {"value": -5})
    row = it.table("| sum(value), avg(value), min(value), max(value), p50(value)").rows[0]
    assert row == [pytest.approx(1e300), pytest.approx(2.5e299), -5, 1e300, 1e-300]
    it.write({"value": 1.7e308, "id": "x"}, {"value": 1.7e308, "id": "y"})
    assert it.table("value>1.5e308 | sum(value), max(value)").rows == [[None, 1.7e308]]


def test_sorted_events_are_one_page_and_ties_keep_the_order_asked_for(it: Opened) -> None:
    it.write({"value": 5}, {"value": "text"}, {"value": 40}, {"value": 5})
    assert [event["id"] for event in it.events("| sort value desc | limit 3")] == ["e2", "e3", "e0"]
    assert [event["id"] for event in it.events("| sort value desc", "asc")] == ["e2", "e0", "e3", "e1"]


def test_null_stands_last_whichever_way_events_are_sorted(it: Opened) -> None:
    null = {"value": "null", "kind": "null", "number": None}
    it.write(
        {"value": 7, "attributes": {"n": 7}}, null | {"attributes": {"n": None}},
        *({"value": text, "attributes": {"n": text}} for text in ("a", "z", "null")),
    )  # fmt: skip
    for column in ("value", "attributes.n"):
        assert [event["id"] for event in it.events(f"| sort {column}")] == ["e0", "e2", "e4", "e3", "e1"]
        assert [event["id"] for event in it.events(f"| sort {column} desc")] == ["e0", "e3", "e4", "e2", "e1"]


def test_neighbours_come_with_their_matches_marked(it: Opened) -> None:
    it.write(*({"session": "ab"[number % 2], "level": "error" if number in (3, 4) else "info"} for number in range(8)))
    found = it.events("level:error | context 1")
    assert [(event["id"], event.get("match")) for event in found] == [
        ("e2", None), ("e4", True), ("e6", None), ("e1", None), ("e3", True), ("e5", None),
    ]  # fmt: skip
    assert it.events("level:fatal | context 1") == []


def test_pages_of_matches_with_neighbours_go_on(it: Opened) -> None:
    it.write(*({"session": f"s{number}"} for number in range(5)))
    first = it.store.search(
        Reading(), SearchRequest(it.app, parse_statement("").filter, 0, T0 + DAY_NS, "asc", 2, context=1)
    )
    second = it.store.search(
        Reading(), SearchRequest(it.app, parse_statement("").filter, 0, T0 + DAY_NS, "asc", 2, first.next, context=1)
    )
    assert [event["id"] for page in (first, second) for event in json.loads(page.events)] == ["e0", "e1", "e2", "e3"]


def test_a_table_keeps_to_the_limits_of_its_reading(it: Opened) -> None:
    it.write({}, {})
    reading = Reading(Limits(rows_max=0))
    with pytest.raises(LimitReached):
        it.table("| count by user", reading=reading)


# ── explained ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_tables_patterns_and_lists_are_explained_as_they_are_read(it: Opened) -> None:
    it.write({"level": "error", "value": 5, "user": "u"}, {"value": "hello"})

    def explained(query: str) -> str:
        statement = parse_statement(query)
        request = StatsRequest(it.app, statement, T0, T0 + DAY_NS, T0 + DAY_NS)
        return it.store.explain(Reading(), request).sql

    condition = it.store.explain(Reading(), SearchRequest(it.app, parse_statement("error").filter, T0, T0 + DAY_NS)).sql
    table = explained("error | count, avg(value), p95(value), uniq(user) by level, bin(5m) | sort count desc | limit 7")
    assert len(table) > len(condition)
    for word in ("level", "user"):
        assert word in table and word not in condition
    assert explained("error | top 3 component") != explained("error | top 3 user") != condition
    everything = parse_statement("").filter
    patterns = it.store.explain(Reading(), PatternRequest(it.app, everything, T0, T0 + DAY_NS))
    users = it.store.explain(Reading(), ActivityRequest(it.app, "user", everything, T0, T0 + DAY_NS))
    if not isinstance(it.store, MemoryStore):
        assert "pattern" in patterns.sql and "user" in users.sql


def test_an_explanation_of_what_only_its_reader_can_count_shows_what_is_found(it: Opened) -> None:
    it.write({"value": "hello world"})
    statement = parse_statement('"hello world" value:/(ab?c)+$/ | avg(attributes.n) by attributes.x')
    request = StatsRequest(it.app, statement, T0, T0 + DAY_NS, T0 + DAY_NS)
    assert "hello" in str(it.store.explain(Reading(), request))
