"""Which sessions, users and devices a query is about, by their names.

Of a query that is an `or`, each alternative is about whom it names, whatever the others look for: of
`user=anna or "anna@example.org"` it is anna.
"""

from collections.abc import Iterable, Iterator, Mapping

from logkeep.query import ast

FIELDS = ("session", "user", "device")

Names = Mapping[str, set[str]]
"""Texts by field; fields without any are not in it."""


def named_in(query: ast.Query) -> Names:
    """The names that some alternative asks of an event, alone or with more: of `user=anna level:error` it is anna.

    Within an `and` an `or` counts where all it may match is named: of `(user=anna or level:error) timeout` it is
    nobody.
    """
    return _joined(_demanded(one) for one in _alternatives(query))


def named_whole(query: ast.Query) -> Names:
    """The names that are all that some alternative asks: of `user=anna level:error` it is nobody."""
    return _joined(map(_name, _alternatives(query)))


def names_alone(query: ast.Query) -> bool:
    """Whether each alternative is a name and nothing else: what matches has one of `named_whole`."""
    return all(map(_name, _alternatives(query)))


def _alternatives(query: ast.Query) -> Iterator[ast.Query]:
    if isinstance(query, ast.Or):
        for child in query.children:
            yield from _alternatives(child)
    else:
        yield query


def _name(query: ast.Query) -> Names:
    """What `query` names where that is all it asks, or nothing."""
    return {query.field: {query.text}} if isinstance(query, ast.Equals) and query.field in FIELDS else {}


def _demanded(query: ast.Query) -> Names:
    """The names an event must have one of, by field, to match; nothing where it may match without."""
    match query:
        case ast.And(children):
            return _joined(map(_demanded, children))
        case ast.Or(children):
            found = [_demanded(child) for child in children]
            return _joined(found) if all(found) else {}
        case _:
            return _name(query)


def _joined(parts: Iterable[Names]) -> Names:
    names: dict[str, set[str]] = {}
    for part in parts:
        for field, texts in part.items():
            names.setdefault(field, set()).update(texts)
    return names
