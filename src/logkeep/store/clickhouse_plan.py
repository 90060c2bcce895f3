"""What the engine's EXPLAIN tells about indexes. Pure."""

import msgspec

from logkeep.store.port import IndexUse

CONDITION_CHARS_MAX = 2000  # of one index; a query of thousands of terms repeats them all here


class _Index(msgspec.Struct, rename="pascal"):
    type: str
    name: str = ""
    condition: str = ""
    granules: int = msgspec.field(default=0, name="Selected Granules")


class _Node(msgspec.Struct, rename="pascal"):
    plans: list["_Node"] = []
    indexes: list[_Index] = []


class _Plan(msgspec.Struct, rename="pascal"):
    plan: _Node


_decode = msgspec.json.Decoder(list[_Plan]).decode


def index_uses(plan: bytes) -> list[IndexUse]:
    """Of the JSON form of `EXPLAIN indexes = 1`, from the primary key on.

    What stands before it looks at time alone, and so would tell how much other apps have.
    """
    found: list[_Index] = []
    nodes = [each.plan for each in _decode(plan)]
    while nodes:
        node = nodes.pop()
        nodes += node.plans
        found += node.indexes
    names = [index.type for index in found]
    own = found[names.index("PrimaryKey") :] if "PrimaryKey" in names else []
    return [
        IndexUse(index.name or "primary key", index.condition[:CONDITION_CHARS_MAX], index.granules) for index in own
    ]
