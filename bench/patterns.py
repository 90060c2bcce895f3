"""Patterns: how well messages are grouped, and what it costs. Needs no service.

    python -m bench.patterns [--loghub FOLDER] [--events 200000] [--result patterns.json]

Accuracy: of each file of the Loghub collection, the share of messages whose group is exactly the group that the
collection's authors made by hand ("grouping accuracy", GA, as in Zhu et al., "Tools and Benchmarks for Automated Log
Parsing", ICSE-SEIP 2019). The lines go through Logkeep's own parsers, and come in batches of 100 as in a stream.
Cost: CPU of the grouping alone, while it learns and afterwards, for generated events and for those lines; beside it,
what decoding and normalising generated events costs on this machine at this moment.
"""

import argparse
import csv
import gc
import json
import random
import re
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
from bench.__main__ import RESULTS, machine, show

from logkeep.decode.lines import FORMATS, Calendar, TextLine
from logkeep.decode.native import decode_events
from logkeep.event import Event
from logkeep.loadgen.events import EventMaker
from logkeep.patterns.grouper import Grouper
from logkeep.processor.normalise import TimeLimits, normalise

LOGHUB = Path(__file__).parents[2] / "shared" / "data" / "loghub"
FORMAT_OF = {
    "Android": "logcat", "Apache": "apache-error", "HDFS": "log4j", "Hadoop": "log4j", "Linux": "syslog",
    "OpenSSH": "syslog", "OpenStack": "openstack", "Spark": "log4j",
}  # fmt: skip
BATCH_EVENTS = 100
PATTERNS_MAX = 2_000
REPEATS = 3


class Wire(msgspec.Struct):
    value: msgspec.Raw


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.patterns", description=__doc__.splitlines()[0])
    parser.add_argument("--loghub", type=Path, default=LOGHUB, help="folder of the collection's files")
    parser.add_argument("--events", type=int, default=200_000, help="generated events to group")
    parser.add_argument("--result", default="patterns.json", help="file name in bench/results")
    arguments = parser.parse_args()
    results: dict[str, Any] = {
        "command": f"python -m bench.patterns --events {arguments.events} --result {arguments.result}",
        "machine": machine(),
        "accuracy": {},
    }
    lines: list[str] = []
    for name in FORMAT_OF if arguments.loghub.exists() else ():
        labelled = read_labelled(arguments.loghub, name)
        lines += [value for value, _ in labelled]
        results["accuracy"][name] = accuracy_of(labelled)
    if results["accuracy"]:
        found = [row["grouping_accuracy"] for row in results["accuracy"].values()]
        results["mean_grouping_accuracy"] = round(sum(found) / len(found), 4)
    gc.freeze()
    gc.set_threshold(100_000, 50, 100)  # as in the keeper
    results["cost"] = {
        "decode and normalise, µs": round(min(decoding_us() for _ in range(REPEATS)), 2),
        "generated events": cost_of(generated(arguments.events)),
    }
    if lines:
        random.Random(1).shuffle(lines)  # as if all eight systems sent at once
        results["cost"]["lines of Loghub"] = cost_of([event(line) for line in lines])
    show({name: value for name, value in results.items() if name != "machine"})
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / arguments.result).write_text(json.dumps(results, indent=1) + "\n")
    return 0


def event(value: str, kind: Any = "text") -> Event:
    return Event("app", "session", "log", value, kind, None, 0, 0, "id")


# ── accuracy ──────────────────────────────────────────────────────────────────────────────────────────────────────


def read_labelled(folder: Path, name: str) -> list[tuple[str, str]]:
    """Each message that a hand-made template fits, with that template's id: of several, the one with most text."""
    with (folder / f"{name}.templates.csv").open(newline="") as file:
        templates = [(row["EventTemplate"], row["EventId"]) for row in csv.DictReader(file)]
    # Our parser takes Apache's client out of the message; the templates were made with it.
    templates += [
        (text.removeprefix("[client <*>] "), event_id) for text, event_id in templates if text.startswith("[client")
    ]
    templates.sort(key=lambda template: -len(template[0].replace("<*>", "")))
    patterns = [(as_regex(text), event_id) for text, event_id in templates]
    found = [(value, label(value, patterns)) for value in read_values(folder, name)]
    return [(value, event_id) for value, event_id in found if event_id is not None]


