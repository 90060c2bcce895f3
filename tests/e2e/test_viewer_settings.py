"""The settings of the viewer in a real browser, on the real service: what an admin does, and what others are shown."""

import os
import re
import subprocess
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect
from tests.e2e.conftest import WAIT_MS, WIDE
from tests.service import LOGKEEP, Service, wait_for

KNOWN_S = 60.0  # for a new key at the receivers: metastore.refresh_s, on a loaded machine
APP = "settings-shop"
ROW = "tbody tr"


@pytest.fixture(scope="module")
def shop(filled: Service) -> str:
    """An app of this file's own, so that what is set here is nothing to the other files."""
    ask(filled, "POST", "/api/v1/apps", {"app": APP, "title": "Shop"})
    return APP


def ask(service: Service, method: str, path: str, body: Any = None) -> Any:
    answer = httpx.request(method, service.api_url + path, json=body, headers=service.read_headers, timeout=60)
    assert answer.is_success, answer.text
    return answer.json() if answer.content else None


def run(snippet: str, service: Service) -> None:
    """As a person pastes it into a shell, where `logkeep` is the one that is tested."""
    environment = service.environment() | {"PATH": f"{os.path.dirname(LOGKEEP)}:{os.environ['PATH']}"}
    subprocess.run(["bash", "-ec", snippet], env=environment, check=True, capture_output=True, timeout=60)


def sessions_of(service: Service, app: str) -> list[str]:
    return [event["session"] for event in service.search("", app=app)]


def test_an_app_and_its_key_are_made_and_every_snippet_sends_an_event(page: Page, filled: Service) -> None:
    page.goto("/app/settings/apps")
    page.get_by_label("Name").fill("Not A Name")
    page.get_by_role("button", name="Create the app").click()
    expect(page.locator(".field", has_text="Name").get_by_role("alert")).to_contain_text("is 1 to 63 of a-z")
    page.get_by_label("Name").fill("kiosk")
    page.get_by_role("button", name="Create the app").click()
    page.get_by_role("link", name="write key", exact=True).click()
    expect(page.get_by_text("No key yet")).to_be_visible()
    page.get_by_label("Name").fill("kiosk 1")
    page.get_by_role("button", name="Create the key").click()
    expect(page.locator(".first")).to_contain_text("Waiting for your first event")
    made = page.locator(".made")
    secret = made.locator(".secret code").inner_text()
    texts = {}
    for name in ("logkeep send", "Python", "UDP", "JavaScript", "HTTP (curl)"):
        made.get_by_role("button", name=name).click()
        texts[name] = made.locator(".snippet pre").inner_text()
        assert secret in texts[name]
    header = {"Authorization": f"Bearer {secret}"}
    wait_for(lambda: filled.post([], **header).status_code != 403, KNOWN_S, "the key to be known")
    run(texts["HTTP (curl)"], filled)
    expect(page.locator(".first.is-there")).to_contain_text("the first event")
    run(texts["logkeep send"], filled)
    run(f"python3 - <<'END'\n{texts['Python']}\nEND", filled)
    run(texts["UDP"], filled)
    run(f"node --input-type=module - <<'END'\n{texts['JavaScript']}\nEND", filled)
    wait_for(lambda: len(sessions_of(filled, "kiosk")) == 5, 30, "an event of each way")
    assert len(set(sessions_of(filled, "kiosk"))) == 1
    page.get_by_role("link", name="look at it").click()
    expect(page.locator(".event-page .open-event")).to_contain_text("the first event")
    expect(page.locator(".who")).to_have_text("kiosk")
    page.goto("/app/settings/apps?app=default")
    page.locator(ROW, has_text="kiosk").get_by_role("button", name="Archive").click()
    expect(page.get_by_role("dialog")).to_contain_text("All its write keys are refused")
    page.get_by_role("button", name="Archive it").click()
    expect(page.locator(ROW, has_text="kiosk")).to_contain_text("archived")
    wait_for(lambda: filled.post([], **header).status_code == 403, KNOWN_S, "the key to be refused")


