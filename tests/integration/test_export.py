"""Export over real HTTP: all of it, in order, whole or visibly not, in NDJSON and CSV."""

import csv
import gzip
import io
import json
import socket
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from tests.reading import NOW_NS, READ, READ_TOKEN, Reading, make_event, served
from tests.service import wait_for

from logkeep.api import export as export_module
from logkeep.api.sign_ins import FRESH_S
from logkeep.errors import BackendUnavailable
from logkeep.metastore.audit import CONSOLE
from logkeep.settings import Api, Settings
from logkeep.store.port import Page, SearchRequest
from logkeep.store.reading import Reading as StoreReading


@pytest.fixture
def reading(monkeypatch: pytest.MonkeyPatch) -> Reading:
    monkeypatch.setattr(export_module, "FIRST_PAGE_EVENTS", 7)  # several pages of a few events
    monkeypatch.setattr(export_module, "PAGE_EVENTS_MIN", 3)
    monkeypatch.setattr(export_module, "PAGE_BYTES", 2000)
    return Reading(Settings(api=Api(exports=1)))


@pytest.fixture
def url(reading: Reading) -> Iterator[str]:
    with served(reading.app) as url:
        yield url


def get(url: str, **parameters: str) -> httpx.Response:
    return httpx.get(f"{url}/api/v1/export", params=parameters, headers=READ, timeout=20)


def fill(reading: Reading, count: int = 50) -> list[str]:
    """The ids of what was written, oldest first."""
    levels = ("info", "warn")
    reading.write([make_event(index, f"number {index}", level=levels[index % 2]) for index in range(count)])
    return [f"id-{index:04}" for index in reversed(range(count))]


def test_ndjson_has_every_match_once_oldest_first_as_a_search_gives_it(reading: Reading, url: str) -> None:
    ids = fill(reading)
    answer = get(url)
    found = [json.loads(line) for line in answer.text.splitlines()]
    assert [event["id"] for event in found] == ids
    searched = httpx.get(f"{url}/api/v1/search", params={"order": "asc"}, headers=READ).json()["events"]
    assert found == searched
    assert answer.headers["content-type"] == "application/x-ndjson"
    assert answer.headers["content-disposition"] == 'attachment; filename="logkeep-shop-2026-08-01T100000.ndjson"'
    assert [json.loads(line)["id"] for line in get(url, order="desc").text.splitlines()] == ids[::-1]
    assert [json.loads(line)["id"] for line in get(url, query="level:warn").text.splitlines()] == ids[::2]
    assert get(url, query="nothing").text == ""


def test_csv_has_a_head_and_a_row_each_and_no_formula(reading: Reading, url: str) -> None:
    last = make_event(2, {"a": 1}, attributes={"os": "=2"})
    reading.write([make_event(0, "=1+1", user="@x"), make_event(1, -5), last])
    answer = get(url, format="csv")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    rows = list(csv.DictReader(io.StringIO(answer.text, newline="")))
    assert [(row["id"], row["value"], row["user"], row["attributes"]) for row in rows] == [
        ("id-0002", '{"a":1}', "", '{"os":"=2"}'),
        ("id-0001", "-5", "", ""),
        ("id-0000", "'=1+1", "'@x", ""),
    ]
    assert get(url, format="csv", query="nothing").text.splitlines() == [",".join(rows[0])]


@pytest.mark.parametrize(
    ("accepted", "zipped"),
    [("gzip", True), ("br, gzip;q=0.5", True), ("*", True), ("identity", False), ("gzip;q=0, br", False), ("", False)],
)
def test_gzip_comes_where_it_is_accepted(reading: Reading, url: str, accepted: str, zipped: bool) -> None:
    ids = fill(reading)
    headers = {**READ, "Accept-Encoding": accepted}
    with httpx.stream("GET", f"{url}/api/v1/export", headers=headers) as answer:
        raw = b"".join(answer.iter_raw())
    assert answer.headers.get("content-encoding") == ("gzip" if zipped else None)
    assert answer.headers["vary"] == "Accept-Encoding"
    text = gzip.decompress(raw) if zipped else raw
    assert [json.loads(line)["id"] for line in text.splitlines()] == ids


@pytest.mark.parametrize(
    ("parameters", "code"),
    [
        ({"format": "xlsx"}, "bad_input"),
        ({"order": "up"}, "bad_input"),
        ({"query": "level:((x"}, "query_syntax"),
        ({"from": "-1h", "to": "-2h"}, "bad_range"),
        ({"limit": "5"}, "unknown_parameter"),
    ],
)
def test_what_cannot_be_read_is_a_400_before_anything_is_sent(url: str, parameters: dict[str, str], code: str) -> None:
    answer = get(url, **parameters)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, code)


class Failing:
    """A search that fails from its call number `at` on, counted from 0."""

    def __init__(self, reading: Reading, at: int) -> None:
        self._search, self._at, self.calls = reading.store.search, at, 0

    def __call__(self, reading: StoreReading, request: SearchRequest) -> Page:
        self.calls += 1
        if self.calls > self._at:
            raise BackendUnavailable("the store is closed", retry_after_s=7)
        return self._search(reading, request)


def test_a_failure_before_the_first_byte_is_an_answer(reading: Reading, url: str) -> None:
    fill(reading)
    reading.store.search = Failing(reading, 0)  # type: ignore[method-assign]
    answer = get(url)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "7")
    assert get(url).status_code == 503  # for the store's sake, not because the place was kept


