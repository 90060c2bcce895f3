"""Queries of the embedded store use the indexes they are meant to: what the engine would read, by its own EXPLAIN."""
# ruff: noqa: S608 - the SQL of a compiled query holds no text of users

import re
from collections.abc import Iterator
from typing import Literal

import msgspec
import pytest

from logkeep.clock import NS_PER_S
from logkeep.event import Event
from logkeep.query.ast import All
from logkeep.query.parser import parse
from logkeep.store import clickhouse_arrivals
from logkeep.store.clickhouse_sql import compile_query
from logkeep.store.embedded import EmbeddedStore
from logkeep.store.port import ArrivedRequest, Batch, SearchRequest
from logkeep.store.reading import Reading

ROWS = 20_000  # forty granules
T0 = 1_760_054_400 * NS_PER_S


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedStore]:
    opened = EmbeddedStore(tmp_path_factory.mktemp("store"), readers=1)
    opened.write(Batch("token", [_event(number) for number in range(ROWS)]))
    yield opened
    opened.close()


def _event(number: int) -> Event:
    rare = f"needle{number} of hay" if number % 9_000 == 5_000 else "nothing of note"
    return Event(
        app="shop",
        session=f"s-{number // 100}",
        key="log",
        value=f"row {rare} here",
        kind="text",
        number=None,
        time_ns=T0 + number * NS_PER_S,
        received_ns=T0 + number * NS_PER_S,
        id=f"id-{number}",
        arrival=number + 1,
        user=f"u-{number // 100}",
        device=f"d-{number // 100}",
    )


def _granules(store: EmbeddedStore, text: str, *, from_ns: int = 0) -> int:
    """Granules the engine would read to answer `text`; 0 as well where the index itself is the answer."""
    condition = compile_query(parse(text))
    sql = f"""EXPLAIN indexes = 1 SELECT id FROM events
        WHERE app = 'shop' AND time_ns >= {from_ns} AND {condition.sql}"""
    plan = store._engine.read(Reading(), sql, condition.parameters, "text").decode()
    found = re.findall(r"Granules: (\d+)", plan)
    return int(found[-1]) if found else 0


@pytest.fixture(scope="module")
def indexed(store: EmbeddedStore) -> EmbeddedStore:
    """The store after a merge, which makes the indexes."""
    store._engine.write("OPTIMIZE TABLE events FINAL")
    return store


@pytest.mark.parametrize(
    "text",
    [
        "needle5000",
        '"needle14000 of hay"',
        "needle*",
        "nee*",
        "value:/[a-z]+eedle(5|14)000 of/",
        "value:/^row needle.* here$/",
        "user:/^u-150.?$/",
        "session:/[a-z]-151$/",
        "device:/-152/",
        'value="row needle5000 of hay here"',
        "session:s-7",
        "user:u-7",
        "device:d-7",
        "id:id-777",
        "needle5000 and level>=info",
        "needle5000 or needle14000",
    ],
)
def test_a_rare_thing_is_found_without_reading_the_rest(indexed: EmbeddedStore, text: str) -> None:
    assert _granules(indexed, "") >= 36
    assert _granules(indexed, text) <= 3


def test_a_range_of_time_reads_that_range(indexed: EmbeddedStore) -> None:
    assert _granules(indexed, "", from_ns=T0 + (ROWS - 100) * NS_PER_S) <= 2


@pytest.mark.parametrize("text", ["needle5000", '"needle14000 of hay"', "needle*", "session:s-7", "NEEDLE5000"])
def test_what_no_merge_has_indexed_yet_is_found_as_well(store: EmbeddedStore, text: str) -> None:
    condition = compile_query(parse(text))
    sql = f"SELECT groupArray(id) FROM (SELECT id FROM events WHERE {condition.sql} ORDER BY id)"
    before = store._engine.read(Reading(), sql, condition.parameters, "text")
    store._engine.write("OPTIMIZE TABLE events FINAL")
    after = store._engine.read(Reading(), sql, condition.parameters, "text")
    assert before == after != b"[]\n"


def test_what_arrived_last_is_found_without_reading_the_rest(indexed: EmbeddedStore) -> None:
    wanted = clickhouse_arrivals.arrived(ArrivedRequest("shop", All(), ROWS - 100, ROWS, 10))
    plan = indexed._engine.read(Reading(), f"EXPLAIN indexes = 1 {wanted.sql}", wanted.parameters, "text").decode()
    assert re.findall(r"Name: (\w+)", plan)[-1] == "ix_arrival"
    assert int(re.findall(r"Granules: (\d+)", plan)[-1]) == 1


@pytest.mark.parametrize(("order", "expected"), [("asc", [500, 501, 502]), ("desc", [599, 598, 597])])
def test_a_name_with_more_rows_than_are_looked_through_is_read_in_order(
    store: EmbeddedStore, order: Literal["asc", "desc"], expected: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("logkeep.store.embedded.NAMED_ROWS_MAX", 1)  # its rows are in two granules
    reading = Reading()
    page = store.search(reading, SearchRequest("shop", parse("user:u-5"), 0, 2 * T0, order, limit=3))
    found = [event["id"] for event in msgspec.json.decode(page.events)]
    assert (found, reading.partial) == ([f"id-{number}" for number in expected], None)


@pytest.mark.parametrize("rows_max", [1, 1_000_000])
def test_the_first_of_a_session_are_told_in_order(
    store: EmbeddedStore, rows_max: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("logkeep.store.embedded.NAMED_ROWS_MAX", rows_max)
    few, all_of_it = (store.session(Reading(), "shop", "s-5", limit=limit) for limit in (3, 10_000))
    found = [event["id"] for event in msgspec.json.decode(all_of_it.events)]
    assert found == sorted(found, key=lambda name: int(name[3:])) and len(found) > 3 and all_of_it.next is None
    assert [event["id"] for event in msgspec.json.decode(few.events)] == found[:3] and few.next is not None