def test_a_key_is_changed_rotated_and_revoked_and_two_admins_do_not_overwrite_each_other(
    page: Page, filled: Service, shop: str
) -> None:
    key = ask(filled, "POST", f"/api/v1/apps/{shop}/keys", {"name": "till"})
    page.goto(f"/app/settings/keys?app={shop}")
    till = page.locator(ROW, has_text="till")
    till.get_by_role("button", name="Change").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Allowed origins").fill("shop.example")
    dialog.get_by_role("button", name="Save").click()
    expect(dialog.locator(".field", has_text="Allowed origins").get_by_role("alert")).to_contain_text("is no origin")
    ask(filled, "PATCH", f"/api/v1/apps/{shop}/keys/{key['key']}", {"name": "till of somebody else"})
    dialog.get_by_label("Allowed origins").fill("https://shop.example")
    dialog.get_by_role("button", name="Save").click()
    expect(dialog.get_by_role("alert")).to_contain_text("Somebody else has changed this meanwhile")
    dialog.get_by_role("button", name="Show it as it is now").click()
    expect(till).to_contain_text("till of somebody else")
    till.get_by_role("button", name="Change").click()
    dialog.get_by_label("Allowed origins").fill("https://shop.example")
    dialog.get_by_role("button", name="Save").click()
    expect(till).to_contain_text("https://shop.example")
    till.get_by_role("button", name="Rotate").click()
    dialog.get_by_role("button", name="Rotate").click()
    expect(page.locator(".made .switch button")).to_have_text(["JavaScript"])  # bound to pages: no other way in
    page.get_by_role("button", name="I have kept the key").click()
    expect(till).to_have_count(2)
    till.first.get_by_role("button", name="Revoke").click()
    expect(dialog).to_contain_text("what it sends is lost")
    dialog.get_by_role("button", name="Revoke it").click()
    expect(till).to_have_count(1)


def test_limits_are_set_with_their_use_and_fewer_days_are_asked_about(page: Page, filled: Service, shop: str) -> None:
    path = f"/api/v1/apps/{shop}/limits"
    page.goto(f"/app/settings/limits?app={shop}")
    expect(page.get_by_text("Nothing is limited, so nothing is counted here")).to_be_visible()
    page.get_by_label("Events a day", exact=True).fill("lots")
    expect(page.get_by_role("button", name="Save the limits")).to_be_disabled()
    page.get_by_label("Events a day", exact=True).fill("1,000")
    page.get_by_role("button", name="Add a component").click()
    page.get_by_label("Events a day of it").fill("10")
    expect(page.get_by_text("Say which component, or remove the row.")).to_be_visible()
    expect(page.get_by_role("button", name="Save the limits")).to_be_disabled()
    page.get_by_label("Component", exact=True).fill("debug-agent")
    page.get_by_role("button", name="Add a component").click()
    page.get_by_label("Component", exact=True).last.fill("debug-agent")
    expect(page.get_by_text("debug-agent has two rows: keep one of them.")).to_have_count(2)
    expect(page.get_by_role("button", name="Save the limits")).to_be_disabled()
    page.locator(".component-limits").last.get_by_role("button", name="Remove").click()
    page.get_by_role("button", name="Save the limits").click()
    expect(page.get_by_text("Saved; it counts everywhere")).to_be_visible()
    expect(page.get_by_role("meter", name="Events: 0 % used")).to_be_visible()
    ask(filled, "PUT", path, {"limits": {"events_per_day": 2000}})
    for refused, why in (("4000", "it takes 3650 at most"), ("0.5", "it takes a whole number")):  # nothing to ask about
        page.get_by_label("Days kept").fill(refused)
        page.get_by_role("button", name="Save the limits").click()
        expect(page.locator(".field", has_text="Days kept").get_by_role("alert")).to_contain_text(why)
    expect(page.get_by_text("Saved; it counts everywhere")).to_have_count(0)
    page.get_by_label("Days kept").fill("3")
    expect(page.locator(".field", has_text="Days kept").get_by_role("alert")).to_have_count(0)
    page.get_by_role("button", name="Save the limits").click()
    expect(page.get_by_role("dialog")).to_contain_text("erased for good")
    page.get_by_role("button", name="Erase what is older").click()
    expect(page.get_by_role("alert")).to_contain_text("Somebody else has changed this meanwhile")
    page.get_by_role("button", name="Show it as it is now").click()
    expect(page.get_by_label("Events a day", exact=True)).to_have_value("2000")
    page.get_by_label("Days kept").fill("3")
    page.get_by_role("button", name="Save the limits").click()
    page.get_by_role("button", name="Erase what is older").click()
    expect(page.get_by_text("Events are kept for 3 days")).to_be_visible()
    assert ask(filled, "GET", path)["limits"]["events_per_day"] == 2000
    key = ask(filled, "POST", f"/api/v1/apps/{shop}/keys", {"name": "busy"})["secret"]

    def is_counted() -> bool:
        filled.post([{"session": "busy", "key": "k", "value": 1}] * 100, Authorization=f"Bearer {key}")
        return int(ask(filled, "GET", path)["use"]["events_per_day"]["used"]) >= 100

    wait_for(is_counted, KNOWN_S, "what was sent to be counted")
    page.reload()
    expect(page.get_by_role("meter", name=re.compile("Events: [1-9]"))).to_be_visible()
    expect(page.locator(".use").first).to_contain_text("All of it is there again in")


