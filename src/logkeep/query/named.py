"""Which sessions, users and devices a query is about, by their names."""

from logkeep.query import ast

NAMES = ("session", "user", "device")


def named_in(query: ast.Query) -> dict[str, set[str]]:
    """By field, the names an event must have one of to match; nothing where it may match without.

    Of `user=anna level:error` it is anna; of `user=anna or level:error` it is nobody: the query is about more.
    """
    match query:
        case ast.Equals(field, text) if field in NAMES:
            return {field: {text}}
        case ast.And(children):
            return _joined([named_in(child) for child in children])
        case ast.Or(children):
            found = [named_in(child) for child in children]
            return _joined(found) if all(found) else {}
        case _:
            return {}


def _joined(parts: list[dict[str, set[str]]]) -> dict[str, set[str]]:
    names: dict[str, set[str]] = {}
    for part in parts:
        for field, texts in part.items():
            names.setdefault(field, set()).update(texts)
    return names
