"""The pages in a real browser: signing in, finding a session, and nobody's text running as a program."""

import re
from collections.abc import Iterator
from typing import Literal
from urllib.parse import quote

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, StorageState, ViewportSize, expect
from tests.e2e.conftest import WIDE
from tests.reading import ADMIN_EMAIL, ADMIN_PASSWORD, NOW_NS, READ_TOKEN, Reading, make_event, served

from logkeep.api.rows import COLOURS

PHONE: ViewportSize = {"width": 390, "height": 844}
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
ATTACK = "<script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">\u202e\x00\x1b[31m"


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """A service with a session of three components, a silent gap, a stack trace, and an attack."""
    reading = Reading()
    reading.write(
        [
            make_event(300, "session started", component="app", level="info", user="u-1", device="Pixel 8"),
            make_event(299, "timed out after 5000 ms", component="proxy", level="error", user="u-1"),
            make_event(100, "Error: boom\n" + "  at call (file.js:1)\n" * 60, component="app", level="fatal"),
            make_event(99, {"list": list(range(100))}, component="terminal", key="json"),
            make_event(98, ATTACK, component=ATTACK, key=ATTACK, user=ATTACK, attributes={ATTACK: ATTACK}),
            make_event(90, "y" * 5000, session=ATTACK, id="long"),
            make_event(3, "dot", session="x.json", id="dot"),
            *(
                make_event(0, "colour", session="colours", id=f"c-{i}", component=f"component-{i // 3}", level=level)
                for i, level in enumerate(["info", "warn", "error"] * COLOURS)
            ),
            *(make_event(i, "filler", session="filler", id=f"f-{i:03}", time_ns=NOW_NS - i) for i in range(130)),
        ]
    )
    with served(reading.app) as address:
        yield address


@pytest.fixture(scope="module")
def cookies(browser: Browser, url: str) -> StorageState:
    """What a browser keeps after signing in with a token."""
    context = browser.new_context(base_url=url)
    tab = context.new_page()
    tab.goto("/sign-in")
    tab.get_by_text("Sign in with an API token").click()
    tab.get_by_label("API token").fill(READ_TOKEN)
    tab.get_by_role("button", name="Sign in with token").click()
    state = context.storage_state()
    context.close()
    return state


@pytest.fixture
def page(browser: Browser, url: str, cookies: StorageState) -> Iterator[Page]:
    """A tab that has signed in; the test fails on anything the browser complains about."""
    context = browser.new_context(base_url=url, viewport=WIDE, storage_state=cookies)
    tab = context.new_page()
    complaints: list[str] = []

    def note(message: ConsoleMessage) -> None:
        if "status of 4" not in message.text:  # the browser's own line for a 404 page
            complaints.append(message.text)

    tab.on("console", note)
    tab.on("pageerror", lambda error: complaints.append(str(error)))
    yield tab
    context.close()
    assert complaints == []


def test_a_person_signs_in_finds_a_session_and_signs_out(browser: Browser, url: str) -> None:
    context = browser.new_context(base_url=url, java_script_enabled=False)
    tab = context.new_page()
    tab.goto("/sessions/s-1")
    expect(tab).to_have_url(f"{url}/sign-in?next=%2Fsessions%2Fs-1")
    tab.get_by_label("E-mail").fill(ADMIN_EMAIL)
    tab.get_by_label("Password").fill("wrong")
    tab.get_by_role("button", name="Sign in with password").click()
    assert "not known here" in tab.get_by_role("alert").inner_text()
    tab.get_by_label("Password").fill(ADMIN_PASSWORD)
    tab.get_by_role("button", name="Sign in with password").click()
    expect(tab).to_have_url(f"{url}/sessions/s-1")
    tab.goto("/overview")
    tab.get_by_role("searchbox").fill('"timed out" level>=warn')
    tab.get_by_role("button", name="Search").click()
    assert tab.locator("tr.row").count() == 1
    tab.locator("td.session a").click()
    assert tab.locator("h1").inner_text() == "session s-1"
    tab.get_by_role("button", name="Sign out").click()
    tab.goto("/")
    expect(tab).to_have_url(f"{url}/sign-in")
    context.close()


def test_a_session_reads_from_top_to_bottom(page: Page) -> None:
    page.goto("/sessions/s-1")
    clocks = page.locator("tr.row td.time").all_inner_texts()
    assert clocks == ["09:55:00.000", "09:55:01.000", "09:58:20.000", "09:58:21.000", "09:58:22.000"]
    assert page.locator("td.delta").all_inner_texts() == ["", "+1.000 s", "+3 m 19 s", "+1.000 s", "+1.000 s"]
    assert page.locator("tr.gap").all_inner_texts() == ["3 m 19 s of silence"]
    assert page.locator("figure.lanes li").count() == 4
    trace = page.locator("details.value").first
    assert not trace.locator("pre").is_visible()
    trace.locator("summary").click()
    assert trace.locator("pre").is_visible()


def test_a_session_tells_its_parts_and_silences(page: Page) -> None:
    page.goto("/sessions/s-1")
    for summary in page.locator(".summary summary").all():
        summary.click()
    assert page.locator(".parts tbody tr").count() == 4
    page.locator(".summary ol a").click()
    assert page.locator("tr.row:target td.time").inner_text() == "09:58:20.000"


def test_from_a_list_to_a_user_to_a_session_by_keyboard(page: Page) -> None:
    page.goto("/sessions")
    page.get_by_role("link", name="users", exact=True).focus()
    page.keyboard.press("Enter")
    assert page.locator("h1").inner_text().startswith("Users")
    page.get_by_label("user begins with").fill("u-")
    page.keyboard.press("Enter")
    page.get_by_role("link", name="u-1", exact=True).focus()
    page.keyboard.press("Enter")
    assert page.locator("h1").inner_text() == "user u-1"
    assert page.locator("td.name a").all_inner_texts() == ["s-1", "Pixel 8"]


def test_an_event_has_an_address_of_its_own(page: Page) -> None:
    page.goto("/sessions/s-1")
    page.locator("tr.row td.time a").nth(1).click()
    expect(page).to_have_url(re.compile("/events/id-0299$"))
    assert page.locator("pre.whole").inner_text() == "timed out after 5000 ms"
    assert page.locator("#session tr.this td.content").inner_text() == "timed out after 5000 ms"


def test_hostile_text_is_shown_and_does_nothing(page: Page) -> None:
    found = "/search?query=" + quote("component:*") + "&order=asc"
    lists = [f"/{place}?from=" for place in ("sessions", "users")]
    for path in (
        "/overview",
        found,
        *lists,
        "/users/" + quote(ATTACK, safe=""),
        "/sessions/s-1",
        "/events/id-0098",
        "/search?query=" + quote(ATTACK),
    ):
        page.goto(path)
        assert page.title() != "owned"
        assert page.locator("img, script, iframe").count() == 0
        assert "<script>document.title" in page.content().replace("&lt;", "<").replace("&gt;", ">"), path


def test_no_script_runs_even_if_one_got_in(browser: Browser, url: str) -> None:
    context = browser.new_context(base_url=url)
    tab = context.new_page()
    tab.goto("/sign-in")
    refused = tab.evaluate(
        """() => new Promise(resolve => {
            document.addEventListener('securitypolicyviolation', event => resolve(event.effectiveDirective));
            const script = document.createElement('script');
            script.textContent = 'document.title = "owned"';
            document.body.append(script);
        })"""
    )
    assert (refused, tab.title() == "owned") == ("script-src-elem", False)
    context.close()


def test_links_of_odd_sessions_lead_to_them(page: Page) -> None:
    for text in ("dot", "y*"):
        page.goto("/search?query=" + quote(text))
        shown = page.locator("td.session").first.inner_text()
        page.locator("td.session a").first.click()
        assert page.locator("h1").inner_text() == f"session {shown}"
        assert page.locator("tr.row").count() == 1


def test_older_results_are_a_click_away(page: Page) -> None:
    page.goto("/search?query=filler")
    first = page.locator("tr.row").count()
    page.get_by_role("link", name="older →").click()
    assert (first, page.locator("tr.row").count()) == (100, 30)
    page.get_by_role("link", name="⇤ first page").click()
    assert page.locator("tr.row").count() == 100


def test_a_bar_leads_to_its_events(page: Page) -> None:
    page.goto("/overview")
    page.locator("figure.bars a").last.click()
    expect(page.locator("tr.row")).to_have_count(100)
    assert "to 2026-08-01T10:00:00" in page.locator("main").inner_text()


def test_pages_fit_a_phone_and_a_desk(page: Page) -> None:
    attack = quote(ATTACK, safe="")
    lists = ("/sessions", "/users", "/devices?query=level>x", "/sessions?user=nobody", f"/users/{attack}", "/users/u-1")
    for path in ("/overview", "/search", "/sessions/s-1", f"/sessions/{attack}", "/events/long", "/nothing", *lists):
        for size in (PHONE, WIDE):
            page.set_viewport_size(size)
            page.goto(path)
            assert page.evaluate("document.documentElement.scrollWidth") <= size["width"], (path, size)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_text_stands_out_from_its_ground(page: Page, scheme: Literal["light", "dark"]) -> None:
    page.emulate_media(color_scheme=scheme)
    for path in (
        "/overview",
        "/search?query=level",
        "/sessions/s-1",
        "/sessions/colours",
        "/nothing",
        "/sessions",
        "/users/u-1",
    ):
        page.goto(path)
        assert page.evaluate(CONTRAST) == [], path
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert ground == {"light": "rgb(246, 247, 248)", "dark": "rgb(18, 22, 26)"}[scheme]


# Every visible text against the grounds behind it, by WCAG's contrast; 4.5 is its level AA. Colours are resolved by
# painting them, so that mixtures are what the eye gets.
CONTRAST = """() => {
    const canvas = Object.assign(document.createElement('canvas'), {width: 1, height: 1});
    const pen = canvas.getContext('2d', {willReadFrequently: true});
    const paint = colours => {
        pen.clearRect(0, 0, 1, 1);
        for (const colour of colours) { pen.fillStyle = colour; pen.fillRect(0, 0, 1, 1); }
        return [...pen.getImageData(0, 0, 1, 1).data].slice(0, 3);
    };
    const light = rgb => {
        const [r, g, b] = rgb.map(v => v / 255).map(v => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const faults = [];
    for (const element of document.querySelectorAll('main *, header *')) {
        const own = [...element.childNodes].some(n => n.nodeType === 3 && n.textContent.trim());
        if (!own || element.closest('svg') || !element.checkVisibility()) continue;
        const grounds = [];
        for (let e = element; e; e = e.parentElement) grounds.unshift(getComputedStyle(e).backgroundColor);
        const ground = paint(grounds), ink = paint([...grounds, getComputedStyle(element).color]);
        const [low, high] = [light(ground), light(ink)].sort((a, b) => a - b);
        const ratio = (high + 0.05) / (low + 0.05);
        const name = `${element.tagName}.${element.className} ${element.textContent.trim().slice(0, 20)}`;
        if (ratio < 4.5) faults.push(`${name} ${ratio.toFixed(2)}`);
    }
    return [...new Set(faults)];
}"""
