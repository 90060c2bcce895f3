"""What the viewer is looked at with: real log lines, and the story of a shop with everything a page can show."""

import os
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
from tests.service import LOGKEEP, Service, wait_for

LOGHUB = Path(__file__).parents[3] / "shared" / "data" / "loghub"
SESSION = "order-7f3a2c/é"
CRASHED = "order-9d20aa"
HOSTILE = (
    "<script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">"
    "\u202egnp\x00\x1b[31mred\x1b[0m"
)
DECLINED = "card declined: timed out after 190 s\n" + "  at Bank.charge(Bank.java:93)\n" * 40
LONG_CHARS = 200_000  # an event has at most 256 KiB


def fill(service: Service) -> None:
    """Everything is stored on return. The eight real files where they lie beside the clone, else generated events."""
    environment = service.environment() | {
        "LOGKEEP_INTAKE_PORT": str(service.intake_port), "LOGKEEP_API_PORT": str(service.api_port),
        "LOGKEEP_DATA": str(service.folder),
    }  # fmt: skip
    command = [LOGKEEP, "demo", "--loghub", str(LOGHUB)]
    subprocess.run(command, env=environment, check=True, capture_output=True, timeout=200)
    now = datetime.now(UTC)
    for batch in (story(now), numbers(now), hostile(now)):
        answer = service.post(batch)
        assert answer.status_code == 202, answer.text
    service.post([{"session": "refused", "value": "an event without a key"}])
    tell(service, "/v1/devices", devices())
    tell(service, "/v1/issues", issues(now))
    service.wait_until_drained()
    wait_for(lambda: len(service.get("/api/v1/issues").json()["issues"]) == 4, 60, "the issues to be counted")


def tell(service: Service, path: str, body: Any) -> None:
    answer = httpx.post(f"{service.intake_url}{path}", json=body, headers=service.write_headers, timeout=30)
    assert answer.status_code == 202, answer.text


def story(now: datetime) -> list[dict[str, Any]]:
    """Three sessions of one user: an order that fails at the payment, after a silence, and one before and after."""
    begin = now - timedelta(minutes=12)
    steps = [
        (0, "app", "info", "screen", "cart opened"),
        (2, "app", "info", "tap", {"button": "pay", "items": [{"sku": "A-1", "price": 19.9}, {"sku": "B-7"}]}),
        (3, "proxy", "info", "http.request", {"path": "/v1/payments", "status": 202, "took_ms": 41}),
        (4, "bank", "info", "charge", "card 4242 is charged 24.90 EUR"),
        (9, "bank", "warn", "charge.retry", "bank answered 503, try 2 of 3"),
        (200, "bank", "error", "charge", DECLINED),
        (201, "proxy", "error", "http.request", {"path": "/v1/payments", "status": 504, "took_ms": 197_003}),
        (203, "app", "fatal", "crash", "Unhandled rejection: payment is null"),
    ]  # fmt: skip
    events = [
        {
            "session": SESSION, "user": "ada@example.org", "device": "pixel-8-11", "component": component,
            "level": level, "key": key, "value": value, "time": at(begin, second),
            "attributes": {"app_version": "7.6.9", "region": "eu-central-1", "trace": f"t-{second:04}"},
        }
        for second, component, level, key, value in steps
    ]  # fmt: skip
    for name, minutes in (("order-1b09d1", 90), ("order-c41e77", 3)):
        events.append(
            {
                "session": name, "user": "ada@example.org", "device": "pixel-8-11", "component": "app", "level": "info",
                "key": "screen", "value": "start", "time": at(now, -60 * minutes),
            }
        )  # fmt: skip
    steps = [(-660, "cart opened"), (-651, "pay tapped"), (-602, "pay tapped again"), (-595, "started after a crash")]
    return events + [
        {
            "session": CRASHED, "user": "bo@example.org", "device": "iphone-15-3", "component": "app", "level": "info",
            "key": "screen", "value": value, "time": at(now, second),
        }
        for second, value in steps
    ]  # fmt: skip


