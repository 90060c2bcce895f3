"""What every store promises about erasing (store/erasing.py): found by nothing, and only what matched."""

import threading
from typing import Any

import msgspec
import pytest
from tests.contract.test_store import FOREVER, T0, Opened, it, opened  # noqa: F401 - fixtures

from logkeep.clock import NS_PER_DAY, NS_PER_S
from logkeep.patterns.template import KeptPattern
from logkeep.query import ast
from logkeep.store.erasing import ErasureRequest
from logkeep.store.port import ActivityRequest, PatternRequest
from logkeep.store.reading import LimitReached, Limits, Reading

ANNA = ast.Equals("user", "anna")


def erase(it: Opened, query: ast.Query, from_ns: int = 0, to_ns: int = FOREVER) -> tuple[int, list[str]]:  # noqa: F811
    """How many events went, and the patterns that went with them."""
    marked = it.store.erasing.mark(ErasureRequest(it.app, query, from_ns, to_ns))
    return marked, it.store.erasing.erase()


def wait_until_purged(it: Opened) -> None:  # noqa: F811
    tries = threading.Event()
    for _ in range(600):
        if it.store.erasing.purge():
            return
        it.clock.advance(NS_PER_S * 10)
        tries.wait(0.05)
    raise AssertionError("files of erased events are there after 30 s")


def test_what_matches_is_found_by_no_read_and_the_rest_stays(it: Opened) -> None:  # noqa: F811
    other_app = it.app + "-other"
    it.write(
        it.event("a", user="anna", value="anna's secret", session="gone"),
        it.event("b", user="bert", value="bert's own"),
        it.event("c", user="anna", time_ns=T0 + 3 * NS_PER_DAY),
        it.event("d", user="anna", app=other_app),
    )
    request = ErasureRequest(it.app, ANNA, 0, FOREVER)
    assert it.store.erasing.count(Reading(), request) == 2
    assert erase(it, ANNA) == (2, [])
    assert it.ids() == ["b"]
    assert it.ids(ast.Word("secret")) == []
    assert it.store.event(Reading(), it.app, "a") is None
    assert it.store.session(Reading(), it.app, "gone", limit=10).count == 0
    assert it.store.event(Reading(), other_app, "d") is not None
    assert [(day.app, day.events) for day in it.store.days() if day.app == it.app] == [(it.app, 1)]
    assert it.store.erasing.count(Reading(), request) == 0


