"""Erasing on the real service: nothing is found anywhere afterwards, also when the keeper is killed on the way."""

import contextlib
import os
import signal
import sqlite3
import subprocess
from collections.abc import Callable
from typing import Any

import httpx
from tests.service import LOGKEEP, Service, wait_for

MARKER = "q7zk4xw9vjp2"  # stands in no other place


def send(service: Service, count: int, **fields: Any) -> None:
    events = [{"session": f"s{n}", "key": f"k{n}", "value": f"event {n}", **fields} for n in range(count)]
    assert service.post(events).status_code == 202


def job_of(service: Service, name: str) -> dict[str, Any]:
    answer = httpx.get(f"{service.api_url}/api/v1/erasures/{name}", headers=service.read_headers, timeout=30)
    found: dict[str, Any] = answer.json()
    return found


def begin(service: Service, query: str) -> str:
    """The name of a confirmed job."""
    headers = service.read_headers
    asked = httpx.delete(f"{service.api_url}/api/v1/events", params={"query": query}, headers=headers, timeout=30)
    assert asked.status_code == 202, asked.text
    name = str(asked.json()["job"])
    path = f"{service.api_url}/api/v1/erasures/{name}"
    assert httpx.post(path, json={"confirm": asked.json()["confirm"]}, headers=headers, timeout=30).status_code == 200
    return name


def holding(service: Service) -> list[str]:
    """Files of the data folder, and tables but for the receipts and what people asked, with the marker as it is."""
    files = [path for path in service.folder.rglob("*") if path.is_file() and "metastore.db" not in path.name]
    found = []
    with contextlib.closing(sqlite3.connect(service.folder / "metastore.db")) as database:
        dump = [line for line in database.iterdump() if MARKER in line or MARKER.encode().hex().upper() in line]
    found += [line for line in dump if not line.startswith(('INSERT INTO "erasures"', 'INSERT INTO "audit"'))]
    for path in files:
        try:
            if MARKER.encode() in path.read_bytes():
                found.append(str(path.relative_to(service.folder)))
        except FileNotFoundError:
            pass  # removed meanwhile
    return found


def test_a_killed_keeper_finishes_the_erasure_and_nothing_of_it_is_left(start_service: Callable[..., Service]) -> None:
    service = start_service()
    send(service, 20, user=f"anna-{MARKER}", value=f"secret {MARKER}")
    send(service, 5, user="bert")
    service.wait_for_events("", 25)
    assert [path for path in holding(service) if path.startswith("queue")] != []
    send(service, 10, user=f"anna-{MARKER}")  # perhaps still queued
    name = begin(service, f"user=anna-{MARKER}")
    keeper = service.pids("keeper")[0]
    os.kill(keeper, signal.SIGKILL)
    wait_for(lambda: service.pids("keeper") not in ([], [keeper]), 30, "a new keeper", service.log_tail)
    service.wait_until_ready()

    wait_for(lambda: job_of(service, name)["state"] == "done", 60, "the job to be done", service.log_tail)
    job = job_of(service, name)
    assert job["erased"]["events"] == 30
    assert service.search(f"user=anna-{MARKER}") == [] and service.search(MARKER) == []
    assert len(service.search("")) == 5
    ledger = service.wait_until_drained()
    assert (ledger["received"], ledger["stored"], ledger["erased"]) == (35, 5, 30)
    assert MARKER not in service.get("/api/v1/patterns").text
    assert holding(service) == []
    send(service, 1, user="bert")
    service.wait_for_events("user=bert", 6)


def test_the_command_line_asks_before_it_erases(service: Service) -> None:
    send(service, 3, user="carl")
    service.wait_for_events("user=carl", 3)
    command = [LOGKEEP, "erase", "user=carl", "--data", str(service.folder), "--url", service.api_url]
    unasked = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
    assert (unasked.returncode, unasked.stdout) == (2, "")
    assert '3 events match user="carl"' in unasked.stderr and "--yes" in unasked.stderr
    empty = subprocess.run([*command[:2], "", *command[3:]], capture_output=True, text=True, timeout=60)
    assert empty.returncode == 2 and "if that is meant, add --all" in empty.stderr
    done = subprocess.run([*command, "--yes"], capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stderr) == (0, "")
    assert '"state": "done"' in done.stdout and '"archives": "none kept yet"' in done.stdout
    assert service.search("user=carl") == []
