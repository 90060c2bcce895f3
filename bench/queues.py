"""How fast each queue takes and gives: append and read, side by side in one run, on real servers on this machine.

    python -m bench.queues [--megabytes 64] [--rounds 3] [--only local,kafka,redis]

Each round sends the same bytes as frames of 64 KiB, 16 in one append (what a busy receiver commits together), and as
single frames of 1 KiB, one append after the other (what one waiting sender sees). Rounds of the queues take turns, so
that a mood of the machine strikes all. CPU is this process's, the client's part of ours in it; the servers' is told
beside it. One broker, one Redis: replication costs on top. Writes bench/results/queues.json.
"""

import argparse
import json
import os
import statistics
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from bench.__main__ import machine
from tests.servers import kafka, redis

from logkeep.clock import SystemClock
from logkeep.disk import SystemDisk
from logkeep.queue.kafka import KafkaQueue
from logkeep.queue.local import LocalQueue
from logkeep.queue.port import ANY, Mark
from logkeep.queue.redis_streams import RedisQueue
from logkeep.settings import KafkaSettings, QueueSettings, RedisSettings

RESULT = Path(__file__).parent / "results" / "queues.json"
KINDS = ("local", "kafka", "redis")
FRAME_BYTES, FRAMES_AN_APPEND = 64 << 10, 16
SMALL_BYTES, SMALL_APPENDS = 1 << 10, 200
COMMITS = 20  # of all partitions, half a kilobyte with each
TICKS_PER_S = os.sysconf("SC_CLK_TCK")


def cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_S


def payload(size: int) -> bytes:
    """Half of it random: log events compress, but not to nothing."""
    return os.urandom(size // 2) + b"2026-11-29 12:00:00 GET /api/v1/orders 200 " * (size // 86 + 1)


@contextmanager
def queues(kinds: list[str], folder: Path) -> Iterator[dict[str, tuple[Callable[[], Any], int]]]:
    """By kind: what opens a fresh queue, and the process of its server (this one for local)."""
    with ExitStack() as stack:
        found: dict[str, tuple[Callable[[], Any], int]] = {}
        settings, clock = QueueSettings(), SystemClock()
        if "local" in kinds:
            found["local"] = (
                lambda: LocalQueue(
                    folder / uuid.uuid4().hex, settings, disk=SystemDisk(), clock=clock, write=("http-0",)
                ),
                os.getpid(),
            )
        if "kafka" in kinds:
            cluster = stack.enter_context(kafka.running(folder / "kafka", heap="512m"))
            made = KafkaSettings(servers=cluster.address, partitions=4, replication_factor=1, min_insync_replicas=1)

            def open_kafka() -> KafkaQueue:
                topic = f"b{uuid.uuid4().hex[:8]}"
                return KafkaQueue(
                    KafkaSettings(**{f: getattr(made, f) for f in made.__struct_fields__} | {"topic": topic}),
                    settings, clock=clock,
                )  # fmt: skip

            found["kafka"] = (open_kafka, cluster.brokers[0].pid)
        if "redis" in kinds:
            server = stack.enter_context(redis.running(folder / "redis", maxmemory="1gb"))
            found["redis"] = (
                lambda: RedisQueue(
                    RedisSettings(url=server.url, prefix=uuid.uuid4().hex[:8], partitions=4), settings, clock=clock
                ),
                server.pid,
            )
        yield found


def measured(open_queue: Callable[[], Any], server: int, megabytes: int) -> dict[str, float]:
    queue = open_queue()
    partition = "http-0" if isinstance(queue, LocalQueue) else ANY
    try:
        queue.append(partition, [b"first"])  # connects, makes the topic
        one, small = payload(FRAME_BYTES)[:FRAME_BYTES], payload(SMALL_BYTES)[:SMALL_BYTES]
        appends = megabytes * (1 << 20) // (FRAME_BYTES * FRAMES_AN_APPEND)
        own, theirs, began = time.process_time(), cpu_s(server), time.perf_counter()
        for _ in range(appends):
            queue.append(partition, [one] * FRAMES_AN_APPEND)
        append_s = time.perf_counter() - began
        found = {
            "append_mb_s": megabytes / append_s,
            "append_client_cpu_ms_mb": (time.process_time() - own) * 1000 / megabytes,
            "append_server_cpu_ms_mb": 0.0 if server == os.getpid() else (cpu_s(server) - theirs) * 1000 / megabytes,
        }
        waits = []
        for _ in range(SMALL_APPENDS):
            began = time.perf_counter()
            queue.append(partition, [small])
            waits.append((time.perf_counter() - began) * 1000)
        found["small_append_p50_ms"] = statistics.median(waits)
        found["small_append_p99_ms"] = sorted(waits)[int(len(waits) * 0.99)]
        return found | read_back(queue, appends * FRAMES_AN_APPEND + SMALL_APPENDS + 1, megabytes)
    finally:
        queue.close()


def read_back(queue: Any, records: int, megabytes: int) -> dict[str, float]:
    own, began = time.process_time(), time.perf_counter()
    ends: dict[str, int] = queue.ends()
    count = sum(1 for name, end in ends.items() for _ in queue.replay(name, 0, end))
    read_s = time.perf_counter() - began
    assert count == records, (count, records)
    cpu = (time.process_time() - own) * 1000 / megabytes
    while not queue.read("bench", records_max=1, bytes_max=1):
        time.sleep(0.01)  # joining the group
    queue.marks("bench")
    owner, began = queue.owned("bench"), time.perf_counter()
    for _ in range(COMMITS):
        queue.commit("bench", {name: Mark(end, b"x" * 500) for name, end in ends.items()}, owner=owner)
    return {
        "read_mb_s": megabytes / read_s,
        "read_client_cpu_ms_mb": cpu,
        "commit_ms": (time.perf_counter() - began) * 1000 / COMMITS,
    }


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.queues", description=__doc__.splitlines()[0])
    parser.add_argument("--megabytes", type=int, default=64, help="sent in each round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", default=",".join(KINDS), help=f"of {','.join(KINDS)}")
    arguments = parser.parse_args()
    kinds = [kind for kind in KINDS if kind in arguments.only.split(",")]
    rounds: dict[str, list[dict[str, float]]] = {kind: [] for kind in kinds}
    with tempfile.TemporaryDirectory(prefix="logkeep-bench-") as folder, queues(kinds, Path(folder)) as opened:
        for _ in range(arguments.rounds):
            for kind, (open_queue, server) in opened.items():
                rounds[kind].append(measured(open_queue, server, arguments.megabytes))
                print(kind, {name: round(value, 2) for name, value in rounds[kind][-1].items()}, flush=True)
    load = os.getloadavg()[0]
    medians = {
        kind: {name: round(statistics.median(one[name] for one in found), 3) for name in found[0]}
        for kind, found in rounds.items()
    }
    command = f"python -m bench.queues --megabytes {arguments.megabytes} --rounds {arguments.rounds}"
    result = {"command": command, "machine": machine(), "load_average": load, "median": medians, "rounds": rounds}
    RESULT.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
