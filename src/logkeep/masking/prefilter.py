r"""Which events of a body can hold anything to mask, told from its bytes before they are decoded.

One search over a body costs 1 µs of CPU an event; to look at the decoded events, most of whose texts repeat, costs 6.
Only what is found here is looked at again (`Masker.mask`), so this may find too much and must never find too little:
a text stands in JSON as it is but for escapes. `\n`, `\t` and their like may stand where a pattern looks at what is
around it, `\"` where a quote may be, and ASCII written as `\u0070` makes its event suspect whatever it says.
"""

from collections.abc import Sequence
from typing import Any

import re2

from logkeep.decode.split import Form, raw_lines, raw_list
from logkeep.masking.fields import Fields
from logkeep.masking.rules import Rules
from logkeep.masking.search import touched, touched_between

_ESCAPED = r"\\u(?:00[0-7]|017f|212a)"  # of ASCII, or of what folds to it: U+017F to s, U+212A to k
_BEFORE = r"(?:[^a-z0-9_%s]|[\x{17f}\x{212a}]|\\[bfnrt]|\\u[0-9a-f]{4})"
_WHOLE = _BEFORE % ".-" + r"-{0,2}"
_IS = r"\\*[\"'`]?\]?(?:\[\])?(?:[ \t\r\n\x{a0}]|\\+[nrt]|\\u00a0)*[=:]"
_OF_ADDRESS = r"(?:%|\\x)[2-7][0-9a-f]"  # any of these letters may be one of a name
_KEY = r'"key"[ \t\r\n]*:[ \t\r\n]*"(?:[^"\\]|\\.)*'  # of any ending
_BEARER = _BEFORE % "" + r"(?:(?:bearer|basic|token)(?:[ \t]|\\t)+[a-z0-9._~+/=\\-]{12}|digest(?:[ \t]|\\t)+[a-z_-]+=)"
_IN_ADDRESS = r"(?:[^\s/\"\\]|\\.)*"
_ADDRESS = rf":\\*/\\*/{_IN_ADDRESS}:{_IN_ADDRESS}@"
_EMAIL = r"[a-z0-9._%+-]@[a-z0-9-]{1,63}\."
_BUILTIN = (("bearer", _BEARER), ("bearer", _ADDRESS), ("email", _EMAIL))
_CLOSING = ord("}")
_MADE_HERE = ("sent_time", "sent_level")  # attributes that no sender wrote (processor/normalise.py)


def _ends_of_lines(body: bytes, count: int) -> list[int] | None:
    """Where the line behind each begins, if each line is one of `count` events; None: some are not.

    A line break between events has a brace before and behind it, and no other has.
    """
    ends: list[int] = []
    find, add = body.find, ends.append
    at = find(b"\n") + 1
    while at:
        if at < 2 or body[at - 2] != _CLOSING or body[at : at + 1] != b"{":
            return None
        add(at)
        at = find(b"\n", at) + 1
    add(len(body) + 1)
    return ends if len(ends) == count else None


class Prefilter:
    """Of one app's rules. Safe from several threads."""

    def __init__(self, rules: Rules) -> None:
        self._search: Any = None
        fields = Fields(rules.fields)
        # A card's number may be a time in JSON as well; an own pattern may look at anything.
        if rules.patterns or "card" in rules.builtin or any(map(fields.has, _MADE_HERE)):
            return
        parts = [_ESCAPED, _OF_ADDRESS]
        if rules.fields:
            parts.append("--[a-z0-9_.-]*" + fields.pattern(before="", behind="") + r"(?:[ \t]|\\t)")
            parts += [fields.pattern(before=_WHOLE, behind="") + _IS, _KEY + fields.pattern(before="", behind="") + '"']
        parts += [part for name, part in _BUILTIN if name in rules.builtin]
        options = re2.Options()
        options.log_errors = False
        self._search = re2.compile("(?i:" + "|".join(parts) + ")", options)

    def suspects(self, body: bytes, form: Form, count: int) -> Sequence[int] | None:
        """Indexes of the events of `body` that may hold something to mask, ascending; None: any may.

        body: `count` events, well-formed all of them, as `decode_events` takes it in one call.
        """
        if self._search is None:
            return None
        if form == "ndjson" and (ends := _ends_of_lines(body, count)) is not None:
            return sorted(touched_between(self._search, body, ends))
        if self._search.search(body) is None:
            return ()
        pieces = raw_list(body) if form == "json" else raw_lines(body)
        return sorted(touched(self._search, list(map(bytes, pieces))))
