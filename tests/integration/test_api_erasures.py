"""Erasing over the API: counted first, confirmed by a token, and told until it is done."""

from typing import Any

import httpx
import pytest
from litestar.testing import TestClient
from tests.reading import ADMIN, ADMIN_EMAIL, ADMIN_PASSWORD, READ, Reading, error_of, make_event

from logkeep.metastore.audit import CONSOLE
from logkeep.metastore.erasures import CONFIRM_S, WAITING_MAX, Erased


def ask(client: TestClient[Any], **parameters: str) -> httpx.Response:
    return client.delete("/api/v1/events", params=parameters, headers=ADMIN)


def confirm(client: TestClient[Any], job: str, token: str) -> httpx.Response:
    return client.post(f"/api/v1/erasures/{job}", json={"confirm": token}, headers=ADMIN)


def test_an_erasure_counts_first_and_begins_with_its_confirmation(reading: Reading, client: TestClient[Any]) -> None:
    reading.write([make_event(n, user="anna" if n < 2 else "bert") for n in range(5)])
    asked = ask(client, query="user=anna", **{"from": "2026-08-01", "to": "now"})
    assert asked.status_code == 202
    answer = asked.json()
    assert (answer["state"], answer["matches"], answer["query"]) == ("waiting_for_confirmation", 1, 'user="anna"')
    assert answer["expires"] == "2026-08-01T10:10:00.000000000Z"
    assert client.get("/api/v1/search", headers=READ).json()["events"][0]["user"] == "anna"

    begun = confirm(client, answer["job"], answer["confirm"])
    assert begun.status_code == 200
    receipt = {
        "job": answer["job"],
        "app": "shop",
        "state": "confirmed",
        "query": 'user="anna"',
        "covers": {"session_map": ['user="anna"'], "devices": ['user="anna"']},
        "from": "2026-08-01T00:00:00.000000000Z",
        "to": "2026-08-01T10:00:00.000000000Z",
        "matches": 1,
        "asked": "2026-08-01T10:00:00.000000000Z",
        "asked_by": "token admin",
        "confirmed": "2026-08-01T10:00:00.000000000Z",
        "confirmed_by": "token admin",
        "erased": None,
        "not_found_since": None,
        "store_files_gone": None,
        "queue_files_gone": None,
        "done": None,
        "archives": "none kept yet",
        "error": None,
    }
    assert begun.json() == receipt
    assert confirm(client, answer["job"], answer["confirm"]).json() == receipt

    reading.erasures.change(answer["job"], state="done", erased=Erased(1, 2, 3, 4), done_ns=1)
    ended = client.get(f"/api/v1/erasures/{answer['job']}", headers=ADMIN).json()
    others = {"waiting": 0, "session_map": 0, "statistics": 0, "devices": 0, "occurrences": 0, "shares": 0}
    assert ended["erased"] == {"events": 1, "rejected_samples": 2, "dead_letters": 3, "patterns": 4} | others
    assert client.get("/api/v1/erasures", headers=ADMIN).json() == {"erasures": [ended]}


def test_whom_an_erasure_covers_besides_the_events_is_told_before_and_in_the_receipt(client: TestClient[Any]) -> None:
    covers = {
        "session_map": ['device="a1"', 'session="s"', 'user="anna"'],
        "devices": ['device="a1"', 'user="anna"'],
    }
    asked = ask(client, query='user=anna or device=a1 or session=s timeout or "anna@example.org"').json()
    assert asked["covers"] == covers
    assert client.get(f"/api/v1/erasures/{asked['job']}", headers=ADMIN).json()["covers"] == covers
    nobody = ask(client, query="(user=anna or timeout) level:error").json()
    assert nobody["covers"] == {"session_map": [], "devices": []}


def test_an_empty_query_is_refused_unless_all_is_meant(reading: Reading, client: TestClient[Any]) -> None:
    reading.write([make_event(n) for n in range(3)])
    assert (ask(client).status_code, error_of(ask(client))["code"]) == (400, "erases_all")
    everything = ask(client, all="true").json()
    assert (everything["matches"], everything["query"]) == (3, "*")
    ended = client.get(f"/api/v1/erasures/{everything['job']}", headers=ADMIN).json()
    assert (ended["from"], ended["to"]) == (None, None)


