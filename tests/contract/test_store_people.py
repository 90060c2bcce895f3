"""Facets and lists of sessions, devices and users: the same from every store.

The embedded store answers from events and, for days that are over, from a projection of them: it is run with both.
"""

import itertools
from collections.abc import Iterator
from typing import Any, Literal

import pytest
from tests.contract.stores import OPENERS, opened_store
from tests.events import made_event

from logkeep.clock import NS_PER_DAY, NS_PER_S, SystemClock
from logkeep.errors import InputError
from logkeep.event import Event
from logkeep.query import ast
from logkeep.query.parser import parse
from logkeep.store.embedded import EmbeddedStore
from logkeep.store.port import (
    Activity,
    ActivityOf,
    ActivityPage,
    ActivityRequest,
    Batch,
    Facets,
    FieldCount,
    FieldFacet,
    SessionPlace,
    Store,
)
from logkeep.store.reading import Reading

T0 = 1_760_054_400 * NS_PER_S  # 2025-10-10T00:00:00Z
FOREVER = (1 << 63) - 1
HOUR_NS = 3600 * NS_PER_S
SUM_UP = "ALTER TABLE events MATERIALIZE PROJECTION activity SETTINGS mutations_sync = 1"
HOSTILE = "<script>alert('1')</script>\\N\t\n\r\x00\x1b[31m\u202e{s0:String}'\"%_"

_numbers = itertools.count()


class Opened:
    """A store and an app of its own for each test. summed: days get their projection before they are listed."""

    def __init__(self, store: Store, *, summed: bool) -> None:
        self.store, self.summed, self.app = store, summed, ""
        self._written = False

    def event(self, event_id: str, hours: float = 0, **changes: Any) -> Event:
        """An event `hours` after T0."""
        time_ns = T0 + int(hours * HOUR_NS)
        fields: dict[str, Any] = {
            "app": self.app,
            "session": "s-1",
            "key": "log",
            "value": "hello world",
            "kind": "text",
            "number": None,
            "time_ns": time_ns,
            "received_ns": time_ns + NS_PER_S,
            "id": event_id,
        }
        return made_event(**(fields | changes))

    def write(self, *events: Event) -> None:
        self.store.write(Batch(f"token-{next(_numbers)}", events))
        self._written = True

    def _sum_up(self) -> None:
        if self.summed and self._written:
            assert isinstance(self.store, EmbeddedStore)
            self.store._engine.write(SUM_UP)
            self._written = False

    def page(self, of: ActivityOf = "session", text: str = "", **changes: Any) -> ActivityPage:
        self._sum_up()
        request = {"app": self.app, "of": of, "query": parse(text), "from_ns": 0, "to_ns": FOREVER, "limit": 100}
        return self.store.activity(Reading(), ActivityRequest(**(request | changes)))

    def rows(self, of: ActivityOf = "session", text: str = "", **changes: Any) -> list[Activity]:
        page = self.page(of, text, **changes)
        assert page.next is None
        return page.rows

    def counts(self, of: ActivityOf = "session", text: str = "", **changes: Any) -> list[tuple[str, int]]:
        return [(row.name, row.events) for row in self.rows(of, text, **changes)]

    def facets(self, *fields: str, text: str = "", limit: int = 10, **changes: int) -> Facets:
        span = {"from_ns": 0, "to_ns": FOREVER} | changes
        return self.store.facets(
            Reading(), self.app, parse(text), span["from_ns"], span["to_ns"], fields=fields, limit=limit
        )

    def around(
        self, session: str, field: Literal["user", "device"], name: str
    ) -> tuple[SessionPlace | None, SessionPlace | None]:
        self._sum_up()
        return self.store.session_neighbours(Reading(), self.app, session, field=field, name=name)


@pytest.fixture(scope="module", params=[*OPENERS, "summed"])
def opened(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Opened]:
    """summed: the embedded store after its days are over."""
    summed = request.param == "summed"
    name = "embedded" if summed else request.param
    with opened_store(name, tmp_path_factory.mktemp("store"), SystemClock()) as store:
        yield Opened(store, summed=summed)


@pytest.fixture
def it(opened: Opened) -> Opened:
    opened.app = f"app-{next(_numbers)}"
    return opened


