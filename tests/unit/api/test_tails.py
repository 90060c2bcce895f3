"""Comparing: once a group, encoded once in all, within its share of a core, and honest about what it passes over."""

import asyncio
from typing import Any

import pytest
from tests.reading import make_event

from logkeep.api import tails as tails_module
from logkeep.api.tail_buffers import Buffer
from logkeep.api.tails import BURST_NS, PIECE_BYTES, PIECE_EVENTS, Tail, Tails, pieces
from logkeep.clock import NS_PER_S
from logkeep.errors import BackendUnavailable, QuotaExceeded
from logkeep.event import Event
from logkeep.feed.hub import Hub
from logkeep.feed.port import Arrivals
from logkeep.query.parser import parse
from logkeep.settings import TailSettings
from logkeep.telemetry import Telemetry

TELEMETRY = Telemetry()


class Cpu:
    """A CPU clock that goes on by `step_ns` each time it is read."""

    def __init__(self, step_ns: int = 0) -> None:
        self.now_ns, self.step_ns = 0, step_ns

    def __call__(self) -> int:
        self.now_ns += self.step_ns
        return self.now_ns


def made(hub: Hub, cpu: Cpu | None = None, **settings: Any) -> Tails:
    return Tails(hub, TailSettings(**settings), TELEMETRY, cpu_ns=cpu or Cpu())


def arrivals(count: int, *, first: int = 1, **fields: Any) -> Arrivals:
    events = [make_event(place, f"number {place}", arrival=place, **fields) for place in range(first, first + count)]
    return Arrivals("shop", events, 0, events[-1].arrival)


async def taken(buffer: Buffer) -> bytes:
    async with asyncio.timeout(5):
        return await buffer.take()


async def settled() -> None:
    for _ in range(3):
        await asyncio.sleep(0)


def test_groups_share_the_encoding_and_get_only_what_matches(monkeypatch: pytest.MonkeyPatch) -> None:
    encoded: list[int] = []
    encode = tails_module.event_json
    monkeypatch.setattr(tails_module, "event_json", lambda event: encoded.append(event.arrival) or encode(event))

    async def run() -> list[bytes]:
        tails = made(Hub())
        places = [tails.enter("shop", parse(text)) for text in ("", "", "2", "3", "nothing")]
        buffers = [place.attach() for place in places]
        tails.look_through(arrivals(3))
        await settled()
        found = [await taken(buffer) if not buffer.is_empty else b"" for buffer in buffers]
        tails.close()
        return found

    all_of_it, again, second, third, none = asyncio.run(run())
    assert encoded == [1, 2, 3]
    assert all_of_it == again and all_of_it.count(b"\n\n") == 3 and all_of_it.startswith(b"id: 1\ndata: {")
    assert (second, third, none) == (all_of_it.split(b"\n\n")[1] + b"\n\n", all_of_it.split(b"\n\n")[2] + b"\n\n", b"")


def test_a_group_over_its_share_passes_events_over_and_the_others_go_on() -> None:
    async def run() -> tuple[bytes, bytes]:
        cpu = Cpu()
        tails = made(Hub(), cpu, cpu_share=0.01)
        costly, cheap = tails.enter("shop", parse("number")), tails.enter("shop", parse("*"))
        buffers = costly.attach(), cheap.attach()
        spent = tails._groups["shop", parse("number")]
        # Both its own savings and those that all share are used up.
        spent.budget.left_ns = tails._budget.left_ns = -NS_PER_S
        tails.look_through(arrivals(4))
        await settled()
        found = await taken(buffers[0]), await taken(buffers[1])
        tails.close()
        return found

    costly, cheap = asyncio.run(run())
    assert b'"reason":"overloaded","count":4' in costly and b"id: " not in costly
    assert cheap.count(b"id: ") == 4


def test_what_is_spent_is_taken_from_the_own_share_first() -> None:
    async def run() -> tuple[int, int]:
        cpu = Cpu(step_ns=NS_PER_S)
        tails = made(Hub(), cpu, cpu_share=0.01)
        place = tails.enter("shop", parse("*"))
        place.attach()
        group = tails._groups["shop", parse("*")]
        for first in (1, 2, 3):  # a second of CPU each time, of 10 ms that were saved up
            tails.look_through(arrivals(1, first=first))
        await settled()
        tails.close()
        return group.budget.left_ns // NS_PER_S, tails._budget.left_ns // NS_PER_S

    assert asyncio.run(run()) == (-1, -1)  # both overdrawn once, and the third time passed over


def test_savings_are_bounded_by_the_share_however_many_groups_there_are() -> None:
    async def run() -> int:
        tails = made(Hub(), cpu_share=0.5)
        for number in range(100):
            tails.enter("shop", parse(f"word{number}")).attach()
        for first in (1, 2):
            tails.look_through(arrivals(1, first=first))
        saved = tails._budget.left_ns + sum(group.budget.left_ns for group in tails._groups.values())
        tails.close()
        return saved

    assert asyncio.run(run()) <= BURST_NS * 0.5


def test_a_regex_that_needs_too_much_work_is_passed_over_and_counted() -> None:
    async def run() -> bytes:
        tails = made(Hub())
        buffer = tails.enter("shop", parse("value:/x/")).attach()
        group = tails._groups["shop", parse("value:/x/")]

        def refuse(event: Event) -> bool:
            raise tails_module.InputError("too costly", code="query_too_costly")

        group.matches = refuse
        tails.look_through(arrivals(2))
        await settled()
        found = await taken(buffer)
        tails.close()
        return found

    assert b'"reason":"overloaded","count":2' in asyncio.run(run())


def test_limits_hold_for_an_app_for_all_and_for_different_queries() -> None:
    async def run() -> None:
        tails = made(Hub(), app_readers_max=2, readers_max=3, queries_max=2)
        places: list[Tail] = [tails.enter("shop", parse("a")), tails.enter("shop", parse("a"))]
        with pytest.raises(QuotaExceeded, match="2 tails of this app"):
            tails.enter("shop", parse("a"))
        places.append(tails.enter("other", parse("a")))
        with pytest.raises(BackendUnavailable, match="3 tails are open"):
            tails.enter("third", parse("a"))
        places.pop().close()
        places.append(tails.enter("other", parse("b")))
        places.pop(0).close()
        with pytest.raises(BackendUnavailable, match="2 different queries"):
            tails.enter("shop", parse("c"))
        for place in [*places, *places]:  # closing again changes nothing
            place.close()
        assert (tails._groups, tails._by_app, tails._readers.total()) == ({}, {}, 0)
        tails.close()
        with pytest.raises(BackendUnavailable, match="stopping"):
            tails.enter("shop", parse("a"))

    asyncio.run(run())


def test_a_batch_is_cut_into_pieces_bounded_in_events_and_bytes() -> None:
    many = [make_event(index, "x") for index in range(2 * PIECE_EVENTS + 1)]
    assert [len(piece) for piece in pieces(many)] == [PIECE_EVENTS, PIECE_EVENTS, 1]
    large = [make_event(index, "x" * (PIECE_BYTES // 2)) for index in range(5)]
    assert [len(piece) for piece in pieces(large)] == [2, 2, 1]
    assert list(pieces([])) == []