def devices() -> list[dict[str, Any]]:
    """Three that tell what they are, the last one with a hostile name."""
    return [
        {
            "device": "pixel-8-11", "name": "Ada's phone", "model": "Pixel 8", "os": "Android", "os_version": "16",
            "app_version": "7.6.9", "language": "de-AT", "sdk": "logkeep-kotlin 1.0", "user": "ada@example.org",
            "keys": {"plan": "gold", "level": 5, "beta": True},
        },
        {
            "device": "iphone-15-3", "name": "Bo's iPhone", "model": "iPhone 15", "os": "iOS", "os_version": "18.1",
            "app_version": "7.6.8", "language": "en-GB", "user": "bo@example.org", "keys": {"plan": "free"},
        },
        {"device": "till-4", "name": HOSTILE, "model": "Till <b>4</b>", "os": "Linux", "keys": {"shop": HOSTILE}},
    ]  # fmt: skip


STACK = (
    "java.lang.IllegalStateException: no amount\n\tat com.shop.Cart.pay(Cart.java:88)\n"
    "\tat com.shop.Screen.tap(Screen.java:41)\n" + "\tat android.os.Handler.dispatchMessage(Handler.java:106)\n" * 9
)


def issues(now: datetime) -> list[dict[str, Any]]:
    """A crash that happened three times, one of them in CRASHED; an issue, somebody's words, and a hostile one."""
    bo = {"device": "iphone-15-3", "user": "bo@example.org", "component": "app", "app_version": "7.6.8"}
    crash = {"kind": "crash", "stack": STACK}
    return [
        crash | bo | {"session": "order-51be07", "time": at(now, -7200), "id": "crash-1"},
        crash | {"session": "till-4-day", "device": "till-4", "app_version": "7.6.9", "time": at(now, -3600)},
        crash | bo | {"session": CRASHED, "time": at(now, -600), "id": "crash-3"},
        bo | {"session": CRASHED, "title": "Payment took 190 s", "text": "**twice** today", "time": at(now, -650)},
        bo
        | {
            "session": CRASHED, "kind": "feedback", "title": "The pay button does nothing",
            "text": "I tapped it *five times*.\nThen it closed.", "time": at(now, -590),
        },
        {"session": "hostile-issue", "kind": "feedback", "title": HOSTILE, "text": HOSTILE, "user": HOSTILE},
    ]  # fmt: skip


def numbers(now: datetime) -> list[dict[str, Any]]:
    """A numeric key over twelve hours, slower in the end."""
    return [
        {
            "session": f"metrics-{index % 7}", "component": "checkout", "level": "debug", "key": "checkout.ms",
            "value": 80 + (index * 37) % 120 + (900 if index % 19 == 0 else 0) + max(0, index - 600),
            "time": at(now, -43_200 + index * 60),
        }
        for index in range(720)
    ]  # fmt: skip


def hostile(now: datetime) -> list[dict[str, Any]]:
    """Lines that try to act: as markup, as terminal codes, by direction, by length."""
    base = {"session": "hostile", "level": "warn", "component": "attacker", "time": at(now, -30)}
    return [
        base | {"key": "markup", "value": HOSTILE, "user": HOSTILE, "attributes": {HOSTILE: HOSTILE}},
        base | {"key": "long", "value": "long line " + "x" * LONG_CHARS, "time": at(now, -29)},
        base | {"key": "ansi", "value": "\x1b[1;32mok\x1b[0m plain \x1b]0;title\x07", "time": at(now, -28)},
        base | {"key": "deep", "value": {"a": {"b": {"c": {"d": [HOSTILE] * 3}}}}, "time": at(now, -27)},
    ]


def at(moment: datetime, seconds: float) -> str:
    return (moment + timedelta(seconds=seconds)).isoformat().replace("+00:00", "Z")


def has_real_logs() -> bool:
    return LOGHUB.is_dir() and bool(os.listdir(LOGHUB))
