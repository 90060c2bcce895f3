"""The viewer as the API serves it: one page with a policy of its own, files that browsers keep, nothing without a
sign-in; and what is said where it was not built."""

import gzip
import re
from collections.abc import Iterator
from html import unescape

import httpx
import msgspec
import pytest
from litestar import Litestar
from litestar.testing import TestClient
from tests.reading import READ, READ_TOKEN, Reading

from logkeep.api.viewer_files import Viewer, ViewerConfig

PAGE = '<meta name="logkeep" content="__LOGKEEP__"><meta nonce="__NONCE__"><div id="root"></div>'
SCRIPT = b"console.log('viewer');" * 100
TOLD = ViewerConfig(app='a "<b>&', version="1", retention_days=15, intake="127.0.0.1:7300")


@pytest.fixture
def built(monkeypatch: pytest.MonkeyPatch) -> None:
    """A small viewer, whether the real one is built or not."""

    def make(self: Viewer) -> None:
        self._index = PAGE
        self._assets = {"main-x1.js": SCRIPT, "main-x1.js.gz": gzip.compress(SCRIPT), "main-x1.js.br": b"br"}

    monkeypatch.setattr(Viewer, "__init__", make)


@pytest.fixture
def client(built: None) -> Iterator[TestClient[Litestar]]:
    with TestClient(Reading().app) as made:
        yield made


def test_every_address_below_app_is_the_page_with_a_policy_for_it_alone(client: TestClient[Litestar]) -> None:
    nonces = set()
    for path in ("/app", "/app/", "/app/session?session=a", "/app/a/b/c"):
        answer = client.get(path, headers=READ)
        assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")
        found = re.search("'nonce-([^']+)'", answer.headers["content-security-policy"])
        assert found is not None and f'nonce="{found[1]}"' in answer.text
        assert "script-src 'self';" in answer.headers["content-security-policy"]
        assert "unsafe" not in answer.headers["content-security-policy"]
        nonces.add(found[1])
    assert len(nonces) == 4


def test_the_page_is_told_its_app_and_nothing_breaks_out_of_the_attribute(built: None) -> None:
    page, _ = Viewer().page(TOLD)
    found = re.search('content="([^"]*)"', page.decode())
    assert found is not None and msgspec.json.decode(unescape(found[1]), type=ViewerConfig) == TOLD
    assert b"<b>" not in page


def test_a_link_that_names_its_app_is_about_it_and_the_pages_go_on_with_it(client: TestClient[Litestar]) -> None:
    client.post("/sign-in", data={"token": READ_TOKEN}, follow_redirects=False)
    assert "set-cookie" not in client.get("/app/").headers
    for page in ("/app/event?id=x&app=shop", "/overview?app=shop", "/sessions?app=shop"):
        assert client.get(page).headers["set-cookie"].startswith("logkeep_app=shop; HttpOnly;"), page
    assert client.get("/app/?app=unknown").status_code == 403
    assert "set-cookie" not in client.get("/overview?app=shop", headers=READ).headers  # a program, with its token


def test_a_browser_without_a_sign_in_is_led_to_it_and_back(client: TestClient[Litestar]) -> None:
    headers = {"Accept": "text/html"}
    answer = client.get("/app/tail?q=x", headers=headers, follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in?next=%2Fapp%2Ftail%3Fq%3Dx")
    assert client.get("/app/", headers={"Authorization": "Bearer none"}).status_code == 401


def test_a_browser_that_has_signed_in_begins_in_the_viewer_and_a_program_does_not(
    client: TestClient[Litestar],
) -> None:
    assert "Ledger" in client.get("/", headers=READ).text
    client.post("/sign-in", data={"token": READ_TOKEN}, follow_redirects=False)
    answer = client.get("/", follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (303, "/app/")
    assert "Ledger" in client.get("/overview").text


def test_files_are_kept_by_browsers_and_sent_as_small_as_they_read_them(client: TestClient[Litestar]) -> None:
    def asked(encoding: str) -> httpx.Response:
        return client.get("/app/assets/main-x1.js", headers={"Accept-Encoding": encoding})

    assert "immutable" in asked("gzip").headers["cache-control"]
    assert asked("gzip").headers["content-encoding"] == "gzip" and asked("gzip").content == SCRIPT
    assert asked("gzip;q=0, identity").headers.get("content-encoding") is None
    assert asked("").content == SCRIPT
    assert asked("gzip").headers["vary"] == "Accept-Encoding"
    # Of the worker that reads a live tail: it may ask the API, and load nothing.
    policy = asked("gzip").headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; connect-src 'self';")


@pytest.mark.parametrize("name", ["main-x1.js.gz", "none.js", "..%2Findex.html", "main-x1", "main-x1.js%00"])
def test_no_other_file_is_served(client: TestClient[Litestar], name: str) -> None:
    assert client.get(f"/app/assets/{name}").status_code in (401, 404)


def test_where_it_was_not_built_its_address_says_so_and_the_other_pages_work(monkeypatch: pytest.MonkeyPatch) -> None:
    def make(self: Viewer) -> None:
        self._index, self._assets = "", {}

    monkeypatch.setattr(Viewer, "__init__", make)
    with TestClient(Reading().app) as client:
        answer = client.get("/app/", headers=READ)
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "viewer_not_built")
        client.post("/sign-in", data={"token": READ_TOKEN}, follow_redirects=False)
        page = client.get("/", follow_redirects=False)
        assert page.status_code == 200 and "/app/" not in page.text
