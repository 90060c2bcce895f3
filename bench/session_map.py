"""The session map: what it costs the processor. Needs no service; embedded store and SQLite in a temporary folder.

    python -m bench.session_map [--events 200000] [--rounds 5] [--result session_map.json]

The same generated events go through decoding, patterns and the store, in batches as the processor makes them, three
ways in turn: without the map; with it, as they are (each has session, user and device, and tells the map); with it
where one in five lacks its session, which the map gives back. CPU of the whole process, the engine's threads among it,
a million events; the ratio is what each round's three ways cost beside each other.
"""

import argparse
import gc
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
from bench.__main__ import RESULTS, machine, show

from logkeep.clock import SystemClock
from logkeep.decode.frame import FrameHeader, pack_frame
from logkeep.loadgen.events import EventMaker
from logkeep.metastore.sqlite import SqliteDatabase
from logkeep.patterns.grouper import Grouper
from logkeep.processor.prepare import Prepared, Rules, prepare
from logkeep.processor.sessions import SessionMap
from logkeep.queue.port import Record
from logkeep.settings import SessionMapSettings
from logkeep.store.embedded import EmbeddedStore
from logkeep.store.port import Batch
from logkeep.telemetry import Telemetry

BATCH_EVENTS, FRAME_EVENTS = 20_000, 500
LACKING_EVERY = 5
RULES = Rules(15, 600.0, 64 << 20)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.session_map", description=__doc__.splitlines()[0])
    parser.add_argument("--events", type=int, default=200_000, help="events of each way in a round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--result", default="session_map.json", help="file name in bench/results")
    arguments = parser.parse_args()
    gc.freeze()
    gc.set_threshold(100_000, 50, 100)  # as in the keeper
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder), arguments.events)
        try:
            rounds = bench.rounds(arguments.rounds)
        finally:
            bench.store.close()
    ways = list(rounds[0]["cpu_s_a_million"])
    costs = [found["cpu_s_a_million"] for found in rounds]
    ratios = {way: [cost[way] / cost["without the map"] for cost in costs] for way in ways}
    results = {
        "command": f"python -m bench.session_map --events {arguments.events} --rounds {arguments.rounds}",
        "machine": machine(),
        "median_ratio_to_without": {way: round(statistics.median(found), 3) for way, found in ratios.items()},
        "median_cpu_s_a_million": {
            way: round(statistics.median(r["cpu_s_a_million"][way] for r in rounds), 2) for way in ways
        },
        "rounds": rounds,
    }
    show({name: value for name, value in results.items() if name not in ("machine", "rounds")})
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / arguments.result).write_text(json.dumps(results, indent=1) + "\n")
    return 0


class Bench:
    def __init__(self, folder: Path, events: int) -> None:
        self._clock, self._events, self._frames = SystemClock(), events, 0
        self.store = EmbeddedStore(folder / "store", memory_bytes_max=1 << 30, mark_cache_bytes=64 << 20,
                                    merge_threads=2, readers=1, clock=self._clock)  # fmt: skip
        database = SqliteDatabase(folder / "metastore.db", timeout_s=5)
        database.upgrade()
        self._map = SessionMap(database, SessionMapSettings(), self._clock, Telemetry())
        self._grouper, self._maker = Grouper(2_000), EventMaker(1)

    def rounds(self, count: int) -> list[dict[str, Any]]:
        self._way(self._batches(lacking=False), with_map=True)  # warm: patterns, the engine, code
        rounds = []
        for number in range(count):
            whole, lacking = self._batches(lacking=False), self._batches(lacking=True)
            ways: list[tuple[str, Callable[[], tuple[float, int]]]] = [
                ("without the map", lambda whole=whole: self._way(whole, with_map=False)),
                ("with it", lambda: self._way(self._batches(lacking=False), with_map=True)),
                ("with it, one in five lacks its session", lambda lacking=lacking: self._way(lacking, with_map=True)),
            ]
            found = {name: run() for name, run in (ways if number % 2 else reversed(ways))}
            rounds.append(
                {
                    "cpu_s_a_million": {name: round(found[name][0], 3) for name, _ in ways},
                    "lacked": found[ways[2][0]][1],
                }
            )
        return rounds

    def _batches(self, *, lacking: bool) -> list[list[Record]]:
        batches: list[list[Record]] = []
        for _ in range(self._events // BATCH_EVENTS):
            lines = [line for _ in range(BATCH_EVENTS // FRAME_EVENTS) for line in self._maker.lines(FRAME_EVENTS)]
            if lacking:
                lines = [without_session(line) if n % LACKING_EVERY == 0 else line for n, line in enumerate(lines)]
            batches.append([self._record(lines[i : i + FRAME_EVENTS]) for i in range(0, len(lines), FRAME_EVENTS)])
        return batches

    def _record(self, lines: list[str]) -> Record:
        self._frames += 1
        header = FrameHeader("shop", self._clock.now_ns(), f"{self._frames:024x}", len(lines))
        payload = pack_frame(header, "\n".join(lines).encode())
        return Record("http-0", self._frames, self._frames + 1, payload)

    def _way(self, batches: list[list[Record]], *, with_map: bool) -> tuple[float, int]:
        """CPU seconds a million events, and how many lacked a session at the end."""
        gc.collect()
        lacking, began = 0, time.process_time()
        for records in batches:
            prepared = prepare(records, RULES, lambda key: None)
            if with_map:
                self._map.enrich(prepared)
            self._grouper.group(prepared.events, self._clock.now_ns())
            lacking += sum(not prepared.events[index].session for index in prepared.sessionless)
            if with_map:
                self._map.keep(prepared.seen)
            self.store.write(Batch(prepared.token, placed(prepared)))
        return (time.process_time() - began) / self._events * 1e6, lacking


def placed(prepared: Prepared) -> list[Any]:
    return [event for event in prepared.events if event.session]


def without_session(line: str) -> str:
    members = msgspec.json.decode(line)
    if "user" in members or "device" in members:
        del members["session"]
    return msgspec.json.encode(members).decode()


if __name__ == "__main__":
    sys.exit(main())
