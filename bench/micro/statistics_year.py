"""What reading a year of statistics costs, from a metastore in a file: CPU, by how finely it is asked.

    python -m bench.micro.statistics_year [--days 365] [--components 20] [--keys 10] [--result statistics-year.json]

Each day each component had each key from some hundreds of users, sessions and devices, as sketches keep them. Told is
the least of five tries of reading the rows and of joining them as `/api/v1/statistics?interval=all` does.
"""

import argparse
import json
import random
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.__main__ import RESULTS, machine, show

from logkeep.metastore.distinct import count_of, joined, sketches_of
from logkeep.metastore.sqlite import SqliteDatabase
from logkeep.metastore.statistics import Counts, Place, StatisticsRow, add, read

APP = "shop"
FIRST_DAY = 20_000
PEOPLE = 5_000
ACTIVE = 400  # of a key on a day
TRIES = 5


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.micro.statistics_year", description=__doc__.splitlines()[0])
    parser.add_argument("--days", type=int, default=365)
    parser.add_argument("--components", type=int, default=20)
    parser.add_argument("--keys", type=int, default=10, help="of each component")
    parser.add_argument("--result", default="statistics-year.json", help="file name in bench/results")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "metastore.db"
        database = SqliteDatabase(path, timeout_s=30)
        database.upgrade()
        fill(database, given.days, given.components, given.keys)
        after = FIRST_DAY + given.days
        steps: dict[str, Any] = {"metastore_mb": round(path.stat().st_size / 1e6, 1)}
        for grain, name in enumerate(("the app by day", "components by day", "keys by day")):
            rows = database.read(lambda transaction, g=grain: read(transaction, APP, g, FIRST_DAY, after))
            steps[name] = {
                "rows": len(rows),
                "read_cpu_ms": least(lambda g=grain: database.read(lambda t: read(t, APP, g, FIRST_DAY, after))),
                "joined_cpu_ms": least(lambda r=rows: people(r)),
                "different_users": people(rows),
            }
    results = {
        "command": f"python -m bench.micro.statistics_year --days {given.days} --components {given.components}"
        f" --keys {given.keys}",
        "machine": machine(),
        "steps": steps,
    }
    show(steps)
    (RESULTS / given.result).write_text(json.dumps(results, indent=1) + "\n")
    return 0


def fill(database: SqliteDatabase, days: int, components: int, keys: int) -> None:
    random_ = random.Random(1)
    names = [f"user-{number}" for number in range(PEOPLE)]
    groups = [random_.sample(range(PEOPLE), ACTIVE) for _ in range(50)]
    sketches = list(sketches_of(names, groups))
    for day in range(FIRST_DAY, FIRST_DAY + days):
        cells = {
            Place(APP, day, f"component-{component}", f"key-{key}"): Counts(
                1000, 60_000, 10, 0, *(random_.choice(sketches) for _ in range(3))
            )
            for component in range(components)
            for key in range(keys)
        }
        database.write(lambda transaction, cells=cells: add(transaction, cells))


def people(rows: list[StatisticsRow]) -> int:
    return count_of(joined(row.counts.users for row in rows))


def least(ask: Callable[[], object]) -> float:
    """ms of CPU."""
    taken = []
    for _ in range(TRIES):
        began = time.process_time()
        ask()
        taken.append((time.process_time() - began) * 1000)
    return round(min(taken), 1)


if __name__ == "__main__":
    raise SystemExit(main())
