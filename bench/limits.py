"""What limits cost a receiver: key check, quota and rates, with and without, side by side in one run.

    python -m bench.limits [--rounds 9] [--seconds 2] [--only checks,exchange,receiver]

checks: the calls themselves, in this process: microseconds of CPU a request, the smallest of rounds that take turns,
for requests of one event and of 1,000. The exchange with other receivers goes on beside, on a file and on a real Redis,
and its CPU is counted in. exchange: one round trip, by the number of keys. receiver: real receiver processes with wrk
in front, CPU seconds a million events. Writes bench/results/limits.json.
"""

import argparse
import json
import multiprocessing
import os
import random
import shutil
import signal
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from bench.__main__ import machine
from bench.micro.receiver import KEY, event, measure
from tests.servers import redis

from logkeep.clock import SystemClock
from logkeep.counters.local import LocalCounters
from logkeep.counters.port import Addition, Counters
from logkeep.counters.redis_counters import RedisCounters
from logkeep.decode.marks import marks_of, sizes_of
from logkeep.decode.native import count_flawless
from logkeep.errors import QuotaExceeded
from logkeep.metastore.limits import ComponentLimits, InForce, Limits, in_force
from logkeep.metastore.port import Credential
from logkeep.receiver.admission import Admission
from logkeep.receiver.count_exchange import CountExchange
from logkeep.receiver.limiter import Limiter
from logkeep.receiver.refused import Refusals
from logkeep.settings import CounterSettings, LimitSettings, RedisSettings
from logkeep.telemetry import Telemetry

RESULT = Path(__file__).parent / "results" / "limits.json"
AUTHORIZATION = f"Bearer {KEY}".encode()
COMPONENTS = ("cart", "pay", "mail", "search", "web")
EXCHANGE_S = 0.5
# State → the limits that bring it about. near: never more than half full, so events are looked at; all of them pass.
STATES = {
    "unlimited": Limits(),
    "within": Limits(
        events_per_day=10**12, bytes_per_day=10**15, events_per_second=1e9, key_events_per_second=1e9,
        address_events_per_second=1e9,
    ),
    "near": Limits(events_per_day=10**12, bytes_per_day=10**15, events_per_second=1e9, burst_events=1),
    "by component": Limits(
        events_per_day=10**12, component_events_per_second=1e9, components={"x": ComponentLimits(events_per_day=1)}
    ),
    "over": Limits(events_per_second=1e-6, burst_events=1),
}  # fmt: skip


class OneKey:
    """The metastore, in memory: one key, and one app's limits."""

    known: object = None
    any = True
    any_address = True

    def __init__(self, limits: Limits) -> None:
        self._in_force = in_force(limits, LimitSettings())

    def credential(self, secret: str) -> Credential | None:
        return Credential("bench", "write") if secret == KEY else None

    def in_force(self, app: str) -> InForce:
        return self._in_force


def bodies(count: int) -> bytes:
    rng = random.Random(1)
    events = [
        event(rng) | {"component": COMPONENTS[i % 5], "level": ("info", "error")[i % 7 == 0]} for i in range(count)
    ]
    return "\n".join(map(json.dumps, events)).encode()


@contextmanager
def limiters(counters: Counters) -> Iterator[dict[str, Limiter]]:
    """One a state, each with an exchange."""
    telemetry, clock = Telemetry(), SystemClock()
    with ExitStack() as stack:
        found = {}
        for state, limits in STATES.items():
            exchange = CountExchange(counters, clock, telemetry)
            exchange.start()
            stack.enter_context(closing(exchange))
            found[state] = Limiter(
                OneKey(limits), LimitSettings(block_refusals=0), exchange, clock, telemetry, Refusals()
            )
        yield found


def one_request(admission: Admission, limiter: Limiter | None, body: bytes, count: int) -> Callable[[], None]:
    """What the receiver does with a request before its commit, as receiver/http.py and intake.py do it."""

    def work() -> None:
        sender = admission.sender_of(AUTHORIZATION, None, b"")
        assert count_flawless(body, "ndjson") == count
        if limiter is not None and limiter.limits(sender.app):
            try:
                limiter.rule(
                    sender,
                    "198.51.100.7",
                    count,
                    len(body),
                    lambda: marks_of(body, "ndjson"),
                    lambda: sizes_of(body, "ndjson"),
                )
                limiter.headers(sender, "198.51.100.7")
            except QuotaExceeded:
                pass

    return work


def timed(work: Callable[[], None], tick: Callable[[], None], seconds: float) -> float:
    """Microseconds of CPU of this process a call, ticks and other threads among them."""
    calls, next_tick = 0, 0.0
    began, until = time.process_time(), time.monotonic() + seconds
    while (now := time.monotonic()) < until:
        if now >= next_tick:
            tick()
            next_tick = now + EXCHANGE_S
        for _ in range(20):
            work()
        calls += 20
    return (time.process_time() - began) / calls * 1e6


