"""docs/how-to/from-one-machine-to-many.md, executed as it stands between two running services."""

import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.service import Service
from tests.style.tree import ROOT

HOW_TO = ROOT / "docs/how-to/from-one-machine-to-many.md"
VALUES: list[Any] = ["plain text", "=1+1", "“täg”\n\tline", 42, -0.5, 1e300, True, False, None, {"a": [1, "b"]}, [], ""]


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[tuple[Service, Service]]:
    services: list[Service] = []
    try:
        services += [Service.start(tmp_path / name) for name in ("old", "new")]
        yield services[0], services[1]
    finally:
        for service in services:
            service.kill_all()


@pytest.mark.slow
def test_all_that_one_service_shows_the_other_shows_after_the_copy(
    pair: tuple[Service, Service], tmp_path: Path
) -> None:
    old, new = pair
    fill(old)
    shown = comparable(old)
    assert len(shown) == len(VALUES) * 3 + 3  # a datagram, an update, what came after it; two are replaced

    copy = folder(tmp_path, "copy")
    output = run(blocks()[0] + blocks()[1], copy, old, new)
    assert "the same events on every day" in output
    assert comparable(new) == shown

    run(blocks()[0], folder(tmp_path, "again"), old, new)
    ledger = new.wait_until_drained()
    assert comparable(new) == shown
    assert (ledger["stored"], list(ledger["rejected"])) == (len(shown), ["duplicate"])


def fill(service: Service) -> None:
    """Events of three days with every kind of value, and updates: in time, twice, and late."""
    now = datetime.now(UTC)
    events = [
        {
            "id": f"old-{day}-{number}", "session": f"s{day}", "key": f"k{number}", "value": value, "level": "warn",
            "component": "shop", "user": "anna", "device": "phone 1", "attributes": {"n": number, "ok": True, "o": "ä"},
            "time": f"{now - timedelta(days=day, minutes=number):%Y-%m-%dT%H:%M:%S}.{number:09d}Z",
        }
        for day in range(3)
        for number, value in enumerate(VALUES)
    ]  # fmt: skip
    service.post(events)
    service.post([{"id": "udp", "session": "s0", "key": "datagram", "value": 1, "client": "c", "seq": 7}])
    yesterday = now - timedelta(days=1)
    for number in range(2):
        put(service, yesterday + timedelta(minutes=number), value=f"update {number}", update=True)
    put(service, yesterday, session="s1", key="k0", value="replaced", update=True)
    put(service, yesterday - timedelta(days=1), value="came after the update, with an older time")


def put(service: Service, at: datetime, **members: Any) -> None:
    """One event that arrives after all before it."""
    event = {"session": "updated", "key": "state", "time": at.isoformat(), **members}
    assert service.post(event).status_code == 202
    service.wait_until_drained()


def comparable(service: Service) -> dict[str, dict[str, Any]]:
    """What is shown by id, without what a copy cannot keep."""
    events = service.search("", **{"from": "-9d"})
    return {e["id"]: {n: v for n, v in e.items() if n not in ("received", "app")} for e in events}


def blocks() -> list[str]:
    found = re.findall(r"^```sh\n(.*?)^```$", HOW_TO.read_text(), re.MULTILINE | re.DOTALL)
    assert len(found) == 2 and "DAYS=15" in found[0]
    return [found[0].replace("DAYS=15", "DAYS=2"), found[1]]


def folder(parent: Path, name: str) -> Path:
    made = parent / name
    made.mkdir()
    return made


def run(script: str, cwd: Path, old: Service, new: Service) -> str:
    variables = {
        "OLD_API": old.api_url, "OLD_TOKEN": old.credentials["api_token"],
        "NEW_API": new.api_url, "NEW_TOKEN": new.credentials["api_token"],
        "NEW_INTAKE": new.intake_url, "NEW_KEY": new.credentials["app_key"],
    }  # fmt: skip
    bin_folder = Path(sys.executable).parent
    environment = old.environment() | variables
    environment["PATH"] = f"{bin_folder}:{environment['PATH']}"
    done = subprocess.run(
        ["bash", "-eu", "-c", script], cwd=cwd, env=environment, capture_output=True, text=True, timeout=240
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr
