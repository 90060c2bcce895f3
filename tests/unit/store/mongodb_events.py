"""An event for tests of the MongoDB store's pure parts."""

from typing import Any

from tests.events import made_event

from logkeep.event import Event


def event(**changes: Any) -> Event:
    fields: dict[str, Any] = {
        "app": "shop", "session": "s", "key": "k", "value": "hello", "kind": "text", "number": None,
        "time_ns": 1_760_054_400 * 10**9, "received_ns": 1_760_054_401 * 10**9, "id": "e1",
    }  # fmt: skip
    return made_event(**(fields | changes))
