"""What a field name in a query means: known names, other spellings, and what to say about unknown ones."""

import difflib
import re
from collections.abc import Sequence

from logkeep.event import LEVEL_ALIASES, LEVELS
from logkeep.query import ast

ALIASES = {"terminal": "device"}  # as in an event that comes in
# What other systems call a field: only a hint, for a name that is not ours is more often plain text.
SYNONYMS = {
    "message": "value", "msg": "value", "text": "value", "body": "value", "log": "value", "line": "value",
    "severity": "level", "lvl": "level", "loglevel": "level", "log_level": "level", "priority": "level",
    "service": "component", "module": "component", "logger": "component", "source": "component", "job": "component",
    "session_id": "session", "sessionid": "session", "sid": "session", "trace_id": "session",
    "user_id": "user", "userid": "user", "uid": "user", "username": "user", "device_id": "device",
    "event": "key", "name": "key", "type": "key", "tag": "key",
    "attribute": "attributes.NAME", "attr": "attributes.NAME", "attrs": "attributes.NAME", "tags": "attributes.NAME",
    "labels": "attributes.NAME", "fields": "attributes.NAME", "attributes": "attributes.NAME",
    "_exists_": "user:* for `is set`", "exists": "user:* for `is set`", "missing": "-user:* for `is not set`",
}  # fmt: skip
NOT_IN_QUERIES = {
    **dict.fromkeys(
        ("time", "timestamp", "_time", "date", "received", "from", "to", "since"),
        "is not part of the query; give the time range beside it, as from and to (such as from=-15m)",
    ),
    "app": "is not part of the query: every query is inside one app",
}
LISTED = f"{', '.join(ast.FIELDS)} and attributes.NAME"

_is_plain_attribute = re.compile(r"[0-9A-Za-z_\u0080-\U0010ffff][0-9A-Za-z_.\u0080-\U0010ffff-]*").fullmatch


def is_numeric(field: str) -> bool:
    """Whether the field can hold numbers."""
    return field == "value" or field.startswith(ast.ATTRIBUTE_PREFIX)


def ignores_case(field: str) -> bool:
    """Whether `field:text` ignores case."""
    return field in ast.NAME_FIELDS or field.startswith(ast.ATTRIBUTE_PREFIX)


def known_field(name: str) -> str | None:
    """The field a plain name stands for, in any case; None when there is none."""
    lower = name.lower()
    return lower if lower in ast.FIELDS else ALIASES.get(lower)


def is_plain_attribute(key: str) -> bool:
    """Whether an attribute's key can stand unquoted after `attributes.`."""
    return _is_plain_attribute(key) is not None


def about_unknown(name: str, whole: str) -> str:
    """What to tell someone who used `name` as a field in the text `whole`."""
    lower = name.lower()
    if lower in NOT_IN_QUERIES:
        return f"{name} {NOT_IN_QUERIES[lower]}"
    meant = SYNONYMS.get(lower) or _nearest(lower, ast.FIELDS) or (None if "://" in whole else f"attributes.{name}")
    hint = f"; did you mean {meant}?" if meant else ";"
    return f'unknown field {name}{hint} fields are {LISTED}; to search for the text, quote it: "{whole}"'


def about_unknown_column(name: str, known: Sequence[str]) -> str:
    """What to tell someone who used `name` as a field after a `|`."""
    lower = name.lower()
    if lower == "app":
        return f"app {NOT_IN_QUERIES['app']}"
    meant = SYNONYMS.get(lower) or _nearest(lower, known) or f"attributes.{name}"
    return f"unknown field {name}; did you mean {meant}? fields are {', '.join(known)} and attributes.NAME"


def about_level(name: str) -> str:
    """What to tell someone who named an unknown level."""
    nearest = _nearest(name.lower(), (*LEVELS, *LEVEL_ALIASES))
    hint = f"; did you mean {nearest}?" if nearest else ";"
    return f"unknown level {name}{hint} levels are {', '.join(LEVELS)}"


def level_named(name: str) -> str | None:
    """One of LEVELS for a level's name or alias in any case; "" for "" (no level); else None."""
    lower = name.lower()
    return lower if lower in ("", *LEVELS) else LEVEL_ALIASES.get(lower)


def _nearest(name: str, known: Sequence[str]) -> str | None:
    return next(iter(difflib.get_close_matches(name[:64], known, n=1, cutoff=0.7)), None)
