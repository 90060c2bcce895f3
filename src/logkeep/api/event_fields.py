"""Some fields of events only: as smaller events, or as a table. On the store's JSON, at most a page of it."""

from collections.abc import Sequence
from typing import Any

import msgspec

from logkeep.query import ast
from logkeep.query.match import attribute_key
from logkeep.query.printer import column_name
from logkeep.query.stages import DEFAULT_FIELDS, TIME_FIELDS, ColumnRef
from logkeep.query.table import Column, ColumnKind, Table

Members = dict[str, msgspec.Raw]

_decode = msgspec.json.Decoder(list[Members]).decode
_decode_attributes = msgspec.json.Decoder(Members).decode
_KEPT = ("id", "match")  # whatever is asked for: where an event is, and whether it is a match


def only_fields(events: bytes, columns: Sequence[ColumnRef]) -> bytes:
    """`events`, a JSON array, each with these fields and its id only; what an event does not have is left out."""
    return msgspec.json.encode([_only(event, columns) for event in _decode(events)])


def _only(event: Members, columns: Sequence[ColumnRef]) -> dict[str, Any]:
    attributes = _attributes(event)
    kept: dict[str, Any] = {name: event[name] for name in _KEPT if name in event}
    chosen: Members = {}
    for field in map(str, columns):
        if not field.startswith(ast.ATTRIBUTE_PREFIX):
            kept |= {field: event[field]} if field in event else {}
        elif (key := attribute_key(field)) in attributes:
            chosen[key] = attributes[key]
    return kept | ({"attributes": chosen} if chosen else {})


def table_of_events(events: bytes, columns: Sequence[ColumnRef], *, context: bool, truncated: bool) -> Table:
    """`events`, a JSON array, as a table; without `columns` in the usual ones. context: `match` comes last."""
    fields = [str(column) for column in columns or DEFAULT_FIELDS]
    named = [Column(column_name(field), _kind(field)) for field in fields]
    rows = []
    for event in _decode(events):
        attributes = _attributes(event)
        row = [_cell(event, attributes, field) for field in fields]
        rows.append([*row, "match" in event] if context else row)
    return Table((*named, Column("match", "json")) if context else tuple(named), rows, truncated)


def _kind(field: str) -> ColumnKind:
    if field in TIME_FIELDS:
        return "time"
    return "json" if field == "value" or field.startswith(ast.ATTRIBUTE_PREFIX) else "text"


def _cell(event: Members, attributes: Members, field: str) -> Any:
    if field.startswith(ast.ATTRIBUTE_PREFIX):
        return attributes.get(attribute_key(field))
    return event.get(field, "")


def _attributes(event: Members) -> Members:
    return _decode_attributes(event["attributes"]) if "attributes" in event else {}