@pytest.mark.parametrize("accepted", ["identity", "gzip"])
@pytest.mark.parametrize(
    ("form", "last"),
    [
        ("ndjson", '{"error":{"code":"unavailable","message":"the store is closed"}}'),
        ("csv", "#error,unavailable,the store is closed"),
    ],
)
def test_a_failure_half_way_is_the_last_line_and_an_answer_cut_off(
    reading: Reading, url: str, form: str, last: str, accepted: str
) -> None:
    fill(reading)
    reading.store.search = Failing(reading, 2)  # type: ignore[method-assign]
    text = ""
    headers = {**READ, "Accept-Encoding": accepted}
    with (
        pytest.raises(httpx.RemoteProtocolError, match="incomplete"),
        httpx.stream("GET", f"{url}/api/v1/export", params={"format": form}, headers=headers) as answer,
    ):
        assert answer.status_code == 200
        for part in answer.iter_text():
            text += part
    assert text.splitlines()[-1] == last
    assert len(text.splitlines()) > 7


class Meanwhile:
    """A search that does something else before its second page."""

    def __init__(self, reading: Reading, what: Callable[[], object]) -> None:
        self._search, self._what, self.calls = reading.store.search, what, 0

    def __call__(self, reading: StoreReading, request: SearchRequest) -> Page:
        self.calls += 1
        if self.calls == 2:
            self._what()
        return self._search(reading, request)


@pytest.mark.parametrize("how", ["token revoked", "role taken", "signed out", "signed out with another instance"])
def test_an_export_is_cut_off_when_its_reader_may_not_read_any_more(reading: Reading, url: str, how: str) -> None:
    fill(reading)
    directory, sign_ins = reading.directory, reading.app.state.context.sign_ins
    anna = directory.people.create(CONSOLE, email="anna@example.org")
    directory.teams.add(CONSOLE, "main", anna.id, "member")
    cookie = sign_ins.open(name=anna.email, person=anna.id)
    (row,) = sign_ins.of_person(anna.id)

    def end() -> None:
        if how == "token revoked":
            reading.accounts.revoke(READ_TOKEN)
        elif how == "role taken":
            directory.teams.remove(CONSOLE, "main", anna.id, is_owner=True)
        elif how == "signed out":
            sign_ins.close(cookie)
        else:
            directory.sign_ins.remove(row.sha256)
            reading.clock.advance(FRESH_S + 1)

    search = reading.store.search = Meanwhile(reading, end)  # type: ignore[method-assign,assignment]
    headers = READ if how == "token revoked" else {"Cookie": f"logkeep={cookie}"}
    text = ""
    with (
        pytest.raises(httpx.RemoteProtocolError, match="incomplete"),
        httpx.stream("GET", f"{url}/api/v1/export", headers=headers) as answer,
    ):
        for part in answer.iter_text():
            text += part
    *events, last = [json.loads(line) for line in text.splitlines()]
    assert len(events) == 7 and last["error"]["code"] == ("forbidden" if how == "role taken" else "unauthorized")
    assert search.calls == 2


def test_an_export_that_nobody_takes_is_cut_off_too(reading: Reading, url: str) -> None:
    reading.write([make_event(index, "x" * 50_000) for index in range(400)])  # 20 MB: more than sockets hold
    parts = urlsplit(url)
    with socket.create_connection((str(parts.hostname), parts.port)) as stalled:
        token = READ["Authorization"]
        stalled.sendall(f"GET /api/v1/export HTTP/1.1\r\nHost: x\r\nAuthorization: {token}\r\n\r\n".encode())
        assert stalled.recv(12) == b"HTTP/1.1 200"
        reading.accounts.revoke(READ_TOKEN)
        wait_for(lambda: reading.app.state.context.exports._left == 1, 60, "the export to end")
        taken = b""
        while part := stalled.recv(1 << 20):
            taken = taken[-10:] + part
    assert not taken.endswith(b"0\r\n\r\n")


def test_one_more_than_may_run_is_a_503_and_a_client_that_goes_gives_its_place_back(reading: Reading, url: str) -> None:
    reading.write([make_event(index, "x" * 50_000) for index in range(400)])  # 20 MB: more than sockets hold
    parts = urlsplit(url)
    stalled = socket.create_connection((str(parts.hostname), parts.port))
    stalled.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    token = READ["Authorization"]
    stalled.sendall(f"GET /api/v1/export HTTP/1.1\r\nHost: x\r\nAuthorization: {token}\r\n\r\n".encode())
    assert stalled.recv(12) == b"HTTP/1.1 200"
    refused = get(url)
    assert (refused.status_code, refused.headers["retry-after"]) == (503, "10")
    assert refused.json()["error"]["message"] == "1 exports are running, which is the limit; try again"
    stalled.close()
    wait_for(lambda: get(url, query="nothing").status_code == 200, 60, "the place to be free again")


def test_events_that_come_meanwhile_change_nothing_of_what_is_exported(reading: Reading, url: str) -> None:
    ids = fill(reading)
    search, calls = reading.store.search, 0

    def writing(of: StoreReading, request: SearchRequest) -> Page:
        nonlocal calls
        calls += 1
        reading.write([make_event(0, "late", id=f"late-{calls}", time_ns=NOW_NS - 10_000 * 1_000_000_000)])
        return search(of, request)

    reading.store.search = writing  # type: ignore[method-assign]
    found = [json.loads(line)["id"] for line in get(url).text.splitlines()]
    assert [event_id for event_id in found if not event_id.startswith("late")] == ids
    assert found.count("late-1") == 1 and calls > 3


def test_a_page_has_about_as_many_bytes_whatever_the_events_are() -> None:
    def following(count: int, size: int) -> Any:
        return export_module._next_limit(Page(b"x" * size, count, "c"), 70)

    assert [following(500, 500 * 256), following(500, 500 * 1_000_000), following(500, 500)] == [5000, 50, 5000]
    assert (following(500, 500 * 4096), following(0, 2)) == (512, 70)
