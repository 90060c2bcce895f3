"""The viewer in a real browser, over the real service and real log lines: a test for each thing a person does."""

import re
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote

import pytest
from playwright.sync_api import Browser, Page, Route, StorageState, expect
from tests.e2e.conftest import WAIT_MS, WIDE
from tests.e2e.test_pages import PHONE
from tests.e2e.viewer_data import CRASHED, HOSTILE, LONG_CHARS, SESSION, has_real_logs
from tests.service import Service

AXE = Path(__file__).parents[2] / "viewer" / "node_modules" / "axe-core" / "axe.min.js"
AXE_RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
AXE_RUN = f"place => axe.run(place ?? document, {{resultTypes: ['violations'], runOnly: {AXE_RULES}}})"
ROW = ".row[data-row]"
DRAWN = "() => document.querySelector('main') && !document.querySelector('.skeleton, .bone, .row.brief')"
PLACES = {
    "search": "/app/?from=-24h",
    "an event open in its context": "/app/?q=session%3Dhostile",
    "table": "/app/?q=" + quote("* | count by component"),
    "nothing found": "/app/?q=wordthatisnowhere",
    "live tail": "/app/tail",
    "session": "/app/session?session=" + quote(SESSION, safe=""),
    "sessions": "/app/sessions",
    "devices": "/app/devices",
    "users": "/app/users",
    "device": "/app/device?device=till-4",
    "remote control": "/app/remote",
    "issues": "/app/issues?status=all",
    "no issue": "/app/issues?text=nowhere",
    "session with issues": "/app/session?session=" + CRASHED,
    "user": "/app/user?user=" + quote("ada@example.org"),
    "patterns": "/app/patterns",
    "statistics": "/app/statistics",
    "account": "/app/account",
    "signed in again": "/app/signed-in",
    "settings: keys": "/app/settings/keys",
    "settings: limits": "/app/settings/limits",
    "settings: masking": "/app/settings/masking",
    "settings: shared links": "/app/settings/shares",
    "settings: members": "/app/settings/members",
    "settings: audit log": "/app/settings/audit",
    "no such session": "/app/session?session=nobody",
    "no such page": "/app/nowhere",
}


def type_query(page: Page, text: str) -> None:
    page.locator(".cm-content").click()
    page.keyboard.press("Control+a")
    page.keyboard.type(text)


def search(page: Page, text: str) -> None:
    type_query(page, text)
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Search", exact=True).click()


def test_a_query_is_completed_and_its_fault_is_underlined(page: Page) -> None:
    page.goto("/app/")
    type_query(page, "compo")
    expect(page.locator(".cm-tooltip-autocomplete li").first).to_contain_text("component")
    page.keyboard.press("Tab")
    expect(page.locator(".cm-content")).to_have_text("component:")
    page.keyboard.type("ban")
    expect(page.locator(".cm-tooltip-autocomplete li").first).to_contain_text("bank")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator(ROW)).to_have_count(3)
    expect(page).to_have_url(re.compile(re.escape("q=component%3Abank")))
    search(page, "level>=warn (declined")
    expect(page.locator(".query-error")).to_be_visible()
    expect(page.get_by_role("alert")).to_contain_text("column 13")


@pytest.mark.parametrize(("offers", "left"), [(2, "component:kept0"), (20, "component:kep")])
def test_tab_stays_in_the_bar_while_newer_offers_are_on_their_way(page: Page, offers: int, left: str) -> None:
    """Of two offers none is missing, so one is taken; of twenty, the most there are, the next answer is waited for."""
    items = [{"text": f"kept{n}", "kind": "value", "count": 1} for n in range(offers)]
    asked: list[str] = []

    def answer(route: Route) -> None:
        asked.append(route.request.url)
        if len(asked) == 1:  # later ones wait for ever
            route.fulfill(json={"start": 10, "end": 11, "items": items, "took_ms": 1, "rows_read": 1, "bytes_read": 1})

    page.goto("/app/")
    page.locator(ROW).first.wait_for()
    page.locator(".cm-content").click()
    page.keyboard.insert_text("component:")
    page.route("**/api/v1/complete?*", answer)
    page.keyboard.type("k")
    expect(page.locator(".cm-tooltip-autocomplete li")).to_have_count(offers)
    page.keyboard.type("ep")
    page.keyboard.press("Tab")
    expect(page.locator(".cm-content")).to_have_text(left)
    expect(page.locator(".cm-content")).to_be_focused()


