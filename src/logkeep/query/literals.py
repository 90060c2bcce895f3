"""What a regular expression cannot do without: text that every match of it holds. Pure.

Looking for it first decides most texts for a hundredth of what the automaton takes.
"""

from logkeep.query.regex import Chars, Part, Repeat, Row, read_pattern


def longest_literal(pattern: str) -> str:
    """The longest run of characters that stands in every text `pattern` is found in; "" when there is none.

    pattern: of the portable subset, which has no flag that ignores case. Raises PatternError.
    """
    return max(literals(pattern), key=len, default="")


def literals(pattern: str) -> list[str]:
    """Runs of characters that each stand in every text `pattern` is found in, in no order.

    Raises PatternError.
    """
    return _runs(read_pattern(pattern))


def _runs(part: Part) -> list[str]:
    """Texts that every match of `part` holds, each somewhere in it."""
    match part:
        case Chars():
            return [_only(part)]
        case Row(parts):
            return _row_runs(parts)
        case Repeat(child, low, _) if low >= 1:
            return _runs(child)
        case _:  # a place, a choice, or what may be left out
            return []


def _row_runs(parts: tuple[Part, ...]) -> list[str]:
    runs, run = [], ""
    for part in parts:
        if isinstance(part, Chars) and (char := _only(part)):
            run += char
            continue
        runs += [run, *_runs(part)]
        run = ""
    return [*runs, run]


def _only(chars: Chars) -> str:
    """The one character it stands for, "" when there are several."""
    low, high = chars.ranges[0] if len(chars.ranges) == 1 else (0, 1)
    return chr(low) if low == high else ""
