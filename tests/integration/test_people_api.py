"""Facets, and sessions, devices and users, as clients and people meet them."""

from typing import Any
from urllib.parse import quote

import httpx
import pytest
from litestar.testing import TestClient
from tests.reading import NOW_NS, READ, Reading, get, make_event

from logkeep.store.port import Facets, FieldCount, FieldFacet

HOSTILE = "<script>alert(1)</script>\x00\x1b[31m\u202e\"'"
DAY_MS = 86_400_000


def page(client: TestClient[Any], path: str, **parameters: str | int) -> httpx.Response:
    return client.get(path, params=parameters or None, headers=READ | {"Accept": "text/html"}, follow_redirects=False)


def write_three(reading: Reading) -> None:
    reading.write(
        [
            make_event(90, session="a", user="ann", device="d 1", component="web", level="error", id="a1"),
            make_event(60, session="a", user="ann", component="api", id="a2"),
            make_event(30, session="b", user="bob", device="d 1", component="web", id="b1"),
            make_event(10, session="c", id="c1", time_ns=NOW_NS - 3 * DAY_MS * 1_000_000, user="ann"),
        ]
    )


def without_cost(body: dict[str, Any]) -> int:
    """The rows it read; what an answer cost is taken out of it."""
    rows: int = body.pop("rows_read")
    assert (body.pop("took_ms") >= 0, body.pop("bytes_read") > 0) == (True, True)
    assert (body.pop("partial"), body.pop("reached")) == (None, None)
    return rows


# --- facets ---


def test_facets_give_top_values_with_counts(reading: Reading, client: TestClient[Any]) -> None:
    write_three(reading)
    body = get(client, "/api/v1/facets", **{"from": "-1h", "fields": "component,user,level", "limit": 1}).json()
    assert without_cost(body) == 4
    assert body == {
        "from": "2026-08-01T09:00:00.000000000Z",
        "to": "2026-08-01T10:10:00.000000000Z",
        "events": 3,
        "sampled": False,
        "sample_rate": 1.0,
        "facets": {
            "component": {"values": [{"value": "web", "count": 2}], "other": 1, "absent": 0},
            "user": {"values": [{"value": "ann", "count": 2}], "other": 1, "absent": 0},
            "level": {"values": [{"value": "error", "count": 1}], "other": 0, "absent": 2},
        },
    }


def test_facets_that_are_sampled_say_so(reading: Reading, client: TestClient[Any]) -> None:
    def sampled(*_: Any, **__: Any) -> Facets:
        return Facets(8_000_000, 0.125, [FieldFacet('attributes.a"b', [FieldCount("x", 7_999_000)], 1000, 0)])

    reading.store.facets = sampled  # type: ignore[method-assign]
    body = get(client, "/api/v1/facets", fields=r'attributes."a\"b"').json()
    assert (body["events"], body["sampled"], body["sample_rate"]) == (8_000_000, True, 0.125)
    assert list(body["facets"]) == [r'attributes."a\"b"']


@pytest.mark.parametrize(
    ("parameters", "code"),
    [
        ({"fields": "nothing"}, "bad_field"),
        ({"fields": ""}, "bad_field"),
        ({"limit": 1001}, "bad_input"),
        ({"limit": 0}, "bad_input"),
        ({"query": "level>x"}, "query_syntax"),
        ({"from": "now", "to": "-1h"}, "bad_range"),
        ({"field": "level"}, "unknown_parameter"),
    ],
)
def test_facets_that_cannot_be_counted_are_refused(
    client: TestClient[Any], parameters: dict[str, str | int], code: str
) -> None:
    refused = get(client, "/api/v1/facets", **parameters)
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, code)


# --- lists ---


def test_sessions_are_listed_with_all_that_is_told_and_links(reading: Reading, client: TestClient[Any]) -> None:
    write_three(reading)
    body = get(client, "/api/v1/sessions", limit=2).json()
    assert body["next"] is not None
    assert body["sessions"] == [
        {
            "session": "b",
            "device": "d 1",
            "user": "bob",
            "events": 1,
            "errors": 0,
            "first": "2026-08-01T09:59:30.000000000Z",
            "last": "2026-08-01T09:59:30.000000000Z",
            "sessions": 1,
            "components": ["web"],
            "links": {"session": "/sessions/b", "device": "/devices/d%201", "user": "/users/bob"},
        },
        {
            "session": "a",
            "device": "d 1",
            "user": "ann",
            "events": 2,
            "errors": 1,
            "first": "2026-08-01T09:58:30.000000000Z",
            "last": "2026-08-01T09:59:00.000000000Z",
            "sessions": 1,
            "components": ["api", "web"],
            "links": {"session": "/sessions/a", "device": "/devices/d%201", "user": "/users/ann"},
        },
    ]
    rest = get(client, "/api/v1/sessions", limit=2, cursor=body["next"]).json()
    assert ([row["session"] for row in rest["sessions"]], rest["next"]) == (["c"], None)


