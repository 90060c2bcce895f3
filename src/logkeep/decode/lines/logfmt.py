"""logfmt: `time=2024-01-01T12:00:00Z level=info msg="some text" status=200`."""

import re

from logkeep.decode.lines.fields import LineFields
from logkeep.decode.lines.record import LogLine, Parse, number_or_text
from logkeep.decode.lines.times import Calendar

# Possessive, so that quotes without an end are looked through once and not once for each of them.
_PAIR = re.compile(r'([^\s="]{1,256})=(?:"([^"\\]*+(?:\\.[^"\\]*+)*+)"|([^\s"]*+))(?=\s|$)|(\S+)', re.DOTALL)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_ESCAPED = {"n": "\n", "t": "\t", "r": "\r"}


def parser(calendar: Calendar) -> Parse:
    """Reads one line of at least one pair; words that are no pair are the message when no pair names one."""
    fields = LineFields(calendar)

    def parse(text: str) -> LogLine | None:
        found: dict[str, object] = {}
        words: list[str] = []
        for name, quoted, bare, word in _PAIR.findall(text):
            if word:
                words.append(word)
            elif quoted:
                found[name] = _ESCAPE.sub(_unescaped, quoted) if "\\" in quoted else quoted
            else:
                found[name] = number_or_text(bare)
        if not found:
            return None
        return fields.line(found, message=" ".join(words) if words else text, keep_message=not words)

    return parse


def _unescaped(found: re.Match[str]) -> str:
    return _ESCAPED.get(found[1], found[1])
