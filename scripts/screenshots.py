"""Pictures of every page of the viewer, light, dark and narrow, into docs/images: `make screenshots`. Look at them.

The real service on a folder of its own, filled with the real logs beside the clone where they are (else generated ones)
and the story that the browser tests tell.
"""

import base64
import sys
import tempfile
from pathlib import Path
from typing import Any
from urllib.parse import quote

from playwright.sync_api import Browser, Page, sync_playwright

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tests.e2e.conftest import FLAGS, WIDE  # noqa: E402
from tests.e2e.test_pages import PHONE  # noqa: E402
from tests.e2e.viewer_data import CRASHED, SESSION, fill  # noqa: E402
from tests.programs import require_program  # noqa: E402
from tests.service import Service, running  # noqa: E402

IMAGES = ROOT / "docs" / "images"
QUALITY = 60  # of WebP: text stays sharp, a picture has some 40 KB
SETTLE_MS = 800
TIMEOUT_MS = 120_000
SESSION_QUERY = "session%3D" + quote(f'"{SESSION}"')
PLACES = {
    "search": "/app/?from=-3d",
    "event": f"/app/?from=all&q={SESSION_QUERY}",
    "tail": "/app/tail",
    "session": "/app/session?session=" + quote(SESSION, safe=""),
    "sessions": "/app/sessions",
    "devices": "/app/devices",
    "device": "/app/device?device=iphone-15-3",
    "remote": "/app/remote",
    "issues": "/app/issues",
    "issue": "/app/issues?kind=crash",
    "crash": "/app/session?session=" + CRASHED,
    "user": "/app/user?user=" + quote("ada@example.org"),
    "patterns": "/app/patterns?from=-3d",
    "statistics": "/app/statistics?key=checkout.ms",
    "table": "/app/?from=all&q=" + quote("level>=warn | count by component | sort count desc"),
    "account": "/app/account",
    "settings-keys": "/app/settings/keys",
    "settings-limits": "/app/settings/limits",
    "settings-audit": "/app/settings/audit",
    "nothing": "/app/?q=" + quote("nowhere level>=warn"),
}
LOOKS: dict[str, dict[str, Any]] = {
    "light": {"color_scheme": "light", "viewport": WIDE},
    "dark": {"color_scheme": "dark", "viewport": WIDE},
    "narrow": {"color_scheme": "light", "viewport": PHONE},
}


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, running(Path(folder, "data")) as service, sync_playwright() as tool:
        fill(service)
        browser = tool.chromium.launch(executable_path=require_program("chromium"), args=FLAGS)
        for look, options in LOOKS.items():
            take_all(browser, service, look, options)
        browser.close()


def take_all(browser: Browser, service: Service, look: str, options: dict[str, Any]) -> None:
    context = browser.new_context(base_url=service.api_url, reduced_motion="reduce", **options)
    page = context.new_page()
    page.set_default_timeout(TIMEOUT_MS)
    page.goto("/sign-in")
    page.get_by_text("Sign in with an API token").click()
    page.get_by_label("API token").fill(service.credentials["api_token"])
    page.get_by_role("button", name="Sign in with token").click()
    for name, path in PLACES.items():
        page.goto(path)
        page.wait_for_function(
            "() => document.querySelector('main') && !document.querySelector('.skeleton, .bone, .row.brief')"
        )
        arrange(page, name, service)
        page.wait_for_timeout(SETTLE_MS)
        take(page, IMAGES / f"viewer-{name}-{look}.webp")
    context.close()


def arrange(page: Page, name: str, service: Service) -> None:
    """What makes a place worth a picture."""
    if name == "event":
        page.locator(".row[data-row]", has_text="declined").click()
        page.get_by_role("button", name="context").click()
    if name == "issue":
        page.locator("table.issues a").click()
        page.locator(".occurrence pre").wait_for()
    if name == "tail":
        page.locator(".live-live").wait_for()
        beat = {"session": "heart", "key": "beat", "component": "terminal", "level": "info"}
        service.post([beat | {"value": f"reading {number} of 40: 21.{number} °C"} for number in range(40)])
        page.locator(".row[data-row]", has_text="reading 39").wait_for()


def take(page: Page, path: Path) -> None:
    picture = page.context.new_cdp_session(page).send("Page.captureScreenshot", {"format": "webp", "quality": QUALITY})
    path.write_bytes(base64.b64decode(picture["data"]))


if __name__ == "__main__":
    main()
