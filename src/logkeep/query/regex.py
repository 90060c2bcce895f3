r"""Regular expressions of the portable subset: text → checked tree. `automaton.py` runs it.

The subset means the same in RE2 (with `.` not matching a newline, its `(?-s)`) and here, so a store hands the checked
pattern to its engine as it is:

    literals   .  any character but a newline   [a-z] [^a-z]   x|y   (x) (?:x)
    \d \w \s \D \W \S  of ASCII   \n \r \t   \  before ASCII punctuation
    x* x+ x? x{2} x{2,} x{2,5}  (a ? after them changes nothing)
    ^ $  the ends of the text   \b  a word's edge, of ASCII words

Not in it: flags, back-references, lookaround, named groups, Unicode and POSIX classes, \B (which RE2 finds between the
bytes of one character).
"""

import re
from typing import Literal, TypeAlias

import msgspec

PATTERN_CHARS_MAX = 256  # longer than what people write by hand; a longer list of words is a query with `or`
REPEAT_MAX = 1000  # RE2 refuses more, also as the product of nested repetitions
INSTRUCTIONS_MAX = 2500  # holds x{1000,} and x{0,1000}; bounds the work for one new state of the automaton
GROUP_DEPTH_MAX = 32  # as deep as a query; keeps the reader's recursion small

Ranges: TypeAlias = tuple[tuple[int, int], ...]  # of code points, both ends included, sorted, apart
Assertion: TypeAlias = Literal["^", "$", "b"]

_LAST = 0x10FFFF
WORD: Ranges = ((0x30, 0x39), (0x41, 0x5A), (0x5F, 0x5F), (0x61, 0x7A))
_PERL: dict[str, Ranges] = {"d": ((0x30, 0x39),), "w": WORD, "s": ((0x09, 0x0A), (0x0C, 0x0D), (0x20, 0x20))}
_ANY: Ranges = ((0, 0x09), (0x0B, _LAST))
_CONTROLS = {"n": "\n", "r": "\r", "t": "\t"}
_PUNCTUATION = frozenset("!\"#$%&'()*+,-./:;<=>?@[\\]^`{|}~")
_SPECIAL = frozenset("\\.+*?()|[]{}^$/")
_REPEAT = re.compile(r"\{([0-9]{1,6})(?:(,)([0-9]{0,6}))?\}")