# ── lists ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def write_two_days(it: Opened) -> None:
    it.write(
        it.event("e1", 1, session="a", user="ann", device="d1", component="web", level="error"),
        it.event("e2", 2, session="a", user="ann", device="d1", component="api", level="fatal"),
        it.event("e3", 3, session="b", user="bob", device="d1", component="web", level="warn"),
        it.event("e4", 23, session="c", device="d2"),
        it.event("e5", 25, session="a", user="eve", component="app"),
        it.event("e6", 26, session="d", user="ann", value="bye"),
    )


def test_sessions_are_listed_by_their_last_activity_with_all_that_is_told(it: Opened) -> None:
    write_two_days(it)
    at = [T0 + hour * HOUR_NS for hour in range(27)]
    assert it.rows() == [
        Activity("d", 1, 0, at[26], at[26], "ann", "", 1, []),
        Activity("a", 3, 2, at[1], at[25], "eve", "d1", 1, ["app"]),
        Activity("c", 1, 0, at[23], at[23], "", "d2", 1, []),
        Activity("b", 1, 0, at[3], at[3], "bob", "d1", 1, ["web"]),
    ]


def test_devices_and_users_are_listed_with_their_sessions(it: Opened) -> None:
    write_two_days(it)
    at = [T0 + hour * HOUR_NS for hour in range(27)]
    assert it.rows("device") == [
        Activity("d2", 1, 0, at[23], at[23], "", "d2", 1, []),
        Activity("d1", 3, 2, at[1], at[3], "bob", "d1", 2, ["web"]),
    ]
    assert it.rows("user") == [
        Activity("ann", 3, 2, at[1], at[26], "ann", "d1", 2, []),
        Activity("eve", 1, 0, at[25], at[25], "eve", "", 1, ["app"]),
        Activity("bob", 1, 0, at[3], at[3], "bob", "d1", 1, ["web"]),
    ]


def test_what_is_told_is_of_the_events_that_match(it: Opened) -> None:
    write_two_days(it)
    expected = {
        "user=ann": [("d", 1), ("a", 2)],
        "device=d1": [("b", 1), ("a", 2)],
        "session:a*": [("a", 3)],
        "user=ann device=d1": [("a", 2)],
        "user=ann or device=d2": [("d", 1), ("c", 1), ("a", 2)],
        "not user:*": [("c", 1)],
        "user:/^b/": [("b", 1)],
        "level>=error": [("a", 2)],
        "bye or component:web": [("d", 1), ("b", 1), ("a", 1)],
        "user=nobody": [],
        "absent": [],
    }
    assert {text: it.counts(text=text) for text in expected} == expected


def test_a_list_tells_of_its_range_alone(it: Opened) -> None:
    write_two_days(it)
    expected: dict[tuple[float, float], list[tuple[str, int]]] = {
        (0, 24): [("c", 1), ("b", 1), ("a", 2)],
        (24, 48): [("d", 1), ("a", 1)],
        (2, 25.5): [("a", 2), ("c", 1), ("b", 1)],
        (-30, 2): [("a", 1)],
        (3, 3): [],
        (9, 3): [],
        (100, 200): [],
    }
    spans = {hours: [T0 + int(hour * HOUR_NS) for hour in hours] for hours in expected}
    found = {hours: it.counts(from_ns=start, to_ns=end) for hours, (start, end) in spans.items()}
    assert found == expected


def test_components_are_those_of_the_last_hour(it: Opened) -> None:
    hours = {"old": 0.0, "edge": 1.0, "late": 1.5, "last": 2.0}
    it.write(*(it.event(name, at, component=name, user="u") for name, at in hours.items()), it.event("x", 1.9))
    assert it.rows()[0].components == ["last", "late"]
    assert it.rows("user", from_ns=T0 + int(1.7 * HOUR_NS))[0].components == ["last"]
    it.write(*(it.event(f"c{i}", 3, component=f"c{i:02}") for i in range(40)))
    assert it.rows()[0].components == [f"c{i:02}" for i in range(32)]


def test_a_range_beyond_all_time_is_all_time(it: Opened) -> None:
    write_two_days(it)
    assert it.counts(from_ns=-(1 << 70), to_ns=1 << 70) == it.counts()


def test_an_app_lists_its_own(it: Opened) -> None:
    it.write(
        it.event("e1", session="mine", user="u"), it.event("e2", app=it.app + "-other", session="theirs", user="u")
    )
    assert (it.counts(), it.counts(app="nobody")) == ([("mine", 1)], [])
    assert it.around("theirs", "user", "u") == (None, None)


