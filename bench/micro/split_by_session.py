"""What it would cost a receiver to send each session to a partition of its own: docs/adr/0007-partitions-in-turn.md.

python -m bench.micro.split_by_session
"""

import time
import zlib
from collections.abc import Callable

import msgspec

from logkeep.decode.frame import FrameHeader, pack_frame

EVENTS, SESSIONS, ROUNDS = 1000, 400, 50


class _Session(msgspec.Struct):
    session: str = ""


_decode_lines = msgspec.json.Decoder(_Session).decode_lines


def body_of(events: int) -> bytes:
    return b"\n".join(
        msgspec.json.encode(
            {
                "session": f"{number * 2654435761 % SESSIONS:016x}",
                "key": "log",
                "value": f"order {number} was paid after {number % 17} ms by card ending {number % 9999}" * 4,
                "level": "info",
                "component": "checkout",
                "attributes": {f"a{place}": f"value {place * number % 97}" for place in range(8)},
            }
        )
        for number in range(events)
    )


def whole(body: bytes) -> list[bytes]:
    return [pack_frame(FrameHeader("app", 1, "batch", EVENTS), body)]


def split(body: bytes, partitions: int) -> list[bytes]:
    lines: list[list[bytes]] = [[] for _ in range(partitions)]
    for line, event in zip(body.split(b"\n"), _decode_lines(body), strict=True):
        lines[zlib.crc32(event.session.encode()) % partitions].append(line)
    return [pack_frame(FrameHeader("app", 1, "batch", len(mine)), b"\n".join(mine)) for mine in lines if mine]


def microseconds(work: Callable[[], list[bytes]]) -> float:
    """CPU an event, the smallest of ROUNDS."""
    taken = []
    for _ in range(ROUNDS):
        began = time.process_time()
        work()
        taken.append(time.process_time() - began)
    return min(taken) / EVENTS * 1e6


def main() -> int:
    body = body_of(EVENTS)
    print(f"{EVENTS:,} events of {len(body) / EVENTS:.0f} B in {SESSIONS} sessions, µs of CPU an event, records")
    print(f"  one frame      {microseconds(lambda: whole(body)):5.2f} {len(whole(body)):4}")
    for partitions in (4, 12, 48):
        taken = microseconds(lambda count=partitions: split(body, count))  # type: ignore[misc]
        print(f"  {partitions:2} partitions  {taken:5.2f} {len(split(body, partitions)):4}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
