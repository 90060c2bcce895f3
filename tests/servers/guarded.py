"""An nginx in front of a server that has no TLS or passwords of its own here: both, and certificates of clients.

OpenSearch and Elasticsearch come without their security plugins as libraries; this stands for them. What the client of
Logkeep says on the wire is the same: TLS, a certificate, `Authorization: Basic …` or `ApiKey …`.
"""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

from tests.programs import require_program
from tests.servers.authority import Authority
from tests.servers.process import ServerProcess, folder_of
from tests.service import free_port

TEMPORARY = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")


@contextmanager
def running(target: str, authority: Authority, *, user: str, password: str, api_key: str) -> Iterator[tuple[str, str]]:
    """Two https addresses that lead to `target`: one asks for user and password, one for an API key."""
    ports = [free_port(), free_port()]
    with folder_of("guarded") as place:
        files = authority.issue(place)
        hashed = subprocess.run(
            [require_program("openssl"), "passwd", "-apr1", password], capture_output=True, text=True, check=True
        ).stdout.strip()
        (place / "users").write_text(f"{user}:{hashed}\n")
        (place / "users").chmod(0o644)
        place.chmod(0o755)
        by_password = f'auth_basic "engine"; auth_basic_user_file {place}/users;'
        by_key = f'if ($http_authorization != "ApiKey {api_key}") {{ return 401; }}'
        servers = "".join(
            f"server {{ listen 127.0.0.1:{port} ssl; ssl_certificate {files.certificate};"
            f" ssl_certificate_key {files.key}; ssl_client_certificate {files.ca}; ssl_verify_client on;"
            f' location / {{ {guard} proxy_pass {target}; proxy_http_version 1.1; proxy_set_header Connection "";'
            f' proxy_set_header Authorization ""; client_max_body_size 100m; }} }}\n'
            for port, guard in zip(ports, (by_password, by_key), strict=True)
        )
        temporary = " ".join(f"{kind}_temp_path {place}/{kind};" for kind in TEMPORARY)
        configuration = place / "nginx.conf"
        configuration.write_text(
            f"daemon off; worker_processes 1; pid {place}/pid; events {{}}\n"
            f"http {{ access_log off; {temporary}\n{servers}}}\n"
        )
        command = [require_program("nginx"), "-c", str(configuration), "-e", "stderr"]
        with ServerProcess(command, place / "nginx.log", ready=lambda said: (place / "pid").exists()):
            yield f"https://127.0.0.1:{ports[0]}", f"https://127.0.0.1:{ports[1]}"
