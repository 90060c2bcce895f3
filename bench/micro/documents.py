"""What a document costs on its way to a shared store: CPU of making all that is sent, of two checkouts by turns.

    python -m bench.micro.documents [--before DIR] [--events 8000] [--rounds 7] [--result documents.json]

DIR is the `src` folder of another commit (`git worktree add DIR COMMIT`); without it this one is measured alone. Each
round is a process of its own with the same events; the checkouts take turns, so that a busy machine meets both alike,
and the least of each piece of events is told. No server: what is measured ends with the bytes of a request. Events are
the generated ones of other benchmarks and, where the folder is there, the lines of Loghub without attributes.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from itertools import cycle, islice
from pathlib import Path
from typing import Any

from bench.__main__ import RESULTS, machine, show
from bench.patterns import LOGHUB

REPOSITORY = Path(__file__).parents[2]
CHUNK_EVENTS = 2_000
INDEX = "logkeep-events-2025.10.10"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.micro.documents", description=__doc__.splitlines()[0])
    parser.add_argument("--before", default="", help="src folder of the other commit")
    parser.add_argument("--events", type=int, default=8_000)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--loghub", type=Path, default=LOGHUB, help="folder of the collection's files")
    parser.add_argument("--result", default="documents.json", help="file name in bench/results")
    arguments = parser.parse_args()
    folders = {"after": REPOSITORY / "src"}
    if arguments.before:
        folders = {"before": Path(arguments.before).absolute()} | folders
    told: dict[str, dict[str, list[list[float]]]] = {name: {} for name in folders}
    for _ in range(arguments.rounds):
        for name, folder in folders.items():
            for what, pieces in one_round(folder, arguments.events, arguments.loghub).items():
                told[name].setdefault(what, []).append(pieces)
    results: dict[str, Any] = {
        "command": f"python -m bench.micro.documents{' --before DIR' if arguments.before else ''} "
        f"--events {arguments.events} --rounds {arguments.rounds}",
        "machine": machine(),
        "cpu_s_per_million, least of the rounds": {
            name: {what: least(rounds) for what, rounds in found.items()} for name, found in told.items()
        },
    }
    show(results)
    (RESULTS / arguments.result).write_text(json.dumps(results, indent=1) + "\n")
    return 0


def least(rounds: Sequence[Sequence[float]]) -> float:
    """The mean of the pieces, each at its best."""
    best = [min(pieces) for pieces in zip(*rounds, strict=True)]
    return round(sum(best) / len(best), 2)


def one_round(folder: Path, events: int, loghub: Path) -> dict[str, list[float]]:
    environment = os.environ | {"PYTHONPATH": f"{folder}:{REPOSITORY}"}
    done = subprocess.run(
        [sys.executable, "-c", f"import bench.micro.documents as it; it.measure({events}, {str(loghub)!r})"],
        env=environment, capture_output=True, text=True, check=True, cwd=REPOSITORY,
    )  # fmt: skip
    found: dict[str, list[float]] = json.loads(done.stdout)
    return found


def measure(count: int, loghub: str) -> None:
    """CPU microseconds an event by store, events and piece, as JSON on the standard output."""
    from bench.events import collect_garbage_rarely, made_events

    sets = {"generated": made_events(count)}
    if lines := loghub_lines(Path(loghub), count):
        sets["loghub"] = [with_text(event, line) for event, line in zip(sets["generated"], lines, strict=True)]
    collect_garbage_rarely()
    makers = {"opensearch": opensearch_maker(), "mongodb": mongodb_maker()}
    found: dict[str, list[float]] = {}
    for kind, events in sets.items():
        for store, make in makers.items():
            for _ in range(2):  # the first warms caches of names up
                pieces = found[f"{store}, {kind}"] = []
                for start in range(0, count, CHUNK_EVENTS):
                    part = events[start : start + CHUNK_EVENTS]
                    began = time.process_time()
                    make(part)
                    pieces.append((time.process_time() - began) * 1e6 / len(part))
    print(json.dumps(found))


def loghub_lines(folder: Path, count: int) -> list[str]:
    lines = [line for file in sorted(folder.glob("*.log")) for line in file.read_text(errors="replace").splitlines()]
    return list(islice(cycle(lines), count)) if lines else []


def with_text(event: Any, line: str) -> Any:
    import msgspec

    from logkeep.event import NO_ATTRIBUTES

    return msgspec.structs.replace(event, value=line, attributes=NO_ATTRIBUTES)


def opensearch_maker() -> Callable[[Sequence[Any]], object]:
    """Makes the bodies of bulk requests, as this checkout does or as those did that had no `created`."""
    import msgspec

    from logkeep.store import opensearch_schema as schema
    from logkeep.store import opensearch_writer as writer

    if hasattr(writer, "created"):
        return lambda part: [bytes(each.body) for each in writer.chunks(writer.created([INDEX] * len(part), part))]
    encode = msgspec.json.Encoder().encode_lines

    def made(part: Sequence[Any]) -> bytes:
        ids = [schema.document_id(event.app, event.id) for event in part]
        actions = [{"create": {"_index": INDEX, "_id": name}} for name in ids]
        lines = list(zip(actions, map(schema.document, part), strict=True))
        return encode([each for line in lines for each in line])

    return made


def mongodb_maker() -> Callable[[Sequence[Any]], object]:
    """Makes the messages, as this checkout does or as those did that had no `messages`."""
    import bson

    from logkeep.store import mongodb_client as client
    from logkeep.store import mongodb_documents as documents

    def made(part: Sequence[Any]) -> list[bytes]:
        if hasattr(client, "messages"):
            pieces: Any = client.messages(map(documents.document_of, part))
        else:
            limits = {"documents_max": client.MESSAGE_DOCUMENTS_MAX, "bytes_max": client.MESSAGE_BYTES_MAX}
            pieces = documents.in_messages(list(map(documents.document_of, part)), **limits)
        return [bson.encode({"insert": "events", "documents": piece}) for piece in pieces]

    return made


if __name__ == "__main__":
    raise SystemExit(main())
