"""Queries over devices: the filter of events, with the fields of a device instead of an event's.

`model:pixel* os=android keys.plan:gold enabled:false` reads as the filter does. What a device is told by becomes
attributes of an event that stands for it (`described`), so that match.py is the one meaning of both.
"""

import re
from collections.abc import Iterator, Set

from logkeep.errors import QuerySyntaxError
from logkeep.event import Event, Scalar, attributes_json
from logkeep.query import ast
from logkeep.query.filter_parser import FilterParser
from logkeep.query.leaves import shown
from logkeep.query.scanner import QUERY_CHARS_MAX, Scanner

TEXT_FIELDS = ("name", "model", "os", "os_version", "app_version", "language")
KEY_PREFIX = "keys."
FIELDS = ("device", "user", *TEXT_FIELDS, "enabled", "keys.NAME")
VERSION_FIELD = ast.ATTRIBUTE_PREFIX + "app_version"

_named = re.compile(rf"({'|'.join(TEXT_FIELDS)}|enabled|keys\.[0-9A-Za-z_][0-9A-Za-z_.-]*)(?=\s*(?:!=|[=<>])|:)", re.I)
_quoted_key = re.compile(r'keys\.(?=")', re.I)
_attribute = re.compile(rf"\battributes\.(?=(?:{'|'.join(TEXT_FIELDS)}|enabled|keys)\b)")
_other = re.compile(r"[A-Za-z_][A-Za-z0-9_.]*(?=\s*(?:!=|[=<>])|:)")


def parse_device_query(text: str, *, chars_max: int = QUERY_CHARS_MAX) -> ast.Query:
    """The filter; All() when it is blank. Raises QuerySyntaxError."""
    try:
        return _DeviceParser(Scanner(text, chars_max), pipes=False).whole()
    except _NoSuchField:
        raise
    except QuerySyntaxError as error:
        raise QuerySyntaxError(_in_words_of_devices(error.message), column=error.column) from error


class _NoSuchField(QuerySyntaxError):
    """Refused here, and so in the words of devices."""


def _in_words_of_devices(message: str) -> str:
    """What the filter of events says, with the fields as they are written here; words stand in `name` and others."""
    message = _attribute.sub("", message).replace('attributes."keys.', 'keys."').replace("value:/", "name:/")
    return message.replace("(value, attributes.NAME) or levels", "(keys.NAME)")


class _DeviceParser(FilterParser):
    def field(self) -> str | None:
        start = self.scan.at
        if self.scan.take(_quoted_key):
            key = self.scan.quoted().text
            return self._attribute(KEY_PREFIX + key)
        if (found := self.scan.take(_named)) is not None:
            prefix, dot, key = found[1].partition(".")
            return self._attribute(prefix.lower() + dot + key)
        other = self.scan.match(_other)
        if other is not None and other[0].lower() not in ("device", "terminal", "user"):
            raise _NoSuchField(
                f"devices have no field {shown(other[0])}; they have {', '.join(FIELDS)}; to search for the text, "
                "quote it",
                column=start + 1,
            )
        return super().field()

    def _attribute(self, name: str) -> str:
        return ast.ATTRIBUTE_PREFIX + name


def described(
    *, device: str, user: str, texts: dict[str, str], keys: dict[str, Scalar], enabled: bool | None = None
) -> Event:
    """An event that stands for a device. texts: those of TEXT_FIELDS that are known.

    Words are looked for in the device's id, name and model.
    """
    attributes: dict[str, Scalar] = {name: text for name, text in texts.items() if text}
    attributes.update({KEY_PREFIX + name: value for name, value in keys.items()})
    if enabled is not None:
        attributes["enabled"] = enabled
    words = " ".join((device, texts.get("name", ""), texts.get("model", "")))
    told = attributes_json(attributes)
    return Event("", "", "", words, "text", None, 0, 0, "", user=user, device=device, attributes=told)


def fields_of(query: ast.Query) -> frozenset[str]:
    """Every field that the query looks at; "value" for words."""
    return frozenset(_fields(query))


def _fields(query: ast.Query) -> Iterator[str]:
    match query:
        case ast.Not(child):
            yield from _fields(child)
        case ast.And(children) | ast.Or(children):
            for child in children:
                yield from _fields(child)
        case ast.Word() | ast.Phrase() | ast.WordPrefix():
            yield "value"
        case ast.All() | ast.LevelCompare():
            pass
        case _:
            yield query.field


def is_by_name(query: ast.Query) -> bool:
    """Whether a device's id alone decides it."""
    return fields_of(query) <= {"device"}


def granting(query: ast.Query, fields: Set[str]) -> ast.Query:
    """The query, with whatever it asks of `fields` taken as fulfilled."""
    return _granting(query, fields, ast.All())


def _granting(query: ast.Query, fields: Set[str], granted: ast.Query) -> ast.Query:
    match query:
        case ast.Not(child):
            return ast.Not(_granting(child, fields, ast.Not(ast.All()) if granted == ast.All() else ast.All()))
        case ast.And(children):
            return ast.And(tuple(_granting(child, fields, granted) for child in children))
        case ast.Or(children):
            return ast.Or(tuple(_granting(child, fields, granted) for child in children))
        case _:
            return query if fields.isdisjoint(fields_of(query)) else granted


def required(query: ast.Query) -> list[ast.Equals | ast.Prefix]:
    """Conditions on single fields that each matching device fulfils: for a database to look for first."""
    match query:
        case ast.And(children):
            return [condition for child in children for condition in required(child)]
        case ast.Equals() | ast.Prefix():
            return [query]
        case _:
            return []
