"""The session map, statistics and masking: what each costs the processor. Needs no service.

    python -m bench.session_map [--events 200000] [--rounds 5] [--result session_map.json]

Generated events go through decoding, patterns and the embedded store, in batches as the processor makes them, with one
step more: the map (each event has session, user and device, and tells it); the map where one in five lacks its session,
which it gives back; statistics; masking by the default rules, and by all. CPU of the step and of everything else, the
engine's threads among it, in the same run: their ratio says what the step costs, also on a machine that is busy.
"""

import argparse
import gc
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
from bench.__main__ import RESULTS, machine, show

from logkeep.clock import SystemClock
from logkeep.decode.frame import FrameHeader, pack_frame
from logkeep.decode.split import Form
from logkeep.loadgen.events import EventMaker
from logkeep.masking.masker import Masker
from logkeep.masking.prefilter import Prefilter
from logkeep.masking.rules import DEFAULT, OwnPattern
from logkeep.masking.rules import Rules as MaskingRules
from logkeep.metastore.sqlite import SqliteDatabase
from logkeep.metastore.statistics import add
from logkeep.patterns.grouper import Grouper
from logkeep.processor.counting import Cells
from logkeep.processor.prepare import Prepared, Rules, prepare
from logkeep.processor.sessions import SessionMap
from logkeep.queue.port import Record
from logkeep.settings import SessionMapSettings
from logkeep.store.embedded import EmbeddedStore
from logkeep.store.port import Batch
from logkeep.telemetry import Telemetry

LACKING = "session map, one in five lacks its session"
WAYS = {
    "session map": "map", LACKING: "map", "statistics": "statistics", "masking, default": "default",
    "masking, all rules": "all",
}  # fmt: skip
OWN = (OwnPattern("iban", "[A-Z]{2}[0-9]{18,30}"), OwnPattern("key", "sk_[a-z]+_[A-Za-z0-9]{16,}"))
MASKING = {"default": DEFAULT, "all": MaskingRules(("bearer", "email", "card"), DEFAULT.fields, OWN)}
MASKERS = {name: Masker(rules) for name, rules in MASKING.items()}
PREFILTERS = {name: Prefilter(rules) for name, rules in MASKING.items()}
BATCH_EVENTS, FRAME_EVENTS = 20_000, 500
LACKING_EVERY = 5
RULES = Rules(lambda app: 15, 600.0, 64 << 20)


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
    results = {
        "command": f"python -m bench.session_map --events {arguments.events} --rounds {arguments.rounds}",
        "machine": machine(),
        "median_share_of_the_rest": {
            way: round(statistics.median(found[way]["step"] / found[way]["rest"] for found in rounds), 3)
            for way in WAYS
        },
        "median_cpu_us_an_event": {
            way: round(statistics.median(found[way]["step"] for found in rounds), 2) for way in WAYS
        },
        "rest_cpu_us_an_event": round(statistics.median(found[way]["rest"] for found in rounds for way in WAYS), 2),
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
        self._database = SqliteDatabase(folder / "metastore.db", timeout_s=5)
        self._database.upgrade()
        self._map = SessionMap(self._database, SessionMapSettings(), self._clock, Telemetry())
        self._grouper, self._maker = Grouper(2_000), EventMaker(1)

    def rounds(self, count: int) -> list[dict[str, Any]]:
        self._way(self._batches(lacking=False), "map")  # warm: patterns, the engine, code
        return [
            {way: self._way(self._batches(lacking=way is LACKING), step) for way, step in WAYS.items()}
            for _ in range(count)
        ]

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

    def _way(self, batches: list[list[Record]], step: str) -> dict[str, float]:
        """CPU µs an event of the step, and of everything else."""
        gc.collect()
        cells = Cells()
        taken, lacking, began = 0.0, 0, time.process_time()
        looked = 0.0

        def suspects(app: str, body: bytes, form: Form, count: int) -> Sequence[int] | None:
            nonlocal looked
            at = time.thread_time()
            found = PREFILTERS[step].suspects(body, form, count)
            looked += time.thread_time() - at
            return found

        rules = msgspec.structs.replace(RULES, suspects=suspects) if step in PREFILTERS else RULES
        for records in batches:
            prepared = prepare(records, rules, lambda key: None)
            at = time.thread_time()
            if step in MASKERS:
                MASKERS[step].mask([prepared.events[index] for index in prepared.suspects])
            elif step == "map":
                self._map.enrich(prepared)
                self._map.keep(prepared.seen)
            else:
                cells.count(prepared.events, prepared.owners, prepared.owner_of)
            taken += time.thread_time() - at + looked
            looked = 0.0
            lacking += sum(not prepared.events[index].session for index in prepared.sessionless)
            self._grouper.group(prepared.events, self._clock.now_ns())
            self.store.write(Batch(prepared.token, placed(prepared)))
        at = time.thread_time()
        if cells:
            self._database.write(lambda transaction: add(transaction, cells.written()))
        taken += time.thread_time() - at  # not of the process: the engine merges beside it
        ended = time.process_time()
        scale = 1e6 / self._events
        return {"step": round(taken * scale, 3), "rest": round((ended - began - taken) * scale, 3), "lacked": lacking}


def placed(prepared: Prepared) -> list[Any]:
    return [event for event in prepared.events if event.session]


def without_session(line: str) -> str:
    members = msgspec.json.decode(line)
    if "user" in members or "device" in members:
        del members["session"]
    return msgspec.json.encode(members).decode()


if __name__ == "__main__":
    sys.exit(main())
