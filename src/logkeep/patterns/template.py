"""A template: the words that stay, and `<*>` for what changes. Its text is what people read; its form is kept."""

import hashlib
import re
from collections.abc import Sequence

import msgspec

from logkeep.patterns.shape import letters, pieces

VARIABLE = "<*>"  # as people read it
MARK = "\ue000"  # as it stands in a form: a character for private use, so that a message with `<*>` in it is no trouble
Word = bytes | None  # of a template, at one place of a shape; None: variable

_digit = re.compile(r"\d", re.ASCII).search
_number = re.compile(r"(?:(?<![^\W_])[-+])?\d(?:[\d.+-]*\d)?", re.ASCII)
# Hexadecimal of three digits and more, or letters and digits by turns: chance made it, nobody names a thing so.
_is_id = re.compile(
    r"(?:0x)?[\da-f-]{3,}|.*\d[a-z]{1,4}\d+[a-z]{1,4}\d.*|[\d.+-]*", re.ASCII | re.DOTALL | re.IGNORECASE
).fullmatch
# Words that are values by what they mean: parts of a date, units of a size written for people.
_VALUES = frozenset(
    b"Mon Tue Wed Thu Fri Sat Sun Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()
    + b"B kB KB MB GB TB KiB MiB GiB TiB".split()
)
_address_parameters = re.compile(r"\?[^\s\"'?]*=[^\s\"']*")
_several_variables = re.compile(f"{MARK}(?:[,\\s]*{MARK})+")
_several_alike = re.compile(f"(\\w+{MARK})(?:[,\\s]+\\1)+")


def _word(piece: str) -> Word:
    word = letters(piece)
    return None if word in _VALUES or (_digit(piece) and _is_id(piece)) or MARK in piece else word


class KeptPattern(msgspec.Struct, frozen=True, gc=False):
    """A pattern as the store keeps it.

    template: what people read. form: what the template is made from again. first_ns: time of the first event, ns UTC.
    """

    app: str
    id: str
    template: str
    form: str
    first_ns: int


class Template(msgspec.Struct, frozen=True, gc=False):
    """words: one a piece. pieces, separators: of a text it was made from."""

    words: tuple[Word, ...]
    pieces: tuple[str, ...]
    separators: tuple[str, ...]

    @classmethod
    def of_text(cls, text: str) -> "Template":
        """A message's own: variable where numbers, ids and values are. text: bounded (shape.py)."""
        found, between = pieces(text)
        return cls(tuple(map(_word, found)), tuple(found), tuple(between))

    @classmethod
    def of_form(cls, form: str) -> "Template":
        """The template that has this form."""
        return cls.of_text(form.replace(MARK, "0"))

    def generalised(self, words: Sequence[Word]) -> "Template":
        """With variables where `words`, as many, differ from its own."""
        merged = (mine if mine == other else None for mine, other in zip(self.words, words, strict=True))
        return Template(tuple(merged), self.pieces, self.separators)

    @property
    def form(self) -> str:
        """A text for `of_form`: every variable by itself."""
        shown = [
            MARK if word is None else _number.sub(MARK, piece)
            for word, piece in zip(self.words, self.pieces, strict=True)
        ]
        return "".join([part for pair in zip(shown, (*self.separators, ""), strict=True) for part in pair])


def text_of(form: str) -> str:
    """What people read: one variable for several in a row, and for the parameters of a web address.

    Messages with one, two or three words at a variable place so have one text, and are one pattern.
    """
    text = _several_variables.sub(MARK, _address_parameters.sub(MARK, form))
    return _several_alike.sub(r"\1", text).replace(MARK, VARIABLE)


def id_of(app: str, form: str) -> str:
    """16 hexadecimal digits: the same for the same app and form, everywhere and for ever."""
    return hashlib.blake2b(f"{app}\0{form}".encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()
