"""What every store promises about the order of arrival, from which a live tail is resumed."""
# ruff: noqa: F401, F811 - fixtures come in by import

import msgspec
from tests.contract.test_store import Opened, it, opened

from logkeep.query.ast import All, Equals, Query, Word
from logkeep.store.port import ArrivedRequest
from logkeep.store.reading import Reading


def write(it: Opened, count: int = 6) -> None:
    """Events e1 to eN arrive at 10, 20, …; their times run the other way, and their ids in neither."""
    for number in range(1, count + 1):
        time_ns = it.event("").time_ns - number * 3600_000_000_000 * 7
        it.write(it.event(f"e{number}", time_ns=time_ns, arrival=10 * number, value=f"value {number % 2}"))


def arrived(
    it: Opened, query: Query | None = None, *, after: int = 0, until: int = 1000, limit: int = 100
) -> list[tuple[int, str]]:
    found = it.store.arrived(Reading(), ArrivedRequest(it.app, query or All(), after, until, limit))
    return [(each.arrival, msgspec.json.decode(each.event)["id"]) for each in found]


def test_events_come_in_the_order_of_arrival_whatever_their_times(it: Opened) -> None:
    write(it)
    assert arrived(it) == [(10 * number, f"e{number}") for number in range(1, 7)]
    assert arrived(it, after=20, until=50) == [(30, "e3"), (40, "e4"), (50, "e5")]
    assert arrived(it, after=20, limit=2) == [(30, "e3"), (40, "e4")]
    assert arrived(it, Word("1")) == [(10, "e1"), (30, "e3"), (50, "e5")]
    assert arrived(it, Equals("id", "e4"), after=-1, limit=1) == [(40, "e4")]
    assert arrived(it, after=60) == []


def test_the_event_is_as_a_search_gives_it(it: Opened) -> None:
    it.write(it.event("odd", value="a\tb\n\\c", arrival=7, attributes={"a\tb": "c\td"}, pattern="0123abcd"))
    (found,) = it.store.arrived(Reading(), ArrivedRequest(it.app, All(), 0, 10, 10))
    assert found.pattern == "0123abcd"
    assert msgspec.json.decode(found.event) == msgspec.json.decode(it.page().events)[0]


def test_how_many_came_before_the_newest_and_where_those_begin(it: Opened) -> None:
    write(it)

    def newest(limit: int, query: Query | None = None, after: int = 0) -> tuple[int, int]:
        return it.store.newest_arrived(Reading(), ArrivedRequest(it.app, query or All(), after, 1000, limit))

    assert newest(6) == newest(100) == (0, 0)
    assert newest(4) == (2, 20) and arrived(it, after=20) == [(30, "e3"), (40, "e4"), (50, "e5"), (60, "e6")]
    assert newest(1, Word("1")) == (2, 30)
    assert newest(0) == (6, 60)
    assert newest(2, after=60) == (0, 60)


def test_what_an_update_has_superseded_arrived_all_the_same(it: Opened) -> None:
    it.write(it.event("old", arrival=1))
    it.write(it.event("new", arrival=2, update=True, received_ns=it.event("").received_ns + 5))
    assert it.ids() == ["new"]
    assert arrived(it) == [(1, "old"), (2, "new")]


def test_no_app_sees_what_arrived_in_another(it: Opened) -> None:
    it.write(it.event("mine", arrival=1), it.event("theirs", arrival=2, app=it.app + "-other"))
    assert arrived(it) == [(1, "mine")]
