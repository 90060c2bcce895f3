"""Live tail over real HTTP: order, filters, tenancy, hundreds of readers, slow and killed ones, coming back, limits."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import httpx
import pytest
from tests.reading import NOW_NS, OTHER_TOKEN, READ, READ_TOKEN, WRITE_KEY, Reading, make_event, served
from tests.service import wait_for
from tests.sse import Reader

from logkeep.api.sign_ins import FRESH_S
from logkeep.clock import NS_PER_DAY
from logkeep.event import Event
from logkeep.metastore.audit import CONSOLE
from logkeep.settings import Settings, TailSettings

OTHER = {"Authorization": f"Bearer {OTHER_TOKEN}"}


class Tailing:
    """An API on a socket, and readers that are closed at the end."""

    def __init__(self, stack: ExitStack, **settings: Any) -> None:
        self.reading = Reading(Settings(tail=TailSettings(**settings)))
        self.url = stack.enter_context(served(self.reading.app))
        self._stack = stack
        self._made = 0

    def open(self, query: str = "", headers: dict[str, str] | None = None, **options: Any) -> Reader:
        reader = Reader(self.url, headers or READ, query=query, **options)
        self._stack.callback(reader.close)
        return reader

    def arrive(self, count: int, value: Any = None, **fields: Any) -> list[str]:
        """The ids of new events, stored and told."""
        events: list[Event] = []
        for _ in range(count):
            self._made += 1
            text = value if value is not None else f"number {self._made}"
            events.append(make_event(0, text, **{"id": f"e{self._made}", **fields}))
        self.reading.arrive(events)
        return [event.id for event in events]

    @property
    def open_readers(self) -> float:
        line = next(
            line for line in self.reading.telemetry.exposition().decode().splitlines()
            if line.startswith("logkeep_tail_readers ")
        )  # fmt: skip
        return float(line.split()[1])


@pytest.fixture
def make() -> Iterator[Callable[..., Tailing]]:
    with ExitStack() as stack:
        yield lambda **settings: Tailing(stack, **settings)


def test_events_come_in_order_of_arrival_each_with_an_id_as_a_search_gives_them(make: Callable[..., Tailing]) -> None:
    it = make()
    reader = it.open("level:error or hello").begin()
    assert (reader.status, reader.headers["content-type"]) == (200, "text/event-stream; charset=utf-8")
    assert (reader.headers["cache-control"], reader.headers["x-accel-buffering"]) == ("no-store", "no")
    it.arrive(1, "hello", time_ns=NOW_NS, attributes={"a\nb": "c\r\nd"})
    it.arrive(1, "not this")
    it.arrive(2, "two\nlines\r\u2028of text", level="error", time_ns=NOW_NS - NS_PER_DAY, update=True)
    found = reader.events(3)
    assert [event["id"] for event in found] == ["e1", "e3", "e4"]
    searched = httpx.get(f"{it.url}/api/v1/search", params={"query": "id:e4"}, headers=READ).json()["events"]
    assert found[2:] == searched and found[2]["update"] is True
    assert int(reader.last_id) == it.reading.feed.position()


def test_a_tail_shows_its_own_app_only(make: Callable[..., Tailing]) -> None:
    it = make()
    mine, theirs = it.open("").begin(), it.open("", OTHER).begin()
    it.reading.arrive([make_event(1, "a secret of the shop"), make_event(2, "theirs", app="other", id="o1")])
    it.reading.arrive([make_event(3, "the end"), make_event(4, "the end", app="other", id="o2")])
    assert [event["id"] for event in mine.events(2)] == ["id-0001", "id-0003"]
    assert [event["id"] for event in theirs.events(2)] == ["o1", "o2"]


def test_nobody_tails_without_a_token_that_reads(make: Callable[..., Tailing]) -> None:
    it = make()

    def status(headers: dict[str, str], **parameters: str) -> int:
        return httpx.get(f"{it.url}/api/v1/tail", params=parameters, headers=headers, timeout=10).status_code

    unknown = [{}, {"Authorization": "Bearer lkr_unknown"}, {"Cookie": "logkeep=forged"}]
    assert [status(headers) for headers in unknown] == [401] * 3
    assert status({"Authorization": f"Bearer {WRITE_KEY}"}) == 403
    assert status(READ, app="other") == 403
    assert [status(READ, query="level:((x"), status(READ, qurey="x")] == [400, 400]
    assert status({**READ, "Last-Event-ID": "x" * 2000}) == 400


def test_two_hundred_readers_at_once_each_get_everything(make: Callable[..., Tailing]) -> None:
    it = make(cpu_share=1.0)
    queries = ["", "number", "level:info or number", "not nothing"]
    readers = [it.open(queries[index % 4]).begin() for index in range(200)]
    ids = [event_id for _ in range(5) for event_id in it.arrive(40)]
    assert all(reader.until(ids[-1]) == (ids, []) for reader in readers)


def test_a_reader_that_is_too_slow_is_told_how_many_it_missed_and_slows_nobody(make: Callable[..., Tailing]) -> None:
    it = make(cpu_share=1.0, reader_bytes_max=65536, reader_events_max=200, bytes_max=64 << 20)
    slow, fast = it.open(receive_bytes=4096).begin(), it.open().begin()
    batches, each, text = 120, 10, "x" * 10_000
    sent: list[str] = []
    for _ in range(batches):  # 12 MB: more than sockets and buffers hold together
        ids = it.arrive(each, text)
        sent += ids
        assert fast.until(ids[-1]) == (ids, [])
    last = it.arrive(1, "the end")[0]

    got: list[str] = []
    missed = 0
    while len(got) + missed <= len(sent):
        message = slow.next()
        assert message is not None
        found = json.loads(message.data)
        if message.event == "dropped":
            assert found["reason"] == "reader_too_slow"
            missed += found["count"]
        else:
            got.append(found["id"])
    assert missed > 0 and len(got) + missed == len(sent) + 1
    assert got == [event_id for event_id in [*sent, last] if event_id in set(got)]  # in order, none twice


def test_a_killed_reader_gives_its_place_back(make: Callable[..., Tailing]) -> None:
    it = make(app_readers_max=2)
    killed, stays = it.open().begin(), it.open().begin()
    refused = it.open()
    assert (refused.status, refused.headers["retry-after"]) == (429, "10")
    killed.kill()
    wait_for(lambda: it.open_readers == 1, 60, "the killed reader to be noticed")
    again = it.open().begin()
    ids = it.arrive(1)
    assert (stays.until(ids[0]), again.until(ids[0])) == ((ids, []), (ids, []))


def test_tails_in_all_and_different_queries_are_limited_with_503(make: Callable[..., Tailing]) -> None:
    it = make(readers_max=2, queries_max=1)
    it.open("a").begin()
    refused = it.open("b")
    assert (refused.status, refused.headers["retry-after"]) == (503, "10")
    it.open("a").begin()
    assert it.open("a").status == 503


def test_who_comes_back_gets_what_was_missed_and_then_goes_on_live(make: Callable[..., Tailing]) -> None:
    it = make()
    first = it.open("number").begin()
    ids = it.arrive(3)
    first.until(ids[1])
    place = first.last_id
    first.close()
    ids += it.arrive(400)
    it.arrive(1, "of no interest")
    again = it.open("number", {**READ, "Last-Event-ID": place})
    assert again.until(ids[-1]) == (ids[2:], [])
    more = it.arrive(2)
    assert again.until(more[-1]) == (more, [])
    by_parameter = it.open("number", after=place)
    assert by_parameter.until(more[-1]) == (ids[2:] + more, [])
    by_event_id = it.open("number", {**READ, "Last-Event-ID": ids[-1]})
    assert by_event_id.until(more[-1]) == (more, [])


def test_nothing_is_lost_or_doubled_between_replay_and_live(make: Callable[..., Tailing]) -> None:
    it = make(cpu_share=1.0)
    start = it.open().begin().last_id
    ids: list[str] = []
    stop = threading.Event()

    def feed() -> None:
        while not stop.is_set() and len(ids) < 4000:
            ids.extend(it.arrive(7))

    feeding = threading.Thread(target=feed)
    feeding.start()
    try:
        readers = [it.open(headers={**READ, "Last-Event-ID": start}) for _ in range(8)]
    finally:
        stop.set()
        feeding.join()
    last = it.arrive(1)
    assert [reader.until(last[0]) for reader in readers] == [([*ids, *last], [])] * 8


def test_a_gap_larger_than_is_replayed_is_told_with_its_size(make: Callable[..., Tailing]) -> None:
    it = make(replay_events_max=5)
    place = it.open().begin().last_id
    ids = it.arrive(12)
    found, notices = it.open(headers={**READ, "Last-Event-ID": place}).until(ids[-1])
    assert found == ids[-5:]
    assert [(notice["reason"], notice["count"]) for notice in notices] == [("replay_limit", 7)]


@pytest.mark.parametrize(
    ("last_id", "reason"),
    [
        (str(NOW_NS - 20 * NS_PER_DAY), "expired"),
        ("0", "expired"),
        (str(NOW_NS + 20 * NS_PER_DAY), "unknown_position"),
        ("9" * 40, "unknown_position"),
        ("no-such-event", "unknown_position"),
        ("²", "unknown_position"),
    ],
)
def test_a_place_that_cannot_be_gone_back_to_is_told(make: Callable[..., Tailing], last_id: str, reason: str) -> None:
    it = make()
    before = it.arrive(2)
    reader = it.open(after=last_id)
    notice = reader.next()
    assert notice is not None and notice.event == "dropped"
    assert f'"reason":"{reason}","count":null'.encode() in notice.data
    if reason == "expired":
        assert reader.until(before[-1]) == (before, [])
    reader.begin()
    ids = it.arrive(1)
    assert reader.until(ids[0]) == (ids, [])


def test_quiet_connections_are_kept_open_and_the_place_moves_on(make: Callable[..., Tailing]) -> None:
    it = make(keep_alive_s=0.1)
    reader = it.open("nothing at all").begin()
    before = reader.last_id
    it.arrive(3)
    seen = []
    for message in reader._messages:
        seen.append(message)
        if message.id == str(it.reading.feed.position()):
            break
    assert seen[-1].data == b"" and int(seen[-1].id) > int(before)
    assert reader.comments >= 2


def test_a_tail_ends_when_its_token_is_revoked(make: Callable[..., Tailing]) -> None:
    it = make(keep_alive_s=0.1)
    reader = it.open().begin()
    it.reading.accounts.revoke(READ_TOKEN)
    it.reading.clock.advance(0.2)
    message = reader.next()
    assert message is not None and message.event == "error" and b'"code":"unauthorized"' in message.data
    assert reader.next() is None and reader.ended


def test_a_tail_ends_when_its_reader_has_another_role(make: Callable[..., Tailing]) -> None:
    it = make()
    directory = it.reading.directory
    anna = directory.people.create(CONSOLE, email="anna@example.org")
    directory.teams.add(CONSOLE, "main", anna.id, "member")
    cookie = it.reading.app.state.context.sign_ins.open(name=anna.email, person=anna.id)
    reader = it.open(headers={"Cookie": f"logkeep={cookie}"}).begin()
    ids = it.arrive(1)
    assert reader.until(ids[0]) == (ids, [])
    directory.teams.change_member(
        CONSOLE, "main", anna.id, role=None, app_roles={"shop": "none"}, revision=None, is_owner=True
    )
    it.arrive(1)  # what comes after is not shown any more, although it waits for the reader already
    message = reader.next()
    assert message is not None and message.event == "error" and b'"code":"forbidden"' in message.data
    assert reader.next() is None and reader.ended


@pytest.mark.parametrize("how", ["signed out", "ended from elsewhere", "by another instance"])
def test_a_tail_ends_with_the_sign_in(make: Callable[..., Tailing], how: str) -> None:
    it = make()
    anna = it.reading.directory.people.create(CONSOLE, email="anna@example.org")
    it.reading.directory.teams.add(CONSOLE, "main", anna.id, "member")
    sign_ins = it.reading.app.state.context.sign_ins
    cookie = sign_ins.open(name=anna.email, person=anna.id)
    reader = it.open(headers={"Cookie": f"logkeep={cookie}"}).begin()
    (row,) = sign_ins.of_person(anna.id)
    if how == "signed out":
        sign_ins.close(cookie)
    elif how == "ended from elsewhere":
        sign_ins.close_one(anna.id, row.id)
    else:
        it.reading.directory.sign_ins.remove(row.sha256)
        it.reading.clock.advance(FRESH_S + 1)
    it.arrive(1)
    message = reader.next()
    assert message is not None and message.event == "error" and b'"code":"unauthorized"' in message.data
    assert reader.next() is None and reader.ended


def test_a_stop_ends_every_tail_after_what_waits_for_it() -> None:
    with ExitStack() as stack:
        it = Tailing(stack)
        readers = [Reader(it.url, READ).begin() for _ in range(3)]
        ids = it.arrive(1)
        assert readers[0].until(ids[0]) == (ids, [])
    assert [reader.until(ids[0]) for reader in readers[1:]] == [(ids, [])] * 2
    assert [(reader.next(), reader.ended) for reader in readers] == [(None, True)] * 3
    for reader in readers:
        reader.close()


def test_a_store_that_fails_during_the_replay_is_told_as_an_error(make: Callable[..., Tailing]) -> None:
    it = make()
    place = it.open().begin().last_id
    it.arrive(1)
    it.reading.break_store()
    message = it.open(headers={**READ, "Last-Event-ID": place}).next()
    assert message is not None and (message.event, message.data) == (
        "error", b'{"code":"unavailable","message":"the store is closed"}',
    )  # fmt: skip
