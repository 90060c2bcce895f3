"""What may stand at a place in a query that is being typed: for a search bar, on text that need not be a query yet.

The rules are loose where parser.py is strict: half a query is the normal case. Every text has an answer. It reads the
query up to the place once, by pieces: quoted texts, words, operators, brackets, bars, commas.
"""

import re
from collections.abc import Sequence

import msgspec

from logkeep.errors import QuerySyntaxError
from logkeep.event import LEVELS
from logkeep.query import ast
from logkeep.query.fields import known_field
from logkeep.query.parser import parse_statement
from logkeep.query.printer import column_name, quoted
from logkeep.query.stages import (
    EVENT_FIELDS,
    FUNCTION_NAMES,
    SHOWN_FIELDS,
    STAGES,
    TAKES,
    Aggregate,
    Context,
    Fields,
    Limit,
    Making,
    Patterns,
    Sort,
    Stage,
    Top,
    columns_of,
    may_follow,
)

TEXT_CHARS_MAX = 4096  # of a query that is completed; beyond, nothing is offered
_WIDTHS = ("bin(1m)", "bin(5m)", "bin(1h)", "bin(1d)")
_PIECE = re.compile(
    r"""(?P<space>\s+)|(?P<quoted>"(?:[^"\\]|\\.)*"?)|(?P<operator><=|>=|!=|[:=<>])|(?P<mark>[|(),])"""
    r"""|(?P<word>attributes\."(?:[^"\\]|\\.)*"?|[^\s"|(),:=<>!]+|!)""",
    re.S | re.I,
)
_REST_OF_WORD = re.compile(r'[^\s()"|,:=<>!]*')


class Completion(msgspec.Struct, frozen=True):
    """What may replace text[start:end]; characters count from 0, `written` is what of it stands before the place.

    keywords: words of the language that begin with `written`. fields: fields of every event that do, as they are
    written before an operator or after a stage. attributes: whether an attribute may stand here too. values_of: the
    field whose value stands here, None when none does; `prefix` is how that value begins, without quotes.
    """

    start: int
    end: int
    written: str = ""
    keywords: tuple[str, ...] = ()
    fields: tuple[str, ...] = ()
    attributes: bool = False
    values_of: str | None = None
    prefix: str = ""


class _Piece(msgspec.Struct, frozen=True):
    kind: str
    text: str
    start: int


def complete(text: str, position: int) -> Completion:
    """What may stand at `position` (characters from 0, cut to the text)."""
    position = min(max(position, 0), len(text))
    if position > TEXT_CHARS_MAX:
        return Completion(position, position)
    pieces = _pieces(text[:position])
    last = pieces[-1] if pieces and pieces[-1].kind in ("word", "quoted") else None
    last = last if last and last.start + len(last.text) == position else None
    before = pieces[:-1] if last else pieces
    start = last.start if last else position
    rest = _REST_OF_WORD.match(text, position)
    end = rest.end() if rest and last and last.kind == "word" and '"' not in last.text else position
    place = Completion(start, end, text[start:position])
    bars = [index for index, piece in enumerate(before) if piece.text == "|" and piece.kind == "mark"]
    if bars:
        return _in_stage(before[bars[-1] + 1 :], place, _earlier(text[: before[bars[-1]].start]))
    return _in_filter(before, place)


def value_text(value: str) -> str:
    """A field's value as it is written after the operator."""
    plain = re.fullmatch(r"[0-9A-Za-z_\u0080-\U0010ffff][0-9A-Za-z_.\u0080-\U0010ffff-]*", value)
    return value if plain and ".." not in value and value.lower() not in ("and", "or", "not") else quoted(value)


def _pieces(text: str) -> list[_Piece]:
    found = (_Piece(str(part.lastgroup), part[0], part.start()) for part in _PIECE.finditer(text))
    return [piece for piece in found if piece.kind != "space"]


# ── in the filter ─────────────────────────────────────────────────────────────────────────────────────────────────────


def _in_filter(before: Sequence[_Piece], place: Completion) -> Completion:
    field = _field_of(before)
    if field is not None:
        return _value(place, field, before[-1].text if before[-1].kind == "operator" else ":")
    written = place.written.lstrip("-!")
    start = place.start + len(place.written) - len(written)
    place = msgspec.structs.replace(place, start=start, written=written)
    if written.startswith('"'):
        return place
    after_term = bool(before) and before[-1].text not in ("(", "|") and before[-1].text.lower() not in _JOINING
    keywords = ("and", "or", "not", "|") if after_term else ("not",)
    return _named(place, keywords, ast.FIELDS)


_JOINING = ("and", "or", "not", "-", "!")


def _field_of(before: Sequence[_Piece]) -> str | None:
    """The field whose value stands after `before`: right after an operator, or in the parentheses after one."""
    depth = 0
    for index in range(len(before) - 1, 0, -1):
        piece = before[index]
        if piece.kind == "operator":
            if index == len(before) - 1 or depth < 0:
                return _field_named(before[index - 1])
            continue
        if piece.kind == "mark":
            depth += {"(": -1, ")": 1}.get(piece.text, 0)
            if depth < 0 and before[index - 1].kind != "operator":
                return None
    return None


