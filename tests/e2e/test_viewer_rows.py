"""Rows in a real browser as they come: the first ones before the page is there, those of a jump before their cells."""

from typing import Any
from urllib.parse import quote

import pytest
from playwright.sync_api import Browser, Page, Route, StorageState, expect
from tests.e2e.conftest import WIDE
from tests.e2e.test_pages import PHONE
from tests.e2e.viewer_data import SESSION
from tests.service import Service

ROW = ".row[data-row]"
# What stands in the page before anything of React does: rows that no script can open yet.
WATCH_FIRST_ROWS = """new MutationObserver(() => {
    const rows = [...document.querySelectorAll('.rows-space .row:not([data-row])')];
    if (window.firstRows || !rows.length) return;
    const { x, y, height } = rows[0].getBoundingClientRect();
    window.firstRows = {
        place: [x, y, height],
        texts: rows.map(row => row.textContent),
        elements: rows.flatMap(row => [...row.children]).length,
        scroll: document.querySelector('.rows').scrollHeight,
    };
}).observe(document, {childList: true, subtree: true});"""
PLACE = "row => { const { x, y, height } = row.getBoundingClientRect(); return [x, y, height]; }"


def first_rows(page: Page, address: str) -> Any:
    """What the page finds when its script comes, which is held back until rows are there."""
    held: list[Route] = []
    page.add_init_script(WATCH_FIRST_ROWS)
    page.route("**/app/assets/index-*.js", lambda route: held.append(route))
    page.goto(address, wait_until="commit")
    page.wait_for_function("() => window.firstRows")
    found = page.evaluate("() => window.firstRows")
    assert page.locator(ROW).count() == 0
    held[0].continue_()
    expect(page.locator(ROW).first).to_be_visible()
    expect(page.locator(".row.brief")).to_have_count(0)
    return found


@pytest.mark.parametrize("density", ["compact", "cosy"])
def test_first_rows_stand_where_the_page_has_them(page: Page, density: str) -> None:
    page.add_init_script(f"localStorage.setItem('logkeep.preferences', JSON.stringify({{density: '{density}'}}))")
    found = first_rows(page, f"/app/?q={quote(f'session={SESSION}')}")
    assert found["place"] == pytest.approx(page.locator(ROW).first.evaluate(PLACE), abs=0.6)
    assert found["scroll"] == pytest.approx(page.locator(".rows").evaluate("rows => rows.scrollHeight"), abs=20)
    for text, row in zip(found["texts"], page.locator(ROW).all(), strict=False):
        time, level, component = [cell.inner_text() for cell in row.get_by_role("gridcell").all()[:3]]
        assert text.startswith(f"{time:19} {level:6} {component[:13]}")


def test_first_rows_of_hostile_events_are_text_and_nothing_else(page: Page) -> None:
    found = first_rows(page, "/app/?q=session%3Dhostile")
    assert found["elements"] == 0
    assert any("<" in text for text in found["texts"])


@pytest.mark.parametrize("address", ["/app/?wrap=1", "/app/?q=*+%7C+count+by+component", "/app/tail"])
def test_where_rows_would_look_otherwise_there_are_no_first_ones(page: Page, address: str) -> None:
    assert not has_first_rows(page, address)


def test_on_a_phone_the_page_comes_at_once(browser: Browser, filled: Service, owner_cookies: StorageState) -> None:
    context = browser.new_context(base_url=filled.api_url, viewport=PHONE, storage_state=owner_cookies)
    assert not has_first_rows(context.new_page(), "/app/")
    context.close()


def has_first_rows(page: Page, address: str) -> bool:
    page.add_init_script(WATCH_FIRST_ROWS)
    page.goto(address)
    expect(page.locator(".result-line, .table-result").first).to_be_visible()
    return bool(page.evaluate("() => window.firstRows"))


def test_the_page_does_not_wait_for_an_answer_that_takes_long(page: Page) -> None:
    held: list[Route] = []
    page.route("**/api/v1/search?*", lambda route: held.append(route))
    page.goto("/app/")
    expect(page.locator(".skeleton").first).to_be_visible()
    expect(page.locator(".query-box")).to_be_visible()
    held[0].continue_()
    expect(page.locator(ROW).first).to_be_visible()
    assert len(held) == 1


def test_after_a_jump_rows_are_brief_until_somebody_can_read_them(page: Page) -> None:
    page.set_viewport_size(WIDE)
    page.goto("/app/?from=all")
    rows = page.locator(".rows")
    expect(page.locator(ROW).first).to_be_visible()
    expect(page.locator(".row.brief")).to_have_count(0)
    brief = rows.evaluate(
        """async rows => {
            rows.scrollTop = rows.scrollHeight / 2;
            const frame = () => new Promise(requestAnimationFrame);
            for (let frames = 0; frames < 10 && !rows.querySelector('.row.brief[data-row]'); frames += 1) await frame();
            return [...rows.querySelectorAll('.row.brief[data-row]')].map(row => [row.dataset.row, row.textContent]);
        }"""
    )
    assert len(brief) > 10
    expect(page.locator(".row.brief")).to_have_count(0)
    for number, text in brief[:5]:
        first = page.locator(f'.row[data-row="{number}"]').get_by_role("gridcell").first.inner_text()
        assert text.startswith(first)
