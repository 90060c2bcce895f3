"""Reading a large store: every class of query, alone and while events come in.

    python -m bench.search --events 5000000 [--folder bench/.search] [--result search-5m.json]

The folder is kept, and filled only when it holds fewer events: generated ones, spread evenly over fourteen days; beyond
SENT_EVENTS_MAX, while the service is down, the engine copies what is there, under other sessions and ids and some
milliseconds later, for sending fifty million takes the better part of an hour.
Each class is asked for twenty different literals, times are wall time at a client on the same machine; `first` is the
first of them. Peers' figures stand in docs/explanation/performance.md.
"""

# ruff: noqa: S608 - the SQL is text of ours
import argparse
import json
import threading
import time
from pathlib import Path
from typing import Any

import httpx
from bench.__main__ import RESULTS, machine, show
from bench.pipeline.measures import BUSY_RATE, LITERALS, Request, literals_of, quantiles, settle, timed
from bench.pipeline.service import BenchService, finished

from logkeep.store.embedded_engine import Engine

DAYS = 14
READERS = 20
SCANS = 5  # literals of classes that read every value, for up to the ten seconds of a query
SENT_EVENTS_MAX = 5_000_000
CHOSEN: set[str] = set()  # classes of queries; empty: all
MERGE_TRIES = 10
_OF_EVENTS = "table = 'events' AND active"
PAGE_ROWS = 100_000  # how deep the cursor goes
BUSY_S = 240


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.search", description=__doc__.splitlines()[0])
    parser.add_argument("--events", type=int, default=5_000_000, help="events the store has at least")
    parser.add_argument("--folder", type=Path, default=Path(__file__).parent / ".search", help="kept between runs")
    parser.add_argument("--result", default="search-5m.json", help="file name in bench/results")
    parser.add_argument("--steps", default="fill,idle,days,readers,busy", help="of those of the default")
    parser.add_argument("--classes", default="", help="of queries, with semicolons in between; all when not given")
    arguments = parser.parse_args()
    CHOSEN.update(filter(None, arguments.classes.split(";")))
    results: dict[str, Any] = {
        "command": f"python -m bench.search --events {arguments.events} --result {arguments.result}"
        f" --steps {arguments.steps}" + (f" --classes '{arguments.classes}'" if CHOSEN else ""),
        "machine": machine(),
        "steps": {},
    }
    with BenchService(arguments.folder, keep=True) as service:
        steps = {
            "fill": lambda: fill(service, arguments.events),
            "idle": lambda: idle(service),
            "days": lambda: days(service),
            "readers": lambda: readers(service),
            "busy": lambda: busy(service),
        }
        for name, step in steps.items():
            if name not in arguments.steps.split(","):
                continue
            print(f"\n{name}", flush=True)
            results["steps"][name] = step()
            show(results["steps"][name])
            (RESULTS / arguments.result).write_text(json.dumps(results, indent=1) + "\n")
    return 0


def fill(service: BenchService, events: int) -> dict[str, Any]:
    missing = min(events, SENT_EVENTS_MAX) - stored(service)
    began = time.monotonic()
    if missing > 0:
        service.load(events=missing, connections=4, batch=1000, days=DAYS, seed=7)
        service.wait_until_drained()
    took_s = time.monotonic() - began
    if stored(service) < events:
        service.stop()
        copy(service.folder / "store", events)
        service.start()
    settle(service)
    found = stored(service)
    return {
        "events_in_store": found,
        "searchable_per_s": round(missing / took_s) if missing > 0 else None,
        "bytes_per_event": round(service.store_bytes() / found, 1),
    }


def stored(service: BenchService) -> int:
    with service.client() as client:
        return int(service.get(client, "/api/v1/stats", query="* | count", **{"from": "-20d"})["rows"][0][0])


