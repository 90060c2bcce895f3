"""Tools that look at deploy/: from the distribution, the development lock, or built once into the user's cache."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.programs import missing, require_program

STREAM_MODULE = Path("/usr/lib/nginx/modules/ngx_stream_module.so")


@pytest.fixture(scope="session")
def nginx_path() -> str:
    """An nginx that can pass on datagrams."""
    path = require_program("nginx")
    built = subprocess.run([path, "-V"], capture_output=True, text=True, check=True).stderr.split()
    if "--with-stream" not in built and not STREAM_MODULE.exists():
        missing("nginx's stream module (libnginx-mod-stream)")
    return path


@pytest.fixture(scope="session")
def kustomize() -> list[str]:
    """The command that builds a folder of manifests."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "logkeep/tools"
    if built := sorted(cache.glob("kustomize-*")):
        return [str(built[-1]), "build"]
    return [require_program("kubectl"), "kustomize"]


def tool(name: str) -> str:
    """A command of the development lock."""
    return str(Path(sys.executable).with_name(name))
