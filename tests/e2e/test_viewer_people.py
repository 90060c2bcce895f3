"""Issues, devices and what they are told, in the viewer in a real browser over the real service."""

import re
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect
from tests.e2e.conftest import WAIT_MS, WIDE
from tests.e2e.test_pages import PHONE
from tests.e2e.viewer_data import CRASHED
from tests.service import Service

ROW = ".row[data-row]"


# Where a word stands in the first row that says it.
PLACE = """word => {
    const text = [...document.querySelectorAll('.row[data-row] .cell-value .shown')]
        .map(line => line.firstChild).find(node => node.textContent.includes(word));
    const range = document.createRange();
    const from = text.textContent.indexOf(word);
    range.setStart(text, from);
    range.setEnd(text, from + word.length);
    const box = range.getBoundingClientRect();
    return [box.x + box.width / 2, box.y + box.height / 2];
}"""


def issue_named(service: Service, text: str) -> dict[str, object]:
    (issue,) = service.get("/api/v1/issues", text=text, status="").json()["issues"]
    return dict(issue)


def test_issues_are_found_judged_and_lead_to_their_session(page: Page, filled: Service) -> None:
    page.goto("/app/")
    page.get_by_role("navigation", name="places").get_by_role("link", name="Issues").click()
    rows = page.locator("table.issues tbody tr")
    expect(rows).to_have_count(4)
    page.get_by_role("button", name="crash", exact=True).click()
    expect(rows).to_have_count(1)
    page.get_by_label("Title, place or fingerprint").fill("cart.pay")
    expect(page).to_have_url(re.compile("kind=crash&text=cart.pay"))
    page.get_by_role("link", name="no amount").click()
    expect(page.locator(".met")).to_contain_text("iphone-15-3")
    times = page.locator(".occurrence")
    expect(times).to_have_count(3)
    expect(times.first.locator("pre")).to_contain_text("at com.shop.Cart.pay(Cart.java:88)")
    page.get_by_label("in version").fill("7.7")
    page.get_by_role("button", name="Resolve").click()
    expect(page.locator(".about .status")).to_have_text("resolved")
    page.keyboard.press("m")  # opened again by keyboard, as it was
    expect(page.locator(".about .status")).to_have_text("open")
    times.first.get_by_role("link", name=CRASHED).click()
    expect(page.locator(".row.this")).to_contain_text("no amount")
    expect(page.locator(".lane-mark")).to_have_count(3)
    page.get_by_role("link", name=re.compile("^crash at .*no amount")).click()
    expect(page.locator("h1")).to_contain_text("crash")
    page.goto("/app/sessions")
    page.get_by_label("session begins with").fill(CRASHED)
    page.get_by_role("link", name="crash issue feedback").click()
    expect(rows).to_have_count(3)


def test_two_who_judge_at_once_do_not_overwrite_each_other(page: Page, filled: Service) -> None:
    issue = issue_named(filled, "Payment took")
    page.goto(f"/app/issue?id={issue['issue']}")
    expect(page.get_by_role("button", name="Mute")).to_be_visible()
    path = f"{filled.api_url}/api/v1/issues/{issue['issue']}"
    changed = {"revision": issue["revision"], "status": "muted"}
    assert httpx.patch(path, json=changed, headers=filled.read_headers, timeout=30).status_code == 200
    page.get_by_role("button", name="Resolve").click()
    expect(page.get_by_role("alert")).to_contain_text("Somebody else has changed this issue")
    expect(page.locator(".about .status")).to_have_text("muted")
    page.get_by_role("button", name="Open again").click()
    expect(page.locator(".about .status")).to_have_text("open")


