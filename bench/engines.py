"""The same service on each combination of engines: how fast events become searchable, and whose CPU it takes.

    python -m bench.engines [--events 300000] [--only "local + embedded,…"] [--result engines.json]

Engines, service and generator share the machine's cores, so rates say little about engines on machines of their own;
CPU a million events says what a machine of each kind can do, and docs/explanation/scaling.md reckons with it. Ours: all
processes of `logkeep serve`. With the embedded store the engine is in ours. Engines: single nodes on loopback with the
small heaps of the tests, durable (fsync or replica rules as each adapter asks for). MongoDB is a server that speaks its
wire protocol: its own figures are no MongoDB's.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from bench.__main__ import RESULTS, machine, show
from bench.pipeline.service import BenchService, cpu_s_of
from tests.servers import kafka, mongodb, opensearch, redis

WARM_UP_EVENTS = 20_000  # not counted: engines in Java compile what they do often
CONNECTIONS, BATCH = 4, 1000


class Engine:
    """A server that runs. settings: `LOGKEEP_…` variables that lead to it."""

    def __init__(self, pid: int, settings: Mapping[str, str]) -> None:
        self.pid, self.settings = pid, settings


@contextmanager
def kafka_broker(folder: Path) -> Iterator[Engine]:
    with kafka.running(folder) as started:
        settings = {"QUEUE_KIND": "kafka", "KAFKA_SERVERS": started.address, "KAFKA_PARTITIONS": "4"}
        one_copy = {"KAFKA_REPLICATION_FACTOR": "1", "KAFKA_MIN_INSYNC_REPLICAS": "1"}
        yield Engine(started.brokers[0].pid, settings | one_copy)


@contextmanager
def redis_server(folder: Path) -> Iterator[Engine]:
    with redis.running(folder) as server:
        yield Engine(server.pid, {"QUEUE_KIND": "redis", "REDIS_URL": server.url})


@contextmanager
def opensearch_node(folder: Path) -> Iterator[Engine]:
    with opensearch.running(folder) as node:
        settings = {"STORE_KIND": "opensearch", "OPENSEARCH_URLS": node.url, "OPENSEARCH_REPLICAS": "0"}
        yield Engine(node.pid, settings)


@contextmanager
def mongodb_server(folder: Path) -> Iterator[Engine]:
    with mongodb.running() as server:
        yield Engine(server.pid, {"STORE_KIND": "mongodb", "MONGODB_URL": server.url})


COMBINATIONS: dict[str, dict[str, Callable[[Path], Any]]] = {
    "local + embedded": {},
    "kafka + embedded": {"kafka": kafka_broker},
    "kafka + opensearch": {"kafka": kafka_broker, "opensearch": opensearch_node},
    "redis + mongodb": {"redis": redis_server, "mongodb": mongodb_server},
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.engines", description=__doc__.splitlines()[0])
    parser.add_argument("--events", type=int, default=300_000, help="events to send through each combination")
    parser.add_argument("--only", default=",".join(COMBINATIONS), help="combinations, of those of the default")
    parser.add_argument("--result", default="engines.json", help="file name in bench/results")
    arguments = parser.parse_args()
    wanted = arguments.only.split(",")
    if unknown := set(wanted) - set(COMBINATIONS):
        parser.error(f"no combination {', '.join(sorted(unknown))}")
    results: dict[str, Any] = {
        "command": f"python -m bench.engines --events {arguments.events} --result {arguments.result}",
        "machine": machine(),
        "combinations": {},
    }
    for name in wanted:
        print(f"\n{name}", flush=True)
        results["combinations"][name] = measured(COMBINATIONS[name], arguments.events)
        show(results["combinations"][name])
        (RESULTS / arguments.result).write_text(json.dumps(results, indent=1) + "\n")
    return 0


def measured(engines: Mapping[str, Callable[[Path], Any]], events: int) -> dict[str, Any]:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="logkeep-bench-")))
        running = {name: stack.enter_context(start(folder / name)) for name, start in engines.items()}
        settings = {f"LOGKEEP_{k}": v for engine in running.values() for k, v in engine.settings.items()}
        service = stack.enter_context(BenchService(folder, settings=settings))
        sent(service, WARM_UP_EVENTS, seed=1)
        ours, theirs = service.cpu_s(), {name: cpu_s_of(engine.pid) for name, engine in running.items()}
        began = time.monotonic()
        acknowledged_s = sent(service, events, seed=2)
        took_s = time.monotonic() - began
        millions = events / 1e6
        own = {role: round((now - ours[role]) / millions, 1) for role, now in service.cpu_s().items()}
        told: dict[str, Any] = {
            "acknowledged_per_s": round(events / acknowledged_s),
            "searchable_per_s": round(events / took_s),
            "our_cpu_s_per_million": {**own, "all": round(sum(own.values()), 1)},
            "memory_mb": service.memory_mb(),
        }
        for name, engine in running.items():
            told[f"{name}_cpu_s_per_million"] = round((cpu_s_of(engine.pid) - theirs[name]) / millions, 1)
        ledger = service.ledger()
        assert ledger["stored"] == events + WARM_UP_EVENTS, ledger
        return told


def sent(service: BenchService, events: int, *, seed: int) -> float:
    """Seconds until all of them are acknowledged; returns when nothing is queued."""
    report = service.load(events=events, connections=CONNECTIONS, batch=BATCH, seed=seed)
    service.wait_until_drained()
    return float(report["seconds"])


if __name__ == "__main__":
    raise SystemExit(main())
