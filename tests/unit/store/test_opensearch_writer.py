"""What bulk requests ask, and what is made of the answers: a client that answers from a list stands for the engine."""

import json
from typing import Any

import pytest

from logkeep.clock import ManualClock
from logkeep.store.opensearch_client import EngineRefused
from logkeep.store.opensearch_writer import Bulk

OK: dict[str, Any] = {"status": 201}
CONFLICT: dict[str, Any] = {"status": 409, "error": {"type": "version_conflict_engine_exception", "reason": "there"}}
FULL: dict[str, Any] = {"status": 429, "error": {"type": "rejected_execution_exception", "reason": "queue"}}
BAD: dict[str, Any] = {"status": 400, "error": {"type": "mapper_parsing_exception", "reason": "no"}}


class Client:
    """answers: of what becomes of each line, by request; None: all is well."""

    def __init__(self, *answers: list[dict[str, Any]] | EngineRefused | None) -> None:
        self.answers, self.asked = list(answers), list[tuple[bool, list[str]]]()

    def request(self, method: str, path: str, body: bytes = b"") -> bytes:
        assert method == "POST" and path.startswith("/_bulk?")
        brief = "items" not in path
        self.asked.append((brief, [json.loads(line)["create"]["_id"] for line in body.splitlines()[::2]]))
        answer = self.answers.pop(0)
        if isinstance(answer, EngineRefused):
            raise answer
        told: dict[str, Any] = {"errors": answer is not None}
        if not brief:
            told["items"] = [{"create": item} for item in answer or [OK] * len(self.asked[-1][1])]
        return json.dumps(told).encode()


def sent(client: Any, names: str) -> list[str]:
    bulk = Bulk(client, ManualClock(0), requests=1)
    try:
        return bulk.send(({"create": {"_id": name}}, {"a": 1}) for name in names)
    finally:
        bulk.close()


def test_where_all_is_well_nothing_is_told_of_each_line() -> None:
    client = Client(None)
    assert sent(client, "abc") == []
    assert client.asked == [(True, ["a", "b", "c"])]


def test_where_a_line_failed_the_same_is_asked_again_in_full() -> None:
    client = Client([CONFLICT], [CONFLICT, BAD, CONFLICT])
    assert sent(client, "abc") == ["mapper_parsing_exception: no"]
    assert client.asked == [(True, ["a", "b", "c"]), (False, ["a", "b", "c"])]


def test_lines_without_room_alone_are_sent_once_more() -> None:
    client = Client([FULL], [CONFLICT, FULL, CONFLICT], None)
    assert sent(client, "abc") == []
    assert client.asked[2:] == [(False, ["b"])]


def test_a_body_too_large_is_sent_in_halves() -> None:
    client = Client(EngineRefused("too_long", "", 413), None, [BAD], [CONFLICT, BAD])
    assert sent(client, "abcd") == ["mapper_parsing_exception: no"]
    assert client.asked[1:] == [(True, ["a", "b"]), (True, ["c", "d"]), (False, ["c", "d"])]


def test_a_line_of_a_condition_is_done_once() -> None:
    client: Any = Client([OK, CONFLICT])
    bulk = Bulk(client, ManualClock(0), requests=1)
    assert bulk.conditional([({"create": {"_id": name}}, {"a": 1}) for name in "ab"]) == [True, False]
    assert [brief for brief, _ in client.asked] == [False]
    bulk.close()


@pytest.mark.parametrize("count", [0, 1])
def test_no_line_asks_nothing_and_one_line_asks_once(count: int) -> None:
    client = Client(None)
    assert sent(client, "abc"[:count]) == []
    assert len(client.asked) == count
