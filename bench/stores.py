"""Writing to a search cluster: our rate against that of a bare client with the same documents, in the same run.

    python -m bench.stores --store opensearch [--events 100000] [--rounds 3] [--url http://…] [--result opensearch.json]

Without --url a real node of the tests is started (OpenSearch on Java 17, 512 MB heap), on the same cores as we are. The
bare client posts bodies that were made before the clock starts, as many at once as we do, and looks at nothing but
`errors`; like us it refreshes after every batch. Rounds alternate, and so does who is first in one, so that a machine's
mood, and a node's that has just dropped or merged, meets both. CPU is that of
this process with all threads, and of the node's process where it is ours.
"""

import argparse
import json
import os
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import urllib3
from bench.__main__ import RESULTS, machine, show
from bench.events import END_NS, collect_garbage_rarely, made_events
from tests.servers import elasticsearch, opensearch

from logkeep.clock import NS_PER_DAY, SystemClock
from logkeep.event import Event
from logkeep.query.parser import parse
from logkeep.store.opensearch import OpenSearchStore
from logkeep.store.opensearch_client import Access
from logkeep.store.opensearch_schema import Layout, day_of
from logkeep.store.opensearch_writer import chunks, created
from logkeep.store.port import Batch, SearchRequest
from logkeep.store.reading import Reading

BATCH_EVENTS = 20_000
REQUESTS = 2  # bulk requests at once, ours and the bare client's
SEARCHES = {"newest": "", "word": "timeout", "phrase": '"timed out"', "level": "level>=error"}
SERVERS = {"opensearch": opensearch, "elasticsearch": elasticsearch}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.stores", description=__doc__.splitlines()[0])
    parser.add_argument("--store", choices=sorted(SERVERS), default="opensearch")
    parser.add_argument("--events", type=int, default=100_000, help="generated events to write a round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--url", default="", help="of a running node; the indexes bench-… are dropped afterwards")
    parser.add_argument("--result", default="", help="file name in bench/results; STORE.json")
    arguments = parser.parse_args()
    name = arguments.result or f"{arguments.store}.json"
    events = made_events(arguments.events)
    collect_garbage_rarely()
    with server(arguments.store, arguments.url) as (url, pid):
        command = f"python -m bench.stores --store {arguments.store} --events {arguments.events}"
        results: dict[str, Any] = {
            "command": f"{command} --rounds {arguments.rounds}",
            "machine": machine(),
            "making": making(events),
            **rounds(url, arguments.store, events, arguments.rounds, pid),
        }
    show(results)
    (RESULTS / name).write_text(json.dumps(results, indent=1) + "\n")
    return 0


def making(events: Sequence[Event]) -> dict[str, Any]:
    """CPU seconds a million events of making what is sent, alone."""
    names = ["bench-events-2025.10.10"] * len(events)
    began = time.process_time()
    size = sum(len(chunk.body) for chunk in chunks(created(names, events)))
    ended = time.process_time()
    return {
        "cpu_s_per_million": round((ended - began) * 1e6 / len(events), 2),
        "bytes_an_event": size // len(events),
    }


def rounds(url: str, product: Any, events: Sequence[Event], count: int, pid: int) -> dict[str, Any]:
    ours: list[dict[str, float]] = []
    bare: list[dict[str, float]] = []
    searches: dict[str, Any] = {}
    for number in range(count + 1):  # the first warms the node up
        prefix = f"bench-{number}"
        layout = Layout(prefix, replicas=0)
        store = OpenSearchStore(Access((url,), product), layout, bulk_requests=REQUESTS, clock=SystemClock())
        index = layout.events_of(day_of(events[0].time_ns))
        works = [(ours, partial(write, store, events)), (bare, partial(post, url, index, bare_bodies(index, events)))]
        for told, work in works if number % 2 else reversed(works):
            taken = measured(work, len(events), pid)
            if number:
                told.append(taken)
            if told is ours:
                searches = {name: search(store, text) for name, text in SEARCHES.items()}
            store.drop_day(day_of(events[0].time_ns))
        store.close()
    names = [f"bench-{number}-{part}" for number in range(count + 1) for part in ("updates", "patterns")]
    urllib3.request("DELETE", f"{url}/{','.join(names)}?ignore_unavailable=true")
    share = median([one["events_per_s"] for one in ours]) / median([one["events_per_s"] for one in bare])
    return {
        "ours": summed(ours),
        "bare client": summed(bare),
        "our rate by the bare client's": round(share, 3),
        "search": searches,
    }


def write(store: OpenSearchStore, events: Sequence[Event]) -> None:
    for start in range(0, len(events), BATCH_EVENTS):
        store.write(Batch(f"batch {start}", events[start : start + BATCH_EVENTS]))


def bare_bodies(index: str, events: Sequence[Event]) -> list[list[bytes]]:
    """Bodies of bulk requests by batch, the same that we send."""
    batches = [events[start : start + BATCH_EVENTS] for start in range(0, len(events), BATCH_EVENTS)]
    return [[bytes(each.body) for each in chunks(created([index] * len(batch), batch))] for batch in batches]


def post(url: str, index: str, batches: Sequence[Sequence[bytes]]) -> None:
    pool = urllib3.PoolManager(maxsize=REQUESTS)
    headers = {"content-type": "application/json"}

    def one(body: bytes) -> None:
        answer = pool.request("POST", f"{url}/{index}/_bulk?filter_path=errors", body=body, headers=headers)
        assert answer.json() == {"errors": False}, answer.data[:300]

    with ThreadPoolExecutor(REQUESTS) as threads:
        for bodies in batches:
            list(threads.map(one, bodies))
            pool.request("POST", f"{url}/{index}/_refresh")


def search(store: OpenSearchStore, text: str) -> dict[str, float]:
    """Milliseconds for the newest 100, the best of five."""
    request = SearchRequest("shop", parse(text), 0, END_NS + NS_PER_DAY)
    taken = []
    for _ in range(5):
        began = time.monotonic()
        store.search(Reading(), request)
        taken.append((time.monotonic() - began) * 1000)
    return {"ms": round(min(taken), 1)}


def measured(work: Callable[[], None], events: int, pid: int) -> dict[str, float]:
    began, cpu, engine = time.monotonic(), time.process_time(), cpu_of(pid)
    work()
    wall = time.monotonic() - began
    return {
        "events_per_s": events / wall,
        "cpu_s_per_million": (time.process_time() - cpu) * 1e6 / events,
        "engine_cpu_s_per_million": (cpu_of(pid) - engine) * 1e6 / events,
    }


def summed(found: Sequence[dict[str, float]]) -> dict[str, Any]:
    """Of each figure its median, least and greatest."""
    return {
        name: {
            "median": round(median([one[name] for one in found]), 1),
            "min": round(min(one[name] for one in found), 1),
            "max": round(max(one[name] for one in found), 1),
        }
        for name in found[0]
    }


def median(values: Sequence[float]) -> float:
    return sorted(values)[len(values) // 2]


def cpu_of(pid: int) -> float:
    """CPU seconds of a process so far; 0 where it is none of ours."""
    if not pid:
        return 0.0
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def server(name: str, url: str) -> Iterator[tuple[str, int]]:
    if url:
        yield url, 0
        return
    with SERVERS[name].running() as node:
        yield node.url, node.pid


if __name__ == "__main__":
    raise SystemExit(main())
