"""Statistics: every stored event counted once, whatever is killed, and read back by day, component and key."""

from pathlib import Path
from typing import Any

import pytest
from tests.unit.processor.test_sessions import Room, ns
from tests.unit.processor.test_worker import APP, NOW_NS, Bench, Crash, Dying, Fuse

from logkeep.clock import NS_PER_DAY
from logkeep.event import Event
from logkeep.metastore import statistics as rows_of
from logkeep.metastore.database import Work
from logkeep.metastore.distinct import count_of, hash_of, joined, sketches_of, without
from logkeep.metastore.sqlite import SqliteDatabase
from logkeep.metastore.statistics import Grain
from logkeep.processor import prepare as prepare_module
from logkeep.processor.counting import Book, Cells
from logkeep.processor.ledger import LeftOut
from logkeep.processor.prepare import Owners
from logkeep.processor.statistics import count_left_out
from logkeep.queue.memory import MemoryQueue

TODAY = NOW_NS // NS_PER_DAY


def counted(bench: Bench, grain: Grain) -> dict[tuple[int, str, str], tuple[int, ...]]:
    rows = bench.database.read(lambda transaction: rows_of.read(transaction, APP, grain, 0, 1 << 30))
    return {
        (row.place.day - TODAY, row.place.component, row.place.key): (
            row.counts.events, row.counts.value_bytes, row.counts.errors, row.counts.rejects,
            *map(count_of, (row.counts.users, row.counts.sessions, row.counts.devices)),
        )
        for row in rows
    }  # fmt: skip


def make(component: str, key: str, user: str = "", level: str = "", day: int = 0, value: str = "ü") -> dict[str, Any]:
    return {"session": f"s-{user}", "key": key, "value": value, "user": user, "level": level, "component": component,
            "time": NOW_NS + day * NS_PER_DAY}  # fmt: skip


def test_events_are_counted_in_three_grains(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.send([make("shop", "page", "anna"), make("shop", "page", "ben", "error"), make("shop", "total", "anna")])
    bench.send(
        [make("mail", "sent", "anna", "fatal", day=-1), {"session": "s"}, {"key": "page", "component": "shop"}],
        rejected={"too_deep": 2, "missing_key": 4, "over_quota": 9},
        named=(("shop", "", 3), ("", "page", 1)),
    )
    bench.drain()
    assert counted(bench, 0) == {(0, "", ""): (3, 6, 1, 8, 2, 2, 0), (-1, "", ""): (1, 2, 1, 0, 1, 1, 0)}
    assert counted(bench, 1) == {
        (0, "shop", ""): (3, 6, 1, 4, 2, 2, 0),
        (0, "", ""): (0, 0, 0, 2, 0, 0, 0),
        (0, "(unknown)", ""): (0, 0, 0, 2, 0, 0, 0),
        (-1, "mail", ""): (1, 2, 1, 0, 1, 1, 0),
    }
    assert counted(bench, 2) == {
        (0, "shop", "page"): (2, 4, 1, 1, 2, 2, 0),
        (0, "shop", "total"): (1, 2, 0, 0, 1, 1, 0),
        (0, "shop", ""): (0, 0, 0, 3, 0, 0, 0),
        (0, "", "page"): (0, 0, 0, 1, 0, 0, 0),
        (0, "", ""): (0, 0, 0, 1, 0, 0, 0),
        (0, "(unknown)", "(unknown)"): (0, 0, 0, 2, 0, 0, 0),
        (-1, "mail", "sent"): (1, 2, 1, 0, 1, 1, 0),
    }


def test_what_is_too_much_for_a_day_goes_into_one_cell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows_of, "CELLS_MAX", 3)
    bench = Bench(tmp_path)
    for start in (0, 3):
        bench.send([make("c", f"k{number}", f"u{number}") for number in range(start, start + 5)])
        bench.drain()
    found = counted(bench, 2)
    assert len(found) == 4 and sum(row[0] for row in found.values()) == 10
    assert found[0, "(other)", "(other)"][0] >= 5


def test_rejects_of_datagrams_stand_under_the_component_and_key_they_name(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.send([{"app": "key", "component": "web", "key": "k", "value": 1}, b'{"app":"key","comp'], "udp-0", app="",
               source="udp", rejected={"invalid_json": 1})  # fmt: skip
    bench.drain()
    assert {place: row[3] for place, row in counted(bench, 2).items()} == {(0, "web", "k"): 1}


def test_more_names_than_are_told_apart_in_a_batch_are_counted_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prepare_module, "NAMED_MAX", 3)
    bench = Bench(tmp_path)
    bench.send([{"session": "s", "component": f"c{number}"} for number in range(10)])
    bench.drain()
    rejects = {place[1]: row[3] for place, row in counted(bench, 1).items()}
    assert rejects == {"c0": 1, "c1": 1, "c2": 1, "(other)": 7}


