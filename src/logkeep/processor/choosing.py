"""Which session an event without one belongs to, by what the map knows of its device and user. Pure.

A device is more exact than a user, who may have several at a time: where an event names a device, its user only
decides between sessions of that device, and counts alone when nothing was ever told of the device.
"""

from bisect import insort
from collections.abc import Iterable, Sequence

import msgspec

from logkeep.clock import NS_PER_S
from logkeep.metastore.session_map import Span

LEAD_NS = 60 * NS_PER_S  # an event may be older than its session: clocks differ, and a start is told when it is over


class Timeline(msgspec.Struct):
    """Of a user or device: the sessions they were seen in, one span each, in the order of their places.

    Of several that go on the one with the last place counts, in whatever order they were told.
    """

    spans: list[Span] = []

    @classmethod
    def of(cls, spans: Iterable[Span]) -> "Timeline":
        timeline = cls()
        for span in spans:
            timeline.widen(span)
        return timeline

    def widen(self, span: Span) -> None:
        """They were seen in this session, too, or for longer than was known."""
        spans = self.spans
        for place in range(len(spans) - 1, -1, -1):
            known = spans[place]
            if known.session == span.session:
                if known.from_ns <= span.from_ns and span.last_ns <= known.last_ns:
                    return
                del spans[place]
                span = joined(known, span)
                break
        if spans and _place(span) < _place(spans[-1]):
            insort(spans, span, key=_place)
        else:
            spans.append(span)

    def keep_newest(self, count: int) -> None:
        """Those that were heard of last."""
        last = sorted(self.spans, key=lambda span: span.last_ns)[-count:]
        self.spans = sorted(last, key=_place)


NOTHING = Timeline()


def joined(one: Span, other: Span) -> Span:
    """Of the same session."""
    return Span(one.session, min(one.from_ns, other.from_ns), max(one.last_ns, other.last_ns))


class Bounds(msgspec.Struct, frozen=True):
    """idle_ns: after a session was last heard of it is taken to go on for so long, by an event that is settle_ns old;
    before, only what was heard of it later than the event counts. valid_ns: a session is given for so long when
    no other comes. wait_ns: and one that began so long after the event."""

    idle_ns: int
    valid_ns: int
    wait_ns: int
    settle_ns: int = 0


def certain(device: Timeline | None, user: Timeline, time_ns: int, bounds: Bounds, *, age_ns: int = 0) -> str | None:
    """The session that goes on at `time_ns`; None when a better one may still be told.

    device: None: the event names none. age_ns: since the event was received.
    """
    settled = age_ns >= bounds.settle_ns
    least_ns = time_ns - bounds.idle_ns if settled else time_ns
    spans = user.spans if device is None else device.spans
    goes_on: str | None = None
    for span in reversed(spans):
        if span.from_ns <= time_ns and span.last_ns >= least_ns:
            if device is None or not user.spans or _is_in(span.session, user.spans):
                return span.session
            goes_on = goes_on if goes_on is not None else span.session
    return _about_to_begin(spans, time_ns) if goes_on is None and settled else goes_on


def _is_in(session: str, spans: Iterable[Span]) -> bool:
    for span in spans:  # noqa: SIM110 – a generator takes four times as long
        if span.session == session:
            return True
    return False


def _about_to_begin(spans: Sequence[Span], time_ns: int) -> str | None:
    for span in spans:
        if span.from_ns > time_ns:
            return span.session if span.from_ns <= time_ns + LEAD_NS else None
    return None


def _place(span: Span) -> tuple[int, int, str]:
    return span.from_ns, span.last_ns, span.session


def at_last(device: Timeline | None, user: Timeline, time_ns: int, bounds: Bounds) -> str | None:
    """The session when nothing more will be told: the one nearest in time, if any is near enough."""
    found = certain(device, user, time_ns, bounds, age_ns=bounds.settle_ns)
    if found is not None:
        return found
    near = _nearest(device.spans, time_ns, bounds) if device is not None else None
    return near if near is not None else _nearest(user.spans, time_ns, bounds)


def _nearest(spans: Iterable[Span], time_ns: int, bounds: Bounds) -> str | None:
    near: list[tuple[int, int, str]] = []
    for span in spans:
        if span.from_ns > time_ns:
            distance, bound = span.from_ns - time_ns, bounds.wait_ns
        else:
            distance, bound = max(0, time_ns - span.last_ns), bounds.valid_ns
        if distance <= bound:
            near.append((distance, -span.from_ns, span.session))
    return min(near)[2] if near else None
