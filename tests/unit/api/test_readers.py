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
