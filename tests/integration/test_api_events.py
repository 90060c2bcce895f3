"""Events as clients read them: searched, by session, one among its neighbours, counted over time and by pattern."""

import base64
from typing import Any
from urllib.parse import quote

import msgspec
import pytest
from litestar.testing import TestClient
from tests.reading import BASE, BROWSER, NOW_NS, READ, Reading, error_of, get, make_event

from logkeep.api import search as search_module
from logkeep.metastore.session_map import told
from logkeep.patterns.template import KeptPattern
from logkeep.settings import Api, Settings

# --- search ---


def test_search_gives_the_events_newest_first_in_the_types_they_were_sent_in(
    reading: Reading, client: TestClient[Any]
) -> None:
    values: list[Any] = ["text", 17.5, True, None, {"a": [1, "ü"]}, [1]]
    reading.write([make_event(index, value) for index, value in enumerate(values)])
    answer = get(client, "/api/v1/search").json()
    assert set(answer) == {"events", "next", "took_ms", "rows_read", "bytes_read", "partial", "reached"}
    assert [event["value"] for event in answer["events"]] == values
    assert answer["events"][0]["time"] == "2026-08-01T10:00:00.000000000Z"
    assert answer["next"] is None and answer["took_ms"] >= 0


def test_the_bytes_of_the_store_are_passed_on_unread(reading: Reading, client: TestClient[Any]) -> None:
    page = b'[{"any":"thing",  "number":1e400}]'
    reading.store.search = lambda *_: search_module.Page(page, 1, None)  # type: ignore[method-assign]
    assert get(client, "/api/v1/search").content.startswith(b'{"events":' + page + b',"next":null,"took_ms":')


def test_pages_joined_give_every_match_once_while_events_come_in_and_time_passes(
    reading: Reading, client: TestClient[Any]
) -> None:
    reading.write([make_event(index, "match" if index % 2 else "other") for index in range(50)])
    found: list[str] = []
    parameters: dict[str, str | int] = {"query": "match", "from": "-1h", "to": "now", "limit": 4}
    while True:
        page = get(client, "/api/v1/search", **parameters).json()
        found += [event["id"] for event in page["events"]]
        reading.clock.advance(60)
        reading.write([make_event(0, "match", id=f"new-{len(found)}", time_ns=reading.clock.now_ns())])
        if page["next"] is None:
            break
        parameters["cursor"] = page["next"]
    assert found == [f"id-{index:04}" for index in range(50) if index % 2]


def test_oldest_first_goes_the_other_way(reading: Reading, client: TestClient[Any]) -> None:
    reading.write([make_event(index) for index in range(3)])
    first = get(client, "/api/v1/search", order="asc", limit=2).json()
    second = get(client, "/api/v1/search", order="asc", limit=2, cursor=first["next"]).json()
    assert [e["id"] for e in first["events"] + second["events"]] == ["id-0002", "id-0001", "id-0000"]


@pytest.mark.parametrize(
    "changed", [{"query": "hello or x"}, {"order": "asc"}, {"cursor": "AAAA"}, {"cursor": "…"}, {"cursor": "A" * 9999}]
)
def test_a_cursor_works_for_its_own_search_only(
    reading: Reading, client: TestClient[Any], changed: dict[str, str]
) -> None:
    reading.write([make_event(index) for index in range(3)])
    cursor = get(client, "/api/v1/search", limit=1, query="hello").json()["next"]
    refused = get(client, "/api/v1/search", **({"query": "hello", "cursor": cursor} | changed))
    assert (refused.status_code, error_of(refused)["code"]) == (400, "bad_cursor")


def test_a_forged_cursor_does_no_harm(reading: Reading, client: TestClient[Any]) -> None:
    reading.write([make_event(index) for index in range(3)])
    cursor = get(client, "/api/v1/search", limit=1).json()["next"]
    packed = msgspec.msgpack.decode(base64.urlsafe_b64decode(cursor + "=="))
    for forged in ([packed[0], -5, 10, "x"], [packed[0], 10, 5, "x"], [packed[0], 0, 1 << 63, "x"],
                   [packed[0], 0, 10, "%%%"], [packed[0], 0, 10], {"a": 1}):  # fmt: skip
        text = base64.urlsafe_b64encode(msgspec.msgpack.encode(forged)).decode()
        assert get(client, "/api/v1/search", cursor=text).status_code == 400