@pytest.mark.parametrize(
    ("parameters", "code"),
    [
        ({"query": "level:"}, "query_syntax"),
        ({"query": "a", "from": "now", "to": "-1h"}, "bad_range"),
        ({"query": "a", "from": "yesterday"}, "bad_time"),
        ({"query": "a", "fom": "-1h"}, "unknown_parameter"),
        ({"query": "a", "all": "perhaps"}, "bad_input"),
    ],
)
def test_what_cannot_be_read_erases_nothing(client: TestClient[Any], parameters: dict[str, str], code: str) -> None:
    answer = ask(client, **parameters)
    assert (answer.status_code, error_of(answer)["code"]) == (400, code)
    assert client.get("/api/v1/erasures", headers=ADMIN).json() == {"erasures": []}


def test_only_the_right_confirmation_of_the_same_app_begins_it(reading: Reading, client: TestClient[Any]) -> None:
    asked = ask(client, query="a").json()
    wrong = confirm(client, asked["job"], "guessed")
    assert (wrong.status_code, error_of(wrong)["code"]) == (403, "wrong_confirmation")
    assert confirm(client, "era_unknown", asked["confirm"]).status_code == 404
    _, secret = reading.directory.tokens.create(
        CONSOLE, team="other", app="", person="", name="admin", scopes=["admin"], expires_s=None
    )
    foreign = {"Authorization": f"Bearer {secret}"}
    path = f"/api/v1/erasures/{asked['job']}"
    assert client.post(path, json={"confirm": asked["confirm"]}, headers=foreign).status_code == 404
    assert client.get(path, headers=foreign).status_code == 404
    assert client.get("/api/v1/erasures", headers=foreign).json() == {"erasures": []}
    assert client.post(path, json={}, headers=ADMIN).status_code == 400
    assert client.get(path, headers=ADMIN).json()["state"] == "waiting_for_confirmation"


def test_what_is_not_confirmed_in_time_is_forgotten(reading: Reading, client: TestClient[Any]) -> None:
    asked = ask(client, query="a").json()
    reading.clock.advance(CONFIRM_S)
    assert confirm(client, asked["job"], asked["confirm"]).status_code == 404
    assert client.get("/api/v1/erasures", headers=ADMIN).json() == {"erasures": []}


def test_only_so_many_wait_for_their_confirmation(client: TestClient[Any]) -> None:
    answers = [ask(client, query="a") for _ in range(WAITING_MAX + 1)]
    assert [answer.status_code for answer in answers] == [202] * WAITING_MAX + [429]
    assert int(answers[-1].headers["retry-after"]) > 0


def test_a_person_may_erase_but_a_page_of_another_site_may_not(client: TestClient[Any]) -> None:
    client.post("/sign-in", data={"email": ADMIN_EMAIL, "password": ADMIN_PASSWORD}, follow_redirects=False)
    foreign = client.delete("/api/v1/events?query=a", headers={"Sec-Fetch-Site": "cross-site"})
    assert (foreign.status_code, error_of(foreign)["code"]) == (403, "foreign_origin")
    own = client.delete("/api/v1/events?query=a", headers={"Sec-Fetch-Site": "same-origin"})
    assert own.status_code == 202


def test_the_metastore_holds_no_secret_of_a_job(reading: Reading, client: TestClient[Any]) -> None:
    asked = ask(client, query="a").json()
    kept = reading.database_file.read_bytes().decode("latin-1")
    assert asked["job"] in kept
    assert asked["confirm"] not in kept and ADMIN["Authorization"].split()[1] not in kept


def test_a_read_token_is_told_what_it_lacks(client: TestClient[Any]) -> None:
    answer = client.delete("/api/v1/events?query=a", headers=READ)
    assert (answer.status_code, error_of(answer)["code"]) == (403, "forbidden")
    assert "admin" in error_of(answer)["message"]
