"""The steps of `python -m bench`, each a function from a running service to figures."""

import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
from bench.pipeline.service import BenchService, finished

from logkeep.loadgen.http import run_http
from logkeep.loadgen.report import LoadPlan
from logkeep.loadgen.target import resolve_target

LITERALS = 20
BUSY_RATE = 20_000


@contextmanager
def _cpu(service: BenchService, told: dict[str, Any], events: Callable[[], int]) -> Iterator[None]:
    """CPU seconds a million events of each process, into `told`."""
    before = service.cpu_s()
    yield
    used = {role: seconds - before.get(role, 0.0) for role, seconds in service.cpu_s().items()}
    count = events() / 1e6
    told["cpu_s_per_million"] = {role: round(seconds / count, 1) for role, seconds in used.items()}
    told["cpu_s_per_million"]["all"] = round(sum(used.values()) / count, 1)


def _intake(report: dict[str, Any]) -> dict[str, Any]:
    return {"events_per_s": round(report["events_per_s"]), "ms": report["latency_ms"], "sent": report["sent"]}


def reference(service: BenchService, events: int) -> dict[str, Any]:
    """A server of thirty lines that reads, fsyncs in groups and answers: what this machine allows today."""
    command = [sys.executable, str(Path(__file__).with_name("bare_server.py")), str(service.folder.parent / "bare.log")]
    server = subprocess.Popen(command, stdout=subprocess.PIPE)
    assert server.stdout is not None
    port = int(server.stdout.readline())
    try:
        plan = LoadPlan(url=f"http://127.0.0.1:{port}", key="k", seconds=5, connections=64)
        report = run_http(plan, resolve_target(plan.url, allow_remote=False))
        ticks = Path(f"/proc/{server.pid}/stat").read_text().rpartition(")")[2].split()[11:13]
        cpu_s = sum(map(int, ticks)) / 100
    finally:
        server.terminate()
        server.wait()
    return {
        "bare server, 64 connections": {
            "events_per_s": round(report.events_per_s),
            "cpu_s_per_million": round(cpu_s / report.acknowledged * 1e6, 1),
        }
    }


def single(service: BenchService, events: int) -> dict[str, Any]:
    """One event a request, answered when it is on disk."""
    told: dict[str, Any] = {}
    for connections in (1, 8, 64):
        figures: dict[str, Any] = {}
        with _cpu(service, figures, lambda f=figures: f["sent"]):  # type: ignore[misc]
            figures.update(_intake(service.load(seconds=6, connections=connections, batch=1)))
        told[f"{connections} connections"] = figures
    service.wait_until_drained()
    return told


def batch(service: BenchService, events: int) -> dict[str, Any]:
    """Batches of 1000 to searchable: the clock stops when the last event can be found."""
    told: dict[str, Any] = {}
    for encoding in ("plain", "zstd"):
        count = min(1_000_000, events)
        figures: dict[str, Any] = {}
        began = time.monotonic()
        with _cpu(service, figures, lambda n=count: n):  # type: ignore[misc]
            report = service.load(events=count, connections=8, batch=1000, encoding=encoding)
            service.wait_until_drained()
        figures["acknowledged_per_s"] = round(report["events_per_s"])
        figures["searchable_per_s"] = round(count / (time.monotonic() - began))
        figures["ms"] = report["latency_ms"]
        told[encoding] = figures
    return told


def burst(service: BenchService, events: int) -> dict[str, Any]:
    """Intake alone: what is acknowledged while the keeper is stopped, and how fast a full queue is then emptied."""
    keeper = service.pids()["keeper"]
    _signal(keeper, "STOP")
    try:
        report = service.load(events=min(1_500_000, events), connections=8, batch=1000)
    finally:
        _signal(keeper, "CONT")
    told: dict[str, Any] = {"acknowledged_per_s": round(report["events_per_s"]), "ms": report["latency_ms"]}
    drained: dict[str, Any] = {}
    with _cpu(service, drained, lambda: int(report["sent"])):
        seconds = service.wait_until_drained()
    told["drained_per_s"] = round(report["sent"] / seconds)
    told["drain_cpu_s_per_million"] = drained["cpu_s_per_million"]
    return told