def test_a_day_of_one_app_goes_and_others_keep_theirs(it: Opened) -> None:  # noqa: F811
    other, day = it.app + "-keeps", T0 - T0 % NS_PER_DAY + 30 * NS_PER_DAY
    for app in (it.app, other):
        it.write(*(it.event(f"{app}{n}", app=app, time_ns=day + n * NS_PER_DAY // 2) for n in range(4)))
    assert erase(it, ast.All(), day, day + NS_PER_DAY) == (2, [])
    counts = {app: [count.events for count in it.store.days() if count.app == app] for app in (it.app, other)}
    assert counts == {it.app: [2], other: [2, 2]}
    assert it.ids() == [f"{it.app}2", f"{it.app}3"]


def test_the_time_range_is_half_open(it: Opened) -> None:  # noqa: F811
    it.write(*(it.event(f"e{n}", time_ns=T0 + n) for n in range(4)))
    assert erase(it, ast.All(), T0 + 1, T0 + 3) == (2, [])
    assert it.ids() == ["e0", "e3"]


def test_what_comes_after_the_marks_is_not_erased(it: Opened) -> None:  # noqa: F811
    it.write(it.event("before", user="anna"))
    assert it.store.erasing.mark(ErasureRequest(it.app, ANNA, 0, FOREVER)) == 1
    it.write(it.event("after", user="anna"))
    it.store.erasing.erase()
    assert it.ids() == ["after"]


def test_erasing_twice_or_nothing_does_no_harm(it: Opened) -> None:  # noqa: F811
    it.write(it.event("a", user="anna"), it.event("b"))
    erase(it, ANNA)
    assert it.store.erasing.erase() == []
    assert erase(it, ANNA) == (0, [])
    assert it.ids() == ["b"]


def test_what_an_update_has_superseded_is_erased_too(it: Opened) -> None:  # noqa: F811
    it.write(it.event("old", key="k", value="the old secret"))
    it.write(it.event("new", key="k", value="harmless", update=True, time_ns=T0 + 1))
    assert it.store.erasing.count(Reading(), ErasureRequest(it.app, ast.Word("secret"), 0, FOREVER)) == 1
    erase(it, ast.Word("secret"))
    assert it.ids() == ["new"]


def test_what_an_erased_update_has_superseded_does_not_come_back(it: Opened) -> None:  # noqa: F811
    it.write(it.event("first", key="k"))
    it.write(it.event("second", key="k", value="secret", update=True, time_ns=T0 + 1))
    erase(it, ast.Word("secret"))
    assert it.ids() == []
    it.write(it.event("third", key="k", time_ns=T0 + 2))
    it.write(it.event("fourth", key="k", update=True, time_ns=T0 + 3))
    assert it.ids() == ["fourth"]


def test_an_erased_id_may_be_sent_again(it: Opened) -> None:  # noqa: F811
    event = it.event("own", own_id=True, time_ns=T0 + NS_PER_S, received_ns=T0 + NS_PER_S)
    it.write(event)
    assert it.store.known([event]) == {0}
    erase(it, ast.Equals("id", "own"))
    assert it.store.known([event]) == set()


def test_patterns_that_only_erased_events_had_are_forgotten(it: Opened) -> None:  # noqa: F811
    def kept(name: str, template: str) -> KeptPattern:
        return KeptPattern(it.app, name, template, template, T0)

    it.store.keep_patterns([kept("p1", "secret of anna"), kept("p2", "hello anna")])
    it.clock.advance(NS_PER_S)
    it.store.keep_patterns([kept("p2", "hello <*>")])
    it.write(
        it.event("a", user="anna", pattern="p1"), it.event("b", user="anna", pattern="p2"), it.event("c", pattern="p2")
    )
    assert erase(it, ANNA) == (2, ["p1"])
    mine = [each for each in it.store.known_patterns(patterns_max=10) if each.app == it.app]
    assert mine == [kept("p2", "hello <*>")]
    found = it.store.patterns(Reading(), PatternRequest(it.app, ast.All(), 0, 1 << 62))
    assert [(row.template, row.count) for row in found.rows] == [("hello <*>", 1)]


def test_sums_of_days_that_are_over_lose_what_is_erased(it: Opened) -> None:  # noqa: F811
    it.write(*(it.event(f"e{n}", user="anna" if n % 2 else "bert", session=f"s{n % 4}") for n in range(100)))
    if hasattr(it.store, "_engine"):
        it.store._engine.write("ALTER TABLE events MATERIALIZE PROJECTION activity SETTINGS mutations_sync = 2")
    erase(it, ANNA)
    request = ActivityRequest(it.app, "user", ast.All(), 0, FOREVER, limit=10)
    found = it.store.activity(Reading(), request)
    assert [(row.name, row.events) for row in found.rows] == [("bert", 50)]


def test_a_count_over_a_limit_is_refused(it: Opened) -> None:  # noqa: F811
    with pytest.raises(LimitReached):
        reading = Reading(Limits(timeout_s=1e-9))
        it.store.erasing.count(reading, ErasureRequest(it.app, ast.All(), 0, FOREVER))


def test_no_file_holds_what_was_erased_once_it_is_purged(it: Opened) -> None:  # noqa: F811
    it.write(
        *(it.event(f"e{n}", user="anna", value=f"secret {n}", update=n == 3) for n in range(50)),
        it.event("rest", session="s-2"),
    )
    it.store.keep_patterns([KeptPattern(it.app, "p1", "secret <*>", "f", T0)])
    erase(it, ANNA)
    wait_until_purged(it)
    assert it.ids() == ["rest"]
    if hasattr(it.store, "_engine"):
        assert leftovers(it) == {"events": 1, "updates": 0, "hidden": 0, "erasing": 0, "old files": 0}


def leftovers(it: Opened) -> dict[str, int]:  # noqa: F811
    """Rows of the app in the engine's files, masked ones too."""
    engine: Any = it.store._engine  # type: ignore[attr-defined]
    counts = {
        table: f"SELECT count() FROM {table} WHERE app = {{app:String}} SETTINGS apply_deleted_mask = 0"  # noqa: S608
        for table in ("events", "updates", "hidden", "erasing")
    }
    counts["old files"] = "SELECT countIf(has_lightweight_delete) FROM system.parts WHERE database = currentDatabase()"
    return {
        name: int(msgspec.json.decode(engine.write(sql, parameters={"app": it.app}))) for name, sql in counts.items()
    }
