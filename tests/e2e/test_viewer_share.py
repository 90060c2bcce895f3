"""A session is shared in the viewer, and looked at by somebody who has no account; then the link is ended."""

import re
from typing import Any
from urllib.parse import quote

from playwright.sync_api import Browser, Page, expect
from tests.e2e.conftest import WAIT_MS, WIDE
from tests.e2e.test_viewer import AXE, AXE_RUN, PHONE
from tests.e2e.viewer_data import SESSION
from tests.service import Service


def faults_of(tab: Page) -> list[Any]:
    tab.evaluate(AXE.read_text())
    found = tab.evaluate(AXE_RUN)
    return [[fault["id"], [node["target"] for node in fault["nodes"]][:3]] for fault in found["violations"]]


def test_a_session_is_shown_to_a_stranger_until_its_link_is_ended(
    page: Page, browser: Browser, filled: Service
) -> None:
    page.goto("/app/session?session=" + quote(SESSION, safe=""))
    page.get_by_role("button", name="Share").click()
    dialog = page.get_by_role("dialog", name="Share this session")
    dialog.get_by_label("for").select_option("a day")
    expect(dialog).to_contain_text("Users and devices get pseudonyms")
    dialog.get_by_label("leave out who it was").uncheck()
    expect(dialog).to_contain_text("Everything is shown as it is stored")
    dialog.get_by_label("leave out who it was").check()
    assert faults_of(page) == []
    dialog.get_by_role("button", name="Make the link").click()
    expect(dialog.get_by_label("The link")).to_be_focused()
    url = dialog.get_by_label("The link").input_value()
    assert page.evaluate("getSelection().toString()") in ("", url)
    assert re.fullmatch(re.escape(filled.api_url) + r"/shared/[\w-]{43}", url)
    stranger = browser.new_context(viewport=WIDE)
    tab = stranger.new_page()
    tab.set_default_timeout(WAIT_MS)
    answer = tab.goto(url)
    assert answer is not None and answer.status == 200 and stranger.cookies() == []
    rows = tab.locator("tr.row")
    expect(rows).to_have_count(8)
    expect(rows.nth(6)).to_contain_text("504")
    text = tab.content()
    assert "ada@example.org" not in text and "pixel-8-11" not in text and re.search("user-[0-9a-f]{6}", text)
    assert tab.locator("a, form, script").count() == 0
    assert faults_of(tab) == []
    tab.set_viewport_size(PHONE)
    assert tab.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    dialog.get_by_role("link", name="all links of this app").click()
    row = page.locator("tbody tr", has_text=SESSION)
    row.get_by_role("button", name="End now").click()
    page.get_by_role("button", name="End the link").click()
    expect(page.get_by_text("None. The page of a session")).to_be_visible()
    answer = tab.reload()
    assert answer is not None and answer.status == 404
    expect(tab.locator("h1")).to_have_text("Nothing is shared here")
    assert faults_of(tab) == []
    stranger.close()
