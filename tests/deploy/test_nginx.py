"""deploy/nginx in front of a running service: one name, TLS, limits by address, streams that are passed on at once."""

import contextlib
import json
import re
import socket
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from tests.deploy.conftest import tool
from tests.deploy.site import DEPLOY, NAME, TRUSTED_PROXY, Site
from tests.service import Service, free_port

BODY_BYTES_MAX = 10 << 20
FLOOD_MAX = 20_000
PIPELINED = 200  # requests sent at once, so that a loaded machine floods too
SAME_ORIGIN = {"Origin": "https://127.0.0.1"}  # what nginx tells the API is its name, without a port


@pytest.fixture(scope="module")
def site(service: Service, nginx_path: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    made = Site(tmp_path_factory.mktemp("site"), intake_port=service.intake_port, api_port=service.api_port)
    with made.running(nginx_path):
        yield made


def event(session: str, value: object = 1) -> dict[str, object]:
    return {"session": session, "key": "k", "value": value}


def test_nginx_takes_the_configuration_without_a_warning(site: Site, nginx_path: str) -> None:
    done = subprocess.run([*site.command(nginx_path), "-t"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "[warn]" not in done.stderr


@pytest.mark.parametrize("folder", ["small", "large"])
def test_nginx_takes_the_upstreams_of_compose_too(folder: str, nginx_path: str, tmp_path: Path) -> None:
    """Names of containers mean nothing here, so their addresses are loopback's."""
    site = Site(tmp_path, intake_port=free_port(), api_port=free_port())
    for name in ("upstreams.conf", "udp-upstreams.conf"):
        upstreams = (DEPLOY / "compose" / folder / name).read_text()
        (tmp_path / "nginx/logkeep" / name).write_text(re.sub(r"server \w+:", "server 127.0.0.1:", upstreams))
    done = subprocess.run([*site.command(nginx_path), "-t"], capture_output=True, text=True)
    assert (done.returncode, "[warn]" in done.stderr) == (0, False), done.stderr


def test_the_analyser_of_nginx_configurations_finds_nothing(site: Site) -> None:
    done = subprocess.run([tool("gixy"), "-f", "json", str(site.configuration)], capture_output=True, text=True)
    assert json.loads(done.stdout) == []


def test_an_event_goes_in_and_is_found_under_one_name(site: Site, service: Service) -> None:
    with site.client("127.0.0.10") as client:
        sent = client.post("/v1/events", json=event("one-name"), headers=service.write_headers)
        assert (sent.status_code, sent.json()["accepted"]) == (202, 1)
        service.wait_for_events("session=one-name", 1)
        found = client.get("/sessions/one-name.json", headers=service.read_headers).json()
        assert [e["value"] for e in found["events"]] == [1]
        assert client.get("/api/v1/search", headers=service.read_headers).status_code == 200
        assert client.get("/sign-in").headers["strict-transport-security"] == "max-age=63072000"
        assert client.get("/health/ready").status_code == 200
        assert client.get("/metrics").status_code == 404


def test_plain_http_leads_to_tls_with_the_method_kept(site: Site) -> None:
    address = f"http://127.0.0.1:{site.plain_port}/v1/events?key=a"
    answer = httpx.post(address, content=b"{}", headers={"Host": NAME})
    assert (answer.status_code, answer.headers["location"]) == (308, f"https://{NAME}/v1/events?key=a")


def test_tls_is_modern_and_speaks_http_2(site: Site) -> None:
    with tls(site, site.trust) as connection:
        assert (connection.version(), connection.selected_alpn_protocol()) == ("TLSv1.3", "h2")
    old = site.trust
    old.set_ciphers("AES128-SHA:@SECLEVEL=0")
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    with pytest.raises(OSError), tls(site, old):
        pass


@contextlib.contextmanager
def tls(site: Site, context: ssl.SSLContext, source: str = "127.0.0.1") -> Iterator[ssl.SSLSocket]:
    plain = socket.create_connection(("127.0.0.1", site.tls_port), timeout=20, source_address=(source, 0))
    with context.wrap_socket(plain, server_hostname="127.0.0.1") as connection:
        yield connection


def flood(site: Site, request: str, *, source: str, headers: str = "") -> bytes:
    """The first answer 429 of many equal requests from one address, head and body."""
    context = ssl.create_default_context(cafile=site.folder / "certificates/logkeep.crt")
    one = f"{request}\r\nHost: {NAME}\r\n{headers}Content-Length: 0\r\n\r\n".encode()
    last = one.replace(b"Content-Length", b"Connection: close\r\nContent-Length")
    for _ in range(FLOOD_MAX // PIPELINED):
        with tls(site, context, source) as connection:
            connection.sendall(one * (PIPELINED - 1) + last)
            answers = b""
            while part := connection.recv(1 << 16):
                answers += part
        refused = answers.partition(b"HTTP/1.1 429 ")[2]
        if refused:
            return refused.partition(b"HTTP/1.1 ")[0]
    raise AssertionError(f"{FLOOD_MAX} requests from {source} and none was refused")


@pytest.mark.parametrize("request_line", ["POST /v1/events HTTP/1.1", "GET /health/live HTTP/1.1"])
def test_a_flood_from_one_address_is_told_when_to_come_back(site: Site, request_line: str) -> None:
    number = 20 + len(request_line)
    refused = flood(site, request_line, source=f"127.0.1.{number}")
    assert b"\r\nRetry-After: 1\r\n" in refused
    assert b"\r\nAccess-Control-Expose-Headers: Retry-After\r\n" in refused
    assert b'"code":"too_many_requests"' in refused
    with site.client(f"127.0.2.{number}") as other:
        assert other.get("/health/live").status_code == 200


def test_what_a_client_says_of_its_address_is_believed_of_trusted_proxies_alone(site: Site) -> None:
    with site.client("127.0.3.1") as stranger:
        statuses = {get_for(stranger, f"203.0.113.{n}") for n in range(200)}
    assert statuses == {200, 429}
    with site.client(TRUSTED_PROXY) as proxy:
        assert {get_for(proxy, f"203.0.113.{n}") for n in range(200)} == {200}
        assert 429 in {get_for(proxy, "198.51.100.1") for _ in range(200)}
    seen = {line.split()[0] for line in (site.folder / "access.log").read_text().splitlines()}
    assert {"127.0.3.1", "198.51.100.1", "203.0.113.7"} <= seen
    assert TRUSTED_PROXY not in seen


def get_for(client: httpx.Client, forwarded_for: str) -> int:
    return client.get("/health/live", headers={"X-Forwarded-For": forwarded_for}).status_code


def test_the_service_counts_failed_sign_ins_by_the_true_address(site: Site) -> None:
    """Ten a minute and address; here from a client that claims another address each time, then from its neighbour."""
    with site.client("127.0.4.1") as guesser, site.client("127.0.4.2") as neighbour:
        statuses = [guess(guesser, f"203.0.113.{n}") for n in range(11)]
        assert statuses == [401] * 10 + [429]
        assert guess(neighbour, "127.0.4.1") == 401


def guess(client: httpx.Client, forwarded_for: str) -> int:
    headers = {"X-Forwarded-For": forwarded_for, **SAME_ORIGIN}
    return client.post("/sign-in", data={"token": "lkr_guess"}, headers=headers).status_code


def test_a_browser_keeps_its_cookie_for_tls_alone(site: Site, service: Service) -> None:
    with site.client("127.0.0.13") as client:
        token = {"token": service.credentials["api_token"]}
        answer = client.post("/sign-in", data=token, headers=SAME_ORIGIN)
    assert answer.status_code == 303
    assert "secure" in answer.headers["set-cookie"].lower()


def test_a_body_over_the_limit_is_refused_and_one_under_it_is_logkeeps(site: Site, service: Service) -> None:
    with site.client("127.0.0.14") as client:
        refused = client.post("/v1/events", content=b" " * (BODY_BYTES_MAX + 1), headers=service.write_headers)
        assert (refused.status_code, refused.json()["error"]["code"]) == (413, "body_too_large")
        body = json.dumps(event("large")).encode()
        taken = client.post("/v1/events", content=body.ljust(BODY_BYTES_MAX), headers=service.write_headers)
        assert (taken.status_code, taken.json()["accepted"]) == (202, 1)
        read = client.post("/sign-in", content=b"a" * (1 << 20), headers=SAME_ORIGIN)
        assert read.status_code == 413


def test_a_tail_is_passed_on_event_by_event(site: Site, service: Service) -> None:
    parameters = {"query": "session=tailed"}
    with (
        site.client("127.0.0.15") as client,
        client.stream("GET", "/api/v1/tail", params=parameters, headers=service.read_headers) as answer,
    ):
        lines = answer.iter_lines()
        assert next(line for line in lines if line.startswith("id:"))
        for number in range(3):  # each is sent when the one before has been seen: nothing may wait in a buffer
            service.post([event("tailed", number)])
            data = next(line for line in lines if line.startswith("data:"))
            assert json.loads(data.removeprefix("data:"))["value"] == number


def test_an_export_is_passed_on_whole(site: Site, service: Service) -> None:
    service.post([event("exported", "x" * 1000) for _ in range(3000)])
    service.wait_for_events("session=exported", 3000)
    with site.client("127.0.0.16") as client:
        answer = client.get("/api/v1/export?query=session%3Dexported", headers=service.read_headers)
    assert (answer.status_code, len(answer.text.splitlines())) == (200, 3000)


def test_datagrams_reach_the_service_through_the_stream(site: Site, service: Service) -> None:
    with socket.socket(type=socket.SOCK_DGRAM) as sender:
        for number in range(20):
            datagram = {**event("datagram", number), "app": service.credentials["app_key"]}
            sender.sendto(json.dumps(datagram).encode(), ("127.0.0.1", site.udp_port))
    found = service.wait_for_events("session=datagram", 20)
    assert sorted(e["value"] for e in found) == list(range(20))


def test_senders_are_asked_to_try_again_when_the_service_is_away(nginx_path: str, tmp_path: Path) -> None:
    alone = Site(tmp_path, intake_port=free_port(), api_port=free_port())
    with alone.running(nginx_path), alone.client() as client:
        away = client.post("/v1/events", json=event("s"))
        assert (away.status_code, away.headers["retry-after"]) == (503, "2")
        assert away.json()["error"]["code"] == "upstream_away"
        assert client.get("/api/v1/search").status_code == 503