@pytest.mark.parametrize(
    ("keys", "left"),
    [
        (("Control+a",), "key:x"),
        (("Backspace",), "component:key:x"),
        (("Home", "Delete"), "key:xomponent:("),
        (("Control+Backspace",), "componentkey:x"),
    ],
)
def test_what_is_coloured_is_typed_over_and_no_style_is_refused(page: Page, keys: tuple[str, ...], left: str) -> None:
    """The page's fixture fails on a style that the browser refused."""
    page.goto("/app/?q=component:(")
    expect(page.locator(".query-error")).to_have_text("(")
    page.locator(".cm-content").click()
    page.keyboard.press("End")
    for key in keys:
        page.keyboard.press(key)
    page.keyboard.type("key:x")
    expect(page.locator(".cm-content")).to_have_text(left)
    expect(page.locator(".query-error")).to_have_count(0)


def test_fields_narrow_a_search_down_and_back_undoes_it(page: Page) -> None:
    page.goto("/app/?q=session%3D" + quote(f'"{SESSION}"') + "&from=all")
    expect(page.locator(ROW)).to_have_count(8)
    page.locator(".facet-only", has_text="bank").click()
    expect(page.locator(ROW)).to_have_count(3)
    page.locator(".facet-only", has_text="warn").click(modifiers=["Alt"])
    expect(page.locator(ROW)).to_have_count(2)
    expect(page.locator(".cm-content")).to_contain_text("component=bank level!=warn")
    page.go_back()
    expect(page.locator(ROW)).to_have_count(3)
    page.go_forward()
    expect(page.locator(ROW)).to_have_count(2)
    expect(page.locator("mark")).to_have_count(0)
    search(page, '"timed out" component:bank')
    expect(page.locator("mark")).to_have_text(["timed out"])
    search(page, r"value:/after \d+ s|Try/ component:bank")
    expect(page.locator("mark")).to_have_text(["after 190 s"])
    search(page, r"value:/(a+)+ d|503, (t)ry/ component:bank")  # of the first a browser may never see the end
    expect(page.locator(ROW)).to_have_count(1)
    expect(page.locator("mark")).to_have_count(0)


def test_a_drag_over_the_histogram_zooms_in(page: Page) -> None:
    page.goto("/app/?q=key%3Acheckout.ms")
    bars = page.locator(".u-over")
    expect(bars).to_be_visible()
    box = bars.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] * 0.6, box["y"] + 20)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.8, box["y"] + 20, steps=4)
    page.mouse.up()
    expect(page).to_have_url(re.compile("from=20.*to=20"))
    found = page.locator(".found")
    expect(found).to_contain_text("events")
    expect(found).not_to_contain_text("720 events")
    page.go_back()
    expect(found).to_contain_text("720 events")


def test_an_event_opens_to_all_it_has_and_its_context_keeps_the_query(page: Page) -> None:
    page.goto("/app/?q=key%3Atap&from=all")
    page.locator(ROW).click()
    opened = page.locator(".open-event")
    expect(opened.locator(".tree-name", has_text="sku").first).to_be_visible()
    expect(opened).to_contain_text("app_version")
    opened.get_by_role("button", name="Column for region").click()
    expect(page.get_by_role("columnheader", name="region")).to_be_visible()
    expect(page).to_have_url(re.compile(re.escape("attributes.region")))
    opened.get_by_role("button", name="context").click()
    panel = page.get_by_role("complementary", name="Context")
    expect(panel.locator(ROW)).to_have_count(8)
    expect(panel.locator(".row.this")).to_contain_text('"button":"pay"')
    expect(page.locator(".cm-content")).to_have_text("key:tap")
    panel.get_by_label("Only lines with").fill("declined")
    expect(panel.locator(ROW)).to_have_count(2)
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Close the context").click()
    expect(panel).to_have_count(0)
    opened.get_by_role("link", name="this event alone").click()
    expect(page.locator(".event-page .open-event")).to_contain_text("pixel-8-11")


