"""The MongoDB store: what a million events cost us and the server. Needs no service.

    python -m bench.mongodb [--events 100000] [--url mongodb://…] [--result mongodb.json]

Without --url the server of the tests is started: mongo-java-server, the MongoDB wire protocol in Java. Its speed says
nothing about MongoDB's; our own CPU, which is what is measured here, does not depend on who answers. Generated events
of one day, batches as the processor writes them; CPU of this process with all its threads.
"""

import argparse
import gc
import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import bson
from bench.__main__ import RESULTS, machine, show
from tests.servers import mongodb

from logkeep.clock import NS_PER_DAY, NS_PER_S
from logkeep.decode.native import decode_events
from logkeep.event import Event
from logkeep.loadgen.events import BLOCK_EVENTS_MAX, EventMaker
from logkeep.processor.normalise import TimeLimits, normalise
from logkeep.query.parser import parse
from logkeep.query.text import tokens
from logkeep.store.mongodb import MongoStore
from logkeep.store.mongodb_documents import document_of
from logkeep.store.port import Batch, SearchRequest
from logkeep.store.reading import Reading

BATCH_EVENTS = 20_000
END_NS = 20_000 * NS_PER_DAY
SEARCHES = {"newest": "", "word": "timeout", "phrase": '"timed out"', "level": "level>=error"}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.mongodb", description=__doc__.splitlines()[0])
    parser.add_argument("--events", type=int, default=100_000, help="generated events to write")
    parser.add_argument("--url", default="", help="of a running MongoDB; its databases bench… are dropped afterwards")
    parser.add_argument("--result", default="mongodb.json", help="file name in bench/results")
    arguments = parser.parse_args()
    events = made_events(arguments.events)
    gc.freeze()  # as the service does it (wiring.py)
    gc.set_threshold(100_000, 50, 100)
    with server(arguments.url) as (url, pid):
        store = MongoStore(url, prefix="bench")
        results: dict[str, Any] = {
            "command": f"python -m bench.mongodb --events {arguments.events} --result {arguments.result}",
            "machine": machine(),
            "server": "as given" if arguments.url else "mongo-java-server (MongoDB wire protocol), in memory",
            "parts": parts(events),
            "write": write(store, events, pid),
            "search": {name: search(store, text) for name, text in SEARCHES.items()},
        }
        for day in {count.day for count in store.days()}:
            store.drop_day(day)
        store.close()
    show(results)
    (RESULTS / arguments.result).write_text(json.dumps(results, indent=1) + "\n")
    return 0


@contextmanager
def server(url: str) -> Iterator[tuple[str, int | None]]:
    """The address, and the process where it is ours."""
    if url:
        yield url, None
        return
    with mongodb.running() as started:
        yield started.url, started.pid


def made_events(count: int) -> list[Event]:
    maker = EventMaker(7, days=0.9, end_ns=END_NS, events=count)
    limits = TimeLimits.around(END_NS, retention_days=15, future_s=600)
    events: list[Event] = []
    while len(events) < count:
        for wire in decode_events(maker.block(BLOCK_EVENTS_MAX), "ndjson").events:
            number = len(events)
            events.append(normalise(wire, "shop", f"{number:032x}", END_NS, limits, {}))
            events[-1].arrival = number + 1
    return events[:count]


def parts(events: list[Event]) -> dict[str, Any]:
    """CPU seconds a million events, each alone."""
    sample = events[:BATCH_EVENTS]
    documents = list(map(document_of, sample))
    sizes = [len(bson.encode(document)) for document in documents]
    words = [len(document["words"]) for document in documents]
    block = EventMaker(7).block(BLOCK_EVENTS_MAX)
    return {
        "decoding them, to compare machines by": cpu_a_million(
            lambda: [decode_events(block, "ndjson") for _ in range(20)], 20 * BLOCK_EVENTS_MAX
        ),
        "tokens": cpu_a_million(lambda: [tokens(event.value) for event in sample], len(sample)),
        "documents, tokens among it": cpu_a_million(lambda: list(map(document_of, sample)), len(sample)),
        "bson": cpu_a_million(lambda: list(map(bson.encode, documents)), len(sample)),
        "bytes a document": round(sum(sizes) / len(sizes)),
        "words a document": round(sum(words) / len(words), 1),
    }


def cpu_a_million(work: Callable[[], object], count: int) -> float:
    """The best of three."""
    took = []
    for _ in range(3):
        began = time.process_time()
        work()
        took.append(time.process_time() - began)
    return round(min(took) * 1e6 / count, 2)


def write(store: MongoStore, events: list[Event], pid: int | None) -> dict[str, Any]:
    wall, own, theirs = time.monotonic(), time.process_time(), server_cpu_s(pid)
    for start in range(0, len(events), BATCH_EVENTS):
        store.write(Batch(str(start), events[start : start + BATCH_EVENTS]))
    own, wall = time.process_time() - own, time.monotonic() - wall
    found: dict[str, Any] = {
        "events a second, by this server": round(len(events) / wall),
        "our CPU seconds a million": round(own * 1e6 / len(events), 2),
        "our share of the time": round(own / wall, 3),
    }
    if pid is not None:
        found["server's CPU seconds a million"] = round((server_cpu_s(pid) - theirs) * 1e6 / len(events), 1)
    return found


def server_cpu_s(pid: int | None) -> float:
    if pid is None:
        return 0.0
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def search(store: MongoStore, text: str) -> dict[str, Any]:
    """The newest hundred: our CPU, and how long it took with this server."""
    request = SearchRequest("shop", parse(text), END_NS - 15 * NS_PER_DAY, END_NS + NS_PER_S)
    wall, own = time.monotonic(), time.process_time()
    page = store.search(Reading(), request)
    return {
        "events": page.count,
        "our CPU ms": round((time.process_time() - own) * 1e3, 1),
        "ms": round((time.monotonic() - wall) * 1e3, 1),
    }


if __name__ == "__main__":
    raise SystemExit(main())
