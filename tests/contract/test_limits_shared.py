"""Receivers that share limits by counters: on the file of one machine and on a real Redis, also while that is away."""

import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest
import tests.servers.redis
from tests.service import wait_for

from logkeep.clock import SystemClock
from logkeep.counters.local import LocalCounters
from logkeep.counters.port import Counters
from logkeep.counters.redis_counters import RedisCounters
from logkeep.errors import QuotaExceeded
from logkeep.metastore.limits import InForce, Limits, in_force
from logkeep.receiver.count_exchange import CountExchange
from logkeep.receiver.limiter import Limiter
from logkeep.receiver.refused import Refusals
from logkeep.receiver.sender_limits import Sender
from logkeep.settings import CounterSettings, LimitSettings, RedisSettings
from logkeep.telemetry import Telemetry

TELEMETRY = Telemetry()
SHOP = Sender("shop", "k1")


class Given:
    known: object = None
    any = True
    any_address = False

    def __init__(self, limits: Limits) -> None:
        self._in_force = in_force(limits, LimitSettings())

    def in_force(self, app: str) -> InForce:
        return self._in_force


class Receiver:
    """A limiter with its exchange."""

    def __init__(self, counters: Counters, limits: Limits, stack: ExitStack) -> None:
        self.exchange = stack.enter_context(closing(CountExchange(counters, SystemClock(), TELEMETRY)))
        self.exchange.start()
        self.limiter = Limiter(Given(limits), LimitSettings(), self.exchange, SystemClock(), TELEMETRY, Refusals())
        self.limiter.limits("shop")
        wait_for(self.knows_use, 20, "what was used to be known")

    def knows_use(self) -> bool:
        self.limiter.tick()
        found = self.limiter._of("shop")
        heard = found is not None and (found.second is None or found.second.total is not None)
        return heard and found is not None and found.known_use

    def send(self, count: int) -> bool:
        try:
            return self.limiter.rule(SHOP, "", count, count, lambda: [(None, "info")] * count) is None
        except QuotaExceeded:
            return False


Start = Callable[..., Receiver]


@pytest.fixture(params=("local", "redis"))
def start(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Start]:
    prefix = f"t{uuid.uuid4().hex[:12]}"
    url = request.getfixturevalue("redis").url if request.param == "redis" else ""
    with ExitStack() as stack:

        def start_(**limits: Any) -> Receiver:
            counters: Counters = (
                RedisCounters(CounterSettings(url=url), RedisSettings(prefix=prefix))
                if url
                else LocalCounters(tmp_path / "counters", SystemClock())
            )
            return Receiver(stack.enter_context(closing(counters)), Limits(**limits), stack)

        yield start_


def left(receiver: Receiver) -> int:
    receiver.limiter.tick()
    text = receiver.limiter.headers(Sender("shop")).decode()
    return int(text.rpartition(";r=")[2].partition(";")[0])


@pytest.mark.parametrize("limits", [{"events_per_day": 1000}, {"events_per_second": 0.001, "burst_events": 1000}])
def test_what_one_receiver_lets_in_the_others_have_less_of(start: Start, limits: dict[str, Any]) -> None:
    here, there = start(**limits), start(**limits)
    assert here.send(300) and there.send(200)
    wait_for(
        lambda: [left(here), left(there)] == [500, 500], 20, "each to know of both",
        lambda: f"{left(here)} and {left(there)}",
    )  # fmt: skip
    assert here.send(400)
    wait_for(lambda: [left(here), left(there)] == [100, 100], 20, "the other to know")
    assert (there.send(200), there.send(100)) == (False, True)


def test_a_receiver_that_starts_later_knows_what_the_day_has_used(start: Start) -> None:
    first = start(events_per_day=1000)
    assert first.send(600)
    for _ in range(2):
        first.limiter.tick()
    first.exchange.close()
    assert left(start(events_per_day=1000)) in (399, 400)


def test_while_the_counters_are_away_each_goes_on_alone_and_tells_it_later() -> None:
    with tests.servers.redis.running() as server, ExitStack() as stack:
        settings = CounterSettings(url=server.url, timeout_s=0.3)
        counters = [stack.enter_context(closing(RedisCounters(settings, RedisSettings()))) for _ in range(2)]
        here, there = (Receiver(each, Limits(events_per_day=1000), stack) for each in counters)
        server.stop()  # what it has is kept, in order
        assert here.send(400)

        def is_told() -> bool:
            here.limiter.tick()
            return here.limiter.problem is not None

        wait_for(is_told, 20, "the receiver to say that it is alone")
        assert here.send(100) and there.send(500)
        server.start()
        wait_for(lambda: [left(here), left(there)] == [0, 0], 30, "all to be counted")
        wait_for(lambda: here.limiter.problem is None, 20, "all to be well again")