def as_regex(template: str) -> re.Pattern[str]:
    parts = [r"\s+".join(map(re.escape, re.split(r"\s+", part))) for part in template.strip().split("<*>")]
    return re.compile(r"\s*" + "(.*?)".join(parts) + r"\s*", re.DOTALL)


def label(value: str, patterns: Sequence[tuple[re.Pattern[str], str]]) -> str | None:
    return next((event_id for pattern, event_id in patterns if pattern.fullmatch(value)), None)


def read_values(folder: Path, name: str) -> list[str]:
    texts = (folder / f"{name}.log").read_text(errors="replace").splitlines()
    joiner = FORMATS[FORMAT_OF[name]].joiner(Calendar(not_after_ns=time.time_ns()))
    records = joiner.feed([TextLine(number, 0, text) for number, text in enumerate(texts, 1)]) + joiner.flush()
    return [str(record.line.value) for record in records]


def accuracy_of(labelled: Sequence[tuple[str, str]]) -> dict[str, Any]:
    grouper, events = Grouper(PATTERNS_MAX), [event(value) for value, _ in labelled]
    templates: dict[str, str] = {}
    for start in range(0, len(events), BATCH_EVENTS):
        kept = grouper.group(events[start : start + BATCH_EVENTS], 0)
        templates |= {pattern.id: pattern.template for pattern in kept}
    found = [templates[event.pattern] for event in events]
    truth = [event_id for _, event_id in labelled]
    return {
        "grouping_accuracy": round(grouping_accuracy(truth, found), 4),
        "messages": len(events),
        "patterns": len(set(found)),
        "by hand": len(set(truth)),
    }


def grouping_accuracy(truth: Sequence[str], found: Sequence[str]) -> float:
    """The share of messages whose two groups are the same set of messages."""
    sizes, found_sizes = Counter(truth), Counter(found)
    right = sum(
        count
        for (true, group), count in Counter(zip(truth, found, strict=True)).items()
        if sizes[true] == found_sizes[group] == count
    )
    return right / len(truth)


# ── cost ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def generated(count: int) -> list[Event]:
    maker, decode = EventMaker(1), msgspec.json.Decoder(Wire).decode
    found = []
    while len(found) < count:
        for line in maker.lines(500):
            raw = bytes(decode(line).value)
            is_text = raw.startswith(b'"')
            found.append(event(msgspec.json.decode(raw) if is_text else raw.decode(), "text" if is_text else "number"))
    return found


def cost_of(events: list[Event]) -> dict[str, Any]:
    """CPU µs an event: the first time, when patterns are found, and the second. The least of REPEATS."""
    rows = []
    for _ in range(REPEATS):
        grouper = Grouper(PATTERNS_MAX)
        rows.append((measured_us(grouper, events), measured_us(grouper, events)))
    texts = [event for event in events if event.kind == "text"]
    return {
        "events": len(events),
        "text": round(len(texts) / len(events), 3),
        "characters a text": round(sum(len(event.value) for event in texts) / len(texts)),
        "cpu_us_an_event_at_first": round(min(first for first, _ in rows), 2),
        "cpu_us_an_event": round(min(second for _, second in rows), 2),
        "patterns": len({event.pattern for event in texts}),
        "without": sum(not event.pattern for event in texts),
    }


def decoding_us() -> float:
    """CPU µs an event of the two steps before: decoding generated events, and making them what is stored."""
    maker, limits = EventMaker(3), TimeLimits.around(time.time_ns(), retention_days=15, future_s=600)
    bodies = [maker.block(500) for _ in range(40)]
    began = time.process_time()
    for body in bodies:
        for wire in decode_events(body, "ndjson", []).events:
            normalise(wire, "app", "id", limits.newest_ns, limits, {})
    return (time.process_time() - began) / (500 * len(bodies)) * 1e6


def measured_us(grouper: Grouper, events: list[Event]) -> float:
    began = time.process_time()
    for start in range(0, len(events), 20_000):
        grouper.group(events[start : start + 20_000], 0)
    return (time.process_time() - began) / len(events) * 1e6


if __name__ == "__main__":
    sys.exit(main())
