"""What waits for the readers of live tails, bounded a reader and in all. Used by the event loop's thread alone.

A chunk is the same bytes for all who wait for it, so a hundred readers of one query cost the memory of one. A reader
that has no room misses whole chunks, keeps the count, and is told before anything that comes after.
"""

import asyncio
from collections import deque
from typing import Literal

import msgspec

Reason = Literal[
    "reader_too_slow",  # this reader's buffer was full; the events matched
    "overloaded",  # the service had no time or no memory left for tails; whether the events match is not known
    "replay_limit",  # more came while the reader was away than is sent again; the events matched
    "expired",  # the reader was away for longer than events are kept; how many is not known
    "unknown_position",  # the position comes from another service, or from before the data was replaced
]
SEND_BYTES_MAX = 256 * 1024  # of one write to a connection


class Chunk:
    """Frames of some events of one stored batch, ready to send. holders: readers that wait for it."""

    __slots__ = ("data", "events", "holders", "last")

    def __init__(self, data: bytes, events: int, last: int) -> None:
        self.data, self.events, self.last = data, events, last
        self.holders = 0


class Memory:
    """Bytes of all chunks that somebody waits for."""

    def __init__(self, bytes_max: int) -> None:
        self.bytes, self._bytes_max = 0, bytes_max

    def hold(self, chunk: Chunk) -> bool:
        """False when there is no room for it."""
        if chunk.holders == 0:
            if self.bytes + len(chunk.data) > self._bytes_max:
                return False
            self.bytes += len(chunk.data)
        chunk.holders += 1
        return True

    def release(self, chunk: Chunk) -> None:
        chunk.holders -= 1
        if chunk.holders == 0:
            self.bytes -= len(chunk.data)


class Dropped(msgspec.Struct, omit_defaults=True):
    """The data of a `dropped` notice. count: None where nobody knows."""

    reason: Reason
    count: int | None
    message: str


_MESSAGES: dict[Reason, str] = {
    "reader_too_slow": "this reader takes events more slowly than they come; narrow the query, or search for the rest",
    "overloaded": "the service had no time or memory left to look at these events for this query",
    "replay_limit": "more came while you were away than is sent again; search for the rest",
    "expired": "you were away for longer than events are kept",
    "unknown_position": "this service has never given that position; the tail begins now",
}


def notice(reason: Reason, count: int | None) -> bytes:
    """The frame that tells of events that are left out here. Without an id, so that a resume begins before the gap."""
    return b"event: dropped\ndata: %b\n\n" % msgspec.json.encode(Dropped(reason, count, _MESSAGES[reason]))


class Buffer:
    """What waits for one reader. after: chunks up to this place in the order of arrival are not for it."""

    def __init__(self, memory: Memory, *, bytes_max: int, events_max: int, after: int) -> None:
        self._memory, self._bytes_max, self._events_max = memory, bytes_max, events_max
        self.after = after
        self._chunks: deque[Chunk | bytes] = deque()  # bytes: a notice
        self._owed: dict[Reason, int] = {}  # dropped since the newest chunk
        self._bytes = self._events = 0
        self._sending: list[Chunk] = []
        self._changed = asyncio.Event()
        self._finished = False

    def offer(self, chunk: Chunk) -> Reason | None:
        """Why it was dropped; None when it waits now, or is not for this reader."""
        if chunk.last <= self.after:
            return None
        fits = self._bytes + len(chunk.data) <= self._bytes_max and self._events + chunk.events <= self._events_max
        if not fits and self._chunks:  # the first chunk always fits: one event may be larger than the bound
            return self.drop("reader_too_slow", chunk.events)
        if not self._memory.hold(chunk):
            return self.drop("overloaded", chunk.events)
        self._settle()
        self._chunks.append(chunk)
        self._bytes += len(chunk.data)
        self._events += chunk.events
        self._changed.set()
        return None

    def drop(self, reason: Reason, count: int) -> Reason:
        """The reader will be told, in this place, that `count` events are missing."""
        self._owed[reason] = self._owed.get(reason, 0) + count
        self._changed.set()
        return reason

    def _settle(self) -> None:
        for reason, count in self._owed.items():
            self._chunks.append(notice(reason, count))
        self._owed.clear()

    async def take(self) -> bytes:
        """What is to be sent next, as soon as there is any; b"" at the end. What was taken before has been sent."""
        self._release()
        while not self._chunks and not self._owed and not self._finished:
            self._changed.clear()
            await self._changed.wait()
        if not self._chunks:
            self._settle()
        parts: list[bytes] = []
        size = 0
        while self._chunks and size < SEND_BYTES_MAX:
            chunk = self._chunks.popleft()
            if isinstance(chunk, Chunk):
                self._bytes -= len(chunk.data)
                self._events -= chunk.events
                self._sending.append(chunk)
                parts.append(chunk.data)
            else:
                parts.append(chunk)
            size += len(parts[-1])
        return b"".join(parts)

    def finish(self) -> None:
        """Nothing more comes; what waits is still taken."""
        self._finished = True
        self._changed.set()

    @property
    def is_empty(self) -> bool:
        return not self._chunks and not self._owed

    def _release(self) -> None:
        for chunk in self._sending:
            self._memory.release(chunk)
        self._sending.clear()

    def close(self) -> None:
        """Nothing waits any more."""
        self._release()
        for chunk in self._chunks:
            if isinstance(chunk, Chunk):
                self._memory.release(chunk)
        self._chunks.clear()
        self._owed.clear()
