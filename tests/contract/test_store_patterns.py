"""What every store promises about patterns, run against every adapter."""

import itertools
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from tests.contract.stores import OPENERS, opened_store

from logkeep.clock import NS_PER_DAY, NS_PER_S, ManualClock
from logkeep.event import Event
from logkeep.patterns.template import KeptPattern
from logkeep.query import ast
from logkeep.store.page import event_json
from logkeep.store.port import Batch, PatternCount, PatternRequest, Patterns, SearchRequest, Store
from logkeep.store.reading import Reading

T0 = 1_760_054_400 * NS_PER_S  # 2025-10-10T00:00:00Z
HOUR_NS = 3600 * NS_PER_S
SIGNED_IN, FAILED = "user <*> signed in", "payment <*> failed"

_numbers = itertools.count()


class Opened:
    """A store, its clock, and an app of its own for each test."""

    def __init__(self, store: Store, clock: ManualClock) -> None:
        self.store, self.clock, self.app = store, clock, ""

    def event(self, event_id: str, pattern: str, hour: float = 0, **changes: Any) -> Event:
        time_ns = T0 + int(hour * HOUR_NS)
        fields: dict[str, Any] = {"kind": "text", "number": None, "pattern": pattern, "value": f"value of {event_id}"}
        return Event(
            **{
                "app": self.app,
                "session": "s",
                "key": "log",
                "time_ns": time_ns,
                "received_ns": time_ns + NS_PER_S,
                "id": event_id,
                **fields,
                **changes,
            }
        )

    def write(self, *events: Event) -> None:
        self.store.write(Batch(f"token-{next(_numbers)}", events))

    def keep(self, pattern_id: str, template: str, first_ns: int = T0 - NS_PER_DAY) -> None:
        self.store.keep_patterns([KeptPattern(self.app, pattern_id, template, f"form of {template}", first_ns)])
        self.clock.advance(1.0)

    def patterns(self, query: ast.Query | None = None, **changes: Any) -> Patterns:
        request = {"app": self.app, "query": query or ast.All(), "from_ns": T0, "to_ns": T0 + 4 * HOUR_NS, "buckets": 4}
        return self.store.patterns(Reading(), PatternRequest(**(request | changes)))


@pytest.fixture(scope="module", params=list(OPENERS))
def opened(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Opened]:
    clock = ManualClock(T0 + 15 * HOUR_NS)
    with opened_store(request.param, tmp_path_factory.mktemp("store"), clock) as store:
        yield Opened(store, clock)


@pytest.fixture
def it(opened: Opened) -> Opened:
    opened.app = f"app-{next(_numbers)}"
    return opened


def test_events_are_counted_by_template_the_most_frequent_first(it: Opened) -> None:
    it.keep("a1", SIGNED_IN)
    it.keep("b1", FAILED, first_ns=T0 + HOUR_NS)
    newest = it.event("e3", "a1", 3.5, level="info", user="eve")
    failed = it.event("e4", "b1", 1)
    it.write(it.event("e1", "a1", 0, level="info"), it.event("e2", "a1", 0.5, level="error"), newest, failed)
    found = it.patterns()
    bare = [msgspec.structs.replace(row, example=b"") for row in found.rows]
    assert msgspec.structs.replace(found, rows=bare) == Patterns(
        rows=[
            PatternCount(
                template=SIGNED_IN, ids=["a1"], count=3, before=None, counts=[2, 0, 0, 1],
                levels={"info": 2, "error": 1}, first_ns=T0 - NS_PER_DAY, last_ns=newest.time_ns, example=b"",
            ),
            PatternCount(
                template=FAILED, ids=["b1"], count=1, before=None, counts=[0, 1, 0, 0], levels={"": 1},
                first_ns=T0 + HOUR_NS, last_ns=failed.time_ns, example=b"",
            ),
        ],
        patterns=2,
        events=4,
        ungrouped=0,
    )  # fmt: skip
    examples = [msgspec.json.decode(row.example) for row in found.rows]
    assert examples == [msgspec.json.decode(event_json(event)) for event in (newest, failed)]


def test_patterns_with_the_same_template_are_one(it: Opened) -> None:
    it.keep("a1", "user eve signed in", first_ns=T0 - 5)
    it.keep("a2", SIGNED_IN, first_ns=T0)
    it.keep("a1", SIGNED_IN, first_ns=T0 - 5)
    it.write(it.event("e1", "a1"), it.event("e2", "a2", 1))
    rows = it.patterns().rows
    assert [(row.template, row.ids, row.count, row.first_ns) for row in rows] == [(SIGNED_IN, ["a1", "a2"], 2, T0 - 5)]
    assert msgspec.json.decode(rows[0].example)["id"] == "e2"


