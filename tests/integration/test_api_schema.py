"""The API against its own description: requests generated from it, valid ones and others, find no fault of ours."""

from collections.abc import Iterator

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from tests.accounts import BASE, House, house
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
    it.client.cookies.clear()
    asked = case.as_transport_kwargs(base_url=BASE)
    given = {name: value for name, value in asked["headers"].items() if name.lower() != "authorization"}
    known = {name: asked[name] for name in ("method", "url", "params", "json") if asked.get(name) is not None}
    body = asked.get("data")
    response = it.client.request(
        **known,
        content=body if isinstance(body, bytes) else None,
        headers=given | it.as_("owner"),
        follow_redirects=False,
    )
    assert response.status_code < 500, (asked, response.text)