def test_rows_go_on_without_end_and_are_walked_by_keyboard(page: Page) -> None:
    page.goto("/app/?from=all")
    expect(page.locator(ROW).first).to_be_visible()
    page.locator(".rows").focus()
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("o")
    expect(page.locator(".open-event")).to_have_count(1)
    page.keyboard.press("o")
    rows = page.locator(".rows")
    for _ in range(3):
        count = int(rows.get_attribute("aria-rowcount") or 0)
        rows.evaluate("element => { element.scrollTop = element.scrollHeight }")
        page.wait_for_function("n => document.querySelector('.rows').ariaRowCount > n", arg=count)
    assert int(rows.get_attribute("aria-rowcount") or 0) >= 3000
    assert page.locator(ROW).count() < 100
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_contain_text("next row")


def test_everything_that_was_chosen_is_in_the_address(
    browser: Browser, filled: Service, owner_cookies: StorageState
) -> None:
    address = "/app/?q=component%3Abank&from=all&order=asc&cols=*session%2Cattributes.region&wrap=1"
    context = browser.new_context(base_url=filled.api_url, viewport=WIDE, storage_state=owner_cookies)
    tab = context.new_page()
    tab.goto(address)
    expect(tab.locator(ROW)).to_have_count(3, timeout=WAIT_MS)
    expect(tab.locator(ROW).first).to_contain_text("card 4242 is charged")
    expect(tab.locator(".rows.wrapped")).to_have_count(1)
    expect(tab.locator(".head .cell.pinned", has_text="session")).to_have_count(1)
    tab.get_by_role("button", name="Export and share").click()
    href = tab.get_by_role("menuitem", name="as CSV").get_attribute("href") or ""
    assert "query=component%3Abank" in href and "format=csv" in href
    answer = context.request.get(href)
    assert answer.status == 200 and len(answer.text().splitlines()) > 3
    context.close()


def test_a_saved_search_is_there_for_everyone_and_composes(page: Page, filled: Service) -> None:
    page.goto("/app/?q=component%3Abank&from=all&cols=session")
    page.get_by_role("button", name="Saved searches").click()
    page.get_by_label("Name of this search").fill("the bank")
    page.get_by_role("button", name="Save", exact=True).click()
    saved = page.locator(".saved li", has_text="the bank")
    expect(saved).to_contain_text("component:bank")
    page.goto("/app/?q=level%3Aerror&from=all")
    page.get_by_role("button", name="Saved searches").click()
    saved.get_by_role("button", name="and").click()
    expect(page.locator(ROW)).to_have_count(1)
    expect(page.locator(".cm-content")).to_have_text("(level:error) (component:bank)")
    assert [each["name"] for each in filled.get("/api/v1/searches").json()["searches"]] == ["the bank"]
    page.get_by_role("button", name="Saved searches").click()
    saved.get_by_role("button", name=re.compile("the bank component")).click()
    expect(page.locator(ROW)).to_have_count(3)
    expect(page).to_have_url(re.compile(re.escape("cols=session")))
    page.get_by_role("button", name="Saved searches").click()
    page.get_by_role("button", name="Delete the bank").click()
    page.get_by_role("button", name="Delete the bank").click()
    expect(page.locator(".saved")).to_contain_text("None yet")


def test_a_query_with_stages_is_a_table(page: Page) -> None:
    page.goto("/app/?q=" + quote("session:order-7f3a2c* | count by component | sort count desc") + "&from=all")
    expect(page.locator("table.data tbody tr")).to_have_count(3)
    expect(page.locator("table.data thead")).to_contain_text("count")


