"""The viewer's finer points: what it asks for and when, marks of rows, what is kept with a search, the audit log."""

import csv
import json
import re
import time
from datetime import UTC, datetime, timedelta
from typing import Any, Literal
from urllib.parse import parse_qs, quote, urlsplit

import pytest
from playwright.sync_api import Page, expect
from tests.e2e.conftest import WIDE
from tests.e2e.test_pages import PHONE
from tests.e2e.test_viewer import AXE, AXE_RUN
from tests.e2e.viewer_data import SESSION
from tests.service import Service

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


def test_the_audit_log_is_downloaded_as_it_was_narrowed_down(page: Page) -> None:
    page.goto("/app/?q=component%3Abank")
    expect(page.locator(ROW)).to_have_count(3)
    page.goto("/app/settings/audit?what=read.search")
    rows = page.locator(".data tbody tr", has_text="component:bank")
    expect(rows.first).to_be_visible()
    page.get_by_role("button", name="Export the audit log").click()
    with page.expect_download() as started:
        page.get_by_text("All of these entries as CSV").click()
    with started.value.path().open(encoding="utf-8", newline="") as file:
        entries = list(csv.DictReader(file))
    assert {entry["what"] for entry in entries} == {"read.search"}
    assert any('"query":"component:bank"' in entry["detail"] for entry in entries)
    assert started.value.suggested_filename.endswith(".csv")


def test_the_audit_log_fits_its_card(page: Page) -> None:
    page.goto("/app/settings/audit")
    expect(page.locator(".data tbody tr").first).to_be_visible()
    assert page.locator(".scrolling").evaluate("e => e.scrollWidth - e.clientWidth") == 0


def test_a_row_tells_whose_clock_was_off(page: Page, filled: Service) -> None:
    now = datetime.now(UTC)
    times = {"fine": now, "ahead": now + timedelta(minutes=4), "late": now - timedelta(hours=3), "wrong": "1999-01-01"}
    base = {"session": "clocks", "component": "watch", "level": "info"}
    filled.post([base | {"key": key, "value": key, "time": str(time)} for key, time in times.items()])
    filled.wait_until_drained()
    page.goto("/app/?q=session%3Dclocks")
    expect(page.locator(ROW)).to_have_count(4)
    marks = {key: page.locator(ROW, has=page.get_by_text(key, exact=True)).locator(".skew-mark") for key in times}
    expect(marks["fine"]).to_have_count(0)
    expect(marks["ahead"]).to_contain_text("clock +3")
    expect(marks["late"]).to_contain_text("late 3")
    said = "the sender's time was 1999-01-01: older than what is kept, too far ahead or no time"
    expect(marks["wrong"]).to_have_attribute("title", re.compile(said))
    page.goto("/app/?q=session%3Dclocks+key%3Dlate")
    expect(page.locator(ROW)).to_have_count(1)
    expect(page.locator(".skew-mark")).to_have_count(0)  # all of them are late


@pytest.mark.parametrize("size", [WIDE, PHONE])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_what_is_off_with_most_clocks_is_told_once_above_their_rows(
    page: Page, filled: Service, scheme: Literal["light", "dark"], size: Any
) -> None:
    base = {"session": f"clocks-{scheme}-{size['width']}", "key": "tick", "level": "info"}
    wrong = [base | {"value": f"wrong {number}", "time": "1999-01-01"} for number in range(5)]
    filled.post([*wrong, *(base | {"value": f"fine {number}"} for number in range(4))])
    filled.wait_until_drained()
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size(size)
    page.goto(f"/app/?q=session%3D{base['session']}")
    expect(page.locator(ROW)).to_have_count(9)
    note = page.locator(".results [role=status]")
    expect(note).to_contain_text("The times of many of these events could not be used")
    expect(page.locator(".skew-mark")).to_have_count(0)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.evaluate(AXE.read_text())
    found = page.evaluate(AXE_RUN, ".results")
    assert [fault["id"] for fault in found["violations"] if fault["impact"] in ("serious", "critical")] == []
    page.get_by_text("wrong 3", exact=True).click()
    expect(page.locator(".skew")).to_contain_text("the sender's time was 1999-01-01")


