"""An OpenID provider on loopback: oidc-provider, a certified one, from npm by its lock into the user's cache folder."""

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tests.programs import require_program
from tests.servers.process import ServerProcess, folder_of
from tests.service import free_port

HERE = Path(__file__).parent / "oidc"
LOCKED = ("package.json", "package-lock.json")
FETCH_S = 240.0
CLIENT_ID, CLIENT_SECRET = "logkeep", "a secret of the client"


def fetched() -> Path:
    """The folder that has what the lock says in `node_modules`."""
    digest = hashlib.sha256(b"".join((HERE / name).read_bytes() for name in LOCKED)).hexdigest()
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "logkeep-tests" / "node"
    folder = cache / f"oidc-{digest[:12]}"
    if folder.exists():
        return folder
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "lock").open("w") as held, TemporaryDirectory(dir=cache, prefix=".oidc-") as made:
        fcntl.flock(held, fcntl.LOCK_EX)
        if not folder.exists():  # else another run was first
            place = Path(made, "all")
            place.mkdir()
            for name in LOCKED:
                shutil.copy(HERE / name, place)
            command = [require_program("npm"), "ci", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error"]
            done = subprocess.run(
                command, cwd=place, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                text=True, timeout=FETCH_S,
            )  # fmt: skip
            assert done.returncode == 0, done.stdout[-3000:]
            os.rename(place, folder)
    return folder


@contextmanager
def running(redirect_uri: str, claims: Mapping[str, Mapping[str, Any]]) -> Iterator[ServerProcess]:
    """claims: by account. `url` is the issuer."""
    port = free_port()
    with folder_of("oidc", None) as place:
        shutil.copy(HERE / "provider.mjs", place)
        (place / "node_modules").symlink_to(fetched() / "node_modules")
        command = [
            "/usr/bin/env", f"CLAIMS={json.dumps(claims)}", require_program("node"), str(place / "provider.mjs"),
            str(port), CLIENT_ID, CLIENT_SECRET, redirect_uri,
        ]  # fmt: skip
        with ServerProcess(
            command, place / "oidc.log", url=f"http://127.0.0.1:{port}", ready=lambda said: "listening" in said
        ) as server:
            yield server
