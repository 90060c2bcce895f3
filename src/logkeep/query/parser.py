"""Text → Query, by recursive descent; every refusal names a column and says what to write instead.

    query   = any                        then nothing more; pipes are refused here
    any     = all { "or" all }
    all     = one { ["and"] one }        side by side is `and`
    one     = ("not" | "-" | "!") one | "(" any ")" | "*" | term
    term    = field ":" match | field ("=" | "!=") exact | field ("<" | "<=" | ">" | ">=") number-or-level | words
    match   = "*" | "(" any of matches ")" | "/" regex "/" | "<" "<=" ">" ">=" number | low ".." high | words
    words   = text | text "*" | quoted | quoted "*"

Parentheses stay as they were written: (a b) c is And(And(a, b), c). docs/reference/query-language.md is for readers.
"""

import re
from collections.abc import Callable
from typing import Literal, NoReturn, cast

from logkeep.query import ast, leaves, regex
from logkeep.query.fields import about_unknown, known_field
from logkeep.query.leaves import Piece, refuse, shown
from logkeep.query.printer import field_text, quoted

QUERY_CHARS_MAX = 4096  # fits a URL with room; longer lists belong in a file
DEPTH_MAX = 32  # of parentheses and `not`; deeper is made by programs gone wrong, and engines recurse too
TERMS_MAX = 256  # words (those in a phrase too) and field terms: each is a condition the engine runs on every event
REGEXES_MAX = 16  # each reads every event in the range, and holds some MB of states at worst while a tail runs

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_ATTRIBUTE = re.compile(r'attributes\.(?:([0-9A-Za-z_\u0080-\U0010ffff][0-9A-Za-z_.\u0080-\U0010ffff-]*)|(?="))', re.I)
_DOTTED_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z0-9_]+)+(?=\s*(?:=|!=|<|>))")
_OPERATOR = re.compile(r"\s*(<=|>=|!=|[=<>])|:")
_COMPARISON = re.compile("<=|>=|<|>")
_BARE = re.compile(r'[^\s()"|]+')
_QUOTED = re.compile(r'"((?:[^"\\]|\\["\\])*)"')
_REGEX = re.compile(r"/((?:[^/\\]|\\.)*)/", re.DOTALL)
_SPACE = re.compile(r"\s*")
_KEYWORD = re.compile(r'(and|or|not)(?=[\s()"|]|$)', re.I)
_LOGQL_SELECTOR = re.compile(r"\{\s*\w+\s*(=|!)")
_SQL_OPERATOR = re.compile(r"""\s+(i?like(?=\s*['"])|between(?=\s*['"0-9])|in(?=\s*\())""", re.I)
_CURLY_QUOTES = "“”„‟«»"

Operator = Literal[":", "=", "!=", "<", "<=", ">", ">="]


def parse(text: str, *, chars_max: int = QUERY_CHARS_MAX) -> ast.Query:
    """The tree of `text`; All() when it is blank.

    Any text at all gives a tree or raises QuerySyntaxError, whose column counts characters from 1.
    """
    if len(text) > chars_max:
        refuse(f"query of {len(text):,} characters exceeds {chars_max:,}; shorten it", chars_max)
    if surrogate := re.search("[\ud800-\udfff]", text):
        refuse("query is not valid Unicode text", surrogate.start())
    return _Parser(text).whole()


