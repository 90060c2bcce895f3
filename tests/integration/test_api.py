"""The API as clients meet it: who may read, what comes back, and how it says no."""

import base64
import json
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any
from urllib.parse import quote

import httpx
import msgspec
import pytest
from litestar.testing import TestClient
from tests.reading import (
    ADMIN_EMAIL,
    ADMIN_PASSWORD,
    ADMIN_TOKEN,
    NOW_NS,
    OTHER_TOKEN,
    READ,
    READ_TOKEN,
    WRITE_KEY,
    Reading,
    make_event,
)

from logkeep.api import search as search_module
from logkeep.api.app import BODY_BYTES_MAX, openapi_document
from logkeep.api.auth import is_local_path
from logkeep.api.routes import ROUTES, Route
from logkeep.clock import NS_PER_DAY
from logkeep.metastore.distinct import hash_of, joined
from logkeep.metastore.session_map import told
from logkeep.metastore.statistics import Counts, Place
from logkeep.metastore.statistics import add as add_statistics
from logkeep.patterns.template import KeptPattern
from logkeep.settings import Api, Settings

BASE = "http://logkeep.test"
BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
ENDLESS = "/api/v1/tail"  # its answer has no end; tests/integration/test_tail.py asks it the same over a socket
ENDING = [r for r in ROUTES if r.path != ENDLESS and r.scope == "read" and r.of == "app" and "{app}" not in r.path]
PLACES = {
    "{event_id}": "id-0001", "{session}": "s-1", "{device}": "d-1", "{user}": "u-1", "{name}": "logkeep.css",
    "{rule}": "rul_0", "{issue}": "iss_0", "{block}": "blk_0", "{occurrence}": "0",
}  # fmt: skip
ABSENT = (
    "/api/v1/devices/{device}",
    "{rule}",
    "{issue}",
    "{occurrence}",
    "{job}",
)  # nothing of these is there to be found


@pytest.fixture
def reading() -> Reading:
    return Reading()


@pytest.fixture
def client(reading: Reading) -> Iterator[TestClient[Any]]:
    with TestClient(reading.app, base_url=BASE, raise_server_exceptions=False) as made:
        yield made


def get(client: TestClient[Any], path: str, **parameters: str | int) -> httpx.Response:
    return client.get(path, params=parameters or None, headers=READ, follow_redirects=False)


def ask(client: TestClient[Any], route: Route, headers: dict[str, str]) -> httpx.Response:
    path = route.path
    for name, value in PLACES.items():
        path = path.replace(name, value)
    return client.request(route.method, path, headers=headers, follow_redirects=False)


def error_of(response: httpx.Response) -> dict[str, Any]:
    """The one error shape, checked."""
    assert response.headers["content-type"] == "application/json", response.text
    body = response.json()
    assert set(body) == {"error"} and {"code", "message"} <= set(body["error"]) <= {"code", "message", "column"}
    return dict(body["error"])


# --- who may read ---


@pytest.mark.parametrize("route", ENDING, ids=lambda route: route.path)
def test_no_route_shows_the_events_of_another_app(reading: Reading, client: TestClient[Any], route: Route) -> None:
    reading.write([make_event(1, "a secret of the shop", user="u-1", component="till")])
    answer = ask(client, route, {"Authorization": f"Bearer {OTHER_TOKEN}"})
    assert answer.status_code in (200, 404)
    told = answer.text.replace("a user 'u-1'", "").replace("a user &#39;u-1&#39;", "")  # the asker's own words
    assert "secret" not in told and "u-1" not in told and "till" not in told


@pytest.mark.parametrize("route", [r for r in ENDING if "app" in (r.parameters or ())], ids=lambda route: route.path)
def test_a_token_reads_its_own_app_only(reading: Reading, client: TestClient[Any], route: Route) -> None:
    reading.write([make_event(1)])
    path = route.path.replace("{event_id}", "id-0001")
    absent = any(part in route.path for part in ABSENT)
    assert get(client, path, app="shop").status_code == (404 if absent else 200)
    refused = get(client, path, app="other")
    assert (refused.status_code, error_of(refused)["code"]) == (403, "forbidden")