def test_the_range_is_half_open(reading: Reading, client: TestClient[Any]) -> None:
    reading.write([make_event(index) for index in range(4)])
    to_ms = NOW_NS // 1_000_000 - 1000
    answer = get(client, "/api/v1/search", **{"from": to_ms - 1000, "to": to_ms}).json()
    assert [event["id"] for event in answer["events"]] == ["id-0002"]


@pytest.mark.parametrize(
    ("parameters", "code", "column", "words"),
    [
        ({"query": "level:"}, "query_syntax", 7, "level"),
        ({"query": "a" * 5000}, "query_syntax", 4097, "4,096"),
        ({"limit": 0}, "bad_input", None, "limit"),
        ({"limit": 1001}, "bad_input", None, "1000"),
        ({"limit": "many"}, "bad_input", None, "limit"),
        ({"limit": ""}, "bad_input", None, "limit"),
        ({"order": "sideways"}, "bad_input", None, "sideways"),
        ({"from": "yesterday"}, "bad_time", None, "yesterday"),
        ({"from": "now", "to": "-1h"}, "bad_range", None, "before"),
        ({"limt": 5}, "unknown_parameter", None, "did you mean 'limit'"),
        ({"xyz": 5}, "unknown_parameter", None, "known are query, from"),
    ],
)
def test_a_request_that_cannot_be_read_is_told_why(
    client: TestClient[Any], parameters: dict[str, str | int], code: str, column: int | None, words: str
) -> None:
    refused = get(client, "/api/v1/search", **parameters)
    error = error_of(refused)
    assert (refused.status_code, error["code"], error.get("column")) == (400, code, column)
    assert words in error["message"]


def test_a_refused_parameter_is_named_as_it_is_written(client: TestClient[Any]) -> None:
    message = error_of(get(client, "/api/v1/events/id-0001?context=201"))["message"]
    assert message == "context: it takes 200 at most"


def test_a_parameter_given_twice_is_refused(client: TestClient[Any]) -> None:
    assert error_of(get(client, "/api/v1/search?limit=1&limit=2"))["message"].startswith("the parameter 'limit'")


ODD_QUERIES = [
    "query=%ff%fe", "query=%00", "query=%ed%a0%80", "query=%", "&&&=&", "query=" + "(" * 4000, "from=%00", "cursor=%ff",
    "query=value:/(a%2B)%2B$/", "app=%00", "=", "limit=1e3", "limit=%D9%A1", "limit=9" + "9" * 400, "order=%00",
]  # fmt: skip


@pytest.mark.parametrize("path", ["/api/v1/search", "/api/v1/histogram", "/api/v1/patterns", "/search"])
def test_odd_bytes_in_the_address_never_break_it(client: TestClient[Any], path: str) -> None:
    statuses = {odd: get(client, f"{path}?{odd}").status_code for odd in ODD_QUERIES}
    assert {odd: status for odd, status in statuses.items() if status not in (200, 400, 403)} == {}


@pytest.mark.parametrize("path", ["/api/v1/search", "/api/v1/stats", "/api/v1/complete", "/search", "/sessions"])
@pytest.mark.parametrize("odd", ["query=%ff%fe", "query=a%ed%a0%80", "query=%c3"])
def test_an_address_that_is_not_utf8_is_told_so(client: TestClient[Any], path: str, odd: str) -> None:
    refused = get(client, f"{path}?{odd}")
    assert refused.status_code == 400
    if path.startswith("/api"):
        error = error_of(refused)
        assert (error["code"], error["message"]) == (
            "invalid_utf8", "query in the address is not UTF-8; percent-encode UTF-8",
        )  # fmt: skip
    else:
        assert "query in the address is not UTF-8" in refused.text


def test_a_name_in_the_path_that_is_not_utf8_is_told_so(client: TestClient[Any]) -> None:
    refused = get(client, "/sessions/%ff.json")
    assert (refused.status_code, error_of(refused)["code"]) == (400, "invalid_utf8")


# --- sessions ---


