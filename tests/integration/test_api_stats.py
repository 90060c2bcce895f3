"""Tables, stages of a search and completion, as clients meet them."""
# Examples, a line each:

from typing import Any

import httpx
import pytest
from litestar.testing import TestClient
from tests.reading import READ, Reading, make_event

from logkeep.api.remembered import REMEMBERED_MAX, REMEMBERED_S, Remembered
from logkeep.clock import NS_PER_S


def get(client: TestClient[Any], path: str, **parameters: str | int) -> httpx.Response:
    return client.get(f"/api/v1/{path}", params=parameters or None, headers=READ)


def ids(response: httpx.Response) -> list[str]:
    assert response.status_code == 200, response.text
    return [event["id"] for event in response.json()["events"]]


# --- tables ---


def test_a_table_has_columns_with_kinds_and_rows(reading: Reading, client: TestClient[Any]) -> None:
    reading.write([make_event(0, 5, level="error"), make_event(1, 2.5, level="error"), make_event(70, level="info")])
    body = get(client, "stats", query="* | count, avg(value) by bin(1m), level").json()
    cost = {name: body.pop(name) for name in ("took_ms", "rows_read", "bytes_read", "partial", "reached")}
    assert (cost["rows_read"], cost["partial"], cost["reached"]) == (3, None, None)
    assert body == {
        "columns": [
            {"name": "bin(1m)", "kind": "time"},
            {"name": "level", "kind": "text"},
            {"name": "count", "kind": "number"},
            {"name": "avg(value)", "kind": "number"},
        ],
        "rows": [
            ["2026-08-01T09:58:00.000000000Z", "info", 1, None],
            ["2026-08-01T09:59:00.000000000Z", "error", 1, 2.5],
            ["2026-08-01T10:00:00.000000000Z", "error", 1, 5],
        ],
        "truncated": False,
    }


def test_a_rate_is_by_the_time_that_has_passed_though_a_range_ends_ahead_of_it(
    reading: Reading, client: TestClient[Any]
) -> None:
    reading.write([make_event(index) for index in range(1, 11)])
    assert get(client, "stats", query="| rate", **{"from": "-100s"}).json()["rows"] == [[0.1]]
    assert get(client, "stats", query="| rate", **{"from": "-20s", "to": "now+1h"}).json()["rows"] == [[0.5]]


def test_without_a_stage_that_counts_the_table_is_of_events(reading: Reading, client: TestClient[Any]) -> None:
    reading.write(
        [
            make_event(0, {"a": 1}, attributes={"os": "x", "n": 5}),
            make_event(1, 7, user="u-1"),
        ]
    )
    body = get(client, "stats", query="* | sort time | fields user, value, attributes.n, time").json()
    assert [column["kind"] for column in body["columns"]] == ["text", "json", "json", "time"]
    assert body["rows"] == [
        ["u-1", 7, None, "2026-08-01T09:59:59.000000000Z"],
        ["", {"a": 1}, 5, "2026-08-01T10:00:00.000000000Z"],
    ]
    usual = get(client, "stats", query="user:*").json()
    assert [column["name"] for column in usual["columns"]] == ["time", "level", "component", "session", "key", "value"]
    assert (len(usual["rows"]), usual["truncated"]) == (1, False)
    near = get(client, "stats", query="user:* | context 1 | fields id").json()
    assert (near["columns"][1]["name"], near["rows"]) == ("match", [["id-0001", True], ["id-0000", False]])


def test_a_table_of_more_events_than_asked_for_says_so(reading: Reading, client: TestClient[Any]) -> None:
    reading.write([make_event(index) for index in range(1001)])
    for query in ("*", "* | sort key"):
        body = get(client, "stats", query=query).json()
        assert (len(body["rows"]), body["truncated"]) == (1000, True)
    assert get(client, "stats", query="* | limit 10").json()["truncated"] is False


@pytest.mark.parametrize(
    ("query", "column", "words"),
    [
        ("a | cuont", 5, "did you mean count"),
        ("a | json", 5, "attributes are read as they are"),
        ("level:", 7, "level"),
    ],
)
def test_a_slip_is_told_with_its_column(client: TestClient[Any], query: str, column: int, words: str) -> None:
    refused = get(client, "stats", query=query)
    error = refused.json()["error"]
    assert (refused.status_code, error["code"], error["column"]) == (400, "query_syntax", column)
    assert words in error["message"]


