"""`make bench`: the whole path, measured from outside on this machine, generator included.

    python -m bench [--events 5000000] [--folder bench/.work] [--only intake,drain,…]

Prints a table and writes bench/results/pipeline.json. Rates depend on the machine and its mood; CPU seconds a million
events depend on it less, and the bare-Protocol line (a server that only reads, fsyncs and answers, run in the same
minute) tells how fast this machine is today.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from bench.pipeline import measures
from bench.pipeline.service import BenchService

RESULTS = Path(__file__).parent / "results"
STEPS = ("reference", "single", "batch", "burst", "udp", "found", "fill", "queries", "busy", "restart")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__.splitlines()[0])
    parser.add_argument("--events", type=int, default=5_000_000, help="events to fill the store with")
    parser.add_argument("--folder", type=Path, default=Path(__file__).parent / ".work", help="data of the service")
    parser.add_argument("--only", default=",".join(STEPS), help=f"steps, of {','.join(STEPS)}")
    parser.add_argument("--result", default="pipeline.json", help="file name in bench/results")
    arguments = parser.parse_args()
    wanted = arguments.only.split(",")
    if unknown := set(wanted) - set(STEPS):
        parser.error(f"no step {', '.join(sorted(unknown))}")
    # Without --folder: where the data lay is nobody's business, and changes nothing that is measured.
    command = f"python -m bench --events {arguments.events} --only {arguments.only} --result {arguments.result}"
    results: dict[str, Any] = {
        "command": command,
        "machine": machine(),
        "steps": {},
    }
    with BenchService(arguments.folder) as service:
        for step in STEPS:
            if step in wanted:
                began = time.monotonic()
                print(f"\n{step}", flush=True)
                found = getattr(measures, step)(service, arguments.events)
                results["steps"][step] = found
                show(found)
                print(f"  ({time.monotonic() - began:.0f} s)", flush=True)
                RESULTS.mkdir(exist_ok=True)
                (RESULTS / arguments.result).write_text(json.dumps(results, indent=1) + "\n")
    return 0


def machine() -> dict[str, Any]:
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True).stdout.strip()
    return {
        "cores": os.cpu_count(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "system": platform.platform(terse=True),
        "python": platform.python_version(),
        "commit": commit,
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }


def show(found: dict[str, Any], indent: str = "  ") -> None:
    for name, value in found.items():
        if isinstance(value, dict) and any(isinstance(inner, dict) for inner in value.values()):
            print(f"{indent}{name}")
            show(value, indent + "  ")
        elif isinstance(value, dict):
            print(f"{indent}{name:34} " + "  ".join(f"{key} {inner}" for key, inner in value.items()))
        else:
            print(f"{indent}{name:34} {value}")


if __name__ == "__main__":
    sys.exit(main())
