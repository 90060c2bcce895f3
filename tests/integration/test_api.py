"""The API as clients meet it: who may read, how it says no, what its operators ask, and its description."""

import json
from typing import Any

import httpx
import pytest
from litestar.testing import TestClient
from tests.reading import (
    ADMIN_TOKEN,
    BROWSER,
    NOW_NS,
    OTHER_TOKEN,
    READ,
    READ_TOKEN,
    Reading,
    error_of,
    get,
    make_event,
)

from logkeep.api.app import BODY_BYTES_MAX, openapi_document
from logkeep.api.routes import ROUTES, Route
from logkeep.clock import NS_PER_DAY
from logkeep.metastore.distinct import hash_of, joined
from logkeep.metastore.statistics import Counts, Place
from logkeep.metastore.statistics import add as add_statistics

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


def ask(client: TestClient[Any], route: Route, headers: dict[str, str]) -> httpx.Response:
    path = route.path
    for name, value in PLACES.items():
        path = path.replace(name, value)
    return client.request(route.method, path, headers=headers, follow_redirects=False)


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


# --- operating ---


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