def test_a_device_is_found_by_what_it_told_and_told_what_to_send(page: Page, filled: Service) -> None:
    page.goto("/devices")
    page.get_by_role("link", name="viewer").click()
    rows = page.locator("table.devices tbody tr")
    expect(rows).to_have_count(3)
    query = page.get_by_label("Name, or what it told")
    query.fill("os:android keys.plan=gold keys.level>4")
    expect(rows).to_have_count(1)
    query.fill("os:(")
    expect(page.get_by_role("alert")).to_contain_text("column")
    query.fill("iphone")
    expect(rows).to_have_count(1)
    rows.get_by_role("link", name="Bo's iPhone").click()
    card = page.get_by_role("region", name="What it told of itself")
    expect(card).to_contain_text("iPhone 15")
    expect(card).to_contain_text("plan")
    page.get_by_label("what you call it").fill("the test phone")
    page.get_by_role("button", name="Save the name").click()
    expect(page.locator("h1")).to_contain_text("the test phone")
    remote = page.get_by_role("region", name="Remote control")
    remote.locator("summary").click()
    remote.get_by_role("button", name="debug and up").click()
    remote.get_by_label("why").fill("ticket 17")
    remote.get_by_role("button", name="Tell this device").click()
    rule = remote.locator("table.rules tbody tr", has_text="ticket 17")
    expect(rule).to_contain_text("send debug and up, all sessions")
    expect(rule).to_contain_text(re.compile("in (59 m|1 h)"))
    expect(remote.locator("h2")).to_contain_text("send debug and up, all sessions")
    rule.get_by_role("button", name="End now").press("Enter")
    expect(rule).to_have_count(0)
    expect(remote.get_by_role("region", name="Rules that apply")).to_be_focused()
    expect(remote.locator("h2")).not_to_contain_text("debug")


def test_devices_that_match_are_told_something_for_a_while(page: Page, filled: Service) -> None:
    page.goto("/app/devices?where=os%3Aandroid")
    page.get_by_role("link", name="Tell these something").click()
    expect(page.get_by_text("1 device match now")).to_be_visible()
    page.get_by_label("level").select_option("warn")
    page.get_by_label(re.compile("^for")).select_option(label="15 minutes")
    page.get_by_role("button", name="Tell these devices").click()
    rule = page.locator("table.rules tbody tr", has_text="os:android")
    expect(rule).to_contain_text(re.compile("in 1[45] m"))
    (made,) = [one for one in filled.get("/api/v1/remote").json()["rules"] if one["query"] == "os:android"]
    assert (made["min_level"], made["active"], made["matched"]) == ("warn", True, 1)
    rule.get_by_role("button", name="End now").click()
    expect(page.get_by_role("region", name="Rules that hold now").get_by_text("os:android")).to_have_count(0)
    page.goto("/app/remote")
    button = page.get_by_role("button", name="Tell all devices")
    expect(button).to_be_disabled()
    page.get_by_label("yes, all devices").check()
    expect(button).to_be_enabled()


def test_a_word_of_a_message_is_searched_for_left_out_or_looked_for_alone(page: Page) -> None:
    page.goto("/app/?q=component%3Abank&from=all")
    expect(page.locator(ROW)).to_have_count(3)
    page.mouse.click(*page.evaluate(PLACE, "answered"))
    word = page.get_by_role("combobox", name="word")
    expect(word).to_have_value("answered")
    page.get_by_role("button", name="without it").click()
    expect(page.locator(".cm-content")).to_have_text("component:bank -answered")
    expect(page.locator(ROW)).to_have_count(2)
    page.locator(".rows").focus()
    page.keyboard.press("j")
    page.keyboard.press("f")  # the words of the row, by keyboard
    expect(word).to_be_focused()
    page.keyboard.press("Escape")  # and back to the keys of the page
    expect(word).not_to_be_focused()
    page.keyboard.press("f")
    expect(word).to_be_focused()
    word.select_option("Bank.java:93")
    page.get_by_role("button", name="only with it").click()
    expect(page.locator(".cm-content")).to_have_text('component:bank -answered "Bank.java:93"')
    expect(page.locator(ROW)).to_have_count(1)
    page.locator(ROW).click()
    word.select_option("Bank.java:93")
    page.get_by_role("button", name="it alone").click()
    expect(page.locator(".cm-content")).to_have_text('"Bank.java:93"')


