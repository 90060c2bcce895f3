"""Real programs that tests need and a machine may not have."""

import os
import shutil
from typing import NoReturn

import pytest

SBIN = "/usr/sbin:/usr/local/sbin"  # where Debian keeps servers; not on everyone's path


def require_program(*names: str) -> str:
    """Path of the first of `names` that is installed; without any, a skip on a laptop and a failure in CI."""
    path = os.environ.get("PATH", os.defpath) + os.pathsep + SBIN
    found = next(filter(None, (shutil.which(name, path=path) for name in names)), None)
    return found or missing(" or ".join(names))


def require_file(*paths: str) -> str:
    """The first of `paths` that is there, such as a library of a server; else as above."""
    found = next(filter(os.path.exists, paths), None)
    return found or missing(" or ".join(paths))


def missing(what: str) -> NoReturn:
    """Ends a test that needs `what`."""
    message = f"{what} is not installed; scripts/install_servers.sh installs it where it may"
    if os.environ.get("CI"):
        pytest.fail(message)
    pytest.skip(message)
