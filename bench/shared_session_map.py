"""What the session map asks the metastore where several processors share it, and what a cache between would spare.

    python -m bench.shared_session_map [--events 200000] [--processors 10] [--result shared_session_map.json]

Generated events, one in five without its session, go in batches to processors in turn, on one SQLite file and a clock
that is moved on by what a batch stands for. Counted, so that a busy machine does not matter: statements, names in them,
and names whose answer another processor had read within the time for which what was read counts (REREAD_S): those a
shared cache would have had. CPU of the questions is told beside, as a share of the map's. Needs no service.
"""

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from bench.__main__ import RESULTS, machine, show
from bench.session_map import FRAME_EVENTS, LACKING_EVERY, RULES, without_session

from logkeep.clock import NS_PER_S, ManualClock, SystemClock
from logkeep.decode.frame import FrameHeader, pack_frame
from logkeep.loadgen.events import EventMaker
from logkeep.metastore.database import Database
from logkeep.metastore.sqlite import SqliteDatabase
from logkeep.processor.prepare import prepare
from logkeep.processor.sessions import REREAD_S, SessionMap
from logkeep.queue.port import Record
from logkeep.settings import SessionMapSettings
from logkeep.telemetry import Telemetry

# Events a second of all processors, and events of one batch.
LOADS = ((50_000, 20_000), (50_000, 2_000), (5_000, 500))


class Asked:
    """A database that counts what the map asks it."""

    def __init__(self, database: Database, clock: ManualClock) -> None:
        self._database, self._clock, self.write = database, clock, database.write
        self.batches = self.statements = self.names = self.known_elsewhere = self.spared = 0
        self.cpu_s = 0.0
        self._read_ns: dict[Any, int] = {}

    def read(self, work: Any) -> Any:
        self.batches += 1
        lacking = self.names - self.known_elsewhere
        began = time.thread_time()
        found = self._database.read(lambda transaction: work(_Counted(transaction, self)))
        self.cpu_s += time.thread_time() - began
        self.spared += lacking == self.names - self.known_elsewhere
        return found

    def note(self, names: list[Any]) -> None:
        now_ns = self._clock.monotonic_ns()
        fresh_ns = now_ns - int(REREAD_S * NS_PER_S)
        self.statements += 1
        self.names += len(names)
        self.known_elsewhere += sum(one in self._read_ns and self._read_ns[one] >= fresh_ns for one in names)
        self._read_ns.update(dict.fromkeys(names, now_ns))


class _Counted:
    def __init__(self, transaction: Any, asked: Asked) -> None:
        self._transaction, self._asked = transaction, asked

    def rows(self, sql: str, **values: Any) -> Any:
        self._asked.note(list(values.values()))
        return self._transaction.rows(sql, **values)


def measured(folder: Path, events: int, processors: int, rate: int, batch_events: int) -> dict[str, Any]:
    clock = ManualClock(SystemClock().now_ns())
    database = SqliteDatabase(folder / f"{rate}-{batch_events}.db", timeout_s=5)
    database.upgrade()
    asked, telemetry, maker = Asked(database, clock), Telemetry(), EventMaker(1)
    shared: Any = asked
    maps = [SessionMap(shared, SessionMapSettings(), clock, telemetry) for _ in range(processors)]
    for one in maps:
        one.begin(alone=False)
    map_cpu_s = 0.0
    for number in range(events // batch_events):
        map_cpu_s += step(maps[number % processors], maker, clock, number, batch_events)
        clock.advance(batch_events / rate)
    scale = 1e6 / events
    return {
        "events_a_second": rate,
        "events_a_batch": batch_events,
        "batches_that_ask": round(asked.batches * scale),
        "batches_a_shared_cache_would_spare": round(asked.spared * scale),
        "statements": round(asked.statements * scale),
        "names": round(asked.names * scale),
        "names_a_shared_cache_would_know": round(asked.known_elsewhere / max(1, asked.names), 3),
        "cpu_share_of_the_map": round(asked.cpu_s / map_cpu_s, 3),
    }


def step(one: SessionMap, maker: EventMaker, clock: ManualClock, number: int, batch_events: int) -> float:
    """CPU seconds of the map for one batch."""
    lines = [line for _ in range(batch_events // FRAME_EVENTS) for line in maker.lines(FRAME_EVENTS)]
    lines = [without_session(line) if n % LACKING_EVERY == 0 else line for n, line in enumerate(lines)]
    records = []
    for at in range(0, len(lines), FRAME_EVENTS):
        part = lines[at : at + FRAME_EVENTS]
        header = FrameHeader("shop", clock.now_ns(), f"{number:012x}{at:012x}", len(part))
        records.append(Record("http-0", number, number + 1, pack_frame(header, "\n".join(part).encode())))
    prepared = prepare(records, RULES, lambda key: None)
    began = time.thread_time()
    one.enrich(prepared)
    one.keep(prepared.seen)
    return time.thread_time() - began


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.shared_session_map", description=__doc__.splitlines()[0])
    parser.add_argument("--events", type=int, default=200_000)
    parser.add_argument("--processors", type=int, default=10)
    parser.add_argument("--result", default="shared_session_map.json", help="file name in bench/results")
    arguments = parser.parse_args()
    found = []
    with tempfile.TemporaryDirectory() as folder:
        for rate, batch_events in LOADS:
            found.append(measured(Path(folder), arguments.events, arguments.processors, rate, batch_events))
    results = {
        "command": f"python -m bench.shared_session_map --events {arguments.events} --processors "
        f"{arguments.processors}",
        "machine": machine(),
        "of_a_million_events": found,
    }
    show({name: value for name, value in results.items() if name != "machine"})
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / arguments.result).write_text(json.dumps(results, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