def test_every_answer_carries_the_headers_that_protect_it(client: TestClient[Any]) -> None:
    for path in ("/", "/api/v1/search", "/nothing", "/api/v1/search?limit=0", "/sign-in"):
        headers = get(client, path).headers
        assert "default-src 'none'" in headers["content-security-policy"]
        assert "script" not in headers["content-security-policy"]
        assert (headers["x-content-type-options"], headers["x-frame-options"]) == ("nosniff", "DENY")
        assert (headers["referrer-policy"], headers["cache-control"]) == ("same-origin", "no-store")


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


# --- histogram and operating ---


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


def test_ledger_rejected_and_udp_loss_come_as_the_backend_has_them(reading: Reading, client: TestClient[Any]) -> None:
    reading.rejected = [{"reason": "missing_key", "text": str(index)} for index in range(5)]
    reading.udp_loss = [{"component": "c", "client": "x", "received": 9, "missing": 1}]
    assert get(client, "/api/v1/ledger").json() == {
        "received": 12, "stored": 9, "rejected": {"missing_key": 2}, "over_quota": 0, "expired": 0,
        "queued": 1, "erased": 0,
    }  # fmt: skip
    assert get(client, "/api/v1/rejected", limit=2).json() == {"rejected": reading.rejected[:2]}
    assert get(client, "/api/v1/udp-loss").json() == {"senders": reading.udp_loss}


def test_health_tells_what_is_wrong(reading: Reading, client: TestClient[Any]) -> None:
    assert (client.get("/health/live").json(), client.get("/health/ready").json()) == (
        {"status": "live"},
        {"status": "ready"},
    )
    reading.problems = ["the store is closed", "the disk is full"]
    unready = client.get("/health/ready")
    assert (unready.status_code, unready.headers["retry-after"]) == (503, "5")
    assert error_of(unready) == {"code": "not_ready", "message": "the store is closed; the disk is full"}
    assert client.get("/health/live").status_code == 200


def test_metrics_count_answers_by_route_never_by_path(client: TestClient[Any]) -> None:
    get(client, "/api/v1/search")
    get(client, "/sessions/secret-name.json")
    get(client, "/wp-admin")
    text = client.get("/metrics").text
    assert 'logkeep_api_requests_total{route="/api/v1/search",status="200"} 1.0' in text
    assert 'logkeep_api_requests_total{route="/sessions/{session}",status="404"} 1.0' in text
    assert 'logkeep_api_requests_total{route="unmatched",status="404"} 1.0' in text
    assert 'logkeep_api_query_seconds_count{route="/api/v1/search"} 1.0' in text
    assert "secret-name" not in text and "wp-admin" not in text


# --- failures ---


@pytest.mark.parametrize("path", ["/api/v1/search", "/api/v1/histogram", "/api/v1/events/x", "/sessions/x.json", "/"])
def test_a_store_that_is_down_is_a_503_with_a_time_to_wait(
    reading: Reading, client: TestClient[Any], path: str
) -> None:
    reading.break_store()
    answer = get(client, path)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "7")
    assert error_of(answer) == {"code": "unavailable", "message": "the store is closed"}


def test_a_wrong_method_is_told_the_right_ones(client: TestClient[Any]) -> None:
    answer = client.post("/api/v1/search", headers=READ)
    assert (answer.status_code, error_of(answer)["code"]) == (405, "method_not_allowed")
    assert {"GET", "HEAD"} <= set(answer.headers["allow"].split(", "))


def test_a_body_that_is_too_large_is_refused_as_the_document_says(client: TestClient[Any]) -> None:
    as_admin = {"Authorization": f"Bearer {ADMIN_TOKEN}"}
    answer = client.post("/api/v1/searches", headers=as_admin, json={"name": "x" * (BODY_BYTES_MAX + 1)})
    assert (answer.status_code, error_of(answer)["code"]) == (413, "too_large")
    paths = json.loads(openapi_document())["paths"]
    operations = [one for path in paths.values() for one in path.values() if isinstance(one, dict)]
    bodies = ["requestBody" in one for one in operations]
    assert any(bodies) and ["413" in one["responses"] for one in operations] == bodies


