"""Events for benchmarks that begin behind the decoder, and the garbage collector as the process has it that writes."""

import gc
import os

from logkeep.clock import NS_PER_DAY
from logkeep.decode.native import decode_events
from logkeep.event import Event
from logkeep.loadgen.events import BLOCK_EVENTS_MAX, EventMaker
from logkeep.processor.normalise import TimeLimits, normalise

END_NS = 20_000 * NS_PER_DAY


def made_events(count: int) -> list[Event]:
    """Generated events within one day."""
    maker = EventMaker(7, days=0.9, end_ns=END_NS, events=count)
    limits = TimeLimits.around(END_NS, retention_days=30, future_s=600)
    events: list[Event] = []
    while len(events) < count:
        body = maker.block(min(BLOCK_EVENTS_MAX, count - len(events)))
        for wire in decode_events(body, "ndjson").events:
            event = normalise(wire, "shop", f"id-{len(events):012d}-{os.urandom(6).hex()}", END_NS, limits, {})
            event.arrival = END_NS + len(events)
            events.append(event)
    return events


def collect_garbage_rarely() -> None:
    """As the process does that writes."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 50, 100)
