"""`send`, `query`, `check` and `demo` against the real service."""

import csv
import io
import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from subprocess import DEVNULL

import pytest
from tests.service import LOGKEEP, Service, answers_ok, free_port, wait_for

LOGHUB = Path(__file__).parents[3] / "shared" / "data" / "loghub"
LOG = """\
2024-01-01 12:00:00,000 INFO [req-1] shop.cart: added item 42
2024-01-01 12:00:01,000 ERROR [req-1] shop.pay: card declined
java.io.IOException: timed out
\tat shop.Pay.charge(Pay.java:12)
2024-01-01 12:00:02,000 INFO [req-2] shop.cart: =added item 7
"""


def run(service: Service, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The command as a person runs it beside the service: everything comes from its data folder and settings."""
    return subprocess.run(
        [LOGKEEP, *arguments], env=environment_beside(service), capture_output=True, text=True, timeout=120
    )


def environment_beside(service: Service) -> dict[str, str]:
    ports = {"LOGKEEP_INTAKE_PORT": str(service.intake_port), "LOGKEEP_API_PORT": str(service.api_port)}
    return service.environment() | ports | {"LOGKEEP_DATA": str(service.folder)}


def test_a_file_is_sent_found_and_checked(service: Service, tmp_path: Path) -> None:
    before = service.wait_until_drained()
    path = tmp_path / "shop.log"
    path.write_text(LOG)
    for _ in range(2):  # the second time doubles nothing
        done = run(service, "send", str(path), "--session", "{thread}", "--shift-to-now")
        assert (done.returncode, done.stderr) == (0, "sent 3 events in 1 batch, 0 rejected\n")
        after = service.wait_until_drained()
    assert (after["received"] - before["received"], after["stored"] - before["stored"]) == (6, 3)
    assert after["rejected"]["duplicate"] - before["rejected"].get("duplicate", 0) == 3

    found = run(service, "query", "session:req-1", "--order", "asc", "--format", "ndjson")
    first, second = (json.loads(line) for line in found.stdout.splitlines())
    assert (first["value"], first["component"], first["level"]) == ("added item 42", "shop.cart", "info")
    assert second["value"] == "card declined\njava.io.IOException: timed out\n\tat shop.Pay.charge(Pay.java:12)"

    table = run(service, "query", "level:error").stdout.splitlines()
    assert len(table) == 2 and r"card declined\njava.io.IOException" in table[1]
    rows = list(csv.DictReader(io.StringIO(run(service, "query", "session:req-2", "--format", "csv").stdout)))
    assert [(row["session"], row["value"]) for row in rows] == [("req-2", "'=added item 7")]

    counted = run(service, "query", "component:/^shop/ | count by component | sort component")
    assert counted.stdout.splitlines() == ["component  count", "shop.cart      2", "shop.pay       1"]
    objects = run(service, "query", "session:req-1 | sort time | fields value, level", "--format", "ndjson")
    assert json.loads(objects.stdout.splitlines()[0]) == {"value": "added item 42", "level": "info"}
    slip = run(service, "query", "level:error | cuont")
    assert (slip.returncode, slip.stderr.splitlines()[1]) == (2, " " * 14 + "^")

    wrong = run(service, "query", "level:error ((x")
    assert wrong.returncode == 2
    assert wrong.stderr.splitlines()[0] == "level:error ((x" and wrong.stderr.splitlines()[1].strip() == "^"

    checked = run(service, "check")
    assert checked.returncode == 0, checked.stdout
    states = {line.split("  ")[0].strip(): line for line in checked.stdout.splitlines()}
    assert f"{after['received']:,} received = {after['stored']:,} stored" in states["ledger"]
    assert "answers a search" in states["store"]


def test_commands_find_the_service_of_the_data_folder_whatever_ports_it_was_given(service: Service) -> None:
    """The fixture's service has its ports by flags; nothing else names them."""
    beside = service.environment() | {"LOGKEEP_DATA": str(service.folder)}
    assert not {"LOGKEEP_INTAKE_PORT", "LOGKEEP_API_PORT"} & beside.keys()

    def run_beside(*arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([LOGKEEP, *arguments], env=beside, capture_output=True, text=True, timeout=120, **more)

    sent = run_beside("send", "--session", "by-folder", input="found by the folder\n")
    assert sent.returncode == 0, sent.stderr
    service.wait_until_drained()
    found = run_beside("query", "session:by-folder", "--format", "ndjson")
    assert [json.loads(line)["value"] for line in found.stdout.splitlines()] == ["found by the folder"]
    checked = run_beside("check")
    assert checked.returncode == 0, checked.stdout
    assert f"http://127.0.0.1:{service.api_port} is ready" in checked.stdout


def test_more_than_a_page_is_found_whole(service: Service) -> None:
    events = [{"session": "s", "key": "n", "value": n, "id": f"{n:05}"} for n in range(2345)]
    assert service.post(events).status_code == 202
    service.wait_until_drained()
    done = run(service, "query", "key:n", "--limit", "10000", "--format", "json")
    assert {event["id"] for event in json.loads(done.stdout)} == {event["id"] for event in events}
    assert len(json.loads(run(service, "query", "key:n", "--limit", "1500", "--format", "json").stdout)) == 1500


def test_a_token_nobody_knows_is_a_failure(service: Service) -> None:
    done = run(service, "query", "x", "--token", "lkr_wrong")
    assert done.returncode == 1 and "not known at" in done.stderr


@pytest.mark.parametrize("folder", [LOGHUB, Path("/no/such/folder")], ids=["real logs", "generated"])
def test_the_demo_fills_a_running_service_and_its_links_lead_to_sessions(
    start_service: Callable[..., Service], folder: Path
) -> None:
    """A service of its own: it looks among the newest events, and those of the other tests are not worth opening. Its
    ports are none that a setting names: they are found by its data folder."""
    if folder == LOGHUB and not folder.is_dir():
        pytest.skip("the Loghub files are not beside this clone")
    service = start_service()
    command = [LOGKEEP, "demo", "--data", str(service.folder), "--loghub", str(folder)]
    done = subprocess.run(command, env=service.environment(), capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    links = [line.strip() for line in done.stdout.splitlines() if "/sessions/" in line]
    assert len(set(links)) == 3
    assert [service.get(link.removeprefix(service.api_url)).status_code for link in links] == [200] * 3
    assert service.ledger()["stored"] == (16_000 if folder == LOGHUB else 20_000)


@pytest.mark.parametrize("end", ["--stop", "kill"])
def test_a_service_that_the_demo_started_ends_with_it(tmp_path: Path, end: str) -> None:
    intake_port = free_port()
    service = Service(tmp_path / "data", intake_port=intake_port, api_port=free_port(taken=intake_port))
    if end == "--stop":
        done = run(service, "demo", "--loghub", "/no/such/folder", "--stop")
        assert done.returncode == 0 and "Worth opening" in done.stdout
        checked = run(service, "check")  # of a service that does not run: queue and store are read from disk
        assert checked.returncode == 0, checked.stdout
        assert "not running" in checked.stdout and "opens; 20,000 events of " in checked.stdout
    else:
        command = [LOGKEEP, "demo", "--loghub", "/no/such/folder"]
        demo = subprocess.Popen(command, env=environment_beside(service), stdout=DEVNULL, stderr=DEVNULL)
        try:
            wait_for(lambda: answers_ok(f"{service.api_url}/health/ready"), 60, "the service to be ready")
        finally:
            demo.kill()
            demo.wait()
    wait_for(lambda: not answers_ok(f"{service.api_url}/health/live"), 20, "the service to end")
