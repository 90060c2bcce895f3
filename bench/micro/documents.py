"""What a document costs on its way to a shared store: CPU of making and encoding it, of two checkouts by turns.

    python -m bench.micro.documents --before DIR [--events 10000] [--rounds 7] [--result documents.json]

DIR is the `src` folder of another commit (`git worktree add DIR COMMIT`). Each round is a process of its own with the
same generated events; the checkouts take turns, so that a busy machine meets both alike, and the least of each is told.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.__main__ import RESULTS, machine, show

REPOSITORY = Path(__file__).parents[2]
CHUNK_EVENTS = 2_000


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.micro.documents", description=__doc__.splitlines()[0])
    parser.add_argument("--before", required=True, help="src folder of the other commit")
    parser.add_argument("--events", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--result", default="documents.json", help="file name in bench/results")
    arguments = parser.parse_args()
    folders = {"before": Path(arguments.before).absolute(), "after": REPOSITORY / "src"}
    told: dict[str, dict[str, list[float]]] = {name: {} for name in folders}
    for _ in range(arguments.rounds):
        for name, folder in folders.items():
            for what, cpu_us in one_round(folder, arguments.events).items():
                told[name].setdefault(what, []).append(cpu_us)
    results: dict[str, Any] = {
        "command": f"python -m bench.micro.documents --before DIR --events {arguments.events} "
        f"--rounds {arguments.rounds}",
        "machine": machine(),
        "cpu_s_per_million, least of the rounds": {
            name: {what: round(min(values), 2) for what, values in found.items()} for name, found in told.items()
        },
    }
    show(results)
    (RESULTS / arguments.result).write_text(json.dumps(results, indent=1) + "\n")
    return 0


def one_round(folder: Path, events: int) -> dict[str, float]:
    environment = os.environ | {"PYTHONPATH": f"{folder}:{REPOSITORY}"}
    done = subprocess.run(
        [sys.executable, "-c", f"import bench.micro.documents as it; it.measure({events})"],
        env=environment, capture_output=True, text=True, check=True, cwd=REPOSITORY,
    )  # fmt: skip
    found: dict[str, float] = json.loads(done.stdout)
    return found


def measure(count: int) -> None:
    """CPU microseconds an event, as JSON on the standard output."""
    import bson
    import msgspec
    from bench.stores import collect_garbage_rarely, made_events

    from logkeep.store import mongodb_documents, opensearch_schema

    events = made_events(count)
    collect_garbage_rarely()
    encode = msgspec.json.Encoder().encode_lines
    parts = [events[start : start + CHUNK_EVENTS] for start in range(0, count, CHUNK_EVENTS)]

    def cpu_us(work: Callable[[list[Any]], object]) -> float:
        began = time.process_time()
        for part in parts:
            work(part)
        return (time.process_time() - began) * 1e6 / count

    print(
        json.dumps(
            {
                "opensearch": cpu_us(lambda part: encode([opensearch_schema.document(event) for event in part])),
                "mongodb": cpu_us(lambda part: [bson.encode(mongodb_documents.document_of(event)) for event in part]),
            }
        )
    )


if __name__ == "__main__":
    raise SystemExit(main())
