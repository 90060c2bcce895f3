"""Events as tests write them down: attributes as a map."""

from typing import Any

from logkeep.event import Event, attributes_json


def made_event(**fields: Any) -> Event:
    """attributes: a map."""
    return Event(**(fields | {"attributes": attributes_json(fields.get("attributes", {}))}))
