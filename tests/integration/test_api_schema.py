"""The API against its own description: generated requests, valid and not, find no 500 and nothing that is not described."""

from collections.abc import Iterator

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from schemathesis.checks import not_a_server_error
from tests.accounts import House, house
from tests.reading import make_event

from logkeep.api.app import openapi_document

EXAMPLES = 4  # of each call: some seconds in all; more find the same, more slowly
DOCUMENT = schemathesis.openapi.from_file(openapi_document().decode())
# Endless, or it would end the sign-in that asks.
SCHEMA = DOCUMENT.exclude(path="/api/v1/tail").exclude(path_regex="/me/sign-ins$")


@pytest.fixture(scope="module")
def it() -> Iterator[House]:
    with house() as made:
        made.reading.write([make_event(index) for index in range(3)])
        yield made


@SCHEMA.parametrize()
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=True,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
def test_no_request_of_the_description_is_a_fault_of_ours(it: House, case: schemathesis.Case) -> None:
    for who in ("admin token", "owner"):
        it.client.cookies.clear()
        case.headers = {**(case.headers or {}), **it.as_(who)}
        response = case.call(base_url=str(it.client.base_url), session=it.client)
        case.validate_response(response, checks=[not_a_server_error])