def test_only_text_that_matches_in_the_range_is_counted(it: Opened) -> None:
    it.keep("a1", SIGNED_IN)
    it.write(
        it.event("e1", "a1", user="eve"),
        it.event("e2", "a1"),
        it.event("e3", "", user="eve"),
        it.event("e4", "", user="eve", kind="number", value="5", number=5.0),
        it.event("e5", "a1", -1, user="eve"),
        it.event("e6", "a1", 4, user="eve"),
    )
    found = it.patterns(ast.Equals("user", "eve"))
    assert [(row.template, row.count) for row in found.rows] == [(SIGNED_IN, 1)]
    assert (found.patterns, found.events, found.ungrouped) == (1, 2, 1)


def test_the_range_before_is_counted_when_it_is_asked_for(it: Opened) -> None:
    it.keep("a1", SIGNED_IN)
    it.keep("b1", FAILED)
    it.write(it.event("e1", "a1", -5), it.event("e2", "a1", -4), it.event("e3", "a1", -1), it.event("e4", "a1"))
    it.write(it.event("e5", "b1", -1), it.event("e6", "", -1))
    found = it.patterns(before=True)
    assert [(row.template, row.count, row.before, row.counts) for row in found.rows] == [
        (SIGNED_IN, 1, 2, [1, 0, 0, 0])
    ]
    assert (found.patterns, found.events, found.ungrouped) == (1, 1, 0)


def test_a_limit_leaves_out_the_rarest_and_says_how_many_there_are(it: Opened) -> None:
    it.write(*[it.event(f"e{n}", f"a{n % 3}") for n in range(6)], it.event("e6", "a1"), it.event("e7", ""))
    found = it.patterns(limit=2)
    assert [(row.template, row.count) for row in found.rows] == [("a1", 3), ("a0", 2)]
    assert (found.patterns, found.events, found.ungrouped) == (3, 8, 1)


def test_an_app_without_events_has_no_patterns(it: Opened) -> None:
    it.keep("a1", SIGNED_IN)
    assert it.patterns() == Patterns([], 0, 0, 0)


def test_an_app_never_sees_anothers_patterns(it: Opened) -> None:
    it.keep("a1", SIGNED_IN)
    it.write(it.event("e1", "a1", app="other"))
    assert it.patterns() == Patterns([], 0, 0, 0)
    assert [row.template for row in it.patterns(app="other").rows] == ["a1"]


def test_what_an_update_has_superseded_is_not_counted(it: Opened) -> None:
    it.keep("a1", SIGNED_IN)
    it.write(it.event("e1", "a1"))
    it.write(it.event("e2", "a1", 1, update=True))
    assert [(row.count, row.counts) for row in it.patterns().rows] == [(1, [0, 1, 0, 0])]


def test_events_are_found_by_their_pattern(it: Opened) -> None:
    it.write(it.event("e1", "a1"), it.event("e2", "b1", 1), it.event("e3", "", 2))

    def ids(query: ast.Query) -> list[str]:
        page = it.store.search(Reading(), SearchRequest(it.app, query, 0, 1 << 62, order="asc"))
        return [event["id"] for event in msgspec.json.decode(page.events)]

    assert ids(ast.Equals("pattern", "a1")) == ["e1"]
    assert ids(ast.Not(ast.Exists("pattern"))) == ["e3"]


def test_the_newest_template_and_the_earliest_time_are_known(it: Opened) -> None:
    it.keep("a1", "user eve signed in", first_ns=7)
    it.keep("b1", FAILED, first_ns=9)
    it.keep("a1", SIGNED_IN, first_ns=8)
    mine = [kept for kept in it.store.known_patterns(patterns_max=2) if kept.app == it.app]
    assert mine == [
        KeptPattern(it.app, "a1", SIGNED_IN, f"form of {SIGNED_IN}", 7),
        KeptPattern(it.app, "b1", FAILED, f"form of {FAILED}", 9),
    ]
    assert [kept.id for kept in it.store.known_patterns(patterns_max=1) if kept.app == it.app] == ["a1"]


def test_patterns_are_forgotten_a_day_after_their_last_events(it: Opened) -> None:
    it.keep("a1", SIGNED_IN)
    kept_on = T0 // NS_PER_DAY

    def known_after(day: int) -> list[str]:
        it.store.drop_day(f"2025-10-{10 + day - kept_on}")
        return [kept.id for kept in it.store.known_patterns(patterns_max=9) if kept.app == it.app]

    assert (known_after(kept_on), known_after(kept_on + 1)) == (["a1"], [])
