"""Reads cannot hurt: any is answered or refused in plain words, keeps its limits, and stops with its asker."""

import asyncio
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from litestar.testing import TestClient
from tests.reading import NOW_NS, READ, READ_TOKEN, Reading, make_event, served
from tests.service import wait_for

from logkeep.api.routes import ROUTES, Route
from logkeep.settings import Api, Settings
from logkeep.store.embedded import EmbeddedStore
from logkeep.store.port import Batch

HEAVY = "SELECT count() FROM numbers(100000000000) WHERE sipHash64(number) = 1"
EVENTS = 40_000
PLACES = {"{event_id}": "id-0001", "{session}": "s-1.json"}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedStore]:
    opened = EmbeddedStore(tmp_path_factory.mktemp("store"), readers=8)
    spread_ns = 86_400_000_000_000 // 10_000  # four days of them
    mine = [make_event(i, f"request {i} timed out", time_ns=NOW_NS - i * spread_ns) for i in range(EVENTS)]
    others = [make_event(i, "a secret of others", id=f"other-{i}", app="other") for i in range(9)]
    opened.write(Batch("1", [*mine, *others]))
    yield opened
    opened.close()


def opened(store: EmbeddedStore, **api: Any) -> Reading:
    return Reading(Settings(api=Api(**({"readers": 8} | api))), store=store)


@pytest.fixture(scope="module")
def client(store: EmbeddedStore) -> Iterator[TestClient[Any]]:
    """With room for queries that the default length would refuse, so that the parser and the engine meet them."""
    app = opened(store, query_chars_max=4_000_000, query_timeout_s=10).app
    with TestClient(app, raise_server_exceptions=False) as made:
        yield made


# ── whatever is asked ─────────────────────────────────────────────────────────────────────────────────────────────

