"""Names of people and devices in texts, replaced where they stand alone: of `ann` nothing in `channel` is."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import re2

NAME_CHARS_MIN = 3  # shorter ones stand in any text by chance
NAMES_AT_ONCE = 50  # in one automaton: with 512 bytes each it stays within RE2's memory


class Names:
    """Whatever case they are written in. instead: what takes the place of one, "" to leave it."""

    def __init__(self, names: Sequence[str], instead: Callable[[str], str]) -> None:
        self._searches = list(_searches([name for name in names if len(name) >= NAME_CHARS_MIN]))
        self._instead = instead

    def replaced(self, text: str) -> str:
        for search in self._searches:
            text = self._without(search, text)
        return text

    def _without(self, search: Any, text: str) -> str:
        parts, at = [], 0
        for match in search.finditer(text):
            start, end = match.span()
            before, after = text[start - 1 : start], text[end : end + 1]
            grown = (_of_word(before) and _of_word(text[start])) or (_of_word(text[end - 1]) and _of_word(after))
            if not grown and (instead := self._instead(match.group())):
                parts += [text[at:start], instead]
                at = end
        return "".join((*parts, text[at:]))


def _of_word(char: str) -> bool:
    return char.isalnum() or char == "_"


def _searches(names: Sequence[str]) -> Iterator[Any]:
    options = re2.Options()
    options.log_errors, options.case_sensitive, options.max_mem = False, False, 64 << 20
    longest_first = sorted(names, key=len, reverse=True)
    for at in range(0, len(longest_first), NAMES_AT_ONCE):
        yield re2.compile("|".join(map(re2.escape, longest_first[at : at + NAMES_AT_ONCE])), options)