def test_a_saved_search_brings_the_widths_of_its_columns_along(page: Page) -> None:
    page.goto("/app/?q=component%3Abank&from=all")
    edge = page.get_by_role("separator", name="Width of key")
    edge.focus()
    page.keyboard.press("Shift+ArrowRight")
    made = edge.get_attribute("aria-valuenow")
    assert made not in (None, "18")
    page.get_by_role("button", name="Saved searches").click()
    page.get_by_label("Name of this search").fill("wide keys")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.locator(".saved-name", has_text="wide keys")).to_be_visible()
    page.evaluate("() => localStorage.clear()")
    page.goto("/app/")
    expect(edge).to_have_attribute("aria-valuenow", "18")
    page.get_by_role("button", name="Saved searches").click()
    page.locator(".saved-name", has_text="wide keys").click()
    expect(edge).to_have_attribute("aria-valuenow", str(made))
    expect(page).to_have_url(re.compile(re.escape(f"widths=key%3A{made}")))
    edge.focus()
    page.keyboard.press("Home")
    expect(edge).to_have_attribute("aria-valuenow", "18")
    expect(page).not_to_have_url(re.compile("widths"))
    page.get_by_role("button", name="Saved searches").click()
    page.get_by_role("button", name="Delete wide keys").click()
    page.get_by_role("button", name="Delete wide keys").click()
    expect(page.locator(".saved-name", has_text="wide keys")).to_have_count(0)


def test_a_live_tail_shows_whole_lines_and_the_columns_one_chooses(page: Page, filled: Service) -> None:
    page.goto("/app/tail?q=session%3Dwrapped")
    expect(page.locator(".live-live")).to_be_visible()
    filled.post([{"session": "wrapped", "key": "k", "value": "first line\nsecond line"}])
    row = page.locator(ROW)
    expect(row).to_contain_text("first line")
    expect(row).not_to_contain_text("second line")
    page.get_by_role("button", name="wrap").click()
    expect(row).to_contain_text("second line")
    page.get_by_role("button", name="Columns").click()
    page.get_by_role("menuitem", name="session").click()
    expect(row.locator(".cell-session")).to_have_text("wrapped")
    expect(page).to_have_url(re.compile("(?=.*wrap=1).*cols="))


def test_a_live_tail_shows_the_newest_and_all_it_keeps_once_it_holds_still(page: Page, filled: Service) -> None:
    page.goto("/app/tail?q=key%3Aflood")
    expect(page.locator(".live-live")).to_be_visible()
    filled.post([{"session": "flood", "key": "flood", "value": f"drop {number:03}"} for number in range(600)])
    table = page.get_by_role("treegrid")
    expect(page.locator(ROW).last).to_contain_text("drop 599")
    assert int(table.get_attribute("aria-rowcount") or 0) <= 200
    page.locator(ROW, has_text="drop 595").click()  # opened, it stays in sight among those that come before it
    page.keyboard.press("p")
    expect(table).to_have_attribute("aria-rowcount", "600")
    expect(page.locator(ROW).last).to_contain_text("drop 599")
    expect(page.locator(ROW, has_text="drop 595")).to_have_attribute("aria-selected", "true")
    table.focus()
    page.keyboard.press("Home")
    expect(page.locator(ROW).first).to_contain_text("drop 000")
    page.keyboard.press("p")
    filled.post([{"session": "flood", "key": "flood", "value": "drop last"}])
    expect(page.locator(ROW).last).to_contain_text("drop last")


def test_on_a_phone_names_stand_over_their_columns_and_a_tail_says_how_many_came(page: Page) -> None:
    page.set_viewport_size(PHONE)
    page.goto("/app/?q=component%3Abank&from=all")
    expect(page.locator(ROW)).to_have_count(3)
    for name, cell in (("level", ".cell-level"), ("value", ".cell-value")):
        head = page.get_by_role("columnheader", name=name).bounding_box()
        under = page.locator(ROW).first.locator(cell).bounding_box()
        assert head is not None and under is not None and abs(head["x"] - under["x"]) < 4, name
    page.goto("/app/tail")
    came = page.locator(".result-line .note")
    expect(came).to_contain_text("a second")
    assert came.evaluate("element => element.scrollWidth - element.clientWidth") == 0


def test_a_group_without_a_name_is_said_to_have_none(page: Page) -> None:
    page.goto("/app/?from=all&q=" + quote("session:hostile-issue | count by component"))
    expect(page.get_by_role("cell", name="none", exact=True)).to_be_visible()


