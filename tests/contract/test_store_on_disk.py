"""What the embedded store promises about its folder: one owner, one layout, nothing lost, nothing doubled, limits."""

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from pathlib import Path

import msgspec
import pytest
from tests.service import wait_for

from logkeep.clock import NS_PER_DAY, NS_PER_S
from logkeep.errors import BackendUnavailable, InputError
from logkeep.event import Event
from logkeep.query import ast
from logkeep.query.parser import parse_statement
from logkeep.store.clickhouse_schema import EVENTS_SETTINGS
from logkeep.store.embedded import EmbeddedStore
from logkeep.store.port import Batch, SearchRequest, StatsRequest
from logkeep.store.reading import LimitReached, Limits, Reading

T0 = 1_760_054_400 * NS_PER_S
FOREVER = (1 << 63) - 1


@pytest.fixture
def reopen(tmp_path: Path) -> Iterator[Callable[..., EmbeddedStore]]:
    """Opens the test's one folder, closing it first where it is open."""
    opened: list[EmbeddedStore] = []

    def again(**options: float) -> EmbeddedStore:
        for store in opened:
            store.close()
        opened.append(EmbeddedStore(tmp_path / "store", **({"readers": 1} | options)))  # type: ignore[arg-type]
        return opened[-1]

    yield again
    for store in opened:
        store.close()


def _event(number: int, **changes: object) -> Event:
    event = Event("shop", "s", "k", f"row {number}", "text", None, T0 + number, T0 + number, f"e{number:07}")
    return msgspec.structs.replace(event, **changes)


def _ids(store: EmbeddedStore, query: ast.Query | None = None) -> list[str]:
    page = store.search(Reading(), SearchRequest("shop", query or ast.All(), 0, FOREVER, "asc", 100_000))
    return [event["id"] for event in msgspec.json.decode(page.events)]


def test_everything_is_there_after_closing_and_opening(reopen: Callable[..., EmbeddedStore]) -> None:
    store = reopen()
    store.write(Batch("1", [_event(1, own_id=True), _event(2), _event(3, session="other")]))
    store.write(Batch("2", [_event(4, update=True)]))
    store.remember(["key"], "2")
    store = reopen()
    assert _ids(store) == ["e0000003", "e0000004"]
    assert store.known([_event(1, own_id=True), _event(2, own_id=True, time_ns=5)]) == {0}
    assert store.remembered(["key"]) == {"key"}
    store.write(Batch("3", [_event(0)]))  # received before the update, which an earlier run wrote
    assert _ids(store) == ["e0000003", "e0000004"]


def test_a_batch_of_an_earlier_run_is_not_doubled_under_another_token(reopen: Callable[..., EmbeddedStore]) -> None:
    first = [_event(n, time_ns=T0 + n % 3 * NS_PER_DAY) for n in range(6)]
    reopen().write(Batch("1", first))
    store = reopen()
    store.write(Batch("longer", [*first, _event(9)]))
    store.write(Batch("shorter", first[:2]))
    assert sorted(_ids(store)) == [event.id for event in [*first, _event(9)]]


def test_a_batch_over_many_days_is_written_whole_and_once(reopen: Callable[..., EmbeddedStore]) -> None:
    store = reopen()
    events = [_event(n, time_ns=T0 + n * NS_PER_DAY) for n in range(150)]  # the engine's own limit is 100
    store.write(Batch("1", events))
    store.write(Batch("1", events))
    assert _ids(store) == [event.id for event in events]


def test_a_large_batch_is_one_part_a_day(reopen: Callable[..., EmbeddedStore]) -> None:
    store = reopen()
    store.write(Batch("1", [_event(n) for n in range(150_000)]))  # more than two of the engine's blocks
    parts = store._engine.read(Reading(), "SELECT count() FROM system.parts WHERE table = 'events' AND active", {})
    assert (parts, store.days()[0].events) == (b"[1]\n", 150_000)


def test_a_second_store_on_the_folder_is_refused(reopen: Callable[..., EmbeddedStore], tmp_path: Path) -> None:
    reopen()
    with pytest.raises(BackendUnavailable) as caught:
        EmbeddedStore(tmp_path / "store")
    assert caught.value.code == "store_in_use"


def test_a_newer_layout_is_refused_and_left_alone(reopen: Callable[..., EmbeddedStore]) -> None:
    store = reopen()
    store.write(Batch("1", [_event(1)]))
    store._engine.write("INSERT INTO meta VALUES (99)")
    with pytest.raises(BackendUnavailable) as caught:
        reopen()
    assert (caught.value.code, "99" in caught.value.message) == ("store_too_new", True)