def test_a_session_comes_whole_and_in_order(reading: Reading, client: TestClient[Any]) -> None:
    reading.write([make_event(2, user="u-1"), make_event(1, device="d-1"), make_event(0, user="u-2")])
    reading.write([make_event(0, id="other", session="s-2")])
    body = get(client, "/sessions/s-1.json").json()
    assert [event["id"] for event in body.pop("events")] == ["id-0002", "id-0001", "id-0000"]
    assert body == {
        "session": "s-1",
        "user": "u-2",
        "device": "d-1",
        "first": "2026-08-01T09:59:58.000000000Z",
        "last": "2026-08-01T10:00:00.000000000Z",
        "truncated": False,
        "took_ms": 0.0,
        "rows_read": 4,
        "bytes_read": 20,
        "partial": None,
        "reached": None,
        "seconds": 2.0,
        "version": None,
        "lanes": [
            {
                "component": "",
                "events": 3,
                "errors": 0,
                "first": "2026-08-01T09:59:58.000000000Z",
                "last": "2026-08-01T10:00:00.000000000Z",
            }
        ],
        "attributes": {},
        "gaps": [],
        "previous": None,
        "next": None,
    }


ODD_NAMES = [
    "a/b", "/", "a//b/", "ключ", "x.json", ".json", "a b+c&d=e?f#g%h", "..", "a\\b", '"<b>', "%2F", " ", "a\tb",
    "e\u0301",
]  # fmt: skip


def test_a_session_of_any_name_is_reached(reading: Reading, client: TestClient[Any]) -> None:
    reading.write([make_event(index, session=name) for index, name in enumerate([*ODD_NAMES, "x"])])
    for index, name in enumerate(ODD_NAMES):
        path = f"/sessions/{quote(name, safe='').replace('.', '%2E')}"
        for answer in (get(client, f"{path}.json"), get(client, f"{path}?format=json")):
            assert (answer.status_code, answer.json()["session"]) == (200, name)
            assert [event["id"] for event in answer.json()["events"]] == [f"id-{index:04}"]
        page = get(client, f"{path}?format=html")
        assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")


def test_a_session_is_whose_senders_told_it_to_be(reading: Reading, client: TestClient[Any]) -> None:
    """Where no event names anybody; an event that does is the later word."""
    reading.write([make_event(1, session="s-9"), make_event(2, session="s-8", user="bo")])
    for name in ("s-9", "s-8"):
        reading.database.write(
            lambda transaction, name=name: told(  # type: ignore[misc]
                transaction, "shop", name, time_ns=NOW_NS, user="anna", device="d-7", attributes={"plan": "gold"}
            )
        )
    found = [get(client, f"/sessions/{name}.json").json() for name in ("s-9", "s-8")]
    shown = [(each["user"], each["device"], each["attributes"]) for each in found]
    assert shown == [("anna", "d-7", {"plan": "gold"}), ("bo", "d-7", {"plan": "gold"})]
    assert "anna" in client.get("/sessions/s-9", headers=READ | BROWSER).text
    rows = get(client, "/api/v1/sessions").json()["sessions"]
    assert {row["session"]: (row["user"], row["device"]) for row in rows if row["session"] in ("s-8", "s-9")} == {
        "s-9": ("anna", "d-7"), "s-8": ("bo", "d-7"),
    }  # fmt: skip
    for path in ("/overview", "/sessions", "/users/bo"):
        assert "/devices/d-7" in client.get(path, headers=READ | BROWSER).text


def test_a_long_session_says_that_there_is_more() -> None:
    reading = Reading(Settings(api=Api(session_events_max=5)))
    reading.write([make_event(index) for index in range(6)])
    with TestClient(reading.app, base_url=BASE) as client:
        body = get(client, "/sessions/s-1.json").json()
        assert (len(body["events"]), body["truncated"]) == (5, True)
        assert "these are its first 5 events" in get(client, "/sessions/s-1").text


@pytest.mark.parametrize("path", ["/sessions/none.json", "/api/v1/events/none", "/nothing/here", "/api"])
def test_what_is_not_there_is_a_404(client: TestClient[Any], path: str) -> None:
    answer = get(client, path)
    assert (answer.status_code, error_of(answer)["code"]) == (404, "not_found")


def test_a_form_nobody_knows_is_refused(client: TestClient[Any]) -> None:
    assert error_of(get(client, "/sessions/s-1?format=xml"))["message"] == "format is 'html' or 'json', not 'xml'"


