"""What counters promise, on the file of one machine and on a real Redis."""

import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest
import tests.servers.redis
from tests.service import wait_for

from logkeep.clock import ManualClock, SystemClock
from logkeep.counters.local import SLOTS, LocalCounters
from logkeep.counters.port import Addition, Counters
from logkeep.counters.redis_counters import RedisCounters
from logkeep.errors import BackendUnavailable
from logkeep.settings import CounterSettings, RedisSettings, Settings
from logkeep.wiring_limits import open_counters

Open = Callable[[], Counters]


@pytest.fixture(params=("local", "redis"))
def opens(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Open]:
    """Opens one more instance on the same, new, counters."""
    prefix = f"t{uuid.uuid4().hex[:12]}"
    url = request.getfixturevalue("redis").url if request.param == "redis" else ""
    with ExitStack() as stack:

        def open_() -> Counters:
            found: Counters = (
                RedisCounters(CounterSettings(url=url), RedisSettings(prefix=prefix))
                if url
                else LocalCounters(tmp_path / "counters", SystemClock())
            )
            return stack.enter_context(closing(found))

        yield open_


def added(counters: Counters, **amounts: int) -> list[int]:
    return counters.add([Addition(key, amount, 60) for key, amount in amounts.items()])


def test_every_instance_sees_what_any_of_them_added(opens: Open) -> None:
    here, there = opens(), opens()
    assert added(here, a=3, b=1) == [3, 1]
    assert added(there, b=10, c=0, a=4) == [11, 0, 7]
    assert here.read(["a", "b", "c", "never"]) == [7, 11, 0, 0]
    assert there.add([Addition("a", 1, 60), Addition("a", 2, 60)]) == [8, 10]
    assert (here.add([]), here.read([]), here.get([])) == ([], [], [])


def test_what_many_add_at_once_is_added_once_each(opens: Open) -> None:
    def add(counters: Counters) -> None:
        for _ in range(100):
            added(counters, a=1, b=2)

    threads = [threading.Thread(target=add, args=(opens(),)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert opens().read(["a", "b"]) == [400, 800]


def test_a_counter_begins_again_after_its_window(opens: Open) -> None:
    counters = opens()
    assert counters.add([Addition("short", 5, 0.2), Addition("long", 5, 60)]) == [5, 5]
    counters.add([Addition("short", 1, 60)])  # the window is that of the first addition
    wait_for(lambda: counters.read(["short"]) == [0], 20, "the window to end")
    assert added(counters, short=2, long=2) == [2, 7]


def test_any_text_is_a_key_of_its_own(opens: Open) -> None:
    counters = opens()
    odd = ["", " ", "a", "A", "ä", "a:b", "a\0b", "\n", "☃" * 300, "{x}", "*", "%s"]
    assert counters.add([Addition(key, number, 60) for number, key in enumerate(odd, 1)]) == list(range(1, 13))
    assert opens().read(odd) == list(range(1, 13))


def test_what_was_put_is_found_for_a_while(opens: Open) -> None:
    counters = opens()
    added(counters, name=7)
    counters.put({"name": b"\0\xff", "empty": b""}, 60)
    counters.put({"soon": b"x"}, 0.2)
    assert counters.get(["name", "never", "empty"]) == [b"\0\xff", None, b""]
    counters.put({"name": b"newer"}, 60)
    assert (counters.get(["name"]), counters.read(["name"])) == ([b"newer"], [7])
    wait_for(lambda: counters.get(["soon"]) == [None], 20, "it to be forgotten")


# ── the file ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def _add_in_a_process(path: str) -> None:
    with closing(LocalCounters(Path(path), SystemClock())) as counters:
        for _ in range(500):
            counters.add([Addition("a", 1, 60), Addition("b", 1, 60)])


def test_processes_that_add_at_once_lose_nothing_and_the_file_outlives_them(tmp_path: Path) -> None:
    path = tmp_path / "run" / "counters"
    context = get_context("spawn")
    processes = [context.Process(target=_add_in_a_process, args=(str(path),)) for _ in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    with closing(LocalCounters(path, SystemClock())) as counters:
        assert counters.read(["a", "b"]) == [1000, 1000]


def test_a_million_keys_take_no_more_room_and_those_that_end_last_stay(tmp_path: Path) -> None:
    path = tmp_path / "counters"
    with closing(LocalCounters(path, ManualClock())) as counters:
        counters.add([Addition("kept", 7, 86_400)])
        size = path.stat().st_size
        keys = [f"198.51.100.{n}" for n in range(3 * SLOTS)]
        counters.add([Addition(key, 1, 10) for key in keys])
        assert (path.stat().st_size, counters.read(["kept"])) == (size, [7])


def test_a_clock_set_back_loses_no_count(tmp_path: Path) -> None:
    clock = ManualClock()
    with closing(LocalCounters(tmp_path / "counters", clock)) as counters:
        added(counters, a=5)
        clock.jump(-3600)
        assert added(counters, a=1) == [6]
        clock.jump(3600 + 61)
        assert added(counters, a=1) == [1]


def test_values_are_bounded_in_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("logkeep.counters.local.VALUES_MAX", 3)
    with closing(LocalCounters(tmp_path / "counters", ManualClock())) as counters:
        for number in range(10):
            counters.put({str(number): b"x"}, 60)
        assert counters.get(["0", "6", "7", "9"]) == [None, None, b"x", b"x"]


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(BackendUnavailable):
        LocalCounters(tmp_path / "file" / "counters", SystemClock())
    settings = Settings(data=str(tmp_path / "file"))
    with (
        closing(open_counters(settings)) as alone,
        closing(open_counters(settings)) as other,
    ):  # they start all the same
        assert (added(alone, a=2), added(other, a=1), added(alone, a=1)) == ([2], [1], [3])


# ── Redis ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_any_number_of_keys_is_one_round_trip(redis: Any) -> None:
    with closing(RedisCounters(CounterSettings(url=redis.url), RedisSettings(prefix="once"))) as counters:
        keys = [str(number) for number in range(500)]
        additions = [Addition(key, 1, 60) for key in keys]
        counters.add(additions)
        before = _calls(counters)
        counters.add(additions)
        counters.read(keys)
        counters.get(keys)
        after = _calls(counters)
    assert {name: after[name] - before.get(name, 0) for name in ("evalsha", "mget")} == {"evalsha": 1, "mget": 2}


def _calls(counters: RedisCounters) -> dict[str, int]:
    found = counters._redis.info("commandstats")
    return {name.removeprefix("cmdstat_"): int(stats["calls"]) for name, stats in found.items()}


def test_a_server_that_is_away_is_told_in_time_and_found_again() -> None:
    with (
        tests.servers.redis.running() as server,
        closing(RedisCounters(CounterSettings(url=server.url, timeout_s=0.3), RedisSettings())) as counters,
    ):
        assert added(counters, a=1) == [1]
        server.freeze()
        began = time.monotonic()
        for ask in (lambda: added(counters, a=1), lambda: counters.read(["a"]), lambda: counters.put({"a": b""}, 1)):
            with pytest.raises(BackendUnavailable):
                ask()
        assert time.monotonic() - began < 60
        server.thaw()
        wait_for(lambda: counters.read(["a"])[0] >= 1, 20, "the server to answer")
        server.kill()
        with pytest.raises(BackendUnavailable):
            counters.get(["a"])
        server.start()
        assert added(counters, fresh=4) == [4]
