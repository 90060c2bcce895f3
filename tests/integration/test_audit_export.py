"""The audit log as a file: all of it, page after page, and nothing in it that a spreadsheet calculates with."""

import csv
import io
import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from tests.accounts import House, house
from tests.reading import Reading, served

from logkeep.metastore.audit import CONSOLE, PAGE_MAX, Actor, AuditRow, Entry, Wanted

FORMULA = "=HYPERLINK(1)"


@pytest.fixture
def it() -> Iterator[House]:
    with house() as made:
        yield made


def add(it: House | Reading, count: int, **fields: Any) -> None:
    fields = {"by": CONSOLE, "what": "key.created", "team": "main", "app": "shop", **fields}
    clock = it.reading.clock if isinstance(it, House) else it.clock
    it.directory.audit.add([Entry(made_ns=clock.now_ns(), target=f"key-{n}", **fields) for n in range(count)])


def test_a_file_has_what_the_list_has_however_many_pages_that_is(it: House) -> None:
    add(it, PAGE_MAX)
    add(it, 5, app="phone")
    answer = it.ask("owner", "GET", "/api/v1/audit/export?what=key.created")
    found = [json.loads(line) for line in answer.text.splitlines()]
    assert [entry["target"] for entry in found] == [
        *(f"key-{n}" for n in reversed(range(5))), *(f"key-{n}" for n in reversed(range(PAGE_MAX))),
    ]  # fmt: skip
    listed = it.ask("owner", "GET", "/api/v1/audit?what=key.created&limit=1000").json()["audit"]
    assert found[:PAGE_MAX] == listed
    assert answer.headers["content-type"] == "application/x-ndjson"
    assert answer.headers["content-disposition"].startswith('attachment; filename="logkeep-audit-main-2026-08-01T')
    of_phone = it.ask("owner", "GET", "/api/v1/audit/export?app=phone&what=key.created").text
    assert len(of_phone.splitlines()) == 5
    assert it.ask("owner", "GET", "/api/v1/audit/export?what=nothing.done").text == ""


@pytest.mark.parametrize("gets", ["a role in an older team", "audit in one more app", "the whole team"])
def test_whoever_gets_more_rights_meanwhile_gets_all_of_the_file_all_the_same(it: House, gets: str) -> None:
    change, anna = it.directory.teams.change_member, it.directory.people.create(CONSOLE, email="anna@example.org")
    it.people["anna"], team, app_roles = anna.id, "main", {"shop": "admin"}
    if gets == "a role in an older team":
        it.directory.teams.create(CONSOLE, name="younger", title_="")
        it.directory.teams.add(CONSOLE, "younger", anna.id, "admin")
        team, app_roles = "younger", {}
    it.directory.apps.create(CONSOLE, team="main", name="web", title_="")
    it.directory.teams.add(CONSOLE, "main", anna.id, "member")
    change(CONSOLE, "main", anna.id, role=None, app_roles=app_roles, revision=None, is_owner=True)
    add(it, PAGE_MAX + 1, team=team)
    listing = it.directory.audit.list

    def give(wanted: Wanted) -> list[AuditRow]:
        if wanted.before:  # the second page
            new = {"web": "admin"} if gets == "audit in one more app" else {}
            role = None if new else "admin"
            change(CONSOLE, "main", anna.id, role=role, app_roles=new, revision=None, is_owner=True)
        return listing(wanted)

    it.reading.app.state.context.backend.directory.audit.list = give
    lines = it.ask("anna", "GET", "/api/v1/audit/export?what=key.created").text.splitlines()
    assert len(lines) == PAGE_MAX + 1 and {json.loads(line)["team"] for line in lines} == {team}


@pytest.mark.parametrize("had", ["the team", "an app of it"])
def test_whoever_loses_the_audit_log_meanwhile_gets_no_more_of_it(had: str) -> None:
    reading = Reading()
    directory, change = reading.directory, reading.directory.teams.change_member
    anna = directory.people.create(CONSOLE, email="anna@example.org")
    directory.teams.create(CONSOLE, name="younger", title_="", owner=anna.id)
    directory.teams.add(CONSOLE, "main", anna.id, "admin" if had == "the team" else "member")
    if team := "main" if had == "an app of it" else "":  # "": the first in which she may
        change(CONSOLE, "main", anna.id, role=None, app_roles={"shop": "admin"}, revision=None, is_owner=True)
    add(reading, PAGE_MAX + 1)
    listing = directory.audit.list

    def take(wanted: Wanted) -> list[AuditRow]:
        if wanted.before:  # the second page
            roles: dict[str, str | None] = {} if had == "the team" else {"shop": None}
            change(CONSOLE, "main", anna.id, role="member", app_roles=roles, revision=None, is_owner=True)
        return listing(wanted)

    reading.app.state.context.backend.directory.audit.list = take
    cookie = reading.app.state.context.sign_ins.open(name=anna.email, person=anna.id)
    text = ""
    with (
        served(reading.app) as url,
        pytest.raises(httpx.RemoteProtocolError, match="incomplete"),
        httpx.stream(
            "GET", f"{url}/api/v1/audit/export?what=key.created&team={team}", headers={"Cookie": f"logkeep={cookie}"}
        ) as answer,
    ):
        for part in answer.iter_text():
            text += part
    *lines, last = text.splitlines()
    assert len(lines) == PAGE_MAX and json.loads(last)["error"]["code"] == "forbidden"


def test_a_csv_has_a_head_and_no_formula(it: House) -> None:
    by = Actor("per_1", FORMULA, ip="@10.0.0.1")
    it.directory.audit.add(
        [
            Entry(
                by=by,
                what="read.search",
                made_ns=it.reading.clock.now_ns(),
                team="main",
                target="+1\n2",
                detail={"query": FORMULA},
            )
        ]
    )
    answer = it.ask("owner", "GET", "/api/v1/audit/export?format=csv&who=per_1")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    (row,) = csv.DictReader(io.StringIO(answer.text, newline=""))
    assert (row["who_name"], row["target"], row["ip"], row["detail"]) == (
        "'" + FORMULA, "'+1\n2", "'@10.0.0.1", json.dumps({"query": FORMULA}, separators=(",", ":")),
    )  # fmt: skip
    head = it.ask("owner", "GET", "/api/v1/audit/export?format=csv&who=nobody").text
    assert head.splitlines() == [",".join(row)]


def test_an_export_is_an_entry_itself_and_what_cannot_be_read_is_refused(it: House) -> None:
    assert (
        it.ask("owner", "GET", "/api/v1/audit/export?format=xml").json()["error"]["message"]
        == "format is 'ndjson' or 'csv', not 'xml'"
    )
    assert it.ask("owner", "GET", "/api/v1/audit/export?from=someday").status_code == 400
    assert it.audit("audit.exported") == []
    assert it.ask("owner", "GET", "/api/v1/audit/export?format=csv&app=shop&from=-7d").status_code == 200
    (entry,) = it.audit("audit.exported")
    assert (entry["who"], entry["team"], entry["app"]) == (it.people["owner"], "main", "shop")
    assert entry["detail"] == {"format": "csv", "from": "-7d"}
