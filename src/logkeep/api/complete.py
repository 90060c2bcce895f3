"""Completion of a query that is being typed: `/api/v1/complete`. Quick and bounded before complete and exact.

Values come from the events of the last hours, names of attributes from a few samples of the newest ones; both are
remembered for half a minute, as every key that is pressed asks again.
"""

from collections.abc import Sequence
from typing import Annotated

import msgspec
from litestar import Response, get
from litestar.params import QueryParameter

from logkeep.api import costs
from logkeep.api.answers import CompleteAnswer, CompletionItem, QueryText, documented, json_answer
from logkeep.api.backend import Context
from logkeep.api.search import GivenContext, GivenCredential
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
# Samples of the newest events before now, an hour ago, a day ago: what an app's events carry changes slowly.
SAMPLE_EVENTS = 300
SAMPLE_AGES_NS = (0, 3600 * NS_PER_S, 24 * 3600 * NS_PER_S)
FUTURE_NS = 600 * NS_PER_S


@get("/api/v1/complete", summary="Completion", tags=["reading"], responses=documented(CompleteAnswer, "Items", 400))
async def complete(
    context: GivenContext,
    credential: GivenCredential,
    text: QueryText = "",
    position: Annotated[
        int | None, QueryParameter(ge=0, description="Characters before the cursor. Default: the end of the query.")
    ] = None,
) -> Response[bytes]:
    """What may stand at a place in a query: fields, attributes, values seen lately, words of the language."""
    if len(text) > context.settings.api.query_chars_max:
        raise InputError(f"query of {len(text):,} characters exceeds {context.settings.api.query_chars_max:,}")
    place = what_may_stand(text, len(text) if position is None else position)

    def answered(reading: Reading) -> bytes:
        items = [CompletionItem(word, "keyword") for word in place.keywords]
        items += [CompletionItem(field, "field") for field in place.fields]
        if place.values_of is not None or place.attributes:
            with context.telemetry["api_query_seconds"].labels("/api/v1/complete").time():
                items += _from_events(context, reading, credential.app, place)
        members = {"start": place.start, "end": place.end, "items": items}
        return b"%b,%b}" % (msgspec.json.encode(members)[:-1], costs.cost_members(reading))

    return json_answer(await context.read(answered, LIMITS))


def _from_events(context: Context, reading: Reading, app: str, place: Completion) -> list[CompletionItem]:
    """Blocks."""
    now_ns = context.clock.now_ns()
    if place.values_of is None:
        keys = context.completions.get(
            (app, "attributes"), now_ns, lambda: _attribute_keys(context, reading, app, now_ns)
        )
        names = [field_text(ast.ATTRIBUTE_PREFIX + key) for key in keys]
        written = place.written.lower()
        return [CompletionItem(name, "attribute") for name in names if name.lower().startswith(written)][:ITEMS_MAX]
    field, prefix = place.values_of, place.prefix[:PREFIX_CHARS_MAX]
    found = context.completions.get(
        (app, field, prefix), now_ns, lambda: _values(context, reading, app, field, prefix, now_ns)
    )
    return [CompletionItem(value_text(value), "value", count) for value, count in found]


def _attribute_keys(context: Context, reading: Reading, app: str, now_ns: int) -> list[str]:
    """Names of attributes in some events, those that most of them have first."""
    counts: dict[str, int] = {}
    for age_ns in SAMPLE_AGES_NS:
        to_ns = now_ns - age_ns + (0 if age_ns else FUTURE_NS)
        request = SearchRequest(app, ast.All(), 0, to_ns, "desc", SAMPLE_EVENTS)
        try:
            events = context.backend.store.search(reading, request).events
        except LimitReached:
            break
        for event in _decode_attributes(events):
            for key in event.attributes:
                counts[key] = counts.get(key, 0) + 1
    return sorted(counts, key=lambda key: (-counts[key], key))


def _values(
    context: Context, reading: Reading, app: str, field: str, prefix: str, now_ns: int
) -> Sequence[tuple[str, int]]:
    """Values of `field` that begin with `prefix`, with how many events had them lately, the most frequent first."""
    folded = ignores_case(field)
    begins = ast.Prefix(field, fold(prefix) if folded else prefix, folded) if prefix else ast.Exists(field)
    statement = Statement(begins, (Top(ITEMS_MAX, field),))
    back_ns = FEW_VALUES_NS if field in FEW_VALUES else OTHERS_NS
    to_ns = now_ns + FUTURE_NS
    try:
        table = context.backend.store.stats(
            reading, StatsRequest(app, statement, max(0, now_ns - back_ns), to_ns, now_ns)
        )
    except LimitReached:
        return []
    return [(str(value), int(count)) for value, count in table.rows]


class _Carrying(msgspec.Struct):
    attributes: dict[str, msgspec.Raw] = {}


_decode_attributes = msgspec.json.Decoder(list[_Carrying]).decode
