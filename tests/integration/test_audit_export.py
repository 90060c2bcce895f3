"""The audit log as a file: all of it, page after page, and nothing in it that a spreadsheet calculates with."""

import csv
import io
import json
from collections.abc import Iterator
from typing import Any

import pytest
from tests.accounts import House, house

from logkeep.metastore.audit import CONSOLE, PAGE_MAX, Actor, Entry

FORMULA = "=HYPERLINK(1)"


@pytest.fixture
def it() -> Iterator[House]:
    with house() as made:
        yield made


def add(it: House, count: int, **fields: Any) -> None:
    fields = {"by": CONSOLE, "what": "key.created", "team": "main", "app": "shop", **fields}
    it.directory.audit.add(
        [Entry(made_ns=it.reading.clock.now_ns(), target=f"key-{n}", **fields) for n in range(count)]
    )


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
