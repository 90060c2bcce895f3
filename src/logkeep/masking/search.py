r"""What the rules search for, as expressions of RE2, and what of a match is hidden.

Names before the hidden value may be quoted, as in JSON, and the quotes escaped, as in JSON within JSON. Where it cannot
be told how far a value goes (a quote or bracket that never closes), the rest of its line is taken for it.
"""

import re
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import accumulate, count
from operator import add
from typing import Any

import re2

from logkeep.masking.fields import Fields
from logkeep.masking.reach import closes_quote, end_of_brackets, end_of_header, end_of_word, is_on_line_of, lines_below
from logkeep.masking.rules import MASK

_SCHEME = r"(?i:bearer|basic|digest|token|negotiate|ntlm|api-?key)"
_PARAMETER = r"[A-Za-z_-]+=(?:\\*\"[^\"\r\n]*\"|[^\s,\"']+)"
_BEARER = r"(?i:(?:\b|\x1b\[[0-9;]*m)bearer)[ \t]+(?P<bearer>[A-Za-z0-9._~+/=-]{12,})"
_OF_BEARER = (  # and of schemes that are words of a sentence too; of Digest there are parameters only
    r"(?i:\b(?:basic|token))[ \t]+(?P<word_or_credential>[A-Za-z0-9._~+/=-]{12,})|"
    rf"(?i:\bdigest)[ \t]+(?P<digest>[A-Za-z_-]+=\\*\"[^\"\r\n]*\"(?:,\s*{_PARAMETER})*)"
)
# RFC 3986, 3.2.1, of which a sign that should be escaped may still be: to the last @ before a / or blank.
_ADDRESS = r":\\*/\\*/[^\s/:@\"'<>]*:(?P<address>[^\s/\"'<>]+)@"
_EMAIL = r"(?P<email>[A-Za-z0-9._%+-]{1,64}@(?:[A-Za-z0-9-]{1,63}\.){1,8}[A-Za-z]{2,24})"
_BLANK = r"[ \x{a0}\x{2007}\x{2009}\x{202f}\x{2010}\x{2011}-]"
_DIGIT = r"[0-9\x{ff10}-\x{ff19}]"
_CARD = rf"(?P<card>{_DIGIT}(?:{_BLANK}?{_DIGIT}){{12,}})"

