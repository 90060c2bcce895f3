"""What goes wrong around a running service, and ends well."""

import os
import signal
from collections.abc import Callable
from pathlib import Path

import httpx
from tests.metastore import make_read_only, make_writable
from tests.service import Service, wait_for

Start = Callable[..., Service]
MIB = 1 << 20


def batch(name: str, count: int, padding: int = 0) -> list[dict[str, object]]:
    return [{"session": name, "key": f"k{n}", "value": f"v{n}" + "x" * padding} for n in range(count)]


def balanced(ledger: dict[str, object]) -> bool:
    parts = [ledger[name] for name in ("stored", "over_quota", "expired", "queued")]
    return ledger["received"] == sum(parts) + sum(ledger["rejected"].values())  # type: ignore[arg-type, attr-defined, call-overload]


def test_a_full_queue_refuses_with_retry_after_and_takes_again_once_it_is_emptied(start_service: Start) -> None:
    service = start_service(LOGKEEP_QUEUE_BYTES_MAX=str(2 * MIB), LOGKEEP_QUEUE_SEGMENT_BYTES_MAX="65536")
    keeper = service.pids("keeper")[0]
    os.kill(keeper, signal.SIGSTOP)
    accepted = 0
    try:
        for number in range(60):
            answer = service.post(batch(f"full-{number}", 10, padding=10_000))
            if answer.status_code == 503:
                break
            assert answer.status_code == 202, answer.text
            accepted += 10
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "queue_full")
        assert int(answer.headers["retry-after"]) >= 1
        assert httpx.get(f"{service.intake_url}/health/ready").status_code == 503
    finally:
        os.kill(keeper, signal.SIGCONT)
    ledger = service.wait_until_drained()
    assert (ledger["stored"], balanced(ledger)) == (accepted, True)
    wait_for(lambda: service.post(batch("after", 1)).status_code == 202, 30.0, "intake to take events again")


def test_a_damaged_byte_in_a_segment_costs_its_record_and_nothing_else(start_service: Start) -> None:
    service = start_service()
    os.kill(service.pids("keeper")[0], signal.SIGSTOP)
    for name in ("first", "second", "third"):
        assert service.post(batch(name, 3)).status_code == 202
    service.kill_all()
    damage(service.folder, b'"second"')
    service.start_again()
    service.wait_for_events("session:first or session:third", 6)
    ledger = service.wait_until_drained()
    assert (ledger["stored"], balanced(ledger)) == (6, True)
    assert service.search("session:second") == []
    metrics = httpx.get(f"{service.api_url}/metrics").text
    assert "logkeep_queue_corrupt_records_total 1.0" in metrics
    assert service.post(batch("fourth", 2)).status_code == 202
    service.wait_for_events("session:fourth", 2)


def damage(folder: Path, near: bytes) -> None:
    """One byte of the queue, within the record that holds `near`, is another one."""
    for segment in (folder / "queue").rglob("*.log"):
        content = bytearray(segment.read_bytes())
        if (at := content.find(near)) >= 0:
            content[at + 1] ^= 0x20
            segment.write_bytes(content)
            return
    raise AssertionError(f"{near!r} stands in no segment")


def test_a_service_starts_on_a_metastore_that_can_only_be_read_or_not_at_all(start_service: Start) -> None:
    service = start_service()
    file, aside = service.folder / "metastore.db", service.folder / "aside.db"
    assert service.post(batch("before", 1)).status_code == 202
    service.wait_for_events("session:before", 1)
    assert service.terminate() == 0
    make_read_only(service.folder)
    service.start_again()
    assert service.post(batch("read-only", 2)).status_code == 202
    service.wait_for_events("session:read-only", 2)

    def degraded() -> str:
        answer = httpx.get(f"{service.api_url}/health/ready")
        return "; ".join(answer.json().get("degraded", [])) if answer.status_code == 200 else answer.text

    wait_for(lambda: "refused every change" in degraded(), 60, "the health to tell it", degraded)
    assert service.terminate() == 0
    file.rename(aside)
    file.mkdir()
    service.start_again()
    assert service.post(batch("unreadable", 3)).status_code == 202
    service.wait_for_events("session:unreadable", 3)
    unknown = httpx.post(f"{service.intake_url}/v1/events", json=[], headers={"X-Logkeep-Key": "lkw_unknown"})
    assert (unknown.status_code, unknown.json()["error"]["code"]) == (503, "metastore_unavailable")
    assert service.terminate() == 0
    file.rmdir()
    aside.rename(file)
    make_writable(service.folder)
    service.start_again()
    assert httpx.get(f"{service.api_url}/health/ready").json() == {"status": "ready"}
    assert service.wait_until_drained()["stored"] == 6