def test_masking_is_tried_before_it_is_saved(page: Page, filled: Service, shop: str) -> None:
    page.goto(f"/app/settings/masking?app={shop}")
    fields = page.locator(".field", has_text="Fields whose values are masked whole")
    before = fields.locator("textarea").input_value()
    fields.locator("textarea").fill(f"{before}\ncard number")
    page.get_by_role("button", name="Save the rules").click()
    expect(fields.get_by_role("alert")).to_contain_text("“card number”: it takes")
    assert "card" not in ask(filled, "GET", f"/api/v1/apps/{shop}/masking")["rules"]["fields"]
    fields.locator("textarea").fill(before)
    page.get_by_label("A line of your logs").fill("pin=1234 from anna@example.org DE12345678901234567890")
    tried = page.locator(".tried")
    expect(tried).to_have_text("pin=1234 from anna@example.org DE12345678901234567890")
    page.get_by_role("checkbox", name="email").check()
    page.get_by_role("button", name="Add a pattern").click()
    page.get_by_label("Name of the pattern").fill("iban")
    page.get_by_label("Expression of iban").fill("DE[0-9]{20")
    expect(tried.get_by_role("alert")).to_contain_text("iban")
    page.get_by_label("Expression of iban").fill("DE[0-9]{20}")
    expect(tried).to_have_text("pin=1234 from [masked] [iban]")
    assert ask(filled, "GET", f"/api/v1/apps/{shop}/masking")["rules"]["patterns"] == []
    page.get_by_role("button", name="Save the rules").click()
    expect(page.get_by_text("Saved; they count")).to_be_visible()
    rules = ask(filled, "GET", f"/api/v1/apps/{shop}/masking")["rules"]
    assert (rules["builtin"], rules["patterns"]) == (["bearer", "email"], [{"name": "iban", "pattern": "DE[0-9]{20}"}])


def test_a_source_is_blocked_and_listened_to_again(page: Page, filled: Service, shop: str) -> None:
    page.goto(f"/app/settings/blocked?app={shop}")
    page.get_by_label("What", exact=True).select_option("address")
    page.get_by_label("Which").fill("not an address")
    page.get_by_label("Reason").fill("floods us")
    page.get_by_role("button", name="Block it").click()
    expect(page.get_by_role("alert")).to_contain_text("address")
    page.get_by_label("Which").fill("192.0.2.0/24")
    page.get_by_role("button", name="Block it").click()
    block = page.locator(ROW, has_text="192.0.2.0/24")
    expect(block).to_contain_text("floods us")
    block.get_by_role("button", name="Lift").press("Enter")
    page.get_by_role("button", name="Lift the block").press("Enter")
    expect(page.get_by_text("Nothing is blocked.")).to_be_visible()
    expect(page.locator("section", has_text="Nothing is blocked.")).to_be_focused()