def test_devices_and_users_are_listed(reading: Reading, client: TestClient[Any]) -> None:
    write_three(reading)
    [device] = get(client, "/api/v1/devices").json()["devices"]
    assert (device["device"], device["user"], device["session"], device["events"], device["sessions"]) == (
        "d 1", "bob", None, 2, 2,
    )  # fmt: skip
    users = get(client, "/api/v1/users").json()["users"]
    assert [(row["user"], row["events"], row["sessions"]) for row in users] == [("bob", 1, 1), ("ann", 3, 2)]


@pytest.mark.parametrize(
    ("parameters", "found"),
    [
        ({"user": "ann"}, ["a", "c"]),
        ({"device": "d 1"}, ["b", "a"]),
        ({"user": "ann", "device": "d 1"}, ["a"]),
        ({"q": "b"}, ["b"]),
        ({"query": "level:error"}, ["a"]),
        ({"query": "component:web", "user": "bob"}, ["b"]),
        ({"from": "-1d"}, ["b", "a"]),
        ({"to": "-1d"}, ["c"]),
        ({"user": "x" * 4000}, []),
        ({"q": HOSTILE}, []),
    ],
)
def test_a_list_is_narrowed_by_each_parameter(
    reading: Reading, client: TestClient[Any], parameters: dict[str, str], found: list[str]
) -> None:
    write_three(reading)
    body = get(client, "/api/v1/sessions", **parameters).json()
    assert [row["session"] for row in body["sessions"]] == found


def test_pages_of_a_list_name_each_once_while_events_come_in(reading: Reading, client: TestClient[Any]) -> None:
    reading.write([make_event(index, session=f"s{index:02}", id=f"e{index}") for index in range(25)])
    body = get(client, "/api/v1/sessions", limit=10, **{"from": "-1h"}).json()
    found = [row["session"] for row in body["sessions"]]
    while body["next"]:
        reading.clock.advance(100)
        reading.write([make_event(0, session="s00", id=f"late {len(found)}", time_ns=NOW_NS + 5)])
        body = get(client, "/api/v1/sessions", limit=10, cursor=body["next"]).json()
        found += [row["session"] for row in body["sessions"]]
    assert found == [f"s{index:02}" for index in range(25)]


def test_a_cursor_works_for_its_own_list_only(reading: Reading, client: TestClient[Any]) -> None:
    write_three(reading)
    cursor = get(client, "/api/v1/sessions", limit=1).json()["next"]
    for path, parameters in (
        ("/api/v1/users", {}),
        ("/api/v1/sessions", {"user": "ann"}),
        ("/api/v1/sessions", {"q": "a"}),
        ("/api/v1/search", {}),
    ):
        refused = get(client, path, cursor=cursor, **parameters)
        assert (refused.status_code, refused.json()["error"]["code"]) == (400, "bad_cursor")
    for odd in ("x", "é", "A" * 9000, cursor[:-3], cursor + "AAAA"):
        assert get(client, "/api/v1/sessions", cursor=odd).status_code == 400


# --- the timeline of a session ---


def test_a_session_tells_its_lanes_gaps_version_and_neighbours(reading: Reading, client: TestClient[Any]) -> None:
    write_three(reading)
    reading.write(
        [
            make_event(1000, session="s", user="ann", component="web", id="s1", attributes={"app_version": "7.1"}),
            make_event(800, session="s", user="ann", device="d 1", level="error", id="s2"),
        ]
    )
    body = get(client, "/sessions/s.json", neighbours=1).json()
    assert [event["id"] for event in body.pop("events")] == ["s1", "s2"]
    assert without_cost(body) > 4
    first, last = "2026-08-01T09:43:20.000000000Z", "2026-08-01T09:46:40.000000000Z"
    assert body == {
        "attributes": {},
        "session": "s",
        "user": "ann",
        "device": "d 1",
        "first": first,
        "last": last,
        "truncated": False,
        "seconds": 200.0,
        "version": "7.1",
        "lanes": [
            {"component": "web", "events": 1, "errors": 0, "first": first, "last": first},
            {"component": "", "events": 1, "errors": 1, "first": last, "last": last},
        ],
        "gaps": [{"after": "s1", "before": "s2", "from": first, "to": last, "seconds": 200.0}],
        "previous": {"user": {"session": "c", "start": "2026-07-29T10:00:00.000000000Z"}, "device": None},
        "next": {
            "user": {"session": "a", "start": "2026-08-01T09:58:30.000000000Z"},
            "device": {"session": "a", "start": "2026-08-01T09:58:30.000000000Z"},
        },
    }


