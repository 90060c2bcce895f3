"""Where people begin: what somebody chooses in one browser, another one opens with."""

from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect
from tests.e2e.conftest import WAIT_MS, WIDE
from tests.e2e.test_pages import PHONE
from tests.e2e.test_viewer import ROW
from tests.e2e.test_viewer_account import PASSWORD, Open, joined, open_tab, sign_in
from tests.service import Service

__all__ = ["open_tab"]
APP = "starts-shop"
SEARCH = "q=component%3Abank&from=all&cols=session"


@pytest.fixture(scope="module", autouse=True)
def shop(filled: Service) -> None:
    """A second app."""
    made = httpx.post(f"{filled.api_url}/api/v1/apps", json={"app": APP}, headers=filled.read_headers, timeout=30)
    assert made.status_code == 201, made.text


def start_choice(tab: Page) -> None:
    tab.get_by_role("button", name="Saved searches").click()


def open_menu(tab: Page, app: str) -> None:
    """By keyboard; an item has the focus, which it is given a moment after."""
    tab.get_by_role("button", name=f"App: {app}").press("Enter")
    expect(tab.locator("[role^=menuitem]:focus")).to_have_count(1)


def test_what_one_chooses_in_a_browser_another_begins_with(open_tab: Open, filled: Service) -> None:
    email = "begins@example.org"
    joined(filled, email, "read_only").close()
    here, there = open_tab(filled), open_tab(filled)
    here.set_viewport_size(PHONE)
    here.goto(f"/app/?{SEARCH}")
    sign_in(here, email, PASSWORD)
    expect(here.locator(ROW)).to_have_count(3)
    start_choice(here)
    expect(here.locator(".start-choice")).to_contain_text("You begin with everything, wherever you sign in.")
    here.get_by_role("button", name="Begin with this search").click()
    expect(here.locator(".start-choice")).to_contain_text("You begin with this search, wherever you sign in.")
    expect(here.get_by_role("button", name="Begin with this search")).to_have_count(0)
    here.keyboard.press("Escape")
    open_menu(here, "default")
    here.get_by_role("menuitemradio", name=APP).press("Enter")
    open_menu(here, APP)
    here.keyboard.press("End")
    first = here.get_by_role("menuitemcheckbox", name="Open with this app")
    expect(first).to_be_focused()
    expect(first).to_be_in_viewport(ratio=1)
    assert here.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    here.keyboard.press("Enter")
    expect(first).to_be_checked()

    asked: list[str] = []
    there.on("request", lambda request: asked.append(request.url))
    there.goto("/app/")
    sign_in(there, email, PASSWORD)
    there.get_by_role("button", name=f"App: {APP}").click()
    asked.clear()
    there.get_by_role("menuitemradio", name="default").click()
    expect(there.locator(ROW)).to_have_count(3)
    assert there.url.endswith(f"/app/?{SEARCH}")
    searches = [parse_qs(urlsplit(url).query)["query"] for url in asked if urlsplit(url).path == "/api/v1/search"]
    assert searches == [["component:bank"]]
    start_choice(there)
    there.get_by_role("button", name="Begin with everything").click()
    expect(there.locator(".start-choice")).to_contain_text("You begin with everything, wherever you sign in.")
    here.goto("/app/?app=default")
    expect(here.locator(ROW).first).to_be_visible()
    assert here.url.endswith("/app/?app=default")


def test_a_token_leaves_it_in_the_browser_and_the_page_says_so(browser: Browser, filled: Service) -> None:
    context = browser.new_context(base_url=filled.api_url, viewport=WIDE)
    context.set_default_timeout(WAIT_MS)
    tab = context.new_page()
    tab.goto(f"/app/?{SEARCH}")
    tab.get_by_text("Sign in with an API token").click()
    tab.get_by_label("API token").fill(filled.credentials["api_token"])
    tab.get_by_role("button", name="Sign in with token").click()
    start_choice(tab)
    tab.get_by_role("button", name="Begin with this search").click()
    said = "You begin with this search, in this browser: a token has no account that keeps it."
    expect(tab.locator(".start-choice")).to_contain_text(said)
    tab.goto("/app/tail")
    tab.goto("/app/")
    expect(tab.locator(ROW)).to_have_count(3)
    assert tab.url.endswith(f"/app/?{SEARCH}")
    tab.get_by_role("button", name="App: default").click()
    expect(tab.get_by_role("menuitemradio", name=APP)).to_be_visible()
    expect(tab.get_by_role("menuitemcheckbox")).to_have_count(0)
    context.close()