def test_people_are_invited_and_a_token_is_made_used_and_revoked_all_in_the_audit_log(
    page: Page, filled: Service, shop: str
) -> None:
    page.goto("/app/settings/members")
    page.get_by_label("E-mail").fill("bert@example.org")
    page.get_by_label("Role", exact=True).select_option("owner")
    page.get_by_role("button", name="Invite").click()
    expect(page.locator(".secret code")).to_contain_text("/invitation?secret=")
    expect(page.get_by_label("Role", exact=True)).to_have_value("member")
    page.get_by_label("E-mail").fill("bert@example.org")
    expect(page.get_by_text("They are invited already, as owner")).to_be_visible()
    page.get_by_label("E-mail").fill("admin@localhost")
    expect(page.get_by_text("They are in the team already, as owner")).to_be_visible()
    page.get_by_label("E-mail").fill("bert@nowhere@example")
    page.locator("form", has_text="E-mail").evaluate("form => { form.noValidate = true; form.requestSubmit() }")
    expect(page.locator(".field", has_text="E-mail").get_by_role("alert")).to_be_visible()
    expect(page.locator(".secret code")).to_have_count(0)
    bert = page.locator(ROW, has_text="bert@example.org")
    expect(bert).to_contain_text("admin@localhost")
    bert.get_by_role("button", name="Withdraw").click()
    page.get_by_role("button", name="Withdraw it").click()
    expect(page.get_by_text("Nobody is invited now.")).to_be_visible()
    owner = page.locator(ROW, has_text="admin@localhost")
    owner.get_by_role("button", name="Change").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Role in the team").select_option("member")
    expect(dialog).to_contain_text("you cannot give back to yourself")
    dialog.get_by_role("button", name="Save").click()
    expect(dialog.get_by_role("alert")).to_contain_text("the last owner of the team")
    page.goto("/app/settings/tokens")
    page.get_by_label("Name").fill("dashboard")
    page.get_by_label("Good for").select_option(shop)
    page.get_by_role("button", name="Create the token").click()
    command = page.locator(".made .snippet pre").inner_text()
    run(command.replace("curl ", "curl --fail "), filled)
    token = page.locator(ROW, has_text="dashboard")
    expect(token).to_contain_text("read")
    token.get_by_role("button", name="Revoke").click()
    page.get_by_role("button", name="Revoke it").click()
    expect(token).to_have_count(0)
    page.goto("/app/settings/audit")
    page.get_by_label("what").fill("token.revoked")
    entry = page.locator(ROW)
    expect(entry).to_have_count(1)
    expect(entry).to_contain_text("dashboard")
    expect(page).to_have_url(re.compile(re.escape("what=token.revoked")))


def test_who_may_only_read_is_shown_no_more_than_that(browser: Browser, filled: Service, shop: str) -> None:
    invited = ask(filled, "POST", "/api/v1/invitations", {"email": "rita@example.org", "role": "read_only"})
    secret = invited["link"].partition("secret=")[2]
    context = browser.new_context(base_url=filled.api_url, viewport=WIDE)
    account = {"secret": secret, "name": "Rita", "password": "a sentence nobody guesses"}
    joined = context.request.post("/api/v1/invitations/accept", data=account)
    assert joined.ok, joined.text()
    person = joined.json()["person"]
    tab = context.new_page()
    tab.set_default_timeout(WAIT_MS)
    tab.goto("/app/")
    tab.get_by_role("button", name="Preferences").click()
    tab.get_by_role("menuitem", name="Settings").click()
    sections = tab.get_by_role("navigation", name="settings").get_by_role("link")
    expect(sections).to_have_text(["Limits and use", "Masking", "Blocked sources", "Apps", "API tokens"])
    for path in ("limits", "masking", "blocked", "apps"):
        tab.goto(f"/app/settings/{path}?app={shop}")
        expect(tab.locator(".settings-main h1")).to_be_visible()
        expect(tab.locator(".settings-main .skeleton")).to_have_count(0)
        expect(tab.locator(".settings-main button")).to_have_count(0)
    tab.goto("/app/settings/audit")
    expect(tab.get_by_text("There is nothing here for you")).to_be_visible()
    tab.goto("/app/settings/blocks")
    expect(tab.get_by_text("There is no such page")).to_be_visible()
    context.close()
    ask(filled, "DELETE", f"/api/v1/members/{person}")
