"""What explain tells of a reading: the filter, the groups MongoDB is asked for, the indexes it would use. Pure."""

from collections.abc import Sequence
from typing import Any

import msgspec

from logkeep.store.mongodb_documents import Document
from logkeep.store.mongodb_filter import Filter
from logkeep.store.mongodb_groups import Groups, Key, Total, group_of, text_key
from logkeep.store.mongodb_patterns import PATTERN_TOTALS, pattern_keys
from logkeep.store.mongodb_stats import read_table
from logkeep.store.port import ActivityRequest, Explained, IndexUse, PatternRequest, SearchRequest, StatsRequest

AGAIN = " (then each event is looked at again)"


def shown(request: Explained, compiled: Filter, day_ns: int) -> str:
    """The filter; with groups the pipeline of the day that begins at `day_ns`, several of them in an array.

    App and time are left out, as they are in every reading. What is not exact is filtered, and grouped, afterwards.
    """
    groups = _groups(request, day_ns) if compiled.exact else []
    if not groups:
        return _text(compiled.spec) + AGAIN * (not compiled.exact)
    pipelines = [[{"$match": compiled.spec}, {"$group": group}] for group in groups]
    return _text(pipelines[0] if len(pipelines) == 1 else pipelines)


def _groups(request: Explained, day_ns: int) -> list[Document]:
    made: list[Document] = []

    def read(keys: Sequence[Key], totals: Sequence[Total]) -> Groups:
        made.append(group_of(keys, totals, day_ns=day_ns))
        return {}

    match request:
        case StatsRequest():
            read_table(request, read)
        case PatternRequest():
            read(pattern_keys(request), PATTERN_TOTALS)
        case ActivityRequest(of=of):
            read([text_key(of)], [])
        case SearchRequest():
            pass
    return made


def _text(made: Any) -> str:
    return msgspec.json.encode(made).decode()


def index_uses(plan: Document) -> list[IndexUse]:
    """The index scans of the plan that won, with their bounds. granules: MongoDB has none, 0."""
    found: list[IndexUse] = []
    _collect(plan.get("queryPlanner", {}).get("winningPlan", {}), found)
    return found


def _collect(stage: Any, found: list[IndexUse]) -> None:
    if isinstance(stage, list):
        for each in stage:
            _collect(each, found)
    if not isinstance(stage, dict):
        return
    if stage.get("stage") == "IXSCAN":
        bounds = {field: bound for field, bound in stage.get("indexBounds", {}).items() if field != "app"}
        found.append(IndexUse(str(stage.get("indexName", "")), msgspec.json.encode(bounds).decode(), 0))
    for name in ("inputStage", "inputStages", "queryPlan", "outerStage", "innerStage", "shards", "winningPlan"):
        if name in stage:
            _collect(stage[name], found)