def test_a_layout_of_before_the_first_release_is_refused(reopen: Callable[..., EmbeddedStore]) -> None:
    store = reopen()
    store._engine.write("TRUNCATE TABLE meta")
    store._engine.write("INSERT INTO meta VALUES (1)")
    with pytest.raises(BackendUnavailable) as caught:
        reopen()
    assert caught.value.code == "store_too_old"


def test_a_store_of_an_earlier_version_is_merged_as_a_new_one(reopen: Callable[..., EmbeddedStore]) -> None:
    store = reopen()
    store.write(Batch("1", [_event(1)]))
    store._engine.write("ALTER TABLE events RESET SETTING merge_selector_base")
    store.close()
    store = reopen()
    made = store._engine.write("SELECT engine_full FROM system.tables WHERE name = 'events'").decode()
    assert EVENTS_SETTINGS in made
    assert store.event(Reading(), _event(1).app, _event(1).id) is not None


def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(BackendUnavailable, match="cannot be written"):
        EmbeddedStore(tmp_path / "file" / "store")


def test_a_folder_of_any_name_works(tmp_path: Path) -> None:
    store = EmbeddedStore(tmp_path / "it's {1,2} * a \\ [folder] ünd", readers=1)
    store.write(Batch("1", [_event(1)]))
    assert _ids(store) == ["e0000001"]
    store.close()


def test_a_closed_store_says_so(reopen: Callable[..., EmbeddedStore]) -> None:
    store = reopen()
    store.close()
    assert not store.ready()
    with pytest.raises(BackendUnavailable, match="closed"):
        store.write(Batch("1", [_event(1)]))


def test_a_query_over_its_time_is_the_askers_to_change(reopen: Callable[..., EmbeddedStore]) -> None:
    store = reopen()
    with pytest.raises(InputError) as caught:
        store._engine.read(
            Reading(Limits(timeout_s=0.2)), "SELECT count() FROM numbers(100000000000) WHERE sipHash64(number) = 1", {}
        )
    assert caught.value.code == "query_timeout"
    assert store.ready()


def test_a_query_over_its_memory_is_the_askers_to_change(reopen: Callable[..., EmbeddedStore]) -> None:
    store = reopen()
    with pytest.raises(InputError) as caught:
        store._engine.read(
            Reading(Limits(memory_bytes_max=16 << 20)), "SELECT groupArray(number) FROM numbers(100000000)", {}
        )
    assert caught.value.code == "query_too_expensive"
    assert store.ready()


def test_a_cancelled_query_is_gone_from_the_engine(reopen: Callable[..., EmbeddedStore]) -> None:
    store, reading = reopen(), Reading()
    ended: list[str] = []

    def read() -> None:
        with pytest.raises(InputError) as caught:
            store._engine.read(reading, "SELECT count() FROM numbers(100000000000) WHERE sipHash64(number) = 1", {})
        ended.append(caught.value.code)

    thread = threading.Thread(target=read)
    thread.start()
    wait_for(lambda: _running(store) == 1, 60, "the query to run")
    reading.cancel()
    thread.join()
    assert (ended, _running(store)) == (["cancelled"], 0)


def _running(store: EmbeddedStore) -> int:
    """Queries on big numbers that the engine works on."""
    sql = "SELECT count() FROM system.processes WHERE query LIKE '%numbers(100000000000)%' AND query NOT LIKE '%LIKE%'"
    return int(store._engine.write(sql))


def test_a_read_that_used_up_its_rows_has_no_answer(reopen: Callable[..., EmbeddedStore]) -> None:
    store, reading = reopen(), Reading(Limits(rows_max=10_000))
    with pytest.raises(LimitReached) as caught:
        store._engine.read(reading, "SELECT sum(number) FROM numbers(1000000)", {})
    assert (caught.value.limit, reading.rows_read >= 10_000, reading.rows_read < 1_000_000) == ("rows", True, True)


def test_a_read_tells_what_it_cost(reopen: Callable[..., EmbeddedStore]) -> None:
    store, reading = reopen(), Reading()
    store.write(Batch("1", [_event(n) for n in range(10)]))
    assert store.search(reading, SearchRequest("shop", ast.Word("row"), 0, FOREVER)).count == 10
    # Twice: the rows are found first, and then their other columns are read.
    assert (reading.rows_read, reading.bytes_read > 100, reading.partial) == (20, True, None)


def test_a_reader_changes_nothing(reopen: Callable[..., EmbeddedStore]) -> None:
    store = reopen()
    with pytest.raises(BackendUnavailable):
        store._engine.read(Reading(), "TRUNCATE TABLE events", {})


