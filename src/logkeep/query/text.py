"""Tokens and folding, defined once: the parser, `match.py` and every store cut text into words by these rules.

* A token is a longest run of ASCII letters, ASCII digits and characters from U+0080 on. All else separates: spaces,
  ASCII punctuation (`_` too), control characters, NUL. (ClickHouse calls this `splitByNonAlpha`.)
* Folding lower-cases each character for itself, whatever stands around it, so fold(a + b) == fold(a) + fold(b) and a
  word folds the same alone in a query and inside a sentence. In ClickHouse it is
  `replaceAll(lowerUTF8(x), 'ς', 'σ')`: there, as in str.lower, a capital sigma becomes ς or σ by its neighbours.
  A test compares every code point with the engine.
"""

import re

# Capital letters of Unicode 15.1 to 17, which the engine lower-cases and Python 3.11 (Unicode 14) does not know yet.
_NEWER_CAPITALS = {
    0x1C89: 0x1C8A,
    0xA7CB: 0x0264,
    0xA7CC: 0xA7CD,
    0xA7CE: 0xA7CF,
    0xA7D2: 0xA7D3,
    0xA7D4: 0xA7D5,
    0xA7DA: 0xA7DB,
    0xA7DC: 0x019B,
    **{capital: capital + 0x20 for capital in range(0x10D50, 0x10D66)},  # Garay
    **{capital: capital + 0x1B for capital in range(0x16EA0, 0x16EB9)},  # Beria Erfe
}
_has_newer_capital = re.compile("[" + "".join(map(chr, _NEWER_CAPITALS)) + "]").search

TOKEN_CLASS = "0-9A-Za-z\\u0080-\\U0010ffff"  # the characters of a token, as the inside of a regex class
# For str.translate: an ASCII character folded, or a space for what separates.
_ASCII_FOLDED = "".join(chr(code).lower() if chr(code).isalnum() else " " for code in range(0x80))
_find_tokens = re.compile(f"[{TOKEN_CLASS}]+").findall


def fold(text: str) -> str:
    """`text` with the case of each character removed; folding twice changes nothing more.

    One character stays one character, but for İ, which becomes i and U+0307 (as in Python and the engine).
    """
    folded = text.lower()
    if folded.isascii():
        return folded
    folded = folded.replace("ς", "σ")
    return folded.translate(_NEWER_CAPITALS) if _has_newer_capital(folded) else folded


def tokens(text: str) -> list[str]:
    """The folded tokens of `text`, in order, repeated ones too."""
    if text.isascii():  # nearly all there is, in a third of the time
        return text.translate(_ASCII_FOLDED).split()
    return _find_tokens(fold(text))