def _field_named(piece: _Piece) -> str | None:
    name = piece.text.lstrip("-!")
    if name.lower().startswith(ast.ATTRIBUTE_PREFIX):
        key = name[len(ast.ATTRIBUTE_PREFIX) :]
        key = re.sub(r"\\(.)", r"\1", key[1:].removesuffix('"')) if key.startswith('"') else key
        return ast.ATTRIBUTE_PREFIX + key if key else None
    return known_field(name)


def _value(place: Completion, field: str, operator: str) -> Completion:
    if field == "level":
        written = place.written.strip('"').lower()
        return msgspec.structs.replace(place, keywords=tuple(level for level in LEVELS if level.startswith(written)))
    if operator in ("<", "<=", ">", ">=") or field == "value":
        return place  # a number, or words: nothing to offer
    if place.written.startswith("/"):
        return place  # a regex
    prefix = place.written
    if prefix.startswith('"'):
        prefix = re.sub(r"\\(.)", r"\1", prefix[1:].removesuffix('"'))
    return msgspec.structs.replace(place, values_of=field, prefix=prefix)


# ── in a stage ────────────────────────────────────────────────────────────────────────────────────────────────────────


_EXAMPLES: dict[str, Stage] = {
    "": Aggregate(()), "top": Top(1, "key"), "patterns": Patterns(), "sort": Sort(()), "limit": Limit(1),
    "context": Context(1), "fields": Fields(()),
}  # fmt: skip


def _in_stage(stage: Sequence[_Piece], place: Completion, earlier: Sequence[Stage]) -> Completion:
    """stage: the pieces after the last bar. earlier: the stages before it."""
    if not stage:
        functions = FUNCTION_NAMES if may_follow(Aggregate, earlier) else ()
        return _named(place, (*functions, *_following(earlier)), ())
    found = _inside_stage(stage, place, _columns(earlier))
    this = _EXAMPLES.get(stage[0].text.lower(), _EXAMPLES[""])
    if _following((*earlier, this)):
        return found
    return msgspec.structs.replace(found, keywords=tuple(word for word in found.keywords if word != "|"))


def _following(earlier: Sequence[Stage]) -> tuple[str, ...]:
    return tuple(row.name for row in STAGES if row.name and may_follow(type(_EXAMPLES[row.name]), earlier))


def _inside_stage(stage: Sequence[_Piece], place: Completion, made: Sequence[str]) -> Completion:
    """made: the columns of the table that a stage before makes."""
    name, last = stage[0].text.lower(), stage[-1]
    words = [piece.text.lower() for piece in stage]
    match name:
        case "patterns":
            return _ended(place)
        case "limit" | "context":
            return _named(place, ("|",) if len(stage) > 1 else (), ())
        case "top":
            return _named(place, (), ast.FIELDS if len(stage) == 2 else ()) if len(stage) < 3 else _ended(place)
        case "sort" | "fields":
            return _column(name, last, place, made)
    if last.text == "(" and len(stage) > 1:
        takes = TAKES.get(words[-2], "")  # type: ignore[call-overload]
        return _named(place, (), {"a field": ast.FIELDS, "numbers": ("value",)}.get(takes, ()))
    if "by" in words:
        groups = last.text.lower() == "by" or last.text == ","
        return _named(place, _WIDTHS, ast.FIELDS) if groups else _ended(place, ",")
    if last.text == ",":
        return _named(place, FUNCTION_NAMES, ())
    return _ended(place, "by", ",")


def _column(stage: str, last: _Piece, place: Completion, made: Sequence[str]) -> Completion:
    if last.text.lower() in (stage, ","):
        return _named(place, made, ()) if made else _named(place, (), EVENT_FIELDS if stage == "sort" else SHOWN_FIELDS)
    return _ended(place, *(("asc", "desc") if stage == "sort" else ()), ",")


def _ended(place: Completion, *more: str) -> Completion:
    return _named(place, (*more, "|"), ())


def _earlier(text: str) -> tuple[Stage, ...]:
    """The stages of `text`; none where they cannot be read yet."""
    try:
        return parse_statement(text).stages
    except QuerySyntaxError:
        return ()


def _columns(stages: Sequence[Stage]) -> tuple[str, ...]:
    """The columns of the table that the stages make; none where they make none."""
    making = next((stage for stage in stages if isinstance(stage, Making)), None)
    return tuple(map(column_name, columns_of(making))) if making else ()


def _named(place: Completion, keywords: Sequence[str], fields: Sequence[str]) -> Completion:
    """The words and fields that begin as `place` is written; attributes where fields may stand."""
    written = place.written.lower()
    return msgspec.structs.replace(
        place,
        keywords=tuple(word for word in keywords if word.startswith(written)),
        fields=tuple(field for field in fields if field.startswith(written)),
        attributes=bool(fields),
    )