ODD_QUERIES = {
    "10,000 terms": " ".join(f"word{n}" for n in range(10_000)),
    "10,000 alternatives": " or ".join(f"word{n}" for n in range(10_000)),
    "200 terms": " ".join(f"request{n}" for n in range(200)),
    "1,000 parentheses": "(" * 1000 + "timed" + ")" * 1000,
    "1,000 open parentheses": "(" * 1000,
    "1,000 times not": "not " * 1000 + "timed",
    "nested repeats": "value:/((((a*)*)*)*)*b/",
    "a repeat of repeats": "value:/((a{1,100}){1,100}){1,100}/",
    "alternatives that overlap": "value:/(a|aa|aaa|aaaa)+$/",
    "the largest repeat": "value:/a{1000}/",
    "a repeat beyond it": "value:/a{100000}/",
    "a look-ahead": "value:/(?=a)b/",
    "a back reference": r"value:/(a)\1/",
    "many regexes": " or ".join(f"value:/x.*{n}.*y/" for n in range(64)),
    "a field that is none": "nofield:x",
    "an attribute nobody sent": "attributes.nothing:x",
    "a number beyond all": "value>1e999999",
    "no number": "value>abc",
    "an unfinished phrase": '"timed',
    "a NUL": "timed\x00out",
    "half a character": "\ud800",
    "directions and joiners": "\u202e\u200d\ufeff",
    "SQL": "'; DROP TABLE events; --",
    "a parameter of the engine's": "{app:String}",
    "a format string": "%s%n{0}",
    "a pipe alone": "|",
    "blanks": " \t\n ",
}  # fmt: skip
LONG_QUERIES: dict[str, Callable[[int], str]] = {  # of so many characters
    "one word": lambda chars: "x" * chars,
    "text": lambda chars: '"' + "timed out " * (chars // 10) + '"',
    "a regex": lambda chars: "value:/" + "a|" * (chars // 2) + "b/",
    "an attribute": lambda chars: "attributes." + "a" * chars + ":x",
}
LONG_CHARS, LONGEST_CHARS = 100_000, 1_000_000  # the engine needs seconds for some of the longest
ODD_RANGES = {
    "reversed": ("now", "-1h"),
    "empty": ("now", "now"),
    "in the future": ("+1d", "+2d"),
    "a hundred years": ("-36500d", "+36500d"),
    "all there is": ("0", "2262-01-01"),
    "before all": ("1970-01-01", "1970-01-02"),
    "no time": ("yesterday-ish", "now"),
    "a thousand digits": ("9" * 1000, "now"),
    "a leap second": ("2016-12-31T23:59:60Z", "now"),
    "the 31st of February": ("2026-02-31", "now"),
    "one nanosecond": ("2026-08-01T09:59:59.999999999Z", "2026-08-01T10:00:00Z"),
}
ODD_CURSORS = ["x", "====", "A" * 5000, "lMQIAAAAAAAAAAAA", "../../etc/passwd", "\x00", "ü", "null", "[]", "-1"]
ODD_NUMBERS = ["0", "-1", "1e9", "99999999999999999999", "x", "", "NaN", "1.5", " 1"]
TAIL = "/api/v1/tail"
[SEARCH] = [route for route in ROUTES if (route.method, route.path) == ("GET", "/api/v1/search")]
READS = [route for route in ROUTES if route.scope == "read" and route.method == "GET" and route.of == "app"]


def ask(client: TestClient[Any], route: Route, **parameters: str) -> httpx.Response:
    path = route.path
    for name, value in PLACES.items():
        path = path.replace(name, value)
    # Straight to the application: clients and servers refuse such long addresses before it sees them.
    query = "&".join(f"{name}={_quoted(value)}" for name, value in parameters.items())
    return asyncio.run(_answer(client.app, path, query.encode(), leaves=route.path == TAIL))


async def _answer(app: Any, path: str, query: bytes, *, leaves: bool) -> httpx.Response:
    """leaves: whether the asker goes once the answer has begun; a tail has no end."""
    scope = {
        "type": "http",
        "method": "GET",
        "path": path,
        "raw_path": path.encode(),
        "query_string": query,
        "headers": [(b"host", b"x"), (b"authorization", READ["Authorization"].encode())],
        "scheme": "http",
        "http_version": "1.1",
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 2),
        "root_path": "",
    }
    sent: list[dict[str, Any]] = []
    left = asyncio.Event()

    async def receive() -> dict[str, Any]:
        await left.wait()
        return {"type": "http.disconnect"}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)
        if leaves:
            left.set()

    await app(scope, receive, send)
    body = b"".join(message.get("body", b"") for message in sent[1:])
    return httpx.Response(sent[0]["status"], headers=sent[0]["headers"], content=body)


def _quoted(value: str) -> str:
    return "".join(f"%{byte:02X}" for byte in value.encode("utf-8", "surrogatepass"))


# Pages that take no parameters; what they are given all the same they pass over.
FIXED = {"/", "/overview", "/app", "/app/{rest}", "/events/{event_id}", "/sessions/{session}", "/sessions"}


def knows(name: str) -> list[Route]:
    """Routes that take this parameter, or may: pages do not list theirs."""
    return [r for r in READS if (r.path not in FIXED if r.parameters is None else name in r.parameters)]


def assert_answered_or_refused(answer: httpx.Response, what: str) -> None:
    assert answer.status_code in (200, 400, 404, 414), f"{what}: {answer.status_code} {answer.text[:300]}"
    if answer.status_code == 400 and answer.headers["content-type"] == "application/json":
        assert answer.json()["error"]["message"], what


@pytest.mark.parametrize("route", knows("query"), ids=lambda route: route.path)
def test_any_query_is_answered_or_refused(client: TestClient[Any], route: Route) -> None:
    long = {f"{what} of {LONG_CHARS}": make(LONG_CHARS) for what, make in LONG_QUERIES.items()}
    for what, query in (ODD_QUERIES | long).items():
        assert_answered_or_refused(ask(client, route, query=query), what)


@pytest.mark.parametrize("what", LONG_QUERIES)
def test_a_megabyte_is_answered_or_refused(client: TestClient[Any], what: str) -> None:
    query = LONG_QUERIES[what](LONGEST_CHARS)
    assert_answered_or_refused(ask(client, SEARCH, query=query), what)


