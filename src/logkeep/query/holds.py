"""Whether a text that is no event may be about what a query looks for: too often yes rather than too seldom."""

from logkeep.query import ast
from logkeep.query.text import fold


def may_hold(query: ast.Query, text: str, *, otherwise: bool) -> bool:
    """Whether the words of `query` are in `text`, ignoring case, as its `and` and `or` join them.

    otherwise: the answer where there are no words to look for: numbers, levels by order, patterns, `not`, everything.
    """
    return _holds(query, fold(text), otherwise)


def _holds(query: ast.Query, folded: str, otherwise: bool) -> bool:
    match query:
        case ast.And(children):
            return all(_holds(child, folded, otherwise) for child in children)
        case ast.Or(children):
            return any(_holds(child, folded, otherwise) for child in children)
        case ast.Word(text) | ast.Equals(_, text) | ast.Prefix(_, text):
            return fold(text) in folded
        case ast.WordPrefix(prefix):
            return prefix in folded
        case ast.Phrase(tokens):
            return all(token in folded for token in tokens)
        case _:
            return otherwise
