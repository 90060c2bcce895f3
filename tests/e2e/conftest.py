"""A browser, and one service filled with real lines for all that looks at the viewer."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, StorageState, ViewportSize, expect, sync_playwright
from tests.e2e.viewer_data import fill
from tests.programs import require_program
from tests.service import Service, running

FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip
WAIT_MS = 60_000  # a bound for a loaded machine
WIDE: ViewportSize = {"width": 1280, "height": 800}
# The browser's own line for a refusal.
HARMLESS = "status of 4"


@pytest.fixture(scope="module")
def browser(browser_path: str) -> Iterator[Browser]:
    # Not for the whole run: its event loop would be the running one of every test that follows.
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=browser_path, args=FLAGS)
        yield started
        started.close()


@pytest.fixture(scope="session")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """The service of `viewer_data`. Files share it: what a test changes for everybody it changes back."""
    require_program("npm")  # without it there is no viewer
    with running(tmp_path_factory.mktemp("viewer") / "data") as service:
        fill(service)
        yield service


@pytest.fixture(scope="module")
def owner_cookies(browser: Browser, filled: Service) -> StorageState:
    """What a browser keeps after signing in by password, which leads to the viewer."""
    context = browser.new_context(base_url=filled.api_url)
    tab = context.new_page()
    tab.goto("/")
    tab.get_by_label("E-mail").fill(filled.credentials["admin_email"])
    tab.get_by_label("Password").fill(filled.credentials["admin_password"])
    tab.get_by_role("button", name="Sign in with password").click()
    expect(tab).to_have_url(f"{filled.api_url}/app/")
    state = context.storage_state()
    context.close()
    return state


@pytest.fixture
def page(
    browser: Browser, filled: Service, owner_cookies: StorageState, request: pytest.FixtureRequest
) -> Iterator[Page]:
    """A tab that has signed in; the test fails on anything the browser complains about, its policy among it, but for
    what a mark `complaints(regex)` expects."""
    expected = request.node.get_closest_marker("complaints")
    harmless = f"{HARMLESS}|{expected.args[0]}" if expected else HARMLESS
    context = browser.new_context(
        base_url=filled.api_url, viewport=WIDE, storage_state=owner_cookies, timezone_id="Asia/Kolkata"
    )
    tab = context.new_page()
    tab.set_default_timeout(WAIT_MS)
    expect.set_options(timeout=WAIT_MS)
    complaints: list[str] = []
    tab.on("console", lambda m: complaints.append(m.text) if not re.search(harmless, m.text) else None)
    tab.on("pageerror", lambda error: complaints.append(str(error)))
    tab.on("request", lambda r: complaints.append(r.url) if not r.url.startswith(filled.api_url) else None)
    yield tab
    context.close()
    assert complaints == []
