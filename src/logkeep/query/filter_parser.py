"""The filter, text → tree of conditions, by recursive descent; every refusal names a column and what to write instead.

    filter  = [ any ]                    ends at the text's end, or at the `|` of the first stage
    any     = all { "or" all }
    all     = one { ["and"] one }        side by side is `and`
    one     = ("not" | "-" | "!") one | "(" any ")" | "*" | term
    term    = field ":" match | field ("=" | "!=") exact | field ("<" | "<=" | ">" | ">=") number-or-level | words
    match   = "*" | "(" any of matches ")" | "/" regex "/" | "<" "<=" ">" ">=" number | low ".." high | words
    words   = text | text "*" | quoted | quoted "*"

Parentheses stay as they were written: (a b) c is And(And(a, b), c). What one term means stands in leaves.py, what other
languages write in habits.py.
"""

import re
from collections.abc import Callable
from typing import Literal, cast

from logkeep.event import ATTRIBUTE_KEY_BYTES_MAX
from logkeep.query import ast, habits, leaves, regex
from logkeep.query.fields import about_unknown, known_field
from logkeep.query.leaves import Piece, refuse, shown
from logkeep.query.printer import field_text, quoted
from logkeep.query.scanner import BARE, Scanner

DEPTH_MAX = 32  # of parentheses and `not`; deeper is made by programs gone wrong, and engines recurse too
TERMS_MAX = 256  # words (those in a phrase too) and field terms: each is a condition the engine runs on every event
REGEXES_MAX = 16  # each may read every event in the range, and holds some MB of states at worst while a tail runs

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
ATTRIBUTE = re.compile(r'attributes\.(?:([0-9A-Za-z_\u0080-\U0010ffff][0-9A-Za-z_.\u0080-\U0010ffff-]*)|(?="))', re.I)
_DOTTED_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z0-9_]+)+(?=\s*(?:=|!=|<|>))")
_OPERATOR = re.compile(r"\s*(<=|>=|!=|[=<>])|:")
_COMPARISON = re.compile("<=|>=|<|>")
_REGEX = re.compile(r"/((?:[^/\\]|\\.)*)/", re.DOTALL)

Operator = Literal[":", "=", "!=", "<", "<=", ">", ">="]


