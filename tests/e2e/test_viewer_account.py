"""Ways into the viewer and one's own account there, in a real browser: each of them once, from its first page on."""

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

import httpx
import pyotp
import pytest
import tests.servers.oidc
from playwright.sync_api import Browser, BrowserContext, Page, expect
from tests.e2e.conftest import HARMLESS, WAIT_MS, WIDE
from tests.e2e.test_pages import PHONE
from tests.e2e.test_viewer import AXE, AXE_RUN, ROW
from tests.servers.oidc import CLIENT_ID, CLIENT_SECRET
from tests.service import Service, free_port, wait_for

PASSWORD = "correct horse 9 battery"
CLAIMS = {"anna": {"email": "anna@example.org", "email_verified": True, "name": "Änna"}}
Open = Callable[[Service], Page]


@pytest.fixture
def open_tab(browser: Browser) -> Iterator[Open]:
    """Tabs of somebody who has not signed in; the test fails on anything the browser complains about."""
    complaints: list[str] = []
    contexts: list[BrowserContext] = []

    def opened(service: Service) -> Page:
        contexts.append(browser.new_context(base_url=service.api_url, viewport=WIDE))
        tab = contexts[-1].new_page()
        tab.set_default_timeout(WAIT_MS)
        expect.set_options(timeout=WAIT_MS)
        tab.on("console", lambda m: complaints.append(m.text) if not re.search(HARMLESS, m.text) else None)
        tab.on("pageerror", lambda error: complaints.append(str(error)))
        return tab

    yield opened
    for context in contexts:
        context.close()
    assert complaints == []


def invited(service: Service, email: str, role: str = "member") -> str:
    """The path of the link."""
    body = {"email": email, "role": role}
    answer = httpx.post(f"{service.api_url}/api/v1/invitations", json=body, headers=service.read_headers, timeout=30)
    assert answer.status_code == 201, answer.text
    return path_of(answer.json()["link"])


def joined(service: Service, email: str, role: str) -> httpx.Client:
    """Somebody new, signed in."""
    client = httpx.Client(base_url=service.api_url, timeout=30)
    body = {"secret": invited(service, email, role).partition("=")[2], "name": email[:4], "password": PASSWORD}
    assert client.post("/api/v1/invitations/accept", json=body).status_code == 200
    return client


def path_of(link: str) -> str:
    parts = urlsplit(link)
    return f"{parts.path}?{parts.query}"


def link_in_mail(service: Service, to: str, about: str) -> str:
    """The path of the link in the newest mail to somebody."""
    links: list[str] = []

    def has_come() -> bool:
        for path in sorted((service.folder / "mail").glob("*.eml")):
            mail = message_from_bytes(path.read_bytes(), policy=policy.default)
            if mail["To"] == to:
                links.extend(re.findall(rf"https?://\S+/{about}\?secret=\S+", mail.get_body(("plain",)).get_content()))
        return bool(links)

    wait_for(has_come, 20, f"a mail to {to}")
    return path_of(links[-1])


def sign_in(tab: Page, email: str, password: str) -> None:
    tab.get_by_label("E-mail").fill(email)
    tab.get_by_label("Password").fill(password)
    tab.get_by_role("button", name="Sign in with password").click()


def choose(tab: Page, item: str) -> None:
    tab.get_by_role("button", name="Preferences").click()
    tab.get_by_role("menuitem", name=item).click()