def test_what_a_version_before_left_out_is_counted_without_names(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.send([make("a", "k"), make("b", "k"), make("c", "k")])
    prepared = bench.processor()._prepare(bench.queue.read("any", records_max=9, bytes_max=1 << 20))
    for out, rejects in (
        (LeftOut(0, 1, [1, 2], {APP: 1}), {("(unknown)", "(unknown)"): 1}),
        (LeftOut(0, 1, [1, 2], refused=[1]), {("b", "k"): 1}),
    ):
        cells = Cells()
        count_left_out(prepared, out, cells)
        found = cells.written().items()
        assert {(place.component, place.key): counts.rejects for place, counts in found} == rejects


class DyingDatabase:
    """Transactions that change something burn a fuse before they begin and after they are durable."""

    def __init__(self, inner: SqliteDatabase, fuse: Fuse) -> None:
        self._inner, self._fuse = inner, fuse

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def write(self, work: Work[Any]) -> Any:
        self._fuse.burn()
        result = self._inner.write(work)
        self._fuse.burn()
        return result


def test_killed_at_every_step_every_event_is_counted_once(tmp_path: Path) -> None:
    died = 0
    for step in range(1, 50):
        room = Room(tmp_path / str(step))
        inner = room.database
        room.send([make("a", "k", "anna") | {"id": "mine"}, make("a", "k", "ben")], received_ns=NOW_NS)
        room.send([make("a", "k", "anna") | {"id": "mine"}], "udp-0", received_ns=NOW_NS)
        room.log("waits", 0, device="e", component="b")
        room.log("never", 0, device="f", component="b")
        for late_s, told in ((1, ""), (300, "t"), (700, "")):
            room.at(late_s)
            if told:
                room.tell(session=told, device="e", time=ns(0))
            for _ in range(3):
                fuse = Fuse(step)
                room.database = DyingDatabase(inner, fuse)  # type: ignore[assignment]
                processor = room.processor(Dying(room.queue, fuse), Dying(room.store, fuse), clock=room.clock)
                try:
                    room.process(processor)
                    break
                except Crash:
                    died += 1
            room.database = inner
            room.process()
        assert (step, {place: row[:4] for place, row in counted(room, 1).items()}) == (
            step,
            {(0, "a", ""): (2, 4, 0, 1), (0, "b", ""): (1, 1, 0, 1)},
        )
    assert died > 40


def test_a_queue_that_was_replaced_is_counted_from_its_start(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    for _ in range(3):
        bench.send([make("a", "k")])
        bench.drain()
    bench.queue = MemoryQueue()
    bench.send([make("a", "k")])
    bench.drain()
    assert counted(bench, 0)[0, "", ""][0] == 4


def test_sketches_join_to_what_one_would_have_held() -> None:
    names = [f"user-{number}" for number in range(20_000)]
    for size in (0, 1, 240, 241, 1000, 20_000):
        hashes = [hash_of(name) for name in names[:size]]
        parts = [joined((), hashes[start::7]) for start in range(7)]
        whole = joined((), hashes)
        assert joined(parts) == whole == joined([whole, whole], hashes)
        assert abs(count_of(whole) - size) <= (0 if size <= 240 else size * 0.1)
        assert len(whole) <= 1025
    assert count_of(without(joined((), map(hash_of, names[:9])), [hash_of(names[3])])) == 8


def test_sketches_of_groups_are_those_of_their_names() -> None:
    names = ["", *(f"user-{number}" for number in range(3_000))]
    groups = [[], [0], [0, 1, 2, 2], list(range(241)), list(range(242)), list(range(3_001))]
    expected = [joined((), {hash_of(names[row]) for row in group if row}) for group in groups]
    assert sketches_of(names, groups) == expected
    assert [sketch[:1] for sketch in expected] == [b"", b"", b"\x00", b"\x00", b"\x01", b"\x01"]


def count(cells: Cells, events: list[Event]) -> None:
    owners = Owners()
    cells.count(events, owners, owners.of(events))


def test_counting_tells_days_and_levels_apart() -> None:
    cells = Cells()
    count(
        cells,
        [
            Event(APP, "s", "k", "12", "number", 12.0, time_ns, 0, "i", level, component="c")
            for time_ns, level in ((0, "error"), (NS_PER_DAY - 1, "fatal"), (NS_PER_DAY, "warn"))
        ],
    )
    found = {place.day: (counts.events, counts.value_bytes, counts.errors) for place, counts in cells.written().items()}
    assert found == {0: (2, 4, 2), 1: (1, 2, 0)}


def test_cells_that_were_joined_are_those_of_one_count() -> None:
    def event(number: int) -> Event:
        level = ("", "error", "info", "fatal")[number % 4]
        return Event(
            APP, f"s-{number % 700}", f"k-{number % 3}", "ü" * (number % 5), "text", None, 0, 0, "i", level,
            user=f"u-{number % 300}" if number % 2 else "", component=f"c-{number % 2}",
        )  # fmt: skip

    events = [event(number) for number in range(2_000)]
    book = Book()
    whole, both, one, other = Cells(), Cells(book), Cells(book), Cells(book)
    count(whole, events)
    count(one, events[:900])
    count(other, events[900:])
    both.join(one)
    both.join(other)
    assert both.written() == whole.written()
    for place, counts in whole.written().items():
        own = [one for one in events if (one.component, one.key) == (place.component, place.key)]
        assert (counts.events, counts.value_bytes) == (len(own), sum(len(one.value.encode()) for one in own))
        assert counts.errors == sum(one.level in ("error", "fatal") for one in own)
        for sketch, names in (
            (counts.users, {one.user for one in own}),
            (counts.sessions, {one.session for one in own}),
        ):
            assert sketch == joined((), map(hash_of, names - {""}))
        assert counts.devices == b""