@pytest.mark.parametrize("of", ["session", "device", "user"])
def test_pages_joined_name_each_once_while_others_become_active(it: Opened, of: ActivityOf) -> None:
    names = [f"n{i:02}" for i in range(11)]
    it.write(*(it.event(f"e{i}", 5 - i // 3, **{of: name}) for i, name in enumerate(names)))
    whole = [name for name, _ in it.counts(of)]
    page = it.page(of, limit=3)
    found = [row.name for row in page.rows]
    it.write(it.event("later", 9, **{of: "n00"}), it.event("new", 9, **{of: "new"}), it.event("old", 0, **{of: "zzz"}))
    while page.next is not None:
        page = it.page(of, limit=3, cursor=page.next)
        found += [row.name for row in page.rows]
    assert whole == names if of != "session" else set(whole) == set(names)
    assert found == [*whole, "zzz"]


def test_a_page_that_holds_the_last_has_no_next(it: Opened) -> None:
    it.write(it.event("e1", session="a"), it.event("e2", session="b"))
    assert (it.page(limit=2).next, it.page(limit=1).next is None) == (None, False)


def test_the_newest_are_found_among_many_that_are_older(it: Opened) -> None:
    it.write(*(it.event(f"e{i}", -i * 2, session=f"s{i:03}") for i in range(40)))
    assert [row.name for row in it.page(limit=5).rows] == ["s000", "s001", "s002", "s003", "s004"]
    assert [row.name for row in it.page(limit=3, text="session:s03*").rows] == ["s030", "s031", "s032"]


@pytest.mark.parametrize("cursor", ["", "x", "é", "A" * 2000, "////////////////"])
def test_a_cursor_that_is_none_is_refused(it: Opened, cursor: str) -> None:
    with pytest.raises(InputError) as caught:
        it.page(cursor=cursor)
    assert caught.value.code == "bad_cursor"


@pytest.mark.parametrize("of", ["session", "device", "user"])
def test_names_of_any_text_are_listed_as_they_are(it: Opened, of: ActivityOf) -> None:
    names = sorted([HOSTILE, "a'b", "a\\", "]", "\x00", "\u2028", "𝄞" * 128, "é", "NULL"], key=str.encode)
    it.write(*(it.event(f"e{i}", **{of: name}) for i, name in enumerate(names)))
    found, page = [], it.page(of, limit=4)
    found += [row.name for row in page.rows]
    while page.next is not None:
        page = it.page(of, limit=4, cursor=page.next)
        found += [row.name for row in page.rows]
    assert found == names
    assert it.counts(of, query=ast.Equals(of, HOSTILE)) == [(HOSTILE, 1)]
    assert it.counts(of, query=ast.Prefix(of, HOSTILE[:9])) == [(HOSTILE, 1)]
    assert it.counts(of, query=ast.Equals(of, "x" * 1_000_000)) == []


def test_events_and_errors_leave_out_what_an_update_has_superseded(it: Opened) -> None:
    early = {"received_ns": T0 + NS_PER_S}
    it.write(
        it.event("old", level="error", user="ann", session="a", **early),
        it.event("other", 1, key="else", level="error", user="ann", session="a", **early),
        it.event("away", user="ann", session="b", **early),
    )
    it.write(it.event("new", 2, update=True, session="a", value="now", received_ns=T0 + 2 * NS_PER_S))
    told = Activity("a", 2, 1, T0, T0 + 2 * HOUR_NS, "ann", "", 1, [])
    assert it.rows() == [told, Activity("b", 1, 0, T0, T0, "ann", "", 1, [])]
    assert it.rows(text="hello or now") == it.rows()
    assert it.counts("user") == [("ann", 2)]
    assert it.counts(to_ns=T0 + 1) == [("b", 1)]
    assert it.counts(text="level:error") == [("a", 1)]
    assert it.counts(text="hello", to_ns=T0 + 1) == [("b", 1)]


def test_a_dropped_day_is_in_no_list(it: Opened) -> None:
    far = 24 * 500  # days that no other test uses
    it.write(it.event("e1", far, session="a"), it.event("e2", far + 24, session="a"), it.event("e3", far, session="b"))
    it.store.drop_day("2027-02-22")
    assert it.counts() == [("a", 1)]


# ── neighbours ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_sessions_of_a_user_follow_each_other_by_their_beginnings(it: Opened) -> None:
    it.write(
        it.event("e1", 1, session="a", user="ann"),
        it.event("e2", 9, session="a", user="ann"),
        it.event("e3", 2, session="x", user="bob", device="d"),
        it.event("e4", 3, session="b", user="ann", device="d"),
        it.event("e5", 3, session="c", user="ann"),
        it.event("e6", 1, session="c"),
    )
    a, b, c = (SessionPlace(name, T0 + hour * HOUR_NS) for name, hour in (("a", 1), ("b", 3), ("c", 3)))
    assert [it.around(name, "user", "ann") for name in "abc"] == [(None, b), (a, c), (b, None)]
    assert it.around("b", "device", "d") == (SessionPlace("x", T0 + 2 * HOUR_NS), None)
    assert it.around("x", "user", "ann") == (None, None)
    assert it.around("absent", "user", "absent") == (None, None)


def test_neighbours_of_any_name_are_found(it: Opened) -> None:
    it.write(it.event("e1", 1, session=HOSTILE, user=HOSTILE), it.event("e2", 2, session="\\'", user=HOSTILE))
    assert it.around("\\'", "user", HOSTILE) == (SessionPlace(HOSTILE, T0 + HOUR_NS), None)


# ── facets ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_facets_count_the_values_of_several_fields_at_once(it: Opened) -> None:
    attributes: list[dict[str, Any]] = [
        {"os": "linux", "n": 5},
        {"os": "linux"},
        {"os": "mac", "n": 5.0},
        {},
        {"os": ""},
    ]
    components = ["web", "web", "api", "", "cart"]
    it.write(
        *(
            it.event(f"e{i}", component=component, level="warn", attributes=attributes[i])
            for i, component in enumerate(components)
        )
    )
    assert it.facets("component", "level", "attributes.os", "attributes.n", "user", limit=2) == Facets(
        5,
        1.0,
        [
            FieldFacet("component", [FieldCount("web", 2), FieldCount("api", 1)], 1, 1),
            FieldFacet("level", [FieldCount("warn", 5)], 0, 0),
            FieldFacet("attributes.os", [FieldCount("linux", 2), FieldCount("mac", 1)], 0, 2),
            FieldFacet("attributes.n", [FieldCount("5", 2)], 0, 3),
            FieldFacet("user", [], 0, 5),
        ],
    )


def test_facets_count_what_matches_in_the_range(it: Opened) -> None:
    write_two_days(it)
    assert it.facets("session", text="user=ann", from_ns=T0, to_ns=T0 + NS_PER_DAY) == Facets(
        2, 1.0, [FieldFacet("session", [FieldCount("a", 2)], 0, 0)]
    )
    nothing = Facets(0, 1.0, [FieldFacet("key", [], 0, 0)])
    assert it.facets("key", text="absent") == it.facets("key", from_ns=5, to_ns=5) == nothing
    assert it.facets("key", from_ns=9, to_ns=5) == it.facets("key", from_ns=1 << 65, to_ns=1 << 66) == nothing


def test_facets_leave_out_what_an_update_has_superseded(it: Opened) -> None:
    it.write(it.event("old", level="error"))
    it.write(it.event("new", level="info", update=True, received_ns=T0 + 9 * NS_PER_S))
    assert it.facets("level") == Facets(1, 1.0, [FieldFacet("level", [FieldCount("info", 1)], 0, 0)])


def test_facets_of_any_field_and_text_come_back_as_they_are(it: Opened) -> None:
    name = "attributes." + HOSTILE
    values = [HOSTILE, "é" * 300, "x" * 1_000_000, "𝄞"]
    it.write(
        *(
            it.event(f"e{i}", value=value, user=value[:100], attributes={HOSTILE: value})
            for i, value in enumerate(values)
        )
    )
    cut = sorted(
        ({"value": value[:256], "user": value[:100]} for value in values), key=lambda row: row["value"].encode()
    )
    [attribute, value, user] = it.facets(name, "value", "user").fields
    assert (
        [found.value for found in attribute.values]
        == [found.value for found in value.values]
        == [row["value"] for row in cut]
    )
    assert [found.value for found in user.values] == [row["user"] for row in cut]


def test_twenty_fields_of_a_thousand_values_are_counted(it: Opened) -> None:
    fields = [f"attributes.a{i}" for i in range(20)]
    it.write(*(it.event(f"e{n}", attributes={f"a{i}": n * (i + 1) for i in range(20)}) for n in range(1000)))
    found = it.facets(*fields, limit=1000)
    assert [len(field.values) for field in found.fields] == [1000] * 20
    assert it.facets(*fields, limit=1).fields[7] == FieldFacet("attributes.a7", [FieldCount("0", 1)], 999, 0)