@pytest.mark.parametrize(
    ("guessed", "meant", "said"),
    [
        ("/app/?query=component%3Abank&from=all", "/app/?from=all&q=component%3Abank", "card 4242 is charged"),
        ("/app/sessions/" + quote(SESSION, safe=""), "/app/session?session=" + quote(SESSION, safe=""), "cart opened"),
        ("/app/devices/till-4", "/app/device?device=till-4", "till-4"),
        ("/app/users/ada@example.org", "/app/user?user=ada%40example.org", "ada@example.org"),
    ],
)
def test_addresses_that_people_guess_lead_where_they_meant(page: Page, guessed: str, meant: str, said: str) -> None:
    page.goto(guessed)
    expect(page.get_by_role("main")).to_contain_text(said)
    assert page.url.endswith(meant)


def test_one_begins_with_the_search_of_ones_choice(page: Page) -> None:
    page.goto("/app/?q=component%3Abank&from=all&cols=session")
    page.get_by_role("button", name="Saved searches").click()
    page.get_by_role("button", name="Begin with this search").click()
    expect(page.locator(".start-choice")).to_contain_text("You begin with this search")
    page.goto("/app/tail")
    page.goto("/app/")
    expect(page).to_have_url(re.compile(re.escape("q=component%3Abank&from=all&cols=session")))
    expect(page.locator(ROW)).to_have_count(3)
    page.get_by_role("link", name="Search", exact=True).click()
    expect(page).to_have_url(re.compile("/app/$"))
    page.get_by_role("button", name="Saved searches").click()
    page.get_by_role("button", name="Begin with everything").click()
    expect(page.locator(".start-choice")).to_contain_text("You begin with everything")
    page.goto("/app/tail")
    page.goto("/app/")
    expect(page.locator(ROW).first).to_be_visible()
    assert page.url.endswith("/app/")


def test_the_context_has_the_columns_of_the_search_and_takes_them_to_its_own_tab(page: Page) -> None:
    page.goto("/app/?q=component%3Abank&from=all&cols=key,session")
    page.locator(ROW).first.click()
    page.keyboard.press("c")
    panel = page.get_by_role("complementary", name="Context")
    for name in ("key", "session"):
        expect(panel.get_by_role("columnheader", name=name)).to_be_visible()
    expect(panel.get_by_role("columnheader", name="component")).to_have_count(0)
    with page.context.expect_page() as opened:
        panel.get_by_role("link", name="in a tab of its own").click()
    beside = opened.value
    expect(beside.get_by_role("region", name="Around it").get_by_role("columnheader", name="session")).to_be_visible()
    expect(page).to_have_url(re.compile("q=component%3Abank.*context="))


def test_on_a_phone_columns_are_shown_once_they_are_chosen(page: Page) -> None:
    page.set_viewport_size(PHONE)
    page.goto("/app/?q=component%3Abank&from=all")
    expect(page.locator(ROW)).to_have_count(3)
    expect(page.get_by_role("columnheader")).to_have_text(["time", "level", "value"])
    page.get_by_role("button", name="Columns").click()
    page.get_by_role("menuitem", name="component").click()
    page.get_by_role("menuitem", name="key").click()
    page.keyboard.press("Escape")
    expect(page.get_by_role("columnheader")).to_have_text(["time", "level", "component", "key", "value"])
    for name in ("component", "key", "value"):
        head = page.get_by_role("columnheader", name=name).bounding_box()
        under = page.locator(ROW).first.locator(f".cell-{name}").bounding_box()
        assert head is not None and under is not None and abs(head["x"] - under["x"]) < 4, name
    page.reload()
    expect(page.locator(ROW).first.locator(".cell-component")).to_have_text("bank")


def test_the_counts_of_rows_and_fields_have_events_of_clocks_that_are_ahead(page: Page, filled: Service) -> None:
    ahead = datetime.now(UTC) + timedelta(minutes=5)
    event = {"session": "ahead-of-us", "key": "k", "component": "early", "value": "from the future"}
    filled.post([event | {"time": ahead.isoformat()}, event])
    filled.wait_for_events("component:early", 2)
    page.goto("/app/?q=component%3Aearly&from=-1h")
    expect(page.locator(ROW)).to_have_count(2)
    expect(page.locator(".found")).to_have_text("2 events")
    expect(page.locator(".facets-total")).to_have_text("2 events")


