"""What explain tells of a reading: the condition, and the groups the engine is asked for. Pure."""

from typing import Any

import msgspec

from logkeep.store.opensearch_activity import names_body
from logkeep.store.opensearch_counts import table_groups
from logkeep.store.opensearch_dsl import VISIBLE, Condition, compile_query
from logkeep.store.opensearch_patterns import pattern_groups, texts
from logkeep.store.opensearch_reader import Asked, groups_body
from logkeep.store.opensearch_search import within
from logkeep.store.port import (
    ActivityRequest,
    Explained,
    Explanation,
    PatternRequest,
    SearchRequest,
    StatsRequest,
    filter_of,
)

BY_EVENTS = "by evaluating the query on each event that this finds"


def explained(request: Explained) -> Explanation:
    """The condition; with groups the body of the search, several of them in an array."""
    compiled = compile_query(filter_of(request))
    seen = () if isinstance(request, ActivityRequest) else (VISIBLE,)
    asked = Asked(request.app, (compiled.condition, *seen), None)
    asked = texts(asked) if isinstance(request, PatternRequest) else asked
    from_ns = request.start_ns if isinstance(request, PatternRequest) else request.from_ns
    condition = asked.condition(within(from_ns, request.to_ns))
    bodies = _bodies(request, condition) if compiled.exact else []
    if not bodies:
        finished = not compiled.exact or isinstance(request, StatsRequest)
        return Explanation(_text(condition), {"finished": BY_EVENTS} if finished else {}, [])
    return Explanation(_text(bodies[0] if len(bodies) == 1 else bodies), {}, [])


def _bodies(request: Explained, condition: Condition) -> list[dict[str, Any]]:
    """What the engine counts; nothing where it only finds."""
    match request:
        case StatsRequest(statement=statement):
            return [
                groups_body(condition if more is None else _both(condition, more), sources, numbers)
                for sources, numbers, more in table_groups(statement)
            ]
        case PatternRequest():
            sources, parts = pattern_groups(request)
            return [groups_body(condition, sources, parts)]
        case ActivityRequest(of=of, limit=limit):
            return [names_body(_both(condition, {"exists": {"field": of}}), of, limit + 1)]
        case SearchRequest():
            return []


def _both(condition: Condition, more: Condition) -> Condition:
    return {"bool": {"filter": [*condition["bool"]["filter"], more]}}


def _text(made: Any) -> str:
    return msgspec.json.encode(made).decode()
