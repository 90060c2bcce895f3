"""The feed: what the store has taken in, as it takes it in. Processors publish, live tails listen.

A position is an event's place in the order of arrival (`Event.arrival`): a number that grows with every event a
processor stores, across restarts, and that the store keeps. So a listener that was away asks the store for what came
after the last position it saw, and the feed itself keeps nothing: losing it loses no event.

In one process this is `hub.py`. A process without a processor looks into the store: `polling.py`. Positions of several
processors come from their clocks, so an event may become visible after one with a later arrival, up to `overlap_ns`.
"""

from collections.abc import Sequence
from typing import Protocol

import msgspec

from logkeep.event import Event

NOT_YET = 1 << 63  # beyond every position


class Arrivals(msgspec.Struct, frozen=True, gc=False):
    """Events of one app, all or the first part of one stored batch, in order of arrival.

    missed: events of the app that came before these and are not told, because the listener had fallen behind.
    last: the position of the batch's last event, of any app.
    """

    app: str
    events: Sequence[Event]
    missed: int
    last: int


class Listener(Protocol):
    """One reader of the feed; a process needs one, whatever the number of its tails."""

    def follow(self, app: str) -> int:
        """The position from which on everything of `app` is heard: it was published after this returned."""
        ...

    def unfollow(self, app: str) -> None:
        """Nothing more of `app` is heard, but what waits already."""
        ...

    def next(self, timeout_s: float) -> Arrivals | None:
        """What came next, in order; None when nothing came within `timeout_s`."""
        ...

    def close(self) -> None: ...


class Publisher(Protocol):
    """Safe from many threads."""

    def publish(self, events: Sequence[Event]) -> None:
        """Whoever follows the apps of `events` hears of them. The store has them, in order of arrival, 1 or more.

        Never blocks and never fails: a listener that is behind misses events and is told how many.
        """
        ...


class Feed(Protocol):
    """Safe from many threads."""

    overlap_ns: int  # between two arrivals of which the later one may become visible first

    def position(self, app: str) -> int:
        """The position of the last event of `app` that was told; everything up to it is in the store."""
        ...

    def is_followed(self, app: str, wait_s: float = 0.0) -> bool:
        """Whether all of `app` beyond `position` is told from now on; waits up to `wait_s` for that."""
        ...

    def place(self, app: str, arrival: int, event_id: str) -> int:
        """The position of an event found in the store: its arrival, a later one where it was told late, or NOT_YET."""
        ...

    def listen(self) -> Listener: ...


def event_chars(event: Event) -> int:
    """Of an event's value and attributes, about: all of it that can be large."""
    return len(event.value) + len(event.attributes)
