"""What the viewer is looked at with: real log lines, and the story of a shop with everything a page can show."""

import os
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tests.service import LOGKEEP, Service

LOGHUB = Path(__file__).parents[3] / "shared" / "data" / "loghub"
SESSION = "order-7f3a2c/é"
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
    service.wait_until_drained()


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
    return events


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
