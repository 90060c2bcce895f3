"""Datagrams at a rate, made before the clock starts: `python -m bench.pipeline.datagrams HOST PORT KEY RATE SECONDS`.

`logkeep load` makes its events while it sends, and 2 cores then give no 100,000 a second. Prints what was sent as JSON.
"""

import json
import socket
import sys
import time

from logkeep.loadgen.events import EventMaker, Numbering
from logkeep.loadgen.udp import CALL_DATAGRAMS_MAX, datagram_sender


def main() -> int:
    host, port, key, rate, seconds = sys.argv[1], int(sys.argv[2]), sys.argv[3], int(sys.argv[4]), float(sys.argv[5])
    maker = EventMaker(1, numbering=Numbering(key, f"bench-{time.time_ns()}"))
    calls = [
        [line.encode() for line in maker.lines(CALL_DATAGRAMS_MAX)]
        for _ in range(int(rate * seconds) // CALL_DATAGRAMS_MAX)
    ]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as opened:
        opened.connect((host, port))
        sender = datagram_sender(opened)
        began = time.monotonic()
        for number, call in enumerate(calls):
            ahead_s = number * CALL_DATAGRAMS_MAX / rate - (time.monotonic() - began)
            if ahead_s > 0:
                time.sleep(ahead_s)
            sent = 0
            while sent < len(call):
                sent += sender.send(call[sent:])
        took_s = time.monotonic() - began
    count = len(calls) * CALL_DATAGRAMS_MAX
    print(json.dumps({"sent": count, "events_per_s": round(count / took_s)}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