def _signal(pid: int, name: str) -> None:
    subprocess.run(["kill", f"-{name}", str(pid)], check=True)


def udp(service: BenchService, events: int) -> dict[str, Any]:
    """Datagrams sent against datagrams stored."""
    told: dict[str, Any] = {}
    for rate in (20_000, 50_000, 100_000):
        before = service.ledger()["received"]
        report = service.datagrams(rate, seconds=5)
        service.wait_until_drained()
        time.sleep(1)
        arrived = service.ledger()["received"] - before
        lost = (report["sent"] - arrived) / report["sent"]
        told[f"{rate:,} a second"] = {"sent_per_s": round(report["events_per_s"]), "lost_percent": round(100 * lost, 3)}
    return told


def found(service: BenchService, events: int) -> dict[str, Any]:
    """From the acknowledgement of an event to the search that finds it, while 20,000 a second come in."""
    load = service.start_load(rate=BUSY_RATE, seconds=25, batch=200)
    waits: list[float] = []
    with service.client() as client:
        while len(waits) < 40 and load.poll() is None:
            name = f"found-{time.time_ns()}"
            headers = {"Authorization": f"Bearer {service.secrets['app_key']}"}
            event = {"session": name, "key": "k", "value": "v"}
            httpx.post(f"{service.intake_url}/v1/events", json=event, headers=headers).raise_for_status()
            began = time.monotonic()
            while not service.get(client, "/api/v1/search", query=f"session:{name}", **{"from": "-1h"})["events"]:
                time.sleep(0.01)
            waits.append(time.monotonic() - began)
    finished(load)
    return {"seconds": quantiles(waits, 3), "tries": len(waits)}


def fill(service: BenchService, events: int) -> dict[str, Any]:
    """The store holds `events` more over five days; what they take on disk once merges have settled."""
    began = time.monotonic()
    told: dict[str, Any] = {}
    with _cpu(service, told, lambda: events):
        service.load(events=events, connections=4, batch=1000, days=5, seed=7)
        service.wait_until_drained()
        told["searchable_per_s"] = round(events / (time.monotonic() - began))
        told["memory_mb"] = service.memory_mb()
        settle(service)
    total = service.ledger()["stored"]
    told["bytes_per_event"] = round(service.store_bytes() / total, 1)
    told["events_in_store"] = total
    return told


def settle(service: BenchService) -> None:
    """Merges have come to rest: five seconds of an idle keeper, two minutes at most."""
    quiet, until = 0, time.monotonic() + 120
    while quiet < 5 and time.monotonic() < until:
        before = service.cpu_s()["keeper"]
        time.sleep(1)
        quiet = quiet + 1 if service.cpu_s()["keeper"] - before < 0.1 else 0
    time.sleep(30)  # merged parts stay on disk for a while; they are not what an event takes


def queries(service: BenchService, events: int) -> dict[str, Any]:
    """p50 and p95 of each class over twenty literals, and the first try after the fill."""
    with service.client() as client:
        literals = literals_of(service, client)
        told = {name: timed(service, client, one) for name, one in _classes(literals).items()}
    told["memory_mb"] = service.memory_mb()
    return told


def busy(service: BenchService, events: int) -> dict[str, Any]:
    """The same while 20,000 events a second come in."""
    with service.client() as client:
        literals = literals_of(service, client)
        load = service.start_load(rate=BUSY_RATE, seconds=75, batch=200)
        time.sleep(5)
        told: dict[str, Any] = {}
        for name, one in _classes(literals).items():
            if load.poll() is None:
                told[name] = timed(service, client, one)
    told["memory_mb"] = service.memory_mb()
    told["intake"] = _intake(finished(load))
    service.wait_until_drained()
    return told


