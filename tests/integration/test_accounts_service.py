"""Accounts with a running service: keys made beside it, refused by its receivers, and what a browser is given."""

import io
import json
import subprocess
from collections.abc import Mapping
from contextlib import redirect_stdout
from typing import Any

import httpx
from tests.service import LOGKEEP, Service, wait_for

from logkeep.cli.app import run

EVENT = {"session": "s-keys", "key": "k", "value": 1}


def admin(service: Service, *arguments: str, says: bool = True) -> Any:
    """What `logkeep admin … --json` prints, beside the service; says: it prints something."""
    printed = io.StringIO()
    with redirect_stdout(printed):
        code = run(["admin", *arguments, "--data", str(service.folder), *(["--json"] if says else [])])
    assert code == 0, printed.getvalue()
    return json.loads(printed.getvalue()) if says else None


def send(
    service: Service, headers: Mapping[str, str], method: str = "POST", path: str = "/v1/events"
) -> httpx.Response:
    return httpx.request(method, f"{service.intake_url}{path}", json=EVENT, headers=dict(headers), timeout=30)


def status(service: Service, secret: str, **headers: str) -> int:
    return send(service, {"Authorization": f"Bearer {secret}", **headers}).status_code


def test_a_key_made_beside_the_service_is_taken_and_a_revoked_one_is_not(service: Service) -> None:
    made = admin(service, "key", "create", "--app", "default", "--name", "beside")
    secret = made["secret"]
    wait_for(lambda: status(service, secret) == 202, 20, "the new key to be known")

    def used() -> dict[str, bool]:
        found = admin(service, "key", "list", "--app", "default")
        return {one["name"]: one["used"] is not None for one in found}

    wait_for(lambda: used()["beside"], 40, "the day of its use to be told", lambda: str(used()))
    admin(service, "key", "revoke", made["key"], "--app", "default", says=False)
    wait_for(lambda: status(service, secret) == 403, 20, "the revoked key to be refused")
    assert status(service, service.credentials["app_key"]) == 202


def test_every_route_of_the_intake_takes_write_keys_alone(service: Service) -> None:
    token = admin(service, "token", "create", "--scope", "admin", "--name", "everything")["secret"]
    web = admin(service, "key", "create", "--app", "default", "--origin", "https://shop.example")["secret"]
    page = {"Origin": "https://shop.example"}
    wait_for(lambda: status(service, web, **page) == 202, 20, "the new key to be known")
    sign_in = {"email": service.credentials["admin_email"], "password": service.credentials["admin_password"]}
    cookie = httpx.post(f"{service.api_url}/api/v1/sign-in", json=sign_in, timeout=30).cookies["logkeep"]
    asked = {
        "no key": {},
        "cookie": {"Cookie": f"logkeep={cookie}"},
        "unknown": {"Authorization": "Bearer lkw_unknown"},
        "admin token": {"Authorization": f"Bearer {token}"},
        "first token": {"Authorization": f"Bearer {service.credentials['api_token']}"},
        "key for pages, elsewhere": {"Authorization": f"Bearer {web}", "Origin": "https://evil.example"},
        "key for pages, no page": {"X-Logkeep-Key": web},
        "key for pages": {"Authorization": f"Bearer {web}", **page},
        "write key": {"Authorization": f"Bearer {service.credentials['app_key']}"},
    }
    for method, path in (("POST", "/v1/events"), ("PUT", "/v1/sessions/s-keys/events/k")):
        statuses = {who: send(service, headers, method, path).status_code for who, headers in asked.items()}
        assert statuses == {
            "no key": 401, "cookie": 401, "unknown": 403, "admin token": 403, "first token": 403,
            "key for pages, elsewhere": 403, "key for pages, no page": 403, "key for pages": 202, "write key": 202,
        }, path  # fmt: skip
    for path in ("/health/live", "/health/ready", "/metrics"):
        assert httpx.get(f"{service.intake_url}{path}", timeout=30).status_code == 200


def test_an_archived_app_takes_nothing_until_it_is_restored(service: Service) -> None:
    headers = service.read_headers
    for name, archived, answer in (("attic", True, 403), ("attic", False, 202)):
        if archived:
            made = httpx.post(f"{service.api_url}/api/v1/apps", json={"app": name}, headers=headers, timeout=30)
            assert made.status_code == 201
            key = httpx.post(
                f"{service.api_url}/api/v1/apps/{name}/keys", json={"name": "k"}, headers=headers, timeout=30
            )
            secret = key.json()["secret"]
            wait_for(lambda secret=secret: status(service, secret) == 202, 20, "the new key to be known")
        path, body = f"{service.api_url}/api/v1/apps/{name}", {"archived": archived}
        assert httpx.patch(path, json=body, headers=headers, timeout=30).status_code == 200
        wait_for(lambda secret=secret, answer=answer: status(service, secret) == answer, 20, f"{answer} for its key")
    found = httpx.get(f"{service.api_url}/api/v1/search?app=attic", headers=headers, timeout=30)
    assert found.status_code == 200  # the first token reads every app of the first team


def test_what_was_done_is_in_the_log_also_after_the_service_was_stopped(service: Service) -> None:
    service.get("/api/v1/search", query="user:4711")
    assert service.terminate() == 0
    entries = admin(service, "audit", "list", "--what", "read.search")
    assert any(json.loads(entry["detail"]) == {"query": "user:4711"} for entry in entries)
    command = [LOGKEEP, "admin", "audit", "export", "--data", str(service.folder), "--what", "read.search"]
    lines = subprocess.run(command, capture_output=True, check=True, timeout=60).stdout.splitlines()
    assert [json.loads(line)["number"] for line in lines] == [entry["number"] for entry in entries]
    table = subprocess.run([*command, "--format", "csv"], capture_output=True, check=True, timeout=60).stdout
    assert table.startswith(b"number,time,team,") and table.count(b"read.search") == len(entries)
    assert admin(service, "audit", "verify")["entries"] > 3
    service.start_again()