# --- pages ---


def test_pages_list_and_lead_on(reading: Reading, client: TestClient[Any]) -> None:
    write_three(reading)
    sessions = page(client, "/sessions").text
    assert "counts are of the last day" in sessions
    assert [f'href="/sessions/{name}"' in sessions for name in "abc"] == [True, True, False]
    assert 'href="/sessions/c"' in page(client, "/sessions", **{"from": ""}).text
    user = page(client, "/users/ann").text
    assert all(f'href="/{place}"' in user for place in ("sessions/a", "sessions/c", "devices/d%201"))
    device = page(client, "/devices/d%201").text
    assert all(f'href="/{place}"' in device for place in ("sessions/a", "sessions/b", "users/bob", "users/ann"))
    session = page(client, "/sessions/a").text
    assert 'rel="prev" href="/sessions/c"' in session and 'rel="next" href="/sessions/b"' in session


def test_pages_of_many_are_turned(reading: Reading, client: TestClient[Any]) -> None:
    reading.write([make_event(i, session=f"s{i:03}", user="ann", id=f"e{i}") for i in range(120)])
    for path in ("/sessions", "/users/ann"):
        seen, url = 0, path
        while url:
            text = page(client, url).text
            seen += text.count('<td class="name"><a href="/sessions/s')
            url = text.partition('rel="next" href="')[2].partition('"')[0].replace("&amp;", "&")
        assert seen == 120


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/sessions", "Look in everything that is kept"),
        ("/sessions?user=nobody", "take away what was asked for"),
        ("/sessions?from=&user=nobody", "No session matches, in all that is kept"),
        ("/sessions?from=", "Send a first event"),
        ("/devices?from=", "No device yet"),
        ("/users?from=", "No user yet"),
    ],
)
def test_an_empty_list_tells_what_to_do(client: TestClient[Any], path: str, words: str) -> None:
    answer = page(client, path)
    assert (answer.status_code, words in answer.text) == (200, True)


def test_a_list_that_cannot_be_read_gives_the_form_again(client: TestClient[Any]) -> None:
    refused = page(client, "/devices", query="level>x", **{"from": "-1h"})
    assert (refused.status_code, 'value="level&gt;x"' in refused.text) == (400, True)
    assert 'role="alert"' in refused.text and "unknown level x" in refused.text


@pytest.mark.parametrize("place", ["users", "devices"])
def test_who_is_not_there_is_a_404(client: TestClient[Any], place: str) -> None:
    for name in ("nobody", quote(HOSTILE, safe=""), "x" * 50_000):
        answer = page(client, f"/{place}/{name}")
        assert (answer.status_code, "<script>alert" in answer.text, len(answer.text) < 5000) == (404, False, True)


ODD_NAMES = ["a/b", "/", "a//b/", "ключ", "x.json", "a b+c&d=e?f#g%h", "..", "a\\b", '"<b>', "%2F", " ", HOSTILE]


@pytest.mark.parametrize("name", ODD_NAMES)
def test_whoever_has_an_odd_name_is_reached_from_the_list(reading: Reading, client: TestClient[Any], name: str) -> None:
    reading.write([make_event(1, session=name, user=name, device=name, component=name)])
    for place, row in (("users", "user"), ("devices", "device"), ("sessions", "session")):
        [found] = get(client, f"/api/v1/{place}").json()[place]
        assert found[row] == name
        shown = page(client, found["links"][row])
        assert shown.status_code == 200
        for text in (shown.text, page(client, f"/{place}").text):
            assert "<script>alert" not in text and "\x00" not in text and "\u202e" not in text


def test_the_start_page_says_what_its_counts_are_of(reading: Reading, client: TestClient[Any]) -> None:
    reading.write([make_event(10, id="old", time_ns=NOW_NS - 3 * DAY_MS * 1_000_000)])
    assert "counts are of the last 15 days, all that is kept" in page(client, "/").text
    reading.write([make_event(1)])
    assert "counts are of the last 24 hours" in page(client, "/").text


def test_a_store_that_is_down_is_a_503_with_a_time_to_wait(reading: Reading, client: TestClient[Any]) -> None:
    reading.break_store()
    for path in ("/api/v1/facets", "/api/v1/sessions", "/api/v1/users", "/devices", "/users/ann"):
        answer = get(client, path)
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "7"), path
