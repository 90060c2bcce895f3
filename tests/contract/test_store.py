"""What every store promises (store/port.py), run against every adapter."""

import itertools
from collections.abc import Iterator
from typing import Any, Literal

import msgspec
import pytest
from tests.contract.stores import OPENERS, opened_store
from tests.events import made_event

from logkeep.clock import NS_PER_DAY, NS_PER_S, ManualClock
from logkeep.errors import InputError
from logkeep.event import Event
from logkeep.query import ast
from logkeep.store.port import ActivityRequest, Batch, Bucket, DayCount, Page, SearchRequest, Store
from logkeep.store.reading import LimitReached, Limits, Reading

T0 = 1_760_054_400 * NS_PER_S  # 2025-10-10T00:00:00Z
FOREVER = (1 << 63) - 1
HOUR_S = 3600

_numbers = itertools.count()


class Opened:
    """A store, its clock, and an app of its own for each test."""

    def __init__(self, store: Store, clock: ManualClock, *, granular: bool = False) -> None:
        """granular: the store reads whole blocks of thousands of events."""
        self.store, self.clock, self.app, self.granular = store, clock, "", granular

    def event(self, event_id: str, **changes: Any) -> Event:
        fields: dict[str, Any] = {
            "app": self.app,
            "session": "s-1",
            "key": "log",
            "value": "hello world",
            "kind": "text",
            "number": None,
            "time_ns": T0,
            "received_ns": changes.get("time_ns", T0) + NS_PER_S,
            "id": event_id,
        }
        return made_event(**(fields | changes))

    def write(self, *events: Event, token: str = "") -> None:
        self.store.write(Batch(token or f"token-{next(_numbers)}", events))

    def page(self, query: ast.Query | None = None, **changes: Any) -> Page:
        request = {"app": self.app, "query": query or ast.All(), "from_ns": 0, "to_ns": FOREVER, "order": "asc"}
        return self.store.search(Reading(), SearchRequest(**(request | changes)))

    def ids(self, query: ast.Query | None = None, **changes: Any) -> list[str]:
        return ids_of(self.page(query, **changes))


def ids_of(page: Page) -> list[str]:
    found = [event["id"] for event in msgspec.json.decode(page.events)]
    assert len(found) == page.count
    return found


@pytest.fixture(scope="module", params=list(OPENERS))
def opened(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Opened]:
    clock = ManualClock(T0 + 15 * HOUR_S * NS_PER_S)
    with opened_store(request.param, tmp_path_factory.mktemp("store"), clock) as store:
        yield Opened(store, clock, granular=request.param == "embedded")


@pytest.fixture
def it(opened: Opened) -> Opened:
    opened.app = f"app-{next(_numbers)}"
    return opened


# ── what is written is found ──────────────────────────────────────────────────────────────────────────────────────


def test_an_event_comes_back_with_all_its_fields(it: Opened) -> None:
    it.write(
        it.event(
            "e1",
            value='said "hi"\tto \\ all\n/ünïcode \x00\x7f\u2028𝄞',
            time_ns=T0 + 123_456_789,
            received_ns=T0 + 2 * NS_PER_S,
            level="warn",
            user="u'1",
            device="d\\n",
            component="c{x}",
            attributes={"os": "linux", "line": 5, "ok": True, "a'b\\": 'x"y'},
        )
    )
    assert msgspec.json.decode(it.page().events) == [
        {
            "id": "e1",
            "app": it.app,
            "time": "2025-10-10T00:00:00.123456789Z",
            "received": "2025-10-10T00:00:02.000000000Z",
            "session": "s-1",
            "key": "log",
            "value": 'said "hi"\tto \\ all\n/ünïcode \x00\x7f\u2028𝄞',
            "level": "warn",
            "user": "u'1",
            "device": "d\\n",
            "component": "c{x}",
            "attributes": {"os": "linux", "line": 5, "ok": True, "a'b\\": 'x"y'},
        }
    ]