def test_an_event_the_engine_cannot_take_is_bad_data_and_leaves_nothing(reopen: Callable[..., EmbeddedStore]) -> None:
    store = reopen()
    with pytest.raises(InputError) as caught:
        store.write(Batch("1", [_event(1), _event(2, level="loud")]))
    assert caught.value.code == "bad_data"
    store.write(Batch("1/0", [_event(1)]))
    assert _ids(store) == ["e0000001"]


def test_readers_read_while_a_writer_writes(reopen: Callable[..., EmbeddedStore]) -> None:
    store = reopen(readers=2)
    done, seen, faults = threading.Event(), [0], []

    def read() -> None:
        while not done.is_set():
            found = store.search(Reading(), SearchRequest("shop", ast.Word("row"), 0, FOREVER, "asc", 1000)).count
            if found % 10 or found < seen[0]:
                faults.append(found)
            seen[0] = found

    reader = threading.Thread(target=read)
    reader.start()
    for batch in range(20):
        store.write(Batch(str(batch), [_event(batch * 10 + n) for n in range(10)]))
    done.set()
    reader.join()
    assert (faults, len(_ids(store))) == ([], 200)


def _write_until_killed(folder: Path, first: int, told: Connection) -> None:
    store = EmbeddedStore(folder, readers=1)
    for batch in range(first, first + 10_000):
        store.write(Batch(f"b{batch}", [_event(batch * 100 + n) for n in range(100)]))
        told.send(batch)


def test_what_was_acknowledged_survives_kill_9_and_a_second_try_doubles_nothing(
    reopen: Callable[..., EmbeddedStore], tmp_path: Path
) -> None:
    spawn = multiprocessing.get_context("spawn")
    batch = 0
    for acknowledged in (1, 7, 3):
        told, tell = spawn.Pipe(duplex=False)
        process = spawn.Process(target=_write_until_killed, args=(tmp_path / "store", batch, tell))
        process.start()
        for _ in range(acknowledged):
            batch = told.recv() + 1
        assert process.pid is not None
        os.kill(process.pid, signal.SIGKILL)
        process.join()
        while told.poll():  # acknowledged between the last look and the kill
            batch = told.recv() + 1
    store = reopen()
    store.write(Batch(f"b{batch}, cut otherwise", [_event(batch * 100 + n) for n in range(250)]))
    found = _ids(store)
    assert found == [_event(n).id for n in range(batch * 100 + 250)]


def test_the_port_can_be_imported_without_the_engine() -> None:
    code = "import sys, logkeep.store.port, logkeep.store.embedded; sys.exit('chdb' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_memory_files_leave_nothing_behind(reopen: Callable[..., EmbeddedStore]) -> None:
    store = reopen()
    for batch in range(3):
        store.write(Batch(str(batch), [_event(batch, own_id=True)]))
        assert store.known([_event(batch, own_id=True)]) == {0}
    targets = [os.readlink(f"/proc/self/fd/{fd}") for fd in os.listdir("/proc/self/fd") if _is_open(fd)]
    assert [target for target in targets if "logkeep" in target and "memfd" in target] == []


def _is_open(fd: str) -> bool:
    return os.path.lexists(f"/proc/self/fd/{fd}")


def test_an_answer_too_large_to_hold_is_refused(
    reopen: Callable[..., EmbeddedStore], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("logkeep.store.embedded_engine.ANSWER_BYTES_MAX", 10_000)
    store = reopen()
    store.write(Batch("a", [event_of(number) for number in range(100)]))
    statement = parse_statement("| count by value")
    with pytest.raises(LimitReached) as caught:
        store.stats(Reading(), StatsRequest("shop", statement, 0, FOREVER, FOREVER))
    assert (caught.value.limit, caught.value.code) == ("memory", "query_too_expensive")


def test_of_a_table_that_is_too_much_the_newest_part_is_made_and_told(
    reopen: Callable[..., EmbeddedStore], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("logkeep.store.embedded_engine.ANSWER_BYTES_MAX", 10_000)
    store, hour_ns = reopen(), 3600 * NS_PER_S
    store.write(Batch("a", [msgspec.structs.replace(event_of(n), time_ns=T0 + n * hour_ns) for n in range(64)]))
    reading = Reading()
    table = store.stats(reading, StatsRequest("shop", parse_statement("| count by value"), 0, FOREVER, FOREVER))
    assert 0 < len(table.rows) < 10
    assert reading.partial == "memory" and reading.reached_ns is not None
    assert [int(row[0]) for row in table.rows] == list(range(64 - len(table.rows), 64))
    assert T0 + (63 - len(table.rows)) * hour_ns < reading.reached_ns <= T0 + (64 - len(table.rows)) * hour_ns


def event_of(number: int) -> Event:
    value = f"{number:1000}"
    return Event("shop", "s", "k", value, "text", None, T0 + number, T0 + number, f"id-{number}")
