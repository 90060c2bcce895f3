"""deploy/nginx as it is, on free ports in front of a running service: only addresses and paths are exchanged."""

import contextlib
import os
import shutil
import socket
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
from tests.service import free_port, wait_for
from tests.style.tree import ROOT

DEPLOY = ROOT / "deploy"
NAME = "logs.example.org"
TRUSTED_PROXY = "127.0.0.77"


class Site:
    """An nginx of ours: what it listens on, and how to speak to it."""

    def __init__(self, folder: Path, *, intake_port: int, api_port: int) -> None:
        self.folder = folder
        self.plain_port, self.tls_port, self.udp_port = free_port(), free_port(), free_port()
        self.url = f"https://127.0.0.1:{self.tls_port}"
        self._upstreams = {"127.0.0.1:7300": f"127.0.0.1:{intake_port}", "127.0.0.1:7301": f"127.0.0.1:{api_port}"}
        self._write_certificate()
        self.configuration = self._write_configuration()

    @property
    def trust(self) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=self.folder / "certificates/logkeep.crt")
        context.set_alpn_protocols(["h2", "http/1.1"])
        return context

    @contextlib.contextmanager
    def client(self, source: str = "127.0.0.1") -> Iterator[httpx.Client]:
        """A client that connects from the loopback address `source` and trusts this site's certificate alone."""
        transport = httpx.HTTPTransport(local_address=source, verify=self.trust)
        with httpx.Client(transport=transport, base_url=self.url, timeout=30) as client:
            yield client

    @contextlib.contextmanager
    def running(self, nginx_path: str) -> Iterator["Site"]:
        """This site answers for the length of a `with`."""
        log = self.folder / "nginx.log"
        with log.open("wb") as output:
            nginx = subprocess.Popen([*self.command(nginx_path), "-g", "daemon off;"], stdout=output, stderr=output)
        try:
            wait_for(lambda: self._listens() or nginx.poll() is not None, 60, "nginx to listen", log.read_text)
            assert nginx.poll() is None, log.read_text()
            yield self
        finally:
            nginx.terminate()
            nginx.wait(10)

    def command(self, nginx_path: str) -> list[str]:
        return [nginx_path, "-c", str(self.configuration), "-e", "stderr"]

    def _listens(self) -> bool:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.tls_port), timeout=1):
            return True
        return False

    def _write_certificate(self) -> None:
        (self.folder / "certificates").mkdir()
        key, certificate = (str(self.folder / "certificates" / f"logkeep.{end}") for end in ("key", "crt"))
        command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
        command += ["-days", "2", "-subj", f"/CN={NAME}", "-addext", f"subjectAltName=DNS:{NAME},IP:127.0.0.1"]
        subprocess.run([*command, "-keyout", key, "-out", certificate], check=True, capture_output=True)

    def _write_configuration(self) -> Path:
        shutil.copytree(DEPLOY / "nginx", self.folder / "nginx")
        temporary = [f"{kind}_temp_path {self.folder}/{kind};" for kind in TEMPORARY]
        everywhere = {
            "/etc/nginx/logkeep/": f"{self.folder}/nginx/logkeep/",
            "/etc/nginx/certificates/": f"{self.folder}/certificates/",
            "/var/log/nginx/access.log": f"{self.folder}/access.log",
            "/run/nginx.pid": f"{self.folder}/nginx.pid",
            "user www-data;": "user root;" if os.geteuid() == 0 else "",  # whoever runs the tests owns the folder
            "worker_processes auto;": "worker_processes 1;",
            "http {": f"http {{ {' '.join(temporary)}",
            "listen 80 default_server;": f"listen 127.0.0.1:{self.plain_port};",
            "listen [::]:80 default_server;": "",
            "listen 443 ssl http2;": f"listen 127.0.0.1:{self.tls_port} ssl http2;",
            "listen [::]:443 ssl http2;": "",
            "listen 7300 udp reuseport;": f"listen 127.0.0.1:{self.udp_port} udp reuseport;",
            "listen [::]:7300 udp reuseport;": "",
            "real_ip_recursive on;": f"real_ip_recursive on; set_real_ip_from {TRUSTED_PROXY};",
            **self._upstreams,
        }
        exchange(sorted((self.folder / "nginx").rglob("*.conf")), everywhere)
        return self.folder / "nginx/nginx.conf"


TEMPORARY = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")


def exchange(paths: list[Path], texts: dict[str, str]) -> None:
    """`texts` replaced in the files; one that stands in none of them fails, for it tests nothing any more."""
    unseen = set(texts)
    for path in paths:
        content = path.read_text()
        for old, new in texts.items():
            if old in content:
                unseen.discard(old)
                content = content.replace(old, new)
        path.write_text(content)
    assert unseen == set()