def test_a_live_tail_goes_on_holds_still_and_says_how_many_are_new(page: Page, filled: Service) -> None:
    page.goto("/app/tail?q=key%3Abeat")
    expect(page.locator(".live")).to_have_text("live")
    beat: dict[str, Any] = {"session": "heart", "key": "beat", "component": "heart"}
    filled.post([beat | {"value": f"beat {number:03}"} for number in range(80)])
    expect(page.locator(ROW).last).to_contain_text("beat 079")
    page.locator(".rows").hover()
    page.mouse.wheel(0, -600)
    expect(page.locator(".live")).to_have_text("holding still")
    filled.post([beat | {"value": f"later {number}"} for number in range(7)] + [beat | {"key": "other", "value": "x"}])
    expect(page.locator(".pill")).to_contain_text("7 new")
    page.locator(".pill").press("Enter")
    expect(page.locator(".results.tail")).to_be_focused()
    expect(page.locator(ROW).last).to_contain_text("later 6")
    expect(page.locator(".pill")).to_have_count(0)
    page.locator(ROW).last.click()  # to read it
    expect(page.locator(".live")).to_have_text("holding still")
    page.keyboard.press("Escape")
    expect(page.locator(".live")).to_have_text("live")
    search_bar = page.locator(".cm-content")
    search_bar.click()
    page.keyboard.press("Control+a")
    page.keyboard.type("key:beat latest")
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Follow").click()
    expect(page.locator(".live")).to_have_text("live")
    filled.post([beat | {"value": "later 8"}, beat | {"value": "latest"}])
    expect(page.locator(ROW)).to_have_count(1)


def test_a_session_shows_its_lanes_its_silence_and_the_sessions_around_it(page: Page) -> None:
    page.goto(PLACES["session"])
    expect(page.locator(".lane")).to_have_count(3)
    expect(page.locator(".between")).to_have_text("3 m 11 s of silence")
    page.get_by_role("button", name="next error").click()
    expect(page.locator(".row.this")).to_contain_text("card declined")
    page.locator(".lane-name", has_text="bank").click()
    expect(page.locator(ROW)).to_have_count(5)
    assert page.get_by_role("link", name="a page without script").get_attribute("href") == "/sessions/" + quote(
        SESSION, safe=""
    )
    page.get_by_role("link", name="order-c41e77").first.click()
    expect(page.locator("h1")).to_contain_text("order-c41e77")


def test_devices_and_users_lead_to_their_sessions(page: Page) -> None:
    page.goto("/app/devices")
    page.get_by_role("link", name="pixel-8-11").first.click()
    expect(page.locator("h1")).to_contain_text("pixel-8-11")
    expect(page.locator("table.activity").first.locator("tbody tr")).to_have_count(3)
    page.goto("/app/users")
    page.get_by_label("user begins with").fill("ada")
    expect(page.locator("tbody tr")).to_have_count(1)
    page.get_by_role("link", name="ada@example.org").click()
    page.get_by_role("link", name="order-7f3a2c/é").click()
    expect(page.locator(".lane")).to_have_count(3)


def test_patterns_tell_what_is_new_and_lead_to_their_events(page: Page) -> None:
    page.goto("/app/patterns?q=component%3Abank")
    row = page.locator("tbody tr", has_text="is charged")
    expect(row).to_contain_text("new")
    page.get_by_role("button", name=re.compile("^new")).click()
    row.get_by_role("link").first.click()
    expect(page.locator(ROW)).to_have_count(1)


def test_statistics_show_a_keys_numbers_and_what_was_refused(page: Page) -> None:
    page.goto("/app/statistics?key=checkout.ms")
    expect(page.locator(".card", has_text="Numbers of a key").locator(".chart-below")).to_contain_text("p95")
    busiest = "openssh" if has_real_logs() else "checkout"
    expect(page.locator(".card", has_text="Events by component").locator(".legend")).to_contain_text(busiest)
    expect(page.locator(".tiles")).to_contain_text("rejected")
    refused = page.locator(".card", has_text="samples of what was refused")
    expect(refused).to_contain_text("missing key")
    expect(refused.locator("pre").first).to_contain_text("an event without a key")


