"""What a look-up costs in the embedded store: CPU and waiting of two checkouts by turns, on one filled store.

    python -m bench.micro.lookups --before DIR --folder STORE [--rounds 5] [--literals 20] [--result lookups.json]

DIR is the `src` folder of another commit (`git worktree add DIR COMMIT`), STORE the folder `data/store` of one that
`python -m bench.search` filled, with nothing else running on it. Each round is a process of its own; the checkouts take
turns, so that a busy machine meets both alike. Told is the median over literals of the least that each took.
"""

# ruff: noqa: S608 - the SQL is text of ours
import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.__main__ import RESULTS, machine, show

REPOSITORY = Path(__file__).parents[2]
APP = "default"
DAY_NS = 86_400_000_000_000
DAYS = 14
WORD = "payment"  # generated messages have it
FIELDS = ("component", "level", "key", "user", "device")
FIRST_DAY, LAST_DAY = 3, 11  # days before the newest that whole-day questions are about


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.micro.lookups", description=__doc__.splitlines()[0])
    parser.add_argument("--before", required=True, help="src folder of the other commit")
    parser.add_argument("--folder", type=Path, required=True, help="data/store of a filled store")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--literals", type=int, default=20)
    parser.add_argument("--result", default="lookups.json", help="file name in bench/results")
    arguments = parser.parse_args()
    folders = {"before": Path(arguments.before).absolute(), "after": REPOSITORY / "src"}
    least: dict[str, dict[str, list[list[float]]]] = {name: {} for name in folders}
    for _ in range(arguments.rounds):
        for name, folder in folders.items():
            for what, found in one_round(folder, arguments.folder, arguments.literals).items():
                known = least[name].setdefault(what, found)
                pairs = zip(known, found, strict=True)
                least[name][what] = [[min(one, two) for one, two in zip(a, b, strict=True)] for a, b in pairs]
    results: dict[str, Any] = {
        "command": f"python -m bench.micro.lookups --before DIR --folder STORE --rounds {arguments.rounds}"
        f" --literals {arguments.literals}",
        "machine": machine(),
        "steps": {name: {what: _told(found) for what, found in by.items()} for name, by in least.items()},
    }
    show(results["steps"])
    (RESULTS / arguments.result).write_text(json.dumps(results, indent=1) + "\n")
    return 0


def _told(found: list[list[float]]) -> dict[str, float]:
    cpu, wall = zip(*found, strict=True)
    return {"cpu_ms": round(statistics.median(cpu), 1), "waited_ms": round(statistics.median(wall), 1)}


def one_round(source: Path, folder: Path, literals: int) -> dict[str, list[list[float]]]:
    """By class of question: [ms of CPU, ms waited] of each literal, in a process of its own."""
    environment = {**os.environ, "PYTHONPATH": f"{source}{os.pathsep}{REPOSITORY}"}
    command = [sys.executable, "-c", f"from bench.micro.lookups import child; child({str(folder)!r}, {literals})"]
    done = subprocess.run(command, env=environment, capture_output=True, check=True, cwd=source)
    told: dict[str, list[list[float]]] = json.loads(done.stdout)
    return told


def child(folder: str, literals: int) -> None:
    """In the process of one round: prints what `one_round` answers."""
    from logkeep.query.parser import parse
    from logkeep.store.embedded import EmbeddedStore
    from logkeep.store.port import SearchRequest
    from logkeep.store.reading import Reading

    store = EmbeddedStore(Path(folder))
    engine = store._engine
    engine.write("SYSTEM STOP MERGES")
    newest_ns = int(engine.write("SELECT max(time_ns) FROM events"))
    chosen = f"""SELECT session, user, device, id FROM events WHERE user != '' AND device != ''
        AND cityHash64(id, 7) % 500000 = 3 ORDER BY id LIMIT {literals}"""
    rows = [line.split("\t") for line in engine.write(chosen).decode().splitlines()]
    days = [newest_ns - number * DAY_NS for number in range(FIRST_DAY, LAST_DAY + 1)]

    def search(text: str) -> None:
        store.search(Reading(), SearchRequest(APP, parse(text), newest_ns - DAYS * DAY_NS, newest_ns + 1))

    def histogram(to_ns: int) -> None:
        store.histogram(Reading(), APP, parse(""), to_ns - DAY_NS, to_ns, buckets=60, by="level")

    def facets(to_ns: int) -> None:
        store.facets(Reading(), APP, parse(""), to_ns - DAY_NS, to_ns, fields=FIELDS, limit=10)

    told = {
        "session": _timed(rows, lambda row: store.session(Reading(), APP, row[0], limit=10_000)),
        "user, newest 100": _timed(rows, lambda row: search(f"user:{row[1]}")),
        "device, newest 100": _timed(rows, lambda row: search(f"device:{row[2]}")),
        "event by id": _timed(rows, lambda row: store.event(Reading(), APP, row[3])),
        "newest 100": _timed(rows, lambda row: search("")),
        "common word, newest 100": _timed(rows, lambda row: search(WORD)),
        "histogram of a day by level": _timed(days, histogram),
        "facets of five fields, a day": _timed(days, facets),
    }
    store.close()
    print(json.dumps(told))


def _timed(given: list[Any], ask: Callable[[Any], object]) -> list[list[float]]:
    ask(given[0])  # what is loaded once
    told: list[list[float]] = []
    for one in given:
        cpu, wall = time.process_time(), time.perf_counter()
        ask(one)
        told.append([(time.process_time() - cpu) * 1000, (time.perf_counter() - wall) * 1000])
    return told


if __name__ == "__main__":
    raise SystemExit(main())
