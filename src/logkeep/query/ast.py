"""A query as a frozen tree: what the parser makes, `match.py` evaluates and every store compiles."""

from typing import Literal, TypeAlias

import msgspec

# Fields of an event a query can name. An attribute is named "attributes.NAME" (quoted when NAME is not a plain word).
ID_FIELDS = ("id", "session", "user", "device", "pattern")  # compared exactly
NAME_FIELDS = ("component", "key")  # `:` ignores case, `=` is exact
FIELDS = (*ID_FIELDS, *NAME_FIELDS, "level", "value")
ATTRIBUTE_PREFIX = "attributes."

Comparison = Literal["<", "<=", ">", ">="]


class Node(msgspec.Struct, frozen=True, tag=True):
    """Base of all nodes."""


class All(Node, frozen=True):
    """The empty query: everything."""


class Word(Node, frozen=True):
    """The text of `value` has this token. text: one token, case-folded."""

    text: str


class Phrase(Node, frozen=True):
    """The folded text of `value` holds this run of tokens next to each other. tokens: 2 or more, folded."""

    tokens: tuple[str, ...]


class WordPrefix(Node, frozen=True):
    """Some token of `value` starts with this (folded)."""

    prefix: str


class Equals(Node, frozen=True):
    """The field is exactly `text` (fold: ignoring case)."""

    field: str
    text: str
    fold: bool = False


class Prefix(Node, frozen=True):
    """The field starts with `text` (fold: ignoring case)."""

    field: str
    text: str
    fold: bool = False


class Regex(Node, frozen=True):
    """The pattern (RE2 subset) is found somewhere in the field, case-sensitive."""

    field: str
    pattern: str


class Exists(Node, frozen=True):
    """The field is set: not the empty text; an attribute is present. `value` always exists."""

    field: str


class Compare(Node, frozen=True):
    """A numeric comparison: `value` or an attribute, where it is a number; false where it is none."""

    field: str
    op: Comparison
    number: float


class LevelCompare(Node, frozen=True):
    """Levels in order; an event without a level is below none and above none."""

    op: Comparison
    level: str


class Not(Node, frozen=True):
    child: "Query"


class And(Node, frozen=True):
    children: tuple["Query", ...]


class Or(Node, frozen=True):
    children: tuple["Query", ...]


Query: TypeAlias = (
    All | Word | Phrase | WordPrefix | Equals | Prefix | Regex | Exists | Compare | LevelCompare | Not | And | Or
)
