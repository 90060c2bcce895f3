"""What MongoDB's explain tells of the indexes it would use. Pure: a document in, rows out."""

from typing import Any

import msgspec

from logkeep.store.mongodb_documents import Document
from logkeep.store.port import IndexUse


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
