"""Completion of a query that is being typed: `/api/v1/complete`. Quick and bounded before complete and exact.

Values come from the events of the range, without one of the last hours; names of attributes from some of them, spread
over it. Both are remembered for half a minute, as every key that is pressed asks again.
"""

from collections.abc import Sequence
from typing import Annotated

import msgspec
from litestar import Response, get
from litestar.params import QueryParameter

from logkeep.api import costs
from logkeep.api.answers import CompleteAnswer, CompletionItem, FromTime, QueryText, ToTime, documented, json_answer
from logkeep.api.backend import Context
from logkeep.api.search import GivenContext, GivenCredential, range_of
from logkeep.api.times import TimeRange, parse_time
from logkeep.clock import NS_PER_S
from logkeep.errors import InputError
from logkeep.query import ast
from logkeep.query.completion import Completion, value_text
from logkeep.query.completion import complete as what_may_stand
from logkeep.query.fields import ignores_case
from logkeep.query.printer import field_text
from logkeep.query.stages import Statement, Top
from logkeep.query.text import fold
from logkeep.store.port import SearchRequest, StatsRequest
from logkeep.store.reading import LimitReached, Limits, Reading

ITEMS_MAX = 20
PREFIX_CHARS_MAX = 200
# Later than that nobody waits for a completion.
LIMITS = Limits(timeout_s=2.0, rows_max=20_000_000)
# How far back values are looked for: the few values of these fields, and those of others.
FEW_VALUES = ("component", "key")
FEW_VALUES_NS, OTHERS_NS = 24 * 3600 * NS_PER_S, 3600 * NS_PER_S
# Events that are looked at for attributes: the newest of the range, those before a 1024th of it, a 256th … a quarter.
# Neighbours carry the same, so there are more runs rather than longer ones. A run costs the engine some 15 ms of CPU.
SAMPLES, SAMPLE_EVENTS = 6, 100
SAMPLED_NS = 4 * 24 * 3600 * NS_PER_S  # the range where none is given: the runs are 5 minutes to a day old
FUTURE_NS = 600 * NS_PER_S


@get("/api/v1/complete", summary="Completion", tags=["reading"], responses=documented(CompleteAnswer, "Items", 400))
async def complete(
    context: GivenContext,
    credential: GivenCredential,
    text: QueryText = "",
    position: Annotated[
        int | None, QueryParameter(ge=0, description="Characters before the cursor. Default: the end of the query.")
    ] = None,
    from_: FromTime = None,
    to: ToTime = None,
) -> Response[bytes]:
    """What may stand at a place in a query: fields, attributes, values, words of the language.

    Values are counted in the range; without `from` and `to` in the last day or hour.
    """
    if len(text) > context.settings.api.query_chars_max:
        raise InputError(f"query of {len(text):,} characters exceeds {context.settings.api.query_chars_max:,}")
    place = what_may_stand(text, len(text) if position is None else position)
    span = range_of(context, credential.app, from_, to) if from_ or to else None
    seen = _Seen(credential.app, span, (from_ or "", to or ""))

    def answered(reading: Reading) -> bytes:
        items = [CompletionItem(word, "keyword") for word in place.keywords]
        items += [CompletionItem(field, "field") for field in place.fields]
        if place.values_of is not None or place.attributes:
            with context.telemetry["api_query_seconds"].labels("/api/v1/complete").time():
                items += _from_events(context, reading, seen, place)
        members = {"start": place.start, "end": place.end, "items": items}
        return b"%b,%b}" % (msgspec.json.encode(members)[:-1], costs.cost_members(reading))

    return json_answer(await context.read(answered, LIMITS))


class _Seen(msgspec.Struct, frozen=True):
    """Where to look. span: None where no range was given. given: the range as it was written: a relative one moves,
    and what is remembered of it stays good."""

    app: str
    span: TimeRange | None
    given: tuple[str, str]


def _from_events(context: Context, reading: Reading, seen: _Seen, place: Completion) -> list[CompletionItem]:
    """Blocks."""
    now_ns = context.clock.now_ns()
    if place.values_of is None:
        keys = context.completions.get(
            (seen.app, seen.given, "attributes"), now_ns, lambda: _attribute_keys(context, reading, seen, now_ns)
        )
        names = [field_text(ast.ATTRIBUTE_PREFIX + key) for key in keys]
        written = place.written.lower()
        return [CompletionItem(name, "attribute") for name in names if name.lower().startswith(written)][:ITEMS_MAX]
    field, prefix = place.values_of, place.prefix[:PREFIX_CHARS_MAX]
    found = context.completions.get(
        (seen.app, seen.given, field, prefix), now_ns, lambda: _values(context, reading, seen, field, prefix, now_ns)
    )
    return [CompletionItem(value_text(value), "value", count) for value, count in found]


def _attribute_keys(context: Context, reading: Reading, seen: _Seen, now_ns: int) -> list[str]:
    """Names of attributes in some events, those that most of them have first."""
    counts: dict[str, int] = {}
    from_ns, to_ns = (seen.span.from_ns, seen.span.to_ns) if seen.span else (0, now_ns + FUTURE_NS)
    end_ns = min(to_ns, now_ns)  # ages count from here: a range mostly ends ahead of time
    lasting_ns = end_ns - from_ns if seen.span else SAMPLED_NS

    def look(until_ns: int) -> list[_Carrying]:
        if from_ns >= until_ns:
            return []
        request = SearchRequest(seen.app, ast.All(), from_ns, until_ns, "desc", SAMPLE_EVENTS)
        return _decode_attributes(context.backend.store.search(reading, request).events)

    for sample in range(SAMPLES):
        planned_ns = end_ns - lasting_ns // 4 ** (SAMPLES - sample) if sample else to_ns
        try:  # where nothing is so old, those before the last ones
            events = (look(planned_ns) if planned_ns < to_ns else []) or look(to_ns)
        except LimitReached:
            break
        for event in events:
            for key in event.attributes:
                counts[key] = counts.get(key, 0) + 1
        if not events:
            break
        to_ns = parse_time(events[-1].time, now_ns) + 1  # the next ones are others, but for those of the same time
    return sorted(counts, key=lambda key: (-counts[key], key))


def _values(
    context: Context, reading: Reading, seen: _Seen, field: str, prefix: str, now_ns: int
) -> Sequence[tuple[str, int]]:
    """Values of `field` that begin with `prefix`, with how many events had them, the most frequent first."""
    folded = ignores_case(field)
    begins = ast.Prefix(field, fold(prefix) if folded else prefix, folded) if prefix else ast.Exists(field)
    statement = Statement(begins, (Top(ITEMS_MAX, field),))
    back_ns = FEW_VALUES_NS if field in FEW_VALUES else OTHERS_NS
    span = seen.span or TimeRange(max(0, now_ns - back_ns), now_ns + FUTURE_NS)
    try:
        table = context.backend.store.stats(
            reading, StatsRequest(seen.app, statement, span.from_ns, span.to_ns, now_ns)
        )
    except LimitReached:
        return []
    return [(str(value), int(count)) for value, count in table.rows]


class _Carrying(msgspec.Struct):
    time: str
    attributes: dict[str, msgspec.Raw] = {}


_decode_attributes = msgspec.json.Decoder(list[_Carrying]).decode
