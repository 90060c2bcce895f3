"""How far a value goes that has no quotes around it: brackets to where they close, a block of YAML to its last line.

The search finds how it begins; brackets within brackets, and lines with at least the first one's indent, are no
regular expression's. All of it is bytes. What is looked at is either taken for the value, or counted, so that the work
stays within what a text may cost.
"""

import re
from collections.abc import Callable
from typing import Any

Look = Callable[[int], object]

CALL_BYTES_MAX = 512  # looked at for the end of a call that a blank interrupts: `a(b` may be all there is of a password
BRACKETS_BYTES_MAX = 64 << 10  # looked at for where a bracket closes
LINE_BYTES_MAX = 512  # looked at before a value for a quote that is open there
_CLOSES = {b"(": b")", b"[": b"]", b"{": b"}"}
_IN_QUOTES = rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"|' + rb"'[^'\\]*+(?:\\.[^'\\]*+)*+'"
_TOKENS = {
    opens: re.compile(rb"\\+.?|%s|[\"'%s%s]" % (_IN_QUOTES, re.escape(opens), re.escape(closes)), re.DOTALL)
    for opens, closes in _CLOSES.items()
}
# With a terminal's colours between its letters, not behind them (ECMA-48).
_LETTERS = rb"[^ \t\n\f\r,;&\"'{}\[\]\x1b]"
_WORD = re.compile(rb"%s*+(?:(?:\x1b\[[0-9;]*+[A-Za-z])++%s++|\x1b[^\s\[]%s*+)*+" % (_LETTERS, _LETTERS, _LETTERS))
_BARE = re.compile(rb"[^\s,;&\"'{}\[\]()]*")
_IN_WORD = re.compile(rb"[\"'][A-Za-z0-9][^\s,;&\"'{}\[\]()]*")  # no quote that ends a text has a letter behind it
_TYPE = re.compile(rb"(?:\w+(?:::|\.))*[A-Z]\w*(?:<[\w:<>]+>)?")
_QUOTES = re.compile(rb"\\.|([\"'`])", re.DOTALL)
_ENDS_TEXT = re.compile(rb"[\"'](?![^\s,;:.)\]}+])")
_STACK_LINE = re.compile(rb"\n[ \t]+at ")
_LINE = re.compile(rb"([ \t]*)(-[ \t\r\n])?[^\n]*\n?")
_FOLDED = re.compile(rb"\r?\n([ \t]+)[^\r\n]+")
_MARGIN = re.compile(rb"[ \t]*(?:-[ \t]+)*")
_BEHIND_NAME = re.compile(rb"[ \t]*(?:[&!][^\s]*[ \t]+)*([|>])?")
_OF_STACK = re.compile(rb"at |Caused by: |File \"|\.\.\. [0-9]+ more")


def end_of_word(text: bytes, at: int) -> int:
    """Of a value without quotes, of which `at` is in or behind the first letter."""
    return _WORD.match(text, at).end()  # type: ignore[union-attr]  # never None


def end_of_brackets(text: bytes, start: int, end: int, look: Look) -> int:
    """Where the value ends that begins at `start`, and of which the search has found what is before `end`. look:
    called with how many bytes were looked at for it.

    A bracket that never closes hides the line at most, or what is left of the quoted text it stands in.
    """
    found = text[start:end]
    opened = text.find(b"(", start, end)
    if found in (b"[", b"{"):
        end = start
    elif opened >= 0 and text.count(b"(", start, end) > text.count(b")", start, end):
        on_lines = found.endswith(b"(") and text[end : end + 1] in (b"\r", b"\n")
        if not on_lines and text[end : end + 1] not in (b'"', b"'", b"[", b"{"):
            call = text[opened : opened + CALL_BYTES_MAX].partition(b"\n")[0]
            closed = _closed(call, 0, look)
            return opened + closed if closed else end
        end = opened
    elif text[end : end + 2] == b" {" and _TYPE.fullmatch(found):  # as Rust prints it
        end += 1
    while True:
        if text[end : end + 1] in _CLOSES:
            closed = _closed(text, end, look)
            if not closed:
                return _end_of_line(text, end)
            end = _BARE.match(text, closed).end()  # type: ignore[union-attr]  # never None
        elif more := _IN_WORD.match(text, end):
            end = more.end()
        else:
            return end


def _closed(text: bytes, at: int, look: Look) -> int:
    """Behind the bracket that closes the one at `at`, or 0 where none does. Brackets of other kinds and what is in
    quotes do not count."""
    opens, depth = text[at : at + 1], 0
    if text[at + 1 : at + 2] == open_quote(text, at):  # the quote ends what the bracket stands in
        return 0
    closed, end = 0, min(len(text), at + BRACKETS_BYTES_MAX)
    for match in _TOKENS[opens].finditer(text, at, end):
        token = match.group()
        depth += (token == opens) - (token == _CLOSES[opens])
        if not depth or token in (b'"', b"'"):  # a quote that never closes
            end = match.end()
            closed = 0 if depth or _STACK_LINE.search(text, at, end) else end
            break
    look(end - at)
    return closed


def _end_of_line(text: bytes, at: int) -> int:
    """Of the line, or of the quoted text of that line in which the bracket at `at` stands."""
    line = text.find(b"\n", at)
    line = len(text) if line < 0 else line
    quote = open_quote(text, at)
    quoted = text.find(quote, at, line) if quote else -1
    return at + len(text[at:line].rstrip() if quoted < 0 else text[at:quoted].rstrip(b"\\"))


def open_quote(text: bytes, at: int) -> bytes:
    """The quote of the line that is still open at `at`, or nothing: one behind a letter opens none, a backtick may be
    closed by an apostrophe."""
    line = text.rfind(b"\n", max(0, at - LINE_BYTES_MAX), at) + 1 or max(0, at - LINE_BYTES_MAX)
    opened = b""
    for match in _QUOTES.finditer(text, line, at):
        quote = (match.group(1) or b"").replace(b"`", b"'")
        if quote == opened:
            opened = b""
        elif quote and not opened and not text[max(line, match.start() - 1) : match.start()].isalnum():
            opened = quote
    return opened


def closes_quote(text: bytes, name: int, start: int) -> bool:
    """Whether the quote at `start` is no value's, but ends the text in which the name at `name` stands."""
    quote = text[start : start + 1]
    return (
        _ENDS_TEXT.match(text, start) is not None
        and text.find(quote, name + 1, start) < 0
        and open_quote(text, start) == quote
    )


def lines_below(text: bytes, name: int, start: int) -> tuple[int, int] | None:
    """Where a value of YAML begins and ends whose name stands at `name`: all lines that are indented as its first one
    is, or more. start: what stands behind the name. None: there is none, the next line is not indented deeper than
    the name, or it is a list's and stands before it.
    """
    behind = _BEHIND_NAME.match(text, start)
    is_text = bool(behind and behind.group(1))
    line = text.find(b"\n", start) + 1
    begins = end = at = 0
    indent: int | None = None
    while line and at < len(text) and (match := _LINE.match(text, at or line)):
        content = match.group().rstrip()
        own = match.end(1) - match.start()
        if content and (indent is not None or is_text or content[own : own + 1] != b"#"):
            if indent is None:
                if not _is_below(text, name, match.start(), own, bool(match.group(2)) and not is_text):
                    break
                indent, is_list = own, bool(match.group(2)) and not is_text
                begins = start if is_text else match.end(1)
            elif own < indent or (is_list and own == indent and not match.group(2)):
                break
            end = match.start() + len(content)
        at = match.end()
    return None if indent is None else (begins, end)


def end_of_header(text: bytes, name: int, start: int, end: int) -> int:
    """Of a header's value from `start` to its line's end at `end`: where the quoted text it stands in ends, or the last
    of the lines that go on with it."""
    quote = open_quote(text, start)
    quoted = text.find(quote, start, end) if quote else -1
    if quoted >= 0:
        return start + len(text[start:quoted].rstrip(b"\\"))
    while (more := _FOLDED.match(text, end)) and _is_below(text, name, more.start(1), len(more.group(1)), False):
        end = more.end()
    return end


def is_on_line_of(text: bytes, name: int, start: int) -> bool:
    """Whether what begins at `start` can be the value of the name at `name`: on its line, or indented deeper below."""
    line = text.rfind(b"\n", name + 1, start) + 1
    return not line or _is_below(text, name, line, start - line, False)


def _is_below(text: bytes, name: int, line: int, indent: int, is_list: bool) -> bool:
    """Whether the line at `line` belongs to the name at `name` and not to what that stands in."""
    name += text[name : name + 1] in (b"\n", b"\r")  # a match may begin with what is before the name
    margin: Any = _MARGIN.match(text, text.rfind(b"\n", 0, name) + 1)
    return len(margin.group()) < indent + is_list and not _OF_STACK.match(text, line + indent)