def checks(rounds: int, seconds: float, kinds: dict[str, Counters]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for kind, counters in kinds.items():
        with limiters(counters) as by_state:
            for count in (1, 1000):
                body, admission = bodies(count), Admission(OneKey(Limits()))
                measured: dict[str, list[float]] = {}
                for _ in range(rounds):
                    for state, limiter in [("none", None), *by_state.items()]:
                        tick = limiter.tick if limiter is not None else lambda: None
                        cost = timed(one_request(admission, limiter, body, count), tick, seconds / 6)
                        measured.setdefault(state, []).append(cost)
                base = min(measured["none"])
                found[f"{kind}, {count} a request"] = {
                    state: {
                        "us_a_request": round(min(costs), 2),
                        "us_a_request_median": round(statistics.median(costs), 2),
                        "us_for_limits_an_event": round(max(0.0, min(costs) - base) / count, 3),
                        "ratio": round(min(costs) / base, 2),
                    }
                    for state, costs in measured.items()
                }
    return found


def exchange(rounds: int, kinds: dict[str, Counters]) -> dict[str, Any]:
    found = {}
    for kind, counters in kinds.items():
        for keys in (10, 1000, 10_000):
            additions = [Addition(f"k{number}", 1, 3600) for number in range(keys)]
            took = []
            for _ in range(rounds):
                began = time.perf_counter()
                counters.add(additions)
                took.append(time.perf_counter() - began)
            found[f"{kind}, {keys} keys"] = {
                "ms": round(min(took) * 1e3, 2),
                "us_a_key": round(min(took) / keys * 1e6, 2),
            }
    return found


def serve(folder: str, told: Connection, state: str | None) -> None:
    """A receiver process, as bench/micro/receiver.py has it, with limits unless `state` is None."""
    from logkeep.disk import SystemDisk
    from logkeep.queue.local import LocalQueue
    from logkeep.receiver.process import run_http_receiver
    from logkeep.settings import load
    from logkeep.telemetry import configure_logging

    configure_logging("error")
    settings = load(environment={}, flags={"intake.port": 0})
    clock, telemetry = SystemClock(), Telemetry()
    queue = LocalQueue(Path(folder), settings.queue, disk=SystemDisk(), clock=clock, write=["http-0"])
    with closing(LocalCounters(Path(folder) / "counters", clock)) as counters, ExitStack() as stack:
        limiter = None
        if state is not None:
            others = CountExchange(counters, clock, telemetry)
            others.start()
            stack.enter_context(closing(others))
            limiter = Limiter(OneKey(STATES[state]), LimitSettings(), others, clock, telemetry, Refusals())
        run_http_receiver(
            settings, queue=queue, partition="http-0", metastore=OneKey(Limits()), telemetry=telemetry, limiter=limiter,
            on_listening=told.send,
        )  # fmt: skip
    queue.close()


def receiver(rounds: int, seconds: int) -> dict[str, Any]:
    found: dict[str, dict[str, list[float]]] = {}
    for round_ in range(rounds):
        for state in (None, "unlimited", "within", "near"):
            with served(state) as (pid, port):
                for name, count, connections in (("single", 1, 64), ("batch of 1000", 1000, 8)):
                    label = f"{name}, {state or 'none'} ({round_})"
                    result = measure(pid, port, label, bodies(count).decode(), count, connections, seconds)
                    assert result["errors"] == 0, result
                    found.setdefault(name, {}).setdefault(state or "none", []).append(
                        float(result["cpu_s_per_million"])
                    )  # type: ignore[arg-type]
    return {
        name: {
            state: {"cpu_s_per_million": min(costs), "ratio": round(min(costs) / min(by_state["none"]), 2)}
            for state, costs in by_state.items()
        }
        for name, by_state in found.items()
    }


@contextmanager
def served(state: str | None) -> Iterator[tuple[int, int]]:
    folder = tempfile.mkdtemp(prefix="limits-")
    here, there = multiprocessing.get_context("spawn").Pipe()
    process = multiprocessing.get_context("spawn").Process(target=serve, args=(folder, there, state))
    process.start()
    try:
        assert process.pid is not None
        yield process.pid, here.recv()
    finally:
        os.kill(process.pid or 0, signal.SIGTERM)
        process.join(15)
        shutil.rmtree(folder, ignore_errors=True)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.limits", description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--seconds", type=float, default=2.0, help="of a measurement")
    parser.add_argument("--only", default="checks,exchange,receiver")
    options = parser.parse_args()
    results: dict[str, Any] = {
        "command": f"python -m bench.limits --rounds {options.rounds} --seconds {options.seconds:g}"
        f" --only {options.only}",
        "machine": machine(),
    }
    with tempfile.TemporaryDirectory() as folder, redis.running() as server, ExitStack() as stack:
        kinds: dict[str, Counters] = {
            "file": stack.enter_context(closing(LocalCounters(Path(folder) / "counters", SystemClock()))),
            "redis": stack.enter_context(
                closing(RedisCounters(CounterSettings(url=server.url, timeout_s=10), RedisSettings()))
            ),
        }
        if "checks" in options.only:
            results["checks"] = checks(options.rounds, options.seconds, kinds)
        if "exchange" in options.only:
            results["exchange"] = exchange(options.rounds, kinds)
    if "receiver" in options.only:
        results["receiver"] = receiver(max(1, options.rounds // 3), max(1, int(options.seconds)))
    assert threading.active_count() == 1, threading.enumerate()
    print(json.dumps({name: found for name, found in results.items() if name != "machine"}, indent=1))
    RESULT.write_text(json.dumps(results, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