# NAME="VALUE", NAME: VALUE, "NAME" => VALUE, --NAME=VALUE, --NAME VALUE, user[NAME]=VALUE, NAME[]=VALUE
_COLOUR = r"\x1b\[[0-9;]*[A-Za-z]"  # of a terminal, ECMA-48
_SPACE = rf"(?:[ \t\r\n\x{{a0}}]|{_COLOUR})*"
# To the value: on the next line only where that is indented …
_WITHIN = rf"(?:{_COLOUR})*(?:{_SPACE}[ \t\x{{a0}}])?(?:{_COLOUR})*"
_BEFORE = rf"(?:^|[^A-Za-z0-9_.-]|{_COLOUR})-{{0,2}}[\"'`]?"
_BEHIND = rf"(?:^|[^A-Za-z0-9]|{_COLOUR})"
_IS = rf"(?:{_COLOUR})*\\*[\"'`]?\]?(?:\[\])?{_SPACE}[=:]{{1,3}}>?"
_IN_JSON = rf"(?:{_COLOUR})*\\*[\"']{_SPACE}:{_SPACE}"  # … or the name has quotes, as in JSON
_WORDS = r"(?:[A-Za-z0-9_.-]*[_.-])?"
_TEXT = r'"(?:[^"\\]|\\(?s:.))*"|' + r"'(?:[^'\\]|\\(?s:.))*'"
_ESCAPED = r'\\"(?:[^"\\]|\\\\(?:\\")?|\\[^"\\])*\\"'
_PEM = r"-----BEGIN [^\r\n-]{1,60}-----(?s:.*?)(?:-----END [^\r\n-]{1,60}-----|\z)"
_OPEN = r"[\"'][^\r\n]*"
_TRIPLE = r'"""(?s:.*?)(?:"""|\z)|' + r"'''(?s:.*?)(?:'''|\z)"
_TYPE = r"(?:[A-Za-z]+\([0-9]+\)|![A-Za-z]*|Just)[ \t]+"  # of PHP, string(5) "VALUE", YAML, !str "VALUE", and Haskell
# Of SQL, Rust and shells; one text goes on where another begins right behind it.
_PREFIX = r"(?:[bBeEfFLnNrRuU$@]{0,2}|_[a-z0-9]{2,10})"
_TEXTS = rf"(?:{_TEXT})(?:{_TEXT}|\\+')*"
_RAW = r"r#{1,3}\"(?s:.*?)\"#{1,3}|\$\$(?s:.*?)\$\$|`[^\s`'][^`'\r\n]*`"
_QUOTED = rf"(?:{_TYPE})?{_PREFIX}(?:{_TRIPLE}|{_TEXTS})|{_RAW}|{_ESCAPED}|{_OPEN}|{_PEM}|[{{\[]"
# Of a declaration, TYPE = "VALUE"; as the word may be the secret, it is hidden too.
_VALUE_TYPE = r"(?:&(?:'[a-z]+[ \t]+)?)?[A-Za-z_][A-Za-z0-9_.:<>?|\[\]]*(?:[ \t]+\|[ \t]+[a-z]+)?"
_DECLARED = rf"{_VALUE_TYPE}[ \t]+=[ \t]*(?:{_TRIPLE}|{_TEXT}|{_OPEN})"
# Of YAML, which goes on for lines: a text, a list, members of the name's own. Only how it begins.
_ANCHOR_OR_TAG = r"(?:[&!][^\s,;&\"'{}\[\]]*[ \t]*)"
_COMMENT = r"[ \t]*(?:#(?:[ \t][^\r\n]*)?)?\r?\n"
_BLOCK = r"[|>][0-9+-]{0,2}[ \t]*(?:#[^\r\n]*)?\r?\n"
_KEY = r"(?:\"[^\"\r\n]*\"|'[^'\r\n]*'|[A-Za-z0-9_.-]+(?: [A-Za-z0-9_.-]+){0,3}):"
_ITEMS = rf"{_COMMENT}(?:{_COMMENT})*(?:[ \t]*-(?:[ \t\r\n]|$)|[ \t]+(?:\?[ \t]|{_KEY}(?:[ \t\r\n]|$)))"
_LINES = rf"[ \t]*(?P<lines>{_ANCHOR_OR_TAG}{{0,2}}(?:{_BLOCK}|{_ITEMS}))"
_BARE_CHAR = rf"(?:{_COLOUR})*[^\s,;&\"'{{}}\[\]\x1b]|\x1b[^\s\[]"
_BARE = rf"(?:{_SCHEME}[ \t]+|new[ \t]+)?(?:{_BARE_CHAR})"  # only how it begins: to its end is quicker without RE2
_PAIRS = r"[^\s;,&=\"'\[{}]+=[^\s;,]*(?:;[ \t]*[^\s;,&=\"']+(?:=[^\s;,]*)?)+"  # of cookies in a variable
# RFC 9110, 11.4: a scheme, whatever it is, with its parameters or one credential.
_CREDENTIALS = rf"[A-Za-z][A-Za-z0-9._-]*[ \t]+(?:{_PARAMETER}(?:,\s*{_PARAMETER})*|[^\s,;&\"'{{}}\[\]]+)"
_BUILTIN = (("bearer", _BEARER), ("bearer", _OF_BEARER), ("bearer", _ADDRESS), ("email", _EMAIL), ("card", _CARD))