def copy(store: Path, events: int) -> None:
    """The store has at least `events`: those it had, and copies of them. Each day is merged to the end."""
    engine = Engine(store, memory_bytes_max=6 << 30, mark_cache_bytes=64 << 20, merge_threads=2, readers=1)
    listed = engine.write(f"SELECT partition, sum(rows) FROM system.parts WHERE {_OF_EVENTS} GROUP BY 1")
    days = {day: int(rows) for day, rows in (line.split() for line in listed.decode().splitlines())}
    copies = -(-events // sum(days.values())) - 1
    columns = "app, key, value, kind, number, received_ns, level, user, device, component, attributes, update, pattern"
    for day in sorted(days):
        end_ns = int(engine.write(f"SELECT max(time_ns) FROM events WHERE _partition_id = '{day.replace('-', '')}'"))
        for number in range(1, copies + 1):
            print(f"  {day}, copy {number} of {copies}", flush=True)
            engine.write(
                f"""INSERT INTO events ({columns}, session, id, time_ns, arrival)
                SELECT {columns}, concat(session, '~{number}'), concat(id, '~{number}'),
                    least(time_ns + {number * 1_000_003}, {end_ns}), arrival
                FROM events WHERE _partition_id = '{day.replace("-", "")}' AND NOT match(id, '~')
                SETTINGS max_insert_block_size = 1000000, min_insert_block_size_rows = 1000000"""
            )
        for _ in range(MERGE_TRIES):  # one that runs already is in the way of this one
            engine.write(f"OPTIMIZE TABLE events PARTITION '{day}' FINAL")
            if engine.write(f"SELECT count() FROM system.parts WHERE partition = '{day}' AND {_OF_EVENTS}") == b"1\n":
                break
        engine.write(f"ALTER TABLE events MATERIALIZE PROJECTION activity IN PARTITION '{day}'")
    engine.close()


def idle(service: BenchService) -> dict[str, Any]:
    with service.client() as client:
        asked = _classes(service, client)
        told: dict[str, Any] = {name: timed(service, client, requests) for name, requests in asked.items()}
        if not CHOSEN:
            told["cursor at row 100,000"] = _deep(service, client)
    told["memory_mb"] = service.memory_mb()
    return told


def busy(service: BenchService) -> dict[str, Any]:
    """The same while 20,000 events a second come in."""
    with service.client() as client:
        asked = _classes(service, client)
        load = service.start_load(rate=BUSY_RATE, seconds=BUSY_S, batch=200)
        time.sleep(5)
        told: dict[str, Any] = {}
        for name, requests in asked.items():
            if load.poll() is None:
                told[name] = timed(service, client, requests)
    told["memory_mb"] = service.memory_mb()
    report = finished(load)
    told["intake"] = {"events_per_s": round(report["events_per_s"]), "ms": report["latency_ms"]}
    service.wait_until_drained()
    return told


def days(service: BenchService) -> dict[str, Any]:
    """The cost of one question against the days it asks for."""
    told: dict[str, Any] = {}
    with service.client() as client:
        for count in (1, 2, 4, 7, 11, 15):
            span = {"from": f"-{count}d"}
            told[f"{count} days"] = {
                "histogram": _one_ms(service, client, "/api/v1/histogram", query="", by="level", **span),
                "error count": _one_ms(service, client, "/api/v1/histogram", query="level:error", buckets=1, **span),
                "p95 by key": _one_ms(service, client, "/api/v1/stats", query="* | p95(value) by key", **span),
            }
    return told


def readers(service: BenchService) -> dict[str, Any]:
    """Twenty readers at once, each asking sessions, words and histograms in turn."""
    with service.client() as client:
        asked = _classes(service, client)
    mix = [asked[name] for name in ("session page (JSON)", "common word, newest 100", "histogram of a day by level")]
    times: list[float] = []
    failures: list[str] = []

    def read(number: int) -> None:
        with service.client() as own:
            for turn in range(10):
                path, parameters = mix[(number + turn) % len(mix)][(number * 7 + turn) % LITERALS]
                began = time.monotonic()
                try:
                    own.get(f"{service.api_url}{path}", params=parameters).raise_for_status()
                    times.append((time.monotonic() - began) * 1000)
                except httpx.HTTPError as error:
                    failures.append(str(error))

    threads = [threading.Thread(target=read, args=(number,)) for number in range(READERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return {"ms": quantiles(times, 1), "answers": len(times), "failures": len(failures)}


def _classes(service: BenchService, client: httpx.Client) -> dict[str, list[Request]]:
    literals = literals_of(service, client)
    all_days = {"from": f"-{DAYS}d"}

    def search(queries: list[str]) -> list[Request]:
        return [("/api/v1/search", {"query": query, **all_days}) for query in queries]

    def day(path: str, **more: Any) -> list[Request]:
        spans = [{"from": f"-{back + 1}d", "to": f"-{back}d"} for back in range(1, 11)]
        return [(path, {**span, **more}) for span in spans * 2]

    fields = "component,level,key,user,device"
    classes = {
        "session page (JSON)": [(f"/sessions/{session}.json", {}) for session in literals["session"]],
        "user, newest 100": search([f"user:{user}" for user in literals["user"]]),
        "event by id": [(f"/api/v1/events/{event}", {}) for event in literals["id"]],
        "rare word": search(literals["rare"]),
        "common word, newest 100": search(literals["common"]),
        "error and common word": search([f"level:error {word}" for word in literals["common"]]),
        "phrase": search([f'"{phrase}"' for phrase in literals["phrase"]]),
        "prefix": search([f"{word[:4]}*" for word in literals["common"]]),
        "negation": search([f"level:error not {word}" for word in literals["common"]]),
        "regex": search([f"value:/{word[:3]}[a-z]+ [a-z]+ {word[-3:]}/" for word in literals["common"][:SCANS]]),
        "rare substring": search([f"value:/{word[2:]}/" for word in literals["rare"][:SCANS]]),
        "newest 100": search([""] * LITERALS),
        "histogram of a day by level": day("/api/v1/histogram", query="", by="level"),
        "histogram of 14 days by level": [("/api/v1/histogram", {"query": "", "by": "level", **all_days})] * 3,
        "facets of five fields, a day": day("/api/v1/facets", query="", fields=fields),
        "p95 by key, a day": day("/api/v1/stats", query="* | p95(value) by key"),
        "patterns of a day": day("/api/v1/patterns", query=""),
        "sessions of a day": day("/api/v1/sessions"),
    }
    return {name: asked for name, asked in classes.items() if not CHOSEN or name in CHOSEN}


def _deep(service: BenchService, client: httpx.Client) -> dict[str, Any]:
    """Pages of 1000 up to row 100,000, and the time of the last ten."""
    times: list[float] = []
    cursor: str | None = None
    for _ in range(PAGE_ROWS // 1000):
        began = time.monotonic()
        more = {"cursor": cursor} if cursor else {"from": f"-{DAYS}d"}
        answer = service.get(client, "/api/v1/search", query="", limit=1000, **more)
        times.append((time.monotonic() - began) * 1000)
        cursor = answer["next"]
        if cursor is None:
            break
    return {"first_pages_ms": quantiles(times[:10], 1), "last_pages_ms": quantiles(times[-10:], 1)}


def _one_ms(service: BenchService, client: httpx.Client, path: str, **parameters: Any) -> float:
    best = float("inf")
    for _ in range(3):
        began = time.monotonic()
        service.get(client, path, **parameters)
        best = min(best, (time.monotonic() - began) * 1000)
    return round(best, 1)


if __name__ == "__main__":
    raise SystemExit(main())