# --- single events ---


def test_an_event_comes_with_its_neighbours_in_session_and_component(reading: Reading, client: TestClient[Any]) -> None:
    reading.write(
        [
            make_event(index, session=f"s-{index % 2}", component="c" if index < 6 else "", time_ns=NOW_NS - index // 4)
            for index in range(10)
        ]
    )
    assert set(get(client, "/api/v1/events/id-0004").json()) >= {"id", "session", "key", "value", "time"}
    body = get(client, "/api/v1/events/id-0004", context=2).json()
    ids = {
        where: {side: [event["id"] for event in events] for side, events in sides.items()}
        for where, sides in body["context"].items()
    }
    # Order is (time, id): 8 9 | 4 5 6 7 | 0 1 2 3
    assert ids == {
        "session": {"before": ["id-0008"], "after": ["id-0006", "id-0000"]},
        "component": {"before": [], "after": ["id-0005", "id-0000"]},
    }
    assert get(client, "/api/v1/events/id-0008", context=2).json()["context"]["component"] is None
    assert get(client, "/api/v1/events/id-0004", context=201).status_code == 400


def test_neighbours_are_right_among_hundreds_of_the_same_time(reading: Reading, client: TestClient[Any]) -> None:
    reading.write([make_event(index, time_ns=NOW_NS, component="c") for index in range(500)])
    for place in (0, 3, 250, 499):
        around = get(client, f"/api/v1/events/id-{place:04}", context=3).json()["context"]
        before = [f"id-{index:04}" for index in range(max(0, place - 3), place)]
        after = [f"id-{index:04}" for index in range(place + 1, min(500, place + 4))]
        for where in ("session", "component"):
            assert [event["id"] for event in around[where]["before"]] == before
            assert [event["id"] for event in around[where]["after"]] == after


def test_neighbours_are_shown_without_what_an_update_superseded(reading: Reading, client: TestClient[Any]) -> None:
    reading.write([make_event(index, key=f"k{index}") for index in range(3)])
    reading.write([make_event(0, "newer", key="k2", id="new", update=True, received_ns=NOW_NS + 1)])
    session = get(client, "/api/v1/events/id-0001", context=5).json()["context"]["session"]
    assert ([e["id"] for e in session["before"]], [e["id"] for e in session["after"]]) == ([], ["id-0000", "new"])
    gone = get(client, "/api/v1/events/id-0002")
    assert gone.status_code == 404 and "update takes the place" in error_of(gone)["message"]


def test_the_page_of_an_event_shows_more_or_fewer_around_it_and_links_on(
    reading: Reading, client: TestClient[Any]
) -> None:
    sessions = ("s-0", "s-1")
    reading.write([make_event(i, f"line {i}.", session=sessions[i % 2], component="c") for i in range(200)])

    def page(**parameters: str | int) -> str:
        answer = client.get("/events/id-0100", params=parameters, headers={**READ, **BROWSER})
        assert answer.status_code == 200
        return answer.text

    text = page()
    assert "Around it in this session" in text and "Around it in this component" in text
    assert 'href="/events/id-0101"' in text and 'href="/sessions/s-1#id-0101"' in text
    assert "line 76." in text and "line 75." not in text and "line 88." in text
    assert 'href="/events/id-0100?context=24#session"' in text and 'href="/events/id-0100?context=6#session"' in text
    assert "line 52." in page(context=24) and "line 97." not in page(context=1)
    assert "line 98." not in page(context=0)
    assert page(context="x") == text and "line 0." in page(context=9999)


def test_an_event_of_any_id_is_reached(reading: Reading, client: TestClient[Any]) -> None:
    for name in ("a/b", "ü?&#", "x.json", "a%20b"):
        reading.write([make_event(1, id=name)])
        assert get(client, f"/api/v1/events/{quote(name, safe='')}").json()["id"] == name
        assert get(client, f"/events/{quote(name, safe='')}").status_code == 200


# --- histogram and patterns ---


def test_the_histogram_counts_every_match_once(reading: Reading, client: TestClient[Any]) -> None:
    reading.write([make_event(index, level="error" if index == 3 else "info") for index in range(6)])
    parameters: dict[str, str | int] = {"from": "-6s", "to": "now+1s", "buckets": 7, "by": "level"}
    body = get(client, "/api/v1/histogram", **parameters).json()
    assert [bucket["counts"] for bucket in body["buckets"]] == [
        {}, {"info": 1}, {"info": 1}, {"error": 1}, {"info": 1}, {"info": 1}, {"info": 1},
    ]  # fmt: skip
    assert (body["buckets"][1]["start"], body["by"]) == ("2026-08-01T09:59:55.000000000Z", "level")
    assert (body["from"], body["to"]) == ("2026-08-01T09:59:54.000000000Z", "2026-08-01T10:00:01.000000000Z")
    total = get(client, "/api/v1/histogram", query="level:error").json()
    assert (len(total["buckets"]), sum(bucket["total"] for bucket in total["buckets"]), total["by"]) == (60, 1, None)


@pytest.mark.parametrize("parameters", [{"by": "user"}, {"buckets": 0}, {"buckets": 1001}, {"query": "("}])
def test_a_histogram_that_cannot_be_drawn_is_refused(client: TestClient[Any], parameters: dict[str, str | int]) -> None:
    assert get(client, "/api/v1/histogram", **parameters).status_code == 400


def test_patterns_come_with_trend_and_example(reading: Reading, client: TestClient[Any]) -> None:
    reading.store.keep_patterns([KeptPattern("shop", name, "took <*> ms", "took 0 ms", NOW_NS - 7) for name in "ab"])
    reading.write([make_event(index, f"took {index} ms", pattern="ab"[index % 2], level="warn") for index in range(6)])
    reading.write([make_event(9, pattern="")])
    body = get(client, "/api/v1/patterns", **{"from": "-4s", "to": "now+1s", "buckets": 5, "limit": 1}).json()
    assert body.pop("took_ms") >= 0
    cost = {name: body.pop(name) for name in ("rows_read", "bytes_read", "partial", "reached")}
    assert cost["rows_read"] > 0 and cost["partial"] is None
    example = body["patterns"][0].pop("example")
    assert (example["id"], example["value"]) == ("id-0000", "took 0 ms")
    assert body == {
        "from": "2026-08-01T09:59:56.000000000Z",
        "to": "2026-08-01T10:00:01.000000000Z",
        "patterns": [
            {
                "template": "took <*> ms",
                "ids": ["a", "b"],
                "query": "pattern:(a or b)",
                "count": 5,
                "trend": [1, 1, 1, 1, 1],
                "before": 1,
                "new": True,
                "levels": {"warn": 5},
                "first_seen": "2026-08-01T09:59:59.999999993Z",
                "last_seen": "2026-08-01T10:00:00.000000000Z",
            }
        ],
        "total": 1,
        "events": 5,
        "ungrouped": 0,
    }
    [found] = get(client, "/api/v1/patterns", query="pattern=a", to="now-3s").json()["patterns"]
    assert (found["count"], found["before"], found["new"], found["query"]) == (1, None, True, "pattern=a")


def test_the_stage_patterns_makes_a_table(reading: Reading, client: TestClient[Any]) -> None:
    reading.store.keep_patterns([KeptPattern("shop", "a", "took <*> ms", "took 0 ms", NOW_NS - 7)])
    reading.write([make_event(index, f"took {index} ms", pattern="a", level="fatal") for index in range(3)])
    table = get(client, "/api/v1/stats", query="took | patterns | limit 5").json()
    assert [column["name"] for column in table["columns"]] == [
        "template", "count", "errors", "first_seen", "last_seen", "query", "example"
    ]  # fmt: skip
    assert table["rows"][0][:3] == ["took <*> ms", 3, 3]
    assert (table["rows"][0][5], table["rows"][0][6]["id"], table["truncated"]) == ("pattern=a", "id-0000", False)
    assert get(client, "/api/v1/search", query="took | patterns").json()["error"]["code"] == "query_makes_a_table"


@pytest.mark.parametrize("parameters", [{"limit": 0}, {"limit": 1001}, {"buckets": 101}, {"query": "("}, {"by": "x"}])
def test_patterns_that_cannot_be_counted_are_refused(client: TestClient[Any], parameters: dict[str, Any]) -> None:
    assert get(client, "/api/v1/patterns", **parameters).status_code == 400