def test_hostile_lines_are_shown_and_do_nothing(page: Page) -> None:
    page.goto("/app/?q=session%3Dhostile&from=all&order=asc")
    expect(page.locator(ROW)).to_have_count(4)
    markup = page.locator(ROW).nth(0)
    expect(markup).to_contain_text("<script>document.title='owned'</script>")
    expect(markup.locator(".ctl")).to_have_text(["U+202E", "NUL"])
    expect(markup.locator(".a31")).to_have_text("red")
    expect(page.locator(ROW).nth(2).locator(".ctl")).to_have_text(["ESC", "BEL"])
    for number in (3, 1, 0):
        page.locator(ROW).nth(number).click()
    expect(page.locator(".open-event")).to_have_count(3)
    page.get_by_role("button", name="Show all").click()
    shown = page.locator("pre.whole", has_text="long line").evaluate("element => element.textContent.length")
    assert shown == LONG_CHARS + len("long line ")
    for path in (
        "/app/users?from=all",
        "/app/sessions?from=all",
        "/app/user?user=" + quote(HOSTILE),
        "/app/?q=" + quote(HOSTILE),
    ):
        page.goto(path)
        expect(page.locator("main")).not_to_be_empty()
    assert page.title() != "owned"
    assert page.locator("main img, main script, main iframe").count() == 0


def test_times_are_in_utc_or_local_and_the_choice_stays(page: Page) -> None:
    page.goto("/app/?q=key%3Atap&from=all")
    utc = page.locator(".cell-time").first.inner_text()
    page.get_by_role("button", name="Preferences").click()
    page.get_by_role("menuitemradio", name="local, UTC+05:30").click()
    expect(page.locator(".cell-time").first).not_to_have_text(utc)
    local = page.locator(".cell-time").first.inner_text()
    minutes = [int(text[6:8]) * 60 + int(text[9:11]) for text in (utc, local)]
    assert (minutes[1] - minutes[0]) % 1440 == 330
    page.reload()
    expect(page.locator(".cell-time").first).to_have_text(local)


def test_without_script_the_other_pages_greet(browser: Browser, filled: Service, owner_cookies: StorageState) -> None:
    context = browser.new_context(base_url=filled.api_url, storage_state=owner_cookies, java_script_enabled=False)
    tab = context.new_page()
    tab.goto("/")
    tab.wait_for_url("**/overview", timeout=WAIT_MS)
    assert "Ledger" in tab.content()
    context.close()


def test_a_sign_in_that_ended_is_said_and_leads_back(
    browser: Browser, filled: Service, owner_cookies: StorageState
) -> None:
    context = browser.new_context(base_url=filled.api_url, storage_state=owner_cookies)
    tab = context.new_page()
    tab.goto("/app/?q=component%3Abank")
    expect(tab.locator(ROW).first).to_be_visible(timeout=WAIT_MS)
    context.clear_cookies()
    tab.get_by_role("button", name="oldest first").or_(tab.get_by_role("button", name="newest first")).click()
    link = tab.get_by_role("link", name="Sign in again").first
    expect(link).to_have_attribute("href", re.compile(r"/sign-in\?next=%2Fapp%2F%3Fq%3Dcomponent"), timeout=WAIT_MS)
    context.close()


@pytest.mark.parametrize(("scheme", "size"), [("light", WIDE), ("dark", PHONE)])
def test_every_page_is_accessible_and_fits(page: Page, scheme: Literal["light", "dark"], size: Any) -> None:
    page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    page.set_viewport_size(size)
    faults: list[str] = []
    for name, path in PLACES.items():
        page.goto(path)
        page.wait_for_function(DRAWN)
        if "open" in name:
            page.locator(ROW).first.click()
            page.get_by_role("button", name="context").click()
            page.wait_for_function(DRAWN)
        if not page.evaluate("window.axe !== undefined"):
            page.evaluate(AXE.read_text())
        found = page.evaluate(AXE_RUN)
        for fault in found["violations"]:
            if fault["impact"] in ("serious", "critical"):
                faults.append(f"{name}: {fault['id']} {[node['target'] for node in fault['nodes']][:3]}")
        if (
            page.evaluate("Math.max(...['html', 'main'].map(n => document.querySelector(n).scrollWidth))")
            > size["width"]
        ):
            faults.append(f"{name}: wider than {size['width']}")
    assert not faults, "\n".join(faults)
