"""An API over a store in memory for each test, and a client of it."""

from collections.abc import Iterator
from typing import Any

import pytest
from litestar.testing import TestClient
from tests.reading import BASE, Reading


@pytest.fixture
def reading() -> Reading:
    return Reading()


@pytest.fixture
def client(reading: Reading) -> Iterator[TestClient[Any]]:
    with TestClient(reading.app, base_url=BASE, raise_server_exceptions=False) as made:
        yield made