class FilterParser:
    """Reads one filter. A `field` argument is the field whose parentheses we are in."""

    def __init__(self, scan: Scanner, *, pipes: bool) -> None:
        """pipes: whether a `|` may end the filter; else it is refused."""
        self.scan = scan
        self.pipes = pipes
        self.depth = 0
        self.terms = 0
        self.regexes = 0

    # --- the tree ---

    def whole(self) -> ast.Query:
        """The filter; the scanner stands at its end: of the text, or at a `|`."""
        self.scan.skip_space()
        if self.scan.is_at_end() or self.is_at_bar():
            return ast.All()
        habits.before_query(self.scan)
        query = self.any_of(None)
        if not self.scan.is_at_end() and self.scan.peek() != "|":
            refuse("`)` closes nothing; remove it, or quote the text it belongs to", self.scan.at)
        return query

    def any_of(self, field: str | None) -> ast.Query:
        parts = [self.all_of(field)]
        while self.scan.take_keyword("or"):
            parts.append(self.all_of(field))
        return parts[0] if len(parts) == 1 else ast.Or(tuple(parts))

    def all_of(self, field: str | None) -> ast.Query:
        parts = [self.one(field)]
        while not self.at_end_of_row():
            start = self.scan.at
            if not self.scan.take_keyword("and") and field not in (None, "value"):
                refuse(f"{field} has one value: write `or` between two of them, or quote them as one", start)
            parts.append(self.one(field))
        return parts[0] if len(parts) == 1 else ast.And(tuple(parts))

    def at_end_of_row(self) -> bool:
        self.scan.skip_space()
        return self.is_at_bar() or self.scan.is_at_end() or self.scan.peek() == ")" or self.scan.keyword() == "or"

    def one(self, field: str | None) -> ast.Query:
        self.scan.skip_space()
        self.refuse_nothing()
        start = self.scan.at
        if self.take_not():
            return self.nested(start, lambda: ast.Not(self.one(field)))
        if self.scan.peek() == "(":
            return self.group(field)
        return self.term() if field is None else self.match(field)

    def take_not(self) -> bool:
        """Steps over `not`, or over `-` or `!` right before a term."""
        if self.scan.take_keyword("not"):
            return True
        following = self.scan.text[self.scan.at + 1 : self.scan.at + 2].strip()
        if self.scan.peek() == "-" or (self.scan.peek() == "!" and following not in ("=", "~")):
            taken = following not in ("", ")", "|")
            self.scan.at += taken
            return taken
        return False

    def group(self, field: str | None) -> ast.Query:
        start = self.scan.at
        self.scan.at += 1
        self.scan.skip_space()
        if self.scan.peek() == ")":
            refuse("nothing stands between `(` and `)`; remove them, or quote the text they belong to", start)
        query = self.nested(start, lambda: self.any_of(field))
        if self.scan.peek() != ")":
            refuse("`(` is not closed; add `)`, or quote the text it belongs to", start)
        self.scan.at += 1
        return query

    def nested(self, start: int, read: Callable[[], ast.Query]) -> ast.Query:
        if self.depth == DEPTH_MAX:
            refuse(f"parentheses and `not` are over {DEPTH_MAX} deep; make the query flatter", start)
        self.depth += 1
        query = read()
        self.depth -= 1
        return query

    # --- terms ---

    def term(self) -> ast.Query:
        start = self.scan.at
        field = self.field()
        if field is None:
            return self.words()
        operator = self.operator()
        if operator is None:  # it was a plain word that is called like a field
            habits.after_field(self.scan, field)
            self.scan.at = start
            return self.words()
        self.refuse_no_text(f"{_named(field)}{operator}", field)
        if operator == ":":
            return self.group(field) if self.scan.peek() == "(" else self.match(field)
        return self.compared(field, operator, start)

    def compared(self, field: str, operator: Operator, start: int) -> ast.Query:
        if self.scan.peek() == "(":
            refuse(f"`{operator}` takes one text; write {_named(field)}:(one or other)", self.scan.at)
        if operator in ("=", "!="):
            piece = self.field_text(field)
            if piece.prefix and not piece.text and not piece.quoted:
                refuse(f"write {_named(field)}:* for `is set`", piece.start)
            self.count(1, piece.start)
            leaf = leaves.exact(field, piece)
            return leaf if operator == "=" else self.nested(start, lambda: ast.Not(leaf))
        piece = self.field_text(field)
        self.count(1, piece.start)
        return leaves.compare(field, cast(ast.Comparison, operator), piece)

    def match(self, field: str) -> ast.Query:
        """One text after `field:`, or in the parentheses after it."""
        start = self.scan.at
        if self.scan.peek() == "/":
            return self.regex(field)
        if self.scan.peek() == "=":
            refuse(f"write {_named(field)}= for exact text, or quote a text that begins with `=`", start)
        if found := _COMPARISON.match(self.scan.text, start):
            self.scan.at = found.end()
            self.refuse_no_text(f"{_named(field)}:{found[0]}", field)
            return self.compared(field, cast(Operator, found[0]), start)
        piece = self.field_text(field)
        if piece.prefix and not piece.text and not piece.quoted:
            self.count(1, start)
            return ast.Exists(field)
        if field == "value":
            habits.in_word(piece)
        leaf = leaves.match(field, piece)
        self.count_leaf(leaf, start)
        return self.nested(start, lambda: leaf) if isinstance(leaf, ast.And) else leaf

    def words(self) -> ast.Query:
        start = self.scan.at
        habits.before_term(self.scan)
        piece = self.scan.piece()
        if piece.prefix and not piece.text and not piece.quoted:
            self.count(1, start)
            return ast.All()
        habits.in_word(piece)
        leaf = leaves.words(piece)
        self.count_leaf(leaf, start)
        return leaf

    def regex(self, field: str) -> ast.Query:
        start = self.scan.at
        whole = BARE.match(self.scan.text, start)
        found = _REGEX.match(self.scan.text, start)
        hint = (
            f"to search for a text with slashes, quote it: {_named(field)}:{quoted(shown(whole[0]) if whole else '/')}"
        )
        if found is None:
            refuse(f"the regex has no `/` at its end; add one, or {hint}", start)
        self.scan.at = found.end()
        if self.scan.peek() not in ("", ")", "|") and not self.scan.peek().isspace():
            refuse(f"a regex ends at `/` (write \\/ for a slash in it); {hint}", self.scan.at)
        self.count(1, start)
        self.regexes += 1
        if self.regexes > REGEXES_MAX:
            refuse(f"more than {REGEXES_MAX} regexes; join them with | in one", start)
        pattern = re.sub(r"\\.", lambda pair: "/" if pair[0] == "\\/" else pair[0], found[1], flags=re.DOTALL)
        try:
            regex.read_pattern(pattern)
        except regex.PatternError as error:
            message = f"{error.message}; {error.in_query}" if error.in_query else error.message
            refuse(message, start + 1 + _written_offset(found[1], error.offset))
        return ast.Regex(field, pattern)

    # --- fields and operators ---

    def field(self) -> str | None:
        """The field named here, stepping over it; None, and no step, where plain text stands."""
        if attribute := self.scan.match(ATTRIBUTE):
            return self.attribute(attribute)
        name = self.scan.match(_DOTTED_NAME) or self.scan.match(NAME)
        if name is None:
            return None
        field = known_field(name[0])
        operator = _OPERATOR.match(self.scan.text, name.end())
        if field is None and operator is not None:
            whole = self.scan.match(BARE)
            refuse(about_unknown(shown(name[0]), shown(whole[0] if whole else name[0])), self.scan.at)
        if field is not None:
            self.scan.at = name.end()
        return field

    def attribute(self, found: re.Match[str]) -> str | None:
        start = self.scan.at
        key = found[1]
        end = found.end()
        if key is None:
            self.scan.at = end
            key = self.scan.quoted().text
            end = self.scan.at
        operator = _OPERATOR.match(self.scan.text, end)
        if found[1] is None or operator:
            check_attribute(key, start)
        self.scan.at = end if operator else start
        if operator is None and found[1] is None:
            refuse("an attribute's name is followed by `:` or a comparison; write `:*` after it for `is set`", end)
        return ast.ATTRIBUTE_PREFIX + key if operator else None

    def operator(self) -> Operator | None:
        found = self.scan.match(_OPERATOR)
        if found is None:
            return None
        self.scan.at = found.end()
        following = self.scan.peek()
        if following == "~":
            refuse("a regex is written field:/regex/", found.start(1) if found[1] else found.start())
        if following == "=" and found[1]:
            refuse("write `=` for equal", found.start(1))
        if following == ">" and found[1] in ("<", "="):
            refuse(f"write `{'!=' if found[1] == '<' else '>='}`", found.start(1))
        return cast(Operator, found[1] or ":")

    # --- pieces of text ---

    def field_text(self, field: str) -> Piece:
        """The text after an operator."""
        start = self.scan.at
        habits.at_range(self.scan, field)
        piece = self.scan.piece()
        if not piece.quoted and piece.text.endswith(","):
            refuse("alternatives are written (one or other); else quote the text with its comma", self.scan.at - 1)
        name = NAME.match(piece.text)
        if not piece.quoted and name and piece.text[name.end() : name.end() + 1] == ":" and known_field(name[0]):
            refuse(f"{name[0]}: stands inside {field}:…; close that first, or quote the text", start)
        return piece

    def count_leaf(self, leaf: ast.Query, start: int) -> None:
        match leaf:
            case ast.Phrase(found):
                self.count(len(found), start)
            case ast.And(children):
                self.count(len(children), start)
            case _:
                self.count(1, start)

    def count(self, terms: int, start: int) -> None:
        self.terms += terms
        if self.terms > TERMS_MAX:
            refuse(f"query has more than {TERMS_MAX} terms; split it", start)

    # --- refusals ---

    def refuse_nothing(self) -> None:
        """Refuses where a term must stand and none does."""
        ends = self.is_at_bar() or self.scan.is_at_end() or self.scan.peek() == ")"
        if not ends and self.scan.keyword() not in ("and", "or"):
            return
        after = self.scan.before()
        keyword = self.scan.keyword()
        if keyword:
            refuse(f'a term is missing{after}; to search for the word {keyword}, write "{keyword}"', self.scan.at)
        refuse(f"a term is missing{after}", self.scan.at)

    def refuse_no_text(self, before: str, field: str) -> None:
        """Refuses where a text must follow an operator and none does."""
        self.scan.skip_space()
        if self.is_at_bar() or self.scan.is_at_end() or self.scan.peek() == ")":
            refuse(f"{before} is followed by nothing; write a text, or {_named(field)}:* for `is set`", self.scan.at)

    def is_at_bar(self) -> bool:
        """Whether the filter ends here, at the `|` of a stage. Refuses a `|` that is none."""
        if self.scan.peek() != "|":
            return False
        habits.at_bar(self.scan)
        if not self.pipes:
            refuse("pipes are not available here; quote the text when `|` is part of it", self.scan.at)
        return True


def _named(field: str) -> str:
    """A field as a message repeats it."""
    return shown(field_text(field))


def _written_offset(written: str, offset: int) -> int:
    """Where the character at `offset` of a pattern stands in the regex as written, in which \\/ is one slash."""
    for pair in re.finditer(r"\\/", written):
        if pair.start() >= offset:
            break
        offset += 1
    return offset


def check_attribute(name: str, at: int) -> None:
    """Refuses a name that no event's attribute has, at offset `at` of the query."""
    size = len(name.encode("utf-8", "surrogatepass"))
    if not size:
        refuse("an attribute's name is not empty", at)
    if size > ATTRIBUTE_KEY_BYTES_MAX:
        refuse(f"an attribute's name has at most {ATTRIBUTE_KEY_BYTES_MAX} bytes, not {size:,}", at)
