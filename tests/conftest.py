"""What all tests share: real programs, the servers that all tests of a run talk to, and the running service."""

import functools
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import httpx._transports.default
import pytest
import tests.servers.kafka
import tests.servers.mariadb
import tests.servers.postgresql
import tests.servers.redis
from hypothesis import settings
from tests import workers
from tests.programs import require_program
from tests.servers.databases import DatabaseServer
from tests.servers.kafka import Kafka
from tests.servers.process import ServerProcess
from tests.service import Service, running

# Else each `httpx.get` reads the certificates of all authorities again: 60 ms of a core, for tests that ask in plain
# HTTP, and poll.
httpx._transports.default.create_ssl_context = functools.cache(httpx.create_ssl_context)

# An example that took long is no fault: no test asserts a duration, and other processes want the machine too.
settings.register_profile("any machine", settings(), deadline=None)
settings.load_profile("any machine")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    return workers.Scheduling(config, log)


@pytest.hookimpl(trylast=True)  # after pytest has put those of a parameter beside each other
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if "PYTEST_XDIST_WORKER" in os.environ:
        items.sort(key=lambda item: workers.place_of(item.nodeid))


@pytest.fixture(scope="session")
def nginx_path() -> str:
    return require_program("nginx")


@pytest.fixture(scope="session")
def browser_path() -> str:
    """Chromium, for playwright's `executable_path`."""
    return require_program("chromium", "chromium-browser", "google-chrome")


@pytest.fixture(scope="session")
def kafka() -> Kafka:
    """One broker."""
    return tests.servers.kafka.shared()


@pytest.fixture(scope="session")
def redis() -> ServerProcess:
    return tests.servers.redis.shared()


@pytest.fixture(scope="session")
def mariadb() -> DatabaseServer:
    return tests.servers.mariadb.shared()


@pytest.fixture(scope="session")
def postgresql() -> DatabaseServer:
    return tests.servers.postgresql.shared()


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
