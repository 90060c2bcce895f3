"""Names of fields whose values are masked, and the ways in which senders write them.

A `_` within a name stands for `_`, `-`, `.` or nothing: `access_token` is access-token and accessToken too. A name with
a `*` before it also ends longer ones: behind what is no letter or digit (db_token, db.token), and with a capital
(dbToken). Without it a name is the whole name. Case never counts.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import re2

_NAMES_KEPT, _NAME_CHARS_KEPT = 4_096, 128  # of which it is known whether they are masked: they repeat


class Fields:
    """Of one app's rules. names: as `Rules.fields` has them. Safe from several threads."""

    def __init__(self, names: Sequence[str]) -> None:
        self.names = tuple(names)
        self._kept = lru_cache(_NAMES_KEPT)(self._looked_up)
        self._ends = tuple({_without_signs(name) for name in names})
        self._search: Any = None
        if names:
            options = re2.Options()
            options.log_errors, options.max_mem = False, 32 << 20  # of a hundred long names
            whole = self.pattern(before=r"\A", behind=r"(?:\A|[^A-Za-z0-9])") + r"\z"
            self._search = re2.compile(whole, options)

    def has(self, name: str) -> bool:
        """Whether what is called `name` is masked."""
        return self._kept(name) if len(name) <= _NAME_CHARS_KEPT else self._looked_up(name)

    def _looked_up(self, name: str) -> bool:
        if not _without_signs(name).endswith(self._ends):  # a tenth of what the search costs
            return False
        return self._search.search(name.encode("utf-8", "replace")) is not None

    def pattern(self, *, before: str, behind: str, word: str = "") -> str:
        """What finds one of the names, of which there must be some. RE2.

        before: what a whole name stands behind. behind: what one with a `*` stands behind, other words with it; "" for
        anything. word: what stands before the last letter of a word that goes on with a capital.
        """
        whole = [_spelled(name) for name in self.names if not name.startswith("*")]
        ends = [_spelled(name[1:]) for name in self.names if name.startswith("*")]
        parts = [f"{before}(?:{'|'.join(whole)})"] if whole else []
        if ends:
            parts.append(f"{behind}(?:{'|'.join(ends)})")
        capitals = [f"(?-i:{end[0].upper()}){end[1:]}" for end in ends if end[0].isalpha()] if behind else []
        if capitals:
            parts.append(f"{word}[a-z0-9](?:{'|'.join(capitals)})")
        return f"(?i:{'|'.join(parts)})"

    def ending(self, words: Sequence[str]) -> "Fields":
        """Those of the names that end with one of `words`, which are in small letters."""
        return Fields([name for name in self.names if name.lower().endswith(tuple(words))])


def _without_signs(name: str) -> str:
    return name.casefold().replace("_", "").replace("-", "").replace(".", "").removeprefix("*")


def _spelled(name: str) -> str:
    inner = name.strip("_")
    if not inner:
        return str(re2.escape(name))
    begins, _, ends = name.partition(inner)
    return str(re2.escape(begins) + "[_.-]?".join(map(re2.escape, inner.split("_"))) + re2.escape(ends))