def test_who_is_invited_joins_turns_the_second_factor_on_and_signs_in_with_it(open_tab: Open, filled: Service) -> None:
    tab, email = open_tab(filled), "carla@example.org"
    invited(filled, email)
    tab.goto(link_in_mail(filled, email, "invitation"))
    expect(tab.locator("input[name=name]")).to_be_focused()
    tab.get_by_label("Your name").fill("Carla")
    tab.get_by_label("A password").fill(PASSWORD)
    tab.get_by_role("button", name="Join").click()
    tab.wait_for_url(f"{filled.api_url}/app/")
    other = httpx.Client(base_url=filled.api_url, headers={"User-Agent": "another/1"}, timeout=30)
    assert other.post("/api/v1/sign-in", json={"email": email, "password": PASSWORD}).status_code == 200

    choose(tab, "Your account")
    tab.get_by_role("textbox", name="Name").fill("Carla C.")
    tab.get_by_role("button", name="Change the name").click()
    expect(tab.get_by_text("Your name is changed.")).to_be_visible()
    tab.get_by_role("button", name="End it: another/1").click()
    expect(tab.get_by_text("another/1")).to_have_count(0)
    assert other.get("/api/v1/me").status_code == 401

    card = tab.get_by_role("region", name="Second factor")
    card.get_by_role("button", name="Set it up").click()
    card.get_by_label("Your password", exact=True).fill("not it")
    card.get_by_role("button", name="Go on").click()
    expect(card.get_by_role("alert")).to_have_text("this is not your password")
    card.get_by_label("Your password", exact=True).fill(PASSWORD)
    card.get_by_role("button", name="Go on").click()
    expect(card.get_by_role("img", name="QR code for your app")).to_be_visible()
    device = pyotp.TOTP(card.locator("code.secret").inner_text())
    now = time.time()
    tab.keyboard.type(device.at(now))  # the field has the focus
    tab.keyboard.press("Enter")
    listed = card.get_by_role("list", name="Recovery codes").get_by_role("listitem")
    expect(listed).to_have_count(10)  # waits for the answer
    codes = listed.all_inner_texts()
    card.get_by_role("button", name="I have kept them").click()
    expect(card.get_by_role("heading")).to_have_text("Second factor on")

    for code in (device.at(now + 30), codes[3]):  # each code is good once: the next one, then one for a lost device
        choose(tab, "Sign out")
        expect(tab.get_by_role("status")).to_have_text("You are signed out.")
        sign_in(tab, email, PASSWORD)
        expect(tab.locator("input[name=code][inputmode=numeric]")).to_be_focused()  # waits for the answer
        if "-" in code:
            tab.get_by_text("Without your device?").click()
            tab.get_by_label("recovery codes").fill(code)
            tab.get_by_role("button", name="Sign in with recovery code").click()
        else:
            tab.keyboard.type(code)
            tab.keyboard.press("Enter")
        tab.wait_for_url(f"{filled.api_url}/app/")


def test_a_forgotten_password_is_chosen_again_by_a_link_that_is_good_once(open_tab: Open, filled: Service) -> None:
    tab, email = open_tab(filled), "dora@example.org"
    joined(filled, email, "member")
    tab.goto("/app/statistics")
    tab.get_by_role("link", name="Forgotten your password?").click()
    tab.get_by_label("Your e-mail").fill(email)
    tab.get_by_role("button", name="Send me a link").click()
    expect(tab.get_by_role("status")).to_contain_text("a mail with a link is on its way")
    link = link_in_mail(filled, email, "password-reset")
    tab.goto(link)
    expect(tab.locator("input[name=password]")).to_be_focused()
    tab.get_by_label("The new password").fill("aaaaaaaaaaaa")
    tab.get_by_role("button", name="Set it").click()
    expect(tab.get_by_role("alert")).to_be_visible()  # too easily guessed; the link is still good
    tab.get_by_label("The new password").fill(PASSWORD + "!")
    tab.get_by_role("button", name="Set it").click()
    expect(tab.get_by_role("status")).to_contain_text("Your new password counts")
    sign_in(tab, email, PASSWORD)
    expect(tab.get_by_role("alert")).to_contain_text("not known here")
    expect(tab.locator("input[name=password]")).to_be_focused()
    assert tab.get_by_label("E-mail").input_value() == email
    sign_in(tab, email, PASSWORD + "!")
    tab.wait_for_url(f"{filled.api_url}/app/")
    tab.goto(link)
    expect(tab.get_by_role("heading", name="This link is not good any more")).to_be_visible()
    expect(tab.get_by_role("button", name="Send me another link")).to_be_visible()


def test_what_was_typed_outlives_the_sign_in_that_ended(page: Page, filled: Service) -> None:
    page.goto("/app/?q=component%3Abank&from=all")
    page.get_by_role("button", name="Saved searches").click()
    page.get_by_label("Name of this search").fill("what I typed")
    page.context.clear_cookies()
    page.get_by_role("button", name="Save", exact=True).click()
    problem = page.locator(".save-form").get_by_role("alert")
    expect(problem).to_contain_text("your sign-in has ended")
    with page.expect_popup() as opened:
        problem.get_by_role("link", name="Sign in again in a new tab").click()
    sign_in(opened.value, filled.credentials["admin_email"], filled.credentials["admin_password"])
    expect(opened.value.get_by_text("You are signed in again")).to_be_visible()
    opened.value.close()
    expect(problem).to_contain_text("What you typed is still here")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.locator(".saved li", has_text="what I typed")).to_be_visible()
    for _ in range(2):
        page.get_by_role("button", name="Delete what I typed").click()


