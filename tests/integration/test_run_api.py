"""The API as a process of its own, and a service whose metastore is a database server."""

import hashlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from tests.service import LOGKEEP, Service, answers_ok, descendants, free_port, wait_for
from tests.sse import Reader

from logkeep.clock import NS_PER_S
from logkeep.settings import Api, MetastoreSettings, Settings

# What `logkeep run api` does with a store that can be shared, over one that is opened in this very process.
PROGRAM = """
import sys
import msgspec
from logkeep import wiring
from logkeep.settings import Settings
from logkeep.store.memory import MemoryStore

settings = msgspec.json.decode(sys.stdin.buffer.read(), type=Settings)
wiring.prepare_metastore(settings)
if sys.argv[1] == "memory":
    wiring.serve_api(settings, MemoryStore())
else:
    with wiring.open_store(settings) as store:
        wiring.serve_api(settings, store)
"""


class ApiProcess:
    def __init__(self, folder: Path, store: str, metastore: MetastoreSettings) -> None:
        folder.mkdir(exist_ok=True)
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._log = folder.with_name(folder.name + "-api.log")
        settings = Settings(data=str(folder), api=Api(port=self.port), metastore=metastore)
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-c", PROGRAM, store], stdin=subprocess.PIPE, stdout=log, stderr=log
            )
        assert self.process.stdin is not None
        self.process.stdin.write(msgspec.json.encode(settings))
        self.process.stdin.close()

    def wait_until_ready(self) -> None:
        wait_for(lambda: answers_ok(f"{self.url}/health/ready"), 60, "the API to be ready", self.log)

    def log(self) -> str:
        return self._log.read_text()

    def get(self, path: str, token: str = "", **options: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return httpx.get(self.url + path, headers=headers, timeout=30, **options)

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(10)


@pytest.fixture
def start_api(tmp_path: Path) -> Iterator[Callable[..., ApiProcess]]:
    started: list[ApiProcess] = []

    def start(
        folder: Path | None = None, store: str = "memory", metastore: MetastoreSettings | None = None
    ) -> ApiProcess:
        folder = folder or tmp_path / f"api-{len(started)}"
        started.append(ApiProcess(folder, store, metastore or MetastoreSettings()))
        return started[-1]

    yield start
    for one in started:
        one.process.kill()
        one.process.wait()


def sign_in(url: str, credentials: dict[str, str]) -> httpx.Response:
    form = {"email": credentials["admin_email"], "password": credentials["admin_password"]}
    return httpx.post(f"{url}/sign-in", data=form, timeout=30)


def test_an_api_of_its_own_answers_what_the_keeper_answered(
    start_service: Callable[..., Service], start_api: Callable[..., ApiProcess]
) -> None:
    service = start_service()
    assert service.post([{"session": "s", "key": f"k{n}", "value": n} for n in range(5)]).status_code == 202
    service.post([{"session": "s", "value": "no key"}, {"session": "s", "key": "k", "value": 1}])
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for seq in (1, 2, 4):
            event = {"app": service.credentials["app_key"], "session": "u", "key": "k", "value": 1, "seq": seq}
            sender.sendto(json.dumps(event | {"client": "c"}).encode(), ("127.0.0.1", service.intake_port))
    service.wait_for_events("", 9)
    service.wait_until_drained()
    paths = ("/api/v1/ledger", "/api/v1/rejected", "/api/v1/udp-loss", "/api/v1/erasures")
    wait_for(lambda: service.get("/api/v1/udp-loss").json()["senders"] != [], 20, "the numbers to be counted")
    before = [service.get(path).json() for path in paths]
    service_events = service.get("/sessions/s.json").json()["events"]
    cookies = sign_in(service.api_url, service.credentials).cookies
    assert service.terminate() == 0

    api = start_api(service.folder, "embedded")
    api.wait_until_ready()
    token = service.credentials["api_token"]
    assert [api.get(path, token).json() for path in paths] == before
    assert api.get("/sessions/s.json", token).json()["events"] == service_events
    assert before[0]["received"] == 10 and before[1]["rejected"] != []
    assert api.get("/overview", cookies=cookies).status_code == 200
    reader = Reader(api.url, {"Authorization": f"Bearer {token}"}).begin()
    assert api.stop() == 0
    reader.until_end()


def test_the_embedded_store_is_refused_in_words(tmp_path: Path) -> None:
    done = subprocess.run(
        [LOGKEEP, "run", "api", "--data", str(tmp_path / "data")], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 1 and "one process's alone" in done.stderr and "logkeep serve" in done.stderr


def test_instances_share_sign_ins_and_keys_and_outlive_the_metastore(
    mariadb: Any, start_api: Callable[..., ApiProcess], tmp_path: Path
) -> None:
    metastore = MetastoreSettings(url=mariadb.new_database(), timeout_s=1.0, refresh_s=0.2)
    instances = [start_api(metastore=metastore) for _ in range(2)]  # at once: one of them makes the tables
    for each in instances:
        each.wait_until_ready()
    (first_run,) = (path for path in tmp_path.rglob("first-run.json"))
    credentials = json.loads(first_run.read_bytes())
    here, there = instances
    cookies = sign_in(here.url, credentials).cookies
    assert there.get("/overview", cookies=cookies).status_code == 200
    assert there.get("/api/v1/search", credentials["api_token"]).status_code == 200
    assert here.get("/health/ready").json() == {"status": "ready"}

    mariadb.server.kill()
    try:
        wait_for(lambda: "degraded" in here.get("/health/ready").json(), 30, "the outage to be told", here.log)
        answer = here.get("/health/ready")
        assert answer.status_code == 200 and "has not answered" in answer.json()["degraded"][0]
        assert here.get("/api/v1/search", credentials["api_token"]).status_code == 200
        unknown = here.get("/api/v1/search", "lkr_nobody-knows-this")
        assert (unknown.status_code, unknown.json()["error"]["code"]) == (503, "metastore_unavailable")
        assert sign_in(here.url, credentials).status_code == 503
        assert there.get("/overview", cookies=cookies).status_code == 200  # seen before, so known
    finally:
        mariadb.server.start()
    wait_for(lambda: here.get("/health/ready").json() == {"status": "ready"}, 30, "the end of the outage", here.log)
    assert here.get("/api/v1/search", "lkr_nobody-knows-this").status_code == 401
    assert sign_in(here.url, credentials).status_code == 303
    assert [each.stop() for each in instances] == [0, 0]


def test_a_receiver_starts_with_the_keys_known_before_while_the_metastore_is_away(tmp_path: Path) -> None:
    sha256 = hashlib.sha256(b"lkw_known").hexdigest()
    keys = {sha256: {"app": "shop", "scope": "write", "name": "a key"}}
    apps = [{"name": "shop", "team": "main"}]
    known = {"change": 1, "apps": apps, "keys": keys, "tokens": {}, "people": {}}
    a_minute_ago_ns = time.time_ns() - 60 * NS_PER_S
    (tmp_path / "known-keys-http-0.json").write_text(json.dumps({"true_ns": a_minute_ago_ns, "known": known}))
    port, away = free_port(), "mariadb://lk:secret@127.0.0.1:1/lk"
    environment = os.environ | {"LOGKEEP_METASTORE_URL": away, "LOGKEEP_METASTORE_TIMEOUT_S": "1"}
    command = [LOGKEEP, "run", "receiver", "--data", str(tmp_path), "--intake", f"127.0.0.1:{port}"]
    process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
    try:
        url, event = f"http://127.0.0.1:{port}", {"session": "s", "key": "k", "value": 1}
        wait_for(lambda: answers_ok(f"{url}/health/ready"), 60, "the receiver to be ready")
        statuses = [
            httpx.post(f"{url}/v1/events", json=[event], headers={"X-Logkeep-Key": key}, timeout=30).status_code
            for key in ("lkw_known", "lkw_unknown")
        ]
        assert statuses == [202, 503]
        process.send_signal(signal.SIGTERM)
        said = process.communicate(timeout=15)[1]
        assert process.returncode == 0 and "goes on with the keys known before" in said and "secret" not in said
    finally:
        process.kill()
        process.wait()


def test_a_service_on_a_database_server_takes_events_while_that_is_away(
    postgresql: Any, start_service: Callable[..., Service]
) -> None:
    url = postgresql.new_database()
    password = url.partition("lk:")[2].partition("@127")[0]
    service = start_service(
        LOGKEEP_METASTORE_URL=url, LOGKEEP_METASTORE_TIMEOUT_S="1", LOGKEEP_METASTORE_REFRESH_S="0.2"
    )
    assert not (service.folder / "metastore.db").exists()
    event = {"session": "s", "key": "k", "value": 1}
    assert service.post([event]).status_code == 202
    unknown = {"Authorization": "Bearer lkw_nobody-knows-this"}
    assert service.post([event], **unknown).status_code == 403

    def answer_to_unknown() -> int:
        return service.post([event], **unknown).status_code

    assert service.process is not None
    pids = [service.process.pid, *descendants(service.process.pid)]
    assert not any(password in Path(f"/proc/{pid}/cmdline").read_text() for pid in pids)
    postgresql.server.kill()
    try:
        wait_for(lambda: answer_to_unknown() == 503, 30, "an unknown key not to be refused", service.log_tail)
        assert service.post([event]).status_code == 202
        # A receiver that starts meanwhile goes on with the keys that were known.
        receiver = service.pids("receiver")[0]
        os.kill(receiver, signal.SIGKILL)
        wait_for(lambda: service.pids("receiver") not in ([], [receiver]), 30, "a new receiver", service.log_tail)
        wait_for(lambda: answers_ok(f"{service.intake_url}/health/ready"), 30, "it to be ready", service.log_tail)
        assert service.post([event]).status_code == 202
        service.wait_for_events("session:s", 3)
        # So does a whole service.
        assert service.terminate() == 0
        service.start_again()
        assert service.post([event]).status_code == 202
        service.wait_for_events("session:s", 4)
    finally:
        postgresql.server.start()
    wait_for(lambda: answer_to_unknown() == 403, 30, "an unknown key to be refused again", service.log_tail)
    command = [LOGKEEP, "check", "--data", str(service.folder)]
    checked = subprocess.run(command, env=service.environment(), capture_output=True, text=True, timeout=60)
    listed = subprocess.run(
        [LOGKEEP, "settings"], env=service.environment(), capture_output=True, text=True, timeout=60
    )
    for said in (checked.stdout, checked.stderr, listed.stdout, service.log.read_text()):
        assert password not in said and "se/cret" not in said
    assert "metastore" in checked.stdout
    assert service.terminate() == 0
