"""Saved searches over the API: kept for all who read the app, changed by one at a time."""

from collections.abc import Iterator
from typing import Any

import pytest
from litestar import Litestar
from litestar.testing import TestClient
from tests.reading import ADMIN, ADMIN_EMAIL, ADMIN_PASSWORD, READ, READ_TOKEN, Reading

SEARCH = {"query": "level>=warn timed", "from": "-24h", "columns": ["component"], "widths": {"component": 20}}


@pytest.fixture
def client() -> Iterator[TestClient[Litestar]]:
    with TestClient(Reading().app) as made:
        yield made


def save(client: TestClient[Litestar], name: str = "trouble", **search: Any) -> Any:
    return client.post("/api/v1/searches", json={"name": name, "search": SEARCH | search}, headers=ADMIN)


def test_a_search_is_saved_changed_and_deleted(client: TestClient[Litestar]) -> None:
    saved = save(client)
    assert saved.status_code == 201
    answer = saved.json()
    assert answer["search"] == SEARCH and answer["saved_by"] == "token admin"
    listed = client.get("/api/v1/searches", headers=READ).json()
    assert listed == {"searches": [answer], "next": None}
    path = f"/api/v1/searches/{answer['id']}"
    changed = client.patch(path, json={"version": 1, "name": "worse"}, headers=ADMIN).json()
    assert changed == answer | {"version": 2, "name": "worse", "saved": changed["saved"]}
    late = client.patch(path, json={"version": 1, "name": "mine"}, headers=ADMIN)
    assert (late.status_code, late.json()["error"]["code"]) == (409, "conflict")
    assert client.delete(path, headers=ADMIN).json() == {"searches": [], "next": None}
    assert client.delete(path, headers=ADMIN).status_code == 404


@pytest.mark.parametrize(
    "body",
    [
        {"name": "", "search": SEARCH},
        {"name": "x" * 121, "search": SEARCH},
        {"name": "a\u202eb", "search": SEARCH},
        {"name": "a", "search": SEARCH | {"query": "(open"}},
        {"name": "a", "search": SEARCH | {"order": "sideways"}},
        {"name": "a", "search": SEARCH | {"from": "x" * 65}},
        {"name": "a", "search": SEARCH | {"columns": ["c"] * 21}},
        {"name": "a", "search": SEARCH | {"widths": {"key": 3}}},
        {"name": "a", "search": SEARCH | {"widths": {f"attributes.a{n}": 9 for n in range(23)}}},
        {"name": "a", "search": SEARCH, "app": "other"},
        {"name": "a"},
        [],
    ],
)
def test_what_cannot_be_searched_for_is_not_saved(client: TestClient[Litestar], body: Any) -> None:
    answer = client.post("/api/v1/searches", json=body, headers=ADMIN)
    assert answer.status_code == 400 and answer.json()["error"]["message"]
    assert client.get("/api/v1/searches", headers=READ).json()["searches"] == []


def test_who_can_only_read_saves_nothing_and_another_site_neither(client: TestClient[Litestar]) -> None:
    body = {"name": "a", "search": SEARCH}
    assert client.post("/api/v1/searches", json=body, headers=READ).status_code == 403
    client.post("/sign-in", data={"email": ADMIN_EMAIL, "password": ADMIN_PASSWORD}, follow_redirects=False)
    foreign = client.post("/api/v1/searches", json=body, headers={"Sec-Fetch-Site": "cross-site"})
    assert (foreign.status_code, foreign.json()["error"]["code"]) == (403, "foreign_origin")
    client.post("/sign-in", data={"token": READ_TOKEN}, follow_redirects=False)
    assert client.get("/api/v1/searches").status_code == 200
