"""What a reading cost, as every answer carries it, and what it would do, for `explain=1`."""

from typing import Annotated

import msgspec
from litestar import Response
from litestar.params import QueryParameter
from msgspec import Meta

from logkeep.api.answers import Cost, Time, json_answer
from logkeep.api.backend import Context
from logkeep.query.printer import statement_text
from logkeep.query.stages import Stage, Statement
from logkeep.store.page import rfc3339
from logkeep.store.port import Explained, IndexUse, filter_of
from logkeep.store.reading import Reading

Explain = Annotated[
    int, QueryParameter(ge=0, le=1, description="1: what would be read, instead of reading it (`ExplainAnswer`).")
]


class ExplainAnswer(Cost, rename={"from_": "from"}):
    """How a query is read. indexes: what each leaves to read, in order."""

    query: Annotated[str, Meta(description="the query as it was understood; it means the same")]
    from_: Time
    to: Time
    sql: Annotated[str, Meta(description="what the store evaluates, in its own words: the condition, or all it counts")]
    parameters: Annotated[dict[str, str], Meta(description="the values that are bound in `sql`, by name")]
    indexes: list[IndexUse]


def cost_of(reading: Reading) -> Cost:
    reached = rfc3339(reading.reached_ns) if reading.reached_ns is not None else None
    return Cost(
        took_ms=reading.took_ms,
        rows_read=reading.rows_read,
        bytes_read=reading.bytes_read,
        partial=reading.partial,
        reached=reached,
    )


def cost_members(reading: Reading) -> bytes:
    """`"took_ms":…,"rows_read":…,…` without braces, to be spliced into an answer."""
    return msgspec.json.encode(cost_of(reading))[1:-1]


async def explain(context: Context, request: Explained, stages: tuple[Stage, ...] = ()) -> Response[bytes]:
    """What the store would do for `request`. stages: of the query, as far as they count here."""

    def explained(reading: Reading) -> bytes:
        found = context.backend.store.explain(reading, request)
        members = {
            "query": statement_text(Statement(filter_of(request), stages)),
            "from": rfc3339(request.from_ns),
            "to": rfc3339(request.to_ns),
            "sql": found.sql,
            "parameters": found.parameters,
            "indexes": found.indexes,
        }
        return b"%b,%b}" % (msgspec.json.encode(members)[:-1], cost_members(reading))

    return json_answer(await context.read(explained))
