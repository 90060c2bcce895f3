"""How fast one HTTP receiver acknowledges: a real receiver process on a real, fsync'd queue, wrk in front of it.

    python bench/micro/receiver.py [--seconds 5] [--folder DIR] [--profile FILE]

Prints requests and events a second, CPU seconds a million events of the receiver (user and system, from /proc), and
the latency of an acknowledgement. wrk runs on the same cores. Needs wrk (scripts/install_servers.sh).
"""

import argparse
import json
import multiprocessing
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from multiprocessing.connection import Connection
from pathlib import Path

KEY = "bench-key"
TICKS_PER_S = os.sysconf("SC_CLK_TCK")
MS_PER_UNIT = {"us": 0.001, "ms": 1.0, "s": 1000.0}


def serve(folder: str, told: Connection, profile: str | None) -> None:
    """The receiver process."""
    from logkeep.clock import SystemClock
    from logkeep.disk import SystemDisk
    from logkeep.metastore.port import Credential
    from logkeep.queue.local import LocalQueue
    from logkeep.receiver.process import run_http_receiver
    from logkeep.settings import Settings, load
    from logkeep.telemetry import Telemetry, configure_logging

    class OneKey:
        def credential(self, secret: str) -> Credential | None:
            return Credential("bench", "write") if secret == KEY else None

        def app_names(self) -> list[str]:
            return ["bench"]

        def default_app(self) -> str:
            return "bench"

    configure_logging("error")
    settings: Settings = load(environment={}, flags={"intake.port": 0})
    queue = LocalQueue(Path(folder), settings.queue, disk=SystemDisk(), clock=SystemClock(), write=["http-0"])

    def run() -> None:
        run_http_receiver(
            settings,
            queue=queue,
            partition="http-0",
            metastore=OneKey(),
            telemetry=Telemetry(),
            on_listening=told.send,
        )

    if profile:
        import cProfile

        recorder = cProfile.Profile()
        recorder.runcall(run)
        recorder.dump_stats(profile)
    else:
        run()
    queue.close()


def event(rng: random.Random) -> dict[str, object]:
    """About 500 bytes, as in the measurements this is compared with."""
    return {
        "session": f"session-{rng.randrange(10**6):08d}",
        "key": "checkout.step",
        "value": f"GET /api/v1/orders/{rng.randrange(10**9)} took {rng.randrange(999)} ms " + "lorem ipsum dolor " * 13,
        "time": "2026-11-22T10:00:00.123Z",
        "user": f"user-{rng.randrange(10**5)}",
        "component": "checkout",
        "level": "info",
        "attributes": {"region": "eu-1", "attempt": 2},
    }


def wrk_script(body: str) -> str:
    return (
        f'wrk.method = "POST"\nwrk.body = [==[{body}]==]\n'
        f'wrk.headers["Authorization"] = "Bearer {KEY}"\nwrk.headers["Content-Type"] = "application/json"\n'
        'done = function(summary, latency, requests) io.write(string.format("P %d %d %d %d\\n", '
        "summary.requests, summary.errors.status, latency:percentile(50), latency:percentile(99))) end\n"
    )


def cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_S


def measure(
    pid: int, port: int, name: str, body: str, events: int, connections: int, seconds: int
) -> dict[str, object]:
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(wrk_script(body))
        script.flush()
        before, started = cpu_s(pid), time.monotonic()
        command = [
            "wrk",
            "-t1",
            f"-c{connections}",
            f"-d{seconds}",
            "-s",
            script.name,
            f"http://127.0.0.1:{port}/v1/events",
        ]
        text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        used, took = cpu_s(pid) - before, time.monotonic() - started
    found = re.search(r"^P (\d+) (\d+) (\d+) (\d+)$", text, re.MULTILINE)
    assert found, text
    requests, errors, p50_us, p99_us = map(int, found.groups())
    result = {
        "name": name,
        "connections": connections,
        "requests_per_s": round(requests / took),
        "events_per_s": round(requests * events / took),
        "cpu_s_per_million": round(used / max(1, requests * events) * 1e6, 2),
        "p50_ms": p50_us / 1000,
        "p99_ms": p99_us / 1000,
        "errors": errors,
    }
    print(
        f"{name:28} {connections:4} conn {result['requests_per_s']:>8,} req/s {result['events_per_s']:>10,} events/s "
        f"{result['cpu_s_per_million']:>7} CPU-s/M  p50 {p50_us / 1000:.2f} p99 {p99_us / 1000:.2f} ms  errors {errors}"
    )
    return result


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--seconds", type=int, default=5)
    arguments.add_argument("--folder", help="where the queue is made (a folder of its own is used and removed)")
    arguments.add_argument("--only", help="only the cases whose name has this in it")
    arguments.add_argument("--profile", help="write a cProfile of the receiver's loop here (slows it down)")
    arguments.add_argument("--json", help="write the results here")
    options = arguments.parse_args()
    if shutil.which("wrk") is None:
        print("wrk is not installed; scripts/install_servers.sh installs it where it may", file=sys.stderr)
        return 1
    rng = random.Random(1)
    one = json.dumps(event(rng))
    batch = [json.dumps(event(rng)) for _ in range(1000)]
    cases = [("single", one, 1, connections) for connections in (1, 8, 64, 256)]
    cases += [
        ("batch of 1000, ndjson", "\n".join(batch), 1000, 8),
        ("batch of 1000, array", f"[{','.join(batch)}]", 1000, 8),
    ]
    results = []
    folder = tempfile.mkdtemp(prefix="receiver-", dir=options.folder)
    context = multiprocessing.get_context("spawn")
    for name, body, events, connections in cases:
        if options.only and options.only not in f"{name} {connections}":
            continue
        here, there = context.Pipe()
        process = context.Process(target=serve, args=(f"{folder}/{len(results)}", there, options.profile))
        process.start()
        try:
            assert process.pid is not None
            port = here.recv()
            results.append(measure(process.pid, port, name, body, events, connections, options.seconds))
        finally:
            os.kill(process.pid, signal.SIGTERM)
            process.join(15)
            shutil.rmtree(f"{folder}/{len(results) - 1}", ignore_errors=True)
    shutil.rmtree(folder, ignore_errors=True)
    if options.json:
        Path(options.json).write_text(json.dumps(results, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
