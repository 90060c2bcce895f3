"""Events that wait for their session: the waiting room of all processors, bounded."""

from collections.abc import Sequence
from typing import Any

import msgspec

from logkeep.event import Event, attributes_json, attributes_of
from logkeep.metastore.database import Transaction
from logkeep.metastore.session_map import Span, spans_of, who_of

_ATTRIBUTES = Event.__struct_fields__.index("attributes")


class Waiting(msgspec.Struct, frozen=True):
    """number: of its row. device_who, user_who: by which it is looked for, "" for neither. until_ns: its deadline."""

    number: int
    device_who: str
    user_who: str
    until_ns: int
    event: Event


def put(transaction: Transaction, events: Sequence[Event], wait_ns: int) -> None:
    """They wait until `wait_ns` after they were received."""
    transaction.change_many(
        "INSERT INTO waiting (app, device_who, user_who, until_ns, size, content) "
        "VALUES (:app, :device, :user, :until, :size, :content)",
        [_row(event, wait_ns) for event in events],
    )


def _row(event: Event, wait_ns: int) -> dict[str, Any]:
    content = _encode(event)
    return {
        "app": event.app,
        "device": who_of(event.app, "device", event.device) if event.device else "",
        "user": who_of(event.app, "user", event.user) if event.user else "",
        "until": event.received_ns + wait_ns,
        "size": len(content),
        "content": content,
    }


def used(transaction: Transaction) -> tuple[int, int]:
    """How many wait, and their bytes."""
    count, size = transaction.rows("SELECT COUNT(*), COALESCE(SUM(size), 0) FROM waiting")[0]
    return int(count), int(size)


def due(transaction: Transaction, now_ns: int, limit: int) -> list[Waiting]:
    """Those whose time is over, the oldest first."""
    rows = transaction.rows(
        "SELECT number, device_who, user_who, until_ns, content FROM waiting WHERE until_ns <= :now "
        "ORDER BY until_ns, number LIMIT :limit",
        now=now_ns, limit=limit,
    )  # fmt: skip
    return [_waiting(row) for row in rows]


def with_sessions(transaction: Transaction, after: int, limit: int) -> list[Waiting]:
    """Those after row `after` of whose user or device the map knows anything, in order."""
    rows = transaction.rows(
        "SELECT number, device_who, user_who, until_ns, content FROM waiting WHERE number > :after AND EXISTS ("
        "SELECT 1 FROM session_map WHERE who = device_who OR who = user_who) ORDER BY number LIMIT :limit",
        after=after, limit=limit,
    )  # fmt: skip
    return [_waiting(row) for row in rows]


def spans_for(transaction: Transaction, rows: Sequence[Waiting]) -> dict[str, list[Span]]:
    """What the map knows of everyone these name."""
    return spans_of(transaction, sorted({who for row in rows for who in (row.device_who, row.user_who) if who}))


def numbered(transaction: Transaction, numbers: Sequence[int]) -> dict[int, Event]:
    found = transaction.rows_in("SELECT number, content FROM waiting WHERE number IN", list(numbers))
    return {int(number): _decode(bytes(content)) for number, content in found}


def of_app(transaction: Transaction, app: str, after: int, limit: int) -> list[tuple[int, Event]]:
    rows = transaction.rows(
        "SELECT number, content FROM waiting WHERE app = :app AND number > :after ORDER BY number LIMIT :limit",
        app=app, after=after, limit=limit,
    )  # fmt: skip
    return [(int(number), _decode(bytes(content))) for number, content in rows]


def remove(transaction: Transaction, numbers: Sequence[int]) -> None:
    transaction.change_many("DELETE FROM waiting WHERE number = :number", [{"number": number} for number in numbers])


def _encode(event: Event) -> bytes:
    """MessagePack of the fields, attributes as a map."""
    fields = list(msgspec.structs.astuple(event))
    fields[_ATTRIBUTES] = attributes_of(event)
    return msgspec.msgpack.encode(fields)


def _decode(content: bytes) -> Event:
    fields = msgspec.msgpack.decode(content)
    fields[_ATTRIBUTES] = attributes_json(fields[_ATTRIBUTES])
    return Event(*fields)


def _waiting(row: Sequence[Any]) -> Waiting:
    number, device, user, until_ns, content = row
    return Waiting(int(number), str(device), str(user), int(until_ns), _decode(bytes(content)))
