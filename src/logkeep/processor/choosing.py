"""Which session an event without one belongs to, by what the map knows of its device and user. Pure.

A device is more exact than a user, who may have several at a time: where an event names a device, its user only
decides between sessions of that device, and counts alone when nothing was ever told of the device.
"""

from collections.abc import Collection

import msgspec

from logkeep.clock import NS_PER_S
from logkeep.metastore.session_map import Span

LEAD_NS = 60 * NS_PER_S  # an event may be older than its session: clocks differ, and a start is told when it is over


Spans = Collection[Span]


class Bounds(msgspec.Struct, frozen=True):
    """idle_ns: after a session was last heard of it is taken to go on for so long, by an event that is settle_ns old;
    before, only what was heard of it later than the event counts. valid_ns: a session is given for so long when
    no other comes. wait_ns: and one that began so long after the event."""

    idle_ns: int
    valid_ns: int
    wait_ns: int
    settle_ns: int = 0


def certain(device: Spans | None, user: Spans, time_ns: int, bounds: Bounds, *, age_ns: int = 0) -> str | None:
    """The session that goes on at `time_ns`; None when a better one may still be told.

    device: None: the event names none. age_ns: since the event was received.
    """
    idle_ns = bounds.idle_ns if age_ns >= bounds.settle_ns else None
    spans = user if device is None else device
    least_ns = time_ns - (idle_ns or 0)
    begun = [span for span in spans if span.from_ns <= time_ns and span.last_ns >= least_ns]
    if not begun:
        return _about_to_begin(spans, time_ns) if idle_ns is not None else None
    if len(begun) > 1 and device is not None and user:
        sessions = {span.session for span in user}
        begun = [span for span in begun if span.session in sessions] or begun
    return begun[0].session if len(begun) == 1 else max(begun, key=_place).session


def _about_to_begin(spans: Spans, time_ns: int) -> str | None:
    coming = [span for span in spans if time_ns < span.from_ns <= time_ns + LEAD_NS]
    return min(coming, key=_place).session if coming else None


def _place(span: Span) -> tuple[int, int, str]:
    """Of several that go on the one with the last place counts, in whatever order they are known."""
    return span.from_ns, span.last_ns, span.session


def at_last(device: Spans | None, user: Spans, time_ns: int, bounds: Bounds) -> str | None:
    """The session when nothing more will be told: the one nearest in time, if any is near enough."""
    found = certain(device, user, time_ns, bounds, age_ns=bounds.settle_ns)
    if found is not None:
        return found
    near = _nearest(device or (), time_ns, bounds)
    return near if near is not None else _nearest(user, time_ns, bounds)


def _nearest(spans: Spans, time_ns: int, bounds: Bounds) -> str | None:
    near: list[tuple[int, int, str]] = []
    for span in spans:
        if span.from_ns > time_ns:
            distance, bound = span.from_ns - time_ns, bounds.wait_ns
        else:
            distance, bound = max(0, time_ns - span.last_ns), bounds.valid_ns
        if distance <= bound:
            near.append((distance, -span.from_ns, span.session))
    return min(near)[2] if near else None
