"""A processor of its own process, to be stopped and woken by tests: `python -m tests.contract.queue_member JSON`.

Says what it owns and has read, then does what it is told, a line each: `commit` under the ownership it said.
"""

import sys
import time

import msgspec
from tests.contract.queues import Installation

from logkeep.errors import LogkeepError
from logkeep.queue.port import Mark

PATIENCE_S = 60.0


def main() -> None:
    queue = msgspec.json.decode(sys.argv[1], type=Installation)()
    wanted = int(sys.argv[2])
    until = time.monotonic() + PATIENCE_S
    records = []
    while len(records) < wanted and time.monotonic() < until:
        records += queue.read("g", records_max=100, bytes_max=1 << 20)
    owner = queue.owned("g")
    queue.marks("g")
    print("read", len(records), *sorted(owner.partitions), flush=True)
    for _ in sys.stdin:
        ends = {record.partition: Mark(record.next_offset, b"member") for record in records}
        try:
            queue.commit("g", ends, owner=owner)
            print("committed", flush=True)
        except LogkeepError as error:
            print(error.code, error.message, flush=True)
    queue.close()


if __name__ == "__main__":
    main()