# --- a search with stages ---


def test_a_search_that_counts_is_sent_to_stats(client: TestClient[Any]) -> None:
    refused = get(client, "search", query="* | count by level")
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, "query_makes_a_table")
    assert "/api/v1/stats" in refused.json()["error"]["message"]


def test_a_limit_is_of_all_pages_together(reading: Reading, client: TestClient[Any]) -> None:
    reading.write([make_event(index) for index in range(20)])
    found: list[str] = []
    parameters: dict[str, str | int] = {"query": "* | limit 7", "limit": 3}
    while True:
        page = get(client, "search", **parameters)
        found += ids(page)
        if page.json()["next"] is None:
            break
        parameters["cursor"] = page.json()["next"]
    assert found == [f"id-{index:04}" for index in range(7)]
    assert get(client, "search", query="* | limit 8", cursor=parameters["cursor"]).status_code == 400


def test_sorting_by_time_is_an_order_with_pages_and_by_another_field_one_page(
    reading: Reading, client: TestClient[Any]
) -> None:
    reading.write([make_event(index, (index * 3) % 5) for index in range(5)])
    first = get(client, "search", query="* | sort time", limit=2)
    second = get(client, "search", query="* | sort time", limit=9, cursor=first.json()["next"])
    assert ids(first) + ids(second) == [f"id-000{index}" for index in (4, 3, 2, 1, 0)]
    largest = get(client, "search", query="* | sort value desc", limit=2)
    assert (ids(largest), largest.json()["next"]) == (["id-0003", "id-0001"], None)


def test_fields_leave_the_others_out_and_the_id_in(reading: Reading, client: TestClient[Any]) -> None:
    reading.write([make_event(0, {"a": [1]}, level="warn", attributes={"os": "x", "b c": True})])
    body = get(client, "search", query='* | fields value, attributes."b c", user').json()
    assert body["events"] == [{"id": "id-0000", "value": {"a": [1]}, "attributes": {"b c": True}}]


def test_matches_come_with_their_neighbours_marked(reading: Reading, client: TestClient[Any]) -> None:
    reading.write([make_event(index, level="error" if index == 2 else "info") for index in range(5)])
    body = get(client, "search", query="level:error | context 1 | fields level").json()
    assert body["events"] == [
        {"id": "id-0003", "level": "info"},
        {"id": "id-0002", "match": True, "level": "error"},
        {"id": "id-0001", "level": "info"},
    ]


def test_the_histogram_and_the_page_take_a_query_with_stages(reading: Reading, client: TestClient[Any]) -> None:
    reading.write([make_event(index, level="error") for index in range(3)])
    counted = get(client, "histogram", query="level:error | count by key", buckets=1).json()
    assert counted["buckets"][0]["total"] == 3
    page = client.get("/search", params={"query": "level:error | limit 2", "from": "-1h"}, headers=READ)
    assert (page.status_code, page.text.count('<tr class="row')) == (200, 2)
    refused = client.get("/search", params={"query": "* | count"}, headers=READ)
    assert refused.status_code == 400 and "/api/v1/stats" in refused.text


# --- completion ---


def items(client: TestClient[Any], query: str, **parameters: Any) -> list[tuple[str, str]]:
    answer = get(client, "complete", query=query, **parameters)
    assert answer.status_code == 200, answer.text
    return [(item["kind"], item["text"]) for item in answer.json()["items"]]


def test_completion_knows_fields_attributes_values_and_words(reading: Reading, client: TestClient[Any]) -> None:
    reading.write(
        [
            make_event(0, component="Cart", attributes={"os": "linux", "odd name": 1}),
            make_event(1, component="check out", attributes={"os": "mac"}),
            make_event(2, component="check out"),
        ]
    )
    assert items(client, "le") == [("field", "level")]
    assert items(client, "attr") == [("attribute", "attributes.os"), ("attribute", 'attributes."odd name"')]
    assert items(client, "component:c") == [("value", '"check out"'), ("value", "Cart")]
    assert items(client, "component=c") == [("value", '"check out"'), ("value", "Cart")]
    assert items(client, "attributes.os:l") == [("value", "linux")]
    assert items(client, "level:w") == [("keyword", "warn")]
    assert items(client, "* | lim") == [("keyword", "limit")]
    assert items(client, "le:x", position=2) == [("field", "level")]
    body = get(client, "complete", query="component:").json()
    assert (body["start"], body["end"], body["items"][0]) == (
        10, 10, {"text": '"check out"', "kind": "value", "count": 2},
    )  # fmt: skip


