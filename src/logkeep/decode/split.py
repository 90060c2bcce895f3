"""A body into its events, each by itself, where one C call over the whole could not take it.

Slower than msgspec by far, and bounded in what it makes: never more items than asked for, no recursion.
"""

import re
from collections.abc import Iterator
from typing import Literal

import msgspec

Form = Literal["ndjson", "json"]

WHITESPACE = b" \t\r\n"
# msgspec makes one object a value; up to this size even `1 1 1 …` makes no more than 35 MB of them.
NATIVE_BYTES_MAX = 1 << 20

raw_list = msgspec.json.Decoder(list[msgspec.Raw]).decode
raw_lines = msgspec.json.Decoder(msgspec.Raw).decode_lines

_LINE = re.compile(rb"[^ \t\r\n][^\n]*")
# A text, a bracket, a comma, or anything else of a value. Texts do not run over a line's end: JSON forbids it, and a
# text that is not closed would otherwise swallow the lines after it.
_TOKEN = re.compile(rb'"[^"\\\n]*(?:\\.[^"\\\n]*)*"|[\[{]|[\]}]|,|[^\s"\[\]{},]+')
_CLOSERS = {0x5B: 0x5D, 0x7B: 0x7D}

# Whole pairs are matched so that their halves are not taken for lone ones, `\\` so that its second half starts nothing.
_SURROGATES = re.compile(
    rb"((?:\\\\|\\u[dD][89aAbB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})+)|\\u[dD][89a-fA-F][0-9a-fA-F]{2}"
)
_ANY_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")


class SplitError(ValueError):
    """These bytes are no sequence of JSON values."""


def form_of(text: bytes) -> Form:
    """`text` has no white space in front."""
    return "json" if text[:1] == b"[" else "ndjson"


def replace_lone_surrogates(text: bytes) -> bytes:
    """`text` with every `\\ud800` … `\\udfff` escape that is not half of a pair replaced by U+FFFD.

    JSON.stringify of every browser writes them for cut emoji, and no UTF-8 can hold them. The same object when there
    are none.
    """
    if _ANY_SURROGATE.search(text) is None:
        return text
    repaired = _SURROGATES.sub(lambda match: match[1] or b"\\ufffd", text)
    return text if repaired == text else repaired


def lines_of(text: bytes) -> Iterator[bytes]:
    """The lines that are not blank, in order."""
    return (match[0].rstrip(WHITESPACE) for match in _LINE.finditer(text))


def values_of(text: bytes, form: Form, *, items_max: int) -> list[bytes]:
    """Each JSON value of a sequence, or each item of an array; the first items_max + 1 of them when there are more.

    An item is at least bracketed well; what stands in it may still be no JSON. Raises SplitError.
    """
    if len(text) <= NATIVE_BYTES_MAX:
        try:
            raws = raw_list(text) if form == "json" else raw_lines(text)
            return [bytes(raw) for raw in raws[: items_max + 1]]
        except RecursionError:
            pass  # one item is too deep for it: the others are not lost for that
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise SplitError(str(error)) from error
    items: list[bytes] = []
    for item in _array_items(text) if form == "json" else _sequence_items(text):
        items.append(item)
        if len(items) > items_max:
            break
    return items


def _sequence_items(text: bytes) -> Iterator[bytes]:
    end = 0
    for start, stop, token in _top_level(text, 0):
        if token in b",":
            raise SplitError(f"a comma between values (byte {start})")
        _only_space_between(text, end, start)
        yield text[start:stop]
        end = stop
    _only_space_between(text, end, len(text))


def _array_items(text: bytes) -> Iterator[bytes]:
    """Items of the array that `text` is, between its first and its last bracket."""
    if text[-1:] != b"]" or len(text) < 2:
        raise SplitError("the array is cut off")
    end, after_comma, count = 1, True, 0
    for start, stop, token in _top_level(text[:-1], 1):
        _only_space_between(text, end, start)
        end = stop
        if after_comma == (token == b","):
            raise SplitError(f"expected {'an item' if after_comma else 'a comma'} (byte {start})")
        after_comma = token == b","
        if not after_comma:
            count += 1
            yield text[start:stop]
    _only_space_between(text, end, len(text) - 1)
    if after_comma and count:
        raise SplitError("the array ends with a comma")


def _top_level(text: bytes, at: int) -> Iterator[tuple[int, int, bytes]]:
    """(start, end, first token) of all that stands outside every bracket from `at` on: values and commas."""
    open_brackets = bytearray()
    start = at
    for match in _TOKEN.finditer(text, at):
        token = match[0]
        first = token[0]
        if first in _CLOSERS:
            if not open_brackets:
                start = match.start()
            open_brackets.append(_CLOSERS[first])
        elif first in (0x5D, 0x7D):
            if not open_brackets or open_brackets.pop() != first:
                raise SplitError(f"a bracket that closes nothing (byte {match.start()})")
            if not open_brackets:
                yield start, match.end(), text[start : start + 1]
        elif not open_brackets:
            yield match.start(), match.end(), token
    if open_brackets:
        raise SplitError("cut off: a bracket is not closed")


def _only_space_between(text: bytes, start: int, end: int) -> None:
    if start < end and text[start:end].strip(WHITESPACE):
        raise SplitError(f"unexpected character (byte {start})")
