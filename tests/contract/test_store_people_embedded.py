"""How the embedded store gets at facets and lists: samples that say so, and a projection of the days that are over."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from logkeep.clock import NS_PER_DAY, NS_PER_S, ManualClock
from logkeep.event import Event
from logkeep.query import ast
from logkeep.query.parser import parse
from logkeep.store import embedded_facets
from logkeep.store.clickhouse_sql import compile_query
from logkeep.store.embedded import EmbeddedStore
from logkeep.store.embedded_activity import whole_days
from logkeep.store.port import ActivityRequest, Batch, Facets, FieldCount, FieldFacet
from logkeep.store.reading import Limits, Reading

T0 = 1_760_054_400 * NS_PER_S  # 2025-10-10T00:00:00Z
FOREVER = (1 << 63) - 1
SUM_UP = "ALTER TABLE events MATERIALIZE PROJECTION activity SETTINGS mutations_sync = 1"


def _many(count: int, **changes: Any) -> list[Event]:
    return [
        Event(
            **{
                "app": "shop", "session": f"s-{number // 20}", "key": "log", "value": f"row {number}", "kind": "text",
                "number": None, "time_ns": T0 + number * NS_PER_S, "received_ns": T0 + number * NS_PER_S,
                "id": f"id-{number:06}", "level": ["info", "warn", "error", "info"][number % 4],
                "user": f"u-{number // 40}", **changes,
            }
        )
        for number in range(count)
    ]  # fmt: skip


@pytest.fixture
def day(tmp_path: Path) -> Iterator[EmbeddedStore]:
    """A store of one day that is over, at a time that can be set, with 20,000 events in it."""
    clock = ManualClock(T0 + NS_PER_DAY)
    store = EmbeddedStore(tmp_path / "store", readers=1, clock=clock)
    store.write(Batch("1", _many(20_000)))
    clock.advance(3600)
    yield store
    store.close()


def test_facets_of_too_many_events_are_estimates_that_say_so(
    day: EmbeddedStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded_facets, "WORK_MAX", 10_000)
    monkeypatch.setattr(embedded_facets, "EVENTS_MIN", 5_000)
    found = day.facets(Reading(), "shop", ast.All(), 0, FOREVER, fields=["level", "component"], limit=2)
    assert (found.events, 0.1 < found.sample_rate < 0.6) == (20_000, True)
    [level, component] = found.fields
    assert level.values == [FieldCount("info", 10_000), FieldCount("error", 5_000)]
    assert (level.other, level.absent, component) == (5_000, 0, FieldFacet("component", [], 0, 20_000))


def test_few_matches_among_too_many_events_are_counted_exactly(
    day: EmbeddedStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded_facets, "WORK_MAX", 1)
    monkeypatch.setattr(embedded_facets, "EVENTS_MIN", 5_000)
    found = day.facets(Reading(), "shop", parse("value:/^row 1[0-9]{3}$/"), 0, FOREVER, fields=["level"], limit=1)
    assert found == Facets(1000, 1.0, [FieldFacet("level", [FieldCount("info", 500)], 500, 0)])


def test_matches_that_stand_together_are_met_by_some_sample(
    day: EmbeddedStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded_facets, "WORK_MAX", 1)
    monkeypatch.setattr(embedded_facets, "EVENTS_MIN", 10)
    found = day.facets(Reading(), "shop", parse("value:/^row 1[0-9]{3}$/"), 0, FOREVER, fields=["level"], limit=1)
    assert (found.events, found.sample_rate, found.fields[0].values) == (1000, 1.0, [FieldCount("info", 500)])


def test_of_too_many_values_for_the_memory_those_of_the_newest_part_are_counted_and_told(day: EmbeddedStore) -> None:
    reading = Reading(Limits(memory_bytes_max=1 << 20))
    found = day.facets(reading, "shop", ast.All(), 0, FOREVER, fields=["id", "value", "session"], limit=10)
    assert 0 < found.events < 2000
    assert reading.partial == "memory" and reading.reached_ns is not None


def _days_with_and_without(store: EmbeddedStore) -> list[str]:
    sql = """SELECT DISTINCT partition, notEmpty(projections) FROM system.parts
        WHERE table = 'events' AND active ORDER BY partition"""
    return store._engine.write(sql).decode().split()


def _wait_for_mutations(store: EmbeddedStore) -> None:
    store._engine.write("ALTER TABLE events UPDATE update = update WHERE 0 SETTINGS mutations_sync = 1")


def test_a_day_is_summed_up_once_it_is_over_and_never_counted_twice(day: EmbeddedStore) -> None:
    before = day.activity(Reading(), ActivityRequest("shop", "user", ast.All(), 0, FOREVER, 9))
    assert _days_with_and_without(day) == ["2025-10-10", "0"]
    day.write(Batch("2", _many(1, time_ns=T0 + NS_PER_DAY, id="next day", user="new")))
    _wait_for_mutations(day)
    assert _days_with_and_without(day) == ["2025-10-10", "1", "2025-10-11", "0"]
    day.write(Batch("1", _many(20_000)))  # the same token again
    day.write(Batch("3", _many(20_000)[:3]))  # and some of it under another
    after = day.activity(Reading(), ActivityRequest("shop", "user", ast.All(), 0, T0 + NS_PER_DAY, 9))
    assert after == before
    day.write(Batch("4", _many(1, id="late", time_ns=T0, user="u-1")))
    [row] = day.activity(Reading(), ActivityRequest("shop", "user", parse("user=u-1"), 0, FOREVER, 9)).rows
    assert (row.events, row.first_ns) == (41, T0)


def test_lists_of_days_that_are_over_read_the_projection(day: EmbeddedStore) -> None:
    request = ActivityRequest("shop", "session", ast.All(), T0 - NS_PER_DAY, T0 + 2 * NS_PER_DAY, 2000)
    raw, summed = Reading(), Reading()
    before = day.activity(raw, request)
    day._engine.write(SUM_UP)
    after = day.activity(summed, request)
    assert (before, len(before.rows)) == (after, 1000)
    # Three times the day, for names in the last six hours, in the whole range, and for what is told of them.
    assert raw.rows_read - summed.rows_read == 3 * (20_000 - 1_000)


def test_a_page_of_names_is_looked_up_by_the_filters_on_them(day: EmbeddedStore) -> None:
    condition = compile_query(parse("level:info"))
    sql = f"""EXPLAIN indexes = 1 SELECT count() FROM events WHERE app = 'shop' AND {condition.sql}
        AND session IN {{names:Array(String)}}"""  # noqa: S608 - no text of users
    plan = day._engine.read(Reading(), sql, {**condition.parameters, "names": "['s-7']"}, "text").decode()
    assert min(map(int, re.findall(r"Granules: (\d+)", plan))) == 1


@pytest.mark.parametrize(
    ("from_ns", "to_ns", "spans"),
    [
        (0, NS_PER_DAY, 1),
        (0, NS_PER_DAY - 1, 1),
        (1, NS_PER_DAY, 1),
        (1, 2 * NS_PER_DAY, 2),
        (1, 3 * NS_PER_DAY + 1, 3),
        (NS_PER_DAY, 3 * NS_PER_DAY + 1, 2),
        (0, 3 * NS_PER_DAY, 2),
        (-5, 3 * NS_PER_DAY, 2),
        (5, 5, 1),
    ],
)
def test_a_range_is_cut_into_whole_days_and_its_ends(from_ns: int, to_ns: int, spans: int) -> None:
    conditions = whole_days(from_ns, to_ns)
    assert len(conditions) == spans
    moments = {edge + step for edge in (from_ns, to_ns, 0, NS_PER_DAY, 3 * NS_PER_DAY) for step in (-1, 0, 1)}
    for moment in moments:
        assert sum(map(_holds(moment), conditions)) == (from_ns <= moment < to_ns), moment


def _holds(time_ns: int) -> Callable[[str], bool]:
    def holds(condition: str) -> bool:
        python = re.sub(r"intDiv\(time_ns, (\d+)\)", r"int(time_ns / \1)", condition).replace("AND", "and")
        return bool(eval(python, {"time_ns": time_ns, "int": int}))  # noqa: S307 - our own text

    return holds