def test_a_bug_is_logged_without_secrets_and_tells_its_asker_nothing(
    reading: Reading, client: TestClient[Any], capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: Any) -> Any:
        raise RuntimeError(f"no such thing as {READ_TOKEN}")

    reading.store.search = fail  # type: ignore[method-assign]
    answer = get(client, "/api/v1/search", query="a-private-word")
    assert (answer.status_code, error_of(answer)["code"]) == (500, "internal")
    logged = "".join(capsys.readouterr())
    assert "RuntimeError: no such thing as ***" in logged and "in found" in logged
    assert READ_TOKEN not in logged and "a-private-word" not in logged


def test_people_get_failures_as_pages(client: TestClient[Any]) -> None:
    answer = client.get("/sessions/none", headers=READ | BROWSER)
    assert (answer.status_code, answer.headers["content-type"]) == (404, "text/html; charset=utf-8")
    assert "there are no events of a session" in answer.text
    assert client.get("/api/v1/events/none", headers=READ | BROWSER).headers["content-type"] == "application/json"


# --- signing in ---


def sign_in(client: TestClient[Any], headers: dict[str, str] | None = None, **fields: str) -> httpx.Response:
    return client.post("/sign-in", data=fields, headers=BROWSER | (headers or {}), follow_redirects=False)


def test_a_browser_is_led_to_the_sign_in_and_back(reading: Reading, client: TestClient[Any]) -> None:
    reading.write([make_event(1)])
    led = client.get("/sessions/s-1?format=html&x=a%20b", headers=BROWSER, follow_redirects=False)
    assert (led.status_code, led.headers["location"]) == (
        303,
        "/sign-in?next=%2Fsessions%2Fs-1%3Fformat%3Dhtml%26x%3Da%2520b",
    )
    form = client.get(led.headers["location"], headers=BROWSER)
    next_path = re.search(r'name="next" value="([^"]*)"', form.text)
    assert next_path is not None and next_path[1] == "/sessions/s-1?format=html&amp;x=a%20b"
    back = sign_in(client, token=READ_TOKEN, next="/sessions/s-1?format=html&x=a%20b")
    assert (back.status_code, back.headers["location"]) == (303, "/sessions/s-1?format=html&x=a%20b")
    for cookie in back.headers.get_list("set-cookie"):
        assert {"HttpOnly", "SameSite=lax", "Path=/"} <= set(cookie.split("; ")) and READ_TOKEN not in cookie
    assert client.get("/sessions/s-1", headers=BROWSER).status_code == 200
    assert client.get("/api/v1/search").status_code == 200


def test_a_person_signs_in_by_password_and_out_again(client: TestClient[Any]) -> None:
    assert sign_in(client, email=ADMIN_EMAIL, password=ADMIN_PASSWORD).status_code == 303
    stolen = client.cookies["logkeep"]
    assert client.get("/api/v1/ledger").status_code == 200
    out = client.post("/sign-out", headers=BROWSER, follow_redirects=False)
    assert (out.status_code, out.headers["location"]) == (303, "/sign-in?after=sign-out")
    assert "You are signed out" in client.get(out.headers["location"]).text
    assert client.get("/api/v1/ledger", headers={"Cookie": f"logkeep={stolen}"}).status_code == 401


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({}, 401),
        ({"token": "lkr_unknown"}, 401),
        ({"token": WRITE_KEY}, 403),
        ({"email": ADMIN_EMAIL, "password": "wrong"}, 401),
        ({"email": ADMIN_EMAIL}, 401),
        ({"token": "x" * 5000}, 401),
    ],
)
def test_a_wrong_sign_in_gives_the_form_again_and_no_cookie(
    client: TestClient[Any], fields: dict[str, str], status: int
) -> None:
    answer = sign_in(client, **fields)
    assert (answer.status_code, "set-cookie" in answer.headers, 'role="alert"' in answer.text) == (status, False, True)
    assert all(secret not in answer.text for name, secret in fields.items() if name != "email")