def test_the_time_before_and_after_is_a_click_away_and_the_list_of_keys_is_whole(page: Page) -> None:
    page.goto("/app/?q=component%3Abank&from=2026-08-01T10:00:00Z&to=2026-08-01T11:00:00Z")
    page.get_by_role("button", name="Earlier").click()
    expect(page).to_have_url(re.compile(re.escape("from=2026-08-01T09%3A00%3A00.000Z&to=2026-08-01T10%3A00%3A00.000Z")))
    page.get_by_role("button", name="Later").click()
    expect(page).to_have_url(re.compile(re.escape("from=2026-08-01T10%3A00%3A00.000Z&to=2026-08-01T11%3A00%3A00.000Z")))
    page.goto("/app/?q=component%3Abank&from=all")
    expect(page.locator(ROW)).to_have_count(3)
    page.keyboard.press("?")
    keys = page.get_by_role("dialog", name="Keyboard").locator("dt")
    expect(keys.first).to_be_visible()
    listed = {" ".join(text.split()) for text in keys.all_inner_texts()}
    assert {"/", "j", "k", "o", "x", "c", "f", "w", "t", "[", "]", "-", "+", "?", "Home"} <= listed


def test_lines_of_a_session_wrap_and_what_was_looked_for_among_them_is_marked(page: Page) -> None:
    page.goto("/app/session?session=" + quote(SESSION, safe=""))
    expect(page.locator(ROW)).to_have_count(8)
    page.get_by_label("Only lines with").fill("declined")
    expect(page.locator(ROW)).to_have_count(1)
    expect(page.locator(f"{ROW} mark")).to_have_text(["declined"])
    expect(page.locator(ROW)).not_to_contain_text("Bank.java")
    page.get_by_role("button", name="wrap").click()
    expect(page.locator(ROW)).to_contain_text("Bank.java")


def test_columns_and_wrap_of_a_session_stand_in_its_address(page: Page) -> None:
    page.goto("/app/session?session=" + quote(SESSION, safe=""))
    expect(page.locator(ROW)).to_have_count(8)
    page.get_by_role("button", name="wrap").click()
    page.get_by_role("button", name="Columns").click()
    page.get_by_role("menuitem", name="user").click()
    expect(page.locator(f"{ROW} [data-field=user]")).to_have_count(8)
    page.reload()
    expect(page.locator(f"{ROW} [data-field=user]")).to_have_count(8)
    expect(page.get_by_role("button", name="wrap")).to_have_attribute("aria-pressed", "true")
    told = parse_qs(urlsplit(page.url).query)
    assert told == {"session": [SESSION], "cols": ["component,key,user"], "wrap": ["1"]}


def test_the_lines_and_lanes_of_a_session_that_are_shown_stand_in_its_address(page: Page) -> None:
    page.goto("/app/sessions")
    page.goto("/app/session?session=" + quote(SESSION, safe=""))
    page.get_by_role("button", name="proxy", exact=False).click()
    expect(page.locator(ROW)).to_have_count(6)
    page.get_by_label("Only lines with").press_sequentially("card &")
    expect(page.locator(ROW)).to_have_count(0)
    page.get_by_label("Only lines with").press("Backspace")
    expect(page.locator(ROW)).to_have_count(2)
    page.reload()
    expect(page.locator(ROW)).to_have_count(2)
    expect(page.get_by_label("Only lines with")).to_have_value("card ")
    expect(page.locator(".lane.is-hidden")).to_contain_text(["proxy"])
    told = parse_qs(urlsplit(page.url).query)
    assert told == {"session": [SESSION], "only": ["card "], "hide": ["proxy"]}
    page.get_by_label("Only lines with").fill("")
    page.get_by_role("button", name="proxy", exact=False).click()
    expect(page.locator(ROW)).to_have_count(8)
    assert parse_qs(urlsplit(page.url).query) == {"session": [SESSION]}
    page.go_back()
    expect(page).to_have_url(re.compile("/app/sessions$"))


