"""The journey of CONTRACT.md, from outside: the real command, real sockets, real signals."""

import gzip
import json
import os
import re
import signal
import socket
import stat
import subprocess
import threading
import uuid
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import zstandard
from tests.load import Sender, in_threads
from tests.service import Service, free_port, wait_for

Start = Callable[..., Service]


def event(session: str, key: str = "note", value: Any = "hello", **members: Any) -> dict[str, Any]:
    return {"session": session, "key": key, "value": value, **members}


def test_the_first_start_writes_credentials_that_only_their_owner_can_read(service: Service) -> None:
    file = service.folder / "first-run.json"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    credentials = json.loads(file.read_bytes())
    assert set(credentials) == {"app", "app_key", "api_token", "admin_email", "admin_password"}
    assert all(isinstance(value, str) and value for value in credentials.values())


def test_the_start_prints_a_url_a_sign_in_and_a_curl_that_works(service: Service) -> None:
    wait_for(lambda: "/v1/events" in service.log_tail(), 60, "the greeting", service.log_tail)
    greeting = service.log_tail()
    assert '"level": "info"' not in service.log.read_text().partition("Logkeep is ready")[0], "it comes first"
    assert service.api_url in greeting
    assert service.credentials["admin_email"] in greeting
    # A command goes on in the next line after a backslash.
    command = re.search(r"curl (?:.*\\\n)*.*", greeting)
    assert command is not None
    done = subprocess.run(["bash", "-c", command[0]], capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["accepted"] == 1


def test_a_later_start_writes_no_secret_into_its_log(start_service: Start) -> None:
    service = start_service()
    wait_for(lambda: "Stop with Ctrl-C" in service.log_tail(), 60, "the greeting", service.log_tail)
    secrets = [service.credentials[name] for name in ("app_key", "api_token", "admin_password")]
    assert all(secret in service.log.read_text() for secret in secrets)
    service.kill_all()
    service.log.unlink()
    service.start_again()
    wait_for(lambda: "Stop with Ctrl-C" in service.log_tail(), 60, "the greeting", service.log_tail)
    greeting = service.log.read_text()
    assert not [secret for secret in secrets if secret in greeting]
    assert str(service.folder / "first-run.json") in greeting and "Bearer APP_KEY" in greeting


def test_a_sent_event_is_found_by_search_and_in_its_session(service: Service) -> None:
    sent = [
        event("s-1", "page", "/checkout", component="web", user="ada", level="info", attributes={"os": "linux"}),
        event("s-1", "total", 12.5, component="cart"),
        event("s-2", "page", "/home"),
    ]
    answer = service.post(sent)
    assert (answer.status_code, answer.json()) == (202, {"accepted": 3, "rejected": [], "durable": "disk"})

    found = service.wait_for_events("session:s-1", 2)
    assert sorted((e["key"], e["value"]) for e in found) == [("page", "/checkout"), ("total", 12.5)]
    [page] = [e for e in found if e["key"] == "page"]
    assert {name: page[name] for name in sent[0]} == sent[0]

    session = service.get("/sessions/s-1.json").json()
    assert (session["session"], session["user"]) == ("s-1", "ada")
    assert [e["value"] for e in session["events"]] == ["/checkout", 12.5]


def test_the_session_page_escapes_what_senders_wrote(service: Service) -> None:
    service.post(event("s-xss", "note", "<script>alert(1)</script>"))
    service.wait_for_events("session:s-xss", 1)
    page = service.get("/sessions/s-xss")
    assert (page.status_code, page.headers["content-type"].split(";")[0]) == (200, "text/html")
    assert "<script>alert(1)" not in page.text
    assert "&lt;script&gt;alert(1)" in page.text


def test_an_update_replaces_the_value_readers_see(service: Service) -> None:
    service.post(event("s-up", "state", "started"))
    service.wait_for_events("session:s-up key:state", 1)
    answer = httpx.put(
        f"{service.intake_url}/v1/sessions/s-up/events/state", json={"value": "done"}, headers=service.write_headers
    )
    assert answer.status_code == 202, answer.text
    service.wait_for_events("session:s-up done", 1)
    assert [(e["key"], e["value"]) for e in service.search("session:s-up")] == [("state", "done")]


def test_bad_events_are_refused_with_reasons_and_the_good_ones_kept(start_service: Start) -> None:
    service = start_service()
    answer = service.post([event("s-mix"), {"key": "k", "value": 1}, {"session": "s", "value": 1}, 7])
    assert answer.status_code == 202
    body = answer.json()
    assert (body["accepted"], [(r["index"], r["reason"]) for r in body["rejected"]]) == (
        1,
        [(1, "missing_session"), (2, "missing_key"), (3, "not_an_object")],
    )
    none = service.post([{"key": "k", "value": 1}])
    assert (none.status_code, none.json()["accepted"]) == (400, 0)
    service.wait_for_events("session:s-mix", 1)
    ledger = service.wait_until_drained()
    assert ledger == {
        "received": 5,
        "stored": 1,
        "rejected": {"missing_session": 2, "missing_key": 1, "not_an_object": 1},
        "over_quota": 0,
        "expired": 0,
        "erased": 0,
        "queued": 0,
    }


def test_a_write_key_cannot_read_and_a_read_token_cannot_write(service: Service) -> None:
    key, token = service.credentials["app_key"], service.credentials["api_token"]
    search = httpx.get(f"{service.api_url}/api/v1/search", headers={"Authorization": f"Bearer {key}"})
    assert search.status_code in (401, 403)
    write = httpx.post(f"{service.intake_url}/v1/events", json=event("s"), headers={"Authorization": f"Bearer {token}"})
    assert write.status_code in (401, 403)
    assert httpx.get(f"{service.api_url}/api/v1/search").status_code == 401
    assert httpx.post(f"{service.intake_url}/v1/events", json=event("s")).status_code == 401


def test_the_same_body_under_one_idempotency_key_is_stored_once(service: Service) -> None:
    name = uuid.uuid4().hex
    first = service.post([event("s-idem")], **{"Idempotency-Key": name})
    second = service.post([event("s-idem")], **{"Idempotency-Key": name})
    assert (first.status_code, second.status_code) == (202, 202)
    assert first.json() == second.json()
    service.wait_for_events("session:s-idem", 1)
    service.wait_until_drained()
    assert len(service.search("session:s-idem")) == 1


def test_the_ledger_has_what_was_acknowledged_whenever_it_is_asked(service: Service) -> None:
    before, sent = service.ledger()["received"], threading.Event()
    acknowledged = 0

    def send() -> None:
        nonlocal acknowledged
        for _ in range(150):
            service.post([event("s-ledger")] * 50).raise_for_status()
            acknowledged += 50
        sent.set()

    sender = threading.Thread(target=send, daemon=True)
    sender.start()
    missing = []
    while not sent.is_set() and sender.is_alive():
        least = before + acknowledged
        ledger = service.ledger()
        missing += [(least, ledger)] if ledger["received"] < least else []
    sender.join()
    assert missing == [] and acknowledged == 7500


def test_a_datagram_is_found_by_search(service: Service) -> None:
    datagram = json.dumps(event("s-udp", app=service.credentials["app_key"])).encode()
    with socket.socket(type=socket.SOCK_DGRAM) as sender:
        sender.sendto(datagram, ("127.0.0.1", service.intake_port))
    assert [e["value"] for e in service.wait_for_events("session:s-udp", 1)] == ["hello"]


def test_datagrams_wait_for_a_receiver_that_was_killed(start_service: Start) -> None:
    service = start_service()
    (victim,) = service.pids("udp")
    os.kill(victim, signal.SIGKILL)
    with socket.socket(type=socket.SOCK_DGRAM) as sender:
        for number in range(50):
            datagram = json.dumps(event("waiting", value=number, app=service.credentials["app_key"])).encode()
            sender.sendto(datagram, ("127.0.0.1", service.intake_port))
    wait_for(lambda: len(service.search("session:waiting")) == 50, 30.0, "all of the datagrams", service.log_tail)


def test_a_second_start_on_the_same_folder_refuses_and_the_first_goes_on(service: Service) -> None:
    other = Service(service.folder, intake_port=service.intake_port, api_port=service.api_port)
    done = subprocess.run(other.command(), env=other.environment(), capture_output=True, text=True, timeout=30)
    assert done.returncode == 1
    assert str(service.folder) in done.stderr
    assert "Traceback" not in done.stderr
    assert service.post(event("s-first")).status_code == 202
    assert len(service.wait_for_events("session:s-first", 1)) == 1


def test_a_wrong_flag_is_wrong_usage(service: Service) -> None:
    done = subprocess.run([*service.command(), "--no-such-flag"], capture_output=True, text=True, timeout=30)
    assert (done.returncode, "Traceback" in done.stderr) == (2, False)


def test_health_and_metrics_answer_on_intake_and_api(service: Service) -> None:
    for url in (service.intake_url, service.api_url):
        assert httpx.get(f"{url}/health/live").status_code == 200
        assert httpx.get(f"{url}/health/ready").status_code == 200
        assert "logkeep_intake_requests" in httpx.get(f"{url}/metrics").text


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_while_it_starts_is_a_stop_too(tmp_path: Path, number: signal.Signals) -> None:
    """Once its children are started; before that there is nothing to stop."""
    port = free_port()
    service = Service(tmp_path / "data", intake_port=port, api_port=free_port(taken=port))
    log = tmp_path / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(service.command(), env=service.environment(), stdout=output, stderr=output)
    wait_for((service.folder / "run" / "settings.json").exists, 60, "the children to be started")
    process.send_signal(number)
    assert process.wait(30) == 0, log.read_text()
    assert "Logkeep is ready" not in log.read_text()


def test_term_under_load_loses_nothing_and_a_restart_goes_on(start_service: Start) -> None:
    service = start_service(LOGKEEP_INTAKE_PROCESSES="2")
    senders = [Sender(service, f"term-{n}") for n in range(4)]
    threads = in_threads(*(sender.run for sender in senders))
    for sender in senders:
        sender.wait_for_acknowledged(200)
    assert service.terminate(timeout_s=10) == 0
    for sender in senders:
        sender.stop()
    for thread in threads:
        thread.join()

    service.start_again()
    ledger = service.wait_until_drained()
    found = [e["id"] for e in service.search("session:term-*")]
    acknowledged = {one for sender in senders for one in sender.acknowledged}
    assert acknowledged - set(found) == set()
    assert len(found) == len(set(found))
    assert ledger["stored"] == len(found)
    assert ledger["received"] == len(found) + sum(ledger["rejected"].values())


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "zstd"])
def test_compressed_bodies_are_taken(service: Service, encoding: str) -> None:
    compress: Callable[[bytes], bytes] = {
        "gzip": gzip.compress,
        "deflate": zlib.compress,
        "zstd": lambda data: bytes(zstandard.compress(data)),
    }[encoding]
    body = compress("\n".join(json.dumps(event(f"s-{encoding}", value=n)) for n in range(3)).encode())
    headers = service.write_headers | {"Content-Encoding": encoding, "Content-Type": "application/x-ndjson"}
    answer = httpx.post(f"{service.intake_url}/v1/events", content=body, headers=headers)
    assert (answer.status_code, answer.json()["accepted"]) == (202, 3)
    assert sorted(e["value"] for e in service.wait_for_events(f"session:s-{encoding}", 3)) == [0, 1, 2]