_DIGITS = re.compile(r"\d+")
_CARD_GROUPS = {(4, 6, 5), (4, 6, 4)}  # American Express, Diners Club; all others stand in fours
_CARD_DIGITS = range(13, 20)
_CARD_BEGINS = re.compile(r"4|5[0-8]|3[0-9]|6|2[2-7]")  # of the networks' numbers, ISO/IEC 7812; no time begins so
_CARD_RUN_GROUPS_MAX = 1_000  # of one run of digits; a longer one is hidden whole
# A run of digits within a hexadecimal number, a UUID or a fraction; of a card's stripe it is between B and D, and four
# digits beside it are its month and year or its code.
_OF_HEX_BEFORE = re.compile(
    rb"(?:[^A-Za-z]|^)(?!B$)[A-Fa-f]+$|[0-9]B$|"
    rb"(?:[^0-9A-Za-z]|^)0[xX][0-9A-Fa-f]*$|[0-9]\.$|(?=[0-9A-Fa-f]{4}-$)[0-9]*[A-Fa-f][0-9A-Fa-f]*-$"
)
_OF_HEX_AFTER = re.compile(rb"(?!D[0-9]{4,}(?![A-Za-z]))[A-Fa-f]+(?:[^A-Za-z]|$)|-(?=[0-9]*[A-Fa-f])[0-9A-Fa-f]{4}")
_FRACTION_AFTER = re.compile(rb"\.[0-9]")
_CARD_BEFORE = re.compile(rb"(?i:card|pan|cc)[\w .-]{0,20}[\"']?[=:][ \t\"']*$")
_OF_NAME_BEFORE = re.compile(rb"[A-Za-z]_-?$")  # blk_-5165786360127153975: numbers of 64 bits have as many digits
_CARD_DIGITS_BESIDE_A_NAME_MAX = 16
_QUOTE = re.compile(rb"[bBeEfFnNrRuU$@]{0,2}\\*[\"']")
_BEFORE_LINES = re.compile(rb"(?:[&!][^\s,;&\"'{}\[\]]+)?")  # a tag, or what only looks like one
_NAMES_MORE = re.compile(rb"[=:]|.[ \t\r\n]*[=:]", re.DOTALL)  # the value's last byte and what is behind it
_IS_WORD = re.compile(rb"[A-Za-z]?[a-z]+(?:-[a-z]+)*")  # of a sentence: a credential has digits or capitals
_PART = rb"(?:[A-Z]?[a-z]+|[A-Z]+|(?:[A-Z]{1,4}[a-z]{3,})+|[vV]?[0-9]{1,2})"
# Also of a program: names, paths, versions, times. Case and digits change within a credential as they come, and no
# word has 12 capitals.
_IS_NAME = re.compile(
    rb"(?![A-Z]{12,}\Z)/?%s(?:[._/+-]+%s)*[./]*|[0-9]{4}-[0-9]{2}-[0-9]{2}(?:T[0-9]{2})?" % (_PART, _PART)
)

# A run of escapes of one length, or a single one. All begin with one of two characters, which is what makes it quick.
_HEX = r"[2-7][0-9a-fA-F]"
_ONCE = rf"(?!25(?:25|{_HEX})){_HEX}"
_OF_ADDRESS = rf"(?<=%)(?:{_ONCE}(?:%{_ONCE})*|(?:25)*{_HEX})"
_OF_JSON = rf"(?<=\\)\\*(?:u[0-9a-fA-F]{{4}}|x{_HEX}|[nrt\"'/])?"
_ESCAPE = re.compile(rf"([%\\](?:{_OF_ADDRESS}|{_OF_JSON}))".encode())

JOINED_BYTES_MAX = 64 << 10  # searched at once: what one match may look at and nothing else

ESCAPE_BYTES_KEPT = 12  # in memory, with what it stands for; a longer one may be a whole text

NAME_BYTES_MAX = 130  # of a field in quotes and what may stand around it

STEPS_A_TEXT_MAX = 2_000  # matches looked at in one text, 25 µs of CPU each …
STEPS_A_BATCH = 8_000  # … in all texts of a batch …
STEPS_AN_EVENT = 10  # … and so many more for each of its events
BYTES_A_STEP = 100  # looked at with care cost as much as a match

Span = tuple[int, int, bytes]  # where the hidden begins and ends in a text's bytes, and what takes its place


