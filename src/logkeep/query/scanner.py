"""A query's text with a place in it: steps over words and pieces, and refuses a piece that is none."""

import re
from typing import NoReturn

from logkeep.query.leaves import Piece, refuse, shown

QUERY_CHARS_MAX = 4096  # fits a URL with room; longer lists belong in a file

BARE = re.compile(r'[^\s()"|]+')
_QUOTED = re.compile(r'"((?:[^"\\]|\\["\\])*)"')
_SPACE = re.compile(r"\s*")
_KEYWORD = re.compile(r'(and|or|not)(?=[\s()"|]|$)', re.I)
_CURLY_QUOTES = "“”„‟«»"


class Scanner:
    """at: the next character, from 0."""

    def __init__(self, text: str, chars_max: int = QUERY_CHARS_MAX) -> None:
        """Raises QuerySyntaxError for a text that is too long or not Unicode."""
        if len(text) > chars_max:
            refuse(f"query of {len(text):,} characters exceeds {chars_max:,}; shorten it", chars_max)
        if surrogate := re.search("[\ud800-\udfff]", text):
            refuse("query is not valid Unicode text", surrogate.start())
        self.text = text
        self.at = 0

    def peek(self) -> str:
        """The next character; "" at the end."""
        return self.text[self.at : self.at + 1]

    def is_at_end(self) -> bool:
        return self.at == len(self.text)

    def match(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        """What `pattern` finds right here; no step."""
        return pattern.match(self.text, self.at)

    def take(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        """What `pattern` finds right here, stepped over."""
        found = pattern.match(self.text, self.at)
        self.at = found.end() if found else self.at
        return found

    def skip_space(self) -> None:
        self.take(_SPACE)

    def keyword(self) -> str | None:
        """`and`, `or` or `not`, in any case, where one stands."""
        found = self.match(_KEYWORD)
        return found[0].lower() if found else None

    def take_keyword(self, keyword: str) -> bool:
        taken = self.keyword() == keyword
        self.at += len(keyword) if taken else 0
        return taken

    def before(self) -> str:
        """` after X` for a message, X being the last word before this place; "" at the beginning."""
        before = self.text[: self.at].split()
        return f" after `{shown(before[-1])}`" if before else ""

    # --- pieces of text ---

    def piece(self) -> Piece:
        """A quoted or bare text, with the `*` after it."""
        piece = self.quoted() if self.peek() == '"' else self.bare()
        if not self.is_at_end() and self.peek() not in ")|" and not self.peek().isspace():
            refuse("a space is missing here; or quote the whole text", self.at)
        return piece

    def quoted(self) -> Piece:
        start = self.at
        found = self.take(_QUOTED)
        if found is None:
            self._refuse_quote(start)
        prefix = self.peek() == "*"
        self.at += prefix
        return Piece(re.sub(r"\\(.)", r"\1", found[1]), start, True, prefix)

    def bare(self) -> Piece:
        start = self.at
        found = self.match(BARE)
        assert found is not None, self.text
        text = found[0]
        if text[0] in "'`" or text[0] in _CURLY_QUOTES:
            refuse('text is quoted with plain double quotes, such as "timed out"', start)
        star = text.find("*")
        if 0 <= star < len(text) - 1:
            refuse("`*` stands only at the end of a text; use field:/regex/ for more, or quote the text", start + star)
        self.at = found.end()
        return Piece(text.removesuffix("*"), start, False, star >= 0)

    def _refuse_quote(self, start: int) -> NoReturn:
        position = start + 1
        while position < len(self.text):
            if self.text[position] == "\\":
                if self.text[position + 1 : position + 2] not in ('"', "\\"):
                    refuse('inside quotes `\\` stands before " or \\ only; write \\\\ for the character', position)
                position += 1
            position += 1
        refuse("the quote is not closed", start)
