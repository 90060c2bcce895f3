"""Pages for people without the viewer: signing in, and hostile text that stays text."""

import re
from html.parser import HTMLParser
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from litestar.testing import TestClient
from tests.reading import (
    ADMIN_EMAIL,
    ADMIN_PASSWORD,
    BASE,
    BROWSER,
    READ,
    READ_TOKEN,
    WRITE_KEY,
    Reading,
    error_of,
    get,
    make_event,
)

from logkeep.api.auth import is_local_path

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
