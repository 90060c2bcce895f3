"""The viewer when the service or the network is away for a moment, and where rows are longer than a page is wide."""

import re
from urllib.parse import quote

import pytest
from playwright.sync_api import Page, Request, Route, expect
from tests.e2e.test_pages import PHONE
from tests.e2e.test_viewer import ROW
from tests.e2e.viewer_data import SESSION
from tests.service import Service

ALL_KEPT = "from=-15d"

pytestmark = pytest.mark.complaints(r"Failed to load resource|Part of this page could not be loaded")


def away(route: Route) -> None:
    route.abort()


def issue_of(service: Service, text: str) -> str:
    (issue,) = service.get("/api/v1/issues", text=text, status="").json()["issues"]
    return str(issue["issue"])


def test_a_page_that_could_not_be_loaded_is_there_by_itself_once_the_service_answers_again(page: Page) -> None:
    page.goto("/app/")
    expect(page.locator(".row-place").first).to_be_visible()
    pages = re.compile(r"/assets/PatternsPage-|/health/live")
    page.route(pages, away)
    page.get_by_role("link", name="Patterns").click()
    expect(page.get_by_text("This part of the viewer could not be loaded")).to_be_visible()
    page.get_by_role("button", name="Try again").click()
    expect(page.get_by_text("It still does not answer (1).")).to_be_visible()
    page.unroute(pages)
    page.evaluate("dispatchEvent(new Event('online'))")
    expect(page.get_by_role("heading", name="Patterns", exact=True)).to_be_visible()


def test_a_part_that_stays_away_is_loaded_again_once_by_itself_and_whenever_one_asks(page: Page) -> None:
    part, loads = re.compile(r"/assets/PatternsPage-"), []
    page.route(part, away)
    page.on("load", lambda _: loads.append(page.url))
    with page.expect_event("load", lambda _: len(loads) == 2):
        page.goto("/app/patterns")
    button = page.get_by_role("button", name="Try again")
    expect(button).to_be_visible()
    for _ in range(3):
        with page.expect_response("**/health/live"):
            page.evaluate("dispatchEvent(new Event('online'))")
    expect(button).to_be_visible()
    assert len(loads) == 2
    page.unroute(part)
    button.click()
    expect(page.get_by_role("heading", name="Patterns", exact=True)).to_be_visible()


def test_a_session_stays_where_the_window_to_share_it_cannot_be_loaded(page: Page) -> None:
    page.goto("/app/session?session=" + quote(SESSION, safe=""))
    expect(page.locator(ROW).first).to_be_visible()
    page.route(re.compile(r"/assets/ShareDialog-"), away)
    page.get_by_role("button", name="Share").click()
    expect(page.get_by_role("dialog")).to_contain_text("This window could not be loaded")
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(page.locator(ROW).first).to_be_visible()


def test_what_could_not_be_read_is_read_by_itself_once_the_service_answers_again(page: Page, filled: Service) -> None:
    service = re.compile(r"/api/v1/issues/|/health/live")
    page.route(service, away)
    page.goto(f"/app/issue?id={issue_of(filled, 'Payment took')}")
    expect(page.get_by_text("This page tries again by itself.")).to_be_visible()
    page.unroute(service)
    expect(page.locator(".about .status")).to_have_text("open")


def test_what_could_not_be_saved_is_not_sent_again_and_the_page_says_so(page: Page, filled: Service) -> None:
    page.goto("/app/settings/members")
    page.get_by_label("E-mail").fill("nobody@example.org")
    page.route("**/api/v1/invitations*", away)
    page.get_by_role("button", name="Invite").click()
    expect(page.get_by_role("alert")).to_contain_text("then send it once more")
    expect(page.get_by_text("by itself")).to_have_count(0)
    expect(page.get_by_label("E-mail")).to_have_value("nobody@example.org")


def test_an_issue_stays_when_what_was_said_of_it_could_not_be_sent(page: Page, filled: Service) -> None:
    name = issue_of(filled, "Payment took")
    page.goto(f"/app/issue?id={name}")
    expect(page.get_by_role("button", name="Mute")).to_be_visible()
    service, tries = re.compile(f"/api/v1/issues/{name}"), []

    def is_third(request: Request) -> bool:
        tries.extend([request] if request.method == "GET" and service.search(request.url) else [])
        return len(tries) == 3

    page.route(service, away)
    # Once, what was to be away was not yet: asked first, so that nothing is judged by mistake.
    assert page.evaluate("url => fetch(url).then(() => 'there', () => 'away')", f"/api/v1/issues/{name}") == "away"
    with page.expect_event("requestfailed", is_third):  # then it is not tried at once any more
        page.keyboard.press("m")
    expect(page.get_by_role("alert")).to_contain_text("the service does not answer")
    expect(page.locator(".about .status")).to_have_text("open")
    page.unroute(service)
    page.keyboard.press("m")
    expect(page.locator(".about .status")).to_have_text("muted")
    page.keyboard.press("m")
    expect(page.locator(".about .status")).to_have_text("open")


def test_a_search_goes_on_without_its_editor_and_its_chart(page: Page) -> None:
    page.route(re.compile(r"/assets/(QueryEditor|Bars)-"), lambda route: route.abort())
    page.goto(f"/app/?{ALL_KEPT}")
    expect(page.get_by_text("The chart could not be loaded")).to_be_visible()
    query = page.get_by_role("textbox", name="Query")
    query.fill("level:error")
    query.press("Enter")
    expect(page).to_have_url(re.compile(r"q=level%3Aerror"))
    expect(page.locator(".row-place .cell-level").first).to_have_text("error")


def test_who_is_offline_is_told_that_nothing_answers_and_sees_no_counts_of_before(page: Page) -> None:
    page.goto(f"/app/?{ALL_KEPT}")
    expect(page.locator(".row-place").first).to_be_visible()
    page.context.set_offline(True)
    query = page.locator(".query-box .cm-content, .query-box input")
    query.fill("level:error")
    query.press("Enter")
    expect(page.get_by_text("The service does not answer").first).to_be_visible()
    expect(page.get_by_text("Cancelled.")).to_have_count(0)
    expect(page.locator(".chart")).to_have_count(0)


@pytest.mark.parametrize("size", [{"width": 1280, "height": 800}, PHONE])
def test_wrapped_lines_are_as_wide_as_the_page(page: Page, size: dict[str, int]) -> None:
    page.set_viewport_size(size)  # type: ignore[arg-type]
    page.goto(f"/app/?{ALL_KEPT}&wrap=1")
    expect(page.locator(".rows.wrapped .row-place").first).to_be_visible()
    assert (
        page.evaluate("(() => { const r = document.querySelector('.rows'); return r.scrollWidth - r.clientWidth })()")
        <= 0
    )