class PatternError(Exception):
    """A pattern that is not in the subset; `offset` counts its characters from 0. in_query: what a query has for it."""

    def __init__(self, message: str, offset: int, in_query: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.offset = offset
        self.in_query = in_query


class Chars(msgspec.Struct, frozen=True):
    """One character out of `ranges`."""

    ranges: Ranges


class Assert(msgspec.Struct, frozen=True):
    """No character, but a place: an end of the text, or a word's edge."""

    kind: Assertion


class Repeat(msgspec.Struct, frozen=True):
    """`child` at least `low` times, at most `high` times (None: without end)."""

    child: "Part"
    low: int
    high: int | None


class Row(msgspec.Struct, frozen=True):
    """One part after the other; none matches the empty text."""

    parts: tuple["Part", ...]


class Choice(msgspec.Struct, frozen=True):
    parts: tuple["Part", ...]


Part: TypeAlias = Chars | Assert | Repeat | Row | Choice


def read_pattern(pattern: str) -> Part:
    """The tree of `pattern`. Raises PatternError."""
    if not pattern:
        raise PatternError("an empty regex is found in everything", 0, "use field:* for `is set`")
    if len(pattern) > PATTERN_CHARS_MAX:
        raise PatternError(
            f"regex of {len(pattern):,} characters exceeds {PATTERN_CHARS_MAX}; shorten it", PATTERN_CHARS_MAX
        )
    tree = _Reader(pattern).whole()
    if _size(tree) > INSTRUCTIONS_MAX:
        raise PatternError(f"regex repeats too much (over {INSTRUCTIONS_MAX:,} steps); repeat less", 0)
    return tree


def escape(text: str) -> str:
    """A pattern that finds exactly `text`; slashes are escaped too, so that it can stand in a query."""
    controls = {control: f"\\{letter}" for letter, control in _CONTROLS.items()}
    return "".join(f"\\{char}" if char in _SPECIAL else controls.get(char, char) for char in text)


class _Reader:
    """Recursive descent over one pattern."""

    def __init__(self, pattern: str) -> None:
        self.pattern = pattern
        self.at = 0
        self.depth = 0

    def whole(self) -> Part:
        tree = self.choice()
        if self.at < len(self.pattern):
            raise PatternError("`)` closes nothing; write \\) for the character", self.at)
        return tree

    def peek(self) -> str:
        return self.pattern[self.at : self.at + 1]

    def choice(self) -> Part:
        parts = [self.row()]
        while self.peek() == "|":
            self.at += 1
            parts.append(self.row())
        return parts[0] if len(parts) == 1 else Choice(tuple(parts))

    def row(self) -> Part:
        parts: list[Part] = []
        while self.peek() not in ("", "|", ")"):
            parts.append(self.repeated())
        return Row(tuple(parts))

    def repeated(self) -> Part:
        start = self.at
        part = self.one()
        bounds = self.bounds()
        if bounds is None:
            return part
        if isinstance(part, Assert):
            raise PatternError(f"`{self.pattern[start : self.at]}` repeats a place, not a character", start)
        if self.peek() == "?":  # lazy: found or not found is the same
            self.at += 1
        if self.peek() in ("*", "+", "?") or (self.peek() == "{" and _REPEAT.match(self.pattern, self.at)):
            raise PatternError("one repetition after another; put the first in (…)", self.at)
        low, high = bounds
        if _times(part) * max(low, high or 1) > REPEAT_MAX:
            raise PatternError(f"repetition over {REPEAT_MAX:,} (nested ones multiply); repeat less", start)
        return Repeat(part, low, high)

    def bounds(self) -> tuple[int, int | None] | None:
        """The repetition that stands here, if one does."""
        simple: dict[str, tuple[int, int | None]] = {"*": (0, None), "+": (1, None), "?": (0, 1)}
        if (char := self.peek()) in simple:
            self.at += 1
            return simple[char]
        if char != "{":
            return None
        found = _REPEAT.match(self.pattern, self.at)
        if found is None:
            raise PatternError("`{` starts no repetition such as {2} or {2,5}; write \\{ for the character", self.at)
        low = int(found[1])
        high = low if not found[2] else int(found[3]) if found[3] else None
        if low > REPEAT_MAX or (high is not None and not low <= high <= REPEAT_MAX):
            raise PatternError(f"repetition {found[0]} is not in order or over {REPEAT_MAX:,}", self.at)
        self.at = found.end()
        return low, high

    def one(self) -> Part:
        char = self.peek()
        if char in ("*", "+", "?"):
            raise PatternError(f"`{char}` has nothing to repeat; write \\{char} for the character", self.at)
        if char == "{":
            raise PatternError("`{` has nothing to repeat; write \\{ for the character", self.at)
        if char == "(":
            return self.group()
        if char == "[":
            return Chars(self.char_class())
        if char == "\\":
            return self.escaped()
        self.at += 1
        if char in ("^", "$"):
            return Assert("^" if char == "^" else "$")
        return Chars(_ANY if char == "." else ((ord(char), ord(char)),))

    def group(self) -> Part:
        start = self.at
        self.at += 1
        if self.peek() == "?":
            if self.pattern[self.at : self.at + 2] != "?:":
                raise _no_group(self.pattern[self.at :], start)
            self.at += 2
        self.depth += 1
        if self.depth > GROUP_DEPTH_MAX:
            raise PatternError(f"groups nested over {GROUP_DEPTH_MAX} deep", start)
        tree = self.choice()
        if self.peek() != ")":
            raise PatternError("`(` is not closed", start)
        self.at += 1
        self.depth -= 1
        return Row((tree,))  # a row, so that a repetition of an assertion in a group stays one

    def escaped(self) -> Part:
        char = self.pattern[self.at + 1 : self.at + 2]
        if char == "b":
            self.at += 2
            return Assert("b")
        return Chars(self.escaped_chars())

    def escaped_chars(self) -> Ranges:
        char = self.pattern[self.at + 1 : self.at + 2]
        if char in _PUNCTUATION or char in _CONTROLS:
            code = ord(_CONTROLS.get(char, char))
            ranges: Ranges = ((code, code),)
        elif char.lower() in _PERL and char.isascii():
            ranges = _PERL[char.lower()] if char.islower() else _inverted(_PERL[char.lower()])
        else:
            raise PatternError(_escape_hint(char), self.at)
        self.at += 2
        return ranges

    def char_class(self) -> Ranges:
        start = self.at
        self.at += 1
        negated = self.peek() == "^"
        self.at += negated
        found: list[tuple[int, int]] = []
        first = self.at
        while (char := self.peek()) != "]" or self.at == first:
            if not char:
                raise PatternError("`[` is not closed", start)
            if char in ("[", "]"):
                raise PatternError(f"write \\{char} for `{char}` inside […]", self.at)
            found.extend(self.class_item(first))
        self.at += 1
        ranges = _united(found)
        return _inverted(ranges) if negated else ranges

    def class_item(self, first: int) -> Ranges:
        """One character, one range or one escape of a class."""
        start = self.at
        low = self.class_char()
        if self.peek() != "-" or self.pattern[self.at + 1 : self.at + 2] in ("]", ""):
            if self.pattern[start] == "-" and start != first and self.peek() != "]":
                raise PatternError("write \\- for `-` inside […]", start)
            return low
        self.at += 1
        high = self.class_char()
        if len(low) != 1 or len(high) != 1 or low[0][0] != low[0][1] or high[0][0] != high[0][1]:
            raise PatternError(f"`{self.pattern[start : self.at]}` is no range of characters", start)
        if low[0][0] > high[0][0] or self.pattern[start] == "-":
            raise PatternError(f"range `{self.pattern[start : self.at]}` is not in order", start)
        return ((low[0][0], high[0][0]),)

    def class_char(self) -> Ranges:
        char = self.peek()
        if char == "\\":
            return self.escaped_chars()
        if char in ("[", "]"):
            raise PatternError(f"write \\{char} for `{char}` inside […]", self.at)
        self.at += 1
        return ((ord(char), ord(char)),)


def _no_group(rest: str, start: int) -> PatternError:
    if rest.startswith(("?=", "?!", "?<=", "?<!")):
        return PatternError("lookaround is not supported", start, "use `and` or `not` with two terms")
    if rest.startswith(("?P", "?<")):
        return PatternError("named groups are not supported; write (…)", start)
    return PatternError(
        "flags such as (?i) are not supported; write [Tt]imeout", start, "or a word, which ignores case"
    )


def _escape_hint(char: str) -> str:
    if not char:
        return "`\\` stands alone at the end; write \\\\ for the character"
    if char.isascii() and char.isdigit():
        return f"back-references such as \\{char} are not supported"
    if char in ("A", "z", "Z"):
        return f"\\{char} is not supported; write ^ or $"
    return f"\\{char} is not supported; known are \\d \\w \\s \\D \\W \\S \\b \\n \\r \\t, and \\ before punctuation"


def _united(ranges: list[tuple[int, int]]) -> Ranges:
    united: list[tuple[int, int]] = []
    for low, high in sorted(ranges):
        if united and low <= united[-1][1] + 1:
            united[-1] = (united[-1][0], max(high, united[-1][1]))
        else:
            united.append((low, high))
    return tuple(united)


def _inverted(ranges: Ranges) -> Ranges:
    found: list[tuple[int, int]] = []
    start = 0
    for low, high in ranges:
        if low > start:
            found.append((start, low - 1))
        start = high + 1
    if start <= _LAST:
        found.append((start, _LAST))
    return tuple(found)


def _times(part: Part) -> int:
    """The largest product of nested repetitions in `part`, as RE2 counts it."""
    match part:
        case Repeat(child, low, high):
            return _times(child) * max(low, high or 1, 1)
        case Row(parts) | Choice(parts):
            return max(map(_times, parts), default=1)
        case _:
            return 1


def _size(part: Part) -> int:
    """Instructions the automaton makes of `part`."""
    match part:
        case Chars() | Assert():
            return 1
        case Row(parts):
            return sum(map(_size, parts))
        case Choice(parts):
            return sum(map(_size, parts)) + 2 * (len(parts) - 1)
        case Repeat(child, low, None):
            return _size(child) * (low + 1) + 2
        case Repeat(child, low, high):
            assert high is not None
            return _size(child) * high + (high - low)
