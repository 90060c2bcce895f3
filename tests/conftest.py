"""What all tests share: real programs that may be missing, and the running service."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import pytest
from tests.servers.kafka import Kafka, running_kafka
from tests.servers.redis import Redis, running_redis
from tests.service import Service, running

if TYPE_CHECKING:
    from tests.servers.mariadb import MariaDb
    from tests.servers.postgresql import PostgreSql

SBIN = "/usr/sbin:/usr/local/sbin"


def require_program(*names: str) -> str:
    """Path of the first of `names` that is installed; without any, a skip on a laptop and a failure in CI."""
    path = os.environ.get("PATH", os.defpath) + os.pathsep + SBIN
    found = next(filter(None, (shutil.which(name, path=path) for name in names)), None)
    return found or missing(" or ".join(names))


def missing(what: str) -> NoReturn:
    """Ends a test that needs `what`."""
    message = f"{what} is not installed; scripts/install_servers.sh installs it where it may"
    if os.environ.get("CI"):
        pytest.fail(message)
    pytest.skip(message)


@pytest.fixture(scope="session")
def nginx_path() -> str:
    return require_program("nginx")


@pytest.fixture(scope="session")
def browser_path() -> str:
    """Chromium, for playwright's `executable_path`."""
    return require_program("chromium", "chromium-browser", "google-chrome")


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kafka]:
    """One broker for all tests that do not kill it."""
    require_program("java")
    require_program("mvn")
    with running_kafka(tmp_path_factory.mktemp("kafka")) as started:
        yield started


@pytest.fixture(scope="session")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Redis]:
    """One server for all tests that do not kill it."""
    with running_redis(require_program("redis-server"), tmp_path_factory.mktemp("redis")) as started:
        yield started


@pytest.fixture(scope="session")
def mariadb() -> Iterator["MariaDb"]:
    """A server for the whole session; ask it for a database of your own."""
    from tests.servers.mariadb import mariadb

    with mariadb(require_program("mariadbd")) as server:
        yield server


@pytest.fixture(scope="session")
def postgresql() -> Iterator["PostgreSql"]:
    """A server for the whole session; ask it for a database of your own."""
    from tests.servers.postgresql import postgresql

    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))  # Debian puts it on nobody's path
    with postgresql(str(installed[-1]) if installed else require_program("postgres")) as server:
        yield server


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A ready `logkeep serve`, started on an empty folder and shared by the tests of one file."""
    with running(tmp_path_factory.mktemp("service") / "data") as started:
        yield started


@pytest.fixture
def start_service(tmp_path: Path) -> Iterator[Callable[..., Service]]:
    """Starts a service with settings (`LOGKEEP_…` variables); all of them are gone after the test."""
    started: list[Service] = []

    def start(**settings: str) -> Service:
        started.append(Service.start(tmp_path / f"data-{len(started)}", settings=settings))
        return started[-1]

    yield start
    for one in started:
        one.kill_all()