class Steps:
    """How many matches, and bytes for their ends, may still be looked at: in all texts of a batch, and in the one that
    is looked at now."""

    def __init__(self, in_all: int) -> None:
        self._in_all, self._here = in_all, 0

    def begin_text(self) -> None:
        self._here = min(self._in_all, STEPS_A_TEXT_MAX)

    def take(self, many: int = 1) -> bool:
        """False: there are not so many, and from now on there are none in this text."""
        if many > self._here:
            self._here = 0
            return False
        self._here -= many
        self._in_all -= many
        return True

    def look(self, many: int) -> bool:
        """As `take`, for so many bytes."""
        return self.take(many // BYTES_A_STEP)


def compiled(pattern: str) -> Any:
    options = re2.Options()
    options.log_errors = False
    return re2.compile(pattern, options)


def value_of(name: str) -> Any:
    """Finds what stands behind one name."""
    return compiled(_field(Fields((name,))))


def _name(fields: Fields) -> str:
    return fields.pattern(before=_BEFORE, behind=_BEHIND)


def _field(fields: Fields) -> str:
    quoted = f"(?:{_IN_JSON}|{_IS}{_WITHIN})(?P<field>{_QUOTED})"
    unquoted = f"{_SPACE}(?P<key>{_PEM})|{_WITHIN}(?:(?P<declared>{_DECLARED})|(?P<bare>{_BARE}))"
    return f"{_name(fields)}(?:{_IS}{_LINES}|{quoted}|{_IS}(?:{unquoted}))"


def alternatives(fields: Fields, builtin: Sequence[str]) -> list[str]:
    """What the rules find in a text; the named group of a match is what is hidden."""
    parts = []
    if (headers := fields.ending(("cookie", "authorization"))).names:
        quoted = headers.pattern(before="", behind=_WORDS, word="[A-Za-z0-9_.-]*") + r"[ \t]*:[ \t]*"
        parts.append(rf"[^A-Za-z0-9_.-]?'{quoted}(?P<header_in_single>[^'\r\n]+)")
        parts.append(rf"[^A-Za-z0-9_.-]?\"{quoted}(?P<header_in_double>(?:[^\"\\\r\n]|\\.)+)")
        # All of a line, of the quoted text in it, and of the lines that go on with it (reach.py).
        bare = headers.pattern(
            before=rf"(?:^|[^A-Za-z0-9_.\"'-]|{_COLOUR})", behind=rf"(?:^|[^A-Za-z0-9\"']|{_COLOUR})"
        )
        header = r"(?P<header>(?:\"[^\"\r\n]*\";|[^\s\"'\[{])[^\r\n]*)"
        parts.append(rf"{bare}(?:[ \t]|{_COLOUR})*:(?:[ \t]|{_COLOUR})*{header}")
    if (cookies := fields.ending(("cookie",))).names:
        parts.append(f"{_name(cookies)}{_IS}{_WITHIN}(?P<cookie_pairs>{_PAIRS})")
    if (own := fields.ending(("authorization",))).names:
        parts.append(f"{_name(own)}{_IS}{_WITHIN}(?P<authorization>{_CREDENTIALS})")
    if fields.names:
        option = fields.pattern(before="", behind=_WORDS, word="[A-Za-z0-9_.-]*")
        parts.append(rf"--{option}[ \t]+(?P<argument>{_TEXT}|[^\s\"'=:-][^\s\"']*)")
        parts.append(_field(fields))
    return parts + [part for name, part in _BUILTIN if name in builtin]


# ── where it stands ───────────────────────────────────────────────────────────────────────────────────────────────────


def touched(search: Any, pieces: Sequence[bytes], goes_on: Callable[[], None] = lambda: None) -> set[int]:
    """Indexes of the `pieces` that a match touches when they are joined by line breaks, JOINED_BYTES_MAX at once.

    More than those in which something is found: a match may reach over a piece's end. goes_on: called before each
    search, raises what ends them.
    """
    ends = list(map(add, accumulate(map(len, pieces)), count(1)))  # where the piece behind each begins in all of them
    found: set[int] = set()
    start = begins = 0
    while start < len(pieces):
        end = max(start + 1, bisect_right(ends, begins + JOINED_BYTES_MAX, start))
        own = [at - begins for at in ends[start:end]]
        found.update(start + index for index in _touched(search, b"\n".join(pieces[start:end]), own, goes_on))
        start, begins = end, ends[end - 1]
    return found


def touched_between(search: Any, text: bytes, ends: Sequence[int]) -> set[int]:
    """Indexes of the stretches of `text` that a match touches. ends: where the one behind each begins, ascending."""
    return set(_touched(search, text, ends, lambda: None))


def _touched(search: Any, text: bytes, ends: Sequence[int], goes_on: Callable[[], None]) -> Iterator[int]:
    """One search for each stretch that is touched at most, however much is in it."""
    at = 0
    while True:
        goes_on()
        match = search.search(text, at)
        if match is None:
            return
        first, last = match.span()
        found = _between(ends, first, last, len(ends))
        yield from found
        if found.stop == len(ends):
            return
        at = max(last, ends[found.stop - 1] - 1)  # from the line break on, which a match may begin with


def _between(ends: Sequence[int], start: int, end: int, behind: int) -> range:
    """The stretches before the one at `behind` that reach into start…end."""
    first = bisect_right(ends, start)
    if end <= ends[first]:
        return range(first, first + 1)
    return range(first, min(bisect_right(ends, end - 1) + 1, behind))


def hidden(search: Any, groups: Mapping[str, int], text: bytes, steps: Steps) -> Iterator[Span]:
    """What the alternatives find. groups: the numbers of the named groups. Where `steps` are used up, all the rest."""
    names, at = {number: name for name, number in groups.items()}, 0  # match.lastgroup makes this anew for each match
    while match := search.search(text, at):
        start, end = match.span(number := match.lastindex)
        name = names[number]
        if not steps.take() or not steps.look(end - match.start()):
            yield at, len(text), MASK.encode()
            return
        at = match.end()
        if name == "card":
            yield from ((first, last, MASK.encode()) for first, last in _cards(text, start, end, steps))
        elif name == "bearer" or name == "word_or_credential":
            plain = _IS_WORD if name == "bearer" else _IS_NAME
            if not plain.fullmatch(text[start:end]):
                yield start, end, MASK.encode()
        else:
            if name == "lines":
                found = lines_below(text, match.start(), start)
                if found is None:  # what stands there is no value of its own, or all there is of one
                    found = (start, _BEFORE_LINES.match(text, start).end())  # type: ignore[union-attr]  # never None
                start, end = found
                at = max(start - 1, end)
            elif (name == "bare" and not is_on_line_of(text, match.start(), start)) or (
                name == "field" and closes_quote(text, match.start(), start)
            ):
                end, at = start, start - 1
            elif name == "bare" or (name == "field" and text[start:end] in (b"[", b"{")):
                first = end_of_word(text, end) if name == "bare" else end
                at = end = end_of_brackets(text, start, first, steps.look)
                if name == "bare" and end == first and _NAMES_MORE.match(text, end - 1):
                    at = max(start - 1, end - NAME_BYTES_MAX)  # it may be the name of what stands behind it
            elif name == "header":
                at = end = end_of_header(text, match.start(), start, end)
            elif name == "authorization" and _NAMES_MORE.match(text, end - 1):
                at = max(start - 1, end - NAME_BYTES_MAX)
            if start < end:
                yield start, end, mask_like(text[start:end])


def mask_like(value: bytes) -> bytes:
    """What takes its place: in the same quotes, so that JSON stays JSON.

    A bare number or word in JSON becomes text without them.
    """
    begins = _QUOTE.match(value)
    quote = begins.group() if begins else b""
    closed = len(value) >= 2 * len(quote) and value.endswith(quote)
    return quote + MASK.encode() + quote if closed else MASK.encode()


def _cards(text: bytes, begins: int, ends: int, steps: Steps) -> Iterator[tuple[int, int]]:
    """Of digits with single blanks or hyphens between: groups as cards have them, or one group, if Luhn's check says
    so, and it is no part of a hexadecimal number or fraction. Bytes."""
    run = text[begins:ends].decode()
    groups = [match.span() for match in _DIGITS.finditer(run)]
    if len(groups) > _CARD_RUN_GROUPS_MAX or not steps.take(len(groups)):
        yield begins, ends
        return
    index = 0
    while index < len(groups):
        many = _card_at(run, groups[index : index + 5])
        if many:
            first = begins + len(run[: groups[index][0]].encode())
            last = begins + len(run[: groups[index + many - 1][1]].encode())
            before = text[max(0, first - 40) : first]
            of_name = many == 1 and last - first > _CARD_DIGITS_BESIDE_A_NAME_MAX and _OF_NAME_BEFORE.search(before)
            of_fraction = _FRACTION_AFTER.match(text, last) and not _CARD_BEFORE.search(before)
            if not (of_name or of_fraction or _OF_HEX_BEFORE.search(before) or _OF_HEX_AFTER.match(text, last)):
                yield first, last
        index += many or 1


def _card_at(run: str, groups: Sequence[tuple[int, int]]) -> int:
    """Of how many of the next groups a card is made, the most first."""
    sizes = tuple(end - start for start, end in groups)
    for many in range(len(groups), 0, -1):
        fours = set(sizes[: many - 1]) == {4} and sizes[many - 1] <= 4
        if (many == 1 or fours or sizes[:many] in _CARD_GROUPS) and _is_card(
            "".join(run[start:end] for start, end in groups[:many])
        ):
            return many
    return 0


def _is_card(text: str) -> bool:
    """Luhn's check, ISO/IEC 7812-1, and a network's number."""
    if len(text) not in _CARD_DIGITS:
        return False
    digits = [int(digit) for digit in text]
    if not _CARD_BEGINS.match("".join(map(str, digits[:2]))) or (len(digits) == 13 and digits[0] != 4):
        return False
    doubled = [digit * 2 - 9 * (digit > 4) for digit in digits[-2::-2]]
    return (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0 and len(set(digits)) > 1


def replaced(text: bytes, spans: Sequence[Span]) -> bytes:
    """`text` with each span's mask in its place. Those that overlap are one, with the mask of the first in the list."""
    parts: list[bytes] = []
    at = 0
    for start, end, mask in _apart(spans):
        parts += (text[at:start], mask)
        at = end
    return b"".join((*parts, text[at:]))


def _apart(spans: Sequence[Span]) -> list[Span]:
    """In the order of their places. Side by side with the same mask is one too."""
    apart: list[Span] = []
    ranks: list[int] = []
    for rank, (start, end, mask) in sorted(enumerate(spans), key=lambda ranked: (ranked[1][0], ranked[0])):
        if apart and (start < apart[-1][1] or (start == apart[-1][1] and mask == apart[-1][2])):
            before_start, before_end, before_mask = apart[-1]
            first = before_mask if ranks[-1] < rank else mask
            apart[-1] = (before_start, max(before_end, end), first)
            ranks[-1] = min(ranks[-1], rank)
        else:
            apart.append((start, end, mask))
            ranks.append(rank)
    return apart


# ── with escapes undone ───────────────────────────────────────────────────────────────────────────────────────────────


class Plain:
    """A text with its escapes undone, and where in it each of them stood. text: bytes."""

    def __init__(self, parts: Sequence[bytes], undone: Sequence[bytes]) -> None:
        """parts: what stands as it was and an escape by turns; undone: the same with escapes undone."""
        self.text = b"".join(undone)
        self._parts, self._undone = parts, undone
        self._was: list[int] = []
        self._at: list[int] = []

    def span(self, start: int, end: int) -> tuple[int, int]:
        """Of the text as it was."""
        if not self._at:  # most have nothing to hide
            self._was = list(accumulate(map(len, self._parts), initial=0))
            self._at = list(accumulate(map(len, self._undone), initial=0))
        return self._place(start), self._place(end)

    def _place(self, place: int) -> int:
        index = bisect_right(self._at, place) - 1
        within = place - self._at[index]
        if within and index % 2:
            within *= len(self._parts[index]) // len(self._undone[index])
        return self._was[index] + within


def plain_of(text: bytes) -> Plain | None:
    """None: there is no escape in it. Those of JSON, however many backslashes they have, and of addresses (%3D)."""
    if b"\\" not in text and b"%" not in text:
        return None
    parts = _ESCAPE.split(text)
    if len(parts) == 1:
        return None
    undone = parts.copy()
    undone[1::2] = [_short(one) if len(one) <= ESCAPE_BYTES_KEPT else _unescaped(one) for one in parts[1::2]]
    return Plain(parts, undone)


def _unescaped(escape: bytes) -> bytes:
    if escape[:1] == b"%":
        return bytes.fromhex((escape.replace(b"%", b"") if escape[3:4] == b"%" else escape[-2:]).decode())
    escaped = escape.lstrip(b"\\")
    if not escaped:  # backslashes and nothing that JSON knows
        return escape
    if escaped in b"nrt":
        return b"\n"
    if escaped[:1] == b"x":
        return bytes((int(escaped[1:], 16),))
    if escaped[:1] != b"u":
        return escaped
    return chr(int(escaped[1:], 16)).encode("utf-8", "replace")


_short = lru_cache(4096)(_unescaped)  # most texts have the same few
