"""The viewer's finer points: what it asks for and when, marks of rows, what is kept with a search, the audit log."""

from urllib.parse import parse_qs, quote, urlsplit

from playwright.sync_api import Page, expect

ROW = ".row[data-row]"


def test_the_events_are_asked_for_before_all_else_and_once(page: Page) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto("/app/?q=component%3Abank&from=all")
    expect(page.locator(ROW)).to_have_count(3)
    expect(page.locator(".cm-content")).to_be_visible()
    expect(page.locator(".u-over")).to_be_visible()
    paths = [urlsplit(url).path for url in asked]
    searches = [url for url in asked if urlsplit(url).path == "/api/v1/search"]
    assert [parse_qs(urlsplit(url).query)["query"] for url in searches] == [["component:bank"]]
    first, *others = [path for path in paths if path.startswith("/api/")]
    assert first == "/api/v1/search"
    assert sorted(set(others)) == ["/api/v1/facets", "/api/v1/histogram", "/api/v1/me"]
    before = [path for path in paths[: paths.index("/api/v1/me")] if path.endswith(".js")]
    assert len(before) == 2  # what asks, and all the page needs; the editor and the chart come after it


def test_a_query_that_makes_a_table_asks_for_no_events(page: Page) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(urlsplit(request.url).path))
    page.goto("/app/?q=" + quote("* | count by component"))
    expect(page.get_by_role("cell", name="bank")).to_be_visible()
    assert "/api/v1/search" not in asked
    assert "/api/v1/stats" in asked