@pytest.mark.parametrize("route", knows("from"), ids=lambda route: route.path)
def test_any_range_is_answered_or_refused(client: TestClient[Any], route: Route) -> None:
    for what, (from_, to) in ODD_RANGES.items():
        assert_answered_or_refused(ask(client, route, **{"from": from_, "to": to}), what)


@pytest.mark.parametrize("route", READS, ids=lambda route: route.path)
def test_any_other_parameter_is_answered_or_refused(client: TestClient[Any], route: Route) -> None:
    for name in {"cursor", *(route.parameters or ())} - {"query", "from", "to", "app"}:
        for value in [*ODD_CURSORS, *ODD_NUMBERS]:
            assert_answered_or_refused(ask(client, route, **{name: value}), f"{name}={value[:40]!r}")


def test_a_cursor_that_was_changed_anywhere_is_refused_or_stays_in_its_app(client: TestClient[Any]) -> None:
    cursor = client.get("/api/v1/search?limit=1", headers=READ).json()["next"]
    for at in range(len(cursor)):
        changed = cursor[:at] + ("A" if cursor[at] != "A" else "B") + cursor[at + 1 :]
        answer = client.get("/api/v1/search", params={"cursor": changed, "limit": 5}, headers=READ)
        assert answer.status_code in (200, 400), answer.text
        assert "a secret of others" not in answer.text


# ── within limits ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_limit_gives_a_partial_answer_and_a_cursor_to_go_on(store: EmbeddedStore) -> None:
    with TestClient(opened(store, query_rows_max=45_000).app) as client:
        answer = client.get("/api/v1/search", params={"query": "nowhere or value:/no.he.e/"}, headers=READ).json()
        assert (answer["events"], answer["partial"], answer["rows_read"] >= 45_000) == ([], "rows", True)
        assert answer["next"] is not None and answer["reached"] is not None
        counted = client.get(
            "/api/v1/histogram", params={"query": "value:/ti.ed/", "from": "-4d", "buckets": 4}, headers=READ
        ).json()
        assert (counted["partial"], counted["reached"] is not None) == ("rows", True)
        assert 0 < sum(bucket["total"] for bucket in counted["buckets"]) < EVENTS
        page = client.get("/search", params={"query": "value:/no.he.e/"}, headers=READ | {"Accept": "text/html"})
        assert page.status_code == 200 and "Not all of it" in page.text
    metrics = "".join(opened(store).telemetry.exposition().decode())
    assert "logkeep_api_reads_ended_early" in metrics


def test_a_limit_that_leaves_nothing_to_answer_is_told(store: EmbeddedStore) -> None:
    with TestClient(opened(store, query_rows_max=1).app) as client:
        answer = client.get("/api/v1/search", params={"query": "timed"}, headers=READ)
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, "query_too_expensive")


def test_every_answer_tells_what_it_cost(client: TestClient[Any]) -> None:
    for path in ("/api/v1/search", "/api/v1/histogram", "/api/v1/events/id-0001?context=3", "/sessions/s-1.json"):
        answer = client.get(path, headers=READ).json()
        assert (answer["rows_read"] > 0, answer["bytes_read"] > 0, answer["partial"]) == (True, True, None), path
        assert answer["took_ms"] >= 0
    for path in ("/", "/search", "/events/id-0001", "/sessions/s-1"):
        page = client.get(path, headers=READ | {"Accept": "text/html"}).text
        assert '<p class="note cost">read ' in page and "Not all of it" not in page


def test_explain_shows_the_query_as_it_is_read_and_nothing_of_other_apps(client: TestClient[Any]) -> None:
    parameters = {"query": '(timed  AND level:info) session:"s 1"', "explain": 1, "from": "-1d", "to": "now"}
    for path in ("/api/v1/search", "/api/v1/histogram"):
        answer = client.get(path, params=parameters, headers=READ).json()  # type: ignore[arg-type]
        assert "error" not in answer, answer
        indexes = {index["name"]: index["granules"] for index in answer.pop("indexes")}
        assert {"primary key", "ix_value", "ix_session"} <= set(indexes)
        assert indexes["ix_session"] == 0
        assert answer.pop("parameters").keys() == {"q0", "q1"}
        assert "{q0:String}" in answer.pop("sql")
        assert (answer["query"], answer["from"], answer["to"]) == (
            '(timed level="info") session="s 1"',
            "2026-07-31T10:00:00.000000000Z",
            "2026-08-01T10:00:00.000000000Z",
        )
        assert "other" not in str(answer) and "events" not in answer