@pytest.mark.parametrize(
    "next_path", ["//evil.example", "https://evil.example/", "/\\evil.example", "javascript:alert(1)"]
)
def test_signing_in_leads_to_no_other_place(client: TestClient[Any], next_path: str) -> None:
    assert sign_in(client, token=READ_TOKEN, next=next_path).headers["location"] == "/"
    assert next_path not in client.get("/sign-in", params={"next": next_path}).text


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": BASE}, 303),
        ({"Sec-Fetch-Site": "same-origin", "Origin": "https://proxied.example"}, 303),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://["}, 403),
        ({"Sec-Fetch-Site": "cross-site", "Origin": BASE}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
    ],
)
@pytest.mark.parametrize("path", ["/sign-in", "/sign-out"])
def test_a_form_of_another_site_is_refused(
    client: TestClient[Any], path: str, headers: dict[str, str], status: int
) -> None:
    answer = client.post(path, data={"token": READ_TOKEN}, headers=headers, follow_redirects=False)
    assert answer.status_code == status


def test_guessing_is_stopped(client: TestClient[Any]) -> None:
    statuses = [sign_in(client, token=f"guess-{index}").status_code for index in range(12)]
    assert statuses == [401] * 10 + [429] * 2
    assert client.get("/api/v1/ledger", headers=READ).status_code == 200


@pytest.mark.parametrize("body", [b"\xff\xfe=1", b"&".join(b"a%d=1" % index for index in range(50)), b"token=%ff"])
def test_a_form_that_cannot_be_read_is_refused(client: TestClient[Any], body: bytes) -> None:
    assert client.post("/sign-in", content=body).status_code == 400


def test_a_form_that_is_too_large_is_refused(client: TestClient[Any]) -> None:
    answer = client.post("/sign-in", content=b"token=" + b"x" * 20_000)
    assert answer.status_code == 413
    assert error_of(answer) == {"code": "too_large", "message": "the body is larger than this path takes; send less"}


# --- pages ---

HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    "javascript:alert(1)",
    "{{ 7*7 }}{% raw %}",
    "</td></table><h1>",
    "&lt;b&gt;",
    "\u202egpj.exe",
    "\x1b[31mred\x1b]8;;http://evil\x07",
    "nul \x00 bell \x07",
    "<svg/onload=alert(1)>",
    "x" * 3000,
    "many\n" * 200,
]


OUR_TAGS = {
    "html", "head", "meta", "title", "link", "body", "header", "a", "svg", "path", "form", "input", "button", "span",
    "main", "section", "h1", "h2", "dl", "div", "dt", "dd", "p", "figure", "line", "rect", "figcaption", "i", "table",
    "thead", "tbody", "tr", "th", "td", "bdi", "details", "summary", "pre", "select", "option", "mark", "nav", "code",
    "label", "time", "ul", "li", "ol",
}  # fmt: skip
OUR_ATTRIBUTES = {
    "lang", "charset", "name", "content", "rel", "href", "type", "class", "viewbox", "aria-hidden", "d", "action", "x",
    "method", "role", "aria-label", "placeholder", "value", "autocomplete", "spellcheck", "title", "y", "width", "id",
    "preserveaspectratio", "x1", "x2", "y1", "y2", "height", "datetime", "colspan", "selected", "open", "autofocus",
    "required", "hidden",
}  # fmt: skip