class _Parser:
    """Reads one query. at: the next character, from 0. A `field` argument is the field whose parentheses we are in."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.depth = 0
        self.terms = 0
        self.regexes = 0

    # --- the tree ---

    def whole(self) -> ast.Query:
        self.skip_space()
        if self.at == len(self.text):
            return ast.All()
        query = self.any_of(None)
        if self.at < len(self.text):
            refuse("`)` closes nothing; remove it, or quote the text it belongs to", self.at)
        return query

    def any_of(self, field: str | None) -> ast.Query:
        parts = [self.all_of(field)]
        while self.take_keyword("or"):
            parts.append(self.all_of(field))
        return parts[0] if len(parts) == 1 else ast.Or(tuple(parts))

    def all_of(self, field: str | None) -> ast.Query:
        parts = [self.one(field)]
        while not self.at_end_of_row():
            start = self.at
            if not self.take_keyword("and") and field not in (None, "value"):
                refuse(f"{field} has one value: write `or` between two of them, or quote them as one", start)
            parts.append(self.one(field))
        return parts[0] if len(parts) == 1 else ast.And(tuple(parts))

    def at_end_of_row(self) -> bool:
        self.skip_space()
        self.refuse_bar()
        return self.at == len(self.text) or self.peek() == ")" or self.keyword() == "or"

    def one(self, field: str | None) -> ast.Query:
        self.skip_space()
        self.refuse_bar()
        self.refuse_nothing()
        start = self.at
        if self.take_not():
            return self.nested(start, lambda: ast.Not(self.one(field)))
        if self.peek() == "(":
            return self.group(field)
        return self.term() if field is None else self.match(field)

    def take_not(self) -> bool:
        """Steps over `not`, or over `-` or `!` right before a term."""
        if self.take_keyword("not"):
            return True
        following = self.text[self.at + 1 : self.at + 2].strip()
        if self.peek() == "-" or (self.peek() == "!" and following not in ("=", "~")):
            taken = following not in ("", ")", "|")
            self.at += taken
            return taken
        return False

    def group(self, field: str | None) -> ast.Query:
        start = self.at
        self.at += 1
        self.skip_space()
        if self.peek() == ")":
            refuse("nothing stands between `(` and `)`; remove them, or quote the text they belong to", start)
        query = self.nested(start, lambda: self.any_of(field))
        if self.peek() != ")":
            refuse("`(` is not closed; add `)`, or quote the text it belongs to", start)
        self.at += 1
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
        start = self.at
        field = self.field()
        if field is None:
            return self.words()
        operator = self.operator()
        if operator is None:  # it was a plain word that is called like a field
            self.refuse_sql(field)
            self.at = start
            return self.words()
        self.refuse_no_text(f"{_named(field)}{operator}", field)
        if operator == ":":
            return self.group(field) if self.peek() == "(" else self.match(field)
        return self.compared(field, operator, start)

    def compared(self, field: str, operator: Operator, start: int) -> ast.Query:
        if self.peek() == "(":
            refuse(f"`{operator}` takes one text; write {_named(field)}:(one or other)", self.at)
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
        start = self.at
        if self.peek() == "/":
            return self.regex(field)
        if self.peek() == "=":
            refuse(f"write {_named(field)}= for exact text, or quote a text that begins with `=`", start)
        if found := _COMPARISON.match(self.text, start):
            self.at = found.end()
            self.refuse_no_text(f"{_named(field)}:{found[0]}", field)
            return self.compared(field, cast(Operator, found[0]), start)
        piece = self.field_text(field)
        if piece.prefix and not piece.text and not piece.quoted:
            self.count(1, start)
            return ast.Exists(field)
        leaf = leaves.match(field, piece)
        self.count_leaf(leaf, start)
        return self.nested(start, lambda: leaf) if isinstance(leaf, ast.And) else leaf

    def words(self) -> ast.Query:
        start = self.at
        self.refuse_foreign()
        piece = self.piece()
        if piece.prefix and not piece.text and not piece.quoted:
            self.count(1, start)
            return ast.All()
        leaf = leaves.words(piece)
        self.count_leaf(leaf, start)
        return leaf

    def regex(self, field: str) -> ast.Query:
        start = self.at
        whole = _BARE.match(self.text, start)
        found = _REGEX.match(self.text, start)
        hint = (
            f"to search for a text with slashes, quote it: {_named(field)}:{quoted(shown(whole[0]) if whole else '/')}"
        )
        if found is None:
            refuse(f"the regex has no `/` at its end; add one, or {hint}", start)
        self.at = found.end()
        if self.peek() not in ("", ")", "|") and not self.peek().isspace():
            refuse(f"a regex ends at `/` (write \\/ for a slash in it); {hint}", self.at)
        self.count(1, start)
        self.regexes += 1
        if self.regexes > REGEXES_MAX:
            refuse(f"more than {REGEXES_MAX} regexes; join them with | in one", start)
        pattern = re.sub(r"\\.", lambda pair: "/" if pair[0] == "\\/" else pair[0], found[1], flags=re.DOTALL)
        try:
            regex.read_pattern(pattern)
        except regex.PatternError as error:
            refuse(error.message, start + 1 + _written_offset(found[1], error.offset))
        return ast.Regex(field, pattern)

    # --- fields and operators ---

    def field(self) -> str | None:
        """The field named here, stepping over it; None, and no step, where plain text stands."""
        if attribute := _ATTRIBUTE.match(self.text, self.at):
            return self.attribute(attribute)
        name = _DOTTED_NAME.match(self.text, self.at) or _NAME.match(self.text, self.at)
        if name is None:
            return None
        field = known_field(name[0])
        operator = _OPERATOR.match(self.text, name.end())
        if field is None and operator is not None:
            whole = _BARE.match(self.text, self.at)
            refuse(about_unknown(shown(name[0]), shown(whole[0] if whole else name[0])), self.at)
        if field is not None:
            self.at = name.end()
        return field

    def attribute(self, found: re.Match[str]) -> str | None:
        start = self.at
        key = found[1]
        end = found.end()
        if key is None:
            self.at = end
            key = self.quoted().text
            end = self.at
            if not key:
                refuse("an attribute's name is not empty", start)
        operator = _OPERATOR.match(self.text, end)
        self.at = end if operator else start
        if operator is None and found[1] is None:
            refuse("an attribute's name is followed by `:` or a comparison; write `:*` after it for `is set`", end)
        return ast.ATTRIBUTE_PREFIX + key if operator else None

    def operator(self) -> Operator | None:
        found = _OPERATOR.match(self.text, self.at)
        if found is None:
            return None
        self.at = found.end()
        following = self.peek()
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
        start = self.at
        if self.peek() in ("[", "{"):
            written = f"{_named(field)}:1..5"
            refuse(f"a range is {written} (both ends included), or use `>` and `<`; else quote the text", start)
        piece = self.piece()
        if not piece.quoted and piece.text.endswith(","):
            refuse("alternatives are written (one or other); else quote the text with its comma", self.at - 1)
        name = _NAME.match(piece.text)
        if not piece.quoted and name and piece.text[name.end() : name.end() + 1] == ":" and known_field(name[0]):
            refuse(f"{name[0]}: stands inside {field}:…; close that first, or quote the text", start)
        return piece

    def piece(self) -> Piece:
        """A quoted or bare text, with the `*` after it."""
        piece = self.quoted() if self.peek() == '"' else self.bare()
        if self.at < len(self.text) and self.peek() not in ")|" and not self.peek().isspace():
            refuse("a space is missing here; or quote the whole text", self.at)
        return piece

    def quoted(self) -> Piece:
        start = self.at
        found = _QUOTED.match(self.text, start)
        if found is None:
            self.refuse_quote(start)
        self.at = found.end()
        prefix = self.peek() == "*"
        self.at += prefix
        return Piece(re.sub(r"\\(.)", r"\1", found[1]), start, True, prefix)

    def bare(self) -> Piece:
        start = self.at
        found = _BARE.match(self.text, start)
        assert found is not None, self.text
        text = found[0]
        if text[0] in "'`" or text[0] in _CURLY_QUOTES:
            refuse('text is quoted with plain double quotes, such as "timed out"', start)
        star = text.find("*")
        if 0 <= star < len(text) - 1:
            refuse("`*` stands only at the end of a text; use field:/regex/ for more, or quote the text", start + star)
        self.at = found.end()
        return Piece(text.removesuffix("*"), start, False, star >= 0)

    # --- reading on ---

    def peek(self) -> str:
        return self.text[self.at : self.at + 1]

    def skip_space(self) -> None:
        found = _SPACE.match(self.text, self.at)
        assert found is not None
        self.at = found.end()

    def keyword(self) -> str | None:
        """`and`, `or` or `not`, in any case, where one stands."""
        found = _KEYWORD.match(self.text, self.at)
        return found[0].lower() if found else None

    def take_keyword(self, keyword: str) -> bool:
        taken = self.keyword() == keyword
        self.at += len(keyword) if taken else 0
        return taken

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
        if self.at < len(self.text) and self.peek() != ")" and self.keyword() not in ("and", "or"):
            return
        before = self.text[: self.at].split()
        after = f" after `{shown(before[-1])}`" if before else ""
        keyword = self.keyword()
        if keyword:
            refuse(f'a term is missing{after}; to search for the word {keyword}, write "{keyword}"', self.at)
        refuse(f"a term is missing{after}", self.at)

    def refuse_no_text(self, before: str, field: str) -> None:
        """Refuses where a text must follow an operator and none does."""
        self.skip_space()
        self.refuse_bar()
        if self.at == len(self.text) or self.peek() == ")":
            refuse(f"{before} is followed by nothing; write a text, or {_named(field)}:* for `is set`", self.at)

    def refuse_bar(self) -> None:
        if self.peek() != "|":
            return
        following = self.text[self.at + 1 : self.at + 2]
        if following == "|":
            refuse("write `or` for `||`", self.at)
        if following in ("=", "~"):
            refuse(f'`|{following}` is not known; write the words themselves, "a phrase" or value:/regex/', self.at)
        refuse("pipes are not available here; quote the text when `|` is part of it", self.at)

    def refuse_sql(self, field: str) -> None:
        if found := _SQL_OPERATOR.match(self.text, self.at):
            hint = {"between": f"{_named(field)}:1..5", "in": f"{_named(field)}:(one or other)"}
            meant = hint.get(found[1].lower(), f"{_named(field)}:start* or {_named(field)}:/regex/")
            refuse(f"`{found[1]}` is not an operator; write {meant}, or quote the words", found.start(1))

    def refuse_foreign(self) -> None:
        """Refuses what other query languages begin a term with."""
        if _LOGQL_SELECTOR.match(self.text, self.at):
            refuse("fields are written without braces, such as component:checkout level:error", self.at)
        start = self.text[self.at : self.at + 2]
        if start == "&&":
            refuse("write `and` for `&&`", self.at)
        if start[:1] in ("=", "<", ">", ":", "~") or start in ("!=", "!~"):
            refuse(f"`{start.strip()}` has no field before it; fields are named as in level:error or value>5", self.at)

    def refuse_quote(self, start: int) -> NoReturn:
        position = start + 1
        while position < len(self.text):
            if self.text[position] == "\\":
                if self.text[position + 1 : position + 2] not in ('"', "\\"):
                    refuse('inside quotes `\\` stands before " or \\ only; write \\\\ for the character', position)
                position += 1
            position += 1
        refuse("the quote is not closed", start)


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