def test_fields_that_are_unset_are_left_out(it: Opened) -> None:
    it.write(it.event("e1", update=True))
    assert msgspec.json.decode(it.page().events) == [
        {
            "id": "e1",
            "app": it.app,
            "time": "2025-10-10T00:00:00.000000000Z",
            "received": "2025-10-10T00:00:01.000000000Z",
            "session": "s-1",
            "key": "log",
            "value": "hello world",
            "update": True,
        }
    ]


@pytest.mark.parametrize(
    ("kind", "value", "number"),
    [
        ("text", "5", None),
        ("number", "5", 5.0),
        ("number", "-1.50e3", -1500.0),
        ("number", "123456789012345678901234567890", 123456789012345678901234567890.0),
        ("number", "1e999", None),
        ("bool", "true", None),
        ("null", "null", None),
        ("object", '{"a":[1,{"b":"x\\ny"}]}', None),
        ("array", "[]", None),
    ],
)
def test_a_value_comes_back_as_the_json_it_was(it: Opened, kind: str, value: str, number: float | None) -> None:
    it.write(it.event("e1", kind=kind, value=value, number=number))
    [event] = msgspec.json.decode(it.page().events, type=list[dict[str, msgspec.Raw]])
    assert bytes(event["value"]).decode() == (f'"{value}"' if kind == "text" else value)


def test_texts_that_look_like_escapes_are_found_as_they_are(it: Opened) -> None:
    texts = ["a\\tb", "a\tb", "a\\\\b", "a'b", "a\nb", "a\rb", "\\N", "NULL", "{q0:String}", "a\x00b", "", "a%b", "\\"]
    it.write(*(it.event(f"e{i:02}", value=text, user=text) for i, text in enumerate(texts)))
    assert [it.ids(ast.Equals("value", text)) for text in texts] == [[f"e{i:02}"] for i in range(len(texts))]
    assert [it.ids(ast.Equals("user", text)) for text in texts] == [[f"e{i:02}"] for i in range(len(texts))]


def test_an_app_never_sees_anothers_events(it: Opened) -> None:
    it.write(it.event("e1"), it.event("e2", app=it.app + "-other"))
    other = it.app + "-other"
    assert (it.ids(), it.ids(app=other), it.ids(app="nobody")) == (["e1"], ["e2"], [])
    assert it.store.event(Reading(), it.app, "e2") is None
    assert it.store.session(Reading(), it.app, "s-1", limit=9).count == 1
    assert (
        sum(bucket.count for bucket in it.store.histogram(Reading(), it.app, ast.All(), 0, FOREVER, buckets=1, by=None))
        == 1
    )


def test_the_same_id_in_two_apps_is_two_events(it: Opened) -> None:
    it.write(it.event("e1", value="mine"), it.event("e1", app=it.app + "-other", value="theirs"))
    found = it.store.event(Reading(), it.app + "-other", "e1")
    assert found is not None and msgspec.json.decode(found)["value"] == "theirs"


def test_one_event_is_read_by_its_id(it: Opened) -> None:
    it.write(it.event("e1"), it.event("e2", value="5", kind="number", number=5.0))
    found = it.store.event(Reading(), it.app, "e2")
    assert found is not None and msgspec.json.decode(found)["value"] == 5
    assert it.store.event(Reading(), it.app, "e3") is None


# ── once ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_same_token_again_changes_nothing(it: Opened) -> None:
    events = [it.event("e1"), it.event("e2", time_ns=T0 + NS_PER_DAY)]
    it.write(*events, token=it.app)
    it.write(*events, token=it.app)
    assert it.ids() == ["e1", "e2"]


def test_equal_events_under_other_tokens_are_all_kept(it: Opened) -> None:
    for number in range(3):
        it.write(it.event(f"e{number}"))
    assert it.ids() == ["e0", "e1", "e2"]


def test_an_id_a_sender_gave_is_known_once_it_is_stored(it: Opened) -> None:
    it.write(it.event("e1", own_id=True), it.event("e2"))
    asked = [
        it.event("e1", own_id=True),
        it.event("e2", own_id=False),
        it.event("e3", own_id=True),
        it.event("e3", own_id=True, value="the same again"),
        it.event("e1", own_id=True, app=it.app + "-other"),
    ]
    assert it.store.known(asked) == {0, 3}


