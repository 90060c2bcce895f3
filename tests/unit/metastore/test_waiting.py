"""Events that wait for their session."""

from pathlib import Path

import msgspec

from logkeep.event import Event, attributes_of
from logkeep.metastore import waiting
from logkeep.metastore.sqlite import SqliteDatabase


def test_what_waits_comes_back_also_from_a_row_written_with_a_map(tmp_path: Path) -> None:
    database = SqliteDatabase(tmp_path / "metastore.db", timeout_s=5)
    database.upgrade()
    attributes = {"os": "é", "n": 1.5, "none": None}
    event = Event("shop", "", "k", "v", "text", None, 1, 2, "e", user="u", pattern="p", arrival=3)
    event.attributes = msgspec.Raw(msgspec.json.encode(attributes))
    fields = [attributes if name == "attributes" else getattr(event, name) for name in Event.__struct_fields__]
    before = msgspec.msgpack.encode(fields)

    def change(transaction: waiting.Transaction) -> None:
        waiting.put(transaction, [event, event], 5)
        transaction.change("UPDATE waiting SET content = :content WHERE number = 2", content=before)

    database.write(change)
    found = database.read(lambda transaction: waiting.due(transaction, 7, 10))
    assert [one.event for one in found] == [event, event]
    assert attributes_of(found[1].event) == attributes
