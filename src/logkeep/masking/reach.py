"""How far a value goes that has no quotes around it: brackets to where they close, a block of YAML to its last line.

The search finds how it begins; brackets within brackets, and lines with at least the first one's indent, are no
regular expression's. All of it is bytes. What is looked at is taken for the value, so that the work grows with the text
and not faster.
"""

import re

CALL_BYTES_MAX = 512  # looked at for the end of a call that a blank interrupts: `a(b` may be all there is of a password
_CLOSES = {b"(": b")", b"[": b"]", b"{": b"}"}
_IN_QUOTES = rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"|' + rb"'[^'\\]*+(?:\\.[^'\\]*+)*+'"
_TOKENS = {
    opens: re.compile(rb"\\+.?|%s|[\"'%s%s]" % (_IN_QUOTES, re.escape(opens), re.escape(closes)), re.DOTALL)
    for opens, closes in _CLOSES.items()
}
_BARE = re.compile(rb"[^\s,;&\"'{}\[\]()]*")
_IN_WORD = re.compile(rb"[\"'][A-Za-z0-9][^\s,;&\"'{}\[\]()]*")  # no quote that ends a text has a letter behind it
_TYPE = re.compile(rb"(?:\w+(?:::|\.))*[A-Z]\w*")
_LINE = re.compile(rb"([ \t]*)(-[ \t])?[^\n]*\n?")
KINDS_OF_LINES = ("text", "list", "members")


def end_of_brackets(text: bytes, start: int, end: int) -> int:
    """Where the value ends that begins at `start`, and of which the search has found what is before `end`."""
    found = text[start:end]
    opened = text.find(b"(", start, end)
    if found in (b"[", b"{"):
        end = start
    elif opened >= 0 and text.count(b"(", start, end) > text.count(b")", start, end):
        if text[end : end + 1] not in (b'"', b"'", b"[", b"{"):
            call = text[opened : opened + CALL_BYTES_MAX].partition(b"\n")[0]
            closed = _closed(call, 0)
            return opened + closed if closed < len(call) or call.endswith(b")") else end
        end = opened
    elif text[end : end + 2] == b" {" and _TYPE.fullmatch(found):  # as Rust prints it
        end += 1
    while True:
        if text[end : end + 1] in _CLOSES:
            end = _BARE.match(text, _closed(text, end)).end()  # type: ignore[union-attr]  # never None
        elif more := _IN_WORD.match(text, end):
            end = more.end()
        else:
            return end


def _closed(text: bytes, at: int) -> int:
    """Behind the bracket that closes the one at `at`, or the end of `text` where none does. Brackets of other kinds
    and what is in quotes do not count."""
    opens, depth = text[at : at + 1], 0
    for match in _TOKENS[opens].finditer(text, at):
        token = match.group()
        if token == opens:
            depth += 1
        elif token == _CLOSES[opens]:
            depth -= 1
            if not depth:
                return match.end()
        elif token in (b'"', b"'"):  # it never closes
            break
    return len(text)


def end_of_lines(text: bytes, start: int, kind: str) -> int:
    """Where a value of YAML ends that begins at `start`: the last line indented as its first one is, or more.

    kind: of `text` the line at `start` only says that it follows; in a `list` each line is an item or of one;
    `members`: of an object.
    """
    line = text.find(b"\n", start) + 1 if kind == "text" else text.rfind(b"\n", 0, start) + 1
    end = at = line
    indent: int | None = None
    while at < len(text) and (match := _LINE.match(text, at)):
        content = match.group().rstrip()
        own = match.end(1) - at
        if content:
            if indent is None:
                indent = own
                if kind == "text" and not own:  # there is none
                    break
            elif own < indent or (kind == "list" and own == indent and not match.group(2)):
                break
            end = at + len(content)
        at = match.end()
    return max(end, line)
