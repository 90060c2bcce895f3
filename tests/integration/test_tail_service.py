"""Tail and export of the real service: across restarts, on the command line, and from one service into another."""

import json
import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
from tests.service import LOGKEEP, Service, wait_for
from tests.sse import Reader


def beside(service: Service) -> dict[str, str]:
    ports = {"LOGKEEP_INTAKE_PORT": str(service.intake_port), "LOGKEEP_API_PORT": str(service.api_port)}
    return service.environment() | ports | {"LOGKEEP_DATA": str(service.folder)}


def send(service: Service, first: int, count: int, **fields: Any) -> list[str]:
    ids = [f"e-{number}" for number in range(first, first + count)]
    answer = service.post([{"session": "s", "key": "k", "value": "tick", "id": one, **fields} for one in ids])
    assert answer.status_code == 202, answer.text
    return ids


def test_an_acknowledged_event_is_in_the_tail_and_a_reader_goes_on_across_a_restart(
    start_service: Callable[..., Service],
) -> None:
    service = start_service()
    reader = Reader(service.api_url, service.read_headers, query="tick").begin()
    ids = send(service, 1, 3)
    assert reader.until(ids[-1]) == (ids, [])  # in the order of the request, though ids sort otherwise
    ids = send(service, 9, 3)
    assert reader.until(ids[0]) == (ids[:1], [])
    place = reader.last_id
    assert service.terminate() == 0
    reader.until_end()
    service.start_again()
    ids += send(service, 20, 2)
    again = Reader(service.api_url, {**service.read_headers, "Last-Event-ID": place}, query="tick")
    assert again.until(ids[-1]) == (ids[1:], [])
    later = send(service, 30, 1, update=True)
    assert again.until(later[-1]) == (later, [])

    (keeper,) = service.pids("keeper")
    place = again.last_id
    os.kill(keeper, signal.SIGKILL)
    again.close()
    wait_for(lambda: service.pids("keeper") not in ([], [keeper]), 60, "the keeper to be started again")
    service.wait_until_ready()
    ids = send(service, 40, 2)
    third = Reader(service.api_url, {**service.read_headers, "Last-Event-ID": place}, query="tick")
    assert third.until(ids[-1]) == (ids, [])


def test_the_command_line_tails_reconnects_and_ends_with_ctrl_c(
    start_service: Callable[..., Service], tmp_path: Path
) -> None:
    service = start_service()
    out, err = tmp_path / "out", tmp_path / "err"
    command = [LOGKEEP, "tail", "-f", "tick", "--format", "ndjson"]
    # What is started in the background of a shell ignores Ctrl-C, and so would all that it starts.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    with out.open("wb") as output, err.open("wb") as errors:
        tail = subprocess.Popen(command, env=beside(service), stdout=output, stderr=errors)
    signal.signal(signal.SIGINT, before)
    try:
        wait_for(lambda: "logkeep_tail_readers 1.0" in service.get("/metrics").text, 60, "the tail to be open")
        ids = send(service, 1, 2)
        wait_for(lambda: out.read_text().count("\n") == 2, 60, "two events")
        assert service.terminate() == 0
        service.start_again()
        ids += send(service, 3, 2)
        wait_for(lambda: out.read_text().count("\n") == 4, 60, "four events", err.read_text)
        tail.send_signal(signal.SIGINT)
        assert tail.wait(60) == 0
    finally:
        tail.kill()
        tail.wait()
    assert [json.loads(line)["id"] for line in out.read_text().splitlines()] == ids
    assert err.read_text().startswith("logkeep tail: ") and "Traceback" not in err.read_text()

    wrong = subprocess.run([LOGKEEP, "tail", "level:((x"], env=beside(service), capture_output=True, text=True)
    assert (wrong.returncode, wrong.stdout) == (2, "")
    nowhere = subprocess.run(
        [LOGKEEP, "tail", "--url", "http://127.0.0.1:1", "--token", "x"], capture_output=True, text=True
    )
    assert nowhere.returncode == 1 and "is the service running there" in nowhere.stderr


def test_an_export_sent_to_another_service_is_the_same_there(start_service: Callable[..., Service]) -> None:
    first, second = start_service(), start_service()
    values: list[Any] = ["text\nof two lines", "=1+1", 5, -2.5, True, None, {"a": [1, {"b": "ü"}]}, [], "5"]
    events = [
        {
            "session": f"s-{index % 2}", "key": f"k{index}", "value": value, "seq": index,
            "time": "2026-01-01T00:00:00Z",
            "attributes": {"os": "linux", "n": index, "ok": True, "odd": 1.5}, "user": "anna", "level": "WARN",
            "received": "my own", "device": "d", "component": "c",
        }
        for index, value in enumerate(values)
    ]  # fmt: skip
    for event in events[4:]:
        del event["time"], event["received"]
    assert first.post(events).json()["accepted"] == len(events)
    first.post({"session": "s-0", "key": "k0", "value": "newer", "update": True})
    first.wait_until_drained()
    exported = first.get("/api/v1/export").content
    assert exported.count(b"\n") == len(events)
    answer = httpx.post(f"{second.intake_url}/v1/events", content=exported, headers=second.write_headers)
    assert answer.json()["accepted"] == len(events)
    second.wait_until_drained()
    again = second.get("/api/v1/export").content

    def told(lines: bytes) -> list[dict[str, Any]]:
        return [{**json.loads(line), "received": ""} for line in lines.splitlines()]

    assert told(again) == told(exported)
    assert told(exported)[0]["value"] is not None

    done = subprocess.run(
        [LOGKEEP, "query", "--all", "--format", "ndjson", "--order", "asc"], env=beside(second), capture_output=True
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, again, b"")
    by_csv = subprocess.run(
        [LOGKEEP, "query", "--all", "--format", "csv", "--order", "asc"], env=beside(second), capture_output=True
    )
    assert by_csv.stdout == second.get("/api/v1/export", format="csv").content