def test_whole_numbers_keep_all_their_digits(page: Page, filled: Service) -> None:
    large = 1234567890123456789  # a number of JavaScript is 1234567890123456800 then
    filled.post([{"session": "large", "key": "k", "value": {"n": -large}, "attributes": {"trace": large}}])
    filled.wait_until_drained()
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.goto("/app/?from=all&q=session%3Dlarge")
    expect(page.locator(ROW)).to_contain_text(f'{{"n":{-large}}}')
    page.locator(ROW).click()
    page.get_by_role("button", name="copy JSON", exact=True).first.click()
    copied = json.loads(page.evaluate("navigator.clipboard.readText()"))
    assert (copied["value"], copied["attributes"]) == ({"n": -large}, {"trace": large})
    page.locator("tr", has_text="trace").get_by_role("button").first.click()
    expect(page.locator(ROW)).to_have_count(1)
    assert f"trace%3D{large}" in page.url or f"trace={large}" in page.url


def test_a_branch_of_json_is_copied_with_its_path(page: Page) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.goto("/app/?q=" + quote(f'session="{SESSION}" key:tap'))
    page.locator(ROW).click()
    page.locator(".tree summary", has_text="items").last.hover()
    page.get_by_role("button", name="Copy the path of value.items", exact=True).click()
    assert page.evaluate("navigator.clipboard.readText()") == "value.items"
    page.get_by_role("button", name="Copy the JSON of value.items", exact=True).click()
    copied = json.loads(page.evaluate("navigator.clipboard.readText()"))
    assert copied == [{"sku": "A-1", "price": 19.9}, {"sku": "B-7"}]
    expect(page.locator(".leaf", has_text="A-1")).to_be_visible()  # nothing was folded


def test_whoever_scrolls_up_at_the_first_row_gets_what_came_since(page: Page, filled: Service) -> None:
    name = f"since-{time.time_ns()}"
    filled.post([{"session": name, "key": "k", "value": "one"}])
    filled.wait_until_drained()
    page.goto(f"/app/?q=session%3D{name}")
    expect(page.locator(ROW)).to_have_count(1)
    filled.post([{"session": name, "key": "k", "value": "\x1b[41mtwo\x1b[0m"}])
    filled.wait_until_drained()
    expect(page.locator(ROW)).to_have_count(1)
    page.locator(ROW).hover()
    page.mouse.wheel(0, -100)
    expect(page.locator(ROW)).to_have_count(2)
    expect(page.locator(f"{ROW} .b41")).to_have_text(["two"])


def test_what_a_search_cost_is_told_on_a_phone_too(page: Page) -> None:
    page.set_viewport_size(PHONE)
    page.goto("/app/?q=component%3Abank")
    expect(page.locator(".result-line .cost")).to_be_visible()


def test_newer_ones_come_also_below_a_clock_that_is_ahead_and_are_counted(page: Page, filled: Service) -> None:
    event = {"session": "grows", "key": "grows", "component": "heart"}
    ahead = (datetime.now(UTC) + timedelta(minutes=4)).isoformat()
    filled.post([event | {"value": "one"}, event | {"value": "two", "time": ahead}])
    filled.wait_until_drained()
    page.goto("/app/?q=session%3Agrows&from=-1h")
    expect(page.locator(ROW)).to_have_count(2)
    expect(page.locator(".found")).to_have_text("2 events")
    filled.post([event | {"value": f"later {number}"} for number in range(3)])
    filled.wait_until_drained()
    page.get_by_role("button", name="newer ones").click()
    expect(page.locator(ROW)).to_have_count(5)
    expect(page.locator(ROW).first).to_contain_text("two")
    expect(page.locator(".found")).to_have_text("5 events")


def test_an_event_of_a_session_is_brought_into_sight_again(page: Page, filled: Service) -> None:
    line = {"session": "long", "key": "step", "component": "heart", "level": "info"}
    steps = [line | {"value": f"step {number}"} for number in range(99)]
    filled.post([*steps, line | {"level": "error", "value": "failed"}])
    filled.wait_until_drained()
    page.goto("/app/session?session=long")
    row = page.locator(".row.this")
    for _ in range(2):
        page.get_by_role("button", name="next error").click()
        expect(row).to_be_in_viewport()
        page.locator(".rows").evaluate("rows => { rows.scrollTop = 0; }")
        expect(row).to_have_count(0)  # rows out of sight are not in the page
