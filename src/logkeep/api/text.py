"""Text from outside made safe and honest to look at: escaped, colours kept, everything invisible made visible."""

import re

from markupsafe import Markup, escape

# Shown as a symbol: C0 and C1 controls but tab and newline, marks that turn the direction of writing, the byte order
# mark, zero-width space, line separators, and halves of characters that UTF-8 cannot carry.
_ODD = re.compile(
    "\x1b\\[(?P<sgr>[0-9;]{0,32})m"
    "|(?P<odd>[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff\ud800-\udfff])"
)
_C0 = [
    "NUL", "SOH", "STX", "ETX", "EOT", "ENQ", "ACK", "BEL", "BS", "HT", "LF", "VT", "FF", "CR", "SO", "SI",
    "DLE", "DC1", "DC2", "DC3", "DC4", "NAK", "SYN", "ETB", "CAN", "EM", "SUB", "ESC", "FS", "GS", "RS", "US",
]  # fmt: skip


def marked_up(text: str) -> Markup:
    """`text` as HTML. ANSI colours become spans; other controls and bidirectional marks become visible symbols."""
    text = text.replace("\r\n", "\n")
    if not _ODD.search(text):
        return escape(text)
    parts: list[str] = []
    style = ""
    position = 0
    for match in _ODD.finditer(text):
        parts.append(_styled(text[position : match.start()], style))
        if match["odd"] is not None:
            parts.append(f'<span class="ctl">{symbol(match["odd"])}</span>')
        else:
            style = _next_style(style, match["sgr"])
        position = match.end()
    parts.append(_styled(text[position:], style))
    return Markup("".join(parts))  # every part is escaped above or made of our own letters


def symbol(character: str) -> str:
    """A visible stand-in, in letters that every font has: `NUL`, `ESC`, `U+202E`."""
    code = ord(character)
    if code < len(_C0):
        return _C0[code]
    return "DEL" if code == 0x7F else f"U+{code:04X}"


def plain(text: str) -> str:
    """`text` on one line with everything invisible made visible: for titles and attributes."""
    return _ODD.sub(lambda match: symbol(match["odd"]) if match["odd"] else "", text.replace("\n", " ↵ "))


def _styled(text: str, style: str) -> str:
    if not text:
        return ""
    return f'<span class="{style}">{escape(text)}</span>' if style else str(escape(text))


def _next_style(style: str, codes: str) -> str:
    """The classes after a colour sequence: `a31` (foreground), `bold`. Backgrounds and 256 colours are passed over."""
    classes = set(style.split())
    numbers = [int(code or "0") for code in codes.split(";")]
    if 38 in numbers or 48 in numbers:
        numbers = []
    for number in numbers:
        if number == 0:
            classes = set()
        elif number == 1:
            classes.add("bold")
        elif number == 22:
            classes.discard("bold")
        elif number == 39 or 30 <= number <= 37 or 90 <= number <= 97:
            classes = {name for name in classes if name == "bold"} | ({f"a{number}"} if number != 39 else set())
    return " ".join(sorted(classes))