def test_columns_are_as_wide_as_they_were_made(page: Page) -> None:
    page.goto("/app/?q=component%3Abank&from=all")
    cell = page.locator(ROW).first.locator(".cell-key")
    expect(cell).to_be_visible()
    page.locator(ROW).first.click()  # one is open: it keeps its height
    edge = page.get_by_role("separator", name="Width of key")
    before, box = cell.bounding_box(), edge.bounding_box()
    assert before is not None and box is not None
    page.mouse.move(box["x"] + 3, box["y"] + 8)
    page.mouse.down()
    page.mouse.move(box["x"] + 103, box["y"] + 8, steps=4)
    page.mouse.up()
    page.reload()
    expect(edge).to_have_attribute("aria-valuenow", re.compile("3[01]"))
    after = cell.bounding_box()
    assert after is not None and 90 < after["width"] - before["width"] < 110
    edge.focus()
    page.keyboard.press("Shift+ArrowLeft")
    expect(edge).to_have_attribute("aria-valuenow", re.compile("2[56]"))
    page.keyboard.press("Home")
    expect(edge).to_have_attribute("aria-valuenow", "18")


def test_rows_show_either_clock_and_a_query_goes_on_live(page: Page) -> None:
    page.goto("/app/?q=key%3Atap&from=all")
    expect(page.locator(ROW)).to_have_count(1)
    sent = page.locator(".cell-time").first.inner_text()
    page.get_by_role("button", name="Preferences").click()
    page.get_by_role("menuitemradio", name="when received").click()
    expect(page.get_by_role("columnheader", name="received")).to_be_visible()
    expect(page.locator(".cell-time").first).not_to_have_text(sent)
    page.locator("body").press("Escape")
    page.locator(".rows").press("t")
    expect(page).to_have_url(re.compile(r"/app/tail\?q=key%3Atap"))
    page.get_by_role("link", name="look back").click()
    expect(page.locator(ROW)).to_have_count(1)


def test_who_may_only_read_is_offered_no_change(browser: Browser, filled: Service) -> None:
    made = httpx.post(
        f"{filled.api_url}/api/v1/tokens", json={"name": "reader", "scopes": ["read"], "of_team": True},
        headers=filled.read_headers, timeout=30,
    )  # fmt: skip
    assert made.status_code == 201, made.text
    context = browser.new_context(base_url=filled.api_url, viewport=WIDE)
    tab = context.new_page()
    tab.set_default_timeout(WAIT_MS)
    tab.goto("/sign-in")
    tab.get_by_text("Sign in with an API token").click()
    tab.get_by_label("API token").fill(made.json()["secret"])
    tab.get_by_role("button", name="Sign in with token").click()
    tab.wait_for_url("**/app/")
    tab.goto(f"/app/issue?id={issue_named(filled, 'Payment took')['issue']}")
    expect(tab.locator(".occurrence")).to_have_count(1, timeout=WAIT_MS)
    tab.goto("/app/device?device=iphone-15-3")
    expect(tab.get_by_role("region", name="Remote control")).to_contain_text("all it has, once", timeout=WAIT_MS)
    assert tab.get_by_role("button", name=re.compile("Resolve|Mute|Tell|End now|Save")).count() == 0
    context.close()


LONG = "n" * 500
TWO_LINES_PX = 50
# Of each element: whether it ends inside the row that it stands in.
FITS = "all => all.map(each => each.getBoundingClientRect().right <= each.closest('td').getBoundingClientRect().right)"


@pytest.mark.parametrize("size", [WIDE, PHONE])
def test_a_long_name_takes_a_line_of_a_list_and_is_whole_in_its_tip(page: Page, filled: Service, size: Any) -> None:
    long = {"session": LONG, "user": LONG, "device": LONG, "component": "c" * 400, "key": "k", "value": "v"}
    filled.post([long])
    filled.wait_until_drained()
    page.set_viewport_size(size)
    for path in ("sessions", "users", "devices"):
        page.goto(f"/app/{path}?q=nnn")
        row = page.locator("tbody tr", has_text=LONG)
        expect(row.locator("td").first.get_by_title(LONG)).to_be_visible()
        assert row.evaluate("row => row.offsetHeight") < TWO_LINES_PX, path
        assert row.locator(".name a, .badge").evaluate_all(FITS) == [True] * row.locator(".name a, .badge").count()
    page.goto("/app/?q=" + quote(f"session={LONG} | count by component, bin(1h)"))
    row = page.locator("tbody tr", has_text="cccc")
    expect(row.get_by_title("c" * 400)).to_be_visible()
    assert row.evaluate("row => row.offsetHeight") < TWO_LINES_PX
    assert row.locator("td").nth(1).evaluate("time => time.scrollWidth <= time.clientWidth")
