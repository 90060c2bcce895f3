"""Java servers from Maven, by name and version, kept in the user's cache."""

import hashlib
import os
import shutil
import subprocess
from pathlib import Path

PLUGIN = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies"
FETCH_TIMEOUT_S = 240


def jars_of(pom: Path) -> Path:
    """The folder with everything that `pom` names; fetched the first time, and again when it has changed."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "logkeep-tests"
    folder = cache / f"{pom.name.split('.')[0]}-{hashlib.sha256(pom.read_bytes()).hexdigest()[:12]}"
    if not folder.exists():
        making = folder.with_name(f"{folder.name}.{os.getpid()}")
        command = ["mvn", "-B", "-q", "-f", str(pom), PLUGIN, f"-DoutputDirectory={making}", "-DincludeScope=runtime"]
        subprocess.run(command, check=True, timeout=FETCH_TIMEOUT_S, stdin=subprocess.DEVNULL)
        try:
            making.rename(folder)
        except OSError:  # another run was quicker
            shutil.rmtree(making)
    return folder
