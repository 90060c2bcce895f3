"""What the MongoDB store promises about its server: one layout, nothing doubled by replays, its errors are ours.

The server of the tests (tests/servers/mongodb.py) keeps its file in order when it is stopped in order, and may lose its
last second when it is killed; so here it is stopped in the middle of a write, and started again.
"""

import threading
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from pymongo import MongoClient
from tests.servers import mongodb
from tests.service import wait_for

from logkeep.clock import NS_PER_DAY, NS_PER_S, SystemClock
from logkeep.errors import BackendUnavailable, InputError
from logkeep.event import Event
from logkeep.query import ast
from logkeep.query.parser import parse
from logkeep.store.mongodb import MongoStore
from logkeep.store.mongodb_documents import INDEXES
from logkeep.store.mongodb_reads import Asked
from logkeep.store.port import ArrivedRequest, Batch, SearchRequest
from logkeep.store.reading import Reading

T0 = 1_760_054_400 * NS_PER_S  # 2025-10-10T00:00:00Z
FOREVER = (1 << 63) - 1


def _event(number: int, **changes: object) -> Event:
    text, time_ns = f"row {number}", T0 + number
    event = Event("shop", f"s{number % 7}", "k", text, "text", None, time_ns, time_ns, f"e{number:07}")
    return msgspec.structs.replace(event, **changes)


def _ids(store: MongoStore, query: ast.Query | None = None) -> list[str]:
    page = store.search(Reading(), SearchRequest("shop", query or ast.All(), 0, FOREVER, "asc", 100_000))
    return [event["id"] for event in msgspec.json.decode(page.events)]


@pytest.fixture
def prefix(request: pytest.FixtureRequest) -> Iterator[str]:
    """A name of databases that only this test has; they are gone afterwards."""
    name = f"own{abs(hash(request.node.name)) % 10**9}"
    yield name
    with MongoClient[dict[str, object]](mongodb.shared().url) as client:
        # Those of days first: this server drops the others along with one whose name they begin with, and then fails.
        for database in sorted(client.list_database_names(), reverse=True):
            if database.startswith(name):
                client.drop_database(database)


def _open(prefix: str, url: str | None = None) -> MongoStore:
    return MongoStore(url or mongodb.shared().url, prefix=prefix, clock=SystemClock(), connect_timeout_s=1.0)


def test_two_stores_on_the_same_databases_see_each_other_and_double_nothing(prefix: str) -> None:
    one, two = _open(prefix), _open(prefix)
    events = [_event(number, own_id=True) for number in range(50)]
    one.write(Batch("1", events))
    assert two.known(events[:3]) == {0, 1, 2}
    two.write(Batch("other", [*events, _event(50)]))
    assert _ids(one) == _ids(two) == [event.id for event in [*events, _event(50)]]
    assert [(count.day, count.events) for count in one.days()] == [("2025-10-10", 51)]
    one.close()
    two.close()


def test_both_tries_of_an_event_without_a_time_of_its_own_are_one_event(prefix: str) -> None:
    """Each is looked for before either is written, as by two processors at once."""
    one, two = _open(prefix), _open(prefix)
    first = [_event(number, own_id=True, time_ns=T0 + 5, received_ns=T0 + 5) for number in range(3)]
    again = [_event(number, own_id=True, time_ns=T0 + 9, received_ns=T0 + 9) for number in range(4)]
    assert one.known(first) == two.known(again) == set()
    one.write(Batch("1", first))
    two.write(Batch("2", again))
    assert one.known(first) == {0, 1, 2} and two.known(again) == {0, 1, 2, 3}
    two.write(Batch("2", again))  # a replay
    one.write(Batch("1", first))
    assert _ids(one) == [event.id for event in again]
    one.close()
    two.close()


def test_a_claim_that_was_never_made_good_does_not_hold_its_replay_off(prefix: str) -> None:
    store = _open(prefix)
    event = _event(1, own_id=True, time_ns=T0 + 5, received_ns=T0 + 5)
    store._claimed([event])  # and the process is killed here
    assert store.known([event]) == set()
    store.write(Batch("1", [event]))
    assert _ids(store) == [event.id]
    store.close()


def test_an_update_that_another_process_wrote_hides_what_comes_late(prefix: str) -> None:
    one, two = _open(prefix), _open(prefix)
    two.write(Batch("0", [_event(1, session="s", time_ns=T0 - NS_PER_DAY)]))
    one.write(Batch("1", [_event(9, session="s", update=True)]))
    two.write(Batch("2", [_event(3, session="s"), _event(10, session="s")]))
    assert _ids(two) == ["e0000009", "e0000010"]
    one.close()
    two.close()


