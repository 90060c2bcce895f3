"""What the decoder says of a value that does not fit, in words for people: what is taken there, and what was sent."""

import re

_TAKEN = {
    "int": "a whole number", "float": "a number", "str": "a text", "bool": "true or false", "object": "an object",
    "array": "a list", "null": "null",
}  # fmt: skip
_SENT = _TAKEN | {"float": "a number with a fraction"}
_OF = {"str": "characters", "array": "entries", "object": "members"}
_KIND = re.compile(r"expected `([a-z]+(?: \| [a-z]+)*)`, got `([a-z]+)`", re.IGNORECASE)
_BOUND = re.compile(r"expected `([a-z]+)`( of length)? ([<>]=?) (\S+)", re.IGNORECASE)
_MATCH = re.compile(r"expected `str` matching regex '(.+)'", re.IGNORECASE)
_BOUNDS = {"<=": "{} at most", ">=": "{} at least", "<": "less than {}", ">": "more than {}"}
# Whoever gives a member of a body another expression says here what it takes.
NAMES = {
    "^[a-z][a-z0-9_-]{0,31}$": "a name of 1 to 32 characters: one of a-z first, then a-z, 0-9, _ and -",
    "^[A-Za-z0-9_.*-]+$": "a name of A-Z, a-z, 0-9, _, . and -, without a space, or with a * before it",
}


def plainly(text: str) -> str:
    """`text` without the decoder's own terms; as it is where it has none that are known here."""
    if found := _KIND.fullmatch(text):
        taken = [_TAKEN.get(kind, kind) for kind in found[1].split(" | ")]
        return f"it takes {' or '.join(taken)}, not {_SENT.get(found[2], found[2])}"
    if found := _MATCH.fullmatch(text):
        return f"it takes {NAMES.get(found[1], f'what {found[1]} matches')}"
    if found := _BOUND.fullmatch(text):
        kind, is_length, sign, number = found.groups()
        if is_length and (sign, number) == (">=", "1"):
            return "it is empty; write something"
        return f"it takes {_BOUNDS[sign].format(number + (f' {_OF[kind]}' if is_length else ''))}"
    return text
