r"""A checked regex (query/regex.py) as the engine's own kind, which stands for whole terms and knows no places. Pure.

`^` and `$` are known where they begin and end the pattern, or a branch of its outermost choice: there they say whether
anything may stand before or after. Elsewhere, and for `\b`, there is no translation: who asks evaluates the pattern by
itself, on what `literal` finds.
"""

from collections.abc import Sequence

from logkeep.query.literals import longest_literal
from logkeep.query.regex import Assert, Chars, Choice, Part, Ranges, Repeat, Row, read_pattern

CHARS_MAX = 15_000  # of the translation; the index allows 20,000
_SPECIAL = frozenset('\\.?+*|{}[]()"#@&<>~^-$')
_ANYTHING = "[\0-\U0010ffff]*"


def translated(pattern: str, prefix: str = "") -> str | None:
    """The expression of whole terms that begin with `prefix` and hold `pattern` after it; None: there is none."""
    branches = [_branch(part) for part in _branches(read_pattern(pattern))]
    found = [branch for branch in branches if branch is not None]
    if len(found) < len(branches):
        return None
    whole = escaped(prefix) + (f"({'|'.join(found)})" if len(found) > 1 else found[0])
    return whole if len(whole) <= CHARS_MAX else None


def literal(pattern: str, prefix: str = "") -> str | None:
    """The expression of terms that may hold `pattern`: all that do, and others. None: any may."""
    text = longest_literal(pattern)
    return f"{escaped(prefix)}{_ANYTHING}{escaped(text)}{_ANYTHING}" if text else None


def escaped(text: str) -> str:
    """The expression of exactly `text`."""
    return "".join("\\" + char if char in _SPECIAL else char for char in text)


def _branches(tree: Part) -> Sequence[Part]:
    """The outermost choice, groups around it taken off."""
    while isinstance(tree, Row) and len(tree.parts) == 1:
        tree = tree.parts[0]
    return tree.parts if isinstance(tree, Choice) else (tree,)


def _branch(tree: Part) -> str | None:
    parts = list(_flat(tree))
    from_start = to_end = False
    while parts and parts[0] == Assert("^"):
        parts, from_start = parts[1:], True
    while parts and parts[-1] == Assert("$"):
        parts, to_end = parts[:-1], True
    inner = _joined(parts)
    return None if inner is None else f"{'' if from_start else _ANYTHING}{inner}{'' if to_end else _ANYTHING}"


def _flat(tree: Part) -> Sequence[Part]:
    if not isinstance(tree, Row):
        return (tree,)
    return [part for each in tree.parts for part in _flat(each)]


def _joined(parts: Sequence[Part]) -> str | None:
    texts = [_text(part) for part in parts]
    found = [text for text in texts if text is not None]
    return "".join(found) if len(found) == len(texts) else None


def _text(part: Part) -> str | None:
    match part:
        case Chars(ranges):
            return _char_class(ranges)
        case Assert():
            return None
        case Row(parts):
            inner = _joined(parts)
            return None if inner is None else f"({inner})"
        case Choice(parts):
            texts = [_text(each) for each in parts]
            found = [text for text in texts if text is not None]
            return f"({'|'.join(found)})" if len(found) == len(texts) else None
        case Repeat(child, low, high):
            inner = _text(child)
            return None if inner is None else f"({inner}){{{low},{'' if high is None else high}}}"


def _char_class(ranges: Ranges) -> str:
    if len(ranges) == 1 and ranges[0][0] == ranges[0][1]:
        return escaped(chr(ranges[0][0]))
    return "[" + "".join(_range(low, high) for low, high in ranges) + "]"


def _range(low: int, high: int) -> str:
    # An end in the surrogates is no character: the nearest that is one means the same, for no text holds them.
    first = 0xE000 if 0xD800 <= low <= 0xDFFF else low
    last = 0xD7FF if 0xD800 <= high <= 0xDFFF else high
    return escaped(chr(first)) if first == last else f"{escaped(chr(first))}-{escaped(chr(last))}"
