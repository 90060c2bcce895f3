"""What one term means: a field, an operator and a piece of text → a leaf of the tree, or a refusal that helps."""

import math
import re
from typing import NoReturn

import msgspec

from logkeep.errors import QuerySyntaxError
from logkeep.event import LEVELS
from logkeep.query import ast, regex
from logkeep.query.fields import about_level, ignores_case, is_numeric, level_named
from logkeep.query.text import fold, tokens

SHOWN_CHARS_MAX = 40  # a message stays one line; the column says where the rest is

_NUMBER = r"[+-]?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?"
_is_number = re.compile(_NUMBER).fullmatch
_is_number_range = re.compile(f"({_NUMBER})\\.\\.({_NUMBER})").fullmatch
_is_open_range = re.compile(f"{_NUMBER}\\.\\.|\\.\\.{_NUMBER}").fullmatch
_is_level_range = re.compile(r"([A-Za-z]+)\.\.([A-Za-z]+)").fullmatch


class Piece(msgspec.Struct, frozen=True):
    """A piece of a query's text; start counts its characters from 0; prefix: a `*` stood after it."""

    text: str
    start: int
    quoted: bool
    prefix: bool


def refuse(message: str, at: int) -> NoReturn:
    """Raises QuerySyntaxError for the character at `at`, counted from 0."""
    raise QuerySyntaxError(message, column=at + 1)


def shown(text: str) -> str:
    """`text` as a message repeats it: cut after SHOWN_CHARS_MAX characters."""
    return text if len(text) <= SHOWN_CHARS_MAX else text[:SHOWN_CHARS_MAX] + "…"


def words(piece: Piece) -> ast.Word | ast.Phrase | ast.WordPrefix:
    """The leaf for text looked for in `value`."""
    found = tokens(piece.text)
    if not found:
        refuse(_about_no_token(piece), piece.start)
    if not piece.prefix:
        return ast.Word(found[0]) if len(found) == 1 else ast.Phrase(tuple(found))
    if len(found) > 1 or fold(piece.text) != found[0]:
        whole = f'"{shown(" ".join(found))}"' if len(found) > 1 else shown(found[0])
        refuse(
            f"`*` completes one word, and {shown(piece.text)} is not one; write {whole}, "
            f"or value:/{regex.escape(shown(piece.text))}/ for these characters",
            piece.start,
        )
    return ast.WordPrefix(found[0])


def _about_no_token(piece: Piece) -> str:
    if not piece.text:
        return "empty text is found nowhere; remove it, or write * for every event"
    return (
        f"{shown(piece.text)} has no letter or digit, and text is searched by words; "
        f"for these characters write value:/{regex.escape(shown(piece.text))}/"
    )


def match(field: str, piece: Piece) -> ast.Query:
    """The leaf for `field:piece`: words in value, ignoring case in names and attributes, exact in ids."""
    if not piece.quoted and (found := _range(field, piece)) is not None:
        return found
    if field == "value":
        return words(piece)
    return _whole_text(field, piece, ignore_case=ignores_case(field))


def exact(field: str, piece: Piece) -> ast.Equals | ast.Prefix:
    """The leaf for `field=piece`: the whole field, every character as it is."""
    return _whole_text(field, piece, ignore_case=False)


def _whole_text(field: str, piece: Piece, *, ignore_case: bool) -> ast.Equals | ast.Prefix:
    if field == "level":
        return _level(piece)
    text = fold(piece.text) if ignore_case else piece.text
    return (ast.Prefix if piece.prefix else ast.Equals)(field, text, ignore_case)


def _level(piece: Piece) -> ast.Equals | ast.Prefix:
    if piece.prefix:
        start = piece.text.lower()
        if not any(level.startswith(start) for level in LEVELS):
            refuse(about_level(shown(piece.text)), piece.start)
        return ast.Prefix("level", start)
    level = level_named(piece.text)
    if level is None:
        refuse(about_level(shown(piece.text)), piece.start)
    return ast.Equals("level", level)


def compare(field: str, op: ast.Comparison, piece: Piece) -> ast.Compare | ast.LevelCompare:
    """The leaf for `field op piece`, such as value>500 or level>=warn."""
    if piece.prefix:
        refuse(f"`{op}` compares, so `*` has no meaning after it", piece.start)
    if field == "level":
        return ast.LevelCompare(op, _known_level(piece.text, piece.start))
    if not is_numeric(field):
        refuse(f"{field} is text, and `{op}` compares numbers (value, attributes.NAME) or levels", piece.start)
    return ast.Compare(field, op, _number(piece.text, piece.start))


def _known_level(name: str, at: int) -> str:
    level = level_named(name)
    if not level:
        refuse(about_level(shown(name)), at)
    return level


def _number(text: str, at: int) -> float:
    if not _is_number(text):
        refuse(f"{shown(text) or 'empty text'} is not a number; write one such as 500, -1.5 or 2e3, without a unit", at)
    number = float(text)
    if not math.isfinite(number):
        refuse(f"{shown(text)} is beyond what a double holds (1.8e308)", at)
    return number


def _range(field: str, piece: Piece) -> ast.And | None:
    """`low..high`, both ends included, where the field has an order; else None."""
    if field == "level" and (found := _is_level_range(piece.text)):
        levels = _known_level(found[1], piece.start), _known_level(found[2], piece.start + found.start(2))
        if LEVELS.index(levels[0]) > LEVELS.index(levels[1]):
            refuse(f"range {shown(piece.text)} runs backwards; write the lower end first", piece.start)
        return ast.And((ast.LevelCompare(">=", levels[0]), ast.LevelCompare("<=", levels[1])))
    if not is_numeric(field):
        return None
    if _is_open_range(piece.text):
        refuse(f"range {shown(piece.text)} has one end; write `>=` or `<=` with it", piece.start)
    if not (found := _is_number_range(piece.text)):
        return None
    low, high = _number(found[1], piece.start), _number(found[2], piece.start + found.start(2))
    if low > high:
        refuse(f"range {shown(piece.text)} runs backwards; write the lower end first", piece.start)
    return ast.And((ast.Compare(field, ">=", low), ast.Compare(field, "<=", high)))
