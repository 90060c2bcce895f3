"""One event, station by station: the tour of the code for a newcomer.

Each station is looked at from outside, on the real service, in the order of the path. The stations are the folders of
src/logkeep: receiver, queue, processor, store, query, api; the page is what a person sees.
"""

import os
import signal
from collections.abc import Callable

from tests.service import Service

from logkeep.decode.frame import unpack_frame
from logkeep.settings import Settings
from logkeep.wiring import open_queue

EVENT = {
    "session": "tour-1",
    "key": "checkout.failed",
    "value": "card declined: <b>timed out</b> after 30 s",
    "user": "ada",
    "component": "checkout",
    "level": "error",
    "attributes": {"attempt": 2},
}


def test_one_event_goes_all_the_way(start_service: Callable[..., Service]) -> None:
    service = start_service()
    keeper = service.pids("keeper")[0]
    os.kill(keeper, signal.SIGSTOP)  # nothing behind the queue moves: intake does not need it

    # 1 receiver: it answers once the event is on disk.
    answer = service.post(EVENT)
    assert (answer.status_code, answer.json()) == (202, {"accepted": 1, "rejected": [], "durable": "disk"})

    # 2 queue: the sender's own bytes lie in a frame, acknowledged and not processed.
    queue = open_queue(Settings(data=str(service.folder)))
    records = list(queue.uncommitted("processor"))
    queue.close()
    header, body = unpack_frame(records[-1].payload)
    assert (header.app, header.count, header.source) == (service.credentials["app"], 1, "http")
    assert b'"checkout.failed"' in body

    # 3 processor: it moves the event on and accounts for it.
    os.kill(keeper, signal.SIGCONT)
    ledger = service.wait_until_drained()
    assert (ledger["received"], ledger["stored"], ledger["queued"]) == (1, 1, 0)

    # 4 store: the row has an id, both times, and the value in the type it was sent in.
    found = service.search("")
    assert len(found) == 1
    stored = found[0]
    assert stored["id"] == f"{header.batch_id}0000"
    assert {name: stored[name] for name in EVENT} == EVENT

    # 5 query: every kind of question finds it, and its opposite does not.
    for query in ('"timed out"', "level>=warn", "component:CHECKOUT", "attributes.attempt>1", "key:check*", "user=ada"):
        assert [event["id"] for event in service.search(query)] == [stored["id"]], query
        assert service.search(f"not ({query})") == [], query

    # 6 api: the session as JSON, the event by its id.
    session = service.get("/sessions/tour-1.json").json()
    assert (session["session"], session["user"], len(session["events"])) == ("tour-1", "ada", 1)
    assert service.get(f"/api/v1/events/{stored['id']}").status_code == 200

    # 7 the page a person opens: there, and escaped.
    page = service.get("/sessions/tour-1").text
    assert "checkout.failed" in page
    assert "<b>timed out</b>" not in page