@contextmanager
def house(folder: Path) -> Iterator[Service]:
    """A service with a second app, and with the provider as a way in."""
    port = free_port()
    with tests.servers.oidc.running(f"http://127.0.0.1:{port}/sign-in/oidc/callback", CLAIMS) as provider:
        settings = {
            "LOGKEEP_OIDC_ISSUER": provider.url, "LOGKEEP_OIDC_CLIENT_ID": CLIENT_ID,
            "LOGKEEP_OIDC_CLIENT_SECRET": CLIENT_SECRET, "LOGKEEP_OIDC_NAME": "the company's door",
            "LOGKEEP_OIDC_DOMAINS": "example.org", "LOGKEEP_OIDC_TEAM": "main",
            "LOGKEEP_OIDC_ROLE": "read_only",
        }  # fmt: skip
        service = Service.start(folder / "data", settings=settings, api_port=port)
        try:
            made = {"app": "shop", "title": "The shop"}
            answer = httpx.post(f"{service.api_url}/api/v1/apps", json=made, headers=service.read_headers, timeout=30)
            assert answer.status_code == 201, answer.text
            yield service
        finally:
            service.kill_all()


def test_a_provider_lets_people_in_and_what_one_may_not_do_is_not_shown(open_tab: Open, tmp_path: Path) -> None:
    with house(tmp_path) as service:
        service.post({"session": "s", "key": "k", "value": "v", "component": "bank"})
        service.wait_until_drained()
        tab = open_tab(service)
        tab.goto("/app/?q=component%3Abank")
        tab.get_by_role("link", name="Sign in with the company's door").click()
        tab.goto(f"{tab.url}?login=anna")  # what the provider's own page would send
        expect(tab.locator(ROW)).to_have_count(1)
        expect(tab).to_have_url(f"{service.api_url}/app/?q=component%3Abank")
        tab.get_by_role("button", name="Saved searches").click()
        expect(tab.locator(".saved")).to_contain_text("you may look")  # read_only
        expect(tab.get_by_label("Name of this search")).to_have_count(0)
        tab.keyboard.press("Escape")
        choose(tab, "Your account")
        expect(tab.get_by_role("button", name="Set a password")).to_be_visible()  # she came without one
        tab.get_by_role("button", name="App: default").click()
        tab.get_by_role("menuitemradio", name="The shop (shop)").click()
        expect(tab.get_by_role("button", name="App: shop")).to_be_visible()

        members = f"{service.api_url}/api/v1/members"
        client = joined(service, "nobody@example.org", "member")
        me = client.get("/api/v1/me").json()["id"]
        nothing = {"app_roles": {"default": "none", "shop": "none"}}
        changed = httpx.patch(f"{members}/{me}", json=nothing, headers=service.read_headers, timeout=30)
        assert changed.status_code == 200, changed.text
        tab.context.clear_cookies()
        tab.goto("/app/")
        sign_in(tab, "nobody@example.org", PASSWORD)
        expect(tab.get_by_role("heading", name="There is no app yet that you may read")).to_be_visible()
        tab.get_by_role("link", name="your account").click()
        expect(tab.get_by_role("button", name="Ask for a code when I sign in")).to_be_visible()


@pytest.mark.parametrize(("scheme", "size"), [("light", WIDE), ("dark", PHONE)])
def test_the_ways_in_are_accessible_and_fit(
    open_tab: Open, filled: Service, scheme: Literal["light", "dark"], size: Any
) -> None:
    tab, email = open_tab(filled), f"fit-{scheme}@example.org"
    tab.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    tab.set_viewport_size(size)
    faults: list[str] = []
    link = invited(filled, email)
    for path in (
        "/sign-in?after=sign-out",
        "/password-reset",
        "/password-reset?secret=old",
        "/nothing",
        link,
        "/account",
    ):
        if path == "/account":
            tab.goto(link)
            tab.get_by_label("A password").fill(PASSWORD)
            tab.get_by_role("button", name="Join").click()
        tab.goto(path)
        if path == "/account":
            tab.locator("section", has_text="Second factor").get_by_label("Your password").fill(PASSWORD)
            tab.get_by_role("button", name="Ask for a code when I sign in").click()
        tab.evaluate(AXE.read_text())
        found = tab.evaluate(AXE_RUN)
        faults += [f"{path}: {fault['id']}" for fault in found["violations"]]
        if tab.evaluate("document.documentElement.scrollWidth") > size["width"]:
            faults.append(f"{path}: wider than {size['width']}")
    assert faults == []