Request = tuple[str, dict[str, Any]]


def _classes(literals: dict[str, list[str]]) -> dict[str, list[Request]]:
    def search(queries: list[str], **more: Any) -> list[Request]:
        return [("/api/v1/search", {"query": query, "from": "-6d", **more}) for query in queries]

    return {
        "session page (JSON)": [(f"/sessions/{session}.json", {}) for session in literals["session"]],
        "user, newest 100": search([f"user:{user}" for user in literals["user"]]),
        "rare word": search(literals["rare"]),
        "common word, newest 100": search(literals["common"]),
        "error and common word": search([f"level:error {word}" for word in literals["common"]]),
        "phrase": search([f'"{phrase}"' for phrase in literals["phrase"]]),
        "prefix": search([f"{word[:4]}*" for word in literals["common"]]),
        "newest 100": search([""] * LITERALS),
        "histogram of a day by level": [
            ("/api/v1/histogram", {"query": "", "from": f"-{day + 1}d", "to": f"-{day}d", "by": "level"})
            for day in (1, 2, 3, 4)
        ]
        * 5,
    }


def literals_of(service: BenchService, client: httpx.Client) -> dict[str, list[str]]:
    """Sessions, users and words that occur, the same at every run of one fill."""
    sample: list[dict[str, Any]] = []
    for hours in range(4, 116, 5):
        span = {"from": f"-{hours}h", "to": f"-{hours - 1}h", "limit": 100}
        sample += service.get(client, "/api/v1/search", query="", **span)["events"]
    texts = [str(event["value"]).lower().split() for event in sample if isinstance(event["value"], str)]
    words = Counter(word for text in texts for word in set(text) if word.isalpha() and len(word) > 4)
    pairs = Counter(f"{a} {b}" for text in texts for a, b in pairwise(text) if a.isalpha() and b.isalpha())
    hexes = [word for text in texts for word in text if len(word) >= 8 and word.isalnum() and not word.isalpha()]
    return {
        "id": [event["id"] for event in sample[:: max(1, len(sample) // LITERALS)]][:LITERALS],
        "session": [event["session"] for event in sample[:: max(1, len(sample) // LITERALS)]][:LITERALS],
        "user": [event["user"] for event in sample if event.get("user")][:: max(1, len(sample) // 40)][:LITERALS],
        "rare": hexes[:: max(1, len(hexes) // LITERALS)][:LITERALS],
        "common": [word for word, _ in words.most_common(LITERALS)],
        "phrase": [pair for pair, _ in pairs.most_common(LITERALS)],
    }


def timed(service: BenchService, client: httpx.Client, requests: list[Request]) -> dict[str, Any]:
    times = []
    for path, parameters in requests:
        began = time.monotonic()
        client.get(f"{service.api_url}{path}", params=parameters).raise_for_status()
        times.append((time.monotonic() - began) * 1000)
    return {"first_ms": round(times[0], 1), **{f"{k}_ms": v for k, v in quantiles(times, 1).items()}}


def quantiles(values: list[float], digits: int) -> dict[str, float]:
    ordered = sorted(values)
    return {
        "p50": round(statistics.median(ordered), digits),
        "p95": round(ordered[min(len(ordered) - 1, int(len(ordered) * 0.95))], digits),
        "max": round(ordered[-1], digits),
    }


def restart(service: BenchService, events: int) -> dict[str, Any]:
    """Stopped and started on the full store; then idle for ten seconds."""
    began = time.monotonic()
    service.stop()
    stopped = time.monotonic() - began
    started = service.start()
    time.sleep(5)
    before = service.cpu_s()
    time.sleep(10)
    idle = {role: round((seconds - before[role]) * 10, 1) for role, seconds in service.cpu_s().items()}
    memory = service.memory_mb()
    return {
        "stop_s": round(stopped, 2),
        "start_s": round(started, 2),
        "idle_memory_mb": {**memory, "all": sum(memory.values())},
        "idle_cpu_percent": idle,
    }
