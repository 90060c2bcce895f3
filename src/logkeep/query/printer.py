"""A query as text that parses to the same query: for links, saved searches and messages; and the names of columns."""

import re

from logkeep.query import ast
from logkeep.query.fields import is_plain_attribute
from logkeep.query.stages import (
    UNITS_NS,
    Aggregate,
    Bin,
    ColumnRef,
    Context,
    Fields,
    Function,
    Limit,
    Patterns,
    Sort,
    Stage,
    Statement,
    Top,
)

_is_plain_word = re.compile("[0-9a-z]+").fullmatch
# Quoted although plain: those that mean something themselves, and the SQL words the parser stumbles over on purpose.
_RESERVED = ("and", "or", "not", "like", "ilike", "between", "in")


def statement_text(statement: Statement) -> str:
    """`statement` written so that parse_statement(statement_text(statement)) == statement."""
    return " | ".join([to_text(statement.filter), *map(_stage, statement.stages)])


def _stage(stage: Stage) -> str:
    match stage:
        case Aggregate(functions, by):
            made = ", ".join(map(column_name, functions))
            return f"{made} by {', '.join(map(column_name, by))}" if by else made
        case Top(rows, field):
            return f"top {rows} {field_text(field)}"
        case Patterns():
            return "patterns"
        case Sort(keys):
            return "sort " + ", ".join(column_name(key.column) + " desc" * key.descending for key in keys)
        case Limit(rows):
            return f"limit {rows}"
        case Context(events):
            return f"context {events}"
        case Fields(columns):
            return "fields " + ", ".join(map(column_name, columns))


def column_name(made: ColumnRef) -> str:
    """The name of a column: as what it holds is written in a query."""
    match made:
        case Function(name, ""):
            return name
        case Function(name, field):
            return f"{name}({field_text(field)})"
        case Bin(width_ns):
            return f"bin({width_text(width_ns)})"
        case _:
            return field_text(made)


def width_text(width_ns: int) -> str:
    """A bin's width in its largest whole unit: `5m`."""
    unit = next(unit for unit, unit_ns in UNITS_NS.items() if width_ns % unit_ns == 0)
    return f"{width_ns // UNITS_NS[unit]}{unit}"


def to_text(query: ast.Query) -> str:
    """`query` written so that parse(to_text(query)) == query."""
    match query:
        case ast.Or(children):
            return " or ".join(_inside(child, (ast.Or,)) for child in children)
        case ast.And(children):
            return " ".join(_inside(child, (ast.Or, ast.And)) for child in children)
        case ast.Not(child):
            return f"not {_inside(child, (ast.Or, ast.And))}"
        case ast.All():
            return "*"
        case _:
            return _leaf(query)


def _inside(child: ast.Query, looser: tuple[type, ...]) -> str:
    return f"({to_text(child)})" if isinstance(child, looser) else to_text(child)


def _leaf(query: ast.Query) -> str:
    match query:
        case ast.Word(text):
            return text if _is_plain_word(text) and text not in _RESERVED else quoted(text)
        case ast.Phrase(tokens):
            return quoted(" ".join(tokens))
        case ast.WordPrefix(prefix):
            return (prefix if _is_plain_word(prefix) else quoted(prefix)) + "*"
        case ast.Equals(field, text, fold):
            return f"{field_text(field)}{':' if fold else '='}{quoted(text)}"
        case ast.Prefix(field, text, fold):
            return f"{field_text(field)}{':' if fold else '='}{quoted(text)}*"
        case ast.Regex(field, pattern):
            return f"{field_text(field)}:/{_slashes_escaped(pattern)}/"
        case ast.Exists(field):
            return f"{field_text(field)}:*"
        case ast.Compare(field, op, number):
            return f"{field_text(field)}{op}{_number(number)}"
        case ast.LevelCompare(op, level):
            return f"level{op}{level}"
    raise AssertionError(query)


def quoted(text: str) -> str:
    """`text` in quotes, as the parser reads it back."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def field_text(field: str) -> str:
    """A field's name as it is written in a query."""
    if not field.startswith(ast.ATTRIBUTE_PREFIX):
        return field
    key = field[len(ast.ATTRIBUTE_PREFIX) :]
    return field if is_plain_attribute(key) else ast.ATTRIBUTE_PREFIX + quoted(key)


def _slashes_escaped(pattern: str) -> str:
    return re.sub(r"\\.|/", lambda found: "\\/" if found[0] == "/" else found[0], pattern, flags=re.DOTALL)


def _number(number: float) -> str:
    return str(int(number)) if number.is_integer() and abs(number) < 1e15 else repr(number)
