"""Real input: nginx's own access log, made by real requests, goes in by `logkeep send` and is found."""

import http.server
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from tests.service import LOGKEEP, Service, answers_ok, free_port, wait_for

NGINX_CONF = """
daemon off; worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/error.log warn;
events {{ worker_connections 64; }}
http {{
  access_log {folder}/access.log combined;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  server {{
    listen 127.0.0.1:{port};
    location / {{ proxy_pass http://127.0.0.1:{upstream_port}; }}
  }}
}}
"""


class Shop(http.server.BaseHTTPRequestHandler):
    """The tiny service behind nginx: two pages, one of them broken."""

    def do_GET(self) -> None:
        status = {"/cart?item=42": 200, "/pay": 500}.get(self.path, 404)
        self.send_response(status)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: nginx's log is what this is about."""


@pytest.fixture
def shop_port() -> Iterator[int]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Shop)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield server.server_port
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def nginx_port(nginx_path: str, shop_port: int, tmp_path: Path) -> Iterator[int]:
    """The port of an nginx in front of the shop; it logs to `tmp_path / "access.log"`."""
    port = free_port()
    configuration = tmp_path / "nginx.conf"
    configuration.write_text(NGINX_CONF.format(folder=tmp_path, port=port, upstream_port=shop_port))
    error_log = str(tmp_path / "error.log")
    nginx = subprocess.Popen([nginx_path, "-c", str(configuration), "-p", str(tmp_path), "-e", error_log])
    try:
        wait_for(lambda: answers_ok(f"http://127.0.0.1:{port}/cart?item=42"), 60, "nginx to answer")
        yield port
    finally:
        nginx.terminate()
        nginx.wait(10)


def visit(port: int, source: str, path: str, user_agent: str) -> int:
    """The status of one request that comes from the loopback address `source`."""
    transport = httpx.HTTPTransport(local_address=source)
    with httpx.Client(transport=transport, headers={"User-Agent": user_agent}) as client:
        return client.get(f"http://127.0.0.1:{port}{path}").status_code


def test_an_nginx_access_log_is_found_by_query_and_on_its_session_page(
    nginx_port: int, service: Service, tmp_path: Path
) -> None:
    visits = [
        ("127.0.0.2", "/cart?item=42", 'Shop/7.1 ("beta")', 200),
        ("127.0.0.2", "/pay", "Shop/7.1", 500),
        ("127.0.0.3", "/no-such-page", "scanner", 404),
    ]
    for source, path, user_agent, status in visits:
        assert visit(nginx_port, source, path, user_agent) == status

    command = [LOGKEEP, "send", str(tmp_path / "access.log"), "--format", "combined", "--session", "{client}"]
    command += ["--component", "nginx", "--url", service.intake_url, "--app-key", service.credentials["app_key"]]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr

    [failed] = service.wait_for_events("level:error component:nginx pay", 1)
    assert (failed["session"], failed["value"]) == ("127.0.0.2", "GET /pay HTTP/1.1 500")
    assert failed["attributes"]["user_agent"] == "Shop/7.1"
    [quoted] = service.search("session:127.0.0.2 level:info")
    assert quoted["attributes"]["user_agent"] == 'Shop/7.1 ("beta")'
    assert [e["value"] for e in service.search("session:127.0.0.3")] == ["GET /no-such-page HTTP/1.1 404"]

    page = service.get("/sessions/127.0.0.2")
    assert page.status_code == 200
    # Both in one second, which is all that nginx's log tells: their order on the page is not ours to promise.
    assert [path in page.text for path in ("/cart?item=42", "/pay", "/no-such-page")] == [True, True, False]