@pytest.mark.parametrize(
    ("path", "query", "shown", "parts"),
    [
        (
            "stats",
            "timed | count,p95(value) by level | limit 3",
            "timed | count, p95(value) by level | limit 3",
            "LIMIT 3",
        ),
        ("stats", "timed|top 2 user", "timed | top 2 user", "ORDER BY"),
        ("stats", "timed|patterns", "timed | patterns", "patterns"),
        ("stats", "timed | sort key", "timed | sort key", "ORDER BY"),
        ("search", "timed | sort key desc | limit 3", "timed | sort key desc | limit 3", "ORDER BY"),
        ("patterns", "timed", "timed", "patterns"),
        ("facets", "timed", "timed", "value"),
        ("sessions", "timed", "timed", "session"),
        ("devices", "timed", "timed", "device"),
        ("users", "timed", "timed", "user"),
    ],
)
def test_explain_shows_stages_and_what_is_counted(
    client: TestClient[Any], path: str, query: str, shown: str, parts: str
) -> None:
    answer = client.get(f"/api/v1/{path}", params={"query": query, "explain": 1}, headers=READ).json()
    assert "error" not in answer, answer
    assert answer["query"] == shown
    assert parts in answer["sql"] and "{q0:String}" in answer["sql"]
    assert answer["parameters"]["q0"] == "timed"
    assert "other" not in str(answer)
    assert answer["took_ms"] >= 0


# ── and stops with its asker ──────────────────────────────────────────────────────────────────────────────────────


def running(store: EmbeddedStore) -> int:
    sql = "SELECT count() FROM system.processes WHERE query LIKE '%numbers(100000000000)%' AND query NOT LIKE '%LIKE%'"
    return int(store._engine.write(sql))


def test_a_query_ends_when_its_asker_goes(store: EmbeddedStore, monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[str] = []

    def search(reading: Any, request: Any) -> Any:
        begun.append(repr(request.query))
        return store._engine.read(reading, HEAVY, {})

    monkeypatch.setattr(store, "search", search)
    with served(opened(store, readers=1).app) as url:
        address = ("127.0.0.1", int(url.rpartition(":")[2]))
        first, second = (_asking(address, query) for query in ("first", "second"))
        wait_for(lambda: running(store) == 1, 60, "the first query to run")
        second.close()
        first.close()
        wait_for(lambda: running(store) == 0, 60, "it to be stopped")
        monkeypatch.undo()
        # With one reader, an answer means that the line is empty again.
        assert httpx.get(f"{url}/api/v1/search", headers=READ, timeout=20).status_code == 200
    assert len(begun) == 1 and "first" in begun[0]


def _asking(address: tuple[str, int], query: str) -> socket.socket:
    """A client that has asked and waits; its request is in before this returns."""
    connection = socket.create_connection(address)
    head = f"GET /api/v1/search?query={query} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {READ_TOKEN}\r\n\r\n"
    connection.sendall(head.encode())
    # Another request on a connection of its own is answered after this one was read.
    port = address[1]
    httpx.get(f"http://127.0.0.1:{port}/health/live", timeout=20).raise_for_status()
    return connection


def test_thirty_queries_at_once_are_all_answered(store: EmbeddedStore) -> None:
    texts = ["timed", "level:error", '"timed out"', "value:/re.*9/", "not timed", "session:s*"] * 5
    start = threading.Barrier(len(texts))
    with served(opened(store).app) as url, ThreadPoolExecutor(len(texts)) as pool:

        def one(text: str) -> tuple[int, int]:
            start.wait()
            answer = httpx.get(f"{url}/api/v1/search", params={"query": text}, headers=READ, timeout=60)
            return answer.status_code, len(answer.json()["events"])

        found = list(pool.map(one, texts))
    assert found == [(200, 100), (200, 0), (200, 100), (200, 100), (200, 0), (200, 100)] * 5