class Seen(HTMLParser):
    """What a browser would make of a page: its tags, attributes, addresses and text."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.urls: list[str] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        self.urls += [value or "" for name, value in attrs if name in ("href", "action", "src")]

    def handle_data(self, data: str) -> None:
        self.text.append(data)


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_stays_text_on_every_page(reading: Reading, client: TestClient[Any], text: str) -> None:
    name = text[:200]  # longer ones are cut off by the processor
    fields = {"key": name, "user": name, "device": name, "component": name, "session": name, "id": name}
    reading.write(
        [
            make_event(1, text, **fields, attributes={name: text}, level="error"),
            make_event(0, {text: [text]}, **fields | {"id": "second"}),
        ]
    )
    name = quote(name, safe="")
    paths = ["/", "/search", f"/search?query={name}&from={name}", f"/search?query={name}&from=-1h", f"/sessions/{name}",
             f"/events/{name}", f"/sign-in?next=/{name}", f"/sessions/none{name}"]  # fmt: skip
    for path in paths:
        answer = client.get(path, headers=READ | BROWSER, follow_redirects=False)
        assert answer.status_code in (200, 400, 404) and answer.text.startswith("<!doctype html>"), answer.text[:200]
        seen = Seen()
        seen.feed(answer.text)
        assert seen.tags <= OUR_TAGS, path
        assert seen.attributes <= OUR_ATTRIBUTES, path
        assert all(is_local_path(url) or url.startswith("#") for url in seen.urls), path
        assert not re.search("[\x00-\x08\x0b-\x1f\u202a-\u202e\u2066-\u2069]", "".join(seen.text)), path
        if text[0] == "<" and path == f"/events/{name}":
            assert text in "".join(seen.text)


def test_the_search_page_marks_where_a_query_went_wrong(client: TestClient[Any]) -> None:
    page = client.get("/search", params={"query": "level>=loud"}, headers=READ | BROWSER)
    assert page.status_code == 400
    assert "<bdi>level&gt;=</bdi><mark>loud</mark>" in page.text


def test_search_pages_lead_to_all_results(reading: Reading, client: TestClient[Any]) -> None:
    reading.write([make_event(index, level="info") for index in range(250)])
    path, ids = "/search?query=hello&from=-1h", []
    for _ in range(3):
        page = client.get(path, headers=READ | BROWSER).text
        ids += re.findall(r'<tr class="row lv-info" id="([^"]+)"', page)
        older = re.search(r'rel="next" href="([^"]+)"', page)
        path = older[1].replace("&amp;", "&") if older else ""
    assert (ids, path) == ([f"id-{index:04}" for index in range(250)], "")


def test_the_start_page_of_an_empty_app_tells_how_to_begin(client: TestClient[Any]) -> None:
    page = get(client, "/").text
    assert "Nothing came in the last hour." in page
    assert "curl http://127.0.0.1:7300/v1/events" in page


def test_the_start_page_shows_what_arrives_and_the_latest_sessions(reading: Reading, client: TestClient[Any]) -> None:
    reading.write([make_event(1, level="error"), make_event(90), make_event(100, session="older", user="u-9")])
    page = " ".join(get(client, "/").text.split())
    assert "<dt>last minute</dt><dd>1</dd>" in page and "<dt>last hour</dt><dd>3</dd>" in page
    assert page.index('href="/sessions/s-1"') < page.index('href="/sessions/older"')
    assert "1 s ago" in page and "1 m 40 s ago" in page


def test_files_of_the_pages_are_kept_by_browsers(client: TestClient[Any]) -> None:
    page = client.get("/sign-in").text
    path = re.search(r'href="(/static/logkeep\.css\?v=[0-9a-f]{12})"', page)
    assert path is not None
    assert client.get(path[1]).headers["cache-control"] == "public, max-age=31536000, immutable"
    assert client.get("/static/..%2Fpages.py").status_code == 404
    assert client.get("/static/base.html").status_code == 404


# --- the description ---


def test_the_openapi_document_describes_every_route_for_programs(client: TestClient[Any]) -> None:
    document = client.get("/api/openapi.json").json()
    assert document == json.loads(openapi_document())
    described = {
        (method.upper(), path): operation
        for path, item in document["paths"].items()
        for method, operation in item.items()
    }
    for_programs = {
        (r.method, r.path): r for r in ROUTES if not r.for_people and r.path[:5] not in ("/stat", "/api/o", "/app/")
    }
    assert set(described) - {("GET", "/sessions/{session}")} == {
        place for place in for_programs if place[1] != "/api/openapi.json"
    }
    for place, operation in described.items():
        assert (
            operation["summary"]
            and operation["description"]
            and next(told for status, told in operation["responses"].items() if status < "300")["description"]
        ), place
        known = for_programs[place].parameters if place in for_programs else None
        if known is not None:
            named = {parameter["name"] for parameter in operation.get("parameters", []) if parameter["in"] == "query"}
            assert named == set(known), place
            assert operation["responses"]["401"]["content"]["application/json"]["schema"] == {
                "$ref": "#/components/schemas/ErrorAnswer"
            }


def test_answers_are_as_the_document_says(reading: Reading, client: TestClient[Any]) -> None:
    reading.write([make_event(index, component="c", attributes={"os": "x"}) for index in range(3)])
    schemas = json.loads(openapi_document())["components"]["schemas"]
    answers = {
        "SearchAnswer": get(client, "/api/v1/search").json(),
        "SessionAnswer": get(client, "/sessions/s-1.json").json(),
        "EventWithContextAnswer": get(client, "/api/v1/events/id-0001", context=1).json(),
        "HistogramAnswer": get(client, "/api/v1/histogram").json(),
        "Ledger": get(client, "/api/v1/ledger").json(),
        "ErrorAnswer": get(client, "/api/v1/search", limit=0).json(),
    }
    for name, answer in answers.items():
        assert set(schemas[name].get("required", ())) <= set(answer) <= set(schemas[name]["properties"]), name
    assert set(answers["SearchAnswer"]["events"][0]) <= set(schemas["EventAnswer"]["properties"])


# --- statistics ---


def test_statistics_come_by_day_component_and_key(reading: Reading, client: TestClient[Any]) -> None:
    day = NOW_NS // NS_PER_DAY
    sketch = joined((), [hash_of("anna")])
    cells = {
        Place("shop", day, "web", "page"): Counts(3, 30, 1, 0, sketch, sketch, b""),
        Place("shop", day, "web", "cart"): Counts(1, 5, 0, 0, sketch, b"", b""),
        Place("shop", day - 1, "web", "page"): Counts(2, 20, 0, 0, sketch, b"", b""),
        Place("shop", day): Counts(rejects=7),
        Place("other", day): Counts(99),
    }
    reading.database.write(lambda transaction: add_statistics(transaction, cells))

    def rows(**parameters: Any) -> list[tuple[Any, ...]]:
        answer = get(client, "/api/v1/statistics", **parameters).json()
        assert answer["next"] is None
        return [tuple(row.values())[1:] for row in answer["statistics"]]

    assert rows() == [("", "", 4, 35, 1, 7, 1, 1, 0), ("", "", 2, 20, 0, 0, 1, 0, 0)]
    assert rows(interval="all", by="key") == [
        ("", "page", 5, 50, 1, 0, 1, 1, 0), ("", "cart", 1, 5, 0, 0, 1, 0, 0), ("", "", 0, 0, 0, 7, 0, 0, 0),
    ]  # fmt: skip
    assert rows(**{"from": "now", "by": "key, component"})[:2] == [
        ("web", "page", 3, 30, 1, 0, 1, 1, 0), ("web", "cart", 1, 5, 0, 0, 1, 0, 0),
    ]  # fmt: skip
    assert rows(by="component", to="-1d") == [("web", "", 2, 20, 0, 0, 1, 0, 0)]
    for parameters in ({"by": "user"}, {"from": "-500d"}, {"from": "now", "to": "-2d"}, {"interval": "hour"}):
        assert get(client, "/api/v1/statistics", **parameters).status_code == 400


# --- masking ---


def test_masking_rules_are_tried_then_set(reading: Reading, client: TestClient[Any]) -> None:
    before = get(client, "/api/v1/apps/shop/masking").json()
    assert before["rules"]["builtin"] == ["bearer"] and "*password" in before["rules"]["fields"]
    rules = {"builtin": ["email"], "fields": ["pin"], "patterns": [{"name": "iban", "pattern": "DE[0-9]{20}"}]}
    sample = "a@b.example pin=1 password=x DE12345678901234567890"

    def put(body: Any, token: str = ADMIN_TOKEN, **parameters: Any) -> Any:
        headers = {"Authorization": f"Bearer {token}"}
        return client.put("/api/v1/apps/shop/masking", json=body, params=parameters, headers=headers)

    tried = put({"rules": rules, "sample": sample}, dry_run=True).json()
    assert (tried["sample"], tried["saved"]) == ("[masked] pin=[masked] password=x [iban]", False)
    assert get(client, "/api/v1/apps/shop/masking").json() == before
    assert put({"rules": rules}).json()["saved"] is True
    assert get(client, "/api/v1/apps/shop/masking").json()["rules"] == rules
    for bad in ({}, {"rules": {"builtin": ["x"]}}, {"rules": {"patterns": [{"name": "a", "pattern": "(?=x)"}]}},
                {"rules": {"fields": ["a b"]}}, {"rules": {}, "more": 1}):  # fmt: skip
        assert put(bad).status_code == 400, bad
    assert put({"rules": rules}, token=READ_TOKEN).status_code == 403
    assert get(client, "/api/v1/apps/other/masking").status_code == 404