def test_an_id_without_a_time_is_known_for_a_day(it: Opened) -> None:
    it.write(it.event("e1", own_id=True, time_ns=T0, received_ns=T0))
    again = it.event("e1", own_id=True, time_ns=T0 + 7, received_ns=T0 + 7)
    assert it.store.known([again]) == {0}
    it.clock.advance(25 * HOUR_S)
    it.write(it.event("e2", own_id=True, received_ns=T0))  # the memory is tidied when something new comes in
    assert it.store.known([again]) == set()
    assert it.store.known([it.event("e1", own_id=True)]) == {0}


def test_batch_ids_are_remembered_for_a_day(it: Opened) -> None:
    one, two = f"{it.app}-1", f"{it.app}-2\t'\\"
    it.store.remember([one], "token")
    it.clock.advance(23 * HOUR_S)
    it.store.remember([two], "token")
    assert it.store.remembered([one, two, "another"]) == {one, two}
    it.clock.advance(2 * HOUR_S)
    assert it.store.remembered([one, two]) == {two}
    assert it.store.remembered([]) == set()


# ── pages ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("order", ["asc", "desc"])
def test_pages_joined_give_every_match_once_while_others_arrive(it: Opened, order: str) -> None:
    it.write(*(it.event(f"e{i:02}", time_ns=T0 + i // 4) for i in range(10)))  # ties on time
    first = it.page(order=order, limit=3)
    it.write(it.event("a", time_ns=T0 - 1), it.event("z", time_ns=T0 + 9))
    found, page = ids_of(first), first
    while page.next is not None:
        page = it.page(order=order, limit=3, cursor=page.next)
        found += ids_of(page)
    whole = [f"e{i:02}" for i in range(10)]
    assert found == ([*whole, "z"] if order == "asc" else [*reversed(whole), "a"])


@pytest.mark.parametrize("order", ["asc", "desc"])
@pytest.mark.parametrize("limit", [1, 2, 3, 7])
def test_pages_of_a_session_have_events_of_one_time_in_order_of_ids(it: Opened, order: str, limit: int) -> None:
    names = sorted(["b", "Z", "é", "a b", "𝄞", "a", "日", "a'b"], key=str.encode)
    times = [T0 + place // 3 for place in range(len(names))]  # three of the first time, three of the next, two
    events = [it.event(name, time_ns=at, session="s") for name, at in zip(names, times, strict=True)]
    it.write(*events[1::2], it.event("other", time_ns=T0, session="t"), *events[::2])
    found, page = [], it.page(ast.Equals("session", "s"), order=order, limit=limit)
    found += ids_of(page)
    while page.next is not None:
        page = it.page(ast.Equals("session", "s"), order=order, limit=limit, cursor=page.next)
        found += ids_of(page)
    assert found == (names if order == "asc" else names[::-1])


def test_a_page_that_holds_the_last_match_has_no_next(it: Opened) -> None:
    it.write(it.event("e1"), it.event("e2"))
    assert (it.page(limit=2).next, it.page(limit=1).next is None) == (None, False)
    assert it.page(ast.Word("absent")) == Page(b"[]", 0, None)


@pytest.mark.parametrize("cursor", ["", "x", "====", "é", "A" * 2000, "AAAA", "////////////////"])
def test_a_cursor_that_is_none_is_refused(it: Opened, cursor: str) -> None:
    with pytest.raises(InputError) as caught:
        it.page(cursor=cursor)
    assert caught.value.code == "bad_cursor"


def test_a_range_holds_its_start_and_not_its_end(it: Opened) -> None:
    it.write(*(it.event(f"e{i}", time_ns=T0 + i) for i in range(4)))
    assert it.ids(from_ns=T0 + 1, to_ns=T0 + 3) == ["e1", "e2"]
    assert it.ids(from_ns=T0 + 3, to_ns=T0 + 1) == []
    assert it.ids(from_ns=-(1 << 70), to_ns=1 << 70) == ["e0", "e1", "e2", "e3"]


def test_ids_of_any_text_keep_their_place_in_pages(it: Opened) -> None:
    names = sorted(["a'b", "a\\b", "a\tb", "é", "𝄞", "\uffff", "Z", "a", "a b", "\x00"], key=str.encode)
    it.write(*(it.event(name) for name in names))
    found, cursor = [], None
    while True:
        page = it.page(limit=1, cursor=cursor)
        found += ids_of(page)
        cursor = page.next
        if cursor is None:
            break
    assert found == names


# ── sessions, counts, days ────────────────────────────────────────────────────────────────────────────────────────


def test_a_session_comes_oldest_first_and_says_when_there_is_more(it: Opened) -> None:
    it.write(*(it.event(f"e{i}", time_ns=T0 + (i * 3) % 5, session="s\t'1") for i in range(5)), it.event("x"))
    page = it.store.session(Reading(), it.app, "s\t'1", limit=5)
    assert (ids_of(page), page.next) == (["e0", "e2", "e4", "e1", "e3"], None)
    cut = it.store.session(Reading(), it.app, "s\t'1", limit=4)
    assert (ids_of(cut), cut.next is None) == (["e0", "e2", "e4", "e1"], False)
    assert it.ids(ast.Equals("session", "s\t'1"), cursor=cut.next) == ["e3"]


def test_a_histogram_counts_by_bucket_and_group(it: Opened) -> None:
    levels = ["error", "", "error", "info", "error"]
    it.write(*(it.event(f"e{i}", time_ns=T0 + i * 10, level=level) for i, level in enumerate(levels)))
    assert it.store.histogram(Reading(), it.app, ast.All(), T0, T0 + 50, buckets=2, by="level") == [
        Bucket(T0, "", 1),
        Bucket(T0, "error", 2),
        Bucket(T0 + 25, "error", 1),
        Bucket(T0 + 25, "info", 1),
    ]
    assert it.store.histogram(Reading(), it.app, ast.Equals("level", "error"), T0, T0 + 40, buckets=4, by=None) == [
        Bucket(T0, "", 1),
        Bucket(T0 + 20, "", 1),
    ]


def test_a_histogram_of_an_empty_range_is_refused(it: Opened) -> None:
    with pytest.raises(InputError) as caught:
        it.store.histogram(Reading(), it.app, ast.All(), T0, T0, buckets=2, by=None)
    assert caught.value.code == "bad_range"


@pytest.mark.parametrize("field", ["level", "component", "key"])
def test_a_histogram_groups_by_each_field_of_few_values(it: Opened, field: str) -> None:
    it.write(it.event("e1", **{field: "warn"}), it.event("e2", **{field: "info"}), it.event("e3", **{field: "info"}))
    assert it.store.histogram(Reading(), it.app, ast.All(), T0, T0 + 1, buckets=1, by=field) == [
        Bucket(T0, "info", 2),
        Bucket(T0, "warn", 1),
    ]


def test_days_are_counted_and_dropped_whole(it: Opened) -> None:
    far = T0 + 400 * NS_PER_DAY  # days no other test uses
    times = [far, far + NS_PER_DAY - 1, far + NS_PER_DAY]
    it.write(*(it.event(f"e{i}", time_ns=time_ns) for i, time_ns in enumerate(times)))

    def days() -> list[tuple[str, int]]:
        found: list[DayCount] = [count for count in it.store.days() if count.app == it.app]
        assert all(count.bytes_on_disk > 0 for count in found)
        return [(count.day, count.events) for count in found]

    assert days() == [("2026-11-14", 2), ("2026-11-15", 1)]
    it.store.drop_day("2026-11-14")
    it.store.drop_day("2026-11-14")
    assert (days(), it.ids()) == ([("2026-11-15", 1)], ["e2"])


@pytest.mark.parametrize("day", ["", "today", "2026-13-01", "2026-01-01' OR 1", "20260101x"])
def test_a_day_that_is_none_is_refused(it: Opened, day: str) -> None:
    with pytest.raises(InputError) as caught:
        it.store.drop_day(day)
    assert caught.value.code == "bad_day"


def test_a_store_that_is_open_is_ready(it: Opened) -> None:
    assert it.store.ready()


# ── updates ───────────────────────────────────────────────────────────────────────────────────────────────────────


def received(seconds: int) -> dict[str, int]:
    return {"received_ns": T0 + seconds * NS_PER_S}


def test_an_update_hides_what_its_key_had_before(it: Opened) -> None:
    it.write(it.event("old", **received(1)), it.event("other", key="else", **received(1)))
    it.write(it.event("away", session="s-2", **received(1)), it.event("tie", **received(2)))
    it.write(it.event("new", value="now", update=True, **received(2)))
    assert it.ids() == ["away", "new", "other"]
    assert ids_of(it.store.session(Reading(), it.app, "s-1", limit=9)) == ["new", "other"]
    assert it.ids(ast.Word("hello")) == ["away", "other"]
    assert it.store.event(Reading(), it.app, "old") is None
    assert it.store.histogram(Reading(), it.app, ast.All(), T0, T0 + 1, buckets=1, by=None) == [Bucket(T0, "", 3)]
    listed = it.store.activity(Reading(), ActivityRequest(it.app, "session", ast.All(), 0, FOREVER)).rows
    assert [(row.name, row.events) for row in listed] == [("s-1", 2), ("s-2", 1)]


def test_of_several_updates_the_latest_time_stands_whatever_order_they_come_in(it: Opened) -> None:
    it.write(it.event("late", time_ns=T0 + 9, update=True, **received(5)))
    it.write(it.event("early", time_ns=T0 + 3, update=True, **received(6)))
    assert it.ids() == ["late"]
    it.write(it.event("latest", time_ns=T0 + 9, update=True, **received(7)))
    assert it.ids() == ["latest"]


def test_of_updates_in_one_batch_one_stands(it: Opened) -> None:
    it.write(*(it.event(f"u{i}", update=True, **received(1)) for i in range(3)), it.event("plain", **received(1)))
    assert it.ids() == ["u2"]


def test_an_older_event_that_comes_late_is_hidden_at_once(it: Opened) -> None:
    it.write(it.event("new", update=True, **received(5)))
    it.write(it.event("late", **received(4)))
    it.write(it.event("late-other-key", key="else", **received(4)))
    assert it.ids() == ["late-other-key", "new"]


def test_a_plain_event_after_an_update_is_an_event_of_its_own(it: Opened) -> None:
    it.write(it.event("u1", update=True, **received(5)))
    it.write(it.event("plain", **received(6)))
    assert it.ids() == ["plain", "u1"]
    it.write(it.event("u2", update=True, time_ns=T0 + 1, **received(7)))
    assert it.ids() == ["u2"]


def test_updates_written_again_change_nothing(it: Opened) -> None:
    old, new = it.event("old", **received(1)), it.event("new", update=True, **received(2))
    for _ in range(2):
        it.write(old, new, token=it.app)
    assert it.ids() == ["new"]


def test_an_update_in_one_app_leaves_another_alone(it: Opened) -> None:
    other = it.app + "-other"
    it.write(it.event("x", app=other, **received(1)), it.event("x", **received(1)))
    it.write(it.event("new", update=True, **received(2)))
    assert (it.ids(), it.ids(app=other)) == (["new"], ["x"])


# ── words ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("query", "found"),
    [
        (ast.Word("timeout"), ["e0", "e1", "e3"]),
        (ast.Word("time"), ["e2"]),
        (ast.WordPrefix("time"), ["e0", "e1", "e2", "e3"]),
        (ast.WordPrefix("imeout"), []),
        (ast.Phrase(("timeout", "of")), ["e0"]),
        (ast.Phrase(("of", "timeout")), []),
        (ast.Phrase(("time", "out", "of")), ["e2"]),
        (ast.Word("ärger"), ["e4"]),
        (ast.Equals("component", "checkout", fold=True), ["e0", "e1"]),
        (ast.Equals("component", "checkout"), ["e1"]),
        (ast.Not(ast.Exists("component")), ["e2", "e3", "e4"]),
        (ast.LevelCompare(">=", "warn"), ["e2"]),
        (ast.LevelCompare("<", "warn"), ["e1"]),
        (ast.Not(ast.LevelCompare(">=", "warn")), ["e0", "e1", "e3", "e4"]),
        (ast.Compare("attributes.ms", ">", 9.5), ["e0"]),
        (ast.Regex("value", "^[Tt]ime.out"), ["e2"]),
        (ast.And(()), ["e0", "e1", "e2", "e3", "e4"]),
        (ast.Or(()), []),
    ],
)
def test_words_and_fields_are_found(it: Opened, query: ast.Query, found: list[str]) -> None:
    it.write(
        it.event("e0", value="TIMEOUT of_db", component="Checkout", attributes={"ms": 10}),
        it.event("e1", value="a timeout", component="checkout", level="info", attributes={"ms": "10"}),
        it.event("e2", value="time-out of db", level="error"),
        it.event("e3", value='{"k":"timeout"}', kind="object"),
        it.event("e4", value="ÄRGER"),
    )
    assert it.ids(query) == found


def test_of_an_attribute_that_stands_twice_the_last_counts(it: Opened) -> None:
    twice = msgspec.Raw(b'{"a/b": "x", "n":1,"a/b":"y","m":0.5,"n":2}')
    it.write(msgspec.structs.replace(it.event("twice"), attributes=twice), it.event("once", attributes={"n": 1}))
    wanted = {"a/b": "y", "n": 2}
    for name, value in wanted.items():
        assert it.ids(ast.Equals(f"attributes.{name}", str(value))) == ["twice"]
    assert it.ids(ast.Equals("attributes.a/b", "x")) == []
    assert it.ids(ast.Compare("attributes.n", "<", 2)) == ["once"]
    events = {event["id"]: event for event in msgspec.json.decode(it.page(None).events)}
    assert events["twice"]["attributes"] == wanted | {"m": 0.5}


# ── limits ────────────────────────────────────────────────────────────────────────────────────────────────────────


def many(it: Opened) -> list[Event]:
    """Events of four days: many of the granules below which the embedded engine cannot read."""
    count = 40_000 if it.granular else 4_000
    return [it.event(f"e{i:05}", time_ns=T0 + i * 4 * NS_PER_DAY // count) for i in range(count)]


@pytest.mark.parametrize("order", ["asc", "desc"])
def test_a_search_that_reaches_a_limit_goes_on_from_its_cursor(it: Opened, order: Literal["asc", "desc"]) -> None:
    events = many(it)
    it.write(*events)
    found, limits, cursor = [], [], None
    for _ in range(50):
        reading = Reading(Limits(rows_max=len(events) * 9 // 8))
        request = SearchRequest(it.app, ast.Word("hello"), T0, T0 + 5 * NS_PER_DAY, order, len(events), cursor)
        page = it.store.search(reading, request)
        found += ids_of(page)
        limits.append(reading.partial)
        cursor = page.next
        if cursor is None:
            break
    whole = [event.id for event in events]
    assert found == (whole if order == "asc" else whole[::-1])
    assert limits == ["rows"] * (len(limits) - 1) + [None]
    assert len(limits) > 1


def test_a_histogram_that_reaches_a_limit_has_the_newest_counts_and_tells_from_when(it: Opened) -> None:
    events = many(it)
    it.write(*events)
    reading = Reading(Limits(rows_max=len(events) * 9 // 8))
    counted = it.store.histogram(reading, it.app, ast.All(), T0, T0 + 4 * NS_PER_DAY, buckets=len(events), by=None)
    assert reading.partial == "rows" and reading.reached_ns is not None
    assert 0 < len(counted) < len(events)
    newest = [event.time_ns for event in events if event.time_ns >= reading.reached_ns]
    assert [bucket.start_ns for bucket in counted] == newest


def test_a_read_that_can_answer_nothing_within_its_limits_says_which(it: Opened) -> None:
    it.write(it.event("e1"), it.event("e2"))
    with pytest.raises(LimitReached) as caught:
        it.store.session(Reading(Limits(rows_max=1)), it.app, "s-1", limit=9)
    assert (caught.value.limit, caught.value.status) == ("rows", 400)


def test_a_reading_that_is_cancelled_reads_nothing(it: Opened) -> None:
    reading = Reading()
    reading.cancel()
    with pytest.raises(InputError) as caught:
        it.store.search(reading, SearchRequest(it.app, ast.All(), 0, FOREVER))
    assert caught.value.code == "cancelled"