def test_values_are_of_late_and_remembered_for_half_a_minute(reading: Reading, client: TestClient[Any]) -> None:
    reading.write([make_event(2 * 3600, user="long-ago"), make_event(2 * 3600, id="x", component="today")])
    assert items(client, "user:") == []
    assert items(client, "component:") == [("value", "today")]
    reading.write([make_event(0, user="now")])
    assert items(client, "user:") == []
    reading.clock.advance(REMEMBERED_S + 1)
    assert items(client, "user:") == [("value", "now")]


def test_values_are_counted_in_the_range_that_is_given(reading: Reading, client: TestClient[Any]) -> None:
    reading.write([make_event(n * 3600, user="ada", component="cart") for n in range(1, 5)])
    for component in ("user:", "component:"):
        answer = get(client, "complete", **{"query": component, "from": "-150m", "to": "now"}).json()
        assert [item["count"] for item in answer["items"]] == [2]
    assert get(client, "complete", **{"query": "user:", "from": "-1d"}).json()["items"][0]["count"] == 4
    assert items(client, "user:", to="-1d") == []
    assert get(client, "complete", **{"query": "user:", "from": "soon"}).status_code == 400


def test_attributes_are_found_in_a_burst_between_others(reading: Reading, client: TestClient[Any]) -> None:
    """2,000 events of 20 minutes ago, under as many as came since and half as many of before."""
    reading.write(
        [make_event(n // 10, id=f"new-{n}", attributes={"new": 1}) for n in range(2000)]
        + [make_event(1200 + n // 10, id=f"burst-{n}", attributes={"burst": 1}) for n in range(2000)]
        + [make_event(3500 + 10 * n, id=f"old-{n}", attributes={"old": 1}) for n in range(1000)]
    )
    for range_ in ({}, {"from": "-1d"}, {"from": "-6h", "to": "now"}):
        assert sorted(items(client, "attributes.", **range_)) == [
            ("attribute", "attributes.burst"), ("attribute", "attributes.new"), ("attribute", "attributes.old"),
        ]  # fmt: skip
    assert items(client, "attributes.", **{"from": "-5m"}) == [("attribute", "attributes.new")]


def test_completion_of_another_app_shows_nothing_of_this_one(reading: Reading, client: TestClient[Any]) -> None:
    reading.write([make_event(0, app="other", component="secret", attributes={"hidden": 1})])
    assert items(client, "component:") == []
    assert items(client, "attributes.") == []


@pytest.mark.parametrize("parameters", [{"position": -1}, {"position": "x"}, {"query": "a" * 5000}])
def test_a_completion_that_cannot_be_asked_is_refused(client: TestClient[Any], parameters: dict[str, Any]) -> None:
    assert get(client, "complete", **parameters).status_code == 400


@pytest.mark.parametrize(
    "query", ["(" * 4000, "|" * 4000, '"' * 4000, "a:" * 2000, "user:(" + "x" * 4000, "\x00", "| |"]
)
def test_odd_queries_are_completed_or_refused_but_never_break_it(client: TestClient[Any], query: str) -> None:
    assert get(client, "complete", query=query).status_code == 200
    assert get(client, "stats", query=query).status_code in (200, 400)


def test_answers_are_remembered_for_a_time_and_in_a_bounded_number() -> None:
    remembered = Remembered()
    made: list[int] = []

    def ask(key: int, now_s: int) -> int:
        return int(remembered.get(key, now_s * NS_PER_S, lambda: made.append(key) or len(made)))

    assert (ask(1, 0), ask(1, 29), ask(1, 31)) == (1, 1, 2)
    for key in range(2, REMEMBERED_MAX + 2):
        ask(key, 31)
    assert ask(1, 31) == REMEMBERED_MAX + 3
