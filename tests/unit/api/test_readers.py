"""The hop to blocking calls: bounded, and free again whatever happens to a call."""

import asyncio
import threading

import pytest

from logkeep.api.readers import Readers
from logkeep.errors import BackendUnavailable


def test_more_than_may_wait_is_refused_and_a_finished_call_makes_room() -> None:
    async def scenario() -> list[object]:
        readers = Readers("test", threads=1, waiting_max=1)
        gate = threading.Event()
        running = asyncio.ensure_future(readers.run(gate.wait))
        waiting = asyncio.ensure_future(readers.run(lambda: "second"))
        await asyncio.sleep(0)
        with pytest.raises(BackendUnavailable) as refused:
            await readers.run(lambda: "third")
        gate.set()
        answers = [await running, await waiting, await readers.run(lambda: "fourth")]
        readers.close()
        with pytest.raises(BackendUnavailable):
            await readers.run(lambda: "fifth")
        return [*answers, refused.value.retry_after_s]

    assert asyncio.run(scenario()) == [True, "second", "fourth", 1]


def test_a_call_whose_turn_does_not_come_is_told_to_come_back() -> None:
    async def scenario() -> tuple[str, bool, list[str]]:
        readers = Readers("test", threads=1, waiting_max=1, wait_s=0.02)
        gate = threading.Event()
        running = asyncio.ensure_future(readers.run(gate.wait))
        await asyncio.sleep(0)
        called: list[str] = []
        with pytest.raises(BackendUnavailable) as refused:
            await readers.run(lambda: called.append("too late"))
        gate.set()
        answer = await running  # it has long passed its wait, and runs to its end
        readers.close()
        return refused.value.code, answer, called

    assert asyncio.run(scenario()) == ("store_busy", True, [])


def test_a_caller_that_goes_while_it_waits_is_dropped_from_the_line() -> None:
    async def scenario() -> list[str]:
        readers = Readers("test", threads=1, waiting_max=1)
        gate = threading.Event()
        called: list[str] = []
        running = asyncio.ensure_future(readers.run(gate.wait))
        waiting = asyncio.ensure_future(readers.run(lambda: called.append("first")))
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        next_one = asyncio.ensure_future(readers.run(lambda: called.append("second")))  # the place is free again
        await asyncio.sleep(0)
        gate.set()
        await asyncio.gather(running, next_one)
        readers.close()
        return called

    assert asyncio.run(scenario()) == ["second"]


def test_a_call_that_fails_gives_its_place_back() -> None:
    async def scenario() -> int:
        readers = Readers("test", threads=1, waiting_max=0)
        failures = 0
        for _ in range(5):
            try:
                await readers.run(lambda: 1 // 0)
            except ZeroDivisionError:
                failures += 1
        readers.close()
        return failures

    assert asyncio.run(scenario()) == 5
