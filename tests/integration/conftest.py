"""An API over a store in memory: one for each test and a client of it, or one with people for the tests of a file."""

from collections.abc import Iterator
from typing import Any

import pytest
from litestar.testing import TestClient
from tests.accounts import House, house
from tests.reading import BASE, Reading, make_event


@pytest.fixture
def reading() -> Reading:
    return Reading()


@pytest.fixture
def client(reading: Reading) -> Iterator[TestClient[Any]]:
    with TestClient(reading.app, base_url=BASE, raise_server_exceptions=False) as made:
        yield made


@pytest.fixture(scope="module")
def it() -> Iterator[House]:
    """Everybody of `tests.accounts`, and three events of the app shop."""
    with house() as made:
        made.reading.write([make_event(index) for index in range(3)])
        yield made


@pytest.fixture
def nobody_waits(it: House) -> None:
    """Whatever sign-ins failed in tests before."""
    it.reading.database.write(lambda transaction: transaction.change("DELETE FROM attempts"))