def test_a_newer_and_an_older_layout_are_refused_and_left_alone(prefix: str) -> None:
    store = _open(prefix)
    store.write(Batch("1", [_event(1)]))
    store.close()
    with MongoClient[dict[str, object]](mongodb.shared().url) as client:
        for version, code in ((99, "store_too_new"), (0, "store_too_old")):
            client[prefix].meta.update_one({"_id": "schema"}, {"$set": {"version": version}})
            with pytest.raises(BackendUnavailable) as caught:
                _open(prefix)
            assert caught.value.code == code
        assert client[f"{prefix}_2025_10_10"].events.count_documents({}) == 1


def test_each_day_is_a_database_with_its_indexes(prefix: str) -> None:
    store = _open(prefix)
    store.write(Batch("1", [_event(1), _event(2, time_ns=T0 + NS_PER_DAY)]))
    with MongoClient[dict[str, object]](mongodb.shared().url) as client:
        for day in ("2025_10_10", "2025_10_11"):
            found = client[f"{prefix}_{day}"].events.index_information()
            assert set(found) == {"_id_", *(index.name for index in INDEXES)}
    store.drop_day("2025-10-10")
    assert _ids(store) == ["e0000002"]
    store.close()


def test_a_document_that_mongodb_can_never_hold_is_the_senders_fault(prefix: str) -> None:
    store = _open(prefix)
    with pytest.raises(InputError) as caught:
        store.write(Batch("1", [_event(1, value="\ud800")]))
    assert caught.value.code == "refused_by_store"
    store.close()


def test_who_cannot_be_reached_is_unavailable_and_no_secret_is_told() -> None:
    with pytest.raises(BackendUnavailable) as caught:
        MongoStore("mongodb://anna:secret@127.0.0.1:1", connect_timeout_s=0.2)
    assert "secret" not in caught.value.message
    with pytest.raises(BackendUnavailable) as caught:
        MongoStore("mongodb://anna:sec/ret@127.0.0.1:1", connect_timeout_s=0.2)
    assert "ret" not in caught.value.message.replace("retry", "")
    with pytest.raises(InputError):
        MongoStore("mongodb://127.0.0.1:1", prefix="a.b")


def test_a_closed_store_says_so(prefix: str) -> None:
    store = _open(prefix)
    store.close()
    store.close()
    assert not store.ready()
    with pytest.raises(BackendUnavailable) as caught:
        _ids(store)
    assert caught.value.code == "store_closed"


def test_a_read_that_is_cancelled_from_another_thread_ends(prefix: str) -> None:
    store = _open(prefix)
    store.write(Batch("1", [_event(number) for number in range(3000)]))
    reading = Reading()
    rows = store._reads.seen(reading, Asked("shop"))
    next(rows)
    canceller = threading.Thread(target=reading.cancel)
    canceller.start()
    canceller.join()
    with pytest.raises(InputError) as caught:
        list(rows)
    assert caught.value.code == "cancelled"
    store.close()


def test_a_phrase_and_a_regex_are_decided_here_and_counted_all_the_same(prefix: str) -> None:
    store = _open(prefix)
    values = ["time is out", "out of time", "out time"]
    store.write(Batch("1", [_event(number, value=value) for number, value in enumerate(values, 1)]))
    for text, ids in (('"out of time"', ["e0000002"]), ("value:/t.*e$/", ["e0000002", "e0000003"])):
        assert _ids(store, parse(text)) == ids
        counted = store.histogram(Reading(), "shop", parse(text), T0, T0 + 100, buckets=1, by=None)
        assert [bucket.count for bucket in counted] == [len(ids)]
        request = ArrivedRequest("shop", parse(text), -1, 10, 10)
        assert len(store.arrived(Reading(), request)) == store.newest_arrived(Reading(), request)[0] + len(ids)
    store.close()


def test_a_server_that_stops_in_the_middle_of_writing_loses_and_doubles_nothing(tmp_path: Path) -> None:
    """The writer does as the processor: the same batch again until it is done."""
    with mongodb.running(tmp_path / "data.mv") as server:
        store = _open("stopped", server.url)
        batches = [[_event(number * 200 + row) for row in range(200)] for number in range(10)]
        done: list[int] = []
        failed: list[str] = []
        ended = threading.Event()

        def write_all() -> None:
            for number, events in enumerate(batches):
                while not ended.is_set():
                    try:
                        store.write(Batch(str(number), events))
                    except BackendUnavailable as error:
                        failed.append(error.message)
                        ended.wait(0.05)
                    else:
                        done.append(number)
                        break

        writer = threading.Thread(target=write_all)
        writer.start()
        try:
            wait_for(lambda: len(done) >= 2, 60.0, "two batches")
            server.stop()
            wait_for(lambda: bool(failed), 20.0, "a write to fail")
            assert not store.ready()
            with pytest.raises(BackendUnavailable):
                _ids(store)
            server.start()
            wait_for(lambda: len(done) == len(batches), 60.0, "all batches", lambda: str(failed[-1:]))
        finally:
            ended.set()
            writer.join()
        assert failed
        for number, events in enumerate(batches[:3]):  # a processor that died before its commit
            store.write(Batch(str(number), events))
        assert _ids(store) == [event.id for events in batches for event in events]
        store.close()
